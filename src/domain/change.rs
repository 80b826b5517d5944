//! The one way to write: a [`Commit`] of [`Change`]s, refused as a [`Conflict`] or kept in the log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::Kind;
use super::{
    Agent, AgentId, Block, BlockId, BlockOwner, Choice, Conversation, ConversationId, Group, GroupId, Job, JobId,
    JobState, Mail, MailId, MailStatus, Message, PendingCall, Revision, Run, RunId, RunState, Step, StepId, Trigger,
    run::Answer,
};

/// One durable change. What each means is [`super::state::apply`]'s to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "change", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Change {
    /// A program took the store: jobs of older epochs have no owner.
    EpochRaised {
        /// One more than the last.
        epoch: u64,
    },
    /// An agent is made or set anew.
    AgentPut(Agent),
    /// An agent that is in no group any more goes; what it said stays.
    AgentDeleted {
        /// Which.
        id: AgentId,
    },
    /// A group is made or set anew.
    GroupPut(Group),
    /// A group that is at rest goes; what was said in it stays.
    GroupDeleted {
        /// Which.
        id: GroupId,
    },
    /// A block is made; its value is version 1.
    BlockCreated(Block),
    /// A block that reaches no agent any more goes; its versions stay.
    BlockDeleted {
        /// Which.
        id: BlockId,
    },
    /// Everything of a block but its value is set anew.
    BlockConfigured {
        /// Which.
        id: BlockId,
        /// What it is for.
        description: String,
        /// The most code points.
        limit: u32,
        /// Whether agents may edit.
        read_only: bool,
        /// Free labels.
        tags: Vec<String>,
        /// Where it is at home.
        owner: BlockOwner,
        /// The value its file gave it.
        from_file: Option<String>,
    },
    /// A block has a new value. Insert-only.
    BlockEdited(Revision),
    /// A conversation begins.
    ConversationOpened(Conversation),
    /// A message is added. Insert-only.
    MessageAppended(Message),
    /// A run is made.
    RunCreated(Run),
    /// A run moves.
    RunMoved {
        /// Which.
        id: RunId,
        /// Where to.
        to: RunState,
    },
    /// A choice has its outcome.
    RunChosen {
        /// Which.
        id: RunId,
        /// The outcome.
        choice: Choice,
    },
    /// Somebody outside says a word for a turn.
    RunSignalled {
        /// Which turn.
        id: RunId,
        /// The word.
        word: String,
    },
    /// A step is done. Insert-only.
    StepFinished(Step),
    /// A tool call waits for somebody.
    CallPending(PendingCall),
    /// A pending call has its result.
    CallAnswered {
        /// The step that made it.
        step: StepId,
        /// Its place in the step.
        ordinal: u32,
        /// The result.
        answer: Answer,
    },
    /// Mail is sent.
    MailSent(Mail),
    /// Mail moves.
    MailMoved {
        /// Which.
        id: MailId,
        /// Where to.
        to: MailStatus,
        /// The turn that takes it, when it is delivered to an agent.
        run: Option<RunId>,
        /// Why it failed.
        error: Option<String>,
    },
    /// A job is made.
    JobCreated(Job),
    /// A waiting job has one more cause (J3).
    JobCaused {
        /// Which.
        id: JobId,
        /// The cause.
        cause: Trigger,
    },
    /// A worker takes a job: its fence rises, its window is fixed at the first claim (J2, J3).
    JobClaimed {
        /// Which.
        id: JobId,
        /// The owner's epoch.
        epoch: u64,
        /// The run that works; used at the first claim.
        run: RunId,
        /// The working notes; used at the first claim.
        conversation: ConversationId,
        /// Where the window has to end so that it fits a context; `None` where all of it fits.
        upto: Option<u64>,
    },
    /// A job made way for the foreground: available again, no attempt counted.
    JobYielded {
        /// Which.
        id: JobId,
    },
    /// The owner of a job died: available again, or failed as poison (J6, J7).
    JobRecovered {
        /// Which.
        id: JobId,
    },
    /// A job moves.
    JobMoved {
        /// Which.
        id: JobId,
        /// Where to.
        to: JobState,
    },
}

