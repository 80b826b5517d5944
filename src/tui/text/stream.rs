//! Incremental rendering of streaming markdown.
//!
//! ```text
//!   settled blocks           tail                partial
//!   laid out once per width  complete lines of   the last line,
//!                            the last block      still incomplete
//! ```
//!
//! When a line ends, all top-level blocks except the last are final and become settled; so does the last one if a
//! blank line ends it. The text of a settled block is dropped, its rows are kept. Only the tail is parsed again as
//! it grows, within a budget proportional to the received bytes, so the total cost is O(n) for any chunking. When
//! the budget is used up (one paragraph or fence of many kilobytes), the newest text is shown unformatted at the
//! end of its block until budget is available again.

use super::clean::clean;
use super::markdown::{Block, Body, Carry, layout, layout_growing, parse};
use super::{Role, Row, Span, push_joined};
use crate::tui::glyph::GlyphSet;

/// Bytes that may be parsed per received byte. A typical paragraph of 500 bytes in deltas of 4 needs about 63.
const PARSES_PER_BYTE: u64 = 64;

/// Initial parse budget in bytes, so that the first blocks are never shown unformatted.
const HEAD_START: u64 = 64 * 1024;

/// One streaming answer.
#[derive(Debug, Clone)]
pub struct Stream {
    glyphs: GlyphSet,
    settled: Vec<Block>,
    carry: Carry,
    /// Complete lines that are not settled, cleaned.
    tail: String,
    /// True if the tail got a line since the last search for settled blocks.
    grew: bool,
    /// The incomplete line as received; cleaned when shown.
    partial: String,
    /// Blocks of the tail, as last parsed.
    open: Vec<Block>,
    /// Bytes of `tail` and `partial` that `open` covers.
    covered: usize,
    finished: bool,
    received: u64,
    parsed: u64,
    width: usize,
    rows: Vec<Row>,
    /// Number of final rows in `rows`, and of blocks in `settled` that they show.
    frozen: (usize, usize),
    /// True if text arrived since the last layout.
    changed: bool,
}

impl Stream {
    /// Creates an empty stream.
    #[must_use]
    pub fn new(glyphs: &GlyphSet) -> Self {
        Self {
            glyphs: *glyphs,
            settled: Vec::new(),
            carry: Carry::default(),
            tail: String::new(),
            grew: false,
            partial: String::new(),
            open: Vec::new(),
            covered: 0,
            finished: false,
            received: 0,
            parsed: 0,
            width: 0,
            rows: Vec::new(),
            frozen: (0, 0),
            changed: false,
        }
    }

    /// Appends received text. Parsing is deferred to [`Stream::rows`].
    pub fn push(&mut self, delta: &str) {
        self.received += delta.len() as u64;
        self.changed |= !delta.is_empty();
        let Some(end) = delta.rfind('\n') else {
            self.partial.push_str(delta);
            return;
        };
        self.partial.push_str(&delta[..=end]);
        self.tail.push_str(&clean(&self.partial));
        self.grew = true;
        self.partial.clear();
        self.partial.push_str(&delta[end + 1..]);
    }

    /// Marks the text as complete; the rows then equal those of [`super::markdown::render`].
    #[cfg(test)]
    pub fn finish(&mut self) {
        self.finished = true;
        self.changed = true;
    }

    /// Returns the rows of the received text at `cells`. Free if neither the text nor the width has changed.
    pub fn rows(&mut self, cells: usize) -> &[Row] {
        if cells != self.width {
            self.width = cells;
            self.rows.clear();
            self.frozen = (0, 0);
            self.redraw();
        } else if self.changed {
            self.redraw();
        }
        &self.rows
    }

    /// Returns the number of bytes parsed so far: at most 64 per received byte, plus 64 KiB, plus the last tail.
    #[must_use]
    #[cfg(test)]
    pub fn bytes_parsed(&self) -> u64 {
        self.parsed
    }

    /// Returns the number of bytes received so far.
    #[must_use]
    #[cfg(test)]
    pub fn bytes_received(&self) -> u64 {
        self.received
    }

