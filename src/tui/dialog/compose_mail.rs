//! Dialog for writing mail from the user to an agent.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::confirm::{Choice, Confirm};
use super::{Modal, frame_box};
use crate::domain::{AgentId, Mail, MailId, Priority};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Draft};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::mail::rows::name;
use crate::tui::pane::{RenderContext, put};
use crate::tui::theme::Role;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct ComposeMail {
    to: AgentId,
    in_reply_to: Option<MailId>,
    priority: Priority,
    text: Field,
}

impl ComposeMail {
    /// Creates the dialog, filled with a draft.
    #[must_use]
    pub fn new(draft: &Draft) -> Self {
        let Draft { to, text, priority, in_reply_to } = draft.clone();
        let mut field = Field::lines("");
        // Pasting puts the caret at the end.
        field.paste(&text);
        Self { to, in_reply_to, priority, text: field }
    }

    fn draft(&self) -> Draft {
        let text = self.text.text().trim_end().to_owned();
        Draft { to: self.to.clone(), text, priority: self.priority, in_reply_to: self.in_reply_to.clone() }
    }

    fn size(screen: Rect) -> (u16, u16) {
        (screen.width.saturating_sub(4).min(72), screen.height.saturating_sub(2).min(14))
    }

    /// Closes the dialog; asks first if there is text.
    fn leave(&self, cx: &mut Context<'_>) {
        if self.text.text().trim().is_empty() {
            return cx.act(AppAction::Close);
        }
        let choices = vec![
            Choice::new('k', "keep writing", Vec::new()),
            Choice::new('t', "throw it away", vec![AppAction::Close]),
        ];
        cx.open(Confirm::new("This mail has not been sent.", choices));
    }
}

/// Opens the dialog for new mail to an agent.
pub fn write(to: AgentId, cx: &mut Context<'_>) {
    let draft = Draft { to, text: String::new(), priority: Priority::Normal, in_reply_to: None };
    cx.open(ComposeMail::new(&draft));
}

/// Opens the dialog for an answer to mail addressed to the user.
pub fn answer(mail: &Mail, cx: &mut Context<'_>) {
    match (&mail.from, &mail.to) {
        (Some(from), None) => {
            let (to, in_reply_to) = (from.clone(), Some(mail.id.clone()));
            let draft = Draft { to, text: String::new(), priority: mail.priority, in_reply_to };
            cx.open(ComposeMail::new(&draft));
        }
        _ => cx.fault("this mail is not addressed to you; w writes mail to the selected agent"),
    }
}

impl Modal for ComposeMail {
    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        let held = key.modifiers;
        match key.code {
            KeyCode::Esc => self.leave(cx),
            KeyCode::Tab => {
                let at = Priority::ALL.iter().position(|one| *one == self.priority).unwrap_or(0);
                self.priority = Priority::ALL[(at + 1) % Priority::ALL.len()];
            }
            KeyCode::Char('j') if held == KeyModifiers::CONTROL => {
                self.text.key(KeyEvent::from(KeyCode::Enter));
            }
            KeyCode::Enter if held == KeyModifiers::ALT => {
                self.text.key(KeyEvent::from(KeyCode::Enter));
            }
            KeyCode::Up | KeyCode::Down => {
                self.text.key(key);
            }
            _ if Field::takes(&key) => {
                self.text.key(key);
            }
            _ => return false,
        }
        true
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.text.paste(text);
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if command != Command::Open {
            return;
        }
        let draft = self.draft();
        if draft.text.trim().is_empty() {
            return cx.fault("the mail is empty: write something, or leave with Esc");
        }
        cx.act(AppAction::Close);
        cx.act(AppAction::Post(Box::new(draft)));
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model) {
        let what = if self.in_reply_to.is_some() { "Answer to" } else { "Mail to" };
        let title = format!("{what} {}", name(Some(&self.to), model));
        let inside = frame_box(frame, screen, Self::size(screen), &title, look);
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let theme = &look.theme;
        let end = put(frame.buffer_mut(), (x, inside.y), room, "Priority: ", Role::Dim, theme);
        let role = if self.priority == Priority::Normal { Role::Text } else { Role::Accent };
        let after = put(frame.buffer_mut(), (end, inside.y), room, self.priority.as_str(), role, theme);
        put(frame.buffer_mut(), (after + 3, inside.y), room, "Tab changes it", Role::Dim, theme);
        let text = Rect { x, y: inside.y + 2, width: room, height: inside.height.saturating_sub(4) };
        self.text.draw(frame, text, look, true);
        let hint = "Enter send   Ctrl-J new line   Esc leave";
        put(frame.buffer_mut(), (x, inside.bottom().saturating_sub(1)), room, hint, Role::Dim, theme);
    }
}
