//! Parses the settings of a group or an agent in a team file, row by row of the setting tables.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use super::keys::{Table, nearest};
use super::table::{Reader, Section};
use super::{Name, OUTSIDE, ParseContext, cause, rules, terminate};
use crate::domain::agent::{BACKGROUND_TOOLS, DEFAULT_TOOLS};
use crate::domain::setting::{Kind, Reference};
use crate::domain::terminate::RETURN_TO_USER;
use crate::domain::{Configurable, ManagerType, Setting, Source, TriggerSpec, Value};
use crate::toml_file;

/// Longest role in characters; a role is shown behind a name.
pub(super) const ROLE: usize = 60;

/// A setting in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Line of the key, counted from 1.
    pub line: usize,
    /// Value, with agents and blocks by name.
    pub value: Value,
    /// Agents, blocks or tools in the value, in order.
    pub names: Vec<Name>,
}

/// The settings in the file, by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(pub(super) BTreeMap<&'static str, Given>);

impl Settings {
    /// Returns the setting with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Given> {
        self.0.get(key)
    }

    /// Returns the value of the setting with this key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.get(key).map(|given| &given.value)
    }

    /// Returns the names in the setting with this key. Empty if the file does not have it.
    #[must_use]
    pub fn names(&self, key: &str) -> &[Name] {
        self.get(key).map_or(&[], |given| &given.names)
    }

    /// Applies `name` to every agent that the settings name inside the group.
    pub(super) fn rename_agents<T: Configurable>(&mut self, name: impl Fn(&str) -> String) {
        let agents = |row: &&Setting<T>| matches!(row.kind.refers_to(), Some(Reference::Joining | Reference::Inside));
        for row in T::settings().iter().filter(agents) {
            if let Some(given) = self.0.get_mut(row.key) {
                given.value = given.value.clone().map_names(&mut |one| name(&one));
                for one in &mut given.names {
                    one.text = name(&one.text);
                }
            }
        }
    }
}

/// Parses the settings that belong to `table`: a table inside the group or agent, or itself if `None`.
pub(super) fn read<T: Configurable>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    table: Option<&str>,
    around: &ParseContext<'_>,
) -> Settings {
    let mut settings = Settings::default();
    for row in T::settings() {
        // Rules have tables of their own but belong to the agent.
        let here = row.table() == table || (table.is_none() && matches!(row.kind, Kind::Approvals));
        if let Some(given) = here.then(|| one(reader, section, row, around)).flatten() {
            settings.0.insert(row.key, given);
        }
    }
    settings
}

fn one<T>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    row: &Setting<T>,
    around: &ParseContext<'_>,
) -> Option<Given> {
    let key = row.key_there();
    let line = section.line_of(reader, key);
    let plain = |value: Value| Given { line, value, names: Vec::new() };
    let text = |name: Name| Given { line: name.line, value: Value::Text(name.text), names: Vec::new() };
    Some(match row.kind {
        Kind::Count => plain(section.whole(reader, key, 1..=u32::MAX)?.into()),
        Kind::Number { from, to } => plain(section.number(reader, key, from..=to)?.into()),
        Kind::Switch => plain(section.truth(reader, key)?.into()),
        Kind::Sentence => text(section.name(reader, key)?),
        Kind::Text => text(whole_text(reader, section, key, row.file_key, around)?),
        Kind::Span => text(span(reader, section, key)?),
        Kind::Triggers => triggers(reader, section, key, Table::Trigger, row.kind, TriggerSpec::from_table)?,
        Kind::Sources => triggers(reader, section, key, Table::Source, row.kind, |table| source(table, around))?,
        Kind::Word => text(word(reader, section, key, row.default)?),
        Kind::Model => {
            let name = section.name(reader, key)?;
            text(model(reader, name, around)?)
        }
        Kind::Models => {
            let names = section.names(reader, key)?.into_iter();
            listed(line, names.filter_map(|name| model(reader, name, around)).collect())
        }
        Kind::Choice(all) => text(choice(reader, section, key, &all())?),
        Kind::Labels => listed(line, labels(reader, section, key)?),
        Kind::Tools => listed(line, tools(reader, section, key, around.tools)?),
        Kind::Agents | Kind::Blocks | Kind::Contacts => listed(line, section.names(reader, key)?),
        Kind::Agent => {
            let name = section.name(reader, key)?;
            Given { line, value: name.text.as_str().into(), names: vec![name] }
        }
        Kind::Approvals => {
            section.get("rule")?;
            listed(line, rules::read(reader, section, &mentioned(around.tools)))
        }
        Kind::Conditions => {
            let (condition, names) = terminate::read(reader, section, &mentioned(around.tools))?;
            Given { line, value: condition.into(), names }
        }
        Kind::Roles => roles(reader, section, key)?,
    })
}

