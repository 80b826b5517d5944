//! The tokens that a group or an agent has used today, as `show` prints them.

use jiff::Timestamp;
use serde::Serialize;

use super::roster::Roster;
use crate::domain::{Agent, Group};

/// The tokens of today.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Today {
    /// The input and output tokens so far.
    tokens_today: u64,
    /// The next midnight.
    resets_at: Timestamp,
}

impl Today {
    /// Those of a group.
    #[must_use]
    pub fn of_group(roster: &Roster, group: &Group) -> Self {
        Self { tokens_today: roster.spending.of_group(&group.id), resets_at: roster.spending.day.until }
    }

    /// Those of an agent.
    #[must_use]
    pub fn of_agent(roster: &Roster, agent: &Agent) -> Self {
        Self { tokens_today: roster.spending.of_agent(&agent.id), resets_at: roster.spending.day.until }
    }

    /// In words, of at most so many.
    #[must_use]
    pub fn told(self, most: Option<u32>) -> String {
        let of = most.map(|most| format!(" of at most {most}")).unwrap_or_default();
        format!("{}{of}, from 0 again at {:.0}", self.tokens_today, self.resets_at)
    }
}
