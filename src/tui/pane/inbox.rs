//! The inbox: calls that wait for the user's approval, oldest first, and pending decisions.
//!
//! A decided call stays listed until the decision is committed. If the engine rejects a decision, the error is shown
//! and a typed reason is restored.

pub mod rows;

use crossterm::event::MouseEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::list::{Item, List};
use super::{Pane, RenderContext, unreadable};
use crate::domain::PendingCall;
use crate::domain::state::Kind;
use crate::engine::protocol::{Reply, RequestError};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::call::OpenCall;
use crate::tui::dialog::deny::{Deny, decide};
use crate::tui::effect::{Context, Decision};
use crate::tui::model::Model;
use crate::tui::model::waiting::{CallKey, key};
use crate::tui::text::Span;
use crate::tui::theme::Role;

/// State of the pane.
#[derive(Debug, Default)]
pub struct Inbox {
    list: List<CallKey>,
    /// Decisions without a reply yet, by serial number of the request.
    decided: Vec<(u64, Decision)>,
}

impl Inbox {
    /// Returns the selected call.
    #[must_use]
    pub fn selected(&self) -> Option<&CallKey> {
        self.list.selected()
    }

    /// Returns true while a decision on this call is pending.
    #[must_use]
    pub fn is_decided(&self, call: &CallKey) -> bool {
        self.decided.iter().any(|(_, decision)| decision.call == *call)
    }

    /// Records a decision that was sent to the engine.
    pub fn asked(&mut self, serial: u64, decision: Decision) {
        self.decided.push((serial, decision));
    }
}

impl Pane for Inbox {
    fn context(&self) -> KeyContext {
        KeyContext::INBOX
    }

    fn can(&self, command: Command, model: &Model) -> bool {
        use Command as C;
        !matches!(command, C::Open | C::Approve | C::ApproveRun | C::Deny)
            || self.list.selected().is_some_and(|id| model.call(id).is_some())
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if self.list.command(command) {
            return;
        }
        let call = self.list.selected().and_then(|id| cx.model.call(id));
        let Some(call) = call else {
            if matches!(command, Command::Approve | Command::ApproveRun | Command::Deny | Command::Open) {
                cx.fault("nothing waits for you");
            }
            return;
        };
        match command {
            Command::Open => cx.open(OpenCall::new(key(call))),
            Command::Copy => cx.copy(rows::whole(call), "call"),
            _ => cx.acts(decide(command, call, cx.model)),
        }
    }

    fn mouse(&mut self, event: MouseEvent, area: Rect, cx: &mut Context<'_>) {
        if self.list.mouse(event, area).is_some() {
            self.command(Command::Open, cx);
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let at = self.decided.iter().position(|(asked, _)| *asked == serial);
        let decision = at.map(|at| self.decided.remove(at).1);
        let Err(fault) = reply else { return };
        cx.fault(fault.text);
        // Restore a typed reason.
        let call = decision.as_ref().and_then(|decision| cx.model.call(&decision.call));
        if let (Some(call), Some(decision)) = (call, decision.as_ref().filter(|decision| !decision.reason.is_empty())) {
            let deny = Deny::new(call, cx.model, &decision.reason);
            cx.open(deny);
        }
    }

    fn prepare(&mut self, area: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        let cells = usize::from(area.width);
        let waiting = cx.model.approvals();
        let decided = |call: &PendingCall| {
            self.decided.iter().find(|(_, decision)| decision.call == key(call)).map(|(_, decision)| decision)
        };
        let item = |call: &&PendingCall| Item {
            key: Some(key(call)),
            rows: rows::call(call, decided(call), cells, look, cx.model),
        };
        let mut items: Vec<Item<CallKey>> = unreadable::items(&[Kind::Call, Kind::Run], cells, look, cx.model);
        items.extend(waiting.iter().map(item));
        if waiting.is_empty() {
            items.push(Item::rest(rows::empty(cells)));
        }
        self.list.set(items, area.height);
    }

    fn badge(&self, look: &RenderContext, model: &Model) -> Option<Span> {
        let waiting = model.needs_you(None);
        (waiting > 0).then(|| Span::new(format!("{}{waiting}", look.glyphs.needs_you), Role::Warning))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, _model: &Model, focused: bool) {
        self.list.draw(frame.buffer_mut(), area, &look.theme, focused);
    }
}
