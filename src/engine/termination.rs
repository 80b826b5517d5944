//! What ends a turn before its pattern does: the conditions of its group, looked at before and after each step.
//!
//! Everything is read from committed rows. A group without conditions costs nothing here.

use super::candidates::line;
use super::{Engine, Trouble};
use crate::domain::terminate::{RETURN_TO_USER, SoFar};
use crate::domain::{Content, Group, Message, Run, RunKind, RunState, StopReason, Terminate};
use crate::store::StepView;

/// A turn is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The key of what ends it.
    pub stop: StopReason,
    /// Why, in a sentence.
    pub why: String,
}

/// What ends a speech or a choice in the middle, since its turn is to end; `None` where its next step may be made.
pub async fn before_step(engine: &Engine, view: &StepView) -> Result<Option<Ending>, Trouble> {
    let background = matches!(view.run.kind, RunKind::Job { .. });
    let Some(group) = view.group.as_ref().filter(|group| has_any(group) && !background) else { return Ok(None) };
    let mut turn = view.run.clone();
    while let Some(parent) = turn.parent.clone() {
        turn = engine.must_run(&parent).await?;
    }
    met(engine, &turn, group).await
}

/// What ends this turn now, if anything does.
pub async fn met(engine: &Engine, turn: &Run, group: &Group) -> Result<Option<Ending>, Trouble> {
    if !has_any(group) {
        return Ok(None);
    }
    let messages = engine.store.messages(&turn.conversation, turn.input.max(1), u64::MAX).await?;
    let so_far = so_far(engine, turn, group, &messages).await?;
    if let Some(terminate) = &group.terminate
        && let Some(stop) = terminate.met(&so_far)
    {
        return Ok(Some(Ending { stop, why: why(terminate, stop, &so_far, &messages) }));
    }
    // `@name` is no discussion: there the word means nothing.
    let token = group.token().filter(|_| !matches!(turn.kind, RunKind::Turn { only: Some(_), .. }));
    Ok(token.filter(|token| so_far.said.iter().any(|said| said.contains(token))).map(|token| {
        let stop = StopReason::TerminationToken;
        Ending { stop, why: format!("{} ({})", stop.sentence(), line(token)) }
    }))
}

fn has_any(group: &Group) -> bool {
    group.terminate.is_some() || group.token().is_some()
}

/// What has happened in the turn, as far as the group's conditions ask.
async fn so_far(engine: &Engine, turn: &Run, group: &Group, messages: &[Message]) -> Result<SoFar, Trouble> {
    let mut so_far = SoFar {
        tokens: turn.tokens,
        signals: turn.signals.clone(),
        seconds: seconds(engine, messages),
        ..SoFar::default()
    };
    for message in messages.iter().filter(|message| message.agent.is_some()) {
        match &message.content {
            Content::Text { text, .. } => so_far.said.push(text.clone()),
            Content::Tool { name, ok: true, .. } => so_far.called.push(name.clone()),
            Content::Tool { .. } | Content::Notice { .. } => {}
        }
    }
    let counts = |one: &Terminate| matches!(one, Terminate::MaxTurns(_) | Terminate::Speaker(_));
    if group.terminate.iter().flat_map(Terminate::each).any(counts) {
        let mut runs = engine.store.runs_of(&turn.id).await?;
        for speech in runs.clone() {
            // Those a manager gave work to.
            runs.extend(engine.store.runs_of(&speech.id).await?);
        }
        for run in runs {
            if let (RunKind::Speech { agent, .. }, RunState::Finished { stop_reason, .. }) = (&run.kind, &run.state) {
                so_far.speeches += 1;
                if !matches!(stop_reason, StopReason::Passed | StopReason::Error | StopReason::Cancelled) {
                    so_far.spoke.push(agent.clone());
                }
            }
        }
    }
    Ok(so_far)
}

/// Whole seconds since the message the turn answers.
fn seconds(engine: &Engine, messages: &[Message]) -> u64 {
    let began = messages.first().map(|message| message.at);
    let since = began.map(|began| engine.store.clock().now().duration_since(began).as_secs());
    since.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()
}

/// The sentence of the condition that holds, with what it was set to.
fn why(terminate: &Terminate, stop: StopReason, so_far: &SoFar, messages: &[Message]) -> String {
    let single = |one: &&Terminate| !matches!(one, Terminate::Any(_) | Terminate::All(_));
    let holds = terminate.each().filter(single).find(|one| one.met(so_far) == Some(stop));
    let sentence = stop.sentence();
    match holds {
        Some(Terminate::MaxTurns(most)) => format!("{sentence} ({most})"),
        Some(Terminate::Tokens(most)) => format!("{sentence} ({})", with_commas(*most)),
        Some(Terminate::Seconds(most)) => format!("{sentence} ({} s)", with_commas(*most)),
        Some(Terminate::Text(text) | Terminate::Tool(text) | Terminate::External(text)) => {
            format!("{sentence} ({})", line(text))
        }
        Some(Terminate::Speaker(agent)) => {
            let by = messages.iter().find(|message| message.agent.as_ref() == Some(agent));
            by.map_or_else(|| sentence.to_owned(), |by| format!("{} has spoken, whose word is the last", by.name))
        }
        Some(Terminate::ToUser(_)) => handed_back(messages).unwrap_or_else(|| sentence.to_owned()),
        Some(Terminate::Any(_) | Terminate::All(_)) | None => sentence.to_owned(),
    }
}

/// Who gave the turn back to the user, and what for.
fn handed_back(messages: &[Message]) -> Option<String> {
    messages.iter().rev().find_map(|message| match &message.content {
        Content::Tool { name, arguments, ok: true, .. } if name == RETURN_TO_USER => {
            let reason = arguments.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
            Some(format!("{} hands it back to you: {}", message.name, line(reason)))
        }
        _ => None,
    })
}

/// A number with a comma at every thousand.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let read = [0, 12, 999, 1_000, 20_000, 1_234_567].map(with_commas);
        assert_eq!(read, ["0", "12", "999", "1,000", "20,000", "1,234,567"]);
    }
}
