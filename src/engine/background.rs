//! Claims jobs, runs them below foreground priority, ends each once (J2 to J9).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::budget;
use super::cancellation::{self, CancelPlan, Mode};
use super::context::{self, CONTEXT_BYTES};
use super::errors::Retries;
use super::wait::OpenRuns;
use super::work::{Outcome, RunContext};
use super::{Engine, EngineError, step};
use crate::domain::job::{JobFault, MAX_ATTEMPTS, MAX_CRASHES};
use crate::domain::{
    Actor, Agent, AgentId, AgentWork, Block, Cause, Change, Commit, Conversation, ConversationId, ConversationOwner,
    Cursor, Group, GroupId, Job, JobId, JobOutcome, JobState, Precondition, Run, RunId, RunKind, RunState, StopReason,
};
use crate::llm::window::{self, MOST_BYTES_PER_TOKEN};
use crate::llm::{ErrorClass, ModelError, Prompt};
use crate::store::Lane;

/// The first retry delay (J7).
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
/// The longest retry delay (J7).
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// A job's window of so many tokens fits every model.
const SMALL_WINDOW: usize = 1_024;
/// Tokens for the instructions, the group's members and the frames of blocks.
const FRAME_TOKENS: usize = 1_024;

/// Claims the job and runs its steps until it ends or is preempted. The caller holds the agent's slot.
pub async fn work_off(
    engine: &Engine,
    job: &Job,
    cancel: CancellationToken,
    give_way: CancellationToken,
) -> Result<(), EngineError> {
    // It may have parked after the driver had read what its calls wait for.
    if job.state == JobState::Parked && !is_answered(engine, job).await? {
        return Ok(());
    }
    let Some(whose) = job.agent_work() else { return Ok(()) };
    let Some(job) = claim(engine, job, whose).await? else { return Ok(()) };
    let Some(run) = job.run.clone() else { return Ok(()) };
    // Use the run's state, not the job's: a job preempted or crashed after the answer and before the step that
    // takes it is available again, but its run is still parked.
    let mut parked = engine.must_run(&run).await?.state == RunState::Parked;
    let work = RunContext {
        run,
        turn: None,
        job: Some((job.id.clone(), job.fence)),
        cancel,
        preempt: give_way,
        attempts_before: job.attempt.saturating_sub(1),
        yields: true,
    };
    let mut retries = Retries::new(engine);
    let outcome = loop {
        let trouble = match step::run(engine, &work, parked).await {
            Ok(outcome) => break outcome,
            Err(trouble) if trouble.is_final() => return Err(trouble),
            Err(trouble) if trouble.is_temporary() => trouble,
            Err(trouble) => break Outcome::Failed(ModelError::terminal(trouble.to_string())),
        };
        // Waits with its claim: it gives its agent back, but spends no attempt.
        tokio::select! {
            () = retries.pause(&trouble) => {}
            () = work.preempt.cancelled() => break Outcome::Preempted,
            () = work.cancel.cancelled() => break Outcome::Cancelled,
        }
        parked = engine
            .readable::<Run>(work.run.as_str())
            .await
            .ok()
            .flatten()
            .map_or(parked, |run| run.state == RunState::Parked);
    };
    drop(retries);
    match outcome {
        Outcome::Continue
        | Outcome::Finished
        | Outcome::TurnEnded
        | Outcome::Followed(_)
        | Outcome::Parked
        | Outcome::Cancelled => Ok(()),
        Outcome::Preempted => held(engine, &job, vec![Change::JobYielded { id: job.id.clone() }]).await,
        Outcome::Postponed(spent) => {
            let to = budget::scheduled(spent);
            held(engine, &job, vec![Change::JobHandedBack { id: job.id.clone(), to }]).await
        }
        // The provider is down: give the places back and try later, without spending an attempt.
        Outcome::Failed(ModelError { class: ErrorClass::Down, retry_after: Some(wait), text }) => {
            let to = try_after(engine, wait, text);
            held(engine, &job, vec![Change::JobHandedBack { id: job.id.clone(), to }]).await
        }
        Outcome::Failed(fault) => failed(engine, &job, &work, &fault).await,
    }
}

