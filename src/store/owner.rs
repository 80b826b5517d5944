//! The lock that makes one program at a time the owner of a store, whatever name it gives the store (F8).
//!
//! It is two kernel locks, released when the process ends in any way: one on the file `STORE.lock`, one on the file of
//! the store itself, which other names and mounts of it share. The lock file names the process that holds it, until that
//! process releases it in order; the store file carries the owner in an extended attribute, so that a program that
//! reaches it by another name finds the owner's socket, and the name beside which `SQLite` keeps its log.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, XattrFlags, flock};

use super::file::{self, refused};
use super::ground::KnownFile;
use super::{Clock as _, StoreError, SystemClock};
use crate::text_file;

/// The right to write to a store, released by dropping it or by the end of the process.
#[derive(Debug)]
pub struct StoreLock {
    path: PathBuf,
    /// Each holds its lock while it is open.
    lock: File,
    _store: File,
    after_crash: bool,
    /// True if the next owner is to find whether the previous one released it, as this one did.
    as_found: bool,
}

/// Another program owns the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LockHeldBy {
    /// The id of its process; 0 if unknown.
    pub pid: u32,
    /// When it took the lock.
    pub since: Timestamp,
    /// The path of its socket, whether or not it listens.
    pub socket: PathBuf,
}

impl fmt::Display for LockHeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%S UTC");
        f.write_str("another program has the store open")?;
        if self.pid > 0 {
            write!(f, ": process {} since {since}", self.pid)?;
        }
        f.write_str("; close it, or connect to it")
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

/// The extended attribute of a store file: the process, the time and the path of its last owner.
const ATTRIBUTE: &str = "user.nightdesk.owner";
/// The maximum size of the attribute, and of the lock file, in bytes.
const RECORD_BYTES: usize = 8 * 1024;

/// What a lock file or a store file says about the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    pid: u32,
    since: Timestamp,
    /// The path under which it opened the store; only in the attribute.
    path: Option<PathBuf>,
}

impl StoreLock {
    /// Takes the lock of a store, which is created empty if it is missing. Blocks for at most half a second.
    ///
    /// # Errors
    /// [`OwnerError::Held`] if another program has it, [`OwnerError::Store`] if the lock file cannot be used or the
    /// store has several names (hard links) and it is not known which one its log belongs to.
    pub fn take(store: &Path) -> Result<Self, OwnerError> {
        file::refuse_irregular(store)?;
        file::refuse_foreign(store)?;
        file::make_parent(store)?;
        if !store.exists() {
            drop(file::make(store)?);
        }
        let path = real_path(store)?;
        let lock_path = beside(&path, "lock");
        let mut told = None;
        for _ in 0..ASKS {
            let mut lock = open_lock(store, &lock_path)?;
            if flocked(&lock, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| unusable(store, &lock_path, &error))?
            {
                if file::identity_of(&lock) != file::identity_here(&lock_path) {
                    // The file was removed meanwhile: the lock is on one that nobody else can find.
                    continue;
                }
                let file = file::make(&path)?;
                if store_flocked(&file).map_err(|error| unusable(store, &path, &error))? {
                    let after_crash = in_lock_file(&mut lock).is_some();
                    let record = Record { pid: std::process::id(), since: SystemClock.now(), path: Some(path.clone()) };
                    sign(&mut lock, &record).map_err(|error| unusable(store, &lock_path, &error))?;
                    // File systems without attributes have no other names of a store either: they are refused.
                    let _ = mark(&file, &record);
                    return Ok(Self { path, lock, _store: file, after_crash, as_found: false });
                }
                // Its owner has no lock file any more, or uses another one.
                told = in_attribute(&path);
            } else {
                told = in_lock_file(&mut lock).or(told);
            }
            if told.as_ref().is_some_and(|holder| alive(holder.pid)) {
                break;
            }
            // A new owner has not written its id yet, or the kernel has not yet released the lock of a dead one.
            std::thread::sleep(BETWEEN);
        }
        Err(held_by(told, &path).into())
    }

