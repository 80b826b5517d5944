//! Runs a step's calls in order and commits them with it; runs them again if a block has changed meanwhile.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::commit::StepCommit;
use super::draft::{CallResolution, CallResults, StagedStep};
use crate::domain::agent::{DEFAULT_MAX_STEP_CALLS, DEFAULT_TOOL_SECONDS};
use crate::domain::block::REQUEST_BLOCK_ACCESS;
use crate::domain::{Block, Commit, Conflict, ConversationId, MessageQuery, Precondition, SearchResult};
use crate::engine::directory::Colleagues;
use crate::engine::live::LiveGuard;
use crate::engine::protocol::Phase;
use crate::engine::work::{Outcome, RunContext};
use crate::engine::{Engine, EngineError, context, next};
use crate::llm::ModelError;
use crate::store::{Background, CommitError, StepInput, Store};
use crate::tools::{MessageSearch, StagedBlock, Tool, ToolContext, ToolOutcome, Wait, fitted};

/// Failed commits after which a step gives up.
const COMMIT_TRIES: u32 = 5;

/// Runs the calls and commits the step; retries on current values if a block changed.
pub(super) async fn commit(
    engine: &Engine,
    work: &RunContext,
    mut view: StepInput,
    mut draft: StagedStep,
    live: &LiveGuard,
) -> Result<Outcome, EngineError> {
    let mut refused = None;
    let mut tries = 0;
    while tries < COMMIT_TRIES {
        let Some(ran) = run_calls(engine, work, &view, &draft, live).await else { return Ok(Outcome::Preempted) };
        let step = StepCommit::new(engine, work, &view, &draft, ran);
        let outcome = step.outcome();
        let mut commit = Commit::new(work.actor(&view.agent.id), step.changes());
        commit = commit.requiring(Precondition::run(&view.run));
        if let Some((job, fence)) = &work.job {
            commit = commit.requiring(Precondition::JobFence(job.clone(), *fence));
        }
        let made = if outcome == Outcome::Finished {
            next::finish(engine, work.lane(), &view.run, view.group.as_ref(), commit).await
        } else {
            next::commit(engine, work.lane(), commit).await.map(|_| outcome)
        };
        match made {
            Ok(outcome) => return Ok(outcome),
            // One call is invalid: refuse that call and keep the others.
            Err(CommitError::Conflict(Conflict::Call { ordinal, text, and_later_mail })) => {
                let later = if and_later_mail { step.mail_after(ordinal) } else { Vec::new() };
                let result = || CallResolution::Result(ToolOutcome::refused(text.clone()));
                if let Some(CallResolution::Result(_)) = draft.known.insert(ordinal, result()) {
                    return Err(EngineError::Refused(text));
                }
                // The rest at once, so that the tries do not grow with the number of calls.
                for later in later {
                    draft.known.entry(later).or_insert_with(result);
                }
                reread(engine, work, &mut view).await?;
            }
            Err(CommitError::Conflict(Conflict::Block { current })) => {
                tries += 1;
                tracing::info!(run = %work.run, step = %draft.step, block = %current.label, "the block moved on; again");
                reread(engine, work, &mut view).await?;
            }
            Err(CommitError::Conflict(Conflict::Run { .. } | Conflict::Fenced { .. } | Conflict::Changed { .. })) => {
                return Ok(Outcome::Finished);
            }
            // A block may now be read-only or have a lower limit: on retry the tools tell the agent.
            Err(CommitError::Conflict(Conflict::Refused { text })) => {
                tries += 1;
                tracing::warn!(run = %work.run, step = %draft.step, "{text}; again");
                reread(engine, work, &mut view).await?;
                refused = Some(text);
            }
            Err(CommitError::Store(fault)) => return Err(fault.into()),
        }
    }
    Ok(Outcome::Failed(match refused {
        Some(text) => ModelError::terminal(text),
        None => ModelError::transient(format!(
            "{COMMIT_TRIES} times in a row a block this step edits was changed by others meanwhile"
        )),
    }))
}

/// Reads the blocks again, and what the agent may do with them.
async fn reread(engine: &Engine, work: &RunContext, view: &mut StepInput) -> Result<(), EngineError> {
    let now = engine.store.step_view(&work.run, 1).await?;
    view.blocks = now.blocks;
    view.withheld = now.withheld;
    Ok(())
}

