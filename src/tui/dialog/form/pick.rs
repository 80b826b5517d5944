//! Picker for a name: choose a candidate or type a new name.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::agent::is_name;
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
    /// What can be typed besides the candidates; `None` if only candidates are allowed.
    pub other: Option<Other>,
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

/// What can be typed in a picker although it is no candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// The name of an agent that is created.
    Agent,
    /// A tag, which may have blanks.
    Tag,
    /// A tool.
    Tool,
    /// A model.
    Model,
}

impl Other {
    /// Returns the label before the typed name.
    fn label(self) -> &'static str {
        match self {
            Self::Agent => "new agent",
            Self::Tag => "new tag",
            Self::Tool | Self::Model => "use",
        }
    }

    /// Whether a typed name can be chosen.
    fn accepts(self, name: &str) -> bool {
        match self {
            Self::Agent => check_agent_name(name).is_ok(),
            Self::Tool => is_name(name),
            Self::Tag => !name.is_empty() && !name.contains(|c: char| c.is_control() || c == ','),
            Self::Model => !name.is_empty() && unusable(name).is_none(),
        }
    }

    /// Returns the text shown for a name that cannot be chosen.
    fn rule(self, name: &str) -> String {
        match self {
            Self::Agent => {
                check_agent_name(name).err().map_or_else(String::new, |why| format!("Not a valid name: {why}."))
            }
            Self::Tool => "Not a valid name: use letters, digits, - and _.".to_owned(),
            Self::Tag => "Not a valid tag: write it without commas.".to_owned(),
            Self::Model => "A model is named provider/model.".to_owned(),
        }
    }
}

/// Returns an error text if `name` is not a valid model name.
pub(in crate::tui::dialog) fn unusable(name: &str) -> Option<&'static str> {
    let said = "a model is named provider/model, for example openai/gpt-4.1-mini; offline needs no provider";
    (name != "offline" && !name.contains('/')).then_some(said)
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
    /// What can be typed besides the candidates; `None` if only candidates are allowed.
    other: Option<Other>,
    /// Text shown if no candidate matches and only candidates are allowed.
    missing: &'static str,
    candidates: Vec<Candidate>,
    typed: Field,
    selected: usize,
}

