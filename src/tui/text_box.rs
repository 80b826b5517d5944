//! An editable text whose caret moves and deletes by grapheme, and which draws cleaned text only.
//!
//! The text is kept to the code point in a text area, which moves its caret by `char`. All keys pass through here, so
//! that this is put right in one place. What is drawn, and what Up and Down move on, is a second text area with the
//! cleaned lines ([`clean_line`]): nothing that a terminal would obey, or measure in its own way, reaches a cell.
//! Changes are undone by words ([`past`]); the keys that are commands are in the table, as those of text inputs.

mod find;
mod past;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget as _;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};
use unicode_segmentation::UnicodeSegmentation as _;

use super::command::Command;
use super::text::clean::clean_line;
use super::text::width::width;
use past::Past;

pub use find::Found;

/// How a text is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Look {
    /// Style of the text.
    pub text: Style,
    /// Style of the selection.
    pub selection: Style,
    /// Style of the places that are found.
    pub found: Style,
    /// Style of line numbers; `None` for none.
    pub numbers: Option<Style>,
}

/// What the last drawing leaves for the next one, and for moves between rows.
#[derive(Debug, Clone, Copy, Default)]
struct View {
    size: (u16, u16),
    numbers: bool,
    /// First visible row and column.
    scroll: (u16, u16),
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawn {
    /// The place of the caret on the screen.
    pub caret: Position,
    /// For each row of the area that shows text: the line, and whether it is the first row of that line.
    pub rows: Vec<(usize, bool)>,
}

/// The editable text.
#[derive(Debug, Clone)]
pub struct TextBox {
    area: TextArea<'static>,
    wrap: WrapMode,
    view: Cell<View>,
    past: Past,
}

impl TextBox {
    /// Creates a text of these lines, the caret at the start. Long lines wrap, or else scroll.
    #[must_use]
    pub fn new(lines: Vec<String>, wrap: bool) -> Self {
        let wrap = if wrap { WrapMode::WordOrGlyph } else { WrapMode::None };
        Self { area: text_area(lines), wrap, view: Cell::default(), past: Past::default() }
    }

    /// Returns the lines; at least one.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// Returns true if there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Returns the line of the caret and the number of `char`s before it.
    #[must_use]
    pub fn caret(&self) -> (usize, usize) {
        let caret = self.area.cursor();
        (caret.0, caret.1)
    }

    /// Inserts a text at the caret, in place of the selection.
    pub fn insert(&mut self, text: &str) {
        self.changing(false, |text_box| {
            text_box.area.insert_str(text);
        });
    }

    /// Replaces the whole text, the caret at its start. Undo restores the previous text.
    pub fn replace_all(&mut self, text: &str) {
        self.changing(false, |text_box| {
            text_box.put(text.split('\n').map(str::to_owned).collect(), (0, 0));
        });
    }

    /// Inserts a line break.
    pub fn insert_newline(&mut self) {
        self.changing(false, |text_box| text_box.area.insert_newline());
    }

    /// Deletes to the start of the line. Returns true if the text changed.
    pub fn delete_to_line_start(&mut self) -> bool {
        self.changing(false, |text_box| {
            text_box.area.delete_line_by_head();
        })
    }

    /// Deletes this many `char`s of the line before the caret, as one change. Returns true if the text changed.
    pub fn delete_before(&mut self, chars: usize) -> bool {
        let (row, col) = self.caret();
        self.changing(false, |text_box| {
            text_box.cut((row, col.saturating_sub(chars)), chars.min(col));
        })
    }

    /// Makes a change and keeps what undoes it. `typed` changes that follow each other within a word are one.
    fn changing(&mut self, typed: bool, change: impl FnOnce(&mut Self)) -> bool {
        let (lines, caret) = (self.area.lines().to_vec(), self.caret());
        change(self);
        // What the text area returns is false where it has only deleted the selection.
        let changed = self.area.lines() != lines;
        if changed {
            self.past.keep((&lines, caret), (self.area.lines(), self.caret()), typed);
        }
        changed
    }

