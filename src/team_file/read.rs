//! Parses the tables of a team file one by one: types, ranges and formats. [`super::check`] checks the references
//! between them.

use toml::de::DeValue;

use super::keys::{Table, nearest};
use super::table::{Reader, Section};
use super::{AgentSpec, BlockSpec, GroupSpec, Name, ParseContext, TeamFile, settings};
use crate::domain::block::{DEFAULT_LIMIT, Level};
use crate::domain::naming::{check_agent_name, check_name, check_new_label};
use crate::domain::spelling::shown;
use crate::domain::{Agent, Configurable as _, Group, ManagerType};
use crate::toml_file;

/// Manager types of Letta that are not supported yet.
const LATER: [&str; 2] = ["handoff", "voice_sleeptime"];

/// Parses all tables and adds faults to the reader. Returns `None` without a usable `[group]`.
pub(super) fn file(reader: &mut Reader<'_>, text: &str, around: &ParseContext<'_>) -> Option<TeamFile> {
    let root = match toml_file::parse(text) {
        Ok(root) => root,
        Err(fault) => {
            let line = reader.line(&(fault.at..fault.at));
            reader.fault(line, format!("this is not TOML: {}", fault.text));
            return None;
        }
    };
    let top = Section::open(reader, Table::Top, root.get_ref(), &root.span());
    let blocks = tables(reader, &top, "block", Table::Block).iter().map(|section| block(reader, section)).collect();
    let agents =
        tables(reader, &top, "agent", Table::Agent).iter().map(|section| agent(reader, section, around)).collect();
    let group = group(reader, &top, around)?;
    Some(TeamFile { file: around.file.to_owned(), group, blocks, agents, warnings: Vec::new() })
}

/// Opens the tables of `[[key]]`.
fn tables<'t>(reader: &mut Reader<'_>, top: &Section<'t>, key: &str, table: Table) -> Vec<Section<'t>> {
    let found = top.tables(reader, key, table.title());
    found.into_iter().map(|(map, span)| Section::open(reader, table, map, &span)).collect()
}

fn group(reader: &mut Reader<'_>, top: &Section<'_>, around: &ParseContext<'_>) -> Option<GroupSpec> {
    let section = match top.get("group").map(|value| (value.get_ref(), value.span())) {
        Some((DeValue::Table(map), span)) => Section::open(reader, Table::Group, map, &span),
        Some(_) => {
            top.fault(reader, "group", "is one table per file, with one pair of brackets: [group]");
            return None;
        }
        None => {
            if reader.faults.is_empty() {
                reader.fault(1, "there is no [group]; a team file needs one, with a name and its agents");
            }
            return None;
        }
    };
    let kind = manager_type(reader, &section);
    if let Some(kind) = kind {
        belongings(reader, &section, kind);
    }
    let name = called(reader, &section, "group");
    let mut settings = settings::read::<Group>(reader, &section, None, around);
    let sleeptime = sleeptime(reader, &section);
    if let Some(sleeptime) = &sleeptime {
        settings.0.extend(settings::read::<Group>(reader, sleeptime, Some("sleeptime"), around).0);
    }
    let home = format!("{name}/");
    settings.rename_agents::<Group>(|agent| agent.strip_prefix(&home).unwrap_or(agent).to_owned());
    let sleeptime = sleeptime.map(|section| section.line);
    let manager_type = kind.unwrap_or(ManagerType::RoundRobin);
    Some(GroupSpec { line: section.line, name, manager_type, settings, sleeptime })
}

/// Reports keys that the manager type of the group does not use.
fn belongings(reader: &mut Reader<'_>, section: &Section<'_>, kind: ManagerType) {
    // Membership is checked with the shape of the group.
    let rows = Group::settings().iter().filter(|row| row.table().is_none() && !row.kind.is_membership());
    for key in rows.map(|row| row.key) {
        if section.get(key).is_some() && !kind.has_setting(key) {
            let kinds = ManagerType::with_setting(key).join(" and ");
            let said = format!("belongs to {kinds} groups, and this one is {}; leave it out", kind.as_str());
            section.fault(reader, key, said);
        }
    }
}

fn sleeptime<'t>(reader: &mut Reader<'_>, group: &Section<'t>) -> Option<Section<'t>> {
    let value = group.get("sleeptime")?;
    let DeValue::Table(map) = value.get_ref() else {
        let keys = Table::Sleeptime.keys().join(", ");
        group.fault(reader, "sleeptime", format!("is a table of its own: [group.sleeptime], with {keys}"));
        return None;
    };
    Some(Section::open(reader, Table::Sleeptime, map, &value.span()))
}

