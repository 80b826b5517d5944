//! The way back from changes of groups and agents: the same in reverse.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::block::AccessRule;
use super::{Agent, Block, BlockId, Change, Editor, Group, PersonId, Revision, RosterEdit, RosterStep};

/// Why a block has another text or another rule of access.
const REASON: &str = "undid a change of groups and agents";

impl From<RosterStep> for Change {
    fn from(step: RosterStep) -> Self {
        match step {
            RosterStep::PutGroup(group) => Self::GroupPut(group),
            RosterStep::DeleteGroup(id) => Self::GroupDeleted { id },
            RosterStep::PutAgent(agent) => Self::AgentPut(agent),
            RosterStep::DeleteAgent(id) => Self::AgentDeleted { id },
            RosterStep::RestoreBlock(block) => Self::BlockRestored(block),
            RosterStep::DeleteBlock(id) => Self::BlockDeleted { id },
            RosterStep::ConfigureBlock(block) => Self::configured(block),
            RosterStep::EditBlock(revision) => Self::BlockEdited(revision),
            RosterStep::SetAccess(id, who, level) => {
                Self::BlockAccessSet { id, who, level, before: None, by: None, reason: REASON.to_owned() }
            }
        }
    }
}

/// The rows while the changes are followed.
struct Followed {
    groups: BTreeMap<String, Option<Group>>,
    agents: BTreeMap<String, Option<Agent>>,
    blocks: BTreeMap<String, Option<Block>>,
}

/// What takes these changes back, which rest on these rows; `None` if no group, agent or block is among them. Runs, jobs
/// and mail that ended with them stay ended.
#[must_use]
pub fn way_back(groups: &[Group], agents: &[Agent], blocks: &[Block], changes: &[Change]) -> Option<RosterEdit> {
    let mut now = Followed { groups: BTreeMap::new(), agents: BTreeMap::new(), blocks: BTreeMap::new() };
    let mut back = Vec::new();
    for change in changes {
        let id = change.subject().to_owned();
        match change {
            Change::GroupPut(group) => {
                let known = now.groups.entry(id).or_insert_with(|| find(groups, |one| one.id == group.id));
                back.push(match known.replace(group.clone()) {
                    Some(before) => RosterStep::PutGroup(before),
                    None => RosterStep::DeleteGroup(group.id.clone()),
                });
            }
            Change::GroupDeleted { id: gone } => {
                let known = now.groups.entry(id).or_insert_with(|| find(groups, |one| one.id == *gone));
                back.extend(known.take().map(RosterStep::PutGroup));
            }
            Change::AgentPut(agent) => {
                let known = now.agents.entry(id).or_insert_with(|| find(agents, |one| one.id == agent.id));
                back.push(match known.replace(agent.clone()) {
                    Some(before) => RosterStep::PutAgent(before),
                    None => RosterStep::DeleteAgent(agent.id.clone()),
                });
            }
            Change::AgentDeleted { id: gone } => {
                let known = now.agents.entry(id).or_insert_with(|| find(agents, |one| one.id == *gone));
                back.extend(known.take().map(RosterStep::PutAgent));
            }
            Change::BlockCreated(block) => {
                now.blocks.insert(id, Some(Block { version: 1, ..block.clone() }));
                back.push(RosterStep::DeleteBlock(block.id.clone()));
            }
            Change::BlockDeleted { id: gone } => {
                let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == *gone));
                back.extend(known.take().map(RosterStep::RestoreBlock));
            }
            Change::BlockConfigured {
                id: of,
                description,
                limit,
                read_only,
                tags,
                owner,
                from_file,
                label,
                local_only,
            } => {
                let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == *of));
                let Some(block) = known else { continue };
                back.push(RosterStep::ConfigureBlock(block.clone()));
                description.clone_into(&mut block.description);
                tags.clone_into(&mut block.tags);
                owner.clone_into(&mut block.owner);
                from_file.clone_into(&mut block.from_file);
                (block.limit, block.read_only) = (*limit, *read_only);
                block.label = label.clone().unwrap_or_else(|| std::mem::take(&mut block.label));
                block.local_only = local_only.unwrap_or(block.local_only);
            }
            Change::BlockAccessSet { id: of, who, level, .. } => {
                let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == *of));
                let Some(block) = known else { continue };
                let before = block.access.iter().find(|rule| rule.who == *who).map(|rule| rule.level);
                back.push(RosterStep::SetAccess(of.clone(), who.clone(), before));
                block.access = AccessRule::set(std::mem::take(&mut block.access), who, *level);
            }
            Change::BlockEdited(revision) => {
                let known = now.blocks.entry(id).or_insert_with(|| find(blocks, |one| one.id == revision.block));
                let Some(block) = known else { continue };
                let value = std::mem::replace(&mut block.value, revision.value.clone());
                block.version = revision.version;
                // Its version is known only when all of them are.
                back.push(RosterStep::EditBlock(undone(revision.block.clone(), value)));
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
    for step in &mut back {
        let RosterStep::EditBlock(revision) = step else { continue };
        let left = now.blocks.get(revision.block.as_str()).and_then(Option::as_ref).map_or(0, |block| block.version);
        let version = next.entry(revision.block.clone()).or_insert(left);
        *version += 1;
        revision.version = *version;
    }
    Some(RosterEdit {
        number: 0,
        title,
        at: Timestamp::UNIX_EPOCH,
        back,
        groups: now.groups.into_values().flatten().collect(),
        agents: now.agents.into_values().flatten().collect(),
        blocks: now.blocks.into_values().flatten().map(RosterEdit::without_text).collect(),
    })
}

fn find<T: Clone>(rows: &[T], is: impl Fn(&T) -> bool) -> Option<T> {
    rows.iter().find(|row| is(row)).cloned()
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
        reason: REASON.to_owned(),
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
