//! Draws the workbench: title, lines, panes, composer, status and dialogs, as laid out by [`App::prepare`].

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{App, chrome};
use crate::tui::layout::inside;
use crate::tui::pane::{PaneId, put, put_row};
use crate::tui::text::Row;
use crate::tui::theme::Role;

/// Draws one frame; requires a preceding [`App::prepare`].
pub fn view(app: &App, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let theme = &app.look.theme;
    frame.buffer_mut().set_style(screen, theme.base());
    let Some(layout) = app.layout() else {
        let notice = "Nightdesk needs at least 40x10 cells";
        put(frame.buffer_mut(), (screen.x, screen.y), screen.width, notice, Role::Warning, theme);
        return;
    };
    chrome::title_line(app, frame, layout);
    chrome::lines(app, frame.buffer_mut(), layout);
    for id in PaneId::ALL {
        if let Some(area) = layout.pane(id) {
            pane(app, frame, id, area);
        }
    }
    let composing = app.composing && app.dialogs.is_empty();
    let room = layout.columns.first().map_or(layout.body.width / 2, |column| column.saturating_sub(1)).max(18);
    app.composer.draw(frame, layout.composer, &app.look, &app.model, (room, composing));
    chrome::status_line(app, frame, layout);
    for dialog in &app.dialogs {
        dialog.draw(frame, screen, &app.look, &app.model);
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
    let tabs = app.layout().map(|layout| layout.tabs.as_slice()).unwrap_or_default();
    if !tabs.is_empty() && PaneId::LOWER.contains(&id) {
        chrome::tabs(app, buffer, tabs, area, focused);
        return pane.draw(frame, inside(area), look, &app.model, focused);
    }
    let end = put(buffer, (area.x, area.y), area.width, &title, role, theme);
    let wide = note.width() as u16;
    let at = area.right().saturating_sub(wide + 1);
    if at > end {
        put_row(buffer, (at, area.y), wide, &note, theme);
    }
    pane.draw(frame, inside(area), look, &app.model, focused);
}
