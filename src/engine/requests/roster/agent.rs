//! Computes the changes of a form for an agent.

use super::people::{RosterSnapshot, guess};
use super::settings;
use crate::domain::block::{PERSONA, PERSONA_IS_FOR};
use crate::domain::setting::Kind;
use crate::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Change, Editor, GroupId, PersonId, Revision, Value};
use crate::engine::Engine;
use crate::engine::protocol::{AgentForm, RequestError};

/// The changes that create the agent. It joins the members, or the background agents if the pattern has no members.
pub(super) fn created(
    engine: &Engine,
    people: &RosterSnapshot,
    home: &GroupId,
    id: &AgentId,
    form: &AgentForm,
) -> Result<Vec<Change>, RequestError> {
    let name = form.name.as_deref().ok_or_else(|| RequestError::new("an agent needs a name"))?;
    let mut group = people.group(home)?.clone();
    let mut agent = Agent::new(id.clone(), name, home.clone());
    fill(engine, people, &mut agent, form)?;
    let mut changes: Vec<Change> = persona(engine, people, &mut agent, form).into_iter().collect();
    changes.push(Change::AgentPut(agent));
    match &mut group.sleeptime {
        Some(policy) if !group.manager_type.has_members() => policy.agents.push(id.clone()),
        _ => group.members.push(id.clone()),
    }
    changes.push(Change::GroupPut(group));
    Ok(changes)
}

/// The changes that apply the form to the agent; empty if nothing changes.
pub(super) fn updated(
    engine: &Engine,
    people: &RosterSnapshot,
    id: &AgentId,
    form: &AgentForm,
) -> Result<Vec<Change>, RequestError> {
    let old = people.agent(id)?;
    let mut agent = old.clone();
    fill(engine, people, &mut agent, form)?;
    if let Some(read) = &form.read {
        settings::unclashed([read.as_ref(), old, &agent], |agent| &agent.name, &form.settings)?;
    }
    let mut changes: Vec<Change> = persona(engine, people, &mut agent, form).into_iter().collect();
    if agent != *old {
        changes.push(Change::AgentPut(agent));
    }
    Ok(changes)
}

fn fill(engine: &Engine, people: &RosterSnapshot, agent: &mut Agent, form: &AgentForm) -> Result<(), RequestError> {
    if let Some(name) = &form.name {
        agent.name.clone_from(name);
    }
    settings::known::<Agent>(&form.settings)?;
    let persona = people.block(agent, PERSONA).map(|block| block.id.clone());
    let persona = persona.filter(|id| agent.blocks.contains(id));
    let resolve = |agent: &Agent, kind: Kind, value: Value| match kind {
        Kind::Model => {
            let Value::Text(name) = &value else { return Ok(value) };
            engine.models.get(name).map_err(|fault| RequestError::new(fault.text))?;
            Ok(value)
        }
        Kind::Models => {
            for name in value.names() {
                engine.models.get(name).map_err(|fault| RequestError::new(fault.text))?;
            }
            Ok(value)
        }
        Kind::Tools | Kind::Approvals => {
            let plain = |tool: &str| match kind {
                Kind::Tools => tool.strip_prefix('-').unwrap_or(tool).to_owned(),
                _ => tool.to_owned(),
            };
            value.names().into_iter().try_for_each(|tool| known(engine, &plain(tool)))?;
            Ok(value)
        }
        Kind::Contacts => value.try_map_names(&mut |name| {
            let id = &people.by_full_name(&name)?.id;
            if *id == agent.id {
                return Err(RequestError::new(format!(
                    "{name} is the agent itself; a contact is an agent of another group"
                )));
            }
            Ok(id.0.clone())
        }),
        Kind::Blocks => {
            value.try_map_names(&mut |label| people.readable(agent, &label).map(|block| block.id.0.clone()))
        }
        _ => Ok(value),
    };
    settings::change(agent, &form.settings, |_| true, &resolve)?;
    // A new list of blocks does not remove the persona.
    if let Some(persona) = persona.filter(|id| !agent.blocks.contains(id)) {
        agent.blocks.insert(0, persona);
    }
    Ok(())
}

fn known(engine: &Engine, tool: &str) -> Result<(), RequestError> {
    let names = engine.tools.names();
    if names.iter().any(|name| name == tool) {
        return Ok(());
    }
    Err(RequestError::new(format!("there is no tool {tool:?}; {}", guess(tool, &names))))
}

/// The change that sets the persona: a new block, or a new version of the existing one. `None` if nothing changes.
fn persona(engine: &Engine, people: &RosterSnapshot, agent: &mut Agent, form: &AgentForm) -> Option<Change> {
    let value = form.persona.clone()?;
    if let Some(block) = people.block(agent, PERSONA) {
        if !agent.blocks.contains(&block.id) {
            agent.blocks.insert(0, block.id.clone());
        }
        return (block.value != value)
            .then(|| Change::BlockEdited(Revision::by_person(block.id.clone(), block.version + 1, value, "edited")));
    }
    let id = BlockId::fresh(engine.store.ids());
    agent.blocks.insert(0, id.clone());
    let (owner, you) = (BlockOwner::Agent(agent.id.clone()), Editor::Person(PersonId::local()));
    let block = Block::new(id, PERSONA, owner, you);
    Some(Change::BlockCreated(Block { description: PERSONA_IS_FOR.to_owned(), value, ..block }))
}
