//! A program that owns the store and does not answer.

use std::fmt;
use std::io::Read as _;
use std::time::Duration;

/// How long an owner may take to answer, unless it is seen to be busy.
pub(in crate::engine) const SECOND: Duration = Duration::from_secs(1);
/// How long an owner that runs may take.
const BUSY: Duration = Duration::from_secs(10);

/// The program that owns the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Silent {
    /// Its process; 0 if unknown.
    pub pid: u32,
    /// True if it is suspended, as by Ctrl-Z.
    pub suspended: bool,
}

impl Silent {
    pub(in crate::engine) fn of(pid: u32) -> Self {
        Self { pid, suspended: is_suspended(pid) }
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid;
        match (self.suspended, pid) {
            (_, 0) => f.write_str("the program that owns the store does not answer; end it, or bring it back"),
            (true, _) => write!(
                f,
                "process {pid} owns the store and is suspended; bring it back with `fg` in its terminal or `kill -CONT \
                 {pid}`, or end it with `kill -KILL {pid}`"
            ),
            (false, _) => write!(
                f,
                "process {pid} owns the store and does not answer; try again, or end it with `kill -KILL {pid}`"
            ),
        }
    }
}

/// Waits for an answer of the process: a second, or longer while it runs and is only busy.
///
/// # Errors
/// [`Silent`] if it does not come.
pub(in crate::engine) async fn answered<T>(pid: u32, answer: impl Future<Output = T>) -> Result<T, Silent> {
    let mut answer = std::pin::pin!(answer);
    let begun = tokio::time::Instant::now();
    loop {
        if let Ok(answer) = tokio::time::timeout(SECOND, &mut answer).await {
            return Ok(answer);
        }
        if !runs(pid) || begun.elapsed() >= BUSY {
            return Err(Silent::of(pid));
        }
    }
}

/// True if the system says that the process is suspended.
pub(in crate::engine) fn is_suspended(pid: u32) -> bool {
    matches!(state(pid), Some('T' | 't'))
}

/// True if the system says that the process is there and not suspended.
fn runs(pid: u32) -> bool {
    !matches!(state(pid), None | Some('T' | 't' | 'Z' | 'X'))
}

/// The state of a process as in ps(1); `None` where the system does not tell.
fn state(pid: u32) -> Option<char> {
    let mut stat = Vec::new();
    std::fs::File::open(format!("/proc/{pid}/stat")).ok()?.take(4_096).read_to_end(&mut stat).ok()?;
    // The name before it is in parentheses and may have any characters in it.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).map(|byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

    use super::{is_suspended, runs};

    #[test]
    fn a_suspended_process_is_told_from_one_that_runs_and_one_that_is_gone() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let (pid, own) = (child.id(), Pid::from_child(&child));
        assert!(runs(pid) && !is_suspended(pid));
        kill_process(own, Signal::STOP).unwrap();
        waitpid(Some(own), WaitOptions::UNTRACED).unwrap();
        assert!(is_suspended(pid) && !runs(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_suspended(pid) && !runs(pid));
    }
}
