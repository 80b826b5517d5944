//! Speeches: runs the steps of one agent in a turn, or of a worker in a delegation.

use tokio_util::sync::CancellationToken;

use super::cancellation::{self, CANCELLED, Mode};
use super::limits::{Capacity, Permit, Priority};
use super::next::side;
use super::work::{Outcome, RunContext};
use super::{Engine, EngineError, step};
use crate::domain::{AgentId, Change, Content, NoticeKind, Run, RunId, RunKind, RunState, StopReason};
use crate::llm::{ErrorClass, ModelError};

/// Runs a new speech of this turn, or resumes one that a restart or a wait left unfinished.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a commit.
pub async fn speak(
    engine: &Engine,
    turn: &Run,
    kind: RunKind,
    unfinished: Option<&Run>,
    cancel: &CancellationToken,
) -> Result<Outcome, EngineError> {
    let side = side(engine, turn).await?;
    let Some((agent, run, place)) = begin(engine, turn, kind, unfinished, &side, cancel).await? else {
        return Ok(Outcome::Cancelled);
    };
    let mut work = RunContext { turn: Some(turn.id.clone()), ..RunContext::of_speech(run, cancel) };
    if let Priority::Background(give_way) = side {
        work = RunContext { preempt: give_way, yields: true, ..work };
    }
    let parked = unfinished.is_some_and(|run| run.state == RunState::Parked);
    let outcome = steps(engine, &work, parked, &agent).await;
    if !work.yields {
        keep(engine, work, place, &outcome);
    }
    outcome
}

/// Keeps the agent of a speech that has parked, or goes on when the store works again.
fn keep(engine: &Engine, work: RunContext, place: Permit<AgentId>, outcome: &Result<Outcome, EngineError>) {
    if matches!(outcome, Ok(Outcome::Parked) | Err(_)) {
        let mut tasks = engine.lock_tasks();
        // A run that was ended since it parked has released its agent already: nobody would do so again.
        if !work.cancel.is_cancelled() {
            tasks.kept.insert(work.run, place);
        }
    }
}

/// Releases the agents of speeches that have finished while the store did not say so.
pub(super) fn release(engine: &Engine, runs: &[Run]) {
    let mut tasks = engine.lock_tasks();
    if !tasks.kept.is_empty() {
        tasks.kept.retain(|kept, _| !runs.iter().any(|run| run.id == *kept && run.is_finished()));
    }
}

/// Runs or resumes the speech of a worker, whose manager is parked until it has finished.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a commit.
pub async fn work(engine: &Engine, id: &RunId, cancel: &CancellationToken) -> Result<(), EngineError> {
    let run = engine.must_run(id).await?;
    release(engine, std::slice::from_ref(&run));
    let (Some(parent), false) = (&run.parent, run.is_finished()) else { return Ok(()) };
    let manager = engine.must_run(parent).await?;
    if manager.is_finished() {
        return cancellation::end(engine, &[&run], &CANCELLED, Mode::Immediate, Vec::new()).await;
    }
    let Some((agent, id, place)) =
        begin(engine, &manager, run.kind.clone(), Some(&run), &Priority::Foreground, cancel).await?
    else {
        return Ok(());
    };
    let work = RunContext::of_speech(id, cancel);
    let outcome = steps(engine, &work, run.state == RunState::Parked, &agent).await;
    let run = work.run.clone();
    keep(engine, work, place, &outcome);
    if outcome? == Outcome::Finished && !engine.must_run(&run).await?.is_finished() {
        return Err(EngineError::Refused("the speech neither ends nor waits".to_owned()));
    }
    Ok(())
}

/// Runs steps until the speech ends or parks. A failed model call, a row that cannot be read and a refusal are committed
/// as its end.
async fn steps(engine: &Engine, work: &RunContext, parked: bool, agent: &AgentId) -> Result<Outcome, EngineError> {
    let outcome = match step::run(engine, work, parked).await {
        Err(trouble) if !trouble.is_temporary() => Outcome::Failed(ModelError::terminal(trouble.to_string())),
        done => done?,
    };
    match outcome {
        Outcome::Failed(fault) => {
            fail(engine, work, agent, &fault).await?;
            Ok(Outcome::Finished)
        }
        outcome => Ok(outcome),
    }
}

/// Creates a run of this kind, or takes an unfinished one, and waits for its agent; the run is queued meanwhile. Returns
/// `None` if it was cancelled while it waited.
pub(super) async fn begin(
    engine: &Engine,
    turn: &Run,
    kind: RunKind,
    unfinished: Option<&Run>,
    side: &Priority,
    cancel: &CancellationToken,
) -> Result<Option<(AgentId, RunId, Permit<AgentId>)>, EngineError> {
    let Some(agent) = kind.agent().cloned() else {
        return Err(EngineError::Refused(format!("turn {} has a part that no agent speaks", turn.id)));
    };
    let kept = unfinished.and_then(|run| engine.lock_tasks().kept.remove(&run.id));
    let free = kept.or_else(|| engine.agents.try_enter(&agent, Capacity::ONE, side));
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
            place = engine.agents.acquire(&agent, Capacity::ONE, side.clone()) => place,
        }
    };
    if created == RunState::Queued {
        engine.commit_as_engine(vec![Change::RunMoved { id: id.clone(), to: RunState::Running }]).await?;
    }
    Ok(Some((agent, id, place)))
}

/// Finishes a failed speech with a notice in the agent's name; the pattern continues.
async fn fail(engine: &Engine, work: &RunContext, agent: &AgentId, fault: &ModelError) -> Result<(), EngineError> {
    let run = engine.must_run(&work.run).await?;
    let name = engine.agent_name(agent).await?;
    tracing::warn!(run = %work.run, agent = %name, "{fault}");
    let text = format!("{name} could not answer: {}", with_advice(fault));
    let notice = engine.message(&run, Content::notice(NoticeKind::Error, text)).by(agent, name);
    let to = RunState::Finished { stop_reason: StopReason::Error, error: Some(fault.text.clone()) };
    cancellation::end(engine, &[&run], &to, Mode::Immediate, vec![Change::MessageAppended(notice)]).await
}

/// Returns the sentence of a fault. One that may pass says what to do, too; the others do already.
fn with_advice(fault: &ModelError) -> String {
    let text = &fault.text;
    if fault.class == ErrorClass::Transient && !text.contains("; ") {
        return format!("{text}; send the message again to try once more");
    }
    text.clone()
}
