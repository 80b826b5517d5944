//! One model call of a step: reads a snapshot, checks if the run ends, sends the prompt, reads the answer.

use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::context::{CONTEXT_BYTES, PromptRequest};
use super::fallback::{AgentModels, NamedModel};
use super::limits::{Capacity, Permit};
use super::live::{LiveGuard, StepMeta};
use super::protocol::Phase;
use super::work::{self, Outcome, RunContext};
use super::{Engine, EngineError, budget, context, termination};
use crate::domain::agent::DEFAULT_MAX_STEPS;
use crate::domain::budget::Spent;
use crate::domain::{Change, Content, NoticeKind, RunState, Step, StepId, StopReason};
use crate::llm::marks::{OwnWords, own_words};
use crate::llm::window;
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
    /// Why a fallback model answered, for the conversation; `None` if it did not, or that is told already.
    pub fallback: Option<String>,
    /// Why the text is cut; `None` if complete.
    pub incomplete: Option<String>,
    /// True if the model paused mid-answer.
    pub paused: bool,
    /// The requested calls.
    pub calls: Vec<ToolCall>,
    /// True if the model runs on this machine.
    pub local: bool,
    /// Shows the step live until dropped.
    pub live: LiveGuard,
    /// The end of the step's time.
    pub until: Instant,
}

/// A streaming answer.
#[derive(Default)]
struct Answer {
    text: String,
    shown: OwnWords,
    reasoning: String,
    done: Done,
    first_token_at: Option<Timestamp>,
    retries: u32,
}

/// Reads the input of the next step. Breaks if the run is not running or must end before that step.
pub async fn snapshot(engine: &Engine, work: &RunContext) -> Result<ControlFlow<Outcome, StepInput>, EngineError> {
    snapshot_of(engine, work, CONTEXT_BYTES).await
}

/// The same, with at most `bytes` of the conversation.
async fn snapshot_of(
    engine: &Engine,
    work: &RunContext,
    bytes: usize,
) -> Result<ControlFlow<Outcome, StepInput>, EngineError> {
    let view = engine.store.step_view(&work.run, bytes).await?;
    if view.run.state != RunState::Running {
        return Ok(ControlFlow::Break(Outcome::Finished));
    }
    if let Some(ending) = termination::before_step(engine, &view).await? {
        let mut changes = work.finish(ending.stop, None);
        changes.extend(view.job.as_ref().map(|job| work::completed(job, 0)));
        return Ok(ControlFlow::Break(work.commit(engine, &view, changes, Outcome::Finished).await?));
    }
    let group = view.group.as_ref().or(view.home.as_deref());
    if let Some(spent) = budget::spent(engine, group, Some(&view.agent), 0).await? {
        return Ok(ControlFlow::Break(if work.is_background() {
            Outcome::Postponed(spent)
        } else {
            out_of_budget(engine, work, &view, &spent).await?
        }));
    }
    let most = view.agent.max_steps.unwrap_or(DEFAULT_MAX_STEPS);
    if view.run.steps >= most {
        return Ok(ControlFlow::Break(out_of_steps(engine, work, &view, most).await?));
    }
    Ok(ControlFlow::Continue(view))
}

