//! Models: the prompt of a step and the stream that answers it.
//!
//! [`ChatModel`] is the one port. It is implemented by the real providers ([`provider`]; their four protocols are in
//! `protocol`, their transport in [`http`]), the deterministic [`offline`] model, and the [`scripted`] model for tests
//! and demos. Steps and probes both call a model through [`ModelHandle::ask`], which limits silence and skips a
//! provider that is down. Dropping its stream cancels a call. This module makes no retries: an error carries its
//! [`ErrorClass`], and the engine decides (J7).

mod answer_size;
mod asking;
mod conversation;
mod fault;
mod health;
pub mod http;
pub(crate) mod marks;
pub mod offline;
mod paced;
mod protocol;
pub mod provider;
pub mod registry;
pub mod scripted;
pub mod secret;
mod throttle;
pub mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::domain::Kept;
pub use crate::domain::Stop;
pub use asking::{ModelHandle, STEP_TIMEOUT};
pub(crate) use fault::raise;
pub use registry::{KeyState, Models};

/// A model: returns a stream of [`Delta`]s for a [`Prompt`].
pub trait ChatModel: Send + Sync {
    /// Starts one model call.
    ///
    /// The stream ends after exactly one [`Delta::Done`] or one `Err`; nothing follows either.
    /// Dropping the stream cancels the call. The only time-out applied here is for connecting.
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>>;

    /// Queries the server for the model's context window; `None` if it cannot tell, or was queried before. To be called
    /// before a prompt of more than [`window::ALWAYS_FITS`] tokens.
    fn learn_window(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// The next piece of the text.
    Text(String),
    /// The next piece of the reasoning.
    Reasoning(String),
    /// All text sent so far was reasoning: the model wrote a closing thought tag whose opening tag the server removed.
    TextWasReasoning,
    /// The connection is alive but sent no content: a comment, a ping or an incomplete part.
    Alive,
    /// The model is writing a call of this tool; [`Delta::Done`] carries the arguments. Sent again for every piece of
    /// the arguments, so that a long call does not look like a stalled answer.
    ToolCallStarted {
        /// The tool's name.
        name: String,
    },
    /// The answer is complete.
    Done(Done),
}

/// The end of a complete answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    /// Why the model stopped.
    pub stop: Stop,
    /// The tool calls, in order. Arguments are JSON objects: anything else has already become an error.
    pub calls: Vec<ToolCall>,
    /// Tokens read and written, as counted by the provider.
    pub usage: Usage,
    /// Data the provider wants back with this answer; `None` if it wants none.
    pub kept: Option<Kept>,
}

/// Tokens of one call, as counted by the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// Those of the tokens read that came from the provider's cache; 0 if it does not tell.
    pub cached: u64,
    /// Those of the tokens written that are reasoning; 0 if the provider does not tell.
    pub reasoning: u64,
}

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, unique within the step.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// A JSON object.
    pub arguments: serde_json::Value,
}

/// Everything a model receives for one step.
///
/// Structured, so that the offline model reads it without parsing; real providers get [`Prompt::system_text`] and the
/// entries. The order suits provider caches: unchanging parts first, blocks last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompt {
    /// The speaking agent's short name.
    pub agent: String,
    /// The model's name behind the provider, for example `gpt-4.1-mini`.
    pub model: String,
    /// Instructions, group framing and tool guidance.
    pub system: String,
    /// The agent's committed memory blocks, in stable order.
    pub memory: Vec<MemoryBlock>,
    /// The conversation as this agent sees it, oldest first.
    pub entries: Vec<PromptMessage>,
    /// Data providers want back with the agent's own entries, by index in `entries`.
    pub kept: BTreeMap<usize, Kept>,
    /// The tools the agent may call.
    pub tools: Vec<Arc<ToolSpec>>,
    /// Sampling temperature; `None` if the agent sets none.
    pub temperature: Option<f64>,
    /// The maximum number of tokens in the answer; `None` for no limit.
    pub max_tokens: Option<u32>,
    /// The position of this call; used only by the scripted and the offline model.
    pub place: CallContext,
}

