//! A message that is not sent yet.

use serde::{Deserialize, Serialize};

use super::pastes::Pastes;
use crate::engine::protocol::Recipient;

/// An unsent message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Group or agent.
    pub to: Recipient,
    /// What the composer shows.
    pub text: String,
    /// Texts folded to labels in `text`.
    #[serde(default, skip_serializing_if = "Pastes::is_empty")]
    pub pastes: Pastes,
}
