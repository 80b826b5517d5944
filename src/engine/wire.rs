//! The values that go in and out of the handle, in the program and over the owner's socket.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::state::{Kind, Row as _, RowFault};
use crate::domain::status::Work;
use crate::domain::{
    Agent, AgentId, Block, BlockId, Change, Conflict, Conversation, ConversationId, Group, GroupId, Job, JobId, Logged,
    Mail, MailId, MailStatus, Message, PendingCall, Priority, Revision, Run, RunId, Step, StepId,
};

mod form;

pub use form::{AgentForm, Changes, GroupForm};

/// What a face asks of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Says something; answered with [`Reply::Sent`] once it is committed.
    Send {
        /// To whom.
        to: Address,
        /// The words. In a group, `@name words` makes a turn only that member answers.
        text: String,
    },
    /// Cancels what is being answered in a conversation, and what is queued there; [`Reply::Cancelled`].
    Cancel {
        /// Which conversation.
        conversation: ConversationId,
    },
    /// Edits a block; answered with [`Reply::Block`], or with a fault that carries the conflict.
    EditBlock {
        /// Which.
        id: BlockId,
        /// The version the edit rests on.
        base: u64,
        /// The whole new value.
        value: String,
        /// Merge with what changed since, where lines do not clash.
        merge: bool,
    },
    /// Sets an agent's model; `None` means the configuration's.
    SetModel {
        /// Whose.
        agent: AgentId,
        /// Which.
        model: Option<String>,
    },
    /// Applies the changes of a team file in one commit.
    Apply {
        /// The changes.
        changes: Vec<Change>,
    },
    /// Ends a job that waits or runs.
    CancelJob {
        /// Which.
        id: JobId,
    },
    /// Works a failed or cancelled job off again as a new one, or lets one that waits for its next try go now.
    RetryJob {
        /// Which.
        id: JobId,
    },
    /// Makes a background agent work now; [`Reply::Job`].
    RunJob {
        /// Who.
        agent: AgentId,
        /// For which group.
        group: GroupId,
        /// What for, if said.
        instruction: Option<String>,
    },
    /// Decides on a call that waits for a person.
    Decide {
        /// The step that made it.
        step: StepId,
        /// Its place in the step.
        ordinal: u32,
        /// False to deny it.
        approve: bool,
        /// The same tool needs no other yes in this run.
        for_run: bool,
        /// Why it was denied, if said: the agent is told.
        reason: String,
    },
    /// Says a word from outside for the turn that is on ([`crate::domain::TerminationCondition::External`]).
    Signal {
        /// In which conversation.
        conversation: ConversationId,
        /// The word.
        word: String,
    },
    /// Makes a group, and agents of its that do not exist yet, in one commit; [`Reply::Group`].
    CreateGroup {
        /// What it is to be.
        form: Box<GroupForm>,
    },
    /// Changes a group; [`Reply::Group`].
    UpdateGroup {
        /// Which.
        id: GroupId,
        /// What changes.
        form: Box<GroupForm>,
    },
    /// Makes an agent at home in a group; it joins as a member where the group has members. [`Reply::Agent`].
    CreateAgent {
        /// Where it is at home.
        group: GroupId,
        /// What it is to be.
        form: Box<AgentForm>,
    },
    /// Changes an agent; [`Reply::Agent`].
    UpdateAgent {
        /// Which.
        id: AgentId,
        /// What changes.
        form: Box<AgentForm>,
    },
    /// What deleting a group or an agent takes along, and, where told to, the deletion; [`Reply::Deletion`].
    Delete {
        /// Which.
        what: Address,
        /// False only looks.
        really: bool,
    },
    /// Sends mail to an agent in the name of the person; [`Reply::Mail`].
    SendMail {
        /// To whom.
        to: AgentId,
        /// The words.
        text: String,
        /// What goes first.
        priority: Priority,
        /// When it is not worth delivering any more, in seconds from now.
        expires_in: Option<u64>,
        /// The mail it answers.
        in_reply_to: Option<MailId>,
    },
    /// Marks mail as read by the person; pending mail does not reach its agent any more. [`Reply::Mail`].
    ReadMail {
        /// Which.
        id: MailId,
    },
    /// Mail, newest first; [`Reply::Mails`].
    Mails {
        /// To or from this agent; `None` means everybody's.
        agent: Option<AgentId>,
        /// Only mail that stands so.
        status: Option<MailStatus>,
        /// At most this many.
        limit: usize,
    },
    /// Everything the panes show but the conversation's text; [`Reply::Overview`].
    Overview,
    /// Messages of a conversation, `from..=to` by `seq`; [`Reply::Messages`].
    Messages {
        /// Which conversation.
        conversation: ConversationId,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Messages with these words, newest first; [`Reply::Messages`].
    Search {
        /// Where; `None` means everywhere.
        conversation: Option<ConversationId>,
        /// The words.
        query: String,
        /// At most this many.
        limit: usize,
    },
    /// Versions of a block, newest first; [`Reply::Revisions`].
    Revisions {
        /// Which.
        block: BlockId,
        /// At most this many.
        limit: usize,
    },
    /// One version of a block; [`Reply::Revisions`] with none or one.
    Revision {
        /// Which block.
        block: BlockId,
        /// Which version.
        version: u64,
    },
    /// Jobs, newest first; [`Reply::Jobs`].
    Jobs {
        /// Of this group; `None` means everybody's.
        group: Option<GroupId>,
        /// At most this many.
        limit: usize,
    },
    /// The calls a person has to decide on before anything of a turn goes on; [`Reply::Held`].
    Held {
        /// The turn. Where it is queued, the turn it waits for is looked at.
        run: RunId,
    },
    /// Whether anything goes on by itself now; [`Reply::Due`].
    Due,
    /// Checks the file of the store; [`Reply::StoreChecked`].
    CheckStore {
        /// Also replays the log and compares the outcome with every table.
        deep: bool,
    },
    /// A job opened; [`Reply::JobDetail`].
    JobDetail {
        /// Which.
        id: JobId,
    },
    /// Asks a model for a word and a tool call; [`Reply::Probed`].
    Probe {
        /// Its name, `provider/model`.
        model: String,
    },
    /// Reads the configuration again.
    Reconfigure,
}

