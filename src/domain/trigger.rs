//! Derived changes: triggers, jobs and mail that follow from a change, created inside the same commit. A job exists
//! exactly when its cause does (J1).

mod block_changed;
mod cause;
mod cron;
mod event;
mod fire;
mod idle;
mod kinds;
mod occasion;
mod on;
mod reading;
mod row;
mod schedule;
#[cfg(test)]
mod signal;
mod source;
mod source_files;
pub mod table;
mod turns;

use jiff::Timestamp;

use super::block::{Grantee, Level, folded};
use super::run::CallResult;
use super::state::Rows;
use super::{
    Agent, AgentId, AgentWork, Block, BlockId, CareTask, Change, Ids, Job, JobId, JobState, JobWork, Mail, MailId,
    MailKind, MailStatus, PendingCall, Priority, Run, RunId, RunState, StopReason,
};

pub use cause::{Cause, CauseKind, When};
pub(super) use fire::why_not;
pub use fire::{PAUSED, held_by};
pub use occasion::Occasion;
pub use reading::{MarkMove, News, Piece, Reading, SourceMark};
pub use row::{LONGEST_EVENT, MAX_TRIGGERS, Occurrence, Trigger, TriggerSpec};
pub use schedule::{Hours, Missed, Schedule};
pub use source_files::Source;

