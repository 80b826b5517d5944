//! A condition that only tests have: what a new one takes. So many speeches came to nothing.

use super::{ArgumentKind, Condition, Why};
use crate::domain::StopReason;

pub const CONDITION: Condition<u32> = Condition {
    argument: ArgumentKind::Times,
    stop: StopReason::Silent,
    needs_speeches: true,
    holds: |most, progress| progress.speeches - progress.spoke.len() >= *most as usize,
    why: |most, _| Why::With(most.to_string()),
};
