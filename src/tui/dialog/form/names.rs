//! A list of names in a form: agents with what each is here for, or tools, contacts, a model.
//!
//! The last row adds a name; with one name at most there is none once it is there. What is typed on a name is
//! what it is here for, where the list keeps that; elsewhere it begins the search for another name.

use crossterm::event::{KeyCode, KeyEvent};

use super::pick::{Candidate, Picked, Picker};
use crate::tui::field::Field;

/// A name of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// The name, as it is sent.
    pub name: String,
    /// What it is here for.
    pub role: Field,
}

/// What kind of names a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// One name at most.
    pub one: bool,
    /// Each has a role.
    pub roles: bool,
    /// What the picker is called.
    pub title: &'static str,
    /// What a name that is not known is called there; none where such a name is of no use.
    pub other: Option<&'static str>,
    /// What stands behind such a name in the list.
    pub unknown: &'static str,
    /// What is told where nothing has the name that is typed and none can be made.
    pub missing: &'static str,
}

impl Kind {
    /// A list of names, each one that is known.
    pub const LIST: Self = Self {
        one: false,
        roles: false,
        title: "",
        other: None,
        unknown: "",
        missing: "Nobody is called that; n in the agents makes an agent.",
    };
}

/// The list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Names {
    pub kind: Kind,
    pub items: Vec<Item>,
    /// The row with the caret; after the last name it adds one.
    pub at: usize,
    candidates: Vec<Candidate>,
    picker: Option<Box<Picker>>,
}

/// What a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// It is no key of the list.
    No,
    /// It moved something only.
    Moved,
    /// It changed the list.
    Changed,
}

impl Names {
    pub fn new(kind: Kind, items: Vec<(String, String)>, candidates: Vec<Candidate>) -> Self {
        let items = items.into_iter().map(|(name, role)| Item { name, role: Field::line(&role) }).collect();
        Self { kind, items, at: 0, candidates, picker: None }
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<String> {
        self.items.iter().map(|item| item.name.clone()).collect()
    }

    /// The names with their roles.
    pub fn roles(&self) -> impl Iterator<Item = (&str, String)> {
        self.items.iter().map(|item| (item.name.as_str(), item.role.text().trim().to_owned()))
    }

    /// Whether the same stands in both, wherever the caret is.
    pub fn same(&self, other: &Self) -> bool {
        self.items == other.items
    }

    /// Whether a name is one of those that are known.
    pub fn knows(&self, name: &str) -> bool {
        self.candidates.iter().any(|one| one.name == name)
    }

    /// Whether there is a row that adds a name.
    pub fn can_add(&self) -> bool {
        !self.kind.one || self.items.is_empty()
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.items.len() + usize::from(self.can_add())
    }

    /// The picker, while it is open.
    pub fn picker(&self) -> Option<&Picker> {
        self.picker.as_deref()
    }

    /// Comes in from the field before (`Some(false)`), from the one after (`Some(true)`), or to go on adding.
    pub fn enter(&mut self, from_below: Option<bool>) {
        self.at = match from_below {
            Some(false) => 0,
            Some(true) | None => self.rows().saturating_sub(1),
        };
    }

    /// Moves the caret by a row; false at the edge.
    pub fn step(&mut self, down: bool) -> bool {
        let to = if down { self.at + 1 } else { self.at.wrapping_sub(1) };
        let inside = to < self.rows();
        if inside {
            self.at = to;
        }
        inside
    }

    /// Takes the name under the caret out.
    pub fn remove(&mut self) -> bool {
        let there = self.at < self.items.len();
        if there {
            self.items.remove(self.at);
            self.at = self.at.min(self.rows().saturating_sub(1));
        }
        there
    }

    /// Moves the name under the caret a place up or down.
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

    /// A name was picked: it comes to the end, or in the place of the only one.
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
            if !item.role.takes(&key) {
                return Typed::No;
            }
            return if item.role.key(key) { Typed::Changed } else { Typed::Moved };
        }
        match key.code {
            KeyCode::Enter if adds => self.open(),
            KeyCode::Char(_) if Field::line("").takes(&key) && key.modifiers.difference(SHIFT).is_empty() => {
                self.open();
                self.key(key);
            }
            KeyCode::Delete if self.remove() => return Typed::Changed,
            _ => return Typed::No,
        }
        Typed::Moved
    }

    /// Puts in pasted text where the caret is.
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
