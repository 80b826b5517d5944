//! Deletes a group or an agent; without `--yes`, only lists what would be deleted.

use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::{CliError, unexpected};
use crate::engine::protocol::{Recipient, Reply, Request};

/// Arguments of `group delete` and `agent delete`.
#[derive(Debug, clap::Args)]
pub struct Deletion {
    /// Group or agent to delete.
    pub name: String,
    /// Delete; without this option, only print what would be deleted.
    #[arg(long)]
    yes: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    deleted: bool,
    goes: &'a [String],
}

/// Prints what the deletion of `what` removes and, with `--yes`, deletes it.
///
/// # Errors
/// The engine refuses the deletion.
pub async fn delete(places: &Paths, what: Recipient, which: &Deletion, out: &mut Out) -> Result<(), CliError> {
    let reply = places.ask(Request::Delete { what, really: which.yes }).await?;
    let Reply::Deletion { lines, done } = reply else { return Err(unexpected(&reply)) };
    if which.json {
        out.json(&Row { name: &which.name, deleted: done, goes: &lines })?;
        return Ok(());
    }
    for line in &lines {
        out.line(line)?;
    }
    if !done {
        print::note("nothing was deleted; add --yes to delete");
    }
    Ok(())
}
