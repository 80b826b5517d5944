//! Dialog that resolves the conflicts between two edits of a block, one by one: base, both sides, result.
//!
//! Until the result is saved on top of the other version, the block editor keeps the whole draft; Esc returns to it. The
//! undo of a job uses the same dialog, without a draft.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Modal, frame_box};
use crate::domain::text_edit::{Merge, Piece};
use crate::domain::{Block, BlockId, Conflict};
use crate::engine::protocol::{BlockClash, Reply, Request, RequestError};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::{AppAction, BlockAct, Context};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::width::fit;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Width of the side column, in cells.
const WHOSE: usize = 9;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeConflict {
    id: BlockId,
    label: String,
    limit: u32,
    /// Editor of the conflicting version, as shown.
    who: String,
    /// Version the edit started from.
    base: u64,
    /// The other version and its value.
    theirs: (u64, String),
    /// Whether the result ends with a line break.
    ended: bool,
    pieces: Vec<Piece>,
    /// For each conflict, its index in `pieces` and the chosen text, if resolved.
    clashes: Vec<(usize, Option<String>)>,
    at: usize,
    editing: Option<Field>,
    /// Serial of the pending save request, and the value it saves.
    saving: Option<(u64, String)>,
    /// Error text shown above the key hints.
    trouble: Option<String>,
    of: Of,
}

/// What conflicts with the block's current value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The text in the block editor.
    Draft,
    /// The undo of a job.
    Undo,
}

impl MergeConflict {
    /// Creates the dialog for an edit to `mine` that started from the value `base` at `version`, against the block's
    /// current value. `None` if the edits do not conflict.
    #[must_use]
    pub fn new(current: &Block, base: &str, version: u64, mine: &str) -> Option<Self> {
        let Merge::Clash(pieces) = current.merge((version, base), mine) else { return None };
        let clash = |(at, piece): (usize, &Piece)| matches!(piece, Piece::Clash { .. }).then_some((at, None));
        Some(Self {
            id: current.id.clone(),
            label: clean_line(&current.label).into_owned(),
            limit: current.limit,
            who: clean_line(current.editor.name_elsewhere()).into_owned(),
            base: version,
            theirs: (current.version, current.value.clone()),
            ended: current.value.ends_with('\n') || mine.ends_with('\n'),
            clashes: pieces.iter().enumerate().filter_map(clash).collect(),
            pieces,
            at: 0,
            editing: None,
            saving: None,
            trouble: None,
            of: Of::Draft,
        })
    }

    /// Creates the dialog for the undo of a job in a block whose lines others changed since. `None` if the texts do not
    /// conflict.
    #[must_use]
    pub fn of_undo(clash: &BlockClash) -> Option<Self> {
        let BlockClash { block, texts } = clash;
        let current = Block { value: texts.current.clone(), ..block.clone() };
        let clash = Self::new(&current, &texts.edited, block.version.saturating_sub(1), &texts.before)?;
        Some(Self { theirs: (block.version, block.value.clone()), of: Of::Undo, ..clash })
    }

