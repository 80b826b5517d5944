//! `nightdesk work`: the engine without a screen.
//!
//! It owns the store, resumes what is unfinished, runs jobs, and lets others join over the socket. With `--drain`
//! it ends once nothing is due; beside another owner it waits until that one has nothing due.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::desk::{Desk, Places};
use super::print::{self, Out};
use super::roster::Roster;
use super::{Exit, Failure, job, send};
use crate::domain::{AgentId, ConversationId, Job, JobState, PendingKind, RunId};
use crate::engine::wire::{RowUpdate, Update};
use crate::engine::{Options, Scope};
use crate::store::Store;

/// Between two looks at a store whose owner does not listen.
const BETWEEN: Duration = Duration::from_millis(200);

/// What `work` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when no job is due, no mail can be delivered and no turn is unfinished; one that waits for a person does
    /// not count.
    #[arg(long)]
    drain: bool,
}

/// Works until told to stop, or until nothing is due.
pub async fn work(places: &Places, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let options = places.options(true, Scope::All);
    loop {
        let desk = tokio::select! {
            desk = enter(places, &options, args.drain) => desk?,
            _ = terminated.recv() => return Ok(Exit::Done),
            _ = interrupted.recv() => return Ok(Exit::Done),
        };
        let ended = tokio::select! {
            ended = watch(&desk, args.drain, out) => ended,
            _ = terminated.recv() => Ok(()),
            _ = interrupted.recv() => Ok(()),
        };
        let elsewhere = desk.owner_elsewhere().is_some();
        desk.close().await;
        match ended {
            Ok(()) => return Ok(Exit::Done),
            // The owner has ended before its work was done: it is this program's now.
            Err(failure) if elsewhere => tracing::info!("{failure}"),
            Err(failure) => return Err(failure),
        }
    }
}

async fn enter(places: &Places, options: &Options, drain: bool) -> Result<Desk, Failure> {
    loop {
        match places.open(options.clone(), true).await {
            Ok(desk) => match desk.owner_elsewhere().filter(|_| !drain) {
                Some(held) => return Err(held.clone().into()),
                None => return Ok(desk),
            },
            // Whoever has it is answering one message and will give it back.
            Err(Failure::Held(_)) if drain => tokio::time::sleep(BETWEEN).await,
            Err(failure) => return Err(failure),
        }
    }
}

/// Tells of jobs as they go; ends when nothing is due, if so asked.
async fn watch(desk: &Desk, drain: bool, out: &mut Out) -> Result<(), Failure> {
    let now = desk.handle().overview().await?;
    let mut following = desk.handle().follow(now.upto).await?;
    if !drain {
        print::note(&format!("working on {}; Ctrl-C stops", desk.store().path().display()));
    }
    while !(drain && is_drained(desk.store()).await?) {
        loop {
            match following.next().await? {
                Update::Committed { rows, .. } => {
                    tell(desk.store(), &rows, out).await?;
                    break;
                }
                Update::Trouble { text } if drain && desk.owner_elsewhere().is_none() => {
                    return Err(Failure::Said(text));
                }
                Update::Trouble { text } => print::note(&text),
                Update::Live(_) | Update::Over { .. } => {}
            }
        }
    }
    Ok(())
}

async fn tell(store: &Store, rows: &[RowUpdate], out: &mut Out) -> Result<(), Failure> {
    let jobs: Vec<&Job> = rows
        .iter()
        .filter_map(|row| match row {
            RowUpdate::Job(job) if job.state.is_final() || matches!(job.state, JobState::Retryable { .. }) => Some(job),
            _ => None,
        })
        .collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let roster = Roster::read(store).await?;
    for job in jobs {
        let (state, outcome) = (job.state.shown(), job::outcome(job));
        out.line(format!("{} {state}  {outcome}", roster.full_name(&job.agent)).trim_end())?;
    }
    Ok(())
}

/// True when nothing is due. What is due is read in several pieces: where something was committed between them, they
/// do not belong together, and the commit brings another look.
async fn is_drained(store: &Store) -> Result<bool, Failure> {
    let before = store.last_change().await?;
    Ok(is_at_rest(store).await? && store.last_change().await? == before)
}

/// True when no job is due, no mail can be delivered, and no turn could go on without a person.
async fn is_at_rest(store: &Store) -> Result<bool, Failure> {
    if store.has_pending_mail().await? && !store.due_mail(None).await?.is_empty() {
        return Ok(false);
    }
    let mut seen: Vec<ConversationId> = Vec::new();
    for turn in store.turn_runs().await? {
        // What stands behind a turn of its conversation waits with it.
        if seen.contains(&turn.conversation) {
            continue;
        }
        if send::waits_for_person(store, &turn).await?.is_none() {
            return Ok(false);
        }
        seen.push(turn.conversation);
    }
    let now = store.clock().now();
    let jobs = store.unfinished_jobs().await?;
    let held = held_runs(store).await?;
    Ok(!jobs.iter().any(|job| match &job.state {
        JobState::Running { .. } => true,
        JobState::Retryable { run_at, .. } => *run_at <= now,
        // The window of a job begins where the one before it ends, so that one goes first.
        JobState::Available => job.window.is_some() || !jobs.iter().any(|other| is_before(other, job)),
        JobState::Parked => job.run.as_ref().is_some_and(|run| !held.contains(run)),
        JobState::Completed { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => false,
    }))
}

/// The runs that wait for a person, or for an agent that has not answered. Any other that is parked has its answer
/// and goes on.
async fn held_runs(store: &Store) -> Result<Vec<RunId>, Failure> {
    let open = store.open_runs().await?;
    let works = |agent: &AgentId| open.iter().any(|run| run.agent() == Some(agent));
    let calls = store.waiting_calls().await?.into_iter();
    let holds = calls.filter(|call| match call.kind {
        PendingKind::Approval => true,
        PendingKind::Reply => call.whom.iter().any(works),
        PendingKind::Workers | PendingKind::Group | PendingKind::Behind => false,
    });
    Ok(holds.map(|call| call.run).collect())
}

fn is_before(other: &Job, job: &Job) -> bool {
    other.agent == job.agent && other.group == job.group && other.window.is_some() && other.retry_of.is_none()
}