    /// Sets the lines and the caret.
    fn put(&mut self, lines: Vec<String>, caret: (usize, usize)) {
        let kept = self.area.yank_text();
        self.area = text_area(lines);
        self.area.set_yank_text(kept);
        self.jump(caret);
    }

    /// Returns true if text is selected.
    #[must_use]
    pub fn is_selecting(&self) -> bool {
        self.area.is_selecting()
    }

    /// Undoes the last change: the last word that was typed or deleted, a paste, a cut. Returns true if the text changed.
    pub fn undo(&mut self) -> bool {
        let Some((lines, caret)) = self.past.undo(self.area.lines()) else { return false };
        self.put(lines, caret);
        true
    }

    /// Makes the change again that was undone last. Returns true if the text changed.
    pub fn redo(&mut self) -> bool {
        let Some((lines, caret)) = self.past.redo(self.area.lines()) else { return false };
        self.put(lines, caret);
        true
    }

    /// Performs a command of text inputs. Returns whether the text changed; `None` for any other command.
    pub fn command(&mut self, command: Command) -> Option<bool> {
        match command {
            Command::UndoTyping => Some(self.undo()),
            Command::RedoTyping => Some(self.redo()),
            Command::CutText => Some(self.changing(false, |text_box| {
                text_box.area.cut();
            })),
            Command::CopyText => {
                self.area.copy();
                Some(false)
            }
            Command::PutText => Some(self.changing(false, |text_box| {
                text_box.area.paste();
            })),
            Command::SelectAll => {
                self.area.select_all();
                Some(false)
            }
            _ => None,
        }
    }

    /// Returns the selected text; empty if none is selected.
    #[must_use]
    pub fn selected(&self) -> String {
        let mut copied = self.area.clone();
        copied.set_yank_text("");
        copied.copy();
        copied.yank_text()
    }

    /// Moves the caret to a line, from 0, and its `char`; drops the selection.
    pub fn go_to(&mut self, place: (usize, usize)) {
        self.area.cancel_selection();
        self.jump(place);
    }

    /// Moves the caret to the end of its line.
    pub fn go_to_line_end(&mut self) {
        self.area.move_cursor(CursorMove::End);
    }

