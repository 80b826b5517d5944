//! Draws the title line, the status line, the pane tabs and the lines between panes.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::App;
use crate::domain::GroupStatus;
use crate::engine::connection::{EngineAt, Program};
use crate::engine::protocol::Recipient;
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::Tone;
use crate::tui::layout::{Layout, has_name};
use crate::tui::pane::{PaneId, put_row};
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{pad_left, truncate, width};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Minimum width, in cells, for the program name in the title line.
const WIDE: u16 = 100;
/// Separator between two groups of facts.
const GAP: &str = "   ";
/// Cells of the title line reserved for the group or agent.
const PLACE: usize = 23;
/// Cells reserved for the badge of a hidden pane: a sign and a digit.
const BADGE: usize = 2;
/// Cells reserved for the number of the turn.
const TURN: usize = "turn 9999".len();

/// Draws the lines between title, panes and composer.
pub fn lines(app: &App, buffer: &mut Buffer, layout: &Layout) {
    let glyphs = app.look.glyphs;
    let style = app.look.theme.style(Role::Border);
    let body = layout.body;
    for (y, tee) in [(layout.rules.0, glyphs.tee_down), (layout.rules.1, glyphs.tee_up)] {
        for x in body.x..body.right() {
            let sign = if layout.columns.contains(&x) { tee } else { glyphs.horizontal };
            buffer.set_string(x, y, sign, style);
        }
    }
    for x in &layout.columns {
        for y in body.y..body.bottom() {
            buffer.set_string(*x, y, glyphs.vertical, style);
        }
    }
    if let (Some(y), Some(column)) = (layout.split, layout.columns.last()) {
        buffer.set_string(*column, y, glyphs.tee_right, style);
        for x in column + 1..body.right() {
            buffer.set_string(x, y, glyphs.horizontal, style);
        }
    }
}

/// Draws the title line: group, turn and tokens on the left; on the right the model, or the hidden panes.
pub fn title_line(app: &App, frame: &mut Frame<'_>, layout: &Layout) {
    let area = layout.title;
    let right = if layout.columns.len() == 2 {
        joined(owner_notice(app), model_notice(app, true))
    } else {
        hidden_panes(app, layout)
    };
    let mut left = Row::default();
    if area.width >= WIDE {
        left.push(Span::new("nightdesk", Role::Dim));
        left.push(Span::new(GAP, Role::Dim));
    }
    let room = usize::from(area.width).saturating_sub(right.width() + 5);
    push_place(app, room, &mut left);
    ends(app, frame, area, &left, &right);
}

/// Draws one row left-aligned and one right-aligned; the left one is truncated where they would overlap.
fn ends(app: &App, frame: &mut Frame<'_>, area: Rect, left: &Row, right: &Row) {
    let theme = &app.look.theme;
    let wide = right.width() as u16;
    let at = area.right().saturating_sub(wide + 1);
    let room = if wide == 0 { area.width.saturating_sub(2) } else { at.saturating_sub(area.x + 3) };
    put_row(frame.buffer_mut(), (area.x + 1, area.y), room, left, theme);
    put_row(frame.buffer_mut(), (at.max(area.x + 1), area.y), wide, right, theme);
}

/// Appends the shown group or agent, and as many facts as fit into `room` cells.
fn push_place(app: &App, room: usize, row: &mut Row) {
    let (glyphs, model) = (app.look.glyphs, &app.model);
    let mut facts = Vec::new();
    match (&model.place.address, model.shown_group()) {
        (Some(Recipient::Agent(id)), _) => {
            let name = model.agent(id).map_or("", |agent| agent.name.as_str());
            row.push(Span::new(clean_line(name), Role::Title));
            facts.push("direct conversation".to_owned());
        }
        (_, Some(group)) => {
            row.push(Span::new(clean_line(&group.name), Role::Title));
            facts.push(model.pattern(group, glyphs.dot));
            if group.status != GroupStatus::Active {
                facts.push(group.status.as_str().to_owned());
            }
        }
        (_, None) => row.push(Span::new("no group yet", Role::Title)),
    }
    let mut figures = Vec::new();
    if let Some(conversation) = model.shown_conversation().filter(|conversation| conversation.asked > 0) {
        let turn = model.running_turn(&conversation.id).or_else(|| model.last_turns.get(&conversation.id));
        if let Some(tokens) = turn.map(|turn| turn.tokens) {
            figures.push(format!("{} tokens", count(tokens)));
        }
        // The last of all, because it has no fixed width.
        figures.push(format!("turn {}", turn.map_or(conversation.asked, |turn| turn.turn)));
    }
    let wide = |facts: &[String]| facts.iter().map(|fact| width(fact) + 3).sum::<usize>();
    // What is dropped depends on no figure: the turn may have any number of digits up to `TURN`.
    let last = if figures.is_empty() { 0 } else { TURN + 3 };
    let rest = figures.len().saturating_sub(1);
    let (whole, room) = (room, room.saturating_sub(row.width() + last));
    if wide(&facts) + wide(&figures[..rest]) > room {
        facts.clear();
    }
    if rest > 0 && wide(&figures[..rest]) > room {
        figures.drain(..rest);
    }
    for fact in facts.into_iter().chain(figures) {
        let fact = format!(" {} {fact}", glyphs.dot);
        if row.width() + width(&fact) <= whole {
            row.push(Span::new(fact, Role::Dim));
        }
    }
}

