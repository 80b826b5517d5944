//! The directory that tools read: whom an agent can write to, and what those agents are doing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::wait::OpenRuns;
use crate::domain::status::AgentStatus;
use crate::domain::{Agent, AgentId, Group, GroupId, GroupStatus};
use crate::store::{StepInput, Store, StoreError};
use crate::tools::{Colleague, Directory};

/// The directory of one step.
pub struct Colleagues<'a> {
    store: &'a Store,
    /// The step of the agent that asks.
    view: &'a StepInput,
    /// What the first call of the step has read.
    known: OnceCell<Vec<Colleague>>,
}

impl<'a> Colleagues<'a> {
    /// Creates the directory of a step.
    #[must_use]
    pub fn new(store: &'a Store, view: &'a StepInput) -> Self {
        Self { store, view, known: OnceCell::new() }
    }
}

impl Directory for Colleagues<'_> {
    fn colleagues(&self) -> BoxFuture<'_, Result<Vec<Colleague>, String>> {
        Box::pin(async move {
            let known = self.known.get_or_try_init(|| self.list()).await;
            known.cloned().map_err(|fault| fault.to_string())
        })
    }
}

impl Colleagues<'_> {
    /// O(1) SQL statements in the number of agents; read once for all the mail a step writes.
    async fn list(&self) -> Result<Vec<Colleague>, StoreError> {
        let me = &self.view.agent;
        let here = match &self.view.group {
            Some(group) => Some(group.clone()),
            None => self.store.row::<Group>(me.group.as_str()).await?,
        };
        let near = here.iter().flat_map(Group::agents).cloned().collect::<Vec<AgentId>>();
        let far = me.contacts.iter().filter(|id| !near.contains(id));
        let whom = near.iter().chain(far).filter(|id| **id != me.id).map(|id| id.0.clone()).collect();
        let agents = self.store.rows::<Agent>(whom).await?;
        let homes: BTreeSet<&GroupId> = agents.iter().map(|agent| &agent.group).collect();
        let homes = self.store.rows::<Group>(homes.into_iter().map(|id| id.0.clone()).collect()).await?;
        let homes: BTreeMap<GroupId, Group> = homes.into_iter().map(|home| (home.id.clone(), home)).collect();
        let standing = OpenRuns::read(self.store).await?;
        let doing: BTreeMap<AgentId, AgentStatus> =
            agents.iter().map(|agent| (agent.id.clone(), standing.work().agent(&agent.id, &standing.jobs))).collect();
        let names = self.names(&agents, &doing).await?;
        let mut colleagues = Vec::with_capacity(agents.len());
        for agent in agents {
            let home = homes.get(&agent.group);
            let status = doing.get(&agent.id).unwrap_or(&AgentStatus::Idle);
            let state = status.words(|id| names.get(id).unwrap_or(&id.0).clone());
            let holds_mail = match home.filter(|home| home.status != GroupStatus::Active) {
                Some(home) => Some(format!("its group {} is {}", home.name, home.status.as_str())),
                None if *status == AgentStatus::Idle => None,
                None => Some(format!("{} is {state}", agent.name)),
            };
            let in_group = self.view.group.as_ref();
            colleagues.push(Colleague {
                full_name: format!("{}/{}", home.map_or("", |home| &home.name), agent.name),
                role: here.as_ref().and_then(|group| group.roles.get(&agent.id).cloned()).unwrap_or_default(),
                member: in_group.is_some_and(|group| group.members.contains(&agent.id)),
                here: near.contains(&agent.id),
                id: agent.id,
                name: agent.name,
                description: agent.description,
                tags: agent.tags,
                state,
                holds_mail,
            });
        }
        Ok(colleagues)
    }

    /// The names of these agents and of the agents they wait for.
    async fn names(
        &self,
        agents: &[Agent],
        doing: &BTreeMap<AgentId, AgentStatus>,
    ) -> Result<BTreeMap<AgentId, String>, StoreError> {
        let waited_for = doing.values().flat_map(|status| match status {
            AgentStatus::WaitingFor(whom) => whom.as_slice(),
            _ => &[],
        });
        let unknown: BTreeSet<&AgentId> =
            waited_for.filter(|id| !agents.iter().any(|agent| agent.id == **id)).collect();
        let others: Vec<Agent> = match unknown.len() {
            0 => Vec::new(),
            _ => self.store.rows(unknown.into_iter().map(|id| id.0.clone()).collect()).await?,
        };
        Ok(agents.iter().chain(&others).map(|agent| (agent.id.clone(), agent.name.clone())).collect())
    }
}
