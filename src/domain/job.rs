//! Jobs: background work of one agent for one group, or care of the store by the program itself.
//!
//! ```text
//! available ─claim─▶ running ─last step─▶ completed
//!     ▲  ▲              │ ├─ terminal, attempts spent, poison ─▶ failed
//!     │  └─ yield, stop ┘ ├─ transient, provider down ─▶ retryable ─run_at─▶ (claimed again)
//!     └── owner died ─────┘ ├─ a budget is used up ─▶ scheduled ─run_at, or it is raised─▶ (claimed again)
//!                           ├─ a person ─▶ cancelled
//!                           └─ its run waits ─▶ parked ─answered─▶ (claimed again)
//!
//! A job that is not claimed when a budget is used up becomes scheduled, too. A job of care neither yields nor parks, and
//! spends no budget.
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentId, CareTask, Cause, ConversationId, GroupId, JobId, Priority, RunId, span};

/// The number of attempts after which a transient fault is final (J7).
pub const MAX_ATTEMPTS: u32 = 8;
/// The number of consecutive crashes (restart or panic) after which a job is poison (J7).
pub const MAX_CRASHES: u32 = 3;

/// Background work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose work it is.
    #[serde(flatten)]
    pub work: JobWork,
    /// What triggered it, oldest first. Further causes are added while the job waits (J3).
    pub causes: Vec<Cause>,
    /// The state.
    pub state: JobState,
    /// The number of attempts started.
    pub attempt: u32,
    /// The number of consecutive crashes.
    pub crashes: u32,
    /// How often it yielded to the foreground.
    pub yields: u32,
    /// Fencing token, incremented by every claim. A commit with another fence is rejected (J4).
    pub fence: u64,
    /// The messages it reads, `(after, to]` of the group's conversation; fixed by the first claim.
    pub window: Option<(u64, u64)>,
    /// True when the window was cut to fit the context. The next job reads the rest.
    #[serde(default)]
    pub cut: bool,
    /// The run; set by the first claim.
    pub run: Option<RunId>,
    /// The conversation of its working notes; set by the first claim.
    pub conversation: Option<ConversationId>,
    /// The depth of its deepest cause: 1 for a cause of a person or of a time, otherwise one more than that of the run
    /// that was the cause.
    pub depth: u32,
    /// The highest priority of its causes: of the jobs that wait, those of a higher one start first (J2).
    #[serde(default, skip_serializing_if = "is_normal")]
    pub priority: Priority,
    /// The job this one retries.
    pub retry_of: Option<JobId>,
    /// The number of block revisions it committed.
    pub edits: u32,
    /// Input and output tokens of its steps.
    pub tokens: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was first claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When retention removed its run, its steps and its notes; what stays is its header, because blocks name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Timestamp>,
}

/// Whose work a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JobWork {
    /// Of an agent.
    Agent(AgentWork),
    /// Of the program itself.
    Care {
        /// The task.
        care: CareTask,
    },
}

/// Work of one agent for one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentWork {
    /// The agent that works.
    pub agent: AgentId,
    /// The group it works for.
    pub group: GroupId,
}

impl AgentWork {
    /// The key of the agent's cursor in the group.
    #[must_use]
    pub fn key(&self) -> String {
        Cursor::pair_key(&self.agent, &self.group)
    }
}

impl Job {
    /// The work of an agent; `None` for care of the store.
    #[must_use]
    pub fn agent_work(&self) -> Option<&AgentWork> {
        match &self.work {
            JobWork::Agent(work) => Some(work),
            JobWork::Care { .. } => None,
        }
    }

    /// The agent that works; `None` for care of the store.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent_work().map(|work| &work.agent)
    }

    /// The group it works for; `None` for care of the store.
    #[must_use]
    pub fn group(&self) -> Option<&GroupId> {
        self.agent_work().map(|work| &work.group)
    }

    /// The task of care; `None` for the work of an agent.
    #[must_use]
    pub fn care(&self) -> Option<CareTask> {
        match self.work {
            JobWork::Agent(_) => None,
            JobWork::Care { care } => Some(care),
        }
    }
}

