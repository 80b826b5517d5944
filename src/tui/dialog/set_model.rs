//! Dialog that sets an agent's model: choose a known name or type another.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::form::{known, pick};
use super::{Modal, frame_box};
use crate::domain::AgentId;
use crate::engine::protocol::Request;
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put};
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::fit;
use crate::tui::theme::Role;

/// Size of the dialog in cells.
const SIZE: (u16, u16) = (56, 14);

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct SetModel {
    agent: AgentId,
    name: String,
    now: Option<String>,
    default: String,
    known: Vec<String>,
    typed: Field,
    selected: usize,
}

/// A selectable row.
enum Choice<'a> {
    Default,
    Named(&'a str),
    /// The typed name of a model that no agent has yet.
    Typed,
}

impl SetModel {
    /// Creates the dialog for an agent; `None` if there is no such agent.
    #[must_use]
    pub fn new(model: &Model, agent: &AgentId) -> Option<Self> {
        let agent = model.agent(agent)?;
        let mut dialog = Self {
            agent: agent.id.clone(),
            name: agent.name.clone(),
            now: agent.model.clone(),
            default: model.default_model.clone(),
            known: known::models(model),
            typed: Field::line(""),
            selected: 0,
        };
        let at = |choice: &Choice<'_>| matches!((choice, &dialog.now), (Choice::Named(name), Some(now)) if name == now);
        dialog.selected = dialog.choices().iter().position(at).unwrap_or(0);
        Some(dialog)
    }

    /// Returns the choices. What was typed comes before what only resembles it.
    fn choices<'a>(&'a self) -> Vec<Choice<'a>> {
        let typed = self.typed();
        let (same, fits): (Vec<&String>, Vec<&String>) = self
            .known
            .iter()
            .filter(|name| name.to_lowercase().contains(&typed.to_lowercase()))
            .partition(|name| **name == typed);
        let default = typed.is_empty().then_some(Choice::Default);
        let new = (same.is_empty() && pick::unusable(&typed).is_none()).then_some(Choice::Typed);
        let named = |names: Vec<&'a String>| names.into_iter().map(|name| Choice::Named(name));
        default.into_iter().chain(named(same)).chain(new).chain(named(fits)).collect()
    }

    /// Returns the typed text, trimmed.
    fn typed(&self) -> String {
        self.typed.text().trim().to_owned()
    }

    fn choose(&self, cx: &mut Context<'_>) {
        let model = match self.choices().get(self.selected) {
            Some(Choice::Default) => None,
            Some(Choice::Named(name)) => Some((*name).to_owned()),
            Some(Choice::Typed) | None => Some(self.typed()),
        };
        if let Some(text) = model.as_deref().and_then(pick::unusable) {
            return cx.fault(text);
        }
        cx.act(AppAction::Close);
        cx.act(AppAction::Ask(Requester::App, Box::new(Request::SetModel { agent: self.agent.clone(), model })));
    }
}

impl Modal for SetModel {
    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        let takes = Field::takes(&key);
        if takes && self.typed.key(key) {
            self.selected = 0;
        }
        takes
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.typed.paste(text.trim());
        self.selected = 0;
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        let last = self.choices().len().saturating_sub(1);
        match command {
            Command::Up => self.selected = self.selected.saturating_sub(1),
            Command::Down => self.selected = (self.selected + 1).min(last),
            Command::Open => self.choose(cx),
            Command::Models => {
                cx.act(AppAction::Close);
                cx.act(AppAction::Do(Command::Models));
            }
            _ => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let title = format!("Model of {}", clean_line(&self.name));
        let inside = frame_box(frame, screen, SIZE, &title, look);
        let theme = &look.theme;
        let x = inside.x + 1;
        let room = inside.width.saturating_sub(2);
        let end = put(frame.buffer_mut(), (x, inside.y), room, "Find or type: ", Role::Dim, theme);
        self.typed.draw(frame, Rect { x: end, y: inside.y, width: inside.right() - end, height: 1 }, look, true);
        let choices = self.choices();
        let buffer = frame.buffer_mut();
        let rows = inside.height.saturating_sub(4);
        let skip = self.selected.saturating_sub(usize::from(rows).saturating_sub(1));
        for ((at, choice), y) in choices.iter().enumerate().skip(skip).zip(inside.y + 2..inside.y + 2 + rows) {
            let (text, now) = match choice {
                Choice::Default => (format!("the configuration's: {}", clean_line(&self.default)), self.now.is_none()),
                Choice::Named(name) => (clean_line(name).into_owned(), self.now.as_deref() == Some(name)),
                Choice::Typed => (format!("use: {}", clean_line(&self.typed())), false),
            };
            let mark = if now { look.glyphs.done } else { " " };
            let role = if at == self.selected { Role::Selection } else { Role::Text };
            let line = fit(&format!(" {mark} {text}"), inside.width.into(), look.glyphs.ellipsis);
            put(buffer, (inside.x, y), inside.width, &line, role, theme);
        }
        if choices.is_empty() {
            put(buffer, (x, inside.y + 2), room, "A model is named provider/model.", Role::Dim, theme);
        }
        let hint = "Enter set   Esc leave   F2 connects more models";
        put(buffer, (x, inside.bottom().saturating_sub(1)), room, hint, Role::Dim, theme);
    }
}
