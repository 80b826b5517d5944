//! Opens a store: this program becomes its owner with an engine of its own, or joins the owner.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::EngineAt;
use super::protocol::RequestError;
use super::socket::{self, Client};
use super::{Engine, Handle, Options};
use crate::config::Config;
use crate::llm::Models;
use crate::store::{self, OwnerError, Store, StoreLock};
use crate::tools::ToolRegistry;

pub use super::socket::{JoinError, Silent};
pub use crate::store::LockHeldBy;

/// How long to wait for an owner that does not listen to release the store.
const PATIENCE: Duration = Duration::from_millis(700);
/// Interval between two tries to take the lock.
const BETWEEN: Duration = Duration::from_millis(25);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another program owns it and does not listen.
    #[error(transparent)]
    Held(#[from] LockHeldBy),
    /// Another program owns it and does not answer.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// The store or its engine does not start.
    #[error(transparent)]
    Fault(#[from] RequestError),
}

/// An open store with its engine, here or in another program. End it with [`Session::close`].
pub struct Session {
    handle: Handle,
    place: Place,
    unheard: Option<RequestError>,
}

enum Place {
    /// The engine runs in this program.
    Owner(Arc<Engine>, StoreLock),
    /// The engine runs in this other program.
    Attached(LockHeldBy, Arc<Client>),
}

/// Connects to the owner of a store.
///
/// # Errors
/// [`JoinError`] if it takes no connections of other programs, does not answer, or refuses.
pub async fn join(owner: &LockHeldBy) -> Result<Client, JoinError> {
    match Client::connect(&owner.socket).await {
        Err(JoinError::Silent(Silent { pid: 0, .. })) => Err(silent(owner).into()),
        Err(JoinError::Absent) if socket::is_suspended(owner.pid) => Err(silent(owner).into()),
        joined => joined,
    }
}

fn silent(owner: &LockHeldBy) -> Silent {
    Silent { pid: owner.pid, suspended: socket::is_suspended(owner.pid) }
}

impl Session {
    /// Becomes the owner and starts an engine, or joins the program that is the owner. `setup` is called only if the
    /// engine runs here.
    ///
    /// With `listen`, other programs can join this one. Short commands do not listen; other programs wait until they
    /// have finished.
    ///
    /// # Errors
    /// [`OpenError::Held`] if another program holds the store for 700 ms and does not listen, [`OpenError::Silent`] if
    /// it does not answer within a second; otherwise the error of the store, of `setup` or of the engine.
    pub async fn open<E: From<OpenError>>(
        path: &Path,
        options: Options,
        listen: bool,
        setup: impl FnOnce() -> Result<(Config, Models), E>,
    ) -> Result<Self, E> {
        let begun = Instant::now();
        let owner = loop {
            let held = match StoreLock::take(path) {
                Ok(owner) => break owner,
                Err(OwnerError::Store(fault)) => return Err(OpenError::Fault(fault.into()).into()),
                Err(OwnerError::Held(held)) => held,
            };
            match join(&held).await {
                Ok(client) => {
                    let client = Arc::new(client);
                    let handle = Handle::remote(Arc::clone(&client));
                    return Ok(Self { handle, place: Place::Attached(held, client), unheard: None });
                }
                Err(JoinError::Silent(silent)) => return Err(OpenError::Silent(silent).into()),
                Err(JoinError::Refused(fault)) => return Err(OpenError::Fault(fault).into()),
                Err(JoinError::Absent) => {}
            }
            if begun.elapsed() >= PATIENCE {
                return Err(OpenError::Held(held).into());
            }
            tokio::time::sleep(BETWEEN).await;
        };
        let (config, models) = setup()?;
        Ok(Self::own(owner, &config, models, options, listen).await.map_err(OpenError::Fault)?)
    }

    /// The program that owns a store now; `None` if no program does.
    #[must_use]
    pub fn owner(path: &Path) -> Option<LockHeldBy> {
        StoreLock::owner(path)
    }

    async fn own(
        owner: StoreLock,
        config: &Config,
        models: Models,
        options: Options,
        listen: bool,
    ) -> Result<Self, RequestError> {
        let store = Store::open(owner.path(), store::Options { lock: owner.file(), ..store::Options::default() })?;
        let options = Options { after_crash: owner.after_crash(), ..options };
        let engine = Engine::start(store, config, models, ToolRegistry::default(), options).await?;
        engine.watch_ground();
        let unheard = if listen { socket::listen(&engine, &store::socket_path(owner.path())).err() } else { None };
        Ok(Self { handle: Handle::local(Arc::clone(&engine)), place: Place::Owner(engine, owner), unheard })
    }

    /// The handle to the engine.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The engine, if it runs in this program.
    #[cfg(test)]
    pub(super) fn engine(&self) -> Option<&Engine> {
        if let Place::Owner(engine, _) = &self.place { Some(engine) } else { None }
    }

    /// The program that runs the engine; `None` if it is this one.
    #[must_use]
    pub fn owner_elsewhere(&self) -> Option<&LockHeldBy> {
        match &self.place {
            Place::Owner(..) => None,
            Place::Attached(held, _) => Some(held),
        }
    }

    /// Where the engine runs.
    #[must_use]
    pub fn engine_at(&self) -> EngineAt {
        match &self.place {
            Place::Owner(..) => EngineAt::Here,
            Place::Attached(_, client) => {
                let (pid, program) = client.owner();
                EngineAt::Elsewhere { pid, program }
            }
        }
    }

    /// Why no other program can join this one although it was to listen. Everything else works.
    #[must_use]
    pub fn unheard(&self) -> Option<&RequestError> {
        self.unheard.as_ref()
    }

    /// Waits until the engine of this program may not write to the store any more, and returns why. Does not return
    /// while it may, or if the engine runs in another program.
    pub async fn lost(&self) -> String {
        if let Place::Owner(engine, _) = &self.place {
            engine.stop.cancelled().await;
            if let Some(why) = engine.lost.get() {
                return why.clone();
            }
        }
        std::future::pending().await
    }

    /// Waits until the engine cannot be used through this session any more. Returns why, if this program knows it.
    pub async fn ended(&self) -> Option<String> {
        match &self.place {
            Place::Owner(..) => Some(self.lost().await),
            Place::Attached(_, client) => {
                client.ended().await;
                None
            }
        }
    }

    /// Stops the engine, closes the store and releases the lock, in this order.
    pub async fn close(self) {
        let Self { handle, place, .. } = self;
        drop(handle);
        if let Place::Owner(engine, owner) = place {
            engine.stop().await;
            drop(engine);
            drop(owner);
        }
    }
}
