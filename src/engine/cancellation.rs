//! Ends runs early: a cancel, a time-out or an interruption also ends every run they caused.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::pending::{mails_of, unprocessed};
use super::{Engine, EngineError};
use crate::domain::run::CallResult;
use crate::domain::{
    Actor, Basis, Call, Change, Commit, Content, Job, JobState, MailStatus, PendingCall, PendingKind, Precondition,
    Run, RunId, RunState, StopReason,
};
use crate::store::Lane;

/// Tries when other commits come first.
const TRIES: u32 = 5;

/// The state of a run that a person or its turn cancelled.
pub const CANCELLED: RunState = RunState::Finished { stop_reason: StopReason::Cancelled, error: None };

/// How runs with a task in this program end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Their tasks are cancelled and commit the text streamed so far.
    Graceful,
    /// Now, with this commit; uncommitted work is discarded.
    Immediate,
}

/// The changes that end runs, not committed yet.
#[derive(Default)]
pub struct CancelPlan {
    /// The changes to commit.
    pub changes: Vec<Change>,
    /// What they rest on.
    pub preconditions: Vec<Precondition>,
    over: Vec<RunId>,
    tokens: Vec<CancellationToken>,
}

impl CancelPlan {
    /// Takes the commit of the changes out of the plan.
    pub fn commit(&mut self, by: Actor) -> Commit {
        let preconditions = std::mem::take(&mut self.preconditions);
        Commit { preconditions, ..Commit::new(by, std::mem::take(&mut self.changes)) }
    }

    /// Cancels the tasks of the runs and releases their agents, once the changes are committed.
    pub fn tell(self, engine: &Engine) {
        for token in self.tokens {
            token.cancel();
        }
        let mut tasks = engine.lock_tasks();
        tasks.kept.retain(|run, _| !self.over.contains(run));
    }
}

/// Ends these runs, the runs they caused and what they wait for, in one commit after `changes`.
///
/// Tries again if another commit came first.
///
/// # Errors
/// [`EngineError`] if the store fails, or if it is still refused after several tries.
pub async fn end(
    engine: &Engine,
    runs: &[&Run],
    to: &RunState,
    manner: Mode,
    changes: Vec<Change>,
) -> Result<(), EngineError> {
    end_with(engine, runs, None, to, manner, &changes).await
}

/// Plans the end of a job that is cancelled, and of its run. It rests on the job as it was read: one that is claimed
/// meanwhile has a run to end.
///
/// # Errors
/// [`EngineError`] if the store cannot be read.
pub async fn plan_job(engine: &Engine, job: &Job, why: &str) -> Result<CancelPlan, EngineError> {
    let run = match &job.run {
        Some(run) => Some(engine.must_run(run).await?),
        None => None,
    };
    let cancelled = Change::JobMoved { id: job.id.clone(), to: JobState::Cancelled { why: why.to_owned() } };
    let runs = run.as_ref();
    let mut ending = plan(engine, runs.as_slice(), &CANCELLED, Mode::Immediate, vec![cancelled]).await?;
    ending.preconditions.push(Precondition::unchanged(Basis::Job(job.clone())));
    Ok(ending)
}

/// The same for the runs of a call and its undelivered mail, which fails with `error`: nobody waits for it any more.
///
/// # Errors
/// As [`end`].
pub async fn end_call(
    engine: &Engine,
    call: &PendingCall,
    runs: &[&Run],
    to: &RunState,
    error: &str,
) -> Result<(), EngineError> {
    end_with(engine, runs, Some((call, error)), to, Mode::Immediate, &[]).await
}

async fn end_with(
    engine: &Engine,
    runs: &[&Run],
    call: Option<(&PendingCall, &str)>,
    to: &RunState,
    manner: Mode,
    changes: &[Change],
) -> Result<(), EngineError> {
    let mut refused = EngineError::Moved;
    for _ in 0..TRIES {
        // Read again: another commit may have changed them.
        let mut found = Revoked::default();
        if let Some((call, error)) = call {
            revoke_mail(engine, call, error, &mut found).await?;
        }
        found.changes.extend_from_slice(changes);
        let mut now = Vec::new();
        for run in runs.iter().copied().chain(&found.turns) {
            now.extend(engine.store.row::<Run>(run.id.as_str()).await?);
        }
        let mut ending = plan(engine, &now.iter().collect::<Vec<_>>(), to, manner, found.changes).await?;
        ending.preconditions.append(&mut found.preconditions);
        let commit = ending.commit(Actor::Engine);
        if commit.changes.is_empty() {
            ending.tell(engine);
            return Ok(());
        }
        match engine.commit(Lane::Foreground, commit).await {
            Ok(_) => {
                ending.tell(engine);
                return Ok(());
            }
            Err(trouble @ (EngineError::Moved | EngineError::Refused(_))) => refused = trouble,
            Err(other) => return Err(other),
        }
    }
    Err(refused)
}

/// Goes on with the turns that a person has cancelled and that have no task: they wait for the tasks below them, or a
/// task had parked or the program had ended before they were.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn end_cancelled(engine: &Engine, open: &[Run]) -> Result<(), EngineError> {
    for run in open.iter().filter(|run| run.cancelled && engine.token(&run.id).is_none()) {
        if engine.lock_tasks().given_up.contains(run.id.as_str()) {
            continue;
        }
        engine.each(run.id.as_str(), end(engine, &[run], &CANCELLED, Mode::Graceful, Vec::new()).await)?;
    }
    Ok(())
}

