//! The workbench as plain data: one message in, effects out. It does no I/O and reads no clock.
//!
//! [`App::update`] dispatches each message: to the top dialog, else to the composer or the focused pane. These
//! queue [`AppAction`]s in a [`Mailbox`], which the workbench performs before `update` returns; I/O is returned as
//! [`Effect`]s. [`App::prepare`] lays out the next frame and [`view::view`] draws it. An `App` owns nothing
//! process-wide: several can run side by side.

mod actions;
pub mod chrome;
mod dividers;
pub mod panes;
pub mod persistence;
mod quit;
pub mod view;

use std::time::Instant;

use crossterm::event::KeyEvent;
use jiff::{SignedDuration, Timestamp};
use ratatui::layout::{Position, Rect, Size};

use crate::domain::GroupStatus;
use crate::domain::message::check_size;
use crate::engine::connection::Connection;
use crate::engine::protocol::{Overview, Recipient, Reply, RequestError, RowUpdate, Update};

use super::command::{Command, KeyContext};
use super::composer::Composer;
use super::effect::{AppAction, Context, Effect, Mailbox, Modal, Msg, RequestId, Requester, Toast};
use super::layout::{self, Divider, Dividers, Layout, LayoutInput, Room, inside};
use super::model::{Model, Selection};
use super::pane::{Pane, PaneId, RenderContext};
use super::term::pacer::Pacer;
use panes::Panes;

/// Display time of a toast.
const TOAST: SignedDuration = SignedDuration::from_secs(4);

/// State of the workbench.
#[derive(Debug)]
pub struct App {
    /// Mirror of the engine's state, with the current selection.
    pub model: Model,
    /// All panes.
    pub panes: Panes,
    /// The message input.
    pub composer: Composer,
    /// Stack of dialogs; the last is on top.
    pub dialogs: Vec<Box<dyn Modal>>,
    /// True if the composer has the focus, false if a pane has it.
    pub composing: bool,
    /// The focused pane, or the last focused one while the composer has the focus.
    pub pane: PaneId,
    /// The pane shown beside the conversation in the two-column layout.
    pub side: PaneId,
    /// The open pane below the blocks, one of [`PaneId::LOWER`].
    pub lower: PaneId,
    /// True if the focused pane fills the body.
    pub zoom: bool,
    /// Where the user moved the lines between panes to.
    pub dividers: Dividers,
    /// Whether the terminal reports the mouse.
    pub mouse: bool,
    /// Screen size in cells.
    pub size: Size,
    /// Whether the terminal window has the focus.
    pub window: bool,
    /// Theme, glyphs, time and time zone used for drawing.
    pub look: RenderContext,
    /// The toast shown in the status line, and the time it expires.
    pub toast: Option<(Toast, Timestamp)>,
    /// Where the engine runs.
    pub connection: Connection,
    layout: Option<Layout>,
    /// The line that the mouse holds.
    dragged: Option<Divider>,
    mailbox: Mailbox,
    /// Cancel requests that are not answered yet, with the owners of their conversations.
    cancelling: Vec<(u64, Recipient)>,
}

/// Result of handling a message.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Effects for the event loop to perform, in order.
    pub effects: Vec<Effect>,
    /// Whether a new frame is needed, and how soon.
    pub draw: Draw,
}

/// Why a new frame is needed; a higher value is more urgent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Draw {
    /// Nothing changed.
    #[default]
    Nothing,
    /// An answer grew by so many bytes.
    Text(usize),
    /// The engine's state changed.
    Delta,
    /// The user did something or waits for this frame.
    Key,
}

impl Draw {
    /// Requests the frame.
    pub fn request(self, pacer: &mut Pacer, now: Instant) {
        match self {
            Self::Nothing => {}
            Self::Text(bytes) => pacer.text(bytes, now),
            Self::Delta => pacer.delta(now),
            Self::Key => pacer.key(now),
        }
    }
}

impl App {
    /// Creates a workbench that shows the first active group, with the composer focused.
    #[must_use]
    pub fn new(overview: Overview, look: RenderContext, size: Size) -> Self {
        let mut app = Self {
            model: Model::new(overview),
            panes: Panes::default(),
            composer: Composer::default(),
            dialogs: Vec::new(),
            composing: true,
            pane: PaneId::Conversation,
            side: PaneId::UPPER,
            lower: PaneId::LOWER[0],
            zoom: false,
            dividers: Dividers::default(),
            mouse: true,
            size,
            window: true,
            look,
            toast: None,
            connection: Connection::HERE,
            layout: None,
            dragged: None,
            mailbox: Mailbox::default(),
            cancelling: Vec::new(),
        };
        let groups = &app.model.groups;
        let first = groups.iter().find(|group| group.status == GroupStatus::Active).or(groups.first());
        if let Some(address) = first.map(|group| Recipient::Group(group.id.clone())) {
            app.show(address);
        }
        app
    }

