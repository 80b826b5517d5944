//! The handle: how a face calls the engine. Requests and updates are plain values.
//!
//! In the program that owns the store it calls the engine; in other programs the same values travel over the owner's
//! socket. A read-only handle reads the store directly. A lasting handle calls whichever of these engines the store has
//! now, and outlives each of them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Engine;
use super::protocol::{Filter, Overview, Progress, Reply, Request, RequestError, Update};
use super::read::Reader;
use super::socket::{AskError, Client};
use crate::domain::{ConversationId, Message};
use crate::store::{self, OwnerError, Store, StoreError};

/// How long a request of a lasting handle waits for an engine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is sent at the most.
const SENDS: usize = 5;

/// A handle to the engine of a store. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Backend);

#[derive(Clone)]
enum Backend {
    Local(Arc<Engine>),
    Remote(Arc<Client>),
    ReadOnly(Arc<Reader>),
    Lasting(Lasting),
}

/// The engine that a lasting handle calls now.
#[derive(Clone)]
pub(super) struct Current {
    /// Counts the engines.
    pub serial: u64,
    /// A local or a remote handle; `None` while there is no engine.
    pub handle: Option<Handle>,
    /// Why there is none.
    pub why: String,
}

/// The engine now, and where to report that it is lost.
#[derive(Clone)]
struct Lasting {
    now: watch::Receiver<Current>,
    /// Takes the serial of an engine that does not answer any more.
    lost: mpsc::UnboundedSender<u64>,
}

impl Handle {
    /// Creates a handle to the engine of this program.
    #[must_use]
    pub fn local(engine: Arc<Engine>) -> Self {
        Self(Backend::Local(engine))
    }

    /// Creates a handle to the engine of the program that owns the store.
    #[must_use]
    pub fn remote(client: Arc<Client>) -> Self {
        Self(Backend::Remote(client))
    }

    /// Creates a handle that calls the engine that `now` shows, and reports the serial of one that is lost.
    pub(super) fn lasting(now: watch::Receiver<Current>, lost: mpsc::UnboundedSender<u64>) -> Self {
        Self(Backend::Lasting(Lasting { now, lost }))
    }

    /// Creates a handle that only reads the store and needs no lock. `default_model` is the model of agents that have
    /// none. A store of an older version is upgraded first, with a copy beside it.
    ///
    /// # Errors
    /// [`RequestError`] if the store does not exist, cannot be read, or cannot be upgraded because another program has
    /// it open.
    pub fn read_only(store: &Path, default_model: String) -> Result<Self, RequestError> {
        let open = || Store::open_read_only(store, store::Options::default());
        let store = match open() {
            Err(StoreError::Older { .. }) => {
                match Store::upgrade(store) {
                    Ok(()) => {}
                    Err(OwnerError::Store(fault)) => return Err(fault.into()),
                    Err(OwnerError::Held(held)) => return Err(RequestError::new(held.to_string())),
                }
                open()?
            }
            opened => opened?,
        };
        Ok(Self(Backend::ReadOnly(Arc::new(Reader::new(store, default_model)))))
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// [`RequestError`] if the request is refused or fails, or the owner cannot be reached.
    pub async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        match &self.0 {
            // On the heap: every caller would carry the largest of the requests.
            Backend::Local(engine) => Box::pin(engine.handle(request)).await,
            Backend::Remote(client) => client.ask(request).await,
            Backend::ReadOnly(reader) => reader.answer(request).await,
            Backend::Lasting(lasting) => lasting.ask(request).await,
        }
    }

    /// Reads all state rows the panes show.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn overview(&self) -> Result<Overview, RequestError> {
        match self.ask(Request::Overview).await? {
            Reply::Overview(overview) => Ok(*overview),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads the messages `from..=to` of a conversation, by `seq`.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn messages(
        &self,
        conversation: ConversationId,
        from: u64,
        to: u64,
    ) -> Result<Vec<Message>, RequestError> {
        let (mut all, mut from) = (Vec::new(), from);
        while from <= to {
            let request = Request::Messages { conversation: conversation.clone(), from, to, newest: false };
            let messages = match self.ask(request).await? {
                Reply::Messages { messages } => messages,
                other => return Err(unexpected(&other)),
            };
            let Some(last) = messages.last() else { break };
            from = last.seq + 1;
            all.extend(messages);
        }
        Ok(all)
    }

    /// Subscribes to every change after number `after`, and to live text.
    ///
    /// # Errors
    /// [`RequestError`] if the owner cannot be reached or the handle is read-only.
    pub async fn follow(&self, after: u64) -> Result<Subscription, RequestError> {
        self.follow_some(after, Filter::default()).await
    }

    /// Subscribes to what `filter` lets through of the changes after number `after` and of live text.
    ///
    /// # Errors
    /// As [`Handle::follow`].
    pub async fn follow_some(&self, after: u64, filter: Filter) -> Result<Subscription, RequestError> {
        Ok(Subscription(match &self.0 {
            Backend::Lasting(lasting) => {
                // The first engine is waited for like any other.
                let progress = Progress::new(after);
                let lasting = lasting.clone();
                Following::Lasting(Box::new(Resuming { lasting, progress, filter, of: None, ready: VecDeque::new() }))
            }
            _ => Following::One(self.follow_one(after, filter).await?),
        }))
    }

    async fn follow_one(&self, after: u64, filter: Filter) -> Result<Source, RequestError> {
        match &self.0 {
            Backend::Local(engine) => Ok(Source::Here(Box::new(engine.follow(after, filter)))),
            Backend::Remote(client) => Ok(Source::There(Box::new(client.follow(after, filter).await?))),
            Backend::ReadOnly(_) => Err(RequestError::new("a store opened read-only cannot be followed")),
            Backend::Lasting(_) => Err(closing()),
        }
    }
}

impl Lasting {
    /// Waits for an engine after the one with this serial; 0 for any.
    async fn after(&self, serial: u64) -> Result<(u64, Handle), RequestError> {
        let mut now = self.now.clone();
        let found = now.wait_for(|now| now.serial > serial && now.handle.is_some()).await.map_err(|_| closing())?;
        Ok((found.serial, found.handle.clone().ok_or_else(closing)?))
    }

