//! `nightdesk agent`: the agents.

use std::collections::BTreeMap;

use serde::Serialize;

use super::desk::Places;
use super::print::Out;
use super::roster::Roster;
use super::{Exit, Failure};
use crate::domain::{Agent, AgentId, JobState, RunState};
use crate::store::Store;

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
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a AgentId,
    name: &'a str,
    group: &'a str,
    model: &'a str,
    state: &'static str,
}

/// Lists or shows.
pub async fn agent(places: &Places, command: &Command, out: &mut Out) -> Result<Exit, Failure> {
    let store = places.look()?;
    let roster = Roster::read(&store).await?;
    let default = places.configuration()?.model;
    let states = states(&store).await?;
    let row = |agent| row(&roster, &states, &default, agent);
    match command {
        Command::List { group, json } => {
            let agents: Vec<&Agent> = match group {
                None => roster.agents.iter().collect(),
                Some(name) => {
                    let group = roster.group(name)?;
                    roster.agents.iter().filter(|agent| group.agents().contains(&&agent.id)).collect()
                }
            };
            let rows: Vec<Row<'_>> = agents.into_iter().map(row).collect();
            if *json {
                out.json(&rows)?;
            } else {
                let cells = |row: &Row<'_>| [row.name, row.group, row.model, row.state].map(str::to_owned);
                out.table(["NAME", "GROUP", "MODEL", "STATE"], &rows.iter().map(cells).collect::<Vec<_>>())?;
            }
        }
        Command::Show { agent, json: true } => out.json(&row(roster.agent(agent)?))?,
        Command::Show { agent, json: false } => {
            let agent = roster.agent(agent)?;
            show(agent, &row(agent), roster.groups.iter().any(|group| group.in_background(&agent.id)), out)?;
        }
    }
    Ok(Exit::Done)
}

fn row<'a>(
    roster: &'a Roster,
    states: &BTreeMap<AgentId, &'static str>,
    default: &'a str,
    agent: &'a Agent,
) -> Row<'a> {
    Row {
        id: &agent.id,
        name: &agent.name,
        group: roster.group_name(&agent.group),
        model: agent.model.as_deref().unwrap_or(default),
        state: states.get(&agent.id).copied().unwrap_or("idle"),
    }
}

/// What each agent does by what is committed; one that is not named is idle.
async fn states(store: &Store) -> Result<BTreeMap<AgentId, &'static str>, Failure> {
    let mut states = BTreeMap::new();
    for job in store.unfinished_jobs().await? {
        if matches!(job.state, JobState::Running { .. }) {
            states.insert(job.agent, "background job");
        }
    }
    for turn in store.turn_runs().await? {
        for speech in store.runs_of(&turn.id).await? {
            let state = match speech.state {
                RunState::Running => "thinking",
                RunState::Queued | RunState::Parked => "waiting",
                RunState::Finished { .. } => continue,
            };
            if let Some(agent) = speech.agent() {
                states.insert(agent.clone(), state);
            }
        }
    }
    Ok(states)
}

fn show(agent: &Agent, row: &Row<'_>, background: bool, out: &mut Out) -> Result<(), Failure> {
    out.card(&[
        ("name", format!("{}/{}", row.group, row.name)),
        ("description", agent.description.clone()),
        ("model", row.model.to_owned()),
        ("state", row.state.to_owned()),
        ("tools", agent.tool_names(background).join(", ")),
        ("tags", agent.tags.join(", ")),
        ("system", agent.system.clone().unwrap_or_default()),
        ("id", agent.id.to_string()),
    ])?;
    Ok(())
}
