//! The jobs pane: background jobs with their state, result and actions, and the triggers that make them.

pub mod rows;
mod triggers;

use crossterm::event::MouseEvent;
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::list::{Item, List};
use super::{Pane, RenderContext, unreadable};
use crate::domain::state::Kind;
use crate::domain::{Job, JobId, JobState, JobWork, Trigger, TriggerId};
use crate::engine::protocol::{Reply, Request, RequestError, Update};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::dialog::form::Form;
use crate::tui::dialog::job::OpenJob;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::PaneId;
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::theme::Role;

/// What can be selected.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    Job(JobId),
    Trigger(TriggerId),
}

/// State of the pane.
#[derive(Debug)]
pub struct Jobs {
    list: List<Key>,
    /// True if the rows are out of date with the model.
    stale: bool,
    laid: Option<(Rect, Timestamp)>,
    /// When an age in the rows changes.
    until: Option<Timestamp>,
    /// The last request, and the message to show when it succeeds.
    asked: Option<(u64, String)>,
    /// Jobs that failed since the pane was last shown.
    failed: Vec<JobId>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { list: List::newest_first(), stale: false, laid: None, until: None, asked: None, failed: Vec::new() }
    }
}

impl Jobs {
    fn ask(&mut self, request: Request, done: String, cx: &mut Context<'_>) {
        self.asked = Some((cx.ask(request), done));
    }

    fn about(&mut self, command: Command, job: &Job, cx: &mut Context<'_>) {
        let name = agent_name(cx.model, job);
        let id = job.id.clone();
        match command {
            Command::Open => cx.acts(OpenJob::new(id).acts()),
            Command::Undo if job.edits == 0 => cx.fault(format!("{name} changed nothing in this job: nothing to undo")),
            Command::Undo => cx.acts(OpenJob::to_undo(id).acts()),
            Command::Cancel if job.state.is_final() => {
                cx.fault(format!("this job of {name} is finished; r runs it again"));
            }
            Command::Cancel if matches!(job.state, JobState::Running { .. }) => {
                let cancel = AppAction::Ask(Requester::Pane(PaneId::Jobs), Box::new(Request::CancelJob { id }));
                let choices = vec![
                    Choice::new('y', "cancel it; what it committed stays", vec![cancel]),
                    Choice::new('n', "let it run", Vec::new()),
                ];
                let question = format!("Cancel the running job of {name}?");
                cx.open(Confirm::new(question, choices));
            }
            Command::Cancel => self.ask(Request::CancelJob { id }, format!("job of {name} cancelled"), cx),
            Command::Retry => match &job.state {
                JobState::Running { .. } => cx.fault(format!("{name} is already running this job")),
                JobState::Parked => cx.fault(format!("{name} waits for an answer; see the inbox")),
                JobState::Available => cx.fault(format!("{name} starts this job as soon as there is capacity")),
                JobState::Completed { .. } => cx.fault("this job is completed; R starts a new one now"),
                JobState::Scheduled { why, .. } => {
                    cx.fault(format!("{name} waits: {why}; raise that with e in the agents, and it goes on at once"));
                }
                JobState::Retryable { .. } => self.ask(Request::RetryJob { id }, format!("{name} retries now"), cx),
                JobState::Failed { .. } | JobState::Cancelled { .. } => {
                    self.ask(Request::RetryJob { id }, format!("{name} runs the job again"), cx);
                }
            },
            Command::RunNow => {
                let request = match &job.work {
                    JobWork::Agent(work) => {
                        let (agent, group) = (work.agent.clone(), work.group.clone());
                        Request::RunJob { agent, group, instruction: None }
                    }
                    JobWork::Care { care } => Request::RunCare { task: *care },
                };
                self.ask(request, format!("{name} starts a job now"), cx);
            }
            Command::Copy => cx.copy(rows::sentence(job, cx.model), "job"),
            _ => {}
        }
    }

