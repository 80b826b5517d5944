//! Text as rows.

use super::Row;
use super::wrap::{Shape, wrap};
use super::{Span, clean::clean};
use crate::tui::glyph::GlyphSet;
use crate::tui::theme::Role;

/// The rows of a text in `cells` cells.
#[must_use]
pub fn render(text: &str, cells: usize, _glyphs: &GlyphSet) -> Vec<Row> {
    wrap(&[Span::new(clean(text).into_owned(), Role::Text)], &Shape::plain(cells))
}
