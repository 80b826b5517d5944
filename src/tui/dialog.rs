//! Dialogs: what stands on top of the panes and takes the keys first.

pub mod add_member;
pub mod call;
pub mod commands;
pub mod confirm;
pub mod deny;
pub mod form;
pub mod job;
pub mod letter;
pub mod merge;
pub mod models;
pub mod set_model;
pub mod write;

use crossterm::event::KeyEvent;
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::engine::wire::{Fault, Reply, Update};

use super::command::{Command, When};
use super::effect::Cx;
use super::model::Model;
use super::pane::Look;

/// A dialog. The workbench keeps a stack of them; the one on top takes all keys but those that apply anywhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// A question with a few answers.
    Confirm(confirm::Confirm),
    /// Help and palette.
    Commands(commands::Commands),
    /// Connects a language model.
    Models(Box<models::Models>),
    /// A job opened.
    Job(Box<job::OpenJob>),
    /// Settles a clash of two edits of a block.
    Merge(Box<merge::Clash>),
    /// Sets one agent's model.
    SetModel(set_model::SetModel),
    /// Makes or changes a group or an agent.
    Form(Box<form::Form>),
    /// Adds a member to a group.
    AddMember(Box<add_member::AddMember>),
    /// A call that waits for the person, opened.
    Call(Box<call::OpenCall>),
    /// Refuses a call, with a reason.
    Deny(Box<deny::Deny>),
    /// A piece of mail opened.
    Letter(Box<letter::Letter>),
    /// Writes mail.
    Write(Box<write::Write>),
}

/// What every dialog can do.
pub trait Modal {
    /// Which commands apply.
    fn context(&self) -> When {
        When::DIALOG
    }

    /// A key comes here before the table of commands is asked; true when it was taken.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Cx<'_>) -> bool {
        false
    }

    /// Pasted text.
    fn paste(&mut self, _text: &str, _cx: &mut Cx<'_>) {}

    /// A command that applies in [`Modal::context`]; [`Command::Close`] is done by the workbench.
    fn command(&mut self, command: Command, cx: &mut Cx<'_>);

    /// A request of [`Cx::ask`] is answered.
    fn answered(&mut self, _serial: u64, _reply: Result<Reply, Fault>, _cx: &mut Cx<'_>) {}

    /// The external editor was left with this text.
    fn edited(&mut self, _text: String, _cx: &mut Cx<'_>) {}

    /// The engine told something, and the model has it already.
    fn updated(&mut self, _update: &Update, _cx: &mut Cx<'_>) {}

    /// True when what it is about is gone: the workbench takes it away.
    fn is_over(&self, _model: &Model) -> bool {
        false
    }

    /// A frame is about to be drawn: lay out what drawing will show.
    fn prepare(&mut self, _screen: Rect, _look: &Look, _cx: &mut Cx<'_>) {}

    /// When it looks different without anything happening.
    fn wake(&self) -> Option<Timestamp> {
        None
    }

    /// Draws it over `screen`, which is all of it.
    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &Look, model: &Model);
}

impl Dialog {
    /// The dialog as what it can do.
    #[must_use]
    pub fn modal(&self) -> &dyn Modal {
        match self {
            Self::Confirm(confirm) => confirm,
            Self::Commands(commands) => commands,
            Self::Models(models) => models.as_ref(),
            Self::Job(job) => job.as_ref(),
            Self::Merge(clash) => clash.as_ref(),
            Self::SetModel(dialog) => dialog,
            Self::Form(form) => form.as_ref(),
            Self::AddMember(dialog) => dialog.as_ref(),
            Self::Call(call) => call.as_ref(),
            Self::Deny(deny) => deny.as_ref(),
            Self::Letter(letter) => letter.as_ref(),
            Self::Write(write) => write.as_ref(),
        }
    }

    /// The dialog as what it can do, to change.
    pub fn modal_mut(&mut self) -> &mut dyn Modal {
        match self {
            Self::Confirm(confirm) => confirm,
            Self::Commands(commands) => commands,
            Self::Models(models) => models.as_mut(),
            Self::Job(job) => job.as_mut(),
            Self::Merge(clash) => clash.as_mut(),
            Self::SetModel(dialog) => dialog,
            Self::Form(form) => form.as_mut(),
            Self::AddMember(dialog) => dialog.as_mut(),
            Self::Call(call) => call.as_mut(),
            Self::Deny(deny) => deny.as_mut(),
            Self::Letter(letter) => letter.as_mut(),
            Self::Write(write) => write.as_mut(),
        }
    }
}

/// Clears a box in the middle of `screen` for a dialog, draws its frame and title, and returns what is inside.
pub fn frame_box(frame: &mut Frame<'_>, screen: Rect, (width, height): (u16, u16), title: &str, look: &Look) -> Rect {
    use ratatui::widgets::{Block, BorderType, Clear};

    use super::theme::Role;

    let area = screen.centered(
        ratatui::layout::Constraint::Length(width.min(screen.width)),
        ratatui::layout::Constraint::Length(height.min(screen.height)),
    );
    let glyphs = look.glyphs;
    let set = ratatui::symbols::border::Set {
        vertical_left: glyphs.vertical,
        vertical_right: glyphs.vertical,
        horizontal_top: glyphs.horizontal,
        horizontal_bottom: glyphs.horizontal,
        ..if glyphs.horizontal == "-" { ASCII_BORDER } else { BorderType::Plain.to_border_set() }
    };
    let block = Block::bordered()
        .border_set(set)
        .border_style(look.theme.style(Role::Border))
        .title(format!(" {title} "))
        .title_style(look.theme.style(Role::Focus))
        .style(look.theme.base());
    let inside = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inside
}

const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};
