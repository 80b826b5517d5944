//! What a form makes of a group.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::people::People;
use crate::domain::{Agent, AgentId, Change, Group, GroupId, Ids, Sleeptime};
use crate::engine::wire::{Fault, GroupForm, Setting};

/// The changes that make the group, and the agents of its that it names and that are not there yet.
pub(super) fn created(people: &People, ids: &Ids, id: &GroupId, form: &GroupForm) -> Result<Vec<Change>, Fault> {
    let name = form.name.as_deref().ok_or_else(|| Fault::new("a group needs a name"))?;
    let kind = form.manager_type.ok_or_else(|| Fault::new(format!("group {name} needs a manager type")))?;
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
    // In the order the group has them, so that lists show them so.
    let made = made.borrow();
    let place = |id: &AgentId| group.agents().iter().position(|other| *other == id);
    let mut agents: Vec<(&String, &AgentId)> = made.iter().collect();
    agents.sort_by_key(|(_, id)| place(id));
    Ok(agents.into_iter().map(fresh).chain([Change::GroupPut(group.clone())]).collect())
}

/// The changes that make the group what the form says.
pub(super) fn updated(people: &People, id: &GroupId, form: &GroupForm) -> Result<Vec<Change>, Fault> {
    let old = people.group(id)?;
    let mut group = old.clone();
    let made = RefCell::default();
    let names = Names { people, made: &made };
    fill(&names, &mut group, form, &|name| people.candidate(old, name))?;
    Ok(if group == *old { Vec::new() } else { vec![Change::GroupPut(group)] })
}

/// What agents are called: those there are, and those that are made.
struct Names<'a> {
    people: &'a People,
    made: &'a RefCell<BTreeMap<String, AgentId>>,
}

impl Names<'_> {
    /// The agent of the group of this name.
    fn here(&self, group: &Group, name: &str) -> Result<AgentId, Fault> {
        let made = self.made.borrow().get(name).filter(|id| group.agents().contains(id)).cloned();
        made.or_else(|| self.people.find_in(group, name)).ok_or_else(|| {
            let names: Vec<String> = group.agents().into_iter().map(|id| self.name(id)).collect();
            Fault::new(format!("{} has nobody named {name:?}; here are {}", group.name, names.join(", ")))
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
    who: &dyn Fn(&str) -> Result<AgentId, Fault>,
) -> Result<(), Fault> {
    let all = |names: &[String]| names.iter().map(|name| who(name)).collect::<Result<Vec<AgentId>, Fault>>();
    set(&mut group.name, form.name.as_ref());
    set(&mut group.description, form.description.as_ref());
    set(&mut group.manager_type, form.manager_type.as_ref());
    set(&mut group.status, form.status.as_ref());
    set(&mut group.allow_repeat, form.allow_repeat.as_ref());
    set(&mut group.continue_order, form.continue_order.as_ref());
    group.max_turns = counted(form.max_turns, group.max_turns);
    group.max_rounds = counted(form.max_rounds, group.max_rounds);
    group.wait_seconds = counted(form.wait_seconds, group.wait_seconds);
    group.mail_per_minute = counted(form.mail_per_minute, group.mail_per_minute);
    group.termination_token = form.termination_token.clone().over(group.termination_token.take());
    if let Some(members) = &form.members {
        group.members = all(members)?;
    }
    for id in all(&form.add)? {
        if !group.members.contains(&id) {
            group.members.push(id);
        }
    }
    for name in &form.remove {
        leave(names, group, name)?;
    }
    if let Some(manager) = &form.manager_agent {
        group.manager_agent = Some(who(manager)?);
    }
    if let Some(background) = &form.background {
        let every_turns = group.sleeptime.take().and_then(|policy| policy.every_turns);
        let agents = all(background)?;
        group.sleeptime = (!agents.is_empty()).then_some(Sleeptime { agents, every_turns });
    }
    match (&mut group.sleeptime, form.every_turns) {
        (Some(policy), every) => policy.every_turns = counted(every, policy.every_turns),
        (None, Setting::Set(1..)) => {
            let text = format!("nobody works in the background of {}; name background agents, too", group.name);
            return Err(Fault::new(text));
        }
        (None, _) => {}
    }
    let agents: Vec<AgentId> = group.agents().into_iter().cloned().collect();
    for (name, role) in &form.roles {
        let id = names.here(group, name)?;
        match role.trim() {
            "" => group.roles.remove(&id),
            role => group.roles.insert(id, role.to_owned()),
        };
    }
    group.roles.retain(|id, _| agents.contains(id));
    group.terminate = match form.terminate.clone() {
        Setting::Set(terminate) => Some(terminate.try_with_speakers(&mut |AgentId(name)| names.here(group, &name))?),
        other => other.over(group.terminate.take()),
    };
    sound(group, &|id| names.name(id)).map_err(Fault::new)
}

fn set<T: Clone>(to: &mut T, from: Option<&T>) {
    if let Some(from) = from {
        to.clone_from(from);
    }
}

/// A number of zero is none.
fn counted(setting: Setting<u32>, before: Option<u32>) -> Option<u32> {
    setting.over(before).filter(|number| *number > 0)
}

fn leave(names: &Names<'_>, group: &mut Group, name: &str) -> Result<(), Fault> {
    let id = names.here(group, name)?;
    if !group.members.contains(&id) {
        let (what, instead) = match &group.manager_agent {
            Some(manager) if *manager == id => ("is the manager agent", "name another manager agent instead"),
            _ => ("works in the background", "name the background agents anew instead"),
        };
        return Err(Fault::new(format!("{name} {what} of {} and is no member; {instead}", group.name)));
    }
    group.members.retain(|member| *member != id);
    Ok(())
}

/// What the domain could only say with ids.
pub(super) fn sound(group: &Group, name: &dyn Fn(&AgentId) -> String) -> Result<(), String> {
    let agents = group.agents();
    let gone = group.terminate.as_ref().and_then(|terminate| terminate.speakers().find(|id| !agents.contains(id)));
    match gone {
        Some(id) => Err(format!(
            "group {}: its turns end when {} has spoken, who would not be there; change terminate first",
            group.name,
            name(id)
        )),
        None => Ok(()),
    }
}
