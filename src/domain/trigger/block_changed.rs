//! A job when a block of the group gets another value.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "all kinds of triggers have the same signatures"
)]

use jiff::Timestamp;

use super::fire::fire;
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::block::folded;
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Agent, Block, BlockId, Change, Group, GroupId, Run, Sleeptime};

/// The name in a team file.
pub const KEY: &str = "block_changed";
/// Whose edits count.
const FROM: &str = "from";
/// The value of [`FROM`] with which the edits of jobs count, too.
const ANY: &str = "any";
/// The keys in a table of its own.
pub const FIELDS: &[Field] = &[
    Field { key: KEY, kind: Kind::Word, doc: "Fires when the block with this label gets another value." },
    Field {
        key: FROM,
        kind: Kind::Choice(|| vec![("people", "edits of jobs do not count"), (ANY, "every edit counts")]),
        doc: "Whose edits count: people (and agents in a turn), or any, also those of jobs.",
    },
];
/// Its job has the change of the block to look at.
pub const HAS_INPUT: Input = Input::Always;

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    Ok(When::BlockChanged { label: values.text(KEY).trim().to_owned(), any: values.text(FROM) == ANY })
}

/// Writes them.
pub fn write(label: &str, any: &bool) -> Vec<(&'static str, Value)> {
    let from = any.then(|| (FROM, Value::from(ANY)));
    std::iter::once((KEY, label.into())).chain(from).collect()
}

/// It has no setting of its own.
pub fn of(_policy: &Sleeptime) -> Option<TriggerSpec> {
    None
}

/// It listens to the label.
pub fn topic(_group: &GroupId, label: &str, _any: &bool) -> String {
    format!("block/{}", folded(label))
}

/// Fires when a block of this label that the group has is edited.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    let Change::BlockEdited(revision) = change else { return Ok(Vec::new()) };
    let Some(block) = rows.readable::<Block>(revision.block.as_str())? else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for trigger in rows.find::<Trigger>(&topic(&GroupId(String::new()), &block.label, &false))? {
        let counts =
            matches!(trigger.spec.when, When::BlockChanged { any, .. } if any || revision.editor.job().is_none());
        let Some(group) = rows.readable::<Group>(trigger.group.as_str())?.filter(|_| counts) else { continue };
        if !has(rows, &group, &block)? {
            continue;
        }
        let run = revision.run.as_ref().map(|run| rows.readable::<Run>(run.as_str())).transpose()?.flatten();
        let cause = CauseKind::BlockChanged {
            block: block.id.clone(),
            label: block.label.clone(),
            before: revision.version - 1,
            version: revision.version,
            by: revision.editor.name().to_owned(),
        };
        made.extend(fire(rows, &trigger, cause, run.map_or(0, |run| run.depth))?);
    }
    Ok(made)
}

/// True if the group or one of its agents has the block.
fn has<R: Rows>(rows: &mut R, group: &Group, block: &Block) -> Result<bool, R::Fault> {
    if group.shared_blocks.contains(&block.id) {
        return Ok(true);
    }
    for id in group.agents() {
        if rows.readable::<Agent>(id.as_str())?.is_some_and(|agent| agent.blocks.contains(&block.id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `story changed by Mira`.
pub fn text(_block: &BlockId, label: &str, _before: &u64, _version: &u64, by: &str) -> String {
    format!("{label} changed by {by}")
}

/// What was changed is shown from the store.
pub fn brought(_block: &BlockId, _label: &str, _before: &u64, _version: &u64, _by: &str) -> Option<String> {
    None
}

/// `after Mira changed story`.
pub fn after(_block: &BlockId, label: &str, _before: &u64, _version: &u64, by: &str) -> String {
    format!("after {by} changed {label}")
}

/// `change of story`.
pub fn schedule(label: &str, any: &bool) -> String {
    if *any { format!("any change of {label}") } else { format!("change of {label}") }
}

/// `a change of story`.
pub fn prose(label: &str, any: &bool) -> String {
    if *any { schedule(label, any) } else { format!("a {}", schedule(label, any)) }
}
