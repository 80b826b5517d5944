//! Triggers that wait for a time. Each has one deadline, and a commit takes it: the occurrence is recorded with what
//! follows from it, so that it happens once, whoever looks at the clock.

use std::time::Duration;

use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::domain::{Actor, Change, Commit, Trigger};
use crate::store::Lane;

/// Commits the triggers that are due. Returns the next deadline, on the engine's clock of spans.
pub(super) async fn fire_due(engine: &Engine, timers: &[Trigger]) -> Result<Option<Timestamp>, EngineError> {
    let mut next: Option<Timestamp> = None;
    for trigger in timers {
        let (Some(since), Some(due)) = (trigger.since, trigger.next_due) else { continue };
        let span = Duration::try_from(due.duration_since(since)).unwrap_or_default();
        let left = span.saturating_sub(engine.spans.since_begin(&key(trigger), since));
        if !left.is_zero() {
            let deadline = engine.spans.after(left);
            next = Some(next.map_or(deadline, |next| next.min(deadline)));
            continue;
        }
        let due = Change::TriggerDue { id: trigger.id.clone(), scheduled_at: due };
        match engine.commit(Lane::Background, Commit::new(Actor::Engine, vec![due])).await {
            Ok(_) | Err(EngineError::Moved) => {}
            // It was changed meanwhile; the scheduler looks again after that commit.
            Err(EngineError::Refused(why)) => tracing::debug!(trigger = %trigger.id, why, "not due any more"),
            Err(other) => return Err(other),
        }
    }
    Ok(next)
}

/// The name of the span that the trigger waits for.
pub(super) fn key(trigger: &Trigger) -> String {
    format!("{}@{}", trigger.id, trigger.since.unwrap_or_default())
}
