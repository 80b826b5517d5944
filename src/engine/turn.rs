//! A turn: performs the moves of its pattern, one after the other.
//!
//! All state is derived from committed rows: the speeches so far are the child runs of the turn, so a turn that was
//! interrupted or parked resumes where it stopped.

use tokio_util::sync::CancellationToken;

use super::cancellation::{self, CANCELLED, Mode};
use super::termination::{self, Ending};
use super::work::Outcome;
use super::{Engine, EngineError, speaker_selection, speech, wait};
use crate::domain::pattern::{self, Config, Move, Part};
use crate::domain::{
    AgentId, Change, Content, Group, Mail, MailId, MailKind, NoticeKind, Run, RunId, RunKind, RunState, StopReason,
};

/// Bytes of messages read first when searching for the last speaker; grows fourfold per try.
const LOOK_BACK_BYTES: usize = 4 * 1024;

/// Performs the turn until it finishes or parks.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a move.
pub async fn perform(engine: &Engine, id: &RunId, cancel: &CancellationToken) -> Result<(), EngineError> {
    let Some(mut turn) = engine.store.row::<Run>(id.as_str()).await? else { return Ok(()) };
    if turn.state == RunState::Queued {
        engine.commit_as_engine(start(engine, &turn)).await?;
        turn = engine.must_run(id).await?;
    }
    let mut before = None;
    loop {
        if turn.is_finished() {
            return Ok(());
        }
        if cancel.is_cancelled() {
            return call_off(engine, &turn).await;
        }
        let config = config(engine, &turn).await?;
        let children = engine.store.runs_of(id).await?;
        let unfinished = children.iter().find(|child| !child.is_finished());
        speech::release(engine, &children);
        let state = unfinished.map(|run| (run.id.clone(), run.state.clone(), run.steps, run.moved_at));
        if before.is_some() && before == state {
            return Err(EngineError::Refused("it does not go on: its speech neither ends nor waits".to_owned()));
        }
        if unfinished.is_none() && turn.state == RunState::Parked {
            // The speech it was parked with has failed.
            engine.commit_as_engine(vec![Change::RunMoved { id: id.clone(), to: RunState::Running }]).await?;
        }
        let so_far: Vec<Part> = children.iter().filter_map(Part::of).collect();
        let next = match unfinished.and_then(Move::again) {
            Some(again) => again,
            None => match ending(engine, &turn, &config).await? {
                Some(ending) => return finish(engine, &turn, ending.stop, Some(ending.why)).await,
                None => pattern::next(&config, &so_far),
            },
        };
        let index = u32::try_from(pattern::speeches(&so_far).len()).unwrap_or(u32::MAX);
        let outcome = match next {
            Move::Finish(stop) => return finish(engine, &turn, stop, why(&config, stop)).await,
            Move::Choose { manager, among } => {
                let Some(kind) = speaker_selection::kind(&turn, &manager, among, index) else {
                    return Err(EngineError::Refused(format!("turn {id} has no group to choose in")));
                };
                speaker_selection::choose(engine, &turn, &manager, kind, unfinished, cancel).await?
            }
            Move::Speak(agent) => speech::speak(engine, &turn, &agent, unfinished, index, cancel).await?,
        };
        if outcome == Outcome::Parked {
            return Ok(());
        }
        before = state.filter(|_| outcome == Outcome::Finished);
        // Limits, members or the status may have changed meanwhile, so everything is read again.
        turn = engine.must_run(id).await?;
    }
}

/// The changes that start a queued turn: its queued text becomes the message it answers.
fn start(engine: &Engine, turn: &Run) -> Vec<Change> {
    let text = turn.queued.clone().unwrap_or_default();
    vec![
        Change::RunMoved { id: turn.id.clone(), to: RunState::Running },
        Change::MessageAppended(engine.message(turn, Content::said(text))),
    ]
}

/// The change that appends a notice of the engine to the turn's conversation.
#[must_use]
pub fn notice(engine: &Engine, turn: &Run, notice: NoticeKind, text: String) -> Change {
    Change::MessageAppended(engine.message(turn, Content::notice(notice, text)))
}

async fn config(engine: &Engine, turn: &Run) -> Result<Config, EngineError> {
    match &turn.kind {
        RunKind::Turn { only: Some(agent), .. } => Ok(Config::Only(agent.clone())),
        RunKind::Turn { group: Some(group), .. } => {
            let group = engine.store.row::<Group>(group.as_str()).await?;
            let group = group.ok_or_else(|| EngineError::Refused("the group of the turn is gone".to_owned()))?;
            let after = if group.continue_order { spoke_before(engine, turn, &group).await? } else { None };
            Ok(Config::Group { group: Box::new(group), after })
        }
        _ => Err(EngineError::Refused(format!("run {} is no turn", turn.id))),
    }
}

/// The member of the group that spoke last before this turn, if any.
async fn spoke_before(engine: &Engine, turn: &Run, group: &Group) -> Result<Option<AgentId>, EngineError> {
    let before = turn.input.saturating_sub(1);
    let mut bytes = LOOK_BACK_BYTES;
    loop {
        let messages = engine.store.messages_tail(&turn.conversation, before, bytes).await?;
        let mut spoke = messages.iter().rev().filter_map(|message| message.agent.as_ref());
        if let Some(last) = spoke.find(|agent| group.members.contains(agent)) {
            return Ok(Some(last.clone()));
        }
        if messages.first().is_none_or(|first| first.seq <= 1) {
            return Ok(None);
        }
        bytes = bytes.saturating_mul(4);
    }
}