/// Formats a count right-aligned in five cells: `  840`, `1.2 k`, ` 34 k`, `1.2 M`.
#[must_use]
pub fn count(number: u64) -> String {
    let scaled = |unit: u64, sign: char| {
        if number < 10 * unit {
            format!("{}.{} {sign}", number / unit, number % unit / (unit / 10))
        } else {
            format!("{} {sign}", number / unit)
        }
    };
    let text = match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => scaled(1_000, 'k'),
        _ => scaled(1_000_000, 'M'),
    };
    pad_left(&text, 5)
}

/// Names the model in use; for a built-in model, states that it is not a language model.
fn model_notice(app: &App, whole: bool) -> Row {
    let model = &app.model;
    let group = model.shown_group();
    let speakers = group.map(|group| model.agents_of(group)).unwrap_or_default();
    let mut names: Vec<&str> = speakers.iter().map(|agent| model.model_of(agent)).collect();
    if names.is_empty() {
        names.push(&model.default_model);
    }
    names.sort_unstable();
    names.dedup();
    let key = Command::Models.key_text(KeyContext::COMPOSER).unwrap_or_default();
    let dot = app.look.glyphs.dot;
    let (text, role) = match names.as_slice() {
        ["offline"] if whole => (format!("offline model, no language model connected {dot} {key}"), Role::Warning),
        ["offline"] => (format!("offline {dot} {key}"), Role::Warning),
        [one] if one.starts_with("scripted/") && !whole => (format!("scripted {dot} {key}"), Role::Warning),
        [one] if one.starts_with("scripted/") => {
            (format!("scripted model, no language model {dot} {key}"), Role::Warning)
        }
        [one] => (clean_line(one).into_owned(), Role::Dim),
        several => (format!("{} models", several.len()), Role::Dim),
    };
    let most = usize::from(app.size.width / 2);
    let mut row = Row::default();
    row.push(Span::new(truncate(&text, most, app.look.glyphs.ellipsis), role));
    row
}

/// Names the program that runs the engine, if it is another one.
fn owner_notice(app: &App) -> Row {
    let mut row = Row::default();
    match app.connection.engine {
        EngineAt::Elsewhere { pid, program: Program::Worker } => {
            row.push(Span::new(format!("worker {pid}"), Role::Accent));
        }
        EngineAt::Elsewhere { pid, program: Program::Workbench } => {
            row.push(Span::new(format!("workbench {pid}"), Role::Dim));
        }
        EngineAt::Elsewhere { pid, program: Program::Command } => {
            row.push(Span::new(format!("engine {pid}"), Role::Dim));
        }
        EngineAt::Here => {}
        EngineAt::Lost { .. } => row.push(Span::new("no engine", Role::Error)),
    }
    row
}

/// Puts one row behind another, with a gap unless one is empty.
fn joined(mut left: Row, right: Row) -> Row {
    if !left.spans.is_empty() && !right.spans.is_empty() {
        left.push(Span::new("  ", Role::Dim));
    }
    left.spans.extend(right.spans);
    left
}

