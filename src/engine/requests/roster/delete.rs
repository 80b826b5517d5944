//! Deletes a group or an agent in one commit; lists the consequences first.

use super::super::TRIES;
use super::people::RosterSnapshot;
use super::{TOO_FAST, group, undo};
use crate::domain::{
    Agent, AgentId, Basis, Block, BlockOwner, Change, Commit, Conversation, Group, GroupId, Job, MailStatus,
    Precondition, Run,
};
use crate::engine::Engine;
use crate::engine::cancellation::{self, CancelPlan};
use crate::engine::protocol::{Recipient, Reply, RequestError};
use crate::store::{CommitError, Lane};

/// The last line of every list.
const STAYS: &str = "what was said, and every version of the blocks, stays in the log";

impl Engine {
    pub(in crate::engine::requests) async fn delete(
        &self,
        what: &Recipient,
        really: bool,
    ) -> Result<Reply, RequestError> {
        let _roster = self.roster.lock().await;
        for _ in 0..TRIES {
            let people = RosterSnapshot::read(&self.store).await?;
            let going = DeletionTarget::of(&people, what)?;
            let removal = self.removal(&going).await?;
            if !really {
                return Ok(Reply::Deletion { lines: removal.lines, done: false });
            }
            let changes = undo::with_way_back(&people, removal.changes);
            let commit = Commit { preconditions: removal.preconditions, ..Commit::new(Self::asker(), changes) };
            match self.store.commit(Lane::Foreground, commit).await {
                Ok(_) => {
                    for job in &removal.jobs {
                        if let Some(running) = self.lock_tasks().jobs.get(&job.id) {
                            running.cancel.cancel();
                        }
                    }
                    for ending in removal.endings {
                        ending.tell(self);
                    }
                    return Ok(Reply::Deletion { lines: removal.lines, done: true });
                }
                Err(CommitError::Conflict(_)) if people.is_outdated(&self.store) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new(TOO_FAST))
    }

    async fn removal(&self, going: &DeletionTarget<'_>) -> Result<DeletionPlan, RequestError> {
        self.refuse_at_work(going).await?;
        let mut removal = DeletionPlan::default();
        if let Some(group) = going.group {
            removal.line(format!("the group {} is deleted", group.name));
            if let Some(talk) = self.talk(group.id.as_str()).await? {
                removal.line(format!("its conversation ({}) is no longer listed", messages(talk.head)));
            }
        }
        let jobs = self.store.unfinished_jobs().await?;
        removal.jobs = jobs.into_iter().filter(|job| going.works(job)).collect();
        self.cancel_jobs(&mut removal).await?;
        let mut mails = 0;
        for agent in &going.agents {
            removal.line(format!("the agent {} is deleted", going.people.full_name(&agent.id)));
            if let Some(talk) = self.talk(agent.id.as_str()).await? {
                removal.line(format!("its direct conversation ({}) is no longer listed", messages(talk.head)));
            }
            for mail in self.store.mails(Some(&agent.id), Some(MailStatus::Pending), usize::MAX).await? {
                // Mail that one of its jobs waits for is failed already.
                let settled = |change: &Change| matches!(change, Change::MailMoved { id, .. } if *id == mail.id);
                if mail.to.as_ref() == Some(&agent.id) && !removal.changes.iter().any(settled) {
                    mails += 1;
                    let error = Some(format!("{} was deleted before delivery", agent.name));
                    let failed = Change::MailMoved { id: mail.id.clone(), to: MailStatus::Failed, run: None, error };
                    removal.changes.push(failed);
                    removal.preconditions.push(Precondition::unchanged(Basis::Mail(mail)));
                }
            }
        }
        if mails > 0 {
            removal.line(format!("{} not be delivered", counted(mails, "piece of mail will", "pieces of mail will")));
        }
        if !removal.jobs.is_empty() {
            removal.line(format!("{} cancelled", counted(removal.jobs.len(), "job is", "jobs are")));
        }
        removal.leave_groups(going)?;
        removal.leave_contacts(going);
        removal.take_blocks(going);
        removal.changes.extend(going.agents.iter().map(|agent| Change::AgentDeleted { id: agent.id.clone() }));
        removal.line(STAYS.to_owned());
        Ok(removal)
    }

    /// Cancels the jobs and what they wait for.
    async fn cancel_jobs(&self, removal: &mut DeletionPlan) -> Result<(), RequestError> {
        for job in &removal.jobs {
            let mut ending = cancellation::plan_job(self, job, "its agent or its group was deleted").await?;
            removal.changes.append(&mut ending.changes);
            removal.preconditions.append(&mut ending.preconditions);
            removal.endings.push(ending);
        }
        Ok(())
    }

    async fn talk(&self, owner: &str) -> Result<Option<Conversation>, RequestError> {
        Ok(self.store.find::<Conversation>(owner).await?.into_iter().next())
    }

    /// Refuses the deletion while one of the agents or groups is in a turn.
    async fn refuse_at_work(&self, going: &DeletionTarget<'_>) -> Result<(), RequestError> {
        for run in self.store.open_runs().await? {
            if run.kind.is_job() {
                continue;
            }
            if let Some(group) = run.group().and_then(|id| going.people.group(id).ok())
                && (going.is(&group.id) || going.agents.iter().any(|agent| group.agents().contains(&&agent.id)))
            {
                return Err(RequestError::new(format!("{} is answering; wait for it, or cancel it", group.name)));
            }
            if let Some(agent) = going.agents.iter().find(|agent| speaks(&run, &agent.id)) {
                return Err(RequestError::new(format!("{} is answering; wait for it, or cancel it", agent.name)));
            }
        }
        Ok(())
    }
}

/// What is to be deleted.
struct DeletionTarget<'a> {
    people: &'a RosterSnapshot,
    group: Option<&'a Group>,
    /// The agent, or all agents whose home is the group.
    agents: Vec<&'a Agent>,
}

