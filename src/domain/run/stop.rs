//! Why a model stopped.

use serde::{Deserialize, Serialize};

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The model finished its answer.
    #[default]
    End,
    /// The model requests tool calls.
    Calls,
    /// The answer reached the token limit.
    Length,
    /// The model's context window is full.
    Window,
    /// The model refused; its text, if any, says so.
    Refused,
    /// The provider's filter cut the answer.
    Filtered,
    /// The model paused and must be called again to continue.
    Paused,
    /// The model reported a normal end without any content.
    Empty,
    /// The provider gave no known reason.
    Unknown,
}
