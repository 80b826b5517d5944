//! Faults of models: retried by class, told, and never half committed.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{RunState, StopReason};
use nightdesk::testing::engine::protocol::{Phase, Update};
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, story};

async fn told(script: Script) -> World {
    let world = World::new(Plan { script, ..Plan::default() }).await;
    world.send("hello").await;
    world
}

#[tokio::test(start_paused = true)]
async fn transient_faults_are_retried_in_their_time_and_leave_no_trace_but_a_count() {
    let world = told(
        Script::of([
            When::agent("ann").attempt(1).status_retry_after(429, 7),
            When::agent("ann").attempt(2).status(500),
            When::agent("ann").attempt(3).text("half an answer").cut_after(6),
        ])
        .otherwise("{agent} speaks"),
    )
    .await;
    assert_eq!(world.transcript().await, ["user: hello", "ann: ann speaks", "bob: bob speaks", "cid: cid speaks"]);
    let waits = world.waits_of("ann");
    assert_eq!(waits.len(), 3);
    assert_eq!(waits[0].as_secs(), 7, "Retry-After is heeded: {waits:?}");
    assert!(waits[1] <= Duration::from_secs(1) && waits[2] <= Duration::from_secs(2), "{waits:?}");
    let ann = world.store().turn_runs().await.unwrap();
    assert!(ann.is_empty());
    let talk = world.conversation().await;
    let run = world.messages(&talk.id).await[0].run.clone().unwrap();
    let speech = world.store().runs_of(&run).await.unwrap().remove(0);
    let steps = world.store().steps(&speech.id).await.unwrap();
    assert_eq!(steps.iter().map(|step| step.retries).collect::<Vec<_>>(), [3]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_replaces_the_partial_text_on_screen() {
    let script =
        Script::of([When::agent("ann").attempt(1).text("half an answer").chunk(5).delay_ms(100).cut_after(10)])
            .or(When::any().text("{agent} speaks").chunk(4).delay_ms(100));
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    let mut following = world.handle.follow(0).await.unwrap();
    let run = world.post("hello").await;
    let (mut screen, mut screens) = (String::new(), Vec::new());
    let mut retries = Vec::new();
    while world.store().row::<nightdesk::testing::domain::Run>(run.as_str()).await.unwrap().unwrap().state
        == RunState::Running
    {
        match following.next().await.unwrap() {
            Update::Live(live) => {
                if let Phase::Retrying { text } = live.phase {
                    retries.push(text);
                }
                screen.push_str(&live.text);
            }
            Update::Over { .. } => screens.push(std::mem::take(&mut screen)),
            _ => {}
        }
    }
    screens.retain(|screen| !screen.is_empty());
    assert_eq!(screens.first().map(String::as_str), Some("half an an"));
    assert!("ann speaks".starts_with(&screen) || screens.get(1).is_some_and(|text| text == "ann speaks"));
    assert_eq!(retries.len(), 1);
    assert!(retries[0].contains("cut short") && retries[0].contains("2 of 4"), "{retries:?}");
    assert_eq!(world.transcript().await, ["user: hello", "ann: ann speaks"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_provider_of_one_member_leaves_the_others_their_answers() {
    let world = told(Script::of([When::agent("bob").text("half").cut_after(4)]).otherwise("{agent} speaks")).await;
    assert_eq!(world.asked_of("bob").len(), 4, "three retries");
    let lines = world.transcript().await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[2].starts_with("(bob could not answer: "), "{lines:?}");
    assert_eq!((lines[1].as_str(), lines[3].as_str()), ("ann: ann speaks", "cid: cid speaks"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_words_is_shown_as_a_refusal_and_the_others_speak_on() {
    let script = Script::of([When::agent("ann").text("I cannot help.").ends("refused")]).otherwise("fine");
    let world = told(script).await;
    let lines = world.transcript().await;
    assert_eq!(
        lines[1..],
        ["ann: I cannot help.", "(ann refused to answer, in these words)", "bob: fine", "cid: fine"]
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn terminal_faults_are_told_at_once() {
    let ann = || When::agent("ann").text("x");
    for (reply, part) in [
        (ann().status(401), "key"),
        (ann().status(400), "400"),
        // A refusal in words is told in these words: see above.
        (When::agent("ann").text("").ends("refused"), "refused"),
        (ann().status_retry_after(429, 60), "429"),
    ] {
        let world = told(Script::of([reply]).otherwise("fine")).await;
        assert_eq!(world.asked_of("ann").len(), 1, "{part}");
        let lines = world.transcript().await;
        assert!(lines[1].starts_with("(ann could not answer: ") && lines[1].contains(part), "{lines:?}");
        assert_eq!(lines[2..], ["bob: fine", "cid: fine"]);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_after_its_time_out() {
    for (after, seconds) in [(0, 120), (4, 60)] {
        let script =
            Script::of([When::agent("ann").text("half an answer").chunk(4).hang_after(after)]).otherwise("fine");
        let world = World::new(Plan { script, ..Plan::default() }).await;
        let start = tokio::time::Instant::now();
        world.send("hello").await;
        assert_eq!(start.elapsed().as_secs(), seconds);
        let lines = world.transcript().await;
        assert!(lines[1].contains(&format!("sent nothing for {seconds} s")), "{lines:?}");
        assert_eq!(lines[2..], ["bob: fine", "cid: fine"]);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_arguments_commit_nothing_of_their_step() {
    let world = told(
        Script::of([When::agent("ann")
            .step(1)
            .attempt(1)
            .text("I note it.")
            .inserts("story", "- half")
            .ends("malformed")])
        .otherwise("fine"),
    )
    .await;
    assert_eq!(world.block(&story()).await.version, 1);
    assert_eq!(world.transcript().await, ["user: hello", "ann: fine", "bob: fine", "cid: fine"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_in_which_nobody_could_answer_fails() {
    let world = World::new(Plan { script: Script::of([]).or(When::any().status(401)), ..Plan::default() }).await;
    let run = world.send("hello").await;
    let error = Some("nobody could answer".to_owned());
    assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::Error, error });
    assert_eq!(world.conversation().await.turns, 0, "a turn counts when a step of it committed");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn max_steps_ends_a_speech_with_a_notice_and_the_pattern_goes_on() {
    let script = Script::of([When::agent("ann").inserts("story", "- more")]).otherwise("fine");
    let world = World::new(Plan { script, max_steps: Some(3), ..Plan::default() }).await;
    let run = world.send("hello").await;
    assert_eq!(world.asked_of("ann").len(), 3);
    assert_eq!(world.block(&story()).await.version, 4, "committed steps stay");
    let lines = world.transcript().await;
    assert_eq!(lines[4..], ["(ann stopped after 3 steps, its limit (max_steps))", "bob: fine", "cid: fine"]);
    let speeches = world.store().runs_of(&run.id).await.unwrap();
    assert_eq!(stop(&speeches[0]), StopReason::MaxSteps);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_nobody_has_and_calls_after_the_end_get_their_refusals() {
    let script = Script::of([
        When::agent("ann")
            .step(1)
            .text("Let me see.")
            .call("rm_rf", json!({}))
            .inserts("nowhere", "x")
            .call("memory_insert", json!({ "label": "story" })),
        When::agent("ann").step(2).text("Enough.").passes().inserts("story", "- late"),
    ]);
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    world.send("hello").await;
    let lines = world.transcript().await;
    assert!(lines[2].starts_with("ann rm_rf refused: you have no tool \"rm_rf\""), "{lines:?}");
    assert!(lines[3].contains("you have no block \"nowhere\"; your blocks: story"), "{lines:?}");
    assert!(lines[4].contains("the arguments do not fit"), "{lines:?}");
    assert_eq!(lines[5], "ann: Enough.");
    assert_eq!(lines.last().map(String::as_str), Some("ann memory_insert refused: not called: you had finished"));
    assert_eq!(world.block(&story()).await.version, 1);
    world.close().await;
}
