//! What editing a block costs in bytes: on a screen of 80x24 with 16 colours, over a link of 4 KB/s.

use super::*;

const SIZE: (u16, u16) = (80, 24);

/// The editor of a block of 60 lines on the slow link.
fn editing() -> Bench {
    let environment = [("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22"), ("TERM", "xterm")];
    let mut bench = Bench::start_with(SIZE, &environment, |dir| {
        binary::run(dir, &["group", "create", "desk", "--type", "round_robin", "--member", "ann"]);
        binary::run(dir, &["block", "create", "desk", "plan", "--text", &text("was", "was")]);
    });
    bench.answer_to("\u{1b}");
    bench.answer_to("3");
    bench.meter.type_bytes("e");
    bench.meter.until_text("editing from v1");
    bench.meter.until_idle();
    bench.meter.throttle(Some(4 * 1024));
    bench
}

/// Sixty lines, of which the second and the last but one say these.
fn text(second: &str, last: &str) -> String {
    let line = |at: usize| match at {
        1 => format!("second: {second}"),
        58 => format!("last but one: {last}"),
        _ => format!("line {at} of what the desk plans to print in spring, and who proofs it"),
    };
    (0..60).map(line).collect::<Vec<_>>().join("\n")
}

/// Types a key and waits for its echo. Returns the bytes until then.
fn bytes_until(bench: &mut Bench, key: &str, echo: &str) -> u64 {
    let mark = bench.meter.mark();
    bench.meter.type_bytes(key);
    bench.meter.until_text(echo);
    bench.meter.bytes_since(mark).len() as u64
}

#[test]
fn on_a_slow_link_with_16_colours_editor_merge_and_history_echo_within_two_frames() {
    let mut bench = editing();
    let mut worst = 0;
    let mut most = |what: &str, bytes: u64| {
        println!("bytes until {what}: {bytes}");
        worst = worst.max(bytes);
    };
    // Into the second line, while somebody changes it and another one.
    most("the caret is in the second line", bytes_until(&mut bench, "\u{1b}[B!", "!second: was"));
    bench.set_block("desk", "plan", &text("theirs", "theirs"));
    bench.meter.until_text("saving asks about 1 conflict");
    for (key, echo) in [("x", "!xsecond"), ("y", "!xysecond"), ("\u{7f}", "!xsecond"), ("\u{6}", "type what to find")] {
        most(echo, bytes_until(&mut bench, key, echo));
    }
    most("a find", bytes_until(&mut bench, "proofs", "2 of 58"));
    most("the next place", bytes_until(&mut bench, "\r", "3 of 58"));
    bench.meter.type_bytes("\u{1b}");
    bench.meter.until_text("Ctrl-S save");
    bench.meter.until_idle();
    let mark = bench.meter.mark();
    bench.meter.type_bytes("\u{13}");
    bench.meter.until_text("conflict 1 of 1");
    bench.meter.until_idle();
    let frames = bench.meter.frames_since(mark);
    budget("bytes of the first frame of a conflict", frames.iter().map(Vec::len).max().unwrap() as u64, 6 * 1024);
    for (key, echo) in [("t", "Enter save"), ("u", "not resolved yet"), ("y", "Enter save")] {
        most("a choice", bytes_until(&mut bench, key, echo));
    }
    bench.meter.type_bytes("\r");
    bench.meter.until_text("plan saved as v3");
    bench.meter.until_idle();
    most("the history", bytes_until(&mut bench, "[", "from v2 to v3"));
    most("a version before", bytes_until(&mut bench, "[", "from v1 to v2"));
    most("a version after", bytes_until(&mut bench, "]", "from v2 to v3"));
    let largest = bench.meter.look(|seen| seen.frames.iter().map(ExactSizeIterator::len).max()).unwrap() as u64;
    budget("bytes until the echo of a key in editor, conflict and history, of two frames", worst, 2 * largest);
    budget("the largest frame", largest, 6 * 1024);
}
