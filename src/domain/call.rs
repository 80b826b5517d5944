//! Calls: what agents have called, once each call has its result.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentId, GroupId, Run, RunId, StepId};

/// One tool call with its result. Insert-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The run it was made in.
    pub run: RunId,
    /// The step that made it.
    pub step: StepId,
    /// Its index among the step's calls, from 0.
    pub ordinal: u32,
    /// The agent.
    pub agent: AgentId,
    /// The group of the run, if any.
    pub group: Option<GroupId>,
    /// The tool.
    pub tool: String,
    /// False if it was refused, failed or was never run.
    pub ok: bool,
    /// When its result was committed.
    pub at: Timestamp,
}

impl Call {
    /// A call of this run's agent, made at `place`: the step and the index in it.
    #[must_use]
    pub fn new(run: &Run, agent: &AgentId, place: (&StepId, u32), tool: &str, ok: bool) -> Self {
        Self {
            run: run.id.clone(),
            step: place.0.clone(),
            ordinal: place.1,
            agent: agent.clone(),
            group: run.group().cloned(),
            tool: tool.to_owned(),
            ok,
            at: Timestamp::UNIX_EPOCH,
        }
    }
}
