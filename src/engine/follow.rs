//! Subscriptions: committed changes without gaps from a cursor, and the live text of steps in progress.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::watch;

use super::live::{StreamCursor, StreamingSteps};
use super::protocol::{RequestError, RowUpdate, Update};
use crate::domain::state::Kind;
use crate::domain::{
    Agent, Block, Change, Conversation, Group, Job, LogEntry, Mail, PendingCall, Run, StepId, Trigger,
};
use crate::store::Store;

/// Most changes in one update; bounds the size of an update for a subscriber that is behind.
const BATCH: usize = 256;

/// One subscriber.
pub struct Subscriber {
    store: Store,
    live: StreamingSteps,
    cursor: u64,
    head: watch::Receiver<u64>,
    bell: watch::Receiver<u64>,
    seen: StreamCursor,
    ready: VecDeque<Update>,
    /// Live updates that are delivered after the log has been read up to this change number.
    held: Option<(u64, Vec<Update>)>,
    /// Steps whose message is delivered while they are still live: their live text would show twice.
    told: BTreeSet<StepId>,
}

impl Subscriber {
    /// Creates a subscriber that receives every change after number `after`.
    #[must_use]
    pub fn new(store: Store, live: StreamingSteps, after: u64) -> Self {
        let (head, bell) = (store.head(), live.bell());
        let (seen, ready) = (StreamCursor::default(), VecDeque::new());
        Self { store, live, cursor: after, head, bell, seen, ready, held: None, told: BTreeSet::new() }
    }

    /// Waits for the next update. Cancel-safe.
    ///
    /// # Errors
    /// [`RequestError`] if the store cannot be read or the engine has stopped.
    pub async fn next(&mut self) -> Result<Update, RequestError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            let upto = self.snapshot();
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
                return Err(RequestError::new("the engine has stopped"));
            }
        }
    }

    /// Takes the live updates unless some are held already, and returns the log position that must be delivered
    /// before them.
    ///
    /// Live steps are read before the log and delivered after it, so that live text disappears only after its
    /// message is known, however far behind this subscriber is.
    fn snapshot(&mut self) -> u64 {
        self.snapshot_around(|| {})
    }

    /// `between` runs between the two reads: a test commits there.
    fn snapshot_around(&mut self, between: impl FnOnce()) -> u64 {
        if let Some((upto, _)) = &self.held {
            return *upto;
        }
        self.bell.borrow_and_update();
        let news = self.seen.poll(&self.live);
        between();
        let upto = *self.head.borrow_and_update();
        self.held = Some((upto, news));
        upto
    }

    async fn committed(&mut self) -> Result<Option<Update>, RequestError> {
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

    /// True when live text of this step may still reach this subscriber.
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
        /// Reads the row with this key as an update; `None` if rows of its kind are not followed.
        async fn row(store: &Store, kind: Kind, key: &str) -> Result<Option<RowUpdate>, RequestError> {
            let row = match kind {
                $(Kind::$kind => store.row::<$row>(key).await?.map(RowUpdate::$kind),)*
                $($(#[cfg($cfg)])? Kind::$internal => return Ok(None),)*
            };
            Ok(Some(row.unwrap_or_else(|| RowUpdate::Gone { kind, key: key.to_owned() })))
        }
    };
}
crate::domain::state::row_kinds!(define_row);

/// The step whose text this change commits, complete or cut short.
fn told(logged: &LogEntry) -> Option<&StepId> {
    match &logged.change {
        Change::StepFinished(step) => Some(&step.id),
        Change::MessageAppended(message) => message.step.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::domain::{Actor, Commit};
    use crate::engine::live::StepMeta;
    use crate::engine::protocol::Phase;
    use crate::store::{Lane, Mode, Options};

    #[tokio::test]
    async fn live_text_is_read_before_the_log_so_that_a_step_ends_only_after_its_commit() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { mode: Mode::Inline, ..Options::default() };
        let store = Store::open(&dir.path().join("desk.db"), options).unwrap();
        let live = StreamingSteps::default();
        let about = StepMeta {
            run: "run-1".into(),
            root: "run-1".into(),
            conversation: "conversation-1".into(),
            agent: "agent-ann".into(),
            name: "ann".to_owned(),
        };
        let step = live.begin("step-1".into(), about, Phase::Speaking);
        step.text("spoken");
        let mut watcher = Subscriber::new(store.clone(), live, 0);
        assert!(matches!(watcher.next().await.unwrap(), Update::Live(live) if live.text == "spoken"));

        let commit = Commit::new(Actor::Engine, vec![Change::EpochRaised { epoch: 1 }]);
        let upto = watcher.snapshot_around(|| {
            block_on(store.commit(Lane::Foreground, commit)).unwrap();
            drop(step);
        });
        assert_eq!(upto, 1, "the commit comes before the end of the step");
        assert!(matches!(watcher.next().await.unwrap(), Update::Committed { upto: 1, .. }));
        assert!(matches!(watcher.next().await.unwrap(), Update::Over { .. }));
    }
}