impl<'a> DeletionTarget<'a> {
    fn of(people: &'a RosterSnapshot, what: &Recipient) -> Result<Self, RequestError> {
        Ok(match what {
            Recipient::Agent(id) => Self { people, group: None, agents: vec![people.agent(id)?] },
            Recipient::Group(id) => Self {
                people,
                group: Some(people.group(id)?),
                agents: people.agents.iter().filter(|agent| agent.group == *id).collect(),
            },
        })
    }

    fn is(&self, group: &GroupId) -> bool {
        self.group.is_some_and(|going| going.id == *group)
    }

    fn goes(&self, agent: &AgentId) -> bool {
        self.agents.iter().any(|going| going.id == *agent)
    }

    fn works(&self, job: &Job) -> bool {
        job.agent_work().is_some_and(|work| self.goes(&work.agent) || self.is(&work.group))
    }

    fn owns(&self, block: &Block) -> bool {
        match &block.owner {
            BlockOwner::Agent(id) => self.goes(id),
            BlockOwner::Group(id) => self.is(id),
        }
    }

    /// The new owner of a block: a group or an agent that stays and has it; `None` if there is none.
    fn heir(&self, block: &Block) -> Option<(BlockOwner, &str)> {
        let agents = self.people.agents.iter().filter(|agent| !self.goes(&agent.id));
        let mut agents = agents.filter(|agent| agent.blocks.contains(&block.id));
        let groups = self.people.groups.iter().filter(|group| !self.is(&group.id));
        let group = groups.into_iter().find(|group| group.shared_blocks.contains(&block.id));
        let group = group.map(|group| (BlockOwner::Group(group.id.clone()), group.name.as_str()));
        group.or_else(|| agents.next().map(|agent| (BlockOwner::Agent(agent.id.clone()), agent.name.as_str())))
    }
}

/// The consequences in words, and the changes.
#[derive(Default)]
struct DeletionPlan {
    lines: Vec<String>,
    changes: Vec<Change>,
    preconditions: Vec<Precondition>,
    jobs: Vec<Job>,
    endings: Vec<CancelPlan>,
}

