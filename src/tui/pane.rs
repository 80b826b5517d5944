//! The [`Pane`] trait, its implementations, and code shared by all panes.
//!
//! To add a pane, add a submodule with a type that implements [`Pane`], and a row to the table in [`id`].
//!
//! The workbench ([`super::app`]) draws the title row of each pane and passes the remaining area to the pane. Drawing
//! does not change a pane; all other methods that take a [`Cx`] may. Panes request actions through [`Cx`].

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

use crate::engine::wire::{Fault, Reply, Update};

use super::command::{Command, When};
use super::effect::Cx;
use super::model::Model;
use super::text::Span;

pub use super::render::{Look, put, put_row};
pub use id::PaneId;

/// A pane of the workbench. Only `context`, `command` and `draw` are required.
pub trait Pane {
    /// Returns the key context: the pane's own, or that of the editor or search line inside it.
    fn context(&self) -> When;

    /// Performs a command that applies in [`Pane::context`].
    fn command(&mut self, command: Command, cx: &mut Cx<'_>);

    /// Handles a key not bound to a command: text input for a search line or an editor inside the pane.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Cx<'_>) {}

    /// Handles text pasted while the pane has the focus.
    fn paste(&mut self, _text: &str, _cx: &mut Cx<'_>) {}

    /// Handles a mouse event; `area` is the pane's area without its title row.
    fn mouse(&mut self, _event: MouseEvent, _area: Rect, _cx: &mut Cx<'_>) {}

    /// Handles an engine update, already applied to the model.
    fn updated(&mut self, _update: &Update, _cx: &mut Cx<'_>) {}

    /// Handles a change of the selection (`cx.model.place`) or a replaced model.
    fn moved(&mut self, _cx: &mut Cx<'_>) {}

    /// Handles the reply to a request sent with [`Cx::ask`].
    fn answered(&mut self, _serial: u64, _reply: Result<Reply, Fault>, _cx: &mut Cx<'_>) {}

    /// Handles the text returned by the external editor.
    fn edited(&mut self, _text: String, _cx: &mut Cx<'_>) {}

    /// Lays out the pane for the next frame, to be drawn in `area`.
    fn prepare(&mut self, _area: Rect, _look: &Look, _cx: &mut Cx<'_>) {}

    /// Whether the pane fills the body while focused, for example while it edits text.
    fn fills_screen(&self) -> bool {
        false
    }

    /// Describes unsaved input that quitting would lose, if any.
    fn unsaved_note(&self, _model: &Model) -> Option<String> {
        None
    }

    /// Time of the next change of the display that needs no message: an age, the end of a highlight.
    fn wake(&self, _look: &Look, _model: &Model) -> Option<Timestamp> {
        None
    }

    /// Title shown instead of the pane's name.
    fn title(&self, _model: &Model) -> Option<String> {
        None
    }

    /// Text at the right end of the title row.
    fn note(&self, _look: &Look, _model: &Model) -> Vec<Span> {
        Vec::new()
    }

    /// Badge shown while the pane is hidden, a few cells wide.
    fn badge(&self, _look: &Look, _model: &Model) -> Option<Span> {
        None
    }

    /// Draws the pane into `area`, which excludes the title row. A focused pane with a text input places the frame's
    /// cursor.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, model: &Model, focused: bool);
}
