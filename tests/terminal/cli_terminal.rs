//! What a model says cannot control the terminal of whoever runs a command in it.

use std::path::Path;

use crate::support::binary::{self, run};
use crate::support::pty::Meter;

/// What a command writes to a terminal of its own.
fn on_terminal(dir: &Path, arguments: &[&str]) -> String {
    let mut command = binary::command(dir);
    command.args(arguments);
    let mut meter = Meter::spawn(command, 80, 24);
    assert!(meter.wait().success(), "{}", meter.screen());
    meter.until_seen(|seen| seen.closed).unwrap();
    meter.look(|seen| String::from_utf8(seen.bytes.clone()).unwrap())
}

#[test]
fn hostile_answers_are_neutralised_on_a_terminal() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let team = format!(
        "[group]\nname = \"g\"\nmanager_type = \"round_robin\"\nmembers = [\"a\"]\n[[agent]]\nname = \"a\"\nmodel = \"scripted/{}\"\n",
        concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/hostile.toml")
    );
    std::fs::write(dir.join("team.toml"), team).unwrap();
    run(dir, &["apply", "--allow-outside", dir.join("team.toml").to_str().unwrap()]);
    for (turn, arguments) in
        [(1, &["send", "g", "x"][..]), (2, &["send", "g", "x"]), (3, &["send", "g", "x", "--json"])]
    {
        let written = on_terminal(dir, arguments);
        check(turn, &written);
        assert!(written.contains("done") || written.contains("end"), "it was told all the same: {written}");
    }
    check(0, &on_terminal(dir, &["message", "list", "g"]));
    let raw = run(dir, &["message", "list", "g"]);
    assert!(raw.contains('\u{1b}'), "a pipe gets what was said");
    let report: serde_json::Value = serde_json::from_str(&run(dir, &["doctor", "--deep", "--json"])).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    let log = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "log");
    assert_eq!(log.unwrap()["ok"], true, "{report}");
}

/// Line breaks aside, nothing is there that a terminal obeys.
fn check(turn: u32, written: &str) {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = written.chars().filter(|c| steers(*c)).collect();
    assert!(found.is_empty(), "turn {turn}: {found:?} in {written:?}");
}
