//! Converts stored text to rows: sanitising, measuring, wrapping, markdown and differences.
//!
//! Every function here that takes untrusted text passes it through [`clean::clean`] first, so that a [`Row`] never
//! holds a control character. [`Row::width`] is its width in cells on every terminal that measures by code point.
//! Rows carry roles, not colours; [`crate::tui::theme::Theme`] maps roles to styles.

pub mod clean;
pub mod diff;
pub mod markdown;
pub mod paged;
pub mod stream;
pub mod width;
pub mod wrap;

use ratatui::style::Modifier;

/// Number of distinct speaker colours and marks; the ninth speaker looks like the first.
pub const SPEAKERS: usize = 8;

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $key:literal,)*) => {
        /// Semantic role of a piece of text. Speakers are numbered and therefore not part of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Role {
            $($(#[$doc])* $variant,)*
            /// A speaker's name, by a stable index modulo [`SPEAKERS`].
            Speaker(u8),
        }

        /// The named roles with their keys in theme files. Speakers have the key `speakers`.
        pub(crate) const NAMED: &[(&str, Role)] = &[$(($key, Role::$variant),)*];
    };
}

roles! {
    /// Ordinary text.
    Text = "text",
    /// Secondary text: time, version, author, counts, addresses.
    Dim = "dim",
    /// New, or requires a decision.
    Accent = "accent",
    /// A pane's title.
    Title = "title",
    /// The focused pane's title.
    Focus = "focus",
    /// Lines between panes.
    Border = "border",
    /// The selected item.
    Selection = "selection",
    /// A search match.
    Match = "match",
    /// An added line or word.
    Added = "added",
    /// A removed line or word.
    Removed = "removed",
    /// A success.
    Success = "success",
    /// A state that may need attention.
    Warning = "warning",
    /// A failure.
    Error = "error",
    /// A heading in a text.
    Heading = "heading",
    /// `**strong**` text.
    Strong = "strong",
    /// `*emphasised*` text.
    Emphasis = "emphasis",
    /// `~~struck~~` text.
    Struck = "struck",
    /// Inline or fenced code.
    Code = "code",
    /// The text of a link.
    Link = "link",
    /// Quoted text.
    Quote = "quote",
}

impl Role {
    /// Returns the role of the speaker with this index in its group.
    #[must_use]
    pub fn speaker(index: usize) -> Self {
        Self::Speaker((index % SPEAKERS) as u8)
    }

    /// Returns every role, each speaker once.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.iter().map(|(_, role)| *role).chain((0..SPEAKERS).map(Self::speaker))
    }

    /// Returns the index among all roles, from 0.
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
    /// Text; without line breaks if part of a [`Row`].
    pub text: String,
    /// Role, mapped to a style by the theme.
    pub role: Role,
    /// Modifiers added to the role's style, so that emphasis inside a link keeps both.
    pub modifier: Modifier,
}

impl Span {
    /// Creates a span without extra modifiers.
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
    /// Spans, from left to right.
    pub spans: Vec<Span>,
    /// If the row shows a line of a code fence: the index of the fence, from 0, in [`markdown::fences`] of the same
    /// text.
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

    /// Appends a span; joins it to the last one if role and modifier are equal.
    pub fn push(&mut self, span: Span) {
        push_joined(&mut self.spans, span);
    }
}

/// Appends `span`; joins it to the last one if role and modifier are equal. Ignores an empty span.
pub(crate) fn push_joined(spans: &mut Vec<Span>, span: Span) {
    if span.text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.looks_like(&span) => last.text.push_str(&span.text),
        _ => spans.push(span),
    }
}
