//! Deleting a group or an agent: told first, done with `--yes`.

use serde::Serialize;

use super::desk::Places;
use super::print::{self, Out};
use super::{Failure, unexpected};
use crate::engine::wire::{Address, Reply, Request};

/// What is deleted.
#[derive(Debug, clap::Args)]
pub struct Deletion {
    /// Its name.
    pub name: String,
    /// Delete it; without this, only what would go is printed.
    #[arg(long)]
    yes: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    deleted: bool,
    goes: &'a [String],
}

/// Prints what goes, and lets it go where told to.
pub async fn delete(places: &Places, what: Address, which: &Deletion, out: &mut Out) -> Result<(), Failure> {
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
        print::note("nothing is deleted yet; --yes does it");
    }
    Ok(())
}
