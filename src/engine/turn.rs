//! A turn: performs the moves of its pattern, one after the other.
//!
//! All state is derived from committed rows: the speeches so far are the child runs of the turn, so a turn that was
//! interrupted or parked resumes where it stopped.

use tokio_util::sync::CancellationToken;

use super::cancellation::{self, CANCELLED, Mode};
use super::next::{self, Next, notice};
use super::progress::Progress;
use super::work::Outcome;
use super::{Engine, EngineError, speaker_selection, speech};
use crate::domain::{Actor, Change, Commit, Content, NoticeKind, Run, RunId, RunKind, RunState, StopReason};

/// Performs the turn until it finishes or parks. `part` is its unfinished part as it was read with the turn, if it has
/// one.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a move.
pub async fn perform(
    engine: &Engine,
    turn: &Run,
    part: Option<Run>,
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    let id = &turn.id;
    let mut progress = match part {
        Some(part) => Progress::at(turn, part),
        None => match Progress::read(engine, id).await? {
            Some(progress) => progress,
            None => return Ok(()),
        },
    };
    if progress.turn.state == RunState::Queued {
        start(engine, &progress.turn).await?;
        progress = again(engine, id).await?;
    }
    let mut before = None;
    loop {
        let turn = &progress.turn;
        if turn.is_finished() {
            return Ok(());
        }
        if cancel.is_cancelled() {
            return call_off(engine, &again(engine, id).await?).await;
        }
        let unfinished = progress.unfinished();
        speech::release(engine, &progress.parts);
        let state = unfinished.map(|run| (run.id.clone(), run.state.clone(), run.steps, run.moved_at));
        if before.is_some() && before == state {
            return Err(EngineError::Refused("it does not go on: its speech neither ends nor waits".to_owned()));
        }
        if unfinished.is_none() && turn.state == RunState::Parked {
            // The speech it was parked with has failed.
            engine.commit_as_engine(vec![Change::RunMoved { id: id.clone(), to: RunState::Running }]).await?;
        }
        let kind = match unfinished {
            Some(run) => run.kind.clone(),
            None => match next::decide(engine, &progress).await? {
                Next::Part(kind) => kind,
                Next::End(stop, why) => {
                    return engine.commit_as_engine(next::end(engine, &progress, stop, why).await?).await;
                }
            },
        };
        let outcome = match kind {
            RunKind::Choice { .. } => speaker_selection::choose(engine, turn, kind, unfinished, cancel).await?,
            _ => speech::speak(engine, turn, kind, unfinished, cancel).await?,
        };
        before = state.filter(|_| outcome == Outcome::Finished);
        progress = match outcome {
            Outcome::Parked | Outcome::TurnEnded => return Ok(()),
            Outcome::Followed(part) => Progress::at(turn, *part),
            // Limits, members or the status may have changed meanwhile, so everything is read again.
            _ => again(engine, id).await?,
        };
    }
}

async fn again(engine: &Engine, id: &RunId) -> Result<Progress, EngineError> {
    let read = Progress::read(engine, id).await?;
    read.ok_or_else(|| EngineError::Refused(format!("run {id} no longer exists")))
}

/// Starts a queued turn: its queued text becomes the message it answers.
async fn start(engine: &Engine, turn: &Run) -> Result<(), EngineError> {
    let text = turn.queued.clone().unwrap_or_default();
    let changes = vec![
        Change::RunMoved { id: turn.id.clone(), to: RunState::Running },
        Change::MessageAppended(engine.message(turn, Content::said(text))),
    ];
    let made = next::begin(engine, turn, None, Commit::new(Actor::Engine, changes)).await;
    match made.map_err(EngineError::from) {
        // Another commit came first.
        Ok(_) | Err(EngineError::Moved) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Finishes a cancelled turn together with its unfinished speeches.
async fn call_off(engine: &Engine, progress: &Progress) -> Result<(), EngineError> {
    let notice: Vec<Change> = interrupted(engine, progress).await?.into_iter().collect();
    cancellation::end(engine, &[&progress.turn], &CANCELLED, Mode::Immediate, notice).await
}

/// The notice of what a cancel interrupted; `None` if a text that was cut shows it.
async fn interrupted(engine: &Engine, progress: &Progress) -> Result<Option<Change>, EngineError> {
    let said = progress.messages(engine).await?;
    if said.iter().any(|message| matches!(message.content, Content::Text { cancelled: true, .. })) {
        return Ok(None);
    }
    let cut = |run: &&Run| match &run.state {
        RunState::Finished { stop_reason, .. } => *stop_reason == StopReason::Cancelled,
        RunState::Queued | RunState::Running | RunState::Parked => true,
    };
    let text = match progress.parts.iter().filter(cut).find_map(|run| Some((run, run.agent()?))) {
        Some((run, agent)) => {
            let name = engine.agent_name(agent).await?;
            let begun = said.iter().any(|message| message.run.as_ref() == Some(&run.id));
            match (&run.kind, begun) {
                (RunKind::Choice { .. }, _) => format!("cancelled before {name} chose who speaks"),
                (_, true) => format!("cancelled before {name} had finished"),
                (_, false) => format!("cancelled before {name} answered"),
            }
        }
        None if progress.parts.is_empty() => "cancelled before anyone answered".to_owned(),
        None => "cancelled before anyone else answered".to_owned(),
    };
    Ok(Some(notice(engine, &progress.turn, NoticeKind::Stopped, text)))
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
