//! Maps names of groups, agents and blocks to ids and back. An agent is `name` if that is unique, else `group/name`.

use clap::Args;

use super::{CliError, print};
use crate::domain::budget::Spending;
use crate::domain::state::Kind;
use crate::domain::{
    Agent, AgentId, Block, BlockId, Conversation, ConversationOwner, Group, GroupId, Job, JobWork, Trigger,
};
use crate::engine::Handle;
use crate::engine::protocol::{Overview, Recipient};

/// All readable groups, agents and blocks.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// Groups in order of creation.
    pub groups: Vec<Group>,
    /// Agents in order of creation.
    pub agents: Vec<Agent>,
    /// Blocks in order of creation.
    pub blocks: Vec<Block>,
    /// Triggers in order of creation.
    pub triggers: Vec<Trigger>,
    /// The newest jobs, newest first.
    pub jobs: Vec<Job>,
    /// The tokens of today.
    pub spending: Spending,
    /// True if groups or agents are unreadable, so that a missing one is not necessarily deleted.
    damaged: bool,
}

/// Shown instead of the name of a deleted group or agent.
const DELETED: &str = "(deleted)";

/// Arguments that select a group or an agent.
#[derive(Debug, Clone, Args)]
pub struct Whose {
    /// Name of the group.
    #[arg(value_name = "GROUP", required_unless_present = "agent", conflicts_with = "agent")]
    pub group: Option<String>,
    /// Use the conversation with this agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
}

impl Roster {
    /// Reads the roster. Reports unreadable groups, agents and triggers on standard error and leaves them out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn read(handle: &Handle) -> Result<Self, CliError> {
        Ok(Self::of(&handle.overview().await?))
    }

    /// Takes the roster from an overview. Reports unreadable groups, agents and triggers on standard error and leaves them out.
    #[must_use]
    pub fn of(overview: &Overview) -> Self {
        let faults = || overview.faults.iter().filter(|fault| matches!(fault.kind, Kind::Group | Kind::Agent));
        print::unreadable(faults().chain(overview.faults.iter().filter(|fault| fault.kind == Kind::Trigger)));
        let (groups, agents) = (overview.groups.clone(), overview.agents.clone());
        Self {
            groups,
            agents,
            blocks: overview.blocks.clone(),
            triggers: overview.triggers.clone(),
            jobs: overview.jobs.clone(),
            spending: overview.spending.clone(),
            damaged: faults().next().is_some(),
        }
    }

    /// Returns the label of a block, or its id if it does not exist.
    #[must_use]
    pub fn label(&self, id: &BlockId) -> String {
        self.blocks.iter().find(|block| block.id == *id).map_or_else(|| id.to_string(), |block| block.label.clone())
    }

    /// Returns the group with this name or id.
    ///
    /// # Errors
    /// There is no such group.
    pub fn group(&self, name: &str) -> Result<&Group, CliError> {
        let found = self.groups.iter().find(|group| group.name == name || group.id.as_str() == name);
        found.ok_or_else(|| {
            let names: Vec<String> = self.groups.iter().map(|group| group.name.clone()).collect();
            CliError::Message(format!("there is no group named {name:?}; {}", there_are("groups", &names)))
        })
    }

    /// Returns the agent with this short name, full name or id.
    ///
    /// # Errors
    /// There is no such agent, or several agents have this short name.
    pub fn agent(&self, name: &str) -> Result<&Agent, CliError> {
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
                Err(CliError::Message(format!("there is no agent named {name:?}; {}", there_are("agents", &names))))
            }
            several => {
                let names: Vec<String> = several.iter().map(|agent| self.full_name(&agent.id)).collect();
                Err(CliError::Message(format!("{name} is ambiguous; use one of {}", names.join(", "))))
            }
        }
    }

    /// Resolves the selected group or agent.
    ///
    /// # Errors
    /// Neither is given, or it does not exist.
    pub fn address(&self, whose: &Whose) -> Result<Recipient, CliError> {
        match (&whose.group, &whose.agent) {
            (_, Some(agent)) => Ok(Recipient::Agent(self.agent(agent)?.id.clone())),
            (Some(group), None) => Ok(Recipient::Group(self.group(group)?.id.clone())),
            (None, None) => Err(CliError::Message("name a group, or an agent with --agent NAME".to_owned())),
        }
    }

    /// Returns the name of the group, its id if it may be unreadable, or [`DELETED`].
    #[must_use]
    pub fn group_name<'a>(&'a self, id: &'a GroupId) -> &'a str {
        self.groups.iter().find(|group| group.id == *id).map_or_else(|| self.gone(id.as_str()), |group| &group.name)
    }

    /// Returns the short name of the agent, its id if it may be unreadable, or [`DELETED`].
    #[must_use]
    pub fn name<'a>(&'a self, id: &'a AgentId) -> &'a str {
        self.agents.iter().find(|agent| agent.id == *id).map_or_else(|| self.gone(id.as_str()), |agent| &agent.name)
    }

    /// Returns the agent as `group/name`, its id if it may be unreadable, or [`DELETED`].
    #[must_use]
    pub fn full_name(&self, id: &AgentId) -> String {
        match self.agents.iter().find(|agent| agent.id == *id) {
            Some(agent) => format!("{}/{}", self.group_name(&agent.group), agent.name),
            None => self.gone(id.as_str()).to_owned(),
        }
    }

    /// Returns the agent that works on a job as `group/name`, or what care of the store it is.
    #[must_use]
    pub fn worker(&self, job: &Job) -> String {
        match &job.work {
            JobWork::Agent(work) => self.full_name(&work.agent),
            JobWork::Care { care } => care.noun().to_owned(),
        }
    }

    fn gone<'a>(&self, id: &'a str) -> &'a str {
        if self.damaged { id } else { DELETED }
    }

    /// Returns the short name of an agent of this group, otherwise the full name.
    #[must_use]
    pub fn name_in(&self, group: &GroupId, id: &AgentId) -> String {
        match self.agents.iter().find(|agent| agent.id == *id) {
            Some(agent) if agent.group == *group => agent.name.clone(),
            _ => self.full_name(id),
        }
    }
}

/// Returns the conversation with a group or an agent. `None` before the first message.
#[must_use]
pub fn conversation<'a>(overview: &'a Overview, with: &Recipient) -> Option<&'a Conversation> {
    let owner = match with {
        Recipient::Group(id) => ConversationOwner::Group(id.clone()),
        Recipient::Agent(id) => ConversationOwner::Agent(id.clone()),
    };
    overview.conversations.iter().find(|conversation| conversation.owner == owner)
}

fn there_are(nouns: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!(
            "there are no {nouns} yet; `nightdesk apply TEAM.toml` or `nightdesk group create` creates them"
        );
    }
    format!("there are {}", names.join(", "))
}
