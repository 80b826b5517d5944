//! Dialog with the details of a job: its message window, its steps with their tool calls, and its edits.

mod detail;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::call::scrolled;
use super::confirm::{Choice, Confirm};
use super::merge::MergeConflict;
use super::{Modal, frame_box};
use crate::domain::{Block, Job, JobId, JobState};
use crate::engine::protocol::{
    BlockClash, JobDetail, OnClash, Recipient, Reply, Request, RequestError, RowUpdate, Update,
};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::jobs::rows::{changes_at, trigger};
use crate::tui::pane::{PaneId, RenderContext, put, put_row};
use crate::tui::text::Row;
use crate::tui::text::clean::clean_line;
use crate::tui::theme::Role;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenJob {
    id: JobId,
    detail: Option<Result<Box<JobDetail>, String>>,
    /// Ask whether to undo the job once its details are loaded.
    undo: bool,
    rows: Vec<Row>,
    top: usize,
    height: usize,
    until: Option<Timestamp>,
}

impl OpenJob {
    /// Creates the dialog for a job; the reply to [`Request::JobDetail`] fills it.
    #[must_use]
    pub fn new(id: JobId) -> Self {
        Self { id, detail: None, undo: false, rows: Vec::new(), top: 0, height: 0, until: None }
    }

    /// Creates the dialog and asks whether to undo the job once its details are loaded.
    #[must_use]
    pub fn to_undo(id: JobId) -> Self {
        Self { undo: true, ..Self::new(id) }
    }

    /// Returns the actions that open the dialog and request its details.
    #[must_use]
    pub fn acts(self) -> [AppAction; 2] {
        let request = Request::JobDetail { id: self.id.clone() };
        [AppAction::open(self), AppAction::Ask(Requester::Dialog, Box::new(request))]
    }

    fn job<'a>(&'a self, model: &'a Model) -> Option<&'a Job> {
        let read = self.detail.as_ref().and_then(|detail| detail.as_ref().ok()).map(|detail| &detail.job);
        model.job(&self.id).or(read)
    }

    fn size(screen: Rect) -> (u16, u16) {
        (screen.width.saturating_sub(4).min(100), screen.height.saturating_sub(2).min(36))
    }

    fn go(&self, cx: &mut Context<'_>) {
        let Some(job) = self.job(cx.model) else { return };
        let Some(group) = job.group() else {
            return cx.fault("care of the store has no place in a conversation");
        };
        let talk = cx.model.conversation_of(&Recipient::Group(group.clone()));
        match (talk, job.window) {
            (Some(talk), Some((after, _))) => {
                cx.act(AppAction::Close);
                cx.act(AppAction::Goto(talk.id.clone(), (after + 1).min(talk.head)));
            }
            _ => cx.fault("the job has not started, so it has no place in the conversation yet"),
        }
    }

    /// Asks whether to undo the job's edits: one new version of each block, keeping edits others made meanwhile.
    fn ask_undo(&self, cx: &mut Context<'_>) {
        let Some(Ok(detail)) = &self.detail else { return };
        if detail.edits.is_empty() {
            return cx.fault("the job changed nothing: there is nothing to undo");
        }
        let mut labels: Vec<String> = detail.edits.iter().map(|edit| clean_line(&edit.label).into_owned()).collect();
        labels.sort_unstable();
        labels.dedup();
        let request = Request::UndoJob { id: self.id.clone(), clashes: OnClash::Ask };
        let undo = AppAction::Ask(Requester::Dialog, Box::new(request));
        let edits = if detail.edits.len() == 1 { "edit" } else { "edits" };
        let question = format!("Undo {} {edits} of this job in {}?", detail.edits.len(), labels.join(", "));
        let choices = vec![
            Choice::new('y', "undo them as a new version", vec![undo]),
            Choice::new('n', "leave them", Vec::new()),
        ];
        cx.open(Confirm::new(question, choices));
    }

    fn ask_jobs(request: Request, cx: &mut Context<'_>) {
        cx.act(AppAction::Ask(Requester::Pane(PaneId::Jobs), Box::new(request)));
    }
}

