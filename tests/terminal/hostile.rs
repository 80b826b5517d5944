//! What models print can never control the terminal (promise 6): the real program, a model that tries.

use crate::support::binary::{self, Bench};

const TEAM: &str = r#"
[group]
name = "trap"
manager_type = "round_robin"
members = ["joker"]
shared_blocks = ["story"]
[[block]]
label = "story"
value = "once"
[[agent]]
name = "joker"
model = "scripted/MODEL"
"#;

/// Whether the panes' lines stand where they stood: the rows are whole, whatever is in them.
fn frame_of(rows: &[String]) -> Vec<(usize, usize, char)> {
    let mut lines = Vec::new();
    for (y, row) in rows.iter().enumerate() {
        lines.extend(row.chars().enumerate().filter(|(_, c)| "┬┴├┤┼".contains(*c)).map(|(x, c)| (y, x, c)));
    }
    lines
}

#[test]
fn a_hostile_model_leaves_the_screen_whole() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/hostile.toml");
    let mut bench = Bench::start((120, 40), |dir| {
        let team = dir.join("team.toml");
        std::fs::write(&team, TEAM.replace("MODEL", model)).unwrap();
        binary::run(dir, &["apply", "--allow-outside", team.to_str().unwrap()]);
    });
    let whole = frame_of(&bench.meter.rows());
    assert!(!whole.is_empty(), "{}", bench.meter.screen());
    for turn in 1..=8 {
        let mark = bench.meter.mark();
        bench.meter.type_bytes(format!("turn {turn}\r"));
        bench.meter.until_text(&format!("turn {turn} "));
        bench.meter.until_idle();
        let wrote = bench.meter.bytes_since(mark);
        let sent = String::from_utf8_lossy(&wrote);
        for forbidden in
            ["\x1b]", "\x1bP", "\x1b[2J", "\x1bc", "\x1b[6n", "\x1b[?1049l", "\u{9b}", "\u{202e}", "\u{2066}"]
        {
            assert!(!sent.contains(forbidden), "turn {turn} sent {forbidden:?}");
        }
        assert_eq!(frame_of(&bench.meter.rows()), whole, "after turn {turn}:\n{}", bench.meter.screen());
        assert!(bench.meter.rows()[0].starts_with(" nightdesk"), "{}", bench.meter.screen());
    }
    // It still listens: what is typed stands in the composer.
    bench.meter.type_bytes("still here");
    bench.meter.until_text("› still here");
}
