//! What the tables of a team file say of each other: a pattern that cannot run cannot be written down.

use std::collections::BTreeMap;

use super::keys::nearest;
use super::table::Reader;
use super::{AgentSpec, GroupSpec, Name, TeamFile};
use crate::domain::ManagerType;
use crate::domain::block::folded;
use crate::domain::group::{MAX_MEMBERS, MAX_SHARED_BLOCKS};

/// The label of the block that holds an agent's `persona`.
pub(super) const PERSONA: &str = "persona";

pub(super) fn check(reader: &mut Reader<'_>, file: &TeamFile) {
    once(reader, "agent", file.agents.iter().map(|agent| (agent.name.as_str(), agent.line)));
    once(reader, "block", file.blocks.iter().map(|block| (block.label.as_str(), block.line)));
    shape(reader, &file.group);
    references(reader, file);
    for agent in &file.agents {
        one_persona(reader, &file.group, agent);
    }
    oddities(reader, file);
}

/// No two agents of one name, no two blocks of one label.
fn once<'a>(reader: &mut Reader<'_>, noun: &str, all: impl Iterator<Item = (&'a str, usize)>) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, line) in all {
        match seen.get(&folded(name)) {
            Some(first) => {
                reader
                    .fault(line, format!("{noun} {name:?} stands on line {first} already; give this one another name"));
            }
            None => {
                seen.insert(folded(name), line);
            }
        }
    }
}

/// What the manager type asks for.
fn shape(reader: &mut Reader<'_>, group: &GroupSpec) {
    let background = group.sleeptime.as_ref();
    match group.manager_type {
        ManagerType::RoundRobin => {
            if let Some(manager) = &group.manager_agent {
                let said = "round_robin has no manager_agent; name the agent in members, or use manager_type sleeptime";
                reader.fault(manager.line, said);
            }
            if group.members.is_empty() {
                reader.fault(group.line, "round_robin needs members, the names of one agent or more who speak in turn");
            }
        }
        ManagerType::Supervisor | ManagerType::Dynamic => {}
        ManagerType::Sleeptime => {
            if let Some(first) = group.members.first() {
                let said = "sleeptime has no members; manager_agent answers, and [group.sleeptime] agents work in \
                            the background";
                reader.fault(first.line, said);
            }
            if group.manager_agent.is_none() {
                reader.fault(group.line, "sleeptime needs manager_agent, the name of the agent who answers");
            }
            if background.is_none() {
                reader.fault(group.line, "sleeptime needs [group.sleeptime] with agents, one or more");
            }
        }
    }
    if let Some(sleeptime) = background {
        if sleeptime.agents.is_empty() {
            reader.fault(
                sleeptime.line,
                "[group.sleeptime] needs agents, the names of one or more who work in the background",
            );
        }
        let manager = group.manager_agent.as_ref().map(|name| name.text.as_str());
        for both in sleeptime.agents.iter().filter(|name| Some(name.text.as_str()) == manager) {
            reader.fault(
                both.line,
                format!("{:?} is the manager_agent and cannot work in the background too", both.text),
            );
        }
    }
    if group.members.len() > MAX_MEMBERS {
        let count = group.members.len();
        reader.fault(group.members[MAX_MEMBERS].line, format!("{count} members are over the limit of {MAX_MEMBERS}"));
    }
    if group.shared_blocks.len() > MAX_SHARED_BLOCKS {
        let count = group.shared_blocks.len();
        let line = group.shared_blocks[MAX_SHARED_BLOCKS].line;
        reader.fault(line, format!("{count} shared blocks are over the limit of {MAX_SHARED_BLOCKS}"));
    }
}

/// Every list names what is in the file, and nothing twice.
fn references(reader: &mut Reader<'_>, file: &TeamFile) {
    let agents: Vec<&str> = file.agents.iter().map(|agent| agent.name.as_str()).collect();
    let labels: Vec<&str> = file.blocks.iter().map(|block| block.label.as_str()).collect();
    let group = &file.group;
    listed(reader, "members", &group.members, "agent", &agents);
    listed(reader, "manager_agent", group.manager_agent.as_slice(), "agent", &agents);
    if let Some(sleeptime) = &group.sleeptime {
        listed(reader, "agents", &sleeptime.agents, "agent", &agents);
    }
    listed(reader, "shared_blocks", &group.shared_blocks, "block", &labels);
    for agent in &file.agents {
        listed(reader, "blocks", &agent.blocks, "block", &labels);
    }
}

fn listed(reader: &mut Reader<'_>, key: &str, names: &[Name], noun: &str, known: &[&str]) {
    for (at, Name { text, line }) in names.iter().enumerate() {
        if names[..at].iter().any(|before| before.text == *text) {
            reader.fault(*line, format!("{key} names {text:?} twice; once is enough"));
        }
        if known.contains(&text.as_str()) {
            continue;
        }
        let called = if noun == "agent" { "name" } else { "label" };
        let help = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if noun == "agent" && text.contains('/') => "agents of other groups cannot be named yet".to_owned(),
            None if known.is_empty() => format!("add one: [[{noun}]] with {called} = {text:?}"),
            None => format!("there are {}", known.join(", ")),
        };
        reader.fault(*line, format!("{key} names {text:?}, but this file has no such [[{noun}]]; {help}"));
    }
}

/// One block with the label `persona` may reach an agent.
fn one_persona(reader: &mut Reader<'_>, group: &GroupSpec, agent: &AgentSpec) {
    if agent.persona.is_none() {
        return;
    }
    let is_persona = |name: &&Name| folded(&name.text) == PERSONA;
    let shared = group.shared_blocks.iter().filter(|_| group.has(&agent.name)).find(is_persona);
    if let Some(other) = agent.blocks.iter().find(is_persona).or(shared) {
        let said = format!(
            "agent {} has a persona of its own and would get the block {:?} too; keep one of them",
            agent.name, other.text
        );
        reader.fault(other.line, said);
    }
}

/// What is allowed and probably not meant.
fn oddities(reader: &mut Reader<'_>, file: &TeamFile) {
    for block in &file.blocks {
        if file.namers(&block.label).is_empty() && !file.group.shares(&block.label) {
            let said = "is left out: no agent names it in blocks, nor [group] in shared_blocks";
            reader.warn(block.line, format!("block {:?} {said}", block.label));
        }
    }
    for agent in file.agents.iter().filter(|agent| !file.group.has(&agent.name)) {
        reader.warn(
            agent.line,
            format!("agent {} is in no list of [group]; it can only be spoken to directly", agent.name),
        );
    }
    if file.group.manager_type == ManagerType::Sleeptime && file.group.max_turns.is_some() {
        reader
            .warn(file.group.line, "max_turns has no effect: in a sleeptime group manager_agent gives the one answer");
    }
}

impl GroupSpec {
    /// True when some list of the group names this agent.
    pub(super) fn has(&self, agent: &str) -> bool {
        let background = self.sleeptime.iter().flat_map(|sleeptime| &sleeptime.agents);
        self.members.iter().chain(&self.manager_agent).chain(background).any(|name| name.text == agent)
    }

    /// True when the block reaches every agent of the group.
    pub(super) fn shares(&self, label: &str) -> bool {
        self.shared_blocks.iter().any(|name| name.text == label)
    }
}

impl TeamFile {
    /// The agents that name this block, in file order.
    pub(super) fn namers(&self, label: &str) -> Vec<&AgentSpec> {
        self.agents.iter().filter(|agent| agent.blocks.iter().any(|name| name.text == label)).collect()
    }
}