/// Parses the manager type. Returns `None` and adds a fault if there is no such type.
fn manager_type(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<ManagerType> {
    let Some(Name { text, line }) = section.name(reader, "manager_type") else {
        // As in Letta, the default is a round robin.
        return section.get("manager_type").is_none().then_some(ManagerType::RoundRobin);
    };
    let found = ManagerType::named(&text);
    if found.is_some() {
        return found;
    }
    let here = ManagerType::ALL.map(ManagerType::as_str);
    let all = here.join(", ");
    let said = if LATER.contains(&text.as_str()) {
        format!("manager_type {text} is not supported yet; use one of {all}")
    } else if let Some(near) = nearest(&text, here.into_iter().chain(LATER)) {
        format!("there is no manager_type {text:?}; did you mean {near}?")
    } else {
        format!("there is no manager_type {text:?}; use one of {all}")
    };
    reader.fault(line, said);
    None
}

/// Parses and checks the name of a group or an agent. Returns an empty text and adds a fault if there is none.
fn called(reader: &mut Reader<'_>, section: &Section<'_>, noun: &str) -> String {
    let Some(Name { text, line }) = section.name(reader, "name") else {
        if section.get("name").is_none() {
            reader.fault(section.line, format!("this {noun} has no name; give it one: name = \"…\""));
        }
        return String::new();
    };
    let checked = if noun == "agent" { check_agent_name(&text) } else { check_name(&text) };
    if let Err(why) = checked {
        reader.fault(line, format!("{} is no name for {} {noun}: {why}", shown(&text), article(noun)));
    }
    text
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with('a') { "an" } else { "a" }
}

fn block(reader: &mut Reader<'_>, section: &Section<'_>) -> BlockSpec {
    let label = section.name(reader, "label");
    match &label {
        Some(label) => {
            if let Err(text) = check_new_label(&label.text) {
                reader.fault(label.line, text);
            }
        }
        None if section.get("label").is_none() => {
            reader.fault(section.line, "this block has no label; give it one: label = \"…\"");
        }
        None => {}
    }
    let label = label.map(|label| label.text).unwrap_or_default();
    let limit = section.whole(reader, "limit", 1..=u32::MAX).unwrap_or(DEFAULT_LIMIT);
    let value = section.text(reader, "value");
    if let Some(value) = &value {
        fits(reader, section, "value", value, limit);
    }
    BlockSpec {
        line: section.line,
        label,
        description: section.text(reader, "description").unwrap_or_default(),
        value,
        limit,
        read_only: section.truth(reader, "read_only").unwrap_or_default(),
        access: access(reader, section),
        local_only: section.truth(reader, "local_only"),
        tags: settings::labels(reader, section, "tags").unwrap_or_default().into_iter().map(|tag| tag.text).collect(),
    }
}

/// Reads what agents may do with a block.
fn access(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Vec<(Name, Level)>> {
    let levels = || Level::ALL.map(Level::as_str).join(", ");
    let DeValue::Table(table) = section.get("access")?.get_ref() else {
        section.fault(reader, "access", "is a table such as { critic = \"read\", editor = \"admin\" }");
        return None;
    };
    let mut rules = Vec::new();
    for (key, value) in table {
        let (who, line) = (key.get_ref().to_string(), reader.line(&key.span()));
        let level = value.get_ref().as_str().and_then(Level::named);
        match level {
            Some(level) => rules.push((Name { text: who, line }, level)),
            None => reader.fault(line, format!("access of {} is one of {}", shown(&who), levels())),
        }
    }
    Some(rules)
}

fn fits(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, value: &str, limit: u32) {
    let length = value.chars().count();
    if length > limit as usize {
        let advice = if key == "value" { "shorten it or raise the limit" } else { "shorten it" };
        section.fault(reader, key, format!("has {length} characters, over the limit of {limit}; {advice}"));
    }
}

fn agent(reader: &mut Reader<'_>, section: &Section<'_>, around: &ParseContext<'_>) -> AgentSpec {
    let persona = section.text(reader, "persona");
    if let Some(persona) = &persona {
        fits(reader, section, "persona", persona, DEFAULT_LIMIT);
    }
    AgentSpec {
        line: section.line,
        name: called(reader, section, "agent"),
        persona,
        settings: settings::read::<Agent>(reader, section, None, around),
    }
}
