//! How a program gets at a store: it becomes the owner with an engine of its own, or it joins the owner.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::socket::{self, Client};
use super::wire::Fault;
use super::{Engine, Handle, Options};
use crate::config::Config;
use crate::llm::Models;
use crate::store::{self, Owner, OwnerError, Store};
use crate::tools::Toolbox;

pub use crate::store::Held;

/// How long a program that owns the store and does not listen may take to give it back.
const PATIENCE: Duration = Duration::from_millis(700);
/// Between two looks at a store that is held.
const BETWEEN: Duration = Duration::from_millis(25);
/// How long an owner that listens may take to answer the call.
const CALL: Duration = Duration::from_millis(200);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another program owns it and does not listen.
    #[error(transparent)]
    Held(#[from] Held),
    /// It, or its engine, does not start.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A way to the engine of a store. [`Session::close`] it: the lock is given back last.
pub struct Session {
    handle: Handle,
    place: Place,
    unheard: Option<Fault>,
}

enum Place {
    /// The engine runs here.
    Owner(Arc<Engine>, Owner),
    /// It runs in this other program.
    Attached(Held),
}

impl Session {
    /// Becomes the owner with an engine of its own, or joins the program that is. `setup` is asked only where the
    /// engine runs here.
    ///
    /// With `listen` others may join this one in turn. What only takes a moment does not listen: whoever comes
    /// meanwhile waits for that moment.
    ///
    /// # Errors
    ///
    /// Where another program holds the store and does not listen, and where store, setup or engine fail.
    pub async fn open<E: From<OpenError>>(
        path: &Path,
        options: Options,
        listen: bool,
        setup: impl FnOnce() -> Result<(Config, Models), E>,
    ) -> Result<Self, E> {
        let begun = Instant::now();
        let owner = loop {
            let held = match Owner::take(path) {
                Ok(owner) => break owner,
                Err(OwnerError::Store(fault)) => return Err(OpenError::Fault(fault.into()).into()),
                Err(OwnerError::Held(held)) => held,
            };
            if let Ok(Ok(client)) = tokio::time::timeout(CALL, Client::connect(&held.socket)).await {
                return Ok(Self { handle: Handle::there(client), place: Place::Attached(held), unheard: None });
            }
            if begun.elapsed() >= PATIENCE {
                return Err(OpenError::Held(held).into());
            }
            tokio::time::sleep(BETWEEN).await;
        };
        let (config, models) = setup()?;
        Ok(Self::own(path, owner, &config, models, options, listen).await.map_err(OpenError::Fault)?)
    }

    async fn own(
        path: &Path,
        owner: Owner,
        config: &Config,
        models: Models,
        options: Options,
        listen: bool,
    ) -> Result<Self, Fault> {
        let store = Store::open(path, store::Options::default())?;
        let engine = Engine::start(store, config, models, Toolbox::default(), options).await?;
        let unheard = if listen { socket::listen(&engine, store::socket_path(path)).err() } else { None };
        Ok(Self { handle: Handle::here(Arc::clone(&engine)), place: Place::Owner(engine, owner), unheard })
    }

    /// Commands in, updates out.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The other program, where the engine is not this one's.
    #[must_use]
    pub fn owner_elsewhere(&self) -> Option<&Held> {
        match &self.place {
            Place::Owner(..) => None,
            Place::Attached(held) => Some(held),
        }
    }

    /// Why nobody can join this program, where it was to listen. Everything else works.
    #[must_use]
    pub fn unheard(&self) -> Option<&Fault> {
        self.unheard.as_ref()
    }

    /// Stops the engine, closes the store, gives the lock back, in this order.
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