    /// The program that owns a store now; `None` if there is none or the lock cannot be read.
    #[must_use]
    pub fn owner(store: &Path) -> Option<LockHeldBy> {
        let path = real_path(store).ok()?;
        if let Ok(mut lock) = text_file::open_regular(&beside(&path, "lock"))
            && flocked(&lock, FlockOperation::NonBlockingLockShared).is_ok_and(|free| !free)
        {
            return Some(held_by(in_lock_file(&mut lock), &path));
        }
        let file = text_file::open_regular(&path).ok()?;
        let free = store_flocked(&file).unwrap_or(true);
        if free { None } else { Some(held_by(in_attribute(&path), &path)) }
    }

    /// The real path of the store: the one to open, and beside which the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Releases it without a trace: after a crash, the next owner still finds one.
    pub fn release_as_found(mut self) {
        self.as_found = true;
    }

    /// The lock file, for [`Options::lock`](super::Options::lock).
    #[must_use]
    pub fn file(&self) -> Option<KnownFile> {
        file::identity_of(&self.lock).map(|identity| KnownFile::new(beside(&self.path, "lock"), identity))
    }

    /// True if the previous owner ended without releasing the lock.
    #[must_use]
    pub fn after_crash(&self) -> bool {
        self.after_crash
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        let stays = std::thread::panicking() || self.as_found && self.after_crash;
        if !stays {
            // If it stays, the next owner takes this for a crash, which costs no more than a counted attempt.
            let _ = self.lock.set_len(0);
        }
    }
}

/// The real path of an existing store: symbolic links resolved and, of several names of one file, the one under which
/// it was last owned, because `SQLite` keeps its log beside the name it is given.
///
/// # Errors
/// [`StoreError::Open`] if the path cannot be resolved, or the file has several names and none of them is known to be
/// the one.
pub(super) fn real_path(store: &Path) -> Result<PathBuf, StoreError> {
    let given = store.canonicalize().map_err(|error| refused(store, format!("{error}; check the path")))?;
    let last = in_attribute(&given).and_then(|record| record.path);
    if let Some(last) = &last
        && *last != given
        && last.canonicalize().is_ok_and(|real| real == *last)
        && file::identity(last) == file::identity(&given)
    {
        return Ok(last.clone());
    }
    let names = std::fs::metadata(&given).map_or(1, |meta| meta.nlink());
    if names > 1 && last.as_ref() != Some(&given) {
        let what = format!(
            "the file has {names} names (hard links), and which one its log belongs to is not known; make a copy with cp \
             and open that, or remove the other names"
        );
        return Err(refused(store, what));
    }
    Ok(given)
}

/// The path of the socket, in a directory of its own, on which the owner of a store listens; `store` is its real path.
#[must_use]
pub fn socket_path(store: &Path) -> PathBuf {
    beside(store, "sock").join("owner")
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Opens or creates a lock file. A link in its place is not followed, and a pipe is not waited for.
fn open_lock(store: &Path, path: &Path) -> Result<File, StoreError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags.bits().cast_signed());
    let opened = options.open(path);
    if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let what = format!("its lock {} is a link, or no regular file; remove it", path.display());
        return Err(refused(store, what));
    }
    opened.map_err(|error| unusable(store, path, &error))
}

fn unusable(store: &Path, lock: &Path, error: &dyn fmt::Display) -> StoreError {
    refused(store, format!("its lock {} cannot be used: {error}; check the permissions", lock.display()))
}

/// Tries to lock a file. Returns false if another program has the lock.
fn flocked(file: &File, how: FlockOperation) -> rustix::io::Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tries to lock the file of the store. On Linux this lock and `SQLite`'s own are independent.
#[cfg(target_os = "linux")]
fn store_flocked(file: &File) -> rustix::io::Result<bool> {
    flocked(file, FlockOperation::NonBlockingLockExclusive)
}

