//! Layout and drawing of a form: a label column, a value column, and the explanation of the focused field below.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Form;
use super::entry::{Choice, Entry, Value};
use super::names::Names;
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::frame_box;
use crate::tui::pane::list::cut;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::width::{fit, pad, width};
use crate::tui::text::wrap::{Breaks, Mode, Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Maximum size of the dialog in cells.
const MOST: (u16, u16) = (96, 30);
/// Width of the label column in cells.
const LABEL: u16 = 16;
/// Width of the box, in cells, below which labels are truncated.
const NARROW: u16 = 58;
/// Width of the title column of options, in cells.
const TITLE: usize = 13;
/// Minimum and maximum number of rows of a multi-line text.
const TEXT_ROWS: (usize, usize) = (3, 8);
/// Minimum height of the box, in rows, for empty rows between its parts.
const AIRY: u16 = 14;

/// The layout of the last prepared frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Laid {
    parts: Vec<Part>,
    /// First visible row.
    top: usize,
    /// The explanation of the focused field, or an error without a field.
    told: Vec<Row>,
}

/// The layout of a field.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    /// Index among all fields.
    at: usize,
    /// First row, from the top of the form.
    y: usize,
    /// Number of rows, without those of the error.
    rows: usize,
    /// Rows of the options, for fields without text input.
    fixed: Vec<Row>,
    /// Range of rows, of the selected name or option, that must be visible if the field does not fit.
    hand: (usize, usize),
    fault: Vec<Row>,
}

impl Part {
    fn end(&self) -> usize {
        self.y + self.rows + self.fault.len()
    }
}

/// Returns the areas of the fields, the explanation and the key hints.
fn places(inside: Rect) -> (Rect, Rect, Rect) {
    let air = u16::from(inside.height >= AIRY);
    let foot = 3 + air;
    let body = Rect { y: inside.y + air, height: inside.height.saturating_sub(foot + air), ..inside };
    let told = Rect { y: inside.bottom().saturating_sub(3), height: 2.min(inside.height), ..inside };
    (body, told, Rect { y: inside.bottom().saturating_sub(1), height: 1, ..inside })
}

fn size(screen: Rect) -> (u16, u16) {
    let margin = if screen.width >= 60 { 2 } else { 0 };
    (screen.width.saturating_sub(margin).min(MOST.0), screen.height.saturating_sub(margin).min(MOST.1))
}

/// Returns the width of the label column in cells; smaller in a narrow box, where long labels are truncated.
fn label_cells(inside: Rect) -> u16 {
    if inside.width >= NARROW { LABEL } else { LABEL - 4 }
}

/// Returns the rows of an option: its title, and its description beside it, or below it if there is little room.
fn option_rows(choice: &Choice, mark: &str, role: Role, cells: usize) -> Vec<Row> {
    let about = Span::new(choice.about, if role == Role::Accent { Role::Text } else { Role::Dim });
    let beside = cells >= 3 * TITLE;
    let first = format!("{mark} {}", pad(choice.title, TITLE));
    let rest = " ".repeat(if beside { width(&first) } else { 2 });
    let shape = |first: Vec<Span>| Shape { first, rest: vec![Span::new(rest.as_str(), role)], ..Shape::plain(cells) };
    if beside {
        return wrap(&[about], &shape(vec![Span::new(first, role)]));
    }
    let mut title = Row::default();
    title.push(Span::new(first, role));
    let mut rows = vec![title];
    rows.extend(wrap(&[about], &shape(vec![Span::new(rest.as_str(), role)])));
    rows
}

impl Form {
    /// Lays out the form and scrolls the focused field into view.
    pub(super) fn lay_out(&mut self, screen: Rect, look: &RenderContext) {
        let (wide, high) = size(screen);
        let inside = Rect::new(0, 0, wide.saturating_sub(2), high.saturating_sub(2));
        let (body, told, _) = places(inside);
        let cells = usize::from(inside.width.saturating_sub(label_cells(inside) + 2));
        let mut parts = Vec::new();
        let mut y = 0;
        for (at, entry) in self.shown() {
            let part = self.part(at, entry, y, cells, look);
            y = part.end();
            parts.push(part);
        }
        let height = usize::from(body.height);
        let mut top = self.laid.top;
        if let Some(part) = parts.iter().find(|part| self.entries[part.at].key == self.at) {
            let whole = part.end() - part.y <= height;
            let (from, to) = if whole { (part.y, part.end()) } else { (part.y + part.hand.0, part.y + part.hand.1) };
            top = top.max(to.saturating_sub(height)).min(from);
        }
        let top = top.min(y.saturating_sub(height));
        let told = self.told(usize::from(told.width).saturating_sub(2), look);
        self.laid = Laid { parts, top, told };
    }

