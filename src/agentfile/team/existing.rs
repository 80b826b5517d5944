//! What is there before a team file is applied, and whom it may name in other groups.

use super::Name;
use super::keys::nearest;
use crate::domain::block::folded;
use crate::domain::state::Rows;
use crate::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Group};

/// What there is of a group before its file is applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Existing {
    /// The group of the file's name.
    pub group: Option<Group>,
    /// Every agent whose home it is, in it or not.
    pub agents: Vec<Agent>,
    /// Every block that is the group's or one of these agents'.
    pub blocks: Vec<Block>,
    /// The agents that are at home in other groups.
    pub neighbours: Vec<Neighbour>,
}

/// An agent that is at home in another group and may be named by its full name.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Its id.
    pub id: AgentId,
    /// The name of its home group.
    pub group: String,
    /// Its short name.
    pub name: String,
    /// The labels of its own blocks.
    pub labels: Vec<String>,
}

impl Neighbour {
    /// The name under which other groups know it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }
}

impl Existing {
    /// What these rows hold that a file of the group of this name is compared to.
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
            Some(Neighbour { id: agent.id, group, name: agent.name, labels })
        };
        let neighbours = others.into_iter().filter_map(neighbour).collect();
        blocks.retain(|block| match &block.owner {
            BlockOwner::Group(id) => home == Some(id),
            BlockOwner::Agent(id) => agents.iter().any(|agent| agent.id == *id),
        });
        Self { group, agents, blocks, neighbours }
    }

    /// The same, read from the rows.
    pub fn read<R: Rows>(rows: &mut R, name: &str) -> Result<Self, R::Fault> {
        let (groups, agents, blocks) = (rows.all::<Group>()?, rows.all::<Agent>()?, rows.all::<Block>()?);
        Ok(Self::of(name, &groups, agents, blocks))
    }

    /// The agent of this short name that is at home in the group, regardless of case.
    pub(super) fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| folded(&agent.name) == folded(name))
    }

    /// True when some agent or the group has this block in its list.
    pub(super) fn in_use(&self, id: &BlockId) -> bool {
        let shared = self.group.iter().flat_map(|group| &group.shared_blocks);
        self.agents.iter().flat_map(|agent| &agent.blocks).chain(shared).any(|used| used == id)
    }

    /// The agent of this full name, or the end of the sentence that says why there is none.
    pub(super) fn neighbour(&self, full: &Name) -> Result<&Neighbour, String> {
        let (group, name) = full.text.split_once('/').unwrap_or(("", &full.text));
        let there: Vec<&Neighbour> = self.neighbours.iter().filter(|one| one.group == group).collect();
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
