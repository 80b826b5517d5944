//! The four chat protocols, one file each, and what they share.
//!
//! Each file holds a pure function that makes the body of a request, valid for its protocol whatever the
//! conversation holds, and a pure reader of the frames of an answer. Neither touches a network, so both are tested
//! by property. They are spoken directly, with reqwest and an SSE parser and nothing between: what servers do beside
//! the letter of a protocol is what conversations die of, and a client library for many providers drops it.
//!
//! - `conversation`: entries as turns that alternate, each call with its result, ids and names that are accepted;
//! - [`read`]: bytes to frames to deltas, with their bounds;
//! - [`answer`]: what the frames of any protocol are put together in; [`calls`], [`thoughts`], [`json`] beside it.

mod answer;
mod anthropic;
mod calls;
mod gemini;
mod json;
mod ollama;
mod openai;
pub(super) mod read;
#[cfg(test)]
mod tests;
mod thoughts;

use serde_json::Value;

use super::conversation::{Call, ToolResult, Turn, turns};
use super::{Prompt, ToolSpec};
use crate::config::ProviderKind as Protocol;
use crate::domain::Kept;
use answer::Answer;

/// What a request is made for, beside the prompt.
pub(super) struct Options<'a> {
    /// The provider's name, to know what it wants back.
    pub provider: &'a str,
    /// The model's name, sent as it is.
    pub model: &'a str,
    /// True at the vendor's own address.
    pub official: bool,
    /// How many tokens Ollama is asked to hold.
    pub num_ctx: Option<u32>,
    /// The names of the tools.
    pub names: Names,
}

/// The body of a request, valid for the protocol whatever the prompt holds.
pub(super) fn request(protocol: Protocol, prompt: &Prompt, options: &Options<'_>) -> Value {
    match protocol {
        Protocol::OpenAi => openai::request(prompt, options),
        Protocol::Anthropic => anthropic::request(prompt, options),
        Protocol::Gemini => gemini::request(prompt, options),
        Protocol::Ollama => ollama::request(prompt, options),
    }
}

/// Where a request goes, below the provider's address.
pub(super) fn path(protocol: Protocol, model: &str) -> String {
    match protocol {
        Protocol::OpenAi => "chat/completions".to_owned(),
        Protocol::Anthropic => "messages".to_owned(),
        Protocol::Gemini => format!("models/{model}:streamGenerateContent?alt=sse"),
        Protocol::Ollama => "api/chat".to_owned(),
    }
}

/// The most tokens an answer may have, where a limit is sent.
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

    /// Takes one frame; `event` is its name in the stream, empty where it has none.
    fn frame(&mut self, answer: &mut Answer, event: &str, frame: &Value) -> Result<(), Fault> {
        match (self, frame) {
            // A whole answer may come as the list of its frames.
            (reader, Value::Array(frames)) => frames.iter().try_for_each(|frame| reader.frame(answer, event, frame)),
            (Self::OpenAi, _) => openai::frame(answer, event, frame),
            (Self::Anthropic(blocks), _) => blocks.frame(answer, event, frame),
            (Self::Gemini, _) => gemini::frame(answer, event, frame),
            (Self::Ollama, _) => ollama::frame(answer, frame),
        }
    }
}

/// Why an answer is none. The sentence is made where the provider's name is known.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{self:?}")]
pub(super) enum Fault {
    /// The server told of an error, in JSON.
    Told(Value),
    /// The server said something that is no answer.
    Words(String),
    /// The server sent a web page with this title or these words.
    Page(String),
    /// The prompt was blocked, for this reason.
    Blocked(String),
    /// A call cannot be used.
    Malformed(String),
    /// The token limit came inside a call of this tool.
    Limit {
        /// The tool.
        call: String,
    },
    /// The answer is longer than is read.
    Endless(&'static str),
    /// The connection broke, or what came over it cannot be read.
    Broken(String),
    /// The answer ended before its end.
    Cut,
}

/// The names of the tools of a request: as the program knows them and as they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// Names that every protocol accepts, each another.
    pub fn of(tools: &[ToolSpec]) -> Self {
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

    /// The name as it is sent; one that is no tool's is only made acceptable.
    fn sent_for(&self, name: &str) -> String {
        let known = self.0.iter().find(|(original, _)| original == name);
        known.map_or_else(|| clean_name(name), |(_, sent)| sent.clone())
    }

    /// The name as the program knows it; one that was not sent stays as it is.
    fn original(&self, sent: &str) -> String {
        let known = self.0.iter().find(|(_, name)| name == sent);
        known.map_or(sent, |(original, _)| original).to_owned()
    }

    fn sent(&self) -> Vec<String> {
        self.0.iter().map(|(_, sent)| sent.clone()).collect()
    }
}

/// A name as every protocol takes it: `[a-zA-Z_][a-zA-Z0-9_-]{0,63}`.
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

/// Nine letters and digits that stand for an id: the one form that every server of `OpenAI`'s protocol takes.
fn short_id(id: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // FNV-1a: the same id has the same form in every request, so that a provider's cache holds.
    let mut hash =
        id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let digit = |_| {
        let digit = DIGITS[(hash % 62) as usize];
        hash /= 62;
        char::from(digit)
    };
    (0..9).map(digit).collect()
}

/// The system text; `None` where it is blank.
fn system(prompt: &Prompt) -> Option<String> {
    let system = prompt.system_text().trim().to_owned();
    (!system.is_empty()).then_some(system)
}

/// The prompt's entries as turns whose ids and names the protocol accepts.
fn turns_of(prompt: &Prompt, options: &Options<'_>, protocol: Protocol) -> Vec<Turn> {
    let id = |id: &str, kept: Option<&Kept>| match protocol {
        Protocol::OpenAi => openai::id(id, kept.is_some_and(|kept| kept.is_of(protocol.into(), options.provider))),
        Protocol::Anthropic => anthropic::id(id),
        Protocol::Gemini | Protocol::Ollama => id.to_owned(),
    };
    turns(&prompt.entries, &prompt.kept, id, |name| options.names.sent_for(name))
}

/// A constant of a protocol, in words.
fn in_words(word: &str) -> String {
    word.to_lowercase().replace('_', " ")
}
