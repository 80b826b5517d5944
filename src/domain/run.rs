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
mod stop;

use super::block::{Level, REQUEST_BLOCK_ACCESS};
use super::{AgentId, BlockId, ConversationId, GroupId, MailId, PersonId, RunId, StepId, StopReason};

pub use kind::{RunKind, RunKindName};
pub use stop::Stop;

/// The processing of one input, from the message to its stop reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The conversation its messages go to.
    pub conversation: ConversationId,
    /// The kind.
    pub kind: RunKind,
    /// The state.
    pub state: RunState,
    /// The run that created this one: the turn of a speech, the speech of a worker.
    pub parent: Option<RunId>,
    /// The first run in the chain of causes; itself for a turn that a person began.
    pub root: RunId,
    /// The `seq` of the message it answers; 0 for a job and while queued.
    pub input: u64,
    /// For a turn: the person who began it, if a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// The text of a queued turn; it becomes a message when the turn starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
    /// The number of its turn in the conversation, from 1; for a job, of the last turn in its window.
    pub turn: u64,
    /// The number of turns and jobs that led to this one by mail or by triggers; 0 for a turn that a person began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// For a turn of one agent: the mail it answers, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailId>,
    /// For a worker's speech: the task it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// For a choice: the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Choice>,
    /// For a turn: external signals ([`super::TerminationCondition::External`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<String>,
    /// For a turn: a person has cancelled it, and it ends when what works for it has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// The number of committed steps; for a turn, including all runs below it.
    pub steps: u32,
    /// Input and output tokens of those steps and of the workers below it.
    pub tokens: u64,
    /// For a root: the model calls of all runs it led to, with their retries.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls: u32,
    /// For a root: the tokens of the turns it led to by mail, which are not below it.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub mail_tokens: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When a commit last changed it.
    pub moved_at: Timestamp,
}

/// A task that a manager delegated to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The manager's step.
    pub step: StepId,
    /// The index of the delegating call in that step, from 0.
    pub ordinal: u32,
    /// The manager.
    pub by: AgentId,
    /// The text of the task.
    pub text: String,
}

/// The outcome of a dynamic manager's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// This member speaks next.
    Member(AgentId),
    /// The turn ends.
    Done,
    /// The choice failed after all attempts: the next member in order speaks.
    Nobody,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(tag = "state", rename_all = "snake_case")]
#[strum_discriminants(
    name(RunStateName),
    doc = "The states of a run by name, for queries of the store.",
    derive(strum::VariantArray, strum::IntoStaticStr, Serialize, Deserialize),
    serde(rename_all = "snake_case"),
    strum(serialize_all = "snake_case")
)]
pub enum RunState {
    /// Committed, waiting for its turn: for the conversation, or for its agent.
    Queued,
    /// It makes steps.
    Running,
    /// It waits for the results of its pending calls, without a task or a connection.
    Parked,
    /// Finished.
    Finished {
        /// Why it ended.
        stop_reason: StopReason,
        /// The error as a sentence, if it failed.
        error: Option<String>,
    },
}

impl RunStateName {
    /// True if the state is final.
    #[must_use]
    pub fn is_finished(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Parked => false,
            Self::Finished => true,
        }
    }
}

/// Omits zeros in JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Omits counts of zero in JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none_of_them(count: &u64) -> bool {
    *count == 0
}

impl Run {
    /// A run without steps, as its own root.
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
            person: None,
            queued: None,
            turn: 0,
            depth: 0,
            mail: None,
            task: None,
            chosen: None,
            signals: Vec::new(),
            cancelled: false,
            steps: 0,
            tokens: 0,
            calls: 0,
            mail_tokens: 0,
            created_at: Timestamp::UNIX_EPOCH,
            moved_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Makes it a child of another run, with the parent's root, turn, depth and input.
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

    /// True if its state is final.
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
    /// The agent that made it.
    pub agent: AgentId,
    /// Its number in the run, from 1.
    pub index: u32,
    /// The model that answered.
    pub model: String,
    /// The agent's own model, where a fallback model answered instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// When it was ready to call the model.
    pub queued_at: Timestamp,
    /// When the first token arrived.
    pub first_token_at: Option<Timestamp>,
    /// When the response was complete.
    pub done_at: Timestamp,
    /// Input tokens.
    pub tokens_in: u64,
    /// Output tokens.
    pub tokens_out: u64,
    /// Input tokens that came from the provider's cache, as far as it tells.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub tokens_cached: u64,
    /// Output tokens that are reasoning, as far as the provider tells.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub tokens_reasoning: u64,
    /// Why the model stopped; `None` for a step of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// The number of failed model calls before the successful one.
    pub retries: u32,
    /// The block versions its prompt was built from.
    pub saw: Vec<(BlockId, u64)>,
    /// The number of its tool calls.
    pub calls: u32,
    /// The `seq` of the last message of the conversation in its prompt.
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

/// A tool call that waits for a person or an agent, or follows such a call in the same step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingCall {
    /// The run that is parked on it.
    pub run: RunId,
    /// The step that made it.
    pub step: StepId,
    /// Its index among the step's calls, from 0.
    pub ordinal: u32,
    /// The provider's id of the call.
    pub call: String,
    /// The tool.
    pub name: String,
    /// A JSON object.
    pub arguments: serde_json::Value,
    /// What it waits for.
    pub kind: PendingKind,
    /// The agents it waits for: the edges of the wait-for graph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whom: Vec<AgentId>,
    /// When it started to wait.
    pub since: Timestamp,
    /// When it times out with an error result, if ever.
    pub until: Option<Timestamp>,
    /// The result; set once.
    pub answer: Option<CallResult>,
}

/// The result of a pending call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallResult {
    /// False if it was rejected, failed or timed out.
    pub ok: bool,
    /// The result text for the agent.
    pub text: String,
    /// For an approval: the tool needs no further approval in this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_run: bool,
    /// The person who decided, if a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonId>,
}

/// What a pending call waits for.
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
    /// An earlier call of the same step; it runs after that one.
    Behind,
}

impl PendingCall {
    /// The id in the inbox: the step's UUID and the index of the call.
    #[must_use]
    pub fn inbox_id(&self) -> String {
        let uuid = self.step.as_str().trim_start_matches("step-");
        format!("approval-{uuid}-{}", self.ordinal)
    }

    /// The label of the block and the level, if it asks for access to one.
    #[must_use]
    pub fn asks_for_access(&self) -> Option<(&str, Level)> {
        if self.kind != PendingKind::Approval || self.name != REQUEST_BLOCK_ACCESS {
            return None;
        }
        let text = |key: &str| self.arguments.get(key)?.as_str();
        Some((text("label")?, Level::named(text("level")?)?))
    }

    /// True while its run waits for its result.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.answer.is_none() && self.kind != PendingKind::Behind
    }
}
