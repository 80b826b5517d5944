//! This agent has spoken: words, not a pass or a failure.

use super::{ArgumentKind, Condition, Why};
use crate::domain::{AgentId, StopReason};

pub const CONDITION: Condition<AgentId> = Condition {
    argument: ArgumentKind::Agent,
    stop: StopReason::Speaker,
    needs_speeches: true,
    holds: |agent, progress| progress.spoke.contains(agent),
    why: |agent, progress| match progress.names.get(agent) {
        Some(name) => Why::Instead(format!("{name} has spoken, whose word is the last")),
        None => Why::Plain,
    },
};
