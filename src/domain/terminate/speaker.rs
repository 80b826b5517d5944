//! A given agent has spoken; a pass or a failure does not count.

use super::{ArgumentKind, Condition, Why};
use crate::domain::{AgentId, StopReason};

pub const CONDITION: Condition<AgentId> = Condition {
    argument: ArgumentKind::Agent,
    stop: StopReason::Speaker,
    needs_speeches: true,
    holds: |agent, progress| progress.spoke.contains(agent),
    why: |agent, progress| match progress.names.get(agent) {
        Some(name) => Why::Instead(format!("{name} has spoken, which ends the turn")),
        None => Why::Plain,
    },
};
