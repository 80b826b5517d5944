//! The versions of a block: walked one by one, compared, with the author of every line, and what caused them.
//!
//! A version is shown as its difference to the one before, or to one that was chosen. Values are read in pages, those of
//! earlier versions when one comes close to them.

mod rows;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::{Block, BlockId, LogEntry, Revision};
use crate::engine::protocol::{Blame, BlockRequest, Reply, Request, RequestError, Timestamped};
use crate::tui::command::Command;
use crate::tui::dialog::call::scrolled;
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::dialog::job::OpenJob;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::{PaneId, RenderContext, Room, put_row};
use crate::tui::text::Row;
use crate::tui::text::clean::clean_line;

/// Versions read at a time.
const PAGE: usize = 50;

/// The versions of a block.
#[derive(Debug)]
pub(super) struct History {
    /// The block.
    pub block: BlockId,
    /// Serial number of the read request that is not answered yet.
    serial: Option<u64>,
    /// Newest first; `None` until they are read.
    revisions: Option<Vec<Timestamped<Revision>>>,
    /// Index of the shown version, from the newest.
    at: usize,
    /// Offer to undo the newest version when they are read.
    undo: bool,
    /// The version that the shown one is compared with; `None` is the one before it.
    against: Option<u64>,
    /// Both versions side by side.
    sides: bool,
    lines: Lines,
    /// Serial number of the request for what caused the shown version.
    cause: Option<u64>,
    rows: Vec<Row>,
    /// First visible row, and the number of rows that are visible.
    top: usize,
    height: usize,
    head: Vec<Row>,
}

/// Who wrote each line of the shown version.
#[derive(Debug)]
enum Lines {
    /// Not shown.
    Off,
    /// Requested, for this version.
    Asked(u64, u64),
    /// Known.
    Known(Box<Blame>),
}

impl History {
    /// Requests the versions of a block. With `undo`, the reply opens the confirmation that undoes the newest one.
    pub fn read(block: &BlockId, undo: bool, cx: &mut Context<'_>) -> Self {
        let serial = Some(cx.ask(Request::Revisions { block: block.clone(), before: None, limit: PAGE }));
        Self {
            block: block.clone(),
            serial,
            revisions: None,
            at: 0,
            undo,
            against: None,
            sides: false,
            lines: Lines::Off,
            cause: None,
            rows: Vec::new(),
            top: 0,
            height: 0,
            head: Vec::new(),
        }
    }

    /// Returns true if it is on screen: not while the newest version is only sought to be undone.
    pub fn is_shown(&self) -> bool {
        !self.undo
    }

    /// Returns how much room it takes.
    pub fn room(&self) -> Room {
        match (self.undo, self.sides) {
            (true, _) => Room::Usual,
            (_, true) => Room::Whole,
            _ => Room::Beside,
        }
    }

    /// Handles the reply to one of its requests. Returns `None` if it is of another one, else whether the history stays.
    pub fn answered(&mut self, serial: u64, reply: &Result<Reply, RequestError>, cx: &mut Context<'_>) -> Option<bool> {
        let wants_lines = matches!(self.lines, Lines::Asked(asked, _) if asked == serial);
        match reply {
            Ok(Reply::Revisions { revisions }) if self.serial == Some(serial) => {
                self.serial = None;
                self.take(revisions.clone());
                if self.undo {
                    self.restore(cx);
                }
                Some(!self.undo)
            }
            Ok(Reply::Blame(blame)) if wants_lines => {
                self.lines = Lines::Known(blame.clone());
                Some(true)
            }
            Ok(Reply::RevisionCauses { causes }) if self.cause == Some(serial) => {
                self.cause = None;
                let place = causes.first().and_then(|cause| Some((cause.conversation.clone()?, cause.seq)));
                match place {
                    Some((conversation, seq)) => cx.act(AppAction::Goto(conversation, seq)),
                    None => cx.fault("what caused this version is no longer in the store"),
                }
                Some(true)
            }
            Err(fault) if wants_lines || self.cause == Some(serial) => {
                cx.fault(fault.text.clone());
                (self.lines, self.cause) = (Lines::Off, None);
                Some(true)
            }
            Err(fault) if self.serial == Some(serial) => {
                cx.fault(fault.text.clone());
                self.serial = None;
                Some(self.revisions.is_some() && !self.undo)
            }
            _ => None,
        }
    }

