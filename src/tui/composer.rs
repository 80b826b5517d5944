//! The composer: the message input, with a history of sent messages.
//!
//! Keys bound in the command table take precedence; all others go to the text area, which has readline's keys.
//! Pasting never sends. A sent message is kept until the engine has committed it; if it is rejected, it returns to
//! the input.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::engine::protocol::{Reply, Request, RequestError};

use super::command::Command;
use super::effect::{AppAction, Context};
use super::pane::{RenderContext, put};
use super::session::HISTORY;
use super::text::clean::clean_line;
use super::text::plain::plain;
use super::text::wrap::{Breaks, Mode};
use super::text_box::{Look, TextBox};
use super::theme::Role;

/// Maximum height in rows.
pub const MAX_ROWS: u16 = 5;
/// Cells before the text: a space, the prompt, a space.
const PROMPT: u16 = 3;

/// State of the composer.
#[derive(Debug)]
pub struct Composer {
    area: TextBox,
    /// Sent messages, oldest first.
    history: Vec<String>,
    /// Index of the shown history entry, and the draft it temporarily replaces.
    recalled: Option<(usize, String)>,
    /// Messages sent but not yet committed, by request serial.
    sent: Vec<(u64, String)>,
}

impl Default for Composer {
    fn default() -> Self {
        Self { area: empty_area(), history: Vec::new(), recalled: None, sent: Vec::new() }
    }
}

fn empty_area() -> TextBox {
    TextBox::new(vec![String::new()], true)
}

impl Composer {
    /// Returns the current text.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Returns the text to save: uncommitted sent messages, then the current text.
    #[must_use]
    pub fn draft(&self) -> String {
        let written = self.text();
        let sent = self.sent.iter().map(|(_, text)| text.as_str());
        sent.chain((!written.is_empty()).then_some(written.as_str())).collect::<Vec<_>>().join("\n")
    }

    /// Replaces the text; the caret moves to its end.
    pub fn set_text(&mut self, text: &str) {
        self.area = empty_area();
        self.area.insert(&plain(text));
        self.recalled = None;
    }

    /// Inserts text before the current text, on lines of its own.
    pub fn prepend(&mut self, text: &str) {
        let after = self.text();
        let between = if after.is_empty() { "" } else { "\n" };
        self.set_text(&format!("{text}{between}{after}"));
    }

