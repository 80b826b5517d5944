//! A job after every Nth turn of the group.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "all kinds of triggers have the same signatures"
)]

use crate::domain::state::Rows;
use crate::domain::{Change, Conversation, Group, Run, RunKind, RunState, Sleeptime, Trigger};

/// The setting.
pub const KEY: &str = "every_turns";

/// Fires when a turn with at least one step finishes as the Nth.
pub fn fires<R: Rows>(rows: &mut R, change: &Change) -> Result<Option<(Group, Trigger)>, R::Fault> {
    let Change::RunMoved { id, to: RunState::Finished { .. } } = change else { return Ok(None) };
    let Some(run) = rows.readable::<Run>(id.as_str())? else { return Ok(None) };
    let RunKind::Turn { group: Some(group), .. } = &run.kind else { return Ok(None) };
    if run.steps == 0 {
        return Ok(None);
    }
    let Some(group) = rows.readable::<Group>(group.as_str())? else { return Ok(None) };
    let Some(conversation) = rows.readable::<Conversation>(run.conversation.as_str())? else { return Ok(None) };
    let turn = conversation.turns;
    let due = group.sleeptime.as_ref().is_some_and(|policy| turn.is_multiple_of(policy.every()));
    Ok(due.then_some((group, Trigger::Turn { turn })))
}

/// `turn 12`.
pub fn text(turn: &u64) -> String {
    format!("turn {turn}")
}

/// `after turn 12`.
pub fn after(turn: &u64) -> String {
    format!("after turn {turn}")
}

/// `every 2 turns`.
pub fn schedule(policy: &Sleeptime) -> Option<String> {
    Some(match policy.every() {
        1 => "every turn".to_owned(),
        n => format!("every {n} turns"),
    })
}

/// `every second turn`.
pub fn prose(policy: &Sleeptime) -> Option<String> {
    if policy.every() == 2 { Some("every second turn".to_owned()) } else { schedule(policy) }
}
