//! The group: agents that answer one conversation under a manager type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentId, BlockId, GroupId, Terminate};

/// How many agents a group may have as members.
pub const MAX_MEMBERS: usize = 50;
/// How many blocks a group may share.
pub const MAX_SHARED_BLOCKS: usize = 100;
/// Turns between background jobs where a sleep-time policy names no trigger at all.
pub const DEFAULT_EVERY_TURNS: u32 = 5;
/// The word that ends a dynamic turn where the group names none (Letta 0.6.49).
pub const DEFAULT_TERMINATION_TOKEN: &str = "DONE!";
/// How often a supervisor may delegate in one turn where the group says nothing else.
pub const DEFAULT_MAX_ROUNDS: u32 = 3;
/// How long workers and replies are waited for where the group says nothing else, in seconds.
pub const DEFAULT_WAIT_SECONDS: u32 = 300;
/// How much mail the agents of a group may send in a minute where the group says nothing else.
pub const DEFAULT_MAIL_PER_MINUTE: u32 = 1_000;

/// The settings that only some manager types look at, and which do.
const SETTINGS: [(&str, &[ManagerType]); 5] = [
    ("max_turns", &[ManagerType::RoundRobin, ManagerType::Dynamic]),
    ("termination_token", &[ManagerType::Dynamic]),
    ("allow_repeat", &[ManagerType::Dynamic]),
    ("max_rounds", &[ManagerType::Supervisor]),
    ("continue_order", &[ManagerType::RoundRobin]),
];

/// Agents that answer one conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name, unique in the store.
    pub name: String,
    /// What it is for; agents read it.
    #[serde(default)]
    pub description: String,
    /// Who speaks when. Fixed after creation.
    pub manager_type: ManagerType,
    /// Who speaks, in order; empty for `sleeptime`.
    #[serde(default)]
    pub members: Vec<AgentId>,
    /// The agent that orchestrates (`supervisor`, `dynamic`) or speaks (`sleeptime`); never also a member.
    #[serde(default)]
    pub manager_agent: Option<AgentId>,
    /// The most speeches of one turn (`round_robin`, `dynamic`); `None` means the number of members.
    #[serde(default)]
    pub max_turns: Option<u32>,
    /// What ends a turn when a member or the manager says it (`dynamic`); `None` means
    /// [`DEFAULT_TERMINATION_TOKEN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_token: Option<String>,
    /// Whether the one who has just spoken may be chosen again (`dynamic`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_repeat: bool,
    /// How often the manager may delegate in one turn (`supervisor`); `None` means [`DEFAULT_MAX_ROUNDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rounds: Option<u32>,
    /// Whether a turn begins with the member after the one who spoke last (`round_robin`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_order: bool,
    /// What else ends a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<Terminate>,
    /// What each agent is here for, in a word or two; agents and people read it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<AgentId, String>,
    /// How long workers and replies are waited for, in seconds; `None` means [`DEFAULT_WAIT_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// How much mail its agents may send in a minute; `None` means [`DEFAULT_MAIL_PER_MINUTE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_per_minute: Option<u32>,
    /// Blocks that reach every agent of the group.
    #[serde(default)]
    pub shared_blocks: Vec<BlockId>,
    /// The background policy.
    #[serde(default)]
    pub sleeptime: Option<Sleeptime>,
    /// Whether it takes turns.
    #[serde(default)]
    pub status: GroupStatus,
    /// What the setting of the tests is kept in.
    #[cfg(test)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u32>,
}

/// Who speaks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerType {
    /// Members in stored order.
    RoundRobin,
    /// A manager delegates to the members, gathers what they answer, and answers.
    Supervisor,
    /// A manager chooses who speaks next.
    Dynamic,
    /// One manager agent answers; others work in the background.
    Sleeptime,
}

impl ManagerType {
    /// Every manager type, in the order they are offered.
    pub const ALL: [Self; 4] = [Self::RoundRobin, Self::Supervisor, Self::Dynamic, Self::Sleeptime];

