//! Care of the store by jobs: backup, check, retention, index.
//!
//! A task of care is a job as any other: a commit makes it when its time has come ([`plan`]) or a person asks for it, it is
//! claimed under a fence, tried again after what may pass, and ends with a sentence. It has no agent, calls no model and
//! takes no place of either. One runs at a time.

pub mod backups;
mod retention;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, background};
use crate::config::Care;
use crate::domain::trigger::Schedule;
use crate::domain::{Actor, CareMark, CareTask, CauseKind, Change, Commit, Job, JobId, JobOutcome, JobState};
use crate::llm::ErrorClass;
use crate::store::{self, CopyError, Lane, Store, StoreError};
use backups::{Backups, copying};

pub(super) use retention::remove;
pub use retention::{cutoffs, found};

/// The most defects that the sentence of a failed check names.
const NAMED: usize = 2;

/// What is to be done when, and what is decided already.
#[derive(Debug, Default)]
pub(super) struct CarePlan(Mutex<Planned>);

#[derive(Debug, Default)]
struct Planned {
    care: Care,
    /// Up to when each schedule is decided.
    decided: BTreeMap<CareTask, Timestamp>,
    /// The next time of each task.
    next: BTreeMap<CareTask, Timestamp>,
}

impl Planned {
    fn look_ahead(&mut self) {
        let Self { care, decided, next } = self;
        let after = |(task, schedule): (&CareTask, &Schedule)| Some((*task, schedule.next(*decided.get(task)?)?));
        *next = care.schedules.iter().filter_map(after).collect();
    }
}

impl CarePlan {
    /// Reads what is decided already.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub(super) async fn read(store: &Store, care: &Care) -> Result<Self, StoreError> {
        let marks = store.all::<CareMark>().await?.rows;
        let decided = marks.into_iter().map(|mark| (mark.task, mark.decided)).collect();
        let mut planned = Planned { care: care.clone(), decided, next: BTreeMap::new() };
        planned.look_ahead();
        Ok(Self(Mutex::new(planned)))
    }

    fn lock(&self) -> MutexGuard<'_, Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks with a schedule that has not begun.
    pub(super) fn to_begin(&self) -> Vec<Change> {
        let planned = self.lock();
        let new = planned.care.schedules.keys().filter(|task| !planned.decided.contains_key(task));
        new.map(|task| Change::CareBegun { task: *task }).collect()
    }

    /// Takes the settings from the configuration.
    pub(super) fn configure(&self, care: &Care) {
        let mut planned = self.lock();
        planned.care = care.clone();
        planned.look_ahead();
    }

    /// The schedule of this task is decided up to this moment.
    fn decide(&self, task: CareTask, upto: Timestamp) {
        let mut planned = self.lock();
        planned.decided.insert(task, upto);
        planned.look_ahead();
    }

    /// The settings.
    pub(super) fn care(&self) -> Care {
        self.lock().care.clone()
    }
}

/// Begins the schedules that have none of their times decided: what was due before is not made up for.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub(super) async fn begin(engine: &Engine) -> Result<(), EngineError> {
    let new = engine.care.to_begin();
    if new.is_empty() {
        return Ok(());
    }
    let tasks: Vec<CareTask> = new
        .iter()
        .filter_map(|change| if let Change::CareBegun { task } = change { Some(*task) } else { None })
        .collect();
    let made = engine.commit(Lane::Background, Commit::new(Actor::Engine, new)).await?;
    for (task, logged) in tasks.into_iter().zip(made) {
        engine.care.decide(task, logged.at);
    }
    Ok(())
}

/// Makes the jobs whose time has come, one for all times of a task that were missed. Returns the next time. While a job of
/// a task is unfinished, its times wait for it.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub(super) async fn plan(engine: &Engine, unfinished: &[Job]) -> Result<Option<Timestamp>, EngineError> {
    let now = engine.store.clock().now();
    let (due, next): (Vec<_>, Option<Timestamp>) = {
        let planned = engine.care.lock();
        let free = |task: &CareTask| !unfinished.iter().any(|job| job.care() == Some(*task));
        let waits = planned.next.iter().filter(|(task, _)| free(task));
        let (due, later): (Vec<_>, Vec<_>) = waits.partition(|(_, at)| **at <= now);
        let due =
            due.into_iter().filter_map(|(task, at)| Some((*task, *at, planned.care.schedules.get(task)?.clone())));
        (due.collect(), later.into_iter().map(|(_, at)| *at).min())
    };
    for (task, first, schedule) in due {
        let Some(firing) = schedule.decide(first, now).fire.pop() else { continue };
        let (scheduled_at, first, count) = (firing.scheduled_at, firing.first, firing.count);
        let cause = CauseKind::Cron { scheduled_at, first, count, zone: schedule.zone };
        let job = Job::of_care(JobId::fresh(engine.store.ids()), task, cause);
        let made = engine.commit(Lane::Background, Commit::new(Actor::Engine, vec![Change::JobCreated(job)])).await;
        match made {
            Ok(_) => engine.care.decide(task, scheduled_at),
            // A person was quicker; the scheduler looks again after that commit.
            Err(EngineError::Refused(why)) => tracing::debug!(task = task.as_str(), why, "no job of care"),
            Err(EngineError::Moved) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(next)
}

/// Why a task of care was not done.
enum Failure {
    /// The store or the engine failed: it is waited out as everywhere.
    Engine(EngineError),
    /// The task failed with this sentence.
    Task(ErrorClass, String),
    /// It was not wanted any more.
    Interrupted,
}

impl From<EngineError> for Failure {
    fn from(trouble: EngineError) -> Self {
        Self::Engine(trouble)
    }
}

impl From<StoreError> for Failure {
    fn from(fault: StoreError) -> Self {
        Self::Engine(fault.into())
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Interrupted => Self::Interrupted,
            // It may be free, or there may be room, at the next try.
            CopyError::Held(_) | CopyError::Store(_) => Self::Task(ErrorClass::Transient, error.to_string()),
            CopyError::Failed(text) => Self::Task(ErrorClass::Terminal, text),
        }
    }
}

