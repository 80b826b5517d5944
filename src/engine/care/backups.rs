//! Backups of a store that have no name of their own: files named after the time, in a directory beside the store.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::CopyError;

/// The directory beside the store that holds them.
const DIRECTORY: &str = "backups";
/// How the time stands in the name of a backup.
pub const STAMP: &str = "%Y%m%dT%H%M%SZ";
/// Backups of one second that get a name.
const MOST_OF_A_SECOND: u32 = 9;

/// The backups of a store that have no name of their own.
#[derive(Debug)]
pub struct Backups {
    directory: PathBuf,
    /// The name of the store without its ending.
    stem: String,
}

impl Backups {
    /// Those of this store.
    #[must_use]
    pub fn of(store: &Path) -> Self {
        let stem = store.file_stem().map_or_else(|| "store".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self { directory: store.with_file_name(DIRECTORY), stem }
    }

    /// The path of the next one. Creates the directory if it is missing, with access only for its user.
    ///
    /// # Errors
    /// A sentence: the directory cannot be created, or there are too many backups of this second.
    pub fn next(&self, now: Timestamp) -> Result<PathBuf, String> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        made.map_err(|error| {
            let directory = self.directory.display();
            format!("the directory {directory} cannot be created: {error}; give a file to write to")
        })?;
        let name = format!("{}-{}", self.stem, now.strftime(STAMP));
        let further = (2..=MOST_OF_A_SECOND).map(|number| format!("{name}-{number}.db"));
        let mut paths = std::iter::once(format!("{name}.db")).chain(further).map(|name| self.directory.join(name));
        let free = paths.find(|path| path.symlink_metadata().is_err());
        free.ok_or_else(|| "too many backups in one second; wait for the next".to_owned())
    }

    /// All of them with their sizes in bytes, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<(PathBuf, u64)> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut found: Vec<(PathBuf, u64)> = entries
            .filter(|entry| self.is_one(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                meta.is_file().then(|| (entry.path(), meta.len()))
            })
            .collect();
        // Without its ending, the first of a second comes before the further ones.
        found.sort_by_key(|(path, _)| path.with_extension(""));
        found
    }

    /// Removes all but the newest so many. Returns those that are removed.
    ///
    /// # Errors
    /// A sentence: the first one that cannot be removed.
    pub fn prune(&self, keep: usize) -> Result<Vec<PathBuf>, String> {
        let old = self.older(keep);
        for path in &old {
            std::fs::remove_file(path).map_err(|error| format!("{} cannot be removed: {error}", path.display()))?;
        }
        Ok(old)
    }

    /// All but the newest so many.
    fn older(&self, keep: usize) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.all().into_iter().map(|(path, _)| path).collect();
        all.truncate(all.len().saturating_sub(keep));
        all
    }

    /// True for a name that [`Backups::next`] gives: no other file is ever removed.
    fn is_one(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.stem).and_then(|rest| rest.strip_prefix('-'));
        let Some(time) = rest.and_then(|rest| rest.strip_suffix(".db")) else { return false };
        let (time, number) = time.split_at_checked("20260501T094100Z".len()).unwrap_or((time, ""));
        let further = number.is_empty()
            || number.strip_prefix('-').is_some_and(|number| number.len() == 1 && number.parse::<u8>().is_ok());
        further && jiff::civil::DateTime::strptime(STAMP, time).is_ok()
    }
}

/// Copies on a thread of its own.
///
/// # Errors
/// What the copy returns, or that a fault of this program interrupted it.
pub(in crate::engine) async fn copying<T: Send + 'static>(
    copy: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    let done = tokio::task::spawn_blocking(copy).await;
    let broken = "copying was interrupted by a fault inside Nightdesk; try again";
    done.unwrap_or_else(|_| Err(CopyError::Failed(broken.to_owned())))
}

/// A size in words: `1.2 MB`.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_command_named_itself_is_removed_and_the_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let backups = Backups::of(&dir.path().join("desk.db"));
        let at = |time: &str| backups.next(time.parse().unwrap()).unwrap();
        let mut made = Vec::new();
        for time in ["2026-05-01T09:41:00Z", "2026-05-01T09:41:00Z", "2025-12-31T23:59:59Z"] {
            let path = at(time);
            std::fs::write(&path, "copy").unwrap();
            made.push(path);
        }
        assert_eq!(made[1].file_name().unwrap(), "desk-20260501T094100Z-2.db");
        for other in ["desk-notes.db", "other-20260501T094100Z.db", "desk-20260501T094100Z.db.part", "desk.db"] {
            std::fs::write(dir.path().join(DIRECTORY).join(other), "not mine").unwrap();
        }
        std::os::unix::fs::symlink("desk.db", dir.path().join(DIRECTORY).join("desk-20240501T094100Z.db")).unwrap();
        let all: Vec<PathBuf> = backups.all().into_iter().map(|(path, _)| path).collect();
        assert_eq!(all, [made[2].clone(), made[0].clone(), made[1].clone()]);
        assert_eq!(backups.older(2), [made[2].clone()]);
        assert_eq!(backups.older(9), [] as [PathBuf; 0]);
    }
}
