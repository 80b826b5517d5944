//! What ends a turn, as data: any group may carry it, whatever its pattern.

use serde::{Deserialize, Serialize};

use super::{AgentId, StopReason};

/// A condition that ends a turn. It is looked at before and after each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Terminate {
    /// One of these holds.
    Any(Vec<Terminate>),
    /// All of these hold.
    All(Vec<Terminate>),
    /// So many speeches are over.
    MaxTurns(u32),
    /// An agent has said this.
    Text(String),
    /// This agent has spoken.
    Speaker(AgentId),
    /// So many tokens were read and written.
    Tokens(u64),
    /// So many seconds have gone since the turn began.
    Seconds(u64),
    /// This tool was called, and did not fail.
    Tool(String),
    /// An agent gave the turn back to the user, with the tool `return_to_user`.
    ToUser(bool),
    /// Somebody outside said this word for the turn.
    External(String),
}

/// What has happened in a turn, as far as conditions ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Speeches that are over, also those in which nothing was said.
    pub speeches: usize,
    /// Who has spoken, in order: speeches that are over, without passes and failures.
    pub spoke: Vec<AgentId>,
    /// What agents said, in order.
    pub said: Vec<String>,
    /// The tools that were called and did not fail, in order.
    pub called: Vec<String>,
    /// Tokens read and written.
    pub tokens: u64,
    /// Whole seconds since the turn began.
    pub seconds: u64,
    /// What somebody outside said for the turn.
    pub signals: Vec<String>,
}

/// The tool that gives a turn back to the user.
pub const RETURN_TO_USER: &str = "return_to_user";

impl Terminate {
    /// The key of the condition that ends the turn now, if one does. Where all of several have to hold, it is the
    /// last of them.
    #[must_use]
    pub fn met(&self, so_far: &SoFar) -> Option<StopReason> {
        let when = |holds: bool, reason: StopReason| holds.then_some(reason);
        match self {
            Self::Any(all) => all.iter().find_map(|one| one.met(so_far)),
            Self::All(all) => {
                let met: Option<Vec<StopReason>> = all.iter().map(|one| one.met(so_far)).collect();
                met.and_then(|reasons| reasons.last().copied())
            }
            Self::MaxTurns(most) => when(so_far.speeches >= *most as usize, StopReason::MaxTurns),
            Self::Text(text) => when(so_far.said.iter().any(|said| said.contains(text)), StopReason::Text),
            Self::Speaker(agent) => when(so_far.spoke.contains(agent), StopReason::Speaker),
            Self::Tokens(most) => when(so_far.tokens >= *most, StopReason::Tokens),
            Self::Seconds(most) => when(so_far.seconds >= *most, StopReason::Seconds),
            Self::Tool(tool) => when(so_far.called.contains(tool), StopReason::Tool),
            Self::ToUser(on) => {
                when(*on && so_far.called.iter().any(|tool| tool == RETURN_TO_USER), StopReason::ToUser)
            }
            Self::External(word) => when(so_far.signals.contains(word), StopReason::External),
        }
    }

    /// Every condition in it, itself included.
    pub fn each(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Any(all) | Self::All(all) => Box::new(std::iter::once(self).chain(all.iter().flat_map(Self::each))),
            _ => Box::new(std::iter::once(self)),
        }
    }

    /// The same with each agent in it put through this; what it refuses refuses all.
    pub fn try_with_speakers<E>(self, name: &mut impl FnMut(AgentId) -> Result<AgentId, E>) -> Result<Self, E> {
        let mut all = |many: Vec<Self>| -> Result<Vec<Self>, E> {
            many.into_iter().map(|one| one.try_with_speakers(name)).collect()
        };
        match self {
            Self::Any(many) => Ok(Self::Any(all(many)?)),
            Self::All(many) => Ok(Self::All(all(many)?)),
            Self::Speaker(agent) => Ok(Self::Speaker(name(agent)?)),
            other => Ok(other),
        }
    }

    /// The agents in it.
    pub fn speakers(&self) -> impl Iterator<Item = &AgentId> {
        self.each().filter_map(|one| match one {
            Self::Speaker(agent) => Some(agent),
            _ => None,
        })
    }

    /// True when an agent may give the turn back to the user.
    #[must_use]
    pub fn has_return(&self) -> bool {
        self.each().any(|one| matches!(one, Self::ToUser(true)))
    }

    /// What is wrong with it, if anything: an empty list, an empty text, a zero.
    pub fn check(&self) -> Result<(), String> {
        self.each().try_for_each(|one| match one {
            Self::Any(all) | Self::All(all) if all.is_empty() => {
                Err("terminate: any and all need at least one condition".to_owned())
            }
            Self::Text(text) | Self::Tool(text) | Self::External(text) if text.trim().is_empty() => {
                Err("terminate: text, tool and external need a word".to_owned())
            }
            Self::MaxTurns(0) => Err("terminate: max_turns is 1 or more".to_owned()),
            Self::Tokens(0) | Self::Seconds(0) => Err("terminate: tokens and seconds are 1 or more".to_owned()),
            Self::ToUser(false) => Err("terminate: to_user is true or left out".to_owned()),
            _ => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn so_far() -> SoFar {
        SoFar { tokens: 100, seconds: 5, said: vec!["so that is all".to_owned()], ..SoFar::default() }
    }

    #[test]
    fn any_ends_with_the_first_that_holds_and_all_with_the_last_of_them() {
        let text = || Terminate::Text("that is all".to_owned());
        let any = Terminate::Any(vec![Terminate::Tokens(1_000), text(), Terminate::Seconds(1)]);
        assert_eq!(any.met(&so_far()), Some(StopReason::Text));
        let all = Terminate::All(vec![text(), Terminate::Seconds(5)]);
        assert_eq!(all.met(&so_far()), Some(StopReason::Seconds));
        let not_all = Terminate::All(vec![text(), Terminate::Seconds(6)]);
        assert_eq!(not_all.met(&so_far()), None);
    }

    #[test]
    fn it_reads_as_the_team_file_writes_it() {
        let written = r#"{"any": [{"tokens": 20000}, {"seconds": 600}, {"text": "that is all"}, {"to_user": true}]}"#;
        let read: Terminate = serde_json::from_str(written).unwrap();
        let text = Terminate::Text("that is all".to_owned());
        assert_eq!(
            read,
            Terminate::Any(vec![Terminate::Tokens(20_000), Terminate::Seconds(600), text, Terminate::ToUser(true)])
        );
        assert!(read.has_return());
    }

    #[test]
    fn a_condition_that_always_or_never_holds_is_refused() {
        for bad in [
            Terminate::Any(Vec::new()),
            Terminate::All(vec![Terminate::Any(Vec::new())]),
            Terminate::Text(" ".to_owned()),
            Terminate::MaxTurns(0),
            Terminate::Tokens(0),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
