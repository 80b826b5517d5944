//! The rules of jobs: J2 to J9.

use jiff::Timestamp;

use super::{ApplyError, Rows, care, reject, require};
use crate::domain::job::{JobFault, MAX_CRASHES};
use crate::domain::{AgentWork, Cause, CauseKind, Conversation, ConversationId, Cursor, Job, JobId, JobState, RunId};

pub(super) fn create<R: Rows>(rows: &mut R, job: &mut Job, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    if rows.get::<Job>(job.id.as_str())?.is_some() {
        return reject(format!("job {} exists already", job.id));
    }
    if let Some(task) = job.care() {
        care::create(rows, job, task)?;
    } else if job.window.is_none() {
        // A retry has the window of the job it retries, so it is never merged with another job.
        let unfinished = rows.find::<Job>(&job.work.key())?;
        if unfinished.iter().any(|other| other.state.waits() && other.window.is_none()) {
            return reject("the agent already has a waiting job; add the cause to that one");
        }
    }
    job.created_at = at;
    Ok(rows.put(job)?)
}

pub(super) fn cause<R: Rows>(rows: &mut R, id: &JobId, cause: &Cause) -> Result<(), ApplyError<R::Fault>> {
    let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
    if !job.state.waits() {
        return reject(format!("job {id} is no longer waiting"));
    }
    job.causes.push(cause.clone());
    job.depth = job.depth.max(cause.depth);
    job.priority = job.priority.max(cause.priority);
    if let (CauseKind::Person { .. }, JobState::Retryable { .. }) = (&cause.kind, &job.state) {
        // A request by a person skips the backoff.
        job.state = JobState::Available;
    }
    Ok(rows.put(&job)?)
}

pub(super) fn claim<R: Rows>(
    rows: &mut R,
    id: &JobId,
    epoch: u64,
    upto: Option<u64>,
) -> Result<Job, ApplyError<R::Fault>> {
    let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
    let parked = job.state == JobState::Parked;
    if !job.state.waits() && !parked {
        return Err(ApplyError::Conflict(crate::domain::Conflict::Fenced { job: id.clone() }));
    }
    let Some(work) = job.agent_work().cloned() else { return reject(format!("job {id} is care of the store")) };
    if job.window.is_none() {
        let cursor = rows.get::<Cursor>(&work.key())?;
        let after = cursor.map_or(0, |cursor| cursor.seq);
        // The window starts where the previous one ends, so the previous job has to be finished. The window of a
        // failed job's retry is already behind the cursor.
        let unfinished = rows.find::<Job>(&job.work.key())?;
        if unfinished.iter().any(|other| other.window.is_some_and(|(_, upto)| upto > after)) {
            return reject("an earlier job of the agent is not finished");
        }
        let talk = rows.find::<Conversation>(work.group.as_str())?;
        let head = talk.first().map_or(0, |conversation| conversation.head).max(after);
        let end = upto.unwrap_or(head).clamp(after, head);
        job.window = Some((after, end));
        job.cut = end < head;
    }
    job.fence += 1;
    job.attempt += u32::from(!parked);
    job.state = JobState::Running { epoch };
    Ok(job)
}

/// Writes the claimed job. The first claim sets its run and the conversation of its notes.
pub(super) fn begin<R: Rows>(
    rows: &mut R,
    mut job: Job,
    run: &RunId,
    conversation: &ConversationId,
    at: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    if job.run.is_none() {
        job.run = Some(run.clone());
        job.conversation = Some(conversation.clone());
        job.started_at = Some(at);
    }
    Ok(rows.put(&job)?)
}

pub(super) fn preempt<R: Rows>(rows: &mut R, id: &JobId) -> Result<(), ApplyError<R::Fault>> {
    let mut job = running(rows, id)?;
    job.attempt = job.attempt.saturating_sub(1);
    job.yields += 1;
    job.state = JobState::Available;
    Ok(rows.put(&job)?)
}

pub(super) fn hand_back<R: Rows>(rows: &mut R, id: &JobId, to: &JobState) -> Result<(), ApplyError<R::Fault>> {
    let mut job = running(rows, id)?;
    if !to.waits() {
        return reject(format!("a job that is handed back cannot become {}", to.as_str()));
    }
    job.attempt = job.attempt.saturating_sub(1);
    job.state = to.clone();
    Ok(rows.put(&job)?)
}

pub(super) fn recover<R: Rows>(rows: &mut R, id: &JobId, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let mut job = running(rows, id)?;
    job.crashes += 1;
    if job.crashes < MAX_CRASHES {
        job.state = JobState::Available;
        return Ok(rows.put(&job)?);
    }
    let error = format!("it ended the program {MAX_CRASHES} times in a row; read the log before you retry it");
    finish(rows, job, JobState::Failed { class: JobFault::Poison, error }, at)
}

pub(super) fn transition<R: Rows>(
    rows: &mut R,
    id: &JobId,
    to: &JobState,
    at: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
    let allowed = match to {
        JobState::Cancelled { .. } => !job.state.is_final(),
        JobState::Retryable { .. } | JobState::Parked | JobState::Completed { .. } | JobState::Failed { .. } => {
            matches!(job.state, JobState::Running { .. })
        }
        JobState::Scheduled { .. } => job.state.waits() || job.state == JobState::Parked,
        JobState::Available => matches!(job.state, JobState::Scheduled { .. }),
        JobState::Running { .. } => false,
    };
    if allowed && job.state == JobState::Parked && to.waits() {
        // It goes on with the attempt in which it parked.
        job.attempt = job.attempt.saturating_sub(1);
    }
    if !allowed {
        return reject(format!("the job is {} and cannot become {}", job.state.as_str(), to.as_str()));
    }
    finish(rows, job, to.clone(), at)
}

/// Changes the state of the job. If it completed or failed, moves its agent's cursor past the window (J5).
fn finish<R: Rows>(rows: &mut R, mut job: Job, to: JobState, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    if let (JobState::Completed { .. } | JobState::Failed { .. }, Some((_, upto))) = (&to, job.window)
        && let Some(AgentWork { agent, group }) = job.agent_work().cloned()
    {
        let key = Cursor::pair_key(&agent, &group);
        let seq = rows.get::<Cursor>(&key)?.map_or(0, |cursor| cursor.seq).max(upto);
        rows.put(&Cursor { agent, group, seq })?;
    }
    job.ended_at = to.is_final().then_some(at);
    job.state = to;
    Ok(rows.put(&job)?)
}

fn running<R: Rows>(rows: &mut R, id: &JobId) -> Result<Job, ApplyError<R::Fault>> {
    let job = require::<Job, R>(rows, id.as_str(), "job")?;
    match job.state {
        JobState::Running { .. } => Ok(job),
        _ => Err(ApplyError::Conflict(crate::domain::Conflict::Fenced { job: id.clone() })),
    }
}
