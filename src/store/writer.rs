//! The writer: the only writing connection, and the two queues of commits.
//!
//! A batch of waiting commits, foreground first, runs in one transaction, and each caller has its answer after `COMMIT`
//! and after the new head is published. A caller in the foreground who finds the writer idle runs the batch itself, which
//! saves two changes of threads; whatever waits behind it, and the background, is the thread's. A rejected commit does
//! not affect the others. If the database fails, the batch is run again with one transaction per commit, so that each
//! gets its own result.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::connection::Sql;
use super::error::Fault;
use super::file::{FileIdentity, identity, refused};
use super::ground::KnownFile;
use super::staged::{KnownRows, StagedRows};
use super::tables::{self, json_bytes};
use super::tail::{Page, RowImage, Tail, images};
use super::transcript_cache::TranscriptCache;
use super::{Clock, CommitError, Lane, Mode, Options, StoreError, failpoint, log};
use crate::domain::state::{ApplyError, StoreMeta, apply, check};
use crate::domain::trigger::derived_changes;
use crate::domain::{Actor, Change, Commit, Ids, LogEntry};

/// The maximum number of foreground commits per transaction.
const FOREGROUND_BATCH: usize = 256;
/// The maximum number of background commits per transaction. A foreground commit waits for at most one such batch.
const BACKGROUND_BATCH: usize = 8;
/// The maximum size of the background commits in one transaction, in bytes; a single commit may be larger.
const BACKGROUND_BYTES: usize = 256 * 1024;
/// The length of the write-ahead log, in pages, at which a checkpoint runs if no commit waits.
const CHECKPOINT_AT_REST: u32 = 1_000;
/// The length at which a checkpoint runs even if commits wait, because a long log slows every read.
const CHECKPOINT_AT_LAST: u32 = 16_000;

/// The pages of the index of words that one part of its upkeep merges at most.
const MERGED_PAGES: i64 = 200;

type Answer = Result<Vec<LogEntry>, CommitError>;
/// What a transaction comes to: the results, the number of the last change and, if somebody follows, the rows written.
type Done = (Vec<Answer>, u64, Option<Vec<RowImage>>);

/// The entry of commits.
pub(super) enum Lanes {
    Threads { shared: Arc<Threads>, thread: Option<JoinHandle<()>> },
    Inline(Box<Mutex<Writer>>),
}

