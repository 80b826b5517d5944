//! Checks the names that a commit of a person gives. Names that rows already have stay, so that older stores work.

use super::block::folded;
use super::naming::{check_agent_name, check_name, check_new_label, holds_token, looks_like};
use super::spelling::shown;
use super::{Agent, AgentId, Block, Change, Group, GroupId};

/// Refuses changes that give a name or a label against its rule, that could be taken for another of the same place, or
/// an agent the text that ends a turn of its group. The rows are those before the changes.
///
/// # Errors
/// A sentence that names what is refused.
pub fn check(old_groups: &[Group], old_agents: &[Agent], blocks: &[Block], changes: &[Change]) -> Result<(), String> {
    let refused =
        |what: &str, name: &str, why: &str| Err(format!("{} is not a valid name for {what}: {why}", shown(name)));
    let (mut groups, mut agents) = (old_groups.to_vec(), old_agents.to_vec());
    let mut labels: Vec<(_, &str)> = blocks.iter().map(|block| (&block.owner, block.label.as_str())).collect();
    for change in changes {
        match change {
            Change::AgentPut(agent) => {
                let old = old_agents.iter().find(|old| old.id == agent.id);
                if let Err(why) = check_agent_name(&agent.name)
                    && old.is_none_or(|old| old.name != agent.name)
                {
                    return refused("an agent", &agent.name, &why);
                }
                agents.retain(|old| old.id != agent.id);
                let renamed = old.is_none_or(|old| old.name != agent.name);
                let near = agents.iter().filter(|one| renamed && one.group == agent.group);
                if let Some(twin) = lookalike(&agent.name, near.map(|one| one.name.as_str())) {
                    return refused(
                        "an agent",
                        &agent.name,
                        &format!("it looks like {twin}, another agent of the group"),
                    );
                }
                agents.push(agent.clone());
            }
            Change::GroupPut(group) => {
                let old = old_groups.iter().find(|old| old.id == group.id);
                if let Err(why) = check_name(&group.name)
                    && old.is_none_or(|old| old.name != group.name)
                {
                    return refused("a group", &group.name, &why);
                }
                groups.retain(|old| old.id != group.id);
                let renamed = old.is_none_or(|old| old.name != group.name);
                let others = groups.iter().filter(|_| renamed);
                if let Some(twin) = lookalike(&group.name, others.map(|one| one.name.as_str())) {
                    return refused("a group", &group.name, &format!("it looks like the group {twin}"));
                }
                groups.push(group.clone());
            }
            Change::BlockCreated(block) => {
                check_new_label(&block.label)?;
                let near = labels.iter().filter(|(owner, _)| **owner == block.owner);
                if let Some(twin) = lookalike(&block.label, near.map(|(_, label)| *label)) {
                    return refused("a block", &block.label, &format!("it looks like the block {twin} beside it"));
                }
                labels.push((&block.owner, &block.label));
            }
            Change::BlockConfigured { id, owner, label: Some(label), .. } => {
                if blocks.iter().any(|block| block.id == *id && block.label == *label) {
                    continue;
                }
                check_new_label(label)?;
                let mut near = blocks.iter().filter(|block| block.id != *id && block.owner == *owner);
                if let Some(twin) = lookalike(label, near.by_ref().map(|block| block.label.as_str())) {
                    return refused("a block", label, &format!("it looks like the block {twin} beside it"));
                }
            }
            _ => {}
        }
    }
    let known = clashes(old_groups, old_agents);
    match clashes(&groups, &agents).into_iter().find(|clash| !known.contains(clash)) {
        None => Ok(()),
        Some((group, agent, token)) => {
            let name = |id: &AgentId| agents.iter().find(|one| one.id == *id).map_or("", |one| one.name.as_str());
            let group = groups.iter().find(|one| one.id == group).map_or("", |one| one.name.as_str());
            let why = format!("{token:?} ends the turn of group {group}; change the name or termination_token");
            refused("an agent", name(&agent), &why)
        }
    }
}

/// Returns the name that this one could be taken for. The same name is refused elsewhere.
fn lookalike<'a>(name: &str, mut others: impl Iterator<Item = &'a str>) -> Option<String> {
    others.find(|other| folded(other) != folded(name) && looks_like(other, name)).map(shown)
}

/// Returns the agents whose name ends the turn of a group of theirs, with the text that does.
fn clashes(groups: &[Group], agents: &[Agent]) -> Vec<(GroupId, AgentId, String)> {
    let mut found = Vec::new();
    for group in groups {
        let Some(token) = group.token() else { continue };
        let of_group = group.agents();
        let named = agents.iter().filter(|agent| of_group.contains(&&agent.id) && holds_token(&agent.name, token));
        found.extend(named.map(|agent| (group.id.clone(), agent.id.clone(), token.to_owned())));
    }
    found
}
