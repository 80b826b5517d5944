//! Following: committed changes gap-free from a cursor, live text as it stands when the watcher comes to it.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::watch;

use super::live::{Live, Seen};
use super::wire::{Fault, RowUpdate, Update};
use crate::domain::state::Kind;
use crate::domain::{Agent, Block, Change, Conversation, Group, Job, Logged, Mail, PendingCall, Run, StepId};
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
    /// Live news that wait until the log has been read up to where it stood after they were taken.
    held: Option<(u64, Vec<Update>)>,
    /// Steps whose message is out and that are still live for a moment: their text would show twice.
    told: BTreeSet<StepId>,
}

impl Follower {
    /// A watcher that knows everything up to this change.
    #[must_use]
    pub fn new(store: Store, live: Live, after: u64) -> Self {
        let (head, bell) = (store.head(), live.bell());
        let (seen, ready) = (Seen::default(), VecDeque::new());
        Self { store, live, cursor: after, head, bell, seen, ready, held: None, told: BTreeSet::new() }
    }

    /// The next update. Cancel-safe.
    pub async fn next(&mut self) -> Result<Update, Fault> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            let upto = self.hold();
            if self.cursor < upto {
                match self.committed().await? {
                    Some(committed) => self.ready.push_back(committed),
                    None => self.cursor = upto,
                }
                continue;
            }
            let news = self.held.take().map(|(_, news)| news).unwrap_or_default();
            self.ready.extend(news.into_iter().filter(|update| match update {
                Update::Live(live) => !self.told.contains(&live.step),
                _ => true,
            }));
            self.told.retain(|step| self.live.has(step));
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

    /// Takes the live news, where none are held, and tells how far the log has to be read before they are told.
    ///
    /// The live steps are read before the log, and told after all of it: text leaves the screen only after its
    /// message is known, however far behind this watcher is.
    fn hold(&mut self) -> u64 {
        if let Some((upto, _)) = &self.held {
            return *upto;
        }
        self.bell.borrow_and_update();
        let news = self.seen.news(&self.live);
        let upto = *self.head.borrow_and_update();
        self.held = Some((upto, news));
        upto
    }

    async fn committed(&mut self) -> Result<Option<Update>, Fault> {
        let changes = self.store.log(self.cursor, BATCH).await?;
        let Some(last) = changes.last() else { return Ok(None) };
        let upto = last.n;
        let touched: BTreeSet<(Kind, String)> = changes.iter().flat_map(|logged| logged.change.touches()).collect();
        let mut rows = Vec::new();
        for (kind, key) in touched {
            rows.extend(row(&self.store, kind, &key).await?);
        }
        let told: Vec<StepId> = changes.iter().filter_map(told).filter(|step| self.may_show(step)).cloned().collect();
        self.told.extend(told);
        self.cursor = upto;
        Ok(Some(Update::Committed { upto, changes, rows }))
    }

    /// True when text of this step may still come to this watcher.
    fn may_show(&self, step: &StepId) -> bool {
        let held = |update: &Update| matches!(update, Update::Live(live) if live.step == *step);
        self.live.has(step) || self.held.as_ref().is_some_and(|(_, news)| news.iter().any(held))
    }
}

macro_rules! define_row {
    (
        followed { $($(#[doc = $doc:literal])* $kind:ident($row:ty) $table:literal $noun:literal;)* }
        internal { $($(#[doc = $internal_doc:literal])* $(#[cfg($cfg:meta)])? $internal:ident($i:ty) $t:literal $n:literal;)* }
    ) => {
        /// The row with this key as a watcher is told of it; `None` where rows of its kind are not followed.
        async fn row(store: &Store, kind: Kind, key: &str) -> Result<Option<RowUpdate>, Fault> {
            let row = match kind {
                $(Kind::$kind => store.row::<$row>(key).await?.map(RowUpdate::$kind),)*
                $($(#[cfg($cfg)])? Kind::$internal => return Ok(None),)*
            };
            Ok(Some(row.unwrap_or_else(|| RowUpdate::Gone { kind, key: key.to_owned() })))
        }
    };
}
crate::domain::state::row_kinds!(define_row);

/// The step whose words this change brings, whole or as far as they came.
fn told(logged: &Logged) -> Option<&StepId> {
    match &logged.change {
        Change::StepFinished(step) => Some(&step.id),
        Change::MessageAppended(message) => message.step.as_ref(),
        _ => None,
    }
}
