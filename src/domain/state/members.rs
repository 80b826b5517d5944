//! Agents and groups: a pattern that cannot run cannot be created.

use std::collections::BTreeMap;

use super::{Halt, Row, Rows, must, refuse};
use crate::domain::agent::is_name;
use crate::domain::block::folded;
use crate::domain::group::{MAX_MEMBERS, MAX_SHARED_BLOCKS};
use crate::domain::setting::Kind;
use crate::domain::{
    Agent, AgentId, Block, BlockId, Configurable as _, Conversation, Group, GroupId, Job, ManagerType, Run,
};

pub(super) fn put_agent<R: Rows>(rows: &mut R, agent: &Agent) -> Result<(), Halt<R::Fault>> {
    if !is_name(&agent.name) {
        return refuse(format!("{:?} is no name for an agent: use letters, digits, - and _", agent.name));
    }
    let same_name = rows.find::<Agent>(&agent.lookup().unwrap_or_default())?;
    if same_name.iter().any(|other| other.id != agent.id) {
        return refuse(format!("the group has an agent named {} already", agent.name));
    }
    for row in Agent::settings() {
        if let Some(Err(text)) = (row.get)(agent).map(|value| row.check(&value)) {
            return refuse(format!("agent {}: {text}", agent.name));
        }
    }
    for contact in &agent.contacts {
        must::<Agent, R>(rows, contact.as_str(), "agent")?;
    }
    rows.put(agent)?;
    for group in rows.all::<Group>()? {
        if group.agents().contains(&&agent.id) {
            unique_labels(rows, agent, &group.shared_blocks)?;
        }
    }
    unique_labels(rows, agent, &[])
}

pub(super) fn put_group<R: Rows>(rows: &mut R, group: &Group) -> Result<(), Halt<R::Fault>> {
    if !is_name(&group.name) {
        return refuse(format!("{:?} is no name for a group: use letters, digits, - and _", group.name));
    }
    if rows.find::<Group>(&group.name)?.iter().any(|other| other.id != group.id) {
        return refuse(format!("there is a group named {} already", group.name));
    }
    if let Some(old) = rows.get::<Group>(group.id.as_str())?
        && old.manager_type != group.manager_type
    {
        return refuse(format!(
            "group {}: the manager type is {} and cannot change; make another group",
            group.name,
            old.manager_type.as_str()
        ));
    }
    shape(group)?;
    distinct_names(rows, group)?;
    for id in &group.shared_blocks {
        must::<Block, R>(rows, id.as_str(), "block")?;
    }
    for id in group.agents() {
        let agent = must::<Agent, R>(rows, id.as_str(), "agent")?;
        unique_labels(rows, &agent, &group.shared_blocks)?;
    }
    Ok(rows.put(group)?)
}

/// What the manager type asks for.
fn shape<F>(group: &Group) -> Result<(), Halt<F>> {
    let name = &group.name;
    match group.manager_type {
        ManagerType::RoundRobin => {
            if group.members.is_empty() {
                return refuse(format!("group {name}: round_robin needs at least one member"));
            }
            if group.manager_agent.is_some() {
                return refuse(format!("group {name}: round_robin has no manager_agent"));
            }
        }
        ManagerType::Supervisor | ManagerType::Dynamic => {
            let kind = group.manager_type.as_str();
            if group.members.is_empty() {
                return refuse(format!("group {name}: {kind} needs at least one member"));
            }
            if group.manager_agent.is_none() {
                return refuse(format!("group {name}: {kind} needs manager_agent, the agent that orchestrates"));
            }
            if group.members.iter().any(|id| group.manager_agent.as_ref() == Some(id)) {
                return refuse(format!("group {name}: the manager agent cannot be a member, too"));
            }
        }
        ManagerType::Sleeptime => {
            if group.manager_agent.is_none() {
                return refuse(format!("group {name}: sleeptime needs manager_agent, the agent that answers"));
            }
            if !group.members.is_empty() {
                return refuse(format!(
                    "group {name}: sleeptime has no members; background agents stand in group.sleeptime.agents"
                ));
            }
            if group.sleeptime.is_none() {
                return refuse(format!("group {name}: sleeptime needs group.sleeptime.agents, at least one"));
            }
        }
    }
    if let Some(sleeptime) = &group.sleeptime {
        if sleeptime.agents.is_empty() {
            return refuse(format!("group {name}: group.sleeptime.agents needs at least one agent"));
        }
        if sleeptime.every_turns == Some(0) {
            return refuse(format!("group {name}: every_turns is 1 or more"));
        }
        if let Some(both) = sleeptime.agents.iter().find(|id| group.manager_agent.as_ref() == Some(id)) {
            return refuse(format!("group {name}: {both} cannot be the manager agent and work in the background"));
        }
    }
    settings(group)?;
    if group.members.len() > MAX_MEMBERS {
        return refuse(format!("group {name}: {} members are over the limit of {MAX_MEMBERS}", group.members.len()));
    }
    if group.shared_blocks.len() > MAX_SHARED_BLOCKS {
        return refuse(format!(
            "group {name}: {} shared blocks are over the limit of {MAX_SHARED_BLOCKS}",
            group.shared_blocks.len()
        ));
    }
    Ok(())
}

