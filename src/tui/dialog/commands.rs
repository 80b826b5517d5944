//! Help and command palette. The help lists the commands of the current context, the palette all commands. Both
//! filter as the user types and run the chosen command.

use std::cmp::Reverse;

use crossterm::event::KeyEvent;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Modal, frame_box};
use crate::tui::command::{COMMANDS, Command, Entry, KeyContext};
use crate::tui::effect::{AppAction, Context};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::list::cut;
use crate::tui::pane::{PaneId, RenderContext, put, put_row};
use crate::tui::text::Span;
use crate::tui::text::width::{fit, width};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::theme::Role;

/// Maximum width of the columns of keys and of names, in cells.
const MAX_COLUMN: usize = 20;
/// Cells between two columns.
const GAP: usize = 2;
/// Rows for the description of the selected command where the column of descriptions is too narrow.
const DESCRIPTION: u16 = 2;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Commands {
    context: KeyContext,
    help: bool,
    typed: Field,
    selected: usize,
}

/// A listed command, and the pane that must be focused to run it.
#[derive(Clone, Copy)]
struct Line {
    entry: &'static Entry,
    pane: Option<PaneId>,
}

impl Commands {
    /// Creates the help for a context.
    #[must_use]
    pub fn help(context: KeyContext) -> Self {
        Self { context, help: true, typed: Field::line(""), selected: 0 }
    }

    /// Creates the palette: the commands of the context first, then those of the panes.
    #[must_use]
    pub fn palette(context: KeyContext) -> Self {
        Self { help: false, ..Self::help(context) }
    }

    fn lines(&self) -> Vec<Line> {
        let here = COMMANDS.iter().filter(|entry| entry.when.has(self.context)).map(|entry| Line { entry, pane: None });
        let mut lines: Vec<Line> = here.collect();
        // Panes behind a dialog cannot be reached.
        if !self.help && KeyContext::OUTSIDE.has(self.context) {
            for (pane, when) in PaneId::ALL.into_iter().map(|pane| (pane, KeyContext::pane(pane))) {
                let new = |entry: &&Entry| !lines.iter().any(|line| line.entry.command == entry.command);
                let more = COMMANDS.iter().filter(|entry| entry.when.has(when)).filter(new);
                let more: Vec<Line> = more.map(|entry| Line { entry, pane: Some(pane) }).collect();
                lines.extend(more);
            }
        }
        let typed = self.typed.text();
        if typed.trim().is_empty() { lines } else { ranked(lines, typed.trim()) }
    }

