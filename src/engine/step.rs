//! One step: a snapshot, a model call, the calls that need nobody else, one commit.
//!
//! Killed at any instant, the step has happened wholly or not at all. Where a block it edited has moved on, its
//! calls are run again on current values and committed again, without asking the model.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::work::{Outcome, Work};
use super::{Engine, Trouble, call, context};
use crate::store::StepInput;

mod calls;
mod commit;
mod draft;
mod resume;

use draft::{Draft, May};
pub use resume::resume;

/// Makes steps until one of them ends the work, with the calls of the step it is parked on first.
pub async fn run(engine: &Engine, work: &Work, parked: bool) -> Result<Outcome, Trouble> {
    let mut outcome = if parked { resume(engine, work).await? } else { make(engine, work).await? };
    while outcome == Outcome::Continue || outcome == Outcome::Preempted && !work.yields {
        outcome = make(engine, work).await?;
    }
    Ok(outcome)
}

/// Makes the next step of this work.
pub async fn make(engine: &Engine, work: &Work) -> Result<Outcome, Trouble> {
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
    let draft = Draft {
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
        may: May::know(engine, &view).await?,
    };
    calls::commit(engine, work, view, draft, &answered.live).await
}