/// On other systems the lock would keep `SQLite` out.
#[cfg(not(target_os = "linux"))]
fn store_flocked(_file: &File) -> rustix::io::Result<bool> {
    Ok(true)
}

fn held_by(holder: Option<Record>, path: &Path) -> LockHeldBy {
    let (pid, since) = holder.as_ref().map_or((0, Timestamp::UNIX_EPOCH), |holder| (holder.pid, holder.since));
    let own = holder.and_then(|holder| holder.path).filter(|own| !socket_path(path).exists() && own.exists());
    LockHeldBy { pid, since, socket: socket_path(own.as_deref().unwrap_or(path)) }
}

fn sign(lock: &mut File, record: &Record) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(format!("{} {}\n", record.pid, record.since).as_bytes())
}

fn mark(store: &File, record: &Record) -> rustix::io::Result<()> {
    let mut text = format!("{} {}\n", record.pid, record.since).into_bytes();
    text.extend(record.path.iter().flat_map(|path| path.as_os_str().as_bytes()));
    rustix::fs::fsetxattr(store, ATTRIBUTE, &text, XattrFlags::empty())
}

fn in_lock_file(lock: &mut File) -> Option<Record> {
    let mut text = Vec::new();
    lock.rewind().ok()?;
    lock.take(RECORD_BYTES as u64).read_to_end(&mut text).ok()?;
    read(&text)
}

fn in_attribute(store: &Path) -> Option<Record> {
    let mut text = vec![0; RECORD_BYTES];
    let length = rustix::fs::getxattr(store, ATTRIBUTE, text.as_mut_slice()).ok()?;
    text.truncate(length);
    read(&text)
}

fn read(text: &[u8]) -> Option<Record> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (pid, since) = std::str::from_utf8(&text[..end]).ok()?.split_once(' ')?;
    let rest = &text[end + 1..];
    let path = (!rest.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(rest.to_vec())));
    Some(Record { pid: pid.parse().ok()?, since: since.parse().ok()?, path })
}