    /// Returns the merged text; unresolved conflicts take the user's side.
    #[must_use]
    pub fn result(&self) -> String {
        let mut text = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            let settled = self.clashes.iter().find(|(place, _)| *place == at).and_then(|(_, result)| result.as_ref());
            text.push_str(match (piece, settled) {
                (Piece::Same(same), _) => same,
                (Piece::Clash { .. }, Some(result)) => result,
                (Piece::Clash { mine, .. }, None) => mine,
            });
        }
        if !self.ended {
            text.truncate(text.trim_end_matches('\n').len());
        }
        text
    }

    fn sides(&self) -> (&str, &str, &str) {
        match self.clashes.get(self.at).and_then(|(place, _)| self.pieces.get(*place)) {
            Some(Piece::Clash { base, theirs, mine }) => (base, theirs, mine),
            Some(Piece::Same(_)) | None => ("", "", ""),
        }
    }

    fn settle(&mut self, text: String) {
        if let Some((_, result)) = self.clashes.get_mut(self.at) {
            *result = Some(text);
        }
        self.trouble = None;
    }

    fn settled(&self) -> Option<&String> {
        self.clashes.get(self.at).and_then(|(_, result)| result.as_ref())
    }

    fn open_piece(&mut self) {
        let (_, theirs, mine) = self.sides();
        let both = format!("{theirs}{mine}");
        let text = self.settled().cloned().unwrap_or(both);
        self.editing = Some(Field::lines(text.trim_end_matches('\n')));
    }

    fn close_piece(&mut self, keep: bool) {
        if let Some(field) = self.editing.take().filter(|_| keep) {
            let text = field.text();
            self.settle(if text.is_empty() { text } else { lined(&text) });
        }
    }

    fn undo(&mut self) {
        if self.settled().is_none() {
            self.at = self.at.saturating_sub(1);
        }
        if let Some((_, result)) = self.clashes.get_mut(self.at) {
            *result = None;
        }
        self.trouble = None;
    }

    /// Goes to the next unresolved conflict; saves when all are resolved.
    fn next(&mut self, cx: &mut Context<'_>) {
        if self.saving.is_some() {
            return;
        }
        if self.settled().is_none() {
            self.trouble = Some("choose first: t theirs, y yours, b both, e edit".to_owned());
            return;
        }
        let count = self.clashes.len();
        let open = (1..count).map(|step| (self.at + step) % count).find(|at| self.clashes[*at].1.is_none());
        match open {
            Some(at) => self.at = at,
            None => self.save(self.result(), cx),
        }
    }

    fn save(&mut self, value: String, cx: &mut Context<'_>) {
        self.trouble = too_long(&self.label, &value, self.limit, "");
        if self.trouble.is_none() {
            let request =
                Request::EditBlock { id: self.id.clone(), base: self.theirs.0, value: value.clone(), merge: true };
            self.saving = Some((cx.ask(request), value));
        }
    }

    /// The block changed again before the result was saved: merges the result with the newer version.
    fn again(&mut self, current: &Block, result: &str, cx: &mut Context<'_>) {
        match Self::new(current, &self.theirs.1, self.theirs.0, result) {
            Some(clash) => {
                let trouble =
                    format!("{} changed it again, to v{}: resolve the new conflicts", clash.who, clash.theirs.0);
                *self = Self { base: self.base, trouble: Some(trouble), of: self.of, ..clash };
            }
            None => {
                if let Merge::Clean(both) = current.merge((self.theirs.0, &self.theirs.1), result) {
                    self.theirs = (current.version, current.value.clone());
                    self.save(both, cx);
                }
            }
        }
    }

    fn rows(&self, cells: usize, height: usize, look: &RenderContext) -> Vec<Row> {
        let (base, theirs, mine) = self.sides();
        let gone = |text: &str| {
            if text.trim().is_empty() { "(lines deleted)".to_owned() } else { text.to_owned() }
        };
        let before = self.clashes.get(self.at).and_then(|(place, _)| self.pieces.get(place.checked_sub(1)?));
        let after = self.clashes.get(self.at).and_then(|(place, _)| self.pieces.get(place + 1));
        let edge = |piece: Option<&Piece>, last: bool| match piece {
            Some(Piece::Same(text)) if last => text.lines().next_back().unwrap_or("").to_owned(),
            Some(Piece::Same(text)) => text.lines().next().unwrap_or("").to_owned(),
            Some(Piece::Clash { .. }) | None => String::new(),
        };
        let (result, role) = match self.settled() {
            Some(text) => (gone(text), Role::Accent),
            None => ("not resolved yet".to_owned(), Role::Warning),
        };
        let parts = [
            ("was", gone(base), Role::Dim),
            ("theirs", gone(theirs), Role::Removed),
            ("yours", gone(mine), Role::Added),
            ("result", result, role),
        ];
        // Two context rows and an empty row between parts; the parts share the remaining rows.
        let most = (height.saturating_sub(parts.len() + 2) / parts.len()).max(1);
        let mut rows = vec![around(&edge(before, true), cells, look)];
        for (whose, text, role) in parts {
            rows.extend(part(whose, &text, role, (cells, most), look));
            rows.push(Row::default());
        }
        rows.pop();
        rows.push(around(&edge(after, false), cells, look));
        rows
    }
}

