//! An agent gave the turn back to the user, with a tool that this condition gives to all of the group.

use super::{ArgumentKind, Condition, TerminationCondition, Why};
use crate::domain::StopReason;

/// The tool that gives a turn back to the user.
pub const RETURN_TO_USER: &str = "return_to_user";

pub const CONDITION: Condition<bool> = Condition {
    argument: ArgumentKind::True,
    stop: StopReason::ToUser,
    needs_speeches: false,
    holds: |on, progress| *on && progress.called.iter().any(|tool| tool == RETURN_TO_USER),
    why: |_, progress| match &progress.handed_back {
        Some((name, reason)) => Why::Instead(format!("{name} hands it back to you: {reason}")),
        None => Why::Plain,
    },
};

impl TerminationCondition {
    /// True when an agent may give the turn back to the user.
    #[must_use]
    pub fn has_return(&self) -> bool {
        self.each().any(|one| matches!(one, Self::ToUser(true)))
    }
}
