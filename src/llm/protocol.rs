//! The four chat protocols, one file each, and their shared parts.
//!
//! Each file has a pure function that builds a request body, valid for any conversation, and a pure reader of answer
//! frames. Neither uses the network, so both have property tests. No client library is used, only reqwest and an SSE
//! parser: conversations fail on servers' deviations from a protocol, and general libraries drop that data.
//!
//! - `conversation`: entries as alternating turns, each call with its result, with accepted ids and names;
//! - [`read`]: bytes to frames to deltas, with limits;
//! - [`answer`]: assembles the frames of any protocol, with the help of [`calls`], [`thoughts`] and [`json`].

mod answer;
mod anthropic;
mod body;
mod calls;
mod gemini;
mod json;
mod ollama;
mod openai;
pub(super) mod read;
#[cfg(test)]
mod tests;
mod thoughts;

use std::sync::Arc;

use serde_json::Value;

use super::conversation::{Call, ToolResult, Turn, turns};
use super::{Prompt, ToolSpec};
use crate::config::ProviderKind as Protocol;
use crate::domain::Kept;
use answer::Answer;
use body::Body;

/// Request settings besides the prompt.
pub(super) struct Options<'a> {
    /// The provider's name, to select the data it wants back.
    pub provider: &'a str,
    /// The model's name, sent unchanged.
    pub model: &'a str,
    /// True for the vendor's own address.
    pub official: bool,
    /// The window requested from Ollama, in tokens; `None` for other protocols.
    pub num_ctx: Option<u32>,
    /// The maximum number of tokens in the answer; `None` for no limit.
    pub max_tokens: Option<u32>,
    /// The names of the tools.
    pub names: Names,
}

/// Builds the body of a request, valid for the protocol for any prompt.
pub(super) fn request<'a>(protocol: Protocol, prompt: &'a Prompt, options: &Options<'_>) -> Body<'a> {
    match protocol {
        Protocol::OpenAi => openai::request(prompt, options),
        Protocol::Anthropic => anthropic::request(prompt, options),
        Protocol::Gemini => gemini::request(prompt, options),
        Protocol::Ollama => ollama::request(prompt, options),
    }
}

/// Returns the request path below the provider's address.
pub(super) fn path(protocol: Protocol, model: &str) -> String {
    match protocol {
        Protocol::OpenAi => "chat/completions".to_owned(),
        Protocol::Anthropic => "messages".to_owned(),
        Protocol::Gemini => format!("models/{model}:streamGenerateContent?alt=sse"),
        Protocol::Ollama => "api/chat".to_owned(),
    }
}

/// Returns the maximum number of tokens in an answer to ask for; `None` for no limit.
pub(super) fn answer_limit(protocol: Protocol, prompt: &Prompt, model: &str) -> Option<u32> {
    match protocol {
        Protocol::Anthropic => Some(anthropic::max_tokens(prompt, model)),
        _ => prompt.max_tokens,
    }
}

/// Reads the frames of one answer.
enum Reader {
    OpenAi,
    Anthropic(anthropic::Blocks),
    Gemini,
    Ollama,
}

impl Reader {
    fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::OpenAi => Self::OpenAi,
            Protocol::Anthropic => Self::Anthropic(anthropic::Blocks::default()),
            Protocol::Gemini => Self::Gemini,
            Protocol::Ollama => Self::Ollama,
        }
    }

    /// Reads one frame; `event` is its name in the stream, empty if it has none.
    fn frame(&mut self, answer: &mut Answer, event: &str, frame: &Value) -> Result<(), Fault> {
        match (self, frame) {
            // A whole answer may be a list of its frames.
            (reader, Value::Array(frames)) => frames.iter().try_for_each(|frame| reader.frame(answer, event, frame)),
            (Self::OpenAi, _) => openai::frame(answer, event, frame),
            (Self::Anthropic(blocks), _) => blocks.frame(answer, event, frame),
            (Self::Gemini, _) => gemini::frame(answer, event, frame),
            (Self::Ollama, _) => ollama::frame(answer, frame),
        }
    }
}