    fn part(&self, at: usize, entry: &Entry, y: usize, cells: usize, look: &RenderContext) -> Part {
        let here = entry.key == self.at;
        let (mut fixed, mut hand) = (Vec::new(), (0, 1));
        match &entry.value {
            Value::Choice { options, at } if here => {
                for (nth, choice) in options.iter().enumerate() {
                    let chosen = nth == *at;
                    let (mark, role) = if chosen { (look.glyphs.done, Role::Accent) } else { (" ", Role::Text) };
                    let rows = option_rows(choice, mark, role, cells);
                    if chosen {
                        hand = (fixed.len(), fixed.len() + rows.len());
                    }
                    fixed.extend(rows);
                }
            }
            Value::Choice { options, at } => {
                let chosen = options.get(*at).map(|choice| option_rows(choice, look.glyphs.done, Role::Text, cells));
                fixed = chosen.unwrap_or_default();
            }
            Value::Fixed(choice) => fixed = option_rows(choice, look.glyphs.done, Role::Text, cells),
            Value::Names(names) => hand = (names.at, names.at + 1),
            _ => {}
        }
        let rows = match &entry.value {
            Value::Choice { .. } | Value::Fixed(_) => fixed.len(),
            Value::Names(names) => names.rows(),
            Value::Text(field) => {
                let text = field.text();
                let lines = text
                    .split('\n')
                    .map(|line| Breaks::new(line, cells, cells, Mode::Words).take(TEXT_ROWS.1).count().max(1));
                lines.take(TEXT_ROWS.1).sum::<usize>().clamp(TEXT_ROWS.0, TEXT_ROWS.1)
            }
            Value::Line(_) | Value::Number(_) | Value::Switch(_) => 1,
        };
        let fault = match &self.fault {
            Some((Some(key), text)) if *key == entry.key => fault_rows(text, cells, look),
            _ => Vec::new(),
        };
        Part { at, y, rows, fixed, hand, fault }
    }

    /// Returns the explanation of the focused field, or the error that has no field.
    fn told(&self, cells: usize, look: &RenderContext) -> Vec<Row> {
        if let Some((None, text)) = &self.fault {
            return fault_rows(text, cells, look);
        }
        let about = self.entry(self.at).map_or("", |entry| entry.about.as_str());
        wrap(&[Span::new(about, Role::Dim)], &Shape::plain(cells))
    }

    /// Draws the form as laid out by [`Form::lay_out`].
    pub(super) fn paint(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext) {
        let inside = frame_box(frame, screen, size(screen), &self.title, look);
        let (body, told, keys) = places(inside);
        for part in &self.laid.parts {
            self.paint_part(frame, body, part, look);
        }
        let theme = &look.theme;
        let buffer = frame.buffer_mut();
        let last = self.laid.parts.last().map_or(0, Part::end);
        let edge = inside.right().saturating_sub(1);
        if self.laid.top > 0 {
            put(buffer, (edge, body.y), 1, look.glyphs.up, Role::Dim, theme);
        }
        if last > self.laid.top + usize::from(body.height) {
            put(buffer, (edge, body.bottom().saturating_sub(1)), 1, look.glyphs.down, Role::Dim, theme);
        }
        let room = inside.width.saturating_sub(2);
        for (row, y) in self.laid.told.iter().zip(told.y..told.bottom()) {
            put_row(buffer, (inside.x + 1, y), room, row, theme);
        }
        put_row(buffer, (inside.x + 1, keys.y), room, &self.keys(look, room.into()), theme);
        let picker = self.entry(self.at).and_then(Entry::names).and_then(Names::picker);
        if let Some(picker) = picker {
            picker.draw(frame, screen, look, None);
        }
    }

