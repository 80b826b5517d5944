//! A manager chooses the next speaker before every speech.

use super::{Manager, Members, Move, Part, Pattern, Seat, after_last, all_passed, speeches, spent};
use crate::domain::{AgentId, Choice, Group, StopReason};

/// The tool the manager chooses with.
pub const CHOOSE: &str = "choose_next_speaker";
/// The argument that ends the turn.
pub const DONE: &str = "done";

/// The pattern.
pub const PATTERN: Pattern = Pattern {
    title: "dynamic",
    best_for: "open talk among experts: a manager picks whoever should speak next",
    members: Members::Some("speak"),
    manager: Manager::One { verb: "chooses", does: "chooses who speaks", part: "orchestrates" },
    needs_background: false,
    settings: &["max_turns", "termination_token", "allow_repeat"],
    has_fixed_order: false,
    named_by_manager: true,
    manager_tools: &[],
    framing,
    why,
    next: |turn| turn.led(|manager| next(turn.group, manager, turn.so_far)),
};

fn framing(seat: &Seat<'_>) -> String {
    let token = seat.group.token().unwrap_or_default();
    if seat.leads {
        return format!(
            "You lead the talk: after the user's message and after every speech you choose which member speaks next, \
             with `{CHOOSE}`. You do not answer the user's question yourself. When all has been said, choose `{DONE}`; \
             {token} in what you or a member writes ends the turn, too.\n"
        );
    }
    let manager = seat.manager;
    format!(
        "{manager} chooses who speaks next, after every speech anew, and has now chosen you; you read all that was \
         said. Build on it, do not repeat it. Call `pass` when you have nothing to add. Write {token} only when all \
         has been said: it ends the turn.\n"
    )
}

fn why(group: &Group, stop: StopReason) -> Option<String> {
    let sentence = stop.sentence();
    match stop {
        StopReason::MaxTurns => Some(format!("{sentence} ({})", most(group))),
        StopReason::AllPassed => Some(sentence.to_owned()),
        _ => None,
    }
}

/// Choices and speeches alternate until the manager chooses [`DONE`], `max_turns` speeches are finished (default: the
/// number of members) or all members have passed in a row. If the choice is not usable, the next member in order
/// speaks. A turn in which every speech failed fails.
#[must_use]
pub fn next(group: &Group, manager: &AgentId, so_far: &[Part]) -> Move {
    let spoken = speeches(so_far);
    if let Some(Part::Choice { chosen, stop }) = so_far.last() {
        return match chosen {
            _ if *stop == StopReason::TerminationToken => Move::Finish(StopReason::TerminationToken),
            Choice::Done => spent(&spoken, StopReason::EndTurn),
            Choice::Member(agent) if group.members.contains(agent) => Move::Speak(agent.clone()),
            // Nobody, or an agent that has left the group meanwhile.
            Choice::Member(_) | Choice::Nobody => match in_order(group, so_far) {
                Some(agent) => Move::Speak(agent.clone()),
                None => spent(&spoken, StopReason::MaxTurns),
            },
        };
    }
    if all_passed(&group.members, &spoken) {
        return Move::Finish(StopReason::AllPassed);
    }
    if spoken.len() >= most(group) || group.members.is_empty() {
        return spent(&spoken, StopReason::MaxTurns);
    }
    Move::Choose { manager: manager.clone(), among: open(group, spoken.last().map(|speech| &speech.agent)) }
}

/// The maximum number of speeches of a turn.
#[must_use]
pub fn most(group: &Group) -> usize {
    group.max_turns.map_or(group.members.len(), |most| most as usize)
}

/// The speaker if the choice is not usable: the member after the last speaker.
#[must_use]
pub fn in_order<'a>(group: &'a Group, so_far: &'a [Part]) -> Option<&'a AgentId> {
    after_last(&group.members, speeches(so_far).into_iter().map(|speech| &speech.agent))
}

