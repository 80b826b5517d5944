//! The kinds of setting values: what each accepts, and how it is parsed from text.

use serde::Deserialize;

use super::value::Value;
use crate::domain::trigger::MAX_TRIGGERS;
use crate::domain::{TerminationCondition, TriggerSpec, span};

/// The kind of values a setting accepts.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A whole number, 1 or more.
    Count,
    /// A number in this range.
    Number {
        /// The minimum.
        from: f64,
        /// The maximum.
        to: f64,
    },
    /// A few words, not blank.
    Word,
    /// A sentence on one line.
    Sentence,
    /// A text of several lines.
    Text,
    /// The name of a model.
    Model,
    /// Names of models, in order.
    Models,
    /// Yes or no.
    Switch,
    /// One of these names, each with its meaning. The first is the default.
    Choice(fn() -> Vec<(&'static str, &'static str)>),
    /// Free labels.
    Labels,
    /// Tools to add, or with a leading `-` to remove.
    Tools,
    /// Tools that need a person's approval; each is an `[[agent.rule]]` in a team file.
    Approvals,
    /// Agents of other groups.
    Contacts,
    /// Blocks, by label.
    Blocks,
    /// Agents of the group, in order.
    Agents,
    /// One agent of the group.
    Agent,
    /// A termination condition.
    Conditions,
    /// A time such as `5m`.
    Span,
    /// Triggers of background work.
    Triggers,
    /// Files whose new text is the input of background work.
    Sources,
    /// A role for each agent of the group, in a word or two.
    Roles,
}

/// What the names in a value refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// An agent that the setting adds to the group.
    Joining,
    /// An agent that is already in the group.
    Inside,
    /// An agent of another group.
    Contact,
    /// A block.
    Block,
}

impl Kind {
    /// What its names refer to; `None` if they are not names of rows.
    #[must_use]
    pub fn refers_to(self) -> Option<Reference> {
        match self {
            Self::Agents | Self::Agent => Some(Reference::Joining),
            Self::Conditions | Self::Triggers | Self::Sources | Self::Roles => Some(Reference::Inside),
            Self::Contacts => Some(Reference::Contact),
            Self::Blocks => Some(Reference::Block),
            _ => None,
        }
    }

    /// True for settings that define the agents of the group. Other settings may refer to those agents.
    #[must_use]
    pub fn is_membership(self) -> bool {
        matches!(self, Self::Agents | Self::Agent)
    }

    /// True for texts too long to show both the old and the new value of a change.
    #[must_use]
    pub fn is_long(self) -> bool {
        matches!(self, Self::Sentence | Self::Text)
    }

    /// The accepted values, as the end of a sentence.
    #[must_use]
    pub fn wanted(self) -> String {
        match self {
            Self::Count => "a whole number, 1 or more".to_owned(),
            Self::Number { from, to } => format!("a number from {from} to {to}"),
            Self::Word | Self::Sentence | Self::Text => "a text".to_owned(),
            Self::Model => "the name of a model: offline, or PROVIDER/MODEL".to_owned(),
            Self::Models => "a list of models, each offline or PROVIDER/MODEL".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Choice(all) => {
                let names: Vec<&str> = all().into_iter().map(|(name, _)| name).collect();
                format!("one of {}", names.join(", "))
            }
            Self::Labels => "a list of labels".to_owned(),
            Self::Tools | Self::Approvals => "a list of tools".to_owned(),
            Self::Contacts => "a list of agents of other groups, GROUP/NAME".to_owned(),
            Self::Blocks => "a list of labels of blocks".to_owned(),
            Self::Agents => "a list of agents".to_owned(),
            Self::Agent => "the name of an agent".to_owned(),
            Self::Conditions => "a condition, such as { tokens = 20000 }".to_owned(),
            Self::Span => "a time such as 5m or 1h 30m".to_owned(),
            Self::Triggers => "a list of triggers, such as [{ idle = \"5m\" }]".to_owned(),
            Self::Sources => "a list of sources, such as [{ folder = \"/home/me/inbox\" }]".to_owned(),
            Self::Roles => "a table of agents, each with a word or two".to_owned(),
        }
    }

