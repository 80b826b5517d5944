//! Conversion of stored text to rows: cleaning, measuring, wrapping, markdown and differences.
//!
//! Every function here that accepts untrusted text passes it through [`clean::clean`] first. So a [`Row`] never
//! contains a control character, and it takes [`Row::width`] cells on every terminal that measures by code
//! point. Rows contain roles, not colours; [`crate::tui::theme::Theme`] maps roles to styles.

pub mod clean;
pub mod diff;
pub mod markdown;
pub mod paged;
pub mod plain;
pub mod stream;
pub mod width;
pub mod wrap;

use ratatui::style::Modifier;

/// Number of distinct speaker styles; the ninth speaker looks like the first.
pub const SPEAKERS: usize = 8;

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $key:literal,)*) => {
        /// The meaning of a piece of text, mapped to a style by the theme. `Speaker` is not in the table
        /// because it is numbered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Role {
            $($(#[$doc])* $variant,)*
            /// Name of a speaker, by its stable index modulo [`SPEAKERS`].
            Speaker(u8),
        }

        /// The roles that a theme file may set, in the order of the file; speakers have the key `speakers`.
        pub(crate) const NAMED: &[(&str, Role)] = &[$(($key, Role::$variant),)*];
    };
}

roles! {
    /// Ordinary text.
    Text = "text",
    /// Secondary text: time, version, author, counts, link targets.
    Dim = "dim",
    /// New content, keys, and what needs a decision.
    Accent = "accent",
    /// Title of a pane.
    Title = "title",
    /// Title of the focused pane.
    Focus = "focus",
    /// Lines between panes.
    Border = "border",
    /// The selected item.
    Selection = "selection",
    /// Text matched by a search.
    Match = "match",
    /// An added line or word.
    Added = "added",
    /// A removed line or word.
    Removed = "removed",
    /// Success.
    Success = "success",
    /// A state that may need attention.
    Warning = "warning",
    /// A failure.
    Error = "error",
    /// A heading in markdown.
    Heading = "heading",
    /// `**strong**` text.
    Strong = "strong",
    /// `*emphasised*` text.
    Emphasis = "emphasis",
    /// `~~struck~~` text.
    Struck = "struck",
    /// Code, inline or in a fence.
    Code = "code",
    /// Text of a link.
    Link = "link",
    /// Quoted text.
    Quote = "quote",
}

impl Role {
    /// Returns the role of the speaker with this stable index in its group.
    #[must_use]
    pub fn speaker(index: usize) -> Self {
        Self::Speaker((index % SPEAKERS) as u8)
    }

    /// Returns all roles, including each speaker once.
    #[cfg(test)]
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.iter().map(|(_, role)| *role).chain((0..SPEAKERS).map(Self::speaker))
    }

    /// Returns its index among all roles, from 0.
    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Speaker(index) => NAMED.len() + usize::from(index) % SPEAKERS,
            named => NAMED.iter().position(|(_, role)| *role == named).unwrap_or(0),
        }
    }
}

/// A piece of text with one role and modifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text; contains no line breaks if the span is part of a [`Row`].
    pub text: String,
    /// Role of the text, styled by the theme.
    pub role: Role,
    /// Attributes added to the style of the role: emphasis inside a link keeps both.
    pub modifier: Modifier,
}

impl Span {
    /// Creates a span in `role` without added attributes.
    pub fn new(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), role, modifier: Modifier::empty() }
    }

    /// Returns the span with `modifier` added.
    #[must_use]
    pub fn with(mut self, modifier: Modifier) -> Self {
        self.modifier |= modifier;
        self
    }

    fn looks_like(&self, other: &Self) -> bool {
        self.role == other.role && self.modifier == other.modifier
    }
}

/// One row of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Contents, from left to right.
    pub spans: Vec<Span>,
    /// For a row of a code fence, the index of the fence in [`markdown::fences`] of the same text, from 0.
    pub fence: Option<usize>,
}

impl Row {
    /// Returns the width in cells.
    #[must_use]
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| width::width(&span.text)).sum()
    }

    /// Returns the text without styles.
    #[must_use]
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// Appends a span; joins it to the last one if both look the same.
    pub fn push(&mut self, span: Span) {
        push_joined(&mut self.spans, span);
    }
}

/// Appends `span`; joins it to the last one if both look the same. Drops an empty span.
pub(crate) fn push_joined(spans: &mut Vec<Span>, span: Span) {
    if span.text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.looks_like(&span) => last.text.push_str(&span.text),
        _ => spans.push(span),
    }
}
