//! One step: a snapshot, a model call, the calls that need no wait, one commit.
//!
//! A step is atomic: a crash leaves all of it or nothing. If a block it edited has changed meanwhile, its calls
//! are run again on current values and committed, without a model call.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::context::PromptRequest;
use super::work::{Outcome, RunContext};
use super::{Engine, EngineError, call, context};
use crate::store::StepInput;

mod calls;
mod commit;
mod draft;
mod resume;

use draft::{Permissions, StagedStep};
pub use resume::resume;

/// Runs steps until one ends the work; a parked run first resumes its pending calls.
pub async fn run(engine: &Engine, work: &RunContext, parked: bool) -> Result<Outcome, EngineError> {
    let mut outcome = if parked { resume(engine, work).await? } else { run_step(engine, work).await? };
    while outcome == Outcome::Continue || outcome == Outcome::Preempted && !work.yields {
        outcome = run_step(engine, work).await?;
    }
    Ok(outcome)
}

/// Runs the next step.
pub async fn run_step(engine: &Engine, work: &RunContext) -> Result<Outcome, EngineError> {
    let mut view = match call::snapshot(engine, work).await? {
        ControlFlow::Continue(view) => view,
        ControlFlow::Break(outcome) => return Ok(outcome),
    };
    let prompt = |view: &StepInput, request: &PromptRequest<'_>| {
        context::prompt(view, request, engine.tools.specs(&context::tool_names(view)))
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
        fallback: answered.fallback,
        incomplete: answered.incomplete,
        paused: answered.paused,
        calls: answered.calls,
        local: answered.local,
        first: 0,
        known: BTreeMap::new(),
        begin: Vec::new(),
        shown: view.blocks.iter().map(|block| (block.id.clone(), block.value.clone())).collect(),
        may: Permissions::know(engine, &view).await?,
        until: answered.until,
    };
    calls::commit(engine, work, view, draft, &answered.live).await
}
