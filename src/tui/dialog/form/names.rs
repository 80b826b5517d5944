//! A list of names in a form: agents with their roles, or tools, contacts, a model.
//!
//! The last row adds a name; a list of at most one name hides it once it has a name. Typing on a name edits its role,
//! if the list has roles; otherwise it opens the picker.

use crossterm::event::{KeyCode, KeyEvent};

use super::pick::{Candidate, Kind, Picked, Picker};
use crate::tui::field::Field;

/// An item of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Name as sent to the engine.
    pub name: String,
    /// Role in the group.
    pub role: Field,
}

/// The list's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Names {
    pub kind: Kind,
    pub items: Vec<Item>,
    /// Index of the row with the caret; the row after the last name adds a name.
    pub at: usize,
    candidates: Vec<Candidate>,
    picker: Option<Box<Picker>>,
}

/// Result of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// The key was not used.
    No,
    /// The key was used; the value is unchanged.
    Moved,
    /// The value changed.
    Changed,
}

impl Names {
    pub fn new(kind: Kind, items: Vec<(String, String)>, candidates: Vec<Candidate>) -> Self {
        let items = items.into_iter().map(|(name, role)| Item { name, role: Field::line(&role) }).collect();
        Self { kind, items, at: 0, candidates, picker: None }
    }

    /// Returns the names, in order.
    pub fn names(&self) -> Vec<String> {
        self.items.iter().map(|item| item.name.clone()).collect()
    }

    /// Returns the names with their roles.
    pub fn roles(&self) -> impl Iterator<Item = (&str, String)> {
        self.items.iter().map(|item| (item.name.as_str(), item.role.text().trim().to_owned()))
    }

    /// Whether both lists hold the same items; ignores the caret.
    pub fn same(&self, other: &Self) -> bool {
        self.items == other.items
    }

    /// Whether a name is a candidate.
    pub fn knows(&self, name: &str) -> bool {
        self.candidates.iter().any(|one| one.name == name)
    }

    /// Whether the list shows a row that adds a name.
    pub fn can_add(&self) -> bool {
        !self.kind.one || self.items.is_empty()
    }

    /// Returns the number of rows, including the one that adds a name.
    pub fn rows(&self) -> usize {
        self.items.len() + usize::from(self.can_add())
    }

    /// Returns the picker, if open.
    pub fn picker(&self) -> Option<&Picker> {
        self.picker.as_deref()
    }

    /// Focuses the list: from the previous field (`Some(false)`), its first row; from the next one (`Some(true)`) or by
    /// other keys (`None`), its last row.
    pub fn enter(&mut self, from_below: Option<bool>) {
        self.at = match from_below {
            Some(false) => 0,
            Some(true) | None => self.rows().saturating_sub(1),
        };
    }

    /// Moves the caret by a row. Returns false at the edge.
    pub fn step(&mut self, down: bool) -> bool {
        let to = if down { self.at + 1 } else { self.at.wrapping_sub(1) };
        let inside = to < self.rows();
        if inside {
            self.at = to;
        }
        inside
    }

    /// Removes the name under the caret. Returns false if there is none.
    pub fn remove(&mut self) -> bool {
        let there = self.at < self.items.len();
        if there {
            self.items.remove(self.at);
            self.at = self.at.min(self.rows().saturating_sub(1));
        }
        there
    }

    /// Moves the name under the caret up or down. Returns false at the edge.
    pub fn shift(&mut self, down: bool) -> bool {
        let to = if down { self.at + 1 } else { self.at.wrapping_sub(1) };
        let inside = self.at < self.items.len() && to < self.items.len();
        if inside {
            self.items.swap(self.at, to);
            self.at = to;
        }
        inside
    }

    fn open(&mut self) {
        let listed = |one: &Candidate| self.items.iter().any(|item| item.name == one.name);
        let free = self.candidates.iter().filter(|one| !listed(one)).cloned().collect();
        self.picker = Some(Box::new(Picker::new(self.kind.title, self.kind.other, free).missing(self.kind.missing)));
    }

    /// Appends the picked name, or replaces the only one.
    fn take(&mut self, name: String) {
        self.picker = None;
        if self.kind.one {
            self.items.clear();
        }
        if !self.items.iter().any(|item| item.name == name) {
            self.items.push(Item { name, role: Field::line("") });
        }
        self.at = self.rows().saturating_sub(1);
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        if let Some(picker) = &mut self.picker {
            match picker.key(key) {
                Picked::Still => {}
                Picked::Left => self.picker = None,
                Picked::Name(name) => {
                    self.take(name);
                    return Typed::Changed;
                }
            }
            return Typed::Moved;
        }
        let adds = self.at >= self.items.len();
        if let Some(item) = self.items.get_mut(self.at).filter(|_| self.kind.roles) {
            if !Field::takes(&key) {
                return Typed::No;
            }
            return if item.role.key(key) { Typed::Changed } else { Typed::Moved };
        }
        match key.code {
            KeyCode::Enter if adds => self.open(),
            KeyCode::Char(_) if Field::takes(&key) && key.modifiers.difference(SHIFT).is_empty() => {
                self.open();
                self.key(key);
            }
            KeyCode::Delete if self.remove() => return Typed::Changed,
            _ => return Typed::No,
        }
        Typed::Moved
    }

    /// Inserts pasted text at the caret: into the picker, the role, or a newly opened picker.
    pub fn paste(&mut self, text: &str) {
        if let Some(picker) = &mut self.picker {
            picker.paste(text);
        } else if let Some(item) = self.items.get_mut(self.at).filter(|_| self.kind.roles) {
            item.role.paste(text.trim());
        } else {
            self.open();
            self.paste(text);
        }
    }
}

const SHIFT: crossterm::event::KeyModifiers = crossterm::event::KeyModifiers::SHIFT;
