//! Readers: threads with connections of their own. The foreground has one, and a second one as soon as two of its
//! queries overlap; the background has one, started with its first query.
//!
//! A query whose caller has gone does not run. In the background, a running one is interrupted, too.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::connection::{Counts, Sql};
use super::error::Fault;
use super::file::refused;
use super::lane::{Lane, Observer};
use super::{Mode, Options, StoreError};

/// The maximum number of threads in the foreground.
const FOREGROUND: usize = 2;
/// The number of threads in the background. One, so that searches never use more than one core.
const BACKGROUND: usize = 1;

pub(super) struct Readers {
    place: Place,
    observer: Arc<dyn Observer>,
}

enum Place {
    Threads { foreground: Pool, background: Pool },
    Inline(Mutex<Sql>),
}

/// The threads of a lane.
struct Pool {
    lane: Lane,
    path: PathBuf,
    counts: Arc<Counts>,
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    most: usize,
}

struct Query {
    run: Box<dyn FnOnce(&Sql) + Send>,
    gone: Gone,
}

/// True when the caller of a query has gone.
type Gone = Arc<AtomicBool>;

/// Held by the caller of a query while it waits.
struct Caller(Gone);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Queue {
    state: Mutex<Waiting>,
    bell: Condvar,
    observer: Arc<dyn Observer>,
    /// The caller of the query that a background thread runs.
    current: Mutex<Gone>,
}

#[derive(Default)]
struct Waiting {
    queries: VecDeque<Query>,
    /// The number of idle threads.
    idle: usize,
    closed: bool,
}

impl Readers {
    pub(super) fn start(first: Sql, path: &Path, options: &Options, counts: &Arc<Counts>) -> Result<Self, StoreError> {
        let observer = Arc::clone(&options.observer);
        if options.mode == Mode::Inline {
            return Ok(Self { place: Place::Inline(Mutex::new(first)), observer });
        }
        let pool = |lane, most| Pool {
            lane,
            path: path.to_owned(),
            counts: Arc::clone(counts),
            queue: Arc::new(Queue {
                state: Mutex::default(),
                bell: Condvar::new(),
                observer: Arc::clone(&observer),
                current: Mutex::default(),
            }),
            threads: Mutex::default(),
            most,
        };
        let (foreground, background) = (pool(Lane::Foreground, FOREGROUND), pool(Lane::Background, BACKGROUND));
        let thread = foreground.thread(first)?;
        foreground.lock_threads().push(thread);
        Ok(Self { place: Place::Threads { foreground, background }, observer })
    }

    /// Runs the query on a reader of the lane and returns its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        query: impl FnOnce(&Sql) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Result<T, Fault>, StoreError> {
        let pool = match (&self.place, lane) {
            (Place::Inline(sql), _) => {
                self.observer.read(lane);
                return Ok(query(&sql.lock().unwrap_or_else(PoisonError::into_inner)));
            }
            (Place::Threads { foreground, .. }, Lane::Foreground) => foreground,
            (Place::Threads { background, .. }, Lane::Background) => background,
        };
        let (answer, answered) = oneshot::channel();
        let gone = Gone::default();
        let _caller = Caller(Arc::clone(&gone));
        let run = Box::new(move |sql: &Sql| {
            if !answer.is_closed() {
                let _ = answer.send(query(sql));
            }
        });
        pool.push(Query { run, gone })?;
        answered.await.map_err(|_| StoreError::Closed)
    }
}

