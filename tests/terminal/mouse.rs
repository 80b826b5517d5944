//! The real program takes the mouse only where it was not told to leave it to the terminal.

use crate::support::binary;
use crate::support::pty::Meter;

const ON: &str = "\u{1b}[?1000h";
const OFF: &str = "\u{1b}[?1000l";

/// The workbench with this configuration, these arguments and this environment.
fn workbench(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> (Meter, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mouse.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = binary::command(dir.path());
    command.arg("--config");
    command.arg(&file);
    command.args(arguments);
    for (name, value) in environment {
        command.env(name, value);
    }
    let meter = Meter::spawn(command, 80, 24);
    meter.until_text("Conversation");
    (meter, dir)
}

fn written(meter: &Meter) -> String {
    meter.look(|seen| String::from_utf8_lossy(&seen.bytes).into_owned())
}

#[test]
fn the_mouse_is_taken_as_flag_and_configuration_say_and_else_only_on_this_machine() {
    let ssh = [("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")];
    for (config, arguments, environment, taken) in [
        ("", &[][..], &[][..], true),
        ("mouse = false\n", &[], &[], false),
        ("", &["--no-mouse"], &[], false),
        ("mouse = false\n", &["--mouse"], &[], true),
        ("mouse = true\n", &["--mouse", "--no-mouse"], &[], false),
        ("", &[], &ssh[..], false),
        ("mouse = true\n", &[], &ssh[..], true),
    ] {
        let (meter, _dir) = workbench(config, arguments, environment);
        assert_eq!(written(&meter).contains(ON), taken, "{config:?} {arguments:?} {environment:?}");
    }
}

#[test]
fn a_key_gives_the_mouse_to_the_terminal_and_takes_it_again() {
    let (mut meter, _dir) = workbench("", &[], &[]);
    meter.type_bytes("\u{1b}m");
    meter.until_text("the mouse is off here");
    assert!(written(&meter).contains(OFF));
    let mark = meter.mark();
    meter.type_bytes("\u{1a}");
    meter.until_seen(|seen| seen.since(mark).contains("\u{1b}[?1049h")).unwrap();
    meter.until_idle();
    assert!(!meter.look(|seen| seen.since(mark)).contains(ON), "it stays off after a stop");
    let mark = meter.mark();
    meter.type_bytes("\u{1b}m");
    meter.until_text("the mouse works here");
    assert!(meter.look(|seen| seen.since(mark)).contains(ON));
}
