//! What a form makes of an agent.

use super::people::{People, guess};
use crate::domain::block::DEFAULT_LIMIT;
use crate::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Change, Editor, GroupId, Revision, Rule};
use crate::engine::Engine;
use crate::engine::wire::{AgentForm, Fault, Setting};

/// The label of the block that says who an agent is.
const PERSONA: &str = "persona";
/// What that block is for: the agent itself reads it.
const PERSONA_IS_FOR: &str = "Who you are and how you speak";

/// The changes that make the agent; it joins the members, or those in the background where its group has no members.
pub(super) fn created(
    engine: &Engine,
    people: &People,
    home: &GroupId,
    id: &AgentId,
    form: &AgentForm,
) -> Result<Vec<Change>, Fault> {
    let name = form.name.as_deref().ok_or_else(|| Fault::new("an agent needs a name"))?;
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

/// The changes that make the agent what the form says.
pub(super) fn updated(engine: &Engine, people: &People, id: &AgentId, form: &AgentForm) -> Result<Vec<Change>, Fault> {
    let old = people.agent(id)?;
    let mut agent = old.clone();
    fill(engine, people, &mut agent, form)?;
    let mut changes: Vec<Change> = persona(engine, people, &mut agent, form).into_iter().collect();
    if agent != *old {
        changes.push(Change::AgentPut(agent));
    }
    Ok(changes)
}

fn fill(engine: &Engine, people: &People, agent: &mut Agent, form: &AgentForm) -> Result<(), Fault> {
    if let Some(name) = &form.name {
        agent.name.clone_from(name);
    }
    if let Some(description) = &form.description {
        agent.description.clone_from(description);
    }
    if let Setting::Set(model) = &form.model {
        engine.models.get(model).map_err(|fault| Fault::new(fault.text))?;
    }
    agent.model = form.model.clone().over(agent.model.take());
    agent.system = form.system.clone().over(agent.system.take());
    agent.max_steps = form.max_steps.over(agent.max_steps).filter(|most| *most > 0);
    if let Some(tags) = &form.tags {
        agent.tags.clone_from(tags);
    }
    if let Some(tools) = &form.tools {
        for tool in tools {
            known(engine, tool.strip_prefix('-').unwrap_or(tool))?;
        }
        agent.tools.clone_from(tools);
    }
    if let Some(approvals) = &form.approvals {
        agent.rules.retain(|rule| !matches!(rule, Rule::RequiresApproval { .. }));
        for tool in approvals {
            known(engine, tool)?;
            let rule = Rule::RequiresApproval { tool_name: tool.clone() };
            if !agent.rules.contains(&rule) {
                agent.rules.push(rule);
            }
        }
    }
    if let Some(contacts) = &form.contacts {
        agent.contacts.clear();
        for name in contacts {
            let id = &people.by_full_name(name)?.id;
            if *id == agent.id {
                return Err(Fault::new(format!("{name} is the agent itself; a contact is an agent of another group")));
            }
            if !agent.contacts.contains(id) {
                agent.contacts.push(id.clone());
            }
        }
    }
    Ok(())
}

fn known(engine: &Engine, tool: &str) -> Result<(), Fault> {
    let names = engine.tools.names();
    if names.iter().any(|name| name == tool) {
        return Ok(());
    }
    Err(Fault::new(format!("there is no tool {tool:?}; {}", guess(tool, &names))))
}

/// The change that gives the agent its persona: a new block of its own, or the next version of the one it has.
fn persona(engine: &Engine, people: &People, agent: &mut Agent, form: &AgentForm) -> Option<Change> {
    let value = form.persona.clone()?;
    if let Some(block) = people.block(agent, PERSONA) {
        if !agent.blocks.contains(&block.id) {
            agent.blocks.insert(0, block.id.clone());
        }
        return (block.value != value).then(|| {
            Change::BlockEdited(Revision {
                block: block.id.clone(),
                version: block.version + 1,
                value,
                editor: Editor::Person,
                run: None,
                step: None,
                reason: "edited".to_owned(),
            })
        });
    }
    let id = BlockId::fresh(engine.store.ids());
    agent.blocks.insert(0, id.clone());
    Some(Change::BlockCreated(Block {
        id,
        label: PERSONA.to_owned(),
        description: PERSONA_IS_FOR.to_owned(),
        value,
        limit: DEFAULT_LIMIT,
        read_only: false,
        tags: Vec::new(),
        owner: BlockOwner::Agent(agent.id.clone()),
        version: 1,
        editor: Editor::Person,
        edited_at: engine.store.clock().now(),
        from_file: None,
    }))
}
