//! The real program writes a message to a file that the person names.

use crate::support::binary::Bench;

#[test]
fn a_message_is_written_to_the_file_that_was_named_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.md");
    let typed = path.display();
    let mut bench = Bench::start((120, 40), |_| ());
    bench.answer_to("for the printers\r");
    bench.meter.until_text("everyone passed");
    // The conversation, up to its first message, `s`.
    bench.meter.type_bytes(format!("\u{1b}2{}s", "k".repeat(20)));
    bench.meter.until_text("Write message 1 to a file");
    bench.meter.type_bytes(format!("{typed}\r"));
    bench.meter.until_text("message 1 is written to");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "for the printers");
    bench.meter.type_bytes("s");
    bench.meter.until_text("Write message 1 to a file");
    bench.meter.type_bytes(format!("{typed}\r"));
    bench.meter.until_text("exists already; give another name");
}
