//! Tools: what an agent may call. One file per family.
//!
//! A tool runs against the [`ToolContext`] of one step: a snapshot of the agent's blocks, on which edits are staged. Nothing
//! here commits. The engine commits the staged edits with the step; if a block has changed meanwhile, it runs the
//! calls again on a new snapshot, without calling the model.

pub mod access;
pub mod arguments;
pub mod conversation;
pub mod delegate;
pub mod mail;
pub mod memory;
pub mod turn;

use std::borrow::Cow;
use std::sync::Arc;

use access::{AccessGrant, Withheld};
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::block::{Level, folded};
use crate::domain::block_edit::EDIT_TOOLS;
use crate::domain::{AgentId, Block, MailKind, MessageQuery, PendingKind, Priority, SearchResult, excerpt};
use crate::llm::ToolSpec;

/// A tool an agent may call.
pub trait Tool: Send + Sync {
    /// Name, description and argument schema as the model sees them.
    fn spec(&self) -> ToolSpec;

    /// Runs one call. Arguments are a JSON object that [`fitted`] has made fit the schema.
    fn call<'a>(&'a self, arguments: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome>;

    /// The most code points of its result; a longer one is cut in the middle, with a note.
    fn return_char_limit(&self) -> usize {
        RETURN_CHAR_LIMIT
    }
}

/// The most code points of a tool's result, unless the tool has a limit of its own (Letta's default).
pub const RETURN_CHAR_LIMIT: usize = 50_000;

/// The outcome of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolOutcome {
    /// The call is done; the agent continues.
    Result {
        /// False if the tool refused or failed.
        ok: bool,
        /// The result shown to the agent.
        text: String,
    },
    /// The call is done and ends the agent's speech or job.
    Finish {
        /// The result shown to the agent.
        text: String,
    },
    /// Ends the speech without text.
    Pass,
    /// The call needs an answer: the run parks until it is there.
    Wait(Wait),
}

/// What a call waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// A person's approval; then the call is made or refused.
    Approval,
    /// The replies to this mail, which is sent with the step.
    Replies(Vec<OutgoingMail>),
    /// The answers of these workers, each with its task. They speak in the group's conversation.
    Workers(Vec<(AgentId, String)>),
}

impl Wait {
    /// The kind stored in the pending call.
    #[must_use]
    pub fn kind(&self) -> PendingKind {
        match self {
            Self::Approval => PendingKind::Approval,
            Self::Replies(_) => PendingKind::Reply,
            Self::Workers(_) => PendingKind::Workers,
        }
    }

    /// The agents it waits for; empty for an approval.
    #[must_use]
    pub fn whom(&self) -> Vec<AgentId> {
        match self {
            Self::Approval => Vec::new(),
            Self::Replies(posts) => posts.iter().map(|post| post.to.clone()).collect(),
            Self::Workers(tasks) => tasks.iter().map(|(agent, _)| agent.clone()).collect(),
        }
    }
}

/// Mail written by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// The recipient.
    pub to: AgentId,
    /// Its kind.
    pub kind: MailKind,
    /// The priority of delivery.
    pub priority: Priority,
    /// The text.
    pub text: String,
    /// Seconds until it expires undelivered; `None` never.
    pub expires_in: Option<u64>,
}

impl ToolOutcome {
    /// The result of a successful call.
    #[must_use]
    pub fn done(text: impl Into<String>) -> Self {
        Self::Result { ok: true, text: text.into() }
    }

    /// The same with its result cut to this many code points.
    #[must_use]
    pub fn limited(self, most: usize) -> Self {
        let limit = |text: String| match excerpt::to_chars(&text, most) {
            Cow::Owned(cut) => cut,
            Cow::Borrowed(_) => text,
        };
        match self {
            Self::Result { ok, text } => Self::Result { ok, text: limit(text) },
            Self::Finish { text } => Self::Finish { text: limit(text) },
            Self::Pass | Self::Wait(_) => self,
        }
    }

    /// The result of a call that was refused or failed.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Result { ok: false, text: text.into() }
    }
}

/// The state the tools of one step work on.
pub struct ToolContext<'a> {
    /// The agent's short name.
    pub agent: &'a str,
    /// The blocks the agent sees.
    pub blocks: Vec<StagedBlock>,
    /// Searches conversations.
    pub library: &'a dyn MessageSearch,
    /// Lists the agents that can be reached.
    pub directory: &'a dyn Directory,
    /// Whether the agent may delegate.
    pub delegates: delegate::Delegation,
    /// Mail to send with the step that no call waits for.
    pub posts: Vec<OutgoingMail>,
    /// The blocks that the agent has and cannot use.
    pub withheld: Vec<Withheld>,
    /// Access that calls of the step give and take.
    pub grants: Vec<AccessGrant>,
    /// True if this call was approved.
    pub approved: bool,
}

impl ToolContext<'_> {
    /// What the agent may do with the block of this label.
    ///
    /// # Errors
    /// A sentence if it has no such block, or cannot use it with its model.
    pub fn level(&self, label: &str) -> Result<Level, String> {
        let wanted = folded(label);
        if let Some(block) = self.blocks.iter().find(|block| folded(&block.current.label) == wanted) {
            return Ok(block.level);
        }
        match self.withheld.iter().find(|block| folded(&block.label) == wanted) {
            Some(block) if block.kept_here => Err(block.why()),
            Some(_) => Ok(Level::None),
            None => Err(self.no_block(label)),
        }
    }

    /// The sentence about a label that none of the agent's blocks has.
    fn no_block(&self, label: &str) -> String {
        let labels: Vec<&str> = self.blocks.iter().map(|block| block.current.label.as_str()).collect();
        format!("you have no block {label:?}; your blocks: {}", labels.join(", "))
    }
}

