//! Markdown rendering.
//!
//! Text is cleaned and parsed into blocks (`parse`); blocks are laid out at a width (`layout`). The result stays
//! close to the source: headings keep their `#`, code is verbatim, HTML is shown as text, a link shows its target,
//! and a line break is kept, because in conversations it is intended. The parser decodes entities (`&#27;`), so
//! its output is cleaned again.

mod layout;
mod parse;

pub(crate) use layout::layout;
pub(crate) use parse::{Block, Body, Carry, parse};

use super::Row;
use super::clean::{clean, clean_for_copy};
use crate::tui::glyph::GlyphSet;

/// Renders a complete text at `cells`; an empty text has no rows. For texts above [`super::paged::HUGE`] use
/// [`super::paged::Body`], for streaming text [`super::stream::Stream`].
#[must_use]
pub fn render(text: &str, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let parsed = parse(&clean(text), glyphs, Carry::default());
    let mut rows = Vec::new();
    layout(&parsed.blocks, cells, glyphs, &mut rows);
    rows
}

/// Returns the contents of a text's code fences in order, for copying: without the fence lines, with tabs, and
/// with control characters neutralised so that pasting is safe. [`Row::fence`] is an index into the result.
#[must_use]
pub fn fences(text: &str) -> Vec<String> {
    let parsed = parse(&clean_for_copy(text), &crate::tui::glyph::ASCII, Carry::default());
    parsed
        .blocks
        .into_iter()
        .filter_map(|block| match (block.fence, block.body) {
            (Some(_), Body::Verbatim { code, .. }) => Some(code),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
