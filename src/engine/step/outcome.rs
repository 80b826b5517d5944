//! What a step commits: edits, the step, its messages, and where its run goes.

use super::{Answer, Made};
use crate::domain::{
    Block, Change, Commit, Content, Editor, Job, JobOutcome, JobState, Message, MessageId, NoticeKind, PendingCall,
    PendingKind, Rest, Revision, RunState, Step, StepId, StopReason,
};
use crate::engine::speech::Work;
use crate::engine::{Engine, Trouble};
use crate::store::{StepView, Store};
use crate::tools::{Effect, StagedBlock};

/// What the calls of a step came to.
pub(super) struct Ran {
    /// One effect a call, up to the first that waits.
    pub(super) effects: Vec<Effect>,
    /// The blocks as staged.
    pub(super) blocks: Vec<StagedBlock>,
}

/// How the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onward {
    Next,
    Finish(StopReason),
    Park,
}

pub(super) struct Outcome<'a> {
    store: &'a Store,
    work: &'a Work,
    view: &'a StepView,
    step: &'a Step,
    answer: &'a Answer,
    ran: Ran,
    onward: Onward,
}

impl<'a> Outcome<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        work: &'a Work,
        view: &'a StepView,
        step: &'a Step,
        answer: &'a Answer,
        ran: Ran,
    ) -> Self {
        let passed = ran.effects.contains(&Effect::Pass);
        let finished = ran.effects.iter().any(|effect| matches!(effect, Effect::Finish { .. }));
        let waits = ran.effects.iter().any(|effect| matches!(effect, Effect::Wait(_)));
        let silent = answer.text.trim().is_empty() && answer.done.calls.is_empty() && !work.is_background();
        let onward = if waits {
            Onward::Park
        } else if passed && answer.text.trim().is_empty() || silent {
            Onward::Finish(StopReason::Passed)
        } else if passed || finished || answer.done.calls.is_empty() {
            Onward::Finish(StopReason::EndTurn)
        } else {
            Onward::Next
        };
        Self { store: &engine.store, work, view, step, answer, ran, onward }
    }

    pub(super) fn made(&self) -> Made {
        match self.onward {
            Onward::Next => Made::Next,
            Onward::Finish(_) => Made::Over,
            Onward::Park => Made::Parked,
        }
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = self.edits().collect();
        let edits = changes.len();
        changes.push(Change::StepFinished(self.step.clone()));
        if !self.answer.text.trim().is_empty() || !self.answer.reasoning.is_empty() {
            let (text, reasoning) = (self.answer.text.clone(), self.answer.reasoning.clone());
            changes.push(self.message(Content::Text { text, reasoning, cancelled: false }));
        }
        for (call, effect) in self.answer.done.calls.iter().zip(&self.ran.effects) {
            let (ok, text) = match effect {
                Effect::Result { ok, text } => (*ok, text.clone()),
                Effect::Finish { text } => (true, text.clone()),
                Effect::Pass | Effect::Wait(_) => continue,
            };
            let (call, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments.clone());
            changes.push(self.message(Content::Tool { call, name, arguments, ok, text }));
        }
        if self.onward == Onward::Finish(StopReason::Passed) {
            let text = format!("{} passed", self.view.agent.name);
            changes.push(self.message(Content::Notice { notice: NoticeKind::Pass, text }));
        }
        match self.onward {
            Onward::Next => {}
            Onward::Finish(stop_reason) => {
                changes.extend(self.work.finish(stop_reason, None));
                changes.extend(self.view.job.as_ref().map(|job| job_done(job, edits)));
            }
            Onward::Park => changes.extend(self.park()),
        }
        changes
    }

    fn edits(&self) -> impl Iterator<Item = Change> {
        let agent = &self.view.agent;
        let job = self.work.job.as_ref().map(|(job, _)| job.clone());
        let editor = Editor::Agent { id: agent.id.clone(), name: agent.name.clone(), job };
        self.ran.blocks.iter().filter(|block| block.is_edited()).map(move |block| {
            let Block { id, version, .. } = &block.current;
            Change::BlockEdited(Revision {
                block: id.clone(),
                version: version + 1,
                value: block.value.clone(),
                editor: editor.clone(),
                run: Some(self.work.run.clone()),
                step: Some(self.step.id.clone()),
                reason: block.edited_by.clone().unwrap_or_default(),
            })
        })
    }

    fn message(&self, content: Content) -> Change {
        message(self.store, self.view, &self.step.id, content)
    }

    /// The call that waits and those behind it, and the run parked with the turn it belongs to.
    fn park(&self) -> Vec<Change> {
        let first = self.ran.effects.iter().position(|effect| matches!(effect, Effect::Wait(_))).unwrap_or_default();
        let mut changes = Vec::new();
        for (at, call) in self.answer.done.calls.iter().enumerate().skip(first) {
            let kind = match self.ran.effects.get(at) {
                Some(Effect::Wait(wait)) => wait.kind(),
                _ => PendingKind::Behind,
            };
            changes.push(Change::CallPending(PendingCall {
                run: self.work.run.clone(),
                step: self.step.id.clone(),
                ordinal: u32::try_from(at).unwrap_or(u32::MAX),
                call: call.id.clone(),
                name: call.name.clone(),
                arguments: call.arguments.clone(),
                kind,
                whom: Vec::new(),
                since: self.step.done_at,
                until: None,
                answer: None,
            }));
        }
        changes.push(Change::RunMoved { id: self.work.run.clone(), to: RunState::Parked });
        changes.extend(self.work.turn.as_ref().map(|turn| Change::RunMoved { id: turn.clone(), to: RunState::Parked }));
        changes
    }
}

