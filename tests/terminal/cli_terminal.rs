//! What a model says cannot control the terminal of whoever runs a command in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/meter.rs"]
mod meter;
#[path = "support/shell.rs"]
mod shell;

use meter::Meter;
use shell::{Shell, fixture};

/// What a command writes to a terminal of its own.
fn on_terminal(shell: &Shell, arguments: &[&str]) -> String {
    let plain = shell.command(arguments);
    let mut command = Meter::command(plain.get_program());
    command.args(arguments);
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    let mut meter = Meter::spawn(command, 80, 24);
    assert!(meter.wait().success(), "{}", meter.screen());
    meter.until_seen(|seen| seen.closed).unwrap();
    meter.look(|seen| String::from_utf8(seen.bytes.clone()).unwrap())
}

#[test]
fn hostile_answers_are_neutralised_on_a_terminal() {
    let shell = Shell::new();
    let team = format!(
        "[group]\nname = \"g\"\nmanager_type = \"round_robin\"\nmembers = [\"a\"]\n[[agent]]\nname = \"a\"\nmodel = \"scripted/{}\"\n",
        fixture("models/hostile.toml")
    );
    let team = shell.write("team.toml", &team);
    shell.ok(&["apply", &team]);
    for (turn, arguments) in
        [(1, &["send", "g", "x"][..]), (2, &["send", "g", "x"]), (3, &["send", "g", "x", "--json"])]
    {
        let written = on_terminal(&shell, arguments);
        check(turn, &written);
        assert!(written.contains("done") || written.contains("end"), "it was told all the same: {written}");
    }
    check(0, &on_terminal(&shell, &["message", "list", "g"]));
    let raw = shell.ok(&["message", "list", "g"]);
    assert!(raw.contains('\u{1b}'), "a pipe gets what was said");
    shell.folds();
}

/// Line breaks aside, nothing is there that a terminal obeys.
fn check(turn: u32, written: &str) {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = written.chars().filter(|c| steers(*c)).collect();
    assert!(found.is_empty(), "turn {turn}: {found:?} in {written:?}");
}
