//! Reads text files whose size is limited, without waiting for what is no file; writes new files for their owner alone.
//!
//! A path may lead to a pipe or a device, which blocks its reader or never ends. So only regular files are read, at
//! most so many bytes of them, and opening one never waits.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// The file cannot be opened or read, is no regular file, is larger, or is not UTF-8.
pub fn read(path: &Path, most: u64) -> io::Result<String> {
    text(open(path, OFlags::empty())?, most)
}

/// Like [`read`], for a file that only this program writes: a symbolic link in its place is not followed.
///
/// # Errors
/// As [`read`], or the path is a symbolic link.
pub fn read_own(path: &Path, most: u64) -> io::Result<String> {
    text(open(path, OFlags::NOFOLLOW)?, most)
}

/// Opens a regular file for reading; it is never waited for.
///
/// # Errors
/// The file cannot be opened or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open(path, OFlags::empty())
}

/// Like [`write_new`], but what is in its place, a link as well, is removed first.
///
/// # Errors
/// The file cannot be created or written.
pub fn write_own(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_new(path, bytes)
}

/// Writes a new file that only its owner may read, and syncs it. On an error, no part of it is left.
///
/// # Errors
/// The file cannot be created or written, or something is in its place.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        // The half-written file is of no use; the error is what counts.
        let _ = std::fs::remove_file(path);
    })
}

fn open(path: &Path, more: OFlags) -> io::Result<File> {
    // Opening a pipe for reading waits for its writer, unless told otherwise.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Err(io::Error::other("it is not a regular file"))
}

fn text(file: File, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let most = if most >> 20 > 0 { format!("{} MiB", most >> 20) } else { format!("{most} bytes") };
        return Err(io::Error::other(format!("it is larger than {most}")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read_up_to_their_limit_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("text"), "four").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
        std::os::unix::fs::symlink(at("text"), at("link")).unwrap();
        assert_eq!(read(&at("text"), 4).unwrap(), "four");
        assert_eq!(read(&at("link"), 4).unwrap(), "four");
        assert!(read_own(&at("link"), 4).is_err(), "a link is not followed");
        assert_eq!(read(&at("text"), 3).unwrap_err().to_string(), "it is larger than 3 bytes");
        for device in [at("pipe"), "/dev/zero".into()] {
            assert_eq!(read(&device, 9).unwrap_err().to_string(), "it is not a regular file");
        }
        assert_eq!(read(dir.path(), 9).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_link_in_the_place_of_a_new_file_is_replaced_and_its_target_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_own(&link, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "kept");
        assert_eq!(read_own(&link, 9).unwrap(), "new");
    }
}
