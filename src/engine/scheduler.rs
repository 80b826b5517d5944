//! The driver: after every commit it spawns a task for each turn, worker and job that is due.
//!
//! It waits for a new commit, for a finished task and for at most one deadline on either clock: the next retry of a job,
//! the next expiry of mail, the next time-out of a wait or the end of a trigger's span, and on the wall clock the next
//! trigger that is due. A parked run has no task.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};

use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::cancellation::{self, Mode};
use super::claim_order::ClaimOrder;
use super::errors::Retries;
use super::limits::{Capacity, Priority};
use super::timers::Deadlines;
use super::wait::OpenRuns;
use super::{
    Engine, EngineError, JobTask, Scope, background, budget, care, mail, next, read, sources, speech, timers, turn,
};
use crate::domain::status::{self, DueJobs};
use crate::domain::{
    Agent, AgentId, Group, GroupId, Job, JobId, JobState, JobWork, NoticeKind, Run, RunId, RunKind, RunState,
    StopReason,
};
use crate::llm::ModelHandle;
use crate::store::StoreError;

/// Most jobs that run at once at one provider, so that a slow provider holds up no job of another.
const MAX_JOBS: usize = 8;
/// Yields after which a job waits until no turn wants its agent or its provider's slot.
const MAX_YIELDS: u32 = 3;
/// An unfinished turn that last moved longer ago than this is interrupted, not resumed, when the program starts.
const STALE: SignedDuration = SignedDuration::from_mins(15);

