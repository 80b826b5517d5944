//! Computes the changes of a form for a group.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::people::{RosterSnapshot, guess};
use super::{block, settings};
use crate::domain::block::folded;
use crate::domain::setting::{Kind, Reference};
use crate::domain::{Agent, AgentId, BlockId, Change, Group, GroupId, Ids, TriggerSpec, Value};
use crate::engine::protocol::{GroupForm, Recipient, RequestError};

/// The changes that create the group and those of its agents that do not exist yet.
pub(super) fn created(
    people: &RosterSnapshot,
    ids: &Ids,
    id: &GroupId,
    form: &GroupForm,
) -> Result<Vec<Change>, RequestError> {
    let name = form.name.as_deref().ok_or_else(|| RequestError::new("a group needs a name"))?;
    let kind = form.manager_type.ok_or_else(|| RequestError::new(format!("group {name} needs a manager type")))?;
    let mut group = Group::new(id.clone(), name, kind);
    let made: RefCell<BTreeMap<String, AgentId>> = RefCell::default();
    let who = |name: &str| {
        if name.contains('/') {
            return people.by_full_name(name).map(|agent| agent.id.clone());
        }
        Ok(made.borrow_mut().entry(name.to_owned()).or_insert_with(|| AgentId::fresh(ids)).clone())
    };
    let names = Names { people, made: &made };
    fill(&names, &mut group, form, &who)?;
    let fresh = |(name, agent): (&String, &AgentId)| Change::AgentPut(Agent::new(agent.clone(), name, id.clone()));
    // In the group's order, because lists show agents in order of creation.
    let made = made.borrow();
    let place = |id: &AgentId| group.agents().iter().position(|other| *other == id);
    let mut agents: Vec<(&String, &AgentId)> = made.iter().collect();
    agents.sort_by_key(|(_, id)| place(id));
    let mut changes: Vec<Change> = Vec::new();
    if let Some(form) = &form.first_block {
        let block = block::made(&BlockId::fresh(ids), &Recipient::Group(id.clone()), form)?;
        group.shared_blocks.push(block.id.clone());
        changes.push(Change::BlockCreated(block));
    }
    changes.extend(agents.into_iter().map(fresh));
    changes.push(Change::GroupPut(group));
    Ok(changes)
}

/// The changes that apply the form to the group; empty if nothing changes.
pub(super) fn updated(people: &RosterSnapshot, id: &GroupId, form: &GroupForm) -> Result<Vec<Change>, RequestError> {
    let old = people.group(id)?;
    if form.first_block.is_some() {
        return Err(RequestError::new(format!("{} exists already; create the block by itself", old.name)));
    }
    let mut group = old.clone();
    let made = RefCell::default();
    let names = Names { people, made: &made };
    fill(&names, &mut group, form, &|name| people.candidate(old, name))?;
    if let Some(read) = &form.read {
        settings::unclashed([read.as_ref(), old, &group], |group| &group.name, &form.settings)?;
    }
    Ok(if group == *old { Vec::new() } else { vec![Change::GroupPut(group)] })
}

/// The names of existing agents and of those being created.
struct Names<'a> {
    people: &'a RosterSnapshot,
    made: &'a RefCell<BTreeMap<String, AgentId>>,
}

impl Names<'_> {
    /// Finds an agent of the group by name.
    fn here(&self, group: &Group, name: &str) -> Result<AgentId, RequestError> {
        let made = self.made.borrow().get(name).filter(|id| group.agents().contains(id)).cloned();
        made.or_else(|| self.people.find_in(group, name)).ok_or_else(|| {
            let names: Vec<String> = group.agents().into_iter().map(|id| self.name(id)).collect();
            RequestError::new(format!(
                "{} has no agent named {name:?}; its agents are {}",
                group.name,
                names.join(", ")
            ))
        })
    }

    fn name(&self, id: &AgentId) -> String {
        let made = self.made.borrow().iter().find(|(_, one)| *one == id).map(|(name, _)| name.clone());
        made.unwrap_or_else(|| self.people.agent(id).map_or_else(|_| id.to_string(), |agent| agent.name.clone()))
    }
}

