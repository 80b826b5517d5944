//! Form fields derived from the settings tables of groups and agents, and the changes made in them.

use super::entry::{Choice, Entry, Key, Value};
use super::known;
use super::names::Names;
use super::pick::{self, Candidate, Other};
use crate::domain::block::{PERSONA, folded};
use crate::domain::setting::{self, Kind};
use crate::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Configurable, Group, GroupId, Setting};
use crate::engine::protocol::Changes;
use crate::tui::field::Field;
use crate::tui::model::Model;

const NAMES: pick::Kind = pick::Kind { title: "", other: Some(Other::Tool), ..pick::Kind::LIST };
/// Text shown in the picker if no block matches.
const NO_BLOCK: &str = "No block has this label; n in the blocks (3) creates one.";

/// Context of a field, in addition to its value.
pub(super) struct Scene<'a> {
    pub model: &'a Model,
    /// The group itself, or the agent's home group; `None` for a new group.
    pub home: Option<&'a GroupId>,
    /// The agent, in an agent form.
    pub agent: Option<&'a Agent>,
    /// The group, in a group form.
    pub group: Option<&'a Group>,
    /// Whether the group or agent already exists.
    pub exists: bool,
}

/// Creates the field of a setting; `None` for roles, which are edited next to the agents' names.
pub(super) fn entry<T: Configurable>(row: &'static Setting<T>, owner: &T, scene: &Scene<'_>) -> Option<Entry> {
    let set = (row.get)(owner);
    let text = || set.as_ref().map(ToString::to_string).unwrap_or_default();
    let names = || match &set {
        Some(setting::Value::Names(names)) => names.clone(),
        Some(setting::Value::Text(name)) => vec![name.clone()],
        _ => Vec::new(),
    };
    let plain = |names: Vec<String>| names.into_iter().map(|name| (name, String::new())).collect::<Vec<_>>();
    let value = match row.kind {
        Kind::Roles => return None,
        Kind::Count => Value::Number(Field::line(&text())),
        Kind::Number { .. } | Kind::Word | Kind::Sentence | Kind::Span => Value::Line(Field::line(&text())),
        Kind::Conditions | Kind::Triggers | Kind::Sources => {
            let written = set.map(|value| value.map_names(&mut |id| scene.name(&AgentId(id))));
            Value::Line(Field::line(&written.map(|value| value.to_string()).unwrap_or_default()))
        }
        Kind::Text => Value::Text(Field::lines(&text())),
        Kind::Switch => Value::Switch(set == Some(true.into())),
        Kind::Choice(all) => {
            let options: Vec<Choice> = all().into_iter().map(|(title, about)| Choice { title, about }).collect();
            let at = options.iter().position(|choice| choice.title == text()).unwrap_or(0);
            Value::Choice { options, at }
        }
        Kind::Model => {
            let kind = pick::Kind { one: true, title: row.title, other: Some(Other::Model), ..NAMES };
            Value::Names(Names::new(kind, plain(names()), bare(known::models(scene.model))))
        }
        Kind::Models => {
            let kind = pick::Kind { title: "Add a model", other: Some(Other::Model), ..NAMES };
            Value::Names(Names::new(kind, plain(names()), bare(known::models(scene.model))))
        }
        Kind::Labels => {
            let kind = pick::Kind { title: "Add a tag", other: Some(Other::Tag), ..NAMES };
            Value::Names(Names::new(kind, plain(names()), bare(scene.tags())))
        }
        Kind::Tools => {
            let kind = pick::Kind { title: "Add a tool", ..NAMES };
            Value::Names(Names::new(
                kind,
                plain(names()),
                scene.agent.map_or_else(Vec::new, |of| known::more_tools(of, scene.model)),
            ))
        }
        Kind::Approvals => {
            let kind = pick::Kind { title: "Tool that requires approval", ..NAMES };
            Value::Names(Names::new(
                kind,
                plain(names()),
                scene.agent.map_or_else(Vec::new, |of| known::tools(of, scene.model)),
            ))
        }
        Kind::Contacts => {
            let kind = pick::Kind { title: "Add a contact", other: None, ..NAMES };
            let full =
                |id: String| scene.model.agent(&AgentId(id)).map(|agent| known::name_in(None, agent, scene.model));
            let items = names().into_iter().filter_map(full).collect();
            Value::Names(Names::new(kind, plain(items), scene.others()))
        }
        Kind::Blocks => {
            let kind = pick::Kind { title: "Add a block", other: None, missing: NO_BLOCK, ..NAMES };
            let items = names().into_iter().filter_map(|id| scene.label(&BlockId(id))).collect();
            Value::Names(Names::new(kind, plain(items), scene.blocks()))
        }
        Kind::Agents | Kind::Agent => {
            // Only the form of a new group creates agents.
            let kind = pick::Kind { other: Some(Other::Agent).filter(|_| !scene.exists), ..known::AGENTS };
            let one = matches!(row.kind, Kind::Agent);
            let kind = if one { pick::Kind { one, title: row.title, ..kind } } else { kind };
            let items = names().into_iter().filter_map(|id| scene.with_role(&AgentId(id))).collect();
            Value::Names(Names::new(kind, items, known::candidates(scene.home, scene.model)))
        }
    };
    Some(Entry::new(Key::Setting(row.key), row.title, value, empty(row, scene), about(row, scene)))
}

