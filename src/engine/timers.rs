//! Triggers that wait for a time: for a span, or for a moment of the wall clock. Each has one deadline, and a commit takes
//! it: the occurrence is recorded with what follows from it, so that it happens once, whoever looks at the clock.

use std::time::Duration;

use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::domain::{Actor, Change, Commit, Trigger};
use crate::store::Lane;

/// The next deadlines.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// On the engine's clock of spans.
    pub span: Option<Timestamp>,
    /// On the wall clock.
    pub wall: Option<Timestamp>,
}

/// Commits the triggers that are due. Returns the next deadlines.
pub(super) async fn fire_due(engine: &Engine, timers: &[Trigger]) -> Result<Deadlines, EngineError> {
    let mut next = Deadlines::default();
    let earlier = |one: &mut Option<Timestamp>, other: Timestamp| *one = Some(one.map_or(other, |one| one.min(other)));
    for trigger in timers {
        let Some(due) = trigger.next_due else { continue };
        match trigger.since {
            Some(since) => {
                let span = Duration::try_from(due.duration_since(since)).unwrap_or_default();
                let left = span.saturating_sub(engine.spans.since_begin(&key(trigger), since));
                if !left.is_zero() {
                    earlier(&mut next.span, engine.spans.after(left));
                    continue;
                }
            }
            None if !trigger.is_due(engine.store.clock().now()) => {
                earlier(&mut next.wall, due);
                continue;
            }
            None => {}
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
