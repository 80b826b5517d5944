//! Greedy word wrap: plain text to byte ranges ([`Breaks`]), styled text to rows ([`wrap`]).
//!
//! A row never exceeds its width, and only spaces at a break are dropped. Linear in the text: the end of a line
//! and whether it is ASCII are computed once per line, and a row reads no more than its own width. The rows after
//! a row start depend only on that position, so wrapping can resume at any row start (see [`super::paged`]).

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::{Row, Span, push_joined, width};

/// Minimum row width in cells: one wide character.
pub const MIN_WIDTH: usize = 2;

/// Where a row may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Between words, and beside wide characters. Splits a word longer than a row; drops spaces at a break.
    Words,
    /// Where the row is full; keeps every space. For code.
    Exact,
}

/// Layout of styled text.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Cells of a row including its prefix; at least [`MIN_WIDTH`] is used.
    pub width: usize,
    /// Prefix of the first row. Prefixes are truncated to half of the width.
    pub first: Vec<Span>,
    /// Prefix of the other rows: a hanging indent, the bar of a quote.
    pub rest: Vec<Span>,
    /// Prefix of a row that continues the line before it, as wide as `rest`; `None` is `rest`.
    pub continued: Option<Vec<Span>>,
    /// Where a row may end.
    pub mode: Mode,
}

impl Shape {
    /// Returns a layout by words in `width` cells, without prefixes.
    #[must_use]
    pub fn plain(width: usize) -> Self {
        Self { width, first: Vec::new(), rest: Vec::new(), continued: None, mode: Mode::Words }
    }
}

/// Wraps cleaned, styled text; a `\n` ends a row. Returns at least one row.
#[must_use]
pub fn wrap(spans: &[Span], shape: &Shape) -> Vec<Row> {
    let cells = shape.width.max(MIN_WIDTH);
    let max = (cells / 2).min(cells - MIN_WIDTH);
    let first = cut_prefix(&shape.first, max);
    let rest = cut_prefix(&shape.rest, max);
    let continued = shape.continued.as_ref().map(|prefix| cut_prefix(prefix, max));
    let room = |prefix: &[Span]| cells - prefix.iter().map(|span| width::width(&span.text)).sum::<usize>();
    let text: Cow<'_, str> = match spans {
        [only] => Cow::Borrowed(&only.text),
        several => Cow::Owned(several.iter().map(|span| span.text.as_str()).collect()),
    };
    let mut slicer = Slicer { spans, index: 0, start: 0 };
    let mut rows = Vec::new();
    for range in Breaks::new(&text, room(&first), room(&rest), shape.mode) {
        let in_line = range.start > 0 && text.as_bytes()[range.start - 1] != b'\n';
        let prefix = match &continued {
            Some(continued) if in_line => continued,
            _ if rows.is_empty() => &first,
            _ => &rest,
        };
        let mut row = Row { spans: prefix.clone(), fence: None };
        slicer.slice_into(range, &mut row.spans);
        rows.push(row);
    }
    rows
}

fn cut_prefix(prefix: &[Span], max: usize) -> Vec<Span> {
    let mut left = max;
    let mut kept = Vec::with_capacity(prefix.len());
    for span in prefix {
        let end = width::prefix(&span.text, left);
        left -= width::width(&span.text[..end]);
        push_joined(&mut kept, Span { text: span.text[..end].to_owned(), ..span.clone() });
    }
    kept
}

/// Copies ascending ranges of the joined text out of the spans, in one pass over them.
struct Slicer<'a> {
    spans: &'a [Span],
    index: usize,
    /// Start of `spans[index]` in the joined text, in bytes.
    start: usize,
}

impl Slicer<'_> {
    fn slice_into(&mut self, range: Range<usize>, out: &mut Vec<Span>) {
        while let Some(span) = self.spans.get(self.index) {
            let end = self.start + span.text.len();
            let (from, to) = (range.start.max(self.start), range.end.min(end));
            if from < to {
                let text = span.text[from - self.start..to - self.start].to_owned();
                push_joined(out, Span { text, role: span.role, modifier: span.modifier });
            }
            if end > range.end {
                return;
            }
            self.start = end;
            self.index += 1;
        }
    }
}

