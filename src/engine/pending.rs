//! Queries on the calls of parked runs: which are still to be made, the mail they sent, and its replies.

use super::{Engine, EngineError};
use crate::domain::{Mail, MailKind, PendingCall, PendingKind};

/// The calls a parked run still has to make: the one it waits on, and those after it in the step.
#[must_use]
pub fn unprocessed(calls: &[PendingCall]) -> Vec<&PendingCall> {
    // A run that parked before also has calls of earlier steps; it is parked on its last step.
    let Some(step) = calls.last().map(|call| &call.step) else { return Vec::new() };
    let own = || calls.iter().filter(|call| call.step == *step);
    let open = own().find(|call| call.is_open()).map(|call| call.ordinal);
    // Without an open call, the last one answered is the one still to be made.
    let first = open.or_else(|| own().filter(|call| call.answer.is_some()).map(|call| call.ordinal).max());
    own().filter(|call| first.is_some_and(|first| call.ordinal >= first)).collect()
}

/// The mail a call sent, in order of sending; empty for calls of other kinds.
///
/// # Errors
/// [`EngineError`] if the store cannot be read.
pub async fn mails_of(engine: &Engine, call: &PendingCall) -> Result<Vec<Mail>, EngineError> {
    if call.kind != PendingKind::Reply {
        return Ok(Vec::new());
    }
    let sent = engine.store.find::<Mail>(call.step.as_str()).await?;
    let own = |mail: &Mail| mail.sent_by.as_ref().is_some_and(|(_, ordinal)| *ordinal == call.ordinal);
    Ok(sent.into_iter().filter(own).collect())
}

/// The replies to this mail: one or none.
///
/// # Errors
/// [`EngineError`] if the store cannot be read.
pub async fn replies_to(engine: &Engine, mail: &Mail) -> Result<Vec<Mail>, EngineError> {
    let about = engine.store.find::<Mail>(mail.id.as_str()).await?;
    Ok(about.into_iter().filter(|reply| reply.kind == MailKind::Reply).collect())
}
