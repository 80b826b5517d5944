//! The rules of triggers.

use jiff::Timestamp;

use super::{ApplyError, Rows, reject, require};
use crate::domain::{Group, Trigger, TriggerId};

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

pub(super) fn fired<R: Rows>(rows: &mut R, id: &TriggerId, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    Ok(rows.put(&Trigger { last_fired: Some(at), why_not: None, ..trigger })?)
}

pub(super) fn held<R: Rows>(rows: &mut R, id: &TriggerId, why: &str) -> Result<(), ApplyError<R::Fault>> {
    let trigger = require::<Trigger, R>(rows, id.as_str(), "trigger")?;
    Ok(rows.put(&Trigger { why_not: Some(why.to_owned()), ..trigger })?)
}
