//! The line at the foot of the editor that finds a text while it is typed.

use crossterm::event::KeyEvent;

use crate::tui::command::Command;
use crate::tui::field::Field;
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::text_box::Found;
use crate::tui::theme::Role;

/// Text before the line.
pub(super) const PROMPT: &str = " find ";

/// What is looked for, and where it is.
#[derive(Debug)]
pub(super) struct Find {
    /// The text that is looked for.
    pub line: Field,
    /// Where the caret was when this began.
    from: (usize, usize),
    /// The places found.
    pub found: Vec<Found>,
    /// Which of them is selected.
    at: usize,
}

impl Find {
    /// Begins with the selected text, if it is part of a line.
    pub fn new(field: &mut Field) -> Self {
        let selected = field.text_box().selected();
        let sought = if selected.contains('\n') { "" } else { &selected };
        let from = field.text_box().caret();
        let from = (from.0, from.1.saturating_sub(sought.chars().count()));
        let mut find = Self { line: Field::line(sought), from, found: Vec::new(), at: 0 };
        // The first letter that is typed takes its place.
        find.line.command(Command::SelectAll);
        find.renew(field);
        find
    }

    /// Handles a typed key.
    pub fn key(&mut self, key: KeyEvent, field: &mut Field) {
        if self.line.key(key) {
            self.renew(field);
        }
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str, field: &mut Field) {
        self.line.paste(text);
        self.renew(field);
    }

    /// Looks for the text, and selects the first place from where this began.
    fn renew(&mut self, field: &mut Field) {
        let text = field.text_box();
        self.found = text.find(&self.line.text());
        self.at = self.found.iter().position(|found| (found.line, found.from) >= self.from).unwrap_or(0);
        match self.found.get(self.at) {
            Some(found) => text.select_found(*found),
            None => text.go_to(self.from),
        }
    }

    /// Selects the next or the previous place; behind the last comes the first.
    pub fn step(&mut self, forward: bool, field: &mut Field) {
        let count = self.found.len().max(1);
        self.at = (self.at + if forward { 1 } else { count - 1 }) % count;
        if let Some(found) = self.found.get(self.at) {
            field.text_box().select_found(*found);
        }
    }

    /// Returns which place is selected, and of how many.
    pub fn count(&self) -> Span {
        match (self.found.len(), self.line.text().is_empty()) {
            (_, true) => Span::new("type what to find", Role::Dim),
            (0, false) => Span::new(format!("no {:?}", clean_line(&self.line.text())), Role::Warning),
            (all, false) => Span::new(format!("{} of {all}", self.at + 1), Role::Dim),
        }
    }
}
