//! Patterns: who speaks next, as pure functions of the committed steps.
//!
//! `next(config, so_far) -> Move`. Nothing is saved between moves, so a restart goes on where it stopped.
//! A new pattern is one file here and one line in [`next`].

pub mod round_robin;
pub mod single;

use crate::domain::{AgentId, Group, ManagerType, StopReason};

/// What happens next in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// This agent speaks.
    Speak(AgentId),
    /// The turn is over.
    Finish(StopReason),
}

/// What a pattern is asked about: a turn of a group, or of one agent alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Config {
    /// A group by its manager type.
    Group(Group),
    /// Only this agent answers: `@name`, or a direct talk.
    Only(AgentId),
}

/// A speech that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// Who spoke.
    pub agent: AgentId,
    /// How it ended: words, a pass, an error.
    pub stop: StopReason,
}

/// The move after these speeches.
#[must_use]
pub fn next(config: &Config, so_far: &[Speech]) -> Move {
    match config {
        Config::Only(agent) => single::next(agent, so_far),
        Config::Group(group) => match (group.manager_type, &group.manager_agent) {
            (ManagerType::Sleeptime | ManagerType::Supervisor, Some(agent)) => single::next(agent, so_far),
            (ManagerType::Sleeptime | ManagerType::Supervisor | ManagerType::Dynamic, _) => {
                Move::Finish(StopReason::Error)
            }
            (ManagerType::RoundRobin, _) => round_robin::next(&group.members, group.max_turns, so_far),
        },
    }
}
