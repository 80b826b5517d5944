//! A job when nothing was said in the group for some time after a turn.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "all kinds of triggers have the same signatures")]

use jiff::Timestamp;

use super::fire::{finished_turn, fire, held};
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Change, Conversation, GroupId, Run, Sleeptime, span};

/// The name in a team file.
pub const KEY: &str = "idle";
/// The keys in a table of its own.
pub const FIELDS: &[Field] =
    &[Field { key: KEY, kind: Kind::Span, doc: "Fires when nothing was said for so long after a turn, such as 5m." }];
/// Its job runs only if there is something to read.
pub const HAS_INPUT: Input = Input::Never;

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    Ok(When::Idle { seconds: span::seconds(values.text(KEY))? })
}

/// Writes them.
pub fn write(seconds: &u32) -> Vec<(&'static str, Value)> {
    vec![(KEY, span::written(*seconds).into())]
}

/// The one of the setting `idle`.
pub fn of(policy: &Sleeptime) -> Option<TriggerSpec> {
    policy.idle.map(|seconds| When::Idle { seconds }.into())
}

/// It listens to its group.
pub fn topic(group: &GroupId, _seconds: &u32) -> String {
    group.0.clone()
}

/// Waits from the end of every turn, and fires when the time is over and no turn is in progress.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    if let Change::TriggerDue { id, .. } = change {
        let Some(trigger) = rows.readable::<Trigger>(id.as_str())? else { return Ok(Vec::new()) };
        let When::Idle { seconds } = trigger.spec.when else { return Ok(Vec::new()) };
        for talk in rows.find::<Conversation>(trigger.group.as_str())? {
            // The end of that turn starts the time again.
            if !rows.find::<Run>(talk.id.as_str())?.is_empty() {
                return Ok(held(&trigger, "a turn is in progress".to_owned()).into_iter().collect());
            }
        }
        return Ok(fire(rows, &trigger, CauseKind::Idle { seconds }, 0)?.into_iter().collect());
    }
    let Some((_, group)) = finished_turn(rows, change)? else { return Ok(Vec::new()) };
    let armed = |trigger: Trigger| match trigger.spec.when {
        When::Idle { seconds } if !trigger.paused => Some(Change::TriggerArmed { id: trigger.id, seconds }),
        _ => None,
    };
    Ok(rows.find::<Trigger>(group.as_str())?.into_iter().filter_map(armed).collect())
}

/// `5m of silence`.
pub fn text(seconds: &u32) -> String {
    format!("{} of silence", span::written(*seconds))
}

/// Its job reads what was said.
pub fn brought(_seconds: &u32) -> Option<String> {
    None
}

/// `after 5m of silence`.
pub fn after(seconds: &u32) -> String {
    format!("after {}", text(seconds))
}

/// `5m of silence`.
pub fn schedule(seconds: &u32) -> String {
    text(seconds)
}

/// The same text in a sentence.
pub fn prose(seconds: &u32) -> String {
    text(seconds)
}
