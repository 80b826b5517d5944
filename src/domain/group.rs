//! The group: agents that answer one conversation under a manager type.

use serde::{Deserialize, Serialize};

use super::{AgentId, BlockId, GroupId};

/// How many agents a group may have as members.
pub const MAX_MEMBERS: usize = 50;
/// How many blocks a group may share.
pub const MAX_SHARED_BLOCKS: usize = 100;
/// Turns between background jobs where a sleep-time policy names no trigger at all.
pub const DEFAULT_EVERY_TURNS: u32 = 5;

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
    /// The agent that speaks (`sleeptime`).
    #[serde(default)]
    pub manager_agent: Option<AgentId>,
    /// The most speeches of one turn; `None` means the number of members.
    #[serde(default)]
    pub max_turns: Option<u32>,
    /// Blocks that reach every agent of the group.
    #[serde(default)]
    pub shared_blocks: Vec<BlockId>,
    /// The background policy.
    #[serde(default)]
    pub sleeptime: Option<Sleeptime>,
    /// Whether it takes turns.
    #[serde(default)]
    pub status: GroupStatus,
}

/// Who speaks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerType {
    /// Members in stored order.
    RoundRobin,
    /// One manager agent answers; others work in the background.
    Sleeptime,
}

impl ManagerType {
    /// The name on the wire and in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Sleeptime => "sleeptime",
        }
    }

    /// The name on screen.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
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
