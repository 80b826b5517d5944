//! Tools: what an agent may call.
//!
//! One file a family. A tool runs against the [`Desk`] of one step: a snapshot of the agent's blocks, on which
//! edits are staged. Nothing here commits; the engine commits what is staged with the step, and where a block
//! has moved on meanwhile it runs the calls again on a new desk, without asking the model.

pub mod arguments;
pub mod conversation;
pub mod delegate;
pub mod mail;
pub mod memory;
pub mod turn;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::{AgentId, Block, MailKind, Message, PendingKind, Priority};
use crate::llm::ToolSpec;

/// Something an agent may call.
pub trait Tool: Send + Sync {
    /// Name, guidance and argument schema, as the model is told.
    fn spec(&self) -> ToolSpec;

    /// Runs one call. Arguments are a JSON object that [`fitted`] has made fit the schema.
    fn call<'a>(&'a self, arguments: &'a Value, desk: &'a mut Desk<'_>) -> BoxFuture<'a, Effect>;
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// It is done; the agent goes on.
    Result {
        /// False when the tool refused or failed.
        ok: bool,
        /// What the agent is told.
        text: String,
    },
    /// It is done, and so is the agent's speech or job.
    Finish {
        /// What the agent is told.
        text: String,
    },
    /// The agent has nothing to say in this turn.
    Pass,
    /// It needs somebody: the run parks until the answer is there.
    Wait(Wait),
}

/// What a call waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// A person's yes or no; then the call is made, or not.
    Approval,
    /// The replies to this mail, which is sent with the step.
    Replies(Vec<Post>),
    /// The answers of these workers, each with its task; they speak in the group's conversation.
    Workers(Vec<(AgentId, String)>),
}

impl Wait {
    /// The kind, as the pending call keeps it.
    #[must_use]
    pub fn kind(&self) -> PendingKind {
        match self {
            Self::Approval => PendingKind::Approval,
            Self::Replies(_) => PendingKind::Reply,
            Self::Workers(_) => PendingKind::Workers,
        }
    }

    /// The agents it waits for.
    #[must_use]
    pub fn whom(&self) -> Vec<AgentId> {
        match self {
            Self::Approval => Vec::new(),
            Self::Replies(posts) => posts.iter().map(|post| post.to.clone()).collect(),
            Self::Workers(tasks) => tasks.iter().map(|(agent, _)| agent.clone()).collect(),
        }
    }
}

/// Mail as a call writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// For whom.
    pub to: AgentId,
    /// What it is.
    pub kind: MailKind,
    /// What goes first.
    pub priority: Priority,
    /// The words.
    pub text: String,
    /// When it is not worth delivering any more, in seconds from now.
    pub expires_in: Option<u64>,
}

impl Effect {
    /// A call that went well.
    #[must_use]
    pub fn done(text: impl Into<String>) -> Self {
        Self::Result { ok: true, text: text.into() }
    }

    /// A call that was refused or failed.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Result { ok: false, text: text.into() }
    }
}

/// What the tools of one step work on.
pub struct Desk<'a> {
    /// The agent's short name.
    pub agent: &'a str,
    /// The blocks that reach the agent.
    pub blocks: Vec<StagedBlock>,
    /// Where conversations are searched.
    pub library: &'a dyn Library,
    /// Who can be reached.
    pub directory: &'a dyn Directory,
    /// Whether work may be given to others.
    pub delegates: delegate::Delegation,
    /// Mail that is sent with the step and not waited for.
    pub posts: Vec<Post>,
}

/// Somebody an agent can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colleague {
    /// Who.
    pub id: AgentId,
    /// The short name.
    pub name: String,
    /// `group/name`.
    pub full_name: String,
    /// What it does.
    pub description: String,
    /// What it is here for, if the group says.
    pub role: String,
    /// Free labels.
    pub tags: Vec<String>,
    /// A member of the group the call is made in: one who can be given work by its manager.
    pub member: bool,
    /// One of the group the call is made in, or for a direct talk of the agent's home group.
    pub here: bool,
    /// What it does now, in a word or a few: `idle`, `speaking`, `waiting for critic`.
    pub state: String,
    /// Why mail waits there, if it does: its group is paused, it is at work.
    pub holds_mail: Option<String>,
}

impl Colleague {
    /// True when this is what it is called: its id, its short name or its full one.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        let name = name.trim();
        self.id.as_str() == name || self.name.eq_ignore_ascii_case(name) || self.full_name.eq_ignore_ascii_case(name)
    }
}

/// Who can be reached: the engine answers it from the store.
pub trait Directory: Send + Sync {
    /// Everybody the agent may write to, itself left out: those of its group in the group's order, then its
    /// contacts.
    fn colleagues(&self) -> BoxFuture<'_, Result<Vec<Colleague>, String>>;
}

/// A block on the desk.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedBlock {
    /// The block as committed when the desk was laid.
    pub current: Block,
    /// The value the model was shown; differs from `current.value` after a conflict.
    pub shown: String,
    /// The value as staged.
    pub value: String,
    /// The tool that edited it last in this step.
    pub edited_by: Option<String>,
}

impl StagedBlock {
    /// A block on which nothing is staged yet.
    #[must_use]
    pub fn new(current: Block, shown: String) -> Self {
        let value = current.value.clone();
        Self { current, shown, value, edited_by: None }
    }

    /// True when this step changes it.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.value != self.current.value
    }
}

/// Where conversations are searched: the engine answers it from the store.
pub trait Library: Send + Sync {
    /// Messages of the agent's conversation with these words, newest first.
    fn search<'a>(&'a self, query: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Message>, String>>;
}

/// The tools there are.
#[derive(Clone)]
pub struct Toolbox(Vec<Arc<dyn Tool>>);

impl Default for Toolbox {
    fn default() -> Self {
        Self(vec![
            Arc::new(conversation::Search),
            Arc::new(delegate::Delegate),
            Arc::new(memory::Insert),
            Arc::new(memory::Replace),
            Arc::new(memory::Rethink),
            Arc::new(memory::FinishEdits),
            Arc::new(mail::SendAsync),
            Arc::new(mail::SendAndWait),
            Arc::new(mail::SendToTags),
            Arc::new(mail::SendToGroup),
            Arc::new(mail::ListAgents),
            Arc::new(turn::Pass),
            Arc::new(turn::ReturnToUser),
        ])
    }
}

impl Toolbox {
    /// The same box with one tool more.
    #[must_use]
    pub fn with(mut self, tool: Arc<dyn Tool>) -> Self {
        self.0.push(tool);
        self
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.0.iter().find(|tool| tool.spec().name == name)
    }

    /// Every name, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|tool| tool.spec().name).collect()
    }

    /// The specs of these tools, in this order; names that are no tool are left out.
    #[must_use]
    pub fn specs(&self, names: &[String]) -> Vec<ToolSpec> {
        names.iter().filter_map(|name| self.get(name)).map(|tool| tool.spec()).collect()
    }
}

/// The arguments of a call as the schema wants them, or the effect that refuses the call.
pub fn fitted(tool: &ToolSpec, value: &Value) -> Result<Value, Effect> {
    arguments::fit(&tool.schema, value)
        .map_err(|why| Effect::refused(format!("{}: the arguments do not fit: {why}", tool.name)))
}

/// The arguments as this tool wants them, or the sentence that refuses the call.
fn arguments<T: DeserializeOwned>(tool: &str, value: &Value) -> Result<T, Effect> {
    T::deserialize(value).map_err(|fault| Effect::refused(format!("{tool}: the arguments do not fit: {fault}")))
}
