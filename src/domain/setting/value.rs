//! The value of a setting, and the functions that write it into a field.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{AgentId, TerminationCondition, TriggerSpec};

/// The text that clears a setting.
pub const NONE: &str = "none";

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A count, 1 or more.
    Count(u32),
    /// A number.
    Number(f64),
    /// A text, or one name.
    Text(String),
    /// Yes or no.
    Switch(bool),
    /// Names, in order.
    Names(Vec<String>),
    /// A termination condition.
    Conditions(TerminationCondition),
    /// Triggers.
    Triggers(Vec<TriggerSpec>),
    /// A text for each name. As a change, an empty text removes the name.
    Texts(BTreeMap<String, String>),
}

impl Value {
    /// True for the value of a field that is not set.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Switch(on) => !on,
            Self::Names(names) => names.is_empty(),
            Self::Triggers(all) => all.is_empty(),
            Self::Texts(texts) => texts.is_empty(),
            Self::Count(_) | Self::Number(_) | Self::Conditions(_) => false,
        }
    }

    /// Replaces every name in it by the result of `f`.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_names<E>(self, f: &mut impl FnMut(String) -> Result<String, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Text(name) => Self::Text(f(name)?),
            Self::Names(names) => Self::Names(names.into_iter().map(f).collect::<Result<_, E>>()?),
            Self::Texts(texts) => {
                let texts = texts.into_iter().map(|(name, text)| Ok((f(name)?, text)));
                Self::Texts(texts.collect::<Result<_, E>>()?)
            }
            Self::Conditions(all) => {
                Self::Conditions(all.try_with_speakers(&mut |AgentId(name)| f(name).map(AgentId))?)
            }
            Self::Triggers(all) => {
                let mut named = Vec::new();
                for one in all {
                    let agent = one.agent.map(|AgentId(name)| f(name).map(AgentId)).transpose()?;
                    named.push(TriggerSpec { agent, ..one });
                }
                Self::Triggers(named)
            }
            other => other,
        })
    }

    /// [`Self::try_map_names`] with a function that cannot fail.
    #[must_use]
    pub fn map_names(self, f: &mut impl FnMut(String) -> String) -> Self {
        let mapped = self.try_map_names(&mut |name| Ok::<_, std::convert::Infallible>(f(name)));
        match mapped {
            Ok(value) => value,
        }
    }

    /// The names in it: agents, blocks, tools or labels.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Text(name) => vec![name],
            Self::Names(names) => names.iter().map(String::as_str).collect(),
            Self::Texts(texts) => texts.keys().map(String::as_str).collect(),
            Self::Conditions(all) => all.speakers().map(AgentId::as_str).collect(),
            Self::Triggers(all) => all.iter().filter_map(|one| one.agent.as_ref()).map(AgentId::as_str).collect(),
            Self::Count(_) | Self::Number(_) | Self::Switch(_) => Vec::new(),
        }
    }

    /// The value as plain JSON: a number, a string, a list or an object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Count(count) => (*count).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Switch(on) => (*on).into(),
            Self::Names(names) => names.as_slice().into(),
            Self::Conditions(all) => serde_json::to_value(all).unwrap_or_default(),
            Self::Triggers(all) => all.iter().map(TriggerSpec::to_table).collect(),
            Self::Texts(texts) => serde_json::to_value(texts).unwrap_or_default(),
        }
    }
}

/// The form that [`Kind::parse`](super::Kind::parse) reads: conditions as in a team file, names with commas.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::Names(names) if names.is_empty() => f.write_str(NONE),
            Self::Names(names) => f.write_str(&names.join(", ")),
            Self::Conditions(all) => match toml::Value::try_from(all) {
                Ok(written) => written.fmt(f),
                Err(error) => error.fmt(f),
            },
            Self::Triggers(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", all.join(", "))
            }
            Self::Texts(texts) if texts.is_empty() => f.write_str(NONE),
            Self::Texts(texts) => {
                let all: Vec<String> = texts.iter().map(|(name, text)| format!("{name} = {text:?}")).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}

macro_rules! from {
    ($($of:ty, $value:ident => $made:expr;)*) => {$(
        impl From<$of> for Value {
            fn from($value: $of) -> Self {
                $made
            }
        }
    )*};
}

from! {
    u32, count => Self::Count(count);
    f64, number => Self::Number(number);
    bool, on => Self::Switch(on);
    &str, text => Self::Text(text.to_owned());
    String, text => Self::Text(text);
    Vec<String>, names => Self::Names(names);
    &[&str], names => Self::Names(names.iter().map(|name| (*name).to_owned()).collect());
    TerminationCondition, all => Self::Conditions(all);
    BTreeMap<String, String>, texts => Self::Texts(texts);
}

/// The result of a setter; the error is a sentence.
pub(super) type Put = Result<(), String>;

/// The error for a value of a kind that [`Kind::check`](super::Kind::check) does not accept.
fn other<T>(value: &Value) -> Result<T, String> {
    Err(format!("{value} is a value of another kind"))
}

pub(super) fn count(to: &mut Option<u32>, value: Option<Value>) -> Put {
    *to = match value {
        None => None,
        Some(Value::Count(count)) => Some(count),
        Some(value) => return other(&value),
    };
    Ok(())
}

pub(super) fn number(to: &mut Option<f64>, value: Option<Value>) -> Put {
    *to = match value {
        None => None,
        Some(Value::Number(number)) => Some(number),
        Some(Value::Count(count)) => Some(count.into()),
        Some(value) => return other(&value),
    };
    Ok(())
}

pub(super) fn text(to: &mut Option<String>, value: Option<Value>) -> Put {
    *to = match value {
        None => None,
        Some(Value::Text(text)) => Some(text),
        Some(value) => return other(&value),
    };
    Ok(())
}

pub(super) fn line(to: &mut String, value: Option<Value>) -> Put {
    let mut set = None;
    text(&mut set, value)?;
    *to = set.unwrap_or_default();
    Ok(())
}

pub(super) fn switch(to: &mut bool, value: Option<Value>) -> Put {
    *to = match value {
        None => false,
        Some(Value::Switch(on)) => on,
        Some(value) => return other(&value),
    };
    Ok(())
}

/// The names of a list; empty if it is cleared.
pub(super) fn names(value: Option<Value>) -> Result<Vec<String>, String> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Names(names)) => Ok(names),
        Some(value) => other(&value),
    }
}

/// The names of a list without duplicates.
pub(super) fn once(value: Option<Value>) -> Result<Vec<String>, String> {
    let all = names(value)?;
    let mut once: Vec<String> = Vec::with_capacity(all.len());
    for name in all {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    Ok(once)
}

/// The value with these ids as names.
#[must_use]
pub fn listed<'a>(ids: impl IntoIterator<Item = &'a (impl ToString + 'a)>) -> Value {
    Value::Names(ids.into_iter().map(ToString::to_string).collect())
}