/// Runs the calls in order in a new context, up to the first that waits. `None` if the foreground needed the run's
/// places meanwhile.
async fn run_calls(
    engine: &Engine,
    work: &RunContext,
    view: &StepInput,
    draft: &StagedStep,
    live: &LiveGuard,
) -> Option<CallResults> {
    let as_shown = |block: &Block| {
        let found = draft.shown.iter().find(|(id, _)| *id == block.id);
        found.map_or_else(|| block.value.clone(), |(_, value)| value.clone())
    };
    let (store, conversation) = (engine.store.background(), &view.conversation.id);
    let library = Conversations { store, conversation, zone: engine.store.clock().zone() };
    let directory = Colleagues::new(&engine.store, view);
    let given = || view.blocks.iter().filter(|block| context::goes_to(block, draft.local));
    let mut desk = ToolContext {
        agent: &view.agent.name,
        blocks: given().map(|block| StagedBlock::new(block.clone(), view.level(block), as_shown(block))).collect(),
        library: &library,
        directory: &directory,
        delegates: draft.may.delegate,
        posts: Vec::new(),
        withheld: context::withheld(view, draft.local),
        grants: Vec::new(),
        approved: false,
    };
    let allowed = context::tool_names(view);
    let seconds = view.agent.tool_seconds.unwrap_or(DEFAULT_TOOL_SECONDS);
    let mut ran = CallResults::default();
    let most = view.agent.max_step_calls.unwrap_or(DEFAULT_MAX_STEP_CALLS);
    for (at, call) in draft.calls.iter().enumerate() {
        let ordinal = draft.ordinal(at);
        if ran.effects.iter().any(|effect| matches!(effect, ToolOutcome::Wait(_))) {
            break;
        }
        if ran.effects.iter().any(|effect| matches!(effect, ToolOutcome::Finish { .. } | ToolOutcome::Pass)) {
            ran.effects.push(ToolOutcome::refused("not called: you had finished"));
            continue;
        }
        let known = draft.known.get(&ordinal);
        if let Some(CallResolution::Result(effect)) = known {
            ran.effects.push(effect.clone());
            continue;
        }
        if ordinal >= most {
            let why = format!("not called: a step makes at most {most} calls (max_step_calls); call again in the next");
            ran.effects.push(ToolOutcome::refused(why));
            continue;
        }
        live.phase(Phase::Calling { tool: call.name.clone() });
        // With the access that it asked for, the agent has no more reason to ask.
        let granted = known.is_some() && call.name == REQUEST_BLOCK_ACCESS;
        let tool = engine.tools.get(&call.name).filter(|_| granted || allowed.contains(&call.name));
        let asks = view.agent.rules.iter().any(|rule| rule.wants_approval(&call.name))
            && !draft.may.granted.contains(&call.name)
            && known.is_none();
        desk.approved = known.is_some();
        ran.effects.push(match tool {
            Some(_) if asks => ToolOutcome::Wait(Wait::Approval),
            Some(tool) => match fitted(&tool.spec(), &call.arguments) {
                Ok(arguments) => {
                    let effect =
                        guarded(engine, work, (tool.as_ref(), draft.until), &arguments, seconds, &mut desk).await?;
                    effect.limited(tool.return_char_limit())
                }
                Err(refused) => refused,
            },
            None => {
                ToolOutcome::refused(format!("you have no tool {:?}; your tools: {}", call.name, allowed.join(", ")))
            }
        });
        for block in &mut desk.blocks {
            if let Some(tool) = block.edited_by.take() {
                let (calls, last) = ran.edits.entry(block.current.id.clone()).or_default();
                calls.push(ordinal);
                *last = tool;
            }
        }
        ran.posts.extend(std::mem::take(&mut desk.posts).into_iter().map(|post| (ordinal, post)));
    }
    ran.blocks = desk.blocks;
    ran.grants = desk.grants;
    Some(ran)
}

/// Calls the tool for at most `seconds`, and not beyond the time of the step. A panic, a time-out and a cancel of the run
/// refuse only that call; `None` if the foreground needs the run's places.
async fn guarded(
    engine: &Engine,
    work: &RunContext,
    (tool, until): (&dyn Tool, Instant),
    arguments: &serde_json::Value,
    seconds: u32,
    desk: &mut ToolContext<'_>,
) -> Option<ToolOutcome> {
    let (before, granted) = (desk.blocks.clone(), desk.grants.len());
    let why = tokio::select! {
        // A call that is done counts, whatever happens at the same moment.
        biased;
        called = AssertUnwindSafe(tool.call(arguments, desk)).catch_unwind() => match called {
            Ok(effect) => return Some(effect),
            Err(_) => "failed inside; this is a fault of the tool, not of the call".to_owned(),
        },
        () = work.cancel.cancelled() => "was stopped: the run is cancelled".to_owned(),
        () = work.preempt.cancelled() => return None,
        () = engine.store.clock().sleep(Duration::from_secs(u64::from(seconds))) => {
            format!("was stopped: it did not answer within {seconds} s")
        }
        () = tokio::time::sleep_until(until) => "was stopped: the time of the step is over (step_timeout)".to_owned(),
    };
    desk.blocks = before;
    desk.grants.truncate(granted);
    desk.posts.clear();
    Some(ToolOutcome::refused(format!("{} {why}", tool.spec().name)))
}

/// Searches the agent's conversation.
struct Conversations<'a> {
    store: Store<Background>,
    conversation: &'a ConversationId,
    zone: TimeZone,
}

impl MessageSearch for Conversations<'_> {
    fn search(&self, query: MessageQuery) -> BoxFuture<'_, Result<SearchResult, String>> {
        Box::pin(async move {
            let query = MessageQuery { conversation: Some(self.conversation.clone()), ..query };
            self.store.search(query).await.map_err(|fault| fault.to_string())
        })
    }

    fn zone(&self) -> TimeZone {
        self.zone.clone()
    }
}
