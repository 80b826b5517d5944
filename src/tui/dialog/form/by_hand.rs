//! Test support: fills in a form with key presses.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Form;
use super::entry::{Entry, Key, Value};
use super::names::Names;
use crate::domain::setting;
use crate::engine::protocol::Request;

fn press(entry: &mut Entry, code: KeyCode) {
    entry.key(KeyEvent::from(code));
}

/// Clears the line at the caret.
fn empty(entry: &mut Entry) {
    press(entry, KeyCode::End);
    entry.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
}

fn write(entry: &mut Entry, text: &str) {
    text.chars().for_each(|c| press(entry, KeyCode::Char(c)));
}

fn names_of(entry: &mut Entry) -> Option<&mut Names> {
    if let Value::Names(names) = &mut entry.value { Some(names) } else { None }
}

impl Form {
    /// Fills in the field of a setting; `None` clears it.
    pub(crate) fn fill_in(&mut self, key: &'static str, value: Option<&setting::Value>) {
        if self.entry(Key::Setting(key)).is_none() {
            return self.fill_in_roles(value);
        }
        let Some(entry) = self.entry_mut(Key::Setting(key)) else { return };
        let text = value.map(ToString::to_string).unwrap_or_default();
        match &mut entry.value {
            Value::Line(_) | Value::Number(_) | Value::Text(_) => {
                empty(entry);
                write(entry, &text);
            }
            Value::Switch(on) => {
                if on.to_string() != text {
                    press(entry, KeyCode::Char(' '));
                }
            }
            Value::Choice { options, .. } => {
                let wanted = options.iter().position(|choice| choice.title == text).unwrap_or(0);
                while !matches!(&entry.value, Value::Choice { at, .. } if *at == wanted) {
                    press(entry, KeyCode::Right);
                }
            }
            Value::Names(names) => {
                names.at = 0;
                while names.remove() {
                    names.at = 0;
                }
                for name in value.iter().flat_map(|value| value.names()) {
                    press(entry, KeyCode::Enter);
                    write(entry, name);
                    press(entry, KeyCode::Enter);
                    let taken = names_of(entry).is_some_and(|names| names.names().iter().any(|one| one == name));
                    assert!(taken, "{name} is not offered first");
                }
            }
            Value::Fixed(_) => {}
        }
    }

    fn fill_in_roles(&mut self, value: Option<&setting::Value>) {
        let role = |name: &str| match value {
            Some(setting::Value::Texts(texts)) => texts.get(name).cloned().unwrap_or_default(),
            _ => String::new(),
        };
        for entry in &mut self.entries {
            let all = names_of(entry).filter(|names| names.kind.roles).map(|names| names.names()).unwrap_or_default();
            for (at, name) in all.iter().enumerate() {
                if let Some(names) = names_of(entry) {
                    names.at = at;
                }
                empty(entry);
                write(entry, &role(name));
            }
        }
    }

    /// Returns the value of a setting's field as text.
    pub(crate) fn stands_in(&self, key: &'static str) -> String {
        let Some(entry) = self.entry(Key::Setting(key)) else {
            let lists = self.entries.iter().filter_map(Entry::names).filter(|names| names.kind.roles);
            let roles = lists.flat_map(Names::roles).filter(|(_, role)| !role.is_empty());
            let roles = roles.map(|(name, role)| (name.to_owned(), role)).collect();
            return Some(setting::Value::Texts(roles))
                .filter(|roles| !roles.is_blank())
                .map(|roles| roles.to_string())
                .unwrap_or_default();
        };
        match &entry.value {
            Value::Switch(on) => on.to_string(),
            Value::Choice { options, at } => options[*at].title.to_owned(),
            Value::Names(names) => names.names().join(", "),
            _ => entry.text(),
        }
    }

    /// Returns the request the form would send.
    pub(crate) fn asks(&self) -> Result<Option<Request>, String> {
        self.request().map_err(|(_, text)| text)
    }
}