/// Starts due work until the engine stops.
pub async fn run(engine: Arc<Engine>) {
    let mut head = engine.store.head();
    let mut retries = Retries::new(&engine);
    loop {
        head.borrow_and_update();
        let due = match tick(&engine).await {
            Ok(due) => {
                retries.succeeded();
                due
            }
            Err(trouble) => {
                Deadlines { span: Some(engine.spans.after(retries.failed(&trouble))), ..Deadlines::default() }
            }
        };
        let deadline = async {
            match due.span {
                Some(due) => engine.spans.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let alarm = async {
            match due.wall {
                Some(due) => engine.store.clock().sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = engine.stop.cancelled() => return,
            rung = head.changed() => if rung.is_err() { return },
            () = engine.wake.notified() => {}
            () = deadline => {}
            () = alarm => {}
        }
    }
}

/// Spawns every due task. Returns the next deadlines. Only an error of the store ends it: any other is of one
/// item, and the others are started.
async fn tick(engine: &Arc<Engine>) -> Result<Deadlines, EngineError> {
    let mut standing = OpenRuns::read(&engine.store).await?;
    let mut out_of_time = None;
    if standing.has_pending_mail && engine.options.scope != Scope::Nobody {
        out_of_time = mail::deliver(engine).await?;
        // With the turns that it has begun.
        standing = OpenRuns::read(&engine.store).await?;
    }
    let timers: &[_] = if engine.options.jobs { &standing.timers } else { &[] };
    engine.spans.keep(|name| {
        standing.open.iter().any(|run| run.id.as_str() == name) || timers.iter().any(|timer| timers::key(timer) == name)
    });
    cancellation::end_cancelled(engine, &standing.open).await?;
    let expiry = standing.expire(engine).await?;
    start_turns(engine, &standing).await?;
    start_workers(engine, &standing).await?;
    let timer = timers::fire_due(engine, timers).await?;
    let mut source = Deadlines::default();
    let mut care = None;
    let mut job = Deadlines::default();
    if engine.options.jobs {
        source = sources::tend(engine, &standing.sources, &standing.jobs).await?;
        care = care::plan(engine, &standing.jobs).await?;
        job = start_jobs(engine, &standing).await?;
    }
    let earliest = |all: &[Option<Timestamp>]| all.iter().flatten().min().copied();
    Ok(Deadlines {
        span: earliest(&[out_of_time, expiry, timer.span, source.span, job.span]),
        wall: earliest(&[timer.wall, source.wall, care, job.wall]),
    })
}

/// Starts the first unfinished turn of each conversation.
async fn start_turns(engine: &Arc<Engine>, standing: &OpenRuns) -> Result<(), EngineError> {
    for run in standing.work().ready_turns() {
        if run.cancelled || engine.lock_tasks().turns.contains_key(&run.id) || !is_ours(engine, run).await? {
            continue;
        }
        if run.state == RunState::Queued && !status::may_start(run, group_of(engine, run.group()).await?.as_ref()) {
            continue;
        }
        let cancel = CancellationToken::new();
        engine.lock_tasks().turns.insert(run.id.clone(), (run.conversation.clone(), cancel.clone()));
        let part = standing.open.iter().find(|part| part.parent.as_ref() == Some(&run.id));
        spawn(engine, run.clone(), part.cloned(), cancel);
    }
    Ok(())
}

/// Starts the workers of delegations in parallel: each has its own task while its manager is parked. Several tasks for
/// one agent are done in the order in which they were given.
async fn start_workers(engine: &Arc<Engine>, standing: &OpenRuns) -> Result<(), EngineError> {
    let mut busy: BTreeSet<&AgentId> = BTreeSet::new();
    for run in standing.work().ready_workers() {
        if run.agent().is_some_and(|agent| busy.contains(agent)) || !is_ours(engine, run).await? {
            continue;
        }
        busy.extend(run.agent());
        if engine.lock_tasks().workers.contains_key(&run.id) {
            continue;
        }
        let cancel = CancellationToken::new();
        engine.lock_tasks().workers.insert(run.id.clone(), cancel.clone());
        spawn(engine, run.clone(), None, cancel);
    }
    Ok(())
}

/// Spawns the task of a turn, whose unfinished part this is, or of a worker.
fn spawn(engine: &Arc<Engine>, run: Run, part: Option<Run>, cancel: CancellationToken) {
    let task = Arc::clone(engine);
    engine.spawn(async move {
        perform(&task, &run, part, &cancel).await;
        {
            let mut tasks = task.lock_tasks();
            tasks.turns.remove(&run.id);
            tasks.workers.remove(&run.id);
        }
        task.wake.notify_one();
    });
}

/// Performs a turn or a worker's speech until it finishes or parks: waits while the store fails; any other error fails
/// it with its sentence.
async fn perform(engine: &Engine, run: &Run, mut part: Option<Run>, cancel: &CancellationToken) {
    let mut retries = Retries::new(engine);
    loop {
        let part = part.take();
        let work = async {
            if run.task.is_some() {
                speech::work(engine, &run.id, cancel).await
            } else {
                Box::pin(turn::perform(engine, run, part, cancel)).await
            }
        };
        let done = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Err(trouble)) if !trouble.is_temporary() => turn::fail(engine, run, trouble.to_string()).await,
            Ok(done) => done,
            Err(_) => {
                let what = if run.task.is_some() { "speech" } else { "turn" };
                let text = format!("a fault inside Nightdesk ended the {what}; the log says where");
                turn::fail(engine, run, text).await
            }
        };
        match done {
            Ok(()) => return,
            Err(trouble) if trouble.is_final() => return engine.report(&trouble),
            Err(trouble) if trouble.is_temporary() => {
                // One that was cancelled before has had its try.
                let waits = !cancel.is_cancelled();
                tokio::select! {
                    () = retries.pause(&trouble) => {}
                    () = cancel.cancelled(), if waits => {}
                }
            }
            Err(trouble) => return engine.give_up(run.id.as_str(), &trouble).await,
        }
    }
}

/// True for a run of this engine's scope that can be ended.
async fn is_ours(engine: &Engine, run: &Run) -> Result<bool, EngineError> {
    if engine.lock_tasks().given_up.contains(run.id.as_str()) {
        return Ok(false);
    }
    Ok(engine.each(run.id.as_str(), covers(engine, run).await)?.unwrap_or(false))
}

/// True when the engine's scope covers this run or the run at its root, for example the turn that sent its mail.
async fn covers(engine: &Engine, run: &Run) -> Result<bool, EngineError> {
    if engine.options.scope.covers(run) {
        return Ok(true);
    }
    let root = engine.store.row::<Run>(run.root.as_str()).await?;
    Ok(root.is_some_and(|root| engine.options.scope.covers(&root)))
}

/// The group; `None` without one, or if it cannot be read: what starts then fails with that.
async fn group_of(engine: &Engine, group: Option<&GroupId>) -> Result<Option<Group>, StoreError> {
    match group {
        Some(id) => engine.readable(id.as_str()).await,
        None => Ok(None),
    }
}

/// Starts due jobs in their [`ClaimOrder`], one per agent. Those whose budget is used up wait for it. Returns the time of
/// the next retry and of the next whole budget.
async fn start_jobs(engine: &Arc<Engine>, standing: &OpenRuns) -> Result<Deadlines, EngineError> {
    if standing.jobs.is_empty() {
        return Ok(Deadlines::default());
    }
    // Counted before anything is read: a slot that comes free meanwhile is for the next look, not for the job that is in
    // turn at that moment, which may be behind one that got none.
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for provider in engine.lock_tasks().jobs.values().filter_map(|task| task.provider.clone()) {
        *taken.entry(provider).or_default() += 1;
    }
    // Read again where there are any: some may have ended since the look, and their slots are free already.
    let jobs = engine.store.unfinished_jobs().await?;
    let cursors = read::cursors(&engine.store, &jobs).await?;
    let due = standing.work().due_jobs(&jobs, &cursors, engine.now());
    budget::review(engine, &due.scheduled).await?;
    let wall = due.reset();
    let DueJobs { now: due, mut next, .. } = due;
    let mut order = ClaimOrder::new(&jobs, &due);
    let head = *engine.store.head().borrow();
    loop {
        let claims = engine.lock_tasks().claims;
        let Some(job) = order.take_next(claims) else { return Ok(Deadlines { span: next, wall }) };
        if !is_open_to_claim(engine, &job.id, head) {
            continue;
        }
        let work = match &job.work {
            JobWork::Agent(work) => work,
            JobWork::Care { .. } => {
                if !is_suspect(engine, job, &jobs) {
                    start_care(engine, job);
                }
                continue;
            }
        };
        let group = group_of(engine, Some(&work.group)).await?;
        if !status::is_active(group.as_ref()) {
            continue;
        }
        let agent = engine.readable::<Agent>(work.agent.as_str()).await?;
        if let Some(spent) = budget::spent(engine, group.as_ref(), agent.as_ref(), 0).await? {
            budget::postpone(engine, job, spent).await?;
            continue;
        }
        let model = model_of(engine, agent).await;
        let provider = model.as_ref().map_or_else(String::new, |model| model.provider.clone());
        let taken = taken.entry(provider.clone()).or_default();
        if *taken >= MAX_JOBS {
            continue;
        }
        if let Some(wait) = model.as_ref().and_then(ModelHandle::paused_for) {
            let again = engine.spans.after(wait);
            next = Some(next.map_or(again, |next| next.min(again)));
            continue;
        }
        if is_suspect(engine, job, &jobs) {
            continue;
        }
        if job.yields >= MAX_YIELDS && is_wanted(engine, standing, &work.agent, model.as_ref()).await? {
            continue;
        }
        let give_way = CancellationToken::new();
        let side = Priority::Background(give_way.clone());
        // A busy agent is skipped: the driver runs again when it is free.
        let Some(place) = engine.agents.try_enter(&work.agent, Capacity::ONE, &side) else { continue };
        *taken += 1;
        let cancel = CancellationToken::new();
        {
            let mut tasks = engine.lock_tasks();
            tasks.claims += 1;
            tasks.jobs.insert(job.id.clone(), JobTask { cancel: cancel.clone(), provider: Some(provider) });
        }
        let (task, job) = (Arc::clone(engine), job.clone());
        engine.spawn(async move {
            work_off(
                &task,
                &job,
                || background::work_off(&task, &job, cancel.clone(), give_way.clone()),
                [&cancel, &give_way],
            )
            .await;
            task.lock_tasks().jobs.remove(&job.id);
            drop(place);
            task.wake.notify_one();
        });
    }
}

/// True for a job that ran when the program ended, while another such job runs. One of them may have ended it: they run one
/// at a time until each has made a step, so that only that one is poison.
fn is_suspect(engine: &Engine, job: &Job, jobs: &[Job]) -> bool {
    let tasks = engine.lock_tasks();
    job.crashes > 0 && jobs.iter().any(|other| other.crashes > 0 && tasks.jobs.contains_key(&other.id))
}

/// Starts a job of care, unless another one runs: they use the disk, and nobody waits for them.
fn start_care(engine: &Arc<Engine>, job: &Job) {
    let cancel = CancellationToken::new();
    {
        let mut tasks = engine.lock_tasks();
        if tasks.jobs.values().any(|task| task.provider.is_none()) {
            return;
        }
        tasks.claims += 1;
        tasks.jobs.insert(job.id.clone(), JobTask { cancel: cancel.clone(), provider: None });
    }
    let (task, job) = (Arc::clone(engine), job.clone());
    engine.spawn(async move {
        work_off(&task, &job, || care::work_off(&task, &job, cancel.clone()), [&cancel, &cancel]).await;
        task.lock_tasks().jobs.remove(&job.id);
        task.wake.notify_one();
    });
}

/// True for a job that has no task, was not given up, and was not refused in this state of the store.
fn is_open_to_claim(engine: &Engine, job: &JobId, head: u64) -> bool {
    let tasks = engine.lock_tasks();
    !tasks.jobs.contains_key(job)
        && !tasks.given_up.contains(job.as_str())
        && tasks.refused.get(job).is_none_or(|refused| *refused < head)
}

/// Works a job off until it ends, parks or is preempted: waits while the store fails; any other error ends it.
async fn work_off<W: Future<Output = Result<(), EngineError>>>(
    engine: &Engine,
    job: &Job,
    work: impl Fn() -> W,
    [cancel, give_way]: [&CancellationToken; 2],
) {
    let mut retries = Retries::new(engine);
    loop {
        let done = match AssertUnwindSafe(work()).catch_unwind().await {
            Ok(Err(trouble)) if !trouble.is_temporary() => {
                background::abandon(engine, &job.id, trouble.to_string()).await
            }
            Ok(done) => done,
            Err(_) => background::recover(engine, &job.id).await,
        };
        match done {
            Ok(()) => return,
            Err(trouble) if trouble.is_final() => return engine.report(&trouble),
            Err(trouble) if trouble.is_temporary() => {
                tokio::select! {
                    () = retries.pause(&trouble) => {}
                    // Its agent is wanted.
                    () = give_way.cancelled() => return,
                    () = cancel.cancelled() => return,
                }
            }
            Err(trouble) => return engine.give_up(job.id.as_str(), &trouble).await,
        }
    }
}

/// The model that an agent asks first now; `None` if the agent is gone or unreadable, or its model is not configured.
async fn model_of(engine: &Engine, agent: Option<Agent>) -> Option<ModelHandle> {
    engine.models_of(&agent?).await.ok().map(|models| models.first().handle.clone())
}

/// True while a running turn can want this agent, or a slot of its provider that is not free beside all that run.
async fn is_wanted(
    engine: &Engine,
    standing: &OpenRuns,
    agent: &AgentId,
    model: Option<&ModelHandle>,
) -> Result<bool, StoreError> {
    let (turns, running): (Vec<RunId>, usize) = {
        let tasks = engine.lock_tasks();
        (tasks.turns.keys().cloned().collect(), tasks.turns.len() + tasks.workers.len())
    };
    let mut speakers: Vec<AgentId> = Vec::new();
    for turn in standing.open.iter().filter(|run| turns.contains(&run.id)) {
        speakers.extend(turn.kind.only().cloned());
        if let Some(group) = group_of(engine, turn.group()).await? {
            speakers.extend(group.members.into_iter().chain(group.manager_agent));
        }
    }
    if speakers.contains(agent) {
        return Ok(true);
    }
    let Some(model) = model.filter(|model| Capacity::of_provider(model.max_parallel).all <= running) else {
        return Ok(false);
    };
    for speaker in &speakers {
        let speaker = engine.readable::<Agent>(speaker.as_str()).await?;
        if model_of(engine, speaker).await.is_some_and(|other| other.provider == model.provider) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Recovers what the previous owner left: makes its running jobs available, interrupts stale turns, resumes the rest.
///
/// # Errors
/// [`EngineError`] if reading or writing the store fails.
pub async fn recover(engine: &Engine) -> Result<(), EngineError> {
    for job in engine.store.unfinished_jobs().await? {
        if matches!(job.state, JobState::Running { epoch } if epoch < engine.epoch) {
            let recovered = if engine.options.after_crash {
                background::recover(engine, &job.id).await
            } else {
                background::hand_back(engine, &job).await
            };
            engine.each(job.id.as_str(), recovered)?;
        }
    }
    mail::recover(engine).await?;
    let now = engine.store.clock().now();
    let standing = OpenRuns::read(&engine.store).await?;
    keep_agents(engine, &standing).await?;
    for run in standing.open.iter().filter(|run| matches!(run.kind, RunKind::Turn { .. })) {
        let waits = run.state == RunState::Parked && standing.work().waits_for_a_person(run);
        if run.state == RunState::Queued || run.cancelled || waits || !is_ours(engine, run).await? {
            continue;
        }
        let recovered = if now.duration_since(run.moved_at) > STALE {
            interrupt(engine, run).await
        } else {
            let text = "picked up again after the program ended".to_owned();
            engine.commit_as_engine(vec![next::notice(engine, run, NoticeKind::Resumed, text)]).await
        };
        engine.each(run.id.as_str(), recovered)?;
    }
    Ok(())
}

/// Takes the agents of parked speeches again: a parked speech keeps its agent across a restart.
async fn keep_agents(engine: &Engine, standing: &OpenRuns) -> Result<(), EngineError> {
    for run in standing.open.iter().filter(|run| matches!(run.kind, RunKind::Speech { .. })) {
        let Some(agent) = run.agent().filter(|_| run.state == RunState::Parked) else { continue };
        if !matches!(next::side(engine, run).await?, Priority::Foreground) {
            continue;
        }
        if let Some(place) = engine.agents.try_enter(agent, Capacity::ONE, &Priority::Foreground) {
            engine.lock_tasks().kept.insert(run.id.clone(), place);
        }
    }
    Ok(())
}

async fn interrupt(engine: &Engine, run: &Run) -> Result<(), EngineError> {
    let to = RunState::Finished { stop_reason: StopReason::Interrupted, error: None };
    let text = "interrupted when the program ended; say it again to go on".to_owned();
    let notice = next::notice(engine, run, NoticeKind::Stopped, text);
    cancellation::end(engine, &[run], &to, Mode::Immediate, vec![notice]).await
}

impl Scope {
    /// True when an engine with this scope performs this turn.
    #[must_use]
    pub fn covers(&self, turn: &Run) -> bool {
        match (self, &turn.kind) {
            (Self::All, _) => true,
            (Self::Group(group), RunKind::Turn { group: Some(own), .. }) => group == own,
            (Self::Agent(agent), RunKind::Turn { group: None, only: Some(own) }) => agent == own,
            _ => false,
        }
    }
}

impl Engine {
    pub(super) fn lock_tasks(&self) -> std::sync::MutexGuard<'_, super::Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