    /// Returns the keys of a line as text, at most two.
    fn keys(&self, line: &Line) -> String {
        let context = line.pane.map_or(self.context, KeyContext::pane);
        line.entry.keys_in(context).take(2).map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn run(&self, cx: &mut Context<'_>) {
        let Some(line) = self.lines().get(self.selected).copied() else { return };
        cx.act(AppAction::Close);
        if let Some(pane) = line.pane {
            cx.act(AppAction::Focus(pane));
        }
        cx.act(AppAction::Do(line.entry.command));
    }
}

/// Returns the matching lines, best match first.
fn ranked(lines: Vec<Line>, typed: &str) -> Vec<Line> {
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut space = Vec::new();
    let mut score = |text: &str| pattern.score(Utf32Str::new(text, &mut space), &mut matcher).unwrap_or(0);
    let scored = lines.into_iter().map(|line| {
        let (title, doc) = (score(line.entry.title), score(line.entry.doc));
        (2 * title.max(doc / 2), line)
    });
    let mut found: Vec<(u32, Line)> = scored.filter(|(score, _)| *score > 0).collect();
    found.sort_by_key(|(score, _)| Reverse(*score));
    found.into_iter().map(|(_, line)| line).collect()
}

impl Modal for Commands {
    fn is_help(&self) -> bool {
        true
    }

    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        let takes = Field::takes(&key);
        if takes && self.typed.key(key) {
            self.selected = 0;
        }
        takes
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.typed.paste(text);
        self.selected = 0;
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        let last = self.lines().len().saturating_sub(1);
        match command {
            Command::Up => self.selected = self.selected.saturating_sub(1),
            Command::Down => self.selected = (self.selected + 1).min(last),
            Command::HalfUp | Command::PageUp => self.selected = self.selected.saturating_sub(10),
            Command::HalfDown | Command::PageDown => self.selected = (self.selected + 10).min(last),
            Command::Open => self.run(cx),
            _ => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let lines = self.lines();
        let size = (screen.width.saturating_sub(4).min(96), screen.height.saturating_sub(2).min(32));
        let title = if self.help { format!("Help: {}", self.context.text()) } else { "Commands".to_owned() };
        let inside = frame_box(frame, screen, size, &title, look);
        let (theme, ellipsis) = (&look.theme, look.glyphs.ellipsis);
        let x = inside.x + 1;
        let end = put(frame.buffer_mut(), (x, inside.y), inside.width, "Find: ", Role::Dim, theme);
        let typing = Rect { x: end, y: inside.y, width: inside.right().saturating_sub(end), height: 1 };
        self.typed.draw(frame, typing, look, true);
        let buffer = frame.buffer_mut();
        let widest = |of: &dyn Fn(&Line) -> usize| lines.iter().map(of).max().unwrap_or(0).min(MAX_COLUMN);
        let keys = widest(&|line| width(&self.keys(line)));
        let titles = widest(&|line| width(line.entry.title));
        let place = |line: &Line| line.pane.map(|pane| format!("{}: ", pane.noun())).unwrap_or_default();
        let doc = |line: &Line| line.entry.doc.replace('`', "");
        let room = usize::from(inside.width).saturating_sub(2 + keys + titles + 2 * GAP);
        let is_cut = lines.iter().any(|line| width(&place(line)) + width(&doc(line)) > room);
        let below = if is_cut { DESCRIPTION + 1 } else { 0 };
        let rows = usize::from(inside.height.saturating_sub(4 + below));
        let skip = self.selected.saturating_sub(rows.saturating_sub(1));
        for ((at, line), y) in lines.iter().enumerate().skip(skip).take(rows).zip(inside.y + 2..) {
            let spans = vec![
                Span::new(format!(" {}{}", fit(&self.keys(line), keys, ellipsis), " ".repeat(GAP)), Role::Accent),
                Span::new(format!("{}{}", fit(line.entry.title, titles, ellipsis), " ".repeat(GAP)), Role::Strong),
                Span::new(place(line), Role::Dim),
                Span::new(doc(line), Role::Text),
            ];
            put_row(buffer, (inside.x, y), inside.width, &cut(spans, usize::from(inside.width) - 1, ellipsis), theme);
            if at == self.selected {
                buffer.set_style(Rect { y, height: 1, ..inside }, theme.style(Role::Selection));
            }
        }
        if let Some(line) = lines.get(self.selected).filter(|_| is_cut) {
            let first = inside.bottom().saturating_sub(1 + DESCRIPTION);
            let told =
                wrap(&[Span::new(doc(line), Role::Dim)], &Shape::plain(usize::from(inside.width).saturating_sub(2)));
            for (row, y) in told.iter().zip(first..first + DESCRIPTION) {
                put_row(buffer, (x, y), inside.width, row, theme);
            }
        }
        if lines.is_empty() {
            put(buffer, (x, inside.y + 2), inside.width, "No command matches.", Role::Dim, theme);
        }
        let more = lines.len().saturating_sub(skip + rows);
        let hint = if more > 0 {
            format!("Enter run   Esc leave   {more} more {}", look.glyphs.down)
        } else {
            "Enter run   Esc leave".to_owned()
        };
        put(buffer, (x, inside.bottom().saturating_sub(1)), inside.width, &hint, Role::Dim, theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mut dialog: Commands, typed: &str) -> Vec<Command> {
        dialog.typed = Field::line(typed);
        dialog.lines().iter().map(|line| line.entry.command).collect()
    }

    #[test]
    fn help_shows_what_applies_here_and_nothing_else() {
        let here = found(Commands::help(KeyContext::JOBS), "");
        assert!(here.contains(&Command::Retry) && here.contains(&Command::Models));
        assert!(!here.contains(&Command::SetModel) && !here.contains(&Command::Send));
    }

    #[test]
    fn the_palette_reaches_every_command_of_every_pane() {
        let all = found(Commands::palette(KeyContext::COMPOSER), "");
        // What needs a history that is open is reached from there.
        let panes = PaneId::ALL.into_iter().map(KeyContext::pane).fold(KeyContext::COMPOSER, KeyContext::or);
        for entry in COMMANDS.iter().filter(|entry| panes.has(entry.when)) {
            assert_eq!(all.iter().filter(|command| **command == entry.command).count(), 1, "{:?}", entry.command);
        }
    }

    #[test]
    fn a_few_letters_find_a_command_by_its_name_first() {
        assert_eq!(found(Commands::palette(KeyContext::COMPOSER), "zom").first(), Some(&Command::Zoom));
        assert_eq!(found(Commands::help(KeyContext::BLOCKS), "undo").first(), Some(&Command::Undo));
        assert_eq!(found(Commands::palette(KeyContext::COMPOSER), "qqq"), []);
    }
}
