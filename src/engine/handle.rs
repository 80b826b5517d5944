//! The handle: commands in, updates out, all plain values.
//!
//! In the program that owns the store it calls the engine; elsewhere the same values travel over the owner's
//! socket. Who only looks needs neither: such a handle reads the store and changes nothing. A face knows nothing
//! below it.

use std::path::Path;
use std::sync::Arc;

use super::read::Reader;
use super::wire::{Fault, Overview, Reply, Request, Update};
use super::{Engine, socket::Client};
use crate::domain::{ConversationId, Message};
use crate::store::{self, Store};

/// A way to the engine, cheap to clone.
#[derive(Clone)]
pub struct Handle(Way);

#[derive(Clone)]
enum Way {
    Here(Arc<Engine>),
    There(Arc<Client>),
    ReadOnly(Arc<Reader>),
}

impl Handle {
    /// The engine of this program.
    #[must_use]
    pub fn here(engine: Arc<Engine>) -> Self {
        Self(Way::Here(engine))
    }

    /// The engine of the program that owns the store.
    #[must_use]
    pub fn there(client: Client) -> Self {
        Self(Way::There(Arc::new(client)))
    }

    /// A store for looking only: no lock, whoever owns it. `default_model` is what an agent without a model uses.
    ///
    /// # Errors
    ///
    /// Where the store is not there or cannot be read.
    pub fn read_only(store: &Path, default_model: String) -> Result<Self, Fault> {
        let store = Store::open_read_only(store, store::Options::default())?;
        Ok(Self(Way::ReadOnly(Arc::new(Reader::new(store, default_model)))))
    }

    /// True when the engine runs in another program.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        matches!(self.0, Way::There(_))
    }

    /// Asks and waits for the answer.
    pub async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        match &self.0 {
            Way::Here(engine) => engine.answer(request).await,
            Way::There(client) => client.ask(request).await,
            Way::ReadOnly(reader) => reader.answer(request).await,
        }
    }

    /// Everything the panes show.
    pub async fn overview(&self) -> Result<Overview, Fault> {
        match self.ask(Request::Overview).await? {
            Reply::Overview(overview) => Ok(*overview),
            other => Err(unexpected(&other)),
        }
    }

    /// Messages of a conversation, `from..=to` by `seq`.
    pub async fn messages(&self, conversation: ConversationId, from: u64, to: u64) -> Result<Vec<Message>, Fault> {
        match self.ask(Request::Messages { conversation, from, to }).await? {
            Reply::Messages { messages } => Ok(messages),
            other => Err(unexpected(&other)),
        }
    }

    /// Follows everything after this change.
    pub async fn follow(&self, after: u64) -> Result<Following, Fault> {
        match &self.0 {
            Way::Here(engine) => Ok(Following::Here(Box::new(engine.follow(after)))),
            Way::There(client) => Ok(Following::There(client.follow(after).await?)),
            Way::ReadOnly(_) => Err(Fault::new("a store that is open for reading only has nothing to follow")),
        }
    }
}

fn unexpected(reply: &Reply) -> Fault {
    Fault::new(format!("the engine answered something else than was asked: {reply:?}"))
}

/// Updates as they come.
pub enum Following {
    /// From the engine of this program.
    Here(Box<super::follow::Follower>),
    /// From the owner's socket.
    There(super::socket::Updates),
}

impl Following {
    /// The next update. Cancel-safe: dropped before it is ready, nothing is lost.
    pub async fn next(&mut self) -> Result<Update, Fault> {
        match self {
            Self::Here(follower) => follower.next().await,
            Self::There(updates) => updates.next().await,
        }
    }
}
