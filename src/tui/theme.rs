//! Roles and the styles a theme gives them. The only file that names an RGB colour.
//!
//! A theme is a TOML file of roles, never of widgets. Three are compiled in: `terminal`, which uses the
//! terminal's own 16 colours and paints no background, `dark` and `light`. A user's file names what it
//! `inherits` (`terminal` when it says nothing) and only what differs.

mod file;

// pub use file::{Source, ThemeError};

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span as Painted};

use crate::tui::text::{Row, Span};

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

    fn slot(self) -> usize {
        match self {
            Self::Speaker(index) => NAMED.len() + usize::from(index) % SPEAKERS,
            named => NAMED.iter().position(|(_, role)| *role == named).unwrap_or(0),
        }
    }
}

/// A style for every role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// The name it was asked for by.
    pub name: String,
    /// What the screen is filled with; [`Color::Reset`] leaves the terminal's own.
    pub background: Color,
    styles: Vec<Style>,
}

impl Theme {
    /// The style of a role.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role.slot()).copied().unwrap_or_default()
    }

    /// What the whole screen is filled with before anything is drawn.
    #[must_use]
    pub fn base(&self) -> Style {
        self.style(Role::Text).bg(self.background)
    }

    /// A span as ratatui draws it.
    #[must_use]
    pub fn paint<'a>(&self, span: &'a Span) -> Painted<'a> {
        Painted::styled(span.text.as_str(), self.style(span.role).add_modifier(span.modifier))
    }

    /// A row as ratatui draws it.
    #[must_use]
    pub fn line<'a>(&self, row: &'a Row) -> Line<'a> {
        Line::from_iter(row.spans.iter().map(|span| self.paint(span)))
    }

    /// The same theme without colours, for `NO_COLOR`: weight, slant and reversal stay, and a role told by
    /// a background alone is reversed.
    #[must_use]
    pub fn monochrome(&self) -> Self {
        let plain = |style: &Style| {
            let reversed = style.bg.is_some() && !style.add_modifier.contains(Modifier::REVERSED);
            let kept = Style::new().add_modifier(style.add_modifier);
            if reversed { kept.add_modifier(Modifier::REVERSED) } else { kept }
        };
        Self {
            name: self.name.clone(),
            background: Color::Reset,
            styles: self.styles.iter().map(plain).collect(),
        }
    }
}