/// A run to end, its task if it has one, and the changes that go before its end.
struct Doomed {
    run: Run,
    token: Option<CancellationToken>,
    before: Revoked,
}

/// What ends with the wait for it: the changes, what they rest on, and the turns that work for nobody.
#[derive(Default)]
struct Revoked {
    turns: Vec<Run>,
    changes: Vec<Change>,
    preconditions: Vec<Precondition>,
}

/// Computes the changes that end these runs, the runs they caused and what they wait for, after `changes`. A run ends
/// after those it started: one with a task below that has to end first is left to [`end_cancelled`].
///
/// # Errors
/// [`EngineError`] if the store cannot be read.
pub async fn plan(
    engine: &Engine,
    runs: &[&Run],
    to: &RunState,
    manner: Mode,
    mut changes: Vec<Change>,
) -> Result<CancelPlan, EngineError> {
    let mut found: Vec<Doomed> = Vec::new();
    let mut left: Vec<Run> = runs.iter().map(|run| (*run).clone()).collect();
    while let Some(run) = left.pop() {
        if run.is_finished() || found.iter().any(|known| known.run.id == run.id) {
            continue;
        }
        let token = engine.token(&run.id);
        let mut doomed = Doomed { run, token, before: Revoked::default() };
        let run = &doomed.run;
        if doomed.token.is_none() || manner == Mode::Immediate {
            left.extend(engine.store.runs_of(&run.id).await?);
            if run.state == RunState::Parked && run.agent().is_some() {
                let before = &mut doomed.before;
                for call in unprocessed(&engine.store.calls(&run.id).await?) {
                    revoke_mail(engine, call, "the call that waited for the reply was cancelled", before).await?;
                    left.append(&mut before.turns);
                    before.changes.extend(void_call(engine, run, call, to).await?);
                }
            }
        }
        found.push(doomed);
    }
    let (mut over, mut tokens, mut held) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut preconditions = Vec::new();
    // Found before the runs they started, so the last ones end first.
    for doomed in found.into_iter().rev() {
        let waits = manner == Mode::Graceful && doomed.token.is_some() || held.contains(&doomed.run.id);
        tokens.extend(doomed.token);
        if waits {
            held.extend(doomed.run.parent);
            continue;
        }
        changes.extend(doomed.before.changes);
        preconditions.extend(doomed.before.preconditions);
        changes.push(Change::RunMoved { id: doomed.run.id.clone(), to: to.clone() });
        over.push(doomed.run.id);
    }
    Ok(CancelPlan { changes, preconditions, over, tokens })
}

/// Fails mail of this call that is not delivered yet, and finds the turns that already handle such mail.
async fn revoke_mail(
    engine: &Engine,
    call: &PendingCall,
    error: &str,
    revoked: &mut Revoked,
) -> Result<(), EngineError> {
    if call.kind != PendingKind::Reply || call.answer.is_some() {
        return Ok(());
    }
    for mail in mails_of(engine, call).await?.into_iter().filter(|mail| !mail.is_settled()) {
        if let Some(run) = &mail.run {
            revoked.turns.extend(engine.store.row::<Run>(run.as_str()).await?);
        } else if mail.status == MailStatus::Pending {
            let failed = Change::MailMoved {
                id: mail.id.clone(),
                to: MailStatus::Failed,
                run: None,
                error: Some(error.to_owned()),
            };
            revoked.changes.push(failed);
            // It may be delivered at this moment, and then its turn has to end.
            revoked.preconditions.push(Precondition::unchanged(Basis::Mail(mail)));
        }
    }
    Ok(())
}

/// The changes that give a call that will not be made its one result.
async fn void_call(engine: &Engine, run: &Run, call: &PendingCall, to: &RunState) -> Result<Vec<Change>, EngineError> {
    let why = match to {
        RunState::Finished { error: Some(error), .. } => error.clone(),
        RunState::Finished { stop_reason, .. } => stop_reason.sentence().to_owned(),
        _ => String::new(),
    };
    let text = format!("not done: {why}");
    let mut changes = Vec::new();
    if call.answer.is_none() {
        let answer = CallResult { ok: false, text: text.clone(), for_run: false, by: None };
        changes.push(Change::CallAnswered { step: call.step.clone(), ordinal: call.ordinal, answer });
    }
    let Some(agent) = run.agent() else { return Ok(changes) };
    changes.push(Change::CallMade(Call::new(run, agent, (&call.step, call.ordinal), &call.name, false)));
    let name = engine.agent_name(agent).await?;
    let content = Content::Tool {
        call: call.call.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
        ok: false,
        text,
    };
    changes.push(Change::MessageAppended(engine.message(run, content).by(agent, name).in_step(&call.step)));
    Ok(changes)
}

impl Engine {
    /// The token that cancels the task of this turn or worker; `None` if it has no task in this program.
    fn token(&self, run: &RunId) -> Option<CancellationToken> {
        let tasks = self.lock_tasks();
        tasks.turns.get(run).map(|(_, token)| token.clone()).or_else(|| tasks.workers.get(run).cloned())
    }
}
