//! The fields a person fills in to create or change a group or an agent, in any face.
//!
//! A field that is `None`, and a setting without a change, keeps its value, or has its default in a new row. Agents
//! are named `name` within the group or `group/name`, blocks by label.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BlockForm;
use crate::domain::{Agent, Group, ManagerType, Value};

/// Changes of settings by key: `Some` sets, `None` clears. A count of 0 also clears.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changes(pub BTreeMap<String, Option<Value>>);

impl Changes {
    /// Adds a change.
    pub fn insert(&mut self, key: &str, value: Option<Value>) {
        self.0.insert(key.to_owned(), value);
    }

    /// The change of this setting; the outer `None` keeps its value, the inner one clears it.
    #[must_use]
    #[expect(clippy::option_option, reason = "keep, clear and set are three cases, and the map holds the inner two")]
    pub fn get(&self, key: &str) -> Option<Option<&Value>> {
        self.0.get(key).map(Option::as_ref)
    }
}

/// A group to create or change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupForm {
    /// Its name; required for a new group.
    pub name: Option<String>,
    /// Its pattern; required for a new group, and fixed from then on.
    pub manager_type: Option<ManagerType>,
    /// Members to append.
    pub add: Vec<String>,
    /// Members to remove.
    pub remove: Vec<String>,
    /// A block to create, which the group shares from the beginning; only for a new group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_block: Option<Box<BlockForm>>,
    /// Its settings. Roles are merged into the existing ones; an empty text removes a role.
    pub settings: Changes,
    /// The group as the person saw it; `None` changes it however it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Box<Group>>,
}

/// An agent to create or change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentForm {
    /// Its short name; required for a new agent.
    pub name: Option<String>,
    /// The value of its block `persona`, which is created if the agent has none.
    pub persona: Option<String>,
    /// Its settings.
    pub settings: Changes,
    /// The agent as the person saw it; `None` changes it however it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Box<Agent>>,
}

macro_rules! with_settings {
    ($($form:ty),*) => {$(
        impl $form {
            /// Sets a setting.
            #[must_use]
            pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
                self.settings.insert(key, Some(value.into()));
                self
            }

            /// Clears a setting.
            #[must_use]
            pub fn clear(mut self, key: &str) -> Self {
                self.settings.insert(key, None);
                self
            }
        }
    )*};
}

with_settings!(GroupForm, AgentForm);
