//! An uncommitted step: its parts, the known outcomes of its calls, their results.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::domain::group::DEFAULT_MAX_ROUNDS;
use crate::domain::{BlockId, Change, PendingCall, PendingKind, Step, StepId};
use crate::engine::{Engine, EngineError, context};
use crate::llm::ToolCall;
use crate::store::StepInput;
use crate::tools::access::AccessGrant;
use crate::tools::delegate::Delegation;
use crate::tools::{OutgoingMail, StagedBlock, ToolOutcome};

/// A step to commit: a new model answer, or the pending calls of a parked step.
pub(super) struct StagedStep {
    pub(super) step: StepId,
    /// The step's row; `None` if already committed.
    pub(super) row: Option<Step>,
    pub(super) text: String,
    pub(super) reasoning: String,
    /// Why a fallback model answered; `None` if that is told already.
    pub(super) fallback: Option<String>,
    /// Why the text is cut; `None` if complete.
    pub(super) incomplete: Option<String>,
    /// True if the model paused mid-answer.
    pub(super) paused: bool,
    pub(super) calls: Vec<ToolCall>,
    /// True if the model that made them runs on this machine.
    pub(super) local: bool,
    /// The ordinal of the first of these calls.
    pub(super) first: u32,
    /// Approvals and results known before the calls run, by ordinal.
    pub(super) known: BTreeMap<u32, CallResolution>,
    /// The commit's first changes.
    pub(super) begin: Vec<Change>,
    /// The block values the model saw.
    pub(super) shown: Vec<(BlockId, String)>,
    pub(super) may: Permissions,
    /// The end of the step's time: calls that are not done by then are refused.
    pub(super) until: Instant,
}

impl StagedStep {
    /// Returns the ordinal of `calls[at]`.
    pub(super) fn ordinal(&self, at: usize) -> u32 {
        self.first + u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// A decision made before a call runs.
pub(super) enum CallResolution {
    /// The user approved.
    Approved,
    /// It already has a result.
    Result(ToolOutcome),
}

/// The agent's delegation and approval rights.
pub(super) struct Permissions {
    pub(super) delegate: Delegation,
    /// Tools approved for the whole run.
    pub(super) granted: BTreeSet<String>,
}

impl Permissions {
    /// Derives them from the run's committed calls, so they survive waits and restarts.
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

/// The results of a step's calls.
#[derive(Default)]
pub(super) struct CallResults {
    /// One per call, up to the first wait.
    pub(super) effects: Vec<ToolOutcome>,
    /// Mail sent without waiting, with its call's ordinal.
    pub(super) posts: Vec<(u32, OutgoingMail)>,
    /// The staged blocks.
    pub(super) blocks: Vec<StagedBlock>,
    /// Access given and taken.
    pub(super) grants: Vec<AccessGrant>,
    /// The edits of each block: the ordinals of the calls, and the tool of the last one.
    pub(super) edits: BTreeMap<BlockId, (Vec<u32>, String)>,
}
