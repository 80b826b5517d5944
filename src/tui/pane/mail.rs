//! The mail pane: mail between agents and the user, newest first.

pub mod rows;

use std::collections::BTreeSet;

use crossterm::event::MouseEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::list::{Item, List};
use super::{Pane, RenderContext, unreadable};
use crate::domain::state::Kind;
use crate::domain::{AgentId, Mail, MailId};
use crate::engine::protocol::{Reply, RequestError, RowUpdate, Update};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::compose_mail::{ComposeMail, answer, write};
use crate::tui::dialog::mail_view::MailView;
use crate::tui::effect::{Context, Draft};
use crate::tui::model::Model;
use crate::tui::text::Span;
use crate::tui::text::plain::plain;
use crate::tui::theme::Role;

/// State of the pane.
#[derive(Debug)]
pub struct Mails {
    list: List<MailId>,
    /// Show only the mail of the agent selected in the roster.
    filtered: bool,
    /// True if the rows are out of date with the model.
    stale: bool,
    laid: Option<Rect>,
    /// Mail sent without a reply yet, by serial number of the request.
    sent: Vec<(u64, Draft)>,
}

impl Default for Mails {
    fn default() -> Self {
        Self { list: List::newest_first(), filtered: false, stale: false, laid: None, sent: Vec::new() }
    }
}

impl Mails {
    /// Records mail that was sent to the engine.
    pub fn asked(&mut self, serial: u64, draft: Draft) {
        self.sent.push((serial, draft));
    }

    /// Returns the agent that the list is filtered by.
    fn only<'a>(&self, model: &'a Model) -> Option<&'a AgentId> {
        model.place.agent.as_ref().filter(|_| self.filtered)
    }
}

impl Pane for Mails {
    fn context(&self) -> KeyContext {
        KeyContext::MAIL
    }

    fn can(&self, command: Command, model: &Model) -> bool {
        !matches!(command, Command::Open | Command::Answer)
            || self.list.selected().is_some_and(|id| model.mail(id).is_some())
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if self.list.command(command) {
            return;
        }
        let mail = self.list.selected().and_then(|id| cx.model.mail(id));
        match (command, mail) {
            (Command::Open, Some(mail)) => {
                cx.open(MailView::new(mail.id.clone()));
            }
            (Command::Answer, Some(mail)) => answer(mail, cx),
            (Command::Copy, Some(mail)) => cx.copy(plain(&mail.text), "mail"),
            (Command::WriteMail, mail) => {
                // If no agent is selected in the roster, use the other end of the selected mail.
                let other = || mail.and_then(|mail| mail.from.clone().or_else(|| mail.to.clone()));
                match cx.model.place.agent.clone().or_else(other) {
                    Some(to) => write(to, cx),
                    None => cx.fault("select an agent first: 1 goes to the agents"),
                }
            }
            (Command::Filter, _) if !self.filtered && cx.model.place.agent.is_none() => {
                cx.fault("select an agent first: 1 goes to the agents");
            }
            (Command::Filter, _) => {
                self.filtered = !self.filtered;
                self.stale = true;
            }
            _ => {}
        }
    }

    fn mouse(&mut self, event: MouseEvent, area: Rect, cx: &mut Context<'_>) {
        if self.list.mouse(event, area).is_some() {
            self.command(Command::Open, cx);
        }
    }

    fn updated(&mut self, update: &Update, _cx: &mut Context<'_>) {
        let Update::Committed { rows, .. } = update else { return };
        let touches =
            |row: &RowUpdate| matches!(row, RowUpdate::Mail(_) | RowUpdate::Agent(_) | RowUpdate::Gone { .. });
        self.stale |= rows.iter().any(touches);
    }

    fn moved(&mut self, _cx: &mut Context<'_>) {
        self.stale = true;
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let at = self.sent.iter().position(|(sent, _)| *sent == serial);
        let draft = at.map(|at| self.sent.remove(at).1);
        match (reply, draft) {
            (Ok(_), Some(draft)) => {
                cx.toast(format!("mail to {} is on its way", rows::name(Some(&draft.to), cx.model)));
            }
            (Ok(_), None) => {}
            (Err(fault), draft) => {
                cx.fault(fault.text);
                // Restore the text.
                if let Some(draft) = draft {
                    cx.open(ComposeMail::new(&draft));
                }
            }
        }
    }

    fn prepare(&mut self, area: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        if self.laid == Some(area) && !self.stale {
            return;
        }
        let (cells, model) = (usize::from(area.width), cx.model);
        let only = self.only(model);
        let shown = |mail: &&Mail| only.is_none_or(|id| mail.from.as_ref() == Some(id) || mail.to.as_ref() == Some(id));
        let item = |mail: &Mail| Item { key: Some(mail.id.clone()), rows: rows::mail(mail, cells, look, model) };
        let mut items = unreadable::items(&[Kind::Mail], cells, look, model);
        if let Some(id) = only {
            items.push(Item::rest(rows::heading(id, cells, look, model)));
        }
        let mut known = BTreeSet::new();
        items.extend(model.mails.iter().filter(shown).filter(|mail| known.insert(&mail.id)).map(item));
        if known.is_empty() {
            items.push(Item::rest(rows::empty(only, cells, model)));
        }
        self.list.set(items, area.height);
        self.stale = false;
        self.laid = Some(area);
    }

    fn badge(&self, look: &RenderContext, model: &Model) -> Option<Span> {
        let new = model.new_mail();
        (new > 0).then(|| Span::new(format!("{}{new}", look.glyphs.changed), Role::Accent))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, _model: &Model, focused: bool) {
        self.list.draw(frame.buffer_mut(), area, &look.theme, focused);
    }
}
