//! The groups, agents and blocks there are, and what people call them.

use crate::domain::block::folded;
use crate::domain::{Agent, AgentId, Block, BlockOwner, Group, GroupId, nearest};
use crate::engine::wire::Fault;
use crate::store::Store;

/// The rows a request is worked out on.
pub(super) struct People {
    pub groups: Vec<Group>,
    pub agents: Vec<Agent>,
    pub blocks: Vec<Block>,
    /// The last change that was there when they were read.
    read_at: u64,
}

impl People {
    pub async fn read(store: &Store) -> Result<Self, Fault> {
        let read_at = *store.head().borrow();
        Ok(Self {
            groups: store.all::<Group>().await?.rows,
            agents: store.all::<Agent>().await?.rows,
            blocks: store.all::<Block>().await?.rows,
            read_at,
        })
    }

    /// True when something was committed since it was read.
    pub fn is_outdated(&self, store: &Store) -> bool {
        *store.head().borrow() != self.read_at
    }

    pub fn group(&self, id: &GroupId) -> Result<&Group, Fault> {
        let found = self.groups.iter().find(|group| group.id == *id);
        found.ok_or_else(|| Fault::new(format!("there is no group {id} any more")))
    }

    pub fn agent(&self, id: &AgentId) -> Result<&Agent, Fault> {
        let found = self.agents.iter().find(|agent| agent.id == *id);
        found.ok_or_else(|| Fault::new(format!("there is no agent {id} any more")))
    }

    pub fn block(&self, agent: &Agent, label: &str) -> Option<&Block> {
        let label = folded(label);
        let owner = BlockOwner::Agent(agent.id.clone());
        self.blocks.iter().find(|block| block.owner == owner && folded(&block.label) == label)
    }

    /// The block of this label that the group may share: one it shares already, its own, or one of its agents'.
    pub fn shareable(&self, group: &Group, label: &str) -> Result<&Block, Fault> {
        let rank = |block: &Block| match &block.owner {
            _ if group.shared_blocks.contains(&block.id) => Some(0),
            BlockOwner::Group(id) => (*id == group.id).then_some(1),
            BlockOwner::Agent(id) => self.is_home(&group.id, id).then_some(2),
        };
        self.labelled(label, &group.name, rank)
    }

    /// The block of this label that the agent may have: one it has already, its own, one of its home group's, or one
    /// of an agent there.
    pub fn readable(&self, agent: &Agent, label: &str) -> Result<&Block, Fault> {
        let rank = |block: &Block| match &block.owner {
            _ if agent.blocks.contains(&block.id) => Some(0),
            BlockOwner::Agent(id) if *id == agent.id => Some(1),
            BlockOwner::Group(id) => (*id == agent.group).then_some(2),
            BlockOwner::Agent(id) => self.is_home(&agent.group, id).then_some(3),
        };
        let home = self.groups.iter().find(|group| group.id == agent.group);
        self.labelled(label, home.map_or("the group", |home| &home.name), rank)
    }

    fn is_home(&self, group: &GroupId, agent: &AgentId) -> bool {
        self.agents.iter().any(|one| one.id == *agent && one.group == *group)
    }

    /// The block of this label of the least rank.
    fn labelled(&self, label: &str, group: &str, rank: impl Fn(&Block) -> Option<u8>) -> Result<&Block, Fault> {
        let ranked: Vec<(u8, &Block)> =
            self.blocks.iter().filter_map(|block| rank(block).map(|rank| (rank, block))).collect();
        let wanted = folded(label);
        let found = ranked.iter().filter(|(_, block)| folded(&block.label) == wanted);
        if let Some((_, block)) = found.min_by_key(|(rank, _)| *rank) {
            return Ok(block);
        }
        let mut labels: Vec<String> = ranked.iter().map(|(_, block)| block.label.clone()).collect();
        labels.sort_unstable();
        labels.dedup();
        Err(Fault::new(format!("{group} has no block {label:?}; {}", guess(label, &labels))))
    }

    /// `group/name`.
    pub fn full_name(&self, id: &AgentId) -> String {
        let Some(agent) = self.agents.iter().find(|agent| agent.id == *id) else { return id.to_string() };
        let home = self.groups.iter().find(|group| group.id == agent.group);
        home.map_or_else(|| agent.name.clone(), |home| format!("{}/{}", home.name, agent.name))
    }

    /// The agent of this full name, or with this id.
    pub fn by_full_name(&self, name: &str) -> Result<&Agent, Fault> {
        if let Some(agent) = self.agents.iter().find(|agent| agent.id.as_str() == name) {
            return Ok(agent);
        }
        let found = self.agents.iter().find(|agent| self.full_name(&agent.id) == name);
        found.ok_or_else(|| {
            let names: Vec<String> = self.agents.iter().map(|agent| self.full_name(&agent.id)).collect();
            Fault::new(format!("there is no agent {name:?}; {}", guess(name, &names)))
        })
    }

    /// An agent that may come into this group: one at home there by its short name, any other in full.
    pub fn candidate(&self, group: &Group, name: &str) -> Result<AgentId, Fault> {
        if name.contains('/') {
            return self.by_full_name(name).map(|agent| agent.id.clone());
        }
        if let Some(found) = self.find_in(group, name) {
            return Ok(found);
        }
        let home = || self.agents.iter().filter(|agent| agent.group == group.id);
        if let Some(agent) = home().find(|agent| agent.name == name || agent.id.as_str() == name) {
            return Ok(agent.id.clone());
        }
        let names: Vec<String> = home().map(|agent| agent.name.clone()).collect();
        Err(Fault::new(format!(
            "{} is home to no agent named {name:?}; {}; make it first, or name one of another group as group/name",
            group.name,
            guess(name, &names)
        )))
    }

    /// The agent the group calls so: by its short name, in full, or by its id.
    pub fn find_in(&self, group: &Group, name: &str) -> Option<AgentId> {
        let here = group.agents().into_iter().filter_map(|id| self.agents.iter().find(|agent| agent.id == *id));
        let named =
            |agent: &&Agent| agent.name == name || agent.id.as_str() == name || self.full_name(&agent.id) == name;
        here.into_iter().find(named).map(|agent| agent.id.clone())
    }
}

/// The end of a sentence on a name that is not there.
pub(super) fn guess(wrong: &str, right: &[String]) -> String {
    match nearest(wrong, right.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if right.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", right.join(", ")),
    }
}
