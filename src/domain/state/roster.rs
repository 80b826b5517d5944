//! The rules of taking changes of groups and agents back.

use jiff::Timestamp;

use super::blocks::{check_value, free_label};
use super::{ApplyError, DeletedBlock, Row as _, Rows, reject, require};
use crate::domain::roster_edit::MOST_KEPT;
use crate::domain::{Block, RosterEdit};

/// Keeps a change and what takes it back; the oldest goes.
pub(super) fn edited<R: Rows>(rows: &mut R, edit: &mut RosterEdit, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let number = newest(rows)?.map_or(0, |newest| newest.number) + 1;
    if edit.number != 0 && edit.number != number {
        return reject(format!("change {} of groups and agents is not the next one", edit.number));
    }
    (edit.number, edit.at) = (number, at);
    if let Some(old) = number.checked_sub(MOST_KEPT) {
        rows.delete::<RosterEdit>(&RosterEdit::number_key(old))?;
    }
    Ok(rows.put(edit)?)
}

/// Forgets the newest change, which is taken back.
pub(super) fn undone<R: Rows>(rows: &mut R, number: u64) -> Result<(), ApplyError<R::Fault>> {
    match newest(rows)? {
        Some(newest) if newest.number == number => Ok(rows.delete::<RosterEdit>(&newest.key())?),
        _ => reject("another change of groups and agents came since; look at it first"),
    }
}

fn newest<R: Rows>(rows: &mut R) -> Result<Option<RosterEdit>, R::Fault> {
    Ok(rows.all::<RosterEdit>()?.into_iter().max_by_key(|edit| edit.number))
}

/// Brings a deleted block back as it was, under its id: its versions go on.
pub(super) fn restore_block<R: Rows>(rows: &mut R, block: &Block) -> Result<(), ApplyError<R::Fault>> {
    let deleted = require::<DeletedBlock, R>(rows, block.id.as_str(), "deleted block")?;
    if deleted.version != block.version {
        return reject(format!("block {} was deleted at version {}", block.label, deleted.version));
    }
    check_value(block, &block.value).or_else(reject)?;
    free_label(rows, block)?;
    rows.delete::<DeletedBlock>(block.id.as_str())?;
    Ok(rows.put(block)?)
}
