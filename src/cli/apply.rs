//! `nightdesk apply`: a team file becomes a group, its agents and its blocks.

use std::path::PathBuf;

use super::desk::Places;
use super::print::Out;
use super::{Exit, Failure};
use crate::agentfile::team::{self, Existing, Plan, TeamFile};
use crate::domain::{Conflict, Ids};
use crate::engine::wire::Request;
use crate::engine::{Handle, Scope};
use crate::tools::Toolbox;

/// How often a plan is made again because somebody changed what it rests on.
const TRIES: u32 = 5;

/// What `apply` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The team file.
    #[arg(value_name = "TEAM.toml")]
    file: PathBuf,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    /// Take block values from the file even where somebody has edited them since.
    #[arg(long)]
    overwrite_blocks: bool,
}

/// Prints what changes, and changes it.
pub async fn apply(places: &Places, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let tools = Toolbox::default().names();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let file = team::load(&args.file, &tools)?;
    let plan = if args.dry_run {
        let existing = if places.has_store() {
            let now = places.look()?.overview().await?;
            Existing::of(&file.group.name, &now.groups, now.agents, now.blocks)
        } else {
            Existing::default()
        };
        team::plan(&file, &existing, &Ids::random(), args.overwrite_blocks)?
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

/// Makes the group what its file says, in one commit; nothing where it is so already.
pub async fn put(handle: &Handle, file: &TeamFile, overwrite_blocks: bool) -> Result<Plan, Failure> {
    for _ in 0..TRIES {
        let now = handle.overview().await?;
        let existing = Existing::of(&file.group.name, &now.groups, now.agents, now.blocks);
        let plan = team::plan(file, &existing, &Ids::random(), overwrite_blocks)?;
        if plan.changes.is_empty() {
            return Ok(plan);
        }
        match handle.ask(Request::Apply { changes: plan.changes.clone() }).await {
            Ok(_) => return Ok(plan),
            Err(fault) if matches!(fault.conflict.as_deref(), Some(Conflict::Block { .. })) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Err(Failure::Said(format!(
        "the blocks of {} change faster than the file can be applied; try again",
        file.group.name
    )))
}
