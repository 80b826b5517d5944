//! The store: `SQLite`, and the only SQL in the project.
//!
//! It owns the file, its schema, the writer and the readers. All writes go through [`Store::commit`], one [`Commit`]
//! at a time; each query is a method named after what it returns.
//!
//! ```text
//! commit ──▶ lane (foreground, background) ──▶ writer: check · apply · log · follow ──▶ COMMIT ──▶ tail, transcripts, head ──▶ answer
//! query  ──▶ lane (foreground, background) ──▶ connections of their own, in parallel to the writer
//! ```
//!
//! Invariants:
//! - The semantics of a commit are in [`domain::state`](crate::domain::state); the store runs them on its tables.
//! - [`Store::commit`] returns after `COMMIT` and after [`Store::head`] shows the changes: they are then durable.
//! - Change numbers have no gaps. Replaying the log from the base gives the contents of the tables
//!   ([`Store::verify_replay`]).
//! - Stored JSON has the version of the schema: `user_version`, one for the whole file.
//! - A read of the foreground never waits for one of the background; which lane a query uses is in the type of the handle
//!   ([`Store`]`<Background>` for searches, overviews and checks).
//! - An idle store uses no CPU: no timers; threads wait for work and end with the last handle.

mod backup;
mod base;
mod calls;
mod clock;
mod connection;
mod erase;
mod error;
mod failpoint;
mod file;
mod filter;
mod ground;
mod jobs;
mod lane;
mod log;
mod mail;
mod messages;
mod overview;
mod owner;
mod reader;
mod replay;
mod retention;
mod revisions;
mod rows;
mod runs;
mod schema;
mod search;
mod sight;
mod space;
mod spending;
mod staged;
mod standing;
mod tables;
mod tail;
mod terms;
mod transcript;
mod transcript_cache;
mod view;
mod writer;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

pub use backup::{CopyError, back_up, restore};
pub use clock::{Clock, ManualClock, SystemClock};
pub use connection::Counters;
pub use erase::{Erase, ErasedFile, erase};
pub use error::{CommitError, StoreError};
pub use failpoint::{POINTS, VARIABLE};
pub use file::{FileIdentity, identity};
pub use ground::{KnownFile, Watch};
pub use lane::{Background, Foreground, Lane, Observer, ReadLane};
pub use mail::DueMail;
pub use messages::MessagePage;
pub use owner::{LockHeldBy, OwnerError, StoreLock, socket_path};
pub use retention::{ExpiredJob, Expiry};
pub use space::PartSpace;
pub use standing::StandingWork;
pub use tail::{Page, RowImage, TailReader};
pub use transcript::{FRAME_BYTES, TranscriptMessage, Words};
pub use view::StepInput;

use connection::{Counts, Sql};
use error::Fault;
use reader::Readers;
use spending::Tally;
use tail::Tail;
use transcript_cache::TranscriptCache;
use writer::{Lanes, Told, Writer};

use crate::domain::{Commit, Ids, LogEntry};

/// The threads on which commits and reads run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// In the caller where it is short and nobody else is in the way, else on the store's own threads.
    #[default]
    Threads,
    /// In the caller, one at a time: for tests with a paused clock, which would advance while a thread works.
    Inline,
}

/// The durability of a commit: `SQLite`'s `synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Waits for the disk: no acknowledged commit is lost, even in a power failure.
    #[default]
    Full,
    /// Waits for the operating system: a power failure may lose the last commits, a crash of the program none.
    Normal,
}

/// Options for opening a store.
#[derive(Clone)]
pub struct Options {
    /// The threads on which commits and reads run.
    pub mode: Mode,
    /// The clock for commit times.
    pub clock: Arc<dyn Clock>,
    /// The source of ids for derived changes.
    pub ids: Ids,
    /// The durability of a commit.
    pub synchronous: Synchronous,
    /// The maximum size of the file in pages of 4 KiB; `None` means no limit.
    pub page_limit: Option<u32>,
    /// Sees each commit and read.
    pub observer: Arc<dyn Observer>,
    /// The lock under which this program writes: without it, nothing more is written.
    pub lock: Option<KnownFile>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            clock: Arc::new(SystemClock),
            ids: Ids::random(),
            synchronous: Synchronous::default(),
            page_limit: None,
            observer: Arc::new(lane::Unobserved),
            lock: None,
        }
    }
}

/// A handle to an open store, whose reads run in one lane. Clones share the store; dropping the last handle closes it.
#[derive(Clone)]
pub struct Store<L: ReadLane = Foreground>(Arc<Shared>, PhantomData<L>);

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    ids: Ids,
    observer: Arc<dyn Observer>,
    counts: Arc<Counts>,
    head: watch::Receiver<u64>,
    tail: Tail,
    transcripts: TranscriptCache,
    tally: Tally,
    // Dropped before the writer, so that no reader blocks its last checkpoint.
    readers: Readers,
    /// `None` for a read-only store.
    lanes: Option<Lanes>,
    /// The files beside the store without which nothing is written.
    ground: Vec<KnownFile>,
}

