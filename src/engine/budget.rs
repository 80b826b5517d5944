//! Budgets of a day: whether a group or an agent may use more tokens (J13).
//!
//! What was used is summed from committed steps, so a restart changes nothing. A turn ends when a budget is used up; a job
//! becomes scheduled for the next midnight, and is looked at again after each commit: one that raises the budget frees it.

use super::{Engine, EngineError};
use crate::domain::budget::{self, Spent};
use crate::domain::{Actor, Agent, AgentWork, Change, Commit, Group, Job, JobState};
use crate::store::Lane;

/// The budget of the group or of the agent that is used up today, if one is; costs no query where there is none. `staged`
/// tokens of the group are added to the committed ones.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn spent(
    engine: &Engine,
    group: Option<&Group>,
    agent: Option<&Agent>,
    staged: u64,
) -> Result<Option<Spent>, EngineError> {
    if !budget::limits(group, agent) {
        return Ok(None);
    }
    let spending = engine.store.spending().await?;
    Ok(budget::spent(group, agent, &spending, staged))
}

/// The state of a job that waits for this budget.
#[must_use]
pub fn scheduled(spent: Spent) -> JobState {
    JobState::Scheduled { run_at: spent.until, why: spent.why }
}

/// Lets a job wait for this budget.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn postpone(engine: &Engine, job: &Job, spent: Spent) -> Result<(), EngineError> {
    let to = scheduled(spent);
    if job.state == to { Ok(()) } else { transition(engine, job, to).await }
}

/// Frees the jobs that wait for a budget which does not hold them any more, and tells what holds the others now.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn review(engine: &Engine, scheduled: &[&Job]) -> Result<(), EngineError> {
    if scheduled.is_empty() {
        return Ok(());
    }
    let keys = |of: fn(&AgentWork) -> &str| {
        let works = scheduled.iter().filter_map(|job| job.agent_work());
        let mut keys: Vec<String> = works.map(|work| of(work).to_owned()).collect();
        keys.sort();
        keys.dedup();
        keys
    };
    let groups: Vec<Group> = engine.store.rows(keys(|work| work.group.as_str())).await?;
    let agents: Vec<Agent> = engine.store.rows(keys(|work| work.agent.as_str())).await?;
    for job in scheduled {
        let group = groups.iter().find(|group| job.group() == Some(&group.id));
        let agent = agents.iter().find(|agent| job.agent() == Some(&agent.id));
        match spent(engine, group, agent, 0).await? {
            Some(spent) => postpone(engine, job, spent).await?,
            None => transition(engine, job, JobState::Available).await?,
        }
    }
    Ok(())
}

/// Moves a job that waits. One that was claimed or ended meanwhile stays as it is.
async fn transition(engine: &Engine, job: &Job, to: JobState) -> Result<(), EngineError> {
    let commit = Commit::new(Actor::Engine, vec![Change::JobMoved { id: job.id.clone(), to }]);
    match engine.commit(Lane::Background, commit).await {
        Ok(_) | Err(EngineError::Moved) => Ok(()),
        Err(EngineError::Refused(why)) => {
            tracing::debug!(job = %job.id, why, "it does not wait any more");
            Ok(())
        }
        Err(other) => Err(other),
    }
}
