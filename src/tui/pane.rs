//! The [`Pane`] trait, implemented by every pane, and the code that panes share.
//!
//! To add a pane, add a submodule with a type that implements [`Pane`], and a row to the table in [`id`].
//!
//! The workbench ([`super::app`]) draws each pane's title row and passes the rest of the area to the pane. Only the
//! trait methods with `&mut self` change a pane's state; `draw` and the other methods with `&self` do not. A pane
//! requests effects through [`Context`].

pub mod blocks;
pub mod conversation;
pub mod id;
pub mod inbox;
pub mod jobs;
pub mod list;
pub mod mail;
#[cfg(test)]
pub mod probe;
pub mod roster;
pub mod unreadable;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::engine::protocol::{Reply, RequestError, Update};

use super::command::{Command, KeyContext};
use super::effect::Context;
use super::model::Model;
use super::text::Span;

pub use super::layout::Room;
pub use super::render::{RenderContext, put, put_row};
pub use id::PaneId;

/// A pane. `context`, `command` and `draw` are required; every other method has a default that does nothing.
pub trait Pane {
    /// Returns the current key context: the pane's own, or that of an editor or search line inside it.
    fn context(&self) -> KeyContext;

    /// Executes a command of [`Pane::context`].
    fn command(&mut self, command: Command, cx: &mut Context<'_>);

    /// Returns false for a command that has nothing to act on now; the status line does not offer it.
    fn can(&self, _command: Command, _model: &Model) -> bool {
        true
    }

    /// Handles a key without a command: typing into a search line or an editor inside the pane.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Context<'_>) {}

    /// Handles text pasted while the pane has the focus.
    fn paste(&mut self, _text: &str, _cx: &mut Context<'_>) {}

    /// Handles a mouse event inside `area`, the pane's area without the title row.
    fn mouse(&mut self, _event: MouseEvent, _area: Rect, _cx: &mut Context<'_>) {}

    /// Handles an engine update, after the model has applied it.
    fn updated(&mut self, _update: &Update, _cx: &mut Context<'_>) {}

    /// Called after the selection (`cx.model.place`) changed or the model was rebuilt.
    fn moved(&mut self, _cx: &mut Context<'_>) {}

    /// Handles the reply to the request of [`Context::ask`] with this serial number.
    fn answered(&mut self, _serial: u64, _reply: Result<Reply, RequestError>, _cx: &mut Context<'_>) {}

    /// Handles the text returned by the external editor.
    fn edited(&mut self, _text: String, _cx: &mut Context<'_>) {}

    /// Called before a frame is drawn in `area`: lays out what `draw` shows.
    fn prepare(&mut self, _area: Rect, _look: &RenderContext, _cx: &mut Context<'_>) {}

    /// Returns how much room the focused pane takes.
    fn room(&self) -> Room {
        Room::Usual
    }

    /// Returns a sentence about unsaved changes, shown on exit; `None` if there are none.
    fn unsaved_note(&self, _model: &Model) -> Option<String> {
        None
    }

    /// Returns when the pane must be redrawn without an event: an age changes, a highlight ends.
    fn wake(&self, _look: &RenderContext, _model: &Model) -> Option<Timestamp> {
        None
    }

    /// Returns the title that replaces the pane's name in the title row; `None` for the name.
    fn title(&self, _model: &Model) -> Option<String> {
        None
    }

    /// Returns the text at the right end of the title row.
    fn note(&self, _look: &RenderContext, _model: &Model) -> Vec<Span> {
        Vec::new()
    }

    /// Returns an indicator of a few cells, shown while the pane is hidden.
    fn badge(&self, _look: &RenderContext, _model: &Model) -> Option<Span> {
        None
    }

    /// Draws the pane into `area`, the pane's area without the title row. A focused pane with a text input sets
    /// the frame's cursor.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, model: &Model, focused: bool);
}