/// Claims a job of care and does its task.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn work_off(engine: &Engine, job: &Job, cancel: CancellationToken) -> Result<(), EngineError> {
    let Some(task) = job.care() else { return Ok(()) };
    let Some(job) = claim(engine, job).await? else { return Ok(()) };
    let wanted = CancellationToken::new();
    // What works on a thread of its own ends with this task, whatever ends that.
    let _ends = wanted.clone().drop_guard();
    let done = tokio::select! {
        biased;
        // The commit that cancelled it has ended it.
        () = cancel.cancelled() => return Ok(()),
        done = perform(engine, &job, task, &wanted) => done,
    };
    let to = match done {
        Ok(report) => JobState::Completed { outcome: JobOutcome::CareTaken { report } },
        Err(Failure::Engine(trouble)) if trouble.is_temporary() || trouble.is_final() => return Err(trouble),
        // What cannot be read is what a check is there to find.
        Err(Failure::Engine(trouble)) => {
            background::after_fault(engine, &job, ErrorClass::Terminal, None, trouble.to_string())
        }
        Err(Failure::Interrupted) => return Ok(()),
        Err(Failure::Task(class, error)) => background::after_fault(engine, &job, class, None, error),
    };
    background::held(engine, &job, vec![Change::JobMoved { id: job.id.clone(), to }]).await
}

/// Claims the job. `None` if it is not there to be claimed.
async fn claim(engine: &Engine, job: &Job) -> Result<Option<Job>, EngineError> {
    let claimed = Change::CareClaimed { id: job.id.clone(), epoch: engine.epoch };
    match engine.commit(Lane::Background, Commit::new(Actor::Engine, vec![claimed])).await {
        Ok(_) | Err(EngineError::Moved) => {}
        Err(other) => return Err(other),
    }
    let now = engine.store.row::<Job>(job.id.as_str()).await?;
    // An earlier try of this task can have claimed it, and then failed to read.
    Ok(now.filter(|job| engine.runs(job)))
}

/// Does the task. Returns what it did in a few words.
async fn perform(engine: &Engine, job: &Job, task: CareTask, wanted: &CancellationToken) -> Result<String, Failure> {
    match task {
        CareTask::Backup => backup(engine, wanted).await,
        CareTask::Check => check(engine).await,
        CareTask::Retention => retention::perform(engine, job).await,
        CareTask::Index => index(engine).await,
    }
}

async fn backup(engine: &Engine, wanted: &CancellationToken) -> Result<String, Failure> {
    let (store, now) = (engine.store.path().to_owned(), engine.store.clock().now());
    let keep = usize::try_from(engine.care.care().keep_backups).unwrap_or(usize::MAX);
    let wanted = wanted.clone();
    let done = copying(move || {
        let backups = Backups::of(&store);
        let target = backups.next(now).map_err(CopyError::Failed)?;
        let size = store::back_up(&store, &target, &|| !wanted.is_cancelled())?;
        Ok((target, size, backups.prune(keep)))
    });
    let (target, size, pruned) = done.await?;
    let removed =
        pruned.map_err(|text| Failure::Task(ErrorClass::Terminal, format!("the backup is made, but {text}")))?;
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let removed = match removed.len() {
        0 => String::new(),
        count => format!(", {count} older removed"),
    };
    Ok(format!("{name}, {}{removed}", backups::megabytes(size)))
}

async fn check(engine: &Engine) -> Result<String, Failure> {
    let store = engine.store.background();
    let mut found = store.integrity().await?;
    let replay = store.verify_replay().await?;
    found.extend(replay.differences);
    if found.is_empty() {
        return Ok(format!("sound: {} changes, {} rows", replay.changes, replay.rows));
    }
    let more = found.len().saturating_sub(NAMED);
    let mut text = found.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        text = format!("{text}; and {more} more");
    }
    let text = format!("{text}; `nightdesk doctor --deep` lists all, `nightdesk restore` puts a backup back");
    Err(Failure::Task(ErrorClass::Terminal, text))
}

async fn index(engine: &Engine) -> Result<String, Failure> {
    let mut parts = 0_u32;
    while engine.store.upkeep().await? {
        parts += 1;
        tokio::task::yield_now().await;
    }
    Ok(if parts == 0 { "nothing to merge".to_owned() } else { "merged".to_owned() })
}
