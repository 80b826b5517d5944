//! `nightdesk block`: lists, shows and writes memory blocks.

use jiff::Timestamp;
use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, input, unexpected};
use crate::domain::block::folded;
use crate::domain::state::Kind;
use crate::domain::{Block, BlockId, BlockOwner, Conflict};
use crate::engine::Scope;
use crate::engine::protocol::{Overview, Reply, Request};

/// Subcommands of `block`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List all blocks, or those of a group and its agents.
    List {
        /// List only the blocks of this group and of its agents.
        group: Option<String>,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Print the value of a block.
    #[command(override_usage = "nightdesk block show GROUP LABEL\n       nightdesk block show --agent NAME LABEL")]
    Show {
        /// Block to show.
        #[command(flatten)]
        which: Which,
        /// Print the block as a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Replace the value of a block with standard input, without its final line break.
    #[command(
        override_usage = "nightdesk block set GROUP LABEL [--expect-version VERSION]\n       nightdesk block set --agent NAME LABEL [--expect-version VERSION]"
    )]
    Set {
        /// Block to write.
        #[command(flatten)]
        which: Which,
        /// Write only if this is the current version of the block.
        #[arg(long, alias = "base", value_name = "VERSION")]
        expect_version: Option<u64>,
        /// Print the block as a JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A block by its owner and its label.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// Name of the group; with --agent, the label.
    #[arg(value_name = "GROUP")]
    first: String,
    /// Label of the block.
    #[arg(value_name = "LABEL", required_unless_present = "agent", conflicts_with = "agent")]
    second: Option<String>,
    /// Use a block of this agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a BlockId,
    group: &'a str,
    agent: Option<&'a str>,
    label: &'a str,
    value: &'a str,
    version: u64,
    limit: u32,
    description: &'a str,
    read_only: bool,
    tags: &'a [String],
    editor: &'a str,
    edited_at: Timestamp,
}

/// Runs a subcommand of `block`.
///
/// # Errors
/// A name or label is unknown, standard input cannot be read, or the engine refuses the edit.
pub async fn block(places: &Paths, command: Command, out: &mut Out) -> Result<Exit, CliError> {
    let now = places.look()?.overview().await?;
    let roster = Roster::of(&now);
    match command {
        Command::List { group, json } => list(now, &roster, group.as_deref(), json, out)?,
        Command::Show { which, json } => {
            let block = find(now, &roster, &which)?;
            if json {
                out.json(&row(&roster, &block))?;
            } else {
                print::note(&about(&block));
                out.line(&block.value)?;
            }
        }
        Command::Set { which, expect_version, json } => {
            let block = find(now, &roster, &which)?;
            return set(places, &roster, &block, expect_version, json, out).await;
        }
    }
    Ok(Exit::Done)
}

fn list(now: Overview, roster: &Roster, group: Option<&str>, json: bool, out: &mut Out) -> Result<(), CliError> {
    print::unreadable(now.faults.iter().filter(|fault| fault.kind == Kind::Block));
    let mut blocks = now.blocks;
    if let Some(name) = group {
        let group = roster.group(name)?;
        let agents = group.agents();
        blocks.retain(|block| match &block.owner {
            BlockOwner::Group(id) => *id == group.id || group.shared_blocks.contains(&block.id),
            BlockOwner::Agent(id) => agents.contains(&id),
        });
    }
    let rows: Vec<Row<'_>> = blocks.iter().map(|block| row(roster, block)).collect();
    if json {
        out.json(&rows)?;
        return Ok(());
    }
    let cells = |row: &Row<'_>| {
        let home = row.agent.map_or_else(|| row.group.to_owned(), |agent| format!("{}/{agent}", row.group));
        let size = format!("{}/{}", row.value.chars().count(), row.limit);
        [
            home,
            row.label.to_owned(),
            format!("v{}", row.version),
            size,
            row.editor.to_owned(),
            format!("{:.0}", row.edited_at),
        ]
    };
    out.table(["OF", "LABEL", "VERSION", "SIZE", "EDITOR", "EDITED"], &rows.iter().map(cells).collect::<Vec<_>>())?;
    Ok(())
}

