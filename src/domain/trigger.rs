//! What makes a job, evaluated inside the commit that causes it (J1): a job exists exactly when its cause does.

use super::state::Rows;
use super::{
    Change, Conversation, Group, GroupStatus, Ids, Job, JobId, JobState, Run, RunId, RunKind, RunState, Trigger,
};

/// The changes that follow from this one, in order; the store logs them in the same commit.
pub fn follow<R: Rows>(rows: &mut R, change: &Change, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    match change {
        Change::RunMoved { id, to: RunState::Finished { .. } } => turn_over(rows, id, ids),
        Change::JobMoved { id, to: JobState::Completed { .. } | JobState::Failed { .. } } => rest_of(rows, id, ids),
        // Recovered once too often, it has failed as poison.
        Change::JobRecovered { id } => match rows.get::<Job>(id.as_str())? {
            Some(job) if job.state.is_final() => rest_of(rows, id, ids),
            _ => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    }
}

/// A turn that counts makes a job for each background agent, every Nth time.
fn turn_over<R: Rows>(rows: &mut R, id: &RunId, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let Some(run) = rows.get::<Run>(id.as_str())? else { return Ok(Vec::new()) };
    let RunKind::Turn { group: Some(group), .. } = &run.kind else { return Ok(Vec::new()) };
    if run.steps == 0 {
        return Ok(Vec::new());
    }
    let Some(group) = rows.get::<Group>(group.as_str())? else { return Ok(Vec::new()) };
    let Some(conversation) = rows.get::<Conversation>(run.conversation.as_str())? else { return Ok(Vec::new()) };
    let Some(sleeptime) = &group.sleeptime else { return Ok(Vec::new()) };
    if group.status != GroupStatus::Active || !conversation.turns.is_multiple_of(sleeptime.every()) {
        return Ok(Vec::new());
    }
    let mut made = Vec::new();
    for agent in &sleeptime.agents {
        let cause = Trigger::Turn { turn: conversation.turns };
        made.push(cause_job(rows, &Job::new(JobId::fresh(ids), agent.clone(), group.id.clone(), cause))?);
    }
    Ok(made)
}

/// A job whose window was cut to fit leaves the rest to the next, so that nothing is dropped.
fn rest_of<R: Rows>(rows: &mut R, id: &JobId, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let Some(job) = rows.get::<Job>(id.as_str())?.filter(|job: &Job| job.cut) else { return Ok(Vec::new()) };
    let Some(cause) = job.causes.last() else { return Ok(Vec::new()) };
    let next = Job::new(JobId::fresh(ids), job.agent.clone(), job.group.clone(), cause.clone());
    Ok(vec![cause_job(rows, &next)?])
}

/// The job is made, or its cause joins the one that waits already (J3).
pub fn cause_job<R: Rows>(rows: &mut R, job: &Job) -> Result<Change, R::Fault> {
    Ok(join(rows.find::<Job>(&Job::pair_key(&job.agent, &job.group))?, job.clone()))
}

/// The same, where the unfinished jobs of the agent for the group are at hand.
#[must_use]
pub fn join(unfinished: Vec<Job>, job: Job) -> Change {
    // A job with a window will not see what came after it, so its causes are complete.
    let open = unfinished.into_iter().find(|other| other.state.waits() && other.window.is_none());
    match (open, job.causes.last()) {
        (Some(open), Some(cause)) => Change::JobCaused { id: open.id, cause: cause.clone() },
        _ => Change::JobCreated(job),
    }
}

impl Job {
    /// A job that waits, made by this cause.
    #[must_use]
    pub fn new(id: JobId, agent: super::AgentId, group: super::GroupId, cause: Trigger) -> Self {
        Self {
            id,
            agent,
            group,
            causes: vec![cause],
            state: JobState::Available,
            attempt: 0,
            crashes: 0,
            yields: 0,
            fence: 0,
            window: None,
            cut: false,
            run: None,
            conversation: None,
            depth: 1,
            retry_of: None,
            edits: 0,
            tokens: 0,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
        }
    }
}