/// Lists the hidden panes with their badges. Each has room for its badge, so that none moves when a badge comes or
/// grows. Where there is not enough room, the model or the names are left out.
fn hidden_panes(app: &App, layout: &Layout) -> Row {
    let all = |names: bool, mut row: Row| {
        let hidden = PaneId::ALL.into_iter().filter(|id| layout.pane(*id).is_none());
        for (count, id) in hidden.enumerate() {
            if !row.spans.is_empty() {
                // A wider gap after the model; the room for a badge is a gap between panes.
                row.push(Span::new(if count == 0 { "  " } else { " " }, Role::Dim));
            }
            let name = if names { format!("{} {} ", id.number(), id.name()) } else { format!("{} ", id.number()) };
            row.push(Span::new(name, Role::Dim));
            let badge = app.panes.get(id).badge(&app.look, &app.model);
            let wide = badge.as_ref().map_or(0, |badge| width(&badge.text));
            if let Some(badge) = badge {
                row.push(badge);
            }
            row.push(Span::new(" ".repeat(BADGE.saturating_sub(wide)), Role::Dim));
        }
        row
    };
    let notice = || if app.size.width >= 60 { model_notice(app, false) } else { Row::default() };
    let room = usize::from(app.size.width).saturating_sub(PLACE).max(PLACE);
    let forms = [(true, true), (true, false), (false, true), (false, false)];
    // A workbench that runs the engine is no news; a worker is to be seen.
    let owner = || if app.worker().is_some() { owner_notice(app) } else { Row::default() };
    let first = |with| joined(owner(), if with { notice() } else { Row::default() });
    let mut whole = forms.into_iter().map(|(names, with)| all(names, first(with)));
    whole.find(|row| row.width() <= room).unwrap_or_else(|| all(false, Row::default()))
}

/// Draws the tabs of the panes that share an area, each with its badge. The open one is highlighted and shows its
/// note if there is room.
pub fn tabs(app: &App, buffer: &mut Buffer, tabs: &[(PaneId, Rect)], place: Rect, focused: bool) {
    let theme = &app.look.theme;
    for (id, tab) in tabs {
        let open = *id == app.lower;
        let (mark, role) = match open {
            true if focused => (app.look.glyphs.prompt, Role::Focus),
            true => (" ", Role::Title),
            false => (" ", Role::Dim),
        };
        let mut row = Row::default();
        let name = if has_name(*id, *tab) { format!(" {}", id.name()) } else { String::new() };
        row.push(Span::new(format!("{mark}{}{name}", id.number()), role));
        if let Some(badge) = app.panes.get(*id).badge(&app.look, &app.model) {
            row.push(Span::new(" ", Role::Dim));
            row.push(badge);
        }
        put_row(buffer, (tab.x, tab.y), tab.width, &row, theme);
    }
    let note = Row { spans: app.panes.get(app.lower).note(&app.look, &app.model), fence: None };
    let end = tabs.last().map_or(place.x, |(_, tab)| tab.right());
    let at = place.right().saturating_sub(note.width() as u16 + 1);
    if at > end + 1 {
        put_row(buffer, (at, place.y), place.width, &note, theme);
    }
}

/// Draws the status line: the toast, else key hints; on the right the answering agents and what needs the user.
pub fn status_line(app: &App, frame: &mut Frame<'_>, layout: &Layout) {
    let area = layout.status;
    let right = doing(app);
    let room = usize::from(area.width).saturating_sub(right.width() + 5);
    let mut left = Row::default();
    match &app.toast {
        Some((toast, _)) => {
            let (sign, role) = match toast.tone {
                Tone::Error => (app.look.glyphs.failed, Role::Error),
                Tone::Plain => (app.look.glyphs.done, Role::Text),
            };
            left.push(Span::new(format!("{sign} {}", clean_line(&toast.text)), role));
            // The toast takes precedence over the right side.
            let alone = Row::default();
            let fits = left.width() <= room;
            return ends(app, frame, area, &left, if fits { &right } else { &alone });
        }
        None => match &app.connection.engine {
            EngineAt::Lost { why } => {
                left.push(Span::new(format!("{} {}", app.look.glyphs.failed, clean_line(why)), Role::Error));
                return ends(app, frame, area, &left, &Row::default());
            }
            EngineAt::Here | EngineAt::Elsewhere { .. } => hints(app, room, &mut left),
        },
    }
    ends(app, frame, area, &left, &right);
}

fn hints(app: &App, room: usize, row: &mut Row) {
    let context = app.context();
    let pane = app.panes.get(app.pane);
    let can = |command: Command| context != pane.context() || pane.can(command, &app.model);
    for command in hinted(context).iter().filter(|command| can(**command)) {
        let Some((entry, key)) = command.entry(context).zip(command.key_text(context)) else { continue };
        let before = if row.spans.is_empty() { String::new() } else { format!(" {} ", app.look.glyphs.dot) };
        let wide = width(&before) + key.len() + 1 + entry.title.len();
        if row.width() + wide > room {
            return;
        }
        row.push(Span::new(before, Role::Dim));
        row.push(Span::new(key, Role::Text));
        row.push(Span::new(format!(" {}", entry.title), Role::Dim));
    }
}

