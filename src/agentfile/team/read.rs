//! The tables of a team file, each by itself: kinds, ranges and forms. What they say of each other is
//! [`super::check`]'s.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::keys::{Table, nearest};
use super::table::{Reader, Section};
use super::{AgentSpec, BlockSpec, GroupSpec, Name, SleeptimeSpec, Surroundings, TeamFile, cause, rules, terminate};
use crate::domain::agent::is_name;
use crate::domain::agent::{BACKGROUND_TOOLS, DEFAULT_TOOLS};
use crate::domain::block::{DEFAULT_LIMIT, check_label};
use crate::domain::group::DEFAULT_TERMINATION_TOKEN;
use crate::domain::terminate::RETURN_TO_USER;
use crate::domain::{GroupStatus, ManagerType, Trigger};

/// Manager types that have a name but no engine yet.
const LATER: [&str; 2] = ["handoff", "voice_sleeptime"];
/// The longest role, in characters: it stands behind a name.
const ROLE: usize = 60;

/// Reads all tables; `None` where there is no group to speak of. Faults are the reader's.
pub(super) fn file(reader: &mut Reader<'_>, text: &str, around: &Surroundings<'_>) -> Option<TeamFile> {
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let line = error.span().map_or(1, |span| reader.line(&span));
            let said = error.message().lines().collect::<Vec<_>>().join("; ");
            reader.fault(line, format!("this is not TOML: {said}"));
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

/// The tables of `[[key]]`, opened.
fn tables<'t>(reader: &mut Reader<'_>, top: &Section<'t>, key: &str, table: Table) -> Vec<Section<'t>> {
    let found = top.tables(reader, key, table.title());
    found.into_iter().map(|(map, span)| Section::open(reader, table, map, &span)).collect()
}

fn group(reader: &mut Reader<'_>, top: &Section<'_>, around: &Surroundings<'_>) -> Option<GroupSpec> {
    let section = match top.get("group").map(|value| (value.get_ref(), value.span())) {
        Some((DeValue::Table(map), span)) => Section::open(reader, Table::Group, map, &span),
        Some(_) => {
            top.fault(reader, "group", "is one table a file, with one pair of brackets: [group]");
            return None;
        }
        None => {
            if reader.faults.is_empty() {
                reader.fault(1, "there is no [group]; a team file has one, with a name and who is in it");
            }
            return None;
        }
    };
    let kind = manager_type(reader, &section);
    if let Some(kind) = kind {
        belongings(reader, &section, kind);
    }
    let mut spec = GroupSpec {
        line: section.line,
        name: called(reader, &section, "group"),
        description: section.text(reader, "description").unwrap_or_default(),
        manager_type: kind.unwrap_or(ManagerType::RoundRobin),
        members: section.names(reader, "members").unwrap_or_default(),
        manager_agent: section.name(reader, "manager_agent"),
        max_turns: section.whole(reader, "max_turns", 1..=u32::MAX),
        termination_token: termination_token(reader, &section),
        allow_repeat: section.truth(reader, "allow_repeat").unwrap_or_default(),
        max_rounds: section.whole(reader, "max_rounds", 1..=u32::MAX),
        continue_order: section.truth(reader, "continue_order").unwrap_or_default(),
        terminate: terminate::read(reader, &section, &mentioned(around.tools)),
        roles: roles(reader, &section),
        status: status(reader, &section),
        wait_seconds: section.whole(reader, "wait_seconds", 1..=u32::MAX),
        mail_per_minute: section.whole(reader, "mail_per_minute", 1..=u32::MAX),
        shared_blocks: section.names(reader, "shared_blocks").unwrap_or_default(),
        sleeptime: sleeptime(reader, &section),
    };
    spec.shorten_own_names();
    Some(spec)
}

/// A key that only another manager type would look at is no key of this group.
fn belongings(reader: &mut Reader<'_>, section: &Section<'_>, kind: ManagerType) {
    let special: BTreeSet<&str> = ManagerType::special_settings().collect();
    for key in special {
        if section.get(key).is_some() && !kind.has_setting(key) {
            let kinds = ManagerType::with_setting(key).join(" and ");
            let said = format!("belongs to {kinds} groups, and this one is {}; leave it out", kind.as_str());
            section.fault(reader, key, said);
        }
    }
}

fn termination_token(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    let Name { text, line } = section.name(reader, "termination_token")?;
    if text.trim().is_empty() {
        let said =
            format!("termination_token is empty; give it a word, or leave it out for {DEFAULT_TERMINATION_TOKEN}");
        reader.fault(line, said);
        return None;
    }
    Some(text)
}

fn status(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<GroupStatus> {
    let Name { text, line } = section.name(reader, "status")?;
    let found = GroupStatus::named(&text);
    if found.is_none() {
        let all = GroupStatus::ALL.map(GroupStatus::as_str);
        let help = match nearest(&text, all) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use {}", all.join(", ")),
        };
        reader.fault(line, format!("there is no status {text:?}; {help}"));
    }
    found
}

fn roles(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<(Name, String)> {
    const FORM: &str = "is a table of agents, each with a word or two: { lawyer = \"reviewer\" }";
    let Some(value) = section.get("roles") else { return Vec::new() };
    let DeValue::Table(map) = value.get_ref() else {
        section.fault(reader, "roles", FORM);
        return Vec::new();
    };
    let mut roles = Vec::new();
    for (key, value) in map {
        let line = reader.line(&key.span());
        let name = Name { text: key.get_ref().to_string(), line };
        match value.get_ref() {
            DeValue::String(role)
                if role.trim().is_empty() || role.contains(char::is_control) || role.chars().count() > ROLE =>
            {
                let who = &name.text;
                reader.fault(line, format!("the role of {who} is a word or two on one line, up to {ROLE} characters"));
            }
            DeValue::String(role) => roles.push((name, role.to_string())),
            _ => reader.fault(line, format!("roles {FORM}")),
        }
    }
    roles
}

/// The tools that rules and conditions may name, also those that a manager type or a condition gives.
fn mentioned<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut given = ManagerType::given_tools();
    given.push(RETURN_TO_USER);
    let mut known: Vec<&str> =
        DEFAULT_TOOLS.iter().chain(&BACKGROUND_TOOLS).chain(&given).chain(more).copied().collect();
    known.sort_unstable();
    known.dedup();
    known
}

fn sleeptime(reader: &mut Reader<'_>, group: &Section<'_>) -> Option<SleeptimeSpec> {
    let value = group.get("sleeptime")?;
    let DeValue::Table(map) = value.get_ref() else {
        let triggers = Trigger::KEYS.join(" or ");
        group.fault(
            reader,
            "sleeptime",
            format!("is a table of its own: [group.sleeptime], with agents and {triggers}"),
        );
        return None;
    };
    let section = Section::open(reader, Table::Sleeptime, map, &value.span());
    Some(SleeptimeSpec {
        line: section.line,
        agents: section.names(reader, "agents").unwrap_or_default(),
        every_turns: section.whole(reader, "every_turns", 1..=u32::MAX),
    })
}

/// Who speaks when; `None` where the file names no type there is.
fn manager_type(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<ManagerType> {
    let Some(Name { text, line }) = section.name(reader, "manager_type") else {
        // As in Letta: a group that does not say is a round robin.
        return section.get("manager_type").is_none().then_some(ManagerType::RoundRobin);
    };
    let found = ManagerType::named(&text);
    if found.is_some() {
        return found;
    }
    let here = ManagerType::ALL.map(ManagerType::as_str);
    let all = here.join(", ");
    let said = if LATER.contains(&text.as_str()) {
        format!("manager_type {text} is not there yet; use one of {all}")
    } else if let Some(near) = nearest(&text, here.into_iter().chain(LATER)) {
        format!("there is no manager_type {text:?}; did you mean {near}?")
    } else {
        format!("there is no manager_type {text:?}; use one of {all}")
    };
    reader.fault(line, said);
    None
}

/// The name of a group or an agent, in the form the domain takes.
fn called(reader: &mut Reader<'_>, section: &Section<'_>, noun: &str) -> String {
    let Some(Name { text, line }) = section.name(reader, "name") else {
        if section.get("name").is_none() {
            reader.fault(section.line, format!("this {noun} has no name; give it one: name = \"…\""));
        }
        return String::new();
    };
    if !is_name(&text) {
        reader.fault(line, format!("{text:?} is no name for {} {noun}: use letters, digits, - and _", article(noun)));
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
            if let Err(text) = check_label(&label.text) {
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
        tags: tags(reader, section),
    }
}

fn fits(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, value: &str, limit: u32) {
    let length = value.chars().count();
    if length > limit as usize {
        let advice = if key == "value" { "shorten it or raise the limit" } else { "shorten it" };
        section.fault(reader, key, format!("has {length} characters, over the limit of {limit}; {advice}"));
    }
}

fn tags(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<String> {
    let tags = section.names(reader, "tags").unwrap_or_default();
    for tag in &tags {
        if tag.text.trim().is_empty() || tag.text.contains(char::is_control) {
            reader.fault(tag.line, format!("{:?} is no tag: use a word or a few, on one line", tag.text));
        }
    }
    tags.into_iter().map(|tag| tag.text).collect()
}

fn agent(reader: &mut Reader<'_>, section: &Section<'_>, around: &Surroundings<'_>) -> AgentSpec {
    let persona = section.text(reader, "persona");
    if let Some(persona) = &persona {
        fits(reader, section, "persona", persona, DEFAULT_LIMIT);
    }
    AgentSpec {
        line: section.line,
        name: called(reader, section, "agent"),
        description: section.text(reader, "description").unwrap_or_default(),
        model: model(reader, section, around.base),
        persona,
        system: system(reader, section, around),
        blocks: section.names(reader, "blocks").unwrap_or_default(),
        tools: tools(reader, section, around.tools),
        rules: rules::read(reader, section, &mentioned(around.tools)),
        contacts: section.names(reader, "contacts").unwrap_or_default(),
        tags: tags(reader, section),
        max_steps: section.whole(reader, "max_steps", 1..=u32::MAX),
        temperature: section.number(reader, "temperature", 0.0..=2.0),
        max_tokens: section.whole(reader, "max_tokens", 1..=u32::MAX),
    }
}

fn model(reader: &mut Reader<'_>, section: &Section<'_>, base: &Path) -> Option<String> {
    let Name { text, line } = section.name(reader, "model")?;
    let formed = text.split_once('/').is_some_and(|(provider, model)| {
        !provider.is_empty() && !model.is_empty() && !provider.contains(char::is_whitespace)
    });
    if text.contains(char::is_control) || (text != "offline" && !formed) {
        let forms = "\"offline\", \"scripted/FILE\" or PROVIDER/MODEL such as \"openai/gpt-4.1-mini\"";
        reader.fault(line, format!("{text:?} names no model; write {forms}"));
        return None;
    }
    Some(match text.strip_prefix("scripted/") {
        Some(file) => format!("scripted/{}", plain(&base.join(file)).display()),
        None => text,
    })
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn system(reader: &mut Reader<'_>, section: &Section<'_>, around: &Surroundings<'_>) -> Option<String> {
    let file = section.name(reader, "system_file");
    if section.get("system").is_some() {
        if section.get("system_file").is_some() {
            section.fault(
                reader,
                "system_file",
                "stands beside system; an agent has one system prompt: keep one of them",
            );
        }
        return section.text(reader, "system");
    }
    let Name { text, line } = file?;
    match (around.read)(&plain(&around.base.join(&text))) {
        Ok(prompt) => Some(prompt.trim_end().to_owned()),
        Err(error) => {
            reader.fault(line, format!("system_file {text:?} cannot be read: {}", cause(&error)));
            None
        }
    }
}

fn tools(reader: &mut Reader<'_>, section: &Section<'_>, more: &[&str]) -> Vec<String> {
    let mut known: Vec<&str> = DEFAULT_TOOLS.iter().chain(&BACKGROUND_TOOLS).chain(more).copied().collect();
    known.sort_unstable();
    known.dedup();
    let asked = section.names(reader, "tools").unwrap_or_default();
    for Name { text, line } in &asked {
        let name = text.strip_prefix('-').unwrap_or(text);
        if !known.contains(&name) {
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", known.join(", ")),
            };
            reader.fault(*line, format!("there is no tool {name:?}; {help}"));
        }
    }
    asked.into_iter().map(|name| name.text).collect()
}
