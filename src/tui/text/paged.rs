//! Rows of a message of any size, built on demand.
//!
//! A message up to [`HUGE`] is rendered whole. A larger one is shown as plain text: one pass counts its rows and
//! stores the start of every 256th row (eight bytes each); rows are then wrapped from the nearest stored start.
//! A page costs its own rows plus at most 255 more, at any position in the message.

use std::borrow::Cow;
use std::ops::Range;

use super::clean::clean;
use super::markdown;
use super::wrap::{Breaks, Mode};
use super::{Role, Row, Span};
use crate::tui::glyph::GlyphSet;

/// Messages of more bytes are shown as plain text. Model answers are shorter; larger messages are pasted files or
/// logs.
pub const HUGE: usize = 64 * 1024;

/// Rows between two stored row starts.
const STRIDE: usize = 256;

/// A plain text of any size, wrapped at one width.
#[derive(Debug, Clone)]
pub struct Paged {
    text: String,
    cells: usize,
    mode: Mode,
    role: Role,
    /// Byte positions at which the rows `n * STRIDE` start.
    notes: Vec<usize>,
    len: usize,
}

impl Paged {
    /// Cleans and measures `text`, without trailing line breaks. Linear in its length; keeps one copy of it.
    #[must_use]
    pub fn new(text: &str, cells: usize, mode: Mode, role: Role) -> Self {
        let mut text = clean(text).into_owned();
        text.truncate(text.trim_end_matches('\n').len());
        let mut paged = Self { text, cells, mode, role, notes: Vec::new(), len: 0 };
        paged.measure();
        paged
    }

    /// Measures the text again at another width. Linear; no effect if the width is unchanged.
    #[cfg(test)]
    pub fn resize(&mut self, cells: usize) {
        if cells != self.cells {
            self.cells = cells;
            self.measure();
        }
    }

    fn measure(&mut self) {
        let mut breaks = Breaks::new(&self.text, self.cells, self.cells, self.mode);
        let (mut notes, mut len) = (Vec::new(), 0);
        while let Some(at) = breaks.position() {
            if len % STRIDE == 0 {
                notes.push(at);
            }
            len += usize::from(breaks.next().is_some());
        }
        self.notes = notes;
        self.len = len;
    }

    /// Returns the number of rows; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the rows of `range`; omits rows past the end.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Vec<Row> {
        let Some(&at) = self.notes.get(range.start / STRIDE) else { return Vec::new() };
        Breaks::resume(&self.text, at, self.cells, self.cells, self.mode)
            .skip(range.start % STRIDE)
            .take(range.len())
            .map(|bytes| {
                let mut row = Row::default();
                row.push(Span::new(&self.text[bytes], self.role));
                row
            })
            .collect()
    }
}

/// The body of a message at one width.
#[derive(Debug, Clone)]
pub enum Body {
    /// Rendered whole.
    Rows(Vec<Row>),
    /// Plain and built on demand.
    Paged(Paged),
}

impl Body {
    /// Renders `text` as markdown, or as plain text if it is larger than [`HUGE`].
    #[must_use]
    pub fn markdown(text: &str, cells: usize, glyphs: &GlyphSet) -> Self {
        if text.len() > HUGE {
            Self::Paged(Paged::new(text, cells, Mode::Words, Role::Text))
        } else {
            Self::Rows(markdown::render(text, cells, glyphs))
        }
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Paged(paged) => paged.len(),
        }
    }

    /// Returns true if there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the rows of `range`; omits rows past the end.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Cow<'_, [Row]> {
        match self {
            Self::Rows(rows) => Cow::Borrowed(
                &rows[range.start.min(rows.len())..range.end.clamp(range.start.min(rows.len()), rows.len())],
            ),
            Self::Paged(paged) => Cow::Owned(paged.rows(range)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::glyph::UNICODE;
    use crate::tui::text::clean;
    use proptest::prelude::*;

    #[test]
    fn a_megabyte_without_a_line_break_is_shown_page_by_page() {
        let text = "word 新聞 ".repeat(100_000);
        let body = Body::markdown(&text, 80, &UNICODE);
        let Body::Paged(paged) = &body else { panic!("plain above the limit") };
        assert!(
            paged.notes.len() * size_of::<usize>() < text.len() / 1000,
            "the index is small compared with the text"
        );
        let last = body.rows(body.len() - 3..body.len() + 10);
        assert_eq!(last.len(), 3);
        assert!(last.iter().all(|row| !row.spans.is_empty()));
        assert!(body.rows(body.len() + 1000..body.len() + 1001).is_empty());
    }

    #[test]
    fn a_small_message_is_markdown() {
        let body = Body::markdown("**now**", 80, &UNICODE);
        assert_eq!(body.rows(0..9)[0].text(), "now");
        assert!(body.rows(5..9).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_page_is_a_slice_of_all_rows(
            text in prop::collection::vec(clean::tests::hostile(), 0..60),
            cells in 2usize..12, from in 0usize..500, count in 0usize..40,
        ) {
            let text = text.concat();
            let mut paged = Paged::new(&text, 7, Mode::Words, Role::Text);
            paged.resize(cells);
            let cleaned = clean::clean(&text);
            let cleaned = cleaned.trim_end_matches('\n');
            let all: Vec<_> = Breaks::new(cleaned, cells, cells, Mode::Words).map(|r| cleaned[r].to_owned()).collect();
            prop_assert_eq!(paged.len(), all.len());
            let page: Vec<_> = paged.rows(from..from + count).iter().map(Row::text).collect();
            let expected: Vec<_> = all.iter().skip(from).take(count).cloned().collect();
            prop_assert_eq!(page, expected);
        }
    }
}
