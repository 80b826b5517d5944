//! `nightdesk job undo`.

use serde::Serialize;

use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::{CliError, Exit, unexpected};
use crate::domain::JobId;
use crate::domain::text_edit::changed_lines;
use crate::engine::protocol::{BlockClash, OnClash, Reply, Request};

/// Arguments of `job undo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the job, or a unique prefix.
    pub(super) id: String,
    /// What to do with lines that others changed since; without it, blocks that have such lines stay as they are.
    #[arg(long, value_name = "WHOSE")]
    clashes: Option<Whose>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Whose lines to keep.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Whose {
    /// Keep the lines of others, and undo the rest.
    Keep,
    /// Write the lines that were there before the job.
    Restore,
}

#[derive(Serialize)]
struct Undone<'a> {
    blocks: Vec<Changed<'a>>,
    clashes: Vec<Clash<'a>>,
    deleted: usize,
}

#[derive(Serialize)]
struct Changed<'a> {
    label: &'a str,
    version: u64,
}

#[derive(Serialize)]
struct Clash<'a> {
    label: &'a str,
    version: u64,
    current: &'a str,
    before: &'a str,
}

/// Undoes a job. The exit code is 1 if a block stays as it is because others changed the same lines.
pub(super) async fn undo(places: &Paths, id: JobId, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let on_clash = match args.clashes {
        None => OnClash::Ask,
        Some(Whose::Keep) => OnClash::Keep,
        Some(Whose::Restore) => OnClash::Restore,
    };
    let (blocks, clashes, deleted) = match places.ask(Request::UndoJob { id: id.clone(), clashes: on_clash }).await? {
        Reply::JobUndone { blocks, clashes, deleted } => (blocks, clashes, deleted),
        other => return Err(unexpected(&other)),
    };
    if args.json {
        out.json(&Undone {
            blocks: blocks.iter().map(|block| Changed { label: &block.label, version: block.version }).collect(),
            clashes: clashes.iter().map(clash).collect(),
            deleted,
        })?;
    } else {
        for block in &blocks {
            out.line(&format!("{} is v{} now, without what {id} changed", block.label, block.version))?;
        }
        if deleted > 0 {
            print::note(&format!(
                "{deleted} of its blocks {} deleted since",
                if deleted == 1 { "was" } else { "were" }
            ));
        }
        for clash in &clashes {
            print::note(&told(clash));
        }
    }
    Ok(if clashes.is_empty() { Exit::Done } else { Exit::Failed })
}

fn clash(clash: &BlockClash) -> Clash<'_> {
    let BlockClash { block, texts } = clash;
    Clash { label: &block.label, version: block.version, current: &texts.current, before: &texts.before }
}

fn told(clash: &BlockClash) -> String {
    let BlockClash { block, texts } = clash;
    let mut told = format!(
        "{} stays as it is: others changed lines of the job since. --clashes keep undoes the rest, --clashes restore \
         writes what was there before; u in the workbench shows both",
        block.label
    );
    for (when, lines) in [
        ("now", changed_lines(&texts.before, &texts.current)),
        ("before it", changed_lines(&texts.current, &texts.before)),
    ] {
        let text = lines.map_or_else(|| "(no lines)".to_owned(), |lines| lines.text);
        told.extend(text.lines().map(|line| format!("\n  {when:<9}  {line}")));
    }
    told
}
