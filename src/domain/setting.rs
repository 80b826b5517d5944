//! Settings: the configurable properties of a group or an agent, one row each.
//!
//! A row of [`group`](mod@group) or [`agent`](mod@agent) has the name of a setting, its documentation, the values it
//! accepts and its field. The team-file reader, plans, engine requests, the command line, the terminal forms, JSON
//! output, the README's table and the JSON schema loop over the rows, so a new row works everywhere at once.
//!
//! Values in the domain name agents and blocks by id. Names that a person wrote are replaced by ids with
//! [`Value::try_map_names`] before a value is set.

pub mod agent;
pub mod group;
pub mod kind;
pub mod value;

use super::{Agent, Group, ManagerType};

pub use agent::REQUIRE_APPROVAL;
pub use kind::{Kind, Reference};
pub use value::{NONE, Value, listed};

/// One setting of a group or an agent.
pub struct Setting<T: 'static> {
    /// The name in team files, requests and JSON; Letta's name if Letta has the setting.
    pub key: &'static str,
    /// The subtable of `[group]` or `[[agent]]` and the key in it; `None` for `key` in the table itself.
    pub place: Option<(&'static str, &'static str)>,
    /// The team-file key that names a file with the text instead.
    pub file_key: Option<&'static str>,
    /// The command-line option without leading dashes; `None` for the key with `-` instead of `_`.
    pub flag: Option<&'static str>,
    /// The former name of that option, kept as a hidden alias.
    pub old_flag: Option<&'static str>,
    /// The name in descriptions of a change; `None` for the key.
    pub noun: Option<&'static str>,
    /// The label in a form.
    pub title: &'static str,
    /// One or two sentences for `--help`, forms, the README and the JSON schema.
    pub doc: &'static str,
    /// The default, in a few words.
    pub default: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// Further words by which an error message may refer to it.
    pub words: &'static [&'static str],
    /// True if a team file that does not mention it keeps its value; otherwise such a file clears it.
    pub sticky: bool,
    /// Returns the value that is set.
    pub get: fn(&T) -> Option<Value>,
    /// Sets the value; `None` clears it. The error is a sentence.
    pub set: fn(&mut T, Option<Value>) -> Result<(), String>,
    /// Returns the value in effect: the one set, or the default if that is a plain value.
    pub in_effect: fn(&T) -> Option<Value>,
}

/// A type with settings.
pub trait Configurable: Sized + 'static {
    /// The noun for one of them.
    const NOUN: &'static str;

    /// The manager types that use the setting with this key; empty if all do.
    #[must_use]
    fn only_for(_key: &str) -> Vec<&'static str> {
        Vec::new()
    }

    /// All settings, in display order.
    fn settings() -> &'static [Setting<Self>];

    /// The setting with this key.
    #[must_use]
    fn setting(key: &str) -> Option<&'static Setting<Self>> {
        Self::settings().iter().find(|row| row.key == key)
    }
}

impl Configurable for Group {
    const NOUN: &'static str = "group";

    fn only_for(key: &str) -> Vec<&'static str> {
        let kinds = ManagerType::with_setting(key);
        if kinds.len() < ManagerType::ALL.len() { kinds } else { Vec::new() }
    }

    fn settings() -> &'static [Setting<Self>] {
        group::SETTINGS
    }
}

impl Configurable for Agent {
    const NOUN: &'static str = "agent";

    fn settings() -> &'static [Setting<Self>] {
        agent::SETTINGS
    }
}

