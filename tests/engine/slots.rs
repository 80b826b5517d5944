//! A provider's slot is held while the model works, and what a step reads is what holds when it gets the slot.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Agent, Change, Group, GroupId, ManagerType, RunId, Sleeptime};
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

/// The groups of the jobs in the order in which they were claimed.
async fn claimed(world: &World) -> Vec<GroupId> {
    let log = world.store().log(0, usize::MAX >> 1).await.unwrap();
    let mut groups = Vec::new();
    for logged in log {
        if let Change::JobClaimed { id, .. } = logged.change {
            groups.push(world.job(&id).await.group);
        }
    }
    groups
}

/// Twelve jobs of one group, of which eight run, and one of a small group that is due.
async fn crowded() -> (World, GroupId) {
    let script = Script::of([When::in_job().text("done").first_delay_ms(60_000)]).otherwise("{agent} speaks");
    let background = &["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"];
    let plan = Plan { script, members: &["ann"], background, every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    let ann: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let small = GroupId::from("group-small");
    let hire = |name: &str| {
        let (id, name, group) = (agent_id(name), name.to_owned(), small.clone());
        Change::AgentPut(Agent { id, name, group, ..ann.clone() })
    };
    let policy = Sleeptime { every_turns: Some(1), ..Sleeptime::new(vec![agent_id("eve")]) };
    let group = Group {
        members: vec![agent_id("dee")],
        sleeptime: Some(policy),
        ..Group::new(small.clone(), "small", ManagerType::RoundRobin)
    };
    world.apply(vec![hire("dee"), hire("eve"), Change::GroupPut(group)]).await.unwrap();
    world.send("hello").await;
    world.when(async |world| (claimed(world).await.len() == 8).then_some(())).await;
    let to = Recipient::Group(small.clone());
    let Reply::Sent { run, .. } = world.ask(Request::Send { to, text: "hello".to_owned() }).await.unwrap() else {
        panic!("it was not sent")
    };
    world.finished(&run).await;
    assert_eq!(claimed(&world).await.len(), 8, "the large group has all slots");
    (world, small)
}

#[tokio::test(start_paused = true)]
async fn the_next_free_slot_is_of_the_group_with_the_fewest_running_jobs() {
    let (world, small) = crowded().await;
    world.jobs_over(13).await;
    assert_eq!(claimed(&world).await.iter().position(|group| *group == small), Some(8));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_free_at_once_go_round_the_groups() {
    let (world, small) = crowded().await;
    let world = world.restart().await;
    world.when(async |world| (claimed(world).await.len() >= 16).then_some(())).await;
    assert!(claimed(&world).await[8..16].contains(&small), "{:?}", claimed(&world).await);
    world.jobs_over(13).await;
    world.close().await;
}
