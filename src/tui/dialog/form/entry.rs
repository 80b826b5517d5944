//! A field of a form: what it is called, what it is for, and what stands in it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::names::{Names, Typed};
use crate::tui::field::Field;

/// Which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    ManagerType,
    Name,
    Persona,
    /// The setting of this key.
    Setting(&'static str),
}

/// What stands in a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A line.
    Line(Field),
    /// A text of lines.
    Text(Field),
    /// A number; empty where nothing is said.
    Number(Field),
    /// Yes or no.
    Switch(bool),
    /// One of several.
    Choice { options: Vec<Choice>, at: usize },
    /// Names.
    Names(Names),
    /// What cannot be changed here.
    Fixed(Choice),
}

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub title: &'static str,
    pub about: &'static str,
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: Key,
    pub label: &'static str,
    /// What it is for; stands below the form while the field has the focus.
    pub about: String,
    /// What stands in it while nothing is said.
    pub empty: String,
    pub value: Value,
    /// What stood in it at first.
    pub first: Value,
}

impl Entry {
    pub fn new(
        key: Key,
        label: &'static str,
        value: Value,
        empty: impl Into<String>,
        about: impl Into<String>,
    ) -> Self {
        Self { key, label, about: about.into(), empty: empty.into(), first: value.clone(), value }
    }

    /// Whether something else stands in it than at first.
    pub fn is_changed(&self) -> bool {
        !self.value.same(&self.first)
    }

    /// What is written, without blanks around it; empty where nothing is typed.
    pub fn text(&self) -> String {
        match &self.value {
            Value::Text(field) => field.text(),
            Value::Line(field) | Value::Number(field) => field.text().trim().to_owned(),
            Value::Switch(_) | Value::Choice { .. } | Value::Names(_) | Value::Fixed(_) => String::new(),
        }
    }

    /// The list, in a field of names.
    pub fn names(&self) -> Option<&Names> {
        if let Value::Names(names) = &self.value { Some(names) } else { None }
    }

    /// Types a key; anything but [`Typed::No`] means that it was one of the field's.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        match &mut self.value {
            Value::Line(field) | Value::Number(field) if field.takes(&key) => typed(field.key(key)),
            Value::Text(field) => text_key(field, key),
            Value::Switch(on) => match key.code {
                KeyCode::Left | KeyCode::Right | KeyCode::Char(' ') => {
                    *on = !*on;
                    Typed::Changed
                }
                _ => Typed::No,
            },
            Value::Choice { options, at } => {
                let step = match key.code {
                    KeyCode::Left => options.len() - 1,
                    KeyCode::Right | KeyCode::Char(' ') => 1,
                    _ => return Typed::No,
                };
                *at = (*at + step) % options.len();
                Typed::Changed
            }
            Value::Names(names) => names.key(key),
            Value::Line(_) | Value::Number(_) | Value::Fixed(_) => Typed::No,
        }
    }

    /// Puts in pasted text.
    pub fn paste(&mut self, text: &str) {
        match &mut self.value {
            Value::Line(field) | Value::Number(field) => field.paste(text.trim()),
            Value::Text(field) => field.paste(text),
            Value::Names(names) => names.paste(text),
            Value::Switch(_) | Value::Choice { .. } | Value::Fixed(_) => {}
        }
    }
}

impl Value {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Names(one), Self::Names(other)) => one.same(other),
            _ => self == other,
        }
    }
}

fn typed(changed: bool) -> Typed {
    if changed { Typed::Changed } else { Typed::Moved }
}

/// Keys of a whole text: Enter ends a line there, and up and down stay in it until its edge.
fn text_key(field: &mut Field, key: KeyEvent) -> Typed {
    let new_line = match key.code {
        KeyCode::Enter => key.modifiers.is_empty() || key.modifiers == KeyModifiers::ALT,
        KeyCode::Char('j') => key.modifiers == KeyModifiers::CONTROL,
        _ => false,
    };
    if new_line {
        return typed(field.key(KeyEvent::from(KeyCode::Enter)));
    }
    match key.code {
        KeyCode::Up | KeyCode::Down if key.modifiers.is_empty() => {
            if field.step(key.code == KeyCode::Down) {
                Typed::Moved
            } else {
                Typed::No
            }
        }
        _ if field.takes(&key) => typed(field.key(key)),
        _ => Typed::No,
    }
}
