//! The only way to write: a [`Commit`] of [`Change`]s, which is logged or rejected with a [`Conflict`].

mod conflict;
mod precondition;
mod removed;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::block::{Grantee, Level};
use super::state::Kind;
use super::trigger::MarkMove;
use super::{
    Agent, AgentId, Block, BlockId, BlockOwner, Call, CareTask, Cause, CauseKind, Choice, Conversation, ConversationId,
    Group, GroupId, Job, JobId, JobState, Mail, MailId, MailStatus, Message, PendingCall, Person, PersonId, Reading,
    ReadingId, Revision, RosterEdit, Run, RunId, RunState, Step, StepId, Trigger, TriggerId, run::CallResult,
};

pub use conflict::Conflict;
pub use precondition::{Basis, Precondition};
pub use removed::RemovedRecord;

/// One durable change, implemented by [`super::state::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumDiscriminants)]
#[serde(tag = "change", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(
    name(ChangeKind),
    doc = "The kinds of changes, by their names in the log.",
    derive(Serialize, Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Change {
    /// A program took the store. Running jobs of older epochs have lost their owner.
    EpochRaised {
        /// The previous epoch plus one.
        epoch: u64,
    },
    /// Creates or replaces a person.
    PersonPut(Person),
    /// Creates or replaces an agent.
    AgentPut(Agent),
    /// Deletes an agent that is in no group. Its messages stay.
    AgentDeleted {
        /// The agent.
        id: AgentId,
    },
    /// Creates or replaces a group.
    GroupPut(Group),
    /// Deletes an idle group. Its conversation stays.
    GroupDeleted {
        /// The group.
        id: GroupId,
    },
    /// Creates a block with version 1.
    BlockCreated(Block),
    /// Deletes a block that no agent or group uses. Its revisions stay.
    BlockDeleted {
        /// The block.
        id: BlockId,
    },
    /// Brings a deleted block back as it was, under its id. Its versions go on.
    BlockRestored(Block),
    /// A person has changed groups and agents in this commit; with what takes that back.
    RosterEdited(RosterEdit),
    /// The newest change of groups and agents is taken back in this commit.
    RosterUndone {
        /// Its number.
        number: u64,
    },
    /// Replaces everything of a block except its value and its access.
    BlockConfigured {
        /// The block.
        id: BlockId,
        /// What it is for.
        description: String,
        /// The maximum length in code points.
        limit: u32,
        /// True when agents may not edit it.
        read_only: bool,
        /// Free labels.
        tags: Vec<String>,
        /// The owner.
        owner: BlockOwner,
        /// The value last set by its team file.
        from_file: Option<String>,
        /// Its new label; `None` keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Whether its value goes to models on this machine only; `None` keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local_only: Option<bool>,
    },
    /// Sets or removes a rule of access to a block.
    BlockAccessSet {
        /// The block.
        id: BlockId,
        /// Whom the rule is about.
        who: Grantee,
        /// What they may do; `None` removes the rule.
        level: Option<Level>,
        /// What the rule said before; filled in when the change is applied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Level>,
        /// The agent that sets it, which is an admin of the block; `None` for a person.
        by: Option<AgentId>,
        /// Why.
        reason: String,
    },
    /// Sets a new value of a block. Insert-only.
    BlockEdited(Revision),
    /// Creates a conversation.
    ConversationOpened(Conversation),
    /// Appends a message. Insert-only.
    MessageAppended(Message),
    /// Creates a run.
    RunCreated(Run),
    /// Changes the state of a run.
    RunMoved {
        /// The run.
        id: RunId,
        /// The new state.
        to: RunState,
    },
    /// Records the outcome of a choice.
    RunChosen {
        /// The run.
        id: RunId,
        /// The outcome.
        choice: Choice,
    },
    /// Adds an external signal to a turn.
    RunSignalled {
        /// The turn.
        id: RunId,
        /// The signal, compared with `external` conditions.
        word: String,
    },
    /// A person cancels a turn. It ends when what works for it has ended, also if the program ends before that.
    RunCancelled {
        /// The turn.
        id: RunId,
    },
    /// Records a finished step. Insert-only.
    StepFinished(Step),
    /// Records a tool call that has its result. Insert-only.
    CallMade(Call),
    /// Records a tool call that waits for a person or an agent.
    CallPending(PendingCall),
    /// Sets the result of a pending call.
    CallAnswered {
        /// The step that made the call.
        step: StepId,
        /// The call's index in the step, from 0.
        ordinal: u32,
        /// The result.
        answer: CallResult,
    },
    /// Sends mail.
    MailSent(Mail),
    /// Changes the status of mail.
    MailMoved {
        /// The mail.
        id: MailId,
        /// The new status.
        to: MailStatus,
        /// The turn that answers it, when it is delivered to an agent.
        run: Option<RunId>,
        /// Why it failed.
        error: Option<String>,
    },
    /// Creates a trigger.
    TriggerPut(Trigger),
    /// Removes a trigger.
    TriggerRemoved {
        /// The trigger.
        id: TriggerId,
    },
    /// A named event is reported to the triggers that listen to it.
    EventReported {
        /// The name.
        name: String,
        /// What is reported with it; may be empty.
        text: String,
        /// The group it is for; `None` means all.
        group: Option<GroupId>,
    },
    /// A trigger begins to wait for a span of time.
    TriggerArmed {
        /// The trigger.
        id: TriggerId,
        /// The span, in seconds.
        seconds: u32,
    },
    /// Sets the next time of a trigger that fires at times of the clock.
    TriggerScheduled {
        /// The trigger.
        id: TriggerId,
        /// The time.
        waiting: Timestamp,
        /// When it is looked at, on the wall clock.
        next_due: Timestamp,
    },
    /// A person pauses a trigger, or lets it go on.
    TriggerPaused {
        /// The trigger.
        id: TriggerId,
        /// False lets it go on.
        paused: bool,
    },
    /// A trigger is due. It is recorded as an occurrence, so that it is taken once.
    TriggerDue {
        /// The trigger.
        id: TriggerId,
        /// The time at which it was due.
        scheduled_at: Timestamp,
    },
    /// A trigger fires: its agents get jobs in the same commit (J1).
    TriggerFired {
        /// The trigger.
        id: TriggerId,
        /// Why it fires.
        cause: CauseKind,
        /// The depth of the jobs.
        depth: u32,
    },
    /// A trigger does not fire although it should have.
    TriggerHeld {
        /// The trigger.
        id: TriggerId,
        /// Why not, as the end of a sentence; `None` once nothing holds it any more.
        why: Option<String>,
    },
    /// A source has looked at its files. What is new fires its trigger in the same commit as the marks move on.
    SourceRead {
        /// The trigger.
        id: TriggerId,
        /// The marks that move on.
        moves: Vec<MarkMove>,
        /// The paths of files whose marks are no longer needed.
        forgotten: Vec<String>,
        /// The new text, if there is any.
        reading: Option<Reading>,
    },
    /// Creates a job.
    JobCreated(Job),
    /// Adds a cause to a waiting job (J3).
    JobCaused {
        /// The job.
        id: JobId,
        /// The cause.
        cause: Cause,
    },
    /// A worker claims a job: increments the fence; the first claim fixes the window (J2, J3).
    JobClaimed {
        /// The job.
        id: JobId,
        /// The owner's epoch.
        epoch: u64,
        /// The run of the job; used by the first claim only.
        run: RunId,
        /// The conversation of the working notes; used by the first claim only.
        conversation: ConversationId,
        /// The last `seq` of the window if it has to be cut to fit the context; `None` if all of it fits.
        upto: Option<u64>,
    },
    /// A program claims a job of care: increments the fence. It has no window, no run and no notes.
    CareClaimed {
        /// The job.
        id: JobId,
        /// The owner's epoch.
        epoch: u64,
    },
    /// The schedule of a task of care begins: its times from now on are due.
    CareBegun {
        /// The task.
        task: CareTask,
    },
    /// A job yielded to the foreground: available again, the attempt does not count.
    JobYielded {
        /// The job.
        id: JobId,
    },
    /// A job goes back without its attempt being counted: its program ends in order, its provider is down, or a budget is
    /// used up.
    JobHandedBack {
        /// The job.
        id: JobId,
        /// [`JobState::Available`], [`JobState::Retryable`] or [`JobState::Scheduled`].
        to: JobState,
    },
    /// The owner of a job died: the job is available again, or failed as poison (J6, J7).
    JobRecovered {
        /// The job.
        id: JobId,
    },
    /// Removes what a job that ended left: its runs, its pending calls, its notes and its steps. Its header stays if blocks
    /// name it.
    JobExpired {
        /// The job.
        id: JobId,
        /// Its runs; filled in.
        #[serde(default)]
        runs: Vec<RunId>,
        /// The conversation of its notes; filled in.
        #[serde(default)]
        conversation: Option<ConversationId>,
    },
    /// Removes what a source read, which no job needs any more.
    ReadingRemoved {
        /// The reading.
        id: ReadingId,
        /// The number of the change that brought it, which keeps no text.
        brought: u64,
    },
    /// Removes mail between agents that nobody waits for any more.
    MailRemoved {
        /// The mail.
        id: MailId,
        /// The number of the change that sent it, which keeps no text.
        sent: u64,
    },
    /// Stands in the log in the place of a record that was removed later; never committed.
    RecordRemoved(RemovedRecord),
    /// Changes the state of a job.
    JobMoved {
        /// The job.
        id: JobId,
        /// The new state.
        to: JobState,
    },
}

impl Change {
    /// Gives a block the settings of this one: everything but its value and its access.
    #[must_use]
    pub fn configured(block: Block) -> Self {
        Self::BlockConfigured {
            id: block.id,
            description: block.description,
            limit: block.limit,
            read_only: block.read_only,
            tags: block.tags,
            owner: block.owner,
            from_file: block.from_file,
            label: Some(block.label),
            local_only: Some(block.local_only),
        }
    }

    /// The name of the kind in the log, in snake case.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// The id of the row it changes.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::EpochRaised { .. } => "desk",
            Self::PersonPut(person) => person.id.as_str(),
            Self::AgentPut(agent) => agent.id.as_str(),
            Self::AgentDeleted { id } => id.as_str(),
            Self::GroupPut(group) => group.id.as_str(),
            Self::GroupDeleted { id } => id.as_str(),
            Self::BlockCreated(block) | Self::BlockRestored(block) => block.id.as_str(),
            Self::RosterEdited(_) | Self::RosterUndone { .. } => "roster",
            Self::BlockConfigured { id, .. } | Self::BlockAccessSet { id, .. } | Self::BlockDeleted { id } => {
                id.as_str()
            }
            Self::BlockEdited(revision) => revision.block.as_str(),
            Self::ConversationOpened(conversation) => conversation.id.as_str(),
            Self::MessageAppended(message) => message.id.as_str(),
            Self::RunCreated(run) => run.id.as_str(),
            Self::RunMoved { id, .. }
            | Self::RunChosen { id, .. }
            | Self::RunSignalled { id, .. }
            | Self::RunCancelled { id } => id.as_str(),
            Self::StepFinished(step) => step.id.as_str(),
            Self::CallMade(call) => call.step.as_str(),
            Self::CallPending(call) => call.step.as_str(),
            Self::CallAnswered { step, .. } => step.as_str(),
            Self::MailSent(mail) => mail.id.as_str(),
            Self::MailMoved { id, .. } | Self::MailRemoved { id, .. } => id.as_str(),
            Self::EventReported { name, .. } => name,
            Self::TriggerPut(trigger) => trigger.id.as_str(),
            Self::TriggerRemoved { id }
            | Self::TriggerArmed { id, .. }
            | Self::TriggerScheduled { id, .. }
            | Self::TriggerPaused { id, .. }
            | Self::TriggerDue { id, .. }
            | Self::TriggerFired { id, .. }
            | Self::TriggerHeld { id, .. }
            | Self::SourceRead { id, .. } => id.as_str(),
            Self::JobCreated(job) => job.id.as_str(),
            Self::JobCaused { id, .. }
            | Self::JobClaimed { id, .. }
            | Self::CareClaimed { id, .. }
            | Self::JobYielded { id }
            | Self::JobHandedBack { id, .. }
            | Self::JobRecovered { id }
            | Self::JobExpired { id, .. }
            | Self::JobMoved { id, .. } => id.as_str(),
            Self::ReadingRemoved { id, .. } => id.as_str(),
            Self::RecordRemoved(record) => record.subject(),
            Self::CareBegun { task } => task.as_str(),
        }
    }
}

