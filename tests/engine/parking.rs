//! A step that needs a person parks its run: rows, no task; and a person may call anything off.

use std::sync::Arc;
use std::time::Duration;

use crate::support::script::{Script, When};
use futures::future::BoxFuture;
use nightdesk::testing::domain::{Content, PendingKind, Rule, RunState, StopReason};
use nightdesk::testing::engine::protocol::{Phase, Recipient, Reply, Request};
use nightdesk::testing::llm::{PromptMessage, ToolSpec};
use nightdesk::testing::tools::{Tool, ToolContext, ToolOutcome, ToolRegistry};
use serde_json::{Value, json};

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, story};

/// A tool a person decides on.
struct AskPerson;

impl Tool for AskPerson {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "ask_person".to_owned(),
            description: "Ask the person at the desk.".to_owned(),
            schema: json!({"type": "object", "properties": {"question": {"type": "string"}}}),
        }
    }

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async { ToolOutcome::done("It is done.") })
    }
}

/// A tool that falls over.
struct Broken;

impl Tool for Broken {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "ask_person".to_owned(), description: String::new(), schema: json!({"type": "object"}) }
    }

    fn call<'a>(&'a self, _: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            "half done".clone_into(&mut desk.blocks[0].value);
            panic!("the tool falls over")
        })
    }
}

fn asking() -> Script {
    Script::of([When::agent("ann")
        .step(1)
        .text("I have to ask.")
        .inserts("story", "- asked")
        .call("ask_person", json!({ "question": "May I?" }))
        .inserts("story", "- behind")])
    .otherwise("{agent} speaks")
}

pub fn asks() -> Plan {
    let toolbox = ToolRegistry::default().with(Arc::new(AskPerson));
    let rules = vec![Rule::RequiresApproval { tool_name: "ask_person".to_owned() }];
    Plan { script: asking(), members: &["ann", "bob"], toolbox, rules, ..Plan::default() }
}

