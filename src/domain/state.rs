//! The semantics of changes: [`check`] tests the preconditions of a commit, [`apply`] applies a change to the rows.
//!
//! Both work on any [`Rows`]. The store runs them on its tables, inside the transaction. [`InMemoryRows`] runs them on maps,
//! to replay the log and compare (F16), and as the reference model in tests with random commits.

mod blocks;
mod care;
mod jobs;
mod mail;
mod members;
mod memory_rows;
mod retention;
mod roster;
mod rows;
mod runs;
mod triggers;
mod waits;

use jiff::Timestamp;

use super::{
    Basis, Change, Conflict, Conversation, ConversationId, Job, JobState, Precondition, RemovedRecord, Run,
    run::RunStateName,
};

pub use memory_rows::InMemoryRows;
pub(crate) use rows::row_kinds;
#[cfg(test)]
pub use rows::sample;
pub use rows::{DeletedBlock, Kind, MailRate, Row, RowFault, Rows, StoreMeta};

/// The version of the rules of [`apply`]. A rule that becomes stricter raises it: the store then starts its replay from
/// the state at that time, so that no rule is applied to changes that were logged before it.
///
/// 1: the first rules. 2: no run ends over open children or unanswered calls, none begins under a finished one, and
/// the id of a deleted block is not used again. 3: a root run counts the model calls it led to. 4: and the
/// tokens of the turns it led to by mail. 5: an agent edits only blocks that it has and may edit, no text of a block has a
/// NUL, and a label is unique for everybody who has its block.
pub const RULES: u32 = 5;

/// Why [`apply`] failed: the change was rejected, or the rows could not be read or written.
#[derive(Debug)]
pub enum ApplyError<F> {
    /// Rejected: the whole commit must be rolled back.
    Conflict(Conflict),
    /// The rows could not be read or written.
    Fault(F),
}

impl<F> From<F> for ApplyError<F> {
    fn from(fault: F) -> Self {
        Self::Fault(fault)
    }
}

pub(super) fn reject<T, F>(text: impl Into<String>) -> Result<T, ApplyError<F>> {
    Err(ApplyError::Conflict(Conflict::refused(text)))
}

/// Checks a precondition of a commit.
///
/// # Errors
/// [`ApplyError::Conflict`] if it does not hold.
pub fn check<R: Rows>(rows: &mut R, rest: &Precondition) -> Result<(), ApplyError<R::Fault>> {
    match rest {
        Precondition::Run { id, state, steps } => match rows.get::<Run>(id.as_str())? {
            Some(run) if RunStateName::from(&run.state) == *state && run.steps == *steps => Ok(()),
            _ => Err(ApplyError::Conflict(Conflict::Run { run: id.clone() })),
        },
        Precondition::JobFence(id, fence) => match rows.get::<Job>(id.as_str())? {
            Some(Job { state: JobState::Running { .. }, fence: now, .. }) if now == *fence => Ok(()),
            _ => Err(ApplyError::Conflict(Conflict::Fenced { job: id.clone() })),
        },
        Precondition::Unchanged(read) => {
            let is_so = match read.as_ref() {
                Basis::Group(group) => rows.get(group.id.as_str())?.as_ref() == Some(group),
                Basis::Agent(agent) => rows.get(agent.id.as_str())?.as_ref() == Some(agent),
                Basis::Block(block) => rows.get(block.id.as_str())?.as_ref() == Some(block),
                Basis::Mail(mail) => rows.get(mail.id.as_str())?.as_ref() == Some(mail),
                Basis::Job(job) => rows.get(job.id.as_str())?.as_ref() == Some(job),
                Basis::Run(run) => rows.get(run.id.as_str())?.as_ref() == Some(run),
            };
            if is_so { Ok(()) } else { Err(ApplyError::Conflict(Conflict::Changed { title: read.title() })) }
        }
    }
}