    /// The selected job.
    fn job<'m>(&self, model: &'m Model) -> Option<&'m Job> {
        if let Some(Key::Job(id)) = self.list.selected() { model.job(id) } else { None }
    }

    /// The selected trigger.
    fn trigger<'m>(&self, model: &'m Model) -> Option<&'m Trigger> {
        let Some(Key::Trigger(id)) = self.list.selected() else { return None };
        model.triggers.iter().find(|trigger| trigger.id == *id)
    }

    fn about_trigger(&mut self, command: Command, trigger: &Trigger, cx: &mut Context<'_>) {
        let id = trigger.id.clone();
        let when = clean_line(&trigger.spec.when.schedule()).into_owned();
        match command {
            Command::Open | Command::EditSelected => change(trigger, cx),
            Command::RunNow => self.ask(Request::FireTrigger { id }, format!("fired: {when}"), cx),
            Command::Pause => {
                let paused = !trigger.paused;
                let done = if paused { "paused" } else { "resumed" };
                self.ask(Request::PauseTrigger { id, paused }, format!("{done}: {when}"), cx);
            }
            Command::Copy => cx.copy(triggers::sentence(trigger, cx.model), "trigger"),
            _ => {}
        }
    }

    /// Starts a job of the shown group's first background agent, without a selected job.
    fn run_first(&mut self, cx: &mut Context<'_>) {
        let group = cx.model.shown_group();
        let agent = group.and_then(|group| group.sleeptime.as_ref()?.agents.first().cloned());
        match (agent, group.map(|group| group.id.clone())) {
            (Some(agent), Some(group)) => {
                self.ask(Request::RunJob { agent, group, instruction: None }, "a job starts now".to_owned(), cx);
            }
            _ => cx.fault("this group has no background agent; its team file names them under [group.sleeptime]"),
        }
    }
}

/// Opens the form of the group at its triggers, or at its sources.
fn change(trigger: &Trigger, cx: &mut Context<'_>) {
    let key = if trigger.spec.source().is_some() { "source" } else { "trigger" };
    match Form::group_at(cx.model, &trigger.group, key) {
        Some(form) => cx.open(form),
        None => cx.fault("this group is gone"),
    }
}

fn agent_name(model: &Model, job: &Job) -> String {
    match &job.work {
        JobWork::Agent(work) => model
            .agent(&work.agent)
            .map_or_else(|| "the agent".to_owned(), |agent| clean_line(&agent.name).into_owned()),
        JobWork::Care { care } => format!("the {}", care.noun()),
    }
}

impl Pane for Jobs {
    fn context(&self) -> KeyContext {
        KeyContext::JOBS
    }

