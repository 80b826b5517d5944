//! The blocks pane: shared blocks of the group and own blocks of the selected agent, with versions and sizes.
//!
//! A new change is highlighted as a difference for [`FLASH`] after it first appears on screen, or until the next
//! key in this pane. Blocks are edited ([`edit`]) and their versions browsed ([`history`]) inside the pane.

mod change;
mod edit;
mod history;
mod rows;

use std::collections::{BTreeMap, HashMap};

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use jiff::{SignedDuration, Timestamp};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::list::{Item, List};
use super::{Pane, RenderContext, Room, unreadable};
use crate::domain::state::Kind;
use crate::domain::{Agent, Block, BlockId, Change, Conflict};
use crate::engine::protocol::{Reply, RequestError, Update};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::effect::{AppAction, BlockAct, Context};
use crate::tui::model::Model;
use crate::tui::session::Unsaved;
use crate::tui::text::clean::clean_line;
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

use edit::{After, Edit};
use history::History;

/// How long a change is highlighted.
const FLASH: SignedDuration = SignedDuration::from_secs(8);
/// Time after a key in this pane during which it does not scroll to new changes.
const IN_USE: SignedDuration = SignedDuration::from_secs(20);

/// A highlighted change.
#[derive(Debug)]
struct Flash {
    before: String,
    until: Timestamp,
}

/// State of the pane.
#[derive(Debug, Default)]
pub struct Blocks {
    list: List<BlockId>,
    /// Blocks that the user folded (true) or unfolded (false). Default: shared blocks unfolded, own ones folded.
    folds: BTreeMap<String, bool>,
    edit: Option<Box<Edit>>,
    history: Option<Box<History>>,
    /// Serial number of the request that lists what a deletion does, and the block.
    looked: Option<(u64, BlockId)>,
    flashes: HashMap<BlockId, Flash>,
    /// Number of the last change that was on screen.
    shown: u64,
    /// Time of the last key in this pane.
    used: Option<Timestamp>,
    /// Cache of wrapped values with their version and width.
    wrapped: HashMap<BlockId, (u64, usize, Vec<Row>)>,
    stale: bool,
    laid: Option<Rect>,
}

impl Blocks {
    /// Returns the text in the editor, if one is open.
    #[must_use]
    pub fn draft(&self) -> Option<String> {
        self.edit.as_ref().map(|edit| edit.text())
    }

    /// Returns the unsaved changes in the editor, if any.
    #[must_use]
    pub fn unsaved(&self) -> Option<Unsaved> {
        self.edit.as_ref().and_then(|edit| edit.unsaved())
    }

    /// Opens the editor with changes that the previous session left unsaved. Returns the label of the block; `None` if it
    /// does not exist any more.
    pub fn reopen(&mut self, unsaved: Unsaved, model: &Model) -> Option<String> {
        let block = model.block(&unsaved.block)?;
        let mut edit = Edit::new(block);
        edit.take_up(unsaved, model);
        self.list.select(block.id.clone());
        self.edit = Some(Box::new(edit));
        Some(clean_line(&block.label).into_owned())
    }

    /// Handles the result of a dialog: closes the editor.
    pub fn told(&mut self, act: &BlockAct) {
        match act {
            BlockAct::Saved | BlockAct::Discard => self.edit = None,
            BlockAct::Settled(settled) => {
                if let Some(edit) = &mut self.edit {
                    edit.settle_pieces(settled.clone());
                }
            }
        }
        self.stale = true;
    }

    fn folded(&self, block: &Block, shared: bool) -> bool {
        !self.flashes.contains_key(&block.id) && self.folds.get(block.id.as_str()).copied().unwrap_or(!shared)
    }

    fn shown_history(&self) -> Option<&History> {
        self.history.as_deref().filter(|history| history.is_shown())
    }

