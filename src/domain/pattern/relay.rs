//! A pattern only for tests, which shows what a new one needs: the members speak until one passes.

use super::{Manager, Members, Move, Pattern, after_last, speeches};
use crate::domain::StopReason;

/// The pattern.
pub const PATTERN: Pattern = Pattern {
    title: "relay",
    best_for: "a baton that goes round until somebody drops it",
    members: Members::Some("carry the baton"),
    manager: Manager::None("nobody leads a relay"),
    needs_background: true,
    settings: &["max_rounds"],
    has_fixed_order: true,
    named_by_manager: false,
    manager_tools: &[],
    framing: |_| "Carry the baton.\n".to_owned(),
    why: |_, stop| Some(format!("the baton was dropped: {}", stop.sentence())),
    next: |turn| {
        let spoken = speeches(turn.so_far);
        match spoken.last() {
            Some(last) if last.stop == StopReason::Passed => Move::Finish(StopReason::Passed),
            _ => after_last(&turn.group.members, spoken.into_iter().map(|speech| &speech.agent))
                .map_or(Move::Finish(StopReason::Error), |agent| Move::Speak(agent.clone())),
        }
    },
};
