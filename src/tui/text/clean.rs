//! Sanitises text for display. Stored, edited and copied text stays as it is; only drawn text passes through here.
//!
//! Invariants of cleaned text, on which all drawing relies:
//! - The only control character is `\n`, so no text can send commands to the terminal.
//! - It contains no invisible characters and none that change the reading order.
//! - Each grapheme takes at least one cell, and as many as the sum of its code points. Ratatui measures by
//!   grapheme and terminals by code point; if the two differed, the rest of the row would shift.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar;

use super::width;
use crate::domain::invisible::is_invisible;

/// Cells between tab stops, as in `CommonMark`.
pub const TAB_STOP: usize = 4;

/// Combining marks kept per grapheme. Living scripts need three or four; large stacks paint over the
/// neighbouring rows.
const MAX_MARKS: usize = 8;

/// Replaces characters whose width differs between terminals, and U+FFFD, which some terminals omit.
const REPLACEMENT: char = '□';

/// Returns `text` in drawable form: line breaks become `\n`, tabs become spaces, colour sequences are removed,
/// other control characters are written out (`^[`, `^G`, `<9b>`), and characters that are invisible or have a
/// terminal-dependent width are removed or replaced.
///
/// Borrows if nothing changes; linear in the length of `text`.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    pass(text, Tabs::Expanded)
}

/// Like [`clean`], but keeps tabs.
#[must_use]
pub fn clean_with_tabs(text: &str) -> Cow<'_, str> {
    pass(text, Tabs::Kept)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Expanded,
    Kept,
}

fn pass(text: &str, tabs: Tabs) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\n') {
        return Cow::Borrowed(text);
    }
    let filtered = filter(text);
    let mut out = String::with_capacity(filtered.len() + 16);
    for (index, line) in filtered.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        lay_out(line, tabs, &mut out);
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// Like [`clean`], for text on a single row: line breaks become spaces.
#[must_use]
pub fn clean_line(text: &str) -> Cow<'_, str> {
    match clean(text) {
        cleaned if !cleaned.contains('\n') => cleaned,
        cleaned => Cow::Owned(cleaned.replace('\n', " ")),
    }
}

/// First pass, by code point. Keeps tabs for the second pass, which knows the columns. Halfwidth sound marks,
/// which ratatui counts twice, become the combining ones.
fn filter(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut next = &rest[c.len_utf8()..];
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {
                out.push('\n');
                next = next.strip_prefix('\n').unwrap_or(next);
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\u{1b}' => match colour_sequence(next) {
                Some(len) => next = &next[len..],
                None => out.push_str("^["),
            },
            '\u{0}'..='\u{1f}' => {
                out.push('^');
                out.push(char::from(c as u8 ^ 0x40));
            }
            '\u{7f}' => out.push_str("^?"),
            '\u{80}'..='\u{9f}' => {
                let _ = write!(out, "<{:02x}>", u32::from(c));
            }
            '\u{ff9e}' => out.push('\u{3099}'),
            '\u{ff9f}' => out.push('\u{309a}'),
            c if is_invisible(c) || is_modifier(c) => {}
            c if c == '\u{fffd}' || c.width().unwrap_or(0) > 2 => out.push(REPLACEMENT),
            c => out.push(c),
        }
        rest = next;
    }
    out
}

/// Returns the length in bytes of the rest of a colour sequence (`[…m`) after an ESC; `None` if it is none. Colour
/// sequences are common in program output and carry no content.
fn colour_sequence(after_escape: &str) -> Option<usize> {
    let parameters = after_escape.strip_prefix('[')?;
    let len = parameters.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b';' | b':')).count();
    (parameters.as_bytes().get(len) == Some(&b'm')).then_some(len + 2)
}

