//! What a person fills in to make or change a group or an agent, at whatever face.
//!
//! A field that is `None`, and a setting that is not among the changes, is left as it is; in a new one it has its
//! default. Agents are named as people name them: `name` within the group, or `group/name`; blocks by label.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{ManagerType, Value};

/// Changes of settings, by key: `Some` sets, `None` clears. A count of nought clears, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changes(pub BTreeMap<String, Option<Value>>);

impl Changes {
    /// Adds a change.
    pub fn insert(&mut self, key: &str, value: Option<Value>) {
        self.0.insert(key.to_owned(), value);
    }

    /// What is to become of the setting of this key; `None` where it is left as it is.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Option<&Value>> {
        self.0.get(key).map(Option::as_ref)
    }
}

/// A group to be made or changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupForm {
    /// Its name; needed for a new one.
    pub name: Option<String>,
    /// Who speaks when; needed for a new one, and fixed from then on.
    pub manager_type: Option<ManagerType>,
    /// Members that come, at the end.
    pub add: Vec<String>,
    /// Members that go.
    pub remove: Vec<String>,
    /// Its settings. Roles are merged into those there are; an empty text takes a role away.
    pub settings: Changes,
}

/// An agent to be made or changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentForm {
    /// Its short name; needed for a new one.
    pub name: Option<String>,
    /// The value of its block `persona`, which is made where it has none.
    pub persona: Option<String>,
    /// Its settings.
    pub settings: Changes,
}

macro_rules! with_settings {
    ($($form:ty),*) => {$(
        impl $form {
            /// The form with this setting set.
            #[must_use]
            pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
                self.settings.insert(key, Some(value.into()));
                self
            }

            /// The form with this setting cleared.
            #[must_use]
            pub fn clear(mut self, key: &str) -> Self {
                self.settings.insert(key, None);
                self
            }
        }
    )*};
}

with_settings!(GroupForm, AgentForm);
