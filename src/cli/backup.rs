//! `nightdesk backup` and `nightdesk restore`: copies of the store, and putting one back.

use std::fs::DirBuilder;
use std::num::NonZeroU16;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::paths::Paths;
use super::print::{self, Out};
use super::{CliError, Exit};
use crate::engine::care;

/// The directory beside the store that holds backups without a name of their own.
const DIRECTORY: &str = "backups";
/// How the time stands in the name of such a backup.
const STAMP: &str = "%Y%m%dT%H%M%SZ";
/// Backups of one second that get a name.
const MOST_OF_A_SECOND: u32 = 9;

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the copy to this new file; without it, to a file named after the time in the directory backups beside the store.
    file: Option<PathBuf>,
    /// Keep only the newest N backups in the directory backups, and remove older ones.
    #[arg(long, value_name = "N", conflicts_with = "file")]
    keep: Option<NonZeroU16>,
}

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backup.
    file: PathBuf,
    /// Stop a worker that owns the store first.
    #[arg(long)]
    stop: bool,
}

/// Copies the store, checks the copy, and prints its path.
///
/// # Errors
/// There is no store, or the copy cannot be made; nothing is left of it then.
pub async fn backup(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    if !places.has_store() {
        return Err(CliError::Message(format!("there is no store {} to back up", places.store.display())));
    }
    let backups = Backups::of(&places.store);
    let target = match &args.file {
        Some(file) => file.clone(),
        None => backups.next(Timestamp::now())?,
    };
    let size = care::back_up(&places.store, &target).await?;
    out.line(&format!("{}  {}", target.display(), print::size(size)))?;
    for old in args.keep.map(|keep| backups.older(usize::from(keep.get()))).unwrap_or_default() {
        match std::fs::remove_file(&old) {
            Ok(()) => out.line(&format!("removed {}", old.display()))?,
            Err(error) => {
                let old = old.display();
                return Err(CliError::Message(format!("the backup is made, but {old} cannot be removed: {error}")));
            }
        }
    }
    Ok(Exit::Done)
}

/// Puts a backup in the place of the store and prints where the store as it was is kept.
///
/// # Errors
/// A program owns the store, or the file is no intact backup; the store is as it was then.
pub async fn restore(places: &Paths, args: &RestoreArgs, out: &mut Out) -> Result<Exit, CliError> {
    let stamp = Timestamp::now().strftime(STAMP).to_string();
    let kept = care::restore(&places.store, &args.file, stamp, args.stop).await?;
    out.line(&format!("{} is the store again", args.file.display()))?;
    if let Some(kept) = kept {
        out.line(&format!("the store as it was is kept as {}", kept.display()))?;
    }
    Ok(Exit::Done)
}

/// The backups of a store that have no name of their own.
pub(super) struct Backups {
    directory: PathBuf,
    /// The name of the store without its ending.
    stem: String,
}

impl Backups {
    pub(super) fn of(store: &Path) -> Self {
        let stem = store.file_stem().map_or_else(|| "store".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self { directory: store.with_file_name(DIRECTORY), stem }
    }

    /// The path of the next one. Creates the directory if it is missing, with access only for its user.
    fn next(&self, now: Timestamp) -> Result<PathBuf, CliError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        made.map_err(|error| {
            let directory = self.directory.display();
            CliError::Message(format!("the directory {directory} cannot be created: {error}; give a file to write to"))
        })?;
        let name = format!("{}-{}", self.stem, now.strftime(STAMP));
        let further = (2..=MOST_OF_A_SECOND).map(|number| format!("{name}-{number}.db"));
        let mut paths = std::iter::once(format!("{name}.db")).chain(further).map(|name| self.directory.join(name));
        let free = paths.find(|path| path.symlink_metadata().is_err());
        free.ok_or_else(|| CliError::Message("too many backups in one second; wait for the next".to_owned()))
    }

    /// All of them with their sizes in bytes, oldest first.
    pub(super) fn all(&self) -> Vec<(PathBuf, u64)> {
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
