//! An editable text whose caret moves and deletes by grapheme, and which draws cleaned text only.
//!
//! The text is kept to the code point in a text area, which moves its caret by `char`. All keys pass through here, so
//! that this is put right in one place. What is drawn, and what Up and Down move on, is a second text area with the
//! cleaned lines ([`clean_line`]): nothing that a terminal would obey, or measure in its own way, reaches a cell.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget as _;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};
use unicode_segmentation::UnicodeSegmentation as _;

use super::text::clean::clean_line;

/// How a text is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Look {
    /// Style of the text.
    pub text: Style,
    /// Style of the selection.
    pub selection: Style,
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

/// The editable text.
#[derive(Debug, Clone)]
pub struct TextBox {
    area: TextArea<'static>,
    wrap: WrapMode,
    view: Cell<View>,
}

impl TextBox {
    /// Creates a text of these lines, the caret at the start. Long lines wrap, or else scroll.
    #[must_use]
    pub fn new(lines: Vec<String>, wrap: bool) -> Self {
        let wrap = if wrap { WrapMode::WordOrGlyph } else { WrapMode::None };
        Self { area: TextArea::new(lines), wrap, view: Cell::default() }
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
        self.area.insert_str(text);
    }

    /// Replaces the whole text, the caret at its start. Undo restores the previous text.
    pub fn replace_all(&mut self, text: &str) {
        self.area.select_all();
        self.area.insert_str(text);
        self.area.move_cursor(CursorMove::Top);
        self.area.move_cursor(CursorMove::Head);
    }

    /// Inserts a line break.
    pub fn insert_newline(&mut self) {
        self.area.insert_newline();
    }

    /// Deletes to the start of the line. Returns true if the text changed.
    pub fn delete_to_line_start(&mut self) -> bool {
        self.area.delete_line_by_head()
    }

    /// Deletes this many `char`s of the line before the caret, as one change. Returns true if the text changed.
    pub fn delete_before(&mut self, chars: usize) -> bool {
        let (row, col) = self.caret();
        self.cut((row, col.saturating_sub(chars)), chars.min(col))
    }

    /// Returns true if text is selected.
    #[must_use]
    pub fn is_selecting(&self) -> bool {
        self.area.is_selecting()
    }

    /// Undoes the last change. Returns true if the text changed.
    pub fn undo(&mut self) -> bool {
        self.area.undo()
    }

    /// Moves the caret to the end of its line.
    pub fn go_to_line_end(&mut self) {
        self.area.move_cursor(CursorMove::End);
    }

    /// Handles a key of text input or editing. Returns true if the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
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
            (KeyCode::Char('u'), KeyModifiers::CONTROL) => self.delete_to_line_start(),
            (KeyCode::Char('w'), KeyModifiers::CONTROL)
            | (KeyCode::Backspace | KeyCode::Delete | KeyCode::Char('h' | 'd'), KeyModifiers::ALT) => {
                self.delete_word(key)
            }
            _ => self.other(key),
        }
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

    /// Draws the text. Returns the place of the caret.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look) -> Position {
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
        Position { x: x.min(area.right()), y: y.min(area.bottom().saturating_sub(1)) }
    }
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
mod tests {
    use proptest::prelude::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::tui::text::width::width;

    /// One grapheme each: a family, a flag, jamo, a conjunct, a combining mark, a keycap, a skin tone.
    const GRAPHEMES: [&str; 10] = [
        "👩\u{200d}👩\u{200d}👧",
        "🇨🇭",
        "\u{1112}\u{1161}\u{11ab}",
        "क्षि",
        "e\u{301}",
        "1\u{fe0f}\u{20e3}",
        "👍🏽",
        "ﻻ\u{200d}",
        "x",
        "新",
    ];

    fn pressed(text: &mut TextBox, code: KeyCode) -> bool {
        text.key(KeyEvent::from(code))
    }

    fn with(text: &str) -> TextBox {
        let mut with = TextBox::new(vec![String::new()], true);
        with.insert(text);
        with
    }

