//! A tool that does not answer: it is stopped in its time, by a cancel, and by the foreground.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use nightdesk::testing::domain::{Content, StopReason};
use nightdesk::testing::engine::protocol::{AgentForm, Phase, Recipient, Reply, Request};
use nightdesk::testing::llm::ToolSpec;
use nightdesk::testing::tools::{Tool, ToolContext, ToolOutcome, ToolRegistry};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, story};
use crate::support::script::{Script, When};

/// Edits the first block and never answers.
struct Hangs;

impl Tool for Hangs {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "hangs".to_owned(), description: String::new(), schema: json!({"type": "object"}) }
    }

    fn call<'a>(&'a self, _: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async {
            if let Some(block) = desk.blocks.first_mut() {
                block.value.push_str("\n- half");
                block.edited_by = Some("hangs".to_owned());
            }
            std::future::pending().await
        })
    }
}

fn plan(first: When) -> Plan {
    Plan {
        script: Script::of([first.step(1).call("hangs", json!({}))]).otherwise("{agent} speaks"),
        members: &["ann", "bob"],
        tools: &["hangs"],
        toolbox: ToolRegistry::default().with(Arc::new(Hangs)),
        ..Plan::default()
    }
}

async fn direct(world: &World, name: &str) -> Duration {
    let start = Instant::now();
    let to = Recipient::Agent(agent_id(name));
    let Reply::Sent { run, .. } = world.ask(Request::Send { to, text: "hi".to_owned() }).await.unwrap() else {
        panic!("it is not sent")
    };
    assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    start.elapsed()
}

async fn hanging(world: &World, name: &str) {
    world.live(|live| live.name == name && matches!(&live.phase, Phase::Calling { tool } if tool == "hangs")).await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_does_not_answer_in_its_time_is_refused_and_the_agent_goes_on() {
    let world = World::new(plan(When::agent("ann"))).await;
    let start = Instant::now();
    let run = world.post("go").await;
    hanging(&world, "ann").await;
    assert_eq!(direct(&world, "bob").await, Duration::ZERO, "others are answered meanwhile");
    world.finished(&run).await;
    assert_eq!(start.elapsed().as_secs(), 60);
    let lines = world.transcript().await;
    assert_eq!(lines[1], "ann hangs refused: hangs was stopped: it did not answer within 60 s");
    assert_eq!(lines[2..], ["ann: ann speaks", "bob: bob speaks"]);
    assert_eq!(world.block(&story()).await.version, 1, "what it had done by then is undone");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn how_long_a_tool_may_take_is_a_setting_of_its_agent() {
    let world = World::new(plan(When::agent("ann"))).await;
    let form = AgentForm::default().set("tool_seconds", 5_u32);
    world.ask(Request::UpdateAgent { id: agent_id("ann"), form: Box::new(form) }).await.unwrap();
    let start = Instant::now();
    world.send("go").await;
    assert_eq!(start.elapsed().as_secs(), 5);
    let lines = world.transcript().await;
    assert_eq!(lines[1], "ann hangs refused: hangs was stopped: it did not answer within 5 s");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_a_tool_at_once_and_its_call_has_a_result() {
    let world = World::new(plan(When::agent("ann"))).await;
    let run = world.post("go").await;
    hanging(&world, "ann").await;
    let start = Instant::now();
    world.cancel().await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let lines = world.transcript().await;
    assert_eq!(lines[1], "ann hangs refused: hangs was stopped: the run is cancelled");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_of_a_job_makes_way_for_a_message_to_its_agent() {
    let plan = Plan { background: &["zoe"], every_turns: Some(1), ..plan(When::in_job()) };
    let world = World::new(plan).await;
    world.send("go").await;
    hanging(&world, "zoe").await;
    let took = direct(&world, "zoe").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    world.job_over().await;
    world.close().await;
}

/// Answers with more than anybody can read.
struct Floods;

impl Tool for Floods {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "hangs".to_owned(), description: String::new(), schema: json!({"type": "object"}) }
    }

    fn return_char_limit(&self) -> usize {
        1_000
    }

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async { ToolOutcome::done(format!("BEGIN {} END", "é".repeat(4 * Floods.return_char_limit()))) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_longer_than_the_limit_of_its_tool_is_kept_with_head_and_tail() {
    let toolbox = ToolRegistry::default().with(Arc::new(Floods));
    let world = World::new(Plan { toolbox, ..plan(When::agent("ann")) }).await;
    world.send("go").await;
    let messages = world.messages(&world.conversation().await.id).await;
    let Content::Tool { text, .. } = &messages[1].content else { panic!("{messages:?}") };
    assert!(text.starts_with("BEGIN é") && text.ends_with("é END"), "its head and its tail stay");
    assert!(text.contains("characters are left out here"));
    assert!(text.chars().count() < Floods.return_char_limit() + 100, "{}", text.chars().count());
    world.close().await;
}
