//! An agent has said a given text.

use super::{ArgumentKind, Condition, Why};
use crate::domain::StopReason;

pub const CONDITION: Condition<String> = Condition {
    argument: ArgumentKind::Word,
    stop: StopReason::Text,
    needs_speeches: false,
    holds: |text, progress| progress.said.iter().any(|said| said.contains(text)),
    why: |text, _| Why::With(text.clone()),
};
