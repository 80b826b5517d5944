//! A run that is being worked on in this program, and how such work ends.

use tokio_util::sync::CancellationToken;

use super::gates::Side;
use super::{Engine, Trouble};
use crate::domain::{
    Actor, AgentId, Change, Commit, Job, JobId, JobOutcome, JobState, Rest, RunId, RunState, StopReason,
};
use crate::llm::ModelError;
use crate::store::Lane;

/// Whose steps are made, and what calls them off.
#[derive(Debug, Clone)]
pub struct Work {
    /// The speech's or job's run.
    pub run: RunId,
    /// The turn that waits when the speech does; none for a worker, whose manager waits already.
    pub turn: Option<RunId>,
    /// The job and the fence it is held under.
    pub job: Option<(JobId, u64)>,
    /// A person called it off.
    pub cancel: CancellationToken,
    /// The foreground wants its place.
    pub give_way: CancellationToken,
    /// Attempts of a job before this one.
    pub attempts_before: u32,
    /// It makes way for the foreground: a job, and a speech that answers mail a job sent.
    pub yields: bool,
}

impl Work {
    /// A speech nobody else waits with.
    #[must_use]
    pub fn of_speech(run: RunId, cancel: &CancellationToken) -> Self {
        let give_way = CancellationToken::new();
        Self { run, turn: None, job: None, cancel: cancel.clone(), give_way, attempts_before: 0, yields: false }
    }

    /// True for a job.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.job.is_some()
    }

    /// The lane its commits take.
    #[must_use]
    pub fn lane(&self) -> Lane {
        if self.is_background() { Lane::Background } else { Lane::Foreground }
    }

    /// How it asks for a place.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.yields { Side::Background(self.give_way.clone()) } else { Side::Foreground }
    }

    /// Who makes its commits.
    #[must_use]
    pub fn actor(&self, agent: &AgentId) -> Actor {
        Actor::Agent { agent: agent.clone(), run: self.run.clone() }
    }

    /// The run's end.
    #[must_use]
    pub fn finish(&self, stop_reason: StopReason, error: Option<String>) -> Vec<Change> {
        vec![Change::RunMoved { id: self.run.clone(), to: RunState::Finished { stop_reason, error } }]
    }

    /// Commits changes of a run that is running, as its agent; returns `Finished` where the run is over already.
    pub(super) async fn commit(
        &self,
        engine: &Engine,
        agent: &AgentId,
        changes: Vec<Change>,
        outcome: Outcome,
    ) -> Result<Outcome, Trouble> {
        let commit = Commit::new(self.actor(agent), changes).on(Rest::RunRunning(self.run.clone()));
        match engine.commit(self.lane(), commit).await {
            Ok(_) => Ok(outcome),
            Err(Trouble::Moved) => Ok(Outcome::Finished),
            Err(other) => Err(other),
        }
    }
}

/// What completes a job with the step that makes so many edits.
#[must_use]
pub fn completed(job: &Job, edits: usize) -> Change {
    let changed = job.edits > 0 || edits > 0;
    let outcome = if changed { JobOutcome::Changed } else { JobOutcome::Unchanged };
    Change::JobMoved { id: job.id.clone(), to: JobState::Completed { outcome } }
}

/// How a unit of work ends: a model call, a step, a speech, a choice, the steps of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is committed, and the run goes on with another step.
    Continue,
    /// It is committed and its run is over, or was over already.
    Finished,
    /// It is committed and its run waits for somebody.
    Parked,
    /// The foreground wanted its agent or its provider's slot. Nothing is committed; it is to be made again later.
    Preempted,
    /// A person cancelled it. What a speech said until then is committed.
    Cancelled,
    /// No model answer could be had. Nothing is committed.
    Failed(ModelError),
}
