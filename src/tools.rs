//! Tools: what an agent may call.
//!
//! One file a family. A tool runs against the [`Desk`] of one step: a snapshot of the agent's blocks, on which
//! edits are staged. Nothing here commits; the engine commits what is staged with the step, and where a block
//! has moved on meanwhile it runs the calls again on a new desk, without asking the model.

pub mod conversation;
pub mod memory;
pub mod turn;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::{Block, Message, PendingKind};
use crate::llm::ToolSpec;

/// Something an agent may call.
pub trait Tool: Send + Sync {
    /// Name, guidance and argument schema, as the model is told.
    fn spec(&self) -> ToolSpec;

    /// Runs one call. Arguments are a JSON object, not checked yet.
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
    Wait(PendingKind),
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
            Arc::new(memory::Insert),
            Arc::new(memory::Replace),
            Arc::new(memory::Rethink),
            Arc::new(memory::FinishEdits),
            Arc::new(turn::Pass),
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

/// The arguments as this tool wants them, or the sentence that refuses the call.
fn arguments<T: DeserializeOwned>(tool: &str, value: &Value) -> Result<T, Effect> {
    T::deserialize(value).map_err(|fault| Effect::refused(format!("{tool}: the arguments do not fit: {fault}")))
}
