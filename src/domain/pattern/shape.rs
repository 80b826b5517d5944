//! The shape of a group: checks that its pattern can run with the given agents.
//!
//! The state rules check ids and the team-file reader checks names with positions. Each words the errors itself,
//! through an [`Inspector`].

use std::collections::BTreeMap;

use super::{ManagerType, Members};
use crate::domain::block::folded;
use crate::domain::group::{MAX_MEMBERS, MAX_SHARED_BLOCKS};

/// The agents of a group by list. `T` identifies an agent.
#[derive(Debug)]
pub struct Shape<'a, T> {
    /// The pattern.
    pub manager_type: ManagerType,
    /// The members.
    pub members: &'a [T],
    /// The manager agent.
    pub manager: Option<&'a T>,
    /// The background agents; `None` if the group has no background policy.
    pub background: Option<&'a [T]>,
    /// The number of shared blocks.
    pub shared_blocks: usize,
}

/// A list of agents of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The members.
    Members,
    /// The manager agent: a list of one.
    Manager,
    /// The background agents.
    Background,
}

/// An agent's list and its index there, from 0.
pub type Place = (List, usize);

/// An error in a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The pattern needs members. The text says what they do.
    NoMembers(&'static str),
    /// The pattern needs a manager agent.
    NoManager {
        /// What it does.
        does: &'static str,
        /// Its part in the group.
        part: &'static str,
    },
    /// The pattern has no manager agent. The text says what to do instead.
    ManagerNotUsed(&'static str),
    /// The pattern has no members. The text says what replaces them.
    MembersNotUsed(&'static str),
    /// The manager agent is also a member.
    ManagerIsMember {
        /// The member.
        place: Place,
        /// What a manager agent does in this pattern.
        does: &'static str,
    },
    /// The pattern needs background agents.
    NoBackground,
    /// The background policy names no agent.
    EmptyBackground,
    /// The manager agent is also a background agent.
    ManagerInBackground(Place),
    /// Too many members. The place is the first beyond the limit.
    TooManyMembers(Place),
    /// Too many shared blocks.
    TooManySharedBlocks,
    /// An agent that is already in the same list.
    Twice(Place),
    /// Two agents have the same name.
    SameName {
        /// The agent.
        place: Place,
        /// The earlier agent.
        other: Place,
    },
}

/// Names the agents and receives the flaws of an inspection.
pub trait Inspector<T> {
    /// The error that stops the inspection.
    type Error;

    /// The agent's name in the group.
    fn name(&mut self, agent: &T) -> Result<String, Self::Error>;

    /// Receives a flaw; an error stops the inspection.
    fn flaw(&mut self, flaw: Flaw) -> Result<(), Self::Error>;
}

impl<'a, T: PartialEq> Shape<'a, T> {
    /// The agent at a place.
    #[must_use]
    pub fn at(&self, (list, place): Place) -> Option<&'a T> {
        match list {
            List::Members => self.members.get(place),
            List::Manager => self.manager.filter(|_| place == 0),
            List::Background => self.background.and_then(|agents| agents.get(place)),
        }
    }

    /// All agents with their places: members, manager agent, background agents.
    fn all(&self) -> impl Iterator<Item = (Place, &'a T)> {
        let placed = |list| move |(at, agent)| ((list, at), agent);
        let members = self.members.iter().enumerate().map(placed(List::Members));
        let manager = self.manager.into_iter().enumerate().map(placed(List::Manager));
        members.chain(manager).chain(self.background.into_iter().flatten().enumerate().map(placed(List::Background)))
    }

    /// Reports all flaws to the inspector, the most helpful first.
    ///
    /// # Errors
    /// The first error the inspector returns.
    pub fn inspect<I: Inspector<T>>(&self, inspector: &mut I) -> Result<(), I::Error> {
        let pattern = self.manager_type.pattern();
        if let (Members::Some(work), true) = (pattern.members, self.members.is_empty()) {
            inspector.flaw(Flaw::NoMembers(work))?;
        }
        match (pattern.manager, self.manager) {
            (super::Manager::One { does, part, .. }, None) => inspector.flaw(Flaw::NoManager { does, part })?,
            (super::Manager::None(instead), Some(_)) => inspector.flaw(Flaw::ManagerNotUsed(instead))?,
            (super::Manager::One { does, .. }, Some(manager)) if self.manager_type.has_members() => {
                if let Some(at) = self.members.iter().position(|member| member == manager) {
                    inspector.flaw(Flaw::ManagerIsMember { place: (List::Members, at), does })?;
                }
            }
            (super::Manager::One { .. }, Some(_)) | (super::Manager::None(_), None) => {}
        }
        if let (Members::None(instead), false) = (pattern.members, self.members.is_empty()) {
            inspector.flaw(Flaw::MembersNotUsed(instead))?;
        }
        match self.background {
            None if pattern.needs_background => inspector.flaw(Flaw::NoBackground)?,
            Some([]) => inspector.flaw(Flaw::EmptyBackground)?,
            None | Some(_) => {}
        }
        for (at, agent) in self.background.into_iter().flatten().enumerate() {
            if self.manager == Some(agent) {
                inspector.flaw(Flaw::ManagerInBackground((List::Background, at)))?;
            }
        }
        if self.members.len() > MAX_MEMBERS {
            inspector.flaw(Flaw::TooManyMembers((List::Members, MAX_MEMBERS)))?;
        }
        if self.shared_blocks > MAX_SHARED_BLOCKS {
            inspector.flaw(Flaw::TooManySharedBlocks)?;
        }
        for (list, agents) in [(List::Members, self.members), (List::Background, self.background.unwrap_or_default())] {
            for (at, agent) in agents.iter().enumerate() {
                if agents[..at].contains(agent) {
                    inspector.flaw(Flaw::Twice((list, at)))?;
                }
            }
        }
        self.distinct(inspector)
    }

    /// Agents are addressed by name, so names must be unique in a group, regardless of case.
    fn distinct<I: Inspector<T>>(&self, inspector: &mut I) -> Result<(), I::Error> {
        let mut seen: BTreeMap<String, (Place, &T)> = BTreeMap::new();
        for (place, agent) in self.all() {
            let name = folded(&inspector.name(agent)?);
            let (other, first) = *seen.entry(name).or_insert((place, agent));
            if first != agent {
                inspector.flaw(Flaw::SameName { place, other })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A manager type, the members, the manager agent, the background agents, and what is wrong with them.
    type Case<'a> = (ManagerType, &'a [&'a str], Option<&'a str>, Option<&'a [&'a str]>, &'a [Flaw]);

    struct All(Vec<Flaw>);

    impl Inspector<&str> for All {
        type Error = Infallible;

        fn name(&mut self, agent: &&str) -> Result<String, Infallible> {
            Ok(agent.rsplit('/').next().unwrap_or_default().to_owned())
        }

        fn flaw(&mut self, flaw: Flaw) -> Result<(), Infallible> {
            self.0.push(flaw);
            Ok(())
        }
    }

    fn flaws(kind: ManagerType, members: &[&str], manager: Option<&str>, background: Option<&[&str]>) -> Vec<Flaw> {
        let shape = Shape { manager_type: kind, members, manager: manager.as_ref(), background, shared_blocks: 0 };
        let mut all = All(Vec::new());
        let Ok(()) = shape.inspect(&mut all);
        all.0
    }

    #[test]
    fn each_pattern_asks_for_its_shape() {
        use ManagerType::{Dynamic, Relay, RoundRobin, Sleeptime, Supervisor};
        let (answers, orchestrates) = (
            Flaw::NoManager { does: "answers", part: "answers" },
            Flaw::NoManager { does: "delegates", part: "orchestrates" },
        );
        let cases: [Case<'_>; 10] = [
            (RoundRobin, &["a", "b"], None, None, &[]),
            (RoundRobin, &["a"], None, Some(&["b"]), &[]),
            (RoundRobin, &[], None, None, &[Flaw::NoMembers("speak in turn")]),
            (Supervisor, &[], None, None, &[Flaw::NoMembers("work"), orchestrates]),
            (Dynamic, &["a"], Some("m"), None, &[]),
            (
                Dynamic,
                &["a", "m"],
                Some("m"),
                None,
                &[Flaw::ManagerIsMember { place: (List::Members, 1), does: "chooses who speaks" }],
            ),
            (Sleeptime, &[], Some("m"), Some(&["b"]), &[]),
            (Sleeptime, &[], None, None, &[answers, Flaw::NoBackground]),
            (Sleeptime, &[], Some("m"), Some(&["b", "m"]), &[Flaw::ManagerInBackground((List::Background, 1))]),
            // What is added is looked at like the others.
            (Relay, &[], None, Some(&[]), &[Flaw::NoMembers("carry the baton"), Flaw::EmptyBackground]),
        ];
        for (kind, members, manager, background, expected) in cases {
            assert_eq!(flaws(kind, members, manager, background), expected, "{kind:?} {members:?}");
        }
    }

    #[test]
    fn nobody_stands_twice_in_a_list_and_no_two_share_a_name() {
        let twice = flaws(ManagerType::RoundRobin, &["a", "b", "a"], None, None);
        assert_eq!(twice, [Flaw::Twice((List::Members, 2))]);
        let same = flaws(ManagerType::RoundRobin, &["a", "b"], None, Some(&["other/A"]));
        assert_eq!(same, [Flaw::SameName { place: (List::Background, 0), other: (List::Members, 0) }]);
        assert!(flaws(ManagerType::RoundRobin, &["a"], None, Some(&["a"])).is_empty(), "one agent, two lists");
    }
}