fn listed(line: usize, names: Vec<Name>) -> Given {
    let value = Value::Names(names.iter().map(|name| name.text.clone()).collect());
    Given { line, value, names }
}

fn word(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, default: &str) -> Option<Name> {
    let name = section.name(reader, key)?;
    if name.text.trim().is_empty() {
        reader.fault(name.line, format!("{key} is empty; give it a word, or leave it out for {default}"));
        return None;
    }
    Some(name)
}

fn span(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Name> {
    let name = section.name(reader, key)?;
    match Kind::Span.check(&Value::Text(name.text.clone())) {
        Ok(()) => Some(name),
        Err(text) => {
            reader.fault(name.line, format!("{key} {text}"));
            None
        }
    }
}

/// Parses the tables of triggers or of sources. The names are those of their agents.
fn triggers(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    table: Table,
    kind: Kind,
    read: impl Fn(&Map<String, Json>) -> Result<TriggerSpec, String>,
) -> Option<Given> {
    section.get(key)?;
    let (mut all, mut names) = (Vec::new(), Vec::new());
    let title = table.title();
    for (map, span) in section.tables(reader, key, title) {
        let line = reader.line(&span);
        match read(&toml_file::plain(map)) {
            Ok(spec) => {
                names.extend(spec.agent.as_ref().map(|agent| Name { text: agent.0.clone(), line }));
                all.push(spec);
            }
            Err(text) => reader.fault(line, format!("{title}: {text}")),
        }
    }
    let line = section.line_of(reader, key);
    let value = Value::Triggers(all);
    if let Err(text) = kind.check(&value) {
        reader.fault(line, format!("{title} {text}"));
    }
    Some(Given { line, value, names })
}

/// Reads the table of a source. A path that is not absolute is relative to the team file, and outlives it as an absolute
/// one.
fn source(table: &Map<String, Json>, around: &ParseContext<'_>) -> Result<TriggerSpec, String> {
    let base = around.base.to_str().ok_or("the path of the team file is not UTF-8; move it")?;
    let mut absolute = table.clone();
    for (key, base) in [("file", globset::escape(base)), ("folder", base.to_owned())] {
        if let Some(Json::String(path)) =
            absolute.get_mut(key).filter(|path| !path.as_str().unwrap_or("/").trim().is_empty())
        {
            *path = plain(&Path::new(&base).join(path.trim())).display().to_string();
        }
    }
    let spec = TriggerSpec::from_source_table(&absolute)?;
    let outside = |source: &Source| !is_inside(Path::new(&source.folder), around);
    match spec.source().filter(|source| outside(source) && !around.allow_outside) {
        Some(source) => Err(format!("{:?} cannot be used: {OUTSIDE}", source.written().1)),
        None => Ok(spec),
    }
}

/// Returns whether a path lies in the directory of the team file, and what it leads to as well.
fn is_inside(path: &Path, around: &ParseContext<'_>) -> bool {
    // Links are resolved where the file exists already.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.starts_with(around.base) && real.starts_with(around.base)
}

fn choice(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, all: &[(&str, &str)]) -> Option<Name> {
    let name = section.name(reader, key)?;
    let all: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    if all.contains(&name.text.as_str()) {
        return Some(name);
    }
    let help = match nearest(&name.text, all.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use {}", all.join(", ")),
    };
    reader.fault(name.line, format!("there is no {key} {:?}; {help}", name.text));
    None
}

fn roles(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Given> {
    const FORM: &str = "is a table of agents, each with a word or two: { lawyer = \"reviewer\" }";
    let DeValue::Table(map) = section.get(key)?.get_ref() else {
        section.fault(reader, key, FORM);
        return None;
    };
    let (mut roles, mut names) = (BTreeMap::new(), Vec::new());
    for (name, value) in map {
        let name = Name { text: name.get_ref().to_string(), line: reader.line(&name.span()) };
        match value.get_ref() {
            DeValue::String(role)
                if role.trim().is_empty() || role.contains(char::is_control) || role.chars().count() > ROLE =>
            {
                let said = format!("the role of {} is a word or two on one line, up to {ROLE} characters", name.text);
                reader.fault(name.line, said);
            }
            DeValue::String(role) => {
                roles.insert(name.text.clone(), role.to_string());
                names.push(name);
            }
            _ => reader.fault(name.line, format!("{key} {FORM}")),
        }
    }
    Some(Given { line: section.line_of(reader, key), value: Value::Texts(roles), names })
}

/// Parses a list of labels and reports blank ones and ones with control characters.
pub(super) fn labels(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Vec<Name>> {
    let labels = section.names(reader, key)?;
    for tag in &labels {
        if tag.text.trim().is_empty() || tag.text.contains(char::is_control) {
            reader.fault(tag.line, format!("{:?} is not a valid tag: use a few words on one line", tag.text));
        }
    }
    Some(labels)
}

/// Checks the name of a model.
fn model(reader: &mut Reader<'_>, Name { text, line }: Name, around: &ParseContext<'_>) -> Option<Name> {
    let formed = text.split_once('/').is_some_and(|(provider, model)| {
        !provider.is_empty() && !model.is_empty() && !provider.contains(char::is_whitespace)
    });
    if text.contains(char::is_control) || (text != "offline" && !formed) {
        let forms = "\"offline\", \"scripted/FILE\" or PROVIDER/MODEL such as \"openai/gpt-4.1-mini\"";
        reader.fault(line, format!("{text:?} names no model; write {forms}"));
        return None;
    }
    let text = match text.strip_prefix("scripted/") {
        Some(file) => {
            let path = plain(&around.base.join(file));
            if !is_inside(&path, around) && !around.allow_outside {
                reader.fault(line, format!("{text:?} cannot be used: {OUTSIDE}"));
                return None;
            }
            format!("scripted/{}", path.display())
        }
        None => text,
    };
    Some(Name { text, line })
}

/// Removes `.` and `..` from a path.
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

/// Returns a text from `key`, or from the file that `file_key` names.
fn whole_text(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    file_key: Option<&str>,
    around: &ParseContext<'_>,
) -> Option<Name> {
    let Some(file_key) = file_key else { return section.name(reader, key) };
    let file = section.name(reader, file_key);
    if section.get(key).is_some() {
        if section.get(file_key).is_some() {
            let said = format!("cannot be combined with {key}; an agent has one {key} prompt: keep one of them");
            section.fault(reader, file_key, said);
        }
        return section.name(reader, key);
    }
    let Name { text, line } = file?;
    match (around.read)(&plain(&around.base.join(&text))) {
        Ok(text) => Some(Name { text: text.trim_end().to_owned(), line }),
        Err(error) => {
            reader.fault(line, format!("{file_key} {text:?} cannot be read: {}", cause(&error)));
            None
        }
    }
}

fn tools(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, more: &[&str]) -> Option<Vec<Name>> {
    let known = requested(more);
    let asked = section.names(reader, key)?;
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
    Some(asked)
}

/// Returns the tools that `tools` of an agent may name.
pub(super) fn requested<'a>(more: &[&'a str]) -> Vec<&'a str> {
    sorted(DEFAULT_TOOLS.iter().chain(&BACKGROUND_TOOLS).chain(more).copied().collect())
}

/// Returns the tools that rules and conditions may name, including those that a manager type or a condition adds.
pub(super) fn mentioned<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut given = ManagerType::given_tools();
    given.push(RETURN_TO_USER);
    sorted(DEFAULT_TOOLS.iter().chain(&BACKGROUND_TOOLS).chain(&given).chain(more).copied().collect())
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names.dedup();
    names
}
