//! A job when a named event is reported, such as by `nightdesk event` in a script.

#![expect(clippy::unnecessary_wraps, reason = "all kinds of triggers have the same signatures")]

use jiff::Timestamp;

use super::fire::fire;
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Change, GroupId, Sleeptime};

/// The name in a team file.
pub const KEY: &str = "event";
/// The keys in a table of its own.
pub const FIELDS: &[Field] =
    &[Field { key: KEY, kind: Kind::Word, doc: "Fires when this event is reported by `nightdesk event NAME`." }];
/// Its job has the event to look at.
pub const HAS_INPUT: Input = Input::Always;

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    Ok(When::Event { name: values.text(KEY).trim().to_owned() })
}

/// Writes them.
pub fn write(name: &str) -> Vec<(&'static str, Value)> {
    vec![(KEY, name.into())]
}

/// It has no setting of its own.
pub fn of(_policy: &Sleeptime) -> Option<TriggerSpec> {
    None
}

/// It listens to the name.
pub fn topic(_group: &GroupId, name: &str) -> String {
    format!("event/{name}")
}

/// Fires when the event is reported, to its group or to all.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    let Change::EventReported { name, text, group } = change else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for trigger in rows.find::<Trigger>(&topic(&GroupId(String::new()), name))? {
        if group.as_ref().is_none_or(|group| *group == trigger.group) {
            let cause = CauseKind::Event { name: name.clone(), text: text.clone() };
            made.extend(fire(rows, &trigger, cause, 0)?);
        }
    }
    Ok(made)
}

/// `event deploy`.
pub fn text(name: &str, _text: &str) -> String {
    format!("event {name}")
}

/// What its job is told.
pub fn brought(name: &str, text: &str) -> Option<String> {
    Some(format!("The event {name} was reported. {text}"))
}

/// `after the event deploy`.
pub fn after(name: &str, _text: &str) -> String {
    format!("after the event {name}")
}

/// `event deploy`.
pub fn schedule(name: &str) -> String {
    format!("event {name}")
}

/// `the event deploy`.
pub fn prose(name: &str) -> String {
    format!("the event {name}")
}
