//! Care of the store: what the program does by itself for the store, as jobs without an agent and without a model.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A task of care.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CareTask {
    /// Copies the store, checks the copy, and removes older copies.
    Backup,
    /// Checks the file, and compares the tables with a replay of the log.
    Check,
    /// Removes what jobs that ended long ago left.
    Retention,
    /// Merges the index of words, and refreshes what queries are planned with.
    Index,
}

impl CareTask {
    /// The name in the configuration and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// A noun for its jobs.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Check => "check of the store",
            Self::Retention => "retention",
            Self::Index => "index upkeep",
        }
    }

    /// What it does, as the end of a sentence.
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Backup => "copies the store, checks the copy and keeps the newest copies",
            Self::Check => "checks the file and compares the tables with a replay of the log",
            Self::Retention => "removes what jobs that ended long ago left",
            Self::Index => "merges the index of words and refreshes what queries are planned with",
        }
    }
}

/// Up to which moment the schedule of a task is decided, so that each of its times makes one job at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CareMark {
    /// The task.
    pub task: CareTask,
    /// The moment, on the wall clock.
    pub decided: Timestamp,
}