/// Calls the agent's model, or a fallback model, with what `prompt` builds. Breaks without a complete answer.
pub async fn ask(
    engine: &Engine,
    work: &RunContext,
    view: &mut StepInput,
    prompt: impl Fn(&StepInput, &PromptRequest<'_>) -> Prompt,
) -> Result<ControlFlow<Outcome, Answered>, EngineError> {
    let queued_at = engine.spans.now();
    let models = match engine.models_of(&view.agent).await {
        Ok(models) => models,
        Err(fault) => return Ok(ControlFlow::Break(Outcome::Failed(fault))),
    };
    let id = StepId::fresh(engine.store.ids());
    let live = engine.live.begin(id.clone(), about(view), Phase::Waiting);
    let mut answer = Answer::default();
    let asked = match ask_in_order(engine, work, view, &models, &live, &prompt, &mut answer).await? {
        Ok(asked) => asked,
        Err(Outcome::Cancelled) => {
            return Ok(ControlFlow::Break(cancelled(engine, work, view, &id, answer).await?));
        }
        Err(outcome) => return Ok(ControlFlow::Break(outcome)),
    };
    let instead_of = asked.why.is_some().then(|| models.own.name.clone());
    let fallback = match asked.why {
        Some(why) if !is_told(engine, view, &asked.model.name).await? => {
            Some(format!("{} answers with {}: {why}", view.agent.name, asked.model.name))
        }
        _ => None,
    };
    let local = asked.model.handle.local;
    let saw = view.blocks.iter().filter(|block| context::goes_to(block, local));
    let step = Step {
        id,
        run: view.run.id.clone(),
        agent: view.agent.id.clone(),
        index: view.run.steps + 1,
        model: asked.model.name.clone(),
        instead_of,
        queued_at,
        first_token_at: answer.first_token_at,
        done_at: engine.spans.now(),
        tokens_in: answer.done.usage.tokens_in,
        tokens_out: answer.done.usage.tokens_out,
        tokens_cached: answer.done.usage.cached,
        tokens_reasoning: answer.done.usage.reasoning,
        stop: Some(answer.done.stop),
        retries: answer.retries,
        saw: saw.map(|block| (block.id.clone(), block.version)).collect(),
        calls: u32::try_from(answer.done.calls.len()).unwrap_or(u32::MAX),
        upto: view.messages.last().map_or(0, |message| message.seq),
        kept: answer.done.kept.take(),
    };
    let Answer { text, reasoning, done, .. } = answer;
    let (incomplete, paused) = (stop::notice(&view.agent, &done), done.stop == Stop::Paused);
    let (calls, until) = (done.calls, asked.until);
    Ok(ControlFlow::Continue(Answered {
        step,
        text,
        reasoning,
        fallback,
        incomplete,
        paused,
        calls,
        local,
        live,
        until,
    }))
}

/// Returns true if the run's last step was made with this model, so that the conversation says so already.
async fn is_told(engine: &Engine, view: &StepInput, model: &str) -> Result<bool, EngineError> {
    Ok(engine.store.steps(&view.run.id).await?.last().is_some_and(|step| step.model == model))
}

/// The model that answered.
struct Asked<'a> {
    model: &'a NamedModel,
    /// The end of the step's time.
    until: Instant,
    /// Why the agent's own model did not answer; `None` if it did.
    why: Option<String>,
}

/// Asks the agent's own model; while its provider is down, and when it fails in a way that may pass, its fallback models
/// in order. If none of them answers, the failure of its own model counts.
async fn ask_in_order<'a>(
    engine: &Engine,
    work: &RunContext,
    view: &mut StepInput,
    models: &'a AgentModels,
    live: &LiveGuard,
    prompt: &impl Fn(&StepInput, &PromptRequest<'_>) -> Prompt,
    answer: &mut Answer,
) -> Result<Result<Asked<'a>, Outcome>, EngineError> {
    let (mut why, mut fault, mut failed) = (None, None, 0);
    let first = models.first();
    let own_is_next = first.name == models.own.name;
    if !own_is_next {
        why = Some(format!("{} is down", models.own.handle.provider));
    }
    let fallbacks = models.fallbacks.iter().filter(|model| !model.is_down());
    // On the heap: every caller would carry the largest of the calls.
    for model in own_is_next.then_some(&models.own).into_iter().chain(fallbacks) {
        if let Some(why) = &why {
            live.phase(Phase::Retrying { text: format!("{why}, {} is asked", model.name) });
        }
        let outcome = match Box::pin(ask_one(engine, work, view, &model.handle, live, prompt, answer)).await? {
            Ok(until) => {
                answer.retries += failed;
                return Ok(Ok(Asked { model, until, why }));
            }
            Err(outcome) => outcome,
        };
        let Outcome::Failed(error) = outcome else { return Ok(Err(outcome)) };
        let is_own = model.name == models.own.name;
        if is_own && (models.fallbacks.is_empty() || !error.may_pass()) {
            return Ok(Err(Outcome::Failed(error)));
        }
        tracing::warn!(run = %view.run.id, agent = %view.agent.name, model = model.name, "{error}");
        if error.class != ErrorClass::Down {
            failed += answer.retries + 1;
        }
        if is_own {
            why = Some(error.text.clone());
            fault = Some(error);
        }
    }
    if let Some(fault) = fault {
        return Ok(Err(Outcome::Failed(fault)));
    }
    // Its own was down: the refusal says for how long.
    let asked = Box::pin(ask_one(engine, work, view, &models.own.handle, live, prompt, answer)).await?;
    answer.retries += failed;
    Ok(asked.map(|until| Asked { model: &models.own, until, why: None }))
}

