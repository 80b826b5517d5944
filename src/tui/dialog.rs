//! Dialogs, drawn above the panes; the top one receives keys first.
//!
//! Each dialog is a submodule with a type that implements [`Modal`]; [`super::effect::Context::open`] pushes it onto the
//! stack.

pub mod access;
pub mod add_member;
pub mod call;
pub mod commands;
pub mod compose_mail;
pub mod confirm;
pub mod deny;
pub mod form;
pub mod job;
pub mod mail_view;
pub mod merge;
pub mod models;
pub mod save_text;
pub mod seen;
pub mod set_model;
pub mod share;

use ratatui::Frame;
use ratatui::layout::Rect;

pub use super::effect::Modal;
use super::render::RenderContext;

/// Clears a box of the given size centred on `screen`, draws its border and title, and returns its inner area.
pub fn frame_box(
    frame: &mut Frame<'_>,
    screen: Rect,
    (width, height): (u16, u16),
    title: &str,
    look: &RenderContext,
) -> Rect {
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
