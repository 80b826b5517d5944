//! Derived changes: jobs and mail that follow from a change, created inside the same commit. A job exists exactly when
//! its cause does (J1).

mod cause;
mod kinds;
#[cfg(test)]
mod signal;
mod turns;

use super::state::Rows;
use super::{
    Agent, Change, GroupStatus, Ids, Job, JobId, JobState, Mail, MailId, MailKind, MailStatus, Run, RunId, RunState,
    StopReason,
};

pub use cause::Trigger;

/// The changes derived from this one, in order. The store logs them in the same commit.
///
/// # Errors
/// If the rows cannot be read.
pub fn derived_changes<R: Rows>(rows: &mut R, change: &Change, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let mut made = triggered(rows, change, ids)?;
    match change {
        Change::RunMoved { id, to: RunState::Finished { stop_reason, error } } => {
            made.extend(mail_unanswered(rows, id, *stop_reason, error.as_deref())?);
        }
        Change::StepFinished(step) => made.extend(mail_read(rows, &step.run)?),
        Change::MailMoved { id, to: MailStatus::Expired | MailStatus::Failed, .. } => {
            made.extend(mail_returned(rows, id, ids)?);
        }
        Change::JobMoved { id, to: JobState::Completed { .. } | JobState::Failed { .. } } => {
            made.extend(follow_up_job(rows, id, ids)?);
        }
        // Recovered too often, the job has failed as poison.
        Change::JobRecovered { id } if rows.readable::<Job>(id.as_str())?.is_some_and(|job| job.state.is_final()) => {
            made.extend(follow_up_job(rows, id, ids)?);
        }
        _ => {}
    }
    Ok(made)
}

/// Marks mail as read by the first step of the turn that answers it (J11).
fn mail_read<R: Rows>(rows: &mut R, run: &RunId) -> Result<Option<Change>, R::Fault> {
    let Some(speech) = rows.readable::<Run>(run.as_str())? else { return Ok(None) };
    let Some(turn) = speech.parent else { return Ok(None) };
    let Some(id) = rows.readable::<Run>(turn.as_str())?.and_then(|turn| turn.mail) else { return Ok(None) };
    let mail = rows.readable::<Mail>(id.as_str())?.filter(|mail| mail.status == MailStatus::Delivered);
    Ok(mail.map(|_| Change::MailMoved { id, to: MailStatus::Read, run: None, error: None }))
}

/// Marks mail as failed when the turn that answers it failed, was cancelled or was interrupted.
fn mail_unanswered<R: Rows>(
    rows: &mut R,
    run: &RunId,
    stop_reason: StopReason,
    error: Option<&str>,
) -> Result<Option<Change>, R::Fault> {
    if !matches!(stop_reason, StopReason::Error | StopReason::Cancelled | StopReason::Interrupted) {
        return Ok(None);
    }
    let Some(id) = rows.readable::<Run>(run.as_str())?.and_then(|turn| turn.mail) else { return Ok(None) };
    let mail = rows.readable::<Mail>(id.as_str())?.filter(|mail| !mail.is_settled());
    // The error of a failed speech says more than that of its turn.
    let inside = rows.find::<Run>(run.as_str())?.into_iter().rev().find_map(|speech| match speech.state {
        RunState::Finished { stop_reason: StopReason::Error, error } => error,
        _ => None,
    });
    let inside = inside.filter(|_| stop_reason == StopReason::Error);
    let error = inside.unwrap_or_else(|| error.unwrap_or_else(|| stop_reason.sentence()).to_owned());
    Ok(mail.map(|_| Change::MailMoved { id, to: MailStatus::Failed, run: None, error: Some(error) }))
}

/// Expired or failed mail that no call waits for is returned to the sending agent as a notice (J11).
fn mail_returned<R: Rows>(rows: &mut R, id: &MailId, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let Some(mail) = rows.readable::<Mail>(id.as_str())? else { return Ok(Vec::new()) };
    // Mail of the engine was sent by no call; a notice never causes another one.
    if mail.sent_by.is_none() || mail.waited_for {
        return Ok(Vec::new());
    }
    if rows.readable::<Agent>(mail.from.as_ref().map_or("", |from| from.as_str()))?.is_none() {
        return Ok(Vec::new());
    }
    // A deleted recipient cannot be the sender of the notice.
    let recipient = mail.to.as_ref().map(|to| rows.readable::<Agent>(to.as_str())).transpose()?.flatten();
    let why = match mail.status {
        MailStatus::Expired => "it expired before it could be delivered".to_owned(),
        _ => mail.error.clone().unwrap_or_else(|| "it failed".to_owned()),
    };
    let text = format!("Your message was not answered: {why}. You wrote: {}", mail.text);
    let from = recipient.map(|agent| agent.id);
    Ok(vec![Change::MailSent(Mail { from, ..mail.back(MailId::fresh(ids), MailKind::Notice, text) })])
}

