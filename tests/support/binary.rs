//! The real program on a pseudo-terminal, with its files in a directory of its own.

use std::path::PathBuf;

use super::pty::{CommandBuilder, Meter};

/// The program, running.
pub struct Bench {
    pub meter: Meter,
    /// Where its files are.
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
        let mut command = command(dir.path());
        for (name, value) in environment {
            command.env(name, value);
        }
        let meter = Meter::spawn(command, size.0, size.1);
        meter.until_text("Conversation");
        meter.until_idle();
        Self { meter, dir }
    }

    /// Writes the text of a block from another process, as an agent might meanwhile.
    pub fn set_block(&self, group: &str, label: &str, text: &str) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nightdesk"));
        command.envs(places(self.dir.path())).env_remove("TMUX").arg("--store").arg(self.dir.path().join("desk.db"));
        command.args(["block", "set", group, label]).stdin(std::process::Stdio::piped());
        let quiet = std::process::Stdio::null;
        let mut child = command.stdout(quiet()).stderr(quiet()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Types bytes and gives the frames that came back once it is quiet again.
    pub fn answer_to(&mut self, bytes: &str) -> Vec<Vec<u8>> {
        let mark = self.meter.mark();
        self.meter.type_bytes(bytes);
        self.meter.until_idle();
        self.meter.frames_since(mark)
    }

    /// Resident memory that belongs to the process alone, in KiB.
    pub fn rss_anon(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.meter.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The program on the files in `dir`, to be run on a terminal.
pub fn command(dir: &std::path::Path) -> CommandBuilder {
    let mut command = Meter::command(env!("CARGO_BIN_EXE_nightdesk"));
    for (name, value) in places(dir) {
        command.env(name, value);
    }
    command.arg("--store");
    command.arg(dir.join("desk.db"));
    command
}

/// Runs a subcommand on the files in `dir` to its end.
pub fn output(dir: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_nightdesk"))
        .envs(places(dir))
        .env_remove("TMUX")
        .arg("--store")
        .arg(dir.join("desk.db"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs a subcommand on the files in `dir` and gives what it printed; it must succeed.
pub fn run(dir: &std::path::Path, arguments: &[&str]) -> String {
    let output = output(dir, arguments);
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
