//! The composer: where a message is written.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui_textarea::{TextArea, WrapMode};

use crate::engine::wire::{Fault, Reply, Request};

use super::command::Command;
use super::effect::Cx;
use super::pane::{Look, put};
use super::theme::Role;

/// The most rows it grows to.
pub const MAX_ROWS: u16 = 5;
/// The cells before the text: a blank, the prompt, a blank.
const PROMPT: u16 = 3;

/// The composer's state.
#[derive(Debug)]
pub struct Composer {
    area: TextArea<'static>,
}

impl Default for Composer {
    fn default() -> Self {
        let mut area = TextArea::default();
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_cursor_line_style(Style::new());
        area.set_cursor_style(Style::new());
        Self { area }
    }
}

impl Composer {
    /// What is written.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Puts text in place of what is written, the caret at its end.
    pub fn set_text(&mut self, text: &str) {
        self.area.clear();
        self.area.insert_str(text);
    }

    /// Puts text before what is written.
    pub fn prepend(&mut self, text: &str) {
        let after = self.text();
        let between = if after.is_empty() { "" } else { "\n" };
        self.set_text(&format!("{text}{between}{after}"));
    }

    /// The rows it wants at a width of the screen.
    #[must_use]
    pub fn rows(&self, _width: u16) -> u16 {
        (self.area.lines().len() as u16).clamp(1, MAX_ROWS)
    }

    /// Does a command.
    pub fn command(&mut self, command: Command, cx: &mut Cx<'_>) {
        match command {
            Command::NewLine => self.area.insert_newline(),
            Command::Send => {
                let text = self.text();
                if let (false, Some(to)) = (text.trim().is_empty(), cx.model.place.address.clone()) {
                    cx.ask(Request::Send { to, text });
                    self.area.clear();
                }
            }
            _ => {}
        }
    }

    /// A key no command took.
    pub fn key(&mut self, key: KeyEvent, _cx: &mut Cx<'_>) {
        self.area.input(key);
    }

    /// Pasted text.
    pub fn paste(&mut self, text: &str) {
        self.area.insert_str(text);
    }

    /// A request is answered.
    pub fn answered(&mut self, _serial: u64, reply: Result<Reply, Fault>, cx: &mut Cx<'_>) {
        if let Err(fault) = reply {
            cx.fault(fault.text);
        }
    }

    /// Draws it and, with the focus, sets the frame's cursor at the caret.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, focused: bool) {
        put(frame.buffer_mut(), (area.x + 1, area.y), 1, look.glyphs.prompt, Role::Accent, &look.theme);
        let text = Rect { x: area.x + PROMPT, width: area.width.saturating_sub(PROMPT + 1), ..area };
        frame.render_widget(&self.area, text);
        if focused {
            let caret = self.area.screen_cursor();
            let (x, y) = (text.x + caret.col as u16, text.y + (caret.row as u16).min(text.height.saturating_sub(1)));
            frame.set_cursor_position((x.min(text.right()), y));
        }
    }
}
