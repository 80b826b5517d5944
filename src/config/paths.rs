//! The directories and files of the program: the XDG base directories, from a given environment.

use std::path::PathBuf;

use super::ConfigError;

/// The directories of the program. They are not created here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `$XDG_CONFIG_HOME/nightdesk`, by default `~/.config/nightdesk`.
    pub config_dir: PathBuf,
    /// `$XDG_DATA_HOME/nightdesk`, by default `~/.local/share/nightdesk`.
    pub data_dir: PathBuf,
    /// `$XDG_STATE_HOME/nightdesk`, by default `~/.local/state/nightdesk`; holds the logs.
    pub state_dir: PathBuf,
}

impl Paths {
    /// Reads `HOME` and the `XDG_…_HOME` variables through `env`. A variable that is not an absolute path counts as
    /// unset, as the XDG specification requires.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] if `HOME` and one of the other three are unset.
    pub fn new(env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let dir = |name: &str, below_home: &str| {
            absolute(name)
                .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
                .map(|base| base.join("nightdesk"))
                .ok_or(ConfigError::NoHome)
        };
        Ok(Self {
            config_dir: dir("XDG_CONFIG_HOME", ".config")?,
            data_dir: dir("XDG_DATA_HOME", ".local/share")?,
            state_dir: dir("XDG_STATE_HOME", ".local/state")?,
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// The directory of the user's themes.
    #[must_use]
    pub fn themes_dir(&self) -> PathBuf {
        self.config_dir.join("themes")
    }

    /// The default store.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.data_dir.join("desk.db")
    }

    /// The directory of the logs.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.state_dir.join("logs")
    }
}
