//! Dialog with the details of a call that awaits approval: the exact call and its context.

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::deny::decide;
use super::{Modal, frame_box};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::{AppAction, Context};
use crate::tui::model::Model;
use crate::tui::model::waiting::CallKey;
use crate::tui::pane::inbox::rows::{self, caller, place};
use crate::tui::pane::{PaneId, RenderContext, put, put_row};
use crate::tui::text::Row;
use crate::tui::text::clean::clean_line;
use crate::tui::theme::Role;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCall {
    call: CallKey,
    rows: Vec<Row>,
    top: usize,
    height: usize,
}

impl OpenCall {
    /// Creates the dialog for a call.
    #[must_use]
    pub fn new(call: CallKey) -> Self {
        Self { call, rows: Vec::new(), top: 0, height: 0 }
    }

    fn size(screen: Rect) -> (u16, u16) {
        (screen.width.saturating_sub(4).min(100), screen.height.saturating_sub(2).min(30))
    }
}

/// Returns the new first visible row after a scroll command, for `rows` rows of which `height` are visible; `None`
/// for other commands.
#[must_use]
pub fn scrolled(command: Command, top: usize, rows: usize, height: usize) -> Option<usize> {
    let most = rows.saturating_sub(height);
    let page = height.max(2) - 1;
    let to = match command {
        Command::Up => top.saturating_sub(1),
        Command::Down => top + 1,
        Command::HalfUp => top.saturating_sub(page / 2),
        Command::HalfDown => top + page / 2,
        Command::PageUp => top.saturating_sub(page),
        Command::PageDown => top + page,
        Command::Top => 0,
        Command::End => most,
        _ => return None,
    };
    Some(to.min(most))
}

impl Modal for OpenCall {
    fn context(&self) -> KeyContext {
        KeyContext::CALL
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if let Some(top) = scrolled(command, self.top, self.rows.len(), self.height) {
            self.top = top;
            return;
        }
        let Some(call) = cx.model.call(&self.call) else { return };
        match command {
            Command::Open => {
                if let Some(address) = place(call, cx.model) {
                    cx.act(AppAction::Close);
                    cx.act(AppAction::Show(address));
                    cx.act(AppAction::Focus(PaneId::Conversation));
                }
            }
            // The dialog closes once the decision is committed.
            _ => cx.acts(decide(command, call, cx.model)),
        }
    }

    fn is_over(&self, model: &Model) -> bool {
        model.call(&self.call).is_none()
    }

    fn prepare(&mut self, screen: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        let (width, height) = Self::size(screen);
        self.height = usize::from(height).saturating_sub(4);
        let cells = usize::from(width).saturating_sub(4);
        let call = cx.model.call(&self.call);
        self.rows = call.map(|call| rows::opened(call, cells, look, cx.model)).unwrap_or_default();
        self.top = self.top.min(self.rows.len().saturating_sub(self.height));
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model) {
        let call = model.call(&self.call);
        let who = call.map(|call| format!("{}: {}", caller(call, model), clean_line(&call.name)));
        let title = who.unwrap_or_else(|| "decided".to_owned());
        let inside = frame_box(frame, screen, Self::size(screen), &title, look);
        let room = inside.width.saturating_sub(2);
        for (row, y) in self.rows.iter().skip(self.top).take(self.height).zip(inside.y..inside.bottom()) {
            put_row(frame.buffer_mut(), (inside.x + 1, y), room, row, &look.theme);
        }
        let whole = "a approve   A for this run   d deny   Enter conversation   Esc leave";
        // A narrow dialog omits the key that the help lists too, instead of truncating a word.
        let fits = whole.len() <= usize::from(room);
        let mut can = if fits { whole } else { "a approve   A for this run   d deny   Esc leave" }.to_owned();
        let more = self.rows.len().saturating_sub(self.top + self.height);
        if more > 0 {
            let _ = write!(can, "   {more} {}", look.glyphs.down);
        }
        let y = inside.bottom().saturating_sub(1);
        put(frame.buffer_mut(), (inside.x + 1, y), room, &can, Role::Dim, &look.theme);
    }
}
