//! `nightdesk undo`: takes the last change of groups and agents back.

use jiff::Timestamp;
use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::{CliError, Exit, unexpected};
use crate::engine::protocol::{Reply, Request};

/// Arguments of `undo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take it back; without this option, only print what that does.
    #[arg(long)]
    yes: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    title: &'a str,
    at: Timestamp,
    undone: bool,
    does: &'a [String],
}

/// Prints what taking the last change back does and, with `--yes`, takes it back.
///
/// # Errors
/// There is no such change, or what it changed was changed since.
pub async fn undo(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    places.look()?;
    let reply = places.ask(Request::UndoRoster { really: args.yes }).await?;
    let Reply::RosterUndo { title, at, lines, done } = reply else { return Err(unexpected(&reply)) };
    if args.json {
        out.json(&Row { title: &title, at, undone: done, does: &lines })?;
        return Ok(Exit::Done);
    }
    out.line(&format!("you {title} at {at:.0}"))?;
    for line in &lines {
        out.line(line)?;
    }
    if !done {
        print::note("nothing was undone; add --yes to undo it");
    }
    Ok(Exit::Done)
}
