//! The values that pass through the handle, within the program and over the owner's socket.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::state::RowFault;
use crate::domain::{
    Agent, AgentId, Basis, Block, BlockId, CareMark, CareTask, Change, Conflict, ConversationId, Group, GroupId, Job,
    JobId, Mail, MailId, MailStatus, Message, MessageQuery, PendingCall, Priority, Revision, RunId, SearchResult,
    StepId, Trigger, TriggerId,
};

mod audit;
mod block;
mod filter;
mod form;
mod job;
mod overview;
mod progress;
mod space;
mod update;

pub use audit::{AuditEntry, AuditFilter, AuditKind, AuditPage};
pub use block::{Blame, BlameLine, BlockChange, BlockForm, BlockRequest, RevisionCause, SeenBlock, SeenBlocks, Writer};
pub use filter::Filter;
pub use form::{AgentForm, Changes, GroupForm};
pub use job::{BlockClash, Expired, JobDetail, JobEdit, OnClash};
pub use overview::{LogCheck, Overview, StoreCheck};
pub use progress::Progress;
pub use space::{Space, SpaceOf, SpaceOwner};
pub use update::{LiveUpdate, Phase, RowUpdate, Update};

/// A request of a face to the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Sends a message; [`Reply::Sent`] once it is committed.
    Send {
        /// The recipient.
        to: Recipient,
        /// The text. In a group, `@name text` starts a turn that only that agent answers.
        text: String,
    },
    /// Cancels the running turn of a conversation and the queued ones; [`Reply::Cancelled`].
    Cancel {
        /// The conversation.
        conversation: ConversationId,
    },
    /// Edits a block; [`Reply::Block`], or a fault that carries the conflict.
    EditBlock {
        /// The block.
        id: BlockId,
        /// The version that was edited.
        base: u64,
        /// The whole new value.
        value: String,
        /// Merge with later changes if no lines conflict.
        merge: bool,
    },
    /// Makes and changes blocks, and looks into their history.
    Block(Box<BlockRequest>),
    /// Sets an agent's model; [`Reply::Done`].
    SetModel {
        /// The agent.
        agent: AgentId,
        /// `provider/model`, or `None` for the default of the configuration.
        model: Option<String>,
    },
    /// Applies the changes of a team file in one commit; [`Reply::Done`], or a fault that carries the conflict if a row
    /// is not as it was read.
    Apply {
        /// The changes.
        changes: Vec<Change>,
        /// The rows they replace or configure, as they were read.
        read: Vec<Basis>,
    },
    /// Cancels an unfinished job; [`Reply::Job`].
    CancelJob {
        /// The job.
        id: JobId,
    },
    /// Repeats a failed or cancelled job as a new one, or ends the backoff of a job at once; [`Reply::Job`].
    RetryJob {
        /// The job.
        id: JobId,
    },
    /// Takes the edits of a job back out of its blocks, in one commit; [`Reply::JobUndone`].
    UndoJob {
        /// The job.
        id: JobId,
        /// What becomes of lines that others changed since.
        clashes: OnClash,
    },
    /// Creates a job for a background agent now; [`Reply::Job`].
    RunJob {
        /// The agent.
        agent: AgentId,
        /// The group it works for.
        group: GroupId,
        /// Instruction for the agent, if any.
        instruction: Option<String>,
    },
    /// Makes a job of care of the store now; [`Reply::Job`].
    RunCare {
        /// The task.
        task: CareTask,
    },
    /// Removes what jobs left that ended so many seconds ago, at least a day; [`Reply::Expired`].
    ClearJobs {
        /// Of completed jobs; `None` for none of them.
        completed: Option<u32>,
        /// Of failed and cancelled ones; `None` for none of them.
        others: Option<u32>,
    },
    /// Reports a named event to the triggers that listen to it; [`Reply::EventReported`].
    ReportEvent {
        /// The name.
        name: String,
        /// What is reported with it; may be empty.
        text: String,
        /// The group it is for; `None` means all.
        group: Option<GroupId>,
    },
    /// Fires a trigger now, also one that is paused; [`Reply::TriggerFired`].
    FireTrigger {
        /// The trigger.
        id: TriggerId,
    },
    /// Pauses a trigger, or lets it go on with its next time; [`Reply::Trigger`].
    PauseTrigger {
        /// The trigger.
        id: TriggerId,
        /// False lets it go on.
        paused: bool,
    },
    /// Decides on a call that waits for approval; [`Reply::Done`].
    Decide {
        /// The step that made the call.
        step: StepId,
        /// The position of the call in its step.
        ordinal: u32,
        /// False denies the call.
        approve: bool,
        /// Approve later calls of the same tool in this run as well.
        for_run: bool,
        /// Reason of a denial, shown to the agent; may be empty.
        reason: String,
    },
    /// Sends an external signal to the running turn ([`crate::domain::TerminationCondition::External`]);
    /// [`Reply::Done`].
    Signal {
        /// The conversation of the turn.
        conversation: ConversationId,
        /// The word that conditions match.
        word: String,
    },
    /// Creates a group, and those of its agents that do not exist yet, in one commit; [`Reply::Group`].
    CreateGroup {
        /// Its fields.
        form: Box<GroupForm>,
    },
    /// Changes a group; [`Reply::Group`].
    UpdateGroup {
        /// The group.
        id: GroupId,
        /// The fields to change.
        form: Box<GroupForm>,
    },
    /// Creates an agent in its home group, as a member if the pattern has members; [`Reply::Agent`].
    CreateAgent {
        /// The home group.
        group: GroupId,
        /// Its fields.
        form: Box<AgentForm>,
    },
    /// Changes an agent; [`Reply::Agent`].
    UpdateAgent {
        /// The agent.
        id: AgentId,
        /// The fields to change.
        form: Box<AgentForm>,
    },
    /// Lists what deleting a group or an agent also deletes, and deletes it if `really`; [`Reply::Deletion`].
    Delete {
        /// The group or agent.
        what: Recipient,
        /// False only lists.
        really: bool,
    },
    /// Says what taking the last change of groups and agents back does, and takes it back if `really`;
    /// [`Reply::RosterUndo`].
    UndoRoster {
        /// False only says it.
        really: bool,
    },
    /// Sends mail from the person to an agent; [`Reply::Mail`].
    SendMail {
        /// The recipient.
        to: AgentId,
        /// The text.
        text: String,
        /// The priority of delivery.
        priority: Priority,
        /// Seconds until it expires undelivered; `None` never.
        expires_in: Option<u64>,
        /// The mail it answers, if any.
        in_reply_to: Option<MailId>,
    },
    /// Marks mail as read by the person; pending mail is then not delivered to its agent. [`Reply::Mail`].
    ReadMail {
        /// The mail.
        id: MailId,
    },
    /// Mail, newest first; [`Reply::Mails`].
    Mails {
        /// To or from this agent; `None` for all agents.
        agent: Option<AgentId>,
        /// With this status; `None` for all.
        status: Option<MailStatus>,
        /// Most results.
        limit: usize,
    },
    /// All state rows the panes show, without messages; [`Reply::Overview`].
    Overview,
    /// Messages of a conversation, `from..=to` by `seq`, at most 1,000 with 4 MiB of content, but one at least;
    /// [`Reply::Messages`].
    Messages {
        /// The conversation.
        conversation: ConversationId,
        /// The first `seq`.
        from: u64,
        /// The last `seq`.
        to: u64,
        /// Where not all fit, those before `to` instead of those after `from`.
        newest: bool,
    },
    /// Messages with these words, newest first; [`Reply::Found`].
    Search(MessageQuery),
    /// Versions of a block, newest first, at most 500 with 4 MiB of text, but one at least; [`Reply::Revisions`].
    Revisions {
        /// The block.
        block: BlockId,
        /// Only versions below this one; `None` for the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Most results.
        limit: usize,
    },
    /// One version of a block; [`Reply::Revisions`] with none or one.
    Revision {
        /// The block.
        block: BlockId,
        /// The version.
        version: u64,
    },
    /// The audit, newest first: entries below the change `before`; [`Reply::Audit`].
    Audit {
        /// Which entries.
        filter: Box<AuditFilter>,
        /// Only entries below this change; `None` for the newest.
        before: Option<u64>,
        /// Most results; at most 500.
        limit: usize,
    },
    /// Jobs, newest first; [`Reply::Jobs`].
    Jobs {
        /// Of this group; `None` for all groups.
        group: Option<GroupId>,
        /// Most results.
        limit: usize,
    },
    /// The approvals without which a turn cannot proceed; [`Reply::Held`].
    Held {
        /// The turn. For a queued turn, the turn it waits for is examined.
        run: RunId,
    },
    /// Whether any work would proceed without a person, now or at a later time; [`Reply::Due`].
    Due,
    /// Checks the store file; [`Reply::StoreChecked`].
    CheckStore {
        /// Also replays the log and compares the result with every table.
        deep: bool,
    },
    /// What takes room in the store; [`Reply::Space`].
    Space,
    /// A job with its steps, messages and edits; [`Reply::JobDetail`].
    JobDetail {
        /// The job.
        id: JobId,
    },
    /// How far the schedules of care are decided, and the last job of each task; [`Reply::Care`].
    Care,
    /// What [`Request::ClearJobs`] would remove; [`Reply::Expired`].
    Expired {
        /// Of completed jobs, in seconds since their end; `None` for none of them.
        completed: Option<u32>,
        /// Of failed and cancelled ones; `None` for none of them.
        others: Option<u32>,
    },
    /// Asks a model for a short text and a tool call, to test it; [`Reply::Probed`].
    Probe {
        /// The model, `provider/model`.
        model: String,
    },
    /// Reads the configuration file again; [`Reply::Done`].
    Reconfigure,
}

