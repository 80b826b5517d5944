//! One model call of a step: reads a snapshot, checks if the run ends, sends the prompt, reads the answer.

use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::context::CONTEXT_BYTES;
use super::limits::{Capacity, Permit};
use super::live::{LiveGuard, StepMeta};
use super::protocol::Phase;
use super::work::{self, Outcome, RunContext};
use super::{Engine, EngineError, termination};
use crate::domain::agent::DEFAULT_MAX_STEPS;
use crate::domain::{Change, Content, NoticeKind, RunState, Step, StepId, StopReason};
use crate::llm::{Delta, Done, ErrorClass, ModelError, ModelHandle, Prompt, Stop, ToolCall};
use crate::store::StepInput;

mod stop;

/// Maximum foreground attempts of a model call.
const FOREGROUND_TRIES: u32 = 4;
/// Maximum time of foreground retries.
const FOREGROUND_PATIENCE: Duration = Duration::from_secs(30);

/// A complete, uncommitted answer.
pub struct Answered {
    /// The row of its step.
    pub step: Step,
    /// The text.
    pub text: String,
    /// The reasoning; empty if none was sent.
    pub reasoning: String,
    /// Why the text is cut; `None` if complete.
    pub incomplete: Option<String>,
    /// True if the model paused mid-answer.
    pub paused: bool,
    /// The requested calls.
    pub calls: Vec<ToolCall>,
    /// Shows the step live until dropped.
    pub live: LiveGuard,
}

/// A streaming answer.
#[derive(Default)]
struct Answer {
    text: String,
    reasoning: String,
    done: Done,
    first_token_at: Option<Timestamp>,
    retries: u32,
}

/// Reads the input of the next step. Breaks if the run is not running or must end before that step.
pub async fn snapshot(engine: &Engine, work: &RunContext) -> Result<ControlFlow<Outcome, StepInput>, EngineError> {
    let view = engine.store.step_view(&work.run, CONTEXT_BYTES).await?;
    if view.run.state != RunState::Running {
        return Ok(ControlFlow::Break(Outcome::Finished));
    }
    if let Some(ending) = termination::before_step(engine, &view).await? {
        let changes = work.finish(ending.stop, None);
        return Ok(ControlFlow::Break(work.commit(engine, &view.agent.id, changes, Outcome::Finished).await?));
    }
    let most = view.agent.max_steps.unwrap_or(DEFAULT_MAX_STEPS);
    if view.run.steps >= most {
        return Ok(ControlFlow::Break(out_of_steps(engine, work, &view, most).await?));
    }
    Ok(ControlFlow::Continue(view))
}

