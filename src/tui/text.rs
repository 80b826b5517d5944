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

/// How many speakers have colours and marks of their own; the ninth looks like the first.
pub const SPEAKERS: usize = 8;

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $key:literal,)*) => {
        /// What a piece of the screen is. Speakers stand apart from the table since they are numbered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Role {
            $($(#[$doc])* $variant,)*
            /// The name of a speaker, by a stable index; taken modulo [`SPEAKERS`].
            Speaker(u8),
        }

        /// The roles a theme file may name, in the order of the file; speakers have the key `speakers`.
        pub(crate) const NAMED: &[(&str, Role)] = &[$(($key, Role::$variant),)*];
    };
}

roles! {
    /// What was said.
    Text = "text",
    /// What explains it: time, version, author, counts, addresses.
    Dim = "dim",
    /// What is new or wants a decision.
    Accent = "accent",
    /// The title of a pane.
    Title = "title",
    /// The title of the pane that has the focus.
    Focus = "focus",
    /// Lines between panes.
    Border = "border",
    /// What is chosen.
    Selection = "selection",
    /// Text a search found.
    Match = "match",
    /// A line or word that came.
    Added = "added",
    /// A line or word that went.
    Removed = "removed",
    /// Something done.
    Success = "success",
    /// Something that may need somebody.
    Warning = "warning",
    /// Something that failed.
    Error = "error",
    /// A heading of a text.
    Heading = "heading",
    /// `**strong**` text.
    Strong = "strong",
    /// `*stressed*` text.
    Emphasis = "emphasis",
    /// `~~struck~~` text.
    Struck = "struck",
    /// Code, in a line or in a fence.
    Code = "code",
    /// The text of a link.
    Link = "link",
    /// Quoted text.
    Quote = "quote",
}

impl Role {
    /// The role of the speaker with this stable index in its group.
    #[must_use]
    pub fn speaker(index: usize) -> Self {
        Self::Speaker((index % SPEAKERS) as u8)
    }

    /// Every role there is, each speaker once.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.iter().map(|(_, role)| *role).chain((0..SPEAKERS).map(Self::speaker))
    }

    /// Its place among all roles, from 0.
    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Speaker(index) => NAMED.len() + usize::from(index) % SPEAKERS,
            named => NAMED.iter().position(|(_, role)| *role == named).unwrap_or(0),
        }
    }
}

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
