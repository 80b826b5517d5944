//! Stops the worker that owns a store: a program that runs the engine without a screen.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::connection::Program;
use super::handle::Handle;
use super::protocol::RequestError;
use super::session::{self, Session};
use crate::domain::{JobId, JobState, RunId};

/// How long a worker may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interval between two looks at whether it has ended.
const BETWEEN: Duration = Duration::from_millis(25);

/// A worker that was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// Its process.
    pub pid: u32,
    /// The jobs it ran when it was stopped.
    pub jobs: Vec<JobId>,
    /// The turns that were not finished then.
    pub turns: Vec<RunId>,
}

/// Asks the worker that owns the store to end, and waits until it has ended.
///
/// # Errors
/// One sentence: no worker owns the store, it cannot be reached or signalled, or it does not end within 30 seconds.
pub async fn stop(store: &Path) -> Result<Stopped, RequestError> {
    let fail = |text: String| Err(RequestError::new(text));
    let Some(owner) = Session::owner(store) else {
        return fail("there is no worker to stop: no program has the store open".to_owned());
    };
    let client = match session::join(&owner).await {
        Ok(client) => client,
        Err(session::JoinError::Absent) => {
            return fail(format!("process {} is no worker but a command, which ends by itself", owner.pid));
        }
        Err(error) => return Err(error.into()),
    };
    let (pid, program) = client.owner();
    match program {
        Program::Worker => {}
        Program::Workbench => {
            return fail(format!("process {pid} is no worker but a workbench; quit it in its terminal with Ctrl-C"));
        }
        Program::Command => {
            return fail(format!("process {pid} does not say that it is a worker, so it is not stopped"));
        }
    }
    let client = Arc::new(client);
    let overview = Handle::remote(Arc::clone(&client)).overview().await?;
    let running = |state: &JobState| matches!(state, JobState::Running { .. });
    let jobs = overview.jobs.iter().filter(|job| running(&job.state)).map(|job| job.id.clone()).collect();
    let turns = overview.runs.iter().filter(|run| run.kind.is_turn() && !run.is_finished());
    let turns = turns.map(|run| run.id.clone()).collect();
    // The connection is up, so the number is still that of the worker.
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let sent = process.map(|process| kill_process(process, Signal::TERM));
    match sent {
        Some(Ok(())) => {}
        Some(Err(error)) => return fail(format!("process {pid} cannot be asked to end: {error}")),
        None => return fail("the system does not tell which process the worker is; end it by hand".to_owned()),
    }
    let ended = async {
        client.ended().await;
        while Session::owner(store).is_some_and(|now| now.pid == pid) {
            tokio::time::sleep(BETWEEN).await;
        }
    };
    if tokio::time::timeout(PATIENCE, ended).await.is_err() {
        let seconds = PATIENCE.as_secs();
        return fail(format!("process {pid} has not ended within {seconds} s; end it with `kill -KILL {pid}`"));
    }
    Ok(Stopped { pid, jobs, turns })
}
