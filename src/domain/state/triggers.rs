//! The rules of triggers.

use jiff::{SignedDuration, Timestamp};

use super::{ApplyError, Row as _, Rows, reject, require};
use crate::domain::trigger::{LONGEST_EVENT, PAUSED};
use crate::domain::{Group, Occurrence, Trigger, TriggerId};

pub(super) fn put<R: Rows>(rows: &mut R, trigger: &Trigger) -> Result<(), ApplyError<R::Fault>> {
    require::<Group, R>(rows, trigger.group.as_str(), "group")?;
    if rows.get::<Trigger>(trigger.id.as_str())?.is_some() {
        return reject(format!("trigger {} exists already", trigger.id));
    }
    Ok(rows.put(trigger)?)
}

pub(super) fn remove<R: Rows>(rows: &mut R, id: &TriggerId) -> Result<(), ApplyError<R::Fault>> {
    require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    Ok(rows.delete::<Trigger>(id.as_str())?)
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

pub(super) fn held<R: Rows>(rows: &mut R, id: &TriggerId, why: &str) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    Ok(rows.put(&Trigger { why_not: Some(why.to_owned()), ..trigger })?)
}