    /// Sends a request. One whose owner ended before it began goes to the next owner, and so does one that only reads.
    async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        let mut last = 0;
        for _ in 0..SENDS {
            let Ok(engine) = tokio::time::timeout(PATIENCE, self.after(last)).await else { break };
            let (serial, handle) = engine?;
            let begun = match &handle.0 {
                Backend::Local(engine) => return Box::pin(engine.handle(request)).await,
                Backend::Remote(client) => match client.try_ask(request.clone()).await {
                    Ok(reply) => return Ok(reply),
                    Err(AskError::Failed(fault)) => return Err(fault),
                    Err(AskError::Interrupted { begun, .. }) => begun,
                },
                Backend::ReadOnly(_) | Backend::Lasting(_) => return Err(closing()),
            };
            // The keeper ends with the session only.
            let _ = self.lost.send(serial);
            if begun && !request.only_reads() {
                return Err(RequestError::new(
                    "the program that ran the engine ended while it did this; look whether it is done before you \
                     repeat it",
                ));
            }
            last = serial;
        }
        Err(RequestError::new(self.now.borrow().why.clone()))
    }
}

fn closing() -> RequestError {
    RequestError::new("the program is about to end")
}

fn unexpected(reply: &Reply) -> RequestError {
    RequestError::new(format!("unexpected reply from the engine: {reply:?}"))
}

/// A stream of updates.
pub struct Subscription(Following);

enum Following {
    /// Of one engine; it ends with it.
    One(Source),
    /// Of whichever engine there is.
    Lasting(Box<Resuming>),
}

enum Source {
    /// From the engine of this program.
    Here(Box<super::follow::Subscriber>),
    /// From the owner's socket.
    There(Box<super::socket::Updates>),
}

impl Subscription {
    /// Waits for the next update. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// [`RequestError`] if the engine has stopped or the connection is lost; of a lasting handle, if it is closed.
    pub async fn next(&mut self) -> Result<Update, RequestError> {
        match &mut self.0 {
            Following::One(source) => source.next().await,
            Following::Lasting(resuming) => resuming.next().await,
        }
    }
}

/// A subscription that goes on with the next engine, after the last update of the one before.
struct Resuming {
    lasting: Lasting,
    progress: Progress,
    filter: Filter,
    /// The engine that is followed, by its serial; without a source once it has ended.
    of: Option<(u64, Option<Source>)>,
    ready: VecDeque<Update>,
}

impl Resuming {
    async fn next(&mut self) -> Result<Update, RequestError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            let serial = self.of.as_ref().map_or(0, |(serial, _)| *serial);
            let Some((_, Some(source))) = &mut self.of else {
                let (serial, handle) = self.lasting.after(serial).await?;
                let followed = handle.follow_one(self.progress.cursor(), self.filter.clone()).await;
                self.ready.extend(self.progress.interrupt());
                if followed.is_err() {
                    let _ = self.lasting.lost.send(serial);
                }
                self.of = Some((serial, followed.ok()));
                continue;
            };
            let update = tokio::select! {
                biased;
                update = source.next() => update.ok(),
                next = self.lasting.after(serial) => next.map(|_| None)?,
            };
            if let Some(update) = update {
                self.progress.note(&update);
                return Ok(update);
            }
            let _ = self.lasting.lost.send(serial);
            self.of = Some((serial, None));
        }
    }
}

impl Source {
    async fn next(&mut self) -> Result<Update, RequestError> {
        match self {
            Self::Here(follower) => follower.next().await,
            Self::There(updates) => updates.next().await,
        }
    }
}
