//! A trigger only for tests, which shows what a new kind needs: the signal "sleep" creates a job.

use super::fire::fire;
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::state::Rows;
use crate::domain::{Change, Run, Sleeptime};

/// The name in a team file.
pub const KEY: &str = "on_signal";

/// One for the value the tests use.
pub fn of(policy: &Sleeptime) -> Option<TriggerSpec> {
    (policy.every_turns == Some(u32::MAX)).then(|| When::OnSignal { word: "sleep".to_owned() }.into())
}

/// Fires when the signal is sent to a turn of the group.
pub fn heard<R: Rows>(rows: &mut R, change: &Change) -> Result<Vec<Change>, R::Fault> {
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
pub fn text(word: &String) -> String {
    format!("told to {word}")
}

/// `after it was told to sleep`.
pub fn after(word: &String) -> String {
    format!("after it was told to {word}")
}

/// `when told to sleep`.
pub fn schedule(word: &String) -> String {
    format!("when told to {word}")
}

/// The same text in a sentence.
pub fn prose(word: &String) -> String {
    schedule(word)
}