fn lined(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// Formats a context line before or after the conflict.
fn around(text: &str, cells: usize, look: &RenderContext) -> Row {
    let text = format!("{}{}", " ".repeat(WHOSE), clean_line(text));
    Row { spans: vec![Span::new(fit(&text, cells, look.glyphs.ellipsis), Role::Dim)], fence: None }
}

/// Formats one side, in at most `most` rows.
fn part(whose: &str, text: &str, role: Role, (cells, most): (usize, usize), look: &RenderContext) -> Vec<Row> {
    let shape = Shape {
        first: vec![Span::new(fit(whose, WHOSE, ""), Role::Strong)],
        rest: vec![Span::new(" ".repeat(WHOSE), role)],
        ..Shape::plain(cells)
    };
    let mut rows = wrap(&[Span::new(clean(text.trim_end_matches('\n')), role)], &shape);
    if rows.len() > most {
        let cut = rows.len() - most + 1;
        rows.truncate(most.saturating_sub(1).max(1));
        if most > 1 {
            let text = format!("{}{} {cut} more rows; e shows them", " ".repeat(WHOSE), look.glyphs.ellipsis);
            rows.push(Row { spans: vec![Span::new(text, Role::Dim)], fence: None });
        }
    }
    rows
}

/// Returns an error text if `value` exceeds the block's limit in characters.
pub(in crate::tui) fn too_long(label: &str, value: &str, limit: u32, why: &str) -> Option<String> {
    let count = value.chars().count();
    let over = count.checked_sub(limit as usize).filter(|over| *over > 0)?;
    Some(format!("{label} holds {limit} characters and {why}this has {count}: shorten it by {over}"))
}

impl Modal for MergeConflict {
    fn context(&self) -> KeyContext {
        KeyContext::MERGE
    }

    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        let Some(field) = &mut self.editing else { return false };
        match key.code {
            KeyCode::Esc => self.close_piece(false),
            KeyCode::Char('s') if key.modifiers == KeyModifiers::CONTROL => self.close_piece(true),
            KeyCode::Char('c') if key.modifiers == KeyModifiers::CONTROL => return false,
            _ => {
                field.key(key);
            }
        }
        true
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        if let Some(field) = &mut self.editing {
            field.paste(text);
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if self.saving.is_some() {
            return;
        }
        let (_, theirs, mine) = self.sides();
        match command {
            Command::Theirs => self.settle(theirs.to_owned()),
            Command::Yours => self.settle(mine.to_owned()),
            Command::Both => self.settle(format!("{theirs}{mine}")),
            Command::EditPiece => self.open_piece(),
            Command::UndoPiece => self.undo(),
            Command::Open => self.next(cx),
            Command::Up => self.at = self.at.saturating_sub(1),
            Command::Down => self.at = (self.at + 1).min(self.clashes.len().saturating_sub(1)),
            _ => {}
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let Some((_, result)) = self.saving.take_if(|(asked, _)| *asked == serial) else { return };
        match reply {
            Ok(Reply::Block(block)) => {
                cx.act(AppAction::Close);
                if self.of == Of::Draft {
                    cx.act(AppAction::Block(BlockAct::Saved));
                }
                cx.toast(format!("{} saved as v{}, both edits merged", self.label, block.version));
            }
            Ok(_) => cx.act(AppAction::Close),
            Err(fault) => match fault.conflict.as_deref() {
                Some(Conflict::Block { current }) => self.again(current, &result, cx),
                _ => self.trouble = Some(fault.text),
            },
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let size = (screen.width.saturating_sub(4).min(100), screen.height.saturating_sub(2).min(28));
        let title = format!("{}: conflict {} of {}", self.label, self.at + 1, self.clashes.len());
        let inside = frame_box(frame, screen, size, &title, look);
        let (theme, x, room) = (&look.theme, inside.x + 1, inside.width.saturating_sub(2));
        let head = match self.of {
            Of::Draft => format!("{} saved v{} while you edited v{}.", self.who, self.theirs.0, self.base),
            Of::Undo => "Others changed lines of the job since; yours is what was there before it.".to_owned(),
        };
        let back = match self.of {
            Of::Draft => "Esc back to your draft",
            Of::Undo => "Esc leave the block as it is",
        };
        put(frame.buffer_mut(), (x, inside.y), room, &head, Role::Dim, theme);
        let body = Rect { x, y: inside.y + 2, width: room, height: inside.height.saturating_sub(4) };
        let hint = if let Some(field) = &self.editing {
            field.draw(frame, body, look, true, false);
            "Ctrl-S accept   Esc back to the conflict".to_owned()
        } else {
            for (row, y) in self.rows(room.into(), body.height.into(), look).iter().zip(body.y..body.bottom()) {
                put_row(frame.buffer_mut(), (x, y), room, row, theme);
            }
            let open = self.clashes.iter().filter(|(_, result)| result.is_none()).count();
            let keys = match (self.settled().is_some(), open) {
                (true, 0) => "Enter save   u undo",
                (true, _) => "Enter next   u undo",
                (false, _) => "t theirs   y yours   b both   e edit   u undo",
            };
            format!("{keys}   {back}")
        };
        let y = inside.bottom().saturating_sub(1);
        put(frame.buffer_mut(), (x, y), room, &hint, Role::Dim, theme);
        if let Some(text) = &self.trouble {
            put(frame.buffer_mut(), (x, y.saturating_sub(1)), room, &clean_line(text), Role::Error, theme);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{BlockOwner, Editor, PersonId};

    fn block(value: &str) -> Block {
        Block {
            id: "block-1".into(),
            label: "story".to_owned(),
            description: String::new(),
            value: value.to_owned(),
            limit: 5_000,
            read_only: false,
            tags: Vec::new(),
            owner: BlockOwner::Group("group-1".into()),
            version: 2,
            editor: Editor::Person(PersonId::local()),
            edited_at: jiff::Timestamp::UNIX_EPOCH,
            from_file: None,
            access: Vec::new(),
            local_only: false,
        }
    }

    #[test]
    fn what_does_not_clash_of_either_side_is_in_every_result() {
        let base = "one\ntwo\nthree\nfour\nfive";
        let mut clash =
            MergeConflict::new(&block("ONE\ntwo\ntheirs\nfour\nfive"), base, 1, "one\ntwo\nmine\nfour\nFIVE").unwrap();
        let whole = |clash: &MergeConflict| clash.result();
        clash.settle("theirs\n".to_owned());
        assert_eq!(whole(&clash), "ONE\ntwo\ntheirs\nfour\nFIVE");
        clash.undo();
        assert_eq!(whole(&clash), "ONE\ntwo\nmine\nfour\nFIVE");
        clash.open_piece();
        clash.close_piece(true);
        assert_eq!(whole(&clash), "ONE\ntwo\ntheirs\nmine\nfour\nFIVE");
    }

    proptest! {
        #[test]
        fn taking_one_side_everywhere_keeps_all_of_that_sides_lines(
            base in "([abc]\n){0,6}", theirs in "([abc]\n){0,6}", mine in "([abc]\n){0,6}",
        ) {
            if let Some(mut clash) = MergeConflict::new(&block(&theirs), &base, 1, &mine) {
                for at in 0..clash.clashes.len() {
                    clash.at = at;
                    let (_, theirs, mine) = clash.sides();
                    let both = format!("{theirs}{mine}");
                    clash.settle(both);
                }
                let result = clash.result();
                for (at, piece) in clash.pieces.iter().enumerate() {
                    if let Piece::Clash { theirs, mine, .. } = piece {
                        prop_assert!(result.contains(theirs.as_str()) && result.contains(mine.as_str()), "{}", at);
                    }
                }
            }
        }
    }
}