impl DeletionPlan {
    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Removes the agents from the groups that stay; refuses if such a group needs one of them.
    fn leave_groups(&mut self, going: &DeletionTarget<'_>) -> Result<(), RequestError> {
        for old in going.people.groups.iter().filter(|group| !going.is(&group.id)) {
            let leaving: Vec<&AgentId> = old.agents().into_iter().filter(|id| going.goes(id)).collect();
            let Some(first) = leaving.first() else { continue };
            let mut left = old.clone();
            left.members.retain(|id| !going.goes(id));
            left.roles.retain(|id, _| !going.goes(id));
            if let Some(policy) = &mut left.sleeptime {
                policy.agents.retain(|id| !going.goes(id));
                policy.triggers.retain(|spec| !spec.agent.as_ref().is_some_and(|id| going.goes(id)));
            }
            let (group, who) = (&old.name, going.people.full_name(first));
            if old.manager_agent.as_ref().is_some_and(|id| going.goes(id)) {
                let text = format!("{who} is the manager agent of {group}; give it another one first");
                return Err(RequestError::new(text));
            }
            if left.members.is_empty() && !old.members.is_empty() {
                let text = format!("{group} would be left without members; add another first, or delete {group}");
                return Err(RequestError::new(text));
            }
            if left.sleeptime.as_ref().is_some_and(|policy| policy.agents.is_empty()) {
                if left.manager_type.needs_background() {
                    let text = format!("{group} would be left without background agents; name another first");
                    return Err(RequestError::new(text));
                }
                left.sleeptime = None;
            }
            group::sound(&left, &|id| going.people.full_name(id)).map_err(RequestError::new)?;
            let names: Vec<String> = leaving.iter().map(|id| going.people.full_name(id)).collect();
            let leave = if names.len() == 1 { "leaves" } else { "leave" };
            self.line(format!("{} {leave} {group}", names.join(", ")));
            self.changes.push(Change::GroupPut(left));
        }
        Ok(())
    }

    fn leave_contacts(&mut self, going: &DeletionTarget<'_>) {
        for agent in going.people.agents.iter().filter(|agent| !going.goes(&agent.id)) {
            if agent.contacts.iter().any(|id| going.goes(id)) {
                let mut left = agent.clone();
                left.contacts.retain(|id| !going.goes(id));
                self.line(format!("{} has one contact less", going.people.full_name(&agent.id)));
                self.changes.push(Change::AgentPut(left));
            }
        }
        // The deleted agents lose contacts and blocks first, because a row that is referred to cannot be deleted.
        for agent in going.agents.iter().filter(|agent| !agent.contacts.is_empty() || !agent.blocks.is_empty()) {
            let bare = Agent { contacts: Vec::new(), blocks: Vec::new(), ..(*agent).clone() };
            self.changes.push(Change::AgentPut(bare));
        }
        self.changes.extend(going.group.map(|group| Change::GroupDeleted { id: group.id.clone() }));
        if going.group.is_none() {
            return;
        }
        for guest in going.group.into_iter().flat_map(Group::agents).filter(|id| !going.goes(id)) {
            self.line(format!("{} is not deleted: its home is another group", going.people.full_name(guest)));
        }
    }

    fn take_blocks(&mut self, going: &DeletionTarget<'_>) {
        for block in going.people.blocks.iter().filter(|block| going.owns(block)) {
            let of = match &block.owner {
                BlockOwner::Agent(id) => format!(" of {}", going.people.full_name(id)),
                BlockOwner::Group(_) => String::new(),
            };
            let size = counted(block.value.chars().count(), "character", "characters");
            let Some((owner, heir)) = going.heir(block) else {
                self.line(format!("the block {}{of} ({size}) is deleted", block.label));
                self.changes.push(Change::BlockDeleted { id: block.id.clone() });
                continue;
            };
            self.line(format!("the block {}{of} ({size}) stays: {heir} has it, too", block.label));
            self.changes.push(Change::configured(Block { owner, ..block.clone() }));
        }
    }
}

/// True for a run of this agent and for a turn that only it answers.
fn speaks(run: &Run, agent: &AgentId) -> bool {
    run.agent() == Some(agent) || run.kind.only() == Some(agent)
}

fn messages(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "message", "messages")
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
