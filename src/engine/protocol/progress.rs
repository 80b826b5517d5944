//! How far a follower has come: where it goes on after its connection was interrupted.

use std::collections::BTreeSet;

use super::Update;
use crate::domain::StepId;

/// The position of a follower.
#[derive(Debug, Clone)]
pub struct Progress {
    cursor: u64,
    /// Steps of which live updates came and that are not over.
    showing: BTreeSet<StepId>,
}

impl Progress {
    /// The position of a follower that has received everything up to change number `after`.
    #[must_use]
    pub fn new(after: u64) -> Self {
        Self { cursor: after, showing: BTreeSet::new() }
    }

    /// The number of the change after which to follow again.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Takes note of an update that was received.
    pub fn note(&mut self, update: &Update) {
        match update {
            Update::Committed { upto, .. } => self.cursor = *upto,
            Update::Live(live) => {
                self.showing.insert(live.step.clone());
            }
            Update::Over { step } => {
                self.showing.remove(step);
            }
            Update::Trouble { .. } => {}
        }
    }

    /// The updates that end the live text shown so far: whoever is followed next tells it anew, if it goes on.
    pub fn interrupt(&mut self) -> impl Iterator<Item = Update> + use<> {
        std::mem::take(&mut self.showing).into_iter().map(|step| Update::Over { step })
    }
}
