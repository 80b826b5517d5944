//! `nightdesk work`: runs the engine without a screen.
//!
//! The command owns the store, resumes unfinished runs, runs jobs, and accepts connections over the socket. With
//! `--drain` it ends when nothing is due; if another process owns the store, it waits until that one has nothing due. With
//! `--detached`, as the workbench starts it, it also stays for what is scheduled. `--stop` ends it from elsewhere.

mod stop;

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, job, unexpected};
use crate::domain::Job;
use crate::domain::change::ChangeKind;
use crate::engine::connection::Program;
use crate::engine::protocol::{Filter, Reply, Request, RowUpdate, Update};
use crate::engine::session::Session;
use crate::engine::{Handle, Options, Scope};
use crate::text_file;

pub use stop::stop;

/// Delay before the next attempt to open a store whose owner does not accept connections.
const BETWEEN: Duration = Duration::from_millis(200);

/// Arguments of `work`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when nothing is due: no job, no mail, and no turn except those that wait for a person.
    #[arg(long)]
    drain: bool,
    /// End when nothing is due and nothing is scheduled, or another program runs the engine; survive a closed terminal.
    #[arg(long, conflicts_with = "drain")]
    detached: bool,
    /// Stop the worker that owns the store, wait until it has ended, and print what it handed back.
    #[arg(long, conflicts_with_all = ["drain", "detached"])]
    stop: bool,
}

/// When a worker ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Never.
    Stopped,
    /// When nothing is due.
    Drained,
    /// When nothing is due and nothing is scheduled.
    Done,
}

/// The signals that end a worker.
struct Signals {
    terminated: Signal,
    interrupted: Signal,
    /// `None` if a closed terminal does not end it.
    hung_up: Option<Signal>,
}

impl Signals {
    fn listen(survives: bool) -> std::io::Result<Self> {
        let hung_up = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let (terminated, interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        // Listening to it, and to nothing else of it, is enough to survive it.
        Ok(Self { terminated, interrupted, hung_up: hung_up.filter(|_| !survives) })
    }

    /// Waits for one of them.
    async fn next(&mut self) {
        let hung_up = async {
            match &mut self.hung_up {
                Some(hung_up) => hung_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
            _ = hung_up => {}
        }
    }
}

/// True if this program was started to survive a closed terminal, as by nohup(1).
fn hangup_is_ignored() -> bool {
    const LARGEST: u64 = 64 * 1024;
    const HANGUP: u64 = 1;
    let status = text_file::read("/proc/self/status".as_ref(), LARGEST).unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANGUP != 0)
}

/// Runs the engine until SIGINT, SIGTERM or SIGHUP or, with `--drain` or `--detached`, until nothing is left to do.
///
/// # Errors
/// The store cannot be opened, another process owns it (without `--drain` and `--detached`), or the engine fails.
pub async fn work(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    if args.stop {
        return stop(places, out).await;
    }
    let until = match (args.drain, args.detached) {
        (true, _) => Until::Drained,
        (_, true) => Until::Done,
        _ => Until::Stopped,
    };
    let mut signals = Signals::listen(until == Until::Done)?;
    let options = Options { program: Program::Worker, ..places.options(true, Scope::All) };
    loop {
        let desk = tokio::select! {
            desk = enter(places, &options, until) => desk?,
            () = signals.next() => return Ok(Exit::Done),
        };
        let elsewhere = desk.owner_elsewhere().cloned();
        if let Some(held) = elsewhere.as_ref().filter(|_| until == Until::Done) {
            print::note(&format!("process {} runs the engine already", held.pid));
            desk.close().await;
            return Ok(Exit::Done);
        }
        let ended = tokio::select! {
            ended = watch(places, &desk, until, out) => ended,
            why = desk.lost() => Err(CliError::Message(why)),
            () = signals.next() => Ok(()),
        };
        desk.close().await;
        match ended {
            Ok(()) => return Ok(Exit::Done),
            // The owner has ended with unfinished work: take over the store.
            Err(failure) if elsewhere.is_some() => tracing::info!("{failure}"),
            Err(failure) => return Err(failure),
        }
    }
}

async fn enter(places: &Paths, options: &Options, until: Until) -> Result<Session, CliError> {
    loop {
        match places.open(options.clone(), true).await {
            Ok(desk) => match desk.owner_elsewhere().filter(|_| until == Until::Stopped) {
                Some(held) => return Err(held.clone().into()),
                None => return Ok(desk),
            },
            // An owner that does not listen runs a single command and ends soon.
            Err(CliError::Held(_)) if until != Until::Stopped => tokio::time::sleep(BETWEEN).await,
            Err(failure) => return Err(failure),
        }
    }
}

/// Prints a line for every finished or failed job. Returns when the worker is to end by itself.
async fn watch(places: &Paths, desk: &Session, until: Until, out: &mut Out) -> Result<(), CliError> {
    let now = desk.handle().overview().await?;
    let ends = until != Until::Stopped;
    let mut following = desk.handle().follow_some(now.upto, wanted(ends)).await?;
    match until {
        Until::Stopped => print::note(&format!("working on {}; Ctrl-C stops", places.store.display())),
        Until::Done => {
            print::note(&format!("working on {} until nothing is due or scheduled", places.store.display()));
        }
        Until::Drained => {}
    }
    let mut seen = now.upto;
    loop {
        // What ended before nothing was due is told, too.
        let last = if ends && is_over(desk.handle(), until).await? {
            Some(desk.handle().overview().await?.upto)
        } else {
            None
        };
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
                Update::Trouble { text } if until == Until::Drained && desk.owner_elsewhere().is_none() => {
                    return Err(CliError::Message(text));
                }
                Update::Trouble { text } => print::note(&text),
                Update::Live(_) | Update::Over { .. } => {}
            }
        }
    }
}

/// What [`watch`] has to see: every commit to find out whether it is over, otherwise those that end jobs.
fn wanted(ends: bool) -> Filter {
    let kinds = [ChangeKind::JobMoved, ChangeKind::JobHandedBack, ChangeKind::JobRecovered];
    Filter { kinds: if ends { Vec::new() } else { kinds.into() }, live: false, ..Filter::default() }
}

async fn tell(session: &Session, rows: &[RowUpdate], out: &mut Out) -> Result<(), CliError> {
    let jobs: Vec<&Job> = rows
        .iter()
        .filter_map(|row| match row {
            RowUpdate::Job(job) if job.state.is_final() || job.state.run_at().is_some() => Some(job),
            _ => None,
        })
        .collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let roster = Roster::read(session.handle()).await?;
    for job in jobs {
        let (state, outcome) = (job.state.shown(), job::outcome(job));
        out.line(format!("{} {state}  {outcome}", roster.worker(job)).trim_end())?;
    }
    Ok(())
}

/// Returns whether the worker has nothing left to do.
async fn is_over(handle: &Handle, until: Until) -> Result<bool, CliError> {
    let (due, scheduled) = outlook(handle).await?;
    Ok(!due && (until == Until::Drained || !scheduled))
}

/// Returns whether anything is due, and whether anything is scheduled for later.
pub(super) async fn outlook(handle: &Handle) -> Result<(bool, bool), CliError> {
    match handle.ask(Request::Due).await? {
        Reply::Due { due, scheduled } => Ok((due, scheduled.is_some())),
        other => Err(unexpected(&other)),
    }
}
