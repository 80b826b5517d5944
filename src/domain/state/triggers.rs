//! The rules of triggers.

use jiff::{SignedDuration, Timestamp};

use super::{ApplyError, Row as _, Rows, reject, require};
use crate::domain::trigger::{LONGEST_EVENT, MarkMove, PAUSED, why_not};
use crate::domain::{Group, Occurrence, Reading, SourceMark, Trigger, TriggerId};

pub(super) fn put<R: Rows>(rows: &mut R, trigger: &Trigger) -> Result<(), ApplyError<R::Fault>> {
    require::<Group, R>(rows, trigger.group.as_str(), "group")?;
    if rows.get::<Trigger>(trigger.id.as_str())?.is_some() {
        return reject(format!("trigger {} exists already", trigger.id));
    }
    Ok(rows.put(trigger)?)
}

pub(super) fn remove<R: Rows>(rows: &mut R, id: &TriggerId) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    rows.delete::<Trigger>(id.as_str())?;
    let Some(reader) = trigger.reader() else { return Ok(()) };
    // Another source of these files, for example with another task, goes on with the marks.
    let others = rows.find::<Trigger>(&trigger.topic())?;
    if others.iter().all(|other| other.reader().as_ref() != Some(&reader)) {
        for mark in rows.find::<SourceMark>(&reader)? {
            rows.delete::<SourceMark>(&mark.key())?;
        }
    }
    Ok(())
}

pub(super) fn report<F>(name: &str, text: &str) -> Result<(), ApplyError<F>> {
    if name.trim().is_empty() {
        return reject("an event needs a name");
    }
    let length = text.chars().count();
    if length > LONGEST_EVENT {
        return reject(format!(
            "event {name}: its text has {length} characters and may have {LONGEST_EVENT}; shorten it, or name a file in it"
        ));
    }
    Ok(())
}

/// How many occurrences of a trigger are kept: a later one is never as old as these.
const KEPT: usize = 100;

pub(super) fn arm<R: Rows>(
    rows: &mut R,
    id: &TriggerId,
    seconds: u32,
    at: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    if trigger.paused {
        return reject(format!("trigger {id} is paused"));
    }
    let due = at.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX);
    Ok(rows.put(&Trigger { since: Some(at), next_due: Some(due), ..trigger })?)
}

pub(super) fn schedule<R: Rows>(
    rows: &mut R,
    id: &TriggerId,
    waiting: Timestamp,
    next_due: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    // The times that were decided on are before: none comes twice.
    if trigger.waiting.is_some_and(|before| waiting < before) || next_due < waiting {
        return reject(format!("trigger {id} cannot be due at {waiting} again"));
    }
    if trigger.paused {
        return reject(format!("trigger {id} is paused"));
    }
    Ok(rows.put(&Trigger { since: None, next_due: Some(next_due), waiting: Some(waiting), ..trigger })?)
}

/// A paused trigger waits for no time.
pub(super) fn pause<R: Rows>(rows: &mut R, id: &TriggerId, paused: bool) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    if trigger.paused == paused {
        return reject(format!("the trigger {}", if paused { "is paused already" } else { "is not paused" }));
    }
    let why_not = paused.then(|| PAUSED.to_owned());
    Ok(rows.put(&Trigger { paused, why_not, since: None, next_due: None, ..trigger })?)
}

/// Takes the occurrence: the trigger has no other time, and this one was not taken before.
pub(super) fn due<R: Rows>(
    rows: &mut R,
    id: &TriggerId,
    scheduled_at: Timestamp,
    at: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    if trigger.next_due != Some(scheduled_at) {
        return reject(format!("trigger {id} is not due at {scheduled_at}"));
    }
    if trigger.since.is_none() && !trigger.is_due(at) {
        return reject(format!("trigger {id} is due at {scheduled_at}, and the clock was set back"));
    }
    let occurrence = Occurrence { trigger: id.clone(), scheduled_at, at };
    if rows.get::<Occurrence>(&occurrence.key())?.is_some() {
        return reject(format!("the time {scheduled_at} of trigger {id} was taken before"));
    }
    let mut taken = rows.find::<Occurrence>(id.as_str())?;
    taken.sort_by_key(|occurrence| occurrence.scheduled_at);
    let surplus = (taken.len() + 1).saturating_sub(KEPT);
    for old in taken.iter().take(surplus) {
        rows.delete::<Occurrence>(&old.key())?;
    }
    rows.put(&occurrence)?;
    Ok(rows.put(&Trigger { since: None, next_due: None, ..trigger })?)
}

pub(super) fn fired<R: Rows>(rows: &mut R, id: &TriggerId, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    Ok(rows.put(&Trigger { last_fired: Some(at), why_not: None, ..trigger })?)
}

pub(super) fn held<R: Rows>(rows: &mut R, id: &TriggerId, why: Option<&str>) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    Ok(rows.put(&Trigger { why_not: why.map(str::to_owned), ..trigger })?)
}

/// Moves the marks of a source on. New text is taken only if the trigger fires, and each mark only from where it is, so
/// that nothing is lost and nothing comes twice.
pub(super) fn read<R: Rows>(
    rows: &mut R,
    id: &TriggerId,
    moves: &[MarkMove],
    forgotten: &[String],
    reading: Option<&Reading>,
) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    let Some(reader) = trigger.reader() else { return reject(format!("trigger {id} is no source")) };
    let gone = moves.iter().filter_map(|step| step.from.as_ref()).map(|(path, _)| path);
    for step in moves {
        let from = match &step.from {
            Some((path, offset)) => (path, Some(*offset)),
            None => (&step.to.path, None),
        };
        let there = rows.get::<SourceMark>(&SourceMark::path_key(&reader, from.0))?.map(|mark| mark.offset);
        // A file in the place of one that was renamed has the mark of that one until now.
        let there = there.filter(|_| from.1.is_some() || !gone.clone().any(|path| path == from.0));
        if step.to.reader != reader || there != from.1 {
            return reject(format!("the file {} of trigger {id} was read meanwhile", from.0));
        }
    }
    for path in gone.chain(forgotten) {
        rows.delete::<SourceMark>(&SourceMark::path_key(&reader, path))?;
    }
    for step in moves {
        rows.put(&step.to)?;
    }
    let Some(reading) = reading else { return Ok(()) };
    if let Some(why) = why_not(rows, &trigger, 0)? {
        return reject(format!("trigger {id} does not fire: {why}"));
    }
    if rows.get::<Reading>(reading.id.as_str())?.is_some() {
        return reject(format!("reading {} exists already", reading.id));
    }
    Ok(rows.put(reading)?)
}