/// To whom a person speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// A group.
    Group(GroupId),
    /// One agent, directly.
    Agent(AgentId),
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It is done and committed.
    Done,
    /// A turn is committed.
    Sent {
        /// The turn's run.
        run: RunId,
        /// Its conversation.
        conversation: ConversationId,
        /// True when it waits for the turn before it.
        queued: bool,
    },
    /// What was cancelled.
    Cancelled {
        /// Whether a running answer was stopped.
        running: bool,
        /// The texts that were queued, oldest first: they go back to the person.
        queued: Vec<String>,
    },
    /// A block as committed.
    Block(Box<Block>),
    /// A job as committed.
    Job(Box<Job>),
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
        /// What cannot be read of it.
        #[serde(default)]
        faults: Vec<RowFault>,
    },
    /// Jobs.
    Jobs {
        /// Newest first.
        jobs: Vec<Job>,
        /// Those that cannot be read.
        faults: Vec<RowFault>,
    },
    /// What a turn waits for that only a person can give.
    Held {
        /// The calls; none where something of the turn goes on by itself.
        calls: Vec<PendingCall>,
        /// True when the turn is queued: the calls are those of the turn before it.
        queued: bool,
    },
    /// Whether mail, a turn or a job goes on by itself now.
    Due {
        /// It does.
        due: bool,
    },
    /// The store was checked.
    StoreChecked(StoreCheck),
    /// What a deletion takes along.
    Deletion {
        /// One sentence each.
        lines: Vec<String>,
        /// Whether it has happened.
        done: bool,
    },
    /// Everything the panes show.
    Overview(Box<Overview>),
    /// Messages.
    Messages {
        /// In the order asked for.
        messages: Vec<Message>,
    },
    /// Versions of a block.
    Revisions {
        /// Newest first.
        revisions: Vec<Dated<Revision>>,
    },
    /// A job opened.
    JobDetail(Box<JobDetail>),
    /// A model answered.
    Probed {
        /// One sentence: what it said, how fast, whether it calls tools.
        text: String,
        /// Whether it can call tools.
        tools: bool,
    },
}

/// Something of the log with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dated<T> {
    /// Its change number.
    pub n: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// What it is.
    pub what: T,
}

/// The state rows the panes show, each kind in order of creation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The number of the last change it knows: follow from here.
    pub upto: u64,
    /// All groups.
    pub groups: Vec<Group>,
    /// All agents.
    pub agents: Vec<Agent>,
    /// All blocks with their values.
    pub blocks: Vec<Block>,
    /// Conversations of groups and of direct talks.
    pub conversations: Vec<Conversation>,
    /// Turns that are not over with all that was made for them, and the runs of jobs that are not over.
    pub runs: Vec<Run>,
    /// The newest jobs, newest first.
    pub jobs: Vec<Job>,
    /// Calls that wait for somebody.
    pub calls: Vec<PendingCall>,
    /// The newest mail, newest first.
    pub mails: Vec<Mail>,
    /// Rows that could not be read.
    #[serde(default)]
    pub faults: Vec<RowFault>,
    /// What an agent without a model uses.
    pub default_model: String,
}

