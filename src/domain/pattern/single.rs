//! One agent answers: in a direct conversation, for `@name`, and in a sleep-time group.

use super::{Move, Speech};
use crate::domain::{AgentId, StopReason};

/// One speech, then the end.
#[must_use]
pub fn next(agent: &AgentId, so_far: &[&Speech]) -> Move {
    match so_far.first() {
        None => Move::Speak(agent.clone()),
        Some(speech) if speech.stop == StopReason::Passed => Move::Finish(StopReason::AllPassed),
        Some(speech) => Move::Finish(speech.stop),
    }
}
