//! One step: a snapshot, a model call, the calls that need nobody else, one commit.
//!
//! Killed at any instant, the step has happened wholly or not at all. Where a block it edited has moved on, its
//! calls are run again on current values and committed again, without asking the model.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::choice::{self, Offer};
use super::context::{self, CONTEXT_BYTES, prompt};
use super::directory::Colleagues;
use super::gates::{Place, Room};
use super::live::{About, LiveGuard};
use super::speech::Work;
use super::wire::Phase;
use super::{Engine, Trouble, ending, termination, wait};
use crate::domain::group::DEFAULT_MAX_ROUNDS;
use crate::domain::{
    Block, BlockId, Change, Commit, Conflict, ConversationId, MailStatus, Message, PendingCall, PendingKind, Rest,
    RunState, Step, StepId, run,
};
use crate::llm::{Delta, Done, ErrorClass, ModelError, ModelHandle, Prompt, Stop, ToolCall};
use crate::store::{CommitError, StepView, Store};
use crate::tools::delegate::Delegation;
use crate::tools::{Desk, Effect, Library, StagedBlock, Tool, Wait};

mod outcome;

use outcome::{Outcome, Ran};

/// How often a step whose blocks moved on is committed again.
const COMMIT_TRIES: u32 = 5;
/// Until the first content of an answer.
const FIRST_CONTENT: Duration = Duration::from_mins(2);
/// Between two pieces of an answer.
const BETWEEN_CHUNKS: Duration = Duration::from_mins(1);
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
    let step = StepId::fresh(engine.store.ids());
    let live = engine.live.begin(step.clone(), about(&view), Phase::Waiting);
    let Some(place) = provider_place(engine, work, &model).await else {
        return Ok(if work.cancel.is_cancelled() { Made::Cancelled } else { Made::GaveWay });
    };
    let answer = match converse(engine, work, &view, &model, &live).await {
        Ok(answer) => answer,
        Err(Broken::GaveWay) => return Ok(Made::GaveWay),
        Err(Broken::Failed(fault)) => return Ok(Made::Failed(fault)),
        Err(Broken::Cancelled { text, reasoning }) => {
            drop(place);
            return outcome::cancelled(engine, work, &view, &step, text, reasoning).await;
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
    };
    if let Some(offer) = Offer::of(&view) {
        return choice::settle(engine, work, &view, &offer, row, &answer).await;
    }
    let shown = view.blocks.iter().map(|block| (block.id.clone(), block.value.clone())).collect();
    let draft = Draft {
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

/// A step to be committed: one the model has just answered, or the calls of one that waited.
struct Draft {
    step: StepId,
    /// The step's row; `None` when it was committed before its calls waited.
    row: Option<Step>,
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    /// The place in the step of the first of these calls.
    first: u32,
    /// What is known of calls by their place: they were decided on, or answered.
    known: BTreeMap<u32, Known>,
    /// What comes first in the commit.
    begin: Vec<Change>,
    /// The blocks' values as the model was shown them.
    shown: Vec<(BlockId, String)>,
    may: May,
}

impl Draft {
    /// The place in its step of one of the calls here.
    fn ordinal(&self, at: usize) -> u32 {
        self.first + u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// What is known of a call before it is made.
enum Known {
    /// A person said yes.
    Approved,
    /// It has its result already.
    Result(Effect),
}

/// What the agent may do in this step beyond having a tool.
struct May {
    delegate: Delegation,
    /// Tools a person said yes to for the whole run.
    granted: BTreeSet<String>,
}

impl May {
    /// Derived from the calls the run has waited on, so that a wait and a restart forget nothing.
    async fn know(engine: &Engine, view: &StepView) -> Result<Self, Trouble> {
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

/// Goes on with the calls of a run that is parked, without asking the model: what was answered has its result, what
/// was approved is made now, and what stood behind it, too. One of them may have to wait again.
pub async fn resume(engine: &Engine, work: &Work) -> Result<Made, Trouble> {
    let view = engine.store.step_view(&work.run, CONTEXT_BYTES).await?;
    if view.run.state != RunState::Parked {
        return Ok(if view.run.state == RunState::Running { Made::Next } else { Made::Over });
    }
    let rows = engine.store.calls(&work.run).await?;
    let waited = ending::unprocessed(&rows);
    let Some(first) = waited.first() else { return Ok(Made::Over) };
    let Some(row) = engine.store.steps(&work.run).await?.pop() else { return Ok(Made::Over) };
    let mut known = BTreeMap::new();
    let mut begin = Vec::new();
    for call in &waited {
        let (step, ordinal) = (call.step.clone(), call.ordinal);
        match (call.kind, &call.answer) {
            (PendingKind::Approval, Some(answer)) if answer.ok => {
                known.insert(ordinal, Known::Approved);
            }
            (PendingKind::Approval, Some(answer)) => {
                known.insert(ordinal, Known::Result(denied(&answer.text)));
            }
            (PendingKind::Behind, _) => {
                let answer = run::Answer { ok: true, text: String::new(), for_run: false };
                begin.push(Change::CallAnswered { step, ordinal, answer });
            }
            (_, Some(answer)) => {
                known.insert(ordinal, Known::Result(Effect::Result { ok: answer.ok, text: answer.text.clone() }));
            }
            (PendingKind::Approval | PendingKind::Group, None) => return Ok(Made::Parked),
            (PendingKind::Workers | PendingKind::Reply, None) => {
                let answer = wait::gather(engine, call).await?;
                known.insert(ordinal, Known::Result(Effect::Result { ok: answer.ok, text: answer.text.clone() }));
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
    let draft = Draft {
        step: row.id.clone(),
        row: None,
        text: String::new(),
        reasoning: String::new(),
        calls: waited
            .iter()
            .map(|call| ToolCall { id: call.call.clone(), name: call.name.clone(), arguments: call.arguments.clone() })
            .collect(),
        first: first.ordinal,
        known,
        begin,
        shown: shown_to(engine, &view, &row).await?,
        may: May::know(engine, &view).await?,
    };
    commit(engine, work, view, draft, &live).await
}

fn denied(reason: &str) -> Effect {
    let reason = reason.trim();
    if reason.is_empty() {
        Effect::refused("not called: the user said no")
    } else {
        Effect::refused(format!("not called: the user said no: {reason}"))
    }
}

/// Replies the call takes into its agent's context: they are read.
async fn taken(engine: &Engine, call: &PendingCall) -> Result<Vec<Change>, Trouble> {
    let mut read = Vec::new();
    if call.kind != PendingKind::Reply {
        return Ok(read);
    }
    for mail in wait::mails_of(engine, call).await? {
        let replies = wait::replies_to(engine, &mail).await?.into_iter();
        read.extend(replies.filter(|reply| reply.status == MailStatus::Delivered).map(|reply| Change::MailMoved {
            id: reply.id,
            to: MailStatus::Read,
            run: None,
            error: None,
        }));
    }
    Ok(read)
}

/// The blocks' values as the model saw them when it made the calls.
async fn shown_to(engine: &Engine, view: &StepView, row: &Step) -> Result<Vec<(BlockId, String)>, Trouble> {
    let mut shown = Vec::new();
    for (id, version) in &row.saw {
        let current = view.blocks.iter().find(|block| block.id == *id && block.version == *version);
        let value = match current {
            Some(block) => Some(block.value.clone()),
            None => engine.store.revision(id, *version).await?.map(|revision| revision.value),
        };
        shown.extend(value.map(|value| (id.clone(), value)));
    }
    Ok(shown)
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
            Ok(answer) => return Ok(Answer { retries: attempt - 1, ..answer }),
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
    let mut stream = model.model.stream(ask);
    let mut answer = Answer::default();
    loop {
        let patience = if answer.first_token_at.is_none() { FIRST_CONTENT } else { BETWEEN_CHUNKS };
        let next = tokio::select! {
            biased;
            () = work.cancel.cancelled() => {
                return Err(Broken::Cancelled { text: answer.text, reasoning: answer.reasoning });
            }
            () = work.give_way.cancelled() => return Err(Broken::GaveWay),
            next = timeout(patience, stream.next()) => next,
        };
        let delta = match next {
            Err(_) => {
                let text = format!("{} sent nothing for {} s", model.provider, patience.as_secs());
                return Err(Broken::Failed(ModelError::transient(text)));
            }
            Ok(None) => {
                let text = format!("the answer of {} was cut short", model.provider);
                return Err(Broken::Failed(ModelError::transient(text)));
            }
            Ok(Some(Err(fault))) => return Err(Broken::Failed(fault)),
            Ok(Some(Ok(delta))) => delta,
        };
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
            Delta::Done(done) if done.stop == Stop::Refused => {
                let text = format!("{} refused to answer; say it in other words", model.provider);
                return Err(Broken::Failed(ModelError::terminal(text)));
            }
            Delta::Done(done) => {
                answer.done = done;
                return Ok(answer);
            }
        }
    }
}

/// Runs the calls, commits the step; where a block has moved on, again on current values.
async fn commit(
    engine: &Engine,
    work: &Work,
    mut view: StepView,
    mut draft: Draft,
    live: &LiveGuard,
) -> Result<Made, Trouble> {
    let mut refused = None;
    let mut tries = 0;
    while tries < COMMIT_TRIES {
        let ran = run_calls(engine, &view, &draft, live).await;
        let outcome = Outcome::new(engine, work, &view, &draft, ran);
        let made = outcome.made();
        let mut commit = Commit::new(work.actor(&view.agent.id), outcome.changes());
        // The calls of a step that waited begin with the move that says so: it fails where the run is not parked.
        if draft.row.is_some() {
            commit = commit.on(Rest::RunRunning(work.run.clone()));
        }
        if let Some((job, fence)) = &work.job {
            commit = commit.on(Rest::JobFence(job.clone(), *fence));
        }
        match engine.store.commit(work.lane(), commit).await {
            Ok(_) => return Ok(made),
            // One call asks for what cannot be: it has that as its result, the others are as they were.
            Err(CommitError::Conflict(Conflict::Call { ordinal, text })) => {
                let result = Known::Result(Effect::refused(text.clone()));
                if draft.known.insert(ordinal, result).is_some() {
                    return Err(Trouble::Refused(text));
                }
            }
            Err(CommitError::Conflict(Conflict::Block { current })) => {
                tries += 1;
                tracing::info!(run = %work.run, step = %draft.step, block = %current.label, "the block moved on; again");
                view.blocks = engine.store.step_view(&work.run, 1).await?.blocks;
            }
            Err(CommitError::Conflict(Conflict::Run { .. } | Conflict::Fenced { .. })) => return Ok(Made::Over),
            // A block may have become read-only or smaller meanwhile: the tools will say so to the agent.
            Err(CommitError::Conflict(Conflict::Refused { text })) => {
                tries += 1;
                tracing::warn!(run = %work.run, step = %draft.step, "{text}; again");
                view.blocks = engine.store.step_view(&work.run, 1).await?.blocks;
                refused = Some(text);
            }
            Err(CommitError::Store(fault)) => return Err(fault.into()),
        }
    }
    Ok(Made::Failed(match refused {
        Some(text) => ModelError::terminal(text),
        None => ModelError::transient(format!(
            "{COMMIT_TRIES} times in a row a block this step edits was changed by others meanwhile"
        )),
    }))
}

/// Runs the calls in order on a fresh desk, up to the first that needs somebody.
async fn run_calls(engine: &Engine, view: &StepView, draft: &Draft, live: &LiveGuard) -> Ran {
    let as_shown = |block: &Block| {
        let found = draft.shown.iter().find(|(id, _)| *id == block.id);
        found.map_or_else(|| block.value.clone(), |(_, value)| value.clone())
    };
    let library = Conversations { store: &engine.store, conversation: &view.conversation.id };
    let directory = Colleagues { store: &engine.store, view };
    let mut desk = Desk {
        agent: &view.agent.name,
        blocks: view.blocks.iter().map(|block| StagedBlock::new(block.clone(), as_shown(block))).collect(),
        library: &library,
        directory: &directory,
        delegates: draft.may.delegate,
        posts: Vec::new(),
    };
    let allowed = context::tool_names(view);
    let mut ran = Ran { effects: Vec::new(), posts: Vec::new(), blocks: Vec::new() };
    for (at, call) in draft.calls.iter().enumerate() {
        let ordinal = draft.ordinal(at);
        if ran.effects.iter().any(|effect| matches!(effect, Effect::Wait(_))) {
            break;
        }
        if ran.effects.iter().any(|effect| matches!(effect, Effect::Finish { .. } | Effect::Pass)) {
            ran.effects.push(Effect::refused("not called: you had finished"));
            continue;
        }
        let known = draft.known.get(&ordinal);
        if let Some(Known::Result(effect)) = known {
            ran.effects.push(effect.clone());
            continue;
        }
        live.phase(Phase::Calling { tool: call.name.clone() });
        let tool = engine.tools.get(&call.name).filter(|_| allowed.contains(&call.name));
        let asks = view.agent.rules.iter().any(|rule| rule.wants_approval(&call.name))
            && !draft.may.granted.contains(&call.name)
            && known.is_none();
        ran.effects.push(match tool {
            Some(_) if asks => Effect::Wait(Wait::Approval),
            Some(tool) => guarded(tool.as_ref(), &call.arguments, &mut desk).await,
            None => Effect::refused(format!("you have no tool {:?}; your tools: {}", call.name, allowed.join(", "))),
        });
        ran.posts.extend(std::mem::take(&mut desk.posts).into_iter().map(|post| (ordinal, post)));
    }
    ran.blocks = desk.blocks;
    ran
}

/// A tool that panics fails its own call; everything else goes on.
async fn guarded(tool: &dyn Tool, arguments: &serde_json::Value, desk: &mut Desk<'_>) -> Effect {
    let before = desk.blocks.clone();
    let called = AssertUnwindSafe(tool.call(arguments, desk)).catch_unwind().await;
    called.unwrap_or_else(|_| {
        desk.blocks = before;
        desk.posts.clear();
        Effect::refused(format!("{} failed inside; this is a fault of the tool, not of the call", tool.spec().name))
    })
}

/// The agent's conversation, searched in the store.
struct Conversations<'a> {
    store: &'a Store,
    conversation: &'a ConversationId,
}

impl Library for Conversations<'_> {
    fn search<'a>(&'a self, query: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Message>, String>> {
        Box::pin(async move {
            self.store.search(Some(self.conversation), query, limit).await.map_err(|fault| fault.to_string())
        })
    }
}
