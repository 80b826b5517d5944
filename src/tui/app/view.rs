//! Draws the workbench: title, lines, panes, composer, status, dialogs. Computes nothing that can be kept.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::App;
use crate::tui::effect::Tone;
use crate::tui::layout::Layout;
use crate::tui::pane::{PaneId, put, put_row};
use crate::tui::text::Row;
use crate::tui::text::width::width;
use crate::tui::theme::Role;

/// A pane's area without its title row and, where there is room, without the empty row below.
#[must_use]
pub fn inside(area: Rect) -> Rect {
    let head = if area.height >= 8 { 2 } else { 1 };
    Rect { y: area.y + head, height: area.height.saturating_sub(head), ..area }
}

/// Draws one frame of what [`App::prepare`] has laid out.
pub fn view(app: &App, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let theme = &app.look.theme;
    frame.buffer_mut().set_style(screen, theme.base());
    let Some(layout) = app.layout() else {
        let notice = "Nightdesk needs 40x10 cells";
        put(frame.buffer_mut(), (screen.x, screen.y), screen.width, notice, Role::Warning, theme);
        return;
    };
    title_line(app, frame, layout);
    lines(app, frame, layout);
    for id in PaneId::ALL {
        if let Some(area) = layout.pane(id) {
            pane(app, frame, id, area);
        }
    }
    let composing = app.composing && app.dialogs.is_empty();
    app.composer.draw(frame, layout.composer, &app.look, composing);
    status_line(app, frame, layout);
    for dialog in &app.dialogs {
        dialog.modal().draw(frame, screen, &app.look, &app.model);
    }
}

fn pane(app: &App, frame: &mut Frame<'_>, id: PaneId, area: Rect) {
    let focused = !app.composing && app.pane == id && app.dialogs.is_empty();
    let look = &app.look;
    let (pane, theme) = (app.panes.get(id), &look.theme);
    let name = pane.title(&app.model).unwrap_or_else(|| id.name().to_owned());
    let mark = if focused { look.glyphs.prompt } else { " " };
    let role = if focused { Role::Focus } else { Role::Title };
    let title = format!("{mark}{} {name}", id.number());
    let note = Row { spans: pane.note(look, &app.model), fence: None };
    let buffer = frame.buffer_mut();
    let end = put(buffer, (area.x, area.y), area.width, &title, role, theme);
    let wide = note.width() as u16;
    let at = area.right().saturating_sub(wide + 1);
    if at > end {
        put_row(buffer, (at, area.y), wide, &note, theme);
    }
    pane.draw(frame, inside(area), look, &app.model, focused);
}

fn lines(app: &App, frame: &mut Frame<'_>, layout: &Layout) {
    let (glyphs, theme) = (app.look.glyphs, &app.look.theme);
    let style = theme.style(Role::Border);
    let buffer = frame.buffer_mut();
    let body = layout.body;
    for y in [layout.rules.0, layout.rules.1] {
        for x in body.x..body.right() {
            let tee = if y < body.y { glyphs.tee_down } else { glyphs.tee_up };
            let sign = if layout.columns.contains(&x) { tee } else { glyphs.horizontal };
            buffer.set_string(x, y, sign, style);
        }
    }
    for x in &layout.columns {
        for y in body.y..body.bottom() {
            buffer.set_string(*x, y, glyphs.vertical, style);
        }
    }
    if let (Some(y), Some(x)) = (layout.split, layout.columns.last()) {
        buffer.set_string(*x, y, glyphs.tee_right, style);
        for x in x + 1..body.right() {
            buffer.set_string(x, y, glyphs.horizontal, style);
        }
    }
}

fn title_line(app: &App, frame: &mut Frame<'_>, layout: &Layout) {
    let area = layout.title;
    let name = app.group().map_or("nightdesk", |group| group.name.as_str());
    put(frame.buffer_mut(), (area.x + 1, area.y), area.width, name, Role::Title, &app.look.theme);
}

fn status_line(app: &App, frame: &mut Frame<'_>, layout: &Layout) {
    let area = layout.status;
    let theme = &app.look.theme;
    let (text, role) = match &app.toast {
        Some((toast, _)) if toast.tone == Tone::Error => (toast.text.as_str(), Role::Error),
        Some((toast, _)) => (toast.text.as_str(), Role::Text),
        None => ("", Role::Dim),
    };
    let room = area.width.saturating_sub(2).min(width(text) as u16);
    put(frame.buffer_mut(), (area.x + 1, area.y), room, text, role, theme);
}
