//! Changes of groups and agents by a person, and how each is taken back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Agent, Block, BlockId, Change, Editor, Group, PersonId, Revision};

/// The most changes that can be taken back, newest first.
pub const MOST_KEPT: u64 = 20;

/// A change of groups and agents by a person, with what takes it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RosterEdit {
    /// Its number, from 1; filled in.
    pub number: u64,
    /// What was done, as a participle: `deleted group desk`.
    pub title: String,
    /// When; filled in.
    pub at: Timestamp,
    /// The changes that take it back, in order.
    pub back: Vec<Change>,
    /// The groups as it left them.
    pub groups: Vec<Group>,
    /// The agents as it left them.
    pub agents: Vec<Agent>,
    /// The blocks that it left, with their versions.
    pub blocks: Vec<(BlockId, u64)>,
}

/// The rows while the changes are followed.
struct Followed {
    groups: BTreeMap<String, Option<Group>>,
    agents: BTreeMap<String, Option<Agent>>,
    blocks: BTreeMap<String, Option<Block>>,
}

impl RosterEdit {
    /// What takes these changes back, which rest on these rows; `None` if no group, agent or block is among them. Runs, jobs
    /// and mail that ended with them stay ended.
    #[must_use]
    pub fn of(groups: &[Group], agents: &[Agent], blocks: &[Block], changes: &[Change]) -> Option<Self> {
        let mut now = Followed { groups: BTreeMap::new(), agents: BTreeMap::new(), blocks: BTreeMap::new() };
        let mut back = Vec::new();
        for change in changes {
            let id = change.subject().to_owned();
            match change {
                Change::GroupPut(group) => {
                    let known = now.groups.entry(id).or_insert_with(|| find(groups, |one| one.id == group.id));
                    back.push(match known.replace(group.clone()) {
                        Some(before) => Change::GroupPut(before),
                        None => Change::GroupDeleted { id: group.id.clone() },
                    });
                }
                Change::GroupDeleted { id: gone } => {
                    let known = now.groups.entry(id).or_insert_with(|| find(groups, |one| one.id == *gone));
                    back.extend(known.take().map(Change::GroupPut));
                }
                Change::AgentPut(agent) => {
                    let known = now.agents.entry(id).or_insert_with(|| find(agents, |one| one.id == agent.id));
                    back.push(match known.replace(agent.clone()) {
                        Some(before) => Change::AgentPut(before),
                        None => Change::AgentDeleted { id: agent.id.clone() },
                    });
                }
                Change::AgentDeleted { id: gone } => {
                    let known = now.agents.entry(id).or_insert_with(|| find(agents, |one| one.id == *gone));
                    back.extend(known.take().map(Change::AgentPut));
                }
                Change::BlockCreated(block) => {
                    now.blocks.insert(id, Some(Block { version: 1, ..block.clone() }));
                    back.push(Change::BlockDeleted { id: block.id.clone() });
                }
                Change::BlockDeleted { id: gone } => {
                    let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == *gone));
                    back.extend(known.take().map(Change::BlockRestored));
                }
                Change::BlockConfigured { id: of, description, limit, read_only, tags, owner, from_file } => {
                    let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == *of));
                    let Some(block) = known else { continue };
                    back.push(configured(block));
                    description.clone_into(&mut block.description);
                    tags.clone_into(&mut block.tags);
                    owner.clone_into(&mut block.owner);
                    from_file.clone_into(&mut block.from_file);
                    (block.limit, block.read_only) = (*limit, *read_only);
                }
                Change::BlockEdited(revision) => {
                    let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == revision.block));
                    let Some(block) = known else { continue };
                    let value = std::mem::replace(&mut block.value, revision.value.clone());
                    block.version = revision.version;
                    // Its version is known only when all of them are.
                    back.push(Change::BlockEdited(undone(revision.block.clone(), value)));
                }
                _ => {}
            }
        }
        if back.is_empty() {
            return None;
        }
        let title = title(groups, agents, changes);
        back.reverse();
        let mut next: BTreeMap<BlockId, u64> = BTreeMap::new();
        for change in &mut back {
            let Change::BlockEdited(revision) = change else { continue };
            let left =
                now.blocks.get(revision.block.as_str()).and_then(Option::as_ref).map_or(0, |block| block.version);
            let version = next.entry(revision.block.clone()).or_insert(left);
            *version += 1;
            revision.version = *version;
        }
        let left = |block: Block| (block.id, block.version);
        Some(Self {
            number: 0,
            title,
            at: Timestamp::UNIX_EPOCH,
            back,
            groups: now.groups.into_values().flatten().collect(),
            agents: now.agents.into_values().flatten().collect(),
            blocks: now.blocks.into_values().flatten().map(left).collect(),
        })
    }

    /// What taking it back does, one line for each row that it changes.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let known = |id: &str| {
            self.groups.iter().any(|group| group.id.as_str() == id)
                || self.agents.iter().any(|agent| agent.id.as_str() == id)
        };
        let mut lines: Vec<String> = Vec::new();
        let last =
            |at: usize, change: &Change| !self.back[at + 1..].iter().any(|later| later.subject() == change.subject());
        for (_, change) in self.back.iter().enumerate().filter(|(at, change)| last(*at, change)) {
            let verb = if known(change.subject()) { "is as it was before" } else { "comes back" };
            lines.extend(match change {
                Change::GroupPut(group) => Some(format!("group {} {verb}", group.name)),
                Change::AgentPut(agent) => Some(format!("agent {} {verb}", agent.name)),
                Change::BlockRestored(block) => Some(format!("block {} comes back", block.label)),
                Change::GroupDeleted { id } => {
                    let name = self.groups.iter().find(|group| group.id == *id).map(|group| &group.name);
                    name.map(|name| format!("group {name} is deleted"))
                }
                Change::AgentDeleted { id } => {
                    let name = self.agents.iter().find(|agent| agent.id == *id).map(|agent| &agent.name);
                    name.map(|name| format!("agent {name} is deleted"))
                }
                Change::BlockDeleted { .. } => Some("a block that it made is deleted".to_owned()),
                Change::BlockEdited(_) => Some("a block has its text of before again".to_owned()),
                _ => None,
            });
        }
        lines
    }
}