/// True if the calls that the run of a parked job waits for have their answers.
async fn is_answered(engine: &Engine, job: &Job) -> Result<bool, EngineError> {
    let standing = OpenRuns::read(&engine.store).await?;
    let own = standing.open.iter().find(|run| job.run.as_ref() == Some(&run.id));
    Ok(own.is_some_and(|run| standing.work().is_ready(run)))
}

/// Claims the job and raises its fence; the first claim sets its window and creates its run and notes.
async fn claim(engine: &Engine, job: &Job, whose: &AgentWork) -> Result<Option<Job>, EngineError> {
    let ids = engine.store.ids();
    let (run, notes) = (RunId::fresh(ids), ConversationId::fresh(ids));
    let upto = match job.window {
        Some(_) => None,
        None => window_end(engine, whose).await?,
    };
    let mut changes = vec![Change::JobClaimed {
        id: job.id.clone(),
        epoch: engine.epoch,
        run: run.clone(),
        conversation: notes.clone(),
        upto,
    }];
    if job.run.is_none() {
        changes
            .push(Change::ConversationOpened(Conversation::new(notes.clone(), ConversationOwner::Job(job.id.clone()))));
        changes.push(Change::RunCreated(run_of(engine, (job, whose), run, notes).await?));
    }
    let head = *engine.store.head().borrow();
    match engine.commit(Lane::Background, Commit::new(Actor::Engine, changes)).await {
        Ok(_) => {}
        Err(EngineError::Moved) => {
            let now = engine.store.row::<Job>(job.id.as_str()).await?;
            // An earlier try of this task can have claimed it, and then failed to read.
            if !now.is_some_and(|job| engine.runs(&job)) {
                return Ok(None);
            }
        }
        Err(EngineError::Refused(why)) => {
            tracing::info!(job = %job.id, why, "not claimed");
            engine.lock_tasks().refused.insert(job.id.clone(), head);
            return Ok(None);
        }
        Err(other) => return Err(other),
    }
    engine.lock_tasks().refused.remove(&job.id);
    let Some(claimed) = engine.store.row::<Job>(job.id.as_str()).await? else { return Ok(None) };
    let asked = claimed.causes.iter().any(Cause::has_input);
    if !asked && !has_news(engine, &claimed, whose).await? {
        // J9: no new messages, so complete without a model call.
        let mut changes = vec![Change::JobMoved {
            id: claimed.id.clone(),
            to: JobState::Completed { outcome: JobOutcome::NothingToDo },
        }];
        changes.extend(claimed.run.iter().map(|run| over(run, StopReason::EndTurn, None)));
        held(engine, &claimed, changes).await?;
        return Ok(None);
    }
    Ok(Some(claimed))
}

/// Returns true if the job's window holds a message that its agent would read.
async fn has_news(engine: &Engine, job: &Job, whose: &AgentWork) -> Result<bool, EngineError> {
    let Some((after, upto)) = job.window else { return Ok(true) };
    if after == upto {
        return Ok(false);
    }
    let Some(talk) = engine.store.find::<Conversation>(whose.group.as_str()).await?.into_iter().next() else {
        return Ok(true);
    };
    // The first one is enough.
    let (seen, _) = engine.store.seen_from(&talk.id, after + 1, upto, 1).await?;
    Ok(!seen.is_empty())
}

/// Returns the last message that fits the window of a job, half of what its agent's model holds: the rest is for the
/// job's own work. `None` if all fit.
async fn window_end(engine: &Engine, whose: &AgentWork) -> Result<Option<u64>, EngineError> {
    let Some(talk) = engine.store.find::<Conversation>(whose.group.as_str()).await?.into_iter().next() else {
        return Ok(None);
    };
    let cursor = engine.store.row::<Cursor>(&whose.key()).await?;
    let after = cursor.map_or(0, |cursor| cursor.seq);
    let (messages, more) = engine.store.seen_from(&talk.id, after + 1, talk.head, CONTEXT_BYTES).await?;
    // Most windows are small, and fit whatever else the prompt holds.
    if !more && context::window_end(&messages, more, SMALL_WINDOW).is_none() {
        return Ok(None);
    }
    let room = room(engine, &whose.agent, &whose.group).await? / 2;
    let (messages, more) = match room * MOST_BYTES_PER_TOKEN {
        bytes if more && bytes > CONTEXT_BYTES => engine.store.seen_from(&talk.id, after + 1, talk.head, bytes).await?,
        _ => (messages, more),
    };
    Ok(context::window_end(&messages, more, room))
}

