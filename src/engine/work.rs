//! A run in progress in this program, and how it ends.

use tokio_util::sync::CancellationToken;

use super::limits::Priority;
use super::{Engine, EngineError};
use crate::domain::budget::Spent;
use crate::domain::{
    Actor, AgentId, Change, Commit, Job, JobId, JobOutcome, JobState, Precondition, Run, RunId, RunState, StopReason,
};
use crate::llm::ModelError;
use crate::store::{Lane, StepInput};

/// The run whose steps are being made, with its cancellation.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The speech's or job's run.
    pub run: RunId,
    /// The turn that parks with the speech; `None` for a worker, whose manager is parked already, and for a job.
    pub turn: Option<RunId>,
    /// The job and the fence it is claimed under; `None` for a speech.
    pub job: Option<(JobId, u64)>,
    /// Cancelled when a person cancels the run.
    pub cancel: CancellationToken,
    /// Cancelled when the foreground needs the agent or the provider's slot.
    pub preempt: CancellationToken,
    /// Earlier attempts of the job; 0 for a speech.
    pub attempts_before: u32,
    /// True if the foreground preempts it: a job, and a speech that answers mail of a job.
    pub yields: bool,
}

impl RunContext {
    /// A foreground speech with which no turn parks.
    #[must_use]
    pub fn of_speech(run: RunId, cancel: &CancellationToken) -> Self {
        let preempt = CancellationToken::new();
        Self { run, turn: None, job: None, cancel: cancel.clone(), preempt, attempts_before: 0, yields: false }
    }

    /// True for a job.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.job.is_some()
    }

    /// The lane of its commits.
    #[must_use]
    pub fn lane(&self) -> Lane {
        if self.is_background() { Lane::Background } else { Lane::Foreground }
    }

    /// The priority with which it takes places.
    #[must_use]
    pub fn side(&self) -> Priority {
        if self.yields { Priority::Background(self.preempt.clone()) } else { Priority::Foreground }
    }

    /// The actor of its commits.
    #[must_use]
    pub fn actor(&self, agent: &AgentId) -> Actor {
        Actor::Agent { agent: agent.clone(), run: self.run.clone() }
    }

    /// The change that finishes the run.
    #[must_use]
    pub fn finish(&self, stop_reason: StopReason, error: Option<String>) -> Vec<Change> {
        vec![Change::RunMoved { id: self.run.clone(), to: RunState::Finished { stop_reason, error } }]
    }

    /// Commits `changes` as the agent and returns `outcome`; returns `Finished` without committing if the run is no
    /// longer where `view` shows it.
    pub(super) async fn commit(
        &self,
        engine: &Engine,
        view: &StepInput,
        changes: Vec<Change>,
        outcome: Outcome,
    ) -> Result<Outcome, EngineError> {
        let commit = Commit::new(self.actor(&view.agent.id), changes).requiring(Precondition::run(&view.run));
        match engine.commit(self.lane(), commit).await {
            Ok(_) => Ok(outcome),
            Err(EngineError::Moved) => Ok(Outcome::Finished),
            Err(other) => Err(other),
        }
    }
}

/// The change that completes a job with a step that makes `edits` block edits.
#[must_use]
pub fn completed(job: &Job, edits: usize) -> Change {
    let changed = job.edits > 0 || edits > 0;
    let outcome = if changed { JobOutcome::Changed } else { JobOutcome::Unchanged };
    Change::JobMoved { id: job.id.clone(), to: JobState::Completed { outcome } }
}

/// How a unit of work ends: a model call, a step, a speech, a choice, the steps of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Committed; the run continues with another step.
    Continue,
    /// Committed and its run has finished, or the run had finished before.
    Finished,
    /// Committed; its run has finished, and so has the turn it is a part of.
    TurnEnded,
    /// Committed; its run has finished, and this one has begun as the next part of the turn.
    Followed(Box<Run>),
    /// Committed; the run waits for a person or other agents.
    Parked,
    /// The foreground needed its agent or its provider's slot. Nothing is committed; the unit is repeated later.
    Preempted,
    /// A budget of the day is used up, so that its job waits. Nothing is committed.
    Postponed(Spent),
    /// A person cancelled it. Text that a speech streamed before that is committed.
    Cancelled,
    /// The model call failed for good. Nothing is committed.
    Failed(ModelError),
}
