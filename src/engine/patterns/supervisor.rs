//! A manager answers. What it gives to the members is a call of its step: they are its speech's children.

use super::{Move, Speech};
use crate::domain::{AgentId, StopReason};

/// The manager speaks once, and the turn ends as its speech did. What others said in between is not asked.
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
