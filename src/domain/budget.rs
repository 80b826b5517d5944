//! Budgets: how many tokens a group or an agent may use in a day (J13).

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{Agent, AgentId, Group, GroupId};

/// The setting of a group or an agent: the tokens it may use in a day.
pub const PER_DAY: &str = "max_tokens_per_day";
/// The setting of a group: the tokens that one message or job may lead to.
pub const PER_RUN: &str = "max_tokens_per_run";

/// A day of the calendar in some time zone, from midnight to midnight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Its begin.
    pub from: Timestamp,
    /// The begin of the next one, when budgets are whole again.
    pub until: Timestamp,
}

impl Day {
    /// The day in this zone at `now`.
    #[must_use]
    pub fn of(now: Timestamp, zone: &TimeZone) -> Self {
        let midnight =
            |day: Result<Zoned, jiff::Error>| day.and_then(|day| day.start_of_day()).map(|at| at.timestamp());
        let here = now.to_zoned(zone.clone());
        let until = midnight(here.tomorrow()).unwrap_or(Timestamp::MAX);
        Self { from: midnight(Ok(here)).unwrap_or(Timestamp::MIN), until }
    }

    /// True for a moment of this day.
    #[must_use]
    pub fn has(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// The input and output tokens of the steps of a day. A step in an agent's own conversation counts for its home group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// The day.
    pub day: Day,
    /// By group.
    pub groups: BTreeMap<GroupId, u64>,
    /// By agent.
    pub agents: BTreeMap<AgentId, u64>,
}

impl Spending {
    /// A day without steps.
    #[must_use]
    pub fn new(day: Day) -> Self {
        Self { day, ..Self::default() }
    }

    /// The tokens of a group.
    #[must_use]
    pub fn of_group(&self, id: &GroupId) -> u64 {
        self.groups.get(id).copied().unwrap_or_default()
    }

    /// The tokens of an agent.
    #[must_use]
    pub fn of_agent(&self, id: &AgentId) -> u64 {
        self.agents.get(id).copied().unwrap_or_default()
    }
}

/// A budget of a day that is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// A sentence that names the setting, without what to do.
    pub why: String,
    /// When the budget is whole again.
    pub until: Timestamp,
    /// True for one of an agent, false for one of a group.
    pub of_agent: bool,
}

impl Spent {
    /// The sentence, with what to do.
    #[must_use]
    pub fn with_advice(&self) -> String {
        format!("{}; raise it, or go on after midnight", self.why)
    }
}

/// True if a budget of a day limits this group or agent.
#[must_use]
pub fn limits(group: Option<&Group>, agent: Option<&Agent>) -> bool {
    group.is_some_and(|group| group.max_tokens_per_day.is_some())
        || agent.is_some_and(|agent| agent.max_tokens_per_day.is_some())
}

/// The budget of the group or of the agent that is used up today, if one is. `staged` tokens of the group are added to
/// the committed ones.
#[must_use]
pub fn spent(group: Option<&Group>, agent: Option<&Agent>, spending: &Spending, staged: u64) -> Option<Spent> {
    let used_up = |most: Option<u32>, used: u64, name: &str, of_agent| {
        let most = most.filter(|most| used >= u64::from(*most))?;
        let why = format!("{name} has used its {most} tokens of today ({PER_DAY} of {name})");
        Some(Spent { why, until: spending.day.until, of_agent })
    };
    let of_group = group.and_then(|group| {
        let used = spending.of_group(&group.id).saturating_add(staged);
        used_up(group.max_tokens_per_day, used, &group.name, false)
    });
    of_group.or_else(|| {
        let agent = agent?;
        used_up(agent.max_tokens_per_day, spending.of_agent(&agent.id), &agent.name, true)
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;
    use crate::domain::ManagerType;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_goes_from_midnight_to_midnight_where_the_person_is_also_when_the_clocks_change() {
        let day = |now: &str, zone: &str| Day::of(at(now), &TimeZoneDatabase::bundled().get(zone).unwrap());
        let expected = |from: &str, until: &str| Day { from: at(from), until: at(until) };
        let summer = expected("2026-04-30T22:00:00Z", "2026-05-01T22:00:00Z");
        assert_eq!(day("2026-05-01T09:00:00Z", "Europe/Zurich"), summer);
        assert_eq!(day("2026-04-30T22:00:00Z", "Europe/Zurich"), summer, "midnight is the first moment of the day");
        let spring = expected("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        assert_eq!(day("2026-03-29T12:00:00Z", "Europe/Zurich"), spring, "of 23 hours");
        // In Beirut, clocks go forward at midnight, so the day begins at one.
        assert_eq!(day("2026-03-29T12:00:00Z", "Asia/Beirut").from, at("2026-03-28T22:00:00Z"));
        assert!(summer.has(summer.from) && !summer.has(summer.until));
    }

    #[test]
    fn a_budget_is_used_up_by_the_token_that_reaches_it_and_names_its_setting() {
        let group = Group::new(GroupId::from("group-1"), "desk", ManagerType::RoundRobin);
        let group = Group { max_tokens_per_day: Some(100), ..group };
        let agent = Agent::new(AgentId::from("agent-1"), "ann", group.id.clone());
        let agent = Agent { max_tokens_per_day: Some(10), ..agent };
        let mut spending = Spending::new(Day::of(at("2026-05-01T09:00:00Z"), &TimeZone::UTC));
        spending.groups.insert(group.id.clone(), 99);
        spending.agents.insert(agent.id.clone(), 9);
        let check = |staged| spent(Some(&group), Some(&agent), &spending, staged).map(|spent| spent.why);
        assert_eq!(check(0), None);
        assert_eq!(check(1).unwrap(), "desk has used its 100 tokens of today (max_tokens_per_day of desk)");
        spending.agents.insert(agent.id.clone(), 10);
        let found = spent(Some(&group), Some(&agent), &spending, 0).unwrap();
        assert_eq!(found.why, "ann has used its 10 tokens of today (max_tokens_per_day of ann)");
        assert_eq!(found.until, at("2026-05-02T00:00:00Z"));
        assert!(limits(Some(&group), None) && limits(None, Some(&agent)) && !limits(None, None));
    }
}