/// What the thread and the callers share.
pub(super) struct Threads {
    queue: Mutex<Waiting>,
    bell: Condvar,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Waiting {
    foreground: VecDeque<Queued>,
    background: VecDeque<Queued>,
    /// Parts of upkeep, which wait until no commit does.
    upkeep: VecDeque<oneshot::Sender<Result<bool, StoreError>>>,
    /// True if a checkpoint is due.
    checkpoint: bool,
    closed: bool,
}

struct Queued {
    commit: Commit,
    answer: oneshot::Sender<Answer>,
    bytes: usize,
}

impl Lanes {
    pub(super) fn start(writer: Writer, mode: Mode) -> Result<Self, StoreError> {
        if mode == Mode::Inline {
            return Ok(Self::Inline(Box::new(Mutex::new(writer))));
        }
        let path = writer.path.clone();
        let shared = Arc::new(Threads { queue: Mutex::default(), bell: Condvar::new(), writer: Mutex::new(writer) });
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            while served.wait() {
                served.work();
            }
        });
        let thread = thread.map_err(|error| refused(&path, format!("its thread cannot be started: {error}")))?;
        Ok(Self::Threads { shared, thread: Some(thread) })
    }

    pub(super) async fn commit(&self, lane: Lane, commit: Commit) -> Answer {
        let shared = match self {
            Self::Inline(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = writer.commit_one(&commit);
                writer.maybe_checkpoint(true);
                return answer;
            }
            Self::Threads { shared, .. } => shared,
        };
        let (answer, answered) = oneshot::channel();
        shared.push(lane, commit, answer)?;
        if lane == Lane::Foreground {
            let pending = Pending(shared);
            // Commits of other tasks that are ready to run join the batch.
            tokio::task::yield_now().await;
            pending.0.run();
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Does a part of the upkeep of what is derived from the tables, once no commit waits. Returns whether more is left.
    pub(super) async fn upkeep(&self) -> Result<bool, StoreError> {
        let shared = match self {
            Self::Inline(writer) => return writer.lock().unwrap_or_else(PoisonError::into_inner).upkeep(),
            Self::Threads { shared, .. } => shared,
        };
        let (answer, answered) = oneshot::channel();
        {
            let mut state = shared.lock();
            if state.closed {
                return Err(StoreError::Closed);
            }
            state.upkeep.push_back(answer);
        }
        shared.bell.notify_one();
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The number of commits that have not been started.
    pub(super) fn waiting(&self) -> u64 {
        match self {
            Self::Inline(_) => 0,
            Self::Threads { shared, .. } => {
                let state = shared.lock();
                (state.foreground.len() + state.background.len()) as u64
            }
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Self::Threads { shared, thread } = self {
            shared.lock().closed = true;
            shared.bell.notify_all();
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// Held by a caller until it has tried to run its commit. If the caller goes before, or another one has the writer, the
/// commit is the thread's.
struct Pending<'a>(&'a Threads);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.0.lock().foreground.is_empty() {
            self.0.bell.notify_one();
        }
    }
}

/// Held while the writer works. After a panic, all waiting callers get an error, and nobody commits any more.
struct Works<'a>(&'a Threads);

impl Drop for Works<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.closed = true;
            state.foreground.clear();
            state.background.clear();
            state.upkeep.clear();
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.foreground.is_empty() && self.background.is_empty()
    }

    /// Takes the next batch, foreground first.
    fn next(&mut self) -> Vec<Queued> {
        if self.foreground.is_empty() {
            let most = background_batch(&self.background).min(self.background.len());
            return self.background.drain(..most).collect();
        }
        self.next_in_front()
    }

    fn next_in_front(&mut self) -> Vec<Queued> {
        let most = self.foreground.len().min(FOREGROUND_BATCH);
        self.foreground.drain(..most).collect()
    }
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a commit. One of the foreground is for its caller to run.
    fn push(&self, lane: Lane, commit: Commit, answer: oneshot::Sender<Answer>) -> Result<(), StoreError> {
        let bytes = if lane == Lane::Background { json_bytes(&commit) } else { 0 };
        let queued = Queued { commit, answer, bytes };
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        match lane {
            Lane::Foreground => state.foreground.push_back(queued),
            Lane::Background => state.background.push_back(queued),
        }
        drop(state);
        if lane == Lane::Background {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Runs the next batch of the foreground in the caller, if the writer is idle. What waits behind it has callers of
    /// its own; only a checkpoint is left to the thread.
    fn run(&self) {
        let Ok(mut writer) = self.writer.try_lock() else { return };
        let batch = self.lock().next_in_front();
        let works = Works(self);
        writer.process(batch);
        drop(works);
        let checkpoint = writer.wants_checkpoint(true);
        drop(writer);
        if checkpoint {
            self.lock().checkpoint = true;
            self.bell.notify_one();
        }
    }

    /// Waits for work. False when the store is closed and both queues are empty.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if !state.is_empty() || !state.upkeep.is_empty() || state.checkpoint {
                return true;
            }
            if state.closed {
                return false;
            }
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs what waits, on the thread.
    fn work(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _works = Works(self);
        let batch = self.lock().next();
        if batch.is_empty()
            && let Some(answer) = self.lock().upkeep.pop_front()
        {
            // Whoever asked may have gone; the part is done anyway.
            let _ = answer.send(writer.upkeep());
        }
        writer.process(batch);
        let at_rest = {
            let mut state = self.lock();
            state.checkpoint = false;
            state.is_empty()
        };
        writer.maybe_checkpoint(at_rest);
    }
}

/// The number of background commits in the next batch, at least 1.
fn background_batch(waiting: &VecDeque<Queued>) -> usize {
    let mut sum = 0;
    let fits = waiting.iter().take(BACKGROUND_BATCH).take_while(|queued| {
        sum += queued.bytes;
        sum <= BACKGROUND_BYTES
    });
    fits.count().max(1)
}

/// Who is told of a commit, in this order.
pub(super) struct Told {
    /// The newest commits, for followers.
    pub(super) tail: Tail,
    /// The newest messages, for steps.
    pub(super) transcripts: TranscriptCache,
    /// The number of the last change.
    pub(super) bell: watch::Sender<u64>,
}

/// The writing connection, and what a commit needs besides.
pub(super) struct Writer {
    sql: Sql,
    path: PathBuf,
    opened: Option<FileIdentity>,
    ground: Vec<KnownFile>,
    /// Set once a file of `ground` is gone.
    uprooted: Option<StoreError>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    told: Told,
    /// The length of the write-ahead log, in pages.
    pages: Arc<AtomicU32>,
    /// The rows as this writer left them.
    known: KnownRows,
    /// `SQLite`'s number of the file's version, which another connection has changed if it has written.
    version: i64,
    /// The number of the last change this writer knows of; a higher one in the log is of another program.
    seen: u64,
    /// The epoch this program has raised; `None` before that.
    epoch: Option<u64>,
}

impl Writer {
    pub(super) fn new(
        mut sql: Sql,
        path: &Path,
        options: &Options,
        ground: &[KnownFile],
        told: Told,
    ) -> Result<Self, StoreError> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        };
        sql.conn_mut().wal_hook(Some(hook)).map_err(|error| Fault::Sql(error).reading())?;
        let (clock, ids) = (Arc::clone(&options.clock), options.ids.clone());
        let seen = *told.bell.borrow();
        let (known, version) = (KnownRows::default(), i64::MIN);
        Ok(Self {
            sql,
            path: path.to_owned(),
            opened: identity(path),
            ground: ground.to_vec(),
            uprooted: None,
            clock,
            ids,
            told,
            pages,
            known,
            version,
            seen,
            epoch: None,
        })
    }

    /// Runs a batch and replies to each caller.
    fn process(&mut self, batch: Vec<Queued>) {
        if batch.is_empty() {
            return;
        }
        let commits: Vec<&Commit> = batch.iter().map(|queued| &queued.commit).collect();
        let answers = match self.commit_batch(&commits) {
            Ok(answers) => answers,
            Err(error) if commits.len() == 1 => vec![Err(error.into())],
            Err(error) => {
                tracing::warn!(%error, commits = commits.len(), "a batch failed; its commits are run one by one");
                commits.iter().map(|commit| self.commit_one(commit)).collect()
            }
        };
        for (queued, answer) in batch.into_iter().zip(answers) {
            // The caller may have gone; the commit is done anyway.
            let _ = queued.answer.send(answer);
        }
    }

    /// Runs one commit in its own transaction.
    fn commit_one(&mut self, commit: &Commit) -> Answer {
        match self.commit_batch(&[commit]) {
            Ok(mut answers) => answers.pop().unwrap_or_else(|| Err(StoreError::Closed.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs commits in one transaction and returns a result for each. On an error, none of them was applied.
    fn commit_batch(&mut self, commits: &[&Commit]) -> Result<Vec<Answer>, StoreError> {
        failpoint::pass("before_begin");
        // SQLite would keep writing into a deleted file.
        if self.opened.is_none() || identity(&self.path) != self.opened {
            return Err(StoreError::Vanished { path: self.path.clone() });
        }
        self.check_ground()?;
        let done = self.transaction(commits);
        if done.is_err() && !self.sql.conn().is_autocommit() {
            self.sql.run("ROLLBACK", []).map_err(|error| Fault::Sql(error).saving())?;
        }
        let (answers, last, rows) = done.map_err(Fault::saving)?;
        failpoint::pass("after_commit");
        if let Err(gone @ StoreError::Uprooted { kept: false, .. }) = self.check_ground() {
            return Err(gone);
        }
        if answers.iter().any(Result::is_ok) {
            self.sql.counts().transaction();
        }
        if answers.iter().flatten().any(|entries| !entries.is_empty()) {
            let entries = || answers.iter().flatten().flatten().cloned().collect();
            self.told.transcripts.append(answers.iter().flatten().flatten());
            self.told.tail.push(rows.map(|rows| Page { entries: entries(), rows, as_of: last }), last);
        }
        self.told.bell.send_if_modified(|head| last > std::mem::replace(head, last));
        failpoint::pass("before_ack");
        Ok(answers)
    }

    /// Refuses to write once a file beside the store is gone. What only that file holds is moved into the store first.
    fn check_ground(&mut self) -> Result<(), StoreError> {
        if self.uprooted.is_none()
            && let Some(gone) = self.ground.iter().find(|file| !file.is_there())
        {
            let path = gone.path().to_owned();
            self.uprooted = Some(StoreError::Uprooted { path, kept: self.checkpoint("FULL") });
        }
        self.uprooted.clone().map_or(Ok(()), Err)
    }

    fn transaction(&mut self, commits: &[&Commit]) -> Result<Done, Fault> {
        self.sql.run("BEGIN IMMEDIATE", [])?;
        failpoint::pass("after_begin");
        self.look_for_others()?;
        let mut last = self.seen;
        let mut rows = StagedRows::new(&self.sql, &mut self.known);
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let mut work = Work { rows: &mut rows, ids: &self.ids, at: self.clock.now(), last, logged: Vec::new() };
            let answer = match work.commit(commit) {
                Ok(()) => {
                    last = work.last;
                    Ok(work.logged)
                }
                Err(ApplyError::Conflict(conflict)) => Err(conflict.into()),
                Err(ApplyError::Fault(fault)) if fault.is_of_a_row() => Err(fault.saving().into()),
                Err(ApplyError::Fault(fault)) => return Err(fault),
            };
            rows.end(answer.is_ok());
            answers.push(answer);
            failpoint::pass("after_apply");
        }
        log::insert(&self.sql, &answers.iter().flatten().flatten().collect::<Vec<_>>())?;
        rows.write()?;
        let images = self.told.tail.is_followed().then(|| images(rows.kept()));
        failpoint::pass("before_commit");
        self.sql.run("COMMIT", [])?;
        rows.committed();
        self.seen = last;
        let logged = answers.iter().flatten().flatten();
        let raised = logged.filter_map(|logged| match logged.change {
            Change::EpochRaised { epoch } => Some(epoch),
            _ => None,
        });
        self.epoch = raised.max().or(self.epoch);
        Ok((answers, last, images))
    }

    /// Forgets the known rows and messages if another connection has written since the last transaction, and checks that it was no
    /// new owner's.
    fn look_for_others(&mut self) -> Result<(), Fault> {
        let version = self.sql.one("PRAGMA data_version", [], |row| row.get(0))?.unwrap_or_default();
        if version != self.version {
            self.known.forget();
            self.told.transcripts.forget_all();
            let last = log::last(&self.sql)?;
            if last != self.seen {
                self.check_epoch()?;
            }
            (self.version, self.seen) = (version, last);
        }
        Ok(())
    }

    /// Refuses to write once another program has raised the epoch (F8).
    fn check_epoch(&self) -> Result<(), Fault> {
        let Some(own) = self.epoch else { return Ok(()) };
        let stored = tables::get::<StoreMeta>(&self.sql, StoreMeta::KEY)?;
        if stored.is_some_and(|stored| stored.epoch == own) { Ok(()) } else { Err(Fault::NotOwner) }
    }

    /// Merges a few pages of the index of words, or at last refreshes what queries are planned with. Returns whether more is
    /// left. None of this is in the log: it changes no row.
    fn upkeep(&mut self) -> Result<bool, StoreError> {
        self.check_ground()?;
        let conn = self.sql.conn();
        let merged = || -> rusqlite::Result<bool> {
            let before = conn.total_changes();
            let merge = "INSERT INTO message_search (message_search, rank) VALUES ('merge', ?1)";
            conn.execute(merge, [MERGED_PAGES])?;
            // As the manual of FTS5 says: a merge that had nothing to do counts as one change or none.
            if conn.total_changes() - before >= 2 {
                return Ok(true);
            }
            conn.execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize;")?;
            Ok(false)
        };
        merged().map_err(|error| Fault::Sql(error).saving())
    }

    /// Runs a checkpoint if the write-ahead log is long and no commit waits, or if it is very long.
    fn maybe_checkpoint(&mut self, at_rest: bool) {
        if self.wants_checkpoint(at_rest) {
            self.checkpoint("PASSIVE");
        }
    }

    fn wants_checkpoint(&self, at_rest: bool) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        (at_rest && pages >= CHECKPOINT_AT_REST) || pages >= CHECKPOINT_AT_LAST
    }

    /// Returns whether all of the log is in the file now.
    fn checkpoint(&self, mode: &str) -> bool {
        let whole = |row: &rusqlite::Row<'_>| {
            let (busy, log, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(busy == 0 && log == moved)
        };
        match self.sql.conn().query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], whole) {
            Ok(whole) => {
                self.pages.store(0, Ordering::Relaxed);
                whole
            }
            Err(error) => {
                // Nothing is lost: the log keeps what was not moved into the file.
                tracing::warn!(%error, "the checkpoint of the write-ahead log failed");
                false
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if identity(&self.path) == self.opened {
            // A reader of another program must not delay the end of this one.
            let _ = self.sql.conn().busy_timeout(Duration::ZERO);
            self.checkpoint("TRUNCATE");
        }
    }
}

/// One commit in progress.
struct Work<'a, 'b> {
    rows: &'a mut StagedRows<'b>,
    ids: &'a Ids,
    at: jiff::Timestamp,
    last: u64,
    logged: Vec<LogEntry>,
}

impl Work<'_, '_> {
    fn commit(&mut self, commit: &Commit) -> Result<(), ApplyError<Fault>> {
        for rest in &commit.preconditions {
            check(self.rows, rest)?;
        }
        for change in &commit.changes {
            self.change(change.clone(), &commit.by, commit.cause)?;
        }
        Ok(())
    }

    /// Applies and logs a change, then the changes derived from it.
    fn change(&mut self, mut change: Change, by: &Actor, cause: Option<u64>) -> Result<(), ApplyError<Fault>> {
        apply(self.rows, &mut change, self.at)?;
        self.last += 1;
        let n = self.last;
        let logged = LogEntry { n, change, by: by.clone(), at: self.at, cause };
        let next = derived_changes(self.rows, &logged.change, self.ids, self.at)?;
        self.logged.push(logged);
        for change in next {
            self.change(change, &Actor::Engine, Some(n))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
