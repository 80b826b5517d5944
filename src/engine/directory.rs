//! Whom an agent can write to, and what they do now: answered to its tools from the store.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::domain::{Agent, AgentId, Group, GroupStatus, Run, RunKind, RunState};
use crate::store::{StepView, Store, StoreError};
use crate::tools::{Colleague, Directory};

/// The directory of one step.
pub struct Colleagues<'a> {
    /// Where they are looked up.
    pub store: &'a Store,
    /// Whose step it is.
    pub view: &'a StepView,
}

impl Directory for Colleagues<'_> {
    fn colleagues(&self) -> BoxFuture<'_, Result<Vec<Colleague>, String>> {
        Box::pin(async move { self.list().await.map_err(|fault| fault.to_string()) })
    }
}

impl Colleagues<'_> {
    async fn list(&self) -> Result<Vec<Colleague>, StoreError> {
        let me = &self.view.agent;
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let here = self.view.group.as_ref().map_or(&me.group, |group| &group.id);
        let here = self.group(&mut groups, here.as_str()).await?;
        let near = here.iter().flat_map(Group::agents).cloned().collect::<Vec<AgentId>>();
        let far = me.contacts.iter().filter(|id| !near.contains(id));
        let runs = self.store.open_runs().await?;
        let mut colleagues = Vec::new();
        for id in near.iter().chain(far).filter(|id| **id != me.id) {
            let Some(agent) = self.store.row::<Agent>(id.as_str()).await? else { continue };
            let home = self.group(&mut groups, agent.group.as_str()).await?;
            let state = state(&runs, &agent.id).to_owned();
            let paused = home.as_ref().filter(|home| home.status != GroupStatus::Active);
            let holds_mail = match paused {
                Some(home) => Some(format!("its group {} is {}", home.name, home.status.as_str())),
                None if state == "free" => None,
                None => Some(format!("{} is {state}", agent.name)),
            };
            let in_group = self.view.group.as_ref();
            colleagues.push(Colleague {
                full_name: format!("{}/{}", home.map_or_else(String::new, |home| home.name), agent.name),
                role: here.as_ref().and_then(|group| group.roles.get(id).cloned()).unwrap_or_default(),
                member: in_group.is_some_and(|group| group.members.contains(id)),
                here: near.contains(id),
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

    async fn group(&self, known: &mut BTreeMap<String, Group>, id: &str) -> Result<Option<Group>, StoreError> {
        if !known.contains_key(id)
            && let Some(group) = self.store.row::<Group>(id).await?
        {
            known.insert(id.to_owned(), group);
        }
        Ok(known.get(id).cloned())
    }
}

/// What an agent does now, in a few words.
fn state(runs: &[Run], agent: &AgentId) -> &'static str {
    let own = runs.iter().rfind(|run| run.agent() == Some(agent));
    match own.map(|run| (&run.state, &run.kind)) {
        None => "free",
        Some((RunState::Parked, _)) => "waiting for somebody",
        Some((RunState::Queued, _)) => "about to speak",
        Some((_, RunKind::Job { .. })) => "at work in the background",
        Some(_) => "speaking",
    }
}