    fn block<'a>(&self, model: &'a Model) -> Option<&'a Block> {
        self.list.selected().and_then(|id| model.block(id))
    }

    fn start_edit(&mut self, cx: &mut Context<'_>) {
        match self.block(cx.model) {
            Some(block) => self.edit = Some(Box::new(Edit::new(block))),
            None => cx.fault("there is no block to edit: n creates one"),
        }
    }

    fn command_in_editor(&mut self, command: Command, cx: &mut Context<'_>) {
        let Some(edit) = &mut self.edit else { return };
        match command {
            Command::Save => {
                if edit.save(cx) == After::Close {
                    self.edit = None;
                }
            }
            Command::Editor => cx.editor(edit.text()),
            Command::LeaveEditor if !edit.is_changed() => self.edit = None,
            Command::LeaveEditor => {
                let name = cx.model.block(&edit.id).map(|block| clean_line(&block.label).into_owned());
                let choices = vec![
                    Choice::new('s', "save them", vec![AppAction::Do(Command::Save)]),
                    Choice::new('d', "discard them", vec![AppAction::Block(BlockAct::Discard)]),
                    Choice::new('k', "keep editing", Vec::new()),
                ];
                let question = format!("Your changes to {} are not saved.", name.unwrap_or_default());
                cx.open(Confirm::new(question, choices));
            }
            other => edit.command(other, cx),
        }
    }

    fn step_history(&mut self, earlier: bool, cx: &mut Context<'_>) {
        let Some(id) = self.list.selected().cloned() else { return };
        match self.history.as_mut().filter(|history| history.block == id) {
            Some(history) => {
                let still = history.step(earlier, cx);
                self.history.take_if(|_| !still);
            }
            None if earlier => {
                self.history = Some(Box::new(History::read(&id, false, cx)));
            }
            None => {}
        }
        self.list.reveal(&id);
    }

    /// Offers to undo the newest version, once it and the one before are read.
    fn undo(&mut self, cx: &mut Context<'_>) {
        if let Some(id) = self.list.selected().filter(|_| self.history.is_none()) {
            self.history = Some(Box::new(History::read(id, true, cx)));
        }
    }

    fn copy(&self, cx: &mut Context<'_>) {
        let Some(block) = self.block(cx.model) else { return };
        let label = clean_line(&block.label);
        let old = self.history.as_ref().filter(|history| history.block == block.id).and_then(|history| history.value());
        match old {
            Some((version, value)) => cx.copy(value, format!("block {label} at v{version}")),
            None => cx.copy(block.value.clone(), format!("block {label}")),
        }
    }

    fn fold(&mut self, fold: Option<bool>) {
        let Some(id) = self.list.selected().cloned() else { return };
        let rows =
            self.list.items().iter().find(|item| item.key.as_ref() == Some(&id)).map_or(0, |item| item.rows.len());
        let fold = fold.unwrap_or(rows > 1);
        self.folds.insert(id.0.clone(), fold);
    }

    /// Highlights changes by others since the last frame, and ends expired highlights. Returns the block of the
    /// newest change.
    fn notice(&mut self, now: Timestamp, model: &Model) -> Option<BlockId> {
        let mut newest = None;
        for change in model.changes.iter().filter(|change| change.n > self.shown) {
            let until = now + FLASH;
            let before = change.before.clone();
            self.flashes.entry(change.block.clone()).or_insert(Flash { before, until }).until = until;
            newest = Some(change.block.clone());
            self.stale = true;
        }
        self.shown = model.changes.back().map_or(self.shown, |change| change.n.max(self.shown));
        let before = self.flashes.len();
        self.flashes.retain(|_, flash| flash.until > now);
        self.stale |= self.flashes.len() != before;
        newest
    }

    fn item(
        &mut self,
        block: &Block,
        shared: bool,
        sizes: usize,
        cells: usize,
        look: &RenderContext,
        model: &Model,
    ) -> Item<BlockId> {
        let folded = self.folded(block, shared);
        let flash = self.flashes.get(&block.id);
        let mut rows = vec![rows::header(block, folded, flash.is_some(), sizes, cells, look)];
        if !folded {
            rows.push(rows::editor(block, cells, look, model));
            if let Some(flash) = flash {
                rows.extend(rows::changed(block, &flash.before, cells, look));
            } else {
                let known =
                    self.wrapped.get(&block.id).filter(|(version, at, _)| (*version, *at) == (block.version, cells));
                let value = known.map_or_else(|| rows::value(block, cells), |(_, _, value)| value.clone());
                rows.extend(value.iter().cloned());
                self.wrapped.insert(block.id.clone(), (block.version, cells, value));
            }
            rows.push(Row::default());
        }
        Item { key: Some(block.id.clone()), rows }
    }

    fn lay_out(&mut self, area: Rect, look: &RenderContext, model: &Model) {
        let cells = usize::from(area.width);
        let shared: Vec<&Block> = model.shown_group().map(|group| model.shared_blocks(group)).unwrap_or_default();
        let agent: Option<&Agent> = model.place.agent.as_ref().and_then(|id| model.agent(id));
        let mut own: Vec<&Block> = agent.map(|agent| model.blocks_of(agent)).unwrap_or_default();
        own.retain(|block| !shared.iter().any(|other| other.id == block.id));
        let sizes = rows::size_cells(shared.iter().chain(&own).copied());
        let mut items: Vec<Item<BlockId>> = unreadable::items(&[Kind::Block], cells, look, model);
        for block in &shared {
            items.push(self.item(block, true, sizes, cells, look, model));
        }
        if shared.is_empty() {
            items.push(Item::rest(rows::empty(cells, model)));
        }
        if let Some(agent) = agent.filter(|_| !own.is_empty()) {
            if items.last().is_some_and(|item| item.rows.len() <= 1 || item.key.is_none()) {
                items.push(Item::rest(vec![Row::default()]));
            }
            items.push(Item::rest(rows::heading(&format!("Own blocks of {}", clean_line(&agent.name)), cells, look)));
            for block in &own {
                items.push(self.item(block, false, sizes, cells, look, model));
            }
        }
        let free: Vec<&Block> = model.blocks.iter().filter(|block| !model.is_attached(block)).collect();
        if !free.is_empty() {
            items.push(Item::rest(rows::heading("Blocks that nobody has", cells, look)));
            for block in free {
                items.push(self.item(block, false, sizes, cells, look, model));
            }
        }
        self.list.set(items, area.height);
    }
}

