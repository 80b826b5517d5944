//! A snapshot of groups, agents and blocks, with look-ups by the names people use.

use jiff::Timestamp;

use crate::domain::block::{Level, folded};
use crate::domain::state::{InMemoryRows, Rows as _};
use crate::domain::{Agent, AgentId, Basis, Block, BlockId, BlockOwner, Change, Group, GroupId, nearest, new_names};
use crate::engine::protocol::RequestError;
use crate::store::{CommitError, Store};

/// The rows from which the changes of a request are computed.
pub(super) struct RosterSnapshot {
    pub groups: Vec<Group>,
    pub agents: Vec<Agent>,
    pub blocks: Vec<Block>,
    /// The number of the last change when they were read.
    read_at: u64,
}

impl RosterSnapshot {
    pub async fn read(store: &Store) -> Result<Self, RequestError> {
        let read_at = *store.head().borrow();
        Ok(Self {
            groups: store.all::<Group>().await?.rows,
            agents: store.all::<Agent>().await?.rows,
            blocks: store.all::<Block>().await?.rows,
            read_at,
        })
    }

    /// True if anything was committed since.
    pub fn is_outdated(&self, store: &Store) -> bool {
        *store.head().borrow() != self.read_at
    }

    /// Refuses changes that give a name or a label against its rule.
    pub fn check_names(&self, changes: &[Change]) -> Result<(), RequestError> {
        new_names::check(&self.groups, &self.agents, &self.blocks, changes).map_err(RequestError::new)
    }

    /// The row that a change replaces or configures; `None` if it creates one, or is of another kind.
    pub fn replaced_by(&self, change: &Change) -> Option<Basis> {
        match change {
            Change::GroupPut(new) => self.group(&new.id).ok().cloned().map(Basis::Group),
            Change::AgentPut(new) => self.agent(&new.id).ok().cloned().map(Basis::Agent),
            Change::BlockConfigured { id, .. } | Change::BlockAccessSet { id, .. } => {
                self.blocks.iter().find(|block| block.id == *id).cloned().map(Basis::Block)
            }
            _ => None,
        }
    }

    pub fn group(&self, id: &GroupId) -> Result<&Group, RequestError> {
        let found = self.groups.iter().find(|group| group.id == *id);
        found.ok_or_else(|| RequestError::new(format!("group {id} no longer exists")))
    }

    pub fn agent(&self, id: &AgentId) -> Result<&Agent, RequestError> {
        let found = self.agents.iter().find(|agent| agent.id == *id);
        found.ok_or_else(|| RequestError::new(format!("agent {id} no longer exists")))
    }

    pub fn block_with(&self, id: &BlockId) -> Result<&Block, RequestError> {
        let found = self.blocks.iter().find(|block| block.id == *id);
        found.ok_or_else(|| RequestError::new(format!("block {id} no longer exists")))
    }

    /// The agents that have the block, of their own or through a group.
    pub fn holders(&self, id: &BlockId) -> Vec<&Agent> {
        let sharing: Vec<&Group> = self.groups.iter().filter(|group| group.shared_blocks.contains(id)).collect();
        let through = |agent: &Agent| sharing.iter().any(|group| group.agents().contains(&&agent.id));
        self.agents.iter().filter(|agent| agent.blocks.contains(id) || through(agent)).collect()
    }

    /// The most that an agent may do with a block in one of its groups.
    pub fn level(&self, block: &Block, agent: &Agent) -> Level {
        let groups = self.groups.iter().filter(|group| group.agents().contains(&&agent.id));
        groups.map(|group| block.level(agent, Some(group))).max().unwrap_or_else(|| block.level(agent, None))
    }

    /// The snapshot after a change of a group or an agent.
    pub fn changed_by(&self, change: &Change) -> Self {
        let (mut groups, mut agents) = (self.groups.clone(), self.agents.clone());
        match change {
            Change::GroupPut(new) => {
                groups.retain(|old| old.id != new.id);
                groups.push(new.clone());
            }
            Change::AgentPut(new) => {
                agents.retain(|old| old.id != new.id);
                agents.push(new.clone());
            }
            _ => {}
        }
        Self { groups, agents, blocks: self.blocks.clone(), read_at: self.read_at }
    }

