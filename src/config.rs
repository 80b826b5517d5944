//! `config.toml`: read, checked, and written by the model dialog (F2).

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the configuration says. [`Config::default`] is an absent file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What an agent without a model uses, `provider/model` or `offline`.
    pub model: String,
    /// `terminal`, `dark`, `light`, or the name of a file in `themes/` of the configuration directory.
    pub theme: String,
    /// Which glyphs the screen uses.
    pub glyphs: Glyphs,
    /// Named providers.
    pub provider: BTreeMap<String, Provider>,
}

/// The glyph set of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Glyphs {
    /// Unicode signs.
    #[default]
    Unicode,
    /// ASCII signs.
    Ascii,
}

/// One `[provider.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// Where it listens; absent for the provider's own address.
    pub base_url: Option<String>,
    /// Where its key comes from.
    pub key: KeySource,
    /// How many calls may run at once; absent: 50, and 1 for a server on this machine.
    pub max_parallel: Option<u32>,
}

/// The protocols we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// `OpenAI` and all that speaks its chat protocol.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// Ollama.
    Ollama,
}

/// Where a key comes from. The key itself is never part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable of this name.
    Env(String),
    /// The first line of this file.
    File(PathBuf),
    /// The server wants none.
    None,
}
