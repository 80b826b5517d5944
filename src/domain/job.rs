//! Jobs: background work of one agent.
//!
//! ```text
//! available ─claim─▶ running ─last step─▶ completed
//!     ▲  ▲              │ ├─ terminal, attempts spent, poison ─▶ failed
//!     │  └── yield ─────┘ ├─ transient ─▶ retryable ─run_at─▶ (claimed again)
//!     └── owner died ─────┘ ├─ a person ─▶ cancelled
//!                           └─ its run waits ─▶ parked ─answered─▶ (claimed again)
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentId, ConversationId, GroupId, JobId, RunId, Trigger};

/// Attempts before a transient fault is final (J7).
pub const MAX_ATTEMPTS: u32 = 8;
/// Ends by a restart or a panic in a row before a job is poison (J7).
pub const MAX_CRASHES: u32 = 3;

/// Background work of one agent for one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who works.
    pub agent: AgentId,
    /// For which group.
    pub group: GroupId,
    /// What made it, oldest first: further causes join a job that waits (J3).
    pub causes: Vec<Trigger>,
    /// Where it stands.
    pub state: JobState,
    /// Attempts begun.
    pub attempt: u32,
    /// Ends by restart or panic in a row.
    pub crashes: u32,
    /// Times it made way for the foreground.
    pub yields: u32,
    /// Raised by every claim; an effect with another fence is refused (J4).
    pub fence: u64,
    /// Messages `(after, to]` of the group's conversation, fixed at the first claim.
    pub window: Option<(u64, u64)>,
    /// True when the window was cut to fit: the rest is the next job's.
    #[serde(default)]
    pub cut: bool,
    /// The run that works, from the first claim.
    pub run: Option<RunId>,
    /// Its working notes, from the first claim.
    pub conversation: Option<ConversationId>,
    /// Its cause's depth plus one.
    pub depth: u32,
    /// The job this one works off again.
    pub retry_of: Option<JobId>,
    /// Block revisions it committed.
    pub edits: u32,
    /// Tokens its steps read and wrote.
    pub tokens: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was first claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Where a job stands by the inside words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(tag = "state", rename_all = "snake_case")]
#[strum_discriminants(
    name(JobStateName),
    doc = "The states of a job by name, as the store asks for them.",
    derive(strum::VariantArray, strum::IntoStaticStr),
    strum(serialize_all = "snake_case")
)]
pub enum JobState {
    /// Waits for a worker.
    Available,
    /// Failed for now; tried again at `run_at`.
    Retryable {
        /// When.
        run_at: Timestamp,
        /// What happened.
        error: String,
    },
    /// Owned.
    Running {
        /// The owner's epoch.
        epoch: u64,
    },
    /// Its run waits for somebody: no worker, no attempt counted.
    Parked,
    /// Done.
    Completed {
        /// What came of it.
        outcome: JobOutcome,
    },
    /// Given up; owns its window.
    Failed {
        /// Which fault.
        class: JobFault,
        /// The sentence.
        error: String,
    },
    /// Ended by somebody.
    Cancelled {
        /// Why.
        why: String,
    },
}

/// What came of a completed job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum JobOutcome {
    /// It changed blocks.
    Changed,
    /// It looked and changed nothing.
    Unchanged,
    /// Its input was empty: no model was called (J9).
    NothingToDo,
}

/// Why a job failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobFault {
    /// Attempts are spent.
    Transient,
    /// Trying again changes nothing.
    Terminal,
    /// It ended the program three times in a row.
    Poison,
}

impl JobStateName {
    /// True when nothing more will happen to the job.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Available | Self::Retryable | Self::Running | Self::Parked => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl JobState {
    /// The inside word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        JobStateName::from(self).into()
    }

    /// The shown word: Letta's five states.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        match self {
            Self::Available | Self::Retryable { .. } => "created",
            Self::Parked => "running",
            other => other.as_str(),
        }
    }

    /// The sentence of a fault, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Retryable { error, .. } | Self::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// True when it waits for a worker, now or later.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self, Self::Available | Self::Retryable { .. })
    }

    /// True when nothing more will happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        JobStateName::from(self).is_final()
    }
}

/// How far a background agent has read a group's conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Whose.
    pub agent: AgentId,
    /// Of which group's conversation.
    pub group: GroupId,
    /// The last message it has worked off.
    pub seq: u64,
}
