//! A trigger only for tests, which shows what a new kind needs: the signal "sleep" creates a job.

use jiff::Timestamp;

use super::fire::fire;
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Change, GroupId, Run, Sleeptime};

/// The name in a team file.
pub const KEY: &str = "on_signal";

/// The keys in a table of its own.
pub const FIELDS: &[Field] = &[Field { key: KEY, kind: Kind::Word, doc: "Fires when this signal is sent to a turn." }];
/// Its job runs only if there is something to read.
pub const HAS_INPUT: Input = Input::Never;

/// Reads the checked values of a table.
#[expect(clippy::unnecessary_wraps, reason = "all kinds of triggers have the same signatures")]
pub fn read(values: &Values) -> Result<When, String> {
    Ok(When::OnSignal { word: values.text(KEY).to_owned() })
}

/// Writes them.
pub fn write(word: &str) -> Vec<(&'static str, Value)> {
    vec![(KEY, word.into())]
}

/// It listens to its group.
pub fn topic(group: &GroupId, _word: &str) -> String {
    group.0.clone()
}

/// One for the value the tests use.
pub fn of(policy: &Sleeptime) -> Option<TriggerSpec> {
    (policy.every_turns == Some(u32::MAX)).then(|| When::OnSignal { word: "sleep".to_owned() }.into())
}

/// Fires when the signal is sent to a turn of the group.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    let Change::RunSignalled { id, word } = change else { return Ok(Vec::new()) };
    let Some(run) = rows.readable::<Run>(id.as_str())? else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for trigger in rows.find::<Trigger>(run.group().map_or("", |group| group.as_str()))? {
        if trigger.spec.when == (When::OnSignal { word: word.clone() }) {
            made.extend(fire(rows, &trigger, CauseKind::Signal { word: word.clone() }, run.depth)?);
        }
    }
    Ok(made)
}

/// `told to sleep`.
pub fn text(word: &str) -> String {
    format!("told to {word}")
}

/// Nothing more.
#[expect(clippy::unnecessary_wraps, reason = "all kinds of triggers have the same signatures")]
pub fn brought(_word: &str) -> Option<String> {
    Some("It was told.".to_owned())
}

/// `after it was told to sleep`.
pub fn after(word: &str) -> String {
    format!("after it was told to {word}")
}

/// `when told to sleep`.
pub fn schedule(word: &str) -> String {
    format!("when told to {word}")
}

/// The same text in a sentence.
pub fn prose(word: &str) -> String {
    schedule(word)
}
