//! The blocks pane.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Look, Pane, put};
use crate::tui::command::{Command, When};
use crate::tui::effect::Cx;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// The pane's own state.
#[derive(Debug, Default)]
pub struct Blocks {
    /// The selected row.
    pub selected: usize,
}

impl Blocks {
    /// A dialog found something out.
    pub fn told(&mut self, _act: &crate::tui::effect::BlockAct) {}
}

impl Pane for Blocks {
    fn context(&self) -> When {
        When::BLOCKS
    }

    fn command(&mut self, command: Command, _cx: &mut Cx<'_>) {
        match command {
            Command::Down => self.selected += 1,
            Command::Up => self.selected = self.selected.saturating_sub(1),
            _ => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, model: &Model, _focused: bool) {
        let lines: Vec<String> =
            model.blocks.iter().map(|block| format!("{} v{}", block.label, block.version)).collect();
        for (row, line) in (area.y..area.bottom()).zip(lines) {
            put(frame.buffer_mut(), (area.x + 1, row), area.width.saturating_sub(1), &line, Role::Text, &look.theme);
        }
    }
}
