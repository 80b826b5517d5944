//! What a pane is: plain data that takes commands and draws itself; and what all panes share.
//!
//! A new pane is a file here whose type implements [`Pane`], and a line in the table of [`id`].
//!
//! The workbench ([`super::app`]) draws the title row of each pane and hands the rest of the area over. A pane
//! changes only in `command`, `key`, `paste`, `mouse`, `updated`, `answered`, `edited` and `prepare`; drawing
//! changes nothing. What a pane wants done goes through [`Cx`].

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

/// What every pane can do. Only `context`, `command` and `draw` are asked of all.
pub trait Pane {
    /// Which keys apply now: the pane's own, or those of the editor or the search line inside it.
    fn context(&self) -> When;

    /// Does a command that applies in [`Pane::context`].
    fn command(&mut self, command: Command, cx: &mut Cx<'_>);

    /// A key no command took: typing into a search line or an editor inside the pane.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Cx<'_>) {}

    /// Text pasted while the pane has the focus.
    fn paste(&mut self, _text: &str, _cx: &mut Cx<'_>) {}

    /// The mouse did something inside `area`, the pane's without its title row.
    fn mouse(&mut self, _event: MouseEvent, _area: Rect, _cx: &mut Cx<'_>) {}

    /// The engine told something, and the model has it already.
    fn updated(&mut self, _update: &Update, _cx: &mut Cx<'_>) {}

    /// Something else is looked at now (`cx.model.place`), or the model was built anew.
    fn moved(&mut self, _cx: &mut Cx<'_>) {}

    /// A request of [`Cx::ask`] is answered.
    fn answered(&mut self, _serial: u64, _reply: Result<Reply, Fault>, _cx: &mut Cx<'_>) {}

    /// The external editor was left with this text.
    fn edited(&mut self, _text: String, _cx: &mut Cx<'_>) {}

    /// A frame is about to be drawn in `area`: lay out what drawing will show.
    fn prepare(&mut self, _area: Rect, _look: &Look, _cx: &mut Cx<'_>) {}

    /// Whether the pane, with the focus, has the whole body: while something is edited in it.
    fn fills_screen(&self) -> bool {
        false
    }

    /// A sentence on what in it is not saved when the workbench is left now.
    fn unsaved_note(&self, _model: &Model) -> Option<String> {
        None
    }

    /// When the pane looks different without anything happening: an age, the end of a flash.
    fn wake(&self, _look: &Look, _model: &Model) -> Option<Timestamp> {
        None
    }

    /// What stands in the title row instead of the pane's name.
    fn title(&self, _model: &Model) -> Option<String> {
        None
    }

    /// What stands at the right end of the title row.
    fn note(&self, _look: &Look, _model: &Model) -> Vec<Span> {
        Vec::new()
    }

    /// What a hidden pane has to tell, a few cells.
    fn badge(&self, _look: &Look, _model: &Model) -> Option<Span> {
        None
    }

    /// Draws the pane into `area`, which is without its title row. Where the pane has the focus and a place
    /// to type, it sets the frame's cursor.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, model: &Model, focused: bool);
}