/// The position of a model call in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallContext {
    /// The conversation's turn, from 1. For a job: the last turn of its window.
    pub turn: u64,
    /// The step within the speech or job, from 1.
    pub step: u32,
    /// The attempt at this step, from 1.
    pub attempt: u32,
    /// True for a background job.
    pub background: bool,
}

/// A memory block as the prompt shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryBlock {
    /// The block's label.
    pub label: String,
    /// Its purpose.
    pub description: String,
    /// Its committed value.
    pub value: String,
    /// Its limit in code points.
    pub limit: u32,
    /// True if edit tools reject it.
    pub read_only: bool,
    /// The committed version.
    pub version: u64,
    /// Who changed it since this agent last spoke; `None` if nobody did.
    pub changed_by: Option<String>,
    /// True if its text is kept on this machine and the model runs elsewhere; the value says so.
    pub kept_here: bool,
}

/// One entry of the conversation as an agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum PromptMessage {
    /// Text from someone else: a person (`None`) or an agent by its short name.
    User {
        /// The speaker; `None` is the person.
        by: Option<String>,
        /// The text.
        text: String,
    },
    /// What this agent itself said and called in one step.
    Assistant {
        /// Its text; may be empty if it only called tools.
        text: String,
        /// Its calls, each answered by one later [`PromptMessage::ToolResult`].
        calls: Vec<ToolCall>,
    },
    /// The result of one of this agent's calls.
    ToolResult {
        /// The id of the call.
        call: String,
        /// The tool's name.
        name: String,
        /// False if the tool refused or failed.
        ok: bool,
        /// The tool's output.
        text: String,
    },
    /// A note from the engine: instructions for this step, a pass, an error of another member.
    System {
        /// The text.
        text: String,
    },
}

/// A tool as described to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// When and how to use it.
    pub description: String,
    /// JSON schema of its arguments; always an object schema.
    pub schema: serde_json::Value,
}

impl Prompt {
    /// Returns the system text for a real provider: [`Prompt::system`], the format of the conversation, the blocks; empty
    /// if there are neither instructions nor blocks.
    #[must_use]
    pub fn system_text(&self) -> String {
        let (system, memory) = (self.system.trim(), marks::memory(&self.memory));
        let format = if system.is_empty() && memory.is_empty() { "" } else { marks::FORMAT };
        let parts = [system, format, &memory];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

/// The kind of an error, which determines what the engine does about it (J7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// 429, 5xx, time-out, broken stream: worth retrying.
    Transient,
    /// Bad key, bad request, refusal, unknown model: a retry fails the same way.
    Terminal,
    /// The prompt exceeds the model's window: worth retrying with a shorter one.
    TooLong,
    /// The provider failed too often and was not called: worth retrying after [`ModelError::retry_after`].
    Down,
}

/// A failed model call, as a sentence a person can act on. Never contains a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct ModelError {
    /// The kind of the error.
    pub class: ErrorClass,
    /// One sentence: what happened and, if possible, what to do. For example "429 from openai: too many requests".
    pub text: String,
    /// How long the provider asks to wait; `None` if it does not say.
    pub retry_after: Option<Duration>,
}

impl ModelError {
    /// Creates an error that is worth retrying.
    #[must_use]
    pub fn transient(text: impl Into<String>) -> Self {
        Self { class: ErrorClass::Transient, text: text.into(), retry_after: None }
    }

    /// True if the same call can succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self.class {
            ErrorClass::Transient | ErrorClass::Down => true,
            ErrorClass::Terminal | ErrorClass::TooLong => false,
        }
    }

    /// Creates an error that a retry cannot fix.
    #[must_use]
    pub fn terminal(text: impl Into<String>) -> Self {
        Self { class: ErrorClass::Terminal, text: text.into(), retry_after: None }
    }
}
