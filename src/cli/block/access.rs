//! `nightdesk block access`: what agents may do with a block.

use serde::Serialize;

use super::Which;
use super::change::{self, Mode, Trial};
use crate::cli::paths::Paths;
use crate::cli::print::Out;
use crate::cli::roster::Roster;
use crate::cli::{CliError, Exit};
use crate::domain::Block;
use crate::domain::block::{Grantee, Level};
use crate::engine::protocol::BlockChange;

/// Subcommands of `block access`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the agents that have a block and what each may do, and the rules behind it.
    List {
        /// Block to look into.
        #[command(flatten)]
        which: Which,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let an agent, a role or everybody read, edit or administer a block; an agent that lacks the block gets it.
    Grant {
        /// Block to give access to.
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
        /// What they may do: none, read, `read_write` or admin.
        #[arg(long, value_name = "LEVEL", value_parser = level)]
        level: Level,
        /// Why; kept in the log.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        trial: Trial,
    },
    /// Remove the rule about an agent, a role or everybody; what is left of the rules counts.
    Revoke {
        /// Block to take access from.
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
        /// Why; kept in the log.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        trial: Trial,
    },
}

/// Whom a rule is about.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the options")]
#[group(required = true, multiple = false)]
pub struct To {
    /// One agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "AGENT")]
    of_agent: Option<String>,
    /// The agents that have this role.
    #[arg(long, value_name = "ROLE")]
    of_role: Option<String>,
    /// All agents.
    #[arg(long)]
    of_everybody: bool,
}

impl To {
    fn grantee(self, roster: &Roster) -> Result<Grantee, CliError> {
        Ok(match (self.of_agent, self.of_role) {
            (Some(name), _) => Grantee::Agent(roster.agent(&name)?.id.clone()),
            (_, Some(role)) => Grantee::Role(role),
            (None, None) => Grantee::Everybody,
        })
    }
}

fn level(text: &str) -> Result<Level, String> {
    Level::named(text).ok_or_else(|| format!("use one of {}", Level::ALL.map(Level::as_str).join(", ")))
}

#[derive(Serialize)]
struct Access<'a> {
    label: &'a str,
    rules: Vec<Rule>,
    agents: Vec<Has>,
}

#[derive(Serialize)]
struct Rule {
    who: String,
    level: &'static str,
}

#[derive(Serialize)]
struct Has {
    agent: String,
    /// The group in which the agent has the block.
    group: String,
    level: &'static str,
}

/// Runs a subcommand of `block access`.
///
/// # Errors
/// A name is unknown, or the engine refuses the change.
pub async fn access(places: &Paths, command: Command, out: &mut Out) -> Result<Exit, CliError> {
    match command {
        Command::List { which, json } => {
            let now = places.look()?.overview().await?;
            let roster = Roster::of(&now);
            let block = super::find(now, &roster, &which)?;
            list(&roster, &block, json, out)
        }
        Command::Grant { which, to, level, reason, trial } => {
            let change =
                |roster: &Roster| Ok(BlockChange::Access { who: to.grantee(roster)?, level: Some(level), reason });
            change::changed(places, &which, change, Mode::trial(&trial), out).await
        }
        Command::Revoke { which, to, reason, trial } => {
            let change = |roster: &Roster| Ok(BlockChange::Access { who: to.grantee(roster)?, level: None, reason });
            change::changed(places, &which, change, Mode::trial(&trial), out).await
        }
    }
}

fn list(roster: &Roster, block: &Block, json: bool, out: &mut Out) -> Result<Exit, CliError> {
    let name = |who: &Grantee| match who {
        Grantee::Agent(id) => roster.full_name(id),
        Grantee::Role(role) => format!("role {role}"),
        Grantee::Everybody => "everybody".to_owned(),
    };
    let rules = block.access.iter().map(|rule| Rule { who: name(&rule.who), level: rule.level.as_str() }).collect();
    let mut agents = Vec::new();
    for group in &roster.groups {
        for agent in group.agents().into_iter().filter_map(|id| roster.agents.iter().find(|agent| agent.id == *id)) {
            if agent.blocks.contains(&block.id) || group.shared_blocks.contains(&block.id) {
                let level = block.level(agent, Some(group)).as_str();
                agents.push(Has { agent: roster.full_name(&agent.id), group: group.name.clone(), level });
            }
        }
    }
    let access = Access { label: &block.label, rules, agents };
    if json {
        out.json(&access)?;
        return Ok(Exit::Done);
    }
    let rules = access.rules.iter().map(|rule| [rule.who.clone(), rule.level.to_owned()]);
    let rules: Vec<[String; 2]> = rules.collect();
    if !rules.is_empty() {
        out.table(["RULE ABOUT", "LEVEL"], &rules)?;
        out.line("")?;
    }
    let agents = access.agents.iter().map(|has| [has.agent.clone(), has.group.clone(), has.level.to_owned()]);
    out.table(["AGENT", "IN", "LEVEL"], &agents.collect::<Vec<_>>())?;
    Ok(Exit::Done)
}