/// Returns the tokens that the prompts of a job of this agent have for its input and its own work.
pub(super) async fn room(engine: &Engine, agent: &AgentId, group: &GroupId) -> Result<usize, EngineError> {
    // What cannot be read fails the job at its first step.
    let Some(agent) = engine.readable::<Agent>(agent.as_str()).await? else { return Ok(window::USUAL) };
    let group = engine.readable::<Group>(group.as_str()).await?;
    let shared = group.iter().flat_map(|group| &group.shared_blocks);
    let blocks = agent.blocks.iter().chain(shared).map(|id| id.0.clone()).collect();
    let blocks: Vec<Block> = engine.store.rows(blocks).await?;
    let tools = engine.tools.specs(&agent.tool_names(true));
    let memory: usize =
        blocks.iter().map(|block| window::tokens(&block.value) + window::tokens(&block.description)).sum();
    let fixed = window::prompt_tokens(&Prompt { tools, ..Prompt::default() })
        + agent.system.as_deref().map_or(0, window::tokens)
        + memory
        + FRAME_TOKENS;
    let named = agent.model.clone().unwrap_or_else(|| engine.default_model());
    // A model that does not exist fails the job when it is called.
    let Ok(model) = engine.models.find(&named).await else { return Ok(window::USUAL) };
    if let Some(learning) = model.model.learn_window() {
        learning.await;
    }
    Ok(model.window.budget(agent.max_tokens).beside(fixed))
}

async fn run_of(
    engine: &Engine,
    (job, whose): (&Job, &AgentWork),
    id: RunId,
    notes: ConversationId,
) -> Result<Run, EngineError> {
    let talk = engine.store.find::<Conversation>(whose.group.as_str()).await?.into_iter().next();
    let kind = RunKind::Job { agent: whose.agent.clone(), group: whose.group.clone(), job: job.id.clone() };
    let run = Run::new(id, notes, kind, RunState::Running);
    Ok(Run { turn: talk.map_or(0, |talk| talk.asked), depth: job.depth, ..run })
}

async fn failed(engine: &Engine, job: &Job, work: &RunContext, fault: &ModelError) -> Result<(), EngineError> {
    tracing::warn!(job = %job.id, run = %work.run, attempt = job.attempt, "{fault}");
    let to = after_fault(engine, job, fault.class, fault.retry_after, fault.text.clone());
    let run = to.is_final().then_some((&work.run, fault.text.as_str()));
    held_with(engine, job, run, vec![Change::JobMoved { id: job.id.clone(), to }]).await
}

/// The state of a job whose attempt ended with a fault of this class: it is tried again, or has failed (J7).
pub(super) fn after_fault(
    engine: &Engine,
    job: &Job,
    class: ErrorClass,
    retry_after: Option<Duration>,
    error: String,
) -> JobState {
    if class == ErrorClass::Transient && job.attempt < MAX_ATTEMPTS {
        let wait = engine.backoff(FIRST_BACKOFF, job.attempt).min(LONGEST_BACKOFF).max(retry_after.unwrap_or_default());
        return try_after(engine, wait, error);
    }
    let class = match class {
        ErrorClass::Transient | ErrorClass::Down => JobFault::Transient,
        ErrorClass::Terminal | ErrorClass::TooLong => JobFault::Terminal,
    };
    JobState::Failed { class, error }
}

/// The state of a job whose next attempt starts after `wait`.
fn try_after(engine: &Engine, wait: Duration, error: String) -> JobState {
    JobState::Retryable { since: Some(engine.spans.now()), run_at: engine.spans.after(wait), error }
}

/// Plans the end of the run of a job that has failed, with the calls it waits for; nothing without a run.
async fn end_run(engine: &Engine, run: Option<(&RunId, &str)>) -> Result<CancelPlan, EngineError> {
    let Some((run, error)) = run else { return Ok(CancelPlan::default()) };
    let run = engine.must_run(run).await?;
    let to = RunState::Finished { stop_reason: StopReason::Error, error: Some(error.to_owned()) };
    cancellation::plan(engine, &[&run], &to, Mode::Immediate, Vec::new()).await
}

