//! Terminal input and output, independent of the rest of the program.
//!
//! All escape sequences are handled here. The layers above use cells, events and deadlines.
//!
//! - [`backend`] encodes ratatui's cell changes as the bytes of one frame.
//! - [`screen`] is a drawing surface on that backend; a process may hold several.
//! - [`sequence`] holds the other sequences sent: enter, leave, bell, clipboard, status report.
//! - [`input`] splits incoming bytes into keys, pastes, mouse and focus events, and replies.
//! - [`pacer`] computes when the next frame is due.
//! - [`tty`] is the real terminal: raw mode, signals, reading, writing, restoring.
//!
//! Invariants:
//! - Terminal capabilities are never queried. The only query ever sent is the status report
//!   [`sequence::DSR_STATUS`], after a large frame over SSH; [`input`] delivers its reply as
//!   [`input::Input::Reply`], never as typing.
//! - The terminal size is passed in, never queried while drawing.
//! - There is no interval timer.
//! - However the program ends, the terminal is restored to the state it was found in.

pub mod backend;
pub mod input;
pub mod pacer;
pub mod screen;
pub mod sequence;
pub mod tty;

use std::time::Duration;

/// Terminal features that a [`screen::Screen`] may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Send each frame as a synchronised update (mode 2026).
    pub sync: bool,
    /// Send colours. Without them, attributes (bold, dim, italic, underline, reverse) are still sent.
    pub color: bool,
}

/// Terminal settings from environment variables, read once and passed in as data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The terminal is connected over SSH: lower frame rates, a longer escape timeout, no mouse unless asked for.
    pub over_ssh: bool,
    /// The terminal is inside tmux.
    pub in_tmux: bool,
    /// Colours are disabled (`NO_COLOR`).
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

    /// Time to wait after a lone ESC before it is the Esc key: 40 ms, 150 ms over SSH.
    #[must_use]
    pub fn escape_wait(&self) -> Duration {
        Duration::from_millis(if self.over_ssh { 150 } else { 40 })
    }

    /// Returns the features that a [`screen::Screen`] may use. Synchronised updates are always on: terminals
    /// without support ignore them.
    #[must_use]
    pub fn caps(&self) -> Caps {
        Caps { sync: true, color: !self.no_color }
    }

    /// Returns the route of copied text to the clipboard.
    #[must_use]
    pub fn copy_route(&self) -> &'static str {
        if self.in_tmux { "OSC 52 through tmux" } else { "OSC 52" }
    }

    /// Checks that the terminal supports full-screen drawing.
    ///
    /// # Errors
    /// [`TermError::Dumb`] if `TERM` is `dumb`.
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
    #[error("a dumb terminal (TERM=dumb) cannot show the workbench: set TERM, or use a subcommand")]
    Dumb,
    /// A system call on the terminal failed.
    #[error("{doing}: {source}")]
    Io {
        /// The failed action, as a verb phrase ("watching the terminal").
        doing: &'static str,
        /// Error of the system call.
        source: std::io::Error,
    },
}

impl TermError {
    /// Returns a converter to [`TermError::Io`], for `map_err`.
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