/// The changes derived from this one, which was committed at the wall time `at`, in order. The store logs them in the
/// same commit.
///
/// # Errors
/// If the rows cannot be read.
pub fn derived_changes<R: Rows>(
    rows: &mut R,
    change: &Change,
    ids: &Ids,
    at: Timestamp,
) -> Result<Vec<Change>, R::Fault> {
    let mut made = kinds::heard(rows, change, at)?;
    match change {
        Change::GroupPut(group) => made.extend(fire::configured(rows, &group.id, Some(group), ids)?),
        Change::GroupDeleted { id } => made.extend(fire::configured(rows, id, None, ids)?),
        Change::TriggerFired { id, cause, depth } => made.extend(fire::jobs(rows, id, cause, *depth, ids)?),
        Change::RunMoved { id, to: RunState::Finished { stop_reason, error } } => {
            made.extend(mail_unanswered(rows, id, *stop_reason, error.as_deref())?);
        }
        Change::StepFinished(step) => made.extend(mail_read(rows, &step.run)?),
        Change::BlockAccessSet { id, who: Grantee::Agent(agent), level: Some(level), .. } => {
            made.extend(requests_granted(rows, id, agent, *level)?);
        }
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

/// Answers the calls with which the agent waits for access to this block that it has now.
fn requests_granted<R: Rows>(
    rows: &mut R,
    id: &BlockId,
    agent: &AgentId,
    level: Level,
) -> Result<Vec<Change>, R::Fault> {
    let Some(block) = rows.readable::<Block>(id.as_str())? else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for run in rows.parked(agent)? {
        for call in rows.find::<PendingCall>(run.id.as_str())? {
            let asks = call.is_open()
                && call
                    .asks_for_access()
                    .is_some_and(|(label, wanted)| folded(label) == folded(&block.label) && wanted <= level);
            if asks {
                let answer = CallResult { ok: true, text: String::new(), for_run: false, by: None };
                made.push(Change::CallAnswered { step: call.step, ordinal: call.ordinal, answer });
            }
        }
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

/// Creates the job that reads the rest of a window that was cut to fit.
fn follow_up_job<R: Rows>(rows: &mut R, id: &JobId, ids: &Ids) -> Result<Vec<Change>, R::Fault> {
    let Some(job) = rows.readable::<Job>(id.as_str())?.filter(|job: &Job| job.cut) else { return Ok(Vec::new()) };
    let Some(cause) = job.causes.last() else { return Ok(Vec::new()) };
    let Some(work) = job.agent_work().cloned() else { return Ok(Vec::new()) };
    let next = Job::new(JobId::fresh(ids), work.agent, work.group, cause.of_rest());
    Ok(vec![cause_job(rows, &next)?])
}

/// The change that creates the job, or adds its cause to one that is already waiting (J3).
///
/// # Errors
/// If the rows cannot be read.
pub fn cause_job<R: Rows>(rows: &mut R, job: &Job) -> Result<Change, R::Fault> {
    Ok(coalesce(rows.find::<Job>(&job.work.key())?, job.clone()))
}

/// Like [`cause_job`], with the unfinished jobs of the same work given by the caller.
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
    /// An available job of an agent with this cause.
    #[must_use]
    pub fn new(id: JobId, agent: super::AgentId, group: super::GroupId, cause: impl Into<Cause>) -> Self {
        Self::of(id, JobWork::Agent(AgentWork { agent, group }), cause.into())
    }

    /// An available job of care with this cause. What agents do comes first.
    #[must_use]
    pub fn of_care(id: JobId, care: CareTask, cause: impl Into<Cause>) -> Self {
        let cause = Cause { priority: Priority::Low, ..cause.into() };
        Self::of(id, JobWork::Care { care }, cause)
    }

    /// An available job with this cause.
    #[must_use]
    pub fn of(id: JobId, work: JobWork, cause: Cause) -> Self {
        Self {
            depth: cause.depth,
            priority: cause.priority,
            id,
            work,
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
            retry_of: None,
            edits: 0,
            tokens: 0,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
            expired_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::state::InMemoryRows;
    use crate::domain::{
        AgentId, Conversation, ConversationId, ConversationOwner, Group, GroupId, GroupStatus, ManagerType, RunKind,
        Sleeptime,
    };

    /// Rows with a group of one background agent and a running turn.
    fn desk(every_turns: Option<u32>) -> (InMemoryRows, Group, Run) {
        let mut rows = InMemoryRows::default();
        let policy = Sleeptime { every_turns, ..Sleeptime::new(vec![AgentId::from("agent-1")]) };
        let group = Group::new(GroupId::from("group-1"), "desk", ManagerType::RoundRobin);
        let group = Group { sleeptime: Some(policy), ..group };
        let kind = RunKind::Turn { group: Some(group.id.clone()), only: None };
        let mut talk =
            Conversation::new(ConversationId::from("conversation-1"), ConversationOwner::Group(group.id.clone()));
        talk.turns = 2;
        let run = Run { steps: 1, ..Run::new(RunId::from("run-1"), talk.id.clone(), kind, RunState::Running) };
        let Ok(()) = rows.put(&group).and_then(|()| rows.put(&run)).and_then(|()| rows.put(&talk));
        let put = Change::GroupPut(group.clone());
        follow(&mut rows, &put);
        (rows, group, run)
    }

    /// Applies everything that follows from the change, which has been applied, and returns it.
    fn follow(rows: &mut InMemoryRows, change: &Change) -> Vec<Change> {
        let Ok(next) = derived_changes(rows, change, &Ids::default(), Timestamp::UNIX_EPOCH);
        let mut made = Vec::new();
        for change in next {
            let change = rows.apply(change, Timestamp::UNIX_EPOCH).unwrap();
            let more = follow(rows, &change);
            made.push(change);
            made.extend(more);
        }
        made
    }

    #[test]
    fn a_mark_moves_only_from_where_it_is() {
        let (mut rows, group, _) = desk(None);
        let made = Trigger::new(
            &Ids::default(),
            group.id,
            When::Source { source: Source::of_folder("/notes").unwrap() }.into(),
        );
        rows.apply(Change::TriggerPut(made.clone()), Timestamp::UNIX_EPOCH).unwrap();
        let mut read = |from: Option<u64>, offset: u64| {
            let reader = made.reader().unwrap();
            let to = SourceMark { reader, path: "a.md".to_owned(), offset, hash: String::new(), device: 1, inode: 1 };
            let moves = vec![MarkMove { from: from.map(|from| ("a.md".to_owned(), from)), to }];
            let change = Change::SourceRead { id: made.id.clone(), moves, forgotten: Vec::new(), reading: None };
            rows.apply(change, Timestamp::UNIX_EPOCH).is_ok()
        };
        assert!(!read(Some(3), 5), "it has none yet");
        assert!(read(None, 5));
        assert!(!read(None, 5), "it has one already");
        assert!(!read(Some(3), 9), "another has read on meanwhile");
        assert!(read(Some(5), 9));
    }

    fn triggers(rows: &mut InMemoryRows) -> Vec<Trigger> {
        let Ok(all) = rows.all::<Trigger>();
        all
    }

    fn finished(run: &Run) -> Change {
        let to = RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
        Change::RunMoved { id: run.id.clone(), to }
    }

    #[test]
    fn a_trigger_that_is_added_makes_jobs_and_says_why() {
        let (mut rows, group, run) = desk(Some(u32::MAX));
        let said = |word: &str| Change::RunSignalled { id: run.id.clone(), word: word.to_owned() };
        assert_eq!(follow(&mut rows, &said("go on")), []);
        let made = follow(&mut rows, &said("sleep"));
        let [Change::TriggerFired { id, .. }, Change::JobCreated(job)] = &made[..] else { panic!("{made:?}") };
        assert_eq!((job.agent(), job.group()), (Some(&AgentId::from("agent-1")), Some(&group.id)));
        let cause = &job.causes[0];
        assert_eq!(cause.of.as_ref(), Some(id));
        let written = format!(r#"{{"trigger":"signal","word":"sleep","of":"{id}"}}"#);
        assert_eq!(serde_json::to_string(cause).unwrap(), written);
        assert_eq!(serde_json::from_str::<Cause>(&written).unwrap(), *cause);
        assert_eq!((cause.kind.text(), cause.has_input()), ("told to sleep".to_owned(), false));
        assert_eq!(cause.kind.after().as_deref(), Some("after it was told to sleep"));

        let Ok(()) = rows.put(&Group { status: GroupStatus::Paused, ..group });
        let paused = follow(&mut rows, &said("sleep"));
        assert!(
            matches!(&paused[..], [Change::TriggerHeld { why: Some(why), .. }] if why == "desk is paused"),
            "{paused:?}"
        );
        assert_eq!(follow(&mut rows, &said("sleep")), [], "its row says so already");
        let held = triggers(&mut rows).into_iter().find(|trigger| trigger.id == *id).unwrap();
        assert_eq!((held.last_fired, held.why_not.as_deref()), (Some(Timestamp::UNIX_EPOCH), Some("desk is paused")));
    }

    #[test]
    fn triggers_follow_the_policy_of_their_group_and_one_that_stays_the_same_stays() {
        let (mut rows, group, _) = desk(Some(2));
        let first = triggers(&mut rows);
        assert_eq!(first.iter().map(|trigger| trigger.spec.when.key()).collect::<Vec<_>>(), ["every_turns"]);
        assert_eq!(follow(&mut rows, &Change::GroupPut(Group { description: "new".to_owned(), ..group.clone() })), []);
        assert_eq!(triggers(&mut rows), first);
        let policy = Sleeptime { every_turns: Some(3), ..Sleeptime::new(vec![AgentId::from("agent-1")]) };
        follow(&mut rows, &Change::GroupPut(Group { sleeptime: Some(policy), ..group.clone() }));
        let other = triggers(&mut rows);
        assert_eq!((other.len(), &other[0].spec.when), (1, &When::EveryTurns { turns: 3 }));
        assert_ne!(other[0].id, first[0].id);
        follow(&mut rows, &Change::GroupPut(Group { sleeptime: None, ..group.clone() }));
        assert_eq!(triggers(&mut rows), []);
        follow(&mut rows, &Change::GroupPut(group.clone()));
        let Ok(()) = rows.delete::<Group>(group.id.as_str());
        follow(&mut rows, &Change::GroupDeleted { id: group.id });
        assert_eq!(triggers(&mut rows), []);
    }

    #[test]
    fn a_paused_trigger_that_is_changed_stays_paused_and_waits_for_no_time() {
        let cron = |pattern: &str| {
            let schedule = Schedule {
                pattern: pattern.to_owned(),
                zone: "UTC".to_owned(),
                missed: Missed::Once,
                missed_within: None,
                between: None,
            };
            TriggerSpec::from(When::Cron { schedule })
        };
        let (mut rows, group, _) = desk(Some(2));
        let with = |specs: &[TriggerSpec]| {
            let policy = Sleeptime { triggers: specs.to_vec(), ..Sleeptime::new(vec![AgentId::from("agent-1")]) };
            Change::GroupPut(Group { sleeptime: Some(policy), ..group.clone() })
        };
        follow(&mut rows, &with(&[cron("0 7 * * *"), cron("0 9 * * *")]));
        let of = |rows: &mut InMemoryRows, pattern: &str| {
            let spec = cron(pattern);
            triggers(rows).into_iter().find(|trigger| trigger.spec == spec)
        };
        let morning = of(&mut rows, "0 7 * * *").unwrap();
        rows.apply(Change::TriggerPaused { id: morning.id.clone(), paused: true }, Timestamp::UNIX_EPOCH).unwrap();
        follow(&mut rows, &with(&[cron("0 8 * * *"), cron("0 9 * * *"), cron("0 12 * * *")]));
        let (changed, kept, new) = (
            of(&mut rows, "0 8 * * *").unwrap(),
            of(&mut rows, "0 9 * * *").unwrap(),
            of(&mut rows, "0 12 * * *").unwrap(),
        );
        assert_eq!((changed.paused, changed.next_due, changed.why_not.as_deref()), (true, None, Some(PAUSED)));
        assert_eq!((kept.paused, new.paused, new.next_due.is_some()), (false, false, true));
        assert_eq!(of(&mut rows, "0 7 * * *"), None);
        // Once it goes on, it has its next time.
        let resumed = Change::TriggerPaused { id: changed.id.clone(), paused: false };
        rows.apply(resumed.clone(), Timestamp::UNIX_EPOCH).unwrap();
        follow(&mut rows, &resumed);
        assert!(of(&mut rows, "0 8 * * *").unwrap().next_due.is_some());
    }

    #[test]
    fn a_job_is_one_deeper_than_its_cause_and_the_fourth_in_a_row_is_not_created() {
        for depth in 0..5 {
            let (mut rows, _, run) = desk(Some(2));
            let run = Run { depth, ..run };
            let Ok(()) = rows.put(&run);
            let made = follow(&mut rows, &finished(&run));
            match &made[..] {
                [Change::TriggerFired { .. }, Change::JobCreated(job)] => assert_eq!(job.depth, depth + 1),
                [Change::TriggerHeld { why: Some(why), .. }] => {
                    assert!(depth >= 3 && why.starts_with("3 jobs have caused each other"), "{depth}: {why}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn causes_are_kept_as_they_always_were_and_schedules_are_joined() {
        let turn = CauseKind::Turn { turn: 12 };
        let old = r#"{"trigger":"turn","turn":12}"#;
        assert_eq!(serde_json::to_string(&Cause::from(turn.clone())).unwrap(), old);
        assert_eq!(serde_json::from_str::<Cause>(old).unwrap(), turn.clone().into());
        assert_eq!((turn.text(), turn.after()), ("turn 12".to_owned(), Some("after turn 12".to_owned())));
        let every = |n| Sleeptime { every_turns: n, ..Sleeptime::new(Vec::new()) };
        assert_eq!(every(None).schedule(), "every 5 turns");
        assert_eq!(every(Some(1)).schedule(), "every turn");
        assert_eq!(
            (every(Some(2)).schedule(), every(Some(2)).schedule_in_prose()),
            ("every 2 turns".to_owned(), "every second turn".to_owned(),)
        );
        assert_eq!(every(Some(u32::MAX)).schedule(), "every 4294967295 turns or when told to sleep");
        let quiet = Sleeptime { idle: Some(5_400), ..every(None) };
        assert_eq!(quiet.schedule(), "1h 30m of silence", "beside another trigger, every_turns is off by itself");
        let both = Sleeptime { every_turns: Some(2), ..quiet };
        assert_eq!(both.schedule_in_prose(), "every second turn or 1h 30m of silence");
        assert_eq!(When::KEYS, ["every_turns", "idle", "block_changed", "event", "cron", "on", "source", "on_signal"]);
    }
}