#[tokio::test(start_paused = true)]
async fn line_numbers_of_calls_behind_a_wait_count_the_edits_before_it_and_no_others() {
    let insert = |line: i64, text: &str| json!({ "label": "story", "new_str": text, "insert_line": line });
    let script = Script::of([When::agent("ann")
        .step(1)
        .call("memory_insert", insert(1, "X"))
        .call("ask_person", json!({ "question": "May I?" }))
        .call("memory_insert", insert(3, "Y"))])
    .otherwise("{agent} speaks");
    for others in ["", "others above\n"] {
        let world = World::new(Plan { script: script.clone(), ..asks() }).await;
        world.edit(|_| "one\ntwo\nthree\nfour".to_owned()).await;
        let run = world.post("go on").await;
        world.in_state(&run, RunState::Parked).await;
        world.edit(|value| format!("{others}{value}")).await;
        let call = world.overview().await.calls.into_iter().find(|call| call.kind == PendingKind::Approval).unwrap();
        let (step, ordinal) = (call.step, call.ordinal);
        let yes = Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() };
        world.ask(yes).await.unwrap();
        world.finished(&run).await;
        assert_eq!(world.block(&story()).await.value, format!("{others}one\nX\ntwo\nY\nthree\nfour"));
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_needs_a_person_parks_the_run_over_a_restart_until_it_is_answered() {
    let world = World::new(asks()).await;
    let run = world.post("go on").await;
    world.in_state(&run, RunState::Parked).await;
    world.idle().await;
    let world = world.restart_after(Duration::from_hours(20)).await;
    world.idle().await;
    assert_eq!(world.in_state(&run, RunState::Parked).await.steps, 1);
    assert_eq!(world.asked().len(), 1, "nothing is asked while it waits");
    assert_eq!(world.block(&story()).await.version, 2, "what came before the wait is committed");
    let waiting: Vec<_> =
        world.overview().await.calls.into_iter().filter(|call| call.kind == PendingKind::Approval).collect();
    let [call] = &waiting[..] else { panic!("{waiting:?}") };
    assert_eq!((call.name.as_str(), call.ordinal), ("ask_person", 1));

    let answer = |text: &str| Request::Decide {
        step: call.step.clone(),
        ordinal: call.ordinal,
        approve: true,
        for_run: false,
        reason: text.to_owned(),
    };
    world.ask(answer("You may.")).await.unwrap();
    let fault = world.ask(answer("You may not.")).await.unwrap_err();
    assert!(fault.text.contains("answered already"), "{fault}");
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    let expected = [
        "user: go on",
        "ann: I have to ask.",
        "ann memory_insert ok: Block story, version 2, 54 of 20000 characters; lines 1 to 3 now read:",
        "ann ask_person ok: It is done.",
        "ann memory_insert ok: Block story, version 3, 63 of 20000 characters; lines 1 to 4 now read:",
        "ann: ann speaks",
        "bob: bob speaks",
    ];
    assert_eq!(world.transcript().await, expected);

    let asked = world.asked_of("ann");
    let told = &asked[1].entries;
    let PromptMessage::Assistant { calls, .. } = &told[1] else { panic!("{told:?}") };
    let made: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    let results: Vec<&str> = told
        .iter()
        .filter_map(|entry| if let PromptMessage::ToolResult { call, .. } = entry { Some(call.as_str()) } else { None })
        .collect();
    assert_eq!(made, ["call-ann-1-1-1", "call-ann-1-1-2", "call-ann-1-1-3"]);
    assert_eq!(made, results, "every call has exactly one result");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_keeps_its_agent_over_a_restart_and_a_cancel_gives_it_back() {
    let world = World::new(asks()).await;
    let run = world.post("go on").await;
    world.in_state(&run, RunState::Parked).await;
    let world = world.restart_after(Duration::from_mins(1)).await;
    let to = Recipient::Agent(agent_id("ann"));
    let sent = world.ask(Request::Send { to, text: "and here?".to_owned() }).await.unwrap();
    let Reply::Sent { run: talk, .. } = sent else { panic!("{sent:?}") };
    let queued = async |world: &World| {
        let children = world.store().runs_of(&talk).await.unwrap();
        children.first().filter(|child| child.state == RunState::Queued).map(|_| ())
    };
    world.when(queued).await;
    assert_eq!(world.asked().len(), 1, "ann waits for a person and speaks nowhere else");
    world.cancel().await;
    world.in_state(&talk, RunState::Parked).await;
    assert_eq!(world.asked_of("ann").len(), 2, "it is ann's turn to ask in the other conversation");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_parks_twice_gives_each_call_its_own_answer() {
    let script =
        Script::of([When::agent("ann").step(3).text("Thank you."), When::agent("ann").call("ask_person", json!({}))]);
    let world = World::new(Plan { script, members: &["ann"], ..asks() }).await;
    let run = world.post("go on").await;
    let mut before = None;
    for (approve, text) in [(true, "first"), (false, "second")] {
        let next = async |world: &World| {
            let calls = world.overview().await.calls;
            calls.into_iter().find(|call| call.is_open() && Some(&call.step) != before.as_ref())
        };
        let call = world.when(next).await;
        world.in_state(&run, RunState::Parked).await;
        let (step, ordinal) = (call.step.clone(), call.ordinal);
        world.ask(Request::Decide { step, ordinal, approve, for_run: false, reason: text.to_owned() }).await.unwrap();
        before = Some(call.step);
    }
    world.finished(&run).await;
    let expected = [
        "user: go on",
        "ann ask_person ok: It is done.",
        "ann ask_person refused: not called: the user said no: second",
        "ann: Thank you.",
    ];
    assert_eq!(world.transcript().await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_person_is_told_and_a_message_meanwhile_queues() {
    let world = World::new(asks()).await;
    let run = world.post("go on").await;
    world.in_state(&run, RunState::Parked).await;
    let queued = world.post("and then?").await;
    world.idle().await;
    assert_eq!(world.in_state(&queued, RunState::Queued).await.turn, 2);
    let call = world.overview().await.calls.into_iter().find(|call| call.name == "ask_person").unwrap();
    let (step, ordinal) = (call.step, call.ordinal);
    world
        .ask(Request::Decide { step, ordinal, approve: false, for_run: false, reason: "No.".to_owned() })
        .await
        .unwrap();
    world.finished(&run).await;
    let lines = world.transcript().await;
    assert!(lines.contains(&"ann ask_person refused: not called: the user said no: No.".to_owned()), "{lines:?}");
    world.in_state(&queued, RunState::Parked).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_can_be_cancelled_and_its_answer_is_refused_then() {
    let world = World::new(asks()).await;
    let run = world.post("go on").await;
    world.in_state(&run, RunState::Parked).await;
    world.idle().await;
    let call = world.overview().await.calls.into_iter().find(|call| call.name == "ask_person").unwrap();
    assert_eq!(world.cancel().await, (true, vec![]));
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    let (step, ordinal) = (call.step, call.ordinal);
    let fault = world
        .ask(Request::Decide { step, ordinal, approve: true, for_run: false, reason: "Yes".to_owned() })
        .await
        .unwrap_err();
    assert!(fault.text.contains("no longer waits for"), "{fault}");
    assert!(world.overview().await.runs.is_empty());
    world.send("@bob and you?").await;
    world.close().await;
}

fn slow() -> Script {
    Script::of([]).or(When::any().text("one two three four ").chunk(4).delay_ms(1_000))
}

#[tokio::test(start_paused = true)]
async fn a_cancel_keeps_the_partial_text_and_gives_queued_texts_back() {
    let world = World::new(Plan { script: slow(), members: &["ann", "bob"], ..Plan::default() }).await;
    let run = world.post("talk").await;
    let queued = [world.post("later").await, world.post("latest").await];
    world.live(|live| live.text.contains("two")).await;
    assert_eq!(world.cancel().await, (true, vec!["later".to_owned(), "latest".to_owned()]));
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    for run in queued {
        assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    }
    assert_eq!(world.transcript().await, ["user: talk", "ann: one two  [cancelled]"]);
    assert!(world.overview().await.runs.is_empty(), "nothing is left running");
    world.send("@bob go on").await;
    let told = &world.asked_of("bob")[0].entries;
    let words = PromptMessage::User { by: Some("ann".to_owned()), text: "one two ".to_owned() };
    let note = PromptMessage::System { text: "Here ann was interrupted by the user.".to_owned() };
    assert!(told.windows(2).any(|pair| pair == [words.clone(), note.clone()]), "{told:?}");
    world.send("@ann go on").await;
    let asked = world.asked_of("ann");
    let told = &asked.last().unwrap().entries;
    let words = PromptMessage::Assistant { text: "one two ".to_owned(), calls: Vec::new() };
    let note = PromptMessage::System { text: "Here you were interrupted by the user.".to_owned() };
    assert!(told.windows(2).any(|pair| pair == [words.clone(), note.clone()]), "{told:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_between_steps_during_a_retry_and_in_a_tool_ends_the_speech_too() {
    let script = Script::of([
        When::any().turn(1).status_retry_after(429, 20),
        When::any().turn(2).first_delay_ms(1_000).inserts("story", "- more"),
    ]);
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    let run = world.post("talk").await;
    world.live(|live| matches!(live.phase, Phase::Retrying { .. })).await;
    assert!(world.cancel().await.0);
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    let lines = world.transcript().await;
    assert!(lines.last().is_some_and(|line| line.contains("cancelled before ann answered")), "{lines:?}");

    let run = world.post("work").await;
    world.when(async |world| (world.block(&story()).await.version == 3).then_some(())).await;
    assert!(world.cancel().await.0);
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    let children = world.store().runs_of(&run).await.unwrap();
    assert!(children.iter().all(nightdesk::testing::domain::Run::is_finished), "{children:?}");
    assert_eq!(world.cancel().await, (false, vec![]), "nothing is left to cancel");
    let lines = world.transcript().await;
    assert!(lines.last().is_some_and(|line| line.contains("cancelled before ann had finished")), "{lines:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_the_agent_speaks_elsewhere_ends_what_queues_for_it() {
    let world = World::new(Plan { script: slow(), members: &["ann"], ..Plan::default() }).await;
    let run = world.post("talk").await;
    world.speaking("ann").await;
    let to = nightdesk::testing::engine::protocol::Recipient::Agent(crate::support::engine_harness::agent_id("ann"));
    let sent = world.ask(Request::Send { to, text: "just you".to_owned() }).await.unwrap();
    let nightdesk::testing::engine::protocol::Reply::Sent { run: direct, conversation, .. } = sent else {
        panic!("{sent:?}")
    };
    world.when(async |world| world.store().runs_of(&direct).await.unwrap().into_iter().next()).await;
    world.ask(Request::Cancel { conversation }).await.unwrap();
    assert_eq!(stop(&world.finished(&direct).await), StopReason::Cancelled);
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns, "the other talk goes on");
    let children = world.store().runs_of(&direct).await.unwrap();
    assert!(children.iter().all(nightdesk::testing::domain::Run::is_finished), "{children:?}");
    world.send("once more").await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_panics_fails_its_call_and_leaves_nothing_half_done() {
    let toolbox = ToolRegistry::default().with(Arc::new(Broken));
    let world = World::new(Plan { toolbox, rules: Vec::new(), ..asks() }).await;
    let run = world.send("go on").await;
    assert_eq!(stop(&run), StopReason::MaxTurns);
    let talk = world.conversation().await.id;
    let messages = world.messages(&talk).await;
    let failed = messages.iter().find(|message| matches!(message.content, Content::Tool { ok: false, .. })).unwrap();
    assert!(failed.text().contains("failed inside"), "{failed:?}");
    let block = world.block(&story()).await;
    assert!(block.value.ends_with("- asked\n- behind"), "{}", block.value);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_the_step_waits_for_its_provider_ends_the_speech_too() {
    let plan = Plan { script: slow(), members: &["ann", "bob"], max_parallel: 1, ..Plan::default() };
    let world = World::new(plan).await;
    let to = nightdesk::testing::engine::protocol::Recipient::Agent(crate::support::engine_harness::agent_id("bob"));
    let sent = world.ask(Request::Send { to, text: "just you".to_owned() }).await.unwrap();
    let nightdesk::testing::engine::protocol::Reply::Sent { run: direct, .. } = sent else { panic!("{sent:?}") };
    world.speaking("bob").await;
    let run = world.post("@ann and you?").await;
    world.live(|live| live.name == "ann" && live.phase == Phase::Waiting).await;
    assert!(world.cancel().await.0);
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    let children = world.store().runs_of(&run).await.unwrap();
    assert!(children.iter().all(nightdesk::testing::domain::Run::is_finished), "{children:?}");
    assert!(world.asked_of("ann").is_empty());
    let lines = world.transcript().await;
    assert_eq!(lines.last().map(String::as_str), Some("(cancelled before ann answered)"), "{lines:?}");
    world.finished(&direct).await;
    world.send("@ann now?").await;
    world.close().await;
}
