//! The inbox: the calls that wait for the person, oldest first, and what was decided on them.
//!
//! What is decided stays listed until it is committed; what the engine refuses is told, and a reason that was
//! typed comes back.

pub mod rows;

use crossterm::event::MouseEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::list::{Item, List};
use super::{Look, Pane, unreadable};
use crate::domain::PendingCall;
use crate::domain::state::Kind;
use crate::engine::wire::{Fault, Reply};
use crate::tui::command::{Command, When};
use crate::tui::dialog::call::OpenCall;
use crate::tui::dialog::deny::{Deny, decide};
use crate::tui::effect::{Cx, Decision};
use crate::tui::model::Model;
use crate::tui::model::waiting::{CallKey, key};
use crate::tui::text::Span;
use crate::tui::theme::Role;

/// The pane's own state.
#[derive(Debug, Default)]
pub struct Inbox {
    list: List<CallKey>,
    /// What was decided and is not known to be committed.
    decided: Vec<(u64, Decision)>,
}

impl Inbox {
    /// What is selected.
    #[must_use]
    pub fn selected(&self) -> Option<&CallKey> {
        self.list.selected()
    }

    /// True while a decision on this call is on its way.
    #[must_use]
    pub fn is_decided(&self, call: &CallKey) -> bool {
        self.decided.iter().any(|(_, decision)| decision.call == *call)
    }

    /// A decision is on its way.
    pub fn asked(&mut self, serial: u64, decision: Decision) {
        self.decided.push((serial, decision));
    }
}

impl Pane for Inbox {
    fn context(&self) -> When {
        When::INBOX
    }

    fn command(&mut self, command: Command, cx: &mut Cx<'_>) {
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

    fn mouse(&mut self, event: MouseEvent, area: Rect, cx: &mut Cx<'_>) {
        if self.list.mouse(event, area).is_some() {
            self.command(Command::Open, cx);
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, Fault>, cx: &mut Cx<'_>) {
        let at = self.decided.iter().position(|(asked, _)| *asked == serial);
        let decision = at.map(|at| self.decided.remove(at).1);
        let Err(fault) = reply else { return };
        cx.fault(fault.text);
        // A reason that was typed is not lost.
        let call = decision.as_ref().and_then(|decision| cx.model.call(&decision.call));
        if let (Some(call), Some(decision)) = (call, decision.as_ref().filter(|decision| !decision.reason.is_empty())) {
            let deny = Deny::new(call, cx.model, &decision.reason);
            cx.open(deny);
        }
    }

    fn prepare(&mut self, area: Rect, look: &Look, cx: &mut Cx<'_>) {
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

    fn badge(&self, look: &Look, model: &Model) -> Option<Span> {
        let waiting = model.needs_you(None);
        (waiting > 0).then(|| Span::new(format!("{}{waiting}", look.glyphs.needs_you), Role::Warning))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, _model: &Model, focused: bool) {
        self.list.draw(frame.buffer_mut(), area, &look.theme, focused);
    }
}
