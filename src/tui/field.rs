//! Text input for panes and dialogs: single-line or multi-line.
//!
//! The text is stored unchanged and drawn cleaned, so that an escape sequence in a block can be edited but never reaches
//! the terminal. A text whose lines all end with CRLF keeps these line ends; new lines get them, too.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::command::Command;
use super::pane::RenderContext;
use super::text::plain::{plain, plain_line};
use super::text_box::{Drawn, Found, Look, TextBox};
use super::theme::Role;
use crate::domain::text_edit::line_end;

/// A text input.
#[derive(Debug, Clone)]
pub struct Field {
    area: TextBox,
    many: bool,
    /// The line end of the text; the lines are kept without it.
    end: &'static str,
}

/// Fields are equal if their kind and text are equal; the caret is ignored.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.many == other.many && self.end == other.end && self.area.lines() == other.area.lines()
    }
}

impl Field {
    /// Creates a single-line field; line breaks become spaces.
    #[must_use]
    pub fn line(text: &str) -> Self {
        let mut field = Self { area: TextBox::new(vec![String::new()], false), many: false, end: "\n" };
        field.paste(text);
        field
    }

    /// Creates a multi-line field with wrapping, the caret at the start.
    #[must_use]
    pub fn lines(text: &str) -> Self {
        let end = line_end(text);
        let area = TextBox::new(text.split(end).map(str::to_owned).collect(), true);
        Self { area, many: true, end }
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join(self.end)
    }

    /// Replaces the text; undo restores the previous one, except after a text with line ends of both kinds.
    pub fn set(&mut self, text: &str) {
        let end = line_end(text);
        let lined = text.replace(end, "\n");
        if self.many && lined.contains('\r') {
            // Typing would turn these into other line ends.
            *self = Self::lines(text);
        } else {
            self.end = end;
            self.area.replace_all(&lined);
        }
    }

    /// Whether the field handles this key as text input or editing.
    #[must_use]
    pub fn takes(key: &KeyEvent) -> bool {
        let held = key.modifiers.difference(KeyModifiers::SHIFT);
        match key.code {
            _ if Command::of_text(key).is_some() => true,
            KeyCode::Char(letter) if held == KeyModifiers::ALT => "bfd".contains(letter),
            KeyCode::Char(letter) if held == KeyModifiers::CONTROL => "uwaekhbf".contains(letter),
            KeyCode::Char(_) => held.is_empty(),
            KeyCode::Backspace | KeyCode::Delete | KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End => {
                true
            }
            _ => false,
        }
    }

    /// Handles a key. Returns true if the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Enter | KeyCode::Tab if !self.many => false,
            _ => self.area.key(key),
        }
    }

    /// Performs a command of text inputs. Returns whether the text changed; `None` for any other command.
    pub fn command(&mut self, command: Command) -> Option<bool> {
        self.area.command(command)
    }

    /// Returns the text box.
    #[must_use]
    pub fn text_box(&mut self) -> &mut TextBox {
        &mut self.area
    }

    /// Moves the caret a row up or down. Returns false if there is no such row.
    pub fn step(&mut self, down: bool) -> bool {
        self.area.step(down)
    }

    /// Inserts pasted text at the caret, without control characters.
    pub fn paste(&mut self, text: &str) {
        let safe = if self.many { plain(text) } else { plain_line(text) };
        self.area.insert(&safe);
    }

    /// Draws like [`Field::draw`], but leaves the area untouched if the field is empty, so that a placeholder shows.
    pub fn draw_bare(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool) {
        if !self.area.is_empty() {
            self.draw(frame, area, look, focused);
        } else if focused {
            frame.set_cursor_position((area.x, area.y));
        }
    }

    /// Draws the field; if focused, places the frame's cursor at the caret.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool) {
        self.draw_with(frame, area, look, focused, (false, &[]));
    }

    /// Draws like [`Field::draw`], with line numbers if asked for, and with the places that were found.
    pub fn draw_with(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        look: &RenderContext,
        focused: bool,
        (numbers, found): (bool, &[Found]),
    ) -> Drawn {
        if area.is_empty() {
            return Drawn::default();
        }
        let style = |role| look.theme.style(role);
        let wanted = Look {
            text: style(Role::Text),
            selection: style(Role::Selection),
            found: style(Role::Match),
            numbers: numbers.then(|| style(Role::Dim)),
        };
        let drawn = self.area.draw(frame, area, &wanted, found);
        if focused {
            frame.set_cursor_position(Position { x: drawn.caret.x.min(area.right() - 1), ..drawn.caret });
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_whatever_is_pasted() {
        let mut field = Field::line("one");
        field.paste(" two\nthree\u{1b}[2J");
        assert_eq!(field.text(), "one two three");
        field.key(KeyEvent::from(KeyCode::Enter));
        assert_eq!(field.text(), "one two three");
    }

    #[test]
    fn a_text_is_kept_as_it_is_to_the_byte() {
        for text in ["", "a", "a\n", "a\n\nb\u{1b}[31m\tc", "\n", "a\r\nb\r\n", "a\r\nb\nc", "می\u{200c}خواهم\u{ad}"]
        {
            assert_eq!(Field::lines(text).text(), text);
            let mut field = Field::lines("old\ntext");
            field.set(text);
            assert_eq!(field.text(), text, "set");
        }
        let mut field = Field::lines("old\ntext");
        field.set("new\n");
        assert_eq!(field.text(), "new\n");
    }

    #[test]
    fn lines_added_to_a_text_with_crlf_end_with_crlf() {
        let mut field = Field::lines("a\r\nb");
        field.key(KeyEvent::from(KeyCode::End));
        field.key(KeyEvent::from(KeyCode::Enter));
        field.paste("x\ny");
        assert_eq!(field.text(), "a\r\nx\r\ny\r\nb");
    }

    #[test]
    fn pasted_text_keeps_what_does_not_show() {
        let said = "می\u{200c}خواهم ❤\u{fe0f} 1\u{fe0f}\u{20e3} 👩\u{200d}🚀 क्\u{200d}ष soft\u{ad}hyphen \u{200f}x";
        let (mut line, mut lines) = (Field::line(""), Field::lines(""));
        for field in [&mut line, &mut lines] {
            field.paste(said);
            assert_eq!(field.text(), said);
        }
    }
}