/// Every value is one its setting takes, and nothing is set that this manager type would not look at.
fn settings<F>(group: &Group) -> Result<(), Halt<F>> {
    let (name, manager_type) = (&group.name, group.manager_type);
    for row in Group::settings() {
        let Some(value) = (row.get)(group).filter(|value| !value.is_blank() || matches!(row.kind, Kind::Word)) else {
            continue;
        };
        if let Err(text) = row.check(&value) {
            return refuse(format!("group {name}: {text}"));
        }
        // Who takes part is a matter of the shape.
        if !row.kind.is_membership() && !manager_type.has_setting(row.key) {
            let kinds = ManagerType::with_setting(row.key).join(" or ");
            return refuse(format!(
                "group {name}: {} belongs to {kinds}, and this group is {}",
                row.key,
                manager_type.as_str()
            ));
        }
    }
    let agents = group.agents();
    if let Some(id) = group.roles.keys().find(|id| !agents.contains(id)) {
        return refuse(format!("group {name}: {id} has a role and is not in the group"));
    }
    Ok(())
}

/// An agent that is in no group any more, has no block of its own and is not at work.
pub(super) fn delete_agent<R: Rows>(rows: &mut R, id: &AgentId) -> Result<(), Halt<R::Fault>> {
    let agent = must::<Agent, R>(rows, id.as_str(), "agent")?;
    if let Some(group) = rows.all::<Group>()?.into_iter().find(|group| group.agents().contains(&id)) {
        return refuse(format!("{} is in the group {}; take it out first", agent.name, group.name));
    }
    if let Some(other) = rows.all::<Agent>()?.into_iter().find(|other| other.contacts.contains(id)) {
        return refuse(format!("{} is a contact of {}; take it out there first", agent.name, other.name));
    }
    if rows.open::<Run>()?.iter().any(|run| run.agent() == Some(id) || talks_with(run, id)) {
        return refuse(format!("{} is at work; wait for it, or cancel it", agent.name));
    }
    Ok(rows.delete::<Agent>(id.as_str())?)
}

fn talks_with(run: &Run, id: &AgentId) -> bool {
    matches!(&run.kind, crate::domain::RunKind::Turn { only: Some(only), .. } if only == id)
}

/// A group that is at rest and at home to nobody.
pub(super) fn delete_group<R: Rows>(rows: &mut R, id: &GroupId) -> Result<(), Halt<R::Fault>> {
    let group = must::<Group, R>(rows, id.as_str(), "group")?;
    for talk in rows.find::<Conversation>(id.as_str())? {
        if !rows.find::<Run>(talk.id.as_str())?.is_empty() {
            return refuse(format!("{} is answering; wait for it, or cancel it", group.name));
        }
    }
    for agent in group.agents() {
        if !rows.find::<Job>(&Job::pair_key(agent, id))?.is_empty() {
            return refuse(format!("{} has a job that is not over; cancel it first", group.name));
        }
    }
    Ok(rows.delete::<Group>(id.as_str())?)
}

/// No agent twice in a role, no two agents of one name: names are how agents are spoken to.
fn distinct_names<R: Rows>(rows: &mut R, group: &Group) -> Result<(), Halt<R::Fault>> {
    let background = group.sleeptime.iter().flat_map(|sleeptime| &sleeptime.agents);
    for list in [group.members.iter().collect::<Vec<&AgentId>>(), background.collect()] {
        for (at, id) in list.iter().enumerate() {
            if list[..at].contains(id) {
                let agent = must::<Agent, R>(rows, id.as_str(), "agent")?;
                return refuse(format!("group {}: {} is named twice", group.name, agent.name));
            }
        }
    }
    let mut names: BTreeMap<String, &AgentId> = BTreeMap::new();
    for id in group.agents() {
        let agent = must::<Agent, R>(rows, id.as_str(), "agent")?;
        if let Some(other) = names.insert(folded(&agent.name), id)
            && other != id
        {
            return refuse(format!("group {}: two agents are named {}", group.name, agent.name));
        }
    }
    Ok(())
}

/// Labels are unique among all blocks that reach an agent.
fn unique_labels<R: Rows>(rows: &mut R, agent: &Agent, shared: &[BlockId]) -> Result<(), Halt<R::Fault>> {
    let mut labels: BTreeMap<String, BlockId> = BTreeMap::new();
    for id in agent.blocks.iter().chain(shared) {
        let block = must::<Block, R>(rows, id.as_str(), "block")?;
        if let Some(other) = labels.insert(folded(&block.label), id.clone())
            && other != *id
        {
            return refuse(format!("agent {} would have two blocks with the label {:?}", agent.name, block.label));
        }
    }
    Ok(())
}
