//! Drawing of the conversation: columns of times, names and text.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::rendered::{bar, barred};
use super::{Conversation, Gutter, Line, Place, greeting, search};
use crate::domain::{AgentId, Content, NoticeKind};
use crate::tui::command::Command;
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{truncate, width};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Column of the speaker's mark, after the cursor sign, the time and a blank.
const MARK: usize = 7;

/// Returns the column of the text, for a name column of `names` cells: mark, blank, name, two blanks.
#[must_use]
pub fn text_column(names: usize) -> usize {
    MARK + 2 + names + 2
}

impl Conversation {
    /// Builds the lines of the visible rows.
    pub(super) fn paint_lines(&mut self, look: &RenderContext, model: &Model) {
        let shown = std::mem::take(&mut self.shown);
        let words = self.search.words();
        let mut lines = Vec::with_capacity(shown.len());
        for run in shown.chunk_by(|one, other| one.at == other.at) {
            let first = run[0];
            let lead = usize::from(self.has_gap_before(first.at));
            let speaks = !self.continues(first.at) || first.at == 1;
            let rows = self.rows_at(first, run.len(), lead);
            for (place, row) in run.iter().zip(rows) {
                // The top row always shows the speaker.
                let begins = if lines.is_empty() { place.row >= lead } else { place.row == lead && speaks };
                let gutter = begins.then(|| self.gutter(place.at, look, model)).flatten();
                let row = if words.is_empty() { row } else { search::marked(&row, &words) };
                self.counters.cells_drawn += row.width() as u64;
                lines.push(Line { place: *place, gutter, row });
            }
        }
        self.lines = lines;
        self.shown = shown;
    }

    fn rows_at(&mut self, first: Place, count: usize, lead: usize) -> Vec<Row> {
        let mut rows = Vec::with_capacity(count);
        if first.row < lead {
            // The bar continues between two parts of one delegation.
            let inside = self.within(first.at).is_some_and(|step| self.within(first.at - 1) == Some(step));
            rows.push(if inside { barred(Row::default(), bar(self.glyphs)) } else { Row::default() });
        }
        let from = first.row.saturating_sub(lead);
        let end = first.row + count - lead.min(first.row + count);
        if first.at > self.head {
            let part = usize::try_from(first.at - self.head - 1).unwrap_or(usize::MAX);
            rows.extend((from..end).map(|at| self.foot.row(part, at, self.glyphs).unwrap_or_default()));
        } else if let Some(message) = self.window.get(first.at) {
            let open = self.open.contains(&first.at);
            let told = self.window.gathered(message);
            rows.extend(self.cache.get(message, told.as_deref(), open, self.cells, self.glyphs).rows(from..end));
        }
        rows.resize(count, Row::default());
        rows
    }

    fn gutter(&self, at: u64, look: &RenderContext, model: &Model) -> Option<Gutter> {
        let fit = |name: &str| truncate(&clean_line(name), self.names, look.glyphs.ellipsis).into_owned();
        if at > self.head {
            let part = self.foot.parts.get(usize::try_from(at - self.head - 1).ok()?)?;
            if part.stated {
                return None;
            }
            let (mark, role) = speaker(part.agent.as_ref(), look, model);
            let time = if part.queued { format!("    {}", look.glyphs.waiting) } else { "     ".to_owned() };
            let role = if part.queued { Role::Dim } else { role };
            return Some(Gutter { time, mark, name: fit(&part.name), role });
        }
        let message = self.window.get(at)?;
        let told_of = message.agent.as_ref().filter(|_| {
            matches!(
                message.content,
                Content::Notice { notice: NoticeKind::Choice | NoticeKind::Delegated | NoticeKind::Ended, .. }
            )
        });
        if let (Content::Notice { .. }, None) = (&message.content, told_of) {
            // A statement of the workbench has no speaker; its text names the agent concerned.
            return Some(Gutter { time: look.clock(message.at), mark: "", name: String::new(), role: Role::Dim });
        }
        let (mark, role) = speaker(message.agent.as_ref(), look, model);
        let name = if message.agent.is_none() && message.name.is_empty() { "you" } else { message.name.as_str() };
        Some(Gutter { time: look.clock(message.at), mark, name: fit(name), role })
    }