/// An agent that another agent can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colleague {
    /// Its id.
    pub id: AgentId,
    /// Its short name.
    pub name: String,
    /// `group/name`.
    pub full_name: String,
    /// What it does.
    pub description: String,
    /// Its role in the group; empty if none is set.
    pub role: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// True for a member of the group of the call, to which a manager can delegate.
    pub member: bool,
    /// True for an agent of the group of the call; in a direct conversation, of the caller's home group.
    pub here: bool,
    /// Its status in words: `idle`, `speaking`, `waiting for critic`.
    pub state: String,
    /// Why mail to it waits, for example because its group is paused; `None` if it is delivered at once.
    pub holds_mail: Option<String>,
}

impl Colleague {
    /// True if `name` is its id, its short name or its full name; names ignore ASCII case.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        let name = name.trim();
        self.id.as_str() == name || self.name.eq_ignore_ascii_case(name) || self.full_name.eq_ignore_ascii_case(name)
    }
}

/// Lists the agents that can be reached; implemented by the engine over the store.
pub trait Directory: Send + Sync {
    /// The agents the caller may write to, without itself: those of its group in the group's order, then its contacts.
    ///
    /// # Errors
    /// A sentence if the store cannot be read.
    fn colleagues(&self) -> BoxFuture<'_, Result<Vec<Colleague>, String>>;
}

/// A block with the edits that the calls of one step have made so far.
///
/// The calls of a step were written in one breath, with one text in view. So each of them is made on [`own`](Self::own):
/// the text that was shown, with the edits of this step's earlier calls. Its line numbers count the lines of that text,
/// and `old_str` is sought there. What others have changed since is merged in by lines and never moves a line number, so
/// that a step makes the same edits whether or not somebody else edited the block meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedBlock {
    /// The block as committed when the snapshot was taken.
    pub current: Block,
    /// What the agent may do with it.
    pub level: Level,
    /// The value shown to the model, with this step's edits only.
    pub own: String,
    /// The committed value with this step's edits.
    pub value: String,
    /// The tool that edited it in this call.
    pub edited_by: Option<String>,
}

impl StagedBlock {
    /// Creates a block without staged edits.
    #[must_use]
    pub fn new(current: Block, level: Level, shown: String) -> Self {
        let value = current.value.clone();
        Self { current, level, own: shown, value, edited_by: None }
    }

    /// True if the staged value differs from the committed one.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.value != self.current.value
    }
}

/// Searches conversations; implemented by the engine over the store.
pub trait MessageSearch: Send + Sync {
    /// The messages of the agent's conversation that the query asks for, newest first. Dropping the future stops the
    /// search.
    ///
    /// # Errors
    /// A sentence if the store cannot be read.
    fn search(&self, query: MessageQuery) -> BoxFuture<'_, Result<SearchResult, String>>;

    /// The time zone in which dates are given and shown.
    fn zone(&self) -> TimeZone;
}

/// All tools with their specs, which are made once: a prompt has a dozen of them.
#[derive(Clone)]
pub struct ToolRegistry(Vec<(Arc<ToolSpec>, Arc<dyn Tool>)>);

impl Default for ToolRegistry {
    fn default() -> Self {
        let tools: [Arc<dyn Tool>; _] = [
            Arc::new(access::Request),
            Arc::new(access::Set),
            Arc::new(conversation::Search),
            Arc::new(delegate::Delegate),
            Arc::new(memory::FinishEdits),
            Arc::new(mail::SendAsync),
            Arc::new(mail::SendAndWait),
            Arc::new(mail::SendToTags),
            Arc::new(mail::SendToGroup),
            Arc::new(mail::ListAgents),
            Arc::new(turn::Pass),
            Arc::new(turn::ReturnToUser),
        ];
        let edits = EDIT_TOOLS.iter().map(|tool| Arc::new(memory::Edit(tool)) as Arc<dyn Tool>);
        tools.into_iter().chain(edits).fold(Self(Vec::new()), Self::with)
    }
}

impl ToolRegistry {
    /// Adds a tool.
    #[must_use]
    pub fn with(mut self, tool: Arc<dyn Tool>) -> Self {
        self.0.push((Arc::new(tool.spec()), tool));
        self
    }

    /// The tool with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.find(name).map(|(_, tool)| tool)
    }

    fn find(&self, name: &str) -> Option<&(Arc<ToolSpec>, Arc<dyn Tool>)> {
        self.0.iter().find(|(spec, _)| spec.name == name)
    }

    /// All names, in order of registration.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(spec, _)| spec.name.clone()).collect()
    }

    /// The specs of these tools, in this order; unknown names are skipped.
    #[must_use]
    pub fn specs(&self, names: &[String]) -> Vec<Arc<ToolSpec>> {
        names.iter().filter_map(|name| self.find(name)).map(|(spec, _)| Arc::clone(spec)).collect()
    }
}

/// The arguments of a call as the schema wants them, or the effect that refuses the call.
pub fn fitted(tool: &ToolSpec, value: &Value) -> Result<Value, ToolOutcome> {
    arguments::fit(&tool.schema, value)
        .map_err(|why| ToolOutcome::refused(format!("{}: the arguments do not fit: {why}", tool.name)))
}

/// The arguments as this tool wants them, or the sentence that refuses the call.
fn arguments<T: DeserializeOwned>(tool: &str, value: &Value) -> Result<T, ToolOutcome> {
    T::deserialize(value).map_err(|fault| ToolOutcome::refused(format!("{tool}: the arguments do not fit: {fault}")))
}
