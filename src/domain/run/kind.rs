//! The kinds of runs, and everything that depends on the kind.

use serde::{Deserialize, Serialize};

use crate::domain::{AgentId, GroupId, JobId};

/// The kind of a run.
///
/// A new kind is a variant here and an arm in each `match` of this file; no other file matches all kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[strum_discriminants(
    name(RunKindName),
    doc = "The kinds of runs by name, for queries of the store.",
    derive(strum::VariantArray, strum::IntoStaticStr),
    strum(serialize_all = "snake_case")
)]
pub enum RunKind {
    /// One user message and the answers to it. The group's pattern makes the moves.
    Turn {
        /// The group; `None` for a direct conversation.
        group: Option<GroupId>,
        /// The only agent that answers: `@name`, or a direct conversation.
        only: Option<AgentId>,
    },
    /// One member's part of a turn: steps of one agent.
    Speech {
        /// The speaker.
        agent: AgentId,
        /// The group it speaks in, if any.
        group: Option<GroupId>,
        /// The number of the speech in the turn, from 0.
        index: u32,
    },
    /// A dynamic manager's choice of the next speaker: steps of the manager.
    Choice {
        /// The manager.
        agent: AgentId,
        /// The group.
        group: GroupId,
        /// The number of finished speeches.
        index: u32,
        /// The candidates.
        among: Vec<AgentId>,
    },
    /// The work of one job: steps of one agent.
    Job {
        /// The agent that works.
        agent: AgentId,
        /// The group it works for.
        group: GroupId,
        /// The job.
        job: JobId,
    },
    /// Only in tests.
    #[cfg(test)]
    Sample {
        /// The agent that works.
        agent: AgentId,
    },
}

impl RunKindName {
    /// True if one agent makes the steps; a turn only makes moves.
    #[must_use]
    pub fn makes_steps(self) -> bool {
        match self {
            Self::Turn => false,
            Self::Speech | Self::Choice | Self::Job => true,
            #[cfg(test)]
            Self::Sample => true,
        }
    }

    /// True if it has no parent run.
    #[must_use]
    pub fn is_outermost(self) -> bool {
        match self {
            Self::Turn | Self::Job => true,
            Self::Speech | Self::Choice => false,
            #[cfg(test)]
            Self::Sample => false,
        }
    }
}

impl RunKind {
    /// The kind without its data.
    #[must_use]
    pub fn name(&self) -> RunKindName {
        self.into()
    }

    /// The agent that makes the steps; `None` for a turn.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Turn { .. } => None,
            Self::Speech { agent, .. } | Self::Choice { agent, .. } | Self::Job { agent, .. } => Some(agent),
            #[cfg(test)]
            Self::Sample { agent } => Some(agent),
        }
    }

    /// The group it belongs to, if any.
    #[must_use]
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Turn { group, .. } | Self::Speech { group, .. } => group.as_ref(),
            Self::Job { group, .. } | Self::Choice { group, .. } => Some(group),
            #[cfg(test)]
            Self::Sample { .. } => None,
        }
    }

    /// True for a turn.
    #[must_use]
    pub fn is_turn(&self) -> bool {
        self.name() == RunKindName::Turn
    }

    /// True for a speech.
    #[must_use]
    pub fn is_speech(&self) -> bool {
        self.name() == RunKindName::Speech
    }

    /// True for the run of a job.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.name() == RunKindName::Job
    }

    /// The job and its group, for the run of a job.
    #[must_use]
    pub fn job(&self) -> Option<(&JobId, &GroupId)> {
        if let Self::Job { job, group, .. } = self { Some((job, group)) } else { None }
    }

    /// The only agent that answers in a turn: `@name`, or a direct conversation.
    #[must_use]
    pub fn only(&self) -> Option<&AgentId> {
        if let Self::Turn { only, .. } = self { only.as_ref() } else { None }
    }

    /// The number of a speech in its turn, from 0.
    #[must_use]
    pub fn speech_index(&self) -> Option<u32> {
        if let Self::Speech { index, .. } = self { Some(*index) } else { None }
    }
}
