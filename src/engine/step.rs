//! One step: a snapshot, a model call, the calls that need nobody else, one commit.
//!
//! Killed at any instant, the step has happened wholly or not at all. Where a block it edited has moved on, its
//! calls are run again on current values and committed again, without asking the model.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::choice::{self, Offer};
use super::context::{self, CONTEXT_BYTES, prompt};
use super::gates::{Place, Room};
use super::live::{About, LiveGuard};
use super::speech::Work;
use super::wire::Phase;
use super::{Engine, Trouble, termination};
use crate::domain::{RunState, Step, StepId};
use crate::llm::{Delta, Done, ErrorClass, ModelError, ModelHandle, Prompt, Stop};
use crate::store::StepView;

mod calls;
mod outcome;
mod resume;
mod stop;

use calls::{Draft, May, commit};
pub use resume::resume;

/// Tries of one model call in the foreground, the first included.
const FOREGROUND_TRIES: u32 = 4;
/// How long the foreground goes on retrying.
const FOREGROUND_PATIENCE: Duration = Duration::from_secs(30);

/// What a step led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// It is committed; another follows.
    Next,
    /// It is committed and the run is over, or it was over already.
    Over,
    /// It is committed and the run waits for somebody.
    Parked,
    /// The foreground wanted the place: nothing happened.
    GaveWay,
    /// A person cancelled it; for a speech, what was said is committed.
    Cancelled,
    /// No model answer could be had: nothing is committed.
    Failed(ModelError),
}

/// A whole answer of a model.
#[derive(Debug, Default)]
pub struct Answer {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) done: Done,
    first_token_at: Option<Timestamp>,
    retries: u32,
}

/// Why there is no whole answer.
enum Broken {
    Cancelled { text: String, reasoning: String },
    GaveWay,
    Failed(ModelError),
}

/// Makes the next step of this work.
pub async fn make(engine: &Engine, work: &Work) -> Result<Made, Trouble> {
    let view = engine.store.step_view(&work.run, CONTEXT_BYTES).await?;
    if view.run.state != RunState::Running {
        return Ok(Made::Over);
    }
    if let Some(made) = termination::before_step(engine, work, &view).await? {
        return Ok(made);
    }
    let queued_at = engine.store.clock().now();
    let most = view.agent.max_steps.unwrap_or(crate::domain::agent::DEFAULT_MAX_STEPS);
    if view.run.steps >= most {
        return outcome::out_of_steps(engine, work, &view, most).await;
    }
    let named = view.agent.model.clone().unwrap_or_else(|| engine.default_model());
    let model = match engine.models.get(&named) {
        Ok(model) => model,
        Err(fault) => return Ok(Made::Failed(fault)),
    };
    let mut budget = model.window.conversation_bytes(CONTEXT_BYTES);
    let mut view = if budget < CONTEXT_BYTES { engine.store.step_view(&work.run, budget).await? } else { view };
    let step = StepId::fresh(engine.store.ids());
    let live = engine.live.begin(step.clone(), about(&view), Phase::Waiting);
    let Some(place) = provider_place(engine, work, &model).await else {
        return Ok(if work.cancel.is_cancelled() { Made::Cancelled } else { Made::GaveWay });
    };
    let answer = loop {
        match converse(engine, work, &view, &model, &live).await {
            Ok(answer) => break answer,
            Err(Broken::GaveWay) => return Ok(Made::GaveWay),
            // The same step with less of the conversation; what fits is kept for the next ones.
            Err(Broken::Failed(fault)) if fault.class == ErrorClass::TooLong && model.window.shrink(budget) => {
                budget = model.window.conversation_bytes(CONTEXT_BYTES);
                tracing::warn!(run = %view.run.id, agent = %view.agent.name, budget, "{fault}; again with less");
                live.phase(Phase::Retrying { text: format!("{fault}, asked again with less of the conversation") });
                view = engine.store.step_view(&work.run, budget).await?;
            }
            Err(Broken::Failed(fault)) => return Ok(Made::Failed(fault)),
            Err(Broken::Cancelled { text, reasoning }) => {
                drop(place);
                return outcome::cancelled(engine, work, &view, &step, text, reasoning).await;
            }
        }
    };
    drop(place);
    let row = Step {
        id: step.clone(),
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
        kept: answer.done.kept.clone(),
    };
    if let Some(offer) = Offer::of(&view) {
        return choice::settle(engine, work, &view, &offer, row, &answer).await;
    }
    let shown = view.blocks.iter().map(|block| (block.id.clone(), block.value.clone())).collect();
    let draft = Draft {
        incomplete: stop::notice(&view, &answer),
        paused: answer.done.stop == Stop::Paused,
        step,
        row: Some(row),
        text: answer.text,
        reasoning: answer.reasoning,
        calls: answer.done.calls,
        first: 0,
        known: BTreeMap::new(),
        begin: Vec::new(),
        shown,
        may: May::know(engine, &view).await?,
    };
    commit(engine, work, view, draft, &live).await
}

