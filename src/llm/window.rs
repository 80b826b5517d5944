//! A model's context window: from the configuration, its server, a built-in list, or a refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::http::{Address, Client};
use super::secret::Key;
use super::{Prompt, PromptMessage, ToolCall, ToolSpec};
use crate::config::{Limits, ProviderKind};

/// Windows that are well known or unusually small, by prefix of the model's name.
const KNOWN: [(&str, u32); 8] = [
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_000_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4", 8_192),
    ("gpt-3.5-turbo", 16_385),
    ("claude-2", 100_000),
    ("claude-", 200_000),
    ("gemini-", 1_000_000),
];
/// In tokens: a prompt up to this size fits every window, so the server is not queried.
pub const ALWAYS_FITS: usize = 4_096;
/// The smallest window requested from Ollama, in tokens. Each change reloads the model, so it grows in large steps.
const LEAST_ASKED: u32 = 8_192;
/// Tokens reserved for an answer without a limit, at least.
const ANSWER: u32 = 2_048;
/// Tokens reserved for an answer without a limit, at most: a large block in one call.
const LARGE_ANSWER: u32 = 16_384;
/// The window of a model about which nothing is known, in tokens.
const UNKNOWN: u32 = 65_536;
/// Tokens of conversation in a prompt, unless the configuration says how much the model holds: more costs more at
/// every step, and older messages stay searchable.
pub const USUAL: usize = 32_768;
/// The smallest prompt that a refusal leads to, in tokens.
const LEAST: usize = 1_024;
/// No token is estimated shorter than this many bytes.
pub const MOST_BYTES_PER_TOKEN: usize = 3;
/// Tokens around an entry: its frame, its speaker, its ids.
pub const FRAME: usize = 16;

/// Estimates the tokens of a text, rather too many than too few: English has four bytes a token, figures, signs and
/// other scripts fewer.
#[must_use]
pub fn tokens(text: &str) -> usize {
    let sixths = |byte: u8| if byte.is_ascii_alphabetic() || byte == b' ' { 2 } else { 3 };
    text.bytes().map(sixths).sum::<usize>().div_ceil(6)
}

/// Estimates the tokens of an entry as it is sent.
#[must_use]
pub fn entry_tokens(entry: &PromptMessage) -> usize {
    FRAME
        + match entry {
            PromptMessage::User { by, text } => by.as_deref().map_or(0, tokens) + tokens(text),
            PromptMessage::System { text } | PromptMessage::ToolResult { text, .. } => tokens(text),
            PromptMessage::Assistant { text, calls } => tokens(text) + calls.iter().map(call_tokens).sum::<usize>(),
        }
}

/// Estimates the tokens of a call.
#[must_use]
pub fn call_tokens(call: &ToolCall) -> usize {
    FRAME + tokens(&call.name) + tokens(&call.arguments.to_string())
}

/// Estimates the tokens of a prompt: system text with blocks, tools, entries.
#[must_use]
pub fn prompt_tokens(prompt: &Prompt) -> usize {
    let tool = |tool: &Arc<ToolSpec>| FRAME + tokens(&tool.description) + tokens(&tool.schema.to_string());
    tokens(&prompt.system_text())
        + prompt.tools.iter().map(tool).sum::<usize>()
        + prompt.entries.iter().map(entry_tokens).sum::<usize>()
}

/// How much a prompt may hold, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Everything that is sent.
    total: usize,
    /// The conversation in it.
    conversation: usize,
}

impl Budget {
    /// Returns the room for the conversation beside `fixed` tokens of instructions, blocks and tools. A fraction of the
    /// window always remains, and the room moves in steps, so that a small edit of a block does not change what is cut.
    #[must_use]
    pub fn beside(&self, fixed: usize) -> usize {
        let room = self.total.saturating_sub(fixed).max(self.total / 8).min(self.conversation);
        let step = (self.total / 32).max(1);
        if room > step { room - room % step } else { room }
    }

    /// Returns the most bytes of conversation that can fit.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.conversation * MOST_BYTES_PER_TOKEN
    }

    /// Returns the most tokens of one tool result.
    #[must_use]
    pub fn result(&self) -> usize {
        self.conversation / 3
    }

    /// Returns the most tokens of one text of an earlier turn or of another member.
    #[must_use]
    pub fn text(&self) -> usize {
        self.conversation / 2
    }

    /// Returns the tokens to which texts and results early in a long turn are shortened.
    #[must_use]
    pub fn shortened(&self) -> usize {
        (self.conversation / 64).max(64)
    }
}

