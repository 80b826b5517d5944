//! Names to ids and back: groups, and agents as `name` where that is unambiguous or as `group/name`.

use clap::Args;

use super::{Failure, print};
use crate::domain::state::Kind;
use crate::domain::{Agent, AgentId, Block, BlockId, Conversation, ConversationOwner, Group, GroupId};
use crate::engine::Handle;
use crate::engine::wire::{Address, Overview};

/// The groups and agents there are.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// In order of creation.
    pub groups: Vec<Group>,
    /// In order of creation.
    pub agents: Vec<Agent>,
    /// In order of creation; only where they were asked for.
    pub blocks: Vec<Block>,
    /// Some could not be read: who is not there may be one of them.
    damaged: bool,
}

/// What is not there any more is called so.
const DELETED: &str = "(deleted)";

/// A group, or an agent.
#[derive(Debug, Clone, Args)]
pub struct Whose {
    /// The group.
    #[arg(value_name = "GROUP", required_unless_present = "agent", conflicts_with = "agent")]
    pub group: Option<String>,
    /// One agent instead: NAME, or GROUP/NAME.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
}

impl Roster {
    /// Reads it; what cannot be read is told and left out.
    pub async fn read(handle: &Handle) -> Result<Self, Failure> {
        Ok(Self::of(&handle.overview().await?))
    }

    /// The roster of an overview; what cannot be read of it is told and left out.
    #[must_use]
    pub fn of(overview: &Overview) -> Self {
        let faults = || overview.faults.iter().filter(|fault| matches!(fault.kind, Kind::Group | Kind::Agent));
        print::unreadable(faults());
        let (groups, agents) = (overview.groups.clone(), overview.agents.clone());
        Self { groups, agents, blocks: overview.blocks.clone(), damaged: faults().next().is_some() }
    }

    /// The label of a block; its id where it is not there.
    #[must_use]
    pub fn label(&self, id: &BlockId) -> String {
        self.blocks.iter().find(|block| block.id == *id).map_or_else(|| id.to_string(), |block| block.label.clone())
    }

    /// The group of this name or id.
    pub fn group(&self, name: &str) -> Result<&Group, Failure> {
        let found = self.groups.iter().find(|group| group.name == name || group.id.as_str() == name);
        found.ok_or_else(|| {
            let names: Vec<String> = self.groups.iter().map(|group| group.name.clone()).collect();
            Failure::Said(format!("there is no group named {name:?}; {}", there_are("groups", &names)))
        })
    }

    /// The agent of this name or id.
    pub fn agent(&self, name: &str) -> Result<&Agent, Failure> {
        let found: Vec<&Agent> = match name.split_once('/') {
            Some((group, short)) => {
                let home = self.group(group)?;
                self.agents.iter().filter(|agent| agent.group == home.id && agent.name == short).collect()
            }
            None => self.agents.iter().filter(|agent| agent.name == name || agent.id.as_str() == name).collect(),
        };
        match found.as_slice() {
            [one] => Ok(one),
            [] => {
                let names: Vec<String> = self.agents.iter().map(|agent| self.full_name(&agent.id)).collect();
                Err(Failure::Said(format!("there is no agent named {name:?}; {}", there_are("agents", &names))))
            }
            several => {
                let names: Vec<String> = several.iter().map(|agent| self.full_name(&agent.id)).collect();
                Err(Failure::Said(format!("{name} is ambiguous; say which: {}", names.join(", "))))
            }
        }
    }

    /// To whom is spoken.
    pub fn address(&self, whose: &Whose) -> Result<Address, Failure> {
        match (&whose.group, &whose.agent) {
            (_, Some(agent)) => Ok(Address::Agent(self.agent(agent)?.id.clone())),
            (Some(group), None) => Ok(Address::Group(self.group(group)?.id.clone())),
            (None, None) => Err(Failure::Said("name a group, or an agent with --agent NAME".to_owned())),
        }
    }

    /// The group's name; its id where it may be one that cannot be read.
    #[must_use]
    pub fn group_name<'a>(&'a self, id: &'a GroupId) -> &'a str {
        self.groups.iter().find(|group| group.id == *id).map_or_else(|| self.gone(id.as_str()), |group| &group.name)
    }

    /// The agent's short name; its id where it may be one that cannot be read.
    #[must_use]
    pub fn name<'a>(&'a self, id: &'a AgentId) -> &'a str {
        self.agents.iter().find(|agent| agent.id == *id).map_or_else(|| self.gone(id.as_str()), |agent| &agent.name)
    }

    /// The agent as `group/name`.
    #[must_use]
    pub fn full_name(&self, id: &AgentId) -> String {
        match self.agents.iter().find(|agent| agent.id == *id) {
            Some(agent) => format!("{}/{}", self.group_name(&agent.group), agent.name),
            None => self.gone(id.as_str()).to_owned(),
        }
    }

    fn gone<'a>(&self, id: &'a str) -> &'a str {
        if self.damaged { id } else { DELETED }
    }

    /// The agent as this group calls it: short at home, in full elsewhere.
    #[must_use]
    pub fn name_in(&self, group: &GroupId, id: &AgentId) -> String {
        match self.agents.iter().find(|agent| agent.id == *id) {
            Some(agent) if agent.group == *group => agent.name.clone(),
            _ => self.full_name(id),
        }
    }
}

/// The conversation with a group or an agent, once there is one.
#[must_use]
pub fn conversation<'a>(overview: &'a Overview, with: &Address) -> Option<&'a Conversation> {
    let owner = match with {
        Address::Group(id) => ConversationOwner::Group(id.clone()),
        Address::Agent(id) => ConversationOwner::Agent(id.clone()),
    };
    overview.conversations.iter().find(|conversation| conversation.owner == owner)
}

fn there_are(nouns: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("there are no {nouns} yet: `nightdesk apply TEAM.toml` and `nightdesk group create` make some");
    }
    format!("there are {}", names.join(", "))
}
