//! When a `cron` trigger is due: its times in a zone, and which of those that were missed are made up for.
//!
//! A schedule is a pure function of two moments. What it decides is logged, so nothing here runs again in a replay.

use std::fmt;
use std::sync::LazyLock;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::span;

/// The zones that are compiled in, so that the same times follow on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time that is seen this late is still on time: the finest schedule has minutes.
const ON_TIME: SignedDuration = SignedDuration::from_mins(1);
/// The most missed times that `missed = "all"` makes up for.
pub const MOST_MADE_UP: usize = 10;
/// The most times of a gap that are counted.
pub const MOST_COUNTED: usize = 1_000;
/// The times that are looked at one by one if there are more: the newest.
const NEWEST: usize = 100;
/// The most times of a day that are taken one by one. A schedule with more is one of intervals.
const MOST_A_DAY: usize = 48;

/// The usual name of a time zone.
///
/// # Errors
/// A sentence: there is no such zone.
pub(super) fn checked_zone(name: &str) -> Result<String, String> {
    let zone = ZONES.get(name.trim()).map_err(|_| {
        format!("zone {name:?} is not in the time zone database; write one such as Europe/Zurich or UTC")
    })?;
    Ok(zone.iana_name().unwrap_or("UTC").to_owned())
}

/// What becomes of times at which no program ran.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Missed {
    /// One job stands for all of them.
    #[default]
    Once,
    /// They are skipped.
    Skip,
    /// Each is made up for, the newest [`MOST_MADE_UP`] at most.
    All,
}

impl Missed {
    /// Each policy with its meaning.
    #[must_use]
    pub fn choices() -> Vec<(&'static str, &'static str)> {
        vec![
            (Self::Once.as_str(), "one job stands for all missed times"),
            (Self::Skip.as_str(), "missed times are skipped"),
            (Self::All.as_str(), "each missed time is made up for, the newest 10 at most"),
        ]
    }

    /// The name in a team file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Hours of the day, such as `06:00-22:00` or `22:00-06:00`. The end is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    from: Time,
    to: Time,
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const FORM: &str = "is the hours of a day such as 06:00-22:00";
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| FORM.to_owned());
        let (from, to) = text.split_once('-').ok_or(FORM)?;
        let (from, to) = (time(from)?, time(to)?);
        if from == to { Err(format!("{FORM}, with two different times")) } else { Ok(Self { from, to }) }
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

impl Hours {
    fn have(self, time: Time) -> bool {
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }

    /// The first moment from `at` on that lies in these hours of the zone.
    pub(super) fn opening(self, at: Timestamp, zone: &str) -> Timestamp {
        let Ok(zone) = ZONES.get(zone) else { return at };
        let local = at.to_zoned(zone);
        if self.have(local.time()) {
            return at;
        }
        let day = if local.time() < self.from { Ok(local.date()) } else { local.date().tomorrow() };
        let opening = day.and_then(|day| day.to_datetime(self.from).to_zoned(local.time_zone().clone()));
        opening.map_or(at, |opening| opening.timestamp().max(at))
    }
}

/// When a `cron` trigger is due, and what becomes of times that are missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Minute, hour, day of the month, month and day of the week.
    pub pattern: String,
    /// The name of the time zone, such as `Europe/Zurich`.
    pub zone: String,
    /// What becomes of missed times.
    #[serde(default)]
    pub missed: Missed,
    /// How late a missed time is still made up for, in seconds; `None` means however late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_within: Option<u32>,
    /// The hours in which it fires; `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Hours>,
}

/// A job that a schedule asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The time it is for; the last of them if it stands for several.
    pub scheduled_at: Timestamp,
    /// The first time it stands for.
    pub first: Timestamp,
    /// For how many times it stands.
    pub count: u32,
}

/// What a schedule asks for at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The jobs, oldest first.
    pub fire: Vec<Firing>,
    /// Why times are skipped, as the end of a sentence.
    pub skipped: Option<String>,
    /// The next time, and when to look at it: later, if its hours begin later. `None` if no time is left.
    pub next: Option<(Timestamp, Timestamp)>,
}

