//! `nightdesk work`: the engine without a screen.
//!
//! It owns the store, resumes what is unfinished, runs jobs, and lets others join over the socket. With `--drain`
//! it ends once nothing is due; beside another owner it waits until that one has nothing due.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::desk::Places;
use super::print::{self, Out};
use super::roster::Roster;
use super::{Exit, Failure, job, unexpected};
use crate::domain::{Job, JobState};
use crate::engine::session::Session;
use crate::engine::wire::{Reply, Request, RowUpdate, Update};
use crate::engine::{Options, Scope};

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
            ended = watch(places, &desk, args.drain, out) => ended,
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

async fn enter(places: &Places, options: &Options, drain: bool) -> Result<Session, Failure> {
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
async fn watch(places: &Places, desk: &Session, drain: bool, out: &mut Out) -> Result<(), Failure> {
    let now = desk.handle().overview().await?;
    let mut following = desk.handle().follow(now.upto).await?;
    if !drain {
        print::note(&format!("working on {}; Ctrl-C stops", places.store.display()));
    }
    while !(drain && is_drained(desk).await?) {
        loop {
            match following.next().await? {
                Update::Committed { rows, .. } => {
                    tell(desk, &rows, out).await?;
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

async fn tell(session: &Session, rows: &[RowUpdate], out: &mut Out) -> Result<(), Failure> {
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
    let roster = Roster::read(session.handle()).await?;
    for job in jobs {
        let (state, outcome) = (job.state.shown(), job::outcome(job));
        out.line(format!("{} {state}  {outcome}", roster.full_name(&job.agent)).trim_end())?;
    }
    Ok(())
}

/// True when nothing is due.
async fn is_drained(session: &Session) -> Result<bool, Failure> {
    match session.handle().ask(Request::Due).await? {
        Reply::Due { due } => Ok(!due),
        other => Err(unexpected(&other)),
    }
}