impl Modal for OpenJob {
    fn context(&self) -> KeyContext {
        KeyContext::JOB
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if let Some(top) = scrolled(command, self.top, self.rows.len(), self.height) {
            self.top = top;
            return;
        }
        match command {
            Command::Open => self.go(cx),
            Command::Undo => self.ask_undo(cx),
            Command::Cancel if self.job(cx.model).is_some_and(|job| !job.state.is_final()) => {
                Self::ask_jobs(Request::CancelJob { id: self.id.clone() }, cx);
            }
            Command::Retry if self.job(cx.model).is_some_and(retries) => {
                Self::ask_jobs(Request::RetryJob { id: self.id.clone() }, cx);
            }
            Command::Cancel => cx.fault("this job has already finished"),
            Command::Retry => cx.fault("this job cannot be retried: it is running, waiting or completed"),
            _ => {}
        }
    }

    fn updated(&mut self, update: &Update, cx: &mut Context<'_>) {
        let Update::Committed { rows, .. } = update else { return };
        let mut touched = rows.iter();
        if touched.any(|row| matches!(row, RowUpdate::Job(job) if job.id == self.id)) {
            cx.ask(Request::JobDetail { id: self.id.clone() });
        }
    }

    fn answered(&mut self, _serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        match reply {
            Ok(Reply::JobDetail(detail)) if detail.job.id == self.id => {
                self.detail = Some(Ok(detail));
                if std::mem::take(&mut self.undo) {
                    self.ask_undo(cx);
                }
            }
            Ok(Reply::JobUndone { blocks, clashes, deleted }) => tell_undone(&blocks, clashes, deleted, cx),
            Ok(_) => {}
            Err(fault) if self.detail.is_some() => cx.fault(fault.text),
            Err(fault) => self.detail = Some(Err(fault.text)),
        }
    }

    fn prepare(&mut self, screen: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        let (width, height) = Self::size(screen);
        let cells = usize::from(width).saturating_sub(4);
        self.height = usize::from(height).saturating_sub(4);
        let job = self.job(cx.model).cloned();
        let rows = detail::rows(job.as_ref(), self.detail.as_ref(), cells, look);
        self.rows = rows;
        self.top = self.top.min(self.rows.len().saturating_sub(self.height));
        self.until = job.and_then(|job| changes_at(&job, look));
    }

    fn wake(&self) -> Option<Timestamp> {
        self.until
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model) {
        let name = self.job(model).map(|job| clean_line(model.worker_of(job))).unwrap_or_default();
        let cause = self.job(model).map(trigger).unwrap_or_default();
        let title = format!("Job: {name}, {cause}");
        let inside = frame_box(frame, screen, Self::size(screen), &title, look);
        let room = inside.width.saturating_sub(2);
        for (row, y) in self.rows.iter().skip(self.top).take(self.height).zip(inside.y..inside.bottom()) {
            put_row(frame.buffer_mut(), (inside.x + 1, y), room, row, &look.theme);
        }
        let mut can = vec!["Enter show in the conversation".to_owned()];
        let edits = matches!(&self.detail, Some(Ok(detail)) if !detail.edits.is_empty());
        if edits {
            can.push("u undo all edits".to_owned());
        }
        if self.job(model).is_some_and(retries) {
            can.push("r retry".to_owned());
        }
        if self.job(model).is_some_and(|job| !job.state.is_final()) {
            can.push("x cancel".to_owned());
        }
        can.push("Esc leave".to_owned());
        let more = self.rows.len().saturating_sub(self.top + self.height);
        if more > 0 {
            can.push(format!("{more} more {}", look.glyphs.down));
        }
        let y = inside.bottom().saturating_sub(1);
        put(frame.buffer_mut(), (inside.x + 1, y), room, &can.join("   "), Role::Dim, &look.theme);
    }
}

fn retries(job: &Job) -> bool {
    matches!(job.state, JobState::Retryable { .. } | JobState::Failed { .. } | JobState::Cancelled { .. })
}

/// Tells what was undone, and opens the conflicts with what others wrote since.
fn tell_undone(blocks: &[Block], clashes: Vec<BlockClash>, deleted: usize, cx: &mut Context<'_>) {
    let mut told: Vec<String> =
        blocks.iter().map(|block| format!("{} is v{} now", clean_line(&block.label), block.version)).collect();
    match deleted {
        0 => {}
        1 => told.push("one block was deleted since".to_owned()),
        several => told.push(format!("{several} blocks were deleted since")),
    }
    if !told.is_empty() {
        cx.toast(format!("undone: {}", told.join(", ")));
    }
    for clash in clashes.into_iter().rev() {
        if let Some(dialog) = MergeConflict::of_undo(&clash) {
            cx.open(dialog);
        }
    }
}
