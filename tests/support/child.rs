//! This test binary once more, running one of its tests: a process that can be killed, or has an environment of its
//! own.

use std::io::Write as _;
use std::process::{Command, Output};

/// What each line from child to parent begins with.
const MARK: &str = "child: ";

/// A command that runs the test `name` of the module `module_path!()`, and nothing else.
pub fn command(module: &str, name: &str) -> Command {
    let test = module.split_once("::").map_or_else(|| name.to_owned(), |(_, inner)| format!("{inner}::{name}"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&test, "--exact", "--nocapture", "--test-threads=1"]);
    command
}

/// Sends a line to the parent. The test harness writes to the same stream and does not always end its lines, so this
/// one begins a new line.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    write!(out, "\n{MARK}{line}\n").unwrap();
    out.flush().unwrap();
}

/// What the child said in a line of its output; nothing if the line is the harness's.
pub fn heard(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix(MARK)
}

/// Panics unless the child ran its test and the test passed. A name that no test has would be a success to libtest.
pub fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("test result: ok. 1 passed"), "{text}");
}