    /// What it is best for, in a sentence.
    #[must_use]
    pub fn best_for(self) -> &'static str {
        match self {
            Self::RoundRobin => "everyone is heard, in order: reviews, brainstorms, panels",
            Self::Supervisor => "one question, many hands: a manager splits the work, the members do it side by side",
            Self::Dynamic => "open talk among experts: a manager picks whoever should speak next",
            Self::Sleeptime => "one agent that answers at once, while others keep its memory in the background",
        }
    }

    /// The type of this name on the wire.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// True where a group of this type looks at the setting of this key.
    #[must_use]
    pub fn has_setting(self, key: &str) -> bool {
        match key {
            "manager_agent" => self.has_manager(),
            "members" => self != Self::Sleeptime,
            _ => SETTINGS.iter().find(|(only, _)| *only == key).is_none_or(|(_, kinds)| kinds.contains(&self)),
        }
    }

    /// The names of the manager types that look at the setting of this key.
    #[must_use]
    pub fn with_setting(key: &str) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|kind| kind.has_setting(key)).map(Self::as_str).collect()
    }

    /// True where a manager agent has to be named.
    #[must_use]
    pub fn has_manager(self) -> bool {
        !matches!(self, Self::RoundRobin)
    }

    /// The name on the wire and in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Supervisor => "supervisor",
            Self::Dynamic => "dynamic",
            Self::Sleeptime => "sleeptime",
        }
    }

    /// The name on screen.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::Supervisor => "supervisor",
            Self::Dynamic => "dynamic",
            Self::Sleeptime => "sleep-time",
        }
    }
}

/// Whether a group takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupStatus {
    /// It takes turns.
    #[default]
    Active,
    /// Nothing starts.
    Paused,
    /// Nothing starts, and lists leave it out.
    Archived,
}

impl GroupStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Archived];

    /// The status of this name on the wire.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// What it means, in a few words.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Active => "it takes turns",
            Self::Paused => "nothing starts, and mail waits",
            Self::Archived => "nothing starts, and it stands last among the groups",
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Archived => "archived",
        }
    }
}

/// Background agents and what makes them work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sleeptime {
    /// The background agents, at least one.
    pub agents: Vec<AgentId>,
    /// A job for each of them on turns N, 2N, 3N; `None` means [`DEFAULT_EVERY_TURNS`].
    #[serde(default)]
    pub every_turns: Option<u32>,
}

impl Sleeptime {
    /// Turns between jobs.
    #[must_use]
    pub fn every(&self) -> u64 {
        u64::from(self.every_turns.unwrap_or(DEFAULT_EVERY_TURNS)).max(1)
    }
}

impl Group {
    /// A group of nobody yet, with every setting as it is where nothing is said.
    #[must_use]
    pub fn new(id: GroupId, name: impl Into<String>, manager_type: ManagerType) -> Self {
        Self {
            id,
            name: name.into(),
            description: String::new(),
            manager_type,
            members: Vec::new(),
            manager_agent: None,
            max_turns: None,
            termination_token: None,
            allow_repeat: false,
            max_rounds: None,
            continue_order: false,
            terminate: None,
            roles: BTreeMap::new(),
            wait_seconds: None,
            mail_per_minute: None,
            shared_blocks: Vec::new(),
            sleeptime: None,
            status: GroupStatus::Active,
            #[cfg(test)]
            probe: None,
        }
    }

    /// The word that ends a turn, for a dynamic group.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        (self.manager_type == ManagerType::Dynamic)
            .then(|| self.termination_token.as_deref().unwrap_or(DEFAULT_TERMINATION_TOKEN))
    }

    /// Every agent of the group once: members, manager agent, background agents.
    #[must_use]
    pub fn agents(&self) -> Vec<&AgentId> {
        let background = self.sleeptime.iter().flat_map(|sleeptime| &sleeptime.agents);
        let mut all: Vec<&AgentId> = Vec::new();
        for id in self.members.iter().chain(&self.manager_agent).chain(background) {
            if !all.contains(&id) {
                all.push(id);
            }
        }
        all
    }

    /// True when this agent works in the background here.
    #[must_use]
    pub fn in_background(&self, agent: &AgentId) -> bool {
        self.sleeptime.as_ref().is_some_and(|sleeptime| sleeptime.agents.contains(agent))
    }
}
