//! Builds a step's commit: edits, step row, messages, the run's next state.

use super::draft::{CallResults, StagedStep};
use crate::domain::block::Grantee;
use crate::domain::{
    AgentId, Block, Call, Change, Content, Editor, JobState, Mail, MailId, MailStatus, NoticeKind, PendingCall,
    PendingKind, Revision, Run, RunId, RunKind, RunState, StopReason, Task,
};
use crate::engine::work::{self, Outcome, RunContext};
use crate::engine::{Engine, wait};
use crate::store::StepInput;
use crate::tools::access::AccessGrant;
use crate::tools::{OutgoingMail, ToolOutcome, Wait};

/// The run's next move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Step,
    Finish(StopReason),
    Park,
}

/// A step and its call results, ready to commit.
pub(super) struct StepCommit<'a> {
    engine: &'a Engine,
    work: &'a RunContext,
    view: &'a StepInput,
    draft: &'a StagedStep,
    ran: CallResults,
    next: Next,
}

impl<'a> StepCommit<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        work: &'a RunContext,
        view: &'a StepInput,
        draft: &'a StagedStep,
        ran: CallResults,
    ) -> Self {
        let passed = ran.effects.contains(&ToolOutcome::Pass);
        let finished = ran.effects.iter().any(|effect| matches!(effect, ToolOutcome::Finish { .. }));
        let waits = ran.effects.iter().any(|effect| matches!(effect, ToolOutcome::Wait(_)));
        // A resumed step committed its text before it waited.
        let wordless = draft.row.is_some() && draft.text.trim().is_empty();
        let silent = wordless && draft.calls.is_empty() && !work.is_background();
        let next = if waits {
            Next::Park
        } else if draft.paused && draft.calls.is_empty() {
            Next::Step
        } else if passed && wordless || silent {
            Next::Finish(StopReason::Passed)
        } else if passed || finished || draft.calls.is_empty() {
            Next::Finish(StopReason::EndTurn)
        } else {
            Next::Step
        };
        Self { engine, work, view, draft, ran, next }
    }

    /// Returns the outcome after commit.
    pub(super) fn outcome(&self) -> Outcome {
        match self.next {
            Next::Step => Outcome::Continue,
            Next::Finish(_) => Outcome::Finished,
            Next::Park => Outcome::Parked,
        }
    }

    /// Returns the ordinals of the calls after this one that send mail without waiting.
    pub(super) fn mail_after(&self, ordinal: u32) -> Vec<u32> {
        self.ran.posts.iter().map(|(sent_by, _)| *sent_by).filter(|sent_by| *sent_by > ordinal).collect()
    }

    /// Lists the changes.
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = self.draft.begin.clone();
        let begun = changes.len();
        changes.extend(self.edits());
        let edits = changes.len() - begun;
        changes.extend(self.grants());
        changes.extend(self.draft.row.clone().map(Change::StepFinished));
        if let Some(text) = self.draft.fallback.clone() {
            changes.push(self.message(Content::Notice { notice: NoticeKind::Fallback, text }));
        }
        if !self.draft.text.trim().is_empty() || !self.draft.reasoning.is_empty() {
            let (text, reasoning) = (self.draft.text.clone(), self.draft.reasoning.clone());
            changes.push(self.message(Content::Text { text, reasoning, cancelled: false }));
        }
        if let Some(text) = self.draft.incomplete.clone() {
            changes.push(self.message(Content::Notice { notice: NoticeKind::Incomplete, text }));
        }
        for (at, (call, effect)) in self.draft.calls.iter().zip(&self.ran.effects).enumerate() {
            let (ok, text) = match effect {
                ToolOutcome::Result { ok, text } => (*ok, text.clone()),
                ToolOutcome::Finish { text } => (true, text.clone()),
                ToolOutcome::Pass => (true, "you passed".to_owned()),
                ToolOutcome::Wait(_) => continue,
            };
            let place = (&self.draft.step, self.draft.ordinal(at));
            changes.push(Change::CallMade(Call::new(&self.view.run, &self.view.agent.id, place, &call.name, ok)));
            let (call, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments.clone());
            changes.push(self.message(Content::Tool { call, name, arguments, ok, text }));
        }
        changes.extend(self.ran.posts.iter().map(|(ordinal, post)| self.mail(*ordinal, post, false)));
        if self.next == Next::Finish(StopReason::Passed) {
            let text = format!("{} passed", self.view.agent.name);
            changes.push(self.message(Content::Notice { notice: NoticeKind::Pass, text }));
        }
        match self.next {
            Next::Step => {}
            Next::Finish(stop_reason) => {
                changes.extend(self.work.finish(stop_reason, None));
                changes.extend(self.view.job.as_ref().map(|job| work::completed(job, edits)));
            }
            Next::Park => changes.extend(self.park()),
        }
        changes
    }

    fn edits(&self) -> impl Iterator<Item = Change> {
        let agent = &self.view.agent;
        let job = self.work.job.as_ref().map(|(job, _)| job.clone());
        let editor = Editor::Agent { id: agent.id.clone(), name: agent.name.clone(), job };
        self.ran.blocks.iter().filter(|block| block.is_edited()).map(move |block| {
            let Block { id, version, .. } = &block.current;
            let (calls, tool) = self.ran.edits.get(id).cloned().unwrap_or_default();
            Change::BlockEdited(Revision {
                block: id.clone(),
                version: version + 1,
                value: block.value.clone(),
                editor: editor.clone(),
                run: Some(self.work.run.clone()),
                step: Some(self.draft.step.clone()),
                calls,
                reason: tool,
            })
        })
    }

    fn grants(&self) -> impl Iterator<Item = Change> {
        let by = &self.view.agent.id;
        self.ran.grants.iter().cloned().map(|grant| {
            let AccessGrant { block: id, agent, level, reason } = grant;
            let (who, by) = (Grantee::Agent(agent), Some(by.clone()));
            Change::BlockAccessSet { id, who, level: Some(level), before: None, by, reason }
        })
    }

    fn message(&self, content: Content) -> Change {
        let message = self.engine.message(&self.view.run, content);
        Change::MessageAppended(message.by(&self.view.agent.id, &self.view.agent.name).in_step(&self.draft.step))
    }

    /// Parks the run, its turn and job: the waiting call, those after it, the requests to others.
    fn park(&self) -> Vec<Change> {
        let first =
            self.ran.effects.iter().position(|effect| matches!(effect, ToolOutcome::Wait(_))).unwrap_or_default();
        let Some(ToolOutcome::Wait(wait)) = self.ran.effects.get(first) else { return Vec::new() };
        let since = self.engine.spans.now();
        let mut changes = Vec::new();
        for (at, call) in self.draft.calls.iter().enumerate().skip(first) {
            let (kind, mut whom, until) = if at == first {
                (wait.kind(), wait.whom(), self.until(wait, since))
            } else {
                (PendingKind::Behind, Vec::new(), None)
            };
            whom.sort();
            whom.dedup();
            changes.push(Change::CallPending(PendingCall {
                run: self.work.run.clone(),
                step: self.draft.step.clone(),
                ordinal: self.draft.ordinal(at),
                call: call.id.clone(),
                name: call.name.clone(),
                arguments: call.arguments.clone(),
                kind,
                whom,
                since,
                until,
                answer: None,
            }));
        }
        let ordinal = self.draft.ordinal(first);
        match wait {
            Wait::Approval => {}
            Wait::Replies(posts) => changes.extend(posts.iter().map(|post| self.mail(ordinal, post, true))),
            Wait::Workers(tasks) => changes.extend(self.workers(ordinal, tasks)),
        }
        changes.push(Change::RunMoved { id: self.work.run.clone(), to: RunState::Parked });
        changes.extend(self.work.turn.as_ref().map(|turn| Change::RunMoved { id: turn.clone(), to: RunState::Parked }));
        changes
            .extend(self.work.job.as_ref().map(|(job, _)| Change::JobMoved { id: job.clone(), to: JobState::Parked }));
        changes
    }

    /// Returns the deadline; `None` for approvals.
    fn until(&self, wait: &Wait, since: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let group = self.view.group.as_ref().and_then(|group| group.wait_seconds);
        let seconds = group.unwrap_or(crate::domain::group::DEFAULT_WAIT_SECONDS);
        (*wait != Wait::Approval).then(|| wait::until(since, seconds))
    }

    /// Creates the workers' runs and a notice of who is asked what.
    fn workers(&self, ordinal: u32, tasks: &[(AgentId, String)]) -> Vec<Change> {
        let name = |id: &AgentId| {
            let known = self.view.roster.iter().find(|agent| agent.id == *id);
            known.map_or_else(|| id.to_string(), |agent| agent.name.clone())
        };
        let same = tasks.iter().all(|(_, text)| *text == tasks[0].1);
        let text = if same && tasks.len() > 1 {
            let names: Vec<String> = tasks.iter().map(|(agent, _)| name(agent)).collect();
            format!("asks {}: {}", names.join(", "), tasks[0].1)
        } else {
            let each: Vec<String> = tasks.iter().map(|(agent, text)| format!("asks {}: {text}", name(agent))).collect();
            each.join("\n")
        };
        let mut changes = vec![self.message(Content::Notice { notice: NoticeKind::Delegated, text })];
        for (index, (agent, text)) in tasks.iter().enumerate() {
            let group = self.view.group.as_ref().map(|group| group.id.clone());
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let kind = RunKind::Speech { agent: agent.clone(), group, index };
            let id = RunId::fresh(self.engine.store.ids());
            let run = Run::new(id, self.view.run.conversation.clone(), kind, RunState::Queued).under(&self.view.run);
            let (step, by, text) = (self.draft.step.clone(), self.view.agent.id.clone(), text.clone());
            changes.push(Change::RunCreated(Run { task: Some(Task { step, ordinal, by, text }), ..run }));
        }
        changes
    }

    fn mail(&self, ordinal: u32, post: &OutgoingMail, waited_for: bool) -> Change {
        let now = self.engine.spans.now();
        let expiry = post.expires_in.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let group = self.view.group.as_ref().map_or(&self.view.agent.group, |group| &group.id);
        Change::MailSent(Mail {
            id: MailId::fresh(self.engine.store.ids()),
            from: Some(self.view.agent.id.clone()),
            from_person: None,
            to: Some(post.to.clone()),
            to_person: None,
            kind: post.kind,
            status: MailStatus::Pending,
            priority: post.priority,
            text: post.text.clone(),
            in_reply_to: None,
            sent_by: Some((self.draft.step.clone(), ordinal)),
            waited_for,
            group: Some(group.clone()),
            run: None,
            root: Some(self.view.run.root.clone()),
            depth: self.view.run.depth + 1,
            error: None,
            created_at: now,
            expires_at: expiry.map(|seconds| {
                now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX)
            }),
        })
    }
}