    /// Returns the row of key hints.
    fn keys(&self, look: &RenderContext, room: usize) -> Row {
        if self.saving.is_some() {
            return cut(vec![Span::new(format!("{} saving", look.glyphs.waiting), Role::Dim)], room, "");
        }
        let key = |command: Command| command.key_text(KeyContext::FORM).unwrap_or_default();
        let mut all =
            vec![(key(Command::NextField), "next"), (key(Command::Save), "save"), (key(Command::LeaveEditor), "leave")];
        let arrows = || format!("{} {}", look.glyphs.left, look.glyphs.right);
        match self.entry(self.at).map(|entry| &entry.value) {
            Some(Value::Choice { .. }) => all.push((arrows(), "choose")),
            Some(Value::Switch(_)) => all.push((arrows(), "change")),
            Some(Value::Text(_)) => all.push((key(Command::Editor), "$EDITOR")),
            Some(Value::Names(names)) if names.at < names.items.len() => {
                all.push((key(Command::RemoveName), "remove"));
                if names.items.len() > 1 {
                    all.push((format!("{} {}", key(Command::MoveUp), key(Command::MoveDown)), "move"));
                }
            }
            Some(Value::Names(_)) => all.push(("Enter".to_owned(), "add")),
            _ => {}
        }
        let mut row = Row::default();
        for (key, what) in all {
            let gap = if row.spans.is_empty() { "" } else { "   " };
            if row.width() + width(gap) + width(&key) + 1 + width(what) > room {
                break;
            }
            row.push(Span::new(gap, Role::Dim));
            row.push(Span::new(key, Role::Accent));
            row.push(Span::new(format!(" {what}"), Role::Dim));
        }
        row
    }

    fn paint_part(&self, frame: &mut Frame<'_>, body: Rect, part: &Part, look: &RenderContext) {
        let Some(entry) = self.entries.get(part.at) else { return };
        let here = entry.key == self.at;
        let top = self.laid.top;
        let row = |nth: usize| {
            let y = (part.y + nth).checked_sub(top).filter(|y| *y < usize::from(body.height));
            y.map(|y| body.y + y as u16)
        };
        let theme = &look.theme;
        let label = label_cells(body);
        let x = body.x + 1 + label;
        let room = body.width.saturating_sub(label + 2);
        // The label of a partly visible field is drawn on its first visible row.
        if let Some(y) = (0..part.rows).find_map(row) {
            let (mark, role) = if here { (look.glyphs.prompt, Role::Focus) } else { (" ", Role::Dim) };
            put(frame.buffer_mut(), (body.x, y), 1, mark, Role::Focus, theme);
            let text = fit(entry.label, usize::from(label) - 1, look.glyphs.ellipsis);
            put(frame.buffer_mut(), (body.x + 1, y), label - 1, &text, role, theme);
        }
        let typing = here && self.saving.is_none() && entry.names().is_none_or(|names| names.picker().is_none());
        match &entry.value {
            Value::Line(field) | Value::Number(field) => {
                if let Some(y) = row(0) {
                    if entry.text().is_empty() {
                        put(frame.buffer_mut(), (x, y), room, &clean_line(&entry.empty), Role::Dim, theme);
                    }
                    if here {
                        field.draw_bare(frame, Rect::new(x, y, room, 1), look, typing);
                    } else {
                        // Without the caret the text is shown from its start.
                        let text = fit(&clean_line(&field.text()), room.into(), look.glyphs.ellipsis);
                        put(frame.buffer_mut(), (x, y), room, text.trim_end(), Role::Text, theme);
                    }
                }
            }
            Value::Text(field) => {
                let shown: Vec<u16> = (0..part.rows).filter_map(row).collect();
                if let Some(y) = shown.first() {
                    if field.text().is_empty() {
                        put(frame.buffer_mut(), (x, *y), room, &clean_line(&entry.empty), Role::Dim, theme);
                    }
                    field.draw_bare(frame, Rect::new(x, *y, room, shown.len() as u16), look, typing);
                }
            }
            Value::Switch(on) => {
                let word = if *on { "yes" } else { "no" };
                let text =
                    if here { format!("{} {word} {}", look.glyphs.left, look.glyphs.right) } else { word.to_owned() };
                if let Some(y) = row(0) {
                    put(frame.buffer_mut(), (x, y), room, &text, Role::Text, theme);
                }
            }
            Value::Choice { .. } | Value::Fixed(_) => {
                for (nth, line) in part.fixed.iter().enumerate() {
                    if let Some(y) = row(nth) {
                        put_row(frame.buffer_mut(), (x, y), room, line, theme);
                    }
                }
            }
            Value::Names(names) => {
                let caret = here.then_some(names.at);
                let cells = name_cells(names, caret, room);
                for nth in 0..names.rows() {
                    if let Some(y) = row(nth) {
                        let place = Rect::new(x, y, room, 1);
                        paint_name(frame, place, (entry, names, nth), cells, (caret == Some(nth), typing), look);
                    }
                }
            }
        }
        for (nth, line) in part.fault.iter().enumerate() {
            if let Some(y) = row(part.rows + nth) {
                put_row(frame.buffer_mut(), (x, y), room, line, theme);
            }
        }
    }
}

