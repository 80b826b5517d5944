//! The terminal layer: what is drawn is what the terminal shows, in few bytes; and whatever ends, stops or
//! interrupts the program, the terminal is left as it was found.
//!
//! The programs on the pseudo-terminals are this test binary itself, running one test that is a small program.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and its program prints")]

#[path = "support"]
mod support {
    #[allow(dead_code, reason = "a part of it; tests/budget.rs uses the whole, and there rustc sees what is dead")]
    pub mod binary;
    pub mod pty;
}

#[path = "terminal/attaching.rs"]
mod attaching;
#[path = "terminal/blocks.rs"]
mod blocks;
#[path = "terminal/cli_terminal.rs"]
mod cli_terminal;
#[path = "terminal/drawing.rs"]
mod drawing;
#[path = "terminal/editor.rs"]
mod editor;
#[path = "terminal/hostile.rs"]
mod hostile;
#[path = "terminal/mouse.rs"]
mod mouse;
#[path = "terminal/program.rs"]
mod program;
#[path = "terminal/saving.rs"]
mod saving;

use std::time::Duration;

use crate::support::pty::{self, CommandBuilder, Meter};
use nightdesk::testing::tui::term::sequence::{self, Modes};
use rustix::process::Signal;

/// The program on a terminal of its own.
fn start(cols: u16, rows: u16) -> Meter {
    start_with(&[], cols, rows)
}

fn start_with(env: &[(&str, &str)], cols: u16, rows: u16) -> Meter {
    let mut command = Meter::command(std::env::current_exe().unwrap());
    command.args(program::ARGUMENTS);
    command.env(program::SWITCH, "1");
    for (name, value) in env {
        command.env(name, value);
    }
    let meter = Meter::spawn(command, cols, rows);
    meter.until_text("ready");
    meter
}

/// The program under a shell that runs `script`, in which `"$@"` is the program. The terminal begins with
/// settings that no default has.
fn under_shell(script: &str) -> Meter {
    let mut command: CommandBuilder = Meter::command("bash");
    command.args(["--norc", "-c", &format!("stty -echo ixany; {script}"), "bash"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(program::ARGUMENTS);
    command.env(program::SWITCH, "1");
    Meter::spawn(command, 80, 24)
}

const MEASURED: &str = r#"echo "<$(stty -g)>"; "$@"; echo "code=$?"; echo "<$(stty -g)>"; read -r _"#;

/// Runs the program between two looks at the terminal's settings, ends it by `end`, and checks that it left
/// everything as it was. Returns what is on the screen then.
fn left_as_found(end: impl FnOnce(&mut Meter)) -> String {
    let mut meter = under_shell(MEASURED);
    meter.until_text("ready");
    let settings = meter.look(|seen| between(&seen.bytes, b"<", b">")).unwrap();
    assert!(meter.look(|seen| seen.terminal.screen().alternate_screen()));
    end(&mut meter);
    let screen = meter.until(|text| text.matches(&settings).count() == 2).unwrap();
    meter.look(|seen| {
        let (entered, left) = (sequence::enter(Modes::default()), sequence::leave(Modes::default()));
        assert_eq!(count(&seen.bytes, &entered), 1);
        assert_eq!(count(&seen.bytes, &left), 1);
        let shown = seen.terminal.screen();
        assert!(!shown.alternate_screen() && !shown.bracketed_paste() && !shown.hide_cursor());
    });
    screen
}

fn between(bytes: &[u8], open: &[u8], close: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (_, rest) = text.split_once(std::str::from_utf8(open).unwrap())?;
    Some(rest.split_once(std::str::from_utf8(close).unwrap())?.0.to_owned())
}

fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
}

#[test]
fn quitting_leaves_the_terminal_as_it_was_found() {
    let screen = left_as_found(|meter| meter.type_bytes(b"\x11"));
    assert!(screen.contains("code=0"), "{screen}");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_found_and_is_then_readable() {
    let screen = left_as_found(|meter| meter.type_bytes(b"\x10"));
    assert!(screen.contains("code=101"), "{screen}");
    assert!(screen.contains("the program fell over"), "{screen}");
}

#[test]
fn a_panic_of_a_task_neither_ends_the_interface_nor_paints_over_it() {
    let mut meter = start(80, 24);
    meter.type_bytes(b"\x14");
    meter.until_text("a task ended badly");
    meter.type_bytes("x");
    let screen = meter.until_text("> x");
    assert!(!screen.contains("the task fell over"), "{screen}");
    meter.type_bytes(b"\x11");
    meter.wait();
    assert!(meter.screen().contains("the task fell over"), "{}", meter.screen());
}

#[test]
fn being_asked_to_end_leaves_the_terminal_as_it_was_found() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let screen = left_as_found(|meter| pty::send_signal(program_pid(meter), signal));
        assert!(screen.contains("code=0"), "{signal:?}: {screen}");
    }
}