impl Pane for Blocks {
    fn context(&self) -> KeyContext {
        match (&self.edit, self.shown_history()) {
            (Some(edit), _) => edit.context(),
            (None, Some(_)) => KeyContext::HISTORY,
            (None, None) => KeyContext::BLOCKS,
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        self.stale = true;
        self.used = Some(cx.now);
        if self.edit.is_some() {
            return self.command_in_editor(command, cx);
        }
        self.flashes.clear();
        if let Some(history) = self.history.as_mut().filter(|history| history.is_shown()) {
            match command {
                Command::Earlier | Command::Fold => self.step_history(true, cx),
                Command::Later | Command::Unfold => self.step_history(false, cx),
                Command::Back => self.history = None,
                Command::Copy => self.copy(cx),
                other => history.command(other, cx),
            }
            return;
        }
        if self.list.command(command) {
            return;
        }
        match command {
            Command::Edit => self.start_edit(cx),
            Command::Editor => {
                self.start_edit(cx);
                if let Some(edit) = &self.edit {
                    cx.editor(edit.text());
                }
            }
            Command::Open => self.fold(None),
            Command::Fold => self.fold(Some(true)),
            Command::Unfold => self.fold(Some(false)),
            Command::Earlier => self.step_history(true, cx),
            Command::Later => self.step_history(false, cx),
            Command::Undo => self.undo(cx),
            Command::Copy => self.copy(cx),
            other => {
                self.change(other, cx);
            }
        }
    }

    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) {
        self.used = Some(cx.now);
        if let Some(edit) = &mut self.edit {
            edit.key(key, cx.model);
        } else {
            self.stale |= !self.flashes.is_empty();
            self.flashes.clear();
        }
    }

    fn paste(&mut self, text: &str, cx: &mut Context<'_>) {
        if let Some(edit) = &mut self.edit {
            edit.paste(text, cx.model);
        }
    }

    fn mouse(&mut self, event: MouseEvent, area: Rect, cx: &mut Context<'_>) {
        if let Some(edit) = &mut self.edit {
            return edit.mouse(event, area);
        }
        self.used = Some(cx.now);
        if let Some(history) = self.history.as_mut().filter(|history| history.is_shown()) {
            let scroll = match event.kind {
                MouseEventKind::ScrollDown => Command::Down,
                MouseEventKind::ScrollUp => Command::Up,
                _ => return,
            };
            (0..3).for_each(|_| history.command(scroll, cx));
            return;
        }
        match event.kind {
            MouseEventKind::ScrollDown => self.list.scroll(3),
            MouseEventKind::ScrollUp => self.list.scroll(-3),
            MouseEventKind::Down(MouseButton::Left) => {
                let Some(id) = self.list.at(event.row.saturating_sub(area.y)).cloned() else { return };
                if self.list.selected() == Some(&id) {
                    self.fold(None);
                    self.stale = true;
                }
                self.list.select(id);
            }
            _ => {}
        }
    }

