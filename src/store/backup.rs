//! Copies of a store: made while programs work on it, checked before they have a name, and put back in its place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, OFlags, flock};

use super::connection::Sql;
use super::error::sentence;
use super::owner::{OwnerError, StoreLock};
use super::{LockHeldBy, Options, StoreError, file, schema};

/// Tries to read a store that another program locks, and the time between them.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// The pages that are copied between two looks at whether the copy is still wanted.
const AT_ONCE: i32 = 1_000;

/// Why a store was not copied or put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Another program owns the store that is to be replaced.
    #[error(transparent)]
    Held(#[from] LockHeldBy),
    /// The store or the copy cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was not wanted any more.
    #[error("the copy was not finished")]
    Interrupted,
    /// One sentence: what failed, and what to do.
    #[error("{0}")]
    Failed(String),
}

impl From<OwnerError> for CopyError {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::Held(held) => held.into(),
            OwnerError::Store(fault) => fault.into(),
        }
    }
}

fn failed<T>(what: impl Into<String>) -> Result<T, CopyError> {
    Err(CopyError::Failed(what.into()))
}

/// Copies a store to a new file, readable by its user only; programs may work on the store meanwhile. The copy is checked
/// before it gets its name. Returns its size in bytes. Blocks for as long as that takes, or until it is not `wanted` any
/// more.
///
/// # Errors
/// [`CopyError`] if the file exists, the store cannot be read or is damaged, or the copy cannot be written. Nothing is left
/// of it then.
pub fn back_up(store: &Path, target: &Path, wanted: &dyn Fn() -> bool) -> Result<u64, CopyError> {
    if target.symlink_metadata().is_ok() {
        return failed(format!("{} exists already; give another name", target.display()));
    }
    let part = copy(store, target, wanted)?;
    if !wanted() {
        return Err(CopyError::Interrupted);
    }
    let size = part.file.metadata().map_or(0, |meta| meta.len());
    part.name(target)?;
    Ok(size)
}

/// Puts a copy in the place of a store, which no program may have open, and keeps the store as it was beside it, under a
/// name that ends with `stamp`. Returns that name; `None` if there was no store. Blocks for as long as that takes.
///
/// # Errors
/// [`CopyError`] if a program owns the store, or the copy is damaged, newer than this program or no store. The store is
/// as it was then.
pub fn restore(store: &Path, from: &Path, stamp: &str) -> Result<Option<PathBuf>, CopyError> {
    if file::identity(from).is_some() && file::identity(from) == file::identity(store) {
        return failed(format!("{} is the store itself; give the path of a backup", from.display()));
    }
    // What cannot be put back is refused before anything is touched.
    drop(open_source(from)?);
    let lock = StoreLock::take(store)?;
    let path = lock.path();
    let part = copy(from, &sibling(path, ".restored"), &|| true)?;
    let kept = if std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0) { Some(keep(path, stamp)?) } else { None };
    let placed = std::fs::rename(&part.path, path).and_then(|()| sync_directory(path));
    placed.map_err(|error| CopyError::Failed(format!("putting the copy in the place of the store: {error}")))?;
    part.disarm();
    Ok(kept)
}

/// Gives the store a second name beside it, and takes its log from its place. Returns the name.
fn keep(path: &Path, stamp: &str) -> Result<PathBuf, CopyError> {
    let kept = sibling(path, &format!(".before-{stamp}"));
    let cannot = |error: io::Error| CopyError::Failed(format!("keeping the store as {}: {error}", kept.display()));
    let (log, kept_log) = (sibling(path, "-wal"), sibling(&kept, "-wal"));
    // Of a store that is damaged, SQLite would remove the log, which may hold what is not in its file.
    let has_log = std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
    if has_log {
        second_name(&log, &kept_log).map_err(cannot)?;
    }
    let folded = fold(path);
    if has_log && folded.is_ok() {
        std::fs::remove_file(&kept_log).map_err(cannot)?;
    }
    if folded == Ok(false) {
        return failed("a program is reading the store; try again when it has ended");
    }
    second_name(path, &kept).map_err(cannot)?;
    for beside in [log, sibling(path, "-shm")] {
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
    }
    Ok(kept)
}

/// Gives a file a second name; where the file system has none, makes a copy.
fn second_name(path: &Path, name: &Path) -> io::Result<()> {
    match std::fs::hard_link(path, name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            std::fs::copy(path, name).and_then(|_| File::open(name)?.sync_all())
        }
        linked => linked,
    }
}