    /// Applies the changes to a copy of the rows.
    ///
    /// # Errors
    /// [`RequestError`] with the conflict for which a commit of them would be refused.
    pub fn try_out(&self, changes: &[Change], now: Timestamp) -> Result<(), RequestError> {
        let mut rows = InMemoryRows::default();
        for group in &self.groups {
            let Ok(()) = rows.put(group);
        }
        for agent in &self.agents {
            let Ok(()) = rows.put(agent);
        }
        for block in &self.blocks {
            let Ok(()) = rows.put(block);
        }
        for change in changes {
            rows.apply(change.clone(), now).map_err(|conflict| RequestError::from(CommitError::Conflict(conflict)))?;
        }
        Ok(())
    }

    pub fn block(&self, agent: &Agent, label: &str) -> Option<&Block> {
        let label = folded(label);
        let owner = BlockOwner::Agent(agent.id.clone());
        self.blocks.iter().find(|block| block.owner == owner && folded(&block.label) == label)
    }

    /// Finds a block by label among those the group may share: shared already, its own, or of an agent at home there.
    pub fn shareable(&self, group: &Group, label: &str) -> Result<&Block, RequestError> {
        let rank = |block: &Block| match &block.owner {
            _ if group.shared_blocks.contains(&block.id) => Some(0),
            BlockOwner::Group(id) => (*id == group.id).then_some(1),
            BlockOwner::Agent(id) => self.is_home(&group.id, id).then_some(2),
        };
        self.labelled(label, &group.name, rank)
    }

    /// Finds a block by label among those the agent may have: attached already, its own, of its home group, or of
    /// another agent at home there.
    pub fn readable(&self, agent: &Agent, label: &str) -> Result<&Block, RequestError> {
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

    /// Finds the block with this label that has the lowest rank.
    fn labelled(&self, label: &str, group: &str, rank: impl Fn(&Block) -> Option<u8>) -> Result<&Block, RequestError> {
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
        Err(RequestError::new(format!("{group} has no block {label:?}; {}", guess(label, &labels))))
    }

    /// `group/name`.
    pub fn full_name(&self, id: &AgentId) -> String {
        let Some(agent) = self.agents.iter().find(|agent| agent.id == *id) else { return id.to_string() };
        let home = self.groups.iter().find(|group| group.id == agent.group);
        home.map_or_else(|| agent.name.clone(), |home| format!("{}/{}", home.name, agent.name))
    }

    /// Finds an agent by full name or id.
    pub fn by_full_name(&self, name: &str) -> Result<&Agent, RequestError> {
        if let Some(agent) = self.agents.iter().find(|agent| agent.id.as_str() == name) {
            return Ok(agent);
        }
        let found = self.agents.iter().find(|agent| self.full_name(&agent.id) == name);
        found.ok_or_else(|| {
            let names: Vec<String> = self.agents.iter().map(|agent| self.full_name(&agent.id)).collect();
            RequestError::new(format!("there is no agent {name:?}; {}", guess(name, &names)))
        })
    }

    /// Finds an agent that may join this group: by short name if it is at home there, else by full name.
    pub fn candidate(&self, group: &Group, name: &str) -> Result<AgentId, RequestError> {
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
        Err(RequestError::new(format!(
            "{} has no agent named {name:?}; {}; create it first, or name an agent of another group as group/name",
            group.name,
            guess(name, &names)
        )))
    }

    /// Finds an agent in this group by short name, full name or id.
    pub fn find_in(&self, group: &Group, name: &str) -> Option<AgentId> {
        let here = group.agents().into_iter().filter_map(|id| self.agents.iter().find(|agent| agent.id == *id));
        let named =
            |agent: &&Agent| agent.name == name || agent.id.as_str() == name || self.full_name(&agent.id) == name;
        here.into_iter().find(named).map(|agent| agent.id.clone())
    }
}

/// The second half of an error about an unknown name: a suggestion, or all known names.
pub(super) fn guess(wrong: &str, right: &[String]) -> String {
    match nearest(wrong, right.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if right.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", right.join(", ")),
    }
}
