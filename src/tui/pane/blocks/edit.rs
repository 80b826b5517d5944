//! The block editor: the text, the version it is based on, and concurrent changes by others.
//!
//! What others change meanwhile is marked at its lines in the gutter ([`others`]) and shown below the text.

mod find;
mod others;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::text_edit::{Merge, merge};
use crate::domain::{Block, BlockId, Conflict, Revision};
use crate::engine::protocol::{Reply, Request, RequestError};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::merge::{MergeConflict, too_long};
use crate::tui::effect::Context;
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::put;
use crate::tui::pane::{RenderContext, put_row};
use crate::tui::session::{Settled, Unsaved};
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{truncate, width};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::text_box::Drawn;
use crate::tui::theme::Role;

use find::{Find, PROMPT};
use others::{Mark, Others, Sign};

/// Most rows below the text that show what others changed.
const TOLD: u16 = 8;
/// Cells of the gutter: a space, the mark of the line, a space.
const GUTTER: u16 = 3;
/// Fewest cells between a line and the name of who changed it.
const BEFORE_NAME: u16 = 2;
/// Keys with their descriptions.
const KEYS: [(&str, &str); 3] = [("Ctrl-S", "save"), ("Esc", "leave"), ("Ctrl-G", "$EDITOR")];

/// An open editor.
#[derive(Debug)]
pub(super) struct Edit {
    /// The edited block.
    pub id: BlockId,
    label: String,
    limit: u32,
    /// Version and value that the edit is based on.
    base: (u64, String),
    field: Field,
    /// Serial number of the pending save request, and the text sent.
    saving: Option<(u64, String)>,
    /// Changes by others since the base version.
    others: Others,
    /// Rows that show `others`.
    told: Vec<Row>,
    /// The conflicts that were resolved so far, in a merge that is not saved yet.
    settled: Vec<Settled>,
    find: Option<Find>,
    numbers: bool,
}

/// Whether the editor stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Keep it open.
    Stay,
    /// Close it.
    Close,
}

impl Edit {
    /// Opens an editor with the current value of a block.
    pub fn new(block: &Block) -> Self {
        Self {
            id: block.id.clone(),
            label: clean_line(&block.label).into_owned(),
            limit: block.limit,
            base: (block.version, block.value.clone()),
            field: Field::lines(&block.value),
            saving: None,
            others: Others::new(block.version, &block.value),
            told: Vec::new(),
            settled: Vec::new(),
            find: None,
            numbers: false,
        }
    }

    /// Returns the key context.
    pub fn context(&self) -> KeyContext {
        if self.find.is_some() { KeyContext::FIND } else { KeyContext::EDITOR }
    }

    /// Returns the text.
    pub fn text(&self) -> String {
        self.field.text()
    }

    /// Returns true if there are unsaved changes.
    pub fn is_changed(&self) -> bool {
        self.field.text() != self.base.1
    }

    /// Returns the unsaved changes, if any.
    pub fn unsaved(&self) -> Option<Unsaved> {
        let (version, base) = self.base.clone();
        let text = self.field.text();
        let settled = self.settled.clone();
        (text != base).then(|| Unsaved { block: self.id.clone(), version, base, text, settled })
    }

    /// Restores unsaved changes of the previous session.
    pub fn take_up(&mut self, unsaved: Unsaved, model: &Model) {
        self.others = Others::new(unsaved.version, &unsaved.base);
        self.base = (unsaved.version, unsaved.base);
        self.field.set(&unsaved.text);
        self.settled = unsaved.settled;
        self.compare(model);
    }

    /// Keeps the conflicts that were resolved so far.
    pub fn settle_pieces(&mut self, settled: Vec<Settled>) {
        self.settled = settled;
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent, model: &Model) {
        match &mut self.find {
            Some(find) => find.key(key, &mut self.field),
            None => {
                if self.field.key(key) {
                    self.compare(model);
                }
            }
        }
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str, model: &Model) {
        if let Some(find) = &mut self.find {
            return find.paste(text, &mut self.field);
        }
        self.field.paste(text);
        self.compare(model);
    }