    fn redraw(&mut self) {
        let partial = clean(&self.partial).into_owned();
        let shown = if !self.finished && may_open_fence(&partial) { "" } else { partial.as_str() };
        let mut current = !std::mem::take(&mut self.changed);
        if self.grew && self.may_parse(2 * self.tail.len() + shown.len()) {
            self.settle();
            current = shown.is_empty();
        }
        let (lines, shown) = if self.finished { (self.tail.len(), shown) } else { self.without_half_rows(shown) };
        current &= lines + shown.len() == self.covered;
        let text = [&self.tail[..lines], shown].concat();
        if !current && (self.finished || self.may_parse(text.len())) {
            self.parsed += text.len() as u64;
            self.open = parse(&text, &self.glyphs, self.carry).blocks;
            self.covered = text.len();
        }
        let plain = text.get(self.covered..).unwrap_or_default();
        self.rows.truncate(self.frozen.0);
        layout(&self.settled[self.frozen.1..], self.width, &self.glyphs, &mut self.rows);
        self.frozen = (self.rows.len(), self.settled.len());
        if plain.is_empty() {
            let layout = if self.finished { layout } else { layout_growing };
            layout(&self.open, self.width, &self.glyphs, &mut self.rows);
        } else {
            let mut open = self.open.clone();
            append_plain(&mut open, plain, self.carry);
            layout(&open, self.width, &self.glyphs, &mut self.rows);
        }
    }

    /// Leaves out what is half a row of a table: the incomplete line, and a heading without the line below it. Returns
    /// the bytes of the tail and the part of the incomplete line to show.
    fn without_half_rows<'a>(&self, partial: &'a str) -> (usize, &'a str) {
        let whole = (self.tail.len(), partial);
        let before = self.tail.trim_end_matches('\n');
        let ended = self.tail.len() - before.len() > 1;
        let last = if ended { "" } else { before.rsplit('\n').next().unwrap_or_default() };
        let body = self.open.last().map(|block| &block.body);
        let fence = last.trim_start_matches([' ', '>']).starts_with(['`', '~']);
        if matches!(body, Some(Body::Verbatim { .. })) && !fence {
            return whole;
        }
        let line = partial.trim_start_matches([' ', '>']);
        let in_table = matches!(body, Some(Body::Table { .. })) && !last.is_empty();
        if in_table {
            return (self.tail.len(), "");
        }
        let rules_below = line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
        if last.contains('|') && rules_below {
            return (before.len() - last.len(), "");
        }
        if line.starts_with('|') { (self.tail.len(), "") } else { whole }
    }

    fn may_parse(&self, bytes: usize) -> bool {
        self.parsed + bytes as u64 <= PARSES_PER_BYTE * self.received + HEAD_START
    }

    /// Settles all blocks of the tail except the last, and the last one too if a blank line ended it. Uses complete
    /// lines only, because the meaning of a line may change until it ends.
    fn settle(&mut self) {
        self.grew = false;
        self.parsed += self.tail.len() as u64;
        let mut parsed = parse(&self.tail, &self.glyphs, self.carry);
        if parsed.last.is_some_and(|last| last.ends_at_blank) && self.tail.ends_with("\n\n") {
            self.settled.append(&mut parsed.blocks);
            self.carry = parsed.carry;
            self.open.clear();
            self.tail.clear();
            self.covered = 0;
            return;
        }
        self.covered = self.tail.len();
        let Some(last) = parsed.last.filter(|last| last.at > 0) else {
            self.open = parsed.blocks;
            return;
        };
        self.open = parsed.blocks.split_off(last.blocks);
        self.settled.append(&mut parsed.blocks);
        self.carry = last.carry;
        self.tail.drain(..last.at);
        self.covered = self.tail.len();
    }
}

/// Returns true if an incomplete line is, or may become, a fence line. It is held back so that the backticks of a
/// fence do not appear for a moment.
fn may_open_fence(partial: &str) -> bool {
    let line = partial.trim_start_matches([' ', '>']);
    let run = |mark: char| line.len() - line.trim_start_matches(mark).len();
    let marks = run('`').max(run('~'));
    marks > 0 && (marks >= 3 || marks == line.len())
}