/// Applies the change to the rows.
///
/// Fills in the fields that depend on the position in the log: a message's `seq`, a run's `turn`, times. Replaying a
/// logged change on the same rows gives exactly the same result.
///
/// # Errors
/// [`ApplyError::Conflict`] if the change is not allowed in the current state; it may then be partly applied.
pub fn apply<R: Rows>(rows: &mut R, change: &mut Change, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    match change {
        Change::EpochRaised { epoch } => {
            let desk: StoreMeta = rows.get(StoreMeta::KEY)?.unwrap_or_default();
            if *epoch != desk.epoch + 1 {
                return reject(format!("the store is in epoch {}, and {epoch} is not the next one", desk.epoch));
            }
            Ok(rows.put(&StoreMeta { epoch: *epoch })?)
        }
        Change::PersonPut(person) => {
            if person.name.trim().is_empty() {
                return reject("a person needs a name");
            }
            Ok(rows.put(person)?)
        }
        Change::AgentPut(agent) => members::put_agent(rows, agent),
        Change::AgentDeleted { id } => members::delete_agent(rows, id),
        Change::GroupPut(group) => members::put_group(rows, group),
        Change::GroupDeleted { id } => members::delete_group(rows, id),
        Change::BlockCreated(block) => blocks::create(rows, block, at),
        Change::BlockDeleted { id } => blocks::delete(rows, id),
        Change::BlockRestored(block) => roster::restore_block(rows, block),
        Change::RosterEdited(edit) => roster::edited(rows, edit, at),
        Change::RosterUndone { number } => roster::undone(rows, *number),
        Change::BlockConfigured { .. } => blocks::configure(rows, change),
        Change::BlockAccessSet { id, who, level, by, before, .. } => {
            *before = blocks::set_access(rows, id, who, *level, by.as_ref())?;
            Ok(())
        }
        Change::BlockEdited(revision) => blocks::edit(rows, revision, at),
        Change::ConversationOpened(conversation) => open_conversation(rows, conversation),
        Change::MessageAppended(message) => {
            message.seq = append(rows, &message.conversation, message.seq)?;
            message.at = at;
            Ok(())
        }
        Change::RunCreated(run) => runs::create(rows, run, at),
        Change::RunMoved { id, to } => runs::transition(rows, id, to, at),
        Change::RunChosen { id, choice } => runs::choose(rows, id, choice),
        Change::RunSignalled { id, word } => runs::signal(rows, id, word),
        Change::RunCancelled { id } => runs::cancel(rows, id),
        Change::StepFinished(step) => runs::step(rows, step, at),
        Change::CallMade(call) => runs::call(rows, call, at),
        Change::CallPending(call) => runs::park(rows, call),
        Change::CallAnswered { step, ordinal, answer } => runs::answer(rows, step, *ordinal, answer),
        Change::MailSent(mail) => mail::send(rows, mail, at),
        Change::MailMoved { id, to, run, error } => mail::transition(rows, id, *to, run.as_ref(), error.as_deref()),
        Change::TriggerPut(trigger) => triggers::put(rows, trigger),
        Change::TriggerRemoved { id } => triggers::remove(rows, id),
        Change::EventReported { name, text, .. } => triggers::report(name, text),
        Change::TriggerArmed { id, seconds } => triggers::arm(rows, id, *seconds, at),
        Change::TriggerScheduled { id, waiting, next_due } => triggers::schedule(rows, id, *waiting, *next_due),
        Change::TriggerPaused { id, paused } => triggers::pause(rows, id, *paused),
        Change::TriggerDue { id, scheduled_at } => triggers::due(rows, id, *scheduled_at, at),
        Change::TriggerFired { id, .. } => triggers::fired(rows, id, at),
        Change::TriggerHeld { id, why } => triggers::held(rows, id, why.as_deref()),
        Change::SourceRead { id, moves, forgotten, reading } => {
            triggers::read(rows, id, moves, forgotten, reading.as_ref())
        }
        Change::JobCreated(job) => jobs::create(rows, job, at),
        Change::JobCaused { id, cause } => jobs::cause(rows, id, cause),
        Change::JobClaimed { id, epoch, run, conversation, upto } => {
            let job = jobs::claim(rows, id, *epoch, *upto)?;
            jobs::begin(rows, job, run, conversation, at)
        }
        Change::CareClaimed { id, epoch } => care::claim(rows, id, *epoch, at),
        Change::CareBegun { task } => care::begin(rows, *task, at),
        Change::JobYielded { id } => jobs::preempt(rows, id),
        Change::JobHandedBack { id, to } => jobs::hand_back(rows, id, to),
        Change::JobRecovered { id } => jobs::recover(rows, id, at),
        Change::JobExpired { id, runs, conversation } => {
            (*runs, *conversation) = retention::expire(rows, id, at)?;
            Ok(())
        }
        Change::MailRemoved { id, .. } => retention::forget_mail(rows, id),
        Change::ReadingRemoved { id, .. } => retention::forget_reading(rows, id),
        Change::RecordRemoved(RemovedRecord::Message { conversation, seq }) => {
            append(rows, conversation, *seq).map(drop)
        }
        Change::RecordRemoved(RemovedRecord::Step { run, index, tokens, asked }) => {
            runs::count_step(rows, (run, *index), *tokens, *asked, at)
        }
        Change::JobMoved { id, to } => jobs::transition(rows, id, to, at),
    }
}

/// The row with this key; rejects the change if there is none.
pub(super) fn require<T: Row, R: Rows>(rows: &mut R, key: &str, noun: &str) -> Result<T, ApplyError<R::Fault>> {
    match rows.get(key)? {
        Some(row) => Ok(row),
        None => reject(format!("there is no {noun} {key}")),
    }
}

fn open_conversation<R: Rows>(rows: &mut R, conversation: &Conversation) -> Result<(), ApplyError<R::Fault>> {
    if rows.get::<Conversation>(conversation.id.as_str())?.is_some() {
        return reject(format!("conversation {} exists already", conversation.id));
    }
    if conversation.head != 0 {
        return reject("a new conversation must be empty");
    }
    if !rows.find::<Conversation>(conversation.owner.key())?.is_empty() {
        return reject(format!("{} has a conversation already", conversation.owner.key()));
    }
    Ok(rows.put(conversation)?)
}

/// Counts a message of a conversation, whose number is 0 if it has none yet. Returns its number.
fn append<R: Rows>(rows: &mut R, id: &ConversationId, seq: u64) -> Result<u64, ApplyError<R::Fault>> {
    let mut conversation = require::<Conversation, R>(rows, id.as_str(), "conversation")?;
    conversation.head += 1;
    if seq != 0 && seq != conversation.head {
        return reject(format!("message {seq} is not the next one of its conversation"));
    }
    rows.put(&conversation)?;
    Ok(conversation.head)
}
