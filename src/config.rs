//! `config.toml`: its contents ([`Config`]), its checks, and changes that keep the rest of the file
//! ([`save_provider`], [`save_choice`]). Also the directories of the program ([`Paths`]).
//!
//! An error is one sentence with the file, the line and what is allowed there. The file never contains a key, only
//! where to find it.

mod care;
mod check;
mod key_shape;
mod paths;
mod value;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use strum::{EnumIter, EnumString, IntoEnumIterator as _, IntoStaticStr, VariantNames};

use crate::text_file;
use crate::toml_file::Lines;

pub use care::{Care, LEAST_AGE};
pub use key_shape::begins_like_key;
pub use paths::Paths;
pub use write::{Choice, save_choice, save_provider};

/// The most bytes of the file.
const MOST_BYTES: u64 = 1 << 20;

/// The configuration. [`Config::default`] stands for a missing file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The model of agents that have none, `provider/model` or `offline`.
    pub model: String,
    /// `terminal`, `dark`, `light`, or the name of a file in `themes/` of the configuration directory.
    pub theme: String,
    /// The glyph set of the screen.
    pub glyphs: Glyphs,
    /// Whether the workbench takes the mouse; `None` means yes, except over SSH.
    pub mouse: Option<bool>,
    /// What becomes of the work when the terminal of a workbench is closed.
    pub on_hangup: OnHangup,
    /// The program, with its arguments, that tells what happens while no screen is there; empty for none.
    pub alert_command: Vec<String>,
    /// When the program takes care of the store.
    pub care: Care,
    /// The providers by name.
    pub provider: BTreeMap<String, Provider>,
}

/// The glyph sets; in the file their names are lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Glyphs {
    /// Unicode glyphs.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

/// What becomes of work that is due or scheduled when the terminal of a workbench is closed, as by a lost connection; in
/// the file their names are lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum OnHangup {
    /// It goes on without a screen.
    #[default]
    Work,
    /// It waits for the next start.
    Stop,
}

/// One `[provider.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its protocol.
    pub kind: ProviderKind,
    /// Its base URL; `None` for the public address of the provider.
    pub base_url: Option<String>,
    /// Where its key comes from.
    pub key: KeySource,
    /// Most calls at once; `None` means 50, or 1 for a server on this machine.
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
    /// Seconds for a whole step: the model call with all its tries, and the tool calls.
    pub step_timeout: Option<u32>,
    /// Tokens that each of its models holds, where nothing of its own is said of one.
    pub context: Option<u32>,
    /// Tokens that single models hold, by their names.
    pub contexts: BTreeMap<String, u32>,
}

/// The supported protocols, in display order. In lower case they are the values in the file, and the names of
/// providers that need no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ProviderKind {
    /// Anthropic.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// Ollama.
    Ollama,
    /// `OpenAI`, and servers with its chat protocol.
    OpenAi,
}

/// Where the API key is found. The key itself is never part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In the environment variable with this name.
    Env(String),
    /// In the first line of this file.
    File(PathBuf),
    /// The server needs no key.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: "offline".to_owned(),
            theme: "terminal".to_owned(),
            glyphs: Glyphs::default(),
            mouse: None,
            on_hangup: OnHangup::default(),
            alert_command: Vec::new(),
            care: Care::default(),
            provider: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads and checks the file; a missing file is [`Config::default`].
    ///
    /// # Errors
    /// [`ConfigError::Read`] if the file is unreadable, [`ConfigError::Bad`] for its first fault.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match text_file::read(path, MOST_BYTES) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    /// Parses and checks the text of a file; error sentences call it `file`.
    ///
    /// # Errors
    /// [`ConfigError::Bad`] for the first fault.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        check::config(text).map_err(|fault| ConfigError::Bad {
            file: file.to_owned(),
            line: Lines::of(text).line(fault.at),
            text: fault.text,
        })
    }

    /// Returns the names of all environment variables that may hold a key: the usual ones and those named here.
    #[must_use]
    pub fn key_variables(&self) -> Vec<String> {
        let usual = ProviderKind::iter().filter_map(ProviderKind::usual_key).map(str::to_owned);
        let named = self.provider.values().filter_map(|provider| match &provider.key {
            KeySource::Env(name) => Some(name.clone()),
            KeySource::File(_) | KeySource::None => None,
        });
        usual.chain(named).collect()
    }
}

impl ProviderKind {
    /// The environment variable that usually holds its key; `None` for Ollama, which needs no key.
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

/// An error of the configuration, as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file exists but is unreadable.
    #[error("cannot read {}: {source}; check that it is a text file and that you may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file has invalid contents.
    #[error("{file}:{line}: {text}")]
    Bad {
        /// The file, as named by the caller.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there and what is allowed.
        text: String,
    },
    /// The file cannot be written and is unchanged.
    #[error("cannot write {}: {source}; the file is unchanged", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The directories of the program are unknown.
    #[error("HOME is not set to an absolute path, so there is no place for configuration and data; set HOME")]
    NoHome,
}
