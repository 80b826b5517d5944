//! What takes room in a store.

use serde::{Deserialize, Serialize};

use crate::domain::{AgentId, BlockId, GroupId};

/// What takes room in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// The size of the file, in bytes.
    pub file: u64,
    /// How much of it holds nothing, in bytes.
    pub free: u64,
    /// Tables with their indexes, in bytes of whole pages, largest first.
    pub tables: Vec<(String, u64)>,
    /// What is written in conversations and blocks.
    pub parts: Vec<SpaceOf>,
}

/// What is written in one conversation or block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceOf {
    /// Whose it is.
    pub of: SpaceOwner,
    /// Messages, or versions of the block.
    pub count: u64,
    /// The size of their texts, in bytes.
    pub bytes: u64,
}

/// Whose room it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceOwner {
    /// The conversation of a group.
    Group(GroupId),
    /// The direct conversation of an agent.
    Agent(AgentId),
    /// A block with all its versions.
    Block(BlockId),
    /// Conversations of jobs, and what belonged to groups, agents and blocks that were deleted.
    JobsAndDeleted,
}