    /// Handles `msg`, received at `now`.
    pub fn update(&mut self, msg: Msg, now: Timestamp) -> Outcome {
        self.look.now = now;
        let draw = match &msg {
            Msg::Update(update) => self.urgency(update),
            Msg::Renewed(_) | Msg::Answered(..) | Msg::Connected(_) | Msg::Tick => Draw::Delta,
            Msg::Focus(_) => Draw::Nothing,
            Msg::Key(_) | Msg::Paste(_) | Msg::Mouse(_) | Msg::Resize(_) | Msg::Edited(..) | Msg::Told(_) => Draw::Key,
        };
        match msg {
            Msg::Key(key) => self.key(key),
            Msg::Paste(text) => self.paste(&text),
            Msg::Mouse(event) => self.mouse(event),
            Msg::Resize(size) => self.size = size,
            Msg::Focus(window) => self.window = window,
            Msg::Update(update) => self.updated(&update),
            Msg::Renewed(overview) => {
                self.model.replace(*overview);
                self.dialogs.retain(|dialog| !dialog.is_over(&self.model));
                self.moved();
            }
            Msg::Connected(connection) => self.connected(connection),
            Msg::Answered(ticket, reply) => self.answered(ticket, reply),
            Msg::Edited(owner, Ok(text)) => self.edited(owner, text),
            Msg::Edited(_, Err(why)) => self.mailbox.push(AppAction::Toast(Toast::error(why))),
            Msg::Told(toast) => self.mailbox.push(AppAction::Toast(toast)),
            Msg::Tick => {}
        }
        if self.toast.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.toast = None;
        }
        Outcome { effects: self.settle(), draw }
    }

    /// Returns how soon an update must be shown. Only more of an answer that has begun can wait for more.
    fn urgency(&self, update: &Update) -> Draw {
        let Update::Live(update) = update else { return Draw::Delta };
        let begun = self.model.live.iter().any(|live| {
            live.step == update.step
                && live.phase == update.phase
                && !(live.text.is_empty() && live.reasoning.is_empty())
        });
        if begun { Draw::Text(update.text.len() + update.reasoning.len()) } else { Draw::Delta }
    }

    /// Lays out the next frame. The returned effects request the data it needs.
    pub fn prepare(&mut self, now: Timestamp) -> Vec<Effect> {
        self.look.now = now;
        self.layout = self.lay_out();
        self.panes.roster.set_focused(!self.composing && self.pane == PaneId::Roster);
        let focus = if self.composing { KeyContext::COMPOSER } else { self.panes.get(self.pane).context() };
        self.panes.conversation.set_focus(focus);
        for id in PaneId::ALL {
            let Some(area) = self.layout.as_ref().and_then(|layout| layout.pane(id)) else { continue };
            self.with_pane_looked_at(id, |pane, look, cx| pane.prepare(inside(area), look, cx));
        }
        if !self.dialogs.is_empty() {
            let (screen, look) = (Rect::from((Position::ORIGIN, self.size)), self.look.clone());
            self.with_dialog(|dialog, cx| dialog.prepare(screen, &look, cx));
        }
        self.mark_seen();
        self.settle()
    }

    /// Computes the layout of the current state.
    fn lay_out(&self) -> Option<Layout> {
        layout::layout(&LayoutInput {
            size: self.size,
            focus: self.pane,
            side: self.side,
            lower: self.lower,
            room: self.room(),
            composer: self.composer.rows(self.size.width),
            dividers: self.dividers,
        })
    }

    /// Returns how much room the focused pane takes. What fills the screen leaves it to the composer.
    fn room(&self) -> Room {
        match self.panes.get(self.pane).room() {
            _ if self.zoom => Room::Whole,
            Room::Whole if self.composing => Room::Usual,
            Room::Beside if self.composing && !layout::has_room_beside(self.size) => Room::Usual,
            room => room,
        }
    }

    /// Marks the shown conversation as read if the next frame shows its end.
    fn mark_seen(&mut self) {
        if self.area_of(PaneId::Conversation).is_none() || !self.panes.conversation.at_tail() {
            return;
        }
        if let Some((id, head)) = self.model.shown_conversation().map(|shown| (shown.id.0.clone(), shown.head)) {
            self.model.seen.insert(id, head);
        }
    }

    /// Time of the next change of the screen that needs no message: an age, an expiring toast. `None` if there is none.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let shown = PaneId::ALL.into_iter().filter(|id| self.area_of(*id).is_some());
        let panes = shown.filter_map(|id| self.panes.get(id).wake(&self.look, &self.model));
        let dialog = self.dialogs.last().and_then(|dialog| dialog.wake());
        panes.chain(dialog).chain(self.toast.as_ref().map(|(_, until)| *until)).min()
    }

    /// The current key context.
    #[must_use]
    pub fn context(&self) -> KeyContext {
        match self.dialogs.last() {
            Some(dialog) => dialog.context(),
            None if self.composing => KeyContext::COMPOSER,
            None => self.panes.get(self.pane).context(),
        }
    }

    /// Layout of the last prepared frame; `None` if the screen is too small.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    fn area_of(&self, id: PaneId) -> Option<Rect> {
        self.layout.as_ref().and_then(|layout| layout.pane(id))
    }

    fn with_pane<T>(&mut self, id: PaneId, f: impl FnOnce(&mut dyn Pane, &mut Context<'_>) -> T) -> T {
        self.with_pane_looked_at(id, |pane, _, cx| f(pane, cx))
    }

    fn with_pane_looked_at<T>(
        &mut self,
        id: PaneId,
        f: impl FnOnce(&mut dyn Pane, &RenderContext, &mut Context<'_>) -> T,
    ) -> T {
        let mut cx =
            Context { model: &self.model, now: self.look.now, owner: Requester::Pane(id), mailbox: &mut self.mailbox };
        f(self.panes.get_mut(id), &self.look, &mut cx)
    }

    fn with_composer<T>(&mut self, f: impl FnOnce(&mut Composer, &mut Context<'_>) -> T) -> T {
        let mut cx =
            Context { model: &self.model, now: self.look.now, owner: Requester::Composer, mailbox: &mut self.mailbox };
        f(&mut self.composer, &mut cx)
    }

    fn with_dialog<T>(&mut self, f: impl FnOnce(&mut dyn Modal, &mut Context<'_>) -> T) -> Option<T> {
        let mut cx =
            Context { model: &self.model, now: self.look.now, owner: Requester::Dialog, mailbox: &mut self.mailbox };
        self.dialogs.last_mut().map(|dialog| f(dialog.as_mut(), &mut cx))
    }

    /// Calls `f` on every dialog. Replies and updates also concern dialogs below the top one.
    fn each_dialog(&mut self, mut f: impl FnMut(&mut dyn Modal, &mut Context<'_>)) {
        let mut dialogs = std::mem::take(&mut self.dialogs);
        for dialog in &mut dialogs {
            let mut cx = Context {
                model: &self.model,
                now: self.look.now,
                owner: Requester::Dialog,
                mailbox: &mut self.mailbox,
            };
            f(dialog.as_mut(), &mut cx);
        }
        self.dialogs = dialogs;
    }

    fn key(&mut self, key: KeyEvent) {
        if self.with_dialog(|dialog, cx| dialog.key(key, cx)) == Some(true) {
            return;
        }
        match Command::of(&key, self.context()) {
            Some(command) => self.command(command),
            None if !self.dialogs.is_empty() => {}
            None if self.composing => self.with_composer(|composer, cx| composer.key(key, cx)),
            None => self.with_pane(self.pane, |pane, cx| pane.key(key, cx)),
        }
    }

    fn paste(&mut self, text: &str) {
        if self.with_dialog(|dialog, cx| dialog.paste(text, cx)).is_some() {
            return;
        }
        // Where the pane has no text input, pasted text goes to the composer.
        let typing = KeyContext::EDITOR.or(KeyContext::FIND).or(KeyContext::SEARCH).has(self.context());
        if typing {
            self.with_pane(self.pane, |pane, cx| pane.paste(text, cx));
        } else {
            self.composing = true;
            if let Err(why) = check_size(self.composer.bytes() + text.len()) {
                self.mailbox.push(AppAction::Toast(Toast::error(why)));
            } else if let Some(label) = self.composer.paste(text) {
                let key = Command::UnfoldPaste.key_text(KeyContext::COMPOSER).unwrap_or_default();
                self.mailbox.push(AppAction::Toast(Toast::plain(format!("{label} is sent whole; {key} unfolds it"))));
            }
        }
    }

    fn mouse(&mut self, event: crossterm::event::MouseEvent) {
        use crossterm::event::MouseEventKind;

        if self.drag(event) {
            return;
        }
        let at = (event.column, event.row).into();
        let tabs = self.layout.as_ref().map(|layout| layout.tabs.clone()).unwrap_or_default();
        if let Some((id, _)) = tabs.into_iter().find(|(_, tab)| tab.contains(at) && self.dialogs.is_empty()) {
            if matches!(event.kind, MouseEventKind::Down(_)) {
                self.focus(id);
            }
            return;
        }
        let under = PaneId::ALL.into_iter().find(|id| self.area_of(*id).is_some_and(|area| area.contains(at)));
        let Some((id, area)) = under.and_then(|id| Some((id, self.area_of(id)?))) else {
            if matches!(event.kind, MouseEventKind::Down(_)) && self.dialogs.is_empty() {
                self.composing = true;
            }
            return;
        };
        if self.dialogs.is_empty() {
            if matches!(event.kind, MouseEventKind::Down(_)) {
                self.focus(id);
            }
            self.with_pane(id, |pane, cx| pane.mouse(event, inside(area), cx));
        }
    }

    fn updated(&mut self, update: &Update) {
        self.model.apply(update, self.look.now);
        if let Update::Trouble { text } = update {
            self.mailbox.push(AppAction::Toast(Toast::error(text)));
        }
        if self.model.place.address.is_none() && !self.model.groups.is_empty() {
            let first = self.model.groups[0].id.clone();
            self.show(Recipient::Group(first));
        }
        self.leave_what_is_gone(update);
        for id in PaneId::ALL {
            self.with_pane(id, |pane, cx| pane.updated(update, cx));
        }
        self.each_dialog(|dialog, cx| dialog.updated(update, cx));
        self.dialogs.retain(|dialog| !dialog.is_over(&self.model));
    }

    /// If the shown agent or group was deleted, shows the agent's group, else the first group.
    fn leave_what_is_gone(&mut self, update: &Update) {
        let Update::Committed { rows, .. } = update else { return };
        if !rows.iter().any(|row| matches!(row, RowUpdate::Gone { .. })) {
            return;
        }
        let (place, model) = (self.model.place.clone(), &self.model);
        let agent_gone = place.agent.as_ref().is_some_and(|agent| model.agent(agent).is_none());
        let group_gone = place.group.as_ref().is_some_and(|group| model.group(group).is_none());
        if !agent_gone && !group_gone {
            return;
        }
        let first = model.groups.first().map(|group| group.id.clone());
        let group = place.group.filter(|_| !group_gone).or(first);
        self.model.place = Selection::default();
        match group {
            Some(group) => self.show(Recipient::Group(group)),
            None => self.moved(),
        }
    }

    fn answered(&mut self, ticket: RequestId, reply: Result<Reply, RequestError>) {
        match ticket.owner {
            Requester::App => match reply {
                Ok(Reply::Overview(overview)) => self.model.default_model = overview.default_model,
                Ok(Reply::Cancelled { queued, .. }) => self.cancelled(ticket.serial, &queued),
                Ok(_) => {}
                Err(fault) => {
                    self.cancelling.retain(|(serial, _)| *serial != ticket.serial);
                    self.mailbox.push(AppAction::Toast(Toast::error(fault.text)));
                }
            },
            Requester::Composer => self.with_composer(|composer, cx| composer.answered(ticket.serial, reply, cx)),
            Requester::Pane(id) => self.with_pane(id, |pane, cx| pane.answered(ticket.serial, reply, cx)),
            Requester::Dialog => {
                self.each_dialog(|dialog, cx| dialog.answered(ticket.serial, reply.clone(), cx));
            }
        }
    }

    /// Returns the texts of cancelled queued turns to the draft of their conversation.
    fn cancelled(&mut self, serial: u64, queued: &[String]) {
        let Some(at) = self.cancelling.iter().position(|(known, _)| *known == serial) else { return };
        let (_, to) = self.cancelling.remove(at);
        if queued.is_empty() {
            return;
        }
        self.composer.give_back(&to, &queued.join("\n"));
        self.composing |= self.model.place.address.as_ref() == Some(&to);
    }

    fn edited(&mut self, owner: Requester, text: String) {
        match owner {
            Requester::App | Requester::Composer => self.composer.set_text(text.trim_end_matches('\n')),
            Requester::Pane(id) => self.with_pane(id, |pane, cx| pane.edited(text, cx)),
            Requester::Dialog => {
                self.with_dialog(|dialog, cx| dialog.edited(text, cx));
            }
        }
    }

    fn moved(&mut self) {
        self.composer.address(self.model.place.address.as_ref());
        for id in PaneId::ALL {
            self.with_pane(id, |pane, cx| pane.moved(cx));
        }
    }
}
