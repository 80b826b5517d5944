//! Dialog that shows a mail: its text, the mail it answers, and its delivery status.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::call::scrolled;
use super::compose_mail::answer;
use super::{Modal, frame_box};
use crate::domain::{Mail, MailId};
use crate::engine::protocol::{Recipient, Reply, Request, RequestError};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::{AppAction, Context};
use crate::tui::model::Model;
use crate::tui::model::waiting::is_new;
use crate::tui::pane::mail::rows;
use crate::tui::pane::{PaneId, RenderContext, put, put_row};
use crate::tui::text::Row;
use crate::tui::theme::Role;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct MailView {
    id: MailId,
    rows: Vec<Row>,
    top: usize,
    height: usize,
    /// True once the mail has been reported as read.
    told: bool,
}

impl MailView {
    /// Creates the dialog for a mail.
    #[must_use]
    pub fn new(id: MailId) -> Self {
        Self { id, rows: Vec::new(), top: 0, height: 0, told: false }
    }

    fn size(screen: Rect) -> (u16, u16) {
        (screen.width.saturating_sub(4).min(84), screen.height.saturating_sub(2).min(24))
    }

    /// Returns the agent in whose conversation the mail appears: the recipient, else the sender.
    fn other(mail: &Mail) -> Option<&crate::domain::AgentId> {
        mail.to.as_ref().or(mail.from.as_ref())
    }
}

impl Modal for MailView {
    fn context(&self) -> KeyContext {
        KeyContext::LETTER
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if let Some(top) = scrolled(command, self.top, self.rows.len(), self.height) {
            self.top = top;
            return;
        }
        let Some(mail) = cx.model.mail(&self.id) else { return };
        match command {
            Command::Answer => answer(mail, cx),
            Command::Open => {
                if let Some(agent) = Self::other(mail).cloned() {
                    cx.act(AppAction::Close);
                    cx.act(AppAction::Show(Recipient::Agent(agent)));
                    cx.act(AppAction::Focus(PaneId::Conversation));
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, _serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        if let Err(fault) = reply {
            cx.fault(fault.text);
        }
    }

    fn prepare(&mut self, screen: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        let (width, height) = Self::size(screen);
        self.height = usize::from(height).saturating_sub(4);
        let mail = cx.model.mail(&self.id);
        if mail.is_some_and(is_new) && !std::mem::replace(&mut self.told, true) {
            cx.ask(Request::ReadMail { id: self.id.clone() });
        }
        let cells = usize::from(width).saturating_sub(4);
        self.rows = mail.map(|mail| rows::opened(mail, cells, look, cx.model)).unwrap_or_default();
        self.top = self.top.min(self.rows.len().saturating_sub(self.height));
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model) {
        let mail = model.mail(&self.id);
        let title = mail.map_or_else(|| "Mail".to_owned(), |mail| format!("Mail: {}", rows::ends(mail, look, model)));
        let inside = frame_box(frame, screen, Self::size(screen), &title, look);
        let room = inside.width.saturating_sub(2);
        for (row, y) in self.rows.iter().skip(self.top).take(self.height).zip(inside.y..inside.bottom()) {
            put_row(frame.buffer_mut(), (inside.x + 1, y), room, row, &look.theme);
        }
        let mut can = Vec::new();
        if mail.is_some_and(|mail| mail.to.is_none()) {
            can.push("r answer".to_owned());
        }
        can.extend(["Enter conversation".to_owned(), "Esc leave".to_owned()]);
        let more = self.rows.len().saturating_sub(self.top + self.height);
        if more > 0 {
            can.push(format!("{more} more {}", look.glyphs.down));
        }
        let y = inside.bottom().saturating_sub(1);
        put(frame.buffer_mut(), (inside.x + 1, y), room, &can.join("   "), Role::Dim, &look.theme);
    }
}
