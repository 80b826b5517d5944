//! The terminal: bytes in, bytes out, and nothing else of the program.
//!
//! Owns everything that knows escape sequences. What is above it speaks in cells, events and deadlines.
//!
//! - [`backend`] turns ratatui's cell changes into the bytes of one frame.
//! - [`screen`] is one drawn surface over that backend; a process may hold several.
//! - [`sequence`] is the rest of what is ever sent: entering, leaving, the bell, the clipboard.
//! - [`input`] cuts the bytes that arrive into keys, pastes, mouse and focus events, and replies.
//! - [`pacer`] decides when the next frame is due.
//! - [`tty`] is the real terminal: raw mode, signals, reading, writing, restoring.
//!
//! Invariants: no capability is ever asked of the terminal, so no reply can be mistaken for typing; the
//! terminal's size is told, never asked while drawing; nothing here keeps an interval timer; whatever ends
//! the program, the terminal is left as it was found.

pub mod backend;
pub mod input;
pub mod pacer;
pub mod screen;
pub mod sequence;
pub mod tty;

use std::time::Duration;

/// What may be used of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Wrap each frame as a synchronised update (mode 2026).
    pub sync: bool,
    /// Send colours. Without them bold, dim, italic, underline and reverse remain.
    pub color: bool,
}

/// What the environment says about the terminal, read once and passed in as data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The terminal is at the other end of an SSH connection: calmer rates, longer waits, no mouse.
    pub over_ssh: bool,
    /// The terminal is a tmux pane.
    pub in_tmux: bool,
    /// The user asked for no colours.
    pub no_color: bool,
    /// The terminal's type (`TERM`), when stated.
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

    /// How long a lone ESC may wait for the rest of its sequence before it is the Esc key.
    #[must_use]
    pub fn escape_wait(&self) -> Duration {
        Duration::from_millis(if self.over_ssh { 150 } else { 40 })
    }

    /// What a [`screen::Screen`] may use of this terminal. Synchronised output is always used: a terminal
    /// that does not know it ignores it.
    #[must_use]
    pub fn caps(&self) -> Caps {
        Caps { sync: true, color: !self.no_color }
    }

    /// Whether full-screen drawing can work here at all.
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
        /// What was being done, beginning with a verb.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl TermError {
    /// For `map_err` at a call on the terminal.
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
