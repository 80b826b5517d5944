//! Patterns: who speaks next, as a pure function of the finished parts of a turn.
//!
//! `next(turn) -> Move`. A pattern keeps no state between moves, so a turn continues after a restart. A new pattern is
//! one file here and one line in the list of [`super::manager_type`]: other modules loop over the list or read the [`Pattern`] of a manager
//! type.

pub mod dynamic;
#[cfg(test)]
pub mod relay;
pub mod round_robin;
pub mod shape;
pub mod single;
pub mod sleeptime;
pub mod supervisor;

use super::manager_type::{ManagerType, patterns};
use super::{AgentId, Choice, Group, Run, RunKind, RunState, StopReason};

/// The next action in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// This agent speaks.
    Speak(AgentId),
    /// The manager chooses who speaks next.
    Choose {
        /// The manager.
        manager: AgentId,
        /// The candidates, in the group's order.
        among: Vec<AgentId>,
    },
    /// The turn ends.
    Finish(StopReason),
}

/// The configuration of a turn: of a group, or of one agent alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Config {
    /// The group's pattern makes the moves.
    Group {
        /// The current group.
        group: Box<Group>,
        /// The member that spoke last before this turn, if the group continues after it
        /// ([`Group::continue_order`]).
        after: Option<AgentId>,
    },
    /// Only this agent answers: `@name`, or a direct conversation.
    Only(AgentId),
}

/// A finished part of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An agent spoke.
    Speech(Speech),
    /// The manager chose the next speaker. A failed choice counts as [`Choice::Nobody`].
    Choice {
        /// The outcome.
        chosen: Choice,
        /// The stop reason of its run; some end the turn.
        stop: StopReason,
    },
}

/// A finished speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// The speaker.
    pub agent: AgentId,
    /// The stop reason: text, a pass, an error.
    pub stop: StopReason,
}

/// A turn of a group as a pattern sees it.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The current group.
    pub group: &'a Group,
    /// The member that spoke last before this turn, if the group continues after it.
    pub after: Option<&'a AgentId>,
    /// The finished parts, in order.
    pub so_far: &'a [Part],
}

/// A pattern: everything other modules need to know about it.
#[derive(Debug)]
pub struct Pattern {
    /// The display name.
    pub title: &'static str,
    /// What it is best for, in a sentence.
    pub best_for: &'static str,
    /// The members it needs.
    pub members: Members,
    /// The manager agent it needs.
    pub manager: Manager,
    /// True if it needs background agents.
    pub needs_background: bool,
    /// The keys of pattern-specific group settings that it uses.
    pub settings: &'static [&'static str],
    /// True if members speak in their order, so that the next speaker is known in advance.
    pub has_fixed_order: bool,
    /// True if such a group is shown with its manager's name instead of its number of members.
    pub named_by_manager: bool,
    /// Additional tools of the manager in a turn of the group.
    pub manager_tools: &'static [&'static str],
    /// Returns the part of the prompt that tells an agent how to take part: a line with its end, or nothing.
    pub framing: fn(&Seat<'_>) -> String,
    /// Returns a notice on why the pattern ended the turn, if it is not obvious. Errors and passes of a single speaker
    /// are in the conversation already.
    pub why: fn(&Group, StopReason) -> Option<String>,
    /// Returns the next move of a turn.
    pub next: fn(&Turn<'_>) -> Move,
}

/// The members a pattern needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// At least one. The text says what they do: "speak in turn".
    Some(&'static str),
    /// None. The text says what replaces them.
    None(&'static str),
}

/// The manager agent a pattern needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// One that is not a member.
    One {
        /// What it does, in a word: "chooses".
        verb: &'static str,
        /// What it does, in full: "chooses who speaks".
        does: &'static str,
        /// Its part in the group: "orchestrates", or "answers" if it speaks for all.
        part: &'static str,
    },
    /// None. The text says what to do instead.
    None(&'static str),
}

/// An agent's place in a group: the input of [`Pattern::framing`].
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The group.
    pub group: &'a Group,
    /// True for the manager agent.
    pub leads: bool,
    /// The manager agent's name.
    pub manager: &'a str,
}

macro_rules! define_lookup {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $variant:ident => $module:ident;)*) => {
        impl ManagerType {
            /// The pattern.
            #[must_use]
            pub fn pattern(self) -> &'static Pattern {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant => &$module::PATTERN,)*
                }
            }
        }
    };
}
patterns!(define_lookup);

impl ManagerType {
    /// The display name.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.pattern().title
    }

    /// What it is best for, in a sentence.
    #[must_use]
    pub fn best_for(self) -> &'static str {
        self.pattern().best_for
    }

    /// True if it needs a manager agent.
    #[must_use]
    pub fn has_manager(self) -> bool {
        matches!(self.pattern().manager, Manager::One { .. })
    }

    /// True if it needs members.
    #[must_use]
    pub fn has_members(self) -> bool {
        matches!(self.pattern().members, Members::Some(_))
    }

    /// True if it needs background agents; for other types they are optional.
    #[must_use]
    pub fn needs_background(self) -> bool {
        self.pattern().needs_background
    }

    /// True if a group of this type uses the setting with this key.
    #[must_use]
    pub fn has_setting(self, key: &str) -> bool {
        match key {
            "manager_agent" => self.has_manager(),
            "members" => self.has_members(),
            _ => self.pattern().settings.contains(&key) || !Self::special_settings().any(|special| special == key),
        }
    }

    /// The names of the manager types that use the setting with this key.
    #[must_use]
    pub fn with_setting(key: &str) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|kind| kind.has_setting(key)).map(Self::as_str).collect()
    }

    /// The keys of the settings that only some manager types use, with repetitions.
    pub fn special_settings() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().flat_map(|kind| kind.pattern().settings).copied()
    }

    /// The names of the tools that patterns give to managers, sorted, without repetitions.
    #[must_use]
    pub fn given_tools() -> Vec<&'static str> {
        let mut tools: Vec<&str> =
            Self::ALL.into_iter().flat_map(|kind| kind.pattern().manager_tools).copied().collect();
        tools.sort_unstable();
        tools.dedup();
        tools
    }
}