/// Returns true for the keycap and skin tones, which only modify the character before them.
fn is_modifier(c: char) -> bool {
    matches!(c, '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Second pass, by grapheme over one line: expands tabs and replaces graphemes of ambiguous width.
fn lay_out(line: &str, tabs: Tabs, out: &mut String) {
    if line.is_ascii() && (tabs == Tabs::Kept || !line.contains('\t')) {
        out.push_str(line);
        return;
    }
    let mut column = 0;
    for piece in line.graphemes(true) {
        if piece == "\t" && tabs == Tabs::Expanded {
            let gap = TAB_STOP - column % TAB_STOP;
            out.extend(std::iter::repeat_n(' ', gap));
            column += gap;
            continue;
        }
        let before = out.len();
        push_grapheme(piece, out);
        column += width::width(&out[before..]);
    }
}

fn push_grapheme(piece: &str, out: &mut String) {
    if piece.len() == 1 {
        out.push_str(piece);
        return;
    }
    let cells = width::grapheme(piece);
    if cells == 0 {
        return;
    }
    if width::drawn(piece) != width::by_code_points(piece) {
        out.extend(std::iter::repeat_n(REPLACEMENT, cells));
        return;
    }
    let mut marks = 0;
    for c in piece.chars() {
        if c.width() == Some(0) {
            marks += 1;
            if marks > MAX_MARKS {
                continue;
            }
        }
        out.push(c);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::num::NonZero;

    use super::*;
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    /// Texts of sequences that break layouts: escapes, marks, joiners, flags, jamo, conjuncts.
    pub(crate) fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[ -~]{1,6}".prop_map(String::from),
            2 => any::<char>().prop_map(String::from),
            1 => (0u32..0xa0).prop_filter_map("a scalar", char::from_u32).prop_map(String::from),
            1 => prop::sample::select(vec![
                "\n", "\r\n", "\r", "\t", "\u{1b}[31m", "\u{1b}]52;c;aGk=\u{7}", "\u{9b}2J", "\u{202e}", "\u{2066}",
                "\u{200b}", "\u{200d}", "\u{fe0f}", "\u{fe0e}", "\u{20e3}", "👩", "🏽", "❤", "🇨", "🇭", "新", "é", "e\u{301}",
                "\u{301}", "क", "\u{94d}", "ष", "ᄀ", "ᅡ", "ᆨ", "가", "ｶ", "\u{ff9e}", "ក", "\u{17d2}", "ខ", "\u{17d8}", "ل", "ا",
                "\u{600}", "\u{2d7f}", "ⵏ", "\u{16d63}", "\u{16d67}", "\u{16d68}", "\u{e0067}", "\u{338}", "<",
            ]).prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    fn terminal() -> vt100::Parser {
        vt100::Parser::new(NonZero::new(2).unwrap(), NonZero::new(2000).unwrap(), 0)
    }

    /// Returns the columns at which ratatui and a terminal end after drawing one line of `text`.
    fn pens(text: &str) -> (usize, usize) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 2000, 1));
        let (pen, _) = buffer.set_stringn(0, 0, text, 2000, Style::new());
        let mut terminal = terminal();
        terminal.process(text.as_bytes());
        (usize::from(pen), usize::from(terminal.screen().cursor_position().1))
    }

    #[test]
    fn an_escape_is_shown_and_never_acts() {
        assert_eq!(clean("\u{1b}]52;c;aGk=\u{7}"), "^[]52;c;aGk=^G");
        assert_eq!(clean("\u{9b}2J"), "<9b>2J");
        assert_eq!(clean("a\u{0}b\u{7f}"), "a^@b^?");
    }

    #[test]
    fn colours_of_a_tool_vanish_and_other_sequences_do_not() {
        assert_eq!(clean("\u{1b}[1;31merror\u{1b}[0m"), "error");
        assert_eq!(clean("\u{1b}[2J\u{1b}[31"), "^[[2J^[[31");
    }

    #[test]
    fn text_that_is_fine_is_borrowed() {
        for fine in ["plain\ntext", "Zürich, 新聞, क्ष, ស្រី, 가, 👩"] {
            assert!(matches!(clean(fine), Cow::Borrowed(_)), "{:?}", clean(fine));
        }
    }

    #[test]
    fn what_hides_or_turns_text_is_dropped() {
        assert_eq!(clean("pay \u{202e}001\u{202c} \u{2066}x\u{2069}\u{200b}\u{feff}"), "pay 001 x");
        assert_eq!(clean("\u{e0068}\u{e0069}hi"), "hi");
    }

    #[test]
    fn emoji_that_terminals_measure_differently_are_simplified() {
        assert_eq!(clean("❤\u{fe0f} 1\u{fe0f}\u{20e3} 👍🏽 👩\u{200d}💻"), "❤ 1 👍 👩💻");
    }

    #[test]
    fn tabs_reach_the_next_stop_counting_cells() {
        assert_eq!(clean("a\tb\n新\tb\tc"), "a   b\n新  b   c");
    }

    #[test]
    fn every_kind_of_line_break_becomes_one() {
        assert_eq!(clean("a\r\nb\rc\u{2028}d"), "a\nb\nc\nd");
        assert_eq!(clean_line("a\r\nb"), "a b");
    }

    #[test]
    fn a_stack_of_marks_is_cut() {
        let stacked = format!("a{}b", "\u{301}".repeat(500));
        assert_eq!(clean(&stacked).chars().count(), 2 + MAX_MARKS);
    }

    #[test]
    fn a_grapheme_that_ratatui_draws_narrower_than_its_code_points_is_replaced() {
        // Vowel signs of Kirat Rai: one cell together, and one cell each.
        for joined in ["\u{16d63}\u{16d67}", "\u{16d67}\u{16d67}", "\u{16d63}\u{16d67}\u{16d67}"] {
            let cleaned = clean(joined);
            assert_eq!(pens(&cleaned), (width::width(&cleaned), width::width(&cleaned)), "{}", joined.escape_unicode());
            assert_eq!(cleaned, "□".repeat(joined.chars().count()));
        }
        assert_eq!(clean("\u{16d63} \u{16d67}"), "\u{16d63} \u{16d67}", "alone they are drawn as they are measured");
    }

    #[test]
    fn every_code_point_is_measured_as_it_is_drawn() {
        let (mut terminal, mut drawn) = (terminal(), 0);
        // The planes in between contain no characters.
        for c in (0x20..0x4_0000).chain(0xe_0000..0xf_1000).filter_map(char::from_u32) {
            let cleaned = clean_line(c.encode_utf8(&mut [0; 4])).into_owned();
            terminal.process(b"\r");
            terminal.process(cleaned.as_bytes());
            let placed = usize::from(terminal.screen().cursor_position().1);
            assert_eq!(width::width(&cleaned), placed, "{:x}", u32::from(c));
            drawn += usize::from(placed > 0);
        }
        assert!(drawn > 200_000, "most code points show something");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(text in hostile()) {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(|c| c != '\n' && c.is_control()), "{:?}", cleaned);
        }

        #[test]
        fn ratatui_and_a_terminal_place_what_we_measure(text in hostile()) {
            for line in clean(&text).split('\n') {
                let measured = width::width(line);
                prop_assert_eq!(pens(line), (measured, measured), "{:?}", line);
            }
        }

        #[test]
        fn cleaning_again_changes_nothing(text in hostile()) {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
        }
    }
}