/// Returns the placeholder of the field.
fn empty<T>(row: &Setting<T>, scene: &Scene<'_>) -> String {
    match row.kind {
        Kind::Model => format!("{}: {}", row.default, scene.model.default_model),
        Kind::Agent if !scene.exists => "choose or name one".to_owned(),
        Kind::Switch | Kind::Choice(_) => String::new(),
        _ => row.default.to_owned(),
    }
}

/// Returns the explanation of the field.
fn about<T>(row: &Setting<T>, scene: &Scene<'_>) -> String {
    let doc = row.doc;
    let start = doc.trim_end_matches('.');
    match row.kind {
        Kind::Agent => format!("{doc} After the name: its role."),
        Kind::Agents if scene.exists => {
            format!("{start}; n in the agents creates an agent. After each name: its role.")
        }
        Kind::Agents => format!("{start}: existing agents or new names. After each name: its role."),
        Kind::Text => format!("{doc} Enter starts a new line; Tab goes to the next field."),
        Kind::Word | Kind::Switch => format!("{start} ({}).", row.key),
        _ => doc.to_owned(),
    }
}

fn is_persona(block: &Block) -> bool {
    folded(&block.label) == PERSONA && matches!(&block.owner, BlockOwner::Agent(_))
}

fn bare(names: Vec<String>) -> Vec<Candidate> {
    names.into_iter().map(|name| Candidate { name, about: String::new() }).collect()
}

