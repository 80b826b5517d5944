//! The wait-for graph: an edge that closes a cycle is refused inside the commit that would add it, by name; every
//! other edge is accepted.

use crate::support::fixtures;
use jiff::Timestamp;
use nightdesk::testing::domain::state::InMemoryRows;
use nightdesk::testing::domain::{
    AgentId, Change, Conflict, Conversation, ConversationId, ConversationOwner, PendingCall, PendingKind, Run, RunId,
    RunKind, RunState, StepId,
};
use proptest::prelude::*;

const NAMES: [&str; 6] = ["ann", "ben", "cleo", "dan", "eve", "flo"];

fn id(at: usize) -> AgentId {
    AgentId(format!("agent-{}", NAMES[at]))
}

/// Six agents, each at work in a talk of its own.
fn desk() -> InMemoryRows {
    let mut state = InMemoryRows::default();
    let mut put = |change| state.apply(change, Timestamp::UNIX_EPOCH).map(drop).unwrap();
    for (at, name) in NAMES.iter().enumerate() {
        put(Change::AgentPut(fixtures::agent(name)));
        let talk = ConversationId(format!("conversation-{name}"));
        put(Change::ConversationOpened(Conversation::new(talk.clone(), ConversationOwner::Agent(id(at)))));
        let kind = RunKind::Turn { group: None, only: Some(id(at)) };
        let turn = Run::new(RunId(format!("run-{name}")), talk, kind, RunState::Running);
        put(Change::RunCreated(turn.clone()));
        let kind = RunKind::Speech { agent: id(at), group: None, index: 0 };
        let speech = RunId(format!("run-{name}-speech"));
        put(Change::RunCreated(Run::new(speech, turn.conversation.clone(), kind, RunState::Running).under(&turn)));
    }
    state
}

/// One agent parks its run on others.
fn wait(state: &mut InMemoryRows, who: usize, whom: &[usize], kind: PendingKind) -> Result<(), Conflict> {
    let run = RunId(format!("run-{}-speech", NAMES[who]));
    let call = PendingCall {
        run: run.clone(),
        step: StepId(format!("step-{}", NAMES[who])),
        ordinal: 0,
        call: "call".to_owned(),
        name: "ask".to_owned(),
        arguments: serde_json::json!({}),
        kind,
        whom: whom.iter().map(|at| id(*at)).collect(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
        answer: None,
    };
    state.apply(Change::CallPending(call), Timestamp::UNIX_EPOCH)?;
    state.apply(Change::RunMoved { id: run, to: RunState::Parked }, Timestamp::UNIX_EPOCH).map(drop)
}

#[test]
fn two_that_would_wait_for_each_other_are_told_the_cycle_by_name() {
    let mut state = desk();
    wait(&mut state, 0, &[1], PendingKind::Reply).unwrap();
    let Err(Conflict::Call { ordinal: 0, text, .. }) = wait(&mut state, 1, &[0], PendingKind::Reply) else { panic!() };
    assert!(text.contains("(ben for ann, ann for ben)"), "{text}");
}

#[test]
fn a_cycle_through_a_delegation_and_a_mail_is_named_all_round() {
    let mut state = desk();
    wait(&mut state, 0, &[3, 1], PendingKind::Workers).unwrap();
    wait(&mut state, 1, &[2], PendingKind::Reply).unwrap();
    let Err(Conflict::Call { text, .. }) = wait(&mut state, 2, &[4, 0], PendingKind::Reply) else { panic!() };
    assert!(text.contains("(cleo for ann, ann for ben, ben for cleo)"), "{text}");
}

#[test]
fn whoever_waits_for_itself_is_told_so() {
    let Err(Conflict::Call { text, .. }) = wait(&mut desk(), 0, &[0], PendingKind::Reply) else { panic!() };
    assert!(text.contains("(ann for ann)"), "{text}");
}

#[test]
fn one_that_waits_for_a_person_closes_no_cycle() {
    let mut state = desk();
    wait(&mut state, 0, &[], PendingKind::Approval).unwrap();
    wait(&mut state, 1, &[0], PendingKind::Reply).unwrap();
}

proptest! {
    #[test]
    fn an_edge_is_refused_exactly_when_it_closes_a_cycle(
        edges in proptest::collection::vec((0usize..6, proptest::collection::vec(0usize..6, 1..3)), 1..12),
    ) {
        let mut state = desk();
        let mut waits: Vec<Option<Vec<usize>>> = vec![None; 6];
        for (who, whom) in edges {
            if waits[who].is_some() {
                continue;
            }
            let mut reached = whom.clone();
            let mut at = 0;
            while at < reached.len() {
                for next in waits[reached[at]].clone().unwrap_or_default() {
                    if !reached.contains(&next) {
                        reached.push(next);
                    }
                }
                at += 1;
            }
            let closes = reached.contains(&who);
            let refused = wait(&mut state, who, &whom, PendingKind::Reply);
            prop_assert_eq!(refused.is_err(), closes, "{} for {:?}: {:?}", who, whom, refused);
            if refused.is_ok() {
                waits[who] = Some(whom);
            }
        }
    }
}