/// Why an answer is unusable. The caller that knows the provider's name builds the sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{self:?}")]
pub(super) enum Fault {
    /// The server reported an error, in JSON.
    Told(Value),
    /// The server sent text that is not an answer.
    Words(String),
    /// The server sent a web page with this title or text.
    Page(String),
    /// The prompt was blocked, for this reason.
    Blocked(String),
    /// A call is unusable.
    Malformed(String),
    /// The answer reached the token limit inside a call of this tool.
    Limit {
        /// The tool.
        call: String,
    },
    /// The answer exceeds a size or time limit.
    Endless(&'static str),
    /// The connection broke, or its data is unreadable.
    Broken(String),
    /// The answer ended early.
    Cut,
}

/// The tool names of a request: as the program knows them and as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// Makes distinct names that every protocol accepts.
    pub fn of(tools: &[Arc<ToolSpec>]) -> Self {
        let mut names: Vec<(String, String)> = Vec::with_capacity(tools.len());
        for tool in tools {
            let clean = clean_name(&tool.name);
            let mut sent = clean.clone();
            let mut nth = 1;
            while names.iter().any(|(_, taken)| *taken == sent) {
                nth += 1;
                sent = format!("{}_{nth}", &clean[..clean.len().min(56)]);
            }
            names.push((tool.name.clone(), sent));
        }
        Self(names)
    }

    /// Returns the name as sent; an unknown name is only made valid.
    fn sent_for(&self, name: &str) -> String {
        let known = self.0.iter().find(|(original, _)| original == name);
        known.map_or_else(|| clean_name(name), |(_, sent)| sent.clone())
    }

    /// Returns the name as the program knows it; an unknown name stays unchanged.
    fn original(&self, sent: &str) -> String {
        let known = self.0.iter().find(|(_, name)| name == sent);
        known.map_or(sent, |(original, _)| original).to_owned()
    }

    fn sent(&self) -> Vec<String> {
        self.0.iter().map(|(_, sent)| sent.clone()).collect()
    }
}

/// Converts a name to the form every protocol accepts: `[a-zA-Z_][a-zA-Z0-9_-]{0,63}`.
fn clean_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let mut clean: String = name.chars().take(63).map(plain).collect();
    if clean.is_empty() {
        return "unnamed".to_owned();
    }
    if !clean.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        clean.insert(0, '_');
    }
    clean
}

/// Hashes an id to nine letters and digits, the one form every server of `OpenAI`'s protocol accepts.
fn short_id(id: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // FNV-1a: an id has the same form in every request, so that provider caches stay valid.
    let mut hash =
        id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let digit = |_| {
        let digit = DIGITS[(hash % 62) as usize];
        hash /= 62;
        char::from(digit)
    };
    (0..9).map(digit).collect()
}

/// Returns the system text; `None` if it is blank.
fn system(prompt: &Prompt) -> Option<String> {
    let system = prompt.system_text().trim().to_owned();
    (!system.is_empty()).then_some(system)
}

/// Converts the prompt's entries to turns with ids and names the protocol accepts.
fn turns_of(prompt: &Prompt, options: &Options<'_>, protocol: Protocol) -> Vec<Turn> {
    let id = |id: &str, kept: Option<&Kept>| match protocol {
        Protocol::OpenAi => openai::id(id, kept.is_some_and(|kept| kept.is_of(protocol.into(), options.provider))),
        Protocol::Anthropic => anthropic::id(id),
        Protocol::Gemini | Protocol::Ollama => id.to_owned(),
    };
    turns(&prompt.entries, &prompt.kept, id, |name| options.names.sent_for(name))
}

/// Returns a protocol constant as words.
fn in_words(word: &str) -> String {
    word.to_lowercase().replace('_', " ")
}