/// Returns the commands hinted in a context, the most useful first.
fn hinted(context: KeyContext) -> &'static [Command] {
    use Command as C;

    const CONTEXTS: [(KeyContext, &[Command]); 14] = [
        (KeyContext::COMPOSER, &[C::Send, C::NewLine, C::NextPane, C::Palette, C::Help]),
        (KeyContext::ROSTER, &[C::Open, C::EditSelected, C::NewAgent, C::NewGroup, C::SetModel, C::Compose, C::Help]),
        (KeyContext::CONVERSATION, &[C::Compose, C::Search, C::Earlier, C::Open, C::Copy, C::Zoom, C::Help]),
        (KeyContext::BLOCKS, &[C::Edit, C::Open, C::Earlier, C::Undo, C::Copy, C::NewBlock, C::Compose, C::Help]),
        (KeyContext::JOBS, &[C::Open, C::Cancel, C::Retry, C::RunNow, C::Pause, C::Compose, C::Help]),
        (KeyContext::INBOX, &[C::Open, C::Approve, C::ApproveRun, C::Deny, C::Compose, C::Help]),
        (KeyContext::MAIL, &[C::Open, C::WriteMail, C::Answer, C::Filter, C::Compose, C::Help]),
        (KeyContext::EDITOR, &[C::Save, C::LeaveEditor, C::Editor, C::Find, C::UndoTyping, C::RedoTyping]),
        (
            KeyContext::HISTORY,
            &[C::Earlier, C::Later, C::Compare, C::WhoWrote, C::Undo, C::Open, C::Back, C::Sides, C::UndoAll, C::Help],
        ),
        (KeyContext::FIND, &[C::FindNext, C::FindPrevious, C::LeaveFind]),
        (KeyContext::SEARCH, &[C::KeepSearch, C::DropSearch]),
        (KeyContext::MERGE, &[C::Theirs, C::Yours, C::Both, C::EditPiece, C::UndoPiece, C::Close]),
        (KeyContext::FORM, &[C::NextField, C::Save, C::LeaveEditor]),
        (KeyContext::DIALOG, &[C::Open, C::Close]),
    ];
    const PANE: &[Command] = &[C::Compose, C::Help];
    let known = CONTEXTS.iter().find(|(when, _)| *when == context).map(|(_, commands)| *commands);
    known.unwrap_or(if KeyContext::PANES.has(context) { PANE } else { &[] })
}

fn doing(app: &App) -> Row {
    let (glyphs, model) = (app.look.glyphs, &app.model);
    let mut row = Row::default();
    let answering = model.shown_conversation().map(|conversation| model.answering(&conversation.id));
    let text = match answering.as_deref() {
        None | Some([]) => String::new(),
        Some([one]) => format!("{one} is answering"),
        Some([one, ..]) => format!("{one} and others are answering"),
    };
    let mut tell = |text: String, role: Role| {
        let before = if row.spans.is_empty() { String::new() } else { format!(" {} ", glyphs.dot) };
        row.push(Span::new(before, Role::Dim));
        row.push(Span::new(text, role));
    };
    if !text.is_empty() {
        tell(clean_line(&text).into_owned(), Role::Dim);
    }
    let needs = model.needs_you(None);
    if needs > 0 {
        tell(format!("{} {needs}", glyphs.needs_you), Role::Accent);
    }
    let unreadable = model.faults.len();
    if unreadable > 0 {
        tell(format!("{} {unreadable} unreadable", glyphs.failed), Role::Error);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_the_same_cells_as_they_grow() {
        let shown: Vec<String> = [0, 840, 1_234, 34_567, 999_999, 1_250_000, 88_000_000].map(count).into();
        assert_eq!(shown, ["    0", "  840", "1.2 k", " 34 k", "999 k", "1.2 M", " 88 M"]);
    }

    #[test]
    fn every_context_has_hints_and_every_hint_a_key_there() {
        for context in [
            KeyContext::COMPOSER,
            KeyContext::ROSTER,
            KeyContext::CONVERSATION,
            KeyContext::BLOCKS,
            KeyContext::JOBS,
            KeyContext::INBOX,
            KeyContext::MAIL,
            KeyContext::EDITOR,
            KeyContext::FIND,
            KeyContext::HISTORY,
            KeyContext::SEARCH,
            KeyContext::DIALOG,
            KeyContext::MERGE,
            KeyContext::FORM,
            KeyContext::pane(PaneId::Probe),
        ] {
            assert!(!hinted(context).is_empty());
            for command in hinted(context) {
                assert!(command.key_text(context).is_some(), "{command:?} in {}", context.text());
            }
        }
    }
}
