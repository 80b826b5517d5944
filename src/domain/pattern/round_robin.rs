//! Members speak in stored order, starting with the first or with the one after the last speaker.

use super::{Manager, Members, Move, Pattern, Speech, after_last, all_passed, speeches, spent};
use crate::domain::{AgentId, StopReason};

/// The pattern.
pub const PATTERN: Pattern = Pattern {
    title: "round robin",
    best_for: "everyone is heard, in order: reviews, brainstorms, panels",
    members: Members::Some("speak in turn"),
    manager: Manager::None("name the agent in members, or use manager_type sleeptime"),
    needs_background: false,
    settings: &["max_turns", "continue_order"],
    has_fixed_order: true,
    named_by_manager: false,
    manager_tools: &[],
    framing: |_| {
        "Each member speaks in this order after a message of the user; you read what those before you said. \
         Build on it, do not repeat it. Call `pass` when you have nothing to add.\n"
            .to_owned()
    },
    // Reaching `max_turns` is the normal end and needs no notice.
    why: |_, stop| (stop == StopReason::AllPassed).then(|| stop.sentence().to_owned()),
    next: |turn| next(&turn.group.members, turn.group.max_turns, turn.after, &speeches(turn.so_far)),
};

/// The member after the last speaker speaks, until `max_turns` speeches are finished (default: one per member) or all
/// members have passed in a row. The order is that of the current members, even if they changed during the turn. A
/// turn in which every speech failed fails.
#[must_use]
pub fn next(members: &[AgentId], max_turns: Option<u32>, after: Option<&AgentId>, so_far: &[&Speech]) -> Move {
    if all_passed(members, so_far) {
        return Move::Finish(StopReason::AllPassed);
    }
    let over = match max_turns {
        Some(most) => so_far.len() >= most as usize,
        // Speeches of agents that have left the group do not count.
        None => so_far.iter().filter(|speech| members.contains(&speech.agent)).count() >= members.len(),
    };
    let spoke = after.into_iter().chain(so_far.iter().map(|speech| &speech.agent));
    match after_last(members, spoke.collect::<Vec<_>>().into_iter()) {
        Some(next) if !over => Move::Speak(next.clone()),
        _ => spent(so_far, StopReason::MaxTurns),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(n: usize) -> Vec<AgentId> {
        (0..n).map(|i| AgentId(format!("agent-{}", char::from(b'a' + u8::try_from(i).unwrap())))).collect()
    }

    /// Plays a turn; `at(i)` are the members before speech `i`.
    fn play_among(
        at: impl Fn(usize) -> Vec<AgentId>,
        max_turns: Option<u32>,
        after: Option<&AgentId>,
        stops: &[StopReason],
    ) -> (Vec<AgentId>, StopReason) {
        let mut so_far: Vec<Speech> = Vec::new();
        loop {
            match next(&at(so_far.len()), max_turns, after, &so_far.iter().collect::<Vec<_>>()) {
                Move::Speak(agent) => {
                    let stop = stops[so_far.len() % stops.len()];
                    so_far.push(Speech { agent, stop });
                }
                Move::Finish(reason) => return (so_far.into_iter().map(|speech| speech.agent).collect(), reason),
                Move::Choose { .. } => panic!("there is no manager"),
            }
        }
    }

    fn play(members: &[AgentId], max_turns: Option<u32>, stops: &[StopReason]) -> (Vec<AgentId>, StopReason) {
        play_among(|_| members.to_vec(), max_turns, None, stops)
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

    #[test]
    fn it_carries_on_after_the_one_who_spoke_last_where_the_group_says_so() {
        let all = members(3);
        let go = |after: &AgentId, max| play_among(|_| all.clone(), max, Some(after), &[StopReason::EndTurn]).0;
        assert_eq!(go(&all[0], None), [1, 2, 0].map(|i| all[i].clone()));
        assert_eq!(go(&all[1], Some(2)), [2, 0].map(|i| all[i].clone()));
        assert_eq!(go(&AgentId::from("agent-gone"), Some(1)), [all[0].clone()]);
    }

    #[test]
    fn members_that_come_and_go_in_the_middle_lose_nobody_their_speech() {
        let all = members(4);
        let (a, b, c, d) = (all[0].clone(), all[1].clone(), all[2].clone(), all[3].clone());
        let go = |before: Vec<AgentId>, then: Vec<AgentId>, since: usize| {
            let at = |i: usize| if i < since { before.clone() } else { then.clone() };
            play_among(at, None, None, &[StopReason::EndTurn]).0
        };
        let three = || vec![a.clone(), b.clone(), c.clone()];
        assert_eq!(go(three(), vec![a.clone(), c.clone()], 2), three(), "b left after it spoke");
        assert_eq!(go(three(), vec![a.clone(), c.clone()], 1), [a.clone(), c.clone()], "b left before");
        let joined = vec![d.clone(), a.clone(), b.clone(), c.clone()];
        assert_eq!(go(three(), joined, 1), [a.clone(), b.clone(), c.clone(), d.clone()], "d came in front");
    }

    proptest! {
        #[test]
        fn it_always_ends_within_max_turns_and_everyone_gets_a_turn(
            n in 1usize..8,
            max in proptest::option::of(1u32..20),
            after in proptest::option::of(0usize..8),
            stops in proptest::collection::vec(
                prop_oneof![Just(StopReason::EndTurn), Just(StopReason::Passed), Just(StopReason::Error)], 1..6),
        ) {
            let all = members(n);
            let after = after.and_then(|at| all.get(at));
            let (spoke, reason) = play_among(|_| all.clone(), max, after, &stops);
            let most = max.map_or(n, |max| max as usize);
            prop_assert!(spoke.len() <= most);
            if most >= n {
                prop_assert!(all.iter().all(|agent| spoke.contains(agent)));
            }
            if spoke.len() < most {
                prop_assert_eq!(reason, StopReason::AllPassed);
            }
            let first = after.map_or(0, |after| (all.iter().position(|a| a == after).unwrap() + 1) % n);
            prop_assert_eq!(&spoke[0], &all[first]);
            prop_assert_eq!(play_among(|_| all.clone(), max, after, &stops), (spoke, reason));
        }
    }
}
