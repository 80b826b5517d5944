//! A step before its commit: what it is made of, what is known of its calls, what they came to.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::group::DEFAULT_MAX_ROUNDS;
use crate::domain::{BlockId, Change, PendingCall, PendingKind, Step, StepId};
use crate::engine::{Engine, EngineError, context};
use crate::llm::ToolCall;
use crate::store::StepInput;
use crate::tools::delegate::Delegation;
use crate::tools::{OutgoingMail, StagedBlock, ToolOutcome};

/// A step to be committed: one the model has just answered, or the calls of one that waited.
pub(super) struct StagedStep {
    pub(super) step: StepId,
    /// The step's row; `None` when it was committed before its calls waited.
    pub(super) row: Option<Step>,
    pub(super) text: String,
    pub(super) reasoning: String,
    /// Why the text is not all that would have been said.
    pub(super) incomplete: Option<String>,
    /// The model paused and is to be asked to go on.
    pub(super) paused: bool,
    pub(super) calls: Vec<ToolCall>,
    /// The place in the step of the first of these calls.
    pub(super) first: u32,
    /// What is known of calls by their place: they were decided on, or answered.
    pub(super) known: BTreeMap<u32, CallResolution>,
    /// What comes first in the commit.
    pub(super) begin: Vec<Change>,
    /// The blocks' values as the model was shown them.
    pub(super) shown: Vec<(BlockId, String)>,
    pub(super) may: Permissions,
}

impl StagedStep {
    /// The place in its step of one of the calls here.
    pub(super) fn ordinal(&self, at: usize) -> u32 {
        self.first + u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// What is known of a call before it is made.
pub(super) enum CallResolution {
    /// A person said yes.
    Approved,
    /// It has its result already.
    Result(ToolOutcome),
}

/// What the agent may do in this step beyond having a tool.
pub(super) struct Permissions {
    pub(super) delegate: Delegation,
    /// Tools a person said yes to for the whole run.
    pub(super) granted: BTreeSet<String>,
}

impl Permissions {
    /// Derived from the calls the run has waited on, so that a wait and a restart forget nothing.
    pub(super) async fn know(engine: &Engine, view: &StepInput) -> Result<Self, EngineError> {
        let manages = context::manages(view);
        let mut may = Self { delegate: Delegation::No, granted: BTreeSet::new() };
        if !manages && view.agent.rules.is_empty() {
            return Ok(may);
        }
        let calls = engine.store.calls(&view.run.id).await?;
        let yes = |call: &&PendingCall| call.answer.as_ref().is_some_and(|answer| answer.ok && answer.for_run);
        let asked = calls.iter().filter(|call| call.kind == PendingKind::Approval);
        may.granted = asked.filter(yes).map(|call| call.name.clone()).collect();
        if let Some(group) = view.group.as_ref().filter(|_| manages) {
            let most = group.max_rounds.unwrap_or(DEFAULT_MAX_ROUNDS);
            let rounds = calls.iter().filter(|call| call.kind == PendingKind::Workers).count();
            may.delegate = if rounds < most as usize { Delegation::Open } else { Delegation::Spent(most) };
        }
        Ok(may)
    }
}

/// What the calls of a step came to.
pub(super) struct CallResults {
    /// One effect a call, up to the first that waits.
    pub(super) effects: Vec<ToolOutcome>,
    /// Mail that is sent and not waited for, by the place of its call.
    pub(super) posts: Vec<(u32, OutgoingMail)>,
    /// The blocks as staged.
    pub(super) blocks: Vec<StagedBlock>,
}