/// Calls the agent's model, with `prompt` given the view, the model's name and the attempt. Breaks without a complete
/// answer. Reads the view again if the model's window holds less of the conversation.
pub async fn ask(
    engine: &Engine,
    work: &RunContext,
    view: &mut StepInput,
    prompt: impl Fn(&StepInput, &str, u32) -> Prompt,
) -> Result<ControlFlow<Outcome, Answered>, EngineError> {
    let queued_at = engine.store.clock().now();
    let named = view.agent.model.clone().unwrap_or_else(|| engine.default_model());
    let model = match engine.models.get(&named) {
        Ok(model) => model,
        Err(fault) => return Ok(ControlFlow::Break(Outcome::Failed(fault))),
    };
    let mut budget = model.window.conversation_bytes(CONTEXT_BYTES);
    if budget < CONTEXT_BYTES {
        *view = engine.store.step_view(&work.run, budget).await?;
    }
    let id = StepId::fresh(engine.store.ids());
    let live = engine.live.begin(id.clone(), about(view), Phase::Waiting);
    let Some(place) = provider_place(engine, work, &model).await else {
        let cancelled = work.cancel.is_cancelled();
        return Ok(ControlFlow::Break(if cancelled { Outcome::Cancelled } else { Outcome::Preempted }));
    };
    let mut answer = Answer::default();
    let asked = loop {
        match call_with_retries(engine, work, view, &model, &live, &prompt, &mut answer).await {
            // Retry with less of the conversation; the smaller budget also applies later.
            Err(Outcome::Failed(fault)) if fault.class == ErrorClass::TooLong && model.window.shrink(budget) => {
                budget = model.window.conversation_bytes(CONTEXT_BYTES);
                tracing::warn!(run = %view.run.id, agent = %view.agent.name, budget, "{fault}; again with less");
                live.phase(Phase::Retrying { text: format!("{fault}, asked again with less of the conversation") });
                *view = engine.store.step_view(&work.run, budget).await?;
            }
            other => break other,
        }
    };
    drop(place);
    match asked {
        Ok(()) => {}
        Err(Outcome::Cancelled) => {
            return Ok(ControlFlow::Break(cancelled(engine, work, view, &id, answer).await?));
        }
        Err(outcome) => return Ok(ControlFlow::Break(outcome)),
    }
    let step = Step {
        id,
        run: view.run.id.clone(),
        agent: view.agent.id.clone(),
        index: view.run.steps + 1,
        model: named,
        queued_at,
        first_token_at: answer.first_token_at,
        done_at: engine.store.clock().now(),
        tokens_in: answer.done.usage.tokens_in,
        tokens_out: answer.done.usage.tokens_out,
        retries: answer.retries,
        saw: view.blocks.iter().map(|block| (block.id.clone(), block.version)).collect(),
        calls: u32::try_from(answer.done.calls.len()).unwrap_or(u32::MAX),
        upto: view.messages.last().map_or(0, |message| message.seq),
        kept: answer.done.kept.take(),
    };
    let Answer { text, reasoning, done, .. } = answer;
    let (incomplete, paused) = (stop::notice(view, &done), done.stop == Stop::Paused);
    Ok(ControlFlow::Continue(Answered { step, text, reasoning, incomplete, paused, calls: done.calls, live }))
}

/// Returns the step's live metadata.
pub(super) fn about(view: &StepInput) -> StepMeta {
    StepMeta {
        run: view.run.id.clone(),
        root: view.run.root.clone(),
        conversation: view.run.conversation.clone(),
        agent: view.agent.id.clone(),
        name: view.agent.name.clone(),
    }
}

/// Acquires a provider slot; `None` if cancelled or preempted first.
async fn provider_place(engine: &Engine, work: &RunContext, model: &ModelHandle) -> Option<Permit<String>> {
    let room = Capacity::of_provider(model.max_parallel);
    tokio::select! {
        biased;
        () = work.cancel.cancelled() => None,
        () = work.preempt.cancelled() => None,
        place = engine.providers.acquire(&model.provider, room, work.side()) => Some(place),
    }
}

/// Calls the model until it answers; retries transient faults in the foreground only. `answer` holds the last
/// attempt.
async fn call_with_retries(
    engine: &Engine,
    work: &RunContext,
    view: &StepInput,
    model: &ModelHandle,
    live: &LiveGuard,
    prompt: &impl Fn(&StepInput, &str, u32) -> Prompt,
    answer: &mut Answer,
) -> Result<(), Outcome> {
    let since = Instant::now();
    for attempt in 1.. {
        live.restart();
        *answer = Answer { retries: attempt - 1, ..Answer::default() };
        let ask = prompt(view, &model.model_name, attempt + work.attempts_before);
        let fault = match stream(engine, work, model, ask, live, answer).await {
            Ok(()) => match stop::fault(view, &answer.text, &answer.done, &model.provider) {
                Some(fault) => fault,
                None => return Ok(()),
            },
            Err(Outcome::Failed(fault)) => fault,
            other => return other,
        };
        let wait = fault.retry_after.unwrap_or_else(|| engine.backoff(Duration::from_millis(500), attempt));
        let again = fault.class == ErrorClass::Transient
            && !work.is_background()
            && attempt < FOREGROUND_TRIES
            && since.elapsed() + wait < FOREGROUND_PATIENCE;
        if !again {
            return Err(Outcome::Failed(fault));
        }
        let tries = format!("next try in {} s ({} of {FOREGROUND_TRIES})", wait.as_secs().max(1), attempt + 1);
        tracing::warn!(run = %view.run.id, agent = %view.agent.name, "{fault}; {tries}");
        live.phase(Phase::Retrying { text: format!("{fault}, {tries}") });
        // Drop the failed attempt.
        *answer = Answer::default();
        tokio::select! {
            biased;
            () = work.cancel.cancelled() => return Err(Outcome::Cancelled),
            () = tokio::time::sleep(wait) => {}
        }
    }
    Err(Outcome::Failed(ModelError::transient("the model was asked too often")))
}