impl<T> Setting<T> {
    /// The command-line option without leading dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.flag.map_or_else(|| self.key.replace('_', "-"), str::to_owned)
    }

    /// The name in descriptions of a change.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        self.noun.unwrap_or(self.key)
    }

    /// The key in its table of a team file.
    #[must_use]
    pub fn key_there(&self) -> &'static str {
        self.place.map_or(self.key, |(_, key)| key)
    }

    /// The subtable of `[group]` or `[[agent]]`, if any.
    #[must_use]
    pub fn table(&self) -> Option<&'static str> {
        self.place.map(|(table, _)| table)
    }

    /// Checks a value for it.
    ///
    /// # Errors
    /// A sentence that begins with the key, if the setting does not accept the value.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.kind.check(value).map_err(|text| match (self.kind, value) {
            (Kind::Word, Value::Text(_)) => format!("{} {text}; leave it out for {}", self.key, self.default),
            (Kind::Conditions, Value::Conditions(_)) => text,
            _ => format!("{} {text}", self.key),
        })
    }

    /// The value after `change`: roles are merged into the existing ones, any other value is replaced.
    #[must_use]
    pub fn over(&self, owner: &T, change: Option<Value>) -> Option<Value> {
        match (change?, (self.get)(owner)) {
            (Value::Count(0), _) => None,
            (Value::Texts(change), before) => {
                let mut all = match before {
                    Some(Value::Texts(before)) => before,
                    _ => std::collections::BTreeMap::new(),
                };
                all.extend(change);
                all.retain(|_, text| !text.trim().is_empty());
                Some(Value::Texts(all))
            }
            (value, _) => Some(value),
        }
    }

    /// The words by which an error message may refer to it.
    #[must_use]
    pub fn named_by(&self) -> Vec<String> {
        let mut words = vec![self.key.to_owned(), self.key.replace('_', " ")];
        words.extend(self.key.strip_suffix('s').map(str::to_owned).filter(|_| !self.key.contains('_')));
        words.extend(self.words.iter().map(|word| (*word).to_owned()));
        if let Kind::Choice(all) = self.kind {
            words.extend(all().into_iter().skip(1).map(|(name, _)| name.to_owned()));
        }
        words.dedup();
        words
    }
}

/// A row with the values that most settings share.
const fn row<T>(
    key: &'static str,
    title: &'static str,
    kind: Kind,
    get: fn(&T) -> Option<Value>,
    set: fn(&mut T, Option<Value>) -> Result<(), String>,
) -> Setting<T> {
    Setting {
        key,
        place: None,
        file_key: None,
        flag: None,
        old_flag: None,
        noun: None,
        title,
        doc: "",
        default: "none",
        kind,
        words: &[],
        sticky: false,
        get,
        set,
        in_effect: get,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<T: Configurable>() {
        for row in T::settings() {
            assert!(!row.doc.is_empty() && !row.title.is_empty() && !row.default.is_empty(), "{}", row.key);
            assert!(row.doc.ends_with('.'), "{}", row.key);
            let same = T::settings().iter().filter(|other| other.key == row.key || other.flag() == row.flag());
            assert_eq!(same.count(), 1, "{}", row.key);
        }
    }

    #[test]
    fn the_defaults_that_are_told_are_those_that_hold() {
        let told = |key: &str| Group::setting(key).unwrap().default;
        let every = format!("{}, or none beside other triggers", crate::domain::group::DEFAULT_EVERY_TURNS);
        assert_eq!(told("every_turns"), every);
        assert_eq!(told("termination_token"), crate::domain::group::DEFAULT_TERMINATION_TOKEN);
        assert_eq!(told("max_rounds"), crate::domain::group::DEFAULT_MAX_ROUNDS.to_string());
        assert_eq!(told("wait_seconds"), crate::domain::group::DEFAULT_WAIT_SECONDS.to_string());
        assert_eq!(told("mail_per_minute"), crate::domain::group::DEFAULT_MAIL_PER_MINUTE.to_string());
        assert_eq!(told("status"), crate::domain::GroupStatus::default().as_str());
        let told = |key: &str| Agent::setting(key).unwrap().default;
        assert_eq!(told("max_steps"), crate::domain::agent::DEFAULT_MAX_STEPS.to_string());
        assert_eq!(told("tool_seconds"), crate::domain::agent::DEFAULT_TOOL_SECONDS.to_string());
    }

    #[test]
    fn every_row_is_complete_and_has_a_name_of_its_own() {
        rows::<Group>();
        rows::<Agent>();
    }
}
