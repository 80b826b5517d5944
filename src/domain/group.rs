//! The group: agents that answer one conversation under a manager type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentId, BlockId, GroupId, ManagerType, TerminationCondition};

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
    pub terminate: Option<TerminationCondition>,
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

/// Whether a group takes turns.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// What it means, in a few words.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Active => "it takes turns",
            Self::Paused => "nothing starts, and mail waits",
            Self::Archived => "nothing starts, and it stands last among the groups",
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

    /// The word that ends a turn, where the pattern looks at one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.manager_type
            .has_setting("termination_token")
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