/// The program's own process id, which it shows.
fn program_pid(meter: &Meter) -> u32 {
    let screen = meter.until_text("ready pid ");
    let (_, rest) = screen.split_once("ready pid ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_terminal_that_goes_away_ends_the_program_at_once() {
    let ended = start(80, 24).hang_up();
    assert!(ended.success(), "{ended:?}");
}

#[test]
fn without_a_terminal_there_is_a_sentence() {
    let output = std::process::Command::new("setsid")
        .arg("--wait")
        .arg(std::env::current_exe().unwrap())
        .args(program::ARGUMENTS)
        .env(program::SWITCH, "1")
        .env("TERM", "xterm")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(said.contains("the workbench needs a terminal and this process has none"), "{said}");
}

#[test]
fn stopping_gives_the_terminal_to_the_shell_and_going_on_takes_it_back() {
    let script = r#"set -m; echo "<$(stty -g)>"; "$@"; echo "stopped <$(stty -g)>"; read -r _; fg; echo "code=$?""#;
    let mut meter = under_shell(script);
    meter.until_text("ready");
    meter.type_bytes("abc");
    meter.until_text("> abc");
    meter.type_bytes(b"\x1a");
    let screen = meter.until_text("stopped");
    assert!(!screen.contains("> abc"), "{screen}");
    meter.look(|seen| assert!(!seen.terminal.screen().alternate_screen()));
    let settings = meter.look(|seen| between(&seen.bytes, b"<", b">")).unwrap();
    meter.until(|text| text.matches(&settings).count() == 2).unwrap();
    meter.type_bytes("\n");
    meter.until_text("> abc");
    meter.type_bytes("d");
    let screen = meter.until_text("> abcd");
    assert!(screen.contains("resumed 1"), "{screen}");
    meter.type_bytes(b"\x11");
    meter.until_text("code=0");
}

#[test]
fn a_stop_that_nothing_can_carry_out_is_gone_over() {
    let mut meter = start(80, 24);
    meter.type_bytes(b"\x1a");
    meter.until_text("resumed 1");
    meter.type_bytes("x");
    meter.until_text("> x");
}

#[test]
fn another_program_gets_every_key_and_then_the_screen_is_back() {
    let mut meter = start(80, 24);
    for round in 1..=3 {
        let mark = meter.mark();
        meter.type_bytes(b"\x05");
        meter.until_seen(|seen| seen.since(mark).contains("editor: ")).unwrap();
        assert!(!meter.screen().contains("ready"), "{}", meter.screen());
        for key in "hello editor".chars() {
            meter.type_bytes(key.to_string());
        }
        meter.until_seen(|seen| seen.since(mark).contains("editor: hello editor")).unwrap();
        meter.type_bytes("\r");
        let screen = meter.until_text("ready");
        assert!(screen.contains(&format!("edited {round}: hello editor.")), "{screen}");
        assert!(screen.contains("> \n") || screen.trim_end().ends_with('>'), "no key was ours: {screen}");
    }
    meter.type_bytes("x");
    meter.until_text("> x");
}

#[test]
fn an_idle_program_sends_nothing_and_does_not_wake() {
    let mut meter = start(120, 40);
    meter.type_bytes("x\x1b[A");
    meter.until_text("key Up");
    meter.until_idle();
    assert_eq!(meter.activity_in(Duration::from_secs(2)), (0, 0));
}

#[test]
fn a_typed_character_is_one_write_of_few_bytes() {
    let mut meter = start(120, 40);
    meter.type_bytes("a");
    meter.until_text("> a");
    meter.until_idle();
    for text in ["ab", "abc", "abcd"] {
        let (mark, writes) = (meter.mark(), meter.writes());
        meter.type_bytes(&text[text.len() - 1..]);
        meter.until_text(&format!("> {text}"));
        meter.until_frame_after(mark);
        meter.until_idle();
        let bytes = meter.bytes_since(mark);
        assert!(bytes.len() <= 64, "{:?}", String::from_utf8_lossy(&bytes));
        assert_eq!(meter.frames_since(mark), [bytes]);
        assert_eq!(meter.writes() - writes, 1);
    }
}

#[test]
fn a_frame_without_changes_is_not_written() {
    let mut meter = start(80, 24);
    meter.until_idle();
    let (mark, wakeups) = (meter.mark(), meter.wakeups());
    for round in 1..=3 {
        // The key asks for a frame, in which nothing is new.
        meter.type_bytes(b"\x0c");
        program::poll(|| meter.wakeups() >= wakeups + round);
    }
    meter.until_idle();
    assert_eq!(meter.bytes_since(mark), b"");
}

#[test]
fn a_new_size_is_a_new_frame_of_that_size() {
    let meter = start(80, 24);
    for (cols, rows) in [(120, 40), (40, 12), (80, 24)] {
        meter.resize(cols, rows);
        meter.until_text(&format!("size {cols}x{rows}"));
    }
}

#[test]
fn replies_and_split_sequences_are_never_typed() {
    let mut meter = start(80, 24);
    meter.type_bytes(b"\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[?2026;2$y\x1bP>|XTerm(370)\x1b\\q");
    meter.until_text("> q");
    meter.type_bytes(b"\x1b");
    meter.until_text("key Esc");
    meter.type_bytes(b"\x1b[200~one\r\ntwo\x1b[201~");
    meter.until_text("paste \"one\\ntwo\"");
    assert!(meter.screen().contains("> q"), "{}", meter.screen());
}

#[test]
fn a_link_that_stands_still_builds_no_backlog() {
    let progress = tempfile::NamedTempFile::new().unwrap();
    let path = progress.path().to_str().unwrap();
    let mut meter = start_with(&[("NIGHTDESK_TEST_PROGRESS", path)], 120, 40);
    meter.type_bytes(b"\x06");
    meter.until_text("flood 3");
    meter.throttle(Some(0));
    let mark = meter.mark();
    let flooded = || std::fs::read_to_string(path).unwrap().lines().last().map_or(0, |n| n.parse::<usize>().unwrap());
    let before = flooded();
    program::poll(|| flooded() > before + 2000);
    meter.throttle(None);
    let newest = flooded();
    meter
        .until_seen(|seen| {
            let text = seen.text();
            let shown = text.split("flood ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            shown.is_some_and(|shown: usize| shown >= newest)
        })
        .unwrap();
    let frames = meter.frames_since(mark);
    let largest = frames.iter().map(Vec::len).max().unwrap();
    let bytes = meter.bytes_since(mark).len();
    // What lay in the kernel's buffer when the link stood still, the frame on its way, and what came since.
    assert!(bytes < 128 * 1024, "{bytes} bytes in {} frames of up to {largest}", frames.len());
    meter.type_bytes("\x06x");
    meter.until_text("> x");
}
