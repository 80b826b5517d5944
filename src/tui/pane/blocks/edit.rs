//! The block editor: the text, the version it is based on, and concurrent changes by others.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::text_edit::{Merge, Piece, merge};
use crate::domain::{Block, BlockId, Conflict};
use crate::engine::protocol::{Reply, Request, RequestError};
use crate::tui::dialog::merge::{MergeConflict, too_long};
use crate::tui::effect::Context;
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put_row};
use crate::tui::session::Unsaved;
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::width;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::theme::Role;

/// Minimum width at which changes by others are shown next to the text instead of below it.
const BESIDE: u16 = 90;
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
    others: Option<Others>,
    /// Rows that show `others`.
    told: Vec<Row>,
}

/// A version newer than the base.
#[derive(Debug)]
struct Others {
    who: String,
    version: u64,
    value: String,
    /// Number of conflicts with this edit.
    clashes: usize,
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
            others: None,
            told: Vec::new(),
        }
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
        (text != base).then(|| Unsaved { block: self.id.clone(), version, base, text })
    }

    /// Restores unsaved changes of the previous session.
    pub fn take_up(&mut self, unsaved: Unsaved, model: &Model) {
        self.base = (unsaved.version, unsaved.base);
        self.field.set(&unsaved.text);
        self.compare(model);
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent, model: &Model) {
        self.field.key(key);
        self.compare(model);
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str, model: &Model) {
        self.field.paste(text);
        self.compare(model);
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
        self.others = (block.version != self.base.0).then(|| Others {
            who: clean_line(block.editor.name_elsewhere()).into_owned(),
            version: block.version,
            value: block.value.clone(),
            clashes: match block.merge(self.base(), &self.field.text()) {
                Merge::Clean(_) => 0,
                Merge::Clash(pieces) => pieces.iter().filter(|piece| matches!(piece, Piece::Clash { .. })).count(),
            },
        });
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
            cx.open(clash);
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
            self.others = None;
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
        if self.keys_fit(cells) {
            note.extend(keys(cells));
        }
        note
    }

    fn size(&self) -> Span {
        let count = self.field.text().chars().count();
        let over = count > self.limit as usize;
        let digits = self.limit.to_string().len();
        Span::new(format!("{count:>digits$}/{}", self.limit), if over { Role::Error } else { Role::Text })
    }

    fn keys_fit(&self, cells: usize) -> bool {
        let keys: usize = keys(usize::MAX).iter().map(|span| width(&span.text)).sum();
        width(&self.title()) + width(&self.size().text) + keys + 6 <= cells
    }

    /// Lays out the changes by others.
    pub fn prepare(&mut self, area: Rect, look: &RenderContext) {
        let (_, beside) = self.places(area);
        let cells = usize::from(beside.width).saturating_sub(2);
        let mut rows = Vec::new();
        if let Some(others) = &self.others {
            let say = |text: String, role| wrap(&[Span::new(text, role)], &Shape::plain(cells));
            rows.extend(say(format!("{} changed it to v{} while you edit", others.who, others.version), Role::Accent));
            let verdict = match others.clashes {
                0 => ("saving merges both; no conflicts".to_owned(), Role::Success),
                1 => ("saving asks about 1 conflict".to_owned(), Role::Warning),
                more => (format!("saving asks about {more} conflicts"), Role::Warning),
            };
            let room = usize::from(beside.height).saturating_sub(rows.len() + 1);
            rows.extend(diff::rows(&self.base.1, &others.value, 0, cells, look.glyphs).into_iter().take(room));
            rows.extend(say(verdict.0, verdict.1));
        }
        self.told = rows;
    }

    /// Returns the areas of the text and of the changes by others.
    fn places(&self, area: Rect) -> (Rect, Rect) {
        let footer = u16::from(!self.keys_fit(area.width.into()));
        let body = Rect { height: area.height.saturating_sub(footer), ..area };
        if self.others.is_none() {
            return (body, Rect::default());
        }
        if area.width >= BESIDE {
            let left = area.width * 3 / 5;
            let beside = Rect { x: body.x + left, width: body.width - left, ..body };
            return (Rect { width: left, ..body }, beside);
        }
        let below = (body.height / 3).clamp(1, 8);
        let text = Rect { height: body.height - below, ..body };
        (text, Rect { y: text.bottom(), height: below, ..body })
    }

    /// Draws the editor.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, focused: bool) {
        let (text, beside) = self.places(area);
        let text = Rect { x: text.x + 1, width: text.width.saturating_sub(2), ..text };
        self.field.draw(frame, text, look, focused, area.width >= 60);
        let buffer = frame.buffer_mut();
        for y in beside.top()..beside.bottom() {
            buffer.set_string(beside.x, y, look.glyphs.vertical, look.theme.style(Role::Border));
        }
        for (row, y) in self.told.iter().zip(beside.top()..beside.bottom()) {
            put_row(buffer, (beside.x + 2, y), beside.width.saturating_sub(2), row, &look.theme);
        }
        if !self.keys_fit(area.width.into()) {
            let row = Row { spans: keys(area.width.into()), fence: None };
            let y = area.bottom().saturating_sub(1);
            put_row(buffer, (area.x, y), area.width, &row, &look.theme);
        }
    }
}

/// Returns the keys that fit into so many cells.
fn keys(cells: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, what) in KEYS {
        let gap = if spans.is_empty() { "  " } else { "   " };
        used += gap.len() + key.len() + 1 + what.len();
        if used > cells {
            break;
        }
        spans.push(Span::new(gap, Role::Dim));
        spans.push(Span::new(key, Role::Accent));
        spans.push(Span::new(format!(" {what}"), Role::Dim));
    }
    spans
}
