//! What stays in the log of a record that was removed.

use serde::{Deserialize, Serialize};

use crate::domain::{ConversationId, RunId};

/// What stays in the log of a removed record: as much as a replay needs, and no text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum RemovedRecord {
    /// A message.
    Message {
        /// Its conversation.
        conversation: ConversationId,
        /// Its number there.
        seq: u64,
    },
    /// A step.
    Step {
        /// Its run.
        run: RunId,
        /// Its number there.
        index: u32,
        /// Its input and output tokens.
        tokens: u64,
        /// Its model calls, with those that failed.
        asked: u32,
    },
}

impl RemovedRecord {
    /// The id of what it belonged to.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Message { conversation, .. } => conversation.as_str(),
            Self::Step { run, .. } => run.as_str(),
        }
    }
}
