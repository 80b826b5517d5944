//! The rules of blocks: their labels, their limits, and who may edit them.

use jiff::Timestamp;

use super::members::unique_labels;
use super::{ApplyError, DeletedBlock, Row as _, Rows, reject, require};
use crate::domain::block::{AccessRule, Grantee, Level, check_label, check_text};
use crate::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Change, Conflict, Editor, Group, Job, Revision, Run};

pub(super) fn create<R: Rows>(rows: &mut R, block: &mut Block, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    if rows.get::<Block>(block.id.as_str())?.is_some() {
        return reject(format!("block {} exists already", block.id));
    }
    if rows.get::<DeletedBlock>(block.id.as_str())?.is_some() {
        return reject(format!("block {} was deleted, and its id cannot be used again", block.id));
    }
    check_label(&block.label).or_else(reject)?;
    check_description(&block.label, &block.description).or_else(reject)?;
    check_value(block, &block.value).or_else(reject)?;
    block.version = 1;
    block.edited_at = at;
    free_label(rows, block)?;
    Ok(rows.put(block)?)
}

/// Replaces the settings of a block by those of a [`Change::BlockConfigured`].
pub(super) fn configure<R: Rows>(rows: &mut R, change: &Change) -> Result<(), ApplyError<R::Fault>> {
    let Change::BlockConfigured { id, description, limit, read_only, tags, owner, from_file, label, local_only } =
        change
    else {
        return Ok(());
    };
    let mut block = require::<Block, R>(rows, id.as_str(), "block")?;
    let length = block.value.chars().count();
    if length > *limit as usize {
        return reject(format!(
            "block {}: the limit {limit} is below its {length} characters; shorten it first",
            block.label
        ));
    }
    check_description(&block.label, description).or_else(reject)?;
    block.description.clone_from(description);
    block.limit = *limit;
    block.read_only = *read_only;
    block.tags.clone_from(tags);
    block.from_file.clone_from(from_file);
    block.local_only = local_only.unwrap_or(block.local_only);
    let renamed = label.as_ref().filter(|label| **label != block.label);
    let moved = block.owner != *owner;
    block.owner = owner.clone();
    if let Some(label) = renamed {
        check_label(label).or_else(reject)?;
        block.label.clone_from(label);
    }
    if moved || renamed.is_some() {
        free_label(rows, &block)?;
    }
    rows.put(&block)?;
    if renamed.is_some() { unique_for_all(rows, id) } else { Ok(()) }
}

/// Sets or removes a rule of access. Returns what it said before.
pub(super) fn set_access<R: Rows>(
    rows: &mut R,
    id: &BlockId,
    who: &Grantee,
    level: Option<Level>,
    by: Option<&AgentId>,
) -> Result<Option<Level>, ApplyError<R::Fault>> {
    let mut block = require::<Block, R>(rows, id.as_str(), "block")?;
    if let Some(by) = by {
        let agent = require::<Agent, R>(rows, by.as_str(), "agent")?;
        let groups = rows.all::<Group>()?;
        let level = groups.iter().map(|group| block.level(&agent, Some(group))).max();
        if level.unwrap_or(Level::None) < Level::Admin {
            return reject(format!("{} is no admin of block {} and cannot set its access", agent.name, block.label));
        }
    }
    if let (Grantee::Agent(agent), Some(_)) = (who, level) {
        require::<Agent, R>(rows, agent.as_str(), "agent")?;
    }
    let before = block.access.iter().find(|rule| rule.who == *who).map(|rule| rule.level);
    block.access = AccessRule::set(block.access, who, level);
    rows.put(&block)?;
    Ok(before)
}

pub(super) fn edit<R: Rows>(rows: &mut R, revision: &Revision, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let mut block = require::<Block, R>(rows, revision.block.as_str(), "block")?;
    if revision.version != block.version + 1 {
        return Err(ApplyError::Conflict(Conflict::Block { current: Box::new(block) }));
    }
    let allowed = check_editor(rows, &block, revision)?;
    if let Err(text) = allowed.and_then(|()| check_value(&block, &revision.value)) {
        return Err(ApplyError::Conflict(refusal(revision, text)));
    }
    block.value.clone_from(&revision.value);
    block.version = revision.version;
    block.editor = revision.editor.clone();
    block.edited_at = at;
    if revision.editor == Editor::File {
        block.from_file = Some(revision.value.clone());
    }
    rows.put(&block)?;
    if let Some(id) = revision.editor.job() {
        let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
        job.edits += 1;
        rows.put(&job)?;
    }
    Ok(())
}

