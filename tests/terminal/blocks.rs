//! A block in the real program: made with its group, edited beside others, merged, walked through, restored, and its draft
//! kept over a kill.

use crate::support::binary::{Bench, command};
use crate::support::pty::{DEADLINE, Meter};

const SIZE: (u16, u16) = (120, 40);
const ESC: &str = "\u{1b}";
/// Ctrl-S.
const SAVE: &str = "\u{13}";
/// Ctrl-_.
const UNDO: &str = "\u{1f}";

#[test]
fn a_block_is_made_edited_merged_restored_and_its_draft_outlives_a_kill() {
    let mut bench = Bench::start(SIZE, |_| ());
    // A group with a member and its first block, by the form.
    bench.answer_to(ESC);
    bench.answer_to("1N");
    bench.meter.until_text("First block");
    bench.answer_to("\tdesk\t\tann\r\t\tplan\twhat is next");
    bench.meter.type_bytes(SAVE);
    bench.meter.until_text("desk is created");

    // Its first text; the last word is undone.
    bench.answer_to("3e");
    bench.meter.until_text("editing from v1");
    bench.meter.type_bytes("one two thre");
    bench.meter.until_text("one two thre");
    bench.meter.type_bytes(UNDO);
    bench.meter.until(|text| !text.contains("thre")).unwrap();
    bench.meter.type_bytes(format!("four{SAVE}"));
    bench.meter.until_text("plan saved as v2");

    // Somebody else writes the same line meanwhile: both stay.
    bench.answer_to("e");
    bench.meter.type_bytes("mine: ");
    bench.meter.until_text("mine: one two four");
    bench.set_block("desk", "plan", "one two five");
    bench.meter.until_text("changed it to v3 while you edit");
    bench.meter.until_text("saving asks about 1 conflict");
    bench.meter.type_bytes(SAVE);
    bench.meter.until_text("conflict 1 of 1");
    bench.meter.type_bytes("b");
    bench.meter.until_text("Enter save");
    bench.meter.type_bytes("\r");
    bench.meter.until_text("plan saved as v4");

    // The history: walked, compared, with the authors of the lines; an old version comes back as a new one.
    bench.meter.type_bytes("[");
    bench.meter.until_text("from v3 to v4");
    bench.meter.type_bytes("c[[");
    bench.meter.until_text("from v2 to v4");
    bench.meter.type_bytes("cb");
    bench.meter.until_text("who wrote each line");
    bench.meter.type_bytes("u");
    bench.meter.until_text("Restore plan to v2?");
    bench.meter.type_bytes("y");
    bench.meter.until_text("plan is at v5 now");

    // Killed while a draft is open, it is offered again.
    bench.answer_to("e");
    bench.meter.type_bytes("half a thought ");
    bench.meter.until_text("half a thought one two four");
    let bench = killed_with_draft(bench, "half a thought");
    bench.meter.until_text("half a thought one two four");
    bench.meter.until_text("editing from v5");
}

/// Kills the program once it has saved this draft, and starts it again.
fn killed_with_draft(mut bench: Bench, draft: &str) -> Bench {
    let session = bench.dir.path().join("desk.db.session");
    let until = std::time::Instant::now() + DEADLINE;
    while !std::fs::read_to_string(&session).is_ok_and(|text| text.contains(draft)) {
        assert!(std::time::Instant::now() < until, "the draft is not saved:\n{}", bench.meter.screen());
        std::thread::yield_now();
    }
    bench.meter.kill();
    bench.meter.wait();
    let meter = Meter::spawn(command(bench.dir.path()), SIZE.0, SIZE.1);
    meter.until_text("Conversation");
    Bench { meter, dir: bench.dir }
}
