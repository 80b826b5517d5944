//! The terminal layer: input and output bytes, independent of the rest of the program.
//!
//! Contains all code that handles escape sequences. Its users deal in cells, events and deadlines.
//!
//! - [`backend`] turns ratatui's cell changes into the bytes of one frame.
//! - [`screen`] is one drawing surface over that backend; a process may hold several.
//! - [`sequence`] holds all other output sequences: entering, leaving, bell, clipboard, status request.
//! - [`input`] parses input bytes into keys, pastes, mouse and focus events, and replies.
//! - [`pacer`] decides when the next frame is due.
//! - [`tty`] is the real terminal: raw mode, signals, reading, writing, restoring.
//!
//! Invariants: terminal capabilities are never queried; the only request sent is the status request `ESC[5n`, whose
//! reply cannot be mistaken for a key. The terminal's size is passed in, never queried while drawing. There is no
//! interval timer. The terminal is restored however the program ends.

pub mod backend;
pub mod input;
pub mod pacer;
pub mod screen;
pub mod sequence;
pub mod tty;

use std::time::Duration;

/// Features of a terminal that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Send each frame as a synchronised update (mode 2026).
    pub sync: bool,
    /// Send colours. Bold, dim, italic, underline and reverse are sent regardless.
    pub color: bool,
}

/// Properties of the terminal, read once from environment variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Connected over SSH: lower frame rates, longer escape timeout, no mouse.
    pub over_ssh: bool,
    /// Running inside tmux.
    pub in_tmux: bool,
    /// Colours are disabled by the user.
    pub no_color: bool,
    /// Terminal type (`TERM`), if set.
    pub term: Option<String>,
}

impl Environment {
    /// Reads `SSH_CONNECTION`, `TMUX`, `NO_COLOR` and `TERM` through `get`; an empty value counts as unset.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        Self {
            over_ssh: set("SSH_CONNECTION").is_some(),
            in_tmux: set("TMUX").is_some(),
            no_color: set("NO_COLOR").is_some(),
            term: set("TERM"),
        }
    }

    /// Returns the time after which a lone ESC byte counts as the Esc key.
    #[must_use]
    pub fn escape_wait(&self) -> Duration {
        Duration::from_millis(if self.over_ssh { 150 } else { 40 })
    }

    /// Returns the features a [`screen::Screen`] may use. Synchronised output is always enabled, because terminals
    /// without it ignore it.
    #[must_use]
    pub fn caps(&self) -> Caps {
        Caps { sync: true, color: !self.no_color }
    }

    /// Checks that the terminal supports full-screen drawing.
    ///
    /// # Errors
    /// Returns [`TermError::Dumb`] for `TERM=dumb`.
    pub fn check(&self) -> Result<(), TermError> {
        match self.term.as_deref() {
            Some("dumb") => Err(TermError::Dumb),
            _ => Ok(()),
        }
    }
}

/// Why the terminal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TermError {
    /// There is no controlling terminal.
    #[error("the workbench needs a terminal and this process has none ({0}): start it from one, or use a subcommand")]
    NoTerminal(std::io::Error),
    /// `TERM=dumb`.
    #[error("the terminal says it is dumb (TERM=dumb) and cannot show the workbench: set TERM, or use a subcommand")]
    Dumb,
    /// A call on the terminal failed.
    #[error("{doing}: {source}")]
    Io {
        /// The failed operation, as a verb phrase.
        doing: &'static str,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

impl TermError {
    /// Returns a closure for `map_err` that wraps an I/O error of the operation `doing`.
    pub(crate) fn io<E: Into<std::io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { doing, source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(vars: &[(&str, &str)]) -> Environment {
        Environment::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let found = environment(&[("NO_COLOR", ""), ("SSH_CONNECTION", "a 1 b 2"), ("TERM", "xterm")]);
        assert!(!found.no_color);
        assert!(found.over_ssh);
        assert!(!found.in_tmux);
        assert_eq!(found.escape_wait(), Duration::from_millis(150));
        assert!(found.check().is_ok());
    }

    #[test]
    fn a_dumb_terminal_is_refused_with_a_sentence() {
        let refused = environment(&[("TERM", "dumb")]).check().unwrap_err().to_string();
        assert!(refused.contains("TERM=dumb") && refused.contains("subcommand"), "{refused}");
    }
}
