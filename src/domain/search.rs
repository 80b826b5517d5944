//! What a search in the messages finds.

use serde::{Deserialize, Serialize};

use super::Message;

/// The messages that a search found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// The number of messages read, if the search stopped at its limit: older ones may match, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<usize>,
}

impl SearchResult {
    /// One sentence if the search stopped early: what was not searched, and what to do.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let count = self.stopped_after?;
        Some(format!(
            "the search stopped after reading {count} messages and older ones may match, too; search for a longer text"
        ))
    }
}
