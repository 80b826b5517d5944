//! Markdown as rows.
//!
//! Text is cleaned, parsed into blocks (`parse`), and blocks are laid out at a width (`layout`). What is
//! shown stays close to what was written: headings keep their `#`, code is verbatim, HTML is text, a link
//! shows where it leads, and a line break stays one, since in talk it is meant.
//! Entities (`&#27;`) are decoded by the parser, so every piece of text is cleaned again when it comes out.

mod layout;
mod parse;

pub(crate) use layout::layout;
pub(crate) use parse::{Block, Body, Carry, parse};

use super::Row;
use super::clean::{clean, clean_for_copy};
use crate::tui::glyph::GlyphSet;

/// Renders a whole text at `cells`. An empty text has no rows. For texts above [`super::paged::HUGE`] use
/// [`super::paged::Body`], for text that still arrives [`super::stream::Stream`].
#[must_use]
pub fn render(text: &str, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let parsed = parse(&clean(text), glyphs, Carry::default());
    let mut rows = Vec::new();
    layout(&parsed.blocks, cells, glyphs, &mut rows);
    rows
}

/// The contents of the code fences of a text, to be copied: in order, without the fence lines, tabs kept,
/// control characters neutralised (a paste must not run anything either). [`Row::fence`] is an index here.
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
