//! The handle: how a face calls the engine. Requests and updates are plain values.
//!
//! In the program that owns the store it calls the engine; in other programs the same values travel over the owner's
//! socket. A read-only handle reads the store directly.

use std::path::Path;
use std::sync::Arc;

use super::read::Reader;
use super::wire::{Fault, Overview, Reply, Request, Update};
use super::{Engine, socket::Client};
use crate::domain::{ConversationId, Message};
use crate::store::{self, Store};

/// A handle to the engine of a store. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Way);

#[derive(Clone)]
enum Way {
    Here(Arc<Engine>),
    There(Arc<Client>),
    ReadOnly(Arc<Reader>),
}

impl Handle {
    /// Creates a handle to the engine of this program.
    #[must_use]
    pub fn here(engine: Arc<Engine>) -> Self {
        Self(Way::Here(engine))
    }

    /// Creates a handle to the engine of the program that owns the store.
    #[must_use]
    pub fn there(client: Client) -> Self {
        Self(Way::There(Arc::new(client)))
    }

    /// Creates a handle that only reads the store and needs no lock. `default_model` is the model of agents that have
    /// none.
    ///
    /// # Errors
    /// [`Fault`] if the store does not exist or cannot be read.
    pub fn read_only(store: &Path, default_model: String) -> Result<Self, Fault> {
        let store = Store::open_read_only(store, store::Options::default())?;
        Ok(Self(Way::ReadOnly(Arc::new(Reader::new(store, default_model)))))
    }

    /// True when the engine runs in another program.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        matches!(self.0, Way::There(_))
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// [`Fault`] if the request is refused or fails, or the owner cannot be reached.
    pub async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        match &self.0 {
            Way::Here(engine) => engine.answer(request).await,
            Way::There(client) => client.ask(request).await,
            Way::ReadOnly(reader) => reader.answer(request).await,
        }
    }

    /// Reads all state rows the panes show.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn overview(&self) -> Result<Overview, Fault> {
        match self.ask(Request::Overview).await? {
            Reply::Overview(overview) => Ok(*overview),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads the messages `from..=to` of a conversation, by `seq`.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn messages(&self, conversation: ConversationId, from: u64, to: u64) -> Result<Vec<Message>, Fault> {
        match self.ask(Request::Messages { conversation, from, to }).await? {
            Reply::Messages { messages } => Ok(messages),
            other => Err(unexpected(&other)),
        }
    }

    /// Subscribes to every change after number `after`.
    ///
    /// # Errors
    /// [`Fault`] if the owner cannot be reached or the handle is read-only.
    pub async fn follow(&self, after: u64) -> Result<Following, Fault> {
        match &self.0 {
            Way::Here(engine) => Ok(Following::Here(Box::new(engine.follow(after)))),
            Way::There(client) => Ok(Following::There(client.follow(after).await?)),
            Way::ReadOnly(_) => Err(Fault::new("a store opened read-only cannot be followed")),
        }
    }
}

fn unexpected(reply: &Reply) -> Fault {
    Fault::new(format!("unexpected reply from the engine: {reply:?}"))
}

/// A stream of updates.
pub enum Following {
    /// From the engine of this program.
    Here(Box<super::follow::Follower>),
    /// From the owner's socket.
    There(super::socket::Updates),
}

impl Following {
    /// Waits for the next update. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Fault`] if the engine has stopped or the connection is lost.
    pub async fn next(&mut self) -> Result<Update, Fault> {
        match self {
            Self::Here(follower) => follower.next().await,
            Self::There(updates) => updates.next().await,
        }
    }
}