    /// Returns the sent messages, oldest first.
    #[must_use]
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Sets the history to the messages of earlier sessions, oldest first; keeps the last [`HISTORY`].
    pub fn set_history(&mut self, history: Vec<String>) {
        self.history = history;
        let over = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..over);
    }

    /// Returns the rows needed at a screen width, at most [`MAX_ROWS`].
    #[must_use]
    pub fn rows(&self, width: u16) -> u16 {
        let cells = usize::from(text_area(Rect::new(0, 0, width, 1)).width);
        let most = usize::from(MAX_ROWS);
        let mut rows = 0;
        for line in self.area.lines().iter().take(most) {
            rows += Breaks::new(&clean_line(line), cells, cells, Mode::Words).take(most).count().max(1);
        }
        rows.clamp(1, most) as u16
    }

    /// Performs a command.
    pub fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        match command {
            Command::NewLine => self.area.insert_newline(),
            Command::Send => self.submit(cx),
            Command::Editor => cx.editor(self.text()),
            _ => {}
        }
    }

    /// Completes the name after a leading `@` to the longest unambiguous prefix. Returns the matching names; empty
    /// if the caret does not follow such a prefix.
    pub fn complete<'a>(&mut self, names: &[&'a str]) -> Vec<&'a str> {
        let cursor = self.area.caret();
        let line = self.area.lines().first().map(String::as_str).unwrap_or_default();
        let (head, rest): (String, String) =
            (line.chars().take(cursor.1).collect(), line.chars().skip(cursor.1).collect());
        let Some(typed) = head.strip_prefix('@').filter(|typed| cursor.0 == 0 && !typed.contains(' ')) else {
            return Vec::new();
        };
        let typed = typed.to_lowercase();
        let fits: Vec<&str> = names.iter().copied().filter(|name| name.to_lowercase().starts_with(&typed)).collect();
        let Some(first) = fits.first() else { return fits };
        let shared = |at: &usize| fits.iter().all(|name| name.get(..*at) == first.get(..*at));
        let ends = first.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
        let clear = ends.take_while(shared).last().unwrap_or(0);
        let blank = if fits.len() == 1 && !rest.starts_with(' ') { " " } else { "" };
        // The match is at least as long as the typed text, but may differ in case.
        if first[..clear].to_lowercase().starts_with(&typed) {
            self.area.delete_to_line_start();
            self.area.insert(&plain(&format!("@{}{blank}", &first[..clear])));
        }
        fits
    }

    fn submit(&mut self, cx: &mut Context<'_>) {
        let text = self.text();
        if text.trim().is_empty() {
            return;
        }
        let Some(to) = cx.model.place.address.clone() else {
            return cx.fault(
                "there is no group to send to: create one with N in the agents (Alt-1), or with `nightdesk apply TEAM.toml`",
            );
        };
        let serial = cx.ask(Request::Send { to, text: text.clone() });
        if self.history.last() != Some(&text) {
            self.history.push(text.clone());
            self.history.drain(..self.history.len().saturating_sub(HISTORY));
        }
        self.sent.push((serial, text));
        // Scroll to the end, so that the message and the reply are visible.
        cx.act(AppAction::Follow);
        self.set_text("");
    }

    /// Handles a key that is not bound to a command.
    pub fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) {
        match (key.code, key.modifiers) {
            (KeyCode::Up, KeyModifiers::NONE) if self.at_top() => self.recall(true),
            (KeyCode::Down, KeyModifiers::NONE) if self.at_bottom() => self.recall(false),
            (KeyCode::Char('_' | '7' | '/'), KeyModifiers::CONTROL) => {
                self.area.undo();
            }
            _ => {
                self.area.key(key);
            }
        }
    }

    fn at_top(&self) -> bool {
        self.area.is_at_edge(false)
    }

    fn at_bottom(&self) -> bool {
        self.area.is_at_edge(true)
    }

    /// Shows the next older or newer history entry; after the newest, the draft.
    fn recall(&mut self, older: bool) {
        let (at, draft) = match self.recalled.take() {
            Some((at, draft)) => (at, draft),
            None if older => (self.history.len(), self.text()),
            None => return self.area.go_to_line_end(),
        };
        let to = if older { at.checked_sub(1).unwrap_or(at) } else { at + 1 };
        if let Some(text) = self.history.get(to).cloned() {
            self.set_text(&text);
            self.recalled = Some((to, draft));
        } else {
            self.set_text(&draft);
        }
    }

    /// Inserts pasted text; never sends it.
    pub fn paste(&mut self, text: &str) {
        self.area.insert(&plain(text));
    }

    /// Handles the reply to a request. A rejected message returns to the input.
    pub fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let sent = self.sent.iter().position(|(known, _)| *known == serial).map(|at| self.sent.remove(at).1);
        if let Err(fault) = reply {
            if let Some(text) = sent {
                self.prepend(&text);
            }
            cx.fault(fault.text);
        }
    }

    /// Draws the composer; if focused, places the frame's cursor at the caret.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool) {
        let role = if focused { Role::Focus } else { Role::Dim };
        put(frame.buffer_mut(), (area.x + 1, area.y), 1, look.glyphs.prompt, role, &look.theme);
        let caret = self.area.draw(frame, text_area(area), &Look::default());
        if focused {
            frame.set_cursor_position(caret);
        }
    }
}

/// Returns the part of the composer's area that holds the text.
fn text_area(area: Rect) -> Rect {
    Rect { x: area.x + PROMPT, width: area.width.saturating_sub(PROMPT + 1), ..area }
}