/// Calls a model with what `prompt` builds. Reads the view again if the model holds more of the conversation than usual;
/// asks with less of it if the prompt was too long. Returns the end of the step's time.
async fn ask_one(
    engine: &Engine,
    work: &RunContext,
    view: &mut StepInput,
    model: &ModelHandle,
    live: &LiveGuard,
    prompt: &impl Fn(&StepInput, &PromptRequest<'_>) -> Prompt,
    answer: &mut Answer,
) -> Result<Result<Instant, Outcome>, EngineError> {
    let (place, waited) = match provider_place(engine, work, model).await {
        Ok((place, waited)) => (place, waited),
        Err(outcome) => return Ok(Err(outcome)),
    };
    let bytes = model.window.budget(view.agent.max_tokens).bytes().max(CONTEXT_BYTES);
    // What changed while it waited for the slot is in the prompt.
    if waited || bytes > CONTEXT_BYTES {
        match snapshot_of(engine, work, bytes).await? {
            ControlFlow::Continue(fresh) => *view = fresh,
            ControlFlow::Break(outcome) => return Ok(Err(outcome)),
        }
    }
    let build = |view: &StepInput, attempt| {
        let budget = model.window.budget(view.agent.max_tokens);
        prompt(view, &PromptRequest { model: &model.model_name, budget, attempt, local: model.local })
    };
    let size = |view: &StepInput| window::prompt_tokens(&build(view, 1));
    let mut first = Some(build(view, 1 + work.attempts_before));
    if let Some(learning) = model.model.learn_window()
        && first.as_ref().is_some_and(|prompt| window::prompt_tokens(prompt) > window::ALWAYS_FITS)
    {
        first = None;
        tokio::select! {
            biased;
            () = work.cancel.cancelled() => {}
            () = learning => {}
        }
    }
    let until = model.deadline();
    let mut tries = Tries { engine, work, model, live, place: Some(place), until };
    loop {
        match tries.call(view, bytes, (&build, &mut first), answer).await? {
            Ok(()) => return Ok(Ok(until)),
            // Retry with less of the conversation; the smaller budget also applies later.
            Err(Outcome::Failed(fault)) if fault.class == ErrorClass::TooLong => {
                let sent = size(view);
                if !model.window.shrink(sent) || size(view) >= sent {
                    return Ok(Err(Outcome::Failed(fault)));
                }
                tracing::warn!(run = %view.run.id, agent = %view.agent.name, sent, "{fault}; again with less");
                live.phase(Phase::Retrying { text: format!("{fault}, asked again with less of the conversation") });
            }
            Err(outcome) => return Ok(Err(outcome)),
        }
    }
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

/// Acquires a provider slot. Returns it and whether it had to be waited for, or how the wait ended first.
async fn provider_place(
    engine: &Engine,
    work: &RunContext,
    model: &ModelHandle,
) -> Result<(Permit<String>, bool), Outcome> {
    let room = Capacity::of_provider(model.max_parallel);
    if work.cancel.is_cancelled() {
        return Err(Outcome::Cancelled);
    }
    if let Some(place) = engine.providers.try_enter(&model.provider, room, &work.side()) {
        return Ok((place, false));
    }
    tokio::select! {
        biased;
        () = work.cancel.cancelled() => Err(Outcome::Cancelled),
        () = work.preempt.cancelled() => Err(Outcome::Preempted),
        place = engine.providers.acquire(&model.provider, room, work.side()) => Ok((place, true)),
    }
}

/// The tries of one model call.
struct Tries<'a> {
    engine: &'a Engine,
    work: &'a RunContext,
    model: &'a ModelHandle,
    live: &'a LiveGuard,
    /// The provider's slot; given back while the call waits for its next try.
    place: Option<Permit<String>>,
    /// The end of the step's time.
    until: Instant,
}

impl Tries<'_> {
    /// Calls the model until it answers; retries transient faults in the foreground only, and reads at most `bytes`
    /// bytes of the conversation again if the slot had to be waited for. `first` is the prompt of the first attempt, if
    /// there is one; `answer` holds the last attempt.
    async fn call(
        &mut self,
        view: &mut StepInput,
        bytes: usize,
        (prompt, first): (&impl Fn(&StepInput, u32) -> Prompt, &mut Option<Prompt>),
        answer: &mut Answer,
    ) -> Result<Result<(), Outcome>, EngineError> {
        let Self { engine, work, model, live, until, .. } = *self;
        let since = Instant::now();
        for attempt in 1.. {
            live.restart();
            *answer = Answer { retries: attempt - 1, ..Answer::default() };
            let ask = first.take().unwrap_or_else(|| prompt(view, attempt + work.attempts_before));
            let fault = match stream(engine, work, (model, until), ask, live, answer).await {
                Ok(()) => match stop::fault(&view.run, &view.agent, &answer.text, &answer.done, &model.provider) {
                    Some(fault) => fault,
                    None => return Ok(Ok(())),
                },
                Err(Outcome::Failed(fault)) => fault,
                Err(other) => return Ok(Err(other)),
            };
            let wait = fault.retry_after.unwrap_or_else(|| engine.backoff(Duration::from_millis(500), attempt));
            let again = fault.class == ErrorClass::Transient
                && !work.is_background()
                && attempt < FOREGROUND_TRIES
                && since.elapsed() + wait < FOREGROUND_PATIENCE
                && Instant::now() + wait < until;
            if !again {
                return Ok(Err(Outcome::Failed(fault)));
            }
            let tries = format!("next try in {} s ({} of {FOREGROUND_TRIES})", wait.as_secs().max(1), attempt + 1);
            tracing::warn!(run = %view.run.id, agent = %view.agent.name, "{fault}; {tries}");
            live.phase(Phase::Retrying { text: format!("{fault}, {tries}") });
            // Drop the failed attempt.
            *answer = Answer::default();
            if let ControlFlow::Break(outcome) = self.pause(wait, view, bytes).await? {
                return Ok(Err(outcome));
            }
        }
        Ok(Err(Outcome::Failed(ModelError::transient("the model was asked too often"))))
    }

    /// Waits without the slot, then acquires one again.
    async fn pause(
        &mut self,
        wait: Duration,
        view: &mut StepInput,
        bytes: usize,
    ) -> Result<ControlFlow<Outcome>, EngineError> {
        self.place = None;
        tokio::select! {
            biased;
            () = self.work.cancel.cancelled() => return Ok(ControlFlow::Break(Outcome::Cancelled)),
            () = self.work.preempt.cancelled() => return Ok(ControlFlow::Break(Outcome::Preempted)),
            () = self.engine.store.clock().sleep(wait) => {}
        }
        let waited = match provider_place(self.engine, self.work, self.model).await {
            Ok((place, waited)) => {
                self.place = Some(place);
                waited
            }
            Err(outcome) => return Ok(ControlFlow::Break(outcome)),
        };
        if waited {
            match snapshot_of(self.engine, self.work, bytes).await? {
                ControlFlow::Continue(fresh) => *view = fresh,
                ControlFlow::Break(outcome) => return Ok(ControlFlow::Break(outcome)),
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Streams one model call.
async fn stream(
    engine: &Engine,
    work: &RunContext,
    (model, until): (&ModelHandle, Instant),
    ask: Prompt,
    live: &LiveGuard,
    answer: &mut Answer,
) -> Result<(), Outcome> {
    live.phase(Phase::Thinking);
    let name = ask.agent.clone();
    let mut stream = model.ask(ask, until);
    loop {
        let next = tokio::select! {
            biased;
            () = work.cancel.cancelled() => return Err(Outcome::Cancelled),
            () = work.preempt.cancelled() => return Err(Outcome::Preempted),
            next = stream.next() => next,
        };
        let delta = next.map_err(Outcome::Failed)?;
        if !matches!(delta, Delta::Done(_)) && answer.first_token_at.is_none() {
            answer.first_token_at = Some(engine.spans.now());
        }
        match delta {
            Delta::Text(more) => {
                answer.text.push_str(&more);
                live.text(answer.shown.next(&name, &answer.text));
            }
            Delta::Reasoning(more) => {
                live.reasoning(&more);
                answer.reasoning.push_str(&more);
            }
            Delta::ToolCallStarted { name } => live.phase(Phase::Calling { tool: name }),
            Delta::TextWasReasoning => {
                live.text_was_reasoning();
                answer.shown = OwnWords::default();
                answer.reasoning.push_str(&std::mem::take(&mut answer.text));
            }
            Delta::Alive => {}
            Delta::Done(done) => {
                answer.text = own_words(&name, &answer.text).into();
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
    work.commit(engine, view, changes, Outcome::Finished).await
}

/// Ends a run whose agent or group has used its tokens of the day, with a notice unless the turn gives it.
async fn out_of_budget(
    engine: &Engine,
    work: &RunContext,
    view: &StepInput,
    spent: &Spent,
) -> Result<Outcome, EngineError> {
    let mut changes = Vec::new();
    if spent.of_agent || view.group.is_none() {
        let notice = engine.message(&view.run, Content::notice(NoticeKind::Stopped, spent.with_advice()));
        let notice = notice.by(&view.agent.id, &view.agent.name).in_step(&StepId::fresh(engine.store.ids()));
        changes.push(Change::MessageAppended(notice));
    }
    changes.extend(work.finish(StopReason::Budget, None));
    work.commit(engine, view, changes, Outcome::Finished).await
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
    let text = own_words(&view.agent.name, &text).to_owned();
    if !text.is_empty() || !reasoning.is_empty() {
        let said = engine.message(&view.run, Content::Text { text, reasoning, cancelled: true });
        changes.push(Change::MessageAppended(said.by(&view.agent.id, &view.agent.name).in_step(step)));
    }
    changes.extend(work.finish(StopReason::Cancelled, None));
    work.commit(engine, view, changes, Outcome::Cancelled).await
}
