//! A mirror of the engine's state: the rows the panes show, kept current by the engine's updates.
//!
//! Built from an [`Overview`] and updated by [`Model::apply`]; apart from that, only the selection ([`Selection`]) and
//! the read positions change. Message texts are not part of it: the conversation pane loads the messages it shows.
//! Lookups are linear, because the tables are small (agents, blocks, unfinished runs).

mod lookup;
pub mod waiting;

pub use lookup::AgentActivity;

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;

use crate::domain::state::{Kind, RowFault};
use crate::domain::{
    Agent, AgentId, Block, BlockId, Change, Conversation, ConversationId, Group, GroupId, Job, Mail, PendingCall,
    Revision, Run, RunId, StepId, Trigger,
};
use crate::engine::protocol::{LiveUpdate, Overview, Phase, Recipient, RowUpdate, Update};

/// Maximum number of jobs kept; the oldest are dropped.
pub const MAX_JOBS: usize = 1_000;
/// Maximum number of mails kept; the oldest are dropped.
pub const MAX_MAILS: usize = 1_000;
/// Maximum number of block changes kept.
const MAX_CHANGES: usize = 64;

/// Mirror of the engine's state.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Log number of the last applied change.
    pub upto: u64,
    /// All groups, in creation order.
    pub groups: Vec<Group>,
    /// All agents.
    pub agents: Vec<Agent>,
    /// All blocks with their values.
    pub blocks: Vec<Block>,
    /// Group conversations and direct conversations with agents.
    pub conversations: Vec<Conversation>,
    /// Unfinished turns with all their speeches, and unfinished job runs.
    pub runs: Vec<Run>,
    /// Jobs, newest first, at most [`MAX_JOBS`].
    pub jobs: Vec<Job>,
    /// Unanswered pending calls.
    pub calls: Vec<PendingCall>,
    /// Mail, newest first, at most [`MAX_MAILS`].
    pub mails: Vec<Mail>,
    /// All triggers.
    pub triggers: Vec<Trigger>,
    /// The blocks, with their versions, that each agent saw in its last prompt.
    pub saw: HashMap<AgentId, Vec<(BlockId, u64)>>,
    /// Unreadable rows.
    pub faults: Vec<RowFault>,
    /// Model used by agents without one of their own.
    #[expect(clippy::struct_field_names, reason = "a language model, not this one")]
    pub default_model: String,
    /// Running steps, in start order.
    pub live: Vec<Live>,
    /// Recent block changes, oldest first, at most [`MAX_CHANGES`].
    pub changes: VecDeque<BlockChange>,
    /// The last finished turn of each conversation.
    pub last_turns: HashMap<ConversationId, Run>,
    /// The current selection.
    pub place: Selection,
    /// The `seq` up to which each conversation was read, by conversation id.
    pub seen: BTreeMap<String, u64>,
}

/// The current selection: the shown conversation and the selected roster row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Owner of the shown conversation; `None` in an empty store.
    pub address: Option<Recipient>,
    /// Group whose agents, blocks and jobs are shown.
    pub group: Option<GroupId>,
    /// Agent whose own blocks are shown in addition to the group's.
    pub agent: Option<AgentId>,
}

/// A running step. Its text is not committed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Id the step has once it is committed.
    pub step: StepId,
    /// The step's run.
    pub run: RunId,
    /// The turn or job run at the root of the run's ancestry.
    pub root: RunId,
    /// Conversation that receives the step's message.
    pub conversation: ConversationId,
    /// The agent running the step.
    pub agent: AgentId,
    /// The agent's name.
    pub name: String,
    /// Current activity.
    pub phase: Phase,
    /// Text received so far.
    pub text: String,
    /// Reasoning received so far.
    pub reasoning: String,
}

/// A change of a block's value, with the data needed to show the difference.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockChange {
    /// Log number of the change.
    pub n: u64,
    /// The changed block.
    pub block: BlockId,
    /// The previous value.
    pub before: String,
    /// The new version.
    pub revision: Revision,
    /// Commit time.
    pub at: Timestamp,
    /// Time this process received the change; the highlight is timed from it.
    pub arrived: Timestamp,
}

