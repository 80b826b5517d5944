//! The turn has a given number of speeches.

use super::{ArgumentKind, Condition, Why};
use crate::domain::StopReason;

pub const CONDITION: Condition<u32> = Condition {
    argument: ArgumentKind::Times,
    stop: StopReason::MaxTurns,
    needs_speeches: true,
    holds: |most, progress| progress.speeches >= *most as usize,
    why: |most, _| Why::With(most.to_string()),
};
