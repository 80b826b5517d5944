//! The semantics of changes: [`check`] tests the preconditions of a commit, [`apply`] applies a change to the rows.
//!
//! Both work on any [`Rows`]. The store runs them on its tables, inside the transaction. [`InMemoryRows`] runs them on maps,
//! to replay the log and compare (F16), and as the reference model in tests with random commits.

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
    Agent, Basis, Block, BlockId, BlockOwner, Change, Conflict, Conversation, ConversationId, Group, Precondition,
    RemovedRecord, Revision, Run,
};
use super::{Job, JobState, block::Editor, run::RunStateName};

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
        Change::BlockCreated(block) => create_block(rows, block, at),
        Change::BlockDeleted { id } => delete_block(rows, id),
        Change::BlockRestored(block) => roster::restore_block(rows, block),
        Change::RosterEdited(edit) => roster::edited(rows, edit, at),
        Change::RosterUndone { number } => roster::undone(rows, *number),
        Change::BlockConfigured { id, description, limit, read_only, tags, owner, from_file } => {
            let mut block = require::<Block, R>(rows, id.as_str(), "block")?;
            let length = block.value.chars().count();
            if length > *limit as usize {
                return reject(format!(
                    "block {}: the limit {limit} is below its {length} characters; shorten it first",
                    block.label
                ));
            }
            block.description.clone_from(description);
            block.limit = *limit;
            block.read_only = *read_only;
            block.tags.clone_from(tags);
            block.from_file.clone_from(from_file);
            if block.owner != *owner {
                block.owner = owner.clone();
                free_label(rows, &block)?;
            }
            Ok(rows.put(&block)?)
        }
        Change::BlockEdited(revision) => edit_block(rows, revision, at),
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

fn create_block<R: Rows>(rows: &mut R, block: &mut Block, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    if rows.get::<Block>(block.id.as_str())?.is_some() {
        return reject(format!("block {} exists already", block.id));
    }
    if rows.get::<DeletedBlock>(block.id.as_str())?.is_some() {
        return reject(format!("block {} was deleted, and its id cannot be used again", block.id));
    }
    if let Err(text) = super::block::check_label(&block.label) {
        return reject(text);
    }
    check_length(block, &block.value).or_else(reject)?;
    block.version = 1;
    block.edited_at = at;
    free_label(rows, block)?;
    Ok(rows.put(block)?)
}

fn edit_block<R: Rows>(rows: &mut R, revision: &Revision, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let mut block = require::<Block, R>(rows, revision.block.as_str(), "block")?;
    if revision.version != block.version + 1 {
        return Err(ApplyError::Conflict(Conflict::Block { current: Box::new(block) }));
    }
    if let Err(text) = check_editor(&block, &revision.editor).and_then(|()| check_length(&block, &revision.value)) {
        return Err(ApplyError::Conflict(refusal(revision, text)));
    }
    block.value.clone_from(&revision.value);
    block.version = revision.version;
    block.editor = revision.editor.clone();
    block.edited_at = at;
    if revision.editor == Editor::File {
        block.from_file = Some(revision.value.clone());
    }
    rows.put(&block)?;
    if let Some(id) = revision.editor.job() {
        let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
        job.edits += 1;
        rows.put(&job)?;
    }
    Ok(())
}

fn delete_block<R: Rows>(rows: &mut R, id: &BlockId) -> Result<(), ApplyError<R::Fault>> {
    let block = require::<Block, R>(rows, id.as_str(), "block")?;
    let mut reaches: Vec<String> = Vec::new();
    for agent in rows.all::<Agent>()? {
        if agent.blocks.contains(id) {
            reaches.push(agent.name);
        }
    }
    for group in rows.all::<Group>()? {
        if group.shared_blocks.contains(id) {
            reaches.push(group.name);
        }
    }
    if !reaches.is_empty() {
        return reject(format!("block {} is in use by {}", block.label, reaches.join(", ")));
    }
    rows.delete::<Block>(id.as_str())?;
    Ok(rows.put(&DeletedBlock { id: id.clone(), version: block.version })?)
}

/// The conflict that refuses an edit: of its last call if calls made it, so that the others are committed without it.
fn refusal(revision: &Revision, text: String) -> Conflict {
    match revision.calls.last() {
        Some(&ordinal) => Conflict::Call { ordinal, text: format!("not done: {text}"), and_later_mail: false },
        None => Conflict::Refused { text },
    }
}

/// Checks the editor's right to edit the block.
fn check_editor(block: &Block, editor: &Editor) -> Result<(), String> {
    match editor {
        Editor::Agent { .. } if block.read_only => Err(format!("block {} is read-only", block.label)),
        Editor::Person(_) | Editor::File | Editor::Agent { .. } => Ok(()),
    }
}

fn check_length(block: &Block, value: &str) -> Result<(), String> {
    let length = value.chars().count();
    if length > block.limit as usize {
        return Err(format!(
            "block {}: {length} characters are over its limit of {}; shorten the text or raise the limit",
            block.label, block.limit
        ));
    }
    Ok(())
}

/// Rejects a block whose owner has another block with the same label, regardless of case.
fn free_label<R: Rows>(rows: &mut R, block: &Block) -> Result<(), ApplyError<R::Fault>> {
    let key = block.lookup().unwrap_or_default();
    if rows.find::<Block>(&key)?.iter().any(|other| other.id != block.id) {
        let owner = match &block.owner {
            BlockOwner::Group(_) => "the group",
            BlockOwner::Agent(_) => "the agent",
        };
        return reject(format!("{owner} has a block with the label {:?} already", block.label));
    }
    Ok(())
}
