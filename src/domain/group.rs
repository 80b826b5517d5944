//! Groups: agents that answer in one conversation, in the order given by a manager type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentId, BlockId, GroupId, ManagerType, TerminationCondition, TriggerSpec};

/// The maximum number of members.
pub const MAX_MEMBERS: usize = 50;
/// The maximum number of shared blocks.
pub const MAX_SHARED_BLOCKS: usize = 100;
/// The default number of turns between background jobs.
pub const DEFAULT_EVERY_TURNS: u32 = 5;
/// The default word that ends a dynamic turn (Letta 0.6.49).
pub const DEFAULT_TERMINATION_TOKEN: &str = "DONE!";
/// The default maximum number of delegations of a supervisor per turn.
pub const DEFAULT_MAX_ROUNDS: u32 = 3;
/// The default time to wait for workers and replies, in seconds.
pub const DEFAULT_WAIT_SECONDS: u32 = 300;
/// The default maximum of mail the agents of a group may send per minute.
pub const DEFAULT_MAIL_PER_MINUTE: u32 = 1_000;

/// The default maximum of model calls that one message leads to.
pub const DEFAULT_MAX_CALLS: u32 = 1_000;
/// The default maximum of model calls that one background job leads to.
pub const DEFAULT_MAX_JOB_CALLS: u32 = 200;

/// Agents that answer in one conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// The name, unique in the store.
    pub name: String,
    /// What the group is for; part of the agents' prompts.
    #[serde(default)]
    pub description: String,
    /// The pattern of a turn. Fixed at creation.
    pub manager_type: ManagerType,
    /// The speaking agents, in order; empty for `sleeptime`.
    #[serde(default)]
    pub members: Vec<AgentId>,
    /// The agent that orchestrates (`supervisor`, `dynamic`) or speaks (`sleeptime`); not a member.
    #[serde(default)]
    pub manager_agent: Option<AgentId>,
    /// The maximum number of speeches per turn (`round_robin`, `dynamic`); `None` means the number of members.
    #[serde(default)]
    pub max_turns: Option<u32>,
    /// The word that ends a turn when a member or the manager says it (`dynamic`); `None` means
    /// [`DEFAULT_TERMINATION_TOKEN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_token: Option<String>,
    /// Whether the last speaker may be chosen again (`dynamic`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_repeat: bool,
    /// The maximum number of delegations per turn (`supervisor`); `None` means [`DEFAULT_MAX_ROUNDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rounds: Option<u32>,
    /// Whether a turn starts with the member after the last speaker (`round_robin`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_order: bool,
    /// Further conditions that end a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<TerminationCondition>,
    /// The role of each agent, in a word or two; part of the agents' prompts and shown to people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<AgentId, String>,
    /// How long to wait for workers and replies, in seconds; `None` means [`DEFAULT_WAIT_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// The maximum of mail its agents may send per minute; `None` means [`DEFAULT_MAIL_PER_MINUTE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_per_minute: Option<u32>,
    /// The maximum of model calls that one message leads to; `None` means [`DEFAULT_MAX_CALLS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<u32>,
    /// The maximum of model calls that one background job leads to; `None` means [`DEFAULT_MAX_JOB_CALLS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_job_calls: Option<u32>,
    /// The maximum of tokens that one message or job leads to; `None` means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens_per_run: Option<u32>,
    /// The maximum of tokens of a day; `None` means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens_per_day: Option<u32>,
    /// Blocks that every agent of the group has.
    #[serde(default)]
    pub shared_blocks: Vec<BlockId>,
    /// The background agents and their schedule; `None` means no background work.
    #[serde(default)]
    pub sleeptime: Option<Sleeptime>,
    /// Whether the group takes turns.
    #[serde(default)]
    pub status: GroupStatus,
    /// The value of the setting that exists only in tests.
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
    /// The group takes turns.
    #[default]
    Active,
    /// Nothing starts.
    Paused,
    /// Nothing starts, and lists show it last.
    Archived,
}

impl GroupStatus {
    /// What the status means, in a few words.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Active => "it takes turns",
            Self::Paused => "nothing starts, and mail waits",
            Self::Archived => "nothing starts, and it is listed last",
        }
    }
}

/// Background agents and the triggers of their jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sleeptime {
    /// The background agents, at least one.
    pub agents: Vec<AgentId>,
    /// Every agent gets a job after turns N, 2N, 3N; `None` means [`DEFAULT_EVERY_TURNS`], or off beside other triggers.
    #[serde(default)]
    pub every_turns: Option<u32>,
    /// Every agent gets a job when nothing was said for so many seconds after a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<u32>,
    /// Further triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<TriggerSpec>,
}

impl Sleeptime {
    /// A policy with the default trigger.
    #[must_use]
    pub fn new(agents: Vec<AgentId>) -> Self {
        Self { agents, every_turns: None, idle: None, triggers: Vec::new() }
    }

    /// The number of turns between jobs, at least 1; `None` if turns create no jobs.
    #[must_use]
    pub fn every(&self) -> Option<u32> {
        let alone = self.idle.is_none() && self.triggers.is_empty();
        self.every_turns.or(alone.then_some(DEFAULT_EVERY_TURNS)).map(|turns| turns.max(1))
    }
}

impl Group {
    /// A group without agents and with default settings.
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
            max_calls: None,
            max_job_calls: None,
            max_tokens_per_run: None,
            max_tokens_per_day: None,
            shared_blocks: Vec::new(),
            sleeptime: None,
            status: GroupStatus::Active,
            #[cfg(test)]
            probe: None,
        }
    }

    /// The termination token in effect; `None` if the manager type has none.
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

    /// True when this agent is a background agent of the group.
    #[must_use]
    pub fn in_background(&self, agent: &AgentId) -> bool {
        self.sleeptime.as_ref().is_some_and(|sleeptime| sleeptime.agents.contains(agent))
    }
}
