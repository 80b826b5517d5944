//! The wait-for graph: a call that would close a cycle is rejected inside the commit that would add it.
//!
//! The nodes are agents. A working agent is held by one run; if that run is parked, the agent waits for the agents
//! named in its open calls. A run that is queued for an agent waits for the run that holds it, so a queue adds no
//! edges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{ApplyError, Rows, require};
use crate::domain::{Agent, AgentId, Conflict, PendingCall, Run};

/// Rejects a call if an agent it waits for already waits, directly or indirectly, for the calling agent.
pub(super) fn check<R: Rows>(rows: &mut R, call: &PendingCall, run: &Run) -> Result<(), ApplyError<R::Fault>> {
    let Some(me) = run.agent().filter(|_| !call.whom.is_empty()) else { return Ok(()) };
    let Some(path) = path(rows, me, &call.whom)? else { return Ok(()) };
    let mut names = Vec::with_capacity(path.len() + 2);
    for agent in [me].into_iter().chain(&path).chain([me]) {
        names.push(require::<Agent, R>(rows, agent.as_str(), "agent")?.name);
    }
    let circle = names.windows(2).map(|pair| format!("{} for {}", pair[0], pair[1])).collect::<Vec<_>>().join(", ");
    let text = format!(
        "not done: you would wait for each other for ever ({circle}); answer with what you have, or write without \
         waiting (send_message_to_agent_async)"
    );
    Err(ApplyError::Conflict(Conflict::Call { ordinal: call.ordinal, text, and_later_mail: false }))
}

/// The agents on the shortest cycle from `me` to `me` that starts with one of `first`, without `me`.
fn path<R: Rows>(rows: &mut R, me: &AgentId, first: &[AgentId]) -> Result<Option<Vec<AgentId>>, R::Fault> {
    let mut came_from: BTreeMap<AgentId, Option<AgentId>> = BTreeMap::new();
    let mut next: VecDeque<AgentId> = VecDeque::new();
    for agent in first {
        came_from.entry(agent.clone()).or_insert(None);
        next.push_back(agent.clone());
    }
    while let Some(agent) = next.pop_front() {
        if agent == *me {
            return Ok(Some(walk_back(&came_from, &agent)));
        }
        for other in waits_for(rows, &agent)? {
            if !came_from.contains_key(&other) {
                came_from.insert(other.clone(), Some(agent.clone()));
                next.push_back(other);
            }
        }
    }
    Ok(None)
}

/// The path to this agent, without the agent itself.
fn walk_back(came_from: &BTreeMap<AgentId, Option<AgentId>>, to: &AgentId) -> Vec<AgentId> {
    let mut way = Vec::new();
    let mut at = to;
    while let Some(Some(before)) = came_from.get(at) {
        way.push(before.clone());
        at = before;
    }
    way.reverse();
    way
}

/// The agents for which the run that holds this agent waits.
fn waits_for<R: Rows>(rows: &mut R, agent: &AgentId) -> Result<BTreeSet<AgentId>, R::Fault> {
    let mut whom = BTreeSet::new();
    for run in rows.parked(agent)?.iter().filter(|run| !run.kind.is_job()) {
        let calls = rows.find::<PendingCall>(run.id.as_str())?;
        whom.extend(calls.into_iter().filter(PendingCall::is_open).flat_map(|call| call.whom));
    }
    Ok(whom)
}