    /// Handles a key of text input or editing. Returns true if the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        if let Some(changed) = Command::of_text(&key).and_then(|command| self.command(command)) {
            return changed;
        }
        self.changing(true, |text_box| {
            text_box.edit(key);
        })
    }

    fn edit(&mut self, key: KeyEvent) -> bool {
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let held = key.modifiers.difference(KeyModifiers::SHIFT);
        let page = isize::try_from(self.view.get().size.1.max(1)).unwrap_or(1);
        match (key.code, held) {
            (KeyCode::Left, KeyModifiers::NONE) | (KeyCode::Char('b'), KeyModifiers::CONTROL) => {
                self.go(false, shift);
                false
            }
            (KeyCode::Right, KeyModifiers::NONE) | (KeyCode::Char('f'), KeyModifiers::CONTROL) => {
                self.go(true, shift);
                false
            }
            (KeyCode::Up, KeyModifiers::NONE) | (KeyCode::Char('p'), KeyModifiers::CONTROL) => self.rows(-1, shift),
            (KeyCode::Down, KeyModifiers::NONE) | (KeyCode::Char('n'), KeyModifiers::CONTROL) => self.rows(1, shift),
            (KeyCode::PageUp, _) | (KeyCode::Char('v'), KeyModifiers::ALT) => self.rows(-page, shift),
            (KeyCode::PageDown, _) | (KeyCode::Char('v'), KeyModifiers::CONTROL) => self.rows(page, shift),
            (KeyCode::Backspace, KeyModifiers::NONE) | (KeyCode::Char('h'), KeyModifiers::CONTROL) => {
                self.delete(false)
            }
            (KeyCode::Delete, KeyModifiers::NONE) | (KeyCode::Char('d'), KeyModifiers::CONTROL) => self.delete(true),
            // As in a shell; the text area binds this to undo.
            (KeyCode::Char('u'), KeyModifiers::CONTROL) => self.area.delete_line_by_head(),
            (KeyCode::Char('w'), KeyModifiers::CONTROL)
            | (KeyCode::Backspace | KeyCode::Delete | KeyCode::Char('h' | 'd'), KeyModifiers::ALT) => {
                self.delete_word(key)
            }
            _ => self.other(key),
        }
    }

    /// Moves the caret to a cell of the area that was drawn last; with `select`, selects up to there.
    pub fn point(&mut self, (x, y): (u16, u16), select: bool) {
        let shown = self.laid_out();
        let View { numbers, scroll: (top, left), .. } = self.view.get();
        let margin = if numbers { shown.line_number_width() } else { 0 };
        let col = left.saturating_add(x.saturating_sub(margin));
        let at = shown.screen_to_data(usize::from(top.saturating_add(y)), col.into());
        self.select(select);
        self.jump((at.0, unshown(self.line(at.0), at.1)));
    }

    /// Moves the caret by rows as they are drawn.
    pub fn scroll(&mut self, rows: isize) {
        self.rows(rows, false);
    }

    /// Moves the caret a row up or down. Returns false if there is no such row.
    pub fn step(&mut self, down: bool) -> bool {
        let before = self.caret();
        self.rows(if down { 1 } else { -1 }, false);
        self.caret() != before
    }

    /// Returns true if there is no row above the caret, or below it.
    #[must_use]
    pub fn is_at_edge(&self, down: bool) -> bool {
        let mut shown = self.laid_out();
        let before = shown.cursor();
        shown.move_cursor(if down { CursorMove::Down } else { CursorMove::Up });
        shown.cursor() == before
    }

    fn line(&self, row: usize) -> &str {
        self.area.lines().get(row).map_or("", String::as_str)
    }

    /// Moves by one grapheme.
    fn go(&mut self, forward: bool, shift: bool) {
        let (row, col) = self.caret();
        let line = self.line(row);
        let target = match (forward, neighbour(line, col, forward)) {
            (_, Some(col)) => (row, col),
            (true, None) if row + 1 < self.lines().len() => (row + 1, 0),
            (false, None) if row > 0 => (row - 1, self.line(row - 1).chars().count()),
            _ => (row, col),
        };
        self.select(shift);
        if !self.jump(target) {
            self.area.move_cursor(if forward { CursorMove::Forward } else { CursorMove::Back });
        }
    }

    /// Begins, keeps or drops the selection before a move.
    fn select(&mut self, shift: bool) {
        match (shift, self.area.is_selecting()) {
            (true, false) => self.area.start_selection(),
            (false, true) => self.area.cancel_selection(),
            _ => {}
        }
    }

    /// Moves the caret there. Returns false if the text area cannot be told so far a place.
    fn jump(&mut self, (row, col): (usize, usize)) -> bool {
        let (Ok(row), Ok(col)) = (u16::try_from(row), u16::try_from(col)) else { return false };
        self.area.move_cursor(CursorMove::Jump(row, col));
        true
    }

    /// Deletes the selection, or one grapheme. Returns true if the text changed.
    fn delete(&mut self, forward: bool) -> bool {
        let (row, col) = self.caret();
        let next = neighbour(self.line(row), col, forward).filter(|_| !self.area.is_selecting());
        match next {
            Some(next) if next.abs_diff(col) > 1 => self.cut((row, next.min(col)), next.abs_diff(col)),
            _ if forward => self.area.delete_next_char(),
            _ => self.area.delete_char(),
        }
    }

    /// Deletes this many `char`s, without putting them where Ctrl-Y takes from.
    fn cut(&mut self, from: (usize, usize), chars: usize) -> bool {
        let kept = self.area.yank_text();
        let cut = self.jump(from) && self.area.delete_str(chars);
        self.area.set_yank_text(kept);
        cut
    }

    /// Deletes a word, and what is left of graphemes at its ends.
    fn delete_word(&mut self, key: KeyEvent) -> bool {
        let (row, col) = self.caret();
        let (line, rows, selecting) = (self.line(row).to_owned(), self.lines().len(), self.area.is_selecting());
        let changed = self.area.input(key);
        let (now_row, now) = self.caret();
        if !changed || selecting || rows != self.lines().len() || row != now_row {
            return changed;
        }
        let removed = line.chars().count().saturating_sub(self.line(row).chars().count());
        let (start, end) = (now, now + removed);
        let before = nearest(&line, start, false);
        let after = if end > col { nearest(&line, end, true) } else { end };
        let chars = (start - before) + (after - end);
        if chars > 0 {
            self.cut((row, before), chars);
        }
        changed
    }

    /// All other keys; a move ends between graphemes.
    fn other(&mut self, key: KeyEvent) -> bool {
        let before = self.caret();
        let changed = self.area.input(key);
        let after = self.caret();
        if !changed && after != before {
            let col = nearest(self.line(after.0), after.1, after > before);
            if col != after.1 {
                self.jump((after.0, col));
            }
        }
        changed
    }

    /// Moves by rows as they are drawn.
    fn rows(&mut self, by: isize, shift: bool) -> bool {
        let mut shown = self.laid_out();
        shown.cancel_selection();
        for _ in 0..by.unsigned_abs() {
            shown.move_cursor(if by > 0 { CursorMove::Down } else { CursorMove::Up });
        }
        let target = shown.cursor();
        self.select(shift);
        self.jump((target.0, unshown(self.line(target.0), target.1)));
        false
    }

    /// The text as it is drawn, with the caret and the selection.
    fn shown(&self, look: &Look) -> TextArea<'static> {
        let mut shown = TextArea::new(self.lines().iter().map(|line| display(line)).collect());
        shown.set_wrap_mode(self.wrap);
        shown.set_cursor_line_style(Style::new());
        // The terminal's cursor is placed at the caret; a drawn one would be a second cursor.
        shown.set_cursor_style(Style::new());
        shown.set_style(look.text);
        shown.set_selection_style(look.selection);
        if let Some(numbers) = look.numbers {
            shown.set_line_number_style(numbers);
        }
        let (top, left) = self.view.get().scroll;
        shown.scroll((i16::try_from(top).unwrap_or(i16::MAX), i16::try_from(left).unwrap_or(i16::MAX)));
        let place = |(row, col): (usize, usize)| {
            let col = shown_col(self.line(row), col);
            let [row, col] = [row, col].map(|at| u16::try_from(at).unwrap_or(u16::MAX));
            CursorMove::Jump(row, col)
        };
        let caret = self.caret();
        if let Some((start, end)) = self.area.selection_range() {
            shown.move_cursor(place(if start == caret { end } else { start }));
            shown.start_selection();
        }
        shown.move_cursor(place(caret));
        shown
    }

    /// The text as it was drawn last, with its rows.
    fn laid_out(&self) -> TextArea<'static> {
        let View { size: (width, _), numbers, .. } = self.view.get();
        let shown = self.shown(&Look { numbers: numbers.then(Style::new), ..Look::default() });
        // A text area wraps its lines only when it is drawn.
        if width > 0 {
            let area = Rect::new(0, 0, width, 1);
            (&shown).render(area, &mut Buffer::empty(area));
        }
        shown
    }

    /// Draws the text, with the places that were found.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, found: &[Found]) -> Drawn {
        let shown = self.shown(look);
        frame.render_widget(&shown, area);
        let (top, left) = shown.scroll_offset();
        let size = (area.width, area.height);
        self.view.set(View { size, numbers: look.numbers.is_some(), scroll: (top, left) });
        let caret = shown.screen_cursor();
        let (row, col) = (caret.row.saturating_sub(top.into()), caret.col.saturating_sub(left.into()));
        let margin = look.numbers.map_or(0, |_| shown.line_number_width());
        let x = area.x.saturating_add(margin).saturating_add(u16::try_from(col).unwrap_or(u16::MAX));
        let y = area.y.saturating_add(u16::try_from(row).unwrap_or(u16::MAX));
        let caret = Position { x: x.min(area.right()), y: y.min(area.bottom().saturating_sub(1)) };
        let starts = starts(&shown, top, area.height);
        if !found.is_empty() {
            let text = Rect { x: area.x + margin.min(area.width), width: area.width.saturating_sub(margin), ..area };
            self.highlight(frame.buffer_mut(), (text, left), &starts, look.found, found);
        }
        Drawn { caret, rows: starts.iter().map(|(line, col)| (*line, *col == 0)).collect() }
    }

    /// Sets the style of the places that were found and are visible. `starts` is where the visible rows begin.
    fn highlight(
        &self,
        buffer: &mut Buffer,
        (area, left): (Rect, u16),
        starts: &[(usize, usize)],
        style: Style,
        found: &[Found],
    ) {
        for (at, ((line, start), y)) in starts.iter().zip(area.y..).enumerate() {
            let end = starts.get(at + 1).filter(|(next, _)| next == line).map_or(usize::MAX, |(_, col)| *col);
            let drawn = display(self.line(*line));
            let cells = |from: usize, to: usize| -> u16 {
                let part: String = drawn.chars().skip(from).take(to.saturating_sub(from)).collect();
                u16::try_from(width(&part)).unwrap_or(u16::MAX)
            };
            for place in found.iter().filter(|place| place.line == *line) {
                let [from, to] = [place.from, place.to].map(|col| shown_col(self.line(*line), col).clamp(*start, end));
                let x = area.x.saturating_add(cells(*start, from).saturating_sub(left));
                let wide = cells(from, to).min(area.right().saturating_sub(x));
                buffer.set_style(Rect { x, y, width: wide, height: 1 }.intersection(area), style);
            }
        }
    }
}

