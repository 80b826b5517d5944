//! The rules of runs, steps and pending calls.

use jiff::Timestamp;

use super::{ApplyError, Rows, reject, require, waits};
use crate::domain::run::CallResult;
use crate::domain::{
    Call, Choice, Conflict, Conversation, Job, PendingCall, Run, RunId, RunKind, RunState, Step, StepId,
};

pub(super) fn create<R: Rows>(rows: &mut R, run: &mut Run, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    if rows.get::<Run>(run.id.as_str())?.is_some() {
        return reject(format!("run {} exists already", run.id));
    }
    run.created_at = at;
    run.moved_at = at;
    let mut conversation = require::<Conversation, R>(rows, run.conversation.as_str(), "conversation")?;
    if run.kind.is_turn() {
        if matches!(run.state, RunState::Queued) != run.queued.is_some() {
            return reject("only a queued turn carries its text; another one has it as a message");
        }
        if run.queued.is_none() && !rows.find::<Run>(conversation.id.as_str())?.is_empty() {
            return reject("the conversation has an unfinished turn; another one has to be queued");
        }
        conversation.asked += 1;
        run.turn = conversation.asked;
        if run.queued.is_none() {
            // The message that a turn answers follows it in the same commit.
            run.input = conversation.head + 1;
        }
        rows.put(&conversation)?;
    }
    if let Some(parent) = &run.parent {
        let above = touch(rows, parent, at, |_| ())?;
        if above.is_finished() {
            return Err(ApplyError::Conflict(Conflict::Run { run: parent.clone() }));
        }
        if run.input == 0 {
            // The parent has begun in this commit, whose author did not know these yet.
            (run.turn, run.input) = (above.turn, above.input);
        }
    }
    if run.task.is_some() {
        // A worker reads the conversation up to here, without the answers of the other workers.
        run.input = conversation.head;
    }
    Ok(rows.put(run)?)
}

pub(super) fn transition<R: Rows>(
    rows: &mut R,
    id: &RunId,
    to: &RunState,
    at: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    let mut run = require::<Run, R>(rows, id.as_str(), "run")?;
    let allowed = match (&run.state, to) {
        (RunState::Finished { .. }, _)
        | (_, RunState::Queued)
        | (RunState::Queued | RunState::Parked, RunState::Parked)
        | (RunState::Running, RunState::Running) => false,
        (_, RunState::Running | RunState::Parked | RunState::Finished { .. }) => true,
    };
    if !allowed {
        return Err(ApplyError::Conflict(Conflict::Run { run: id.clone() }));
    }
    if matches!(to, RunState::Finished { .. }) {
        check_complete(rows, id)?;
    }
    run.state = to.clone();
    run.moved_at = at;
    if run.queued.is_some() && *to == RunState::Running {
        let conversation = require::<Conversation, R>(rows, run.conversation.as_str(), "conversation")?;
        run.queued = None;
        run.input = conversation.head + 1;
    }
    rows.put(&run)?;
    if run.kind.is_turn() && run.is_finished() && run.steps > 0 {
        // A turn counts when a step of it was committed.
        let mut conversation = require::<Conversation, R>(rows, run.conversation.as_str(), "conversation")?;
        conversation.turns += 1;
        rows.put(&conversation)?;
    }
    Ok(())
}

/// Rejects the end of a run while a run it started is not finished, or one of its calls has no result.
fn check_complete<R: Rows>(rows: &mut R, id: &RunId) -> Result<(), ApplyError<R::Fault>> {
    if let Some(child) = rows.find::<Run>(id.as_str())?.into_iter().find(|child| !child.is_finished()) {
        return reject(format!("run {id} cannot end before {}, which it started", child.id));
    }
    if let Some(call) = rows.find::<PendingCall>(id.as_str())?.into_iter().find(|call| call.answer.is_none()) {
        return reject(format!("run {id} cannot end before its call of {} has a result", call.name));
    }
    Ok(())
}

pub(super) fn step<R: Rows>(rows: &mut R, step: &Step, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let tokens = step.tokens_in + step.tokens_out;
    count_step(rows, (&step.run, step.index), tokens, step.retries.saturating_add(1), at)
}

