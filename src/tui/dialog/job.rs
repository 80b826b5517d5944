//! Dialog with the details of a job: its message window, its steps with their tool calls, and its edits.

mod detail;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::call::scrolled;
use super::confirm::{Choice, Confirm};
use super::{Modal, frame_box};
use crate::domain::text_edit::{Merge, merge};
use crate::domain::{BlockId, Job, JobId, JobState};
use crate::engine::protocol::{JobDetail, JobEdit, Recipient, Reply, Request, RequestError, RowUpdate, Update};
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
        let talk = cx.model.conversation_of(&Recipient::Group(job.group.clone()));
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
        let mut asked = Vec::new();
        let mut labels = Vec::new();
        for (block, edits) in by_block(&detail.edits) {
            let label = clean_line(&edits[0].label).into_owned();
            let Some((base, value)) = undone(&edits) else {
                return cx.fault(format!(
                    "others changed the same lines of {label} since: edit it by hand (e in the blocks)"
                ));
            };
            let request = Request::EditBlock { id: block, base, value, merge: true };
            asked.push(AppAction::Ask(Requester::Pane(PaneId::Blocks), Box::new(request)));
            labels.push(label);
        }
        let edits = if detail.edits.len() == 1 { "edit" } else { "edits" };
        let question = format!("Undo {} {edits} of this job in {}?", detail.edits.len(), labels.join(", "));
        let choices =
            vec![Choice::new('y', "undo them as a new version", asked), Choice::new('n', "leave them", Vec::new())];
        cx.open(Confirm::new(question, choices));
    }

    fn ask_jobs(request: Request, cx: &mut Context<'_>) {
        cx.act(AppAction::Ask(Requester::Pane(PaneId::Jobs), Box::new(request)));
    }
}

/// Groups the edits by block, oldest first.
fn by_block(edits: &[JobEdit]) -> Vec<(BlockId, Vec<&JobEdit>)> {
    let mut blocks: Vec<(BlockId, Vec<&JobEdit>)> = Vec::new();
    for edit in edits {
        match blocks.iter_mut().find(|(block, _)| *block == edit.revision.block) {
            Some((_, known)) => known.push(edit),
            None => blocks.push((edit.revision.block.clone(), vec![edit])),
        }
    }
    for (_, edits) in &mut blocks {
        edits.sort_by_key(|edit| edit.revision.version);
    }
    blocks
}

/// Returns the version of the last edit, and its value with all the edits reverted; `None` if reverting conflicts
/// with other edits between them.
fn undone(edits: &[&JobEdit]) -> Option<(u64, String)> {
    let last = edits.last()?;
    let mut value = last.revision.value.clone();
    for edit in edits.iter().rev() {
        match merge(&edit.revision.value, &value, &edit.before) {
            Merge::Clean(merged) => value = merged,
            Merge::Clash(_) => return None,
        }
    }
    Some((last.revision.version, value))
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
            Ok(_) => {}
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
        let name = self.job(model).map(|job| clean_line(model.name_of(&job.agent))).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Editor, PersonId, Revision};

    fn edit(version: u64, before: &str, value: &str) -> JobEdit {
        let revision = Revision {
            block: "block-1".into(),
            version,
            value: value.to_owned(),
            editor: Editor::Person(PersonId::local()),
            run: None,
            step: None,
            calls: Vec::new(),
            reason: String::new(),
        };
        JobEdit { label: "story".to_owned(), before: before.to_owned(), revision }
    }

    #[test]
    fn undoing_a_job_keeps_what_others_wrote_between_its_edits() {
        let first = edit(2, "a\nb\nc\nd\ne", "A\nb\nc\nd\ne");
        // Version 3 is an edit by another editor, which replaced the line "c" with "theirs".
        let second = edit(4, "A\nb\ntheirs\nd\ne", "A\nb\ntheirs\nd\nE");
        assert_eq!(undone(&[&first, &second]), Some((4, "a\nb\ntheirs\nd\ne".to_owned())));
    }

    #[test]
    fn what_others_wrote_over_a_job_is_never_undone_with_it() {
        let first = edit(2, "a", "A");
        let second = edit(4, "A, says Mira", "A, says Mira, twice");
        assert_eq!(undone(&[&first, &second]), None);
    }
}
