//! A given number of seconds has passed since the turn began.

use super::{ArgumentKind, Condition, Why, with_commas};
use crate::domain::StopReason;

pub const CONDITION: Condition<u64> = Condition {
    argument: ArgumentKind::Amount,
    stop: StopReason::Seconds,
    needs_speeches: false,
    holds: |most, progress| progress.seconds >= *most,
    why: |most, _| Why::With(format!("{} s", with_commas(*most))),
};
