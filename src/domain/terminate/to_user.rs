//! An agent returned the turn to the user. The condition gives all agents of the group the tool for it.

use super::{ArgumentKind, Condition, TerminationCondition, Why};
use crate::domain::StopReason;

/// The tool that returns a turn to the user.
pub const RETURN_TO_USER: &str = "return_to_user";

pub const CONDITION: Condition<bool> = Condition {
    argument: ArgumentKind::True,
    stop: StopReason::ToUser,
    needs_speeches: false,
    holds: |on, progress| *on && progress.called.iter().any(|tool| tool == RETURN_TO_USER),
    why: |_, progress| match &progress.handed_back {
        Some((name, reason)) => Why::Instead(format!("{name} returned it to you: {reason}")),
        None => Why::Plain,
    },
};

impl TerminationCondition {
    /// True when it or a nested condition lets agents return the turn to the user.
    #[must_use]
    pub fn has_return(&self) -> bool {
        self.each().any(|one| matches!(one, Self::ToUser(true)))
    }
}
