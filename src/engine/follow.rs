//! Following: committed changes gap-free from a cursor, live text as it stands when the watcher comes to it.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::watch;

use super::live::{Live, Seen};
use super::wire::{Fault, RowUpdate, Update};
use crate::domain::state::Kind;
use crate::domain::{Agent, Block, Conversation, Group, Job, PendingCall, Run};
use crate::store::Store;

/// The most changes of one update: bounds what a watcher that fell behind gets in one piece.
const BATCH: usize = 256;

/// One watcher.
pub struct Follower {
    store: Store,
    live: Live,
    cursor: u64,
    head: watch::Receiver<u64>,
    bell: watch::Receiver<u64>,
    seen: Seen,
    ready: VecDeque<Update>,
}

impl Follower {
    /// A watcher that knows everything up to this change.
    #[must_use]
    pub fn new(store: Store, live: Live, after: u64) -> Self {
        let (head, bell) = (store.head(), live.bell());
        Self { store, live, cursor: after, head, bell, seen: Seen::default(), ready: VecDeque::new() }
    }

    /// The next update. Cancel-safe.
    pub async fn next(&mut self) -> Result<Update, Fault> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            // The live steps are read before the log: text leaves the screen only after its message is known.
            self.bell.borrow_and_update();
            let news = self.seen.news(&self.live);
            if *self.head.borrow_and_update() > self.cursor {
                let committed = self.committed().await?;
                self.ready.extend(committed);
            }
            self.ready.extend(news);
            if !self.ready.is_empty() {
                continue;
            }
            let gone = tokio::select! {
                rung = self.head.changed() => rung.is_err(),
                rung = self.bell.changed() => rung.is_err(),
            };
            if gone {
                return Err(Fault::new("the engine has stopped"));
            }
        }
    }

    async fn committed(&mut self) -> Result<Option<Update>, Fault> {
        let changes = self.store.log(self.cursor, BATCH).await?;
        let Some(last) = changes.last() else { return Ok(None) };
        let upto = last.n;
        let touched: BTreeSet<(Kind, String)> = changes.iter().flat_map(|logged| logged.change.touches()).collect();
        let mut rows = Vec::new();
        for (kind, key) in touched {
            rows.extend(self.row(kind, &key).await?);
        }
        self.cursor = upto;
        Ok(Some(Update::Committed { upto, changes, rows }))
    }

    async fn row(&self, kind: Kind, key: &str) -> Result<Option<RowUpdate>, Fault> {
        let store = &self.store;
        Ok(match kind {
            Kind::Agent => store.row::<Agent>(key).await?.map(RowUpdate::Agent),
            Kind::Group => store.row::<Group>(key).await?.map(RowUpdate::Group),
            Kind::Block => store.row::<Block>(key).await?.map(RowUpdate::Block),
            Kind::Conversation => store.row::<Conversation>(key).await?.map(RowUpdate::Conversation),
            Kind::Run => store.row::<Run>(key).await?.map(RowUpdate::Run),
            Kind::Call => store.row::<PendingCall>(key).await?.map(RowUpdate::Call),
            Kind::Job => store.row::<Job>(key).await?.map(RowUpdate::Job),
            Kind::Desk | Kind::Cursor => None,
        })
    }
}