/// The context window of one model, shared by all its handles.
#[derive(Debug, Default)]
pub struct Window {
    configured: Option<u32>,
    known: Option<u32>,
    asked: OnceCell<Option<u32>>,
    /// The largest window requested from Ollama so far, in tokens.
    reserved: AtomicU32,
    /// The limit of a prompt in tokens after a refusal; 0 if there was none.
    learned: AtomicUsize,
    /// The limit of an answer in tokens after a refusal; 0 if there was none.
    answer: AtomicU32,
}

/// The server of a model, to query its window.
pub(super) struct Server<'a> {
    pub kind: ProviderKind,
    pub address: &'a Address,
    pub client: &'a Client,
    pub model: &'a str,
    pub key: Option<&'a Key>,
}

impl Window {
    /// Creates the window from the configuration and the built-in list, without a query.
    #[must_use]
    pub fn new(limits: &Limits, model: &str) -> Self {
        let configured = limits.contexts.get(model).copied().or(limits.context);
        let name = model.rsplit('/').next().unwrap_or(model);
        let known = KNOWN.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, tokens)| *tokens);
        Self { configured, known, ..Self::default() }
    }

    /// Returns the window in tokens; `None` if unknown.
    #[must_use]
    pub fn tokens(&self) -> Option<u32> {
        self.configured.or_else(|| self.asked.get().copied().flatten()).or(self.known)
    }

    /// Returns what a prompt may hold beside an answer of `max_tokens`.
    #[must_use]
    pub fn budget(&self, max_tokens: Option<u32>) -> Budget {
        let window = self.tokens().unwrap_or(UNKNOWN);
        let answer = max_tokens.unwrap_or_else(|| (window / 8).clamp(ANSWER, LARGE_ANSWER)).min(window / 4);
        let mut total = (window - answer) as usize;
        let learned = self.learned.load(Ordering::Relaxed);
        if learned > 0 {
            total = total.min(learned);
        }
        let conversation = if self.configured.is_some() { total } else { total.min(USUAL) };
        Budget { total, conversation }
    }

    /// Halves the limit after a prompt of so many tokens was too long. Returns false if nothing more can be cut.
    #[must_use]
    pub fn shrink(&self, sent: usize) -> bool {
        let less = sent / 2;
        if less < LEAST {
            return false;
        }
        let known = |learned: usize| Some(if learned == 0 { less } else { less.min(learned) });
        let _ = self.learned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, known);
        true
    }

    /// Returns the most tokens of an answer to ask for: what the agent sets, else what the protocol needs beside a
    /// prompt, and no more than the server has accepted.
    pub(super) fn answer_limit(&self, set: Option<u32>, needed: Option<u32>) -> Option<u32> {
        let fits = |needed: u32| self.tokens().map_or(needed, |window| needed.min(window / 4));
        let wanted = set.or_else(|| needed.map(fits));
        match self.answer.load(Ordering::Relaxed) {
            0 => wanted,
            most => wanted.map(|wanted| wanted.min(most)),
        }
    }

    /// Lowers the most tokens of an answer after the server refused a higher limit.
    pub(super) fn lower_answer(&self, most: u32) {
        self.answer.store(most.max(1), Ordering::Relaxed);
    }

    /// Returns the window to request from Ollama for this prompt, in tokens; queries the model's maximum once.
    pub(super) async fn to_ask_for(&self, server: &Server<'_>, prompt: &Prompt) -> u32 {
        if let Some(tokens) = self.configured {
            return tokens;
        }
        let size = prompt_tokens(prompt);
        if size > ALWAYS_FITS && self.is_asked_for(server.kind, server.address) {
            self.learn(server).await;
        }
        let needed = u32::try_from(size).unwrap_or(u32::MAX).saturating_add(prompt.max_tokens.unwrap_or(ANSWER));
        let most = self.asked.get().copied().flatten().unwrap_or(u32::MAX);
        let wanted = needed.max(LEAST_ASKED).checked_next_power_of_two().unwrap_or(u32::MAX).min(most);
        self.reserved.fetch_max(wanted, Ordering::Relaxed).max(wanted)
    }

    /// Returns true if the server can tell the window and was not queried yet.
    pub(super) fn is_asked_for(&self, kind: ProviderKind, address: &Address) -> bool {
        let tells = kind == ProviderKind::Ollama || kind == ProviderKind::OpenAi && address.is_local();
        self.configured.is_none() && tells && !self.asked.initialized()
    }

    /// Queries the window, once.
    pub(super) async fn learn(&self, server: &Server<'_>) {
        self.asked.get_or_init(|| ask(server)).await;
    }
}

