//! Changes of groups and agents by a person, as they are kept to be taken back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::block::{Grantee, Level};
use super::{Agent, AgentId, Block, BlockId, Editor, Group, GroupId, Revision};

/// The most changes that can be taken back, newest first.
pub const MOST_KEPT: u64 = 20;

/// A change of groups and agents by a person, with what takes it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RosterEdit {
    /// Its number, from 1; filled in.
    pub number: u64,
    /// What was done, as a participle: `deleted group desk`.
    pub title: String,
    /// When; filled in.
    pub at: Timestamp,
    /// What takes it back, in order.
    pub back: Vec<RosterStep>,
    /// The groups as it left them.
    pub groups: Vec<Group>,
    /// The agents as it left them.
    pub agents: Vec<Agent>,
    /// The blocks as it left them: see [`RosterEdit::without_text`].
    pub blocks: Vec<Block>,
}

/// A step on the way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RosterStep {
    /// Puts a group as it was.
    PutGroup(Group),
    /// Deletes a group.
    DeleteGroup(GroupId),
    /// Puts an agent as it was.
    PutAgent(Agent),
    /// Deletes an agent.
    DeleteAgent(AgentId),
    /// Brings a deleted block back.
    RestoreBlock(Block),
    /// Deletes a block.
    DeleteBlock(BlockId),
    /// Sets everything of a block except its value, as it is in this row.
    ConfigureBlock(Block),
    /// Sets the value of a block.
    EditBlock(Revision),
    /// Sets a rule of access to a block as it was; no level removes it.
    SetAccess(BlockId, Grantee, Option<Level>),
}

impl RosterStep {
    /// The id of the row that it changes.
    fn subject(&self) -> &str {
        match self {
            Self::PutGroup(group) => group.id.as_str(),
            Self::DeleteGroup(id) => id.as_str(),
            Self::PutAgent(agent) => agent.id.as_str(),
            Self::DeleteAgent(id) => id.as_str(),
            Self::RestoreBlock(block) | Self::ConfigureBlock(block) => block.id.as_str(),
            Self::DeleteBlock(id) | Self::SetAccess(id, _, _) => id.as_str(),
            Self::EditBlock(revision) => revision.block.as_str(),
        }
    }
}

impl RosterEdit {
    /// A block without its text and who wrote it and when, which its version stands for: what is compared before a change
    /// is taken back.
    #[must_use]
    pub fn without_text(block: Block) -> Block {
        let nobody = Editor::File;
        Block { value: String::new(), from_file: None, editor: nobody, edited_at: Timestamp::UNIX_EPOCH, ..block }
    }

    /// What taking it back does, one line for each row that it changes.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let known = |id: &str| {
            self.groups.iter().any(|group| group.id.as_str() == id)
                || self.agents.iter().any(|agent| agent.id.as_str() == id)
        };
        let mut lines: Vec<String> = Vec::new();
        let last =
            |at: usize, step: &RosterStep| !self.back[at + 1..].iter().any(|later| later.subject() == step.subject());
        for (_, step) in self.back.iter().enumerate().filter(|(at, step)| last(*at, step)) {
            let verb = if known(step.subject()) { "is as it was before" } else { "comes back" };
            lines.extend(match step {
                RosterStep::PutGroup(group) => Some(format!("group {} {verb}", group.name)),
                RosterStep::PutAgent(agent) => Some(format!("agent {} {verb}", agent.name)),
                RosterStep::RestoreBlock(block) => Some(format!("block {} comes back", block.label)),
                RosterStep::DeleteGroup(id) => {
                    let name = self.groups.iter().find(|group| group.id == *id).map(|group| &group.name);
                    name.map(|name| format!("group {name} is deleted"))
                }
                RosterStep::DeleteAgent(id) => {
                    let name = self.agents.iter().find(|agent| agent.id == *id).map(|agent| &agent.name);
                    name.map(|name| format!("agent {name} is deleted"))
                }
                RosterStep::DeleteBlock(_) => Some("a block that it made is deleted".to_owned()),
                RosterStep::EditBlock(_) => Some("a block has its text of before again".to_owned()),
                RosterStep::SetAccess(id, _, _) => {
                    let label = self.blocks.iter().find(|block| block.id == *id).map(|block| &block.label);
                    label.map(|label| format!("block {label} has its rules of access of before again"))
                }
                RosterStep::ConfigureBlock(block) => Some(format!("block {} belongs where it did", block.label)),
            });
        }
        lines
    }
}
