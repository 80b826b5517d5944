//! Resumes a step parked on its calls.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::calls::commit;
use super::draft::{CallResolution, Permissions, StagedStep};
use crate::domain::text_edit::{Merge, merge};
use crate::domain::{Agent, BlockId, Change, MailStatus, PendingCall, PendingKind, RunState, Step, StepId, run};
use crate::engine::call::about;
use crate::engine::context::CONTEXT_BYTES;
use crate::engine::protocol::Phase;
use crate::engine::work::{Outcome, RunContext};
use crate::engine::{Engine, EngineError, pending, wait};
use crate::llm::{ModelError, STEP_TIMEOUT, ToolCall, marks};
use crate::store::StepInput;
use crate::tools::{RETURN_CHAR_LIMIT, ToolOutcome};

/// Resumes the pending calls of a parked run without a model call: answered calls take their result, approved calls
/// and those queued behind them run now. One of them may park the run again.
pub async fn resume(engine: &Engine, work: &RunContext) -> Result<Outcome, EngineError> {
    let view = engine.store.step_view(&work.run, CONTEXT_BYTES).await?;
    if view.run.state != RunState::Parked {
        return Ok(if view.run.state == RunState::Running { Outcome::Continue } else { Outcome::Finished });
    }
    let calls = engine.store.list_calls(&work.run).await?;
    // Without one of its calls, another would be taken for the one it waits on.
    if let Some(fault) = calls.faults.first() {
        return Ok(Outcome::Failed(ModelError::terminal(fault.to_string())));
    }
    let waited = pending::unprocessed(&calls.rows);
    let Some(first) = waited.first() else {
        return Ok(Outcome::Failed(ModelError::terminal("it waits, and the call it waits on is not there")));
    };
    let Some(row) = engine.store.steps(&work.run).await?.into_iter().find(|step| step.id == first.step) else {
        return Ok(Outcome::Failed(ModelError::terminal("the step whose call it waits on cannot be read")));
    };
    let mut known = BTreeMap::new();
    let mut begin = Vec::new();
    for call in &waited {
        let (step, ordinal) = (call.step.clone(), call.ordinal);
        match (call.kind, &call.answer) {
            (PendingKind::Approval, Some(answer)) if answer.ok => {
                known.insert(ordinal, CallResolution::Approved);
            }
            (PendingKind::Approval, Some(answer)) => {
                known.insert(ordinal, CallResolution::Result(denied(&answer.text)));
            }
            (PendingKind::Behind, _) => {
                let answer = run::CallResult { ok: true, text: String::new(), for_run: false, by: None };
                begin.push(Change::CallAnswered { step, ordinal, answer });
            }
            (_, Some(answer)) => {
                known.insert(
                    ordinal,
                    CallResolution::Result(ToolOutcome::Result { ok: answer.ok, text: answer.text.clone() }),
                );
            }
            (PendingKind::Approval | PendingKind::Group, None) => return Ok(Outcome::Parked),
            (PendingKind::Workers | PendingKind::Reply, None) => {
                // The caller's rows may be stale: check the store.
                if !wait::is_answered(engine, call).await? {
                    return Ok(Outcome::Parked);
                }
                let answer = wait::collect_results(engine, call, result_bytes(engine, &view.agent)).await?;
                known.insert(
                    ordinal,
                    CallResolution::Result(ToolOutcome::Result { ok: answer.ok, text: answer.text.clone() }),
                );
                begin.push(Change::CallAnswered { step, ordinal, answer });
                begin.extend(taken(engine, call).await?);
            }
        }
    }
    begin.push(Change::RunMoved { id: work.run.clone(), to: RunState::Running });
    if let Some(turn) = &work.turn
        && engine.must_run(turn).await?.state == RunState::Parked
    {
        begin.push(Change::RunMoved { id: turn.clone(), to: RunState::Running });
    }
    let live = engine.live.begin(StepId::fresh(engine.store.ids()), about(&view), Phase::Waiting);
    let draft = StagedStep {
        step: row.id.clone(),
        row: None,
        text: String::new(),
        reasoning: String::new(),
        fallback: None,
        incomplete: None,
        paused: false,
        calls: waited
            .iter()
            .map(|call| ToolCall { id: call.call.clone(), name: call.name.clone(), arguments: call.arguments.clone() })
            .collect(),
        local: engine.models.get(&row.model).is_ok_and(|model| model.local),
        first: first.ordinal,
        known,
        begin,
        shown: shown_to(engine, &view, &row).await?,
        may: Permissions::know(engine, &view).await?,
        until: Instant::now() + STEP_TIMEOUT,
    };
    commit(engine, work, view, draft, &live).await
}

/// Returns the most bytes of gathered answers that the agent's prompts show as one result.
fn result_bytes(engine: &Engine, agent: &Agent) -> usize {
    let named = agent.model.clone().unwrap_or_else(|| engine.default_model());
    let budget = engine.models.get(&named).map(|model| model.window.budget(agent.max_tokens));
    // Two bytes a token hold in every script.
    budget.map_or(RETURN_CHAR_LIMIT, |budget| RETURN_CHAR_LIMIT.min(budget.result() * 2))
}

fn denied(reason: &str) -> ToolOutcome {
    let reason = reason.trim();
    if reason.is_empty() {
        ToolOutcome::refused("not called: the user said no")
    } else {
        ToolOutcome::refused(format!("not called: the user said no: {}", marks::line(reason)))
    }
}

/// Marks the delivered replies to the call as read.
async fn taken(engine: &Engine, call: &PendingCall) -> Result<Vec<Change>, EngineError> {
    let mut read = Vec::new();
    if call.kind != PendingKind::Reply {
        return Ok(read);
    }
    for mail in pending::mails_of(engine, call).await? {
        let replies = pending::replies_to(engine, &mail).await?.into_iter();
        read.extend(replies.filter(|reply| reply.status == MailStatus::Delivered).map(|reply| Change::MailMoved {
            id: reply.id,
            to: MailStatus::Read,
            run: None,
            error: None,
        }));
    }
    Ok(read)
}

/// Most versions of a block that are searched for this step's own edits.
const VERSIONS: u64 = 1_000;

/// Returns the block values the model saw for these calls, with the edits that this step has committed since.
async fn shown_to(engine: &Engine, view: &StepInput, row: &Step) -> Result<Vec<(BlockId, String)>, EngineError> {
    let mut shown = Vec::new();
    for (id, version) in &row.saw {
        let Some(block) = view.blocks.iter().find(|block| block.id == *id) else { continue };
        if block.version == *version {
            shown.push((id.clone(), block.value.clone()));
            continue;
        }
        let Some(saw) = engine.store.revision(id, *version).await? else { continue };
        let mut own = saw.value;
        let newer = usize::try_from(block.version.saturating_sub(*version).min(VERSIONS)).unwrap_or(usize::MAX);
        for (_, _, edit) in engine.store.revisions(id, None, newer).await?.into_iter().rev() {
            if edit.step.as_ref() != Some(&row.id) {
                continue;
            }
            let Some(before) = engine.store.revision(id, edit.version - 1).await? else { continue };
            own = match merge(&before.value, &own, &edit.value) {
                Merge::Clean(both) => both,
                Merge::Clash(_) => edit.value,
            };
        }
        shown.push((id.clone(), own));
    }
    Ok(shown)
}
