//! Patterns: who speaks next, as pure functions of the committed steps, and all else that is a pattern's own.
//!
//! `next(turn) -> Move`. Nothing is saved between moves, so a restart goes on where it stopped. A new pattern is one
//! file here and its line in [`patterns`]: everything that asks for a manager type loops over the list or reads the
//! [`Pattern`] of the one at hand.

pub mod dynamic;
#[cfg(test)]
pub mod relay;
pub mod round_robin;
pub mod shape;
pub mod single;
pub mod sleeptime;
pub mod supervisor;

use serde::{Deserialize, Serialize};

use super::{AgentId, Choice, Group, Run, RunKind, RunState, StopReason};

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

/// A speech that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// Who spoke.
    pub agent: AgentId,
    /// How it ended: words, a pass, an error.
    pub stop: StopReason,
}

/// A turn of a group as a pattern sees it.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The group as it stands now.
    pub group: &'a Group,
    /// The member that spoke last before this turn, where the group goes on after it.
    pub after: Option<&'a AgentId>,
    /// Its parts that are over, in order.
    pub so_far: &'a [Part],
}

/// One way to take turns. All that is known of it outside its file stands here.
#[derive(Debug)]
pub struct Pattern {
    /// The name on screen.
    pub title: &'static str,
    /// What it is best for, in a sentence.
    pub best_for: &'static str,
    /// The members it needs.
    pub members: Members,
    /// The manager agent it needs.
    pub manager: Manager,
    /// True where it needs background agents.
    pub needs_background: bool,
    /// The settings of a group that only some patterns look at, and this one does.
    pub settings: &'static [&'static str],
    /// True where who speaks next is known before anybody is asked: in the members' order.
    pub has_fixed_order: bool,
    /// True where people know such a group by its manager rather than by how many its members are.
    pub named_by_manager: bool,
    /// Tools its manager has on top, in a turn of the group.
    pub manager_tools: &'static [&'static str],
    /// How an agent takes part, for its prompt: a line with its end, or nothing.
    pub framing: fn(&Seat<'_>) -> String,
    /// Why a turn ended that the pattern itself ended so, where people would wonder. Errors and passes of a single
    /// speaker stand in the conversation already.
    pub why: fn(&Group, StopReason) -> Option<String>,
    /// The move that comes next in a turn.
    pub next: fn(&Turn<'_>) -> Move,
}

/// The members a pattern needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// One or more, who do this: "speak in turn".
    Some(&'static str),
    /// None: what takes their place.
    None(&'static str),
}

/// The manager agent a pattern needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// One, that is no member.
    One {
        /// What it does, in a word: "chooses".
        verb: &'static str,
        /// What it does, in full: "chooses who speaks".
        does: &'static str,
        /// What it is to the group: "orchestrates", or "answers" where it speaks for all.
        part: &'static str,
    },
    /// None: what to do instead.
    None(&'static str),
}

/// An agent's place in a group, for the text that tells it how to take part.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The group.
    pub group: &'a Group,
    /// True for the manager agent.
    pub leads: bool,
    /// What the manager agent is called.
    pub manager: &'a str,
}

/// The list of patterns, one line each: the manager type, and the module that holds its `PATTERN`. The name on the
/// wire and in files is the manager type's in snake case.
macro_rules! patterns {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $variant:ident => $module:ident;)*) => {
        /// Who speaks when: the patterns by name.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize,
            strum::VariantArray, strum::EnumCount, strum::IntoStaticStr, strum::EnumString
        )]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        pub enum ManagerType {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant,)*
        }

        impl ManagerType {
            /// What it is.
            #[must_use]
            pub fn pattern(self) -> &'static Pattern {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant => &$module::PATTERN,)*
                }
            }
        }
    };
}

patterns! {
    /// Members in stored order.
    RoundRobin => round_robin;
    /// A manager delegates to the members, gathers what they answer, and answers.
    Supervisor => supervisor;
    /// A manager chooses who speaks next.
    Dynamic => dynamic;
    /// One manager agent answers; others work in the background.
    Sleeptime => sleeptime;
    /// What the tests add.
    #[cfg(test)]
    Relay => relay;
}

impl ManagerType {
    /// The name on screen.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.pattern().title
    }

    /// What it is best for, in a sentence.
    #[must_use]
    pub fn best_for(self) -> &'static str {
        self.pattern().best_for
    }

    /// True where a manager agent has to be named.
    #[must_use]
    pub fn has_manager(self) -> bool {
        matches!(self.pattern().manager, Manager::One { .. })
    }

    /// True where members have to be named.
    #[must_use]
    pub fn has_members(self) -> bool {
        matches!(self.pattern().members, Members::Some(_))
    }

    /// True where background agents have to be named; elsewhere they may be.
    #[must_use]
    pub fn needs_background(self) -> bool {
        self.pattern().needs_background
    }

    /// True where a group of this type looks at the setting of this key.
    #[must_use]
    pub fn has_setting(self, key: &str) -> bool {
        match key {
            "manager_agent" => self.has_manager(),
            "members" => self.has_members(),
            _ => self.pattern().settings.contains(&key) || !Self::special_settings().any(|special| special == key),
        }
    }

    /// The names of the manager types that look at the setting of this key.
    #[must_use]
    pub fn with_setting(key: &str) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|kind| kind.has_setting(key)).map(Self::as_str).collect()
    }

    /// The keys of the settings that only some manager types look at; one of several types comes several times.
    pub fn special_settings() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().flat_map(|kind| kind.pattern().settings).copied()
    }

    /// The tools the patterns give, which agents need not ask for; each once.
    #[must_use]
    pub fn given_tools() -> Vec<&'static str> {
        let mut tools: Vec<&str> =
            Self::ALL.into_iter().flat_map(|kind| kind.pattern().manager_tools).copied().collect();
        tools.sort_unstable();
        tools.dedup();
        tools
    }
}

/// The move after these parts.
#[must_use]
pub fn next(config: &Config, so_far: &[Part]) -> Move {
    match config {
        Config::Only(agent) => single::next(agent, &speeches(so_far)),
        Config::Group { group, after } => {
            (group.manager_type.pattern().next)(&Turn { group, after: after.as_ref(), so_far })
        }
    }
}

impl Move {
    /// The move that goes on where a restart or a wait left this run; `None` for what no move makes.
    #[must_use]
    pub fn again(unfinished: &Run) -> Option<Self> {
        match &unfinished.kind {
            RunKind::Speech { agent, .. } => Some(Self::Speak(agent.clone())),
            RunKind::Choice { agent, among, .. } => Some(Self::Choose { manager: agent.clone(), among: among.clone() }),
            RunKind::Turn { .. } | RunKind::Job { .. } => None,
            #[cfg(test)]
            RunKind::Sample { .. } => None,
        }
    }
}

impl Turn<'_> {
    /// The move of a pattern whose manager does this; a group that has lost its manager cannot answer.
    fn led(&self, next: impl FnOnce(&AgentId) -> Move) -> Move {
        self.group.manager_agent.as_ref().map_or(Move::Finish(StopReason::Error), next)
    }
}

impl Part {
    /// A run of a turn as patterns see it; `None` while it is not over, and for what is no part of a turn.
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
