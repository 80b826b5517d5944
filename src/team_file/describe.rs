//! Describes the changes of a plan: short values as `old → new`, long values by name only.

use std::fmt::Write as _;

use crate::domain::pattern::Manager;
use crate::domain::setting::{Kind, NONE, Reference};
use crate::domain::{AgentId, Block, BlockId, Configurable, Group, Value};

/// Describes the differences of a block, except its value and owner.
pub(super) fn block(
    old: &Block,
    description: &str,
    (limit, read_only, local_only): (u32, bool, bool),
    tags: &[String],
) -> Vec<String> {
    let mut told = Vec::new();
    long(&mut told, "description", old.description != description);
    short(&mut told, "limit", &old.limit.to_string(), &limit.to_string());
    short(&mut told, "read_only", &old.read_only.to_string(), &read_only.to_string());
    short(&mut told, "local_only", &old.local_only.to_string(), &local_only.to_string());
    short(&mut told, "tags", &listed(&old.tags), &listed(tags));
    told
}

/// Describes the differences between the settings of two versions of a group or agent.
pub(super) fn settings<T: Configurable>(
    old: &T,
    new: &T,
    name: &dyn Fn(&AgentId) -> String,
    label: &dyn Fn(&BlockId) -> String,
) -> Vec<String> {
    let named = |kind: Kind, value: Value| match kind.refers_to() {
        None => value,
        Some(Reference::Block) => value.map_names(&mut |id| label(&BlockId(id))),
        Some(_) => value.map_names(&mut |id| name(&AgentId(id))),
    };
    let mut told = Vec::new();
    for row in T::settings() {
        let [before, now] = [old, new].map(|owner| (row.get)(owner));
        if before == now {
            continue;
        }
        if row.kind.is_long() {
            long(&mut told, row.noun(), true);
            continue;
        }
        let [before, now] = [before, now].map(|value| match (row.kind, value.map(|value| named(row.kind, value))) {
            (Kind::Model, None) => row.default.to_owned(),
            (_, None) => NONE.to_owned(),
            (Kind::Word, Some(Value::Text(text))) => format!("{text:?}"),
            (_, Some(value)) => value.to_string(),
        });
        told.push(format!("{} {before} → {now}", row.noun()));
    }
    told
}

/// Returns the line for a new group.
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

fn listed(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
