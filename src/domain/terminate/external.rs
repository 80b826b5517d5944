//! An external signal was sent to the turn.

use super::{ArgumentKind, Condition, Why};
use crate::domain::StopReason;

pub const CONDITION: Condition<String> = Condition {
    argument: ArgumentKind::Word,
    stop: StopReason::External,
    needs_speeches: false,
    holds: |word, progress| progress.signals.contains(word),
    why: |word, _| Why::With(word.clone()),
};
