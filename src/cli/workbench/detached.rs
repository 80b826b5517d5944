//! Starts `nightdesk work --detached`, which goes on after the workbench has ended.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli::CliError;
use crate::cli::paths::Paths;
use crate::engine::session::Session;

/// How long the worker may take to become the owner of the store.
const PATIENCE: Duration = Duration::from_secs(5);
/// Interval between two looks at whether it is.
const BETWEEN: Duration = Duration::from_millis(20);

/// Starts the worker on the same store, without a terminal and in a process group of its own, and waits until it owns the
/// store or another program does. Returns one sentence: which process works on, and how to stop it.
///
/// # Errors
/// It cannot be started, or ends at once.
pub async fn start(places: &Paths) -> Result<String, CliError> {
    let failed = |what: String| {
        CliError::Message(format!("continuing without a screen: {what}; run `nightdesk work` to see why"))
    };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut work = std::process::Command::new(program);
    work.arg("--store").arg(&places.store).arg("--config").arg(&places.config).args(["work", "--detached"]);
    work.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut worker = work.spawn().map_err(|error| failed(error.to_string()))?;
    let begun = Instant::now();
    loop {
        // The end is looked at first: a worker that was not needed has left the store to the other one.
        let ended = worker.try_wait().map_err(|error| failed(error.to_string()))?;
        let owner = Session::owner(&places.store).map(|owner| owner.pid);
        match (owner, ended) {
            (Some(pid), None) if pid == worker.id() => {
                return Ok(format!(
                    "working on without a screen in process {pid}; `nightdesk` shows it again, `nightdesk work --stop` \
                     stops it"
                ));
            }
            (Some(pid), Some(_)) if pid != worker.id() => return Ok(format!("process {pid} runs the engine now")),
            (_, Some(status)) if status.success() => return Ok("nothing was left to do".to_owned()),
            (_, Some(status)) => return Err(failed(format!("the worker ended at once ({status})"))),
            (_, None) if begun.elapsed() >= PATIENCE => {
                return Ok(format!("process {} is starting to work without a screen", worker.id()));
            }
            (_, None) => tokio::time::sleep(BETWEEN).await,
        }
    }
}
