//! Settings: what can be changed about a group or an agent, one row each.
//!
//! A row of [`group`](mod@group) or [`agent`](mod@agent) says what a setting is called, what it is for, which values
//! it takes and where it is kept. The team-file reader, plans, the requests of the engine, the command line, the forms
//! of the terminal, JSON output, the README's table and the JSON schema are loops over the rows, so a new row can be
//! used everywhere at once.
//!
//! In the domain a value names agents and blocks by id; whoever reads it from a person puts ids in the place of names
//! with [`Value::try_map_names`] before it is set.

pub mod agent;
pub mod group;
pub mod kind;
pub mod value;

use super::{Agent, Group, ManagerType};

pub use kind::{Kind, Reference};
pub use value::{NONE, Value, listed};

/// One setting of a group or an agent.
pub struct Setting<T: 'static> {
    /// Its name, as in Letta where Letta has it: in team files, requests and JSON.
    pub key: &'static str,
    /// The table inside `[group]` or `[[agent]]` that has it, and its key there; `None` for `key` in the table itself.
    pub place: Option<(&'static str, &'static str)>,
    /// The key of a team file that names a file with the text instead.
    pub file_key: Option<&'static str>,
    /// The option of the command line, without dashes; `None` for the key with dashes.
    pub flag: Option<&'static str>,
    /// Former names of that option.
    pub old_flag: Option<&'static str>,
    /// What it is called where a change is told; `None` for the key.
    pub noun: Option<&'static str>,
    /// What a form calls it.
    pub title: &'static str,
    /// What it is for: one or two sentences for `--help`, forms, the README and the JSON schema.
    pub doc: &'static str,
    /// What holds where nothing is set, in a few words.
    pub default: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// Further words by which an error names it.
    pub words: &'static [&'static str],
    /// True where a team file without it leaves it as it is; others it clears.
    pub sticky: bool,
    /// What is set.
    pub get: fn(&T) -> Option<Value>,
    /// Sets it, or with `None` clears it. The error is a sentence.
    pub set: fn(&mut T, Option<Value>) -> Result<(), String>,
    /// What holds: what is set, or else the default where that is a plain value.
    pub in_effect: fn(&T) -> Option<Value>,
}

/// What has settings.
pub trait Configurable: Sized + 'static {
    /// What one is called.
    const NOUN: &'static str;

    /// The manager types that look at the setting of this key, where not all do.
    #[must_use]
    fn only_for(_key: &str) -> Vec<&'static str> {
        Vec::new()
    }

    /// Every setting, in the order in which they are shown.
    fn settings() -> &'static [Setting<Self>];

    /// The setting of this key.
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
    /// The option of the command line, without dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.flag.map_or_else(|| self.key.replace('_', "-"), str::to_owned)
    }

    /// What it is called where a change is told.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        self.noun.unwrap_or(self.key)
    }

    /// The key in the table of a team file that has it.
    #[must_use]
    pub fn key_there(&self) -> &'static str {
        self.place.map_or(self.key, |(_, key)| key)
    }

    /// The table inside `[group]` or `[[agent]]` that has it.
    #[must_use]
    pub fn table(&self) -> Option<&'static str> {
        self.place.map(|(table, _)| table)
    }

    /// What is wrong with a value for it, if anything.
    ///
    /// # Errors
    /// A sentence that begins with the key.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.kind.check(value).map_err(|text| match (self.kind, value) {
            (Kind::Word, Value::Text(_)) => format!("{} {text}; leave it out for {}", self.key, self.default),
            (Kind::Conditions, Value::Conditions(_)) => text,
            _ => format!("{} {text}", self.key),
        })
    }

    /// The value with `change` made to it: a role table is merged, any other value is replaced.
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

    /// The words by which an error may name it.
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

/// The rest of a row: what most settings have.
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
        assert_eq!(told("every_turns"), crate::domain::group::DEFAULT_EVERY_TURNS.to_string());
        assert_eq!(told("termination_token"), crate::domain::group::DEFAULT_TERMINATION_TOKEN);
        assert_eq!(told("max_rounds"), crate::domain::group::DEFAULT_MAX_ROUNDS.to_string());
        assert_eq!(told("wait_seconds"), crate::domain::group::DEFAULT_WAIT_SECONDS.to_string());
        assert_eq!(told("mail_per_minute"), crate::domain::group::DEFAULT_MAIL_PER_MINUTE.to_string());
        assert_eq!(told("status"), crate::domain::GroupStatus::default().as_str());
        assert_eq!(Agent::setting("max_steps").unwrap().default, crate::domain::agent::DEFAULT_MAX_STEPS.to_string());
    }

    #[test]
    fn every_row_is_complete_and_has_a_name_of_its_own() {
        rows::<Group>();
        rows::<Agent>();
    }
}
