//! Subscriptions: committed changes without gaps from a cursor, and the live text of steps in progress.
//!
//! Commits come from the store's tail, which all subscribers share: a commit costs each of them one wake-up and no
//! statement. Nothing is kept for a subscriber that is slow; when it asks again, it reads the log by its cursor.

mod scope;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::live::{StreamCursor, StreamingSteps};
use super::protocol::{Filter, RequestError, RowUpdate, Update};
use crate::domain::{Change, LogEntry, StepId};
use crate::store::{Page, RowImage, Store, TailReader};
use scope::Scope;

/// One subscriber.
pub struct Subscriber {
    store: Store,
    tail: TailReader,
    /// Places for pages in memory, shared with other subscribers, and the one this subscriber has.
    pages: Option<Arc<Semaphore>>,
    page: Option<OwnedSemaphorePermit>,
    /// Held as long as it is a screen.
    _screen: Option<Arc<()>>,
    live: StreamingSteps,
    scope: Scope,
    cursor: u64,
    /// The number of the change up to which the delivered rows are current.
    as_of: u64,
    head: watch::Receiver<u64>,
    bell: watch::Receiver<u64>,
    seen: StreamCursor,
    ready: VecDeque<Update>,
    /// Live updates that are delivered after the log has been read up to this change number.
    held: Option<(u64, Vec<Update>)>,
    /// Steps whose message is delivered while they are still live: their live text would show twice.
    told: BTreeSet<StepId>,
    /// Steps of which live updates were delivered and that are not over.
    showing: BTreeSet<StepId>,
}

impl Subscriber {
    /// Creates a subscriber that receives what `filter` lets through of the changes after number `after`.
    #[must_use]
    pub fn new(store: Store, live: StreamingSteps, after: u64, filter: Filter) -> Self {
        Self {
            tail: store.tail(),
            pages: None,
            page: None,
            _screen: None,
            head: store.head(),
            bell: live.bell(),
            store,
            live,
            scope: Scope::new(filter),
            cursor: after,
            as_of: 0,
            seen: StreamCursor::default(),
            ready: VecDeque::new(),
            held: None,
            told: BTreeSet::new(),
            showing: BTreeSet::new(),
        }
    }

    /// Reads changes only with one of these places, which the caller gives back with [`Subscriber::release_page`] when
    /// it no longer holds the update.
    #[must_use]
    pub fn with_pages(self, pages: Arc<Semaphore>) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// Is a screen while it lives, if there is something to hold.
    #[must_use]
    pub fn with_screen(self, screen: Option<Arc<()>>) -> Self {
        Self { _screen: screen, ..self }
    }

    /// Gives back the place of the last update.
    pub fn release_page(&mut self) {
        self.page = None;
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
                if let Some(pages) = self.pages.as_ref().filter(|_| self.page.is_none()) {
                    self.page = Arc::clone(pages).acquire_owned().await.ok();
                }
                let committed = self.advance(upto).await?;
                if committed.is_none() {
                    self.page = None;
                }
                self.ready.extend(committed);
                continue;
            }
            self.filter_held().await?;
            for update in self.held.take().map(|(_, news)| news).unwrap_or_default() {
                match &update {
                    Update::Live(live) if self.told.contains(&live.step) => continue,
                    Update::Live(live) => {
                        self.showing.insert(live.step.clone());
                    }
                    Update::Over { step } => {
                        self.showing.remove(step);
                    }
                    Update::Committed { .. } | Update::Trouble { .. } => {}
                }
                self.ready.push_back(update);
            }
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
        let news = self.seen.poll(&self.live, self.scope.follows_live());
        between();
        let upto = *self.head.borrow_and_update();
        self.held = Some((upto, news));
        upto
    }

    /// Delivers the next commits, up to `upto` or further; `None` if the filter lets nothing of them through.
    async fn advance(&mut self, upto: u64) -> Result<Option<Update>, RequestError> {
        // Rows from the store may be newer than the entries they come with: until the cursor has reached them, older
        // rows from the tail would take them back.
        let in_memory = (self.cursor >= self.as_of).then(|| self.tail.next(self.cursor)).flatten();
        let page = match in_memory {
            Some(page) => Some(Page::clone(&page)),
            None => self.store.page(self.cursor).await?,
        };
        let Some(page) = page else {
            self.cursor = upto;
            return Ok(None);
        };
        let (upto, as_of) = (page.upto(), page.as_of);
        let told: Vec<StepId> =
            page.entries.iter().filter_map(told).filter(|step| self.may_show(step)).cloned().collect();
        let (mut changes, mut rows) = (page.entries, rows(page.rows));
        self.scope.keep(&self.store, &mut changes, &mut rows).await?;
        self.told.extend(told);
        (self.cursor, self.as_of) = (upto, as_of);
        Ok((!changes.is_empty()).then_some(Update::Committed { upto, changes, rows }))
    }

    /// Drops the held live updates that the filter does not let through. Cancel-safe: they stay held meanwhile.
    async fn filter_held(&mut self) -> Result<(), RequestError> {
        let Some((_, news)) = &self.held else { return Ok(()) };
        let mut lets = Vec::with_capacity(news.len());
        for update in news {
            lets.push(match update {
                Update::Live(live) => self.scope.lets_live(&self.store, live).await?,
                Update::Over { step } => self.showing.contains(step),
                Update::Committed { .. } | Update::Trouble { .. } => true,
            });
        }
        let mut lets = lets.into_iter();
        if let Some((_, news)) = &mut self.held {
            news.retain(|_| lets.next().unwrap_or(true));
        }
        Ok(())
    }

    /// True when live text of this step may still reach this subscriber.
    fn may_show(&self, step: &StepId) -> bool {
        let held = |update: &Update| matches!(update, Update::Live(live) if live.step == *step);
        self.live.has(step) || self.held.as_ref().is_some_and(|(_, news)| news.iter().any(held))
    }
}