    pub(super) fn draw_into(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        look: &RenderContext,
        model: &Model,
        focused: bool,
    ) {
        let theme = &look.theme;
        if self.head == 0 && self.foot.parts.is_empty() {
            greeting::draw(frame, area, look, model);
        }
        let text = area.x + (text_column(self.names) as u16).min(area.width);
        let room = area.right().saturating_sub(text);
        let cursor = self.cursor.filter(|_| focused);
        for (line, y) in self.lines.iter().zip(area.y..area.bottom()) {
            let buffer = frame.buffer_mut();
            if let Some(gutter) = &line.gutter {
                let (time, mark) = (area.x + 1, area.x + MARK as u16);
                put(buffer, (time, y), 5, &gutter.time, Role::Dim, theme);
                put(buffer, (mark, y), 1, gutter.mark, gutter.role, theme);
                put(buffer, (mark + 2, y), self.names as u16, &gutter.name, gutter.role, theme);
            }
            put_row(buffer, (text, y), room, &line.row, theme);
            if let Some(cursor) = cursor.filter(|cursor| cursor.at == line.place.at) {
                let here = cursor.row == line.place.row;
                let sign = if here { look.glyphs.prompt } else { look.glyphs.vertical };
                put(buffer, (area.x, y), 1, sign, if here { Role::Focus } else { Role::Border }, theme);
            }
        }
        if self.shown.is_empty() && self.head > 0 {
            put(frame.buffer_mut(), (area.x + 1, area.y), area.width, "loading", Role::Dim, theme);
        }
        self.draw_chip(frame, area, look);
        self.draw_search(frame, area, look);
    }

    /// Draws the number of new messages below the view, with answers that stream there, and the key that goes to them.
    fn draw_chip(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext) {
        let last = self.shown.last().map_or(0, |last| last.at);
        let parts = (self.head + 1..).zip(&self.foot.parts);
        let streaming = parts.filter(|(at, part)| *at >= last && part.streams()).count() as u64;
        let new = self.head.saturating_sub(self.left_at) + streaming;
        if self.at_tail() || new == 0 {
            return;
        }
        let key = [Command::Latest, Command::End].into_iter().find_map(|command| command.key_text(self.focus));
        let key = key.map(|key| format!("{key} ")).unwrap_or_default();
        let chip = format!(" {new} new {} {key}", look.glyphs.down);
        let wide = width(&chip) as u16;
        let y = area.y + (self.height as u16).saturating_sub(1);
        let x = area.right().saturating_sub(wide + 1);
        put(frame.buffer_mut(), (x, y), wide, &chip, Role::Selection, &look.theme);
    }

    fn draw_search(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext) {
        let Some((query, count)) = self.search.line() else { return };
        let theme = &look.theme;
        let y = area.bottom().saturating_sub(1);
        let mut row = Row::default();
        row.push(Span::new("/", Role::Accent));
        row.push(Span::new(clean_line(&query).into_owned(), Role::Text));
        let wide = row.width() as u16;
        put_row(frame.buffer_mut(), (area.x + 1, y), area.width.saturating_sub(2), &row, theme);
        let at = area.right().saturating_sub(width(&count) as u16 + 1);
        if at > area.x + wide + 2 {
            put(frame.buffer_mut(), (at, y), area.width, &count, Role::Dim, theme);
        }
        if self.search.typing() {
            frame.set_cursor_position(((area.x + 1 + wide).min(area.right().saturating_sub(1)), y));
        }
    }
}

/// Returns the mark and role of a speaker; `None` is the user.
fn speaker(agent: Option<&AgentId>, look: &RenderContext, model: &Model) -> (&'static str, Role) {
    match agent {
        None => (look.glyphs.prompt, Role::Strong),
        Some(agent) => {
            let index = model.speaker_index(agent);
            (look.glyphs.speaker(index), Role::speaker(index))
        }
    }
}