    fn can(&self, command: Command, model: &Model) -> bool {
        let job = self.job(model);
        let trigger = self.trigger(model).is_some();
        let again = |job: &Job| {
            let state = &job.state;
            matches!(state, JobState::Retryable { .. } | JobState::Failed { .. } | JobState::Cancelled { .. })
        };
        match command {
            Command::Open => job.is_some() || trigger,
            Command::EditSelected | Command::Pause => trigger,
            Command::Undo => !trigger,
            Command::Cancel => job.is_some_and(|job| !job.state.is_final()),
            Command::Retry => job.is_some_and(again),
            _ => true,
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if self.list.command(command) {
            return;
        }
        if let Some(trigger) = self.trigger(cx.model).cloned() {
            return self.about_trigger(command, &trigger, cx);
        }
        match self.job(cx.model).cloned() {
            Some(job) => self.about(command, &job, cx),
            None if command == Command::RunNow => self.run_first(cx),
            None => {}
        }
    }

    fn mouse(&mut self, event: MouseEvent, area: Rect, cx: &mut Context<'_>) {
        if self.list.mouse(event, area).is_some() {
            self.command(Command::Open, cx);
        }
    }

    fn updated(&mut self, update: &Update, cx: &mut Context<'_>) {
        use crate::engine::protocol::RowUpdate;

        let Update::Committed { rows, .. } = update else { return };
        for row in rows {
            self.stale |=
                matches!(row, RowUpdate::Job(_) | RowUpdate::Agent(_) | RowUpdate::Group(_) | RowUpdate::Trigger(_));
            if let RowUpdate::Job(job) = row
                && job.state.error().is_some()
                && (job.group().is_none() || cx.model.place.group.as_ref() == job.group())
            {
                self.failed.push(job.id.clone());
            }
        }
    }

    fn moved(&mut self, _cx: &mut Context<'_>) {
        self.stale = true;
        self.failed.clear();
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let done = self.asked.take_if(|(asked, _)| *asked == serial).map(|(_, done)| done);
        match (reply, done) {
            (Ok(_), Some(done)) => cx.toast(done),
            (Ok(_), None) => {}
            (Err(fault), _) => cx.fault(fault.text),
        }
    }

    fn prepare(&mut self, area: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        self.failed.clear();
        let same = self.laid.is_some_and(|(laid, _)| laid == area);
        if same && !self.stale && self.until.is_none_or(|until| look.now < until) {
            return;
        }
        let shown = cx.model.place.group.as_ref();
        let (care, of_agents): (Vec<&Job>, Vec<&Job>) = cx.model.jobs.iter().partition(|job| job.care().is_some());
        let (here, elsewhere): (Vec<&Job>, Vec<&Job>) =
            of_agents.into_iter().partition(|job| shown.is_none() || shown == job.group());
        let columns = rows::Columns::over(&here, &elsewhere, area.width.into(), cx.model);
        let item = |job: &&Job| Item { key: Some(Key::Job(job.id.clone())), rows: columns.job(job, look, cx.model) };
        let mut items: Vec<Item<Key>> =
            unreadable::items(&[Kind::Job, Kind::Trigger], area.width.into(), look, cx.model);
        items.extend(here.iter().map(item));
        if here.is_empty() {
            items.push(Item::rest(rows::empty(area.width.into(), cx.model)));
        }
        let triggers = || cx.model.triggers.iter().filter(|trigger| shown == Some(&trigger.group));
        if triggers().next().is_some() {
            items.push(Item::rest(rows::heading("Triggers", area.width.into())));
            items.extend(triggers().map(|trigger| Item {
                key: Some(Key::Trigger(trigger.id.clone())),
                rows: triggers::rows(trigger, look, cx.model, area.width.into()),
            }));
        }
        if !elsewhere.is_empty() {
            items.push(Item::rest(rows::heading("Other groups", area.width.into())));
            items.extend(elsewhere.iter().map(item));
        }
        if !care.is_empty() {
            items.push(Item::rest(rows::heading("Care of the store", area.width.into())));
            let columns = rows::Columns::over(&care, &[], area.width.into(), cx.model);
            items.extend(
                care.iter()
                    .map(|job| Item { key: Some(Key::Job(job.id.clone())), rows: columns.job(job, look, cx.model) }),
            );
        }
        self.list.set(items, area.height);
        self.stale = false;
        self.laid = Some((area, look.now));
        self.until = here.iter().chain(&elsewhere).chain(&care).filter_map(|job| rows::changes_at(job, look)).min();
    }

    fn wake(&self, _look: &RenderContext, _model: &Model) -> Option<Timestamp> {
        self.until
    }

    fn note(&self, _look: &RenderContext, model: &Model) -> Vec<Span> {
        let (running, next) = (model.jobs_running(), model.jobs_waiting());
        let role = |count: usize| if count > 0 { Role::Accent } else { Role::Dim };
        vec![
            Span::new(format!("running {running:<2}"), role(running)),
            Span::new(format!(" next {next:<2}"), if next > 0 { Role::Text } else { Role::Dim }),
        ]
    }

    fn badge(&self, look: &RenderContext, model: &Model) -> Option<Span> {
        if !self.failed.is_empty() {
            return Some(Span::new(look.glyphs.failed, Role::Error));
        }
        let running = model.jobs_running();
        (running > 0).then(|| Span::new(format!("{}{running}", look.glyphs.thinking), Role::Accent))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, _model: &Model, focused: bool) {
        self.list.draw(frame.buffer_mut(), area, &look.theme, focused);
    }
}