fn about(view: &StepView) -> About {
    About {
        run: view.run.id.clone(),
        root: view.run.root.clone(),
        conversation: view.run.conversation.clone(),
        agent: view.agent.id.clone(),
        name: view.agent.name.clone(),
    }
}

/// A slot of the provider, unless the work is called off while it waits.
async fn provider_place(engine: &Engine, work: &Work, model: &ModelHandle) -> Option<Place<String>> {
    let room = Room::of_provider(model.max_parallel);
    tokio::select! {
        biased;
        () = work.cancel.cancelled() => None,
        () = work.give_way.cancelled() => None,
        place = engine.providers.enter(&model.provider, room, work.side()) => Some(place),
    }
}

/// Asks the model until it has answered, as often as the class of the fault allows.
async fn converse(
    engine: &Engine,
    work: &Work,
    view: &StepView,
    model: &ModelHandle,
    live: &LiveGuard,
) -> Result<Answer, Broken> {
    let tools = engine.tools.specs(&context::tool_names(view));
    let since = Instant::now();
    for attempt in 1.. {
        live.restart();
        let ask = prompt(view, &model.model_name, tools.clone(), attempt + work.attempts_before);
        let fault = match listen(engine, work, model, ask, live).await {
            Ok(answer) => match stop::fault(view, &answer, &model.provider) {
                Some(fault) => fault,
                None => return Ok(Answer { retries: attempt - 1, ..answer }),
            },
            Err(Broken::Failed(fault)) => fault,
            Err(other) => return Err(other),
        };
        let wait = fault.retry_after.unwrap_or_else(|| engine.backoff(Duration::from_millis(500), attempt));
        let again = fault.class == ErrorClass::Transient
            && !work.is_background()
            && attempt < FOREGROUND_TRIES
            && since.elapsed() + wait < FOREGROUND_PATIENCE;
        if !again {
            return Err(Broken::Failed(fault));
        }
        let tries = format!("next try in {} s ({} of {FOREGROUND_TRIES})", wait.as_secs().max(1), attempt + 1);
        tracing::warn!(run = %view.run.id, agent = %view.agent.name, "{fault}; {tries}");
        live.phase(Phase::Retrying { text: format!("{fault}, {tries}") });
        tokio::select! {
            biased;
            () = work.cancel.cancelled() => return Err(Broken::Cancelled { text: String::new(), reasoning: String::new() }),
            () = tokio::time::sleep(wait) => {}
        }
    }
    Err(Broken::Failed(ModelError::transient("the model was asked too often")))
}

/// One model call, to its end.
async fn listen(
    engine: &Engine,
    work: &Work,
    model: &ModelHandle,
    ask: Prompt,
    live: &LiveGuard,
) -> Result<Answer, Broken> {
    live.phase(Phase::Thinking);
    let mut stream = model.ask(ask);
    let mut answer = Answer::default();
    loop {
        let next = tokio::select! {
            biased;
            () = work.cancel.cancelled() => {
                return Err(Broken::Cancelled { text: answer.text, reasoning: answer.reasoning });
            }
            () = work.give_way.cancelled() => return Err(Broken::GaveWay),
            next = stream.next() => next,
        };
        let delta = next.map_err(Broken::Failed)?;
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
            Delta::Draft { name } => live.phase(Phase::Calling { tool: name }),
            Delta::TextWasReasoning => {
                live.text_was_reasoning();
                answer.reasoning.push_str(&std::mem::take(&mut answer.text));
            }
            Delta::Alive => {}
            Delta::Done(done) => {
                answer.done = done;
                return Ok(answer);
            }
        }
    }
}
