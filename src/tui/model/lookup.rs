//! Queries on the model.

use super::{Live, Model};
use crate::domain::status::{AgentStatus, Work};
use crate::domain::{
    Agent, AgentId, Block, BlockId, Conversation, ConversationId, ConversationOwner, Group, GroupId, Job, JobId,
    JobState, JobWork, Run, RunId, RunState,
};
use crate::engine::protocol::{Phase, Recipient};

/// An agent's current activity: its status from the rows, or the phase of its running step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentActivity {
    /// Status derived from the rows.
    Is(AgentStatus),
    /// The model is thinking or writing.
    Thinking,
    /// The agent is calling this tool.
    Tool(String),
    /// The agent waits for its provider or for a retry.
    Provider,
}

impl Model {
    /// Whether a group or an agent has the block.
    #[must_use]
    pub fn is_attached(&self, block: &Block) -> bool {
        self.groups.iter().any(|group| group.shared_blocks.contains(&block.id))
            || self.agents.iter().any(|agent| agent.blocks.contains(&block.id))
    }

    /// Returns the agents that have seen a block, each with the version in its last prompt.
    #[must_use]
    pub fn seen_versions(&self, block: &BlockId) -> Vec<(&Agent, u64)> {
        let version = |agent: &Agent| self.saw.get(&agent.id)?.iter().find(|(id, _)| id == block).map(|(_, at)| *at);
        self.agents.iter().filter_map(|agent| Some((agent, version(agent)?))).collect()
    }

