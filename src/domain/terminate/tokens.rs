//! The turn has used a given number of tokens.

use super::{ArgumentKind, Condition, Why, with_commas};
use crate::domain::StopReason;

pub const CONDITION: Condition<u64> = Condition {
    argument: ArgumentKind::Amount,
    stop: StopReason::Tokens,
    needs_speeches: false,
    holds: |most, progress| progress.tokens >= *most,
    why: |most, _| Why::With(with_commas(*most)),
};
