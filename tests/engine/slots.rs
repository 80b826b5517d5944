//! A provider's slot is held while the model works, and what a step reads is what holds when it gets the slot.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::RunId;
use nightdesk::testing::engine::protocol::{Phase, Recipient, Reply, Request};
use tokio::time::Instant;

use crate::support::engine_harness::{Plan, World, agent_id};

async fn post_to(world: &World, agent: &str, text: &str) -> RunId {
    let to = Recipient::Agent(agent_id(agent));
    match world.ask(Request::Send { to, text: text.to_owned() }).await.unwrap() {
        Reply::Sent { run, .. } => run,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_next_try_leaves_its_slot_to_others() {
    let script = Script::of([When::agent("ann").attempt(1).status_retry_after(503, 20)])
        .or(When::any().text("{agent} speaks").first_delay_ms(1_000));
    let world = World::new(Plan { script, max_parallel: 1, ..Plan::default() }).await;
    let start = Instant::now();
    let ann = post_to(&world, "ann", "hello").await;
    world.live(|live| matches!(live.phase, Phase::Retrying { .. })).await;
    let bob = post_to(&world, "bob", "hello").await;
    world.finished(&bob).await;
    assert_eq!(start.elapsed().as_secs(), 1, "the slot is free while ann's call waits");
    world.finished(&ann).await;
    assert_eq!(start.elapsed().as_secs(), 21);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_a_step_waited_for_its_slot_is_in_its_prompt() {
    let script = Script::of([
        When::agent("bob").attempt(1).contains("try").status_retry_after(503, 2),
        When::agent("cid").text("cid speaks").first_delay_ms(20_000),
    ])
    .otherwise("{agent} speaks");
    let world = World::new(Plan { script, max_parallel: 1, ..Plan::default() }).await;
    let seen = |world: &World, agent: &str| format!("{:?}", world.asked_of(agent).pop().unwrap());

    let slow = post_to(&world, "cid", "hello").await;
    world.when(async |world| (!world.asked_of("cid").is_empty()).then_some(())).await;
    let ann = world.post("hello").await;
    world.live(|live| live.name == "ann").await;
    world.edit(|value| format!("{value}\n- moved to May")).await;
    world.finished(&ann).await;
    world.finished(&slow).await;
    assert!(seen(&world, "ann").contains("moved to May"), "{}", seen(&world, "ann"));

    // The same between two tries.
    let bob = post_to(&world, "bob", "try").await;
    world.live(|live| matches!(live.phase, Phase::Retrying { .. })).await;
    let slow = post_to(&world, "cid", "again").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.edit(|value| format!("{value}\n- or June")).await;
    world.finished(&bob).await;
    world.finished(&slow).await;
    assert!(seen(&world, "bob").contains("or June"), "{}", seen(&world, "bob"));
    world.close().await;
}
