//! Dialog with a question and a few choices, each selected by its letter.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Modal, frame_box};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Effect};
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::width;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::theme::Role;

/// A question with choices. Esc closes the dialog without effect.
#[derive(Debug)]
pub struct Confirm {
    /// Question text.
    pub question: String,
    /// Choices; the first is selected initially.
    pub choices: Vec<Choice>,
    /// Index of the selected choice.
    pub selected: usize,
}

/// A choice.
#[derive(Debug)]
pub struct Choice {
    /// Letter that selects it.
    pub key: char,
    /// Label.
    pub text: String,
    /// Actions performed after the dialog has closed.
    pub acts: Vec<AppAction>,
}

impl Confirm {
    /// Creates the dialog.
    #[must_use]
    pub fn new(question: impl Into<String>, choices: Vec<Choice>) -> Self {
        Self { question: question.into(), choices, selected: 0 }
    }

    /// Creates the dialog that lists what an action does before it is done; it is not done unless chosen.
    #[must_use]
    pub fn listing(question: &str, lines: &[String], yes: &str, acts: Vec<AppAction>) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| clean_line(line).into_owned()).collect();
        let question = format!("{question}\n{}", lines.join("\n"));
        let choices = vec![Choice::new('n', "no, change nothing", Vec::new()), Choice::new('y', yes, acts)];
        Self::new(question.trim_end(), choices)
    }

    fn choose(&mut self, at: usize, cx: &mut Context<'_>) {
        cx.act(AppAction::Close);
        if let Some(choice) = self.choices.get_mut(at) {
            cx.acts(std::mem::take(&mut choice.acts));
        }
    }
}

impl Choice {
    /// Creates a choice.
    #[must_use]
    pub fn new(key: char, text: impl Into<String>, acts: Vec<AppAction>) -> Self {
        Self { key, text: text.into(), acts }
    }
}

impl Modal for Confirm {
    fn asks_to_quit(&self) -> bool {
        let quits = |act: &AppAction| matches!(act, AppAction::Effect(Effect::Quit(_)));
        self.choices.iter().any(|choice| choice.acts.iter().any(quits))
    }

    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        let KeyCode::Char(letter) = key.code else { return false };
        let chosen = self.choices.iter().position(|choice| choice.key == letter && key.modifiers.is_empty());
        if let Some(at) = chosen {
            self.choose(at, cx);
        }
        chosen.is_some()
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        match command {
            Command::Up => self.selected = self.selected.saturating_sub(1),
            Command::Down => self.selected = (self.selected + 1).min(self.choices.len().saturating_sub(1)),
            Command::Open => self.choose(self.selected, cx),
            _ => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let longest = self.choices.iter().map(|choice| width(&choice.text) + 4).max().unwrap_or(0);
        let lines = self.question.lines().map(width).max().unwrap_or(0);
        let wide = (longest.max(lines) + 4).min(usize::from(screen.width));
        let shape = Shape::plain(wide.saturating_sub(4).max(1));
        let mut question = wrap(&[Span::new(self.question.as_str(), Role::Text)], &shape);
        // A long question is truncated, so that the choices stay visible.
        let room = usize::from(screen.height).saturating_sub(self.choices.len() + 3).max(1);
        if question.len() > room {
            let more = question.len() + 1 - room;
            question.truncate(room - 1);
            question.extend(wrap(&[Span::new(format!("{} {more} more lines", look.glyphs.down), Role::Dim)], &shape));
        }
        let high = question.len() + self.choices.len() + 3;
        let inside = frame_box(frame, screen, (wide as u16, high as u16), "?", look);
        let buffer = frame.buffer_mut();
        let room = inside.width.saturating_sub(1);
        for (row, y) in question.iter().zip(inside.y..inside.bottom()) {
            put_row(buffer, (inside.x + 1, y), room, row, &look.theme);
        }
        let first = inside.y + question.len() as u16 + 1;
        for ((at, choice), y) in self.choices.iter().enumerate().zip(first..inside.bottom()) {
            let role = if at == self.selected { Role::Selection } else { Role::Text };
            let line = format!(" {}  {} ", choice.key, choice.text);
            put(buffer, (inside.x, y), inside.width, &line, role, &look.theme);
        }
    }
}