fn job_done(job: &Job, edits: usize) -> Change {
    let changed = job.edits > 0 || edits > 0;
    let outcome = if changed { JobOutcome::Changed } else { JobOutcome::Unchanged };
    Change::JobMoved { id: job.id.clone(), to: JobState::Completed { outcome } }
}

/// A message of this agent in its run's conversation.
pub(super) fn message(store: &Store, view: &StepView, step: &StepId, content: Content) -> Change {
    Change::MessageAppended(Message {
        id: MessageId::fresh(store.ids()),
        conversation: view.run.conversation.clone(),
        seq: 0,
        run: Some(view.run.id.clone()),
        step: Some(step.clone()),
        answers: None,
        agent: Some(view.agent.id.clone()),
        name: view.agent.name.clone(),
        content,
        at: store.clock().now(),
    })
}

/// The steps of the run are spent: it ends, and says so.
pub(super) async fn out_of_steps(engine: &Engine, work: &Work, view: &StepView, most: u32) -> Result<Made, Trouble> {
    let mut changes = Vec::new();
    if !work.is_background() {
        let text = format!("{} stopped after {most} steps, its limit (max_steps)", view.agent.name);
        let notice = Content::Notice { notice: NoticeKind::Stopped, text };
        changes.push(message(&engine.store, view, &StepId::fresh(engine.store.ids()), notice));
    }
    changes.extend(work.finish(StopReason::MaxSteps, None));
    changes.extend(view.job.as_ref().map(|job| job_done(job, 0)));
    commit_or_over(engine, work, view, changes, Made::Over).await
}

/// What was said until a person cancelled it stays, marked.
pub(super) async fn cancelled(
    engine: &Engine,
    work: &Work,
    view: &StepView,
    step: &StepId,
    text: String,
    reasoning: String,
) -> Result<Made, Trouble> {
    if work.is_background() {
        // Its job was cancelled by the commit that called the work off.
        return Ok(Made::Cancelled);
    }
    let mut changes = Vec::new();
    if !text.is_empty() || !reasoning.is_empty() {
        changes.push(message(&engine.store, view, step, Content::Text { text, reasoning, cancelled: true }));
    }
    changes.extend(work.finish(StopReason::Cancelled, None));
    commit_or_over(engine, work, view, changes, Made::Cancelled).await
}

async fn commit_or_over(
    engine: &Engine,
    work: &Work,
    view: &StepView,
    changes: Vec<Change>,
    made: Made,
) -> Result<Made, Trouble> {
    let commit = Commit::new(work.actor(&view.agent.id), changes).on(Rest::RunRunning(work.run.clone()));
    match engine.commit(work.lane(), commit).await {
        Ok(_) => Ok(made),
        Err(Trouble::Moved) => Ok(Made::Over),
        Err(other) => Err(other),
    }
}