/// Iterator over the rows of a plain text, as byte ranges.
pub struct Breaks<'a> {
    text: &'a str,
    /// Start of the next row; `None` at the end.
    next: Option<usize>,
    /// End of the line that contains `next`, and whether the rest of that line is ASCII.
    line: Option<(usize, bool)>,
    /// Width of the next row in cells.
    cells: usize,
    rest: usize,
    mode: Mode,
}

/// A row, and the start of the next row in the same line.
struct Cut {
    row: Range<usize>,
    resume: usize,
}

impl<'a> Breaks<'a> {
    /// Wraps `text` into a first row of `first` cells and other rows of `rest` cells.
    #[must_use]
    pub fn new(text: &'a str, first: usize, rest: usize, mode: Mode) -> Self {
        Self::resume(text, 0, first, rest, mode)
    }

    /// Like [`Breaks::new`], starting at the row start `at` of an earlier pass over the same text.
    #[must_use]
    pub fn resume(text: &'a str, at: usize, first: usize, rest: usize, mode: Mode) -> Self {
        Self { text, next: Some(at), line: None, cells: first.max(MIN_WIDTH), rest: rest.max(MIN_WIDTH), mode }
    }

    /// Returns the start of the next row in bytes; `None` at the end.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.next
    }

    fn cut(&self, start: usize, end: usize, ascii: bool) -> Cut {
        match (self.mode, ascii) {
            (Mode::Words, true) => words_ascii(self.text, start, end, self.cells),
            (Mode::Words, false) => words(self.text, start, end, self.cells),
            (Mode::Exact, true) => {
                let to = end.min(start + self.cells);
                Cut { row: start..to, resume: to }
            }
            (Mode::Exact, false) => {
                let to = start + full(&self.text[start..end], self.cells);
                Cut { row: start..to, resume: to }
            }
        }
    }
}

impl Iterator for Breaks<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.next?;
        let (end, ascii) = *self.line.get_or_insert_with(|| {
            let rest = &self.text[start..];
            let line = rest.find('\n').map_or(rest, |at| &rest[..at]);
            (start + line.len(), line.is_ascii())
        });
        let cut = self.cut(start, end, ascii);
        self.cells = self.rest;
        self.next = if cut.resume < end {
            Some(cut.resume)
        } else {
            self.line = None;
            (end < self.text.len()).then_some(end + 1)
        };
        Some(cut.row)
    }
}

fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| **b == b' ').count()
}

fn words_ascii(text: &str, start: usize, end: usize, cells: usize) -> Cut {
    let bytes = &text.as_bytes()[..end];
    let whole = |from: usize| Cut { row: from..from + text[from..end].trim_end_matches(' ').len(), resume: end };
    if end - start <= cells {
        return whole(start);
    }
    let lead = spaces(&bytes[start..]);
    // An indent that fills the row is dropped: no word would fit.
    let from = if lead >= cells { start + lead } else { start };
    if end - from <= cells {
        return whole(from);
    }
    let window = &bytes[from..=from + cells];
    let blank = if from == start { lead } else { 0 };
    match window.iter().rposition(|b| *b == b' ').filter(|at| *at > blank) {
        Some(at) => {
            let row_end = from + text[from..from + at].trim_end_matches(' ').len();
            Cut { row: from..row_end, resume: from + at + spaces(&bytes[from + at..]) }
        }
        None => Cut { row: from..from + cells, resume: from + cells },
    }
}

/// Returns the bytes of the graphemes that fill a row. At least one code point, so that a cluster wider than the
/// row is split.
fn full(line: &str, cells: usize) -> usize {
    let fit = width::prefix(line, cells);
    if fit > 0 || line.is_empty() {
        return fit;
    }
    let mut used = 0;
    let over = line.char_indices().find(|(_, c)| {
        used += width::width(c.encode_utf8(&mut [0; 4]));
        used > cells
    });
    over.map_or(line.len(), |(at, _)| at).max(line.chars().next().map_or(0, char::len_utf8))
}

