//! Models: what a step asks, and the stream that answers.
//!
//! [`ChatModel`] is the one port. Behind it stand the real providers ([`provider`], whose four protocols are spoken
//! in `protocol` and travel by [`http`]), the deterministic [`offline`] model and the [`scripted`] model of tests and
//! demos. [`ModelHandle::ask`] is how a model is asked, by a step and by a probe alike: it measures silence and
//! leaves alone a provider that is down.
//! A model is cancelled by dropping its stream. Retries are not made here: an error carries its
//! [`ErrorClass`], and the engine decides (J7).

mod asking;
mod conversation;
mod fault;
mod health;
pub mod http;
pub mod offline;
mod paced;
mod protocol;
pub mod provider;
pub mod registry;
pub mod scripted;
pub mod secret;
pub mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::domain::Kept;
pub use asking::ModelHandle;
pub(crate) use fault::raise;
pub use registry::{KeyState, Models};

/// Something that answers a [`Prompt`] with a stream of [`Delta`]s.
pub trait ChatModel: Send + Sync {
    /// Starts one model call.
    ///
    /// The stream ends after exactly one [`Delta::Done`] or one `Err`; nothing follows either.
    /// Dropping the stream cancels the call. No time-out is applied here, except on connecting.
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>>;
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// More of the text.
    Text(String),
    /// More of the reasoning.
    Reasoning(String),
    /// Every word given so far was reasoning: the model closed a thought whose beginning the server had taken off.
    TextWasReasoning,
    /// The connection lives and has nothing to tell: a comment, a ping, a part of something.
    Alive,
    /// The model is writing a call of this tool; its arguments come with [`Delta::Done`]. It comes again
    /// for every piece of the arguments, so that a long call is not taken for a stalled answer.
    ToolCallStarted {
        /// The tool's name.
        name: String,
    },
    /// The answer is whole.
    Done(Done),
}

/// The end of a whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    /// Why the model stopped.
    pub stop: Stop,
    /// The tool calls, in order. Arguments are JSON objects: anything else was an error before.
    pub calls: Vec<ToolCall>,
    /// Tokens read and written, as the provider counts them.
    pub usage: Usage,
    /// What the provider wants back with this answer, where it wants anything.
    pub kept: Option<Kept>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It had said all.
    #[default]
    End,
    /// It wants tools to be called.
    Calls,
    /// The token limit cut it.
    Length,
    /// The model's window is full.
    Window,
    /// The model refused; its words, if there are any, say so.
    Refused,
    /// The provider's filter cut it.
    Filtered,
    /// It paused and is to be asked to go on.
    Paused,
    /// It stopped as if it had said all, and had said nothing.
    Empty,
    /// The provider did not say.
    Unknown,
}

/// Tokens of one call, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
}

/// A tool call as a model wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, unique within the step.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// A JSON object.
    pub arguments: serde_json::Value,
}

/// Everything a model is told for one step.
///
/// It is structured so that the offline model reads it without parsing; real providers get
/// [`Prompt::system_text`] and the entries. The order is made for provider caches: what does not
/// change stands first, blocks last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompt {
    /// The speaking agent's short name.
    pub agent: String,
    /// The model's name behind the provider, for example `gpt-4.1-mini`.
    pub model: String,
    /// Instructions, group framing and tool guidance.
    pub system: String,
    /// The agent's memory blocks as committed, in stable order.
    pub memory: Vec<MemoryBlock>,
    /// The conversation as this agent sees it, oldest first.
    pub entries: Vec<PromptMessage>,
    /// What providers want back with the agent's own entries, by their place in `entries`.
    pub kept: BTreeMap<usize, Kept>,
    /// What the agent may call.
    pub tools: Vec<ToolSpec>,
    /// Sampling temperature, where the agent sets one.
    pub temperature: Option<f64>,
    /// The most tokens the answer may have.
    pub max_tokens: Option<u32>,
    /// Where this call stands; only the scripted and the offline model look at it.
    pub place: CallContext,
}

