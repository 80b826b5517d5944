//! Readers: a thread with its own connection, and a second one as soon as two queries overlap.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::connection::{Counts, Sql};
use super::error::Fault;
use super::file::refused;
use super::{Mode, StoreError};

type Query = Box<dyn FnOnce(&Sql) + Send>;

/// The maximum number of reader threads: one stays free for the screen during a long query on the other.
const THREADS: usize = 2;

pub(super) enum Readers {
    Threads(Pool),
    Inline(Mutex<Sql>),
}

pub(super) struct Pool {
    path: PathBuf,
    counts: Arc<Counts>,
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    queries: VecDeque<Query>,
    /// The number of idle threads.
    idle: usize,
    closed: bool,
}

impl Readers {
    pub(super) fn start(first: Sql, path: &Path, mode: Mode, counts: &Arc<Counts>) -> Result<Self, StoreError> {
        if mode == Mode::Inline {
            return Ok(Self::Inline(Mutex::new(first)));
        }
        let pool = Pool {
            path: path.to_owned(),
            counts: Arc::clone(counts),
            queue: Arc::default(),
            threads: Mutex::default(),
        };
        pool.spawn(first).map_err(|error| refused(path, format!("its thread cannot be started: {error}")))?;
        Ok(Self::Threads(pool))
    }

    /// Runs the query on a reader and returns its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Sql) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Result<T, Fault>, StoreError> {
        let pool = match self {
            Self::Inline(sql) => return Ok(query(&sql.lock().unwrap_or_else(PoisonError::into_inner))),
            Self::Threads(pool) => pool,
        };
        let (answer, answered) = oneshot::channel();
        pool.push(Box::new(move |sql| {
            // If the caller has gone, the query need not run.
            if !answer.is_closed() {
                let _ = answer.send(query(sql));
            }
        }));
        answered.await.map_err(|_| StoreError::Closed)
    }
}

impl Pool {
    fn push(&self, query: Query) {
        let crowded = {
            let mut state = self.queue.lock();
            state.queries.push_back(query);
            state.queries.len() > state.idle
        };
        self.queue.bell.notify_one();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if crowded && threads.len() < THREADS {
            // If the second reader cannot start, the first one runs the query later.
            let second = Sql::reading(&self.path, &self.counts).map_err(|error| error.to_string());
            match second.and_then(|sql| self.thread(sql).map_err(|error| error.to_string())) {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::warn!(error, "no second reader"),
            }
        }
    }

    fn spawn(&self, sql: Sql) -> std::io::Result<()> {
        let thread = self.thread(sql)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn thread(&self, sql: Sql) -> std::io::Result<JoinHandle<()>> {
        let queue = Arc::clone(&self.queue);
        std::thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
            while let Some(query) = queue.next() {
                query(&sql);
            }
        })
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next query; `None` when the store is closed and the queue is empty.
    fn next(&self) -> Option<Query> {
        let mut state = self.lock();
        loop {
            if let Some(query) = state.queries.pop_front() {
                return Some(query);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.bell.notify_all();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}
