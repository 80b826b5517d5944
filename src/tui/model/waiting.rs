//! Queries on pending calls and mail: who waits for whom, and what waits for the user.

use std::collections::BTreeMap;

use super::Model;
use crate::domain::{
    AgentId, Block, ConversationId, Group, GroupId, Mail, MailId, MailStatus, PendingCall, PendingKind, Run, RunId,
    StepId,
};

/// Key of a pending call: its step and its ordinal in the step.
pub type CallKey = (StepId, u32);

/// Returns the key of a pending call.
#[must_use]
pub fn key(call: &PendingCall) -> CallKey {
    (call.step.clone(), call.ordinal)
}

impl Model {
    /// Returns the calls that await the user's approval, oldest first.
    #[must_use]
    pub fn approvals(&self) -> Vec<&PendingCall> {
        let mut calls: Vec<&PendingCall> =
            self.calls.iter().filter(|call| call.is_open() && call.kind == PendingKind::Approval).collect();
        calls.sort_by_key(|call| (call.since, call.ordinal));
        calls
    }

    /// Returns the unanswered call with this key.
    #[must_use]
    pub fn call(&self, (step, ordinal): &CallKey) -> Option<&PendingCall> {
        self.calls.iter().find(|call| call.step == *step && call.ordinal == *ordinal)
    }

    /// Returns the later calls of the same step, which run once this one is answered, in order.
    #[must_use]
    pub fn behind(&self, call: &PendingCall) -> Vec<&PendingCall> {
        let later = |other: &&PendingCall| other.step == call.step && other.ordinal > call.ordinal;
        let mut calls: Vec<&PendingCall> = self.calls.iter().filter(later).collect();
        calls.sort_by_key(|call| call.ordinal);
        calls
    }

    /// Returns the agent that issued the call.
    #[must_use]
    pub fn caller(&self, call: &PendingCall) -> Option<&AgentId> {
        self.run(&call.run).and_then(Run::agent)
    }

    /// Returns the group of a run; for a direct conversation, the agent's home group.
    #[must_use]
    pub fn group_of_run(&self, run: &RunId) -> Option<&GroupId> {
        let run = self.run(run)?;
        run.group().or_else(|| self.agent(run.agent()?).map(|agent| &agent.group))
    }

    /// Returns the number of calls that await the user's approval, in one group or in all (`None`).
    #[must_use]
    pub fn needs_you(&self, group: Option<&GroupId>) -> usize {
        let here = |call: &&PendingCall| group.is_none_or(|group| self.group_of_run(&call.run) == Some(group));
        self.approvals().into_iter().filter(here).count()
    }

    /// Returns the open calls of a conversation, approvals first, then oldest first. Calls that wait for workers are
    /// omitted, because the workers themselves are shown.
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

    /// Returns the block that a call's `label` argument refers to: one of the agent's, else one the group shares.
    #[must_use]
    pub fn block_of_call(&self, call: &PendingCall) -> Option<&Block> {
        use crate::domain::block::folded;

        let label = folded(call.arguments.get("label")?.as_str()?);
        let own = self.caller(call).and_then(|id| self.agent(id)).map(|agent| self.blocks_of(agent));
        let shared = self.group_of_run(&call.run).and_then(|id| self.group(id)).map(|group| self.shared_blocks(group));
        own.into_iter().chain(shared).flatten().find(|block| folded(&block.label) == label)
    }

    /// Returns the worker runs of a conversation's delegations, in the order they were created; finished ones are
    /// included until the turn finishes.
    #[must_use]
    pub fn workers_in(&self, conversation: &ConversationId) -> Vec<&Run> {
        self.runs.iter().filter(|run| run.task.is_some() && run.conversation == *conversation).collect()
    }

    /// Returns the mail with this id, if it is one of the newest [`super::MAX_MAILS`].
    #[must_use]
    pub fn mail(&self, id: &MailId) -> Option<&Mail> {
        self.mails.iter().find(|mail| mail.id == *id)
    }

    /// Returns the number of unread mails to the user, by sender.
    #[must_use]
    pub fn unread_mail(&self) -> BTreeMap<&AgentId, usize> {
        let mut counts = BTreeMap::new();
        for from in self.mails.iter().filter(|mail| is_new(mail)).filter_map(|mail| mail.from.as_ref()) {
            *counts.entry(from).or_insert(0) += 1;
        }
        counts
    }

    /// Returns the number of unread mails to the user.
    #[must_use]
    pub fn new_mail(&self) -> usize {
        self.mails.iter().filter(|mail| is_new(mail)).count()
    }

    /// Describes the pattern of a group: `round robin of 3`, `dynamic · chair`.
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

/// Whether a mail is addressed to the user and unread.
#[must_use]
pub fn is_new(mail: &Mail) -> bool {
    mail.to.is_none() && matches!(mail.status, MailStatus::Pending | MailStatus::Delivered)
}
