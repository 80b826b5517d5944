//! Markdown rendering.
//!
//! Text is cleaned and parsed into blocks (`parse`); blocks are laid out at a width (`layout`). The result stays
//! close to the source: headings keep their `#`, code is verbatim, HTML is shown as text, a link shows its target,
//! and a line break is kept, because in conversations it is intended. The parser decodes entities (`&#27;`), so
//! its output is cleaned again.

mod layout;
mod parse;

pub(crate) use layout::{layout, layout_growing};
pub(crate) use parse::{Block, Body, Carry, parse};

use super::Row;
use super::clean::{clean, clean_with_tabs};
use super::plain::plain;
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

/// Returns the contents of a text's code fences in order, for copying: without the fence lines, with tabs and all that
/// does not show, and without control characters so that pasting is safe. [`Row::fence`] is an index into the result.
#[must_use]
pub fn fences(text: &str) -> Vec<String> {
    let mut whole = code_of(&plain(text)).into_iter();
    // The fences are those that are shown. A character that does not show can hide one, or make one.
    let shown = code_of(&clean_with_tabs(text)).into_iter();
    shown.map(|code| whole.next().filter(|whole| clean_with_tabs(whole) == code).unwrap_or(code)).collect()
}

fn code_of(text: &str) -> Vec<String> {
    let parsed = parse(text, &crate::tui::glyph::ASCII, Carry::default());
    let code = parsed.blocks.into_iter().filter_map(|block| match (block.fence, block.body) {
        (Some(_), Body::Verbatim { code, .. }) => Some(code),
        _ => None,
    });
    code.collect()
}

#[cfg(test)]
mod tests;
