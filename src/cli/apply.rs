//! `nightdesk apply`: creates or updates a group, its agents and its blocks from a team file.

use std::path::PathBuf;

use super::paths::Paths;
use super::print::Out;
use super::{CliError, Exit};
use crate::domain::{Ids, new_names};
use crate::engine::protocol::{Overview, Request};
use crate::engine::{Handle, Scope};
use crate::team_file::{self, Existing, Plan, TeamFile};
use crate::tools::ToolRegistry;

/// How many plans are computed at most when concurrent edits invalidate them.
const TRIES: u32 = 5;

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Team file.
    #[arg(value_name = "TEAM.toml")]
    file: PathBuf,
    /// Print what would change without changing it.
    #[arg(long)]
    dry_run: bool,
    /// Overwrite blocks that were edited since the last apply with the values of the file.
    #[arg(long)]
    overwrite_blocks: bool,
    /// Use a prompt file (`system_file`), a script (`scripted/FILE`) or a source even if it lies outside the directory of
    /// the team file.
    #[arg(long)]
    allow_outside: bool,
}

/// Applies a team file and prints one line per change.
///
/// # Errors
/// The file cannot be read, has faults or does not fit the store; otherwise as [`put`].
pub async fn apply(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let tools = ToolRegistry::default().names();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let file = team_file::load(&args.file, &tools, args.allow_outside)?;
    let plan = if args.dry_run {
        let now = if places.has_store() { places.look()?.overview().await? } else { Overview::default() };
        let existing = Existing::of(&file.group.name, &now.groups, now.agents.clone(), now.blocks.clone());
        let plan = team_file::plan(&file, &existing, &Ids::random(), args.overwrite_blocks)?;
        new_names::check(&now.groups, &now.agents, &now.blocks, &plan.changes).map_err(CliError::Message)?;
        plan
    } else {
        let desk = places.open(places.options(false, Scope::Nobody), false).await?;
        let plan = put(desk.handle(), &file, args.overwrite_blocks).await;
        desk.close().await;
        plan?
    };
    for line in &plan.lines {
        out.line(line)?;
    }
    Ok(Exit::Done)
}

/// Changes the group to match the file, in one commit; commits nothing if it already matches. Returns the plan.
///
/// The commit rests on what the plan was computed from: if that has changed meanwhile, it is computed again.
///
/// # Errors
/// The file does not fit the store, the engine refuses the changes, or others change the group on every attempt.
pub async fn put(handle: &Handle, file: &TeamFile, overwrite_blocks: bool) -> Result<Plan, CliError> {
    let read = async || {
        let now = handle.overview().await?;
        Ok::<_, CliError>(Existing::of(&file.group.name, &now.groups, now.agents, now.blocks))
    };
    let mut existing = read().await?;
    for _ in 0..TRIES {
        let plan = team_file::plan(file, &existing, &Ids::random(), overwrite_blocks)?;
        if plan.changes.is_empty() {
            return Ok(plan);
        }
        let request = Request::Apply { changes: plan.changes.clone(), read: plan.read.clone() };
        let Err(fault) = handle.ask(request).await else { return Ok(plan) };
        let before = std::mem::replace(&mut existing, read().await?);
        if before == existing {
            return Err(fault.into());
        }
    }
    Err(CliError::Message(format!(
        "the group {} changes faster than the file can be applied; try again",
        file.group.name
    )))
}
