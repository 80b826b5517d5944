//! A pane that exists in tests only, and proves that a file and a line in the table of [`super::id`] make a pane.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Look, Pane, PaneId, put};
use crate::tui::command::{Command, When};
use crate::tui::effect::Cx;
use crate::tui::model::Model;
use crate::tui::text::Role;

/// It counts the commands it is given.
#[derive(Debug, Default)]
pub struct Probe {
    commands: usize,
}

impl Pane for Probe {
    fn context(&self) -> When {
        When::pane(PaneId::Probe)
    }

    fn command(&mut self, _command: Command, _cx: &mut Cx<'_>) {
        self.commands += 1;
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, _model: &Model, _focused: bool) {
        let text = format!("{} commands", self.commands);
        put(frame.buffer_mut(), (area.x, area.y), area.width, &text, Role::Text, &look.theme);
    }
}
