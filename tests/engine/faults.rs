//! Faults of models: retried by class, told, and never half committed.

use std::time::Duration;

use nightdesk::domain::{RunState, StopReason};
use nightdesk::engine::wire::{Phase, Update};

use crate::stop;
use crate::world::{Plan, World, story};

async fn told(script: &'static str) -> World {
    let world = World::new(Plan { script, ..Plan::default() }).await;
    world.send("hello").await;
    world
}

#[tokio::test(start_paused = true)]
async fn transient_faults_are_retried_in_their_time_and_leave_no_trace_but_a_count() {
    let world = told(
        r#"
[[reply]]
agent = "ann"
attempt = 1
fault = { kind = "status", status = 429, retry_after = 7 }
[[reply]]
agent = "ann"
attempt = 2
fault = { kind = "status", status = 500 }
[[reply]]
agent = "ann"
attempt = 3
text = "half an answer"
fault = { kind = "cut", after_chars = 6 }
[default]
text = "{agent} speaks"
"#,
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
    let script = r#"
[[reply]]
agent = "ann"
attempt = 1
text = "half an answer"
chunk = 5
delay_ms = 100
fault = { kind = "cut", after_chars = 10 }
[default]
text = "{agent} speaks"
chunk = 4
delay_ms = 100
"#;
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    let mut following = world.handle.follow(0).await.unwrap();
    let run = world.post("hello").await;
    let (mut screen, mut screens) = (String::new(), Vec::new());
    let mut retries = Vec::new();
    while world.store().row::<nightdesk::domain::Run>(run.as_str()).await.unwrap().unwrap().state == RunState::Running {
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
    let world = told(
        "[[reply]]\nagent = \"bob\"\ntext = \"half\"\nfault = { kind = \"cut\", after_chars = 4 }\n\
         [default]\ntext = \"{agent} speaks\"\n",
    )
    .await;
    assert_eq!(world.asked_of("bob").len(), 4, "three retries");
    let lines = world.transcript().await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[2].starts_with("(bob could not answer: "), "{lines:?}");
    assert_eq!((lines[1].as_str(), lines[3].as_str()), ("ann: ann speaks", "cid: cid speaks"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_words_is_shown_as_a_refusal_and_the_others_speak_on() {
    let script = "[[reply]]\nagent = \"ann\"\ntext = \"I cannot help.\"\nfault = { kind = \"refused\" }\n\
                  [default]\ntext = \"fine\"\n";
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
    for (fault, part) in [
        ("{ kind = \"status\", status = 401 }", "key"),
        ("{ kind = \"status\", status = 400 }", "400"),
        ("{ kind = \"refused\" }", "refused"),
        ("{ kind = \"status\", status = 429, retry_after = 60 }", "429"),
    ] {
        // A refusal in words is told in these words.
        let text = if part == "refused" { "" } else { "x" };
        let script =
            format!("[[reply]]\nagent = \"ann\"\ntext = \"{text}\"\nfault = {fault}\n[default]\ntext = \"fine\"\n");
        let world = told(script.leak()).await;
        assert_eq!(world.asked_of("ann").len(), 1, "{fault}");
        let lines = world.transcript().await;
        assert!(lines[1].starts_with("(ann could not answer: ") && lines[1].contains(part), "{lines:?}");
        assert_eq!(lines[2..], ["bob: fine", "cid: fine"]);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_after_its_time_out() {
    for (after, seconds) in [(0, 120), (4, 60)] {
        let script = format!(
            "[[reply]]\nagent = \"ann\"\ntext = \"half an answer\"\nchunk = 4\n\
             fault = {{ kind = \"hang\", after_chars = {after} }}\n[default]\ntext = \"fine\"\n"
        );
        let world = World::new(Plan { script: script.leak(), ..Plan::default() }).await;
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
        r#"
[[reply]]
agent = "ann"
step = 1
attempt = 1
text = "I note it."
fault = { kind = "malformed" }
[[reply.call]]
name = "memory_insert"
arguments = { label = "story", new_str = "- half" }
[default]
text = "fine"
"#,
    )
    .await;
    assert_eq!(world.block(&story()).await.version, 1);
    assert_eq!(world.transcript().await, ["user: hello", "ann: fine", "bob: fine", "cid: fine"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_in_which_nobody_could_answer_fails() {
    let world =
        World::new(Plan { script: "[default]\nfault = { kind = \"status\", status = 401 }\n", ..Plan::default() })
            .await;
    let run = world.send("hello").await;
    let error = Some("nobody could answer".to_owned());
    assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::Error, error });
    assert_eq!(world.conversation().await.turns, 0, "a turn counts when a step of it committed");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn max_steps_ends_a_speech_with_a_notice_and_the_pattern_goes_on() {
    let script = r#"
[[reply]]
agent = "ann"
[[reply.call]]
name = "memory_insert"
arguments = { label = "story", new_str = "- more" }
[default]
text = "fine"
"#;
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
    let script = r#"
[[reply]]
agent = "ann"
step = 1
text = "Let me see."
[[reply.call]]
name = "rm_rf"
[[reply.call]]
name = "memory_insert"
arguments = { label = "nowhere", new_str = "x" }
[[reply.call]]
name = "memory_insert"
arguments = { label = "story" }
[[reply]]
agent = "ann"
step = 2
text = "Enough."
[[reply.call]]
name = "pass"
[[reply.call]]
name = "memory_insert"
arguments = { label = "story", new_str = "- late" }
"#;
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