fn find<T: Clone>(rows: &[T], is: impl Fn(&T) -> bool) -> Option<T> {
    rows.iter().find(|row| is(row)).cloned()
}

fn configured(block: &Block) -> Change {
    Change::BlockConfigured {
        id: block.id.clone(),
        description: block.description.clone(),
        limit: block.limit,
        read_only: block.read_only,
        tags: block.tags.clone(),
        owner: block.owner.clone(),
        from_file: block.from_file.clone(),
    }
}

fn undone(block: BlockId, value: String) -> Revision {
    Revision {
        block,
        version: 0,
        value,
        editor: Editor::Person(PersonId::local()),
        run: None,
        step: None,
        calls: Vec::new(),
        reason: "undid a change of groups and agents".to_owned(),
    }
}

/// What was done: the deletion if there is one, then what is new, then what is changed; groups before agents.
fn title(groups: &[Group], agents: &[Agent], changes: &[Change]) -> String {
    let rank = |change: &Change| match change {
        Change::GroupDeleted { id } => {
            let name = groups.iter().find(|group| group.id == *id).map(|group| group.name.as_str());
            Some((0, format!("deleted group {}", name.unwrap_or_default())))
        }
        Change::AgentDeleted { id } => {
            let name = agents.iter().find(|agent| agent.id == *id).map(|agent| agent.name.as_str());
            Some((1, format!("deleted agent {}", name.unwrap_or_default())))
        }
        Change::GroupPut(group) if !groups.iter().any(|old| old.id == group.id) => {
            Some((2, format!("created group {}", group.name)))
        }
        Change::AgentPut(agent) if !agents.iter().any(|old| old.id == agent.id) => {
            Some((3, format!("created agent {}", agent.name)))
        }
        Change::GroupPut(group) => Some((4, format!("changed group {}", group.name))),
        Change::AgentPut(agent) => Some((5, format!("changed agent {}", agent.name))),
        _ => None,
    };
    let first = changes.iter().filter_map(rank).min_by_key(|(rank, _)| *rank);
    first.map_or_else(|| "changed blocks".to_owned(), |(_, title)| title)
}
