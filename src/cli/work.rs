//! `nightdesk work`: runs the engine without a screen.
//!
//! The command owns the store, resumes unfinished runs, runs jobs, and accepts connections over the socket. With
//! `--drain` it ends when nothing is due; if another process owns the store, it waits until that one has nothing due.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, job, unexpected};
use crate::domain::change::ChangeKind;
use crate::domain::{Job, JobState};
use crate::engine::protocol::{Filter, Reply, Request, RowUpdate, Update};
use crate::engine::session::Session;
use crate::engine::{Options, Scope};

/// Delay before the next attempt to open a store whose owner does not accept connections.
const BETWEEN: Duration = Duration::from_millis(200);

/// Arguments of `work`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when nothing is due: no job, no mail, and no turn except those that wait for a person.
    #[arg(long)]
    drain: bool,
}

/// Runs the engine until SIGINT or SIGTERM or, with `--drain`, until nothing is due.
///
/// # Errors
/// The store cannot be opened, another process owns it (without `--drain`), or the engine fails.
pub async fn work(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
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
            why = desk.lost() => Err(CliError::Message(why)),
            _ = terminated.recv() => Ok(()),
            _ = interrupted.recv() => Ok(()),
        };
        let elsewhere = desk.owner_elsewhere().is_some();
        desk.close().await;
        match ended {
            Ok(()) => return Ok(Exit::Done),
            // The owner has ended with unfinished work: take over the store.
            Err(failure) if elsewhere => tracing::info!("{failure}"),
            Err(failure) => return Err(failure),
        }
    }
}

async fn enter(places: &Paths, options: &Options, drain: bool) -> Result<Session, CliError> {
    loop {
        match places.open(options.clone(), true).await {
            Ok(desk) => match desk.owner_elsewhere().filter(|_| !drain) {
                Some(held) => return Err(held.clone().into()),
                None => return Ok(desk),
            },
            // An owner that does not listen runs a single command and ends soon.
            Err(CliError::Held(_)) if drain => tokio::time::sleep(BETWEEN).await,
            Err(failure) => return Err(failure),
        }
    }
}

/// Prints a line for every finished or failed job. With `drain`, returns when nothing is due.
async fn watch(places: &Paths, desk: &Session, drain: bool, out: &mut Out) -> Result<(), CliError> {
    let now = desk.handle().overview().await?;
    let mut following = desk.handle().follow_some(now.upto, wanted(drain)).await?;
    if !drain {
        print::note(&format!("working on {}; Ctrl-C stops", places.store.display()));
    }
    let mut seen = now.upto;
    loop {
        // What ended before nothing was due is told, too.
        let last = if drain && is_drained(desk).await? { Some(desk.handle().overview().await?.upto) } else { None };
        if last.is_some_and(|last| seen >= last) {
            return Ok(());
        }
        loop {
            match following.next().await? {
                Update::Committed { upto, rows, .. } => {
                    seen = upto;
                    tell(desk, &rows, out).await?;
                    if last.is_none_or(|last| seen >= last) {
                        break;
                    }
                }
                Update::Trouble { text } if drain && desk.owner_elsewhere().is_none() => {
                    return Err(CliError::Message(text));
                }
                Update::Trouble { text } => print::note(&text),
                Update::Live(_) | Update::Over { .. } => {}
            }
        }
    }
}

/// What [`watch`] has to see: every commit to find out whether anything is due, otherwise those that end jobs.
fn wanted(drain: bool) -> Filter {
    let ends = [ChangeKind::JobMoved, ChangeKind::JobHandedBack, ChangeKind::JobRecovered];
    Filter { kinds: if drain { Vec::new() } else { ends.into() }, live: false, ..Filter::default() }
}

async fn tell(session: &Session, rows: &[RowUpdate], out: &mut Out) -> Result<(), CliError> {
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

/// Returns whether nothing is due.
async fn is_drained(session: &Session) -> Result<bool, CliError> {
    match session.handle().ask(Request::Due).await? {
        Reply::Due { due } => Ok(!due),
        other => Err(unexpected(&other)),
    }
}