impl Overview {
    /// What can be told from its rows.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work { runs: &self.runs, calls: &self.calls, mails: &self.mails }
    }
}

/// What a check of the store found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCheck {
    /// What is wrong with the file, one sentence each.
    pub faults: Vec<String>,
    /// What the replay of the log found, where it was asked for.
    pub log: Option<LogCheck>,
}

/// What a replay of the log found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCheck {
    /// Changes replayed.
    pub changes: u64,
    /// Rows compared.
    pub rows: usize,
    /// What differs from the tables, one sentence each.
    pub differences: Vec<String>,
}

/// A job with what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The job.
    pub job: Job,
    /// Its steps.
    pub steps: Vec<Step>,
    /// What it said and called.
    pub notes: Vec<Message>,
    /// The versions it wrote, each with the value before it.
    pub edits: Vec<JobEdit>,
}

/// One version a job wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEdit {
    /// The block's label.
    pub label: String,
    /// The value before.
    pub before: String,
    /// The version.
    pub revision: Revision,
}

/// Why the engine did not do it: one sentence, and the conflict where it was one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// What, where, what to do.
    pub text: String,
    /// What stood against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Box<Conflict>>,
}

impl Fault {
    /// A fault with this sentence.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), conflict: None }
    }
}

/// What the engine tells those who watch it. Committed changes come gap-free and in order; live text is
/// latest-wins: what a slow watcher missed of it comes in one piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "update", rename_all = "snake_case")]
pub enum Update {
    /// Changes were committed.
    Committed {
        /// The number of the last of them.
        upto: u64,
        /// The changes, in order.
        changes: Vec<Logged>,
        /// The rows they touched, as they stand.
        rows: Vec<RowUpdate>,
    },
    /// A step is being made, or moved on.
    Live(LiveUpdate),
    /// A step is over: committed, discarded or begun anew. Its live text goes.
    Over {
        /// Which.
        step: StepId,
    },
    /// The engine itself met a fault, for example a full disk.
    Trouble {
        /// What happened and what to do.
        text: String,
    },
}

macro_rules! define_row_update {
    (
        followed { $($(#[doc = $doc:literal])* $kind:ident($row:ty) $table:literal $noun:literal;)* }
        internal $internal:tt
    ) => {
        /// A row as it stands.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "row", rename_all = "snake_case")]
        pub enum RowUpdate {
            $($(#[doc = $doc])* $kind($row),)*
            /// A row that is not there any more.
            Gone {
                /// Of which kind.
                kind: Kind,
                /// Its key.
                key: String,
            },
        }
    };
}
crate::domain::state::row_kinds!(define_row_update);

impl RowUpdate {
    /// The kind and the key of the row.
    #[must_use]
    pub fn key(&self) -> (Kind, String) {
        match self {
            Self::Agent(row) => (Kind::Agent, row.key()),
            Self::Group(row) => (Kind::Group, row.key()),
            Self::Block(row) => (Kind::Block, row.key()),
            Self::Conversation(row) => (Kind::Conversation, row.key()),
            Self::Run(row) => (Kind::Run, row.key()),
            Self::Call(row) => (Kind::Call, row.key()),
            Self::Job(row) => (Kind::Job, row.key()),
            Self::Mail(row) => (Kind::Mail, row.key()),
            Self::Gone { kind, key } => (*kind, key.clone()),
        }
    }
}

/// What a step that is being made does now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveUpdate {
    /// The step it will be.
    pub step: StepId,
    /// Its run.
    pub run: RunId,
    /// The turn or job the run belongs to.
    pub root: RunId,
    /// Where its message will go.
    pub conversation: ConversationId,
    /// Who.
    pub agent: AgentId,
    /// The short name.
    pub name: String,
    /// What it does.
    pub phase: Phase,
    /// Text since the last update.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Reasoning since the last update.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
}

/// What a step that is being made does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Waits for its agent or for a slot of its provider.
    Waiting,
    /// The model has been asked and has not begun.
    Thinking,
    /// Text or reasoning comes.
    Speaking,
    /// The model writes or the engine runs a call of this tool.
    Calling {
        /// The tool.
        tool: String,
    },
    /// A model call failed and is made again.
    Retrying {
        /// What happened and when it is tried again.
        text: String,
    },
}
