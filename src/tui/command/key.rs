//! Key chords as the command table names them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key chord. Shift is implied by the character (`G`, not `Shift-g`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Key without modifiers.
    pub code: KeyCode,
    /// Modifiers, without Shift for characters.
    pub modifiers: KeyModifiers,
}

impl Key {
    /// A key without modifiers.
    #[must_use]
    pub const fn code(code: KeyCode) -> Self {
        Self { code, modifiers: KeyModifiers::NONE }
    }

    /// A character without modifiers.
    #[must_use]
    pub const fn char(char: char) -> Self {
        Self::code(KeyCode::Char(char))
    }

    /// A character with Ctrl.
    #[must_use]
    pub const fn ctrl(char: char) -> Self {
        Self { code: KeyCode::Char(char), modifiers: KeyModifiers::CONTROL }
    }

    /// A key with Alt.
    #[must_use]
    pub const fn alt(code: KeyCode) -> Self {
        Self { code, modifiers: KeyModifiers::ALT }
    }

    /// A function key.
    #[must_use]
    pub const fn f(number: u8) -> Self {
        Self::code(KeyCode::F(number))
    }

    /// Whether `event` is this chord.
    #[must_use]
    pub fn is(&self, event: &KeyEvent) -> bool {
        let modifiers = match event.code {
            KeyCode::Char(_) | KeyCode::BackTab => event.modifiers.difference(KeyModifiers::SHIFT),
            _ => event.modifiers,
        };
        self.code == event.code && self.modifiers == modifiers
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "Ctrl-"), (KeyModifiers::ALT, "Alt-"), (KeyModifiers::SHIFT, "Shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(char) if self.modifiers.is_empty() => write!(f, "{char}"),
            KeyCode::Char(char) => write!(f, "{}", char.to_ascii_uppercase()),
            KeyCode::BackTab => f.write_str("Shift-Tab"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Esc => f.write_str("Esc"),
            other => write!(f, "{other:?}"),
        }
    }
}
