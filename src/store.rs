//! The store: `SQLite`, and the only SQL in the project.
//!
//! It owns the file, its schema, the writer and the readers. Everything durable goes in through
//! [`Store::commit`], one [`Commit`] at a time, and comes out through queries named after what they answer.
//!
//! ```text
//! commit ──▶ lane (foreground, background) ──▶ writer: check · apply · log · follow ──▶ COMMIT ──▶ head ──▶ answer
//! query  ──▶ readers, each with a connection of its own, in parallel to the writer
//! ```
//!
//! What holds:
//! - What a commit means is [`domain::state`](crate::domain::state)'s to say; here it is only run on tables.
//! - A commit is answered after `COMMIT` and after [`Store::head`] shows it, so an answer is a promise.
//! - Change numbers have no gaps. The log folded from nothing equals the tables ([`Store::fold_check`]).
//! - Stored JSON has the version of the schema: `user_version`, one for the whole file.
//! - At rest nothing wakes: no timers, threads wait for work and end with the last handle.

mod clock;
mod connection;
mod error;
mod file;
mod filter;
mod fold;
mod jobs;
mod log;
mod mail;
mod memory;
mod messages;
mod owner;
mod probe;
mod reader;
mod rows;
mod runs;
mod schema;
mod search;
mod tables;
mod view;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

pub use clock::{Clock, ManualClock, SystemClock};
pub use connection::Counters;
pub use error::{CommitError, StoreError};
pub use fold::FoldReport;
pub use mail::{DueMail, Expiring};
pub use owner::{Held, Owner, OwnerError, socket_path};
pub use probe::{POINTS, VARIABLE};
pub use rows::Listed;
pub use view::StepView;

use connection::{Counts, Sql};
use error::Fault;
use reader::Readers;
use writer::Lanes;

use crate::domain::{Commit, Ids, Logged};

/// Where commits and reads run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// On the store's own threads.
    #[default]
    Threads,
    /// In the caller, one at a time: for tests on a paused clock, which would run ahead of a thread.
    Inline,
}

/// When a commit counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// When the disk says so: nothing acknowledged is lost, even when the power fails.
    #[default]
    Full,
    /// When the operating system has it: a power cut may take the last commits, a crash of the program takes none.
    Normal,
}

/// How quickly a commit is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for it.
    Foreground,
    /// It goes when no foreground commit waits.
    Background,
}

/// What a store is opened with.
#[derive(Clone)]
pub struct Options {
    /// Where commits and reads run.
    pub mode: Mode,
    /// Where times come from.
    pub clock: Arc<dyn Clock>,
    /// Where the ids come from of what follows from a commit.
    pub ids: Ids,
    /// When a commit counts as written.
    pub synchronous: Synchronous,
    /// The most pages of 4 KiB the file may have.
    pub page_limit: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            clock: Arc::new(SystemClock),
            ids: Ids::random(),
            synchronous: Synchronous::default(),
            page_limit: None,
        }
    }
}

/// A handle on an open store. Clones share it; it closes with the last.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    ids: Ids,
    counts: Arc<Counts>,
    head: watch::Receiver<u64>,
    // Readers end before the writer, so that its last checkpoint finds nobody in its way.
    readers: Readers,
    /// `None` when it only reads.
    lanes: Option<Lanes>,
}

impl Store {
    /// Opens the store, made where it is missing and brought to this schema where it is older.
    ///
    /// Refused with a sentence: a store from a newer Nightdesk, a file that is none, a network file system, a
    /// place that cannot be written. Opening takes no [`Owner`] lock; who writes takes it first.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        file::make_parent(path)?;
        drop(file::make(path)?);
        file::refuse_network(path)?;
        let counts = Arc::new(Counts::default());
        let writing = Sql::writing(path, &options, &counts)?;
        schema::migrate(&writing, path, schema::MIGRATIONS)?;
        Self::assemble(path, options, counts, Some(writing))
    }

    /// Opens a store that is there, for reading only; whoever owns it goes on writing.
    pub fn open_read_only(path: &Path, options: Options) -> Result<Self, StoreError> {
        file::refuse_network(path)?;
        Self::assemble(path, options, Arc::new(Counts::default()), None)
    }

    fn assemble(path: &Path, options: Options, counts: Arc<Counts>, writing: Option<Sql>) -> Result<Self, StoreError> {
        let reading = Sql::reading(path, &counts)?;
        schema::verify(&reading, path)?;
        let last = log::last(&reading).map_err(Fault::reading)?;
        let (bell, head) = watch::channel(last);
        let clock = Arc::clone(&options.clock);
        let lanes = match writing {
            Some(sql) => Some(Lanes::start(sql, path, &options, bell)?),
            None => None,
        };
        let readers = Readers::start(reading, path, options.mode, &counts)?;
        let path = path.to_owned();
        Ok(Self(Arc::new(Shared { path, clock, ids: options.ids, counts, head, readers, lanes })))
    }

    /// The clock it was opened with.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The ids it was opened with.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Keeps all of a commit or nothing, and answers once it cannot be lost any more: with its changes as logged,
    /// each followed by those that follow from it. Dropping the future does not take the commit back.
    pub async fn commit(&self, lane: Lane, commit: Commit) -> Result<Vec<Logged>, CommitError> {
        match &self.0.lanes {
            Some(lanes) => lanes.commit(lane, commit).await,
            None => Err(StoreError::ReadOnly { path: self.0.path.clone() }.into()),
        }
    }

    /// The doorbell: the number of the last change this handle published. What a read-only handle sees at opening.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.head.clone()
    }

    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let waiting = self.0.lanes.as_ref().map_or(0, Lanes::waiting);
        self.0.counts.read(waiting)
    }

    /// Runs a query on a reader. One statement sees one state; more than one want [`Sql::snapshot`].
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Sql) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.readers.run(query).await?.map_err(Fault::reading)
    }

    /// What is wrong with the file, one sentence each; empty when it is sound.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.read(|sql| sql.list("PRAGMA quick_check", [], |row| row.get::<_, String>(0)).map(sound)).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.0.path.display())
    }
}

fn sound(found: Vec<String>) -> Vec<String> {
    found.into_iter().filter(|line| line != "ok").map(|line| format!("the file is damaged: {line}")).collect()
}
