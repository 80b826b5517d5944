//! The engine's promises about turns, speeches and steps, on the scripted model and a paused clock.

#[allow(dead_code)]
#[path = "support/world.rs"]
mod world;

use nightdesk::domain::{RunState, StopReason};
use world::{Plan, World};

#[tokio::test(start_paused = true)]
async fn round_robin_of_three_answers_in_order() {
    let world = World::new(Plan::default()).await;
    let run = world.send("hello").await;
    assert_eq!(
        world.transcript().await,
        [
            "user: hello",
            "ann: ann heard hello",
            "bob: bob heard ann heard hello",
            "cid: cid heard bob heard ann heard hello"
        ]
    );
    assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::MaxTurns, error: None });
}