    /// Returns the group with this id.
    #[must_use]
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == *id)
    }

    /// Returns the agent with this id.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == *id)
    }

    /// Returns the block with this id.
    #[must_use]
    pub fn block(&self, id: &BlockId) -> Option<&Block> {
        self.blocks.iter().find(|block| block.id == *id)
    }

    /// Returns the job with this id, if it is one of the newest [`super::MAX_JOBS`].
    #[must_use]
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    /// Returns the run with this id; `None` once it and its parent have finished.
    #[must_use]
    pub fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == *id)
    }

    /// Returns the selected group.
    #[must_use]
    pub fn shown_group(&self) -> Option<&Group> {
        self.place.group.as_ref().and_then(|id| self.group(id))
    }

    /// Returns the agent's name, unsanitised; `(deleted)` if the agent no longer exists.
    #[must_use]
    pub fn name_of(&self, id: &AgentId) -> &str {
        self.agent(id).map_or("(deleted)", |agent| agent.name.as_str())
    }

    /// Returns the name of the agent that works on a job, or what care of the store it is, unsanitised.
    #[must_use]
    pub fn worker_of(&self, job: &Job) -> &str {
        match &job.work {
            JobWork::Agent(work) => self.name_of(&work.agent),
            JobWork::Care { care } => care.noun(),
        }
    }

    /// Returns the shown conversation; `None` before its first message.
    #[must_use]
    pub fn shown_conversation(&self) -> Option<&Conversation> {
        self.place.address.as_ref().and_then(|address| self.conversation_of(address))
    }

    /// Returns the conversation with this id.
    #[must_use]
    pub fn conversation(&self, id: &ConversationId) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.id == *id)
    }

    /// Returns the conversation of a group, or the direct conversation with an agent.
    #[must_use]
    pub fn conversation_of(&self, address: &Recipient) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| match (&conversation.owner, address) {
            (ConversationOwner::Group(owner), Recipient::Group(id)) => owner == id,
            (ConversationOwner::Agent(owner), Recipient::Agent(id)) => owner == id,
            (ConversationOwner::Group(_) | ConversationOwner::Agent(_) | ConversationOwner::Job(_), _) => false,
        })
    }

    /// Returns the agents of a group without duplicates: members, manager agent, background agents.
    #[must_use]
    pub fn agents_of(&self, group: &Group) -> Vec<&Agent> {
        group.agents().into_iter().filter_map(|id| self.agent(id)).collect()
    }

    /// Returns the blocks shared with every agent of a group, in the group's order.
    #[must_use]
    pub fn shared_blocks(&self, group: &Group) -> Vec<&Block> {
        group.shared_blocks.iter().filter_map(|id| self.block(id)).collect()
    }

    /// Returns an agent's blocks, its own and those shared with it by name, in the agent's order.
    #[must_use]
    pub fn blocks_of(&self, agent: &Agent) -> Vec<&Block> {
        agent.blocks.iter().filter_map(|id| self.block(id)).collect()
    }

    /// Returns the number of running jobs.
    #[must_use]
    pub fn jobs_running(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job.state, JobState::Running { .. })).count()
    }

    /// Returns the number of jobs that wait to start or to be retried.
    #[must_use]
    pub fn jobs_waiting(&self) -> usize {
        self.jobs.iter().filter(|job| job.state.waits()).count()
    }

    /// Returns the number of unread messages of a conversation.
    #[must_use]
    pub fn unread(&self, conversation: &Conversation) -> u64 {
        conversation.head.saturating_sub(self.seen.get(conversation.id.as_str()).copied().unwrap_or(0))
    }

    /// Returns the name of an agent's model, or of the default model.
    #[must_use]
    pub fn model_of<'a>(&'a self, agent: &'a Agent) -> &'a str {
        agent.model.as_deref().unwrap_or(&self.default_model)
    }

    /// Whether a run belongs to a job.
    #[must_use]
    pub fn is_job_run(&self, run: &RunId) -> bool {
        self.jobs.iter().any(|job| job.run.as_ref() == Some(run)) || self.run(run).is_some_and(|run| run.kind.is_job())
    }

    /// Returns a view of the rows for status queries.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work { runs: &self.runs, calls: &self.calls, mails: &self.mails }
    }

    /// Returns an agent's current activity.
    #[must_use]
    pub fn doing(&self, agent: &AgentId) -> AgentActivity {
        let status = self.work().agent(agent, &self.jobs);
        let is_own = |live: &&Live| live.agent == *agent && !self.is_job_run(&live.run);
        match self.live.iter().find(is_own).map(|live| &live.phase) {
            // A running step may be ahead of the rows, which arrive with the next update.
            Some(phase) if status != AgentStatus::WaitingForApproval => match phase {
                Phase::Waiting | Phase::Retrying { .. } => AgentActivity::Provider,
                Phase::Thinking | Phase::Speaking => AgentActivity::Thinking,
                Phase::Calling { tool } => AgentActivity::Tool(tool.clone()),
            },
            _ => AgentActivity::Is(status),
        }
    }

    /// Returns the running or parked turn of a conversation.
    #[must_use]
    pub fn running_turn(&self, conversation: &ConversationId) -> Option<&Run> {
        self.runs.iter().find(|run| {
            run.conversation == *conversation
                && run.kind.is_turn()
                && matches!(run.state, RunState::Running | RunState::Parked)
        })
    }

    /// Returns the running steps of a conversation, in start order.
    pub fn live_in<'a>(&'a self, conversation: &'a ConversationId) -> impl Iterator<Item = &'a Live> {
        self.live.iter().filter(move |live| live.conversation == *conversation)
    }

    /// Returns the names of the agents with a running step in a conversation, in start order.
    #[must_use]
    pub fn answering(&self, conversation: &ConversationId) -> Vec<&str> {
        self.live.iter().filter(|live| live.conversation == *conversation).map(|live| live.name.as_str()).collect()
    }

    /// Returns the queued turns of a conversation with their message texts, oldest first.
    pub fn queued<'a>(&'a self, conversation: &'a ConversationId) -> impl Iterator<Item = (&'a Run, &'a str)> {
        self.runs
            .iter()
            .filter(move |run| run.conversation == *conversation)
            .filter_map(|run| run.queued.as_deref().map(|text| (run, text)))
    }

    /// Returns the next speaker of the running turn, if the group's pattern has a fixed order.
    #[must_use]
    pub fn next_speaker<'a>(&self, group: &'a Group) -> Option<&'a AgentId> {
        let conversation = self.conversation_of(&Recipient::Group(group.id.clone()))?;
        let turn = self.running_turn(&conversation.id)?;
        let ordered = group.manager_type.pattern().has_fixed_order && !group.members.is_empty();
        if !ordered || turn.kind.only().is_some() {
            return None;
        }
        let speeches = self.runs.iter().filter(|run| run.parent.as_ref() == Some(&turn.id));
        let last = speeches
            .filter_map(|run| Some((run.kind.speech_index()? as usize, run.agent()?)))
            .max_by_key(|(index, _)| *index);
        let most = group.max_turns.map_or(group.members.len(), |most| most as usize);
        match last {
            Some((index, _)) if index + 1 >= most => None,
            Some((_, agent)) => {
                let place = group.members.iter().position(|member| member == agent)?;
                group.members.get((place + 1) % group.members.len())
            }
            // With `continue_order`, the first speaker depends on the previous turn, which is not known here.
            None => group.members.first().filter(|_| !group.continue_order && most > 0),
        }
    }

    /// Returns the index that selects an agent's colour and mark: its position in the selected group, else in its home
    /// group.
    #[must_use]
    pub fn speaker_index(&self, agent: &AgentId) -> usize {
        let home = || self.agent(agent).and_then(|agent| self.group(&agent.group));
        let place = |group: &Group| group.agents().iter().position(|id| *id == agent);
        self.shown_group().and_then(place).or_else(|| home().and_then(place)).unwrap_or(0)
    }
}