/// A line of the picker.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Line<'a> {
    /// A candidate.
    Known(&'a Candidate),
    /// The typed text, as a name that is no candidate.
    Typed(Other),
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
    /// Creates a picker. With `other`, typed names that are no candidates can be chosen.
    #[must_use]
    pub fn new(title: impl Into<String>, other: Option<Other>, candidates: Vec<Candidate>) -> Self {
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

    /// Returns the lines to choose from: candidates with the typed name, the typed text as a new name, then candidates
    /// that only contain it. The case of letters is ignored, and the group before an agent's name is optional.
    fn lines(&self) -> Vec<Line<'_>> {
        let wanted = self.wanted();
        let folded = wanted.to_lowercase();
        let bare = |name: &str| name.rsplit_once('/').map_or_else(|| name.to_owned(), |(_, name)| name.to_owned());
        let is_named = |name: &str| name == folded || bare(name) == folded;
        let begins = |name: &str| name.starts_with(&folded) || bare(name).starts_with(&folded);
        let known = |one: &'_ Candidate| (one.name.to_lowercase(), one.name != wanted);
        let mut found: Vec<_> = self.candidates.iter().map(|one| (known(one), Line::Known(one))).collect();
        found.retain(|((name, _), _)| name.contains(&folded));
        found.sort_by_key(|((name, other), _)| (*other, !is_named(name), !begins(name)));
        let at = found.iter().take_while(|((name, _), _)| is_named(name)).count();
        let mut lines: Vec<Line<'_>> = found.into_iter().map(|(_, line)| line).collect();
        if let Some(other) = self.other.filter(|other| other.accepts(&wanted) && !self.knows(&wanted)) {
            lines.insert(at, Line::Typed(other));
        }
        lines
    }

    /// Whether a name is a candidate.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.candidates.iter().any(|one| one.name == name)
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Picked {
        let count = self.lines().len();
        match key.code {
            KeyCode::Esc => return Picked::Left,
            KeyCode::Up => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down => self.selected = (self.selected + 1).min(count.saturating_sub(1)),
            KeyCode::Enter => {
                let name = self.lines().get(self.selected).map(|line| match line {
                    Line::Known(one) => one.name.clone(),
                    Line::Typed(_) => self.wanted(),
                });
                return name.map_or(Picked::Still, Picked::Name);
            }
            KeyCode::Tab => self.complete(),
            _ => {
                if Field::takes(&key) && self.typed.key(key) {
                    self.selected = 0;
                }
            }
        }
        Picked::Still
    }

    /// Replaces the typed text by the selected candidate, else by the first one.
    fn complete(&mut self) {
        let lines = self.lines();
        let known = |line: &Line<'_>| if let Line::Known(one) = line { Some(one.name.clone()) } else { None };
        let name = lines.get(self.selected).and_then(known).or_else(|| lines.iter().find_map(known));
        if let Some(name) = name {
            self.typed = Field::line(&name);
            self.selected = 0;
        }
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
        self.typed.draw(frame, typing, look, true);
        let lines = self.lines();
        let is_empty = lines.is_empty();
        let wide = |line: &Line<'_>| if let Line::Known(one) = line { width(&clean_line(&one.name)) } else { 0 };
        let names = lines.iter().map(wide).max().unwrap_or(0).min(MAX_NAME);
        let spans = |line: Line<'_>| match line {
            Line::Known(one) => {
                let name = format!(" {}  ", pad(&clean_line(&one.name), names));
                vec![Span::new(name, Role::Text), Span::new(clean_line(&one.about), Role::Dim)]
            }
            Line::Typed(other) => {
                vec![Span::new(format!(" {}: {}", other.label(), clean_line(&self.wanted())), Role::Accent)]
            }
        };
        let buffer = frame.buffer_mut();
        let rows = usize::from(inside.height.saturating_sub(3 + u16::from(fault.is_some())));
        let skip = (self.selected + 1).saturating_sub(rows);
        for ((at, line), y) in lines.into_iter().enumerate().skip(skip).take(rows).zip(inside.y + 2..) {
            let row = cut(spans(line), usize::from(inside.width) - 1, ellipsis);
            put_row(buffer, (inside.x, y), inside.width, &row, theme);
            if at == self.selected {
                buffer.set_style(Rect { y, height: 1, ..inside }, theme.style(Role::Selection));
            }
        }
        if is_empty {
            let text = match self.other {
                Some(_) if self.wanted().is_empty() => "Type a name.",
                Some(other) => &other.rule(&self.wanted()),
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
        put(buffer, (x, foot), room, "Enter choose   Tab complete   Esc leave", Role::Dim, theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picker(other: Option<Other>, names: &[&str]) -> Picker {
        let candidate = |name: &&str| Candidate { name: (*name).to_owned(), about: String::new() };
        Picker::new("Add", other, names.iter().map(candidate).collect())
    }

    fn write(picker: &mut Picker, text: &str) {
        for letter in text.chars() {
            assert_eq!(picker.key(KeyEvent::from(KeyCode::Char(letter))), Picked::Still);
        }
    }

    fn picked(other: Option<Other>, names: &[&str], typed: &str) -> Picked {
        let mut picker = picker(other, names);
        write(&mut picker, typed);
        picker.key(KeyEvent::from(KeyCode::Enter))
    }

    #[test]
    fn a_name_that_was_typed_comes_before_names_that_contain_it() {
        let name = |name: &str| Picked::Name(name.to_owned());
        assert_eq!(picked(Some(Other::Agent), &["annabel", "joann"], "ann"), name("ann"), "a new one");
        assert_eq!(picked(Some(Other::Agent), &["annabel", "ann"], "ann"), name("ann"), "the one there is");
        assert_eq!(picked(None, &["annabel", "ann"], "ann"), name("ann"));
        assert_eq!(picked(None, &["joann", "annabel"], "ann"), name("annabel"), "its beginning before its end");
        assert_eq!(picked(Some(Other::Agent), &["annabel", "desk/ann"], "ann"), name("desk/ann"));
        assert_eq!(picked(Some(Other::Agent), &["Ann", "annabel"], "ann"), name("Ann"), "not two that differ by case");
        assert_eq!(picked(Some(Other::Model), &["local/qwen3-4b"], "local/qwen3"), name("local/qwen3"));
        assert_eq!(picked(Some(Other::Tool), &["send_mail_async"], "send_mail"), name("send_mail"));
    }

    #[test]
    fn a_tag_may_have_blanks_and_a_name_may_not() {
        assert_eq!(picked(Some(Other::Tag), &[], "asks why"), Picked::Name("asks why".to_owned()));
        assert_eq!(picked(Some(Other::Tag), &[], "one, two"), Picked::Still, "commas are between tags");
        assert_eq!(picked(Some(Other::Agent), &[], "ann b"), Picked::Still);
        assert_eq!(picked(Some(Other::Model), &[], "qwen3"), Picked::Still, "no provider");
    }

    #[test]
    fn tab_completes_to_the_first_name_there_is() {
        let mut picker = picker(Some(Other::Agent), &["annabel", "bob"]);
        write(&mut picker, "ann");
        picker.key(KeyEvent::from(KeyCode::Tab));
        assert_eq!(picker.key(KeyEvent::from(KeyCode::Enter)), Picked::Name("annabel".to_owned()));
    }
}
