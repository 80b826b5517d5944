//! The engine ends at any moment, and another goes on where the pattern stopped.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Content, NoticeKind, RunState, StopReason};

use crate::stop;
use crate::support::engine_harness::{Plan, World, story};

fn script() -> Script {
    Script::of([When::agent("bob").step(1).text("I note that.").chunk(4).delay_ms(500).inserts("story", "- noted")])
        .or(When::any().text("{agent} heard {last}").chunk(4).delay_ms(500))
}

async fn resumed(world: &World) -> usize {
    let messages = world.messages(&world.conversation().await.id).await;
    let resumed = |content: &Content| matches!(content, Content::Notice { notice: NoticeKind::Resumed, .. });
    messages.iter().filter(|message| resumed(&message.content)).count()
}

#[tokio::test(start_paused = true)]
async fn a_turn_goes_on_after_a_restart_as_if_nothing_had_been() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    world.send("hello").await;
    let (expected, block) = (world.transcript().await, world.block(&story()).await.value);
    world.close().await;
    for speaker in ["ann", "bob", "cid"] {
        let world = World::new(Plan { script: script(), ..Plan::default() }).await;
        let run = world.post("hello").await;
        world.speaking(speaker).await;
        let world = world.restart_after(Duration::from_mins(2)).await;
        assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
        assert_eq!(world.transcript().await, expected, "ended while {speaker} spoke");
        assert_eq!(world.block(&story()).await.value, block);
        assert_eq!(resumed(&world).await, 1, "it says so");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_restarts_in_one_turn_lose_and_double_nothing() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    world.send("hello").await;
    let expected = world.transcript().await;
    world.close().await;
    let mut world = World::new(Plan { script: script(), ..Plan::default() }).await;
    let run = world.post("hello").await;
    for speaker in ["ann", "ann", "bob", "bob", "cid"] {
        world.speaking(speaker).await;
        world = world.restart().await;
    }
    world.finished(&run).await;
    assert_eq!(world.transcript().await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_unfinished_for_more_than_a_quarter_of_an_hour_ends_interrupted_and_what_queues_goes_on() {
    let world = World::new(Plan { script: script(), members: &["ann"], ..Plan::default() }).await;
    let run = world.post("hello").await;
    let queued = world.post("still there?").await;
    world.speaking("ann").await;
    let world = world.restart_after(Duration::from_mins(16)).await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::Interrupted);
    assert!(world.store().runs_of(&run).await.unwrap().iter().all(nightdesk::testing::domain::Run::is_finished));
    assert_eq!(stop(&world.finished(&queued).await), StopReason::MaxTurns);
    let expected = [
        "user: hello",
        "(interrupted when the program ended; say it again to go on)",
        "user: still there?",
        "ann: ann heard still there?",
    ];
    assert_eq!(world.transcript().await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_turn_stays_queued_over_a_restart() {
    let world = World::new(Plan { script: script(), members: &["ann"], ..Plan::default() }).await;
    let first = world.post("one").await;
    let second = world.post("two").await;
    let world = world.restart().await;
    assert_eq!(world.in_state(&second, RunState::Queued).await.queued.as_deref(), Some("two"));
    world.finished(&first).await;
    world.finished(&second).await;
    assert_eq!(world.transcript().await, ["user: one", "ann: ann heard one", "user: two", "ann: ann heard two"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_overview_has_the_last_turn_of_each_conversation_also_after_a_restart() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    world.send("hello").await;
    let last = world.send("once more").await;
    assert_eq!(world.overview().await.last_turns, std::slice::from_ref(&last));
    let world = world.restart().await;
    assert_eq!(world.overview().await.last_turns, std::slice::from_ref(&last));
    assert!(last.tokens > 0, "its figures are in the row");
    world.close().await;
}
