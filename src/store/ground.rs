//! The files beside an open store: its write-ahead log and its lock, which must stay where they are.
//!
//! A log that is removed while it is open takes with it what was saved since the last checkpoint; a removed lock lets a
//! second program in. So the writer looks at both before it acknowledges a commit, and a [`Watch`] tells when one of
//! them goes while nothing is committed.

use std::path::{Path, PathBuf};

use super::StoreError;
use super::file::{FileIdentity, identity_here, refused};

/// A file at its path, as it was when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    path: PathBuf,
    identity: FileIdentity,
}

impl KnownFile {
    pub(super) fn new(path: PathBuf, identity: FileIdentity) -> Self {
        Self { path, identity }
    }

    /// The file of `SQLite` beside the store, such as `-wal`; `None` if it does not exist.
    pub(super) fn beside(store: &Path, ending: &str) -> Option<Self> {
        let path = sibling(store, ending);
        identity_here(&path).map(|identity| Self { path, identity })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True unless the file was removed, renamed or replaced.
    pub(super) fn is_there(&self) -> bool {
        identity_here(&self.path) == Some(self.identity)
    }
}

/// Rejects a symbolic link in the place of a file that `SQLite` writes beside the store.
pub(super) fn refuse_links(store: &Path) -> Result<(), StoreError> {
    for ending in ["-wal", "-shm"] {
        let path = sibling(store, ending);
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) {
            return Err(refused(store, format!("{} is a symbolic link; remove it", path.display())));
        }
    }
    Ok(())
}

fn sibling(store: &Path, ending: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Tells when one of some files may have been removed, renamed or replaced. Costs nothing at rest.
///
/// The pipe type is used because it only waits and reads; tokio's general `AsyncFd` needs `unsafe`.
#[cfg(target_os = "linux")]
pub struct Watch(tokio::net::unix::pipe::Receiver);

#[cfg(target_os = "linux")]
impl Watch {
    /// Watches these files.
    ///
    /// # Errors
    /// The limit of watches is reached, or a file does not exist.
    pub(super) fn start(files: &[KnownFile]) -> std::io::Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

        let watch = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        for file in files {
            // The number of names of an open file is an attribute: it changes when one is removed.
            let events = WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
            add_watch(&watch, file.path(), events | WatchFlags::DONT_FOLLOW)?;
        }
        Ok(Self(tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(watch)?))
    }

    /// Waits until something happens to one of the files.
    ///
    /// # Errors
    /// The kernel's answer cannot be read.
    pub async fn changed(&self) -> std::io::Result<()> {
        self.0.readable().await?;
        let mut events = [0; 4096];
        loop {
            match self.0.try_read(&mut events) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// On other systems only commits look.
#[cfg(not(target_os = "linux"))]
pub struct Watch(());

#[cfg(not(target_os = "linux"))]
impl Watch {
    pub(super) fn start(_files: &[KnownFile]) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Never returns.
    ///
    /// # Errors
    /// None.
    pub async fn changed(&self) -> std::io::Result<()> {
        std::future::pending().await
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_removed_renamed_or_replaced_is_told() {
        type Act = fn(&Path, &Path) -> std::io::Result<()>;
        let acts: [(&str, Act); 3] = [
            ("removed", |file, _| std::fs::remove_file(file)),
            ("renamed", |file, other| std::fs::rename(file, other.with_extension("aside"))),
            ("replaced", |file, other| std::fs::rename(other, file)),
        ];
        for (name, act) in acts {
            let dir = tempfile::tempdir().unwrap();
            let (file, other) = (dir.path().join("desk.db"), dir.path().join("other"));
            std::fs::write(&file, "one").unwrap();
            std::fs::write(&other, "two").unwrap();
            let watch = Watch::start(&[KnownFile::new(file.clone(), identity_here(&file).unwrap())]).unwrap();
            std::fs::read(&file).unwrap();
            std::fs::write(&file, "three").unwrap();
            let quiet = tokio::time::timeout(Duration::ZERO, watch.changed()).await;
            assert!(quiet.is_err(), "writing is no change of the file itself");
            act(&file, &other).unwrap();
            let told = tokio::time::timeout(Duration::from_secs(10), watch.changed()).await;
            assert!(told.is_ok_and(|told| told.is_ok()), "{name}");
        }
    }
}
