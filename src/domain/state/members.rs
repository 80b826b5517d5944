//! The rules of agents and groups: a group whose pattern cannot run cannot be created.

use std::collections::BTreeMap;

use super::{ApplyError, Row, Rows, reject, require};
use crate::domain::agent::is_name;
use crate::domain::block::folded;
use crate::domain::group::{MAX_MEMBERS, MAX_SHARED_BLOCKS};
use crate::domain::pattern::shape::{Flaw, Inspector, Place, Shape};
use crate::domain::setting::Kind;
use crate::domain::{
    Agent, AgentId, Block, BlockId, Configurable as _, Conversation, Group, GroupId, Job, ManagerType, Run,
};

pub(super) fn put_agent<R: Rows>(rows: &mut R, agent: &Agent) -> Result<(), ApplyError<R::Fault>> {
    if !is_name(&agent.name) {
        return reject(format!("{:?} is not a valid name for an agent: use letters, digits, - and _", agent.name));
    }
    let same_name = rows.find::<Agent>(&agent.lookup().unwrap_or_default())?;
    if same_name.iter().any(|other| other.id != agent.id) {
        return reject(format!("the group has an agent named {} already", agent.name));
    }
    for row in Agent::settings() {
        if let Some(Err(text)) = (row.get)(agent).map(|value| row.check(&value)) {
            return reject(format!("agent {}: {text}", agent.name));
        }
    }
    for contact in &agent.contacts {
        require::<Agent, R>(rows, contact.as_str(), "agent")?;
    }
    rows.put(agent)?;
    for group in rows.all::<Group>()? {
        if group.agents().contains(&&agent.id) {
            unique_labels(rows, agent, &group.shared_blocks)?;
        }
    }
    unique_labels(rows, agent, &[])
}

pub(super) fn put_group<R: Rows>(rows: &mut R, group: &Group) -> Result<(), ApplyError<R::Fault>> {
    if !is_name(&group.name) {
        return reject(format!("{:?} is not a valid name for a group: use letters, digits, - and _", group.name));
    }
    if rows.find::<Group>(&group.name)?.iter().any(|other| other.id != group.id) {
        return reject(format!("there is a group named {} already", group.name));
    }
    if let Some(old) = rows.get::<Group>(group.id.as_str())?
        && old.manager_type != group.manager_type
    {
        return reject(format!(
            "group {}: the manager type is {} and cannot change; make another group",
            group.name,
            old.manager_type.as_str()
        ));
    }
    shape(rows, group)?;
    settings(group)?;
    for id in &group.shared_blocks {
        require::<Block, R>(rows, id.as_str(), "block")?;
    }
    for id in group.agents() {
        let agent = require::<Agent, R>(rows, id.as_str(), "agent")?;
        unique_labels(rows, &agent, &group.shared_blocks)?;
    }
    Ok(rows.put(group)?)
}

/// Rejects a group whose pattern cannot run with its agents.
fn shape<R: Rows>(rows: &mut R, group: &Group) -> Result<(), ApplyError<R::Fault>> {
    let background = group.sleeptime.as_ref().map(|sleeptime| sleeptime.agents.as_slice());
    let shape = Shape {
        manager_type: group.manager_type,
        members: &group.members,
        manager: group.manager_agent.as_ref(),
        background,
        shared_blocks: group.shared_blocks.len(),
    };
    shape.inspect(&mut Refusal { rows, group, shape: &shape })
}

/// Rejects a group with its first flaw.
struct Refusal<'a, R> {
    rows: &'a mut R,
    group: &'a Group,
    shape: &'a Shape<'a, AgentId>,
}

impl<R: Rows> Refusal<'_, R> {
    fn named(&mut self, place: Place) -> Result<String, ApplyError<R::Fault>> {
        self.shape.at(place).map_or_else(|| Ok(String::new()), |id| self.name(id))
    }
}

impl<R: Rows> Inspector<AgentId> for Refusal<'_, R> {
    type Error = ApplyError<R::Fault>;

    fn name(&mut self, id: &AgentId) -> Result<String, ApplyError<R::Fault>> {
        Ok(require::<Agent, R>(self.rows, id.as_str(), "agent")?.name)
    }

    fn flaw(&mut self, flaw: Flaw) -> Result<(), ApplyError<R::Fault>> {
        let kind = self.group.manager_type.as_str();
        let text = match flaw {
            Flaw::NoMembers(_) => format!("{kind} needs at least one member"),
            Flaw::NoManager { part, .. } => format!("{kind} needs manager_agent, the agent that {part}"),
            Flaw::ManagerNotUsed(_) => format!("{kind} has no manager_agent"),
            Flaw::MembersNotUsed(_) => {
                format!("{kind} has no members; name background agents in group.sleeptime.agents")
            }
            Flaw::ManagerIsMember { .. } => "the manager agent cannot be a member, too".to_owned(),
            Flaw::NoBackground => format!("{kind} needs group.sleeptime.agents, at least one"),
            Flaw::EmptyBackground => "group.sleeptime.agents needs at least one agent".to_owned(),
            Flaw::ManagerInBackground(place) => {
                format!("{} cannot be the manager agent and work in the background", self.named(place)?)
            }
            Flaw::TooManyMembers(_) => {
                format!("{} members are over the limit of {MAX_MEMBERS}", self.group.members.len())
            }
            Flaw::TooManySharedBlocks => {
                format!("{} shared blocks are over the limit of {MAX_SHARED_BLOCKS}", self.group.shared_blocks.len())
            }
            Flaw::Twice(place) => format!("{} is named twice", self.named(place)?),
            Flaw::SameName { place, .. } => format!("two agents are named {}", self.named(place)?),
        };
        reject(format!("group {}: {text}", self.group.name))
    }
}