/// A text area that keeps no past of its own.
fn text_area(lines: Vec<String>) -> TextArea<'static> {
    let mut area = TextArea::new(lines);
    area.set_max_histories(0);
    area
}

/// Where the rows of an area begin, from row `top`: the line and the `char` of the drawn line.
fn starts(shown: &TextArea<'_>, top: u16, rows: u16) -> Vec<(usize, usize)> {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    for row in top..top.saturating_add(rows) {
        let at = shown.screen_to_data(row.into(), 0);
        // Rows below the text are taken for the last one.
        if starts.last() == Some(&(at.0, at.1)) {
            break;
        }
        starts.push((at.0, at.1));
    }
    starts
}

/// A line as it is drawn. A CR in front of a line end shows nothing.
fn display(line: &str) -> String {
    clean_line(line.strip_suffix('\r').unwrap_or(line)).into_owned()
}

/// Where graphemes begin in a line, in `char`s, and the end of the line.
fn stops(line: &str) -> impl Iterator<Item = usize> {
    let mut at = 0;
    let starts = line.graphemes(true).map(move |grapheme| {
        at += grapheme.chars().count();
        at
    });
    std::iter::once(0).chain(starts)
}

/// The next or the previous place between graphemes; `None` at the end or the start of the line.
fn neighbour(line: &str, col: usize, forward: bool) -> Option<usize> {
    if forward { stops(line).find(|stop| *stop > col) } else { stops(line).take_while(|stop| *stop < col).last() }
}

/// The place itself if it is between graphemes, else the next or the previous such place.
fn nearest(line: &str, col: usize, forward: bool) -> usize {
    let found = if forward {
        stops(line).find(|stop| *stop >= col)
    } else {
        stops(line).take_while(|stop| *stop <= col).last()
    };
    found.unwrap_or(col)
}

/// The `char`s before the caret in the drawn line.
fn shown_col(line: &str, col: usize) -> usize {
    let end = line.char_indices().nth(col).map_or(line.len(), |(at, _)| at);
    display(&line[..end]).chars().count()
}

/// The place between graphemes that is drawn at or nearest before a column of the drawn line.
fn unshown(line: &str, shown: usize) -> usize {
    let stops: Vec<usize> = stops(line).collect();
    let at = stops.partition_point(|stop| shown_col(line, *stop) < shown);
    match stops.get(at) {
        Some(stop) if shown_col(line, *stop) == shown => *stop,
        _ => stops.get(at.saturating_sub(1)).copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests;
