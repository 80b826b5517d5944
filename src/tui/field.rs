//! Text input for panes and dialogs: single-line or multi-line.
//!
//! Wraps a textarea. The text is stored unchanged and sanitised cell by cell when drawn, so that an escape sequence
//! in a block can be edited but never reaches the terminal.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use super::pane::RenderContext;
use super::text::clean::{clean_for_copy, clean_line};
use super::theme::Role;

/// A text input.
#[derive(Debug, Clone)]
pub struct Field {
    area: TextArea<'static>,
    many: bool,
}

/// Fields are equal if their kind and text are equal; the caret is ignored.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.many == other.many && self.area.lines() == other.area.lines()
    }
}

impl Field {
    /// Creates a single-line field; line breaks become spaces.
    #[must_use]
    pub fn line(text: &str) -> Self {
        let mut field = Self::over(TextArea::default(), false, WrapMode::None);
        field.paste(text);
        field
    }

    /// Creates a multi-line field with wrapping, the caret at the start.
    #[must_use]
    pub fn lines(text: &str) -> Self {
        let area = TextArea::new(text.split('\n').map(str::to_owned).collect());
        Self::over(area, true, WrapMode::WordOrGlyph)
    }

    fn over(mut area: TextArea<'static>, many: bool, wrap: WrapMode) -> Self {
        area.set_wrap_mode(wrap);
        area.set_cursor_line_style(Style::new());
        area.set_cursor_style(Style::new());
        Self { area, many }
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Replaces the text; undo restores the previous one.
    pub fn set(&mut self, text: &str) {
        self.area.select_all();
        self.area.insert_str(text);
        self.area.move_cursor(CursorMove::Top);
    }

    /// Whether the field handles this key as text input or editing.
    #[must_use]
    pub fn takes(key: &KeyEvent) -> bool {
        let held = key.modifiers.difference(KeyModifiers::SHIFT);
        match key.code {
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
        let held = key.modifiers.difference(KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Enter | KeyCode::Tab if !self.many => false,
            // As in a shell; the textarea binds this to undo.
            KeyCode::Char('u') if held == KeyModifiers::CONTROL => self.area.delete_line_by_head(),
            _ => self.area.input(key),
        }
    }

    /// Moves the caret a line up or down. Returns false if there is no such line.
    pub fn step(&mut self, down: bool) -> bool {
        let before = self.area.cursor();
        self.area.move_cursor(if down { CursorMove::Down } else { CursorMove::Up });
        self.area.cursor().0 != before.0
    }

    /// Inserts pasted text at the caret, sanitised.
    pub fn paste(&mut self, text: &str) {
        let safe = clean_for_copy(text);
        if self.many {
            self.area.insert_str(safe.as_ref());
        } else {
            self.area.insert_str(safe.replace('\n', " "));
        }
    }

    /// Draws like [`Field::draw`], but leaves the area untouched if the field is empty, so that a placeholder shows.
    pub fn draw_bare(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool) {
        if !self.area.is_empty() {
            self.draw(frame, area, look, focused, false);
        } else if focused {
            frame.set_cursor_position((area.x, area.y));
        }
    }

    /// Draws the field; if focused, places the frame's cursor at the caret. `numbers` shows line numbers.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool, numbers: bool) {
        if area.is_empty() {
            return;
        }
        let mut shown = self.area.clone();
        shown.set_style(look.theme.style(Role::Text));
        shown.set_selection_style(look.theme.style(Role::Selection));
        if numbers {
            shown.set_line_number_style(look.theme.style(Role::Dim));
        }
        frame.render_widget(&shown, area);
        neutralise(frame.buffer_mut(), area);
        if focused {
            let (caret, (top, left)) = (shown.screen_cursor(), shown.scroll_offset());
            let (row, column) = (caret.row.saturating_sub(top.into()), caret.col.saturating_sub(left.into()));
            let margin = if numbers { shown.line_number_width() } else { 0 };
            let x = area.x.saturating_add(margin).saturating_add(column as u16).min(area.right() - 1);
            let y = area.y.saturating_add(row as u16).min(area.bottom() - 1);
            frame.set_cursor_position((x, y));
        }
    }
}

/// Sanitises the text of the cells, so that no control sequence reaches the terminal.
fn neutralise(buffer: &mut Buffer, area: Rect) {
    for position in area.positions() {
        let Some(cell) = buffer.cell_mut(position) else { continue };
        if cell.symbol().is_ascii() {
            continue;
        }
        let safe = clean_line(cell.symbol()).into_owned();
        if safe != cell.symbol() {
            cell.set_symbol(if safe.is_empty() { " " } else { &safe });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_whatever_is_pasted() {
        let mut field = Field::line("one");
        field.paste(" two\nthree\u{1b}[2J");
        assert_eq!(field.text(), "one two three^[[2J");
        field.key(KeyEvent::from(KeyCode::Enter));
        assert_eq!(field.text(), "one two three^[[2J");
    }

    #[test]
    fn a_text_is_kept_as_it_is_to_the_byte() {
        for text in ["", "a", "a\n", "a\n\nb\u{1b}[31m\tc", "\n"] {
            assert_eq!(Field::lines(text).text(), text);
        }
        let mut field = Field::lines("old\ntext");
        field.set("new\n");
        assert_eq!(field.text(), "new\n");
    }
}
