//! A trigger only for tests, which shows what a new one needs: the signal "sleep" creates a job.

use crate::domain::state::Rows;
use crate::domain::{Change, Group, Run, Sleeptime, Trigger};

/// The setting.
pub const KEY: &str = "on_signal";

/// Fires when the signal is sent to a turn of the group.
pub fn fires<R: Rows>(rows: &mut R, change: &Change) -> Result<Option<(Group, Trigger)>, R::Fault> {
    let Change::RunSignalled { id, word } = change else { return Ok(None) };
    let Some(run) = rows.readable::<Run>(id.as_str())?.filter(|_| word == "sleep") else { return Ok(None) };
    let Some(group) = run.group() else { return Ok(None) };
    Ok(rows.readable::<Group>(group.as_str())?.map(|group| (group, Trigger::Signal { word: word.clone() })))
}

/// `told to sleep`.
pub fn text(word: &String) -> String {
    format!("told to {word}")
}

/// `after it was told to sleep`.
pub fn after(word: &String) -> String {
    format!("after it was told to {word}")
}

/// Shown only for the value the tests use.
pub fn schedule(policy: &Sleeptime) -> Option<String> {
    (policy.every_turns == Some(u32::MAX)).then(|| "when told to".to_owned())
}

/// The same text in a sentence.
pub fn prose(policy: &Sleeptime) -> Option<String> {
    schedule(policy)
}
