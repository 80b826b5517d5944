//! What happens after an error that is no model's, decided in one place.
//!
//! An error of the store is waited out: it is told once, and the work is tried again with growing delays. Any other
//! error is of one row, or a rule refuses what was tried: it would come again, so it fails the speech, turn or job it
//! belongs to with its sentence, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::domain::state::Row;
use crate::domain::{Agent, AgentId, Conflict, RunId};
use crate::store::{CommitError, StoreError};

/// First delay before work is tried again after an error of the store.
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// First delay after other commits came first several times in a row.
const FIRST_DELAY_AFTER_OTHERS: Duration = Duration::from_millis(100);
/// The delay doubles with each failure, up to this.
const LONGEST_DELAY: Duration = Duration::from_mins(2);
/// Most sentences that are remembered as told.
const MOST_TOLD: usize = 1_000;

/// Why the engine could not continue an operation.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A precondition of the commit no longer held: another commit came first.
    #[error("another commit came first")]
    Moved,
    /// The current state does not allow the commit; the text says why.
    #[error("{0}")]
    Refused(String),
}

impl From<CommitError> for EngineError {
    fn from(fault: CommitError) -> Self {
        match fault {
            CommitError::Conflict(Conflict::Refused { text }) => Self::Refused(text),
            CommitError::Conflict(_) => Self::Moved,
            CommitError::Store(fault) => Self::Store(fault),
        }
    }
}

impl EngineError {
    /// True when the same work can succeed later: the store does not work, or another commit came first. False for an
    /// unreadable row and a refusal.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Store(StoreError::Row { .. }) | Self::Refused(_) => false,
            Self::Store(_) | Self::Moved => true,
        }
    }

    /// True when this program can never write again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Store(StoreError::NotOwner | StoreError::Uprooted { .. }))
    }
}

/// What was told of errors, so that each is told once.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The errors of the store that work waits for, with the number of waiters.
    waited_out: Mutex<BTreeMap<String, usize>>,
    /// The errors of single items.
    of_items: Mutex<BTreeSet<String>>,
}

/// The tries of one piece of work while the store fails.
pub(super) struct Retries<'a> {
    engine: &'a Engine,
    failed: u32,
    waits_for: Option<String>,
}

impl<'a> Retries<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self { engine, failed: 0, waits_for: None }
    }

    /// Tells the error, unless work already waits for the same. Returns the delay before the next try.
    pub(super) fn failed(&mut self, trouble: &EngineError) -> Duration {
        let sentence = trouble.to_string();
        if self.waits_for.as_ref() != Some(&sentence) {
            self.release();
            let waiters = {
                let mut told = self.engine.told.waited_out.lock().unwrap_or_else(PoisonError::into_inner);
                let waiters = told.entry(sentence.clone()).or_default();
                *waiters += 1;
                *waiters
            };
            self.waits_for = Some(sentence);
            match trouble {
                EngineError::Moved => tracing::info!("{trouble}; again"),
                _ if waiters == 1 => self.engine.report(trouble),
                _ => {}
            }
        }
        let first = if matches!(trouble, EngineError::Moved) { FIRST_DELAY_AFTER_OTHERS } else { FIRST_DELAY };
        let delay = first.saturating_mul(1u32.checked_shl(self.failed).unwrap_or(u32::MAX)).min(LONGEST_DELAY);
        self.failed += 1;
        delay
    }

    /// Tells the error and waits until the next try.
    pub(super) async fn pause(&mut self, trouble: &EngineError) {
        let delay = self.failed(trouble);
        self.engine.store.clock().sleep(delay).await;
    }

    /// The work has succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failed = 0;
        self.release();
    }

    fn release(&mut self) {
        let Some(sentence) = self.waits_for.take() else { return };
        let mut told = self.engine.told.waited_out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiters) = told.get_mut(&sentence) {
            *waiters -= 1;
            if *waiters == 0 {
                told.remove(&sentence);
            }
        }
    }
}

impl Drop for Retries<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl Engine {
    /// The result of one item of several: an error of the store ends them all, any other is told once and is no matter
    /// of the others.
    pub(super) fn each<T>(
        &self,
        item: &str,
        result: Result<T, impl Into<EngineError>>,
    ) -> Result<Option<T>, EngineError> {
        match result.map_err(Into::into) {
            Ok(found) => Ok(Some(found)),
            Err(trouble) if trouble.is_temporary() => Err(trouble),
            Err(trouble) => {
                self.report_of(item, &trouble);
                Ok(None)
            }
        }
    }

    /// Tells an error of one item, once for as long as the program runs.
    pub(super) fn report_of(&self, item: &str, trouble: &EngineError) {
        let mut told = self.told.of_items.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST_TOLD {
            told.clear();
        }
        if told.insert(format!("{item}: {trouble}")) {
            self.report(trouble);
        }
    }

    /// Leaves a run or job alone until the program starts again: its end cannot be committed either.
    pub(super) async fn give_up(&self, item: &str, trouble: &EngineError) {
        self.report_of(item, trouble);
        let children = self.store.runs_of(&RunId::from(item)).await.unwrap_or_default();
        let mut tasks = self.lock_tasks();
        // What it keeps is free for others.
        tasks.kept.retain(|run, _| run.as_str() != item && !children.iter().any(|child| child.id == *run));
        tasks.given_up.insert(item.to_owned());
    }

    /// The row with this key; `None` if it does not exist or cannot be read.
    pub(super) async fn readable<T: Row + Send + 'static>(&self, key: &str) -> Result<Option<T>, StoreError> {
        match self.store.row(key).await {
            Err(fault @ StoreError::Row { .. }) => {
                tracing::warn!("{fault}");
                Ok(None)
            }
            other => other,
        }
    }

    /// The name of an agent; its id if its row is gone or cannot be read.
    pub(super) async fn agent_name(&self, id: &AgentId) -> Result<String, StoreError> {
        Ok(self.readable::<Agent>(id.as_str()).await?.map_or_else(|| id.to_string(), |agent| agent.name))
    }

    /// Logs an error of the engine and shows it to every subscriber. Stops if this program may not write any more.
    pub(super) fn report(&self, trouble: &EngineError) {
        if trouble.is_final() {
            let met = self.lost.set(trouble.to_string());
            self.stop.cancel();
            if met.is_err() {
                // Every task meets it; once is enough.
                return;
            }
        }
        tracing::error!("{trouble}");
        self.live.trouble(trouble.to_string());
    }
}
