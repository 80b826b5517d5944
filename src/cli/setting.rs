//! Settings on the command line: one option per row of the setting tables, their values as text and JSON, and the
//! tables of the README.

#[cfg(test)]
mod faces;

use std::fmt::Write as _;
use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value as Json};

use super::roster::Roster;
use crate::domain::setting::{Kind, NONE, Reference};
use crate::domain::{Agent, AgentId, BlockId, Configurable, Group, GroupId, ManagerType, Setting, Value, nearest};
use crate::engine::protocol::Changes;

/// The options that change the settings of a group or an agent, one per row of its table.
#[derive(Debug, Clone)]
pub struct Options<T> {
    /// Changed settings by key.
    pub changes: Changes,
    of: PhantomData<T>,
}

impl<T: Configurable> clap::Args for Options<T> {
    fn augment_args(command: Command) -> Command {
        T::settings().iter().fold(command, |command, row| command.arg(option(row)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: Configurable> clap::FromArgMatches for Options<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self { changes: Changes::default(), of: PhantomData };
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for row in T::settings() {
            let Some(parts) = matches.get_many::<Option<Value>>(row.key) else { continue };
            self.changes.insert(row.key, joined(parts.cloned()));
        }
        Ok(())
    }
}

/// Builds the option of a setting.
fn option<T: Configurable>(row: &'static Setting<T>) -> Arg {
    let kinds = T::only_for(row.key);
    let doc = row.doc.trim_end_matches('.');
    let help = if kinds.is_empty() { doc.to_owned() } else { format!("{doc} ({})", kinds.join(", ")) };
    let option = Arg::new(row.key)
        .long(row.flag())
        .value_name(row.kind.placeholder())
        .help(help)
        .value_parser(move |text: &str| parse(row.kind, text))
        .allow_hyphen_values(matches!(row.kind, Kind::Tools));
    let option = row.old_flag.into_iter().fold(option, Arg::alias);
    match row.kind {
        Kind::Agents => option.num_args(1..).action(ArgAction::Append),
        Kind::Roles => option.action(ArgAction::Append),
        _ => option,
    }
}

/// Parses the value of an option. `None` clears the setting: the word `none` or a count of 0.
fn parse(kind: Kind, text: &str) -> Result<Option<Value>, String> {
    if text.trim() == NONE {
        return Ok(None);
    }
    match (kind, kind.parse(text)?) {
        (_, Value::Count(0)) => Ok(None),
        (Kind::Model | Kind::Models, value) => value.try_map_names(&mut model).map(Some),
        (_, value) => Ok(Some(value)),
    }
}

/// Returns the name of a model. The path of a script is relative to this process, not to the one that runs it.
fn model(name: String) -> Result<String, String> {
    let Some(file) = name.strip_prefix("scripted/") else { return Ok(name) };
    let path = std::path::absolute(file).map_err(|error| format!("the path {file}: {error}"))?;
    Ok(format!("scripted/{}", path.display()))
}

/// Joins the values of a repeated option. Lists are concatenated; of other values, the last one counts.
fn joined(parts: impl Iterator<Item = Option<Value>>) -> Option<Value> {
    parts.flatten().reduce(|all, part| match (all, part) {
        (Value::Names(mut all), Value::Names(part)) => {
            all.extend(part);
            Value::Names(all)
        }
        (Value::Texts(mut all), Value::Texts(part)) => {
            all.extend(part);
            Value::Texts(all)
        }
        (_, last) => last,
    })
}

/// Parses a manager type.
///
/// # Errors
/// There is no such type; the text suggests the nearest or lists all.
pub fn manager_type(name: &str) -> Result<ManagerType, String> {
    let names = ManagerType::ALL.map(ManagerType::as_str);
    ManagerType::named(name).ok_or_else(|| match nearest(name, names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use one of {}", names.join(", ")),
    })
}

/// Replaces the ids of agents and blocks in a value by names, as the group `home` writes them.
fn named(roster: &Roster, home: &GroupId, kind: Kind, value: Value) -> Value {
    match kind.refers_to() {
        None => value,
        Some(Reference::Block) => value.map_names(&mut |id| roster.label(&BlockId(id))),
        Some(Reference::Contact) => value.map_names(&mut |id| roster.full_name(&AgentId(id))),
        Some(Reference::Joining | Reference::Inside) => value.map_names(&mut |id| roster.name_in(home, &AgentId(id))),
    }
}

/// Returns the effective value of each setting by key: the set value, otherwise the default if it is a plain value.
pub fn in_effect<T: Configurable>(owner: &T, roster: &Roster, home: &GroupId) -> Map<String, Json> {
    json(owner, roster, home, |row| row.in_effect)
}

/// Returns the set value of each setting by key, null if it is not set.
pub fn as_set<T: Configurable>(owner: &T, roster: &Roster, home: &GroupId) -> Map<String, Json> {
    json(owner, roster, home, |row| row.get)
}

fn json<T: Configurable>(
    owner: &T,
    roster: &Roster,
    home: &GroupId,
    get: impl Fn(&Setting<T>) -> fn(&T) -> Option<Value>,
) -> Map<String, Json> {
    let pair = |row: &Setting<T>| {
        let value = get(row)(owner).map(|value| named(roster, home, row.kind, value).to_json());
        (row.key.to_owned(), value.unwrap_or_default())
    };
    T::settings().iter().map(pair).collect()
}

/// Returns the effective value of a setting as text. `None` if it is not set and has no plain default.
pub fn shown<T: Configurable>(owner: &T, row: &Setting<T>, roster: &Roster, home: &GroupId) -> Option<String> {
    let value = (row.in_effect)(owner).filter(|value| !value.is_blank())?;
    Some(named(roster, home, row.kind, value).to_string())
}

/// Returns the setting tables of the README as Markdown.
#[must_use]
pub fn readme_tables() -> String {
    format!("Of a group:\n\n{}\nOf an agent:\n\n{}", readme_table::<Group>(), readme_table::<Agent>())
}

fn readme_table<T: Configurable>() -> String {
    let mut table = "| In a team file | Option | What | Default |\n|---|---|---|---|\n".to_owned();
    for row in T::settings() {
        let mut place = match (row.kind, row.place) {
            (Kind::Approvals, _) => "`[[agent.rule]]`".to_owned(),
            (Kind::Triggers, _) => "`[[group.trigger]]`".to_owned(),
            (Kind::Sources, _) => "`[[group.source]]`".to_owned(),
            (_, Some((inside, key))) => format!("`{key}` of `[{}.{inside}]`", T::NOUN),
            (_, None) => format!("`{}`", row.key),
        };
        place.extend(row.file_key.map(|key| format!(", `{key}`")));
        let kinds = T::only_for(row.key);
        let doc = row.doc.trim_end_matches('.');
        let doc = if kinds.is_empty() { doc.to_owned() } else { format!("{doc} ({})", kinds.join(", ")) };
        // For these, the text in the form is a hint, not a default.
        let default = if row.kind.is_membership() || matches!(row.kind, Kind::Sentence) { "" } else { row.default };
        let _ = writeln!(table, "| {place} | `--{}` | {doc} | {default} |", row.flag());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_nought_clear() {
        assert_eq!(parse(Kind::Count, "none"), Ok(None));
        assert_eq!(parse(Kind::Count, "0"), Ok(None));
        assert_eq!(parse(Kind::Count, "3"), Ok(Some(Value::Count(3))));
        assert!(parse(Kind::Count, "three").is_err());
        assert_eq!(parse(Kind::Labels, "none"), Ok(None));
        assert!(parse(Kind::Labels, "a,,b").is_err());
        assert_eq!(parse(Kind::Conditions, "none"), Ok(None));
    }

    #[test]
    fn a_list_may_come_in_several_options() {
        let part = |name: &str| Some(Value::from(&[name][..]));
        assert_eq!(joined([part("a"), part("b")].into_iter()), Some(Value::from(&["a", "b"][..])));
        assert_eq!(joined([None].into_iter()), None);
    }
}
