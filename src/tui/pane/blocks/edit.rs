//! A block that is edited in place: the text, the version it rests on, and what others do to it meanwhile.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::memory::{Merge, Piece, merge};
use crate::domain::{Block, BlockId, Conflict};
use crate::engine::wire::{Fault, Reply, Request};
use crate::tui::dialog::merge::{Clash, too_long};
use crate::tui::effect::Cx;
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::{Look, put_row};
use crate::tui::session::Unsaved;
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::width;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::theme::Role;

/// From this width on what others do stands beside the text, else below it.
const BESIDE: u16 = 90;
/// What can be done, key and word.
const KEYS: [(&str, &str); 3] = [("Ctrl-S", "save"), ("Esc", "leave"), ("Ctrl-G", "$EDITOR")];

/// A block that is edited.
#[derive(Debug)]
pub(super) struct Edit {
    /// Which.
    pub id: BlockId,
    label: String,
    limit: u32,
    /// The version and the value the edit rests on.
    base: (u64, String),
    field: Field,
    /// What was sent to be saved, and the request's number.
    saving: Option<(u64, String)>,
    /// What others did since, and how it meets this edit.
    others: Option<Others>,
    /// What of it is shown.
    told: Vec<Row>,
}

/// A newer version than the one the edit rests on.
#[derive(Debug)]
struct Others {
    who: String,
    version: u64,
    value: String,
    /// Pieces that clash with this edit.
    clashes: usize,
}

/// What an answer means for the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It stays.
    Stay,
    /// It is done.
    Close,
}

impl Edit {
    /// An editor on a block as it stands.
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

    /// What is written.
    pub fn text(&self) -> String {
        self.field.text()
    }

    /// Whether leaving would lose something.
    pub fn is_changed(&self) -> bool {
        self.field.text() != self.base.1
    }

    /// What leaving would lose.
    pub fn unsaved(&self) -> Option<Unsaved> {
        let (version, base) = self.base.clone();
        let text = self.field.text();
        (text != base).then(|| Unsaved { block: self.id.clone(), version, base, text })
    }

    /// Goes on with changes that were left unsaved.
    pub fn take_up(&mut self, unsaved: Unsaved, model: &Model) {
        self.base = (unsaved.version, unsaved.base);
        self.field.set(&unsaved.text);
        self.compare(model);
    }

    /// Types a key.
    pub fn key(&mut self, key: KeyEvent, model: &Model) {
        self.field.key(key);
        self.compare(model);
    }

    /// Puts in pasted text.
    pub fn paste(&mut self, text: &str, model: &Model) {
        self.field.paste(text);
        self.compare(model);
    }

    /// Takes over what came back from the external editor, which ends every file with a line break.
    pub fn set(&mut self, text: &str, model: &Model) {
        let added = !self.field.text().ends_with('\n');
        self.field.set(if added { text.strip_suffix('\n').unwrap_or(text) } else { text });
        self.compare(model);
    }

    /// The version the edit rests on, with its value.
    fn base(&self) -> (u64, &str) {
        (self.base.0, &self.base.1)
    }

    /// Finds out how this edit meets what others did.
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

    /// Saves on the version the edit rests on; what clashes is asked first.
    pub fn save(&mut self, cx: &mut Cx<'_>) -> After {
        let mine = self.field.text();
        let Some(block) = cx.model.block(&self.id) else {
            cx.fault(format!("block {} is gone; y in the blocks copies what you wrote", self.label));
            return After::Stay;
        };
        if self.saving.is_some() {
            return After::Stay;
        }
        if !self.is_changed() {
            cx.toast(format!("nothing changed in {}", self.label));
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

    fn send(&mut self, mine: String, cx: &mut Cx<'_>) {
        let request = Request::EditBlock { id: self.id.clone(), base: self.base.0, value: mine.clone(), merge: true };
        self.saving = Some((cx.ask(request), mine));
    }

    /// Opens the dialog that settles a clash. The text stays here until that is saved.
    fn settle(&self, current: &Block, mine: &str, cx: &mut Cx<'_>) {
        if let Some(clash) = Clash::new(current, &self.base.1, self.base.0, mine) {
            cx.open(clash);
        }
    }

    /// Whether an answer is to its request.
    pub fn waits_for(&self, serial: u64) -> bool {
        self.saving.as_ref().is_some_and(|(asked, _)| *asked == serial)
    }

    /// Its request is answered.
    pub fn answered(&mut self, reply: Result<Reply, Fault>, cx: &mut Cx<'_>) -> After {
        let Some((_, sent)) = self.saving.take() else { return After::Stay };
        match reply {
            Ok(Reply::Block(block)) => {
                let merged = if block.value == sent { "" } else { ", merged with what changed meanwhile" };
                cx.toast(format!("{} saved as v{}{merged}", self.label, block.version));
                self.saved(&block, &sent)
            }
            Ok(_) => After::Close,
            Err(Fault { text, conflict }) => {
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

    /// What was typed after saving goes on from the saved version.
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

    /// The title of the pane meanwhile.
    pub fn title(&self) -> String {
        let doing = if self.saving.is_some() { "saving on" } else { "editing from" };
        format!("{}   {doing} v{}", self.label, self.base.0)
    }

    /// The right end of the title: the size, and where there is room the keys.
    pub fn note(&self, cells: usize) -> Vec<Span> {
        let mut note = vec![self.size()];
        if self.keys_fit(cells) {
            note.extend(keys());
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
        let keys: usize = keys().iter().map(|span| width(&span.text)).sum();
        width(&self.title()) + width(&self.size().text) + keys + 6 <= cells
    }

    /// Lays out what others did.
    pub fn prepare(&mut self, area: Rect, look: &Look) {
        let (_, beside) = self.places(area);
        let cells = usize::from(beside.width).saturating_sub(2);
        let mut rows = Vec::new();
        if let Some(others) = &self.others {
            let say = |text: String, role| wrap(&[Span::new(text, role)], &Shape::plain(cells));
            rows.extend(say(format!("{} changed it to v{} while you edit", others.who, others.version), Role::Accent));
            let verdict = match others.clashes {
                0 => ("saving merges both; nothing clashes".to_owned(), Role::Success),
                1 => ("saving asks about 1 piece that clashes".to_owned(), Role::Warning),
                more => (format!("saving asks about {more} pieces that clash"), Role::Warning),
            };
            let room = usize::from(beside.height).saturating_sub(rows.len() + 1);
            rows.extend(diff::rows(&self.base.1, &others.value, 0, cells, look.glyphs).into_iter().take(room));
            rows.extend(say(verdict.0, verdict.1));
        }
        self.told = rows;
    }

    /// Where the text stands, and where what others did.
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
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, focused: bool) {
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
            let row = Row { spans: keys(), fence: None };
            let y = area.bottom().saturating_sub(1);
            put_row(buffer, (area.x, y), area.width, &row, &look.theme);
        }
    }
}

fn keys() -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, (key, what)) in KEYS.iter().enumerate() {
        let gap = if at == 0 { "  " } else { "   " };
        spans.push(Span::new(gap, Role::Dim));
        spans.push(Span::new(*key, Role::Accent));
        spans.push(Span::new(format!(" {what}"), Role::Dim));
    }
    spans
}
