//! Queries on the calls of parked runs: which are not made yet, what mail they sent, what came back.

use super::{Engine, Trouble};
use crate::domain::{Mail, MailKind, PendingCall, PendingKind};

/// The calls a parked run has not made yet: the one it waits on, and those behind it.
#[must_use]
pub fn unprocessed(calls: &[PendingCall]) -> Vec<&PendingCall> {
    // A run that parked before has calls of those steps, too; the step it is parked on is its last.
    let Some(step) = calls.last().map(|call| &call.step) else { return Vec::new() };
    let own = || calls.iter().filter(|call| call.step == *step);
    let open = own().find(|call| call.is_open()).map(|call| call.ordinal);
    // Answered and not made yet is only the last that was answered.
    let first = open.or_else(|| own().filter(|call| call.answer.is_some()).map(|call| call.ordinal).max());
    own().filter(|call| first.is_some_and(|first| call.ordinal >= first)).collect()
}

/// The mail a call sent, in the order it was sent.
pub async fn mails_of(engine: &Engine, call: &PendingCall) -> Result<Vec<Mail>, Trouble> {
    if call.kind != PendingKind::Reply {
        return Ok(Vec::new());
    }
    let sent = engine.store.find::<Mail>(call.step.as_str()).await?;
    let own = |mail: &Mail| mail.sent_by.as_ref().is_some_and(|(_, ordinal)| *ordinal == call.ordinal);
    Ok(sent.into_iter().filter(own).collect())
}

/// The replies to this mail that nobody has taken yet: one, or none.
pub async fn replies_to(engine: &Engine, mail: &Mail) -> Result<Vec<Mail>, Trouble> {
    let about = engine.store.find::<Mail>(mail.id.as_str()).await?;
    Ok(about.into_iter().filter(|reply| reply.kind == MailKind::Reply).collect())
}