/// Appends unparsed text to the last block.
fn append_plain(open: &mut Vec<Block>, plain: &str, carry: Carry) {
    match open.last_mut().map(|block| &mut block.body) {
        Some(Body::Flow(spans)) => push_joined(spans, Span::new(plain, Role::Text)),
        Some(Body::Verbatim { code, .. }) => code.push_str(plain),
        Some(Body::Rule | Body::Table { .. }) | None => open.push(Block {
            gap: (carry.gap && open.is_empty()).then(Vec::new),
            first: Vec::new(),
            rest: Vec::new(),
            body: Body::Flow(vec![Span::new(plain, Role::Text)]),
            fence: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::glyph::UNICODE;
    use crate::tui::text::markdown::render;
    use proptest::prelude::*;

    fn text(rows: &[Row]) -> Vec<String> {
        rows.iter().map(Row::text).collect()
    }

    /// Streams `whole` in deltas of about four bytes and requests rows after each.
    fn streamed(whole: &str) -> Stream {
        let mut stream = Stream::new(&UNICODE);
        let chars: Vec<char> = whole.chars().collect();
        for delta in chars.chunks(4) {
            stream.push(&delta.iter().collect::<String>());
            stream.rows(60);
        }
        stream
    }

    #[test]
    fn tokens_cost_a_parse_of_constant_size_each() {
        let paragraph = format!("{}\n\n", "What the reporter found is in the story block now. ".repeat(6).trim_end());
        let paragraphs = |count: usize| paragraph.repeat(count);
        let (small, large) = (streamed(&paragraphs(30)), streamed(&paragraphs(120)));
        assert!(small.bytes_received() / 4 >= 2000, "2,000 tokens");
        let per_byte = |stream: &Stream| stream.bytes_parsed() / stream.bytes_received();
        assert!(per_byte(&large) <= per_byte(&small) + 1, "{} {}", per_byte(&small), per_byte(&large));
        assert!(large.bytes_parsed() <= PARSES_PER_BYTE * large.bytes_received(), "{}", per_byte(&large));
    }

    #[test]
    fn one_endless_paragraph_or_fence_stays_within_the_budget() {
        for whole in ["word **strong** ".repeat(5_000), format!("```rust\n{}", "let x = 1;\n".repeat(5_000))] {
            let mut stream = Stream::new(&UNICODE);
            for (count, delta) in whole.as_bytes().chunks(16).enumerate() {
                stream.push(std::str::from_utf8(delta).unwrap());
                // Not after each delta: layout is linear in the block, and only parsing has a budget.
                if count % 50 == 0 {
                    stream.rows(60);
                }
            }
            stream.rows(60);
            let limit = PARSES_PER_BYTE * stream.bytes_received() + HEAD_START;
            assert!(stream.bytes_parsed() <= limit);
            stream.finish();
            assert_eq!(stream.rows(60), render(&whole, 60, &UNICODE));
        }
    }

    #[test]
    fn without_budget_the_newest_text_is_still_shown() {
        let mut stream = Stream::new(&UNICODE);
        stream.push("A *first* line");
        stream.rows(60);
        stream.parsed = u64::MAX / 2;
        stream.push(" and **more**");
        assert_eq!(text(stream.rows(60)), ["A first line and **more**"]);
        stream.finish();
        stream.parsed = 0;
        assert_eq!(text(stream.rows(60)), ["A first line and more"]);
    }

    #[test]
    fn a_half_open_fence_does_not_flash() {
        let mut stream = Stream::new(&UNICODE);
        stream.push("See:\n");
        for (delta, shown) in [
            ("`", vec!["See:"]),
            ("``", vec!["See:"]),
            ("ru", vec!["See:"]),
            ("st\nlet x", vec!["See:", "", "  rust", "  let x"]),
            (" = 1;\n``", vec!["See:", "", "  rust", "  let x = 1;"]),
            ("`\nDone", vec!["See:", "", "  rust", "  let x = 1;", "", "Done"]),
        ] {
            stream.push(delta);
            assert_eq!(text(stream.rows(60)), shown, "after {delta:?}");
        }
    }

    #[test]
    fn a_table_keeps_its_form_while_it_streams() {
        let whole = "Who knows:\n\n| who | what they know |\n|:--|---|\n| reporter | the printers were told on the third \
                     of May, in writing |\n| a | b |\n";
        let mut stream = Stream::new(&UNICODE);
        let (mut bars, mut seen) = (Vec::new(), 0);
        for char in whole.chars() {
            stream.push(char.encode_utf8(&mut [0; 4]));
            let rows = text(stream.rows(40));
            assert!(rows.iter().all(|row| !row.contains('|')), "no half row is text: {rows:?}");
            let table: Vec<&String> = rows.iter().filter(|row| row.contains(['│', '┼'])).collect();
            assert!(table.len() >= seen, "no row goes away: {rows:?}");
            seen = table.len();
            bars.extend(table.iter().filter_map(|row| row.chars().position(|char| "│┼".contains(char))));
        }
        bars.dedup();
        assert_eq!(bars.len(), 1, "the columns stay where they are: {bars:?}");
        assert_eq!(seen, 6, "rows are shown as they are complete");
        stream.push("\nThat is all.");
        assert!(text(stream.rows(40)).concat().ends_with("That is all."));
    }

    #[test]
    fn what_only_looks_like_a_table_is_shown() {
        let mut stream = Stream::new(&UNICODE);
        stream.push("Use a | b\nto pipe.\n```\n| x |\n| y");
        assert_eq!(text(stream.rows(40)), ["Use a | b", "to pipe.", "", "  | x |", "  | y"]);
    }

    #[test]
    fn a_settled_block_is_not_parsed_again_and_an_idle_stream_costs_nothing() {
        let mut stream = streamed("First.\n\nSecond.\n\nThird.\n\n");
        stream.push("x");
        stream.rows(60);
        let before = stream.bytes_parsed();
        stream.rows(60);
        stream.rows(40);
        assert_eq!(stream.bytes_parsed(), before, "another width needs no parse");
        stream.push("y");
        stream.rows(40);
        assert!(stream.bytes_parsed() - before <= "Third.\n\nxy".len() as u64);
    }

    /// Documents of the kinds of lines that decide where blocks start and end.
    fn document() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "",
            "",
            "",
            "plain text",
            "- item",
            "  more of it",
            "1. one",
            "2. two",
            "> quoted",
            ">",
            "```",
            "```rust",
            "    indented",
            "# head",
            "===",
            "---",
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
            "**bold",
            "* star",
            "~~~",
            "<div>",
            "</div>",
            "- ",
            "-",
            "#",
            "text `code` *em*",
            "\tt",
            "&#27;[2J",
            "新聞 e\u{301}",
            "    - deep",
            "`",
            "1)",
        ]);
        prop::collection::vec((line, any::<bool>()), 0..16).prop_map(|lines| {
            lines.into_iter().flat_map(|(line, ends)| [line, if ends { "\r\n" } else { "\n" }]).collect()
        })
    }

    proptest! {
        #[test]
        fn a_finished_stream_shows_what_the_whole_text_shows(
            whole in document(), sizes in prop::collection::vec(1usize..9, 1..40), cells in 4usize..40, ends in any::<bool>(),
        ) {
            let whole = if ends { whole.as_str() } else { whole.trim_end() };
            let mut stream = Stream::new(&UNICODE);
            let (mut rest, mut sizes) = (whole, sizes.into_iter().cycle());
            while !rest.is_empty() {
                let mut size = sizes.next().unwrap().min(rest.len());
                while !rest.is_char_boundary(size) { size += 1; }
                stream.push(&rest[..size]);
                stream.rows(cells + size % 2);
                rest = &rest[size..];
            }
            stream.finish();
            prop_assert_eq!(text(stream.rows(cells)), text(&render(whole, cells, &UNICODE)));
        }
    }
}