impl Store {
    /// Opens the store for writing. Creates it if it is missing, and upgrades an older schema.
    ///
    /// Takes no [`StoreLock`] lock: a program that writes has to take it first.
    ///
    /// # Errors
    /// [`StoreError::Open`] for a store of a newer Nightdesk, a file that is not a store, a network file system, or a
    /// path that cannot be written.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        file::refuse_irregular(path)?;
        file::make_parent(path)?;
        drop(file::make(path)?);
        let path = &owner::real_path(path)?;
        file::refuse_network(path)?;
        ground::refuse_links(path)?;
        let counts = Arc::new(Counts::default());
        let writing = Sql::writing(path, &options, &counts)?;
        schema::migrate(&writing, path, schema::MIGRATIONS)?;
        Self::assemble(path, options, counts, Some(writing))
    }

    /// Upgrades a store of an older schema, after a copy is made beside it. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`OwnerError::Held`] if another program has it open; otherwise as [`Store::open`].
    pub fn upgrade(path: &Path) -> Result<(), OwnerError> {
        let lock = StoreLock::take(path)?;
        drop(Self::open(lock.path(), Options { lock: lock.file(), ..Options::default() })?);
        lock.release_as_found();
        Ok(())
    }

    /// Opens an existing store for reading only. Its owner can keep writing.
    ///
    /// # Errors
    /// [`StoreError::Open`] if the file is missing, is not a store, or has another schema version.
    pub fn open_read_only(path: &Path, options: Options) -> Result<Self, StoreError> {
        file::refuse_irregular(path)?;
        let path = &owner::real_path(path)?;
        file::refuse_network(path)?;
        ground::refuse_links(path)?;
        Self::assemble(path, options, Arc::new(Counts::default()), None)
    }

    fn assemble(path: &Path, options: Options, counts: Arc<Counts>, writing: Option<Sql>) -> Result<Self, StoreError> {
        let reading = Sql::reading(path, &counts)?;
        schema::verify(&reading, path)?;
        let last = log::last(&reading).map_err(Fault::reading)?;
        let (bell, head) = watch::channel(last);
        let (tail, transcripts) = (Tail::after(last), TranscriptCache::default());
        let clock = Arc::clone(&options.clock);
        // The log is there: both connections have read.
        let ground: Vec<KnownFile> = KnownFile::beside(path, "-wal").into_iter().chain(options.lock.clone()).collect();
        let lanes = match writing {
            Some(sql) => {
                let told = Told { bell, tail: tail.clone(), transcripts: transcripts.clone() };
                let writer = Writer::new(sql, path, &options, &ground, told)?;
                Some(Lanes::start(writer, options.mode)?)
            }
            None => None,
        };
        let readers = Readers::start(reading, path, &options, &counts);
        let (path, ids, observer) = (path.to_owned(), options.ids, options.observer);
        let tally = Tally::default();
        let shared =
            Shared { path, clock, ids, observer, counts, head, tail, transcripts, tally, readers, lanes, ground };
        Ok(Self(Arc::new(shared), PhantomData))
    }

    /// The same store, with reads in the background.
    #[must_use]
    pub fn background(&self) -> Store<Background> {
        Store(Arc::clone(&self.0), PhantomData)
    }

    /// The clock given at opening.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The source of ids given at opening.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Applies a commit atomically and waits until it is durable. Returns the log entries of its changes, each
    /// followed by those derived from it. Dropping the future does not cancel the commit.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if the commit is rejected, [`CommitError::Store`] if it cannot be written. In both
    /// cases nothing was changed.
    pub async fn commit(&self, lane: Lane, commit: Commit) -> Result<Vec<LogEntry>, CommitError> {
        let Some(lanes) = &self.0.lanes else {
            return Err(StoreError::ReadOnly { path: self.0.path.clone() }.into());
        };
        let observer = self.0.observer.as_ref();
        lane::let_others_run(observer).await;
        observer.commit(lane, &commit);
        let answer = lanes.commit(lane, commit).await;
        lane::let_others_run(observer).await;
        answer
    }

    /// Does a part of the upkeep of the index of words and of what queries are planned with, once no commit waits. Returns
    /// whether more is left.
    ///
    /// # Errors
    /// [`StoreError`] if the store is read-only or cannot be written.
    pub async fn upkeep(&self) -> Result<bool, StoreError> {
        let Some(lanes) = &self.0.lanes else {
            return Err(StoreError::ReadOnly { path: self.0.path.clone() });
        };
        lanes.upkeep().await
    }

    /// Watches the number of the last change committed through this handle. For a read-only handle it stays at the
    /// number found at opening.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.head.clone()
    }

    /// Watches the files beside the store without which nothing is written. When one of them changes, an empty commit
    /// tells whether it is gone.
    ///
    /// # Errors
    /// The system cannot watch them; each commit looks all the same.
    pub fn watch_ground(&self) -> std::io::Result<Watch> {
        Watch::start(&self.0.ground)
    }

    /// Counters of the work since opening.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let waiting = self.0.lanes.as_ref().map_or(0, Lanes::waiting);
        self.0.counts.read(waiting)
    }
}

impl<L: ReadLane> Store<L> {
    /// Runs a query on a reader of the lane. Several statements that must see the same state need [`Sql::snapshot`].
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Sql) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let observer = self.0.observer.as_ref();
        lane::let_others_run(observer).await;
        let answer = self.0.readers.run(L::LANE, query).await;
        lane::let_others_run(observer).await;
        answer?.map_err(Fault::reading)
    }
}

impl Store<Background> {
    /// Checks the whole file with `PRAGMA quick_check`. Returns a sentence per defect; empty if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the check cannot run.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let check = |sql: &Sql| {
            // A query makes the connection read anew what the index of texts is made of. The check does not: it would
            // look in the file for what was there at the connection's last search.
            let _ = sql.list("SELECT rowid FROM message_search LIMIT 1", [], |row| row.get::<_, i64>(0));
            sql.list("PRAGMA quick_check", [], |row| row.get::<_, String>(0)).map(sound)
        };
        self.read(move |sql| sql.snapshot(check)).await
    }
}

impl<L: ReadLane> std::fmt::Debug for Store<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.0.path.display())
    }
}

fn sound(found: Vec<String>) -> Vec<String> {
    found.into_iter().filter(|line| line != "ok").map(|line| format!("the file is damaged: {line}")).collect()
}
