//! Dialog that resolves the conflicts between two edits of a block, one by one: base, both sides, result.
//!
//! Until the result is saved on top of the other version, the block editor keeps the whole draft and what is decided so
//! far; Esc returns to it. The undo of a job uses the same dialog, without a draft.

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
use crate::tui::session::Settled;
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
    clashes: Vec<Clash>,
    at: usize,
    editing: Option<Field>,
    /// Serial of the pending save request, and the value it saves.
    saving: Option<(u64, String)>,
    /// Error text shown above the key hints.
    trouble: Option<String>,
    of: Of,
}

/// A conflict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Clash {
    /// Its index in the pieces.
    place: usize,
    /// The chosen text, if it is resolved.
    result: Option<String>,
    /// Text typed for the result that is not accepted yet.
    typed: Option<String>,
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
        let clash = |(place, piece): (usize, &Piece)| {
            matches!(piece, Piece::Clash { .. }).then(|| Clash { place, ..Clash::default() })
        };
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

    /// Takes up what was decided of these conflicts before.
    #[must_use]
    pub fn with(mut self, settled: &[Settled]) -> Self {
        for at in 0..self.clashes.len() {
            self.at = at;
            let sides = self.sides();
            let known =
                settled.iter().find(|known| (known.base.as_str(), known.theirs.as_str(), known.mine.as_str()) == sides);
            if let Some(known) = known {
                self.clashes[at].result.clone_from(&known.result);
                self.clashes[at].typed.clone_from(&known.typed);
            }
        }
        self.at = self.clashes.iter().position(|clash| clash.result.is_none()).unwrap_or(0);
        self
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
            let settled = self.clashes.iter().find(|clash| clash.place == at).and_then(|clash| clash.result.as_ref());
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
        self.clashes.get(self.at).map_or(("", "", ""), |clash| self.sides_of(clash))
    }

    fn sides_of(&self, clash: &Clash) -> (&str, &str, &str) {
        match self.pieces.get(clash.place) {
            Some(Piece::Clash { base, theirs, mine }) => (base, theirs, mine),
            Some(Piece::Same(_)) | None => ("", "", ""),
        }
    }

    fn settle(&mut self, text: String) {
        if let Some(clash) = self.clashes.get_mut(self.at) {
            (clash.result, clash.typed) = (Some(text), None);
        }
        self.trouble = None;
    }

    fn settled(&self) -> Option<&String> {
        self.clashes.get(self.at).and_then(|clash| clash.result.as_ref())
    }

    /// Tells the editor what is decided so far, so that it outlives this dialog and the program.
    fn keep(&self, cx: &mut Context<'_>) {
        if self.of == Of::Undo {
            return;
        }
        let decided = self.clashes.iter().filter(|clash| clash.result.is_some() || clash.typed.is_some());
        let settled = decided.map(|clash| {
            let [base, theirs, mine] = <[&str; 3]>::from(self.sides_of(clash)).map(str::to_owned);
            Settled { base, theirs, mine, result: clash.result.clone(), typed: clash.typed.clone() }
        });
        cx.act(AppAction::Block(BlockAct::Settled(settled.collect())));
    }

    fn open_piece(&mut self) {
        let (_, theirs, mine) = self.sides();
        let both = format!("{theirs}{mine}");
        let typed = self.clashes.get(self.at).and_then(|clash| clash.typed.clone());
        let text = typed.or_else(|| self.settled().cloned()).unwrap_or(both);
        self.editing = Some(Field::lines(text.trim_end_matches('\n')));
    }

    /// Keeps what is typed for the result, until it is accepted.
    fn typed(&mut self) {
        if let (Some(field), Some(clash)) = (&self.editing, self.clashes.get_mut(self.at)) {
            clash.typed = Some(field.text());
        }
    }

    fn close_piece(&mut self, keep: bool) {
        let Some(field) = self.editing.take() else { return };
        if keep {
            let text = field.text();
            self.settle(if text.is_empty() { text } else { lined(&text) });
        } else if let Some(clash) = self.clashes.get_mut(self.at) {
            clash.typed = None;
        }
    }

    fn undo(&mut self) {
        if self.settled().is_none() {
            self.at = self.at.saturating_sub(1);
        }
        if let Some(clash) = self.clashes.get_mut(self.at) {
            clash.result = None;
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
        let open = (1..count).map(|step| (self.at + step) % count).find(|at| self.clashes[*at].result.is_none());
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
                self.keep(cx);
            }
            None => {
                if let Merge::Clean(both) = current.merge((self.theirs.0, &self.theirs.1), result) {
                    self.theirs = (current.version, current.value.clone());
                    self.save(both, cx);
                }
            }
        }
    }

    /// Returns the rows of keys.
    fn hints(&self, cells: usize) -> Vec<Row> {
        let back = match self.of {
            Of::Draft => "Esc back to your draft",
            Of::Undo => "Esc leave the block as it is",
        };
        let open = self.clashes.iter().filter(|clash| clash.result.is_none()).count();
        let keys: &[&str] = match (self.settled().is_some(), open) {
            _ if self.editing.is_some() => &["Ctrl-S accept", "Esc back to the conflict"],
            (true, 0) => &["Enter save", "u undo", back],
            (true, _) => &["Enter next", "u undo", back],
            (false, _) => &["t theirs", "y yours", "b both", "e edit", "u undo", back],
        };
        let mut lines = vec![String::new()];
        for key in keys {
            let gap = if lines.last().is_none_or(String::is_empty) { "" } else { "   " };
            let fits = lines.last().is_none_or(|line| line.len() + gap.len() + key.len() <= cells);
            if !fits {
                lines.push((*key).to_owned());
            } else if let Some(line) = lines.last_mut() {
                line.push_str(gap);
                line.push_str(key);
            }
        }
        lines.into_iter().map(|line| Row { spans: vec![Span::new(line, Role::Dim)], fence: None }).collect()
    }

    fn rows(&self, cells: usize, height: usize, look: &RenderContext) -> Vec<Row> {
        let (base, theirs, mine) = self.sides();
        let gone = |text: &str| {
            if text.trim().is_empty() { "(lines deleted)".to_owned() } else { text.to_owned() }
        };
        let place = self.clashes.get(self.at).map_or(0, |clash| clash.place);
        let before = place.checked_sub(1).and_then(|place| self.pieces.get(place));
        let after = self.pieces.get(place + 1);
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
        // Two context rows and an empty row between parts, where there is room for them; the parts share what is left.
        let roomy = height >= 3 * parts.len();
        let most = if roomy { height.saturating_sub(parts.len() + 2) } else { height } / parts.len();
        let mut rows = Vec::new();
        for (whose, text, role) in parts {
            rows.extend(part(whose, &text, role, (cells, most.max(1)), look));
            rows.extend(roomy.then(Row::default));
        }
        if roomy {
            rows.pop();
            rows.insert(0, around(&edge(before, true), cells, look));
            rows.push(around(&edge(after, false), cells, look));
        }
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

    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        let Some(field) = &mut self.editing else { return false };
        match key.code {
            KeyCode::Esc => self.close_piece(false),
            KeyCode::Char('s') if key.modifiers == KeyModifiers::CONTROL => self.close_piece(true),
            KeyCode::Char('c' | 'z') if key.modifiers == KeyModifiers::CONTROL => return false,
            _ => {
                field.key(key);
                self.typed();
            }
        }
        self.keep(cx);
        true
    }

    fn paste(&mut self, text: &str, cx: &mut Context<'_>) {
        if let Some(field) = &mut self.editing {
            field.paste(text);
            self.typed();
            self.keep(cx);
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
            _ => return,
        }
        self.keep(cx);
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
        // A small screen is used whole.
        let small = screen.height < 20;
        let size = if small {
            (screen.width, screen.height)
        } else {
            (screen.width.saturating_sub(4).min(100), screen.height.saturating_sub(2).min(28))
        };
        let title = format!("{}: conflict {} of {}", self.label, self.at + 1, self.clashes.len());
        let inside = frame_box(frame, screen, size, &title, look);
        let (theme, x, room) = (&look.theme, inside.x + 1, inside.width.saturating_sub(2));
        let head = match self.of {
            Of::Draft => format!("{} saved v{} while you edited v{}.", self.who, self.theirs.0, self.base),
            Of::Undo => "Others changed lines of the job since; yours is what was there before it.".to_owned(),
        };
        put(frame.buffer_mut(), (x, inside.y), room, &head, Role::Dim, theme);
        let gap = u16::from(!small);
        let hints = self.hints(room.into());
        let foot = hints.len() as u16 + gap;
        let top = inside.y + 1 + gap;
        let body = Rect { x, y: top, width: room, height: (inside.bottom() - top).saturating_sub(foot) };
        if let Some(field) = &self.editing {
            field.draw(frame, body, look, true);
        } else {
            for (row, y) in self.rows(room.into(), body.height.into(), look).iter().zip(body.y..body.bottom()) {
                put_row(frame.buffer_mut(), (x, y), room, row, theme);
            }
        }
        let y = inside.bottom().saturating_sub(hints.len() as u16);
        for (row, y) in hints.iter().zip(y..) {
            put_row(frame.buffer_mut(), (x, y), room, row, theme);
        }
        if let Some(text) = &self.trouble {
            // Where there is no room, instead of what the conflict rests on.
            let y = if small { inside.y } else { y.saturating_sub(1) };
            let text = fit(&clean_line(text), room.into(), look.glyphs.ellipsis);
            put(frame.buffer_mut(), (x, y), room, &text, Role::Error, theme);
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
