//! `nightdesk work --stop`: ends the worker that owns the store.

use crate::cli::paths::Paths;
use crate::cli::print::Out;
use crate::cli::roster::Roster;
use crate::cli::{CliError, Exit};
use crate::domain::JobState;
use crate::engine::session::Session;
use crate::engine::worker;

/// Stops the worker and prints what it handed back.
///
/// # Errors
/// No worker owns the store, or it does not end.
pub async fn stop(places: &Paths, out: &mut Out) -> Result<Exit, CliError> {
    let stopped = worker::stop(&places.store).await?;
    out.line(&format!("the worker {} has ended", stopped.pid))?;
    let handle = places.look()?;
    let (overview, roster) = (handle.overview().await?, Roster::read(&handle).await?);
    for job in overview.jobs.iter().filter(|job| stopped.jobs.contains(&job.id)) {
        let job_of = match job.care() {
            Some(care) => format!("the {}", care.noun()),
            None => format!("the job of {}", roster.worker(job)),
        };
        out.line(&match &job.state {
            JobState::Completed { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => {
                format!("finished: {job_of}")
            }
            _ => format!("handed back: {job_of}"),
        })?;
    }
    let turns = overview.runs.iter().filter(|run| stopped.turns.contains(&run.id)).count();
    if turns > 0 {
        let what = if turns == 1 { "1 turn is".to_owned() } else { format!("{turns} turns are") };
        out.line(&format!("{what} not finished and will be continued"))?;
    }
    if let Some(owner) = Session::owner(&places.store) {
        out.line(&format!("process {} runs the engine now", owner.pid))?;
    }
    Ok(Exit::Done)
}
