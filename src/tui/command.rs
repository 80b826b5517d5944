//! The one table of commands, with their keys and contexts.
//!
//! Key dispatch, the help (`?`), the palette, the hints of the status line and the key table in the README are
//! derived from it. A key that is not in the table is text input.

mod context;
mod key;
mod table;

pub use context::KeyContext;
pub use key::Key;
pub use table::{COMMANDS, Command, Entry};

use crossterm::event::KeyEvent;

impl Command {
    /// Returns the command bound to a key in a context.
    #[must_use]
    pub fn of(key: &KeyEvent, context: KeyContext) -> Option<Self> {
        COMMANDS.iter().find(|entry| entry.keys_in(context).any(|known| known.is(key))).map(|entry| entry.command)
    }

    /// Returns the command of text inputs bound to a key, wherever the text is.
    #[must_use]
    pub fn of_text(key: &KeyEvent) -> Option<Self> {
        let mut entries = COMMANDS.iter().filter(|entry| entry.when == KeyContext::TEXT);
        entries.find(|entry| entry.keys.iter().any(|known| known.is(key))).map(|entry| entry.command)
    }

    /// Returns the table entry of the command, if it applies in the context.
    #[must_use]
    pub fn entry(self, context: KeyContext) -> Option<&'static Entry> {
        COMMANDS.iter().find(|entry| entry.command == self && entry.when.has(context))
    }

    /// Returns the command's first key in a context as display text, for example `Ctrl-P`.
    #[must_use]
    pub fn key_text(self, context: KeyContext) -> Option<String> {
        self.entry(context).and_then(|entry| entry.keys_in(context).next()).map(ToString::to_string)
    }
}

impl Entry {
    /// Returns the keys in a context, the displayed one first; empty where the command does not apply.
    pub fn keys_in(&self, context: KeyContext) -> impl Iterator<Item = &'static Key> {
        let here = self.when.has(context);
        let pane_keys = if here && KeyContext::PANES.has(context) { self.pane_keys } else { &[] };
        let keys = if here { self.keys } else { &[] };
        pane_keys.iter().chain(keys)
    }

    /// Formats all keys for the README.
    #[must_use]
    pub fn keys_text(&self) -> String {
        let join = |keys: &[Key]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" ");
        match (self.keys, self.pane_keys) {
            (keys, []) => join(keys),
            (keys, pane_keys) => format!("{}, in panes {}", join(keys), join(pane_keys)),
        }
    }
}

/// Returns the commands that apply in a context, in table order.
#[cfg(test)]
pub fn applying(context: KeyContext) -> impl Iterator<Item = &'static Entry> {
    COMMANDS.iter().filter(move |entry| entry.when.has(context))
}

/// Renders the README's key table as Markdown.
#[must_use]
pub fn readme_table() -> String {
    use std::fmt::Write as _;
    let mut table = "| Keys | Where | What |\n|---|---|---|\n".to_owned();
    for entry in COMMANDS {
        let _ = writeln!(table, "| {} | {} | {} |", entry.keys_text(), entry.when.text(), entry.doc);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: [KeyContext; 17] = [
        KeyContext::COMPOSER,
        KeyContext::ROSTER,
        KeyContext::CONVERSATION,
        KeyContext::BLOCKS,
        KeyContext::JOBS,
        KeyContext::EDITOR,
        KeyContext::FIND,
        KeyContext::HISTORY,
        KeyContext::SEARCH,
        KeyContext::DIALOG,
        KeyContext::MERGE,
        KeyContext::JOB,
        KeyContext::FORM,
        KeyContext::INBOX,
        KeyContext::MAIL,
        KeyContext::CALL,
        KeyContext::LETTER,
    ];

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for context in SINGLE {
            let mut taken: Vec<(Key, Command)> = Vec::new();
            for entry in applying(context) {
                for key in entry.keys_in(context) {
                    let clash = taken.iter().find(|(other, _)| other == key);
                    assert_eq!(clash, None, "{key} in {}", context.text());
                    taken.push((*key, entry.command));
                }
            }
        }
    }

    #[test]
    fn where_text_is_typed_no_plain_letter_is_a_command() {
        for context in [KeyContext::COMPOSER, KeyContext::EDITOR, KeyContext::FIND, KeyContext::SEARCH] {
            for letter in ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(" ?:/@[]".chars()) {
                let typed = KeyEvent::from(crossterm::event::KeyCode::Char(letter));
                assert_eq!(Command::of(&typed, context), None, "{letter:?} in {}", context.text());
            }
        }
    }

    #[test]
    fn every_command_has_words_and_the_readme_has_every_command() {
        let table = readme_table();
        for entry in COMMANDS {
            assert!(!entry.title.is_empty() && !entry.doc.is_empty(), "{:?}", entry.command);
            assert!(table.contains(entry.doc), "{:?}", entry.command);
        }
        assert_eq!(table.lines().count(), COMMANDS.len() + 2);
    }

    #[test]
    fn a_capital_letter_is_the_same_with_and_without_shift_reported() {
        use crossterm::event::{KeyCode, KeyModifiers};
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let typed = KeyEvent::new(KeyCode::Char('G'), modifiers);
            assert_eq!(Command::of(&typed, KeyContext::CONVERSATION), Some(Command::End));
        }
    }
}
