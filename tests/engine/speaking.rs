//! Who speaks, in what order, and what each is told.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Change, LogEntry, ManagerType, Run, RunState, StopReason};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request, Update};
use nightdesk::testing::llm::{PromptMessage, Stop};
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id, lines};

fn said(by: Option<&str>, text: &str) -> PromptMessage {
    PromptMessage::User { by: by.map(str::to_owned), text: text.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn round_robin_of_three_answers_in_order() {
    let world = World::new(Plan::default()).await;
    let run = world.send("hello").await;
    let expected = [
        "user: hello",
        "ann: ann heard hello",
        "bob: bob heard ann heard hello",
        "cid: cid heard bob heard ann heard hello",
    ];
    assert_eq!(world.transcript().await, expected);
    assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::MaxTurns, error: None });
    world.close().await;
}

/// Fails unless after each commit of this turn a part of it is unfinished, or the turn is over.
async fn assert_gapless(world: &World, turn: &Run) {
    let mut open = BTreeSet::new();
    let mut commits = 0;
    let log = world.store().log(0, usize::MAX >> 1).await.unwrap();
    // A commit has one time and one author, and a turn has one thing at a time that commits.
    for entries in log.chunk_by(|one, next| one.by == next.by && one.cause.is_none() && next.cause.is_none()) {
        let mut over = false;
        let mut touched = false;
        for entry in entries {
            match &entry.change {
                Change::RunCreated(run) if run.parent.as_ref() == Some(&turn.id) => {
                    touched = true;
                    open.insert(run.id.clone());
                }
                Change::RunMoved { id, to: RunState::Finished { .. } } => {
                    touched |= open.remove(id);
                    over |= *id == turn.id;
                }
                _ => {}
            }
        }
        if touched {
            commits += 1;
            assert!(over || open.len() == 1, "{entries:?}");
        }
    }
    assert!(commits > 1, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn no_commit_leaves_a_turn_between_two_of_its_parts() {
    for manager in [None, Some("chair")] {
        let script = Script::of([When::agent("chair").contains("hello").chooses("ann", "she began it")])
            .then(Script::of([When::agent("chair").chooses("done", "all is said")]))
            .otherwise("{agent} speaks");
        let manager_type = if manager.is_some() { ManagerType::Dynamic } else { ManagerType::RoundRobin };
        let world = World::new(Plan { script, manager_type, manager, ..Plan::default() }).await;
        let turn = world.send("hello").await;
        assert_gapless(&world, &turn).await;
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_speaker_is_told_who_said_what_before() {
    let world = World::new(Plan { script: Script::always("{agent} speaks"), ..Plan::default() }).await;
    world.send("hello").await;
    assert_eq!(world.asked_of("bob")[0].entries, [said(None, "hello"), said(Some("ann"), "ann speaks")]);
    let cid = [said(None, "hello"), said(Some("ann"), "ann speaks"), said(Some("bob"), "bob speaks")];
    assert_eq!(world.asked_of("cid")[0].entries, cid);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_turn_every_member_can_read_the_whole_exchange() {
    let world = World::new(Plan { script: Script::always("{agent} speaks"), ..Plan::default() }).await;
    world.send("hello").await;
    world.send("and now?").await;
    let own = PromptMessage::Assistant { text: "ann speaks".to_owned(), calls: Vec::new() };
    let read = [
        said(None, "hello"),
        own,
        said(Some("bob"), "bob speaks"),
        said(Some("cid"), "cid speaks"),
        said(None, "and now?"),
    ];
    assert_eq!(world.asked_of("ann")[1].entries, read);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_begins_with_its_own_name_is_shown_and_kept_without_it() {
    let script = Script::of([
        When::agent("ann").text("**ann (critic):** It is late.").chunk(3).delay_ms(100),
        When::agent("bob").text("<message from=\"bob\">\nSo it is.\n</message>").chunk(3).delay_ms(100),
        When::agent("cid").text("bob: I would wait.\n\nann: No."),
    ]);
    let world = World::new(Plan { script, ..Plan::default() }).await;
    let run = world.post("hello").await;
    for (name, words) in [("ann", "It is late."), ("bob", "So it is.")] {
        world
            .live(|live| {
                assert!(live.name != name || words.contains(live.text.trim_end()), "{name} shows {:?}", live.text);
                live.name == name && !live.text.is_empty()
            })
            .await;
    }
    world.finished(&run).await;
    let expected = ["user: hello", "ann: It is late.", "bob: So it is.", "cid: bob: I would wait.\n\nann: No."];
    assert_eq!(world.transcript().await, expected);
    let told = &world.asked_of("cid")[0].entries;
    assert_eq!(told[1..], [said(Some("ann"), "It is late."), said(Some("bob"), "So it is.")]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_pass_and_a_silence_are_seen_and_spend_the_speech() {
    let script = Script::of([When::agent("ann").passes(), When::agent("bob").text("")]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, ..Plan::default() }).await;
    let run = world.send("hello").await;
    assert_eq!(
        world.transcript().await,
        ["user: hello", "ann pass ok: you passed", "(ann passed)", "(bob passed)", "cid: cid speaks"]
    );
    assert_eq!(stop(&run), StopReason::MaxTurns);
    let told = &world.asked_of("cid")[0].entries;
    assert_eq!(told[1], PromptMessage::System { text: "ann passed".to_owned() });
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_ends_when_all_have_passed_in_a_row() {
    let script = Script::of([]).or(When::any().passes());
    let world = World::new(Plan { script, max_turns: Some(9), ..Plan::default() }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::AllPassed);
    assert_eq!(world.asked().len(), 3);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_turn_starts_after_the_first_and_carries_its_text() {
    let script = Script::of([]).or(When::any().text("{agent} on {turn}").first_delay_ms(1_000));
    let world = World::new(Plan { script, members: &["ann", "bob"], ..Plan::default() }).await;
    let first = world.post("one").await;
    let to = Recipient::Group(group_id());
    let Reply::Sent { run: second, queued, .. } =
        world.ask(Request::Send { to, text: "two".to_owned() }).await.unwrap()
    else {
        panic!("it was not sent")
    };
    assert!(queued);
    let waiting = world.overview().await.runs.into_iter().find(|run| run.id == second).unwrap();
    assert_eq!((waiting.state, waiting.queued.as_deref(), waiting.turn), (RunState::Queued, Some("two"), 2));
    let third = world.post("three").await;
    let (first, second) = (world.finished(&first).await, world.finished(&second).await);
    assert!(first.moved_at <= second.moved_at);
    assert_eq!(second.queued, None);
    world.finished(&third).await;
    let expected = [
        "user: one",
        "ann: ann on 1",
        "bob: bob on 1",
        "user: two",
        "ann: ann on 2",
        "bob: bob on 2",
        "user: three",
        "ann: ann on 3",
        "bob: bob on 3",
    ];
    assert_eq!(world.transcript().await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_name_makes_a_turn_only_that_member_answers() {
    let world = World::new(Plan { script: Script::always("{agent} speaks"), ..Plan::default() }).await;
    world.send("@bob what do you say?").await;
    world.send("@cid: and you?").await;
    let expected = ["user: @bob what do you say?", "bob: bob speaks", "user: @cid: and you?", "cid: cid speaks"];
    assert_eq!(world.transcript().await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_nobody_and_empty_words_are_refused_with_a_sentence_and_make_no_turn() {
    let world = World::new(Plan::default()).await;
    for (text, part) in [("@dan hi", "ann, bob, cid"), ("@bob", "say something to bob"), (" ", "nothing to send")] {
        let to = Recipient::Group(group_id());
        let fault = world.ask(Request::Send { to, text: text.to_owned() }).await.unwrap_err();
        assert!(fault.text.contains(part), "{text:?}: {fault}");
    }
    assert!(world.overview().await.conversations.is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_direct_talk_is_a_conversation_of_its_own_with_the_same_memory() {
    let world = World::new(Plan { script: Script::always("{agent} speaks"), ..Plan::default() }).await;
    world.send("to all").await;
    let to = Recipient::Agent(agent_id("bob"));
    let Reply::Sent { run, conversation, .. } =
        world.ask(Request::Send { to, text: "just you".to_owned() }).await.unwrap()
    else {
        panic!("it was not sent")
    };
    let run = world.finished(&run).await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    assert_eq!(lines(&world.messages(&conversation).await), ["user: just you", "bob: bob speaks"]);
    let told = world.asked().pop().unwrap();
    assert_eq!(told.entries, [said(None, "just you")]);
    assert_eq!(told.memory.iter().map(|block| block.label.as_str()).collect::<Vec<_>>(), ["story"]);
    assert!(!world.transcript().await.iter().any(|line| line.contains("just you")));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_speaks_elsewhere_is_waited_for_and_speaks_once_at_a_time() {
    let script = Script::of([]).or(When::any().text("{agent} speaks").first_delay_ms(1_000));
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    let group = world.post("to all").await;
    world.live(|live| live.name == "ann").await;
    let to = Recipient::Agent(agent_id("ann"));
    let Reply::Sent { run: direct, .. } = world.ask(Request::Send { to, text: "just you".to_owned() }).await.unwrap()
    else {
        panic!("it was not sent")
    };
    let child = world.when(async |world| world.store().runs_of(&direct).await.unwrap().into_iter().next()).await;
    assert_eq!(child.state, RunState::Queued, "it queues where it can be seen");
    world.finished(&group).await;
    world.finished(&direct).await;
    assert_eq!(world.waits_of("ann"), [Duration::from_secs(1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_committed_before_any_model_is_asked() {
    let script = Script::of([]).or(When::any().text("{agent} speaks").first_delay_ms(1_000));
    let world = World::new(Plan { script, ..Plan::default() }).await;
    let mut following = world.handle.follow(*world.store().head().borrow()).await.unwrap();
    let run = world.post("hello").await;
    let mut committed = false;
    loop {
        match following.next().await.unwrap() {
            Update::Committed { changes, .. } => {
                let said = |logged: &LogEntry| matches!(logged.change, Change::MessageAppended(_));
                committed |= changes.iter().any(said);
            }
            Update::Live(_) => break assert!(committed, "a step began before the message was committed"),
            _ => {}
        }
    }
    world.finished(&run).await;
    assert_eq!(world.transcript().await[0], "user: hello");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_says_why_its_model_stopped() {
    let script =
        Script::of([When::agent("ann").step(1).text("I look.").call("conversation_search", json!({ "query": "x" }))])
            .or(When::any().text("Done."));
    let world =
        World::new(Plan { script, members: &["ann"], tools: &["conversation_search"], ..Plan::default() }).await;
    world.send("hello").await;
    let log = world.store().log(0, 10_000).await.unwrap();
    let stops: Vec<_> = log
        .iter()
        .filter_map(|entry| if let Change::StepFinished(step) = &entry.change { step.stop } else { None })
        .collect();
    assert_eq!(stops, [Stop::Calls, Stop::End]);
    world.close().await;
}
