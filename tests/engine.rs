//! The engine's promises: turns, speeches, steps, jobs and mail on the scripted model and a paused clock; the real
//! adapters against a server on this machine; the program ended at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "what a test cannot get fails it")]

#[path = "support"]
mod support {
    pub mod child;
    pub mod coverage;
    pub mod engine_harness;
    pub mod fold;
    pub mod invariants;
    pub mod kill;
    pub mod misbehaviour;
    pub mod order;
    pub mod script;
    pub mod valid;
    pub mod wire;
}

#[path = "engine/access.rs"]
mod access;
#[path = "engine/approving.rs"]
mod approving;
#[path = "engine/block_changes.rs"]
mod block_changes;
#[path = "engine/blocks.rs"]
mod blocks;
#[path = "engine/bounds.rs"]
mod bounds;
#[path = "engine/budgets.rs"]
mod budgets;
#[path = "engine/care.rs"]
mod care;
#[path = "engine/clocks.rs"]
mod clocks;
#[path = "engine/crash.rs"]
mod crash;
#[path = "engine/crash_campaign.rs"]
mod crash_campaign;
#[path = "engine/crash_jobs.rs"]
mod crash_jobs;
#[path = "engine/crash_waiting.rs"]
mod crash_waiting;
#[path = "engine/delegating.rs"]
mod delegating;
#[path = "engine/dynamic.rs"]
mod dynamic;
#[path = "engine/edits.rs"]
mod edits;
#[path = "engine/errors.rs"]
mod errors;
#[path = "engine/fallback.rs"]
mod fallback;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/figures.rs"]
mod figures;
#[path = "engine/fitting.rs"]
mod fitting;
#[path = "engine/following.rs"]
mod following;
#[path = "engine/isolation.rs"]
mod isolation;
#[path = "engine/jobs.rs"]
mod jobs;
#[path = "engine/lanes.rs"]
mod lanes;
#[path = "engine/lost_updates.rs"]
mod lost_updates;
#[path = "engine/mail.rs"]
mod mail;
#[path = "engine/occasions.rs"]
mod occasions;
#[path = "engine/owners.rs"]
mod owners;
#[path = "engine/parking.rs"]
mod parking;
#[path = "engine/providers.rs"]
mod providers;
#[path = "engine/races.rs"]
mod races;
#[path = "engine/registry.rs"]
mod registry;
#[path = "engine/replies.rs"]
mod replies;
#[path = "engine/restarting.rs"]
mod restarting;
#[path = "engine/resting.rs"]
mod resting;
#[path = "engine/roster.rs"]
mod roster;
#[path = "engine/roster_undo.rs"]
mod roster_undo;
#[path = "engine/schedules.rs"]
mod schedules;
#[path = "engine/slots.rs"]
mod slots;
#[path = "engine/socket.rs"]
mod socket;
#[path = "engine/sources.rs"]
mod sources;
#[path = "engine/speaking.rs"]
mod speaking;
#[path = "engine/terminating.rs"]
mod terminating;
#[path = "engine/tools.rs"]
mod tools;
#[path = "engine/triggers.rs"]
mod triggers;
#[path = "engine/wire_campaign.rs"]
mod wire_campaign;
#[path = "engine/wire_conversation.rs"]
mod wire_conversation;
#[path = "engine/wire_faults.rs"]
mod wire_faults;
#[path = "engine/wire_patterns.rs"]
mod wire_patterns;
#[path = "engine/wire_window.rs"]
mod wire_window;

use nightdesk::testing::domain::{Run, RunState, StopReason};

/// The stop reason of a run that is over.
fn stop(run: &Run) -> StopReason {
    match &run.state {
        RunState::Finished { stop_reason, .. } => *stop_reason,
        other => panic!("it is {other:?}"),
    }
}
