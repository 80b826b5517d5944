//! Moving the lines between panes, by key and by mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::App;
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Toast};
use crate::tui::layout::{Divider, Dividers};
use crate::tui::pane::PaneId;

/// Cells that a key moves a line between columns, and a line between rows.
const STEP: (i32, i32) = (2, 1);

impl App {
    /// Makes the focused pane wider, narrower, higher or lower, or restores the default sizes.
    pub(super) fn resize_pane(&mut self, command: Command) {
        let sign = match command {
            Command::Wider | Command::Higher => 1,
            Command::Narrower | Command::Lower => -1,
            _ => {
                self.dividers = Dividers::default();
                return;
            }
        };
        let in_height = matches!(command, Command::Higher | Command::Lower);
        let Some(layout) = self.lay_out() else { return };
        let moved = match (in_height, layout.columns.len()) {
            (true, _) if layout.split.is_none() => None,
            (true, _) if self.pane == PaneId::UPPER => Some((Divider::Split, sign * STEP.1)),
            (true, _) if PaneId::LOWER.contains(&self.pane) => Some((Divider::Split, -sign * STEP.1)),
            (false, 2) if self.pane == PaneId::LEFT => Some((Divider::Left, sign * STEP.0)),
            (false, 2) if self.pane == PaneId::CENTRE => Some((Divider::Right, sign * STEP.0)),
            (false, 2) => Some((Divider::Right, -sign * STEP.0)),
            (false, 1) if self.pane == PaneId::CENTRE => Some((Divider::Side, sign * STEP.0)),
            (false, 1) => Some((Divider::Side, -sign * STEP.0)),
            _ => None,
        };
        let Some((divider, by)) = moved else {
            let size = if in_height { "height" } else { "width" };
            let text = format!("the pane has the whole {size} of the screen");
            return self.mailbox.push(AppAction::Toast(Toast::error(text)));
        };
        if let Some((at, whole)) = layout.place_of(divider) {
            self.dividers.set(divider, u16::try_from(i32::from(at) + by).unwrap_or(0), whole);
        }
    }

    /// Handles a mouse event that takes, moves or drops a line between panes. Returns false for any other.
    pub(super) fn drag(&mut self, event: MouseEvent) -> bool {
        match (event.kind, self.dragged) {
            (MouseEventKind::Down(MouseButton::Left), _) if self.dialogs.is_empty() => {
                let under = |layout: &crate::tui::layout::Layout| layout.divider_at((event.column, event.row).into());
                self.dragged = self.layout.as_ref().and_then(under);
                self.dragged.is_some()
            }
            (MouseEventKind::Drag(MouseButton::Left), Some(divider)) => {
                let Some(layout) = &self.layout else { return true };
                let at = if divider == Divider::Split { event.row.saturating_sub(layout.body.y) } else { event.column };
                if let Some((_, whole)) = layout.place_of(divider) {
                    self.dividers.set(divider, at.min(whole), whole);
                }
                true
            }
            (MouseEventKind::Up(_), Some(_)) => {
                self.dragged = None;
                true
            }
            _ => false,
        }
    }
}
