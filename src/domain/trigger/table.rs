//! The written form of a trigger: a table as in a team file, `{ idle = "5m", agent = "critic", task = "…" }`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::source_files::Source;
use super::{TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::{AgentId, Priority};

/// A key of the table.
#[derive(Clone, Copy)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// The values it accepts.
    pub kind: Kind,
    /// A sentence for the JSON schema.
    pub doc: &'static str,
}

/// Whether the job of a trigger has something to do without new messages (J9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Always.
    Always,
    /// If the trigger has a task.
    WithTask,
    /// Never.
    Never,
}

/// The keys that every trigger may have.
const COMMON: [Field; 3] = [
    Field { key: "agent", kind: Kind::Agent, doc: "The background agent that gets the job; without it, all do." },
    Field { key: "task", kind: Kind::Sentence, doc: "What the agent is to do, besides keeping memory." },
    Field {
        key: "priority",
        kind: Kind::Choice(priorities),
        doc: "Which of the jobs that wait starts first: those of high priority, then normal, then low; one start \
              in eight is for the job that has waited longest.",
    },
];

fn priorities() -> Vec<(&'static str, &'static str)> {
    vec![
        (Priority::Normal.as_str(), "in order of creation"),
        (Priority::High.as_str(), "before other jobs"),
        (Priority::Low.as_str(), "after other jobs"),
    ]
}

/// The most characters of a task.
const LONGEST_TASK: usize = 2_000;

/// The values of a table, checked one by one.
pub struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// The count with this key; 1 without it.
    #[must_use]
    pub fn count(&self, key: &str) -> u32 {
        if let Some(Value::Count(count)) = self.0.get(key) { *count } else { 1 }
    }

    /// The text with this key; empty without it.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        if let Some(Value::Text(text)) = self.0.get(key) { text } else { "" }
    }
}

impl TriggerSpec {
    /// All keys of the table of a trigger; of that of a source, see [`Self::source_fields`].
    #[must_use]
    pub fn fields() -> Vec<Field> {
        Self::keys().flat_map(When::fields_of).copied().chain(COMMON).collect()
    }

    /// All keys of the table of a source.
    #[must_use]
    pub fn source_fields() -> Vec<Field> {
        When::fields_of(Source::KEY).iter().copied().chain(COMMON).collect()
    }

    /// The keys of which the table of a trigger has one.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        When::KEYS.iter().copied().filter(|key| *key != Source::KEY)
    }

    /// Reads the table of a trigger. The agent is as it is written: a name or an id.
    ///
    /// # Errors
    /// A sentence: which key is wrong, and what is allowed.
    pub fn from_table(table: &Map<String, Json>) -> Result<Self, String> {
        let keys: Vec<&str> = Self::keys().filter(|key| table.contains_key(*key)).collect();
        match keys[..] {
            [key] => Self::read(key, &format!("a trigger with {key}"), table),
            [] => Err(format!("a trigger needs one of {}", Self::keys().collect::<Vec<_>>().join(", "))),
            [one, other, ..] => Err(format!("{one} and {other} are in one trigger; write two")),
        }
    }

    /// Reads the table of a source, whose path is absolute.
    ///
    /// # Errors
    /// As [`Self::from_table`].
    pub fn from_source_table(table: &Map<String, Json>) -> Result<Self, String> {
        Self::read(Source::KEY, "a source", table)
    }

    /// Reads the table of this kind, which is called `noun`.
    fn read(key: &str, noun: &str, table: &Map<String, Json>) -> Result<Self, String> {
        let fields: Vec<Field> = When::fields_of(key).iter().copied().chain(COMMON).collect();
        let mut values = BTreeMap::new();
        for (name, json) in table {
            let Some(field) = fields.iter().find(|field| field.key == name) else {
                let allowed: Vec<&str> = fields.iter().map(|field| field.key).collect();
                return Err(format!("{name} is no key of {noun}; allowed are {}", allowed.join(", ")));
            };
            values.insert(field.key, field.value(json)?);
        }
        let values = Values(values);
        let word = |key: &str| Some(values.text(key).trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let task = word("task");
        if task.as_ref().is_some_and(|task| task.chars().count() > LONGEST_TASK) {
            return Err(format!(
                "task has at most {LONGEST_TASK} characters; put the rest into the agent's system prompt"
            ));
        }
        let priority = word("priority").and_then(|name| name.parse().ok()).unwrap_or_default();
        Ok(Self { when: When::read(key, &values)?, agent: word("agent").map(AgentId), task, priority })
    }

    /// The table.
    #[must_use]
    pub fn to_table(&self) -> Map<String, Json> {
        let mut table: Map<String, Json> =
            self.when.write().into_iter().map(|(key, value)| (key.to_owned(), value.to_json())).collect();
        table.extend(self.agent.iter().map(|agent| ("agent".to_owned(), agent.as_str().into())));
        table.extend(self.task.iter().map(|task| ("task".to_owned(), task.as_str().into())));
        let priority = Some(self.priority).filter(|priority| *priority != Priority::Normal);
        table.extend(priority.map(|priority| ("priority".to_owned(), priority.as_str().into())));
        table
    }
}

