//! The lock that makes one program at a time the owner of a store (F8).
//!
//! It is a kernel lock on the file `STORE.lock`, released when the process ends in any way. The file names the process
//! that holds it, for error messages; an entry of a dead process is ignored.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::{Clock as _, StoreError, SystemClock};

/// The right to write to a store, released by dropping it or by the end of the process.
#[derive(Debug)]
pub struct StoreLock {
    /// Holds the lock while it is open.
    _lock: File,
}

/// Another program owns the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LockHeldBy {
    /// The id of its process.
    pub pid: u32,
    /// When it took the lock.
    pub since: Timestamp,
    /// The path of its socket, whether or not it listens.
    pub socket: PathBuf,
}

impl fmt::Display for LockHeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another program has the store open: process {} since {}; close it, or connect to it",
            self.pid,
            self.since.strftime("%Y-%m-%d %H:%M:%S UTC")
        )
    }
}

/// Why the lock could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// Another program owns it.
    #[error(transparent)]
    Held(#[from] LockHeldBy),
    /// The lock file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The number of attempts to read the holder of a taken lock, and the time between them.
const ASKS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(20);

impl StoreLock {
    /// Takes the lock of a store. Blocks for at most half a second.
    ///
    /// # Errors
    /// [`OwnerError::Held`] if another program has it, [`OwnerError::Store`] if the lock file cannot be used.
    pub fn take(store: &Path) -> Result<Self, OwnerError> {
        let path = beside(store, "lock");
        let failed = |error: &dyn fmt::Display| {
            let what = format!("its lock {} cannot be used: {error}; check the permissions", path.display());
            StoreError::Open { path: store.to_owned(), what }
        };
        super::file::make_parent(store)?;
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut lock = opened.map_err(|error| failed(&error))?;
        let mut told = (0, Timestamp::UNIX_EPOCH);
        for _ in 0..ASKS {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    sign(&mut lock).map_err(|error| failed(&error))?;
                    return Ok(Self { _lock: lock });
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(failed(&error).into()),
            }
            if let Some(holder) = holder(&mut lock) {
                told = holder;
                if alive(holder.0) {
                    break;
                }
            }
            // A new owner has not written its id yet, or the kernel has not yet released the lock of a dead one.
            std::thread::sleep(BETWEEN);
        }
        Err(LockHeldBy { pid: told.0, since: told.1, socket: socket_path(store) }.into())
    }
}

/// The path of the socket on which the owner of a store listens.
#[must_use]
pub fn socket_path(store: &Path) -> PathBuf {
    beside(store, "sock")
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn sign(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(format!("{} {}\n", std::process::id(), SystemClock.now()).as_bytes())
}

fn holder(lock: &mut File) -> Option<(u32, Timestamp)> {
    let mut text = String::new();
    lock.rewind().ok()?;
    lock.read_to_string(&mut text).ok()?;
    let (pid, since) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((pid.parse().ok()?, since.parse().ok()?))
}

/// True if the process exists, also for another user.
fn alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_goes_to_one_and_comes_back_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("new").join("desk.db");
        let owner = StoreLock::take(&store).unwrap();
        let Err(OwnerError::Held(held)) = StoreLock::take(&store) else { panic!("two owners") };
        assert_eq!(held.pid, std::process::id());
        assert_eq!(held.socket, dir.path().join("new").join("desk.db.sock"));
        drop(owner);
        StoreLock::take(&store).unwrap();
    }

    #[test]
    fn what_a_dead_owner_left_does_not_keep_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("desk.db");
        std::fs::write(dir.path().join("desk.db.lock"), "1 1970-01-01T00:00:00Z\n").unwrap();
        StoreLock::take(&store).unwrap();
        let signed = std::fs::read_to_string(dir.path().join("desk.db.lock")).unwrap();
        assert!(signed.starts_with(&format!("{} ", std::process::id())), "{signed}");
    }

    #[test]
    fn an_unusable_place_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = StoreLock::take(&dir.path().join("file").join("desk.db")).unwrap_err().to_string();
        assert!(error.contains("opening the store"), "{error}");
    }
}