/// True if the process exists, also for another user.
fn alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(store: &Path) -> LockHeldBy {
        match StoreLock::take(store) {
            Err(OwnerError::Held(held)) => held,
            other => panic!("two owners, or none: {other:?}"),
        }
    }

    #[test]
    fn a_lock_goes_to_one_and_comes_back_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("new").join("desk.db");
        let owner = StoreLock::take(&store).unwrap();
        let held = held(&store);
        assert_eq!(held.pid, std::process::id());
        assert_eq!(held.socket, dir.path().join("new").join("desk.db.sock/owner"));
        assert_eq!(StoreLock::owner(&store), Some(held));
        drop(owner);
        assert_eq!(StoreLock::owner(&store), None);
        StoreLock::take(&store).unwrap();
    }

    #[test]
    fn who_has_the_store_is_told_with_its_process_and_since_when_if_they_are_known() {
        let since = "2026-01-02T03:04:05Z".parse().unwrap();
        let of = |pid| LockHeldBy { pid, since, socket: PathBuf::new() }.to_string();
        let known =
            "another program has the store open: process 7 since 2026-01-02 03:04:05 UTC; close it, or connect to it";
        assert_eq!(of(7), known);
        assert_eq!(of(0), "another program has the store open; close it, or connect to it");
    }

    #[test]
    fn what_a_dead_owner_left_does_not_keep_the_store_and_counts_as_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("desk.db");
        std::fs::write(dir.path().join("desk.db.lock"), "1 1970-01-01T00:00:00Z\n").unwrap();
        let owner = StoreLock::take(&store).unwrap();
        assert!(owner.after_crash());
        let signed = std::fs::read_to_string(dir.path().join("desk.db.lock")).unwrap();
        assert!(signed.starts_with(&format!("{} ", std::process::id())), "{signed}");
        owner.release_as_found();
        let owner = StoreLock::take(&store).unwrap();
        assert!(owner.after_crash(), "nobody has looked after what the dead owner left");
        drop(owner);
        StoreLock::take(&store).unwrap().release_as_found();
        assert!(!StoreLock::take(&store).unwrap().after_crash(), "it was released");
    }

    #[test]
    fn one_store_has_one_owner_by_whatever_name_and_its_socket_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let owner = StoreLock::take(&at("desk.db")).unwrap();
        std::os::unix::fs::symlink(at("desk.db"), at("link.db")).unwrap();
        std::fs::hard_link(at("desk.db"), at("hard.db")).unwrap();
        for other in ["link.db", "hard.db"] {
            assert_eq!(held(&at(other)).socket, at("desk.db.sock/owner"), "{other}");
        }
        drop(owner);
        // Its log is beside the name under which it was owned.
        assert_eq!(StoreLock::take(&at("hard.db")).unwrap().path(), at("desk.db"));
    }

    #[test]
    fn a_link_to_a_store_that_is_missing_yet_makes_the_store_where_it_points() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("desk.db"), dir.path().join("link.db")).unwrap();
        let owner = StoreLock::take(&dir.path().join("link.db")).unwrap();
        assert_eq!(owner.path(), dir.path().join("desk.db"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_its_lock_file_a_store_still_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("desk.db");
        let _owner = StoreLock::take(&store).unwrap();
        std::fs::remove_file(dir.path().join("desk.db.lock")).unwrap();
        let held = held(&store);
        assert_eq!((held.pid, held.socket), (std::process::id(), dir.path().join("desk.db.sock/owner")));
    }

    #[test]
    fn of_several_names_none_of_which_is_known_to_have_the_log_each_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("desk.db"), "").unwrap();
        std::fs::hard_link(at("desk.db"), at("hard.db")).unwrap();
        for name in ["desk.db", "hard.db"] {
            let error = StoreLock::take(&at(name)).unwrap_err().to_string();
            assert!(error.contains("2 names (hard links)") && error.contains("with cp"), "{error}");
        }
        std::fs::remove_file(at("hard.db")).unwrap();
        let owner = StoreLock::take(&at("desk.db")).unwrap();
        std::fs::rename(at("desk.db"), at("moved.db")).unwrap();
        drop(owner);
        assert_eq!(StoreLock::take(&at("moved.db")).unwrap().path(), at("moved.db"), "a store may be renamed");
    }

    #[test]
    fn a_link_or_a_pipe_in_the_place_of_the_lock_is_refused_and_its_target_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, lock, target) =
            (dir.path().join("desk.db"), dir.path().join("desk.db.lock"), dir.path().join("mine"));
        std::fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        let error = StoreLock::take(&store).unwrap_err().to_string();
        assert!(error.contains("desk.db.lock is a link, or no regular file; remove it"), "{error}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "kept");
        std::fs::remove_file(&lock).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let error = StoreLock::take(&store).unwrap_err().to_string();
        assert!(error.contains("desk.db.lock is a link, or no regular file; remove it"), "{error}");
        assert_eq!(StoreLock::owner(&store), None);
    }

    #[test]
    fn root_leaves_no_lock_beside_the_store_of_another_user() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("desk.db");
        std::fs::write(&store, "").unwrap();
        if std::os::unix::fs::chown(&store, Some(1_234), None).is_err() {
            // Only root can give a file away, and only root is refused.
            return;
        }
        let error = StoreLock::take(&store).unwrap_err().to_string();
        assert!(error.contains("it belongs to another user (1234)") && error.contains("sudo -u '#1234'"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unusable_place_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = StoreLock::take(&dir.path().join("file").join("desk.db")).unwrap_err().to_string();
        assert!(error.contains("opening the store"), "{error}");
    }
}