impl Change {
    /// The kind as the log names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// The id of what it touches.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::EpochRaised { .. } => "desk",
            Self::AgentPut(agent) => agent.id.as_str(),
            Self::AgentDeleted { id } => id.as_str(),
            Self::GroupPut(group) => group.id.as_str(),
            Self::GroupDeleted { id } => id.as_str(),
            Self::BlockCreated(block) => block.id.as_str(),
            Self::BlockConfigured { id, .. } | Self::BlockDeleted { id } => id.as_str(),
            Self::BlockEdited(revision) => revision.block.as_str(),
            Self::ConversationOpened(conversation) => conversation.id.as_str(),
            Self::MessageAppended(message) => message.id.as_str(),
            Self::RunCreated(run) => run.id.as_str(),
            Self::RunMoved { id, .. } | Self::RunChosen { id, .. } | Self::RunSignalled { id, .. } => id.as_str(),
            Self::StepFinished(step) => step.id.as_str(),
            Self::CallPending(call) => call.step.as_str(),
            Self::CallAnswered { step, .. } => step.as_str(),
            Self::MailSent(mail) => mail.id.as_str(),
            Self::MailMoved { id, .. } => id.as_str(),
            Self::JobCreated(job) => job.id.as_str(),
            Self::JobCaused { id, .. }
            | Self::JobClaimed { id, .. }
            | Self::JobYielded { id }
            | Self::JobRecovered { id }
            | Self::JobMoved { id, .. } => id.as_str(),
        }
    }
}

impl Change {
    /// The state rows it may have changed, by kind and key: what a watcher reads again.
    #[must_use]
    pub fn touches(&self) -> Vec<(Kind, String)> {
        let subject = self.subject().to_owned();
        match self {
            Self::EpochRaised { .. } => vec![(Kind::Desk, subject)],
            Self::AgentPut(_) | Self::AgentDeleted { .. } => vec![(Kind::Agent, subject)],
            Self::GroupPut(_) | Self::GroupDeleted { .. } => vec![(Kind::Group, subject)],
            Self::BlockCreated(_) | Self::BlockConfigured { .. } | Self::BlockDeleted { .. } => {
                vec![(Kind::Block, subject)]
            }
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
            Self::RunMoved { .. } | Self::RunChosen { .. } | Self::RunSignalled { .. } => vec![(Kind::Run, subject)],
            Self::MailSent(_) | Self::MailMoved { .. } => vec![(Kind::Mail, subject)],
            Self::StepFinished(step) => vec![(Kind::Run, step.run.0.clone())],
            Self::CallPending(call) => vec![(Kind::Call, PendingCall::place_key(&call.step, call.ordinal))],
            Self::CallAnswered { step, ordinal, .. } => vec![(Kind::Call, PendingCall::place_key(step, *ordinal))],
            Self::JobCreated(_)
            | Self::JobCaused { .. }
            | Self::JobClaimed { .. }
            | Self::JobYielded { .. }
            | Self::JobRecovered { .. }
            | Self::JobMoved { .. } => vec![(Kind::Job, subject)],
        }
    }
}

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person, at whatever face.
    Person,
    /// An agent, in this run.
    Agent {
        /// Which agent.
        agent: AgentId,
        /// In which run.
        run: RunId,
    },
    /// The engine itself.
    Engine,
}

/// What a commit rests on: where it no longer holds, the commit is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// The run is running.
    RunRunning(RunId),
    /// The job is running under this fence (J4).
    JobFence(JobId, u64),
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Who makes it.
    pub by: Actor,
    /// The number of the logged change that led to it, where one did.
    pub cause: Option<u64>,
    /// What it rests on.
    pub rests_on: Vec<Rest>,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

impl Commit {
    /// A commit that rests on nothing.
    #[must_use]
    pub fn new(by: Actor, changes: Vec<Change>) -> Self {
        Self { by, cause: None, rests_on: Vec::new(), changes }
    }

    /// The same commit, resting on this too.
    #[must_use]
    pub fn on(mut self, rest: Rest) -> Self {
        self.rests_on.push(rest);
        self
    }
}

/// One change in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logged {
    /// Its number: the order of everything.
    pub n: u64,
    /// The change, with what the store filled in.
    pub change: Change,
    /// Who made it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// The number of the change that led to it.
    pub cause: Option<u64>,
}

/// Why a commit was refused. Nothing of it has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "conflict", rename_all = "snake_case")]
pub enum Conflict {
    /// The block has moved on; it is carried as it stands.
    #[error("block {} is at version {} now", .current.label, .current.version)]
    Block {
        /// The block as it stands.
        current: Box<Block>,
    },
    /// The run is not running.
    #[error("run {run} is not running any more")]
    Run {
        /// Which.
        run: RunId,
    },
    /// The job is not this worker's any more (J4).
    #[error("job {job} is not this worker's any more")]
    Fenced {
        /// Which.
        job: JobId,
    },
    /// One call of the step asks for what cannot be: a cycle of waiting, more mail than the limit. The agent is
    /// told; the other calls of the step stand.
    #[error("{text}")]
    Call {
        /// The call's place in the step.
        ordinal: u32,
        /// What, and what to do.
        text: String,
    },
    /// The change makes no sense as things stand: one sentence.
    #[error("{text}")]
    Refused {
        /// What, where, what is allowed.
        text: String,
    },
}

impl Conflict {
    /// A refusal with this sentence.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into() }
    }
}