/// A trigger creates a job for each background agent of an active group.
fn triggered<R: Rows>(rows: &mut R, change: &Change, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let mut made = Vec::new();
    for (group, cause) in Trigger::fired(rows, change)? {
        let policy = group.sleeptime.filter(|_| group.status == GroupStatus::Active);
        for agent in policy.into_iter().flat_map(|policy| policy.agents) {
            made.push(cause_job(rows, &Job::new(JobId::fresh(ids), agent, group.id.clone(), cause.clone()))?);
        }
    }
    Ok(made)
}

/// Creates the job that reads the rest of a window that was cut to fit.
fn follow_up_job<R: Rows>(rows: &mut R, id: &JobId, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let Some(job) = rows.readable::<Job>(id.as_str())?.filter(|job: &Job| job.cut) else { return Ok(Vec::new()) };
    let Some(cause) = job.causes.last() else { return Ok(Vec::new()) };
    let next = Job::new(JobId::fresh(ids), job.agent.clone(), job.group.clone(), cause.clone());
    Ok(vec![cause_job(rows, &next)?])
}

/// The change that creates the job, or adds its cause to one that is already waiting (J3).
///
/// # Errors
/// If the rows cannot be read.
pub fn cause_job<R: Rows>(rows: &mut R, job: &Job) -> Result<Change, R::Fault> {
    Ok(coalesce(rows.find::<Job>(&Job::pair_key(&job.agent, &job.group))?, job.clone()))
}

/// Like [`cause_job`], with the unfinished jobs of the agent for the group given by the caller.
#[must_use]
pub fn coalesce(unfinished: Vec<Job>, job: Job) -> Change {
    // A job with a window does not read later messages, so its causes are complete.
    let open = unfinished.into_iter().find(|other| other.state.waits() && other.window.is_none());
    match (open, job.causes.last()) {
        (Some(open), Some(cause)) => Change::JobCaused { id: open.id, cause: cause.clone() },
        _ => Change::JobCreated(job),
    }
}

impl Job {
    /// An available job with this cause.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::state::InMemoryRows;
    use crate::domain::{AgentId, ConversationId, Group, GroupId, ManagerType, RunKind, Sleeptime};

    #[test]
    fn a_trigger_that_is_added_makes_jobs_and_says_why() {
        let mut rows = InMemoryRows::default();
        let policy = Sleeptime { agents: vec![AgentId::from("agent-1")], every_turns: None };
        let group = Group::new(GroupId::from("group-1"), "desk", ManagerType::RoundRobin);
        let group = Group { sleeptime: Some(policy.clone()), ..group };
        let kind = RunKind::Turn { group: Some(group.id.clone()), only: None };
        let talk = ConversationId::from("conversation-1");
        let run = Run::new(RunId::from("run-1"), talk, kind, RunState::Running);
        let Ok(()) = rows.put(&group).and_then(|()| rows.put(&run));
        let said = |word: &str| Change::RunSignalled { id: run.id.clone(), word: word.to_owned() };
        let ids = Ids::default();
        let Ok(none) = derived_changes(&mut rows, &said("go on"), &ids);
        assert_eq!(none, []);
        let Ok(made) = derived_changes(&mut rows, &said("sleep"), &ids);
        let [Change::JobCreated(job)] = &made[..] else { panic!("{made:?}") };
        assert_eq!((&job.agent, &job.group), (&policy.agents[0], &group.id));
        let cause = &job.causes[0];
        assert_eq!(serde_json::to_string(cause).unwrap(), r#"{"trigger":"signal","word":"sleep"}"#);
        assert_eq!((cause.text(), cause.is_asked_for()), ("told to sleep".to_owned(), false));
        assert_eq!(cause.after().as_deref(), Some("after it was told to sleep"));
        let Ok(()) = rows.put(&Group { status: GroupStatus::Paused, ..group });
        let Ok(paused) = derived_changes(&mut rows, &said("sleep"), &ids);
        assert_eq!(paused, [], "nothing starts in a group that takes no turns");
    }

    #[test]
    fn causes_are_kept_as_they_always_were_and_schedules_are_joined() {
        let turn = Trigger::Turn { turn: 12 };
        assert_eq!(serde_json::to_string(&turn).unwrap(), r#"{"trigger":"turn","turn":12}"#);
        assert_eq!((turn.text(), turn.after()), ("turn 12".to_owned(), Some("after turn 12".to_owned())));
        let every = |n| Sleeptime { agents: Vec::new(), every_turns: n };
        assert_eq!(every(None).schedule(), "every 5 turns");
        assert_eq!(every(Some(1)).schedule(), "every turn");
        assert_eq!(
            (every(Some(2)).schedule(), every(Some(2)).schedule_in_prose()),
            ("every 2 turns".to_owned(), "every second turn".to_owned(),)
        );
        assert_eq!(every(Some(u32::MAX)).schedule(), "every 4294967295 turns or when told to");
        assert_eq!(Trigger::KEYS, ["every_turns", "on_signal"]);
    }
}
