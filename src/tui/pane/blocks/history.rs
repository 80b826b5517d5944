//! The version history of a block, browsed one version at a time.

use crate::domain::{Block, BlockId, LogEntry, Revision};
use crate::engine::protocol::{Request, Timestamped};
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::pane::{PaneId, RenderContext};
use crate::tui::text::clean::clean_line;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::theme::Role;

/// Versions read at a time.
const PAGE: usize = 50;
/// Unchanged lines shown around a change.
const CONTEXT: usize = 2;

/// The versions of a block.
#[derive(Debug)]
pub(super) struct History {
    /// The block.
    pub block: BlockId,
    /// Serial number of the read request that is not answered yet.
    serial: Option<u64>,
    /// True if there may be versions before the earliest one read.
    more: bool,
    /// Newest first; `None` until they are read.
    revisions: Option<Vec<Timestamped<Revision>>>,
    /// Index of the shown version, from the newest.
    at: usize,
    /// Offer to undo the newest version when they are read.
    undo: bool,
}

impl History {
    /// Requests the versions of a block. With `undo`, the reply opens the confirmation that undoes the newest one.
    pub fn read(block: &BlockId, undo: bool, cx: &mut Context<'_>) -> Self {
        let serial = Some(cx.ask(Request::Revisions { block: block.clone(), before: None, limit: PAGE }));
        Self { block: block.clone(), serial, more: false, revisions: None, at: 0, undo }
    }

    /// Returns true if `serial` is its read request.
    pub fn waits_for(&self, serial: u64) -> bool {
        self.serial == Some(serial)
    }

    /// Handles the versions read; true if the history stays on screen.
    pub fn take(&mut self, mut revisions: Vec<Timestamped<Revision>>, cx: &mut Context<'_>) -> bool {
        revisions.retain(|dated| dated.what.block == self.block);
        self.serial = None;
        self.more = revisions.len() >= PAGE;
        let known = self.revisions.get_or_insert_default();
        known.extend(revisions);
        known.sort_by_key(|dated| std::cmp::Reverse(dated.what.version));
        known.dedup_by_key(|dated| dated.what.version);
        if self.undo {
            self.restore(cx);
        }
        !self.undo
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
        if earlier {
            self.at = (self.at + 1).min(last);
            let earliest = self.revisions.as_ref().and_then(|all| all.last()).map(|dated| dated.what.version);
            let close = self.more && self.serial.is_none() && self.at + 1 >= last;
            if let Some(before) = earliest.filter(|_| close) {
                let request = Request::Revisions { block: self.block.clone(), before: Some(before), limit: PAGE };
                self.serial = Some(cx.ask(request));
            }
            return true;
        }
        let more = self.at > 0;
        self.at = self.at.saturating_sub(1);
        more
    }

    fn shown(&self) -> Option<&Timestamped<Revision>> {
        self.revisions.as_ref().and_then(|all| all.get(self.at))
    }

    /// Returns the shown version and its value.
    pub fn value(&self) -> Option<(u64, String)> {
        self.shown().map(|dated| (dated.what.version, dated.what.value.clone()))
    }

    /// Opens the confirmation that restores the shown version; on the newest, the one before it.
    pub fn restore(&self, cx: &mut Context<'_>) {
        let Some(block) = cx.model.block(&self.block) else { return };
        let label = clean_line(&block.label);
        let wanted = self.revisions.as_ref().and_then(|all| {
            all.iter().skip(self.at.max(1)).find(|dated| self.at > 0 || dated.what.version < block.version)
        });
        let Some(old) = wanted.map(|dated| &dated.what) else {
            return cx.fault(format!("{label} has no version before this one"));
        };
        let request =
            Request::EditBlock { id: block.id.clone(), base: block.version, value: old.value.clone(), merge: false };
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

    /// Returns the rows below the block's header.
    pub fn rows(&self, block: &Block, cells: usize, look: &RenderContext) -> Vec<Row> {
        let indent = || vec![Span::new("   ", Role::Dim)];
        let shape = Shape { first: indent(), rest: indent(), ..Shape::plain(cells) };
        let say = |text: String, role: Role| wrap(&[Span::new(text, role)], &shape);
        let Some(dated) = self.shown() else {
            return say("loading versions".to_owned(), Role::Dim);
        };
        let revision = &dated.what;
        let who = clean_line(revision.editor.name());
        let reason = clean_line(&revision.reason);
        let why = if reason.is_empty() { String::new() } else { format!(", {reason}") };
        let mut rows = say(format!("v{} of {}", revision.version, block.version.max(revision.version)), Role::Accent);
        rows.extend(say(format!("{who}, {}{why}", super::rows::moment(dated.at, look)), Role::Dim));
        let hint = [("[ ]", " step  "), ("u", " restore")];
        let hint: Vec<Span> =
            hint.iter().flat_map(|(key, what)| [Span::new(*key, Role::Accent), Span::new(*what, Role::Dim)]).collect();
        rows.extend(wrap(&hint, &shape));
        let before =
            self.revisions.as_ref().and_then(|all| all.get(self.at + 1)).map(|dated| dated.what.value.as_str());
        let changed = diff::rows(before.unwrap_or(""), &revision.value, CONTEXT, cells.saturating_sub(1), look.glyphs);
        if changed.is_empty() {
            let text = if before.is_none() { "empty at first" } else { "the same text as before" };
            rows.extend(say(text.to_owned(), Role::Dim));
        }
        rows.extend(changed.into_iter().map(super::rows::shifted));
        rows
    }
}
