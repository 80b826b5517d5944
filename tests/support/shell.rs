//! A person's shell: runs the real program on a store, a configuration and a home of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a condition may take before the wait for it fails.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// One home directory with everything in it.
pub struct Shell {
    home: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Shell {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub fn store(&self) -> PathBuf {
        self.path("data/nightdesk/desk.db")
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nightdesk"));
        command.args(arguments).env_clear().env("HOME", self.home.path());
        for (name, dir) in [("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data"), ("XDG_STATE_HOME", "state")] {
            command.env(name, self.path(dir));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs it with this on standard input.
    pub fn run_with(&self, input: &str, arguments: &[&str]) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Runs it with these bytes on standard input, of which it reads as many as it wants.
    pub fn run_with_bytes(&self, input: &[u8], arguments: &[&str]) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // It may have ended before it has read them all.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }

    /// Runs what must go well and returns its output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    /// Runs what must go well and returns the JSON it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(arguments);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// Runs what must be refused with one sentence, and returns that.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{arguments:?}: {ended:?}");
        assert_eq!(ended.err.trim_end().lines().count(), 1, "{arguments:?}: one sentence: {}", ended.err);
        ended.err.trim_end().to_owned()
    }

    /// Starts it and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// Waits until this holds.
    pub fn until<T>(&self, what: &str, holds: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = holds(self) {
                return found;
            }
            assert!(begun.elapsed() < DEADLINE, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The process that signed the owner's lock last.
    pub fn signed_owner(&self) -> Option<u32> {
        let lock = std::fs::read_to_string(format!("{}.lock", self.store().display())).ok()?;
        lock.split_once(' ')?.0.parse().ok()
    }

    /// Where the owner of the store listens.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(format!("{}.sock/owner", self.store().display()))
    }

    /// Starts `work` and waits until it listens.
    pub fn work(&self) -> Running {
        let work = self.start(&["work"]);
        let socket = self.socket();
        self.until("work listens", |_| std::os::unix::net::UnixStream::connect(&socket).ok());
        assert_eq!(self.signed_owner(), Some(work.child.id()));
        work
    }

    /// F16, by the program's own command, at the end of every test.
    pub fn folds(&self) {
        let report = self.json(&["doctor", "--deep", "--json"]);
        assert_eq!(report["ok"], true, "{report}");
        let log = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "log");
        assert_eq!(log.unwrap()["ok"], true, "{report}");
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A command that runs. Dropping it kills it.
pub struct Running {
    pub child: Child,
    pub lines: Receiver<String>,
}

impl Running {
    /// Starts the command and leaves it running.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line it prints with this in it.
    pub fn line_with(&self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|error| panic!("no {part:?}: {error}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The most memory it has had, in MiB.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Waits for its end: its exit code and the lines not taken yet.
    pub fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        (code, self.lines.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a file of the repository.
pub fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}
