//! Values about jobs.

use serde::{Deserialize, Serialize};

use crate::domain::text_edit::UndoClash;
use crate::domain::{Block, Job, Message, Revision, Step};

/// What an undo does where others changed lines of the job since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnClash {
    /// Leave the block as it is and return the texts.
    Ask,
    /// Keep what others wrote, and undo the rest.
    Keep,
    /// Write what was there before the job.
    Restore,
}

/// A block in which others changed lines of a job since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockClash {
    /// The block now.
    pub block: Block,
    /// The texts to choose between.
    pub texts: UndoClash,
}

/// A job with its steps, messages and edits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The job.
    pub job: Job,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Its messages and tool calls.
    pub notes: Vec<Message>,
    /// The block versions it wrote.
    pub edits: Vec<JobEdit>,
}

/// A block version that a job wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEdit {
    /// The block's label.
    pub label: String,
    /// The previous value.
    pub before: String,
    /// The new version.
    pub revision: Revision,
}

/// What jobs left that can go, or went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// The jobs.
    pub jobs: u64,
    /// Their messages and steps.
    pub records: u64,
    /// The size of their texts, in bytes.
    pub bytes: u64,
    /// The mail between agents that is over.
    #[serde(default)]
    pub mails: u64,
}