impl Model {
    /// Creates a mirror of an overview. All its messages count as read.
    #[must_use]
    pub fn new(overview: Overview) -> Self {
        let mut model = Self {
            upto: overview.upto,
            groups: overview.groups,
            agents: overview.agents,
            blocks: overview.blocks,
            conversations: overview.conversations,
            jobs: overview.jobs,
            calls: overview.calls.into_iter().filter(|call| call.answer.is_none()).collect(),
            mails: overview.mails,
            triggers: overview.triggers,
            saw: overview.seen.into_iter().collect(),
            faults: overview.faults,
            default_model: overview.default_model,
            ..Self::default()
        };
        for run in overview.runs.into_iter().chain(overview.last_turns) {
            model.put_run(run);
        }
        model.jobs.truncate(MAX_JOBS);
        for conversation in &model.conversations {
            model.seen.insert(conversation.id.0.clone(), conversation.head);
        }
        model
    }

    /// Replaces the rows with a new overview; keeps selection, read positions, block changes and last turns.
    pub fn replace(&mut self, overview: Overview) {
        let old = std::mem::replace(self, Self::new(overview));
        self.place = old.place;
        self.changes = old.changes;
        self.last_turns = old.last_turns;
        self.seen = old.seen;
    }

    /// Applies an update received at `now`.
    pub fn apply(&mut self, update: &Update, now: Timestamp) {
        match update {
            Update::Committed { upto, changes, rows } => {
                for logged in changes {
                    self.note(logged.n, &logged.change, logged.at, now);
                }
                for row in rows {
                    self.put(row.clone());
                }
                self.upto = *upto;
            }
            Update::Live(update) => self.put_live(update),
            Update::Over { step } => self.live.retain(|live| live.step != *step),
            Update::Trouble { .. } => {}
        }
    }

    /// Records what cannot be derived from the rows; called before the rows of the update are applied.
    fn note(&mut self, n: u64, change: &Change, at: Timestamp, now: Timestamp) {
        match change {
            Change::BlockEdited(revision) => {
                let earlier = self.changes.iter().rev().find(|change| change.block == revision.block);
                let before = match earlier.filter(|change| change.revision.version + 1 == revision.version) {
                    Some(change) => change.revision.value.clone(),
                    None => self.block(&revision.block).map(|block| block.value.clone()).unwrap_or_default(),
                };
                let block = revision.block.clone();
                self.changes.push_back(BlockChange { n, block, before, revision: revision.clone(), at, arrived: now });
                if self.changes.len() > MAX_CHANGES {
                    self.changes.pop_front();
                }
            }
            // The step's message is part of the same commit and replaces the live text.
            Change::StepFinished(step) => {
                self.live.retain(|live| live.step != step.id);
                self.saw.insert(step.agent.clone(), step.saw.clone());
            }
            _ => {}
        }
    }

