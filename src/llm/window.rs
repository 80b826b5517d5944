//! A model's context window: from the configuration, its server, a built-in list, or a refusal.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Prompt;
use super::http::{Address, Client};
use super::paced::bytes_of;
use super::secret::Key;
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
/// A cautious estimate of bytes per token: English has four, other scripts and JSON fewer.
const BYTES_PER_TOKEN: usize = 3;
/// In tokens: a prompt up to this size fits every window, so the server is not queried.
const ALWAYS_FITS: u32 = 4_096;
/// The smallest window requested from Ollama, in tokens. Each change reloads the model, so it grows in large steps.
const LEAST_ASKED: u32 = 8_192;
/// Tokens reserved for an answer without a limit.
const ANSWER: u32 = 2_048;
/// Bytes reserved for instructions, blocks and tools.
const FRAME_BYTES: usize = 8 << 10;
/// The minimum length of a conversation after cutting, in bytes.
const LEAST_BYTES: usize = 4 << 10;

/// The context window of one model, shared by all its handles.
#[derive(Debug, Default)]
pub struct Window {
    configured: Option<u32>,
    known: Option<u32>,
    asked: OnceCell<Option<u32>>,
    /// The largest window requested from Ollama so far, in tokens.
    reserved: AtomicU32,
    /// The limit in bytes of conversation after the last refusal; 0 if there was none.
    learned: AtomicUsize,
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

    /// Returns how many bytes of conversation a prompt may quote, at most `usual`.
    #[must_use]
    pub fn conversation_bytes(&self, usual: usize) -> usize {
        let holds = self.tokens().map_or(usual, |tokens| {
            (tokens as usize).saturating_mul(BYTES_PER_TOKEN).saturating_sub(FRAME_BYTES).max(LEAST_BYTES)
        });
        let learned = match self.learned.load(Ordering::Relaxed) {
            0 => usual,
            learned => learned,
        };
        usual.min(holds).min(learned)
    }

    /// Halves the limit after a prompt with `bytes` of conversation was too long. Returns false if nothing more can be
    /// cut.
    #[must_use]
    pub fn shrink(&self, bytes: usize) -> bool {
        let less = bytes / 2;
        if less < LEAST_BYTES {
            return false;
        }
        self.learned.store(less, Ordering::Relaxed);
        true
    }

    /// Returns the window to request from Ollama for this prompt, in tokens; queries the model's maximum once.
    pub(super) async fn to_ask_for(&self, server: &Server<'_>, prompt: &Prompt) -> u32 {
        if let Some(tokens) = self.configured {
            return tokens;
        }
        let needed = tokens_of(prompt).saturating_add(prompt.max_tokens.unwrap_or(ANSWER));
        self.learn(server, prompt).await;
        let most = self.asked.get().copied().flatten().unwrap_or(u32::MAX);
        let wanted = needed.max(LEAST_ASKED).checked_next_power_of_two().unwrap_or(u32::MAX).min(most);
        self.reserved.fetch_max(wanted, Ordering::Relaxed).max(wanted)
    }

    /// Queries the window once, if the server supports it and the prompt might not fit.
    pub(super) async fn learn(&self, server: &Server<'_>, prompt: &Prompt) {
        let tells =
            server.kind == ProviderKind::Ollama || server.kind == ProviderKind::OpenAi && server.address.is_local();
        if self.configured.is_none() && tells && tokens_of(prompt) > ALWAYS_FITS {
            self.asked.get_or_init(|| ask(server)).await;
        }
    }
}

fn tokens_of(prompt: &Prompt) -> u32 {
    let tools: usize = prompt.tools.iter().map(|tool| tool.description.len() + tool.schema.to_string().len()).sum();
    u32::try_from((bytes_of(prompt) + tools) / BYTES_PER_TOKEN).unwrap_or(u32::MAX)
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
    use super::Window;
    use crate::config::Limits;

    #[test]
    fn what_is_told_counts_before_what_is_known_and_a_refusal_halves_it() {
        let told = Limits { context: Some(8_192), contexts: [("big".to_owned(), 65_536)].into(), ..Limits::default() };
        assert_eq!(Window::new(&told, "gpt-4o").tokens(), Some(8_192));
        assert_eq!(Window::new(&told, "big").tokens(), Some(65_536));
        let none = Limits::default();
        assert_eq!(Window::new(&none, "gpt-4-0613").tokens(), Some(8_192));
        assert_eq!(Window::new(&none, "anthropic/claude-sonnet-4-5").tokens(), Some(200_000));
        let unknown = Window::new(&none, "mine");
        assert_eq!((unknown.tokens(), unknown.conversation_bytes(96_000)), (None, 96_000));
        assert!(unknown.shrink(96_000));
        assert_eq!(unknown.conversation_bytes(96_000), 48_000);
        assert!(!unknown.shrink(5_000));
        assert_eq!(Window::new(&told, "m").conversation_bytes(96_000), 8_192 * 3 - 8_192);
    }
}
