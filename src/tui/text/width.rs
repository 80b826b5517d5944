//! The one place that says how many cells a text takes, and cuts and fills by it.
//!
//! A grapheme takes what ratatui gives its cell. On text from [`super::clean::clean`] that is also the sum
//! over its code points, which is how terminals count, so the grid cannot drift.

use std::borrow::Cow;

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar as _;

/// Cells of one grapheme; 0 for one that holds a control character, which is never drawn.
///
/// Two cleaned texts put side by side may meet in one grapheme that is narrower than its parts, as vowel signs of
/// Kirat Rai are: drawn as parts, they take the sum.
#[must_use]
pub fn grapheme(grapheme: &str) -> usize {
    drawn(grapheme).max(by_code_points(grapheme))
}

/// Cells that ratatui gives one grapheme; 0 for one that holds a control character.
#[must_use]
pub fn drawn(grapheme: &str) -> usize {
    if grapheme.chars().any(char::is_control) { 0 } else { usize::from(grapheme.cell_width()) }
}

/// Cells by which a terminal advances when it receives the code points one after the other; 0 where one of them is a
/// control character.
#[must_use]
pub fn by_code_points(grapheme: &str) -> usize {
    if grapheme.chars().any(char::is_control) { 0 } else { grapheme.chars().filter_map(char::width).sum() }
}

/// Cells of a text: the sum over its graphemes.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return text.len();
    }
    text.graphemes(true).map(grapheme).sum()
}

/// The longest prefix of `text` that takes at most `max` cells, in bytes.
#[must_use]
pub fn prefix(text: &str, max: usize) -> usize {
    let mut used = 0;
    for (at, piece) in text.grapheme_indices(true) {
        used += grapheme(piece);
        if used > max {
            return at;
        }
    }
    text.len()
}

/// `text` in at most `max` cells; what is cut is told by `ellipsis` (`…`, or `~` in ASCII).
#[must_use]
pub fn truncate<'a>(text: &'a str, max: usize, ellipsis: &str) -> Cow<'a, str> {
    let whole = prefix(text, max);
    if whole == text.len() {
        return Cow::Borrowed(text);
    }
    let sign = width(ellipsis);
    if sign > max {
        return Cow::Borrowed(&text[..whole]);
    }
    let kept = prefix(text, max - sign);
    Cow::Owned(format!("{}{ellipsis}", &text[..kept]))
}

/// `text` filled with spaces on the right to at least `cells`.
#[must_use]
pub fn pad(text: &str, cells: usize) -> String {
    let gap = cells.saturating_sub(width(text));
    let mut padded = String::with_capacity(text.len() + gap);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', gap));
    padded
}

/// `text` filled with spaces on the left to at least `cells`: for numbers.
#[must_use]
pub fn pad_left(text: &str, cells: usize) -> String {
    let gap = cells.saturating_sub(width(text));
    let mut padded = " ".repeat(gap);
    padded.push_str(text);
    padded
}

/// `text` in exactly `cells`: cut with `ellipsis` or filled on the right.
#[must_use]
pub fn fit(text: &str, cells: usize, ellipsis: &str) -> String {
    pad(&truncate(text, cells, ellipsis), cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_text_ends_in_the_sign_and_keeps_the_width() {
        assert_eq!(truncate("newsroom", 8, "…"), "newsroom");
        assert_eq!(truncate("newsroom", 5, "…"), "news…");
        assert_eq!(truncate("newsroom", 5, "~"), "news~");
        assert_eq!(truncate("新聞社", 4, "…"), "新…", "a wide character is never halved");
        assert_eq!(truncate("新聞社", 0, "…"), "");
    }

    #[test]
    fn numbers_stand_right_and_names_left() {
        assert_eq!(pad_left("412", 6), "   412");
        assert_eq!(pad("新", 4), "新  ");
        assert_eq!(fit("archivist", 5, "…"), "arch…");
    }

    proptest! {
        #[test]
        fn fit_takes_exactly_its_cells(text in "\\PC{0,40}", cells in 0usize..30) {
            let text = crate::tui::text::clean::clean(&text);
            let fitted = fit(&text, cells, "…");
            prop_assert_eq!(width(&fitted), cells, "{:?}", fitted);
        }
    }
}
