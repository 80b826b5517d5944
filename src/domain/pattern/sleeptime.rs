//! One agent answers; others maintain its memory in the background.

use super::{Manager, Members, Pattern, single, speeches};

/// The pattern.
pub const PATTERN: Pattern = Pattern {
    title: "sleep-time",
    best_for: "one agent that answers at once, while others keep its memory in the background",
    members: Members::None("manager_agent answers, and [group.sleeptime] agents work in the background"),
    manager: Manager::One { verb: "answers", does: "answers", part: "answers" },
    needs_background: true,
    settings: &[],
    has_fixed_order: false,
    named_by_manager: true,
    manager_tools: &[],
    framing: |_| String::new(),
    why: |_, _| None,
    next: |turn| turn.led(|manager| single::next(manager, &speeches(turn.so_far))),
};
