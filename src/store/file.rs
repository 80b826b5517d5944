//! The store as a file: its directory, permissions and identity, and the file systems it must not be on.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::StoreError;

/// Identifies a file independently of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

/// The identity of the file at this path, if there is one.
#[must_use]
pub fn identity(path: &Path) -> Option<FileIdentity> {
    std::fs::metadata(path).ok().map(|meta| of(&meta))
}

/// The identity of what is at this path, which may be a symbolic link.
pub(super) fn identity_here(path: &Path) -> Option<FileIdentity> {
    std::fs::symlink_metadata(path).ok().map(|meta| of(&meta))
}

/// The identity of an open file.
pub(super) fn identity_of(file: &File) -> Option<FileIdentity> {
    file.metadata().ok().map(|meta| of(&meta))
}

fn of(meta: &Metadata) -> FileIdentity {
    FileIdentity { device: meta.dev(), inode: meta.ino() }
}

/// Creates the directory of a store if it is missing, with access only for its owner.
pub(super) fn make_parent(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|error| {
        refused(path, format!("its directory {} cannot be created: {error}; choose another path", parent.display()))
    })
}

/// Creates the file if it is missing, with access only for its owner. `SQLite` gives the files beside it the same
/// permissions.
pub(super) fn make(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| refused(path, format!("{error}; check the path and its permissions")))
}

/// Rejects what is there and no regular file: opening a pipe may wait for ever, and a device may have no end.
pub(super) fn refuse_irregular(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => Err(refused(path, "it is not a regular file; check the path")),
        _ => Ok(()),
    }
}

/// Rejects the store of another user for root, whose files beside it its user could not open.
pub(super) fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let Ok(meta) = std::fs::metadata(path) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || meta.uid() == 0 {
        return Ok(());
    }
    let user = meta.uid();
    Err(refused(
        path,
        format!(
            "it belongs to another user ({user}), who could not open what root leaves beside it; run as that user: sudo -u '#{user}'"
        ),
    ))
}

/// Rejects file systems on which `SQLite`'s locks and shared memory do not work.
#[cfg(target_os = "linux")]
#[allow(clippy::useless_conversion)] // the field is narrower on other machines
pub(super) fn refuse_network(path: &Path) -> Result<(), StoreError> {
    let stat = rustix::fs::statfs(path).map_err(|error| refused(path, format!("{error}; check the path")))?;
    match network_name(i64::from(stat.f_type)) {
        None => Ok(()),
        Some(name) => Err(refused(
            path,
            format!(
                "it is on a network file system ({name}), where it would be damaged; choose a path on a local disk"
            ),
        )),
    }
}

/// Other systems are not checked.
#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_network(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// The name of a network file system, by its number in statfs(2).
#[cfg(target_os = "linux")]
fn network_name(kind: i64) -> Option<&'static str> {
    Some(match kind & 0xFFFF_FFFF {
        0x6969 => "NFS",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x0102_1997 => "9p",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x4750_4653 => "GPFS",
        _ => return None,
    })
}

pub(super) fn refused(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Open { path: path.to_owned(), what: what.into() }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_and_this_disk_is_none() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(
            network_name(i64::from(0xFF53_4D42_u32.cast_signed())),
            Some("SMB"),
            "the kernel's field may be signed"
        );
        assert_eq!(network_name(0xEF53), None);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(refuse_network(dir.path()), Ok(()));
    }
}