/// The next move after these parts.
#[must_use]
pub fn next(config: &Config, so_far: &[Part]) -> Move {
    match config {
        Config::Only(agent) => single::next(agent, &speeches(so_far)),
        Config::Group { group, after } => {
            (group.manager_type.pattern().next)(&Turn { group, after: after.as_ref(), so_far })
        }
    }
}

impl Turn<'_> {
    /// Calls `next` with the manager agent; a group without its manager fails the turn.
    fn led(&self, next: impl FnOnce(&AgentId) -> Move) -> Move {
        self.group.manager_agent.as_ref().map_or(Move::Finish(StopReason::Error), next)
    }
}

impl Part {
    /// Converts a run into a part of its turn; `None` if it is unfinished or not part of a turn.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let RunState::Finished { stop_reason: stop, .. } = run.state else { return None };
        match &run.kind {
            RunKind::Speech { agent, .. } => Some(Self::Speech(Speech { agent: agent.clone(), stop })),
            RunKind::Choice { .. } => Some(Self::Choice { chosen: run.chosen.clone().unwrap_or(Choice::Nobody), stop }),
            RunKind::Turn { .. } | RunKind::Job { .. } => None,
            #[cfg(test)]
            RunKind::Sample { .. } => None,
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

/// The member after the last speaker that is still a member; the first member if there is none.
fn after_last<'a>(members: &'a [AgentId], spoke: impl DoubleEndedIterator<Item = &'a AgentId>) -> Option<&'a AgentId> {
    let last = spoke.rev().find_map(|agent| members.iter().position(|member| member == agent));
    members.get(last.map_or(0, |at| (at + 1) % members.len()))
}

/// True when every member has passed since the last speech that was not a pass.
fn all_passed(members: &[AgentId], speeches: &[&Speech]) -> bool {
    let passes = || speeches.iter().rev().take_while(|speech| speech.stop == StopReason::Passed);
    passes().next().is_some() && members.iter().all(|member| passes().any(|speech| speech.agent == *member))
}

/// Ends a turn with this reason; with an error if every speech failed, and with the end of the budget if that ended those
/// that did not fail.
fn spent(speeches: &[&Speech], reason: StopReason) -> Move {
    let mut others = speeches.iter().map(|speech| speech.stop).filter(|stop| *stop != StopReason::Error).peekable();
    Move::Finish(if others.peek().is_none() {
        StopReason::Error
    } else if others.all(|stop| stop == StopReason::Budget) {
        StopReason::Budget
    } else {
        reason
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupId;

    fn relay(members: &[&str]) -> Group {
        let members = members.iter().map(|id| AgentId::from(*id)).collect();
        Group { members, ..Group::new(GroupId::from("group-1"), "race", ManagerType::Relay) }
    }

    #[test]
    fn a_pattern_that_is_added_is_known_by_its_name_and_makes_its_moves() {
        assert_eq!(ManagerType::named("relay"), Some(ManagerType::Relay));
        let group = relay(&["a", "b"]);
        let config = Config::Group { group: Box::new(group.clone()), after: None };
        let spoke = |agent: &str, stop| Part::Speech(Speech { agent: AgentId::from(agent), stop });
        assert_eq!(next(&config, &[]), Move::Speak(AgentId::from("a")));
        assert_eq!(next(&config, &[spoke("a", StopReason::EndTurn)]), Move::Speak(AgentId::from("b")));
        assert_eq!(next(&config, &[spoke("a", StopReason::Passed)]), Move::Finish(StopReason::Passed));
        let written = serde_json::to_value(&group).unwrap();
        assert_eq!(written["manager_type"], "relay");
        assert_eq!(serde_json::from_value::<Group>(written).unwrap(), group);
    }

    #[test]
    fn its_settings_are_its_own_and_those_of_all() {
        assert!(ManagerType::Relay.has_setting("max_rounds") && ManagerType::Relay.has_setting("members"));
        assert!(ManagerType::Relay.has_setting("wait_seconds"), "a setting nobody claims is everybody's");
        assert!(!ManagerType::Relay.has_setting("max_turns") && !ManagerType::Relay.has_setting("manager_agent"));
        assert_eq!(ManagerType::with_setting("max_rounds"), ["supervisor", "relay"]);
        assert_eq!(ManagerType::with_setting("max_turns"), ["round_robin", "dynamic"]);
    }

    #[test]
    fn a_group_that_has_lost_its_manager_cannot_answer() {
        for kind in ManagerType::ALL.into_iter().filter(|kind| kind.has_manager()) {
            let group = Box::new(Group { manager_type: kind, ..relay(&["a"]) });
            assert_eq!(next(&Config::Group { group, after: None }, &[]), Move::Finish(StopReason::Error), "{kind:?}");
        }
    }
}