async fn ask(server: &Server<'_>) -> Option<u32> {
    let key = server.key.map(Key::expose);
    let address = server.address;
    let question =
        async |url: String, body: Option<Value>| server.client.question(address, &url, body.as_ref(), key).await;
    if server.kind == ProviderKind::Ollama {
        let shown = question(address.below("api/show"), Some(json!({"model": server.model}))).await?;
        let info = shown.get("model_info")?.as_object()?;
        let length = info.iter().find(|(name, _)| name.ends_with(".context_length"))?;
        return length.1.as_u64().and_then(|tokens| u32::try_from(tokens).ok());
    }
    // llama.cpp reports it at its root; it and others also report it in the model list.
    let root = address.shown().trim_end_matches("/v1");
    let props = question(format!("{root}/props"), None).await;
    let told = props.as_ref().and_then(|props| props.pointer("/default_generation_settings/n_ctx"));
    if let Some(tokens) = told.and_then(Value::as_u64) {
        return u32::try_from(tokens).ok();
    }
    let models = question(address.below("models"), None).await?;
    let listed = models.get("data")?.as_array()?;
    let own = listed.iter().find(|model| model["id"] == server.model);
    let model = own.or_else(|| listed.first().filter(|_| listed.len() == 1))?;
    let places = ["/meta/n_ctx", "/max_model_len", "/context_length", "/context_window", "/meta/n_ctx_train"];
    let tokens = places.iter().find_map(|place| model.pointer(place).and_then(Value::as_u64))?;
    u32::try_from(tokens).ok()
}

#[cfg(test)]
mod tests {
    use super::{Budget, USUAL, Window, entry_tokens, tokens};
    use crate::config::Limits;
    use crate::llm::PromptMessage;

    #[test]
    fn an_estimate_counts_rather_too_many_tokens() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens(&"word ".repeat(6)), 10, "English has four bytes a token");
        assert_eq!(tokens("{\"a\": 1}"), 4, "signs and figures have fewer");
        assert_eq!(tokens("私の記憶は長い"), 11);
        let entry = PromptMessage::User { by: Some("ann".into()), text: String::new() };
        assert!(entry_tokens(&entry) > 10, "the frame of an entry counts");
    }

    #[test]
    fn what_is_told_counts_before_what_is_known_and_a_refusal_halves_what_was_sent() {
        let told = Limits { context: Some(8_192), contexts: [("big".to_owned(), 65_536)].into(), ..Limits::default() };
        assert_eq!(Window::new(&told, "gpt-4o").tokens(), Some(8_192));
        assert_eq!(Window::new(&told, "big").tokens(), Some(65_536));
        let none = Limits::default();
        assert_eq!(Window::new(&none, "gpt-4-0613").tokens(), Some(8_192));
        assert_eq!(Window::new(&none, "anthropic/claude-sonnet-4-5").tokens(), Some(200_000));
        let unknown = Window::new(&none, "mine");
        assert_eq!((unknown.tokens(), unknown.budget(None).conversation), (None, USUAL));
        assert!(unknown.shrink(30_000));
        assert_eq!(unknown.budget(None), Budget { total: 15_000, conversation: 15_000 });
        assert!(unknown.shrink(60_000), "a longer prompt, sent meanwhile, tells nothing new");
        assert_eq!(unknown.budget(None).total, 15_000);
        assert!(!unknown.shrink(2_000));
    }

    #[test]
    fn instructions_blocks_tools_and_the_answer_leave_the_conversation_the_rest() {
        let told = Limits { context: Some(8_192), ..Limits::default() };
        let budget = Window::new(&told, "m").budget(None);
        assert_eq!(budget.beside(0), 6_144, "a quarter is for the answer");
        assert_eq!(budget.beside(3_000), 3_072);
        assert_eq!(budget.beside(3_060), 3_072, "it moves in steps");
        assert_eq!(budget.beside(9_000), 768, "something is always shown");
        assert_eq!(Window::new(&told, "m").budget(Some(500)).beside(0), 7_680);
        let large = Limits { context: Some(400_000), ..Limits::default() };
        assert!(Window::new(&large, "m").budget(None).beside(0) > 380_000, "what is set is used");
        assert_eq!(Window::new(&Limits::default(), "claude-x").budget(None).beside(10_000), USUAL - USUAL % 5_738);
    }

    #[test]
    fn a_lower_limit_of_the_answer_is_kept() {
        let window = Window::default();
        assert_eq!((window.answer_limit(Some(9), Some(7)), window.answer_limit(None, None)), (Some(9), None));
        window.lower_answer(5);
        assert_eq!((window.answer_limit(None, Some(9)), window.answer_limit(Some(3), None)), (Some(5), Some(3)));
        let told = Limits { context: Some(8_192), ..Limits::default() };
        assert_eq!(
            Window::new(&told, "m").answer_limit(None, Some(16_384)),
            Some(2_048),
            "it leaves room for a prompt"
        );
    }
}