    fn take(&mut self, mut revisions: Vec<Timestamped<Revision>>) {
        revisions.retain(|dated| dated.what.block == self.block);
        let known = self.revisions.get_or_insert_default();
        known.extend(revisions);
        known.sort_by_key(|dated| std::cmp::Reverse(dated.what.version));
        known.dedup_by_key(|dated| dated.what.version);
    }

    /// Adds a version that was just committed.
    pub fn append(&mut self, logged: &LogEntry, revision: &Revision) {
        if let Some(revisions) = self.revisions.as_mut().filter(|_| revision.block == self.block) {
            revisions.insert(0, Timestamped { n: logged.n, at: logged.at, what: revision.clone() });
            // The shown version stays the same.
            self.at += 1;
        }
    }

    /// Moves to an earlier or a later version; false if there is no later one. Requests the versions before the earliest
    /// one that is read when it comes close.
    pub fn step(&mut self, earlier: bool, cx: &mut Context<'_>) -> bool {
        let last = self.revisions.as_ref().map_or(0, |all| all.len().saturating_sub(1));
        let more = earlier || self.at > 0;
        self.at = if earlier { (self.at + 1).min(last) } else { self.at.saturating_sub(1) };
        self.top = 0;
        let earliest = self.revisions.as_ref().and_then(|all| all.last()).map(|dated| dated.what.version);
        let close = earlier && self.serial.is_none() && self.at + 1 >= last;
        if let Some(before) = earliest.filter(|version| close && *version > 1) {
            let request = Request::Revisions { block: self.block.clone(), before: Some(before), limit: PAGE };
            self.serial = Some(cx.ask(request));
        }
        self.ask_lines(cx);
        more
    }

    fn shown(&self) -> Option<&Timestamped<Revision>> {
        self.revisions.as_ref().and_then(|all| all.get(self.at))
    }

    /// Returns the version that the shown one is compared with, if it is read; `None` before the first.
    fn other(&self) -> Option<&Timestamped<Revision>> {
        let all = self.revisions.as_ref()?;
        match self.against {
            Some(version) => all.iter().find(|dated| dated.what.version == version),
            None => all.get(self.at + 1),
        }
    }

    /// Returns the earlier and the later one of the two versions that are compared; `None` if the first one is shown
    /// alone.
    fn pair(&self) -> Option<(&Revision, &Revision)> {
        let (shown, other) = (&self.shown()?.what, &self.other()?.what);
        Some(if other.version > shown.version { (shown, other) } else { (other, shown) })
    }

    /// Returns the shown version and its value.
    pub fn value(&self) -> Option<(u64, String)> {
        self.shown().map(|dated| (dated.what.version, dated.what.value.clone()))
    }

