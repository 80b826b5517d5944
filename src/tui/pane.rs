//! What a pane is: plain data that takes commands and draws itself; and what all panes share.
//!
//! The workbench ([`super::app`]) draws the title row of each pane and hands the rest of the area over. A pane
//! changes only in `command`, `key`, `paste`, `mouse`, `updated`, `answered`, `edited` and `prepare`; drawing
//! changes nothing. What a pane wants done goes through [`Cx`].

pub mod blocks;
pub mod conversation;
pub mod inbox;
pub mod jobs;
pub mod list;
pub mod mail;
pub mod roster;
pub mod unreadable;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::engine::wire::{Fault, Reply, Update};

use super::command::{Command, When};
use super::effect::Cx;
use super::glyph::GlyphSet;
use super::model::Model;
use super::text::{Row, Span};
use super::theme::{Role, Theme};

/// Which pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaneId {
    /// Groups and their agents.
    Roster,
    /// What was said.
    Conversation,
    /// Memory.
    Blocks,
    /// Background work.
    Jobs,
    /// What waits for the person.
    Inbox,
    /// Mail.
    Mail,
}

impl PaneId {
    /// All panes, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Roster, Self::Conversation, Self::Blocks, Self::Jobs, Self::Inbox, Self::Mail];
    /// The panes that share the place below the blocks: one of them is open.
    pub const LOWER: [Self; 3] = [Self::Jobs, Self::Inbox, Self::Mail];

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Roster => "Agents",
            Self::Conversation => "Conversation",
            Self::Blocks => "Blocks",
            Self::Jobs => "Jobs",
            Self::Inbox => "Inbox",
            Self::Mail => "Mail",
        }
    }

    /// The pane this many places on, round in a circle.
    #[must_use]
    pub fn step(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::ALL.len()]
    }
}

/// How everything looks now.
#[derive(Debug, Clone)]
pub struct Look {
    /// Styles by role.
    pub theme: Theme,
    /// Signs.
    pub glyphs: &'static GlyphSet,
    /// The terminal is at the other end of an SSH connection: ages to the minute, nothing moves.
    pub over_ssh: bool,
    /// Whether things may move.
    pub motion: bool,
    /// The time.
    pub now: Timestamp,
    /// Where the person is, for times of day.
    pub zone: TimeZone,
}

impl Look {
    /// A time of day, `HH:MM`.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()
    }
}

/// What every pane can do. Only `command` and `draw` are asked of all.
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

/// The panes of a workbench.
#[derive(Debug, Default)]
pub struct Panes {
    /// Groups and their agents.
    pub roster: roster::Roster,
    /// What was said.
    pub conversation: conversation::Conversation,
    /// Memory.
    pub blocks: blocks::Blocks,
    /// Background work.
    pub jobs: jobs::Jobs,
    /// What waits for the person.
    pub inbox: inbox::Inbox,
    /// Mail.
    pub mail: mail::Mails,
}

impl Panes {
    /// One of them.
    #[must_use]
    pub fn get(&self, id: PaneId) -> &dyn Pane {
        match id {
            PaneId::Roster => &self.roster,
            PaneId::Conversation => &self.conversation,
            PaneId::Blocks => &self.blocks,
            PaneId::Jobs => &self.jobs,
            PaneId::Inbox => &self.inbox,
            PaneId::Mail => &self.mail,
        }
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, id: PaneId) -> &mut dyn Pane {
        match id {
            PaneId::Roster => &mut self.roster,
            PaneId::Conversation => &mut self.conversation,
            PaneId::Blocks => &mut self.blocks,
            PaneId::Jobs => &mut self.jobs,
            PaneId::Inbox => &mut self.inbox,
            PaneId::Mail => &mut self.mail,
        }
    }
}

/// Draws a row at `(x, y)`, cut at `width` cells, on a buffer.
pub fn put_row(buffer: &mut Buffer, (x, y): (u16, u16), width: u16, row: &Row, theme: &Theme) {
    let area = buffer.area;
    if y < area.y || y >= area.bottom() || x >= area.right() {
        return;
    }
    let end = area.right().min(x.saturating_add(width));
    let mut at = x;
    for span in &row.spans {
        if at >= end {
            return;
        }
        let style = theme.style(span.role).add_modifier(span.modifier);
        (at, _) = buffer.set_stringn(at, y, &span.text, usize::from(end - at), style);
    }
}

/// Draws a piece of cleaned text at `(x, y)` in a role, cut at `width` cells, and returns the next free x.
pub fn put(buffer: &mut Buffer, (x, y): (u16, u16), width: u16, text: &str, role: Role, theme: &Theme) -> u16 {
    let area = buffer.area;
    if y < area.y || y >= area.bottom() || x >= area.right() {
        return x;
    }
    buffer.set_stringn(x, y, text, usize::from(width), theme.style(role)).0
}
