//! The rows that exist before a team file is applied, including the agents of other groups that it may name.

use super::Name;
use super::keys::nearest;
use crate::domain::block::folded;
use crate::domain::state::Rows;
use crate::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Group};

/// The existing rows of a group before its file is applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Existing {
    /// Group with the name in the file; `None` if it does not exist.
    pub group: Option<Group>,
    /// All agents that belong to the group, in its lists or not.
    pub agents: Vec<Agent>,
    /// All blocks owned by the group or by these agents.
    pub blocks: Vec<Block>,
    /// Agents that belong to other groups.
    pub neighbours: Vec<ForeignAgent>,
}

/// An agent of another group, which a file may name by its full name.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignAgent {
    /// Id of the agent.
    pub id: AgentId,
    /// Name of the group it belongs to.
    pub group: String,
    /// Short name, unique in that group.
    pub name: String,
    /// Labels of its own blocks.
    pub labels: Vec<String>,
}

impl ForeignAgent {
    /// Returns `group/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }
}

impl Existing {
    /// Selects the rows that a file for the group `name` is compared to.
    #[must_use]
    pub fn of(name: &str, groups: &[Group], agents: Vec<Agent>, mut blocks: Vec<Block>) -> Self {
        let group = groups.iter().find(|group| group.name == name).cloned();
        let home = group.as_ref().map(|group| &group.id);
        let (agents, others): (Vec<Agent>, Vec<Agent>) =
            agents.into_iter().partition(|agent| home == Some(&agent.group));
        let label = |id: &BlockId| blocks.iter().find(|block| block.id == *id).map(|block| block.label.clone());
        let neighbour = |agent: Agent| {
            let group = groups.iter().find(|group| group.id == agent.group)?.name.clone();
            let labels = agent.blocks.iter().filter_map(label).collect();
            Some(ForeignAgent { id: agent.id, group, name: agent.name, labels })
        };
        let neighbours = others.into_iter().filter_map(neighbour).collect();
        blocks.retain(|block| match &block.owner {
            BlockOwner::Group(id) => home == Some(id),
            BlockOwner::Agent(id) => agents.iter().any(|agent| agent.id == *id),
        });
        Self { group, agents, blocks, neighbours }
    }

    /// Reads all rows and selects as [`Existing::of`].
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn read<R: Rows>(rows: &mut R, name: &str) -> Result<Self, R::Fault> {
        let (groups, agents, blocks) = (rows.all::<Group>()?, rows.all::<Agent>()?, rows.all::<Block>()?);
        Ok(Self::of(name, &groups, agents, blocks))
    }

    /// Returns the agent of the group with this short name, ignoring case.
    pub(super) fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| folded(&agent.name) == folded(name))
    }

    /// Returns whether the group or an agent of it lists this block.
    pub(super) fn in_use(&self, id: &BlockId) -> bool {
        let shared = self.group.iter().flat_map(|group| &group.shared_blocks);
        self.agents.iter().flat_map(|agent| &agent.blocks).chain(shared).any(|used| used == id)
    }

    /// Returns the agent with this full name.
    ///
    /// # Errors
    /// The end of a sentence that says why there is none.
    pub(super) fn neighbour(&self, full: &Name) -> Result<&ForeignAgent, String> {
        let (group, name) = full.text.split_once('/').unwrap_or(("", &full.text));
        let there: Vec<&ForeignAgent> = self.neighbours.iter().filter(|one| one.group == group).collect();
        if let Some(found) = there.iter().find(|one| folded(&one.name) == folded(name)) {
            return Ok(found);
        }
        let names: Vec<&str> = there.iter().map(|one| one.name.as_str()).collect();
        let groups = self.neighbours.iter().map(|one| one.group.as_str());
        Err(match (nearest(group, groups), nearest(name, names.iter().copied())) {
            (Some(near), _) if names.is_empty() => format!("there is no group {group}; did you mean {near}?"),
            _ if names.is_empty() => format!("there is no group {group} with agents; apply its team file first"),
            (_, Some(near)) => format!("group {group} has no agent {name}; did you mean {near}?"),
            _ => format!("group {group} has no agent {name}; there are {}", names.join(", ")),
        })
    }
}
