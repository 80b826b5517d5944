//! Requests about care of the store: a task now, and what jobs left long ago.

use crate::config::LEAST_AGE;
use crate::domain::{CareTask, CauseKind, Job, JobId};
use crate::engine::protocol::{Reply, RequestError};
use crate::engine::{Engine, care};

impl Engine {
    /// Makes a job of this task now, whether it has a schedule or not.
    pub(super) async fn run_care(&self, task: CareTask) -> Result<Reply, RequestError> {
        let cause = CauseKind::Person { instruction: None };
        let change = self.joined(Job::of_care(JobId::fresh(self.store.ids()), task, cause)).await?;
        self.queue(change).await
    }

    /// Removes what jobs left that ended so many seconds ago.
    pub(super) async fn clear_jobs(&self, completed: Option<u32>, others: Option<u32>) -> Result<Reply, RequestError> {
        check_ages(completed, others)?;
        let expiry = care::cutoffs(self.store.clock().now(), completed, others);
        Ok(Reply::Expired(care::remove(self, expiry, &Self::asker(), None).await?))
    }
}

/// Rejects ages at which tokens still count in the budgets of the day.
fn check_ages(completed: Option<u32>, others: Option<u32>) -> Result<(), RequestError> {
    if completed.into_iter().chain(others).all(|age| age >= LEAST_AGE) {
        return Ok(());
    }
    Err(RequestError::new("what jobs left can go a day after they ended: their tokens count in the budgets of the day"))
}