/// Omits the priority of most jobs in JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(tag = "state", rename_all = "snake_case")]
#[strum_discriminants(
    name(JobStateName),
    doc = "The states of a job by name, for queries of the store.",
    derive(strum::VariantArray, strum::IntoStaticStr),
    strum(serialize_all = "snake_case")
)]
pub enum JobState {
    /// Waits for a worker.
    Available,
    /// The last attempt failed; the next one starts at `run_at`.
    Retryable {
        /// When the wait for the next attempt began; `None` in stores of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// When the next attempt may start.
        run_at: Timestamp,
        /// Why the attempt failed.
        error: String,
    },
    /// A budget is used up: it waits for the time at which that is whole again, or is raised. No attempt counts (J13).
    Scheduled {
        /// That time, on the wall clock.
        run_at: Timestamp,
        /// Which budget, as a sentence that names the setting.
        why: String,
    },
    /// A worker owns it.
    Running {
        /// The owner's epoch.
        epoch: u64,
    },
    /// Its run waits for a person or an agent: it has no worker, and no attempt counts.
    Parked,
    /// Completed.
    Completed {
        /// The outcome.
        outcome: JobOutcome,
    },
    /// Failed for good. The cursor moves past its window; a retry reads the same window.
    Failed {
        /// The class of the fault.
        class: JobFault,
        /// One sentence for people.
        error: String,
    },
    /// Cancelled.
    Cancelled {
        /// The reason.
        why: String,
    },
}

/// The outcome of a completed job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum JobOutcome {
    /// It changed blocks.
    Changed,
    /// It changed nothing.
    Unchanged,
    /// Its input was empty; no model was called (J9).
    NothingToDo,
    /// It took care of the store.
    CareTaken {
        /// What it did, in a few words.
        report: String,
    },
}

/// Why a job failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobFault {
    /// All attempts failed with a transient fault.
    Transient,
    /// A retry would fail again.
    Terminal,
    /// It crashed the program [`MAX_CRASHES`] times in a row.
    Poison,
}

impl JobStateName {
    /// True for completed, failed and cancelled.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Available | Self::Retryable | Self::Scheduled | Self::Running | Self::Parked => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl JobState {
    /// The internal name of the state.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        JobStateName::from(self).into()
    }

    /// The displayed name: one of Letta's five states.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        match self {
            Self::Available | Self::Retryable { .. } | Self::Scheduled { .. } => "created",
            Self::Parked => "running",
            other => other.as_str(),
        }
    }

    /// The error of a failed attempt, if any.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Retryable { error, .. } | Self::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// When it goes on by itself, as it is stored; `None` unless it waits for a time.
    #[must_use]
    pub fn run_at(&self) -> Option<Timestamp> {
        match self {
            Self::Retryable { run_at, .. } | Self::Scheduled { run_at, .. } => Some(*run_at),
            _ => None,
        }
    }

    /// When its next attempt may start, seen at `now` on the clock of spans; `None` unless it waits for one.
    #[must_use]
    pub fn next_try(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Retryable { since, run_at, .. } => Some(span::over_at(since.unwrap_or(now), *run_at, now)),
            _ => None,
        }
    }

    /// When a budget is whole again, on the wall clock; `None` unless it waits for that.
    #[must_use]
    pub fn scheduled_at(&self) -> Option<Timestamp> {
        if let Self::Scheduled { run_at, .. } = self { Some(*run_at) } else { None }
    }

    /// True while it waits for a worker, for its next attempt or for a budget.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self, Self::Available | Self::Retryable { .. } | Self::Scheduled { .. })
    }

    /// True for completed, failed and cancelled.
    #[must_use]
    pub fn is_final(&self) -> bool {
        JobStateName::from(self).is_final()
    }
}

/// How far a background agent has read a group's conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The background agent.
    pub agent: AgentId,
    /// The group whose conversation it reads.
    pub group: GroupId,
    /// The `seq` of the last message its jobs have processed.
    pub seq: u64,
}
