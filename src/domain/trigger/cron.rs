//! A job at times of the clock: a `cron` pattern in a time zone, with what becomes of times that are missed.
//!
//! The trigger waits for one moment of the wall clock. The commit that takes it decides on all times up to then, fires,
//! says what is skipped and sets the next one, which is always later: whatever is done to the clock, no time comes twice.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "all kinds of triggers have the same signatures"
)]

use jiff::Timestamp;

use super::fire::{fire, held};
use super::schedule::{MOST_COUNTED, Missed, Schedule, time_of_day, written};
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Change, GroupId, Sleeptime, span};

/// The name in a team file.
pub const KEY: &str = "cron";
const ZONE: &str = "zone";
const MISSED: &str = "missed";
const MISSED_WITHIN: &str = "missed_within";
const BETWEEN: &str = "between";
/// The zone of a pattern without one.
const DEFAULT_ZONE: &str = "UTC";
/// The keys in a table of its own.
pub const FIELDS: &[Field] = &[
    Field {
        key: KEY,
        kind: Kind::Word,
        doc: "Fires at these times: minute, hour, day of the month, month, day of the week; 0 7 * * 1-5 is 07:00 on weekdays.",
    },
    Field { key: ZONE, kind: Kind::Word, doc: "Time zone of cron and between, such as Europe/Zurich; UTC without it." },
    Field {
        key: MISSED,
        kind: Kind::Choice(Missed::choices),
        doc: "What becomes of times at which no program ran: once (one job for all), skip, or all (10 at most).",
    },
    Field { key: MISSED_WITHIN, kind: Kind::Span, doc: "How late a missed time is still made up for, such as 2h." },
    Field {
        key: BETWEEN,
        kind: Kind::Word,
        doc: "Hours in which it fires, such as 06:00-22:00; outside them it waits, or is skipped with missed = \"skip\".",
    },
];
/// Its task is something to do.
pub const HAS_INPUT: Input = Input::WithTask;

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    let word = |key: &str| Some(values.text(key).trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let within = word(MISSED_WITHIN).map(|text| span::seconds(&text)).transpose()?;
    let between = word(BETWEEN).map(TryInto::try_into).transpose().map_err(|text| format!("{BETWEEN} {text}"))?;
    let schedule = Schedule {
        pattern: values.text(KEY).to_owned(),
        zone: word(ZONE).unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
        missed: word(MISSED).and_then(|name| name.parse().ok()).unwrap_or_default(),
        missed_within: within,
        between,
    };
    Ok(When::Cron { schedule: schedule.checked()? })
}

/// Writes them.
pub fn write(schedule: &Schedule) -> Vec<(&'static str, Value)> {
    let Schedule { pattern, zone, missed, missed_within, between } = schedule;
    let mut all = vec![(KEY, Value::from(pattern.as_str()))];
    all.extend((zone != DEFAULT_ZONE).then(|| (ZONE, zone.as_str().into())));
    all.extend((*missed != Missed::default()).then(|| (MISSED, missed.as_str().into())));
    all.extend(missed_within.map(|within| (MISSED_WITHIN, span::written(within).into())));
    all.extend(between.map(|between| (BETWEEN, between.to_string().into())));
    all
}

/// It listens to its group.
pub fn topic(group: &GroupId, _schedule: &Schedule) -> String {
    group.0.clone()
}

/// It has no setting of its own.
pub fn of(_policy: &Sleeptime) -> Option<TriggerSpec> {
    None
}

/// Sets its first time, and decides at each one.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    match change {
        Change::TriggerPut(trigger) if !trigger.paused => Ok(begin(trigger, at).into_iter().collect()),
        Change::TriggerPaused { id, paused: false } => {
            let Some(trigger) = rows.readable::<Trigger>(id.as_str())? else { return Ok(Vec::new()) };
            Ok(begin(&trigger, at).into_iter().collect())
        }
        Change::TriggerDue { id, scheduled_at } => {
            let Some(trigger) = rows.readable::<Trigger>(id.as_str())? else { return Ok(Vec::new()) };
            let When::Cron { schedule } = &trigger.spec.when else { return Ok(Vec::new()) };
            let decided = schedule.decide(trigger.waiting.unwrap_or(*scheduled_at), at);
            let mut made = Vec::new();
            for firing in decided.fire {
                let zone = schedule.zone.clone();
                let (scheduled_at, first, count) = (firing.scheduled_at, firing.first, firing.count);
                made.extend(fire(rows, &trigger, CauseKind::Cron { scheduled_at, first, count, zone }, 0)?);
            }
            made.extend(decided.skipped.and_then(|why| held(&trigger, why)));
            made.extend(decided.next.map(|next| scheduled(&trigger, next)));
            Ok(made)
        }
        _ => Ok(Vec::new()),
    }
}

/// The change that sets the next time of a trigger that begins or goes on; one that it had already stays.
fn begin(trigger: &Trigger, at: Timestamp) -> Option<Change> {
    let When::Cron { schedule } = &trigger.spec.when else { return None };
    let next = match trigger.waiting.filter(|waiting| *waiting > at) {
        Some(waiting) => schedule.looked_at(waiting),
        None => schedule.next_look(at)?,
    };
    Some(scheduled(trigger, next))
}

fn scheduled(trigger: &Trigger, (waiting, next_due): (Timestamp, Timestamp)) -> Change {
    Change::TriggerScheduled { id: trigger.id.clone(), waiting, next_due }
}

/// `due 07:00`, or `due 07:00, 3 times`.
pub fn text(scheduled_at: &Timestamp, _first: &Timestamp, count: &u32, zone: &str) -> String {
    let due = format!("due {}", time_of_day(*scheduled_at, zone));
    if *count > 1 { format!("{due}, {count} times") } else { due }
}

/// What its job is told.
pub fn brought(scheduled_at: &Timestamp, first: &Timestamp, count: &u32, zone: &str) -> Option<String> {
    let last = written(*scheduled_at, zone);
    Some(match count {
        1 => format!("This was due at {last} ({zone})."),
        count => {
            let (first, most) = (written(*first, zone), MOST_COUNTED as u32);
            let count = if *count > most { format!("more than {most}") } else { count.to_string() };
            format!("This stands for {count} times that were due, from {first} to {last} ({zone}); do it once for all.")
        }
    })
}

/// `after 2026-05-01 07:00`.
pub fn after(scheduled_at: &Timestamp, _first: &Timestamp, _count: &u32, zone: &str) -> String {
    format!("after {}", written(*scheduled_at, zone))
}

/// `at 07:00, on Saturday, Europe/Zurich`.
pub fn schedule(schedule: &Schedule) -> String {
    schedule.in_words()
}

/// The same text in a sentence.
pub fn prose(schedule: &Schedule) -> String {
    schedule.in_words()
}
