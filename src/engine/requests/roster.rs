//! Requests of a person to create, change and delete groups, agents and blocks. Each request is one commit, or none.
//!
//! The changes are computed from the current groups and agents, and refused with the sentence of the domain. If
//! another commit came first, everything is read and computed again.

mod agent;
mod block;
mod delete;
mod group;
mod people;
mod settings;
mod undo;

use super::TRIES;
use crate::domain::{Agent, AgentId, Basis, Change, Commit, Group, GroupId, Precondition, Value};
use crate::engine::Engine;
use crate::engine::protocol::{AgentForm, GroupForm, Reply, RequestError};
use crate::store::{CommitError, Lane};
use people::RosterSnapshot;

/// The error after [`TRIES`] tries.
const TOO_FAST: &str = "groups and agents change faster than this can be done; try again";

impl Engine {
    pub(super) async fn create_group(&self, form: GroupForm) -> Result<Reply, RequestError> {
        let id = GroupId::fresh(self.store.ids());
        self.settle(|people| group::created(people, self.store.ids(), &id, &form)).await?;
        self.group_reply(&id).await
    }

    pub(super) async fn update_group(&self, id: &GroupId, form: GroupForm) -> Result<Reply, RequestError> {
        self.settle(|people| group::updated(people, id, &form)).await?;
        self.group_reply(id).await
    }

    pub(super) async fn create_agent(&self, group: &GroupId, form: AgentForm) -> Result<Reply, RequestError> {
        let id = AgentId::fresh(self.store.ids());
        self.read_script(&form).await?;
        self.settle(|people| agent::created(self, people, group, &id, &form)).await?;
        self.agent_reply(&id).await
    }

    pub(super) async fn update_agent(&self, id: &AgentId, form: AgentForm) -> Result<Reply, RequestError> {
        self.read_script(&form).await?;
        self.settle(|people| agent::updated(self, people, id, &form)).await?;
        self.agent_reply(id).await
    }

    /// Sets the model of an agent, which exists.
    pub(super) async fn put_model(&self, id: &AgentId, model: Option<String>) -> Result<Reply, RequestError> {
        self.settle(|people| Ok(vec![Change::AgentPut(Agent { model: model.clone(), ..people.agent(id)?.clone() })]))
            .await?;
        Ok(Reply::Done)
    }

    /// Reads the script of the form's model, which [`crate::llm::Models::get`] then finds without reading a file.
    async fn read_script(&self, form: &AgentForm) -> Result<(), RequestError> {
        match form.settings.get("model") {
            Some(Some(Value::Text(name))) => {
                self.models.find(name).await.map(drop).map_err(|fault| RequestError::new(fault.text))
            }
            _ => Ok(()),
        }
    }

    /// Commits the changes of a team file, which rest on the rows as they were read.
    pub(super) async fn apply(&self, changes: Vec<Change>, read: Vec<Basis>) -> Result<Reply, RequestError> {
        let _roster = self.roster.lock().await;
        let people = RosterSnapshot::read(&self.store).await?;
        for change in &changes {
            if let Some(now) = people.replaced_by(change)
                && !read.iter().any(|basis| basis.key() == now.key())
            {
                let text = format!("the change of {} does not say what it rests on; read it first", now.title());
                return Err(RequestError::new(text));
            }
        }
        people.check_names(&changes)?;
        let preconditions = read.into_iter().map(Precondition::unchanged).collect();
        let commit = Commit { preconditions, ..Commit::new(Self::asker(), undo::with_way_back(&people, changes)) };
        self.store.commit(Lane::Foreground, commit).await?;
        Ok(Reply::Done)
    }

    /// Computes changes from the current rows and commits them; no changes are no commit.
    async fn settle(
        &self,
        work_out: impl Fn(&RosterSnapshot) -> Result<Vec<Change>, RequestError>,
    ) -> Result<(), RequestError> {
        let _roster = self.roster.lock().await;
        for _ in 0..TRIES {
            let people = RosterSnapshot::read(&self.store).await?;
            let changes = work_out(&people)?;
            if changes.is_empty() {
                return Ok(());
            }
            people.check_names(&changes)?;
            let changes = undo::with_way_back(&people, changes);
            match self.store.commit(Lane::Foreground, Commit::new(Self::asker(), changes)).await {
                Ok(_) => return Ok(()),
                // Another commit came first and may be the cause of the conflict: try again.
                Err(CommitError::Conflict(_)) if people.is_outdated(&self.store) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new(TOO_FAST))
    }

    async fn group_reply(&self, id: &GroupId) -> Result<Reply, RequestError> {
        Ok(Reply::Group(Box::new(self.must::<Group>(id.as_str(), "group").await?)))
    }

    async fn agent_reply(&self, id: &AgentId) -> Result<Reply, RequestError> {
        Ok(Reply::Agent(Box::new(self.must::<Agent>(id.as_str(), "agent").await?)))
    }
}