    /// The placeholder of the value in `--help`.
    #[must_use]
    pub fn placeholder(self) -> String {
        match self {
            Self::Count => "N|none".to_owned(),
            Self::Number { .. } => "NUMBER|none".to_owned(),
            Self::Word => "WORD|none".to_owned(),
            Self::Sentence | Self::Text => "TEXT|none".to_owned(),
            Self::Model => "MODEL|none".to_owned(),
            Self::Switch => "true|false".to_owned(),
            Self::Choice(all) => all().into_iter().map(|(name, _)| name).collect::<Vec<_>>().join("|"),
            Self::Models | Self::Labels | Self::Tools | Self::Approvals | Self::Contacts | Self::Blocks => {
                "LIST|none".to_owned()
            }
            Self::Agents | Self::Agent => "AGENT".to_owned(),
            Self::Span => "TIME|none".to_owned(),
            Self::Conditions | Self::Triggers | Self::Sources => "TOML|none".to_owned(),
            Self::Roles => "AGENT=ROLE".to_owned(),
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The end of a sentence that begins with the key; for a condition, a whole sentence.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let fits = match (self, value) {
            (Self::Count, Value::Count(0)) => return Err("is 1 or more".to_owned()),
            (Self::Word, Value::Text(text)) if text.trim().is_empty() => return Err("needs a word".to_owned()),
            (Self::Conditions, Value::Conditions(all)) => return all.check(),
            (Self::Span, Value::Text(text)) => return span::seconds(text).map(|_| ()),
            (Self::Triggers | Self::Sources, Value::Triggers(all)) => return sound(all),
            (Self::Number { from, to }, Value::Number(number)) => (from..=to).contains(number),
            (Self::Number { from, to }, Value::Count(count)) => (from..=to).contains(&f64::from(*count)),
            (Self::Choice(all), Value::Text(name)) => all().iter().any(|(one, _)| one == name),
            (Self::Count, Value::Count(_))
            | (Self::Word | Self::Sentence | Self::Text | Self::Model | Self::Agent, Value::Text(_))
            | (Self::Switch, Value::Switch(_))
            | (
                Self::Models
                | Self::Labels
                | Self::Tools
                | Self::Approvals
                | Self::Contacts
                | Self::Blocks
                | Self::Agents,
                Value::Names(_),
            )
            | (Self::Roles, Value::Texts(_)) => true,
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("is {}", self.wanted())) }
    }

    /// Parses a value as a person writes it: names with commas, conditions as in a team file, roles as `AGENT=ROLE`.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Count => {
                Value::Count(text.trim().parse().map_err(|_| "write a whole number such as 3, or none".to_owned())?)
            }
            Self::Number { .. } => {
                Value::Number(text.trim().parse().map_err(|_| "write a number such as 0.7, or none".to_owned())?)
            }
            Self::Word | Self::Sentence | Self::Text | Self::Model | Self::Agent => Value::Text(text.to_owned()),
            Self::Switch => Value::Switch(text.trim().parse().map_err(|_| "write true or false".to_owned())?),
            Self::Span | Self::Choice(_) => Value::Text(text.trim().to_owned()),
            Self::Models
            | Self::Labels
            | Self::Tools
            | Self::Approvals
            | Self::Contacts
            | Self::Blocks
            | Self::Agents => {
                let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
                if names.iter().any(String::is_empty) {
                    return Err("write the names with commas between them, or none".to_owned());
                }
                Value::Names(names)
            }
            Self::Conditions => Value::Conditions(conditions(text)?),
            Self::Triggers => Value::Triggers(triggers(text)?),
            Self::Sources => Value::Triggers(sources(text)?),
            Self::Roles => {
                let parts = text.split_once('=').filter(|(agent, _)| !agent.trim().is_empty());
                let (agent, role) = parts.ok_or_else(|| "write AGENT=ROLE, for example ann=\"asks why\"".to_owned())?;
                Value::Texts([(agent.trim().to_owned(), role.trim().to_owned())].into())
            }
        };
        // A count of 0 clears the setting.
        if value != Value::Count(0) {
            self.check(&value)?;
        }
        Ok(value)
    }
}