fn words(text: &str, start: usize, end: usize, cells: usize) -> Cut {
    let lead = spaces(&text.as_bytes()[start..end]);
    let from = if lead >= cells { start + lead } else { start };
    let blank = start + lead;
    let (mut used, mut last, mut at_break) = (0, "", None);
    for (at, piece) in text[from..end].grapheme_indices(true).map(|(at, piece)| (from + at, piece)) {
        let takes = width::grapheme(piece);
        if at > blank && (piece == " " || may_part(last, piece)) {
            at_break = Some(at);
        }
        if used + takes > cells {
            // The first word does not fit after the indent: drop the indent.
            if at == blank && from < blank {
                return words(text, blank, end, cells);
            }
            let stop = at_break.unwrap_or_else(|| from + full(&text[from..end], cells));
            let row_end = from + text[from..stop].trim_end_matches(' ').len();
            return Cut { row: from..row_end, resume: stop + spaces(&text.as_bytes()[stop..end]) };
        }
        used += takes;
        last = piece;
    }
    Cut { row: from..from + text[from..end].trim_end_matches(' ').len(), resume: end }
}

/// Returns true if a row may end between two graphemes without a space: beside a wide one, but not before closing
/// or after opening punctuation.
fn may_part(before: &str, after: &str) -> bool {
    const CLOSING: &str = "、。，．！？：；）」』】〉》〕］｝・ー";
    const OPENING: &str = "（「『【〈《〔［｛";
    if before.is_empty() || before == " " || after.is_empty() {
        return false;
    }
    (width::grapheme(before) > 1 || width::grapheme(after) > 1)
        && !CLOSING.contains(after)
        && !OPENING.contains(before)
        && !after.bytes().all(|b| b.is_ascii_punctuation())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::text::Role;
    use crate::tui::text::clean::{self, clean};
    use proptest::prelude::*;

    fn rows(text: &str, cells: usize, mode: Mode) -> Vec<&str> {
        Breaks::new(text, cells, cells, mode).map(|range| &text[range]).collect()
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(
            rows("We decided to launch on the third of May.", 16, Mode::Words),
            ["We decided to", "launch on the", "third of May."]
        );
        assert_eq!(rows("a  b", 3, Mode::Words), ["a", "b"], "spaces at a break are dropped");
        assert_eq!(rows("abcdefgh ij", 3, Mode::Words), ["abc", "def", "gh", "ij"]);
        assert_eq!(rows("abc def", 3, Mode::Words), ["abc", "def"], "a space just past the end is a break");
    }

    #[test]
    fn lines_and_indents_are_kept() {
        assert_eq!(rows("a\n\n  b c\n", 80, Mode::Words), ["a", "", "  b c", ""]);
        assert_eq!(rows("", 80, Mode::Words), [""]);
        assert_eq!(rows("      word", 4, Mode::Words), ["word"], "an indent as wide as the row goes");
        assert_eq!(rows("  新聞", 3, Mode::Words), ["新", "聞"]);
        assert_eq!(rows("     ", 3, Mode::Words), [""]);
    }

    #[test]
    fn wide_characters_break_anywhere_but_at_their_punctuation() {
        assert_eq!(rows("今日は晴れ。明日", 10, Mode::Words), ["今日は晴", "れ。明日"]);
        assert_eq!(rows("「今日」は", 5, Mode::Words), ["「今", "日」", "は"]);
    }

    #[test]
    fn code_keeps_every_space() {
        assert_eq!(rows("    if x {   }", 6, Mode::Exact), ["    if", " x {  ", " }"]);
        assert_eq!(rows("新聞x", 3, Mode::Exact), ["新", "聞x"]);
    }

    #[test]
    fn a_cluster_wider_than_the_row_is_taken_apart() {
        let conjunct = "क्ष्म";
        assert_eq!(width::width(conjunct), 3);
        assert_eq!(rows(conjunct, 2, Mode::Words).concat(), conjunct);
    }

    #[test]
    fn a_hanging_indent_stands_before_every_other_row() {
        let shape = Shape {
            first: vec![Span::new("- ", Role::Dim)],
            rest: vec![Span::new("  ", Role::Text)],
            ..Shape::plain(10)
        };
        let rows = wrap(&[Span::new("Mira keeps ", Role::Text), Span::new("bees", Role::Strong)], &shape);
        let text: Vec<_> = rows.iter().map(Row::text).collect();
        assert_eq!(text, ["- Mira", "  keeps", "  bees"]);
        assert_eq!(rows[2].spans.last(), Some(&Span::new("bees", Role::Strong)));
    }

    #[test]
    fn a_megabyte_without_a_line_break_is_read_once() {
        // Reading the rest of the line for each row would take about 10^10 steps.
        let text = "word ".repeat(200_000);
        assert_eq!(Breaks::new(&text, 80, 80, Mode::Words).count(), 12_500);
        let text = "新".repeat(300_000);
        assert_eq!(Breaks::new(&text, 80, 80, Mode::Words).count(), 7_500);
    }

    #[test]
    fn spans_that_meet_in_one_grapheme_take_the_cells_of_their_parts() {
        // Vowel signs of Kirat Rai: one cell together, one cell each if a span ends between them.
        let spans =
            [Span::new("\u{16d63}", Role::Code), Span::new("\u{16d67}A0 A0 A 00A00  Aa00A   A00a0", Role::Text)];
        let rows = wrap(&spans, &Shape::plain(29));
        assert!(rows.iter().all(|row| row.width() <= 29), "{rows:?}");
        let shown: String = rows.iter().flat_map(|row| &row.spans).map(|span| span.text.as_str()).collect();
        assert_eq!(no_spaces(&shown), "\u{16d63}\u{16d67}A0A0A00A00Aa00AA00a0");
    }

    fn no_spaces(text: &str) -> String {
        text.chars().filter(|c| !matches!(c, ' ' | '\n')).collect()
    }

    proptest! {
        #[test]
        fn rows_fit_and_lose_nothing_but_spaces(text in clean::tests::hostile(), cells in 2usize..30) {
            let text = clean(&text);
            for mode in [Mode::Words, Mode::Exact] {
                let rows = rows(&text, cells, mode);
                for row in &rows {
                    prop_assert!(width::width(row) <= cells, "{:?} in {}", row, cells);
                    prop_assert!(!row.contains('\n'));
                }
                prop_assert_eq!(no_spaces(&rows.concat()), no_spaces(&text));
                if mode == Mode::Exact {
                    prop_assert_eq!(rows.concat(), text.replace('\n', ""));
                }
            }
        }

        #[test]
        fn the_fast_path_breaks_as_the_slow_one(text in "[a-c ]{0,60}", cells in 2usize..20) {
            let (mut start, mut slow) = (0, Vec::new());
            loop {
                let cut = words(&text, start, text.len(), cells);
                slow.push(&text[cut.row]);
                start = cut.resume;
                if start >= text.len() { break; }
            }
            prop_assert_eq!(rows(&text, cells, Mode::Words), slow);
        }

        #[test]
        fn styled_rows_fit_with_their_prefix(
            pieces in prop::collection::vec((clean::tests::hostile(), any::<bool>()), 0..5),
            cells in 2usize..30,
            indent in 0usize..20,
        ) {
            let spans: Vec<_> = pieces.iter()
                .map(|(text, code)| Span::new(clean(text).into_owned(), if *code { Role::Code } else { Role::Text }))
                .collect();
            let shape = Shape { rest: vec![Span::new(" ".repeat(indent), Role::Text)], ..Shape::plain(cells) };
            let rows = wrap(&spans, &shape);
            for row in &rows {
                prop_assert!(row.width() <= cells, "{:?}", row);
            }
            for role in [Role::Code, Role::Text] {
                let said: String = spans.iter().filter(|s| s.role == role).map(|s| s.text.as_str()).collect();
                let shown: String = rows.iter().flat_map(|r| &r.spans).filter(|s| s.role == role).map(|s| s.text.as_str()).collect();
                prop_assert_eq!(no_spaces(&shown), no_spaces(&said));
            }
        }
    }
}
