//! Speeches: runs the steps of one agent in a turn, or of a worker in a delegation.

use tokio_util::sync::CancellationToken;

use super::cancellation::{self, Mode};
use super::limits::{Capacity, Permit, Priority};
use super::work::{Outcome, RunContext};
use super::{Engine, EngineError, step};
use crate::domain::{Agent, AgentId, Change, Content, NoticeKind, Run, RunId, RunKind, RunState, StopReason};
use crate::llm::ModelError;

/// The state of a run that a person or its turn cancelled.
const CANCELLED: RunState = RunState::Finished { stop_reason: StopReason::Cancelled, error: None };

/// Runs a new speech of this turn, or resumes one that a restart or a wait left unfinished.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a commit.
pub async fn speak(
    engine: &Engine,
    turn: &Run,
    agent: &AgentId,
    unfinished: Option<&Run>,
    index: u32,
    cancel: &CancellationToken,
) -> Result<Outcome, EngineError> {
    let kind = RunKind::Speech { agent: agent.clone(), group: turn.group().cloned(), index };
    let side = side(engine, turn).await?;
    let Some((run, place)) = begin(engine, turn, agent, kind, unfinished, &side, cancel).await? else {
        return Ok(Outcome::Cancelled);
    };
    let mut work = RunContext { turn: Some(turn.id.clone()), ..RunContext::of_speech(run, cancel) };
    if let Priority::Background(give_way) = side {
        work = RunContext { preempt: give_way, yields: true, ..work };
    }
    let parked = unfinished.is_some_and(|run| run.state == RunState::Parked);
    let outcome = steps(engine, &work, parked, agent).await?;
    if outcome == Outcome::Parked && !work.yields {
        engine.lock_tasks().kept.insert(work.run, place);
    }
    Ok(outcome)
}

/// The priority of a turn. One that answers mail of a job is background work, like the job itself.
pub(super) async fn side(engine: &Engine, run: &Run) -> Result<Priority, EngineError> {
    if run.depth > 0 {
        let root = engine.store.row::<Run>(run.root.as_str()).await?;
        if root.is_some_and(|root| matches!(root.kind, RunKind::Job { .. })) {
            return Ok(Priority::Background(CancellationToken::new()));
        }
    }
    Ok(Priority::Foreground)
}

/// Runs or resumes the speech of a worker, whose manager is parked until it has finished.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a commit.
pub async fn work(engine: &Engine, run: &Run, cancel: &CancellationToken) -> Result<(), EngineError> {
    let (Some(parent), Some(agent)) = (&run.parent, run.agent()) else { return Ok(()) };
    let manager = engine.must_run(parent).await?;
    if manager.is_finished() {
        return cancellation::end(engine, &[run], &CANCELLED, Mode::Immediate, Vec::new()).await;
    }
    let Some((id, place)) =
        begin(engine, &manager, agent, run.kind.clone(), Some(run), &Priority::Foreground, cancel).await?
    else {
        return Ok(());
    };
    let work = RunContext::of_speech(id, cancel);
    if steps(engine, &work, run.state == RunState::Parked, agent).await? == Outcome::Parked {
        engine.lock_tasks().kept.insert(work.run, place);
    }
    Ok(())
}

/// Runs steps until the speech ends or parks; a failed model call is committed as its end.
async fn steps(engine: &Engine, work: &RunContext, parked: bool, agent: &AgentId) -> Result<Outcome, EngineError> {
    match step::run(engine, work, parked).await? {
        Outcome::Failed(fault) => {
            fail(engine, work, agent, &fault).await?;
            Ok(Outcome::Finished)
        }
        outcome => Ok(outcome),
    }
}

/// Creates the run, or takes an unfinished one, and waits for its agent; the run is queued meanwhile. Returns `None`
/// if it was cancelled while it waited.
pub(super) async fn begin(
    engine: &Engine,
    turn: &Run,
    agent: &AgentId,
    kind: RunKind,
    unfinished: Option<&Run>,
    side: &Priority,
    cancel: &CancellationToken,
) -> Result<Option<(RunId, Permit<AgentId>)>, EngineError> {
    let kept = unfinished.and_then(|run| engine.lock_tasks().kept.remove(&run.id));
    let free = kept.or_else(|| engine.agents.try_enter(agent, Capacity::ONE, side));
    let state = if free.is_some() { RunState::Running } else { RunState::Queued };
    let (id, created) = if let Some(run) = unfinished {
        (run.id.clone(), run.state.clone())
    } else {
        let run =
            Run::new(RunId::fresh(engine.store.ids()), turn.conversation.clone(), kind, state.clone()).under(turn);
        let id = run.id.clone();
        engine.commit_as_engine(vec![Change::RunCreated(run)]).await?;
        (id, state)
    };
    let place = if let Some(place) = free {
        place
    } else {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                let run = engine.must_run(&id).await?;
                cancellation::end(engine, &[&run], &CANCELLED, Mode::Immediate, Vec::new()).await?;
                return Ok(None);
            }
            place = engine.agents.acquire(agent, Capacity::ONE, side.clone()) => place,
        }
    };
    if created == RunState::Queued {
        engine.commit_as_engine(vec![Change::RunMoved { id: id.clone(), to: RunState::Running }]).await?;
    }
    Ok(Some((id, place)))
}

/// Finishes a failed speech with a notice in the agent's name; the pattern continues.
async fn fail(engine: &Engine, work: &RunContext, agent: &AgentId, fault: &ModelError) -> Result<(), EngineError> {
    let run = engine.must_run(&work.run).await?;
    let name = engine.store.row::<Agent>(agent.as_str()).await?.map_or_else(|| agent.to_string(), |agent| agent.name);
    tracing::warn!(run = %work.run, agent = %name, "{fault}");
    let text = format!("{name} could not answer: {fault}");
    let notice = engine.message(&run, Content::notice(NoticeKind::Error, text)).by(agent, name);
    let to = RunState::Finished { stop_reason: StopReason::Error, error: Some(fault.text.clone()) };
    cancellation::end(engine, &[&run], &to, Mode::Immediate, vec![Change::MessageAppended(notice)]).await
}
