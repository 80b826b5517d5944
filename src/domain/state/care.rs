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

#[cfg(test)]
mod tests {
    use super::super::InMemoryRows;
    use super::*;
    use crate::domain::{AgentId, Change, GroupId, JobOutcome};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn due(id: &str, second: i64) -> Change {
        let (scheduled_at, first) = (at(second), at(second));
        let cause = CauseKind::Cron { scheduled_at, first, count: 1, zone: "UTC".to_owned() };
        Change::JobCreated(Job::of_care(id.into(), CareTask::Check, cause))
    }

    fn refusal(rows: &mut InMemoryRows, change: Change) -> String {
        rows.apply(change, at(9)).unwrap_err().to_string()
    }

    #[test]
    fn each_time_of_a_task_makes_one_job_and_one_is_unfinished_at_most() {
        let mut rows = InMemoryRows::default();
        rows.apply(Change::CareBegun { task: CareTask::Check }, at(5)).unwrap();
        assert!(refusal(&mut rows, Change::CareBegun { task: CareTask::Check }).contains("has begun already"));
        assert!(refusal(&mut rows, due("job-1", 5)).contains("is decided already"), "it was before the schedule began");
        rows.apply(due("job-1", 6), at(6)).unwrap();
        assert!(refusal(&mut rows, due("job-2", 7)).contains("there is an unfinished job of check already"));
        let asked = CauseKind::Person { instruction: None };
        let other = Change::JobCreated(Job::of_care("job-3".into(), CareTask::Index, asked));
        rows.apply(other, at(6)).unwrap();

        rows.apply(Change::CareClaimed { id: "job-1".into(), epoch: 1 }, at(7)).unwrap();
        assert!(rows.apply(Change::CareClaimed { id: "job-1".into(), epoch: 1 }, at(7)).is_err(), "it runs already");
        let outcome = JobOutcome::CareTaken { report: "sound".to_owned() };
        let over = Change::JobMoved { id: "job-1".into(), to: JobState::Completed { outcome } };
        rows.apply(over, at(8)).unwrap();
        assert!(refusal(&mut rows, due("job-4", 6)).contains("is decided already"));
        rows.apply(due("job-4", 8), at(8)).unwrap();
        let again = CauseKind::Retry { job: "job-1".into() };
        let mut retry = Job::of_care("job-5".into(), CareTask::Backup, again);
        retry.retry_of = Some("job-1".into());
        rows.apply(Change::JobCreated(retry), at(8)).unwrap();
    }

    #[test]
    fn a_job_of_an_agent_is_not_claimed_as_care_and_care_not_as_an_agents() {
        let mut rows = InMemoryRows::default();
        let asked = || CauseKind::Person { instruction: None };
        let own = Job::new("job-1".into(), AgentId::from("agent-1"), GroupId::from("group-1"), asked());
        rows.apply(Change::JobCreated(own), at(1)).unwrap();
        rows.apply(Change::JobCreated(Job::of_care("job-2".into(), CareTask::Check, asked())), at(1)).unwrap();
        let claimed = Change::CareClaimed { id: "job-1".into(), epoch: 1 };
        assert_eq!(refusal(&mut rows, claimed), "job job-1 is work of an agent");
        let (run, conversation) = ("run-1".into(), "conversation-1".into());
        let claimed = Change::JobClaimed { id: "job-2".into(), epoch: 1, run, conversation, upto: None };
        assert_eq!(refusal(&mut rows, claimed), "job job-2 is care of the store");
        let early = Change::JobExpired { id: "job-2".into(), runs: Vec::new(), conversation: None };
        assert!(refusal(&mut rows, early).contains("only what has ended can go"));
    }

    #[test]
    fn jobs_of_agents_are_written_as_they_always_were() {
        let asked = CauseKind::Person { instruction: None };
        let job = Job::new("job-1".into(), AgentId::from("agent-1"), GroupId::from("group-1"), asked.clone());
        let written = serde_json::to_string(&job).unwrap();
        assert!(written.starts_with(r#"{"id":"job-1","agent":"agent-1","group":"group-1","causes":"#), "{written}");
        assert!(!written.contains("expired_at"), "{written}");
        assert_eq!(serde_json::from_str::<Job>(&written).unwrap(), job);
        let care = serde_json::to_string(&Job::of_care("job-2".into(), CareTask::Check, asked)).unwrap();
        assert!(care.starts_with(r#"{"id":"job-2","care":"check","causes":"#), "{care}");
    }
}
