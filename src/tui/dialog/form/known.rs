//! Names known in the store, of agents, models and tools, offered as candidates.

use super::pick::{Candidate, Kind, Other};
use crate::domain::agent::{BACKGROUND_TOOLS, DEFAULT_TOOLS};
use crate::domain::{Agent, GroupId};
use crate::tui::model::Model;

/// A list of agents with their roles.
pub(super) const AGENTS: Kind =
    Kind { roles: true, title: "Add an agent", other: Some(Other::Agent), unknown: "new", ..Kind::LIST };

/// Returns the name of an agent as used in a group: `agent` in its home group, else `home/agent`.
pub(in crate::tui) fn name_in(group: Option<&GroupId>, agent: &Agent, model: &Model) -> String {
    match model.group(&agent.group) {
        Some(home) if group != Some(&home.id) => format!("{}/{}", home.name, agent.name),
        _ => agent.name.clone(),
    }
}

/// Returns all agents as candidates for a group, in the model's order.
pub(in crate::tui) fn candidates(group: Option<&GroupId>, model: &Model) -> Vec<Candidate> {
    let candidate = |agent: &Agent| Candidate { name: name_in(group, agent, model), about: agent.description.clone() };
    model.agents.iter().map(candidate).collect()
}

/// Returns the models of all agents, the default model and `offline`, in alphabetical order.
pub(in crate::tui::dialog) fn models(model: &Model) -> Vec<String> {
    let mut known: Vec<String> = model.agents.iter().filter_map(|agent| agent.model.clone()).collect();
    known.extend(model.agents.iter().flat_map(|agent| agent.fallback_models.clone()));
    known.extend([model.default_model.clone(), "offline".to_owned()]);
    known.retain(|name| !name.is_empty());
    known.sort_unstable();
    known.dedup();
    known
}

/// Returns the known tools: the agent's first, then the built-in ones, then those of other agents.
pub(super) fn tools(agent: &Agent, model: &Model) -> Vec<Candidate> {
    let others = model.agents.iter().flat_map(|agent| agent.tools.iter().map(String::as_str));
    let own = agent.tools.iter().map(String::as_str);
    let usual = DEFAULT_TOOLS.into_iter().chain(BACKGROUND_TOOLS);
    let mut names: Vec<&str> = Vec::new();
    for name in own.chain(usual).chain(others).filter(|name| !name.starts_with('-')) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let about = |name: &str| if DEFAULT_TOOLS.contains(&name) { "usual" } else { "" };
    names.into_iter().map(|name| Candidate { name: name.to_owned(), about: about(name).to_owned() }).collect()
}

/// Returns the candidates for a tool list: additional tools, and default tools to remove, prefixed with `-`.
pub(super) fn more_tools(agent: &Agent, model: &Model) -> Vec<Candidate> {
    let usual = |name: &str| DEFAULT_TOOLS.contains(&name);
    let more = tools(agent, model).into_iter().filter(|tool| !usual(&tool.name));
    let less = DEFAULT_TOOLS.map(|name| Candidate { name: format!("-{name}"), about: "removes it".to_owned() });
    let about = |tool: Candidate| {
        let background = BACKGROUND_TOOLS.contains(&tool.name.as_str());
        Candidate { about: if background { "usual in the background".to_owned() } else { tool.about }, ..tool }
    };
    more.map(about).chain(less).collect()
}
