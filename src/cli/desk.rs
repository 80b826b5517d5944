//! How a command gets at the store and its engine.
//!
//! Who only looks reads the store directly: no lock, whoever owns it. Who changes something becomes the owner
//! with an engine of its own, or, where another program is the owner and listens, works through that one. Both
//! within a second, or a sentence says which process has the store.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use super::{Failure, print};
use crate::config::{Config, Paths};
use crate::engine::socket::{self, Client};
use crate::engine::wire::{Reply, Request};
use crate::engine::{Engine, Handle, Options, Scope};
use crate::llm::Models;
use crate::store::{self, Held, Owner, OwnerError, Store};
use crate::tools::Toolbox;

/// How long a program that owns the store and does not listen may take to give it back.
const PATIENCE: Duration = Duration::from_millis(700);
/// Between two looks at a store that is held.
const BETWEEN: Duration = Duration::from_millis(25);
/// How long an owner that listens may take to answer the call.
const CALL: Duration = Duration::from_millis(200);
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
    pub fn look(&self) -> Result<Store, Failure> {
        if !self.has_store() {
            let path = self.store.display();
            let text = format!(
                "there is no store {path} yet; start `nightdesk`, or apply a team: `nightdesk apply TEAM.toml`"
            );
            return Err(Failure::Said(text));
        }
        Ok(Store::open_read_only(&self.store, store::Options::default())?)
    }

    /// What an engine of these places is started with.
    #[must_use]
    pub fn options(&self, jobs: bool, scope: Scope) -> Options {
        Options { jobs, scope, config: Some(self.config.clone()), seed: None }
    }

    /// Becomes the owner with an engine of its own, or joins the program that is.
    ///
    /// With `listen` others may join this one in turn. What only takes a moment does not listen: whoever comes
    /// meanwhile waits for that moment.
    pub async fn open(&self, options: Options, listen: bool) -> Result<Desk, Failure> {
        let begun = Instant::now();
        loop {
            let held = match Owner::take(&self.store) {
                Ok(owner) => return self.own(owner, options, listen).await,
                Err(OwnerError::Store(fault)) => return Err(fault.into()),
                Err(OwnerError::Held(held)) => held,
            };
            if let Ok(Ok(client)) = tokio::time::timeout(CALL, Client::connect(&held.socket)).await {
                let store = Store::open_read_only(&self.store, store::Options::default())?;
                return Ok(Desk { handle: Handle::there(client), store, place: Place::Guest(held) });
            }
            if begun.elapsed() >= PATIENCE {
                return Err(held.into());
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Asks one thing of the engine, this program's or the owner's, and leaves it again. Nothing else is worked on.
    pub async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        let desk = self.open(self.options(false, Scope::Nobody), false).await?;
        let reply = desk.handle().ask(request).await;
        desk.close().await;
        Ok(reply?)
    }

    async fn own(&self, owner: Owner, options: Options, listen: bool) -> Result<Desk, Failure> {
        let config = self.configuration()?;
        let store = Store::open(&self.store, store::Options::default())?;
        let models = Self::models(&config);
        let engine = Engine::start(store.clone(), &config, models, Toolbox::default(), options).await?;
        if listen && let Err(fault) = socket::listen(&engine, store::socket_path(&self.store)) {
            // Everything else works without it.
            tracing::warn!("{fault}");
            print::note(&fault.text);
        }
        Ok(Desk { handle: Handle::here(Arc::clone(&engine)), store, place: Place::Owner(engine, owner) })
    }
}

/// A way to the engine and to the store.
pub struct Desk {
    handle: Handle,
    store: Store,
    place: Place,
}

enum Place {
    /// The engine runs here. The lock is given back last.
    Owner(Arc<Engine>, Owner),
    /// It runs in this other program.
    Guest(Held),
}

impl Desk {
    /// Commands in, updates out.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The store, for reading: whoever owns it, what is committed is seen.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The other program, where the engine is not this one's.
    #[must_use]
    pub fn owner_elsewhere(&self) -> Option<&Held> {
        match &self.place {
            Place::Owner(..) => None,
            Place::Guest(held) => Some(held),
        }
    }

    /// Stops the engine, closes the store, gives the lock back, in this order.
    pub async fn close(self) {
        let Self { handle, store, place } = self;
        drop(handle);
        if let Place::Owner(engine, owner) = place {
            engine.stop().await;
            drop((engine, store));
            drop(owner);
        }
    }
}