/// Where a model call stands in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallContext {
    /// The conversation's turn, from 1. For a job: the turn its window ends with.
    pub turn: u64,
    /// The step within the speech or job, from 1.
    pub step: u32,
    /// The attempt at this step, from 1.
    pub attempt: u32,
    /// True for a background job.
    pub background: bool,
}

/// A block as a prompt shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryBlock {
    /// The block's label.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// Its committed value.
    pub value: String,
    /// Its limit in code points.
    pub limit: u32,
    /// True when edit tools refuse it.
    pub read_only: bool,
    /// The committed version.
    pub version: u64,
    /// Who changed it since this agent last spoke, if anybody did.
    pub changed_by: Option<String>,
}

/// One entry of the conversation as an agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum PromptMessage {
    /// Words of somebody else: a person (`None`) or an agent by its short name.
    User {
        /// The speaker; `None` is the person.
        by: Option<String>,
        /// The words.
        text: String,
    },
    /// What this agent itself said and called in one step.
    Assistant {
        /// Its words; may be empty when it only called tools.
        text: String,
        /// Its calls, each answered by one [`PromptMessage::ToolResult`] that follows.
        calls: Vec<ToolCall>,
    },
    /// The result of one of this agent's calls.
    ToolResult {
        /// The id of the call.
        call: String,
        /// The tool's name.
        name: String,
        /// False when the tool refused or failed.
        ok: bool,
        /// What the tool says.
        text: String,
    },
    /// A note of the engine: instructions for this step, a pass, an error of another member.
    System {
        /// The words.
        text: String,
    },
}

/// A tool as a model is told of it.
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
    /// The system text a real provider is sent: [`Prompt::system`], then the blocks.
    #[must_use]
    pub fn system_text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = self.system.clone();
        if self.memory.is_empty() {
            return text;
        }
        text.push_str("\n\n<memory_blocks>\nYour memory. Other agents and people may share and change these blocks.\n");
        for block in &self.memory {
            let _ = write!(
                text,
                "\n<{label}>\n<description>{}</description>\n<metadata>",
                block.description,
                label = block.label
            );
            if block.read_only {
                text.push_str("\n- read_only=true");
            }
            let _ = write!(
                text,
                "\n- chars_current={}\n- chars_limit={}\n- version={}",
                block.value.chars().count(),
                block.limit,
                block.version
            );
            if let Some(name) = &block.changed_by {
                let _ = write!(text, "\n- changed since you last spoke by {name}");
            }
            let _ = write!(text, "\n</metadata>\n<value>\n{}\n</value>\n</{}>\n", block.value, block.label);
        }
        text.push_str("</memory_blocks>");
        text
    }
}

/// What kind of fault an error is, and so what the engine does about it (J7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// 429, 5xx, time-out, cut stream: worth trying again.
    Transient,
    /// Bad key, bad request, refusal, unknown model: trying again changes nothing.
    Terminal,
    /// The prompt is longer than the model holds: worth trying again with a shorter one.
    TooLong,
    /// The provider failed too often and was not asked: worth trying again after [`ModelError::retry_after`].
    Down,
}

/// A failed model call, as a sentence a person can act on. Never carries a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct ModelError {
    /// What the engine does about it.
    pub class: ErrorClass,
    /// One sentence: what happened and, where there is something, what to do. For example
    /// "429 from openai: too many requests".
    pub text: String,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

impl ModelError {
    /// A fault worth trying again.
    #[must_use]
    pub fn transient(text: impl Into<String>) -> Self {
        Self { class: ErrorClass::Transient, text: text.into(), retry_after: None }
    }

    /// A fault that stays.
    #[must_use]
    pub fn terminal(text: impl Into<String>) -> Self {
        Self { class: ErrorClass::Terminal, text: text.into(), retry_after: None }
    }
}
