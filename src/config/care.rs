//! The table `[care]`: when the program takes care of the store, and what it keeps.

use std::collections::BTreeMap;

use strum::VariantArray as _;
use toml::Spanned;
use toml::de::DeValue;

use super::value::{Checked, fault, number, unknown, words};
use crate::domain::trigger::{Missed, Schedule};
use crate::domain::{CareTask, span};
use crate::toml_file::{Fault, in_order};

/// Turns a task off.
const OFF: &str = "off";
/// The zone of the times.
const UTC: &str = "UTC";
/// The keys of the table.
const KEYS: [&str; 8] =
    ["backup", "check", "index", "keep_backups", "keep_completed", "keep_failed", "retention", "zone"];
/// The least age of what retention removes: what was used today counts in the budgets of the day.
pub const LEAST_AGE: u32 = 24 * 3_600;

/// When the program takes care of the store, and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    /// When each task is due; one that is off is not among them.
    pub schedules: BTreeMap<CareTask, Schedule>,
    /// How many backups are kept.
    pub keep_backups: u32,
    /// How long what completed jobs left is kept, in seconds.
    pub keep_completed: u32,
    /// How long what failed and cancelled jobs left is kept, in seconds.
    pub keep_failed: u32,
}

impl Default for Care {
    /// Nothing that takes room: a backup is made for whoever asks for it.
    fn default() -> Self {
        let due = |task: CareTask| Some((task, schedule(usual(task)?, UTC)));
        Self { schedules: CareTask::VARIANTS.iter().filter_map(|task| due(*task)).collect(), ..Self::off() }
    }
}

impl Care {
    /// No task by itself.
    #[must_use]
    pub fn off() -> Self {
        const DAY: u32 = 24 * 3_600;
        Self { schedules: BTreeMap::new(), keep_backups: 7, keep_completed: 7 * DAY, keep_failed: 30 * DAY }
    }
}

/// When a task is due where nothing is said of it; `None` for one that is off then.
fn usual(task: CareTask) -> Option<&'static str> {
    match task {
        CareTask::Backup => None,
        CareTask::Retention => Some("30 4 * * *"),
        CareTask::Index => Some("0 5 * * 0"),
        CareTask::Check => Some("30 5 * * 0"),
    }
}

fn schedule(pattern: &str, zone: &str) -> Schedule {
    Schedule {
        pattern: pattern.to_owned(),
        zone: zone.to_owned(),
        missed: Missed::Once,
        missed_within: None,
        between: None,
    }
}

/// Checks the table.
pub(super) fn care(value: &Spanned<DeValue<'_>>) -> Checked<Care> {
    let DeValue::Table(table) = value.get_ref() else {
        return fault(&value.span(), "care wants a table: write [care] on a line of its own");
    };
    let mut care = Care::off();
    let mut zone = UTC;
    let mut patterns: BTreeMap<CareTask, (Option<&str>, std::ops::Range<usize>)> =
        CareTask::VARIANTS.iter().map(|task| (*task, (usual(*task), value.span()))).collect();
    for (key, value) in in_order(table) {
        match key.get_ref().as_ref() {
            "zone" => {
                zone = words("zone", value)?;
                schedule("0 0 * * *", zone).checked().map_err(|text| Fault::at(&value.span(), text))?;
            }
            "keep_backups" => care.keep_backups = number("keep_backups", value, &(1..=1_000))?,
            "keep_completed" => care.keep_completed = age("keep_completed", value)?,
            "keep_failed" => care.keep_failed = age("keep_failed", value)?,
            other => {
                let Ok(task) = other.parse::<CareTask>() else { return Err(unknown(other, &key.span(), &KEYS)) };
                let pattern = words(other, value)?;
                patterns.insert(task, ((pattern != OFF).then_some(pattern), value.span()));
            }
        }
    }
    for (task, (pattern, span)) in patterns {
        let Some(pattern) = pattern else { continue };
        let checked = schedule(pattern, zone).checked().map_err(|text| {
            let text = format!("{}: {text}; \"{OFF}\" turns it off", task.as_str());
            Fault::at(&span, text)
        })?;
        care.schedules.insert(task, checked);
    }
    Ok(care)
}

fn age(key: &str, value: &Spanned<DeValue<'_>>) -> Checked<u32> {
    let long = span::days(words(key, value)?).map_err(|end| Fault::at(&value.span(), format!("{key} {end}")))?;
    if long < LEAST_AGE {
        return fault(&value.span(), format!("{key} is 1d at least: what was used today counts in today's budgets"));
    }
    Ok(long)
}
