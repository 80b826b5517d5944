//! Evaluates what ends a turn before its pattern does: the group's termination conditions, and its budgets: the model
//! calls and tokens that a message or a job leads to, and the tokens of a day.
//!
//! Checked before each step and between the moves of a turn, from committed rows and, where a step carries out the move
//! after it, from what that step adds to them. A group without conditions costs no query for them.

use super::budget;
use super::candidates::line;
use super::progress::Progress;
use super::{Engine, EngineError};
use crate::domain::budget::PER_RUN;
use crate::domain::group::{DEFAULT_MAX_CALLS, DEFAULT_MAX_JOB_CALLS};
use crate::domain::terminate::{RETURN_TO_USER, TerminationCondition, TurnProgress, Why};
use crate::domain::{Content, Group, Message, Run, RunKind, RunState, StopReason};
use crate::store::StepInput;

/// The condition that ends a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The stop reason of the condition.
    pub stop: StopReason,
    /// Sentence for the conversation.
    pub why: String,
}

/// What a commit adds to the committed steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Staged {
    /// Model calls, with their retries.
    pub calls: u32,
    /// Input and output tokens.
    pub tokens: u64,
}

/// The condition that ends a speech, a choice or the run of a job before its next step; `None` if the step may be made.
/// Budgets of a day are not among them.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn before_step(engine: &Engine, view: &StepInput) -> Result<Option<Ending>, EngineError> {
    if let Some(ending) = spent(engine, &view.run, Staged::default(), view.group.as_ref()).await? {
        return Ok(Some(ending));
    }
    let background = matches!(view.run.kind, RunKind::Job { .. });
    let Some(group) = view.group.as_ref().filter(|group| has_any(group) && !background) else { return Ok(None) };
    let mut above = view.run.parent.clone();
    while let Some(id) = above {
        let Some(progress) = Progress::read(engine, &id).await? else { return Ok(None) };
        if progress.turn.kind.is_turn() {
            return met(engine, &progress, group).await;
        }
        above = progress.turn.parent;
    }
    Ok(None)
}

/// The end of a run whose message or job has led to all the model calls or tokens it may; `None` if it may go on.
/// `staged` is added to what is committed. `group` is the group in which the run is, and so its root, if that is known.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn spent(
    engine: &Engine,
    run: &Run,
    staged: Staged,
    group: Option<&Group>,
) -> Result<Option<Ending>, EngineError> {
    let read;
    let root = if run.root == run.id {
        run
    } else {
        let Some(found) = engine.readable::<Run>(run.root.as_str()).await? else { return Ok(None) };
        read = found;
        &read
    };
    let calls = root.calls.saturating_add(staged.calls);
    if calls == 0 {
        return Ok(None);
    }
    let own = if group.is_none() { group_of(engine, root).await? } else { None };
    let group = group.or(own.as_ref());
    let (most, key, cause) = match root.kind.job() {
        Some(_) => {
            let most = group.and_then(|group| group.max_job_calls);
            (most.unwrap_or(DEFAULT_MAX_JOB_CALLS), "max_job_calls", "job")
        }
        None => (group.and_then(|group| group.max_calls).unwrap_or(DEFAULT_MAX_CALLS), "max_calls", "message"),
    };
    let name = group.map_or(String::new(), |group| format!(" of {}", group.name));
    let ending = |why: String| Ok(Some(Ending { stop: StopReason::Budget, why }));
    if calls >= most {
        return ending(format!("this {cause} has led to {calls} model calls, of at most {most} ({key}{name})"));
    }
    let tokens = root.tokens.saturating_add(root.mail_tokens).saturating_add(staged.tokens);
    let most = group.and_then(|group| group.max_tokens_per_run).filter(|most| tokens >= u64::from(*most));
    most.map_or(Ok(None), |most| {
        ending(format!("this {cause} has led to {tokens} tokens, of at most {most} ({PER_RUN}{name})"))
    })
}

/// The end of a turn whose group has used its tokens of the day.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn spent_today(engine: &Engine, group: &Group, staged: Staged) -> Result<Option<Ending>, EngineError> {
    let spent = budget::spent(engine, Some(group), None, staged.tokens).await?;
    Ok(spent.map(|spent| Ending { stop: StopReason::Budget, why: spent.with_advice() }))
}

