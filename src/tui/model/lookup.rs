//! What the panes ask of the mirror.

use super::{BlockChange, Live, Model};
use crate::domain::status::{AgentStatus, Work};
use crate::domain::{
    Agent, AgentId, Block, BlockId, Conversation, ConversationId, ConversationOwner, Group, GroupId, Job, JobId,
    JobState, Run, RunId, RunState,
};
use crate::engine::wire::{Address, Phase};

/// What an agent does now: what the rows say, and while it speaks what is seen of its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// What the rows say.
    Is(AgentStatus),
    /// Its model was asked or answers.
    Thinking,
    /// It calls this tool.
    Tool(String),
    /// It waits for its provider, or for another try.
    Provider,
}

impl Model {
    /// The group with this id.
    #[must_use]
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == *id)
    }

    /// The agent with this id.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == *id)
    }

    /// The block with this id.
    #[must_use]
    pub fn block(&self, id: &BlockId) -> Option<&Block> {
        self.blocks.iter().find(|block| block.id == *id)
    }

    /// The job with this id.
    #[must_use]
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    /// The run with this id, if it is not over.
    #[must_use]
    pub fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == *id)
    }

    /// The group that is looked at.
    #[must_use]
    pub fn shown_group(&self) -> Option<&Group> {
        self.place.group.as_ref().and_then(|id| self.group(id))
    }

    /// The agent's name, as it was given; words that say so where it is no more.
    #[must_use]
    pub fn name_of(&self, id: &AgentId) -> &str {
        self.agent(id).map_or("(deleted)", |agent| agent.name.as_str())
    }

    /// The conversation that is shown; none before the first message to somebody.
    #[must_use]
    pub fn shown_conversation(&self) -> Option<&Conversation> {
        self.place.address.as_ref().and_then(|address| self.conversation_of(address))
    }

    /// The conversation with this id.
    #[must_use]
    pub fn conversation(&self, id: &ConversationId) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.id == *id)
    }

    /// The conversation of a group, or of a person's talk with one agent.
    #[must_use]
    pub fn conversation_of(&self, address: &Address) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| match (&conversation.owner, address) {
            (ConversationOwner::Group(owner), Address::Group(id)) => owner == id,
            (ConversationOwner::Agent(owner), Address::Agent(id)) => owner == id,
            (ConversationOwner::Group(_) | ConversationOwner::Agent(_) | ConversationOwner::Job(_), _) => false,
        })
    }

    /// The agents of a group, once each: members, manager agent, background agents.
    #[must_use]
    pub fn agents_of(&self, group: &Group) -> Vec<&Agent> {
        group.agents().into_iter().filter_map(|id| self.agent(id)).collect()
    }

    /// The blocks that reach every agent of a group, in its order.
    #[must_use]
    pub fn shared_blocks(&self, group: &Group) -> Vec<&Block> {
        group.shared_blocks.iter().filter_map(|id| self.block(id)).collect()
    }

    /// An agent's own blocks and those it shares by name, in its order.
    #[must_use]
    pub fn blocks_of(&self, agent: &Agent) -> Vec<&Block> {
        agent.blocks.iter().filter_map(|id| self.block(id)).collect()
    }

    /// The jobs of a group, newest first.
    pub fn jobs_of<'a>(&'a self, group: &'a GroupId) -> impl Iterator<Item = &'a Job> {
        self.jobs.iter().filter(move |job| job.group == *group)
    }

    /// How many jobs are being worked on.
    #[must_use]
    pub fn jobs_running(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job.state, JobState::Running { .. })).count()
    }

    /// How many jobs wait, now or for their next try.
    #[must_use]
    pub fn jobs_waiting(&self) -> usize {
        self.jobs.iter().filter(|job| job.state.waits()).count()
    }

    /// Messages of a conversation that were not seen yet.
    #[must_use]
    pub fn unread(&self, conversation: &Conversation) -> u64 {
        conversation.head.saturating_sub(self.seen.get(conversation.id.as_str()).copied().unwrap_or(0))
    }

    /// The model an agent runs on, by name.
    #[must_use]
    pub fn model_of<'a>(&'a self, agent: &'a Agent) -> &'a str {
        agent.model.as_deref().unwrap_or(&self.default_model)
    }

    /// The newest change of a block that this program saw happen.
    #[must_use]
    pub fn last_change(&self, block: &BlockId) -> Option<&BlockChange> {
        self.changes.iter().rev().find(|change| change.block == *block)
    }

    /// True when a run works for a job and not for a conversation.
    #[must_use]
    pub fn is_job_run(&self, run: &RunId) -> bool {
        self.jobs.iter().any(|job| job.run.as_ref() == Some(run)) || self.run(run).is_some_and(|run| run.kind.is_job())
    }

    /// What can be told from the rows.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work { runs: &self.runs, calls: &self.calls, mails: &self.mails }
    }

    /// What an agent does now.
    #[must_use]
    pub fn doing(&self, agent: &AgentId) -> Doing {
        let status = self.work().agent(agent, &self.jobs);
        let is_own = |live: &&Live| live.agent == *agent && !self.is_job_run(&live.run);
        match self.live.iter().find(is_own).map(|live| &live.phase) {
            // A step that is being made may be ahead of the rows, as they come with the next update.
            Some(phase) if status != AgentStatus::WaitingForApproval => match phase {
                Phase::Waiting | Phase::Retrying { .. } => Doing::Provider,
                Phase::Thinking | Phase::Speaking => Doing::Thinking,
                Phase::Calling { tool } => Doing::Tool(tool.clone()),
            },
            _ => Doing::Is(status),
        }
    }

    /// The turn that is being answered in a conversation.
    #[must_use]
    pub fn running_turn(&self, conversation: &ConversationId) -> Option<&Run> {
        self.runs.iter().find(|run| {
            run.conversation == *conversation
                && run.kind.is_turn()
                && matches!(run.state, RunState::Running | RunState::Parked)
        })
    }

    /// The steps that are being made for a conversation, in the order they began.
    pub fn live_in<'a>(&'a self, conversation: &'a ConversationId) -> impl Iterator<Item = &'a Live> {
        self.live.iter().filter(move |live| live.conversation == *conversation)
    }

    /// Who is answering in a conversation: names, in the order they began.
    #[must_use]
    pub fn answering(&self, conversation: &ConversationId) -> Vec<&str> {
        self.live.iter().filter(|live| live.conversation == *conversation).map(|live| live.name.as_str()).collect()
    }

    /// The turns that wait in a conversation for the one before, with their text, oldest first.
    pub fn queued<'a>(&'a self, conversation: &'a ConversationId) -> impl Iterator<Item = (&'a Run, &'a str)> {
        self.runs
            .iter()
            .filter(move |run| run.conversation == *conversation)
            .filter_map(|run| run.queued.as_deref().map(|text| (run, text)))
    }

    /// Who speaks next in the turn that is being answered, where the order is known.
    #[must_use]
    pub fn next_speaker<'a>(&self, group: &'a Group) -> Option<&'a AgentId> {
        let conversation = self.conversation_of(&Address::Group(group.id.clone()))?;
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
            // Where the order goes on from the turn before, its last speaker is not known here.
            None => group.members.first().filter(|_| !group.continue_order && most > 0),
        }
    }

    /// The stable index by which an agent has its colour and mark: its place in the group it is seen in, else
    /// in its home group.
    #[must_use]
    pub fn speaker_index(&self, agent: &AgentId) -> usize {
        let home = || self.agent(agent).and_then(|agent| self.group(&agent.group));
        let place = |group: &Group| group.agents().iter().position(|id| *id == agent);
        self.shown_group().and_then(place).or_else(|| home().and_then(place)).unwrap_or(0)
    }
}
