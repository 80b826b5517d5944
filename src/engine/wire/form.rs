//! What a person fills in to make or change a group or an agent, at whatever face.
//!
//! A field that is `None` is left as it is; in a new one it is as it is where nothing is said. A number of zero is
//! taken away like [`Setting::Clear`]. Agents are named as people name them: `name` within the group, or `group/name`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{GroupStatus, ManagerType, TerminationCondition};

/// A setting that may be taken away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting<T> {
    /// As it is.
    #[default]
    Keep,
    /// As where nothing is said.
    Clear,
    /// This.
    Set(T),
}

impl<T> Setting<T> {
    /// The setting after this, from what it was before.
    #[must_use]
    pub fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// A group to be made or changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupForm {
    /// Its name; needed for a new one.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who speaks when; needed for a new one, and fixed from then on.
    pub manager_type: Option<ManagerType>,
    /// The members, in order: replaces them all.
    pub members: Option<Vec<String>>,
    /// Members that come, at the end.
    pub add: Vec<String>,
    /// Members that go.
    pub remove: Vec<String>,
    /// The manager agent.
    pub manager_agent: Option<String>,
    /// The background agents: replaces them all; empty takes the policy away.
    pub background: Option<Vec<String>>,
    /// Turns between jobs of the background agents.
    pub every_turns: Setting<u32>,
    /// The most speeches of one turn.
    pub max_turns: Setting<u32>,
    /// The word that ends a turn (`dynamic`).
    pub termination_token: Setting<String>,
    /// Whether the last speaker may be chosen again (`dynamic`).
    pub allow_repeat: Option<bool>,
    /// How often the manager may delegate (`supervisor`).
    pub max_rounds: Setting<u32>,
    /// Whether a turn begins after the last speaker (`round_robin`).
    pub continue_order: Option<bool>,
    /// How long workers and replies are waited for, in seconds.
    pub wait_seconds: Setting<u32>,
    /// How much mail its agents may send in a minute.
    pub mail_per_minute: Setting<u32>,
    /// What else ends a turn; agents in it by name, or by id.
    pub terminate: Setting<TerminationCondition>,
    /// What each agent is here for; an empty text takes the role away.
    pub roles: BTreeMap<String, String>,
    /// Whether it takes turns.
    pub status: Option<GroupStatus>,
}

/// An agent to be made or changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentForm {
    /// Its short name; needed for a new one.
    pub name: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The model it runs on.
    pub model: Setting<String>,
    /// The value of its block `persona`, which is made where it has none.
    pub persona: Option<String>,
    /// Its own system prompt.
    pub system: Setting<String>,
    /// Tools as asked for.
    pub tools: Option<Vec<String>>,
    /// Free labels.
    pub tags: Option<Vec<String>>,
    /// Tools a person decides on before they are called.
    pub approvals: Option<Vec<String>>,
    /// Agents of other groups it may write to, `group/name`.
    pub contacts: Option<Vec<String>>,
    /// The most steps of one speech.
    pub max_steps: Setting<u32>,
}
