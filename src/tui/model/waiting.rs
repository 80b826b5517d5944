//! Who waits for whom, and what waits for the person: approvals and mail.

use std::collections::BTreeMap;

use super::Model;
use crate::domain::{
    AgentId, Block, ConversationId, Group, GroupId, Mail, MailId, MailStatus, PendingCall, PendingKind, Run, RunId,
    RunState, StepId,
};

/// What names a pending call: its step and its place in it.
pub type CallKey = (StepId, u32);

/// What names a pending call.
#[must_use]
pub fn key(call: &PendingCall) -> CallKey {
    (call.step.clone(), call.ordinal)
}

impl Model {
    /// The calls that wait for the person, oldest first.
    #[must_use]
    pub fn approvals(&self) -> Vec<&PendingCall> {
        let mut calls: Vec<&PendingCall> =
            self.calls.iter().filter(|call| call.is_open() && call.kind == PendingKind::Approval).collect();
        calls.sort_by_key(|call| (call.since, call.ordinal));
        calls
    }

    /// A call that waits.
    #[must_use]
    pub fn call(&self, (step, ordinal): &CallKey) -> Option<&PendingCall> {
        self.calls.iter().find(|call| call.step == *step && call.ordinal == *ordinal)
    }

    /// The calls of the same step that run once this one is answered, in order.
    #[must_use]
    pub fn behind(&self, call: &PendingCall) -> Vec<&PendingCall> {
        let later = |other: &&PendingCall| other.step == call.step && other.ordinal > call.ordinal;
        let mut calls: Vec<&PendingCall> = self.calls.iter().filter(later).collect();
        calls.sort_by_key(|call| call.ordinal);
        calls
    }

    /// Whose call it is.
    #[must_use]
    pub fn caller(&self, call: &PendingCall) -> Option<&AgentId> {
        self.run(&call.run).and_then(Run::agent)
    }

    /// The group a run works in; for a direct talk, the agent's own.
    #[must_use]
    pub fn group_of_run(&self, run: &RunId) -> Option<&GroupId> {
        let run = self.run(run)?;
        run.group().or_else(|| self.agent(run.agent()?).map(|agent| &agent.group))
    }

    /// How many calls wait for the person, in one group or everywhere.
    #[must_use]
    pub fn needs_you(&self, group: Option<&GroupId>) -> usize {
        let here = |call: &&PendingCall| group.is_none_or(|group| self.group_of_run(&call.run) == Some(group));
        self.approvals().into_iter().filter(here).count()
    }

    /// The calls that wait in a conversation, those for the person first, then oldest first. Workers are left
    /// out: they are seen at work.
    #[must_use]
    pub fn waiting_in(&self, conversation: &ConversationId) -> Vec<&PendingCall> {
        let here = |call: &&PendingCall| {
            call.is_open()
                && call.kind != PendingKind::Workers
                && self.run(&call.run).is_some_and(|run| run.conversation == *conversation)
        };
        let mut calls: Vec<&PendingCall> = self.calls.iter().filter(here).collect();
        calls.sort_by_key(|call| (call.kind != PendingKind::Approval, call.since, call.ordinal));
        calls
    }

    /// The block a call of this agent's run names by its label: the agent's own, else one its group shares.
    #[must_use]
    pub fn block_of_call(&self, call: &PendingCall) -> Option<&Block> {
        use crate::domain::block::folded;

        let label = folded(call.arguments.get("label")?.as_str()?);
        let own = self.caller(call).and_then(|id| self.agent(id)).map(|agent| self.blocks_of(agent));
        let shared = self.group_of_run(&call.run).and_then(|id| self.group(id)).map(|group| self.shared_blocks(group));
        own.into_iter().chain(shared).flatten().find(|block| folded(&block.label) == label)
    }

    /// The agents whose answers a parked run of this agent waits for, once each.
    #[must_use]
    pub fn waits_for(&self, agent: &AgentId) -> Vec<&AgentId> {
        let mut whom = Vec::new();
        for run in self.runs.iter().filter(|run| run.agent() == Some(agent) && run.state == RunState::Parked) {
            for call in self.calls.iter().filter(|call| call.is_open() && call.run == run.id) {
                for id in &call.whom {
                    if !whom.contains(&id) && !self.has_answered(id, call) {
                        whom.push(id);
                    }
                }
            }
        }
        whom
    }

    /// Whether the work a call gave to this agent is over.
    fn has_answered(&self, worker: &AgentId, call: &PendingCall) -> bool {
        let asked = |run: &&Run| {
            let task = run.task.as_ref();
            task.is_some_and(|task| task.step == call.step && task.ordinal == call.ordinal)
                && run.agent() == Some(worker)
        };
        self.runs.iter().find(asked).is_some_and(Run::is_finished)
    }

    /// True where a speech of this agent waits because the agent is at work elsewhere.
    #[must_use]
    pub fn is_queued(&self, agent: &AgentId) -> bool {
        let waits = |run: &Run| run.state == RunState::Queued && run.kind.is_speech();
        self.runs.iter().any(|run| run.agent() == Some(agent) && waits(run))
    }

    /// The workers of one delegation in a conversation, in the order they were asked; those that are over too
    /// until the turn is.
    #[must_use]
    pub fn workers_in(&self, conversation: &ConversationId) -> Vec<&Run> {
        self.runs.iter().filter(|run| run.task.is_some() && run.conversation == *conversation).collect()
    }

    /// The mail with this id, if it is one of the newest.
    #[must_use]
    pub fn mail(&self, id: &MailId) -> Option<&Mail> {
        self.mails.iter().find(|mail| mail.id == *id)
    }

    /// Mail to the person that was not opened, by who wrote it.
    #[must_use]
    pub fn unread_mail(&self) -> BTreeMap<&AgentId, usize> {
        let mut counts = BTreeMap::new();
        for from in self.mails.iter().filter(|mail| is_new(mail)).filter_map(|mail| mail.from.as_ref()) {
            *counts.entry(from).or_insert(0) += 1;
        }
        counts
    }

    /// How much mail to the person was not opened.
    #[must_use]
    pub fn new_mail(&self) -> usize {
        self.mails.iter().filter(|mail| is_new(mail)).count()
    }

    /// The pattern of a group in a few words: `round robin of 3`, `dynamic · chair`.
    #[must_use]
    pub fn pattern(&self, group: &Group, dot: &str) -> String {
        use crate::tui::text::clean::clean_line;

        let pattern = group.manager_type.pattern();
        let title = pattern.title;
        let manager = group.manager_agent.as_ref().and_then(|id| self.agent(id));
        match manager.filter(|_| pattern.named_by_manager) {
            Some(manager) => format!("{title} {dot} {}", clean_line(&manager.name)),
            None if group.manager_type.has_members() => format!("{title} of {}", group.members.len()),
            None => title.to_owned(),
        }
    }
}

/// Mail to the person that was not opened.
#[must_use]
pub fn is_new(mail: &Mail) -> bool {
    mail.to.is_none() && matches!(mail.status, MailStatus::Pending | MailStatus::Delivered)
}
