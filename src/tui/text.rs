//! From stored text to rows: cleaning, measuring, wrapping, markdown and differences.
//!
//! Owns what stands between a string somebody else wrote and cells on a screen. Every function here that
//! takes foreign text passes it through [`clean::clean`] first, so a [`Row`] never holds a control
//! character, and its width in cells is [`Row::width`] on every terminal that measures by code point.
//! Rows carry roles, never colours: [`crate::tui::theme::Theme`] paints them.

pub mod clean;
pub mod diff;
pub mod markdown;
pub mod paged;
pub mod stream;
pub mod width;
pub mod wrap;

use ratatui::style::Modifier;

use crate::tui::theme::Role;

/// A piece of text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text, without line breaks once it is part of a [`Row`].
    pub text: String,
    /// What the text is; the theme knows how that looks.
    pub role: Role,
    /// Added to what the theme says, so that emphasis inside a link keeps both.
    pub modifier: Modifier,
}

impl Span {
    /// A span in `role` with nothing added.
    pub fn new(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), role, modifier: Modifier::empty() }
    }

    /// The same span with `modifier` added.
    #[must_use]
    pub fn with(mut self, modifier: Modifier) -> Self {
        self.modifier |= modifier;
        self
    }

    fn looks_like(&self, other: &Self) -> bool {
        self.role == other.role && self.modifier == other.modifier
    }
}

/// One row of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// What stands in the row, from the left.
    pub spans: Vec<Span>,
    /// Set where the row shows a line of a code fence: the fence's index, counted from 0, in
    /// [`markdown::fences`] of the same text.
    pub fence: Option<usize>,
}

impl Row {
    /// The cells the row takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| width::width(&span.text)).sum()
    }

    /// The row's text without its styles.
    #[must_use]
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// Adds a span; one that looks like the last is joined to it.
    pub fn push(&mut self, span: Span) {
        push_joined(&mut self.spans, span);
    }
}

/// Appends `span`, joining it to the last one where both look the same.
pub(crate) fn push_joined(spans: &mut Vec<Span>, span: Span) {
    if span.text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.looks_like(&span) => last.text.push_str(&span.text),
        _ => spans.push(span),
    }
}