impl Schedule {
    /// Checks the pattern and the zone; writes both in their usual form.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to write.
    pub fn checked(self) -> Result<Self, String> {
        let zone = checked_zone(&self.zone)?;
        let pattern = self.pattern.split_whitespace().collect::<Vec<_>>().join(" ");
        let cron = parsed(&pattern).map_err(|error| {
            format!(
                "cron {pattern:?} is no schedule: {}; write minute, hour, day of the month, month and day of the week, \
                 such as \"0 7 * * 1-5\"",
                said(&error)
            )
        })?;
        let day = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);
        if cron.find_next_occurrence(&day, true).is_err() {
            return Err(format!("cron {pattern:?} never comes: no month has such a day"));
        }
        Ok(Self { pattern, zone, ..self })
    }

    /// What it is computed with; a row that was written by another version can have something else.
    fn read(&self) -> Option<Times> {
        Some(Times { parts: parts(&self.pattern)?, zone: ZONES.get(&self.zone).ok()? })
    }

    /// The first time after `after`.
    ///
    /// A time of the day that lies in the gap of a spring change comes at the end of the gap, and one that an autumn change
    /// repeats comes once; what is due every so often goes on being due.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.read()?.next(after)
    }

    /// When the first time after `after` is looked at.
    #[must_use]
    pub fn next_look(&self, after: Timestamp) -> Option<(Timestamp, Timestamp)> {
        Some(self.looked_at(self.next(after)?))
    }

    /// A time, and when it is looked at.
    #[must_use]
    pub fn looked_at(&self, time: Timestamp) -> (Timestamp, Timestamp) {
        // What is skipped outside the hours is told when it is due.
        (time, if self.missed == Missed::Skip { time } else { self.opening(time) })
    }

    /// The first moment from `at` on that lies in its hours.
    fn opening(&self, at: Timestamp) -> Timestamp {
        self.between.map_or(at, |hours| hours.opening(at, &self.zone))
    }

    /// What becomes of the times from `first`, which is one, to `now`.
    #[must_use]
    pub fn decide(&self, first: Timestamp, now: Timestamp) -> Decision {
        if first > now {
            return Decision { next: Some(self.looked_at(first)), ..Decision::default() };
        }
        let opening = self.opening(now);
        if opening > now && self.missed != Missed::Skip {
            return Decision { next: Some((first, opening)), ..Decision::default() };
        }
        let (times, more) = self.times(first, now);
        let next = self.next_look(now);
        let late = |time: &Timestamp| now.duration_since(*time) >= ON_TIME;
        if let Some(hours) = self.between.filter(|_| opening > now) {
            let skipped = self.skipped(&times, more, &format!("outside {hours} it does not fire"));
            return Decision { skipped, next, ..Decision::default() };
        }
        let (missed, on_time): (Vec<Timestamp>, Vec<Timestamp>) = times.into_iter().partition(late);
        let within = |time: &Timestamp| {
            self.missed_within.is_none_or(|most| now.duration_since(*time) <= SignedDuration::from_secs(most.into()))
        };
        let (mut wanted, mut unwanted): (Vec<Timestamp>, Vec<Timestamp>) = missed.into_iter().partition(within);
        let why = match self.missed {
            Missed::Skip => {
                unwanted.append(&mut wanted);
                "what is missed is skipped".to_owned()
            }
            Missed::All if wanted.len() > MOST_MADE_UP => {
                unwanted.extend(wanted.drain(..wanted.len() - MOST_MADE_UP));
                format!("at most {MOST_MADE_UP} are made up for")
            }
            _ => format!("it was more than {} ago", span::written(self.missed_within.unwrap_or_default())),
        };
        wanted.extend(on_time);
        // Times that were not counted are older than all others.
        let uncounted_are_made_up = self.missed == Missed::Once && self.missed_within.is_none();
        let skipped = self.skipped(&unwanted, more && !uncounted_are_made_up, &why);
        let one = |time: &Timestamp| Firing { scheduled_at: *time, first: *time, count: 1 };
        let fire = match (self.missed, &wanted[..]) {
            (Missed::Once, [.., last]) => vec![Firing {
                scheduled_at: *last,
                first: if more && uncounted_are_made_up { first } else { wanted[0] },
                count: u32::try_from(if more { MOST_COUNTED + 1 } else { wanted.len() }).unwrap_or(u32::MAX),
            }],
            (_, all) => all.iter().map(one).collect(),
        };
        Decision { fire, skipped, next }
    }

    /// The times from `first` to `now`, oldest first. If there are more than are counted, the newest of them, and true.
    fn times(&self, first: Timestamp, now: Timestamp) -> (Vec<Timestamp>, bool) {
        let Some(times) = self.read() else { return (Vec::new(), false) };
        let upto = |last: &Timestamp| times.next(*last).filter(|next| *next <= now);
        let counted: Vec<Timestamp> = std::iter::successors(Some(first), upto).take(MOST_COUNTED + 1).collect();
        if counted.len() <= MOST_COUNTED {
            return (counted, false);
        }
        let back = std::iter::successors(times.previous(now, true), |last| times.previous(*last, false));
        let mut newest: Vec<Timestamp> = back.take(NEWEST).collect();
        newest.reverse();
        (newest, true)
    }

    /// Says which times are skipped, and why.
    fn skipped(&self, times: &[Timestamp], more: bool, why: &str) -> Option<String> {
        let (first, last) = (times.first()?, times.last()?);
        let which = match times.len() {
            1 if !more => format!("{} was skipped", self.written(*first)),
            n => format!(
                "{} times from {} to {} were skipped",
                if more { format!("more than {n}") } else { n.to_string() },
                self.written(*first),
                self.written(*last)
            ),
        };
        Some(format!("{which}: {why}"))
    }

    /// A moment in its zone: `2026-05-01 07:00`.
    #[must_use]
    pub fn written(&self, at: Timestamp) -> String {
        written(at, &self.zone)
    }

    /// The pattern in words: `at 07:00, on Saturday, Europe/Zurich`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Ok(cron) = parsed(&self.pattern) else { return format!("cron {}", self.pattern) };
        let text = cron.describe();
        let text = text.trim_end_matches('.');
        let text = if text.starts_with("At every") { &text[3..] } else { text };
        let mut rest = text.chars();
        let first = rest.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
        let hours = self.between.map(|hours| format!(", between {hours}")).unwrap_or_default();
        format!("{first}{}{hours}, {}", rest.as_str(), self.zone)
    }
}