impl Request {
    /// True if it changes nothing and asks no model: it may end early when nobody waits for its reply.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        if let Self::Block(request) = self {
            return request.only_reads();
        }
        matches!(
            self,
            Self::Mails { .. }
                | Self::Overview
                | Self::Messages { .. }
                | Self::Search(_)
                | Self::Revisions { .. }
                | Self::Revision { .. }
                | Self::Audit { .. }
                | Self::Jobs { .. }
                | Self::Held { .. }
                | Self::Due
                | Self::CheckStore { .. }
                | Self::Space
                | Self::Care
                | Self::Expired { .. }
                | Self::JobDetail { .. }
        )
    }
}

/// The recipient of a message, or what is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// A group.
    Group(GroupId),
    /// One agent, directly.
    Agent(AgentId),
}

/// A reply of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The request is done and committed.
    Done,
    /// A turn was committed.
    Sent {
        /// The run of the turn.
        run: RunId,
        /// The conversation of the turn.
        conversation: ConversationId,
        /// True if the turn waits for an earlier one.
        queued: bool,
    },
    /// Turns were cancelled.
    Cancelled {
        /// Whether a running turn was cancelled.
        running: bool,
        /// The texts of queued turns, oldest first; the face returns them to the person.
        queued: Vec<String>,
    },
    /// A block as committed.
    Block(Box<Block>),
    /// A change of a block, and whom it touches.
    BlockChanged {
        /// Whom it touches and how, one sentence each.
        lines: Vec<String>,
        /// False if this was only listed.
        done: bool,
        /// The block as it is now; `None` if it does not exist, or not yet.
        block: Option<Box<Block>>,
    },
    /// Who wrote each line of a block.
    Blame(Box<Blame>),
    /// The blocks that an agent saw.
    SeenBlocks(Box<SeenBlocks>),
    /// A job as committed.
    Job(Box<Job>),
    /// The edits of a job are taken back.
    JobUndone {
        /// The changed blocks as committed.
        blocks: Vec<Block>,
        /// The blocks that are left as they are, for a person to choose.
        clashes: Vec<BlockClash>,
        /// How many of its blocks were deleted since.
        deleted: usize,
    },
    /// An event as committed.
    EventReported {
        /// The jobs that have it as a cause.
        jobs: Vec<JobId>,
        /// Why triggers that listen to it did not fire, one sentence each.
        held: Vec<String>,
    },
    /// A trigger was fired.
    TriggerFired {
        /// The jobs that have it as a cause.
        jobs: Vec<JobId>,
    },
    /// A trigger as committed.
    Trigger(Box<Trigger>),
    /// A group as committed.
    Group(Box<Group>),
    /// An agent as committed.
    Agent(Box<Agent>),
    /// Mail as committed.
    Mail(Box<Mail>),
    /// Mail.
    Mails {
        /// Newest first.
        mails: Vec<Mail>,
        /// Unreadable rows.
        #[serde(default)]
        faults: Vec<RowFault>,
    },
    /// Jobs.
    Jobs {
        /// Newest first.
        jobs: Vec<Job>,
        /// Unreadable rows.
        faults: Vec<RowFault>,
    },
    /// The approvals a turn waits for.
    Held {
        /// The calls to decide on; empty if part of the turn can proceed without them.
        calls: Vec<PendingCall>,
        /// True if the turn is queued; the calls are those of the turn it waits for.
        queued: bool,
    },
    /// Whether mail, a turn or a job would proceed now.
    Due {
        /// True if one would.
        due: bool,
        /// When a trigger is due, a source is looked at or a job is tried again without anybody doing anything; `None` if
        /// nothing is scheduled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scheduled: Option<Timestamp>,
    },
    /// The store was checked.
    StoreChecked(StoreCheck),
    /// What takes room in the store.
    Space(Box<Space>),
    /// The care of the store.
    Care {
        /// How far each schedule that has begun is decided.
        marks: Vec<CareMark>,
        /// The newest job of each task, in no order.
        jobs: Vec<Job>,
    },
    /// What can go, or went.
    Expired(Expired),
    /// A deletion and its consequences.
    Deletion {
        /// The consequences, one sentence each.
        lines: Vec<String>,
        /// False if they were only listed.
        done: bool,
    },
    /// The last change of groups and agents.
    RosterUndo {
        /// What was done, as a participle: `deleted group desk`.
        title: String,
        /// When.
        at: Timestamp,
        /// What taking it back does, one line each.
        lines: Vec<String>,
        /// False if that was only said.
        done: bool,
    },
    /// All state rows the panes show.
    Overview(Box<Overview>),
    /// Messages that were searched for.
    Found(SearchResult),
    /// Messages.
    Messages {
        /// In the order of the request.
        messages: Vec<Message>,
    },
    /// Versions of a block.
    Revisions {
        /// Newest first.
        revisions: Vec<Timestamped<Revision>>,
    },
    /// A part of the audit.
    Audit(Box<AuditPage>),
    /// What caused versions of blocks.
    RevisionCauses {
        /// One for each run that exists.
        causes: Vec<RevisionCause>,
    },
    /// A job with its steps, messages and edits.
    JobDetail(Box<JobDetail>),
    /// A model answered.
    Probed {
        /// One sentence: its text, its latency, whether it called the tool.
        text: String,
        /// Whether it called the tool.
        tools: bool,
    },
}

/// An entry of the log with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timestamped<T> {
    /// The number of the change.
    pub n: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The entry.
    pub what: T,
}

/// Why a request failed: one sentence, and the conflict if there was one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct RequestError {
    /// Sentence that says what failed and what to do.
    pub text: String,
    /// The conflict with the current state, if that was the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Box<Conflict>>,
}

impl RequestError {
    /// Creates a fault without a conflict.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), conflict: None }
    }
}
