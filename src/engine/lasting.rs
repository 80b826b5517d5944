//! A session that outlives the program that owns its store.
//!
//! When the owner ends, a task opens the store anew: this program takes it over and starts an engine, or joins whoever was
//! faster; the lock of the store decides. Handles and subscriptions of the session stay valid throughout.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::connection::{Connection, EngineAt};
use super::handle::{Current, Handle};
use super::protocol::RequestError;
use super::session::{OpenError, Session};
use crate::config::Config;
use crate::llm::Models;
use crate::store::{FileIdentity, identity};

/// Pause before the store is opened again, after it could not be opened or was lost at once.
const BETWEEN: Duration = Duration::from_millis(250);
/// How long closing waits for a store that is being opened.
const CLOSING: Duration = Duration::from_secs(5);

/// How a store is opened, again and again.
pub struct Opening {
    /// The file.
    pub path: PathBuf,
    /// Options for an engine in this program.
    pub options: Options,
    /// Reads the configuration for an engine in this program.
    pub setup: Box<dyn Fn() -> Result<(Config, Models), RequestError> + Send + Sync>,
}

impl Opening {
    async fn open(&self) -> Result<Session, OpenError> {
        let setup = || (self.setup)().map_err(OpenError::Fault);
        Box::pin(Session::open(&self.path, self.options.clone(), true, setup)).await
    }
}

/// An open store whose engine may move from one program to another. End it with [`LastingSession::close`].
pub struct LastingSession {
    handle: Handle,
    connection: watch::Receiver<Connection>,
    closing: CancellationToken,
    keeper: JoinHandle<Option<Session>>,
}

impl LastingSession {
    /// Keeps a session alive: opens the store again with `opening` whenever the engine is lost.
    #[must_use]
    pub fn keep(session: Session, opening: Opening) -> Self {
        let current = Current { serial: 1, handle: Some(session.handle().clone()), why: String::new() };
        let (publish, now) = watch::channel(current);
        let (tell, connection) = watch::channel(Connection { engine: session.engine_at(), replaced: 0 });
        let (lost, reports) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let store = identity(&opening.path);
        let keeper = Keeper { opening, publish, tell, reports, closing: closing.clone(), serial: 1, store };
        let keeper = tokio::spawn(keeper.run(session));
        Self { handle: Handle::lasting(now, lost), connection, closing, keeper }
    }

    /// The handle, which calls whichever engine the store has.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Watches where the engine runs.
    #[must_use]
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// Ends the session as [`Session::close`] does. Returns where the engine ran at the end.
    pub async fn close(mut self) -> EngineAt {
        let at = self.connection.borrow().engine.clone();
        self.closing.cancel();
        drop(self.handle);
        match tokio::time::timeout(CLOSING, &mut self.keeper).await {
            Ok(Ok(Some(session))) => session.close().await,
            Ok(_) => {}
            // It waits for another program; nothing of this one is open.
            Err(_) => self.keeper.abort(),
        }
        at
    }
}

/// The task that opens the store again.
struct Keeper {
    opening: Opening,
    publish: watch::Sender<Current>,
    tell: watch::Sender<Connection>,
    /// Serials of engines that were lost.
    reports: mpsc::UnboundedReceiver<u64>,
    closing: CancellationToken,
    serial: u64,
    /// The store's file.
    store: Option<FileIdentity>,
}

impl Keeper {
    async fn run(mut self, mut session: Session) -> Option<Session> {
        loop {
            let begun = Instant::now();
            let Some(why) = self.lost(&session).await else {
                self.publish.send_modify(|now| now.handle = None);
                return Some(session);
            };
            let own = session.owner_elsewhere().is_none();
            self.publish_loss(&why);
            if own {
                // It may not write any more, and the files of the store are not what they were.
                self.closing.cancelled().await;
                return Some(session);
            }
            session.close().await;
            if begun.elapsed() < BETWEEN {
                tokio::time::sleep(BETWEEN).await;
            }
            session = self.reopen().await?;
            self.serial += 1;
            let (serial, handle) = (self.serial, Some(session.handle().clone()));
            let store = identity(&self.opening.path);
            let other = store != std::mem::replace(&mut self.store, store);
            self.publish.send_replace(Current { serial, handle, why: String::new() });
            self.tell.send_modify(|connection| {
                connection.engine = session.engine_at();
                connection.replaced += u64::from(other);
            });
        }
    }

    /// Waits until the engine of the session is lost, and returns why; `None` if the session is to be closed.
    async fn lost(&mut self, session: &Session) -> Option<String> {
        loop {
            let ended = "the program that ran the engine has ended; connecting again";
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return None,
                why = session.ended() => return Some(why.unwrap_or_else(|| ended.to_owned())),
                report = self.reports.recv() => match report {
                    // One of an earlier engine comes too late.
                    Some(serial) if serial == self.serial => return Some(ended.to_owned()),
                    Some(_) => {}
                    None => {
                        self.closing.cancelled().await;
                        return None;
                    }
                },
            }
        }
    }

    fn publish_loss(&self, why: &str) {
        self.publish.send_modify(|now| {
            now.handle = None;
            why.clone_into(&mut now.why);
        });
        self.tell.send_if_modified(|connection| {
            let engine = EngineAt::Lost { why: why.to_owned() };
            let other = connection.engine != engine;
            connection.engine = engine;
            other
        });
    }

    /// Opens the store, however long it takes; `None` if the session is to be closed.
    async fn reopen(&mut self) -> Option<Session> {
        loop {
            if self.closing.is_cancelled() {
                return None;
            }
            match self.opening.open().await {
                Ok(session) => {
                    if let Some(fault) = session.unheard() {
                        tracing::warn!("{fault}");
                    }
                    return Some(session);
                }
                Err(error) => self.publish_loss(&error.to_string()),
            }
            tokio::select! {
                () = tokio::time::sleep(BETWEEN) => {}
                () = self.closing.cancelled() => return None,
            }
        }
    }
}
