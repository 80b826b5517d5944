//! The fields of an agent, and what they ask of the engine.

use super::entry::{Entry, Key, Value};
use super::names::{Kind, Names};
use super::pick::Candidate;
use super::{group, known};
use crate::domain::agent::{BACKGROUND_TOOLS, DEFAULT_MAX_STEPS, DEFAULT_TOOLS};
use crate::domain::{Agent, Block, GroupId, Rule};
use crate::engine::wire::{AgentForm, Setting};
use crate::tui::field::Field;
use crate::tui::model::Model;

/// The label of the block that says who an agent is.
const PERSONA: &str = "persona";

/// The block that says who an agent is.
pub(super) fn persona<'a>(agent: &'a Agent, model: &'a Model) -> Option<&'a Block> {
    model.blocks_of(agent).into_iter().find(|block| block.label == PERSONA)
}

/// The fields, filled with an agent or for a new one of this name.
pub(super) fn entries(agent: Option<&Agent>, home: &GroupId, name: &str, model: &Model) -> Vec<Entry> {
    let blank = Agent::new("".into(), "", home.clone());
    let of = agent.unwrap_or(&blank);
    let line = |text: &str| Value::Line(Field::line(text));
    let list = |kind: Kind, names: &[String], candidates: Vec<Candidate>| {
        let items = names.iter().map(|name| (name.clone(), String::new())).collect();
        Value::Names(Names::new(kind, items, candidates))
    };
    let named = Kind { one: false, roles: false, title: "", other: Some("take"), unknown: "" };
    let model_kind = Kind { one: true, title: "Model", ..named };
    let models = known::models(model).into_iter().map(|name| Candidate { name, about: String::new() }).collect();
    let approvals: Vec<String> =
        of.rules.iter().map(|Rule::RequiresApproval { tool_name }| tool_name.clone()).collect();
    let contacts: Vec<String> =
        of.contacts.iter().filter_map(|id| model.agent(id)).map(|agent| group::name_in(None, agent, model)).collect();
    let reachable: Vec<Candidate> = model
        .agents
        .iter()
        .filter(|agent| agent.group != *home)
        .map(|agent| Candidate { name: group::name_in(None, agent, model), about: agent.description.clone() })
        .collect();
    let max_steps = of.max_steps.map(|steps| steps.to_string()).unwrap_or_default();
    let persona = persona(of, model).map(|block| block.value.clone()).unwrap_or_default();
    let mut entries = vec![
        Entry::new(
            Key::Name,
            "Name",
            line(&of.name),
            "for example critic",
            "Its short name; no other agent of its group has it.",
        ),
        Entry::new(
            Key::Description,
            "What it does",
            line(&of.description),
            "a sentence for people and other agents",
            "What it does: other agents read it before they write to it or choose it.",
        ),
        Entry::new(
            Key::Persona,
            "Persona",
            Value::Text(Field::lines(&persona)),
            "who it is and how it speaks",
            "Who it is, in its own block persona, which is always before its eyes. Enter begins a new line; Tab goes on.",
        ),
        Entry::new(
            Key::Model,
            "Model",
            list(model_kind, of.model.as_slice(), models),
            format!("the configuration's: {}", model.default_model),
            "The model it runs on, provider/model. Without one it uses what the configuration says.",
        ),
        Entry::new(
            Key::Tools,
            "Tools",
            list(Kind { title: "Add a tool", ..named }, &of.tools, tools(of, model)),
            "the usual ones",
            "Tools beyond the usual ones; a name with a minus before it takes a usual one away.",
        ),
        Entry::new(
            Key::Approvals,
            "Needs your yes",
            list(Kind { title: "Tool that needs your yes", ..named }, &approvals, known::tools(of, model)),
            "no tool",
            "Tools it may call only after you said yes.",
        ),
        Entry::new(
            Key::Contacts,
            "Contacts",
            list(Kind { title: "Add a contact", other: None, ..named }, &contacts, reachable),
            "nobody outside its group",
            "Agents of other groups it may write to, group/name.",
        ),
        Entry::new(
            Key::MaxSteps,
            "Max steps",
            Value::Number(Field::line(&max_steps)),
            DEFAULT_MAX_STEPS.to_string(),
            "The most steps of one speech: a step is one call of the model with its tool calls.",
        ),
    ];
    if agent.is_none() {
        entries[0].value = line(name);
    }
    entries
}

/// Tools that can be asked for: more than the usual, or the usual taken away.
fn tools(agent: &Agent, model: &Model) -> Vec<Candidate> {
    let usual = |name: &str| DEFAULT_TOOLS.contains(&name);
    let more = known::tools(agent, model).into_iter().filter(|tool| !usual(&tool.name));
    let less = DEFAULT_TOOLS.map(|name| Candidate { name: format!("-{name}"), about: "takes it away".to_owned() });
    let about = |tool: Candidate| {
        let background = BACKGROUND_TOOLS.contains(&tool.name.as_str());
        Candidate { about: if background { "usual in the background".to_owned() } else { tool.about }, ..tool }
    };
    more.map(about).chain(less).collect()
}

/// What these fields ask for, the persona left out where it has a block already: of a new agent all that is
/// said, of another what changed.
pub(super) fn form(entries: &[Entry], has_persona: bool) -> Result<AgentForm, (Key, String)> {
    let mut form = AgentForm::default();
    for entry in entries {
        let names = entry.names().map(Names::names);
        match entry.key {
            Key::Name if entry.text().is_empty() => return Err((Key::Name, "an agent needs a name".to_owned())),
            Key::MaxSteps => {
                let number = entry.number()?;
                if entry.is_changed() {
                    form.max_steps = number.map_or(Setting::Clear, Setting::Set);
                }
            }
            Key::Model => {
                let model = names.and_then(|names| names.into_iter().next());
                if let Some(text) = model.as_deref().and_then(known::unusable) {
                    return Err((Key::Model, text.to_owned()));
                }
                if entry.is_changed() {
                    form.model = model.map_or(Setting::Clear, Setting::Set);
                }
            }
            _ if !entry.is_changed() => {}
            Key::Name => form.name = Some(entry.text()),
            Key::Description => form.description = Some(entry.text()),
            Key::Persona if !has_persona => form.persona = Some(entry.text()),
            Key::Tools => form.tools = names,
            Key::Approvals => form.approvals = names,
            Key::Contacts => form.contacts = names,
            _ => {}
        }
    }
    Ok(form)
}
