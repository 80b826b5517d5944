//! `nightdesk erase`: takes a text, or all versions of a block, out of the store and its backups for good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, audit, input};
use crate::engine::care::backups::Backups;
use crate::engine::copies::{self, Erase};

/// The most bytes of a text from standard input.
const MOST_BYTES: usize = 64 << 10;

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Text to erase, with its blanks and line breaks, in capitals or not; - reads standard input, so that it stays out of the history of the shell.
    #[arg(value_name = "TEXT", required_unless_present = "block", conflicts_with = "block")]
    text: Option<String>,
    /// Empty all versions of this block, and erase its longer lines wherever else they are: LABEL, GROUP/LABEL,
    /// GROUP/AGENT/LABEL, or its id.
    #[arg(long, value_name = "BLOCK")]
    block: Option<String>,
    /// Erase; without this option, only print where it would be erased.
    #[arg(long)]
    yes: bool,
    /// Stop a worker that owns the store first.
    #[arg(long)]
    stop: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    erased: bool,
    files: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    file: &'a Path,
    rows: &'a BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_touched: Option<&'a str>,
}

/// Erases, or prints where it would.
///
/// # Errors
/// A program owns the store, the block is unknown, or the text is too short or part of a name.
pub async fn erase(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let what = match (&args.block, &args.text) {
        (Some(name), _) => Erase::Block(audit::block(&Roster::read(&places.look()?).await?, name)?),
        (None, Some(dash)) if dash == "-" => {
            let too_long = |_| Err(format!("a text to erase has at most {MOST_BYTES} bytes; erase its parts"));
            let text = input::text(MOST_BYTES, too_long)?;
            Erase::Text(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
        }
        (None, text) => Erase::Text(text.clone().unwrap_or_default()),
    };
    let files = copies::erase(&places.store, what, backups(&places.store), args.yes, args.stop).await?;
    let found = files.iter().any(|file| !file.rows.is_empty());
    let erased = args.yes && found;
    if args.json {
        let files =
            files.iter().map(|one| Part { file: &one.path, rows: &one.rows, not_touched: one.skipped.as_deref() });
        out.json(&Report { erased, files: files.collect() })?;
        return Ok(Exit::Done);
    }
    for file in files.iter().filter(|file| file.skipped.is_some() || !file.rows.is_empty()) {
        let what = match &file.skipped {
            Some(why) => format!("not touched: {why}"),
            None => file.rows.iter().map(|(noun, count)| format!("{count} × {noun}")).collect::<Vec<_>>().join(", "),
        };
        out.line(&format!("{}: {what}", file.path.display()))?;
    }
    print::note(match (found, args.yes) {
        (false, _) => "it is nowhere in the store",
        (true, false) => "nothing was erased; add --yes to erase",
        (true, true) => {
            "erased; team files, drafts of the workbench, copies elsewhere and what models got are not in the store"
        }
    });
    Ok(Exit::Done)
}

/// The copies of a store that this program makes: backups without a name of their own, those before an upgrade, and stores
/// that were replaced.
fn backups(store: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Backups::of(store).all().into_iter().map(|(path, _)| path).collect();
    let Some(name) = store.file_name().map(|name| name.to_string_lossy().into_owned()) else { return found };
    let is_one = |other: &str| {
        let Some(rest) = other.strip_prefix(&name) else { return false };
        let version = rest.strip_prefix(".v").is_some_and(|version| version.parse::<u32>().is_ok());
        version || rest.starts_with(".before-") && !rest.ends_with("-wal") && !rest.ends_with("-shm")
    };
    let directory = store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let siblings = entries.filter(|entry| is_one(&entry.file_name().to_string_lossy())).map(|entry| entry.path());
    found.extend(siblings);
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copies_that_this_program_makes_are_found_and_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("desk.db");
        std::fs::create_dir(dir.path().join("backups")).unwrap();
        let own = ["backups/desk-20260501T094100Z.db", "desk.db.before-20260501T094100Z", "desk.db.v3"];
        for name in own.iter().chain(&["desk.db", "desk.db.vx", "desk.db-wal", "other.db.v3", "desk.db.lock"]) {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(backups(&store), own.map(|name| dir.path().join(name)));
    }
}
