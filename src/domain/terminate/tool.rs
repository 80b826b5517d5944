//! A given tool was called successfully.

use super::{ArgumentKind, Condition, Why};
use crate::domain::StopReason;

pub const CONDITION: Condition<String> = Condition {
    argument: ArgumentKind::Tool,
    stop: StopReason::Tool,
    needs_speeches: false,
    holds: |tool, progress| progress.called.contains(tool),
    why: |tool, _| Why::With(tool.clone()),
};