/// The condition that ends the turn before its next move, if one holds.
async fn ending(engine: &Engine, turn: &Run, config: &Config) -> Result<Option<Ending>, EngineError> {
    let group = match config {
        Config::Group { group, .. } => Some(group.as_ref()),
        Config::Only(_) => None,
    };
    match (termination::spent(engine, turn, group).await?, group) {
        (None, Some(group)) => termination::met(engine, turn, group).await,
        (spent, _) => Ok(spent),
    }
}

/// Sentence for a stop that needs explaining: the pattern's own, or the one of the condition that ended the last
/// speech.
fn why(config: &Config, stop: StopReason) -> Option<String> {
    let own = match config {
        Config::Group { group, .. } => (group.manager_type.pattern().why)(group, stop),
        Config::Only(_) => None,
    };
    own.or_else(|| stop.is_condition().then(|| stop.sentence().to_owned()))
}

async fn finish(engine: &Engine, turn: &Run, stop_reason: StopReason, why: Option<String>) -> Result<(), EngineError> {
    let error = if stop_reason == StopReason::Error { Some(unanswered(engine, turn).await?) } else { None };
    let to = RunState::Finished { stop_reason, error };
    let mut changes: Vec<Change> = why.map(|why| notice(engine, turn, NoticeKind::Ended, why)).into_iter().collect();
    changes.extend(reply(engine, turn, stop_reason).await?);
    changes.push(Change::RunMoved { id: turn.id.clone(), to });
    engine.commit_as_engine(changes).await
}

/// Error text of a failed turn. Names the agent if only one spoke, because its workers may have answered.
async fn unanswered(engine: &Engine, turn: &Run) -> Result<String, EngineError> {
    let spoke = engine.store.runs_of(&turn.id).await?;
    let mut agents = spoke.iter().filter(|run| run.kind.is_speech()).filter_map(Run::agent);
    let (Some(one), None) = (agents.next(), agents.next()) else { return Ok("nobody could answer".to_owned()) };
    Ok(format!("{} could not answer", engine.agent_name(one).await?))
}

/// The reply of a turn that answers mail: its last text. `None` if nobody waits for it or the turn failed.
async fn reply(engine: &Engine, turn: &Run, stop_reason: StopReason) -> Result<Option<Change>, EngineError> {
    let Some(id) = &turn.mail else { return Ok(None) };
    let Some(mail) = engine.store.row::<Mail>(id.as_str()).await? else { return Ok(None) };
    // A notice whose sender is gone has no `from`, as the person's mail has.
    let expected = mail.waited_for || mail.from.is_none() && mail.kind != MailKind::Notice;
    if stop_reason == StopReason::Error || !expected {
        return Ok(None);
    }
    let said = engine.store.messages(&turn.conversation, turn.input, u64::MAX).await?;
    let children = engine.store.runs_of(&turn.id).await?;
    let words = children.iter().rev().find_map(|child| wait::last_words(&said, &child.id));
    let words = words.unwrap_or_else(|| match stop_reason {
        StopReason::Budget => format!("(did not answer: {})", stop_reason.sentence()),
        _ => "(had nothing to say)".to_owned(),
    });
    Ok(Some(Change::MailSent(mail.back(MailId::fresh(engine.store.ids()), MailKind::Reply, words))))
}

/// Finishes a cancelled turn together with its unfinished speeches.
async fn call_off(engine: &Engine, turn: &Run) -> Result<(), EngineError> {
    let children = engine.store.runs_of(&turn.id).await?;
    let notice: Vec<Change> = interrupted(engine, turn, &children).await?.into_iter().collect();
    cancellation::end(engine, &[turn], &CANCELLED, Mode::Immediate, notice).await
}

/// The notice of what a cancel interrupted; `None` if a text that was cut shows it.
async fn interrupted(engine: &Engine, turn: &Run, children: &[Run]) -> Result<Option<Change>, EngineError> {
    let said = engine.store.messages(&turn.conversation, turn.input, u64::MAX).await?;
    if said.iter().any(|message| matches!(message.content, Content::Text { cancelled: true, .. })) {
        return Ok(None);
    }
    let cut = |run: &&Run| match &run.state {
        RunState::Finished { stop_reason, .. } => *stop_reason == StopReason::Cancelled,
        RunState::Queued | RunState::Running | RunState::Parked => true,
    };
    let text = match children.iter().filter(cut).find_map(|run| Some((run, run.agent()?))) {
        Some((run, agent)) => {
            let name = engine.agent_name(agent).await?;
            let begun = said.iter().any(|message| message.run.as_ref() == Some(&run.id));
            match (&run.kind, begun) {
                (RunKind::Choice { .. }, _) => format!("cancelled before {name} chose who speaks"),
                (_, true) => format!("cancelled before {name} had finished"),
                (_, false) => format!("cancelled before {name} answered"),
            }
        }
        None if children.is_empty() => "cancelled before anyone answered".to_owned(),
        None => "cancelled before anyone else answered".to_owned(),
    };
    Ok(Some(notice(engine, turn, NoticeKind::Stopped, text)))
}

/// Finishes a turn, or a worker's speech, that cannot go on with an error; a turn also gets a notice.
///
/// # Errors
/// [`EngineError`] if the end cannot be committed.
pub async fn fail(engine: &Engine, run: &Run, error: String) -> Result<(), EngineError> {
    tracing::warn!(run = %run.id, "{error}");
    let notices = if run.kind.is_turn() {
        vec![notice(engine, run, NoticeKind::Stopped, error.clone())]
    } else {
        // Whoever gave the task is told.
        Vec::new()
    };
    let to = RunState::Finished { stop_reason: StopReason::Error, error: Some(error) };
    cancellation::end(engine, &[run], &to, Mode::Immediate, notices).await
}