/// Counts the step of this run with this number, its tokens and its model calls.
pub(super) fn count_step<R: Rows>(
    rows: &mut R,
    (of, index): (&RunId, u32),
    tokens: u64,
    asked: u32,
    at: Timestamp,
) -> Result<(), ApplyError<R::Fault>> {
    let mut root_is_above = false;
    let count = |run: &mut Run| {
        run.steps += 1;
        run.tokens += tokens;
        if run.root == run.id {
            root_is_above = true;
            run.calls = run.calls.saturating_add(asked);
        }
    };
    let run = touch(rows, of, at, count)?;
    if index != run.steps {
        return reject(format!("step {index} of run {} is not the next", run.id));
    }
    // Tokens count for all ancestors. Steps count for the turn, but not for the speech of a manager.
    let mut above = run.parent.clone();
    while let Some(parent) = above {
        let count = |run: &mut Run| {
            run.steps += u32::from(run.kind.is_turn());
            run.tokens += tokens;
            if run.root == run.id {
                root_is_above = true;
                run.calls = run.calls.saturating_add(asked);
            }
        };
        above = touch(rows, &parent, at, count)?.parent;
    }
    // The root of a turn that answers mail is no ancestor, and may have been deleted.
    if !root_is_above && let Some(mut root) = rows.get::<Run>(run.root.as_str())? {
        root.calls = root.calls.saturating_add(asked);
        root.mail_tokens = root.mail_tokens.saturating_add(tokens);
        rows.put(&root)?;
    }
    if let Some((job, _)) = run.kind.job() {
        let mut job = require::<Job, R>(rows, job.as_str(), "job")?;
        job.tokens += tokens;
        job.crashes = 0;
        rows.put(&job)?;
    }
    Ok(())
}

pub(super) fn call<R: Rows>(rows: &mut R, call: &mut Call, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    let run = require::<Run, R>(rows, call.run.as_str(), "run")?;
    if run.agent() != Some(&call.agent) {
        return reject(format!("{} makes no calls in run {}", call.agent, run.id));
    }
    if run.is_finished() {
        return Err(ApplyError::Conflict(Conflict::Run { run: run.id }));
    }
    call.group = run.group().cloned();
    call.at = at;
    Ok(())
}

pub(super) fn park<R: Rows>(rows: &mut R, call: &PendingCall) -> Result<(), ApplyError<R::Fault>> {
    let run = require::<Run, R>(rows, call.run.as_str(), "run")?;
    waits::check(rows, call, &run)?;
    Ok(rows.put(call)?)
}

pub(super) fn choose<R: Rows>(rows: &mut R, id: &RunId, choice: &Choice) -> Result<(), ApplyError<R::Fault>> {
    let mut run = require::<Run, R>(rows, id.as_str(), "run")?;
    let RunKind::Choice { among, .. } = &run.kind else { return reject(format!("run {id} is not a choice")) };
    if let Choice::Member(agent) = choice
        && !among.contains(agent)
    {
        return reject(format!("{agent} is not a candidate"));
    }
    run.chosen = Some(choice.clone());
    Ok(rows.put(&run)?)
}

pub(super) fn signal<R: Rows>(rows: &mut R, id: &RunId, word: &str) -> Result<(), ApplyError<R::Fault>> {
    let mut run = require::<Run, R>(rows, id.as_str(), "run")?;
    if !run.kind.is_turn() || run.is_finished() {
        return reject(format!("run {id} is not an unfinished turn"));
    }
    if !run.signals.iter().any(|known| known == word) {
        run.signals.push(word.to_owned());
    }
    Ok(rows.put(&run)?)
}

pub(super) fn cancel<R: Rows>(rows: &mut R, id: &RunId) -> Result<(), ApplyError<R::Fault>> {
    let mut run = require::<Run, R>(rows, id.as_str(), "run")?;
    if !run.kind.is_turn() || run.is_finished() || run.queued.is_some() {
        return Err(ApplyError::Conflict(Conflict::Run { run: run.id }));
    }
    run.cancelled = true;
    Ok(rows.put(&run)?)
}

pub(super) fn answer<R: Rows>(
    rows: &mut R,
    step: &StepId,
    ordinal: u32,
    answer: &CallResult,
) -> Result<(), ApplyError<R::Fault>> {
    let mut call = require::<PendingCall, R>(rows, &PendingCall::place_key(step, ordinal), "pending call")?;
    let run = require::<Run, R>(rows, call.run.as_str(), "run")?;
    if run.state != RunState::Parked {
        return reject(format!("the run no longer waits for {}", call.name));
    }
    if call.answer.is_some() {
        return reject(format!("{} has been answered already", call.name));
    }
    call.answer = Some(answer.clone());
    Ok(rows.put(&call)?)
}

fn touch<R: Rows>(
    rows: &mut R,
    id: &RunId,
    at: Timestamp,
    with: impl FnOnce(&mut Run),
) -> Result<Run, ApplyError<R::Fault>> {
    let mut run = require::<Run, R>(rows, id.as_str(), "run")?;
    with(&mut run);
    run.moved_at = at;
    rows.put(&run)?;
    Ok(run)
}
