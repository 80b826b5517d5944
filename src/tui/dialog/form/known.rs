//! What is known by name in the store: models and tools.

use super::pick::Candidate;
use crate::domain::Agent;
use crate::domain::agent::{BACKGROUND_TOOLS, DEFAULT_TOOLS};
use crate::tui::model::Model;

/// The models that agents run on, the configuration's and `offline`, in order of the alphabet.
pub(in crate::tui::dialog) fn models(model: &Model) -> Vec<String> {
    let mut known: Vec<String> = model.agents.iter().filter_map(|agent| agent.model.clone()).collect();
    known.extend([model.default_model.clone(), "offline".to_owned()]);
    known.retain(|name| !name.is_empty());
    known.sort_unstable();
    known.dedup();
    known
}

/// The sentence for a name that can be no model's.
pub(in crate::tui::dialog) fn unusable(name: &str) -> Option<&'static str> {
    let said = "a model is named provider/model, for example openai/gpt-4.1-mini; offline needs no provider";
    (name != "offline" && !name.contains('/')).then_some(said)
}

/// The tools an agent has first, then those that others have.
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

/// Tools that can be asked for: more than the usual, or the usual taken away.
pub(super) fn more_tools(agent: &Agent, model: &Model) -> Vec<Candidate> {
    let usual = |name: &str| DEFAULT_TOOLS.contains(&name);
    let more = tools(agent, model).into_iter().filter(|tool| !usual(&tool.name));
    let less = DEFAULT_TOOLS.map(|name| Candidate { name: format!("-{name}"), about: "takes it away".to_owned() });
    let about = |tool: Candidate| {
        let background = BACKGROUND_TOOLS.contains(&tool.name.as_str());
        Candidate { about: if background { "usual in the background".to_owned() } else { tool.about }, ..tool }
    };
    more.map(about).chain(less).collect()
}
