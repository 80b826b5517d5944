//! The rows that the panes show, and what a check of the store finds.

use serde::{Deserialize, Serialize};

use crate::domain::budget::Spending;
use crate::domain::state::RowFault;
use crate::domain::status::Work;
use crate::domain::{Agent, AgentId, Block, BlockId, Conversation, Group, Job, Mail, PendingCall, Run, Trigger};

/// The state rows the panes show, each kind in order of creation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The number of the last change it includes: follow from here.
    pub upto: u64,
    /// All groups.
    pub groups: Vec<Group>,
    /// All agents.
    pub agents: Vec<Agent>,
    /// All blocks with their values.
    pub blocks: Vec<Block>,
    /// Conversations of groups, and direct conversations of agents.
    pub conversations: Vec<Conversation>,
    /// Unfinished turns with all runs below them, and the runs of unfinished jobs.
    pub runs: Vec<Run>,
    /// The last turn of each conversation, where it has finished.
    #[serde(default)]
    pub last_turns: Vec<Run>,
    /// The newest jobs, newest first, then older unfinished ones.
    pub jobs: Vec<Job>,
    /// Calls that wait for an answer.
    pub calls: Vec<PendingCall>,
    /// The newest mail, newest first, then older mail that a call waits for.
    pub mails: Vec<Mail>,
    /// All triggers.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// The tokens of today.
    #[serde(default)]
    pub spending: Spending,
    /// The blocks, with their versions, that each agent saw in its last prompt.
    #[serde(default)]
    pub seen: Vec<(AgentId, Vec<(BlockId, u64)>)>,
    /// Unreadable rows.
    #[serde(default)]
    pub faults: Vec<RowFault>,
    /// The model of agents that have none.
    pub default_model: String,
}

impl Overview {
    /// Status queries over these rows.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work { runs: &self.runs, calls: &self.calls, mails: &self.mails }
    }
}

/// Result of a store check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCheck {
    /// Defects of the file, one sentence each.
    pub faults: Vec<String>,
    /// Result of replaying the log, if requested.
    pub log: Option<LogCheck>,
}

/// Result of replaying the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCheck {
    /// Changes replayed.
    pub changes: u64,
    /// Rows compared.
    pub rows: usize,
    /// Differences from the tables, one sentence each.
    pub differences: Vec<String>,
}