/// The table as TOML on one line.
impl fmt::Display for TriggerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |(key, value): (String, Json)| match toml::Value::try_from(value) {
            Ok(written) => format!("{key} = {written}"),
            Err(error) => format!("{key}: {error}"),
        };
        write!(f, "{{ {} }}", self.to_table().into_iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

impl Field {
    fn value(&self, json: &Json) -> Result<Value, String> {
        let value = match json {
            Json::Number(number) => number.as_u64().and_then(|count| u32::try_from(count).ok()).map(Value::Count),
            Json::String(text) => Some(Value::Text(text.clone())),
            _ => None,
        };
        let value = value.ok_or_else(|| format!("{} is {}", self.key, self.kind.wanted()))?;
        self.kind.check(&value).map_err(|text| format!("{} {text}", self.key))?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TriggerSpec, String> {
        let table: toml::Table = text.parse().unwrap();
        let Json::Object(map) = serde_json::to_value(table).unwrap() else { panic!() };
        TriggerSpec::from_table(&map)
    }

    #[test]
    fn a_trigger_is_written_as_it_is_read() {
        for text in [
            r#"{ every_turns = 3, agent = "critic", task = "Look at the dates." }"#,
            r#"{ idle = "1h 30m" }"#,
            r#"{ event = "deploy" }"#,
            r#"{ block_changed = "story", from = "any", agent = "critic" }"#,
            r#"{ cron = "0 7 * * 1-5", zone = "Europe/Zurich", missed = "all", missed_within = "2h", agent = "critic" }"#,
            r#"{ cron = "*/5 * * * *", between = "06:00-22:00", task = "Look.", priority = "high" }"#,
            r#"{ on = "run_failed" }"#,
        ] {
            assert_eq!(read(&text[1..text.len() - 1].replace(", ", "\n")).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_table_that_is_no_trigger_is_refused_with_what_is_allowed() {
        for (text, said) in [
            ("task = \"x\"", "a trigger needs one of every_turns, idle, block_changed, event"),
            ("idle = \"5m\"\nevery_turns = 2", "every_turns and idle are in one trigger; write two"),
            ("idle = \"5m\"\nfrom = \"any\"", "from is no key of a trigger with idle; allowed are idle, agent, task"),
            ("idle = \"soon\"", "idle is a time such as 5m or 1h 30m"),
            ("idle = 5", "idle is a time such as 5m or 1h 30m"),
            ("every_turns = 0", "every_turns is 1 or more"),
            ("block_changed = \" \"", "block_changed needs a word"),
            ("block_changed = \"story\"\nfrom = \"me\"", "from is one of people, any"),
            ("cron = \"soon\"", "cron \"soon\" is no schedule"),
            ("cron = \"0 7 * * *\"\nbetween = \"6-7\"", "between is the hours of a day such as 06:00-22:00"),
            ("idle = \"5m\"\nmissed = \"all\"", "missed is no key of a trigger with idle"),
            ("idle = \"5m\"\npriority = \"urgent\"", "priority is one of normal, high, low"),
            ("on = \"handoff\"", "on is one of run_failed, job_completed, approval, mail"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(said), "{refused}");
        }
    }
}
