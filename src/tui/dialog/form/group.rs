//! The fields of a group, and what they ask of the engine.

use super::entry::{Choice, Entry, Key, Value};
use super::names::{Kind, Names};
use super::pick::Candidate;
use crate::domain::group::{DEFAULT_EVERY_TURNS, DEFAULT_MAX_ROUNDS, DEFAULT_TERMINATION_TOKEN};
use crate::domain::pattern::Manager;
use crate::domain::{Agent, AgentId, Group, GroupId, GroupStatus, ManagerType};
use crate::engine::wire::{GroupForm, Setting};
use crate::tui::field::Field;
use crate::tui::model::Model;

/// What is missing or wrong, and in which field.
type Flaw = (Key, String);

const AGENTS: Kind = Kind { one: false, roles: true, title: "Add an agent", other: Some("new agent"), unknown: "new" };

/// The name of an agent as it is said in a group: short where it is at home there.
pub(in crate::tui) fn name_in(group: Option<&GroupId>, agent: &Agent, model: &Model) -> String {
    match model.group(&agent.group) {
        Some(home) if group != Some(&home.id) => format!("{}/{}", home.name, agent.name),
        _ => agent.name.clone(),
    }
}

/// Agents as they can be picked for a group, in the model's order.
pub(in crate::tui) fn candidates(group: Option<&GroupId>, model: &Model) -> Vec<Candidate> {
    let candidate = |agent: &Agent| Candidate { name: name_in(group, agent, model), about: agent.description.clone() };
    model.agents.iter().map(candidate).collect()
}

/// Whether a group of this type has a field.
pub(super) fn shown(kind: ManagerType, key: Key) -> bool {
    match key {
        Key::Manager => kind.has_manager(),
        Key::Members => kind.has_members(),
        Key::MaxTurns => kind.has_setting("max_turns"),
        Key::EndToken => kind.has_setting("termination_token"),
        Key::AllowRepeat => kind.has_setting("allow_repeat"),
        Key::MaxRounds => kind.has_setting("max_rounds"),
        Key::ContinueOrder => kind.has_setting("continue_order"),
        _ => true,
    }
}

/// What a person chooses between.
fn types() -> Vec<Choice> {
    ManagerType::ALL.map(|kind| Choice { title: kind.title(), about: kind.best_for() }).into()
}

fn statuses() -> Vec<Choice> {
    let about = |status| match status {
        GroupStatus::Active => "it takes turns",
        GroupStatus::Paused => "nothing starts, and mail waits",
        GroupStatus::Archived => "nothing starts, and it stands last among the groups",
    };
    GroupStatus::ALL.map(|status| Choice { title: status.as_str(), about: about(status) }).into()
}

/// The fields, filled with a group or for a new one.
pub(super) fn entries(group: Option<&Group>, model: &Model) -> Vec<Entry> {
    let blank = Group::new(GroupId::from(""), "", ManagerType::RoundRobin);
    let of = group.unwrap_or(&blank);
    let id = group.map(|group| &group.id);
    let line = |text: &str| Value::Line(Field::line(text));
    let number =
        |number: Option<u32>| Value::Number(Field::line(&number.map(|number| number.to_string()).unwrap_or_default()));
    let agents = |kind: Kind, ids: &[AgentId]| {
        let named = |id: &AgentId| {
            let name = model.agent(id).map(|agent| name_in(group.map(|group| &group.id), agent, model))?;
            Some((name, of.roles.get(id).cloned().unwrap_or_default()))
        };
        Value::Names(Names::new(kind, ids.iter().filter_map(named).collect(), candidates(id, model)))
    };
    let background = of.sleeptime.as_ref();
    // Only with a new group its agents are made, too.
    let several = if group.is_some() { Kind { other: None, ..AGENTS } } else { AGENTS };
    let one = Kind { one: true, title: "Manager agent", ..several };
    let kind = ManagerType::ALL.iter().position(|kind| *kind == of.manager_type).unwrap_or(0);
    let manager_type = match group {
        None => Value::Choice { options: types(), at: kind },
        Some(_) => Value::Fixed(types().swap_remove(kind)),
    };
    let about_type = if group.is_some() {
        "Who speaks when. It is fixed once the group is made."
    } else {
        "Who speaks when. It cannot be changed later; the fields below belong to it."
    };
    let mut entries = vec![
        Entry::new(Key::ManagerType, "Manager type", manager_type, "", about_type),
        Entry::new(
            Key::Name,
            "Name",
            line(&of.name),
            "for example newsroom",
            "The group's name; no other group has it.",
        ),
        Entry::new(
            Key::Description,
            "What it is for",
            line(&of.description),
            "a sentence its agents read",
            "What the group is for. Its agents read it at each turn.",
        ),
        Entry::new(
            Key::Manager,
            "Manager agent",
            agents(one, of.manager_agent.as_slice()),
            if group.is_some() { "choose one" } else { "choose or name one" },
            "The agent that orchestrates or answers; it is no member. Behind its name: what it is here for.",
        ),
        Entry::new(
            Key::Members,
            "Members",
            agents(several, &of.members),
            "add an agent",
            if group.is_some() {
                "Who speaks, in this order; n in the agents makes somebody new. Behind each: what it is here for."
            } else {
                "Who speaks, in this order: agents there are, or new names. Behind each: what it is here for."
            },
        ),
        Entry::new(
            Key::Background,
            "Background",
            agents(
                Kind { title: "Add a background agent", ..several },
                background.map_or(&[], |policy| &policy.agents),
            ),
            "add an agent",
            "Agents that work on the group's memory between turns and say nothing in the conversation.",
        ),
        Entry::new(
            Key::EveryTurns,
            "Every turns",
            number(background.and_then(|policy| policy.every_turns)),
            DEFAULT_EVERY_TURNS.to_string(),
            "The background agents work after so many turns.",
        ),
    ];
    entries.extend(settings(of, number));
    if group.is_some() {
        let at = GroupStatus::ALL.iter().position(|status| *status == of.status).unwrap_or(0);
        let value = Value::Choice { options: statuses(), at };
        entries.push(Entry::new(Key::Status, "Status", value, "", "Whether the group takes turns."));
    }
    entries
}