    #[test]
    fn the_caret_passes_and_deletes_a_grapheme_as_one() {
        for grapheme in GRAPHEMES {
            let mut text = with(&format!("a{grapheme}b"));
            pressed(&mut text, KeyCode::Left);
            pressed(&mut text, KeyCode::Left);
            assert_eq!(text.caret(), (0, 1), "{grapheme:?}");
            pressed(&mut text, KeyCode::Right);
            assert_eq!(text.caret(), (0, 1 + grapheme.chars().count()), "{grapheme:?}");
            assert!(pressed(&mut text, KeyCode::Backspace));
            assert_eq!((text.lines()[0].as_str(), text.caret()), ("ab", (0, 1)), "{grapheme:?}");
            assert!(text.undo());
            text.key(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL));
            pressed(&mut text, KeyCode::Right);
            assert!(pressed(&mut text, KeyCode::Delete));
            assert_eq!((text.lines()[0].as_str(), text.caret()), ("ab", (0, 1)), "{grapheme:?}");
        }
    }

    #[test]
    fn a_move_passes_line_ends_and_ends_at_the_ends_of_the_text() {
        let mut text = with("a\n🇨🇭");
        for _ in 0..2 {
            pressed(&mut text, KeyCode::Left);
        }
        assert_eq!(text.caret(), (0, 1));
        for _ in 0..5 {
            pressed(&mut text, KeyCode::Left);
        }
        assert_eq!(text.caret(), (0, 0));
        for _ in 0..5 {
            pressed(&mut text, KeyCode::Right);
        }
        assert_eq!(text.caret(), (1, 2));
    }

    #[test]
    fn a_deleted_word_leaves_no_part_of_a_grapheme() {
        let mut text = with("so!\u{301}");
        text.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(text.lines(), ["so"]);
        let mut text = with("so!\u{301} no");
        text.key(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL));
        for _ in 0..2 {
            pressed(&mut text, KeyCode::Right);
        }
        text.key(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::ALT));
        assert_eq!(text.lines(), ["so no"]);
    }

    #[test]
    fn shift_selects_whole_graphemes() {
        let mut text = with("a👩\u{200d}🚀b");
        pressed(&mut text, KeyCode::Left);
        text.key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
        assert!(pressed(&mut text, KeyCode::Backspace));
        assert_eq!(text.lines(), ["ab"]);
    }

    #[test]
    fn a_move_without_shift_ends_the_selection() {
        let mut text = with("abc");
        text.key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
        pressed(&mut text, KeyCode::Left);
        pressed(&mut text, KeyCode::Backspace);
        assert_eq!(text.lines(), ["bc"]);
        let mut text = with("abc\nde");
        text.key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
        pressed(&mut text, KeyCode::Up);
        pressed(&mut text, KeyCode::Backspace);
        assert_eq!(text.lines(), ["bc", "de"]);
    }

    #[test]
    fn a_deleted_grapheme_is_not_what_ctrl_y_inserts() {
        let mut text = with("🇨🇭 word");
        text.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert!(pressed(&mut text, KeyCode::Backspace) && pressed(&mut text, KeyCode::Backspace) && text.is_empty());
        text.key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::CONTROL));
        assert_eq!(text.lines(), ["word"]);
    }

    #[test]
    fn a_cr_before_a_line_end_takes_no_cell() {
        let mut text = TextBox::new(vec!["ab\r".to_owned(), "c".to_owned()], true);
        text.go_to_line_end();
        let mut terminal = Terminal::new(TestBackend::new(20, 2)).unwrap();
        let mut caret = Position::default();
        terminal.draw(|frame| caret = text.draw(frame, frame.area(), &Look::default())).unwrap();
        assert_eq!(caret, Position { x: 2, y: 0 });
    }

    #[test]
    fn up_and_down_keep_to_the_drawn_column() {
        let mut text = with("👩\u{200d}👩\u{200d}👧abc\n123456789");
        pressed(&mut text, KeyCode::Left);
        pressed(&mut text, KeyCode::Up);
        // Cells 0 to 5 are the family, cleaned; behind it two letters.
        assert_eq!(text.caret(), (0, 7));
        assert!(text.is_at_edge(false) && !text.is_at_edge(true));
        assert!(text.step(true) && !text.step(true));
        assert_eq!(text.caret(), (1, 8));
    }

    fn any_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(GRAPHEMES.to_vec()),
            2 => prop::sample::select(vec![" ", "\n", "\t", "\u{301}", "\u{200d}", "\u{fe0f}", "!", "🇨", "\u{202e}"]),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_key_leaves_the_caret_between_graphemes(
            text in any_text(), keys in prop::collection::vec(0usize..12, 1..12),
        ) {
            let mut written = with(&text);
            for key in keys {
                let key = match key {
                    0 => KeyEvent::from(KeyCode::Left),
                    1 => KeyEvent::from(KeyCode::Right),
                    2 => KeyEvent::from(KeyCode::Up),
                    3 => KeyEvent::from(KeyCode::Down),
                    4 => KeyEvent::from(KeyCode::Home),
                    5 => KeyEvent::from(KeyCode::End),
                    6 => KeyEvent::new(KeyCode::Left, KeyModifiers::CONTROL),
                    7 => KeyEvent::new(KeyCode::Right, KeyModifiers::CONTROL),
                    8 => KeyEvent::new(KeyCode::Right, KeyModifiers::SHIFT),
                    9 => KeyEvent::from(KeyCode::PageUp),
                    10 => KeyEvent::new(KeyCode::Char('e'), KeyModifiers::CONTROL),
                    _ => KeyEvent::from(KeyCode::PageDown),
                };
                written.key(key);
                let (row, col) = written.caret();
                prop_assert!(stops(&written.lines()[row]).any(|stop| stop == col), "{:?} after {:?}", written.caret(), key);
                prop_assert_eq!(written.lines().join("\n"), text.as_str());
            }
        }

        #[test]
        fn as_many_backspaces_as_graphemes_delete_a_line(text in any_text()) {
            let line = text.replace('\n', "");
            let mut written = with(&line);
            for _ in 0..line.graphemes(true).count() {
                prop_assert!(pressed(&mut written, KeyCode::Backspace));
            }
            prop_assert!(written.is_empty(), "{:?} of {:?}", written.lines(), line);
        }

        #[test]
        fn only_cleaned_text_is_drawn_and_the_caret_stands_behind_it(text in any_text()) {
            let line = text.replace('\n', "");
            let written = with(&line);
            let mut terminal = Terminal::new(TestBackend::new(120, 1)).unwrap();
            let mut caret = Position::default();
            terminal.draw(|frame| caret = written.draw(frame, frame.area(), &Look::default())).unwrap();
            let cleaned = clean_line(&line).into_owned();
            prop_assert_eq!(usize::from(caret.x), width(&cleaned), "{:?}", cleaned);
            let cells = terminal.backend().buffer();
            prop_assert!(cells.content().iter().all(|cell| clean_line(cell.symbol()) == cell.symbol()));
        }
    }
}