/// The candidates: without the last speaker, unless it is the only member or the group allows it.
fn open(group: &Group, last: Option<&AgentId>) -> Vec<AgentId> {
    let alone = group.members.len() == 1;
    let may = |agent: &&AgentId| group.allow_repeat || alone || Some(*agent) != last;
    group.members.iter().filter(may).cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::pattern::Speech;
    use crate::domain::{GroupId, ManagerType};

    fn group(n: usize, max_turns: Option<u32>, allow_repeat: bool) -> Group {
        let members = (0..n).map(|i| AgentId(format!("agent-{i}"))).collect();
        let empty = Group::new(GroupId::from("group-1"), "desk", ManagerType::Dynamic);
        Group { members, manager_agent: Some(manager()), max_turns, allow_repeat, ..empty }
    }

    fn manager() -> AgentId {
        AgentId::from("agent-manager")
    }

    /// What the manager does when it is asked: the k-th of those who may speak, nobody, or done.
    #[derive(Debug, Clone, Copy)]
    enum Whim {
        Open(usize),
        Nobody,
        Done,
    }

    fn play(group: &Group, whims: &[Whim], stops: &[StopReason]) -> (Vec<Part>, StopReason) {
        let mut so_far: Vec<Part> = Vec::new();
        for at in 0.. {
            match next(group, &manager(), &so_far) {
                Move::Choose { manager: chair, among } => {
                    assert_eq!(chair, manager());
                    assert!(!among.is_empty());
                    let chosen = match whims[at % whims.len()] {
                        Whim::Open(k) => Choice::Member(among[k % among.len()].clone()),
                        Whim::Nobody => Choice::Nobody,
                        Whim::Done => Choice::Done,
                    };
                    so_far.push(Part::Choice { chosen, stop: StopReason::EndTurn });
                }
                Move::Speak(agent) => {
                    so_far.push(Part::Speech(Speech { agent, stop: stops[at % stops.len()] }));
                }
                Move::Finish(reason) => return (so_far, reason),
            }
        }
        unreachable!("it went on for ever")
    }

    #[test]
    fn a_choice_stands_before_every_speech_and_done_ends_the_turn() {
        let (parts, reason) =
            play(&group(3, Some(9), false), &[Whim::Open(2), Whim::Open(0), Whim::Done], &[StopReason::EndTurn]);
        let spoke: Vec<&str> = speeches(&parts).iter().map(|speech| speech.agent.as_str()).collect();
        // Every second move is a choice, so of the whims the first, the third and the second are asked.
        assert_eq!((spoke, reason), (vec!["agent-2"], StopReason::EndTurn));
    }

    #[test]
    fn where_nobody_is_chosen_the_next_in_order_speaks() {
        let (parts, reason) = play(&group(3, Some(4), false), &[Whim::Nobody], &[StopReason::EndTurn]);
        let spoke: Vec<&str> = speeches(&parts).iter().map(|speech| speech.agent.as_str()).collect();
        assert_eq!(spoke, ["agent-0", "agent-1", "agent-2", "agent-0"]);
        assert_eq!(reason, StopReason::MaxTurns);
    }

    #[test]
    fn one_who_was_chosen_and_has_left_meanwhile_does_not_speak() {
        let gone = Part::Choice { chosen: Choice::Member(AgentId::from("agent-gone")), stop: StopReason::EndTurn };
        assert_eq!(next(&group(2, None, false), &manager(), &[gone]), Move::Speak(AgentId::from("agent-0")));
    }

    #[test]
    fn the_word_that_ends_the_turn_in_the_managers_text_ends_it() {
        let said = Part::Choice { chosen: Choice::Done, stop: StopReason::TerminationToken };
        assert_eq!(next(&group(2, None, false), &manager(), &[said]), Move::Finish(StopReason::TerminationToken));
    }

    #[test]
    fn a_turn_ends_when_all_have_passed_and_fails_when_all_have_failed() {
        let turn = |stop| play(&group(3, Some(9), false), &[Whim::Nobody], &[stop]).1;
        assert_eq!(turn(StopReason::Passed), StopReason::AllPassed);
        assert_eq!(turn(StopReason::Error), StopReason::Error);
    }

    proptest! {
        #[test]
        fn it_always_ends_within_its_speeches_and_nobody_speaks_twice_in_a_row_while_another_is_open(
            n in 1usize..6,
            max in proptest::option::of(1u32..12),
            allow in any::<bool>(),
            whims in proptest::collection::vec(
                prop_oneof![4 => (0usize..6).prop_map(Whim::Open), 1 => Just(Whim::Nobody), 1 => Just(Whim::Done)], 1..9),
            stops in proptest::collection::vec(
                prop_oneof![Just(StopReason::EndTurn), Just(StopReason::Passed), Just(StopReason::Error)], 1..6),
        ) {
            let group = group(n, max, allow);
            let (parts, reason) = play(&group, &whims, &stops);
            let spoken = speeches(&parts);
            let most = max.map_or(n, |max| max as usize);
            prop_assert!(spoken.len() <= most);
            if !allow && n > 1 {
                prop_assert!(spoken.windows(2).all(|pair| pair[0].agent != pair[1].agent));
            }
            let choices = parts.iter().filter(|part| matches!(part, Part::Choice { .. })).count();
            prop_assert!(choices == spoken.len() || choices == spoken.len() + 1);
            if reason == StopReason::MaxTurns {
                prop_assert_eq!(spoken.len(), most);
            }
            prop_assert_eq!(play(&group, &whims, &stops), (parts, reason));
        }
    }
}