fn over(run: &RunId, stop_reason: StopReason, error: Option<String>) -> Change {
    Change::RunMoved { id: run.clone(), to: RunState::Finished { stop_reason, error } }
}

/// Commits under the job's fence; does nothing if the fence has changed (J4).
///
/// # Errors
/// [`EngineError`] if the store refuses the changes, or may not be written any more.
pub(super) async fn held(engine: &Engine, job: &Job, changes: Vec<Change>) -> Result<(), EngineError> {
    held_with(engine, job, None, changes).await
}

/// The same after the end of this run with this error, which is planned anew for each try.
async fn held_with(
    engine: &Engine,
    job: &Job,
    run: Option<(&RunId, &str)>,
    changes: Vec<Change>,
) -> Result<(), EngineError> {
    let mut retries = Retries::new(engine);
    loop {
        let mut ending = end_run(engine, run).await?;
        ending.changes.extend_from_slice(&changes);
        let commit = ending.commit(Actor::Engine).requiring(Precondition::JobFence(job.id.clone(), job.fence));
        match engine.commit(Lane::Background, commit).await {
            Ok(_) => {
                ending.tell(engine);
                return Ok(());
            }
            Err(EngineError::Moved) if !is_held(engine, job).await? => return Ok(()),
            Err(trouble) if trouble.is_final() || !trouble.is_temporary() => return Err(trouble),
            // Giving up would leave the job running without a worker: retry until the store accepts.
            Err(trouble) => retries.pause(&trouble).await,
        }
    }
}

/// True while the job runs under this fence.
async fn is_held(engine: &Engine, job: &Job) -> Result<bool, EngineError> {
    let now = engine.store.row::<Job>(job.id.as_str()).await?;
    Ok(now.is_some_and(|now| matches!(now.state, JobState::Running { .. }) && now.fence == job.fence))
}

/// Cancels a job that can neither be claimed nor ended in another way, with this sentence: its window is left to the
/// next job.
///
/// # Errors
/// [`EngineError`] if this cannot be committed either.
pub async fn abandon(engine: &Engine, id: &JobId, why: String) -> Result<(), EngineError> {
    let Some(job) = engine.store.row::<Job>(id.as_str()).await?.filter(|job| !job.state.is_final()) else {
        return Ok(());
    };
    tracing::warn!(job = %id, "{why}");
    let cancelled = Change::JobMoved { id: id.clone(), to: JobState::Cancelled { why: why.clone() } };
    let mut ending = end_run(engine, job.run.as_ref().map(|run| (run, why.as_str()))).await?;
    ending.changes.push(cancelled);
    engine.commit(Lane::Background, ending.commit(Actor::Engine)).await?;
    ending.tell(engine);
    Ok(())
}

/// Makes the jobs that run in this program available again as it stops, without counting anything.
pub async fn hand_back_all(engine: &Engine) -> Result<(), EngineError> {
    // Behind the commits that aborted tasks have sent off: one of them may be a claim.
    engine.commit(Lane::Background, Commit::new(Actor::Engine, Vec::new())).await?;
    for job in engine.store.unfinished_jobs().await? {
        if engine.runs(&job) {
            hand_back(engine, &job).await?;
        }
    }
    Ok(())
}

/// Makes a running job available again without counting anything.
pub async fn hand_back(engine: &Engine, job: &Job) -> Result<(), EngineError> {
    let back = Change::JobHandedBack { id: job.id.clone(), to: JobState::Available };
    let commit = Commit::new(Actor::Engine, vec![back]).requiring(Precondition::JobFence(job.id.clone(), job.fence));
    match engine.commit(Lane::Background, commit).await {
        Ok(_) | Err(EngineError::Moved) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Recovers a job whose worker crashed or panicked: makes it available again, or after too many crashes fails
/// it and its run (J6, J7).
pub async fn recover(engine: &Engine, id: &JobId) -> Result<(), EngineError> {
    let Some(job) = engine.store.row::<Job>(id.as_str()).await? else { return Ok(()) };
    let run = job.run.as_ref().filter(|_| job.crashes + 1 >= MAX_CRASHES);
    let run = run.map(|run| (run, "it ended the program too often"));
    held_with(engine, &job, run, vec![Change::JobRecovered { id: id.clone() }]).await
}