/// Moves the log of a store into its file. Returns false if a program that reads it is in the way.
fn fold(path: &Path) -> Result<bool, StoreError> {
    let sql = Sql::writing(path, &Options::default(), &Arc::default())?;
    let busy = sql.conn().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    busy.map(|busy| busy == 0).map_err(|error| file::refused(path, sentence(&error)))
}

/// A copy that has no name yet. It is removed if it gets none.
struct Part {
    path: PathBuf,
    /// Locked, so that nobody else writes a copy of this name at the same time.
    file: File,
    stays: bool,
}

impl Part {
    fn create(target: &Path) -> Result<Self, CopyError> {
        let path = sibling(target, ".part");
        let cannot = |error: &dyn std::fmt::Display| {
            CopyError::Failed(format!("writing the copy {}: {error}; choose another place", target.display()))
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let file = options.open(&path).map_err(|error| cannot(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return failed(format!("another program is writing {} now; wait for it", target.display()));
            }
            Err(error) => return Err(cannot(&error)),
        }
        let part = Self { path, file, stays: false };
        // What is there is the rest of a copy that was interrupted.
        part.file.set_len(0).map_err(|error| cannot(&error))?;
        part.remove_siblings();
        Ok(part)
    }

    fn remove_siblings(&self) {
        for ending in ["-journal", "-wal", "-shm"] {
            // They may not exist.
            let _ = std::fs::remove_file(sibling(&self.path, ending));
        }
    }

    /// Gives the copy its name, unless a file of that name has been made meanwhile.
    fn name(self, target: &Path) -> Result<(), CopyError> {
        let named = match std::fs::hard_link(&self.path, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // A file system without a second name for a file.
            Err(_) => std::fs::rename(&self.path, target),
            Ok(()) => Ok(()),
        };
        let named = named.and_then(|()| sync_directory(target));
        named.map_err(|error| CopyError::Failed(format!("naming the copy {}: {error}", target.display())))
    }

    fn disarm(mut self) {
        self.stays = true;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stays {
            // It has its name, or is of no use.
            let _ = std::fs::remove_file(&self.path);
        }
        self.remove_siblings();
    }
}

/// Opens a file to copy from. Rejects what is no store, and one of a newer program.
fn open_source(from: &Path) -> Result<Sql, CopyError> {
    if !from.exists() {
        return failed(format!("there is no file {}; check the path", from.display()));
    }
    file::refuse_irregular(from)?;
    let sql = Sql::reading(from, &Arc::default())?;
    schema::check(&sql, from)?;
    Ok(sql)
}

/// Copies a store to a file beside `target` and checks the copy.
fn copy(from: &Path, target: &Path, wanted: &dyn Fn() -> bool) -> Result<Part, CopyError> {
    let source = open_source(from)?;
    let part = Part::create(target)?;
    let cannot = |error: &rusqlite::Error| {
        CopyError::Failed(format!("copying {} to {}: {}", from.display(), target.display(), sentence(error)))
    };
    let copied = || -> rusqlite::Result<Option<Vec<String>>> {
        let mut to = Connection::open_with_flags(&part.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Whatever fails, the whole copy goes; it is synced when it is complete.
        to.pragma_update(None, "synchronous", "OFF")?;
        if !pages(source.conn(), &mut to, wanted)? {
            return Ok(None);
        }
        // One file, without a log of its own.
        to.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
        let mut check = to.prepare("PRAGMA integrity_check")?;
        let found = check.query_map([], |row| row.get::<_, String>(0))?;
        found.filter(|line| line.as_ref().map_or(true, |line| line != "ok")).collect::<Result<_, _>>().map(Some)
    };
    let damage = copied().map_err(|error| cannot(&error))?.ok_or(CopyError::Interrupted)?;
    if let Some(first) = damage.first() {
        return failed(format!("{} is damaged ({first}); nothing was copied; run `nightdesk doctor`", from.display()));
    }
    part.file.sync_all().map_err(|error| CopyError::Failed(format!("writing {}: {error}", target.display())))?;
    Ok(part)
}

/// Copies all pages, as of one moment. Returns false if that is not wanted any more.
fn pages(from: &Connection, to: &mut Connection, wanted: &dyn Fn() -> bool) -> rusqlite::Result<bool> {
    // While the source reads, it sees one moment, whatever others write: no part of the copy has to be made again.
    let moment = from.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(&moment, to)?;
    let mut tries = 0;
    while tries < TRIES {
        if !wanted() {
            return Ok(false);
        }
        match backup.step(AT_ONCE)? {
            StepResult::Done => return Ok(true),
            StepResult::More => {}
            _ => {
                tries += 1;
                std::thread::sleep(BETWEEN);
            }
        }
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, None))
}

/// Makes a new name in the directory of this file durable.
fn sync_directory(file: &Path) -> io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
