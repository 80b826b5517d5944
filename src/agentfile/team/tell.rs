//! What a plan tells a person: old and new of what is short, the name of what is long.

use std::fmt::Write as _;

use super::terminate::written;
use crate::domain::pattern::Manager;
use crate::domain::{Agent, AgentId, Block, BlockId, Group, Rule};

/// What differs, but for the value and the owner.
pub(super) fn block(old: &Block, description: &str, limit: u32, read_only: bool, tags: &[String]) -> Vec<String> {
    let mut told = Vec::new();
    long(&mut told, "description", old.description != description);
    short(&mut told, "limit", &old.limit.to_string(), &limit.to_string());
    short(&mut told, "read_only", &old.read_only.to_string(), &read_only.to_string());
    short(&mut told, "tags", &listed(&old.tags), &listed(tags));
    told
}

/// What differs between two of one agent.
pub(super) fn agent(
    old: &Agent,
    new: &Agent,
    name: &dyn Fn(&AgentId) -> String,
    label: &dyn Fn(&BlockId) -> String,
) -> Vec<String> {
    const CONFIGURED: &str = "the configuration's";
    let labels = |agent: &Agent| listed(&agent.blocks.iter().map(label).collect::<Vec<_>>());
    let mut told = Vec::new();
    short(&mut told, "name", &old.name, &new.name);
    long(&mut told, "description", old.description != new.description);
    let [before, now] = [old, new].map(|agent| agent.model.as_deref().unwrap_or(CONFIGURED));
    short(&mut told, "model", before, now);
    long(&mut told, "system prompt", old.system != new.system);
    if old.blocks != new.blocks {
        told.push(format!("blocks {} → {}", labels(old), labels(new)));
    }
    short(&mut told, "tools", &listed(&old.tools), &listed(&new.tools));
    let [before, now] = [old, new].map(|agent| {
        let tool = |rule: &Rule| match rule {
            Rule::RequiresApproval { tool_name } => tool_name.clone(),
        };
        listed(&agent.rules.iter().map(tool).collect::<Vec<_>>())
    });
    short(&mut told, "approval for", &before, &now);
    let [before, now] = [old, new].map(|agent| listed(&agent.contacts.iter().map(name).collect::<Vec<_>>()));
    short(&mut told, "contacts", &before, &now);
    short(&mut told, "tags", &listed(&old.tags), &listed(&new.tags));
    short(&mut told, "max_steps", &given(old.max_steps), &given(new.max_steps));
    short(&mut told, "temperature", &given(old.temperature), &given(new.temperature));
    short(&mut told, "max_tokens", &given(old.max_tokens), &given(new.max_tokens));
    told
}

/// The line on a group that is made.
pub(super) fn new_group(group: &Group, name: &dyn Fn(&AgentId) -> String) -> String {
    let pattern = group.manager_type.pattern();
    let mut how = pattern.title.to_owned();
    if group.manager_type.has_members() {
        let _ = write!(how, " of {}", group.members.len());
    }
    if let (Manager::One { verb, .. }, Some(manager)) = (pattern.manager, &group.manager_agent) {
        let _ = write!(how, ", {} {verb}", name(manager));
    }
    format!("+ group {} ({how})", group.name)
}

/// What differs between two of one group.
pub(super) fn group(
    old: &Group,
    new: &Group,
    name: &dyn Fn(&AgentId) -> String,
    label: &dyn Fn(&BlockId) -> String,
) -> Vec<String> {
    let names = |ids: &[AgentId]| listed(&ids.iter().map(name).collect::<Vec<_>>());
    let background = |group: &Group| group.sleeptime.as_ref().map_or_else(Vec::new, |policy| policy.agents.clone());
    let every = |group: &Group| given(group.sleeptime.as_ref().and_then(|policy| policy.every_turns));
    let shared = |group: &Group| listed(&group.shared_blocks.iter().map(label).collect::<Vec<_>>());
    let mut told = Vec::new();
    long(&mut told, "description", old.description != new.description);
    short(&mut told, "members", &names(&old.members), &names(&new.members));
    short(&mut told, "manager_agent", &names(old.manager_agent.as_slice()), &names(new.manager_agent.as_slice()));
    short(&mut told, "max_turns", &given(old.max_turns), &given(new.max_turns));
    let [before, now] = [old, new].map(|group| group.termination_token.as_ref().map(|token| format!("{token:?}")));
    short(&mut told, "termination_token", &given(before), &given(now));
    short(&mut told, "allow_repeat", &old.allow_repeat.to_string(), &new.allow_repeat.to_string());
    short(&mut told, "max_rounds", &given(old.max_rounds), &given(new.max_rounds));
    short(&mut told, "continue_order", &old.continue_order.to_string(), &new.continue_order.to_string());
    let [before, now] = [old, new].map(|group| group.terminate.as_ref().map(|condition| written(condition, name)));
    short(&mut told, "terminate", &given(before), &given(now));
    let [before, now] = [old, new].map(|group| {
        listed(&group.roles.iter().map(|(id, role)| format!("{} = {role:?}", name(id))).collect::<Vec<_>>())
    });
    short(&mut told, "roles", &before, &now);
    short(&mut told, "status", old.status.as_str(), new.status.as_str());
    short(&mut told, "wait_seconds", &given(old.wait_seconds), &given(new.wait_seconds));
    short(&mut told, "mail_per_minute", &given(old.mail_per_minute), &given(new.mail_per_minute));
    if old.shared_blocks != new.shared_blocks {
        told.push(format!("shared_blocks {} → {}", shared(old), shared(new)));
    }
    short(&mut told, "in the background", &names(&background(old)), &names(&background(new)));
    short(&mut told, "every_turns", &every(old), &every(new));
    told
}

fn short(told: &mut Vec<String>, what: &str, before: &str, now: &str) {
    if before != now {
        told.push(format!("{what} {before} → {now}"));
    }
}

fn long(told: &mut Vec<String>, what: &str, differs: bool) {
    if differs {
        told.push(format!("new {what}"));
    }
}

fn given<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
