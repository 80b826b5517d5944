//! `nightdesk agent`: lists, shows, creates, changes and deletes agents.

mod edit;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::deletion::{self, Deletion};
use super::paths::Paths;
use super::print::Out;
use super::roster::Roster;
use super::today::Today;
use super::{CliError, Exit, setting, unexpected};
use crate::domain::block::{PERSONA, folded};
use crate::domain::setting::Kind;
use crate::domain::{Agent, AgentId, Block, BlockOwner, Configurable as _, Rule};
use crate::engine::protocol::{Overview, Recipient, Reply, Request};
use crate::engine::session::Session;

/// Subcommands of `agent`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List all agents, or those of a group.
    List {
        /// List only the agents of this group.
        group: Option<String>,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show an agent.
    Show {
        /// Agent: NAME or GROUP/NAME.
        agent: String,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Create an agent in a group: as a member, or in the background if the group has no members.
    Create(Box<edit::Create>),
    /// Change an agent; a running speech uses the change from its next step.
    Update(Box<edit::Update>),
    /// Delete an agent with its own blocks; without --yes, only print what would be deleted.
    #[command(mut_arg("name", |arg| arg.help("Agent: NAME or GROUP/NAME")))]
    Delete(Deletion),
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a AgentId,
    name: &'a str,
    group: &'a str,
    state: String,
    rules: &'a [Rule],
    /// Effective value of each setting.
    #[serde(flatten)]
    in_effect: Map<String, Json>,
    /// Explicitly set values only.
    settings: Map<String, Json>,
    #[serde(flatten)]
    today: Today,
}

/// Runs a subcommand of `agent`.
///
/// # Errors
/// A name is unknown or ambiguous, or the engine refuses the request.
pub async fn agent(places: &Paths, command: Command, out: &mut Out) -> Result<Exit, CliError> {
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
            deletion::delete(places, Recipient::Agent(id), &which, out).await?;
        }
    }
    Ok(Exit::Done)
}

fn changed(reply: Reply) -> Result<Box<Agent>, CliError> {
    match reply {
        Reply::Agent(agent) => Ok(agent),
        other => Err(unexpected(&other)),
    }
}

async fn list(places: &Paths, group: Option<&str>, json: bool, out: &mut Out) -> Result<(), CliError> {
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
    let owned = Session::owner(&places.store).is_some();
    let rows: Vec<Row<'_>> = agents.into_iter().map(|agent| row(&roster, (&now, owned), &default, agent)).collect();
    if json {
        out.json(&rows)?;
    } else {
        let cells = |row: &Row<'_>| {
            let model = row.in_effect["model"].as_str().unwrap_or_default();
            [row.name, row.group, model, &row.state].map(str::to_owned)
        };
        out.table(["NAME", "GROUP", "MODEL", "STATE"], &rows.iter().map(cells).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Prints the agent with this name or id.
async fn one(places: &Paths, name: &str, json: bool, out: &mut Out) -> Result<(), CliError> {
    let now = places.look()?.overview().await?;
    let roster = Roster::of(&now);
    let default = places.configuration()?.model;
    let agent = roster.agent(name)?;
    let owned = Session::owner(&places.store).is_some();
    let row = row(&roster, (&now, owned), &default, agent);
    if json {
        out.json(&row)?;
    } else {
        show(&row, agent, &roster, out)?;
    }
    Ok(())
}

/// `owned` is false if no program runs turns and jobs.
fn row<'a>(roster: &'a Roster, (now, owned): (&Overview, bool), default: &'a str, agent: &'a Agent) -> Row<'a> {
    let status = now.work().agent(&agent.id, &now.jobs);
    let status = if owned { status } else { status.without_owner() };
    let agent_set = given(roster, agent);
    let mut in_effect = setting::in_effect(&agent_set, roster, &agent.group);
    // The effective values of these depend on the configuration and on the agent's place in its groups.
    let tools = agent.tool_names(roster.groups.iter().any(|group| group.in_background(&agent.id)));
    in_effect.insert("model".to_owned(), agent.model.as_deref().unwrap_or(default).into());
    in_effect.insert("tools".to_owned(), tools.into());
    Row {
        id: &agent.id,
        name: &agent.name,
        group: roster.group_name(&agent.group),
        state: status.words(|id| roster.name(id).to_owned()),
        rules: &agent.rules,
        in_effect,
        settings: setting::as_set(&agent_set, roster, &agent.group),
        today: Today::of_agent(roster, agent),
    }
}

/// Returns the agent without its persona block, which is not set through `blocks`.
fn given(roster: &Roster, agent: &Agent) -> Agent {
    let mut given = agent.clone();
    let persona = |block: &Block| folded(&block.label) == PERSONA && block.owner == BlockOwner::Agent(agent.id.clone());
    given.blocks.retain(|id| !roster.blocks.iter().any(|block| block.id == *id && persona(block)));
    given
}

fn show(row: &Row<'_>, agent: &Agent, roster: &Roster, out: &mut Out) -> Result<(), CliError> {
    let text = |key: &str| row.in_effect[key].as_str().unwrap_or_default().to_owned();
    let tools: Vec<&str> = row.in_effect["tools"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let mut card = vec![
        ("name".to_owned(), format!("{}/{}", row.group, row.name)),
        ("description".to_owned(), text("description")),
        ("model".to_owned(), text("model")),
        ("state".to_owned(), row.state.clone()),
        ("tools".to_owned(), tools.join(", ")),
        ("rules".to_owned(), row.rules.iter().map(rule).collect::<Vec<_>>().join("\n")),
    ];
    let agent = given(roster, agent);
    let more = Agent::settings().iter().filter(|row| {
        let told = row.key == "description" || matches!(row.kind, Kind::Model | Kind::Tools | Kind::Approvals);
        !told
    });
    card.extend(
        more.map(|row| {
            (row.key.replace('_', " "), setting::shown(&agent, row, roster, &agent.group).unwrap_or_default())
        }),
    );
    card.push(("tokens today".to_owned(), row.today.told(agent.max_tokens_per_day)));
    card.push(("id".to_owned(), row.id.to_string()));
    let lines: Vec<(&str, String)> = card.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    out.card(&lines)?;
    Ok(())
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::RequiresApproval { tool_name } => format!("{tool_name} needs your yes"),
    }
}