/// Formats an error with its glyph.
fn fault_rows(text: &str, cells: usize, look: &RenderContext) -> Vec<Row> {
    let shape = Shape {
        first: vec![Span::new(format!("{} ", look.glyphs.failed), Role::Error)],
        rest: vec![Span::new("  ", Role::Error)],
        ..Shape::plain(cells)
    };
    wrap(&[Span::new(clean(text), Role::Error)], &shape)
}

/// Formats an item of the list: number, name, and a note after an unknown name.
fn name_spans(names: &Names, nth: usize) -> Vec<Span> {
    let Some(item) = names.items.get(nth) else { return Vec::new() };
    let mut spans = Vec::new();
    if !names.kind.one && names.kind.roles {
        spans.push(Span::new(format!("{:>2} ", nth + 1), Role::Dim));
    }
    spans.push(Span::new(clean_line(&item.name), Role::Text));
    if !names.kind.unknown.is_empty() && !names.knows(&item.name) {
        spans.push(Span::new(format!(" ({})", names.kind.unknown), Role::Dim));
    }
    spans
}

/// Returns the width of the name column in cells; leaves room for roles if there are any or one can be typed.
fn name_cells(names: &Names, caret: Option<usize>, room: u16) -> usize {
    let wide = |nth| name_spans(names, nth).iter().map(|span| width(&span.text)).sum::<usize>();
    let roles = names.roles().any(|(_, role)| !role.is_empty()) || caret.is_some_and(|at| at < names.items.len());
    let most = if names.kind.roles && roles { usize::from(room) * 3 / 5 } else { room.into() };
    (0..names.items.len()).map(wide).max().unwrap_or(0).min(most)
}

fn paint_name(
    frame: &mut Frame<'_>,
    place: Rect,
    (entry, names, nth): (&Entry, &Names, usize),
    cells: usize,
    (caret, typing): (bool, bool),
    look: &RenderContext,
) {
    let (theme, ellipsis) = (&look.theme, look.glyphs.ellipsis);
    let Some(item) = names.items.get(nth) else {
        let first = names.items.is_empty();
        let text = if first { clean_line(&entry.empty).into_owned() } else { "+ add another".to_owned() };
        let role = if caret { Role::Accent } else { Role::Dim };
        put(frame.buffer_mut(), (place.x, place.y), place.width, &text, role, theme);
        if caret && typing {
            frame.set_cursor_position((place.x, place.y));
        }
        return;
    };
    let row = cut(name_spans(names, nth), cells, ellipsis);
    put_row(frame.buffer_mut(), (place.x, place.y), place.width, &row, theme);
    if caret {
        let shown = Rect { width: (row.width() as u16).min(place.width), ..place };
        frame.buffer_mut().set_style(shown, theme.style(Role::Selection));
    }
    if !names.kind.roles {
        return;
    }
    let x = (place.x + cells as u16 + 2).min(place.right());
    let role = Rect { x, width: place.right().saturating_sub(x), ..place };
    if caret && item.role.text().is_empty() {
        put(frame.buffer_mut(), (role.x, role.y), role.width, "its role", Role::Dim, theme);
    }
    item.role.draw_bare(frame, role, look, caret && typing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_and_the_explanation_never_stand_over_the_fields() {
        for height in 0..40 {
            let (body, told, keys) = places(Rect::new(0, 0, 38, height));
            assert!(height < 4 || (body.bottom() <= told.y && told.bottom() <= keys.y), "{height}");
            assert!(height < 4 || body.height > 0, "{height}");
        }
    }
}