/// Parses a list of triggers, written as in a team file.
fn triggers(text: &str) -> Result<Vec<TriggerSpec>, String> {
    const FORM: &str =
        "write the triggers as in a team file, for example [{ block_changed = \"story\", agent = \"critic\" }]";
    tables(text, FORM, TriggerSpec::from_table)
}

/// Parses a list of sources, written as in a team file.
fn sources(text: &str) -> Result<Vec<TriggerSpec>, String> {
    const FORM: &str =
        "write the sources as in a team file, with whole paths, for example [{ file = \"/home/me/notes/*.md\" }]";
    tables(text, FORM, TriggerSpec::from_source_table)
}

/// Parses a list of tables; `form` says how it is written.
fn tables(
    text: &str,
    form: &str,
    read: fn(&serde_json::Map<String, serde_json::Value>) -> Result<TriggerSpec, String>,
) -> Result<Vec<TriggerSpec>, String> {
    let held: toml::Table = format!("all = {text}").parse().map_err(|_| form.to_owned())?;
    let (1, Ok(serde_json::Value::Array(all))) = (held.len(), serde_json::to_value(held.get("all"))) else {
        return Err(form.to_owned());
    };
    all.iter().map(|one| read(one.as_object().ok_or(form)?)).collect()
}

/// Checks the triggers against each other. The error is the end of a sentence that begins with the key.
fn sound(all: &[TriggerSpec]) -> Result<(), String> {
    if all.len() > MAX_TRIGGERS {
        return Err(format!("has {} entries and may have {MAX_TRIGGERS}; leave some out", all.len()));
    }
    if let Some((_, twice)) = all.iter().enumerate().find(|(at, one)| all[..*at].contains(one)) {
        return Err(format!("has {twice} twice; once is enough"));
    }
    let same = |one: &TriggerSpec, other: &TriggerSpec| match (one.source(), other.source()) {
        (Some(source), Some(files)) => one.agent == other.agent && source.written() == files.written(),
        _ => false,
    };
    match all.iter().enumerate().find(|(at, one)| all[..*at].iter().any(|other| same(one, other))) {
        // They would share their marks: each would get a part of what is new.
        Some((_, twice)) => Err(format!("has two sources of the same files for one agent: {twice}; keep one")),
        None => Ok(()),
    }
}

/// Parses a termination condition, written as in a team file.
fn conditions(text: &str) -> Result<TerminationCondition, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Holder {
        terminate: TerminationCondition,
    }
    let held: Holder = toml::from_str(&format!("terminate = {text}")).map_err(|error| {
        let said = error.message().lines().collect::<Vec<_>>().join("; ");
        format!(
            "{said}; write it as in a team file, for example {{ any = [{{ tokens = 20000 }}, {{ text = \"done\" }}] }}"
        )
    })?;
    Ok(held.terminate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_turn_is_read_and_written_as_in_a_team_file() {
        let text = r#"{ any = [{ tokens = 20000 }, { text = "that is all" }, { all = [{ speaker = "ann" }] }] }"#;
        assert_eq!(Kind::Conditions.parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn a_condition_that_is_none_is_refused_with_what_there_is() {
        let refused = Kind::Conditions.parse("{ token = 5 }").unwrap_err();
        assert!(refused.contains("token") && refused.contains("tokens"), "{refused}");
        assert!(Kind::Conditions.parse("{ tokens = 0 }").unwrap_err().contains("1 or more"));
        assert!(Kind::Conditions.parse("{ tokens = 5 }\nname = \"x\"").is_err(), "nothing else is slipped in");
    }

    #[test]
    fn a_value_out_of_range_or_of_another_kind_is_refused() {
        let heat = Kind::Number { from: 0.0, to: 2.0 };
        assert_eq!(heat.parse("0.5"), Ok(Value::Number(0.5)));
        assert!(heat.parse("2.5").is_err() && heat.parse("NaN").is_err() && heat.parse("warm").is_err());
        assert!(Kind::Count.parse("three").is_err());
        assert!(Kind::Labels.parse("a,,b").is_err());
        assert!(Kind::Switch.check(&Value::Count(1)).unwrap_err().contains("true or false"));
    }
}
