//! What a commit rests on.

use serde::{Deserialize, Serialize};

use crate::domain::run::RunStateName;
use crate::domain::{Agent, Block, Group, Job, JobId, Mail, Run, RunId};

/// A precondition of a commit: what it rests on. If it does not hold, the commit is rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// The run is in this state and has made this many steps.
    Run {
        /// The run.
        id: RunId,
        /// Its state.
        state: RunStateName,
        /// The number of its steps.
        steps: u32,
    },
    /// The job is running under this fence (J4).
    JobFence(JobId, u64),
    /// The row is as it was read.
    Unchanged(Box<Basis>),
}

impl Precondition {
    /// The run is where it was when it was read.
    #[must_use]
    pub fn run(read: &Run) -> Self {
        Self::Run { id: read.id.clone(), state: RunStateName::from(&read.state), steps: read.steps }
    }

    /// The row is as it was read.
    #[must_use]
    pub fn unchanged(read: Basis) -> Self {
        Self::Unchanged(Box::new(read))
    }
}

/// A row as it was read, on which changes rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A group.
    Group(Group),
    /// An agent.
    Agent(Agent),
    /// A block, with its value.
    Block(Block),
    /// Mail.
    Mail(Mail),
    /// A job.
    Job(Job),
    /// A run.
    Run(Run),
}

impl Basis {
    /// The id of the row.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Group(group) => group.id.as_str(),
            Self::Agent(agent) => agent.id.as_str(),
            Self::Block(block) => block.id.as_str(),
            Self::Mail(mail) => mail.id.as_str(),
            Self::Job(job) => job.id.as_str(),
            Self::Run(run) => run.id.as_str(),
        }
    }

    /// The row in words.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Group(group) => format!("group {}", group.name),
            Self::Agent(agent) => format!("agent {}", agent.name),
            Self::Block(block) => format!("block {}", block.label),
            Self::Mail(mail) => format!("mail {}", mail.id),
            Self::Job(job) => format!("job {}", job.id),
            Self::Run(run) => format!("run {}", run.id),
        }
    }
}
