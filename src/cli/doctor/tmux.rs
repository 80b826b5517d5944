//! Asks tmux for the settings that the workbench depends on.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::{Check, bad, good};

/// How long tmux may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes.
const LONGEST: u64 = 16 * 1024;
/// Wait after Esc, in milliseconds, above which Esc is felt to be slow.
const SLOW: u32 = 100;
/// What to do if tmux does not answer.
pub(super) const UNKNOWN: &str = "run doctor inside the tmux session to see whether tmux lets it pass";
/// What tmux is asked, one line each.
const ASKED: [&str; 6] = [
    "#{version}",
    "#{set-clipboard}",
    "#{allow-passthrough}",
    "#{extended-keys}",
    "#{escape-time}",
    "#{client_termfeatures},#{client_termname}",
];

/// The settings of tmux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tmux {
    version: String,
    /// `on`, `off` or `external`; empty in a version without it.
    pub(super) set_clipboard: String,
    allow_passthrough: bool,
    extended_keys: String,
    /// Milliseconds.
    escape_time: Option<u32>,
    /// Whether the outer terminal is known to show all colours; `None` if no client is attached.
    all_colours: Option<bool>,
}

impl Tmux {
    /// Reads an answer to [`ASKED`].
    fn read(answer: &str) -> Option<Self> {
        let lines: Vec<&str> = answer.lines().map(str::trim).collect();
        let [version, set_clipboard, allow_passthrough, extended_keys, escape_time, features, ..] = lines.as_slice()
        else {
            return None;
        };
        Some(Self {
            version: (*version).to_owned(),
            set_clipboard: (*set_clipboard).to_owned(),
            allow_passthrough: !matches!(*allow_passthrough, "" | "0" | "off"),
            extended_keys: (*extended_keys).to_owned(),
            escape_time: escape_time.parse().ok(),
            all_colours: (*features != ",")
                .then(|| features.split(',').any(|one| one == "RGB" || one.ends_with("-direct"))),
        })
    }

    /// Whether a copy request of the workbench reaches the outer terminal.
    pub(super) fn passes_copies(&self) -> bool {
        self.set_clipboard == "on" || self.allow_passthrough
    }

    /// Returns what would work better, and the line of the configuration for it.
    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if let Some(wait) = self.escape_time.filter(|wait| *wait > SLOW) {
            advice.push(format!("Esc waits {wait} ms (escape-time): `set -g escape-time 20`"));
        }
        if self.all_colours == Some(false) {
            advice.push("colours are reduced to 256: `set -as terminal-features \",*:RGB\"`".to_owned());
        }
        advice
    }
}

/// Asks the tmux server of this terminal. An error is a sentence.
pub(super) async fn ask() -> Result<Tmux, String> {
    let asked = async {
        let mut command = tokio::process::Command::new("tmux");
        command.args(["display-message", "-p"]);
        if let Ok(pane) = std::env::var("TMUX_PANE") {
            command.args(["-t", &pane]);
        }
        command.arg(ASKED.join("\n")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| format!("tmux cannot be run: {error}"))?;
        let mut answer = Vec::new();
        if let Some(out) = child.stdout.take() {
            out.take(LONGEST).read_to_end(&mut answer).await.map_err(|error| format!("tmux: {error}"))?;
        }
        drop(child);
        Tmux::read(&String::from_utf8_lossy(&answer)).ok_or_else(|| "tmux does not tell its settings".to_owned())
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("tmux does not answer within {} s", PATIENCE.as_secs())),
    }
}

/// Describes the settings and what would work better.
pub(super) fn check(asked: &Result<Tmux, String>) -> Check {
    let name = "tmux";
    match asked {
        Err(fault) => bad(name, format!("{fault}; start the workbench from a shell inside tmux, or unset TMUX")),
        Ok(tmux) => {
            let on = |on: bool| if on { "on" } else { "off" };
            let colours = match tmux.all_colours {
                Some(true) => "all colours",
                Some(false) => "256 colours",
                None => "colours unknown",
            };
            let mut text = format!(
                "{}, set-clipboard {}, allow-passthrough {}, extended-keys {}, {colours}",
                tmux.version,
                if tmux.set_clipboard.is_empty() { "unknown" } else { &tmux.set_clipboard },
                on(tmux.allow_passthrough),
                if tmux.extended_keys.is_empty() { "unknown" } else { &tmux.extended_keys },
            );
            for advice in tmux.advice() {
                text.push_str("; ");
                text.push_str(&advice);
            }
            good(name, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_passes_if_tmux_takes_it_or_lets_it_through() {
        let asked = |clipboard: &str, through: &str| {
            Tmux::read(&format!("3.3a\n{clipboard}\n{through}\noff\n500\nRGB,title,xterm-256color\n")).unwrap()
        };
        assert!(asked("on", "0").passes_copies());
        assert!(asked("external", "1").passes_copies() && asked("off", "all").passes_copies());
        assert!(!asked("external", "0").passes_copies() && !asked("off", "").passes_copies());
        assert_eq!(asked("on", "0").all_colours, Some(true));
    }

    #[test]
    fn what_is_slow_or_pale_is_told_with_the_line_that_mends_it() {
        let tmux = Tmux::read("3.3a\non\n0\noff\n500\n256,xterm-256color\n").unwrap();
        let text = check(&Ok(tmux)).text;
        assert!(text.contains("set -g escape-time 20") && text.contains("terminal-features"), "{text}");
        let fine = Tmux::read("3.5\non\non\non\n20\nRGB,xterm-256color\n").unwrap();
        assert_eq!(check(&Ok(fine)).text, "3.5, set-clipboard on, allow-passthrough on, extended-keys on, all colours");
    }

    #[test]
    fn an_answer_of_another_kind_is_none() {
        assert_eq!(Tmux::read("no server running"), None);
    }
}