pub(super) fn delete<R: Rows>(rows: &mut R, id: &BlockId) -> Result<(), ApplyError<R::Fault>> {
    let block = require::<Block, R>(rows, id.as_str(), "block")?;
    let mut reaches: Vec<String> = Vec::new();
    for agent in rows.all::<Agent>()? {
        if agent.blocks.contains(id) {
            reaches.push(agent.name);
        }
    }
    for group in rows.all::<Group>()? {
        if group.shared_blocks.contains(id) {
            reaches.push(group.name);
        }
    }
    if !reaches.is_empty() {
        return reject(format!("block {} is in use by {}", block.label, reaches.join(", ")));
    }
    rows.delete::<Block>(id.as_str())?;
    Ok(rows.put(&DeletedBlock { id: id.clone(), version: block.version })?)
}

/// The conflict that refuses an edit: of its last call if calls made it, so that the others are committed without it.
fn refusal(revision: &Revision, text: String) -> Conflict {
    match revision.calls.last() {
        Some(&ordinal) => Conflict::Call { ordinal, text: format!("not done: {text}"), and_later_mail: false },
        None => Conflict::Refused { text },
    }
}

/// Checks the editor's right to edit the block.
fn check_editor<R: Rows>(
    rows: &mut R,
    block: &Block,
    revision: &Revision,
) -> Result<Result<(), String>, ApplyError<R::Fault>> {
    let Editor::Agent { id, name, .. } = &revision.editor else { return Ok(Ok(())) };
    if block.read_only {
        return Ok(Err(format!("block {} is read-only", block.label)));
    }
    let Some(agent) = rows.readable::<Agent>(id.as_str())? else {
        return Ok(Err(format!("{name} is no agent of this store")));
    };
    let run = revision.run.as_ref().map(|run| rows.readable::<Run>(run.as_str())).transpose()?.flatten();
    let group = run.as_ref().and_then(Run::group).unwrap_or(&agent.group);
    let group = rows.readable::<Group>(group.as_str())?;
    Ok(match block.level(&agent, group.as_ref()) {
        Level::ReadWrite | Level::Admin => Ok(()),
        Level::Read => Err(format!("{name} may read block {} and not edit it", block.label)),
        Level::None => Err(format!("{name} may not read block {}", block.label)),
    })
}

fn check_description(label: &str, description: &str) -> Result<(), String> {
    check_text(description).map_err(|why| format!("block {label}: its description {why}"))
}

pub(super) fn check_value(block: &Block, value: &str) -> Result<(), String> {
    let length = value.chars().count();
    if length > block.limit as usize {
        return Err(format!(
            "block {}: {length} characters are over its limit of {}; shorten the text or raise the limit",
            block.label, block.limit
        ));
    }
    check_text(value).map_err(|why| format!("block {}: its text {why}", block.label))
}

/// Rejects a block whose owner has another block with the same label, regardless of case.
pub(super) fn free_label<R: Rows>(rows: &mut R, block: &Block) -> Result<(), ApplyError<R::Fault>> {
    let key = block.lookup().unwrap_or_default();
    if let Some(other) = rows.find::<Block>(&key)?.iter().find(|other| other.id != block.id) {
        let owner = match &block.owner {
            BlockOwner::Group(_) => "the group",
            BlockOwner::Agent(_) => "the agent",
        };
        let same = if other.label == block.label { "" } else { ", which differs only in case or in Unicode form" };
        return reject(format!("{owner} has a block with the label {:?} already{same}", other.label));
    }
    Ok(())
}

/// Rejects a block whose label another block has that one of its agents has.
pub(super) fn unique_for_all<R: Rows>(rows: &mut R, id: &BlockId) -> Result<(), ApplyError<R::Fault>> {
    let agents = rows.all::<Agent>()?;
    for group in rows.all::<Group>()? {
        let shared = group.shared_blocks.contains(id);
        for agent in agents.iter().filter(|agent| group.agents().contains(&&agent.id)) {
            if shared || agent.blocks.contains(id) {
                unique_labels(rows, agent, &group.shared_blocks)?;
            }
        }
    }
    for agent in agents.iter().filter(|agent| agent.blocks.contains(id)) {
        unique_labels(rows, agent, &[])?;
    }
    Ok(())
}