fn fill(
    names: &Names<'_>,
    group: &mut Group,
    form: &GroupForm,
    who: &dyn Fn(&str) -> Result<AgentId, RequestError>,
) -> Result<(), RequestError> {
    settings::known::<Group>(&form.settings)?;
    if let Some(name) = &form.name {
        group.name.clone_from(name);
    }
    if let Some(manager_type) = form.manager_type {
        group.manager_type = manager_type;
    }
    let resolve = |group: &Group, kind: Kind, value: Value| match kind.refers_to() {
        None | Some(Reference::Contact) => Ok(value),
        Some(Reference::Joining) => value.try_map_names(&mut |name| who(&name).map(|id| id.0)),
        Some(Reference::Inside) => value.try_map_names(&mut |name| names.here(group, &name).map(|id| id.0)),
        Some(Reference::Block) => {
            value.try_map_names(&mut |label| names.people.shareable(group, &label).map(|block| block.id.0.clone()))
        }
    };
    settings::change(group, &form.settings, Kind::is_membership, &resolve)?;
    for name in &form.add {
        let id = who(name)?;
        if !group.members.contains(&id) {
            group.members.push(id);
        }
    }
    for name in &form.remove {
        leave(names, group, name)?;
    }
    settings::change(group, &form.settings, |kind| !kind.is_membership(), &resolve)?;
    let agents: Vec<AgentId> = group.agents().into_iter().cloned().collect();
    group.roles.retain(|id, _| agents.contains(id));
    if form.settings.get("trigger").is_some() {
        listens(names.people, group)?;
    }
    sound(group, &|id| names.name(id)).map_err(RequestError::new)
}

fn leave(names: &Names<'_>, group: &mut Group, name: &str) -> Result<(), RequestError> {
    let id = names.here(group, name)?;
    if !group.members.contains(&id) {
        let (what, instead) = match &group.manager_agent {
            Some(manager) if *manager == id => ("is the manager agent", "name another manager agent instead"),
            _ => ("works in the background", "set the background agents without it instead"),
        };
        return Err(RequestError::new(format!("{name} {what} of {} and is not a member; {instead}", group.name)));
    }
    group.members.retain(|member| *member != id);
    Ok(())
}

/// Refuses triggers on blocks that neither the group nor one of its agents has.
fn listens(people: &RosterSnapshot, group: &Group) -> Result<(), RequestError> {
    let agents = group.agents();
    let own = people.agents.iter().filter(|agent| agents.contains(&&agent.id)).flat_map(|agent| &agent.blocks);
    let ids: Vec<&BlockId> = group.shared_blocks.iter().chain(own).collect();
    let labels: Vec<String> =
        people.blocks.iter().filter(|block| ids.contains(&&block.id)).map(|block| block.label.clone()).collect();
    let triggers = group.sleeptime.iter().flat_map(|policy| &policy.triggers);
    for label in triggers.filter_map(TriggerSpec::label) {
        if !labels.iter().any(|known| folded(known) == folded(label)) {
            let text = format!("a trigger listens to the block {label:?}, which {} does not have", group.name);
            return Err(RequestError::new(format!("{text}; {}", guess(label, &labels))));
        }
    }
    Ok(())
}

/// Checks what the domain also checks, with names in place of ids.
pub(super) fn sound(group: &Group, name: &dyn Fn(&AgentId) -> String) -> Result<(), String> {
    let policy = group.sleeptime.iter();
    let named = policy.flat_map(|policy| &policy.triggers).filter_map(|spec| spec.agent.as_ref());
    if let Some(id) = named.into_iter().find(|id| !group.in_background(id)) {
        return Err(format!(
            "group {}: a trigger names {}, which does not work in the background of the group; change the trigger first",
            group.name,
            name(id)
        ));
    }
    let agents = group.agents();
    let gone = group.terminate.as_ref().and_then(|terminate| terminate.speakers().find(|id| !agents.contains(id)));
    match gone {
        Some(id) => Err(format!(
            "group {}: its terminate condition names {}, which would no longer be in the group; change terminate first",
            group.name,
            name(id)
        )),
        None => Ok(()),
    }
}
