//! A provider's slot is held while the model works, and what a step reads is what holds when it gets the slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Agent, Change, Commit, Group, GroupId, ManagerType, RunId, Sleeptime};
use nightdesk::testing::engine::protocol::{Phase, Recipient, Reply, Request};
use nightdesk::testing::store::{Lane, Observer};
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
            groups.push(world.job(&id).await.group().unwrap().clone());
        }
    }
    groups
}

/// Twelve jobs of one group, of which eight run and end one after the other, and one of a small group that is due.
async fn crowded(plan: Plan) -> (World, GroupId) {
    let background = &["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"];
    // Slots that are free at once are taken by tasks that claim in any order.
    let each = background.iter().zip(60_000..).map(|(name, ms)| When::agent(name).text("done").first_delay_ms(ms));
    let script = Script::of(each).otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], background, every_turns: Some(1), ..plan };
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
    let (world, small) = crowded(Plan::default()).await;
    world.jobs_over(13).await;
    assert_eq!(claimed(&world).await.iter().position(|group| *group == small), Some(8));
    world.close().await;
}

/// Lets others take a step around every call of the store, and so many of them between the commit that ends a job and
/// the end of its task, which frees the slot.
struct Lingering {
    steps: u32,
    ended: AtomicBool,
}

impl Observer for Lingering {
    fn commit(&self, _lane: Lane, commit: &Commit) {
        let ends = |change: &Change| matches!(change, Change::JobMoved { to, .. } if to.is_final());
        self.ended.store(commit.changes.iter().any(ends), Ordering::Relaxed);
    }

    fn yields(&self) -> u32 {
        if self.ended.swap(false, Ordering::Relaxed) { self.steps } else { 1 }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_free_during_a_look_is_given_by_the_next() {
    for steps in (10..60).step_by(10) {
        let observer: Arc<dyn Observer> = Arc::new(Lingering { steps, ended: AtomicBool::new(false) });
        let (world, small) = crowded(Plan { observer: Some(observer), yields: None, ..Plan::default() }).await;
        world.when(async |world| (claimed(world).await.len() > 8).then_some(())).await;
        assert_eq!(claimed(&world).await[8], small, "{steps} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_free_at_once_go_round_the_groups() {
    let (world, small) = crowded(Plan::default()).await;
    let world = world.restart().await;
    world.when(async |world| (claimed(world).await.len() >= 16).then_some(())).await;
    assert!(claimed(&world).await[8..16].contains(&small), "{:?}", claimed(&world).await);
    world.jobs_over(13).await;
    world.close().await;
}
