//! `nightdesk job wait`.

use std::time::Duration;

use super::{find, outcome, row};
use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::roster::Roster;
use crate::cli::{CliError, Exit};
use crate::domain::change::ChangeKind;
use crate::domain::{Job, JobState};
use crate::engine::protocol::{Filter, RowUpdate, Update};
use crate::engine::{Handle, Scope};

/// Arguments of `job wait`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the job, or a unique prefix.
    id: String,
    /// Give up after so many seconds, with exit code 1.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Waits until the job has ended and prints its outcome.
pub(super) async fn wait(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let job = find(&places.look()?, &args.id).await?;
    let job = if job.state.is_final() { job } else { wait_for(places, &job, args.timeout).await? };
    let roster = &Roster::read(&places.look()?).await?;
    if args.json {
        out.json(&row(roster, &job, true))?;
    } else {
        out.line(format!("{} {}  {}", job.id, job.state.shown(), outcome(&job)).trim_end())?;
    }
    Ok(if matches!(job.state, JobState::Completed { .. }) { Exit::Done } else { Exit::Failed })
}

async fn wait_for(places: &Paths, job: &Job, timeout: Option<u32>) -> Result<Job, CliError> {
    let session = places.open(places.options(false, Scope::Nobody), false).await?;
    let job = if session.owner_elsewhere().is_none() {
        let text = format!("{} waits, and no program works on jobs; start `nightdesk` or `nightdesk work`", job.id);
        Err(CliError::Message(text))
    } else {
        let ended = ended(session.handle(), job);
        match timeout {
            None => ended.await,
            Some(seconds) => {
                tokio::time::timeout(Duration::from_secs(seconds.into()), ended).await.unwrap_or_else(|_| {
                    Err(CliError::Message(format!("{} has not ended within {seconds} s; it goes on", job.id)))
                })
            }
        }
    };
    session.close().await;
    job
}

async fn ended(handle: &Handle, job: &Job) -> Result<Job, CliError> {
    // Followed first, so that an end between the two is not missed.
    let after = handle.overview().await?.upto;
    let kinds = vec![ChangeKind::JobMoved, ChangeKind::JobRecovered];
    let mut following = handle.follow_some(after, Filter { kinds, live: false, ..Filter::default() }).await?;
    let now = find(handle, job.id.as_str()).await?;
    if now.state.is_final() {
        return Ok(now);
    }
    loop {
        match following.next().await? {
            Update::Committed { rows, .. } => {
                let mut ended = rows.into_iter().filter_map(|row| match row {
                    RowUpdate::Job(now) if now.id == job.id && now.state.is_final() => Some(now),
                    _ => None,
                });
                if let Some(ended) = ended.next() {
                    return Ok(ended);
                }
            }
            Update::Trouble { text } => print::note(&text),
            Update::Live(_) | Update::Over { .. } => {}
        }
    }
}
