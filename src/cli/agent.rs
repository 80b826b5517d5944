//! `nightdesk agent`: the agents.

mod edit;

use serde::Serialize;

use super::deletion::{self, Deletion};
use super::desk::Places;
use super::print::Out;
use super::roster::Roster;
use super::{Exit, Failure, unexpected};
use crate::domain::{Agent, AgentId, Rule};
use crate::engine::wire::{Address, Overview, Reply, Request};

/// What `agent` is told.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All agents, or those of a group.
    List {
        /// Only the agents of this group.
        group: Option<String>,
        /// One JSON array.
        #[arg(long)]
        json: bool,
    },
    /// One agent.
    Show {
        /// NAME, or GROUP/NAME.
        agent: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Makes an agent at home in a group; it joins the members, or those in the background where it has no members.
    Create(Box<edit::Create>),
    /// Changes an agent, also while it speaks: what changes counts from its next step.
    Update(Box<edit::Update>),
    /// Deletes an agent with its own blocks; without --yes it only says what goes.
    Delete(Deletion),
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a AgentId,
    name: &'a str,
    group: &'a str,
    model: &'a str,
    state: String,
    description: &'a str,
    tools: Vec<String>,
    rules: &'a [Rule],
    contacts: Vec<String>,
    tags: &'a [String],
    system: Option<&'a str>,
    max_steps: Option<u32>,
}

/// Lists, shows, makes, changes or deletes.
pub async fn agent(places: &Places, command: Command, out: &mut Out) -> Result<Exit, Failure> {
    match command {
        Command::List { group, json } => list(places, group.as_deref(), json, out).await?,
        Command::Show { agent, json } => one(places, &agent, json, out).await?,
        Command::Create(create) => {
            let json = create.json();
            let (home, form) = create.form()?;
            let group = Roster::read(&places.look()?).await?.group(&home)?.id.clone();
            let made = changed(places.ask(Request::CreateAgent { group, form: Box::new(form) }).await?)?;
            one(places, made.id.as_str(), json, out).await?;
        }
        Command::Update(update) => {
            let id = Roster::read(&places.look()?).await?.agent(&update.name)?.id.clone();
            let (json, form) = (update.json(), Box::new(update.form()));
            let made = changed(places.ask(Request::UpdateAgent { id, form }).await?)?;
            one(places, made.id.as_str(), json, out).await?;
        }
        Command::Delete(which) => {
            let id = Roster::read(&places.look()?).await?.agent(&which.name)?.id.clone();
            deletion::delete(places, Address::Agent(id), &which, out).await?;
        }
    }
    Ok(Exit::Done)
}

fn changed(reply: Reply) -> Result<Box<Agent>, Failure> {
    match reply {
        Reply::Agent(agent) => Ok(agent),
        other => Err(unexpected(&other)),
    }
}

async fn list(places: &Places, group: Option<&str>, json: bool, out: &mut Out) -> Result<(), Failure> {
    let now = places.look()?.overview().await?;
    let roster = Roster::of(&now);
    let default = places.configuration()?.model;
    let agents: Vec<&Agent> = match group {
        None => roster.agents.iter().collect(),
        Some(name) => {
            let group = roster.group(name)?;
            roster.agents.iter().filter(|agent| group.agents().contains(&&agent.id)).collect()
        }
    };
    let rows: Vec<Row<'_>> = agents.into_iter().map(|agent| row(&roster, &now, &default, agent)).collect();
    if json {
        out.json(&rows)?;
    } else {
        let cells = |row: &Row<'_>| [row.name, row.group, row.model, &row.state].map(str::to_owned);
        out.table(["NAME", "GROUP", "MODEL", "STATE"], &rows.iter().map(cells).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The agent of this name or id.
async fn one(places: &Places, name: &str, json: bool, out: &mut Out) -> Result<(), Failure> {
    let now = places.look()?.overview().await?;
    let roster = Roster::of(&now);
    let default = places.configuration()?.model;
    let row = row(&roster, &now, &default, roster.agent(name)?);
    if json {
        out.json(&row)?;
    } else {
        show(&row, out)?;
    }
    Ok(())
}

fn row<'a>(roster: &'a Roster, now: &Overview, default: &'a str, agent: &'a Agent) -> Row<'a> {
    let status = now.work().agent(&agent.id, &now.jobs);
    Row {
        id: &agent.id,
        name: &agent.name,
        group: roster.group_name(&agent.group),
        model: agent.model.as_deref().unwrap_or(default),
        state: status.words(|id| roster.name(id).to_owned()),
        description: &agent.description,
        tools: agent.tool_names(roster.groups.iter().any(|group| group.in_background(&agent.id))),
        rules: &agent.rules,
        contacts: agent.contacts.iter().map(|id| roster.full_name(id)).collect(),
        tags: &agent.tags,
        system: agent.system.as_deref(),
        max_steps: agent.max_steps,
    }
}

fn show(row: &Row<'_>, out: &mut Out) -> Result<(), Failure> {
    let rules: Vec<String> = row.rules.iter().map(rule).collect();
    out.card(&[
        ("name", format!("{}/{}", row.group, row.name)),
        ("description", row.description.to_owned()),
        ("model", row.model.to_owned()),
        ("state", row.state.clone()),
        ("tools", row.tools.join(", ")),
        ("rules", rules.join("\n")),
        ("contacts", row.contacts.join(", ")),
        ("tags", row.tags.join(", ")),
        ("max steps", row.max_steps.map(|most| most.to_string()).unwrap_or_default()),
        ("system", row.system.unwrap_or_default().to_owned()),
        ("id", row.id.to_string()),
    ])?;
    Ok(())
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::RequiresApproval { tool_name } => format!("{tool_name} needs your yes"),
    }
}
