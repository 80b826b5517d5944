//! How a command gets at the store and its engine.
//!
//! Who only looks gets a handle that only reads: no lock, whoever owns the store. Who changes something becomes the
//! owner with an engine of its own, or, where another program is the owner and listens, works through that one.
//! Both within a second, or a sentence says which process has the store.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use super::{Failure, print};
use crate::config::{Config, Paths};
use crate::engine::session::Session;
use crate::engine::wire::{Reply, Request};
use crate::engine::{Handle, Options, Scope};
use crate::llm::Models;

/// Log files kept, one a day.
const LOGS: usize = 7;
/// What is logged, where `NIGHTDESK_LOG` says nothing else.
const LOGGED: &str = "warn,nightdesk=info";

/// Where the program's files lie.
#[derive(Debug, Clone)]
pub struct Places {
    /// The store.
    pub store: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// All directories, where there is a place for them.
    pub dirs: Option<Paths>,
}

impl Places {
    /// The files named on the command line, and those of the XDG directories.
    pub fn new(
        store: Option<PathBuf>,
        config: Option<PathBuf>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let dirs = Paths::new(env);
        let (store, config) = match (store, config, &dirs) {
            (Some(store), Some(config), _) => (store, config),
            (store, config, Ok(dirs)) => {
                (store.unwrap_or_else(|| dirs.store_file()), config.unwrap_or_else(|| dirs.config_file()))
            }
            (_, _, Err(_)) => return Err(dirs.err().map_or_else(|| Failure::Said(String::new()), Failure::from)),
        };
        Ok(Self { store, config, dirs: dirs.ok() })
    }

    /// Sends the log to a file a day in the state directory, never to the terminal. Without a place for it there is
    /// no log, and everything else works.
    pub fn keep_log(&self, env: impl Fn(&str) -> Option<String>) {
        let Some(dir) = self.dirs.as_ref().map(Paths::log_dir) else { return };
        if DirBuilder::new().recursive(true).mode(0o700).create(&dir).is_err() {
            return;
        }
        let file = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("nightdesk")
            .filename_suffix("log")
            .max_log_files(LOGS)
            .build(dir);
        let Ok(file) = file else { return };
        let filter = env("NIGHTDESK_LOG").unwrap_or_else(|| LOGGED.to_owned());
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(LOGGED));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        // It fails only where a log is kept already.
        let _ = log.with_writer(std::sync::Mutex::new(file)).try_init();
    }

    /// The configuration, read.
    pub fn configuration(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.config)?)
    }

    /// The models of this configuration.
    #[must_use]
    pub fn models(config: &Config) -> Models {
        Models::new(config.clone(), |name| std::env::var(name).ok())
    }

    /// True when the store has been made.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.store.exists()
    }

    /// The store, for looking only.
    pub fn look(&self) -> Result<Handle, Failure> {
        if !self.has_store() {
            let path = self.store.display();
            let text = format!(
                "there is no store {path} yet; start `nightdesk`, or apply a team: `nightdesk apply TEAM.toml`"
            );
            return Err(Failure::Said(text));
        }
        // Only what shows models needs the configuration, and asks for it.
        let default_model = self.configuration().map(|config| config.model).unwrap_or_default();
        Ok(Handle::read_only(&self.store, default_model)?)
    }

    /// What an engine of these places is started with.
    #[must_use]
    pub fn options(&self, jobs: bool, scope: Scope) -> Options {
        Options { jobs, scope, config: Some(self.config.clone()), seed: None }
    }

    /// Becomes the owner with an engine of its own, or joins the program that is; see [`Session::open`].
    pub async fn open(&self, options: Options, listen: bool) -> Result<Session, Failure> {
        let setup = || self.configuration().map(|config| (config.clone(), Self::models(&config)));
        let session = Session::open(&self.store, options, listen, setup).await?;
        if let Some(fault) = session.unheard() {
            tracing::warn!("{fault}");
            print::note(&fault.text);
        }
        Ok(session)
    }

    /// Asks one thing of the engine, this program's or the owner's, and leaves it again. Nothing else is worked on.
    pub async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        let desk = self.open(self.options(false, Scope::Nobody), false).await?;
        let reply = desk.handle().ask(request).await;
        desk.close().await;
        Ok(reply?)
    }
}
