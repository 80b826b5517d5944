//! `nightdesk block`: lists, shows, creates, writes and changes memory blocks, and looks into their history.

mod access;
mod change;
mod history;

use jiff::Timestamp;
use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, input, unexpected};
use crate::domain::block::folded;
use crate::domain::state::Kind;
use crate::domain::{Block, BlockId, BlockOwner, Conflict, Revision};
use crate::engine::Scope;
use crate::engine::protocol::{Overview, Recipient, Reply, Request, Timestamped};

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
        /// Show this version instead of the newest.
        #[arg(long, value_name = "VERSION", conflicts_with = "as_of")]
        version: Option<u64>,
        /// Show what the agent knew that wrote this message, by its number in `message list` of the group.
        #[arg(long, value_name = "NUMBER")]
        as_of: Option<u64>,
        /// With --as-of: the message is in the direct conversation with the agent.
        #[arg(long, requires = "as_of", requires = "agent")]
        direct: bool,
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
    /// Create a block that a group shares, or with --agent, one that an agent has.
    #[command(
        override_usage = "nightdesk block create GROUP LABEL [OPTIONS]\n       nightdesk block create --agent NAME LABEL [OPTIONS]"
    )]
    Create(change::Create),
    /// Change the description, limit, tags or protection of a block.
    Configure(change::Configure),
    /// Rename a block for all that have it; without --yes, only print whom that touches.
    Rename(change::Rename),
    /// Let a group share a block, or let an agent have it.
    Attach(change::Attach),
    /// Take a block from a group or an agent; without --yes, only print who loses it.
    Detach(change::Detach),
    /// Delete a block; without --yes, only print who loses it.
    Delete(change::Delete),
    /// List, grant and revoke what agents may do with a block.
    #[command(subcommand)]
    Access(access::Command),
    /// List the versions of a block with who wrote them, why, and what caused them.
    History(history::History),
    /// Print the difference of two versions of a block.
    Diff(history::Diff),
    /// Write an older version of a block as its newest one.
    Restore(history::Restore),
    /// Print who wrote each line of a block.
    Blame(history::BlameArgs),
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
    local_only: bool,
    tags: &'a [String],
    editor: &'a str,
    edited_at: Timestamp,
}

/// Runs a subcommand of `block`.
///
/// # Errors
/// A name or label is unknown, standard input cannot be read, or the engine refuses the edit.
pub async fn block(places: &Paths, command: Command, out: &mut Out) -> Result<Exit, CliError> {
    let command = match command {
        Command::Create(args) => return change::create(places, args, out).await,
        Command::Configure(args) => return change::configure(places, args, out).await,
        Command::Rename(args) => return change::rename(places, args, out).await,
        Command::Attach(args) => return change::attach(places, args, out).await,
        Command::Detach(args) => return change::detach(places, args, out).await,
        Command::Delete(args) => return change::delete(places, args, out).await,
        Command::Access(command) => return access::access(places, command, out).await,
        Command::History(args) => return history::history(places, args, out).await,
        Command::Diff(args) => return history::diff(places, args, out).await,
        Command::Restore(args) => return history::restore(places, args, out).await,
        Command::Blame(args) => return history::blame(places, args, out).await,
        other => other,
    };
    let handle = places.look()?;
    let now = handle.overview().await?;
    let roster = Roster::of(&now);
    match command {
        Command::List { group, json } => list(now, &roster, group.as_deref(), json, out)?,
        Command::Show { which, version, as_of, direct, json } => {
            let mut block = find(now.clone(), &roster, &which)?;
            if let Some(version) = version {
                block = at_version(&block, history::version(&handle, &block, version).await?);
            }
            if let Some(seq) = as_of {
                let of = match &block.owner {
                    BlockOwner::Agent(id) if direct => Recipient::Agent(id.clone()),
                    _ => history::home(&roster, &block)?,
                };
                let seen = history::seen(&handle, &now, &of, seq).await?;
                let Some(known) = seen.blocks.iter().find(|known| known.id == block.id) else {
                    let text = format!("{} did not know {} at message {}", seen.name, block.label, seen.seq);
                    return Err(CliError::Message(text));
                };
                block = at_version(&block, history::version(&handle, &block, known.version).await?);
                print::note(&format!("as {} knew it at message {}", seen.name, seen.seq));
            }
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
        _ => {}
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

impl Which {
    /// Returns the group or agent, and the label.
    fn owner(&self, roster: &Roster) -> Result<(Recipient, String), CliError> {
        match (&self.agent, &self.second) {
            (Some(name), _) => Ok((Recipient::Agent(roster.agent(name)?.id.clone()), self.first.clone())),
            (None, label) => {
                let group = roster.group(&self.first)?;
                Ok((Recipient::Group(group.id.clone()), label.as_ref().unwrap_or(&self.first).clone()))
            }
        }
    }
}

/// The block as it was at another version.
fn at_version(block: &Block, version: Timestamped<Revision>) -> Block {
    let Timestamped { at, what: Revision { value, version, editor, .. }, .. } = version;
    Block { value, version, editor, edited_at: at, ..block.clone() }
}

fn find(now: Overview, roster: &Roster, which: &Which) -> Result<Block, CliError> {
    let (owner, label) = which.owner(roster)?;
    let (home, owner) = match owner {
        Recipient::Agent(id) => (roster.full_name(&id), BlockOwner::Agent(id)),
        Recipient::Group(id) => (roster.group_name(&id).to_owned(), BlockOwner::Group(id)),
    };
    let mut here: Vec<Block> = now.blocks.into_iter().filter(|block| block.owner == owner).collect();
    match here.iter().position(|block| folded(&block.label) == folded(&label)) {
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
    let request = Request::EditBlock { id: block.id.clone(), base, value, merge: false };
    written(places, roster, request, base, json, out).await
}

/// Sends a request that writes a block, and prints the block; a write to an outdated version prints the current one.
async fn written(
    places: &Paths,
    roster: &Roster,
    request: Request,
    base: u64,
    json: bool,
    out: &mut Out,
) -> Result<Exit, CliError> {
    let desk = places.open(places.options(false, Scope::Nobody), false).await?;
    let reply = desk.handle().ask(request).await;
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
        local_only: block.local_only,
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
