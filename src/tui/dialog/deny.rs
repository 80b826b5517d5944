//! Dialog that denies a call, with an optional reason passed to the agent.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Modal, frame_box};
use crate::domain::PendingCall;
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Decision};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::model::waiting::{CallKey, key};
use crate::tui::pane::inbox::rows::caller;
use crate::tui::pane::{RenderContext, put};
use crate::tui::text::clean::clean_line;
use crate::tui::theme::Role;

/// Size of the dialog in cells.
const SIZE: (u16, u16) = (64, 7);

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Deny {
    call: CallKey,
    /// Title: the tool and the agent.
    title: String,
    reason: Field,
}

impl Deny {
    /// Creates the dialog for a call, with an initial reason.
    #[must_use]
    pub fn new(call: &PendingCall, model: &Model, reason: &str) -> Self {
        let title = format!("Deny {} to {}", clean_line(&call.name), caller(call, model));
        Self { call: key(call), title, reason: Field::line(reason) }
    }
}

/// Returns the action of an approve or deny command; `None` for other commands. Denying opens the dialog first.
#[must_use]
pub fn decide(command: Command, call: &PendingCall, model: &Model) -> Option<AppAction> {
    let yes = |for_run| {
        AppAction::Decide(Box::new(Decision { call: key(call), approve: true, for_run, reason: String::new() }))
    };
    match command {
        Command::Approve => Some(yes(false)),
        Command::ApproveRun => Some(yes(true)),
        Command::Deny => Some(AppAction::open(Deny::new(call, model, ""))),
        _ => None,
    }
}

impl Modal for Deny {
    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        let takes = Field::takes(&key);
        if takes {
            self.reason.key(key);
        }
        takes
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.reason.paste(text);
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if command == Command::Open {
            let reason = self.reason.text().trim().to_owned();
            cx.act(AppAction::Close);
            let decision = Decision { call: self.call.clone(), approve: false, for_run: false, reason };
            cx.act(AppAction::Decide(Box::new(decision)));
        }
    }

    fn is_over(&self, model: &Model) -> bool {
        model.call(&self.call).is_none()
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let inside = frame_box(frame, screen, SIZE, &self.title, look);
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let buffer = frame.buffer_mut();
        put(buffer, (x, inside.y), room, "Reason for the agent (optional):", Role::Dim, &look.theme);
        let end = put(buffer, (x, inside.y + 2), room, &format!("{} ", look.glyphs.prompt), Role::Focus, &look.theme);
        let line = Rect { x: end, y: inside.y + 2, width: (x + room).saturating_sub(end), height: 1 };
        self.reason.draw(frame, line, look, true);
        let hint = "Enter deny   Esc leave it waiting";
        put(frame.buffer_mut(), (x, inside.bottom().saturating_sub(1)), room, hint, Role::Dim, &look.theme);
    }
}
