//! A field of a form: label, explanation and value.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::names::{Names, Typed};
use crate::tui::command::Command;
use crate::tui::field::Field;

/// Identifies a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    ManagerType,
    Name,
    Persona,
    /// This field of a block.
    Block(&'static str),
    /// The setting with this key.
    Setting(&'static str),
}

/// Value of a field, by input type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A single line.
    Line(Field),
    /// A multi-line text.
    Text(Field),
    /// A number; empty if unset.
    Number(Field),
    /// A boolean.
    Switch(bool),
    /// One of several options; `at` is the index of the selected one.
    Choice { options: Vec<Choice>, at: usize },
    /// A list of names.
    Names(Names),
    /// A read-only value.
    Fixed(Choice),
}

/// An option of a choice.
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
    /// Explanation, shown below the form while the field is focused.
    pub about: String,
    /// Placeholder shown while the field is empty.
    pub empty: String,
    pub value: Value,
    /// Initial value.
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

    /// Whether the value differs from the initial one.
    pub fn is_changed(&self) -> bool {
        !self.value.same(&self.first)
    }

    /// Returns the text, trimmed unless multi-line; empty for fields without text input.
    pub fn text(&self) -> String {
        match &self.value {
            Value::Text(field) => field.text(),
            Value::Line(field) | Value::Number(field) => field.text().trim().to_owned(),
            Value::Switch(_) | Value::Choice { .. } | Value::Names(_) | Value::Fixed(_) => String::new(),
        }
    }

    /// Returns the list of names, if the field is one.
    pub fn names(&self) -> Option<&Names> {
        if let Value::Names(names) = &self.value { Some(names) } else { None }
    }

    /// Handles a key. Returns [`Typed::No`] if the field does not use it.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        match &mut self.value {
            Value::Line(field) | Value::Number(field) if Field::takes(&key) => typed(field.key(key)),
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

    /// Performs a command of text inputs. Returns whether the text changed; `None` where the field has no text, or for
    /// any other command.
    pub fn command(&mut self, command: Command) -> Option<bool> {
        match &mut self.value {
            Value::Line(field) | Value::Number(field) | Value::Text(field) => field.command(command),
            Value::Names(_) | Value::Switch(_) | Value::Choice { .. } | Value::Fixed(_) => None,
        }
    }

    /// Inserts pasted text.
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

/// Handles a key in a multi-line text: Enter inserts a line break, Up and Down move within the text.
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
        // With Shift, they select.
        KeyCode::Up | KeyCode::Down => typed(field.key(key)),
        _ if Field::takes(&key) => typed(field.key(key)),
        _ => Typed::No,
    }
}
