//! The two lanes of commits and reads: what a person waits for, and the rest.
//!
//! Reads of the foreground run in their callers, so they never wait for a read of the background. Reads of the
//! background share one thread; each ends early when nobody waits for its result any more.

use crate::domain::Commit;

/// The priority of a commit or a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A person waits for it.
    Foreground,
    /// A commit that runs when no foreground commit waits; a read that may take long.
    Background,
}

/// The lane of a handle's reads, as a type: a function that takes a [`Store`](super::Store)`<Background>` cannot hold up
/// a step or the screen.
pub trait ReadLane: Send + Sync + 'static {
    /// The lane.
    const LANE: Lane;
}

/// The lane of steps and the screen: queries that read what they return, by an index.
#[derive(Debug, Clone, Copy)]
pub struct Foreground;

/// The lane of searches, overviews, checks and job histories.
#[derive(Debug, Clone, Copy)]
pub struct Background;

impl ReadLane for Foreground {
    const LANE: Lane = Lane::Foreground;
}

impl ReadLane for Background {
    const LANE: Lane = Lane::Background;
}

/// Sees commits and reads before they run. Tests use it to hold a lane, to see what goes through it, and to let other
/// tasks run at every call of the store.
pub trait Observer: Send + Sync {
    /// A commit is about to be queued.
    fn commit(&self, _lane: Lane, _commit: &Commit) {}

    /// A read is about to run, on the thread that runs it.
    fn read(&self, _lane: Lane) {}

    /// How many times the caller of a commit or a read lets other tasks run; asked before and after each.
    fn yields(&self) -> u32 {
        0
    }
}

/// Lets other tasks run, as often as the observer says.
pub(super) async fn let_others_run(observer: &dyn Observer) {
    for _ in 0..observer.yields() {
        tokio::task::yield_now().await;
    }
}

/// Does nothing.
pub(super) struct Unobserved;

impl Observer for Unobserved {}