fn find(now: Overview, roster: &Roster, which: &Which) -> Result<Block, CliError> {
    let (home, owner, label) = match (&which.agent, &which.second) {
        (Some(name), _) => {
            let agent = roster.agent(name)?;
            (roster.full_name(&agent.id), BlockOwner::Agent(agent.id.clone()), &which.first)
        }
        (None, label) => {
            let group = roster.group(&which.first)?;
            (group.name.clone(), BlockOwner::Group(group.id.clone()), label.as_ref().unwrap_or(&which.first))
        }
    };
    let mut here: Vec<Block> = now.blocks.into_iter().filter(|block| block.owner == owner).collect();
    match here.iter().position(|block| folded(&block.label) == folded(label)) {
        Some(at) => Ok(here.swap_remove(at)),
        None if here.is_empty() => Err(CliError::Message(format!("{home} has no blocks of its own"))),
        None => {
            let labels: Vec<&str> = here.iter().map(|block| block.label.as_str()).collect();
            Err(CliError::Message(format!("{home} has no block {label:?}; it has {}", labels.join(", "))))
        }
    }
}

async fn set(
    places: &Paths,
    roster: &Roster,
    block: &Block,
    base: Option<u64>,
    json: bool,
    out: &mut Out,
) -> Result<Exit, CliError> {
    let too_long = |_| Err(format!("{} holds {} characters, and the new text has more", block.label, block.limit));
    let value = input::text(block.limit as usize * 4 + 1, too_long)?;
    let value = value.strip_suffix('\n').unwrap_or(&value).to_owned();
    let base = base.unwrap_or(block.version);
    let desk = places.open(places.options(false, Scope::Nobody), false).await?;
    let reply = desk.handle().ask(Request::EditBlock { id: block.id.clone(), base, value, merge: false }).await;
    desk.close().await;
    let written = match reply {
        Ok(Reply::Block(block)) => block,
        Ok(other) => return Err(unexpected(&other)),
        Err(fault) => {
            let Some(Conflict::Block { current }) = fault.conflict.as_deref() else { return Err(fault.into()) };
            clash(roster, current, base, json, out)?;
            return Ok(Exit::Failed);
        }
    };
    if json {
        out.json(&row(roster, &written))?;
    } else {
        print::note(&format!("{} is at version {}", written.label, written.version));
    }
    Ok(Exit::Done)
}

/// Reports a write to an outdated version: the reason on standard error, the current block on standard output.
fn clash(roster: &Roster, current: &Block, base: u64, json: bool, out: &mut Out) -> Result<(), CliError> {
    print::note(&format!(
        "{} is at version {} by {}, your text is based on version {base}: nothing is written; \
         merge it with the text below and use --expect-version {}",
        current.label,
        current.version,
        current.editor.name(),
        current.version
    ));
    if json {
        out.json(&row(roster, current))?;
    } else {
        out.line(&format!("version {}", current.version))?;
        out.line(&current.value)?;
    }
    Ok(())
}

fn row<'a>(roster: &'a Roster, block: &'a Block) -> Row<'a> {
    let (group, agent) = match &block.owner {
        BlockOwner::Group(id) => (roster.group_name(id), None),
        BlockOwner::Agent(id) => {
            let home = roster.agents.iter().find(|agent| agent.id == *id);
            (home.map_or("", |agent| roster.group_name(&agent.group)), Some(roster.name(id)))
        }
    };
    Row {
        id: &block.id,
        group,
        agent,
        label: &block.label,
        value: &block.value,
        version: block.version,
        limit: block.limit,
        description: &block.description,
        read_only: block.read_only,
        tags: &block.tags,
        editor: block.editor.name(),
        edited_at: block.edited_at,
    }
}

fn about(block: &Block) -> String {
    format!(
        "{} v{}  {}/{}  {} at {}{}",
        block.label,
        block.version,
        block.value.chars().count(),
        block.limit,
        block.editor.name(),
        format_args!("{:.0}", block.edited_at),
        if block.read_only { "  agents may not edit it" } else { "" }
    )
}
