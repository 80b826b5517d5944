//! What makes a job, evaluated inside the commit that causes it (J1): a job exists exactly when its cause does.

use super::state::Rows;
use super::{
    Agent, Change, Conversation, Group, GroupStatus, Ids, Job, JobId, JobState, Mail, MailId, MailKind, MailStatus,
    Run, RunId, RunKind, RunState, StopReason, Trigger,
};

/// The changes that follow from this one, in order; the store logs them in the same commit.
pub fn follow<R: Rows>(rows: &mut R, change: &Change, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    match change {
        Change::RunMoved { id, to: RunState::Finished { stop_reason, error } } => {
            let mut made = turn_over(rows, id, ids)?;
            made.extend(mail_unanswered(rows, id, *stop_reason, error.as_deref())?);
            Ok(made)
        }
        Change::StepFinished(step) => Ok(mail_read(rows, &step.run)?.into_iter().collect()),
        Change::MailMoved { id, to: MailStatus::Expired | MailStatus::Failed, .. } => mail_returned(rows, id, ids),
        Change::JobMoved { id, to: JobState::Completed { .. } | JobState::Failed { .. } } => rest_of(rows, id, ids),
        // Recovered once too often, it has failed as poison.
        Change::JobRecovered { id } => match rows.get::<Job>(id.as_str())? {
            Some(job) if job.state.is_final() => rest_of(rows, id, ids),
            _ => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    }
}

/// The first step of a turn that answers mail has read it (J11).
fn mail_read<R: Rows>(rows: &mut R, run: &RunId) -> Result<Option<Change>, R::Fault> {
    let Some(speech) = rows.get::<Run>(run.as_str())? else { return Ok(None) };
    let Some(turn) = speech.parent else { return Ok(None) };
    let Some(id) = rows.get::<Run>(turn.as_str())?.and_then(|turn| turn.mail) else { return Ok(None) };
    let mail = rows.get::<Mail>(id.as_str())?.filter(|mail| mail.status == MailStatus::Delivered);
    Ok(mail.map(|_| Change::MailMoved { id, to: MailStatus::Read, run: None, error: None }))
}

/// The turn that took the mail ended without an answer.
fn mail_unanswered<R: Rows>(
    rows: &mut R,
    run: &RunId,
    stop_reason: StopReason,
    error: Option<&str>,
) -> Result<Option<Change>, R::Fault> {
    if !matches!(stop_reason, StopReason::Error | StopReason::Cancelled | StopReason::Interrupted) {
        return Ok(None);
    }
    let Some(id) = rows.get::<Run>(run.as_str())?.and_then(|turn| turn.mail) else { return Ok(None) };
    let mail = rows.get::<Mail>(id.as_str())?.filter(|mail| !mail.is_settled());
    // Where its agent failed, what it said of it tells more than that the turn came to nothing.
    let inside = rows.find::<Run>(run.as_str())?.into_iter().rev().find_map(|speech| match speech.state {
        RunState::Finished { stop_reason: StopReason::Error, error } => error,
        _ => None,
    });
    let inside = inside.filter(|_| stop_reason == StopReason::Error);
    let error = inside.unwrap_or_else(|| error.unwrap_or_else(|| stop_reason.sentence()).to_owned());
    Ok(mail.map(|_| Change::MailMoved { id, to: MailStatus::Failed, run: None, error: Some(error) }))
}

/// Mail nobody waits for that expires or fails comes back to the agent that sent it, as a notice (J11).
fn mail_returned<R: Rows>(rows: &mut R, id: &MailId, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let Some(mail) = rows.get::<Mail>(id.as_str())? else { return Ok(Vec::new()) };
    // What the engine itself sent has no sender's call: a notice never causes another.
    if mail.sent_by.is_none() || mail.waited_for {
        return Ok(Vec::new());
    }
    if rows.get::<Agent>(mail.from.as_ref().map_or("", |from| from.as_str()))?.is_none() {
        return Ok(Vec::new());
    }
    // Nobody speaks for an agent that is gone.
    let recipient = mail.to.as_ref().map(|to| rows.get::<Agent>(to.as_str())).transpose()?.flatten();
    let why = match mail.status {
        MailStatus::Expired => "it expired before it could be delivered".to_owned(),
        _ => mail.error.clone().unwrap_or_else(|| "it failed".to_owned()),
    };
    let text = format!("Your message was not answered: {why}. You wrote: {}", mail.text);
    let from = recipient.map(|agent| agent.id);
    Ok(vec![Change::MailSent(Mail { from, ..mail.back(MailId::fresh(ids), MailKind::Notice, text) })])
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
