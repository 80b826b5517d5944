//! Dialog that writes a text to a file at a path the user types.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Modal, frame_box};
use crate::engine::protocol::{Reply, RequestError};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::Span;
use crate::tui::text::clean::clean;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::theme::Role;

/// Size of the dialog in cells.
const SIZE: (u16, u16) = (64, 9);

/// The dialog's state.
#[derive(Debug)]
pub struct SaveText {
    /// What the text is, for the title: `message 12`.
    what: String,
    text: String,
    path: Field,
    /// Why the user is asked, or what went wrong.
    note: Option<(String, Role)>,
    /// Serial of the pending write.
    asked: Option<u64>,
}

impl SaveText {
    /// Creates the dialog; `why` is a sentence on why the text goes to a file.
    #[must_use]
    pub fn new(what: impl Into<String>, text: impl Into<String>, why: Option<String>) -> Self {
        let note = why.map(|why| (why, Role::Dim));
        Self { what: what.into(), text: text.into(), path: Field::line(""), note, asked: None }
    }
}

impl Modal for SaveText {
    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        let takes = Field::takes(&key);
        if takes {
            self.path.key(key);
        }
        takes
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.path.paste(text);
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if command != Command::Open || self.asked.is_some() {
            return;
        }
        let path = self.path.text().trim().to_owned();
        if path.is_empty() {
            self.note = Some(("type the path of a new file".to_owned(), Role::Error));
            return;
        }
        self.asked = Some(cx.write_file(path, self.text.clone()));
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        if self.asked.take_if(|asked| *asked == serial).is_none() {
            return;
        }
        match reply {
            Ok(_) => {
                cx.act(AppAction::Close);
                cx.toast(format!("{} is written to {}", self.what, self.path.text().trim()));
            }
            Err(fault) => self.note = Some((fault.text, Role::Error)),
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let title = format!("Write {} to a file", self.what);
        let inside = frame_box(frame, screen, SIZE, &title, look);
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let buffer = frame.buffer_mut();
        let end = put(buffer, (x, inside.y), room, &format!("{} ", look.glyphs.prompt), Role::Focus, &look.theme);
        let line = Rect { x: end, y: inside.y, width: (x + room).saturating_sub(end), height: 1 };
        self.path.draw(frame, line, look, true);
        let last = inside.bottom().saturating_sub(1);
        if let Some((note, role)) = &self.note {
            let rows = wrap(&[Span::new(clean(note), *role)], &Shape::plain(usize::from(room)));
            for (row, y) in rows.iter().zip(inside.y + 2..last.saturating_sub(1)) {
                put_row(frame.buffer_mut(), (x, y), room, row, &look.theme);
            }
        }
        put(frame.buffer_mut(), (x, last), room, "Enter write   Esc leave", Role::Dim, &look.theme);
    }
}