/// The rows of these images that can be read.
fn rows(images: Vec<RowImage>) -> Vec<RowUpdate> {
    let read = images.into_iter().map(|image| RowUpdate::read(image.kind, &image.key, image.body.as_deref()));
    read.filter_map(|row| row.inspect_err(|fault| tracing::warn!(%fault, "left out of an update")).ok().flatten())
        .collect()
}

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
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::executor::block_on;

    use super::*;
    use crate::domain::{Actor, Commit};
    use crate::engine::live::StepMeta;
    use crate::engine::protocol::Phase;
    use crate::store::{Lane, Mode, Options};

    fn about() -> StepMeta {
        StepMeta {
            run: "run-1".into(),
            root: "run-1".into(),
            conversation: "conversation-1".into(),
            agent: "agent-ann".into(),
            name: "ann".to_owned(),
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_commit_wakes_each_subscriber_once_and_costs_it_no_statement() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { mode: Mode::Inline, ..Options::default() };
        let store = Store::open(&dir.path().join("desk.db"), options).unwrap();
        let live = StreamingSteps::default();
        let mut subscribers: Vec<Subscriber> =
            (0..50).map(|_| Subscriber::new(store.clone(), live.clone(), 0, Filter::default())).collect();
        let counts: Vec<Arc<Wakes>> = subscribers.iter().map(|_| Arc::default()).collect();
        let mut waits: Vec<_> = subscribers.iter_mut().map(|subscriber| Box::pin(subscriber.next())).collect();
        for (wait, count) in waits.iter_mut().zip(&counts) {
            let waker = std::task::Waker::from(Arc::clone(count));
            assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        }
        let changes = (1..=20).map(|epoch| Change::EpochRaised { epoch }).collect();
        store.commit(Lane::Foreground, Commit::new(Actor::Engine, changes)).await.unwrap();
        let before = store.counters().statements;
        for (wait, count) in waits.into_iter().zip(&counts) {
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
            assert!(matches!(wait.await.unwrap(), Update::Committed { upto: 20, changes, .. } if changes.len() == 20));
        }
        assert_eq!(store.counters().statements, before);
    }

    #[tokio::test]
    async fn live_text_is_read_before_the_log_so_that_a_step_ends_only_after_its_commit() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { mode: Mode::Inline, ..Options::default() };
        let store = Store::open(&dir.path().join("desk.db"), options).unwrap();
        let live = StreamingSteps::default();
        let step = live.begin("step-1".into(), about(), Phase::Speaking);
        step.text("spoken");
        let mut watcher = Subscriber::new(store.clone(), live, 0, Filter::default());
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

    #[tokio::test]
    async fn who_comes_late_to_a_long_answer_gets_all_of_it_in_pieces_and_who_follows_no_text_none() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { mode: Mode::Inline, ..Options::default() };
        let store = Store::open(&dir.path().join("desk.db"), options).unwrap();
        let live = StreamingSteps::default();
        let step = live.begin("step-1".into(), about(), Phase::Speaking);
        let (long, thought) = ("é1".repeat(50_000), "why ".repeat(10_000));
        step.text(&long);
        step.reasoning(&thought);
        let mut watcher = Subscriber::new(store.clone(), live.clone(), 0, Filter::default());
        let (mut text, mut reasoning) = (String::new(), String::new());
        while (text.len(), reasoning.len()) < (long.len(), thought.len()) {
            let Update::Live(more) = watcher.next().await.unwrap() else { panic!("{text}") };
            assert!(more.text.len().max(more.reasoning.len()) <= 16 << 10, "{} bytes", more.text.len());
            text += &more.text;
            reasoning += &more.reasoning;
        }
        assert!(text == long && reasoning == thought);

        let filter = Filter { live: false, ..Filter::default() };
        let mut other = Subscriber::new(store, live.clone(), 0, filter);
        live.trouble("told to all".to_owned());
        drop(step);
        assert!(matches!(other.next().await.unwrap(), Update::Trouble { text } if text == "told to all"));
        assert!(matches!(watcher.next().await.unwrap(), Update::Over { .. }));
        assert!(matches!(watcher.next().await.unwrap(), Update::Trouble { .. }));
    }
}