/// Rejects values that their settings do not accept, and settings that the manager type does not use.
fn settings<F>(group: &Group) -> Result<(), ApplyError<F>> {
    let (name, manager_type) = (&group.name, group.manager_type);
    for row in Group::settings() {
        let Some(value) = (row.get)(group).filter(|value| !value.is_blank() || matches!(row.kind, Kind::Word)) else {
            continue;
        };
        if let Err(text) = row.check(&value) {
            return reject(format!("group {name}: {text}"));
        }
        // The agents of the group are checked with the shape.
        if !row.kind.is_membership() && !manager_type.has_setting(row.key) {
            let kinds = ManagerType::with_setting(row.key).join(" or ");
            return reject(format!(
                "group {name}: {} belongs to {kinds}, and this group is {}",
                row.key,
                manager_type.as_str()
            ));
        }
    }
    let triggers = group.sleeptime.iter().flat_map(|policy| &policy.triggers);
    if let Some(id) = triggers.filter_map(|spec| spec.agent.as_ref()).find(|id| !group.in_background(id)) {
        return reject(format!(
            "group {name}: a trigger names {id}, which does not work in the background of the group"
        ));
    }
    let agents = group.agents();
    if let Some(id) = group.roles.keys().find(|id| !agents.contains(id)) {
        return reject(format!("group {name}: {id} has a role and is not in the group"));
    }
    Ok(())
}

/// Deletes an agent that is in no group, is nobody's contact and has no unfinished run.
pub(super) fn delete_agent<R: Rows>(rows: &mut R, id: &AgentId) -> Result<(), ApplyError<R::Fault>> {
    let agent = require::<Agent, R>(rows, id.as_str(), "agent")?;
    if let Some(group) = rows.all::<Group>()?.into_iter().find(|group| group.agents().contains(&id)) {
        return reject(format!("{} is in the group {}; remove it there first", agent.name, group.name));
    }
    if let Some(other) = rows.all::<Agent>()?.into_iter().find(|other| other.contacts.contains(id)) {
        return reject(format!("{} is a contact of {}; remove it there first", agent.name, other.name));
    }
    if rows.open::<Run>()?.iter().any(|run| run.agent() == Some(id) || talks_with(run, id)) {
        return reject(format!("{} is working; wait for it, or cancel it", agent.name));
    }
    Ok(rows.delete::<Agent>(id.as_str())?)
}

fn talks_with(run: &Run, id: &AgentId) -> bool {
    run.kind.only() == Some(id)
}

/// Deletes a group without an unfinished turn or job.
pub(super) fn delete_group<R: Rows>(rows: &mut R, id: &GroupId) -> Result<(), ApplyError<R::Fault>> {
    let group = require::<Group, R>(rows, id.as_str(), "group")?;
    for talk in rows.find::<Conversation>(id.as_str())? {
        if !rows.find::<Run>(talk.id.as_str())?.is_empty() {
            return reject(format!("{} is answering; wait for it, or cancel it", group.name));
        }
    }
    for agent in group.agents() {
        if !rows.find::<Job>(&Job::pair_key(agent, id))?.is_empty() {
            return reject(format!("{} has an unfinished job; cancel it first", group.name));
        }
    }
    Ok(rows.delete::<Group>(id.as_str())?)
}

/// Rejects two blocks of an agent, of its own or shared, with the same label.
pub(super) fn unique_labels<R: Rows>(
    rows: &mut R,
    agent: &Agent,
    shared: &[BlockId],
) -> Result<(), ApplyError<R::Fault>> {
    let mut labels: BTreeMap<String, BlockId> = BTreeMap::new();
    for id in agent.blocks.iter().chain(shared) {
        let block = require::<Block, R>(rows, id.as_str(), "block")?;
        if let Some(other) = labels.insert(folded(&block.label), id.clone())
            && other != *id
        {
            return reject(format!("agent {} would have two blocks with the label {:?}", agent.name, block.label));
        }
    }
    Ok(())
}