/// Streams one model call.
async fn stream(
    engine: &Engine,
    work: &RunContext,
    model: &ModelHandle,
    ask: Prompt,
    live: &LiveGuard,
    answer: &mut Answer,
) -> Result<(), Outcome> {
    live.phase(Phase::Thinking);
    let mut stream = model.ask(ask);
    loop {
        let next = tokio::select! {
            biased;
            () = work.cancel.cancelled() => return Err(Outcome::Cancelled),
            () = work.preempt.cancelled() => return Err(Outcome::Preempted),
            next = stream.next() => next,
        };
        let delta = next.map_err(Outcome::Failed)?;
        if !matches!(delta, Delta::Done(_)) && answer.first_token_at.is_none() {
            answer.first_token_at = Some(engine.store.clock().now());
        }
        match delta {
            Delta::Text(more) => {
                live.text(&more);
                answer.text.push_str(&more);
            }
            Delta::Reasoning(more) => {
                live.reasoning(&more);
                answer.reasoning.push_str(&more);
            }
            Delta::ToolCallStarted { name } => live.phase(Phase::Calling { tool: name }),
            Delta::TextWasReasoning => {
                live.text_was_reasoning();
                answer.reasoning.push_str(&std::mem::take(&mut answer.text));
            }
            Delta::Alive => {}
            Delta::Done(done) => {
                answer.done = done;
                return Ok(());
            }
        }
    }
}

/// Ends a run at `max_steps`, with a foreground notice.
async fn out_of_steps(engine: &Engine, work: &RunContext, view: &StepInput, most: u32) -> Result<Outcome, EngineError> {
    let mut changes = Vec::new();
    if !work.is_background() {
        let text = format!("{} stopped after {most} steps, its limit (max_steps)", view.agent.name);
        let notice = engine.message(&view.run, Content::notice(NoticeKind::Stopped, text));
        let notice = notice.by(&view.agent.id, &view.agent.name).in_step(&StepId::fresh(engine.store.ids()));
        changes.push(Change::MessageAppended(notice));
    }
    changes.extend(work.finish(StopReason::MaxSteps, None));
    changes.extend(view.job.as_ref().map(|job| work::completed(job, 0)));
    work.commit(engine, &view.agent.id, changes, Outcome::Finished).await
}

/// Commits the partial answer, marked as cancelled.
async fn cancelled(
    engine: &Engine,
    work: &RunContext,
    view: &StepInput,
    step: &StepId,
    answer: Answer,
) -> Result<Outcome, EngineError> {
    if work.is_background() {
        // The cancelling commit already ended its job.
        return Ok(Outcome::Cancelled);
    }
    let mut changes = Vec::new();
    let Answer { text, reasoning, .. } = answer;
    if !text.is_empty() || !reasoning.is_empty() {
        let said = engine.message(&view.run, Content::Text { text, reasoning, cancelled: true });
        changes.push(Change::MessageAppended(said.by(&view.agent.id, &view.agent.name).in_step(step)));
    }
    changes.extend(work.finish(StopReason::Cancelled, None));
    work.commit(engine, &view.agent.id, changes, Outcome::Cancelled).await
}
