//! What a subscriber wants of the updates.

use serde::{Deserialize, Serialize};

use crate::domain::change::ChangeKind;
use crate::domain::{ConversationId, GroupId, RunId};

/// A choice of updates. Each condition that is set must hold; the default lets everything through.
///
/// Numbers of changes that are left out are skipped: a cursor is still the `upto` of the last update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this conversation: its messages, runs, steps and calls, and their live text.
    pub conversation: Option<ConversationId>,
    /// Of this group: its settings, conversation, runs, jobs, mail and blocks.
    pub group: Option<GroupId>,
    /// Of this run and the runs below it, those that its mail set off among them.
    pub run: Option<RunId>,
    /// Of these kinds of changes; empty for all kinds.
    pub kinds: Vec<ChangeKind>,
    /// Live text, too.
    pub live: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { conversation: None, group: None, run: None, kinds: Vec::new(), live: true }
    }
}
