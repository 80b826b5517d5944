//! Picker for a name: choose a candidate or type a new name.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::naming::check_agent_name;
use crate::tui::dialog::frame_box;
use crate::tui::field::Field;
use crate::tui::pane::list::cut;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{pad, width};
use crate::tui::theme::Role;

/// Properties of a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether the list holds at most one name.
    pub one: bool,
    /// Whether each name has a role.
    pub roles: bool,
    /// Title of the picker.
    pub title: &'static str,
    /// Label in the picker for a name that is not a candidate; `None` if only candidates are allowed.
    pub other: Option<&'static str>,
    /// Note after such a name in the list.
    pub unknown: &'static str,
    /// Text shown in the picker if no candidate matches.
    pub missing: &'static str,
}

impl Kind {
    /// A list of candidates only, without roles.
    pub const LIST: Self = Self {
        one: false,
        roles: false,
        title: "",
        other: None,
        unknown: "",
        missing: "No agent has this name; n in the agents creates one.",
    };
}

/// Maximum size in cells.
const SIZE: (u16, u16) = (60, 14);
/// Maximum width of the name column in cells.
const MAX_NAME: usize = 28;

/// A selectable name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Name as sent to the engine.
    pub name: String,
    /// Short description.
    pub about: String,
}

/// A filtered list of candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Picker {
    title: String,
    /// Label for a typed name that is not a candidate, for example `new agent`; `None` if only candidates are allowed.
    other: Option<&'static str>,
    /// Text shown if no candidate matches and only candidates are allowed.
    missing: &'static str,
    candidates: Vec<Candidate>,
    typed: Field,
    selected: usize,
}

/// Result of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// The picker stays open.
    Still,
    /// The picker was closed without a choice.
    Left,
    /// This name was chosen.
    Name(String),
}

impl Picker {
    /// Creates a picker. With `other`, a typed name that is not a candidate can be chosen under that label.
    #[must_use]
    pub fn new(title: impl Into<String>, other: Option<&'static str>, candidates: Vec<Candidate>) -> Self {
        let missing = Kind::LIST.missing;
        Self { title: title.into(), other, missing, candidates, typed: Field::line(""), selected: 0 }
    }

    /// Sets the text shown if no candidate matches.
    #[must_use]
    pub fn missing(self, missing: &'static str) -> Self {
        Self { missing, ..self }
    }

    /// Returns the typed text, trimmed.
    fn wanted(&self) -> String {
        self.typed.text().trim().to_owned()
    }

    /// Returns the candidates that contain the typed text, ignoring case.
    fn found(&self) -> Vec<&Candidate> {
        let wanted = self.wanted().to_lowercase();
        self.candidates.iter().filter(|one| one.name.to_lowercase().contains(&wanted)).collect()
    }

    /// Whether the typed text can be chosen as a new name.
    fn offers_typed(&self) -> bool {
        let wanted = self.wanted();
        self.other.is_some()
            && check_agent_name(&wanted).is_ok()
            && !self.candidates.iter().any(|one| one.name == wanted)
    }

    /// Whether a name is a candidate.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.candidates.iter().any(|one| one.name == name)
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Picked {
        let count = self.found().len() + usize::from(self.offers_typed());
        match key.code {
            KeyCode::Esc => return Picked::Left,
            KeyCode::Up => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down => self.selected = (self.selected + 1).min(count.saturating_sub(1)),
            KeyCode::Enter => {
                let found = self.found().get(self.selected).map(|one| one.name.clone());
                let name = found.or_else(|| self.offers_typed().then(|| self.wanted()));
                return name.map_or(Picked::Still, Picked::Name);
            }
            _ => {
                if Field::takes(&key) && self.typed.key(key) {
                    self.selected = 0;
                }
            }
        }
        Picked::Still
    }

    /// Inserts pasted text into the filter.
    pub fn paste(&mut self, text: &str) {
        self.typed.paste(text.trim());
        self.selected = 0;
    }

    /// Draws the picker centred on `screen`; `fault` is the error of the last attempt.
    pub fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, fault: Option<&str>) {
        let inside = frame_box(frame, screen, SIZE, &clean_line(&self.title), look);
        let (theme, ellipsis) = (&look.theme, look.glyphs.ellipsis);
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let end = put(frame.buffer_mut(), (x, inside.y), room, "Find or type: ", Role::Dim, theme);
        let typing = Rect { x: end, y: inside.y, width: inside.right().saturating_sub(end), height: 1 };
        self.typed.draw(frame, typing, look, true, false);
        let found = self.found();
        let names = found.iter().map(|one| width(&clean_line(&one.name))).max().unwrap_or(0).min(MAX_NAME);
        let mut lines: Vec<Vec<Span>> = Vec::new();
        for one in &found {
            let name = format!(" {}  ", pad(&clean_line(&one.name), names));
            lines.push(vec![Span::new(name, Role::Text), Span::new(clean_line(&one.about), Role::Dim)]);
        }
        if self.offers_typed() {
            let text = format!(" {}: {}", self.other.unwrap_or_default(), clean_line(&self.wanted()));
            lines.push(vec![Span::new(text, Role::Accent)]);
        }
        let buffer = frame.buffer_mut();
        let rows = usize::from(inside.height.saturating_sub(3 + u16::from(fault.is_some())));
        let skip = (self.selected + 1).saturating_sub(rows);
        for ((at, line), y) in lines.into_iter().enumerate().skip(skip).take(rows).zip(inside.y + 2..) {
            put_row(buffer, (inside.x, y), inside.width, &cut(line, usize::from(inside.width) - 1, ellipsis), theme);
            if at == self.selected {
                buffer.set_style(Rect { y, height: 1, ..inside }, theme.style(Role::Selection));
            }
        }
        if found.is_empty() && !self.offers_typed() {
            let text = match self.other {
                Some(_) if self.wanted().is_empty() => "Type a name.",
                Some(_) => match check_agent_name(&self.wanted()) {
                    Err(why) => &format!("Not a valid name: {why}."),
                    Ok(()) => "",
                },
                None => self.missing,
            };
            put(buffer, (x, inside.y + 2), room, text, Role::Dim, theme);
        }
        let foot = inside.bottom().saturating_sub(1);
        if let Some(fault) = fault {
            let text = format!("{} {}", look.glyphs.failed, clean_line(fault));
            let row = cut(vec![Span::new(text, Role::Error)], room.into(), ellipsis);
            put_row(buffer, (x, foot.saturating_sub(1)), room, &row, theme);
        }
        put(buffer, (x, foot), room, "Enter choose   Esc leave", Role::Dim, theme);
    }
}
