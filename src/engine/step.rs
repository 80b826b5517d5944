//! One step: a snapshot, a model call, the calls that need nobody else, one commit.
//!
//! Killed at any instant, the step has happened wholly or not at all. Where a block it edited has moved on, its
//! calls are run again on current values and committed again, without asking the model.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::work::{Outcome, RunContext};
use super::{Engine, EngineError, call, context};
use crate::store::StepInput;

mod calls;
mod commit;
mod draft;
mod resume;

use draft::{Permissions, StagedStep};
pub use resume::resume;

/// Makes steps until one of them ends the work, with the calls of the step it is parked on first.
pub async fn run(engine: &Engine, work: &RunContext, parked: bool) -> Result<Outcome, EngineError> {
    let mut outcome = if parked { resume(engine, work).await? } else { run_step(engine, work).await? };
    while outcome == Outcome::Continue || outcome == Outcome::Preempted && !work.yields {
        outcome = run_step(engine, work).await?;
    }
    Ok(outcome)
}

/// Makes the next step of this work.
pub async fn run_step(engine: &Engine, work: &RunContext) -> Result<Outcome, EngineError> {
    let mut view = match call::snapshot(engine, work).await? {
        ControlFlow::Continue(view) => view,
        ControlFlow::Break(outcome) => return Ok(outcome),
    };
    let prompt = |view: &StepInput, model: &str, attempt| {
        context::prompt(view, model, engine.tools.specs(&context::tool_names(view)), attempt)
    };
    let answered = match call::ask(engine, work, &mut view, prompt).await? {
        ControlFlow::Continue(answered) => answered,
        ControlFlow::Break(outcome) => return Ok(outcome),
    };
    let draft = StagedStep {
        step: answered.step.id.clone(),
        row: Some(answered.step),
        text: answered.text,
        reasoning: answered.reasoning,
        incomplete: answered.incomplete,
        paused: answered.paused,
        calls: answered.calls,
        first: 0,
        known: BTreeMap::new(),
        begin: Vec::new(),
        shown: view.blocks.iter().map(|block| (block.id.clone(), block.value.clone())).collect(),
        may: Permissions::know(engine, &view).await?,
    };
    calls::commit(engine, work, view, draft, &answered.live).await
}