impl Pool {
    fn push(&self, query: Query) -> Result<(), StoreError> {
        let crowded = {
            let mut state = self.queue.lock();
            state.queries.push_back(query);
            state.queries.len() > state.idle
        };
        self.queue.bell.notify_one();
        let mut threads = self.lock_threads();
        if crowded && threads.len() < self.most {
            match Sql::reading(&self.path, &self.counts).and_then(|sql| self.thread(sql)) {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                // The other reader runs the query later.
                Err(error) => tracing::warn!(%error, "no further reader"),
            }
        }
        Ok(())
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn thread(&self, mut sql: Sql) -> Result<JoinHandle<()>, StoreError> {
        let (lane, queue) = (self.lane, Arc::clone(&self.queue));
        if lane == Lane::Background {
            let queue = Arc::clone(&queue);
            let stops = move || queue.lock_current().load(Ordering::Relaxed);
            sql.interrupt_when(stops).map_err(|error| Fault::Sql(error).reading())?;
        }
        let name = if lane == Lane::Background { "store-search" } else { "store-reader" };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(query) = queue.next(lane) {
                queue.observer.read(lane);
                // A query that panics fails only for its caller: the lane goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| (query.run)(&sql)));
            }
        });
        thread.map_err(|error| refused(&self.path, format!("its thread cannot be started: {error}")))
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_current(&self) -> MutexGuard<'_, Gone> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next query; `None` when the store is closed.
    fn next(&self, lane: Lane) -> Option<Query> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(query) = state.queries.pop_front() {
                if lane == Lane::Background {
                    *self.lock_current() = Arc::clone(&query.gone);
                }
                return Some(query);
            }
            state.idle += 1;
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Whoever waits for a query holds the store, so nobody waits any more: what runs has been interrupted.
        let mut state = self.queue.lock();
        state.closed = true;
        state.queries.clear();
        drop(state);
        self.queue.bell.notify_all();
        for thread in self.lock_threads().drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::poll;
    use tokio::time::timeout;

    use super::super::{Background, Options, Store};
    use super::*;

    /// A query that ends only if it is interrupted.
    async fn endless(store: &Store<Background>) -> Result<(), StoreError> {
        let query = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        store.read(move |sql| sql.one(query, [], |_| Ok(())).map(drop)).await
    }

    #[tokio::test]
    async fn a_query_that_panics_fails_only_for_its_caller() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("desk.db"), Options::default()).unwrap().background();
        let failed = store.read(|_| -> Result<(), Fault> { panic!("a fault of the query") }).await;
        assert_eq!(failed, Err(StoreError::Closed));
        let next = timeout(Duration::from_mins(1), store.last_change()).await.expect("the lane goes on");
        assert_eq!(next.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_query_whose_caller_has_gone_before_its_turn_does_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("desk.db"), Options::default()).unwrap().background();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(store.read(move |_| {
            let _ = wait.recv();
            Ok(())
        }));
        assert!(poll!(&mut first).is_pending());
        let ran = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ran);
        let mut gone = Box::pin(store.read(move |_| {
            told.store(true, Ordering::Relaxed);
            Ok(())
        }));
        assert!(poll!(&mut gone).is_pending());
        drop((gone, go));
        first.await.unwrap();
        store.last_change().await.unwrap();
        assert!(!ran.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_read_of_the_background_ends_when_its_caller_has_gone_and_holds_up_nothing_in_the_foreground() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("desk.db"), Options::default()).unwrap();
        let background = store.background();
        let patience = Duration::from_mins(1);
        for _ in 0..2 {
            let mut searches = vec![Box::pin(endless(&background)), Box::pin(endless(&background))];
            for search in &mut searches {
                assert!(poll!(search).is_pending());
            }
            let read = timeout(patience, store.last_change()).await.expect("the foreground waits");
            assert_eq!(read.unwrap(), 0);
            drop(searches);
            let next = timeout(patience, background.last_change()).await.expect("nobody waits for it, and it goes on");
            assert_eq!(next.unwrap(), 0);
        }
        let mut left = Box::pin(endless(&background));
        assert!(poll!(&mut left).is_pending());
        drop(left);
        let closing = std::thread::spawn(move || drop((store, background)));
        let closed = timeout(patience, tokio::task::spawn_blocking(move || closing.join())).await;
        closed.expect("it never closes").unwrap().unwrap();
    }
}