/// The times of a schedule: those of each of its parts.
struct Times {
    parts: Vec<Cron>,
    zone: TimeZone,
}

impl Times {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let from = after.to_zoned(self.zone.clone());
        let next = self.parts.iter().filter_map(|cron| cron.find_next_occurrence(&from, false).ok());
        next.map(|next| next.timestamp()).filter(|next| *next > after).min()
    }

    /// The last time before `before`, or at it.
    fn previous(&self, before: Timestamp, inclusive: bool) -> Option<Timestamp> {
        let from = before.to_zoned(self.zone.clone());
        let last = self.parts.iter().filter_map(|cron| cron.find_previous_occurrence(&from, inclusive).ok());
        last.map(|last| last.timestamp()).filter(|last| *last < before || inclusive).max()
    }
}

/// The parts of a pattern: one for each time of the day, so that each is a fixed time for the changes of spring and autumn;
/// the whole pattern if it has intervals.
fn parts(pattern: &str) -> Option<Vec<Cron>> {
    let whole = || Some(vec![parsed(pattern).ok()?]);
    let mut fields = pattern.splitn(3, ' ');
    let (Some(minutes), Some(hours), Some(days)) = (fields.next(), fields.next(), fields.next()) else {
        return whole();
    };
    let (Some(minutes), Some(hours)) = (listed(minutes), listed(hours)) else { return whole() };
    if minutes.len() * hours.len() > MOST_A_DAY {
        return whole();
    }
    let each = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| format!("{minute} {hour} {days}")));
    each.map(|part| parsed(&part).ok()).collect()
}

/// The numbers of a field that lists them, such as `9-17` or `0,30`; `None` if it has intervals.
fn listed(field: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in field.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        if from > to || to > 59 {
            return None;
        }
        all.extend(from..=to);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// A moment in the zone with this name: `2026-05-01 07:00`.
#[must_use]
pub fn written(at: Timestamp, zone: &str) -> String {
    at.to_zoned(ZONES.get(zone).unwrap_or(TimeZone::UTC)).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The time of the day of a moment in the zone with this name: `07:00`.
#[must_use]
pub fn time_of_day(at: Timestamp, zone: &str) -> String {
    at.to_zoned(ZONES.get(zone).unwrap_or(TimeZone::UTC)).strftime("%H:%M").to_string()
}

fn parsed(pattern: &str) -> Result<Cron, CronError> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(pattern)
}

/// What is wrong with a pattern, in a few words.
fn said(error: &CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            text.clone()
        }
        other => other.to_string(),
    };
    let text = text.trim_end_matches('.');
    let mut rest = text.chars();
    rest.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default() + rest.as_str()
}

#[cfg(test)]
mod tests;
