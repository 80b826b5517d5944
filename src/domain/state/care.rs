//! The rules of care of the store.

use jiff::Timestamp;

use super::{ApplyError, Rows, reject, require};
use crate::domain::{CareMark, CareTask, CauseKind, Conflict, Job, JobId, JobState};

/// Begins the schedule of a task; one that has begun goes on.
pub(super) fn begin<R: Rows>(rows: &mut R, task: CareTask, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    if rows.get::<CareMark>(task.as_str())?.is_some() {
        return reject(format!("the schedule of {} has begun already", task.as_str()));
    }
    Ok(rows.put(&CareMark { task, decided: at })?)
}

/// Checks a new job of care, and takes the time that caused it: there is one unfinished job of a task at most, and none
/// for a time that is decided on.
pub(super) fn create<R: Rows>(rows: &mut R, job: &Job, task: CareTask) -> Result<(), ApplyError<R::Fault>> {
    let name = task.as_str();
    if !rows.find::<Job>(&job.work.key())?.is_empty() {
        return reject(format!("there is an unfinished job of {name} already; wait for it"));
    }
    // A retry keeps the causes of the job that it retries.
    let due = job.causes.iter().filter(|_| job.retry_of.is_none()).filter_map(|cause| match &cause.kind {
        CauseKind::Cron { scheduled_at, .. } => Some(*scheduled_at),
        _ => None,
    });
    let Some(decided) = due.max() else { return Ok(()) };
    if rows.get::<CareMark>(name)?.is_some_and(|mark| mark.decided >= decided) {
        return reject(format!("the time {decided} of {name} is decided already"));
    }
    Ok(rows.put(&CareMark { task, decided })?)
}

pub(super) fn claim<R: Rows>(rows: &mut R, id: &JobId, epoch: u64, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
    if job.care().is_none() {
        return reject(format!("job {id} is work of an agent"));
    }
    if !job.state.waits() {
        return Err(ApplyError::Conflict(Conflict::Fenced { job: id.clone() }));
    }
    job.fence += 1;
    job.attempt += 1;
    job.state = JobState::Running { epoch };
    job.started_at = job.started_at.or(Some(at));
    Ok(rows.put(&job)?)
}