    fn put(&mut self, row: RowUpdate) {
        // A row that was written again is readable.
        if !self.faults.is_empty() {
            let (kind, key) = row.key();
            self.faults.retain(|fault| fault.kind != kind || fault.key != key);
        }
        match row {
            RowUpdate::Agent(agent) => upsert(&mut self.agents, agent, |agent| &agent.id),
            RowUpdate::Group(group) => upsert(&mut self.groups, group, |group| &group.id),
            RowUpdate::Block(block) => upsert(&mut self.blocks, block, |block| &block.id),
            RowUpdate::Conversation(conversation) => {
                upsert(&mut self.conversations, conversation, |conversation| &conversation.id);
            }
            RowUpdate::Run(run) => self.put_run(run),
            RowUpdate::Trigger(trigger) => upsert(&mut self.triggers, trigger, |trigger| &trigger.id),
            RowUpdate::Call(call) => {
                self.calls.retain(|known| known.step != call.step || known.ordinal != call.ordinal);
                if call.answer.is_none() {
                    self.calls.push(call);
                }
            }
            RowUpdate::Mail(mail) => {
                if let Some(known) = self.mails.iter_mut().find(|known| known.id == mail.id) {
                    *known = mail;
                } else {
                    self.mails.insert(0, mail);
                    self.mails.truncate(MAX_MAILS);
                }
            }
            RowUpdate::Gone { kind, key } => match kind {
                Kind::Agent => self.agents.retain(|known| known.id.as_str() != key),
                Kind::Group => self.groups.retain(|known| known.id.as_str() != key),
                Kind::Block => self.blocks.retain(|known| known.id.as_str() != key),
                Kind::Trigger => self.triggers.retain(|known| known.id.as_str() != key),
                _ => {}
            },
            RowUpdate::Job(job) => {
                if let Some(known) = self.jobs.iter_mut().find(|known| known.id == job.id) {
                    *known = job;
                } else {
                    self.jobs.insert(0, job);
                    self.jobs.truncate(MAX_JOBS);
                }
            }
        }
    }

    fn put_run(&mut self, run: Run) {
        let over = run.is_finished();
        // A finished run is kept until its parent finishes; the parent may have finished in the same commit.
        let counts = self.runs.iter().any(|known| run.parent.as_ref() == Some(&known.id));
        if over && run.kind.is_turn() {
            self.runs.retain(|known| known.id != run.id && known.parent.as_ref() != Some(&run.id));
            // Workers are children of one of the turn's speeches.
            let left: Vec<RunId> = self.runs.iter().map(|known| known.id.clone()).collect();
            let stays = |run: &Run| !run.is_finished() || run.parent.as_ref().is_some_and(|id| left.contains(id));
            self.runs.retain(stays);
            // The rows of an update have no order, and two turns may have ended in it.
            if self.last_turns.get(&run.conversation).is_none_or(|last| last.turn <= run.turn) {
                self.last_turns.insert(run.conversation.clone(), run);
            }
        } else if over && !counts {
            self.runs.retain(|known| known.id != run.id);
        } else {
            upsert(&mut self.runs, run, |run| &run.id);
        }
    }

    fn put_live(&mut self, update: &LiveUpdate) {
        let at = self.live.iter().position(|live| live.step == update.step).unwrap_or_else(|| {
            self.live.push(Live {
                step: update.step.clone(),
                run: update.run.clone(),
                root: update.root.clone(),
                conversation: update.conversation.clone(),
                agent: update.agent.clone(),
                name: update.name.clone(),
                phase: update.phase.clone(),
                text: String::new(),
                reasoning: String::new(),
            });
            self.live.len() - 1
        });
        let live = &mut self.live[at];
        live.phase = update.phase.clone();
        live.text.push_str(&update.text);
        live.reasoning.push_str(&update.reasoning);
    }
}

fn upsert<T, K: PartialEq>(rows: &mut Vec<T>, row: T, key: impl Fn(&T) -> &K) {
    match rows.iter_mut().find(|known| key(known) == key(&row)) {
        Some(known) => *known = row,
        None => rows.push(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RunKind, RunState, StopReason};

    #[test]
    fn of_two_turns_that_end_in_one_update_the_later_one_is_the_last() {
        let ended = |id: &str, turn| {
            let state = RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
            let run = Run::new(id.into(), "conversation-1".into(), RunKind::Turn { group: None, only: None }, state);
            RowUpdate::Run(Run { turn, ..run })
        };
        for rows in [vec![ended("run-a", 1), ended("run-b", 2)], vec![ended("run-b", 2), ended("run-a", 1)]] {
            let mut model = Model::default();
            model.apply(&Update::Committed { upto: 9, changes: Vec::new(), rows }, Timestamp::UNIX_EPOCH);
            assert_eq!(model.last_turns.values().map(|run| run.turn).collect::<Vec<_>>(), [2]);
        }
    }
}