/// The group of a turn or job; the home of its agent for one in an agent's own conversation.
async fn group_of(engine: &Engine, root: &Run) -> Result<Option<Group>, EngineError> {
    match (root.group(), root.kind.only()) {
        (Some(group), _) => Ok(engine.readable::<Group>(group.as_str()).await?),
        (None, Some(agent)) => Ok(engine.store.home_of(agent).await?),
        (None, None) => Ok(None),
    }
}

/// The condition that ends this turn now, if any.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn met(engine: &Engine, progress: &Progress, group: &Group) -> Result<Option<Ending>, EngineError> {
    if !has_any(group) {
        return Ok(None);
    }
    let so_far = so_far(engine, progress, group).await?;
    if let Some(terminate) = &group.terminate
        && let Some(stop) = terminate.evaluate(&so_far)
    {
        return Ok(Some(Ending { stop, why: why(terminate, stop, &so_far) }));
    }
    // A turn for one agent (`@name`) is no discussion, so the token does not end it.
    let token = group.token().filter(|_| progress.turn.kind.only().is_none());
    Ok(token.filter(|token| so_far.said.iter().any(|said| said.contains(token))).map(|token| {
        let stop = StopReason::TerminationToken;
        Ending { stop, why: format!("{} ({})", stop.sentence(), line(token)) }
    }))
}

fn has_any(group: &Group) -> bool {
    group.terminate.is_some() || group.token().is_some()
}

/// The progress of the turn, as far as the group's conditions need it.
async fn so_far(engine: &Engine, progress: &Progress, group: &Group) -> Result<TurnProgress, EngineError> {
    let turn = &progress.turn;
    let messages = progress.messages(engine).await?;
    let mut so_far = TurnProgress {
        tokens: turn.tokens,
        signals: turn.signals.clone(),
        seconds: seconds(engine, turn, &messages),
        handed_back: handed_back(&messages),
        ..TurnProgress::default()
    };
    for message in &messages {
        let Some(agent) = &message.agent else { continue };
        so_far.names.entry(agent.clone()).or_insert_with(|| message.name.clone());
        match &message.content {
            Content::Text { text, .. } => so_far.said.push(text.clone()),
            Content::Tool { name, ok: true, .. } => so_far.called.push(name.clone()),
            Content::Tool { .. } | Content::Notice { .. } => {}
        }
    }
    if group.terminate.as_ref().is_some_and(TerminationCondition::needs_speeches) {
        let mut runs = progress.parts.clone();
        for speech in &progress.parts {
            // The workers of a delegation.
            runs.extend(engine.store.runs_of(&speech.id).await?);
        }
        for run in runs {
            if let (true, Some(agent), RunState::Finished { stop_reason, .. }) =
                (run.kind.is_speech(), run.agent(), &run.state)
            {
                so_far.speeches += 1;
                if !matches!(stop_reason, StopReason::Passed | StopReason::Error | StopReason::Cancelled) {
                    so_far.spoke.push(agent.clone());
                }
            }
        }
    }
    Ok(so_far)
}

/// Whole seconds since the message the turn answers; 0 if there is none.
fn seconds(engine: &Engine, turn: &Run, messages: &[Message]) -> u64 {
    messages.first().map_or(0, |message| engine.spans.since_begin(turn.id.as_str(), message.at).as_secs())
}

/// The sentence of the condition that holds, with its value.
fn why(terminate: &TerminationCondition, stop: StopReason, progress: &TurnProgress) -> String {
    let sentence = stop.sentence();
    match terminate.why(stop, progress) {
        Why::With(detail) => format!("{sentence} ({})", line(&detail)),
        Why::Instead(instead) => instead,
        Why::Plain => sentence.to_owned(),
    }
}

/// Name and reason of the agent that last called `return_to_user`.
fn handed_back(messages: &[Message]) -> Option<(String, String)> {
    messages.iter().rev().find_map(|message| match &message.content {
        Content::Tool { name, arguments, ok: true, .. } if name == RETURN_TO_USER => {
            let reason = arguments.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
            Some((message.name.clone(), line(reason)))
        }
        _ => None,
    })
}
