//! `config.toml`: read, checked, and written by the model dialog (F2).
//!
//! Owns what the file may say ([`Config`]), how a file is checked (`check`), how the dialog changes
//! one without losing the rest of it ([`save_provider`], [`save_choice`]), and where the program's files
//! lie ([`Paths`]). A fault is one sentence with the file, the line and what is allowed there. No key
//! ever stands in the file: only where to find it.

mod check;
mod paths;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use strum::{EnumIter, EnumString, IntoStaticStr, VariantNames};

use crate::toml_file::Lines;

pub use paths::Paths;
pub use write::{Choice, save_choice, save_provider};

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

/// The glyph set of the screen, named in the file in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
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
    /// How long it may be silent, and how much its models hold.
    pub limits: Limits,
}

/// What a provider's entry may say of waiting and of size. Absent values have defaults in [`crate::llm`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Seconds until the first sign of an answer.
    pub first_token_timeout: Option<u32>,
    /// Seconds of silence within an answer.
    pub idle_timeout: Option<u32>,
    /// Tokens that each of its models holds, where nothing of its own is said of one.
    pub context: Option<u32>,
    /// Tokens that single models hold, by their names.
    pub contexts: BTreeMap<String, u32>,
}

/// The protocols we speak, in the order they are offered. In lower case they are the words in the file, and the names
/// of the providers that need no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ProviderKind {
    /// Anthropic.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// Ollama.
    Ollama,
    /// `OpenAI` and all that speaks its chat protocol.
    OpenAi,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            model: "offline".to_owned(),
            theme: "terminal".to_owned(),
            glyphs: Glyphs::default(),
            provider: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads and checks the file; an absent file is [`Config::default`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    /// Checks the text of a file; `file` is the name the sentences call it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        check::config(text).map_err(|fault| ConfigError::Bad {
            file: file.to_owned(),
            line: Lines::of(text).line(fault.at),
            text: fault.text,
        })
    }
}

impl ProviderKind {
    /// The variable its key usually lies in; Ollama wants none.
    #[must_use]
    pub fn usual_key(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("OPENAI_API_KEY"),
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::Gemini => Some("GEMINI_API_KEY"),
            Self::Ollama => None,
        }
    }
}

/// What is wrong with the configuration, as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}; see that it is a text file you may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something it may not.
    #[error("{file}:{line}: {text}")]
    Bad {
        /// The file, as the caller named it.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there and what is allowed.
        text: String,
    },
    /// The file cannot be written; the old one still stands.
    #[error("cannot write {}: {source}; the file is as it was", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no place for the program's files.
    #[error("HOME is not set to an absolute path, so there is no place for configuration and data; set HOME")]
    NoHome,
}