    /// Performs a command that concerns the text alone. Copied text goes to the clipboard, too.
    pub fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        match command {
            Command::Find => self.find = Some(Find::new(&mut self.field)),
            Command::FindNext | Command::FindPrevious => {
                if let Some(find) = &mut self.find {
                    find.step(command == Command::FindNext, &mut self.field);
                }
            }
            Command::LeaveFind => self.find = None,
            Command::LineNumbers => self.numbers = !self.numbers,
            Command::CopyText | Command::CutText if self.field.text_box().selected().is_empty() => {
                cx.toast("nothing is selected: Shift with the arrows selects, Alt-A selects all");
            }
            other => {
                if matches!(other, Command::CopyText | Command::CutText) {
                    let text = self.field.text_box().selected();
                    cx.copy(text, format!("selection of {}", self.label));
                }
                if self.field.command(other) == Some(true) {
                    self.compare(cx.model);
                }
            }
        }
    }

    /// Handles a mouse event in the pane's area: a click places the caret, a drag selects.
    pub fn mouse(&mut self, event: MouseEvent, area: Rect) {
        let text = text_area(self.places(area).0);
        let at = (event.column.saturating_sub(text.x), event.row.saturating_sub(text.y));
        let inside = text.contains((event.column, event.row).into());
        let field = self.field.text_box();
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) if inside => field.point(at, false),
            MouseEventKind::Drag(MouseButton::Left) if inside => field.point(at, true),
            MouseEventKind::ScrollDown => field.scroll(3),
            MouseEventKind::ScrollUp => field.scroll(-3),
            _ => {}
        }
    }

    /// Takes in a version that was just committed.
    pub fn revised(&mut self, revision: &Revision) {
        // A save of this text is told by its reply.
        if revision.block == self.id && self.saving.as_ref().is_none_or(|(_, sent)| *sent != revision.value) {
            self.others.take(revision.version, &revision.value, &revision.editor);
        }
    }

    /// Replaces the text with that of the external editor, without the line break that editors add at the end.
    pub fn set(&mut self, text: &str, model: &Model) {
        let added = !self.field.text().ends_with('\n');
        self.field.set(if added { text.strip_suffix('\n').unwrap_or(text) } else { text });
        self.compare(model);
    }

    /// Returns the base version and its value.
    fn base(&self) -> (u64, &str) {
        (self.base.0, &self.base.1)
    }

    /// Updates `others` from the model.
    pub fn compare(&mut self, model: &Model) {
        let Some(block) = model.block(&self.id) else { return };
        self.limit = block.limit;
        if self.saving.as_ref().is_none_or(|(_, sent)| *sent != block.value) {
            self.others.take(block.version, &block.value, &block.editor);
        }
        let mine = self.field.text();
        self.others.compare(block, (self.base.0, &self.base.1), &mine);
    }

    /// Saves the text, merged with changes by others; conflicts open the merge dialog first.
    pub fn save(&mut self, cx: &mut Context<'_>) -> After {
        let mine = self.field.text();
        let Some(block) = cx.model.block(&self.id) else {
            cx.fault(format!("block {} was deleted; y in the blocks copies what you wrote", self.label));
            return After::Stay;
        };
        if self.saving.is_some() {
            return After::Stay;
        }
        if !self.is_changed() {
            cx.toast(format!("no changes in {}", self.label));
            return After::Close;
        }
        if let Some(text) = too_long(&self.label, &mine, self.limit, "") {
            cx.fault(text);
            return After::Stay;
        }
        match block.merge(self.base(), &mine) {
            Merge::Clash(_) => {
                self.settle(block, &mine, cx);
                return After::Stay;
            }
            Merge::Clean(merged) => {
                if let Some(text) = too_long(&self.label, &merged, self.limit, "with both edits in it ") {
                    cx.fault(text);
                    return After::Stay;
                }
            }
        }
        self.send(mine, cx);
        After::Stay
    }

    fn send(&mut self, mine: String, cx: &mut Context<'_>) {
        let request = Request::EditBlock { id: self.id.clone(), base: self.base.0, value: mine.clone(), merge: true };
        self.saving = Some((cx.ask(request), mine));
    }

    /// Opens the merge dialog. The editor keeps its text until the result is saved.
    fn settle(&self, current: &Block, mine: &str, cx: &mut Context<'_>) {
        if let Some(clash) = MergeConflict::new(current, &self.base.1, self.base.0, mine) {
            cx.open(clash.with(&self.settled));
        }
    }

    /// Returns true if `serial` is the pending save request.
    pub fn waits_for(&self, serial: u64) -> bool {
        self.saving.as_ref().is_some_and(|(asked, _)| *asked == serial)
    }

    /// Handles the reply to the save request.
    pub fn answered(&mut self, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) -> After {
        let Some((_, sent)) = self.saving.take() else { return After::Stay };
        match reply {
            Ok(Reply::Block(block)) => {
                let merged = if block.value == sent { "" } else { ", merged with concurrent changes" };
                cx.toast(format!("{} saved as v{}{merged}", self.label, block.version));
                self.saved(&block, &sent)
            }
            Ok(_) => After::Close,
            Err(RequestError { text, conflict }) => {
                match conflict.as_deref() {
                    Some(Conflict::Block { current }) => {
                        let clean = matches!(current.merge(self.base(), &sent), Merge::Clean(_));
                        if clean {
                            cx.fault(format!("{text}; Ctrl-S again merges both"));
                        } else {
                            self.settle(current, &sent, cx);
                        }
                    }
                    _ => cx.fault(text),
                }
                After::Stay
            }
        }
    }

    /// Rebases text typed after the save request onto the saved version.
    fn saved(&mut self, block: &Block, sent: &str) -> After {
        let now = self.field.text();
        if now == sent {
            return After::Close;
        }
        if let Merge::Clean(both) = merge(sent, &block.value, &now) {
            self.base = (block.version, block.value.clone());
            self.others = Others::new(block.version, &block.value);
            self.settled.clear();
            if both != now {
                self.field.set(&both);
            }
        }
        After::Stay
    }

    /// Returns the title of the pane while the editor is open.
    pub fn title(&self) -> String {
        let doing = if self.saving.is_some() { "saving on" } else { "editing from" };
        format!("{}   {doing} v{}", self.label, self.base.0)
    }

    /// Returns the right end of the title row: the size, and the keys if they fit.
    pub fn note(&self, cells: usize) -> Vec<Span> {
        let mut note = vec![self.size()];
        let room = cells.saturating_sub(width(&self.title()) + width(&note[0].text) + 6);
        let mut keys = keys();
        if keys.iter().map(|span| width(&span.text)).sum::<usize>() <= room {
            note.append(&mut keys);
        }
        note
    }

    fn size(&self) -> Span {
        let count = self.field.text().chars().count();
        let role = match count * 10 {
            tenfold if tenfold > self.limit as usize * 10 => Role::Error,
            tenfold if tenfold >= self.limit as usize * 9 => Role::Warning,
            _ => Role::Text,
        };
        let digits = self.limit.to_string().len();
        Span::new(format!("{count:>digits$}/{}", self.limit), role)
    }

    /// Lays out what others changed.
    pub fn prepare(&mut self, area: Rect, look: &RenderContext) {
        self.told.clear();
        if !self.others.any() {
            return;
        }
        let cells = usize::from(area.width).saturating_sub(2);
        let most = usize::from((area.height / 3).clamp(2, TOLD));
        let say = |text: String, role| wrap(&[Span::new(text, role)], &Shape::plain(cells)).into_iter().take(1);
        let names = self.others.names.join(" and ");
        let head = format!("{names} changed it to v{} while you edit", self.others.version);
        let mut rows: Vec<Row> = say(head, Role::Accent).collect();
        let (verdict, role) = match self.others.clashes {
            0 => ("saving merges both; no conflicts".to_owned(), Role::Success),
            1 => ("saving asks about 1 conflict".to_owned(), Role::Warning),
            more => (format!("saving asks about {more} conflicts"), Role::Warning),
        };
        let room = most.saturating_sub(2);
        let caret = self.field.text_box().caret().0;
        let here: Vec<&Mark> = self.others.marks.iter().filter(|mark| mark.line == caret).collect();
        let mut changed: Vec<Row> = if here.is_empty() {
            diff::rows(&self.base.1, &self.others.value, 0, cells, look.glyphs)
        } else {
            here.iter().flat_map(|mark| told(mark, cells, look)).collect()
        };
        if changed.len() > room {
            changed.truncate(room.saturating_sub(1));
            if room > 0 {
                changed.extend(say(format!("  {} and more", look.glyphs.ellipsis), Role::Dim));
            }
        }
        rows.extend(changed);
        rows.extend(say(verdict, role));
        self.told = rows;
    }

    /// Returns the areas of the text, of the line that finds, and of the changes by others.
    fn places(&self, area: Rect) -> (Rect, Rect, Rect) {
        let told = (self.told.len() as u16).min(area.height.saturating_sub(1));
        let told = told + u16::from(told > 0 && area.height >= 12);
        let find = u16::from(self.find.is_some());
        let text = Rect { height: area.height.saturating_sub(told + find).max(1), ..area };
        let find = Rect { y: text.bottom(), height: find, ..area };
        (text, find, Rect { y: find.bottom(), height: area.bottom().saturating_sub(find.bottom()), ..area })
    }

    /// Draws the editor.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool) {
        let (place, line, below) = self.places(area);
        let text = text_area(place);
        let found = self.find.as_ref().map(|find| find.found.as_slice()).unwrap_or_default();
        let drawn = self.field.draw_with(frame, text, look, focused && self.find.is_none(), (self.numbers, found));
        self.gutter(frame, text, &drawn, look);
        if let Some(find) = &self.find {
            let count = find.count();
            let wide = width(&count.text) as u16;
            let end = put(frame.buffer_mut(), (line.x, line.y), line.width, PROMPT, Role::Accent, &look.theme);
            let room = line.right().saturating_sub(end + wide + 3);
            find.line.draw(frame, Rect { x: end, width: room, ..line }, look, focused);
            let at = line.right().saturating_sub(wide + 1);
            put_row(frame.buffer_mut(), (at, line.y), wide, &Row { spans: vec![count], fence: None }, &look.theme);
        }
        let top = below.bottom().saturating_sub(self.told.len() as u16);
        let buffer = frame.buffer_mut();
        if top > below.y {
            for x in below.x..below.right() {
                buffer.set_string(x, below.y, look.glyphs.horizontal, look.theme.style(Role::Border));
            }
        }
        for (row, y) in self.told.iter().zip(top.max(below.y)..below.bottom()) {
            put_row(buffer, (below.x + 1, y), below.width.saturating_sub(2), row, &look.theme);
        }
    }

    /// Draws the marks of the lines that others changed, each with the name of who did it where a row of the line has room.
    fn gutter(&self, frame: &mut Frame<'_>, text: Rect, drawn: &Drawn, look: &RenderContext) {
        let buffer = frame.buffer_mut();
        let rows = || drawn.rows.iter().zip(text.y..text.bottom());
        for ((line, first), y) in rows().filter(|((_, first), _)| *first) {
            let here: Vec<&Mark> = self.others.marks.iter().filter(|mark| mark.line == *line).collect();
            let Some(mark) = here.iter().max_by_key(|mark| (mark.clashes, mark.sign)) else { continue };
            let (sign, role) = sign(mark, look);
            put(buffer, (text.x.saturating_sub(2), y), 1, sign, role, &look.theme);
            let mut names: Vec<&str> = here.iter().map(|mark| name(mark)).collect();
            names.dedup();
            let added = here.iter().filter(|mark| mark.sign == Sign::Added).count();
            let mut name = names.join(", ");
            if added > 0 {
                name = format!("{name} +{added}");
            }
            let name = truncate(&name, usize::from(text.width / 2), look.glyphs.ellipsis);
            let wide = width(&name) as u16;
            let of_line = rows()
                .skip_while(|(_, row)| *row < y)
                .take_while(|((at, again), row)| at == line && (*row == y && *first || !*again));
            let free =
                |row: u16| (text.x..text.right()).rev().take_while(|x| buffer[(*x, row)].symbol() == " ").count();
            let fits = of_line.map(|(_, row)| row).find(|row| free(*row) >= usize::from(wide + BEFORE_NAME));
            if let Some(row) = fits {
                put(buffer, (text.right() - wide, row), wide, &name, role, &look.theme);
            }
        }
    }
}