/// The fields of the manager types.
fn settings(of: &Group, number: impl Fn(Option<u32>) -> Value) -> Vec<Entry> {
    let line = |text: &str| Value::Line(Field::line(text));
    vec![
        Entry::new(
            Key::MaxTurns,
            "Max turns",
            number(of.max_turns),
            "as many as there are members",
            "The most speeches of one turn. Other endings (terminate) are set by team file or command line.",
        ),
        Entry::new(
            Key::EndToken,
            "End token",
            line(of.termination_token.as_deref().unwrap_or_default()),
            DEFAULT_TERMINATION_TOKEN,
            "The word that ends a turn when a member or the manager says it (termination_token).",
        ),
        Entry::new(
            Key::AllowRepeat,
            "May repeat",
            Value::Switch(of.allow_repeat),
            "",
            "Whether the one who has just spoken may be chosen again (allow_repeat).",
        ),
        Entry::new(
            Key::MaxRounds,
            "Max rounds",
            number(of.max_rounds),
            DEFAULT_MAX_ROUNDS.to_string(),
            "How often the manager may hand out work in one turn. Other endings are set by team file.",
        ),
        Entry::new(
            Key::ContinueOrder,
            "Carry on",
            Value::Switch(of.continue_order),
            "",
            "Whether a turn begins after the last speaker, not with the first member (continue_order).",
        ),
    ]
}

/// A number that was changed.
fn setting(entry: &Entry) -> Result<Setting<u32>, Flaw> {
    let number = entry.number()?;
    if !entry.is_changed() {
        return Ok(Setting::Keep);
    }
    Ok(number.map_or(Setting::Clear, Setting::Set))
}

/// What these fields ask for: of a new group all that is said, of another what changed.
pub(super) fn form<'a>(
    new: bool,
    kind: ManagerType,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<GroupForm, Flaw> {
    let mut form = GroupForm { manager_type: new.then_some(kind), ..GroupForm::default() };
    for entry in entries {
        let changed = entry.is_changed();
        let names = entry.names();
        if let Some(names) = names {
            let before: Vec<(&str, String)> = match &entry.first {
                Value::Names(first) => first.roles().collect(),
                _ => Vec::new(),
            };
            for (name, role) in names.roles() {
                let known = before.iter().find(|(known, _)| *known == name).map_or("", |(_, role)| role.as_str());
                if known != role {
                    form.roles.insert(name.to_owned(), role);
                }
            }
        }
        let before = if let Value::Names(first) = &entry.first { first.names() } else { Vec::new() };
        let listed = names.map(Names::names).filter(|listed| *listed != before);
        match entry.key {
            Key::Name if entry.text().is_empty() => return Err((Key::Name, "a group needs a name".to_owned())),
            Key::Name if changed => form.name = Some(entry.text()),
            Key::Description if changed => form.description = Some(entry.text()),
            Key::Manager if names.is_some_and(|names| names.items.is_empty()) => {
                let part = if let Manager::One { part, .. } = kind.pattern().manager { part } else { "leads" };
                let text = format!("{} needs a manager agent, the one that {part}: Enter chooses it", kind.title());
                return Err((Key::Manager, text));
            }
            Key::Manager => form.manager_agent = listed.and_then(|names| names.into_iter().next()),
            Key::Members if names.is_some_and(|names| names.items.is_empty()) => {
                let text = format!("{} needs members, one or more: Enter adds one", kind.title());
                return Err((Key::Members, text));
            }
            Key::Members => form.members = listed,
            Key::Background if kind.needs_background() && names.is_some_and(|names| names.items.is_empty()) => {
                let text = format!("{} needs one background agent or more: Enter adds one", kind.title());
                return Err((Key::Background, text));
            }
            Key::Background => form.background = listed,
            Key::EveryTurns => form.every_turns = setting(entry)?,
            Key::MaxTurns => form.max_turns = setting(entry)?,
            Key::EndToken if changed && entry.text().is_empty() => form.termination_token = Setting::Clear,
            Key::EndToken if changed => form.termination_token = Setting::Set(entry.text()),
            Key::AllowRepeat if changed => form.allow_repeat = Some(entry.is_on()),
            Key::MaxRounds => form.max_rounds = setting(entry)?,
            Key::ContinueOrder if changed => form.continue_order = Some(entry.is_on()),
            Key::Status if changed => {
                if let Value::Choice { at, .. } = entry.value {
                    form.status = GroupStatus::ALL.get(at).copied();
                }
            }
            _ => {}
        }
    }
    Ok(form)
}
