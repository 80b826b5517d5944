//! Why a commit is rejected.

use serde::{Deserialize, Serialize};

use crate::domain::{Block, JobId, RunId};

/// Why a commit was rejected. None of its changes was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "conflict", rename_all = "snake_case")]
pub enum Conflict {
    /// The edit is based on an older version of the block.
    #[error("block {} is at version {} now", .current.label, .current.version)]
    Block {
        /// The current block.
        current: Box<Block>,
    },
    /// The run is not where the commit expects it.
    #[error("run {run} has gone on or ended meanwhile")]
    Run {
        /// The run.
        run: RunId,
    },
    /// The worker has lost the job (J4).
    #[error("job {job} no longer belongs to this worker")]
    Fenced {
        /// The job.
        job: JobId,
    },
    /// A row that the changes rest on is not as it was read.
    #[error("{title} was changed meanwhile")]
    Changed {
        /// The row in words.
        title: String,
    },
    /// One call of the step is not allowed: it would close a wait cycle, exceeds the mail limit, or edits a block it may
    /// not edit. The call fails with this text; the other calls of the step are committed.
    #[error("{text}")]
    Call {
        /// The call's index in the step, from 0.
        ordinal: u32,
        /// What is wrong, and what to do instead.
        text: String,
        /// True if all later mail of the step is not allowed for the same reason.
        #[serde(default)]
        and_later_mail: bool,
    },
    /// The change is not valid in the current state.
    #[error("{text}")]
    Refused {
        /// One sentence: what is wrong, where, and what is allowed.
        text: String,
    },
}

impl Conflict {
    /// A [`Conflict::Refused`] with this sentence.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into() }
    }
}
