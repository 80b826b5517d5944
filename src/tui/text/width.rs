//! Width of text in cells, and the functions that truncate and pad by it. All other code measures text here.
//!
//! A grapheme has the width that ratatui gives it. For text from [`super::clean::clean`] that equals the sum over
//! its code points, which is how terminals measure, so columns stay aligned.

use std::borrow::Cow;

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar as _;

/// Returns the cells of one grapheme; 0 if it contains a control character, which is never drawn.
///
/// Two cleaned texts side by side may combine to one grapheme that is narrower than its parts, for example vowel
/// signs of Kirat Rai. Drawn separately they take the sum, so the larger width is returned.
#[must_use]
pub fn grapheme(grapheme: &str) -> usize {
    drawn(grapheme).max(by_code_points(grapheme))
}

/// Returns the cells that ratatui gives one grapheme; 0 if it contains a control character.
#[must_use]
pub fn drawn(grapheme: &str) -> usize {
    if grapheme.chars().any(char::is_control) { 0 } else { usize::from(grapheme.cell_width()) }
}

/// Returns the cells by which a terminal advances for the code points of a grapheme; 0 if it contains a control
/// character.
#[must_use]
pub fn by_code_points(grapheme: &str) -> usize {
    if grapheme.chars().any(char::is_control) { 0 } else { grapheme.chars().filter_map(char::width).sum() }
}

/// Returns the cells of a text: the sum over its graphemes.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return text.len();
    }
    text.graphemes(true).map(grapheme).sum()
}

/// Returns the length in bytes of the longest prefix of `text` that takes at most `max` cells.
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

/// Truncates `text` to at most `max` cells. A truncated text ends in `ellipsis` (`…`, or `~` in ASCII).
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

/// Pads `text` with spaces on the right to at least `cells`.
#[must_use]
pub fn pad(text: &str, cells: usize) -> String {
    let gap = cells.saturating_sub(width(text));
    let mut padded = String::with_capacity(text.len() + gap);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', gap));
    padded
}

/// Pads `text` with spaces on the left to at least `cells`, for right-aligned numbers.
#[must_use]
pub fn pad_left(text: &str, cells: usize) -> String {
    let gap = cells.saturating_sub(width(text));
    let mut padded = " ".repeat(gap);
    padded.push_str(text);
    padded
}

/// Truncates or pads `text` on the right to exactly `cells`.
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
