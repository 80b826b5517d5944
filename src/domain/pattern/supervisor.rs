//! A manager answers. It delegates to members by tool calls; their runs are children of its speech.

use super::{Manager, Members, Move, Pattern, Seat, Speech, speeches};
use crate::domain::{AgentId, StopReason};

/// The pattern.
pub const PATTERN: Pattern = Pattern {
    title: "supervisor",
    best_for: "one question, many hands: a manager splits the work, the members do it side by side",
    members: Members::Some("work"),
    manager: Manager::One { verb: "delegates", does: "delegates", part: "orchestrates" },
    needs_background: false,
    settings: &["max_rounds"],
    has_fixed_order: false,
    named_by_manager: false,
    manager_tools: &["delegate", "send_message_to_all_agents_in_group"],
    framing,
    why: |_, _| None,
    next: |turn| turn.led(|manager| next(manager, &speeches(turn.so_far))),
};

fn framing(seat: &Seat<'_>) -> String {
    if seat.leads {
        return "You answer the user, and the members work for you. Give each its own work with `delegate`, or all the \
                same with `send_message_to_all_agents_in_group`; they work side by side and do not hear each other. \
                You get every answer, failure or silence, with its name. Then answer the user yourself, in one \
                voice.\n"
            .to_owned();
    }
    let manager = seat.manager;
    format!(
        "{manager} answers the user and gives you work. Do what you are asked, say what you found and how sure you \
         are; {manager} reads it, the others do not. Call `pass` when you have nothing to add.\n"
    )
}

/// The manager speaks once, and the turn ends with the stop reason of its speech. Speeches of workers are ignored.
#[must_use]
pub fn next(manager: &AgentId, so_far: &[&Speech]) -> Move {
    match so_far.iter().find(|speech| speech.agent == *manager) {
        None => Move::Speak(manager.clone()),
        Some(speech) if speech.stop == StopReason::Passed => Move::Finish(StopReason::AllPassed),
        Some(speech) => Move::Finish(speech.stop),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_manager_speaks_once_and_the_turn_ends_as_it_did(
            stop in prop_oneof![Just(StopReason::EndTurn), Just(StopReason::Error), Just(StopReason::MaxSteps)],
            workers in proptest::collection::vec(0usize..4, 0..6),
        ) {
            let manager = AgentId::from("agent-manager");
            let worker = |i: usize| Speech { agent: AgentId(format!("agent-{i}")), stop: StopReason::EndTurn };
            let spoke: Vec<Speech> = workers.into_iter().map(worker).collect();
            let mut so_far: Vec<&Speech> = spoke.iter().collect();
            prop_assert_eq!(next(&manager, &so_far), Move::Speak(manager.clone()));
            let answer = Speech { agent: manager.clone(), stop };
            so_far.push(&answer);
            prop_assert_eq!(next(&manager, &so_far), Move::Finish(stop));
        }
    }
}
