//! Checks of the terminal: its type, size and colours, and where copied text goes.

use std::io::IsTerminal as _;

use super::tmux::{self, Tmux};
use super::{Check, bad, good};
use crate::cli::workbench;
use crate::tui::layout::LEAST;
use crate::tui::term::Environment;
use crate::tui::term::sequence::COPY_LIMIT;
use crate::tui::theme::Depth;

/// Checks the terminal's type, size and colours.
pub(super) fn screen(environment: &Environment) -> Check {
    let name = "terminal";
    if !std::io::stdout().is_terminal() {
        return good(name, "standard output is not a terminal; only the workbench needs one");
    }
    let Some(term) = environment.term.as_deref().filter(|term| *term != "dumb") else {
        return bad(name, "TERM does not say what this terminal can do; set it, for example TERM=xterm-256color");
    };
    match rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| (size.ws_col, size.ws_row)) {
        Ok((columns, rows)) if columns < LEAST.width || rows < LEAST.height => {
            let (width, height) = (LEAST.width, LEAST.height);
            bad(name, format!("{columns}x{rows} is too small for the workbench; make it at least {width}x{height}"))
        }
        Ok((columns, rows)) => good(name, format!("{term}, {columns}x{rows}, {}", colours(environment))),
        Err(error) => bad(name, format!("its size cannot be read ({error}); the workbench needs it")),
    }
}

/// Describes the colours that the workbench uses here, and how to have more.
fn colours(environment: &Environment) -> &'static str {
    match workbench::depth_here(environment) {
        Depth::True => "all colours",
        Depth::Indexed => "256 colours; if the terminal can show all, set COLORTERM=truecolor",
        Depth::Ansi => "16 colours; if the terminal can show more, set TERM=xterm-256color or COLORTERM=truecolor",
        Depth::Mono => "no colours, because NO_COLOR is set",
    }
}

/// Names the route of copied text.
pub(super) fn clipboard(environment: &Environment, tmux: Option<&Result<Tmux, String>>) -> Check {
    let name = "clipboard";
    let route = environment.copy_route();
    match tmux {
        Some(Ok(tmux)) if !tmux.passes_copies() => bad(
            name,
            format!(
                "copied text goes by {route}, and tmux drops it (set-clipboard is {}, allow-passthrough is off); write \
                 `set -g set-clipboard on` into ~/.tmux.conf and run `tmux set -g set-clipboard on`",
                tmux.set_clipboard
            ),
        ),
        Some(Err(_)) => good(name, format!("copied text goes by {route}; {}", tmux::UNKNOWN)),
        _ if environment.term.as_deref() == Some("linux") => {
            good(name, "the Linux console has no clipboard: copied text goes nowhere; use a terminal emulator")
        }
        _ => good(
            name,
            format!(
                "copied text of at most {COPY_LIMIT} bytes goes by {route} to the terminal, which does not confirm it; \
                 if nothing arrives, allow it to write the clipboard in its settings"
            ),
        ),
    }
}
