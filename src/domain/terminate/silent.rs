//! A condition only for tests, which shows what a new one needs: a given number of speeches were passes or failures.

use super::{ArgumentKind, Condition, Why};
use crate::domain::StopReason;

pub const CONDITION: Condition<u32> = Condition {
    argument: ArgumentKind::Times,
    stop: StopReason::Silent,
    needs_speeches: true,
    holds: |most, progress| progress.speeches - progress.spoke.len() >= *most as usize,
    why: |most, _| Why::With(most.to_string()),
};