    fn updated(&mut self, update: &Update, cx: &mut Context<'_>) {
        let Update::Committed { changes, .. } = update else { return };
        self.stale = true;
        for logged in changes {
            let Change::BlockEdited(revision) = &logged.change else { continue };
            if let Some(history) = &mut self.history {
                history.append(logged, revision);
            }
            if let Some(edit) = &mut self.edit {
                edit.revised(revision);
            }
        }
        if let Some(edit) = &mut self.edit {
            edit.compare(cx.model);
        }
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        self.stale = true;
        if let Some(edit) = &mut self.edit {
            edit.compare(cx.model);
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        self.stale = true;
        if let Some(edit) = self.edit.as_mut().filter(|edit| edit.waits_for(serial)) {
            if edit.answered(reply, cx) == After::Close {
                self.edit = None;
            }
            return;
        }
        if let Some(stays) = self.history.as_mut().and_then(|history| history.answered(serial, &reply, cx)) {
            self.history.take_if(|_| !stays);
            return;
        }
        match reply {
            Ok(reply) if self.change_answered(serial, &reply, cx) => {}
            Ok(Reply::Block(block)) => {
                self.history = None;
                cx.toast(format!("{} is at v{} now", clean_line(&block.label), block.version));
            }
            Ok(_) => {}
            Err(fault) => {
                self.history = None;
                match fault.conflict.as_deref() {
                    Some(Conflict::Block { current }) => cx.fault(format!(
                        "{} was changed in the meantime (v{}): check it and try again",
                        clean_line(&current.label),
                        current.version
                    )),
                    _ => cx.fault(fault.text),
                }
            }
        }
    }

    fn edited(&mut self, text: String, cx: &mut Context<'_>) {
        if let Some(edit) = &mut self.edit {
            edit.set(&text, cx.model);
        }
    }

    fn prepare(&mut self, area: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        if let Some(edit) = &mut self.edit {
            self.laid = Some(area);
            return edit.prepare(area, look);
        }
        let newest = self.notice(look.now, cx.model);
        if let Some(history) = self.history.as_mut().filter(|history| history.is_shown()) {
            match cx.model.block(&history.block) {
                Some(block) => {
                    if self.stale || self.laid != Some(area) {
                        history.prepare(area, block, look, cx.model);
                    }
                    (self.stale, self.laid) = (false, Some(area));
                    return;
                }
                None => self.history = None,
            }
        }
        if self.stale || self.laid != Some(area) {
            self.lay_out(area, look, cx.model);
            self.stale = false;
            self.laid = Some(area);
        }
        let free = self.used.is_none_or(|used| look.now.duration_since(used) > IN_USE);
        if let Some(block) = newest.filter(|_| free) {
            self.list.reveal(&block);
        }
    }

    fn wake(&self, _look: &RenderContext, _model: &Model) -> Option<Timestamp> {
        self.flashes.values().map(|flash| flash.until).min()
    }

    fn room(&self) -> Room {
        match (&self.edit, &self.history) {
            (Some(_), _) => Room::Beside,
            (None, Some(history)) => history.room(),
            (None, None) => Room::Usual,
        }
    }

    fn unsaved_note(&self, model: &Model) -> Option<String> {
        let block = model.block(&self.unsaved()?.block)?;
        Some(format!("Your changes to {} are not saved: the next start opens them.", clean_line(&block.label)))
    }

    fn title(&self, model: &Model) -> Option<String> {
        let history = || self.shown_history().and_then(|history| Some(history.title(model.block(&history.block)?)));
        self.edit.as_ref().map(|edit| edit.title()).or_else(history)
    }

    fn note(&self, look: &RenderContext, _model: &Model) -> Vec<Span> {
        let cells = self.laid.map_or(0, |area| area.width);
        let below = match (&self.edit, self.shown_history()) {
            (Some(edit), _) => return edit.note(cells.into()),
            (None, Some(history)) => history.below(),
            (None, None) => self.list.below(),
        };
        match below {
            0 => Vec::new(),
            more => vec![Span::new(format!("{more} more {}", look.glyphs.down), Role::Dim)],
        }
    }

    fn badge(&self, look: &RenderContext, model: &Model) -> Option<Span> {
        let new = model.changes.back().is_some_and(|change| change.n > self.shown);
        new.then(|| Span::new(look.glyphs.changed, Role::Accent))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, _model: &Model, focused: bool) {
        match (&self.edit, self.shown_history()) {
            (Some(edit), _) => edit.draw(frame, area, look, focused),
            (None, Some(history)) => history.draw(frame, area, look),
            (None, None) => self.list.draw(frame.buffer_mut(), area, &look.theme, focused),
        }
    }
}
