//! Runs, steps and the calls a run is parked on.
//!
//! ```text
//! queued ──▶ running ──▶ finished(stop reason)
//!               │  ▲
//!               ▼  │ every pending call answered
//!             parked
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod kind;

use super::{AgentId, BlockId, ConversationId, GroupId, MailId, RunId, StepId, StopReason};

pub use kind::{RunKind, RunKindName};

/// The processing of one input, from the message to its stop reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The conversation its messages go to.
    pub conversation: ConversationId,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// The run that made this one; a speech's turn.
    pub parent: Option<RunId>,
    /// The first of the chain of causes; itself for a turn a person began.
    pub root: RunId,
    /// The `seq` of the message it answers; 0 for a job and while queued.
    pub input: u64,
    /// What the person said, while the turn waits for the one before; then it becomes the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
    /// Its turn in the conversation, from 1; for a job, the turn its window ends with.
    pub turn: u64,
    /// How many turns caused each other by mail up to this one; 0 for one a person or a trigger began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// For a turn of an agent alone: the mail it answers, where it answers mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailId>,
    /// For a worker's speech: what it was asked, and by which call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// For a choice: what was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Choice>,
    /// For a turn: what somebody outside said for it ([`super::TerminationCondition::External`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<String>,
    /// Steps committed; for a turn, of all that belongs to it.
    pub steps: u32,
    /// Tokens those steps read and wrote, and those of the workers below it.
    pub tokens: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a commit last touched it.
    pub moved_at: Timestamp,
}

/// What a manager gave to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The manager's step.
    pub step: StepId,
    /// The call's place in the step.
    pub ordinal: u32,
    /// Who asks.
    pub by: AgentId,
    /// The words.
    pub text: String,
}

/// What a dynamic manager chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// This member speaks next.
    Member(AgentId),
    /// All has been said.
    Done,
    /// Nothing usable, as often as it was asked: the next in order speaks.
    Nobody,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(tag = "state", rename_all = "snake_case")]
#[strum_discriminants(
    name(RunStateName),
    doc = "The states of a run by name, as the store asks for them.",
    derive(strum::VariantArray, strum::IntoStaticStr),
    strum(serialize_all = "snake_case")
)]
pub enum RunState {
    /// Committed, waiting for its turn: for the conversation, or for its agent.
    Queued,
    /// Its steps are being made.
    Running,
    /// It waits for the answers of its pending calls: no task, no connection.
    Parked,
    /// Over.
    Finished {
        /// Why.
        stop_reason: StopReason,
        /// The sentence, when it failed.
        error: Option<String>,
    },
}

impl RunStateName {
    /// True when nothing more will happen in the run.
    #[must_use]
    pub fn is_finished(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Parked => false,
            Self::Finished => true,
        }
    }
}

/// Skips what is nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Run {
    /// A run of nothing yet, at its own root.
    #[must_use]
    pub fn new(id: RunId, conversation: ConversationId, kind: RunKind, state: RunState) -> Self {
        Self {
            root: id.clone(),
            id,
            conversation,
            kind,
            state,
            parent: None,
            input: 0,
            queued: None,
            turn: 0,
            depth: 0,
            mail: None,
            task: None,
            chosen: None,
            signals: Vec::new(),
            steps: 0,
            tokens: 0,
            created_at: Timestamp::UNIX_EPOCH,
            moved_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The same run as the child of another: its root, its turn, its depth, its conversation's.
    #[must_use]
    pub fn under(self, parent: &Self) -> Self {
        let (root, turn, depth, input) = (parent.root.clone(), parent.turn, parent.depth, parent.input);
        Self { parent: Some(parent.id.clone()), root, turn, depth, input, ..self }
    }

    /// The agent whose steps it makes; `None` for a turn.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        self.kind.agent()
    }

    /// The group it belongs to, if any.
    #[must_use]
    pub fn group(&self) -> Option<&GroupId> {
        self.kind.group()
    }

    /// True when nothing more will happen in it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        RunStateName::from(&self.state).is_finished()
    }
}

/// One committed model call and the tool calls in it. Insert-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// The run it belongs to.
    pub run: RunId,
    /// Whose step it is.
    pub agent: AgentId,
    /// Its place in the run, from 1.
    pub index: u32,
    /// The model that was asked.
    pub model: String,
    /// When it was ready to be made.
    pub queued_at: Timestamp,
    /// When the first token came.
    pub first_token_at: Option<Timestamp>,
    /// When the answer was whole.
    pub done_at: Timestamp,
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// Model calls that failed before the one that counted.
    pub retries: u32,
    /// The block versions its prompt was built from.
    pub saw: Vec<(BlockId, u64)>,
    /// How many tool calls it made.
    pub calls: u32,
    /// The `seq` of the conversation's last message its prompt knew.
    pub upto: u64,
    /// What the provider wants back with what it said and called here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// Something of a provider's own that goes back to it with an answer it came with: reasoning, signatures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The protocol it is written in.
    pub protocol: String,
    /// The provider it came from.
    pub provider: String,
    /// The model that made it.
    pub model: String,
    /// The thing itself, which only its protocol reads.
    pub value: serde_json::Value,
}

impl Kept {
    /// True for a thing of this protocol and provider.
    #[must_use]
    pub fn is_of(&self, protocol: &str, provider: &str) -> bool {
        self.protocol == protocol && self.provider == provider
    }
}

/// A tool call that needs somebody, and the calls after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingCall {
    /// The run that is parked on it.
    pub run: RunId,
    /// The step that made it.
    pub step: StepId,
    /// Its place among the step's calls, from 0.
    pub ordinal: u32,
    /// The provider's id of the call.
    pub call: String,
    /// The tool.
    pub name: String,
    /// A JSON object.
    pub arguments: serde_json::Value,
    /// Whom it waits for.
    pub kind: PendingKind,
    /// The agents whose answer it waits for: the edges of the wait-for graph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whom: Vec<AgentId>,
    /// When it was made.
    pub since: Timestamp,
    /// When waiting ends with an error result, if ever.
    pub until: Option<Timestamp>,
    /// Set once: whether it went well, and the words.
    pub answer: Option<Answer>,
}

/// The result of a pending call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// False when it was refused, failed or timed out.
    pub ok: bool,
    /// What the agent is told.
    pub text: String,
    /// For an approval: this tool needs no other in this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_run: bool,
}

/// Whom a pending call waits for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PendingKind {
    /// A person.
    Approval,
    /// Another agent's reply.
    Reply,
    /// Workers of a delegation.
    Workers,
    /// A nested group.
    Group,
    /// Nobody: it stands behind a call that waits, and runs when that is answered.
    Behind,
}

impl PendingCall {
    /// What it is called in the inbox: the step's UUID and the place in it.
    #[must_use]
    pub fn inbox_id(&self) -> String {
        let uuid = self.step.as_str().trim_start_matches("step-");
        format!("approval-{uuid}-{}", self.ordinal)
    }

    /// True while its run needs the answer to go on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.answer.is_none() && self.kind != PendingKind::Behind
    }
}
