//! The handle: how a face calls the engine. Requests and updates are plain values.
//!
//! In the program that owns the store it calls the engine; in other programs the same values travel over the owner's
//! socket. A read-only handle reads the store directly.

use std::path::Path;
use std::sync::Arc;

use super::protocol::{Filter, Overview, Reply, Request, RequestError, Update};
use super::read::Reader;
use super::{Engine, socket::Client};
use crate::domain::{ConversationId, Message};
use crate::store::{self, OwnerError, Store, StoreError};

/// A handle to the engine of a store. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Backend);

#[derive(Clone)]
enum Backend {
    Local(Arc<Engine>),
    Remote(Arc<Client>),
    ReadOnly(Arc<Reader>),
}

impl Handle {
    /// Creates a handle to the engine of this program.
    #[must_use]
    pub fn local(engine: Arc<Engine>) -> Self {
        Self(Backend::Local(engine))
    }

    /// Creates a handle to the engine of the program that owns the store.
    #[must_use]
    pub fn remote(client: Client) -> Self {
        Self(Backend::Remote(Arc::new(client)))
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
            let messages = match self.ask(Request::Messages { conversation: conversation.clone(), from, to }).await? {
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
        match &self.0 {
            Backend::Local(engine) => Ok(Subscription::Here(Box::new(engine.follow(after, filter)))),
            Backend::Remote(client) => Ok(Subscription::There(Box::new(client.follow(after, filter).await?))),
            Backend::ReadOnly(_) => Err(RequestError::new("a store opened read-only cannot be followed")),
        }
    }
}

fn unexpected(reply: &Reply) -> RequestError {
    RequestError::new(format!("unexpected reply from the engine: {reply:?}"))
}

/// A stream of updates.
pub enum Subscription {
    /// From the engine of this program.
    Here(Box<super::follow::Subscriber>),
    /// From the owner's socket.
    There(Box<super::socket::Updates>),
}

impl Subscription {
    /// Waits for the next update. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// [`RequestError`] if the engine has stopped or the connection is lost.
    pub async fn next(&mut self) -> Result<Update, RequestError> {
        match self {
            Self::Here(follower) => follower.next().await,
            Self::There(updates) => updates.next().await,
        }
    }
}
