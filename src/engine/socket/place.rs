//! The socket in the file system: in a directory of its own, which only its user may enter.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixListener;

/// A listening socket. Dropping it removes the socket and its directory.
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // On failure the next owner removes them.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.path.parent().map(std::fs::remove_dir);
    }
}

/// Binds the socket `path`. What a dead owner left there goes first; links are removed, never followed.
///
/// The caller holds the owner lock, so no other program listens there.
///
/// # Errors
/// [`io::Error`] if the directory is another user's, something else is in its place, or a system call fails.
pub(super) fn bind(path: &Path) -> io::Result<Bound> {
    let dir = path.parent().ok_or_else(|| io::Error::other("it has no directory"))?;
    own_directory(dir)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let bound = std::os::unix::net::UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(Bound { listener: UnixListener::from_std(listener)?, path: path.to_owned() })
}

/// Makes the directory, for its user alone.
fn own_directory(dir: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(dir) {
        // A link, or the socket of an older version.
        Ok(meta) if meta.is_symlink() || meta.file_type().is_socket() => std::fs::remove_file(dir)?,
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = File::from(rustix::fs::open(dir, flags, Mode::empty())?);
    let owner = opened.metadata()?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("its directory belongs to the user {owner}; remove it")));
    }
    opened.set_permissions(Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn the_socket_is_for_its_user_alone_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock").join("owner");
        std::fs::create_dir(dir.path().join("sock")).unwrap();
        std::fs::set_permissions(dir.path().join("sock"), Permissions::from_mode(0o777)).unwrap();
        std::fs::write(&path, "left").unwrap();
        let bound = bind(&path).unwrap();
        assert_eq!((mode(&path), mode(&dir.path().join("sock"))), (0o600, 0o700));
        drop(bound);
        assert!(!dir.path().join("sock").exists());
    }

    #[tokio::test]
    async fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("owner"), "theirs").unwrap();
        std::fs::set_permissions(&elsewhere, Permissions::from_mode(0o755)).unwrap();
        let sock = dir.path().join("sock");
        symlink(&elsewhere, &sock).unwrap();
        let bound = bind(&sock.join("owner")).unwrap();
        assert!(std::fs::symlink_metadata(&sock).unwrap().is_dir());
        drop(bound);
        std::fs::create_dir(&sock).unwrap();
        symlink(elsewhere.join("owner"), sock.join("owner")).unwrap();
        drop(bind(&sock.join("owner")).unwrap());
        assert_eq!(std::fs::read_to_string(elsewhere.join("owner")).unwrap(), "theirs");
        assert_eq!(mode(&elsewhere), 0o755);
    }

    #[tokio::test]
    async fn a_directory_of_another_user_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let sock = dir.path().join("sock");
        std::fs::create_dir(&sock).unwrap();
        // Only root can give it away.
        if std::os::unix::fs::chown(&sock, Some(65_534), None).is_ok() {
            let refused = bind(&sock.join("owner")).err().unwrap().to_string();
            assert_eq!(refused, "its directory belongs to the user 65534; remove it");
            assert!(!sock.join("owner").exists());
        }
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let sock = dir.path().join("sock");
        std::fs::write(&sock, "notes").unwrap();
        assert!(bind(&sock.join("owner")).is_err());
        assert_eq!(std::fs::read_to_string(&sock).unwrap(), "notes");
    }
}