/// Returns the part behind the gutter.
fn text_area(place: Rect) -> Rect {
    Rect { x: place.x + GUTTER, width: place.width.saturating_sub(GUTTER + 1), ..place }.intersection(place)
}

/// Returns who made a change, as a name that stands alone.
fn name(mark: &Mark) -> &str {
    mark.who.trim_end_matches(',')
}

/// Returns the sign of a change in the gutter, and its role.
fn sign(mark: &Mark, look: &RenderContext) -> (&'static str, Role) {
    match mark.sign {
        _ if mark.clashes => (look.glyphs.needs_you, Role::Warning),
        Sign::Changed => ("~", Role::Accent),
        Sign::Removed => ("-", Role::Removed),
        Sign::Added => ("+", Role::Added),
    }
}

/// Returns the rows that tell a change of the line with the caret.
fn told(mark: &Mark, cells: usize, look: &RenderContext) -> Vec<Row> {
    let (sign, role) = sign(mark, look);
    let text = match mark.sign {
        Sign::Removed => "(removed)".to_owned(),
        _ if mark.text.trim().is_empty() => "(an empty line)".to_owned(),
        _ => clean_line(&mark.text).into_owned(),
    };
    let first = vec![Span::new(format!("{sign} "), role), Span::new(format!("{}  ", name(mark)), Role::Dim)];
    let rest = vec![Span::new("  ", Role::Dim)];
    wrap(&[Span::new(text, Role::Text)], &Shape { first, rest, ..Shape::plain(cells) })
}

/// Returns the keys of the editor.
fn keys() -> Vec<Span> {
    let mut spans = Vec::new();
    for (key, what) in KEYS {
        spans.push(Span::new(if spans.is_empty() { "  " } else { "   " }, Role::Dim));
        spans.push(Span::new(key, Role::Accent));
        spans.push(Span::new(format!(" {what}"), Role::Dim));
    }
    spans
}