impl Change {
    /// Kinds and keys of the state rows it may have changed, so that subscribers can reload them.
    #[must_use]
    pub fn touches(&self) -> Vec<(Kind, String)> {
        let subject = self.subject().to_owned();
        match self {
            Self::EpochRaised { .. } => vec![(Kind::StoreMeta, subject)],
            Self::CallMade(_)
            | Self::EventReported { .. }
            | Self::SourceRead { .. }
            | Self::CareBegun { .. }
            | Self::RosterEdited(_)
            | Self::RosterUndone { .. }
            | Self::ReadingRemoved { .. }
            | Self::RecordRemoved(_) => Vec::new(),
            Self::PersonPut(_) => vec![(Kind::Person, subject)],
            Self::AgentPut(_) | Self::AgentDeleted { .. } => vec![(Kind::Agent, subject)],
            Self::GroupPut(_) | Self::GroupDeleted { .. } => vec![(Kind::Group, subject)],
            Self::BlockCreated(_)
            | Self::BlockRestored(_)
            | Self::BlockConfigured { .. }
            | Self::BlockAccessSet { .. }
            | Self::BlockDeleted { .. } => vec![(Kind::Block, subject)],
            Self::BlockEdited(revision) => {
                let job = revision.editor.job().map(|job| (Kind::Job, job.0.clone()));
                job.into_iter().chain([(Kind::Block, subject)]).collect()
            }
            Self::ConversationOpened(_) => vec![(Kind::Conversation, subject)],
            Self::MessageAppended(message) => vec![(Kind::Conversation, message.conversation.0.clone())],
            Self::RunCreated(run) => {
                let parent = run.parent.as_ref().map(|parent| (Kind::Run, parent.0.clone()));
                let conversation = (Kind::Conversation, run.conversation.0.clone());
                parent.into_iter().chain([(Kind::Run, subject), conversation]).collect()
            }
            Self::RunMoved { .. } | Self::RunChosen { .. } | Self::RunSignalled { .. } | Self::RunCancelled { .. } => {
                vec![(Kind::Run, subject)]
            }
            Self::MailSent(_) | Self::MailMoved { .. } | Self::MailRemoved { .. } => vec![(Kind::Mail, subject)],
            Self::StepFinished(step) => vec![(Kind::Run, step.run.0.clone())],
            Self::CallPending(call) => vec![(Kind::Call, PendingCall::place_key(&call.step, call.ordinal))],
            Self::CallAnswered { step, ordinal, .. } => vec![(Kind::Call, PendingCall::place_key(step, *ordinal))],
            Self::TriggerPut(_)
            | Self::TriggerRemoved { .. }
            | Self::TriggerArmed { .. }
            | Self::TriggerScheduled { .. }
            | Self::TriggerPaused { .. }
            | Self::TriggerDue { .. }
            | Self::TriggerFired { .. }
            | Self::TriggerHeld { .. } => vec![(Kind::Trigger, subject)],
            Self::JobCreated(_)
            | Self::JobCaused { .. }
            | Self::JobClaimed { .. }
            | Self::CareClaimed { .. }
            | Self::JobYielded { .. }
            | Self::JobHandedBack { .. }
            | Self::JobRecovered { .. }
            | Self::JobMoved { .. } => vec![(Kind::Job, subject)],
            Self::JobExpired { runs, conversation, .. } => {
                let runs = runs.iter().map(|run| (Kind::Run, run.0.clone()));
                let notes = conversation.iter().map(|notes| (Kind::Conversation, notes.0.clone()));
                runs.chain(notes).chain([(Kind::Job, subject)]).collect()
            }
        }
    }
}

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person, through any interface.
    Person(PersonId),
    /// An agent in a run.
    Agent {
        /// The agent.
        agent: AgentId,
        /// The run.
        run: RunId,
    },
    /// The engine.
    Engine,
}

/// Changes that are applied atomically.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Who makes the commit.
    pub by: Actor,
    /// The number of the logged change that caused it, if any.
    pub cause: Option<u64>,
    /// The preconditions.
    pub preconditions: Vec<Precondition>,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

impl Commit {
    /// A commit without preconditions.
    #[must_use]
    pub fn new(by: Actor, changes: Vec<Change>) -> Self {
        Self { by, cause: None, preconditions: Vec::new(), changes }
    }

    /// Adds a precondition.
    #[must_use]
    pub fn requiring(mut self, rest: Precondition) -> Self {
        self.preconditions.push(rest);
        self
    }
}

/// One log entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number, from 1 without gaps: the total order of all changes.
    pub n: u64,
    /// The change, with the fields the store filled in.
    pub change: Change,
    /// Who made it.
    pub by: Actor,
    /// When it was committed.
    pub at: Timestamp,
    /// The number of the change that caused it, if any.
    pub cause: Option<u64>,
}