impl Scene<'_> {
    /// Returns the name of an agent relative to the home group; its id if it no longer exists.
    fn name(&self, id: &AgentId) -> String {
        self.model.agent(id).map_or_else(|| id.to_string(), |agent| known::name_in(self.home, agent, self.model))
    }

    fn with_role(&self, id: &AgentId) -> Option<(String, String)> {
        let name = known::name_in(self.home, self.model.agent(id)?, self.model);
        let role = self.group.and_then(|group| group.roles.get(id)).cloned();
        Some((name, role.unwrap_or_default()))
    }

    /// Returns the label of a block; `None` for a persona, which is not shared by name.
    fn label(&self, id: &BlockId) -> Option<String> {
        self.model.block(id).filter(|block| !is_persona(block)).map(|block| block.label.clone())
    }

    /// Returns the blocks of the group and its agents as candidates.
    fn blocks(&self) -> Vec<Candidate> {
        let here = |block: &&Block| match &block.owner {
            BlockOwner::Group(id) => Some(id) == self.home,
            BlockOwner::Agent(id) => self.model.agent(id).is_some_and(|agent| Some(&agent.group) == self.home),
        };
        let blocks = self.model.blocks.iter().filter(here).filter(|block| !is_persona(block));
        blocks.map(|block| Candidate { name: block.label.clone(), about: block.description.clone() }).collect()
    }

    /// Returns the agents of other groups as candidates.
    fn others(&self) -> Vec<Candidate> {
        let others = self.model.agents.iter().filter(|agent| Some(&agent.group) != self.home);
        let candidate = |agent: &Agent| Candidate {
            name: known::name_in(None, agent, self.model),
            about: agent.description.clone(),
        };
        others.map(candidate).collect()
    }

    /// Returns the tags of all agents, sorted.
    fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = self.model.agents.iter().flat_map(|agent| agent.tags.clone()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

/// Returns the changed settings. An error names the field and the problem.
pub(super) fn changes<'a, T: Configurable>(entries: impl Iterator<Item = &'a Entry>) -> Result<Changes, (Key, String)> {
    let mut changes = Changes::default();
    let mut roles = std::collections::BTreeMap::new();
    for entry in entries {
        let Key::Setting(key) = entry.key else { continue };
        let Some(row) = T::setting(key).filter(|_| entry.is_changed()) else { continue };
        if let (Value::Names(names), Value::Names(first)) = (&entry.value, &entry.first) {
            if names.kind.roles {
                roles.extend(changed_roles(names, first));
            }
            if names.names() != first.names() {
                changes.insert(key, listed(row, names)?);
            }
            continue;
        }
        changes.insert(key, written(row, entry)?);
    }
    let roles_key = T::settings().iter().find(|row| matches!(row.kind, Kind::Roles)).map(|row| row.key);
    if let Some(key) = roles_key.filter(|_| !roles.is_empty()) {
        changes.insert(key, Some(roles.into()));
    }
    Ok(changes)
}

fn changed_roles(names: &Names, first: &Names) -> Vec<(String, String)> {
    let before: Vec<(&str, String)> = first.roles().collect();
    let known = |name: &str| before.iter().find(|(known, _)| *known == name).map_or("", |(_, role)| role.as_str());
    names.roles().filter(|(name, role)| known(name) != role).map(|(name, role)| (name.to_owned(), role)).collect()
}

/// Returns the value of a list field; `None` clears the setting.
fn listed<T>(row: &Setting<T>, names: &Names) -> Result<Option<setting::Value>, (Key, String)> {
    let all = names.names();
    if all.is_empty() {
        return Ok(None);
    }
    let unusable = || all.iter().find_map(|name| pick::unusable(name));
    if matches!(row.kind, Kind::Model | Kind::Models)
        && let Some(text) = unusable()
    {
        return Err((Key::Setting(row.key), text.to_owned()));
    }
    if !names.kind.one {
        return Ok(Some(all.into()));
    }
    Ok(Some(all.into_iter().next().unwrap_or_default().into()))
}

/// Returns the value of any other field; `None` clears the setting.
fn written<T>(row: &Setting<T>, entry: &Entry) -> Result<Option<setting::Value>, (Key, String)> {
    let text = match &entry.value {
        Value::Switch(on) => return Ok(Some((*on).into())),
        Value::Choice { options, at } => return Ok(options.get(*at).map(|choice| choice.title.into())),
        _ => entry.text(),
    };
    if text.is_empty() {
        return Ok(None);
    }
    row.kind.parse(&text).map(Some).map_err(|fault| {
        let fault = match row.kind {
            Kind::Count | Kind::Number { .. } => {
                let such = if matches!(row.kind, Kind::Count) { "3" } else { "0.7" };
                format!("{text} is not a valid number: write one such as {such}, or leave it empty")
            }
            _ => fault,
        };
        (Key::Setting(row.key), fault)
    })
}