    /// Performs a command.
    pub fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if let Some(top) = scrolled(command, self.top, self.rows.len(), self.height) {
            self.top = top;
            return;
        }
        match command {
            Command::Compare => {
                self.top = 0;
                let shown = self.shown().map(|dated| dated.what.version);
                self.against = if self.against.is_some() { None } else { shown };
                if let Some(version) = self.against {
                    cx.toast(format!("[ and ] choose what v{version} is compared with; c again ends it"));
                }
            }
            Command::Sides => {
                self.sides = !self.sides;
                self.lines = Lines::Off;
            }
            Command::WhoWrote => {
                self.top = 0;
                self.lines = match (&self.lines, self.shown()) {
                    (Lines::Off, Some(dated)) => Lines::Asked(0, dated.what.version.wrapping_sub(1)),
                    _ => Lines::Off,
                };
                self.ask_lines(cx);
            }
            Command::Undo => self.restore(cx),
            Command::UndoAll => self.undo_job(cx),
            Command::Open => self.open_cause(cx),
            _ => {}
        }
    }

    /// Requests the authors of the lines of the shown version, if they are to be shown and not known.
    fn ask_lines(&mut self, cx: &mut Context<'_>) {
        let Some(version) = self.shown().map(|dated| dated.what.version) else { return };
        let known = match &self.lines {
            Lines::Off => return,
            Lines::Asked(_, asked) => *asked == version,
            Lines::Known(blame) => blame.version == version,
        };
        if !known {
            let request = BlockRequest::Blame { id: self.block.clone(), version: Some(version) };
            self.lines = Lines::Asked(cx.ask(Request::Block(Box::new(request))), version);
        }
    }

    /// Opens the confirmation that restores the shown version; on the newest, the one before it.
    fn restore(&self, cx: &mut Context<'_>) {
        let Some(block) = cx.model.block(&self.block) else { return };
        let label = clean_line(&block.label);
        let wanted = self.revisions.as_ref().and_then(|all| {
            all.iter().skip(self.at.max(1)).find(|dated| self.at > 0 || dated.what.version < block.version)
        });
        let Some(old) = wanted.map(|dated| &dated.what) else {
            return cx.fault(format!("{label} has no version before this one"));
        };
        let request = BlockRequest::Restore { id: block.id.clone(), version: old.version, base: block.version };
        let request = Request::Block(Box::new(request));
        let question = format!("Restore {label} to v{}?", old.version);
        let choices = vec![
            Choice::new(
                'y',
                format!("yes, as v{}; v{} stays in its history", block.version + 1, block.version),
                vec![AppAction::Ask(Requester::Pane(PaneId::Blocks), Box::new(request))],
            ),
            Choice::new('n', "no", Vec::new()),
        ];
        cx.open(Confirm::new(question, choices));
    }

    /// Asks whether to undo all that the job of the shown version did.
    fn undo_job(&self, cx: &mut Context<'_>) {
        let Some(dated) = self.shown() else { return };
        match dated.what.editor.job() {
            Some(job) => cx.acts(OpenJob::to_undo(job.clone()).acts()),
            None => cx.fault(format!("no job made v{}; u restores a version", dated.what.version)),
        }
    }

    /// Shows what caused the shown version: the job, or the message of the turn.
    fn open_cause(&mut self, cx: &mut Context<'_>) {
        let Some(revision) = self.shown().map(|dated| &dated.what) else { return };
        if let Some(job) = revision.editor.job() {
            return cx.acts(OpenJob::new(job.clone()).acts());
        }
        let Some(run) = revision.run.clone() else {
            let who = clean_line(revision.editor.name());
            return cx.toast(format!("v{} was made by {who}, in no turn and no job", revision.version));
        };
        self.cause = Some(cx.ask(Request::Block(Box::new(BlockRequest::Causes { runs: vec![run] }))));
    }

    /// Lays out what is shown in this area.
    pub fn prepare(&mut self, area: Rect, block: &Block, look: &RenderContext, model: &Model) {
        let cells = usize::from(area.width).saturating_sub(1);
        self.head = rows::head(self, block, (cells, area.height), look, model);
        self.rows = rows::body(self, cells, look);
        self.height = usize::from(area.height).saturating_sub(self.head.len());
        self.top = self.top.min(self.rows.len().saturating_sub(self.height));
    }

    /// Returns the title of the pane.
    pub fn title(&self, block: &Block) -> String {
        let label = clean_line(&block.label);
        match self.shown() {
            Some(dated) => format!("{label}   v{} of {}", dated.what.version, block.version.max(dated.what.version)),
            None => format!("{label}   loading versions"),
        }
    }

    /// Returns the number of rows below the visible ones.
    pub fn below(&self) -> usize {
        self.rows.len().saturating_sub(self.top + self.height)
    }

    /// Draws what was laid out.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext) {
        let buffer = frame.buffer_mut();
        let body = self.rows.iter().skip(self.top);
        for (row, y) in self.head.iter().chain(body).zip(area.top()..area.bottom()) {
            put_row(buffer, (area.x, y), area.width, row, &look.theme);
        }
    }
}
