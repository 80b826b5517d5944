//! Opens the store and its engine for a command.
//!
//! A command that only reads gets a read-only handle: it takes no lock and works beside any owner. A command that
//! writes becomes the owner and runs an engine, or connects to the owner if there is one that accepts connections.
//! Both take less than a second; otherwise the error names the process that owns the store.

use std::path::PathBuf;

use super::{CliError, log, print};
use crate::config::{self, Config};
use crate::engine::protocol::{Reply, Request};
use crate::engine::session::Session;
use crate::engine::{Handle, Options, Scope};
use crate::llm::Models;

/// Paths of the program's files.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Store file.
    pub store: PathBuf,
    /// Configuration file.
    pub config: PathBuf,
    /// XDG directories; `None` if the environment does not define them.
    pub dirs: Option<config::Paths>,
}

impl Paths {
    /// Takes the files from the command line and, if not given, from the XDG directories.
    ///
    /// # Errors
    /// A file is not given and the environment defines no directory for it.
    pub fn new(
        store: Option<PathBuf>,
        config: Option<PathBuf>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CliError> {
        let dirs = config::Paths::new(env);
        let (store, config) = match (store, config, &dirs) {
            (Some(store), Some(config), _) => (store, config),
            (store, config, Ok(dirs)) => {
                (store.unwrap_or_else(|| dirs.store_file()), config.unwrap_or_else(|| dirs.config_file()))
            }
            (_, _, Err(_)) => return Err(dirs.err().map_or_else(|| CliError::Message(String::new()), CliError::from)),
        };
        Ok(Self { store, config, dirs: dirs.ok() })
    }

    /// Starts logging to the state directory.
    pub fn keep_log(&self, env: impl Fn(&str) -> Option<String>) {
        if let Some(dirs) = &self.dirs {
            log::start(&dirs.log_dir(), env("NIGHTDESK_LOG"));
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// The file cannot be read or has faults.
    pub fn configuration(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.config)?)
    }

    /// Creates the model registry for a configuration and the environment variables of this process.
    #[must_use]
    pub fn models(config: &Config) -> Models {
        Models::new(config.clone(), |name| std::env::var(name).ok())
    }

    /// Returns whether the store file exists.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.store.exists()
    }

    /// Opens the store read-only, without a lock.
    ///
    /// # Errors
    /// The store does not exist or cannot be opened.
    pub fn look(&self) -> Result<Handle, CliError> {
        if !self.has_store() {
            let path = self.store.display();
            let text = format!(
                "there is no store {path} yet; start `nightdesk`, or apply a team: `nightdesk apply TEAM.toml`"
            );
            return Err(CliError::Message(text));
        }
        // A broken configuration is no error here: commands that show models read it themselves.
        let default_model = self.configuration().map(|config| config.model).unwrap_or_default();
        Ok(Handle::read_only(&self.store, default_model)?)
    }

    /// Returns the options for an engine on these files. `jobs` enables background jobs.
    #[must_use]
    pub fn options(&self, jobs: bool, scope: Scope) -> Options {
        Options { jobs, scope, config: Some(self.config.clone()), person: login(), ..Options::default() }
    }

    /// Becomes the owner of the store and starts an engine, or connects to the owner; see [`Session::open`].
    ///
    /// # Errors
    /// The configuration has faults, the store cannot be opened, or its owner does not accept connections.
    pub async fn open(&self, options: Options, listen: bool) -> Result<Session, CliError> {
        let setup = || self.configuration().map(|config| (config.clone(), Self::models(&config)));
        let session = Session::open(&self.store, options, listen, setup).await?;
        if let Some(fault) = session.unheard() {
            tracing::warn!("{fault}");
            print::note(&fault.text);
        }
        Ok(session)
    }

    /// Opens a session, sends one request and closes the session. Starts no other work.
    ///
    /// # Errors
    /// As [`Paths::open`], or the engine refuses the request.
    pub async fn ask(&self, request: Request) -> Result<Reply, CliError> {
        let desk = self.open(self.options(false, Scope::Nobody), false).await?;
        let reply = desk.handle().ask(request).await;
        desk.close().await;
        Ok(reply?)
    }
}

/// The name of the login; `user` where it has none.
fn login() -> String {
    let names = ["USER", "LOGNAME"].into_iter().filter_map(|variable| std::env::var(variable).ok());
    names.map(|name| name.trim().to_owned()).find(|name| !name.is_empty()).unwrap_or_else(|| "user".to_owned())
}
