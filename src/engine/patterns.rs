//! Patterns: who speaks next, as pure functions of the committed steps.
//!
//! `next(config, so_far) -> Move`. Nothing is saved between moves, so a restart goes on where it stopped.
//! A new pattern is one file here and one line in [`next`].

pub mod dynamic;
pub mod round_robin;
pub mod single;
pub mod supervisor;

use crate::domain::{AgentId, Choice, Group, ManagerType, Run, RunKind, RunState, StopReason};

/// What happens next in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// This agent speaks.
    Speak(AgentId),
    /// The manager chooses who speaks next.
    Choose {
        /// The manager.
        manager: AgentId,
        /// Who may be chosen, in the group's order.
        among: Vec<AgentId>,
    },
    /// The turn is over.
    Finish(StopReason),
}

/// What a pattern is asked about: a turn of a group, or of one agent alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Config {
    /// A group by its manager type.
    Group {
        /// As it stands now.
        group: Box<Group>,
        /// The member that spoke last before this turn, where the group goes on after it
        /// ([`Group::continue_order`]).
        after: Option<AgentId>,
    },
    /// Only this agent answers: `@name`, or a direct talk.
    Only(AgentId),
}

/// A part of a turn that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Somebody spoke.
    Speech(Speech),
    /// The manager chose; a choice that failed chose nobody.
    Choice {
        /// What came of it.
        chosen: Choice,
        /// How it ended: as any choice does, or because its words ended the turn.
        stop: StopReason,
    },
}

impl Part {
    /// A child run of the turn; `None` where it is not over.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let RunState::Finished { stop_reason: stop, .. } = run.state else { return None };
        match &run.kind {
            RunKind::Speech { agent, .. } => Some(Self::Speech(Speech { agent: agent.clone(), stop })),
            RunKind::Choice { .. } => Some(Self::Choice { chosen: run.chosen.clone().unwrap_or(Choice::Nobody), stop }),
            RunKind::Turn { .. } | RunKind::Job { .. } => None,
        }
    }
}

/// A speech that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// Who spoke.
    pub agent: AgentId,
    /// How it ended: words, a pass, an error.
    pub stop: StopReason,
}

/// The move after these parts.
#[must_use]
pub fn next(config: &Config, so_far: &[Part]) -> Move {
    let (group, after) = match config {
        Config::Only(agent) => return single::next(agent, &speeches(so_far)),
        Config::Group { group, after } => (group, after.as_ref()),
    };
    match (group.manager_type, &group.manager_agent) {
        (ManagerType::RoundRobin, _) => round_robin::next(&group.members, group.max_turns, after, &speeches(so_far)),
        (ManagerType::Dynamic, Some(manager)) => dynamic::next(group, manager, so_far),
        (ManagerType::Supervisor, Some(manager)) => supervisor::next(manager, &speeches(so_far)),
        (ManagerType::Sleeptime, Some(agent)) => single::next(agent, &speeches(so_far)),
        (ManagerType::Dynamic | ManagerType::Supervisor | ManagerType::Sleeptime, None) => {
            Move::Finish(StopReason::Error)
        }
    }
}

/// The speeches among the parts, in order.
#[must_use]
pub fn speeches(so_far: &[Part]) -> Vec<&Speech> {
    so_far
        .iter()
        .filter_map(|part| match part {
            Part::Speech(speech) => Some(speech),
            Part::Choice { .. } => None,
        })
        .collect()
}

/// The member after the last of these who still is one; the first where none is.
fn after_last<'a>(members: &'a [AgentId], spoke: impl DoubleEndedIterator<Item = &'a AgentId>) -> Option<&'a AgentId> {
    let last = spoke.rev().find_map(|agent| members.iter().position(|member| member == agent));
    members.get(last.map_or(0, |at| (at + 1) % members.len()))
}

/// True when every member has passed since the last words of anybody.
fn all_passed(members: &[AgentId], speeches: &[&Speech]) -> bool {
    let passes = || speeches.iter().rev().take_while(|speech| speech.stop == StopReason::Passed);
    passes().next().is_some() && members.iter().all(|member| passes().any(|speech| speech.agent == *member))
}

/// How a turn ends whose speeches are spent: one in which every speech failed fails.
fn spent(speeches: &[&Speech], reason: StopReason) -> Move {
    let failed = speeches.iter().all(|speech| speech.stop == StopReason::Error);
    Move::Finish(if failed { StopReason::Error } else { reason })
}
