//! The real program on a pseudo-terminal, with its files in a directory of its own.

#![allow(dead_code, reason = "each test file includes the bench and uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::meter::{DEADLINE, Meter};

/// The program, running.
pub struct Bench {
    pub meter: Meter,
    pub dir: tempfile::TempDir,
}

impl Bench {
    /// Starts it on what `prepare` puts into the directory; the store is `desk.db` there.
    pub fn start(size: (u16, u16), prepare: impl FnOnce(&std::path::Path)) -> Self {
        Self::start_with(size, &[], prepare)
    }

    /// The same in this environment.
    pub fn start_with(size: (u16, u16), environment: &[(&str, &str)], prepare: impl FnOnce(&std::path::Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let meter = Self::program(dir.path(), size, environment);
        Self { meter, dir }
    }

    /// Starts it again on the same files.
    pub fn again(&mut self, size: (u16, u16)) {
        self.meter = Self::program(self.dir.path(), size, &[]);
    }

    fn program(dir: &std::path::Path, (cols, rows): (u16, u16), environment: &[(&str, &str)]) -> Meter {
        let mut command = Meter::command(env!("CARGO_BIN_EXE_nightdesk"));
        for (name, value) in places(dir) {
            command.env(name, value);
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        command.arg("--store");
        command.arg(dir.join("desk.db"));
        let meter = Meter::spawn(command, cols, rows);
        meter.until_text("Conversation");
        meter.until_idle();
        meter
    }

    /// Runs a subcommand beside it and gives what it printed.
    pub fn command(&self, arguments: &[&str]) -> String {
        run(self.dir.path(), arguments)
    }

    /// Types bytes and gives the frames that came back once it is quiet again.
    pub fn answer_to(&mut self, bytes: &str) -> Vec<Vec<u8>> {
        let mark = self.meter.mark();
        self.meter.type_bytes(bytes);
        self.meter.until_idle();
        self.meter.frames_since(mark)
    }

    /// Waits until this draft is kept for the next start.
    pub fn until_saved(&self, draft: &str) {
        let file = self.dir.path().join("desk.db.session");
        let until = Instant::now() + DEADLINE;
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&format!("\"draft\":\"{draft}\""))) {
            assert!(Instant::now() < until, "the draft {draft:?} is not kept");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory that belongs to the process alone, in KiB.
    pub fn rss_anon(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.meter.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// Runs a subcommand on the files in `dir` and gives what it printed; it must succeed.
pub fn run(dir: &std::path::Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_nightdesk"))
        .envs(places(dir))
        .arg("--store")
        .arg(dir.join("desk.db"))
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn places(dir: &std::path::Path) -> [(&'static str, PathBuf); 3] {
    [
        ("XDG_DATA_HOME", dir.join("data")),
        ("XDG_CONFIG_HOME", dir.join("config")),
        ("XDG_STATE_HOME", dir.join("state")),
    ]
}
