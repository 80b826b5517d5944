//! The engine's promises about turns, speeches and steps, on the scripted model and a paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot get fails it")]

#[path = "support/world.rs"]
mod world;

#[path = "engine/approving.rs"]
mod approving;
#[path = "engine/blocks.rs"]
mod blocks;
#[path = "engine/delegating.rs"]
mod delegating;
#[path = "engine/dynamic.rs"]
mod dynamic;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/following.rs"]
mod following;
#[path = "engine/mail.rs"]
mod mail;
#[path = "engine/parking.rs"]
mod parking;
#[path = "engine/replies.rs"]
mod replies;
#[path = "engine/restarting.rs"]
mod restarting;
#[path = "engine/roster.rs"]
mod roster;
#[path = "engine/speaking.rs"]
mod speaking;
#[path = "engine/terminating.rs"]
mod terminating;

use nightdesk::domain::{Run, RunState, StopReason};

/// The stop reason of a run that is over.
fn stop(run: &Run) -> StopReason {
    match &run.state {
        RunState::Finished { stop_reason, .. } => *stop_reason,
        other => panic!("it is {other:?}"),
    }
}
