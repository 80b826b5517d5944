//! Readers. A query of the foreground runs in its caller, on an idle connection: such queries are short, and handing one
//! to another thread costs more than most of them. The background has one thread, started with its first query, and each
//! of its queries ends when nobody waits for it any more.

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

/// The most connections of the foreground that are kept open while idle.
const IDLE: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    counts: Arc<Counts>,
    observer: Arc<dyn Observer>,
    /// Idle connections of the foreground.
    idle: Mutex<Vec<Sql>>,
    /// `None` if the queries of the background run in their callers, too.
    background: Option<Background>,
}

/// The thread of the background.
struct Background {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
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
    /// The caller of the query that the thread runs.
    current: Mutex<Gone>,
}

#[derive(Default)]
struct Waiting {
    queries: VecDeque<Query>,
    closed: bool,
}

impl Readers {
    pub(super) fn start(first: Sql, path: &Path, options: &Options, counts: &Arc<Counts>) -> Self {
        let observer = Arc::clone(&options.observer);
        let background = (options.mode == Mode::Threads).then(|| Background {
            queue: Arc::new(Queue {
                state: Mutex::default(),
                bell: Condvar::new(),
                observer: Arc::clone(&observer),
                current: Mutex::default(),
            }),
            thread: Mutex::default(),
        });
        let (path, counts) = (path.to_owned(), Arc::clone(counts));
        Self { path, counts, observer, idle: Mutex::new(vec![first]), background }
    }

    /// Runs the query in its lane and returns its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        query: impl FnOnce(&Sql) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Result<T, Fault>, StoreError> {
        let background = match (&self.background, lane) {
            (Some(background), Lane::Background) => background,
            (None, _) | (_, Lane::Foreground) => return self.here(lane, query),
        };
        let (answer, answered) = oneshot::channel();
        let gone = Gone::default();
        let _caller = Caller(Arc::clone(&gone));
        let run = Box::new(move |sql: &Sql| {
            if !answer.is_closed() {
                let _ = answer.send(query(sql));
            }
        });
        background.push(Query { run, gone }, &self.path, &self.counts)?;
        answered.await.map_err(|_| StoreError::Closed)
    }

    /// Runs the query in the caller. One that panics fails only for its caller.
    fn here<T>(
        &self,
        lane: Lane,
        query: impl FnOnce(&Sql) -> Result<T, Fault>,
    ) -> Result<Result<T, Fault>, StoreError> {
        self.observer.read(lane);
        let idle = self.lock_idle().pop();
        let sql = idle.map_or_else(|| Sql::reading(&self.path, &self.counts), Ok)?;
        let result = catch_unwind(AssertUnwindSafe(|| query(&sql))).map_err(|_| StoreError::Closed)?;
        let mut idle = self.lock_idle();
        if idle.len() < IDLE {
            idle.push(sql);
        }
        Ok(result)
    }

    fn lock_idle(&self) -> MutexGuard<'_, Vec<Sql>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Background {
    fn push(&self, query: Query, path: &Path, counts: &Arc<Counts>) -> Result<(), StoreError> {
        let mut thread = self.lock_thread();
        if thread.is_none() {
            *thread = Some(self.thread(path, Sql::reading(path, counts)?)?);
        }
        self.queue.lock().queries.push_back(query);
        self.queue.bell.notify_one();
        Ok(())
    }

    fn lock_thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn thread(&self, path: &Path, mut sql: Sql) -> Result<JoinHandle<()>, StoreError> {
        let queue = Arc::clone(&self.queue);
        let stops = move || queue.lock_current().load(Ordering::Relaxed);
        sql.interrupt_when(stops).map_err(|error| Fault::Sql(error).reading())?;
        let queue = Arc::clone(&self.queue);
        let thread = std::thread::Builder::new().name("store-search".to_owned()).spawn(move || {
            while let Some(query) = queue.next() {
                queue.observer.read(Lane::Background);
                // A query that panics fails only for its caller: the lane goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| (query.run)(&sql)));
            }
        });
        thread.map_err(|error| refused(path, format!("its thread cannot be started: {error}")))
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
    fn next(&self) -> Option<Query> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(query) = state.queries.pop_front() {
                *self.lock_current() = Arc::clone(&query.gone);
                return Some(query);
            }
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Whoever waits for a query holds the store, so nobody waits any more: what runs has been interrupted.
        let mut state = self.queue.lock();
        state.closed = true;
        state.queries.clear();
        drop(state);
        self.queue.bell.notify_all();
        if let Some(thread) = self.lock_thread().take() {
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
    async fn a_query_of_the_foreground_runs_in_its_caller_on_a_connection_that_it_gives_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("desk.db"), Options::default()).unwrap();
        for _ in 0..2 {
            let ran_on = store.read(|_| Ok(std::thread::current().id())).await.unwrap();
            assert_eq!(ran_on, std::thread::current().id());
            assert_eq!(store.0.readers.lock_idle().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_query_that_panics_fails_only_for_its_caller() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("desk.db"), Options::default()).unwrap();
        let failed = store.read(|_| -> Result<(), Fault> { panic!("a fault of the query") }).await;
        assert_eq!(failed, Err(StoreError::Closed));
        assert_eq!(store.last_change().await.unwrap(), 0);
        let store = store.background();
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
