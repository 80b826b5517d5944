//! `nightdesk backup` and `nightdesk restore`: copies of the store, and putting one back.

use std::num::NonZeroU16;
use std::path::PathBuf;

use jiff::Timestamp;

use super::paths::Paths;
use super::print::{self, Out};
use super::{CliError, Exit};
use crate::engine::care::backups::{Backups, STAMP};
use crate::engine::copies;

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
        None => backups.next(Timestamp::now()).map_err(CliError::Message)?,
    };
    let size = copies::back_up(&places.store, &target).await?;
    out.line(&format!("{}  {}", target.display(), print::size(size)))?;
    if let Some(keep) = args.keep {
        let removed = backups.prune(usize::from(keep.get()));
        for old in removed.map_err(|text| CliError::Message(format!("the backup is made, but {text}")))? {
            out.line(&format!("removed {}", old.display()))?;
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
    let kept = copies::restore(&places.store, &args.file, stamp, args.stop).await?;
    out.line(&format!("{} is the store again", args.file.display()))?;
    if let Some(kept) = kept {
        out.line(&format!("the store as it was is kept as {}", kept.display()))?;
    }
    Ok(Exit::Done)
}
