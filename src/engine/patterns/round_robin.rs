//! Members speak in stored order, from the first.

use super::{Move, Speech};
use crate::domain::{AgentId, StopReason};

/// The next member in order, until `max_turns` speeches (absent: one a member) are spent or all have passed in
/// a row. A turn in which every speech failed fails.
#[must_use]
pub fn next(members: &[AgentId], max_turns: Option<u32>, so_far: &[Speech]) -> Move {
    let most = max_turns.map_or(members.len(), |most| most as usize);
    let passes = so_far.iter().rev().take_while(|speech| speech.stop == StopReason::Passed).count();
    if passes >= members.len() && !so_far.is_empty() {
        return Move::Finish(StopReason::AllPassed);
    }
    if so_far.len() >= most || members.is_empty() {
        let failed = so_far.iter().all(|speech| speech.stop == StopReason::Error);
        return Move::Finish(if failed { StopReason::Error } else { StopReason::MaxTurns });
    }
    Move::Speak(members[so_far.len() % members.len()].clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(n: usize) -> Vec<AgentId> {
        (0..n).map(|i| AgentId(format!("agent-{}", char::from(b'a' + u8::try_from(i).unwrap())))).collect()
    }

    fn play(members: &[AgentId], max_turns: Option<u32>, stops: &[StopReason]) -> (Vec<AgentId>, StopReason) {
        let mut so_far = Vec::new();
        loop {
            match next(members, max_turns, &so_far) {
                Move::Speak(agent) => {
                    let stop = stops[so_far.len() % stops.len()];
                    so_far.push(Speech { agent, stop });
                }
                Move::Finish(reason) => return (so_far.into_iter().map(|speech| speech.agent).collect(), reason),
            }
        }
    }

    #[test]
    fn three_members_and_five_speeches_go_a_b_c_a_b() {
        let all = members(3);
        let (spoke, reason) = play(&all, Some(5), &[StopReason::EndTurn]);
        assert_eq!(spoke, [0, 1, 2, 0, 1].map(|i| all[i].clone()));
        assert_eq!(reason, StopReason::MaxTurns);
    }

    #[test]
    fn a_turn_in_which_every_speech_failed_fails() {
        assert_eq!(play(&members(2), None, &[StopReason::Error]).1, StopReason::Error);
        assert_eq!(play(&members(2), None, &[StopReason::Error, StopReason::EndTurn]).1, StopReason::MaxTurns);
    }

    proptest! {
        #[test]
        fn it_always_ends_within_max_turns_and_everyone_gets_a_turn(
            n in 1usize..8,
            max in proptest::option::of(1u32..20),
            stops in proptest::collection::vec(
                prop_oneof![Just(StopReason::EndTurn), Just(StopReason::Passed), Just(StopReason::Error)], 1..6),
        ) {
            let all = members(n);
            let (spoke, reason) = play(&all, max, &stops);
            let most = max.map_or(n, |max| max as usize);
            prop_assert!(spoke.len() <= most);
            if most >= n {
                prop_assert!(all.iter().all(|agent| spoke.contains(agent)));
            }
            if spoke.len() < most {
                prop_assert_eq!(reason, StopReason::AllPassed);
            }
            prop_assert_eq!(play(&all, max, &stops), (spoke, reason));
        }
    }
}
