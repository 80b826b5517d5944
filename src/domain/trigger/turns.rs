//! A job after every Nth turn of the group.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "all kinds of triggers have the same signatures"
)]

use jiff::Timestamp;

use super::fire::{finished_turn, fire};
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Change, Conversation, GroupId, Sleeptime};

/// The name in a team file.
pub const KEY: &str = "every_turns";

/// The keys in a table of its own.
pub const FIELDS: &[Field] = &[Field { key: KEY, kind: Kind::Count, doc: "Fires after turns N, 2N, 3N." }];
/// Its job runs only if there is something to read.
pub const HAS_INPUT: Input = Input::Never;

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    Ok(When::EveryTurns { turns: values.count(KEY) })
}

/// Writes them.
pub fn write(turns: &u32) -> Vec<(&'static str, Value)> {
    vec![(KEY, (*turns).into())]
}

/// It listens to its group.
pub fn topic(group: &GroupId, _turns: &u32) -> String {
    group.0.clone()
}

/// The one of the setting `every_turns`.
pub fn of(policy: &Sleeptime) -> Option<TriggerSpec> {
    policy.every().map(|turns| When::EveryTurns { turns }.into())
}

/// Fires when a turn with at least one step finishes as the Nth.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    let Some((run, group)) = finished_turn(rows, change)? else { return Ok(Vec::new()) };
    let Some(conversation) = rows.readable::<Conversation>(run.conversation.as_str())? else { return Ok(Vec::new()) };
    let turn = conversation.turns;
    let mut made = Vec::new();
    for trigger in rows.find::<Trigger>(group.as_str())? {
        if matches!(trigger.spec.when, When::EveryTurns { turns } if turn.is_multiple_of(turns.max(1).into())) {
            made.extend(fire(rows, &trigger, CauseKind::Turn { turn }, run.depth)?);
        }
    }
    Ok(made)
}

/// `turn 12`.
pub fn text(turn: &u64) -> String {
    format!("turn {turn}")
}

/// Its job reads what was said.
pub fn brought(_turn: &u64) -> Option<String> {
    None
}

/// `after turn 12`.
pub fn after(turn: &u64) -> String {
    format!("after turn {turn}")
}

/// `every 2 turns`.
pub fn schedule(turns: &u32) -> String {
    match turns {
        1 => "every turn".to_owned(),
        n => format!("every {n} turns"),
    }
}

/// `every second turn`.
pub fn prose(turns: &u32) -> String {
    if *turns == 2 { "every second turn".to_owned() } else { schedule(turns) }
}
