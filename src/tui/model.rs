//! The mirror of the engine: the rows the panes show, kept current by its updates.
//!
//! Built from an [`Overview`] and moved on by [`Model::apply`]; nothing else changes it but what is looked
//! at ([`Place`]) and what was seen. Text of conversations is not here: the conversation pane holds the
//! window it shows. Lookups are linear over rows that are few (agents, blocks, runs not over).

mod lookup;
pub mod waiting;

pub use lookup::Doing;

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;

use crate::domain::state::{Kind, RowFault};
use crate::domain::{
    Agent, AgentId, Block, BlockId, Change, Conversation, ConversationId, Group, GroupId, Job, Mail, PendingCall,
    Revision, Run, RunId, StepId,
};
use crate::engine::wire::{Address, LiveUpdate, Overview, Phase, RowUpdate, Update};

/// Jobs kept; older ones fall out of the list.
pub const MAX_JOBS: usize = 1_000;
/// Mail kept; older mail falls out of the list.
pub const MAX_MAILS: usize = 1_000;
/// Recent block changes kept.
const MAX_CHANGES: usize = 64;

/// The mirror; see the module's header.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The number of the last change it knows.
    pub upto: u64,
    /// All groups, in order of creation.
    pub groups: Vec<Group>,
    /// All agents.
    pub agents: Vec<Agent>,
    /// All blocks with their values.
    pub blocks: Vec<Block>,
    /// Conversations of groups and of direct talks.
    pub conversations: Vec<Conversation>,
    /// Turns that are not over with all their speeches, and job runs that are not over.
    pub runs: Vec<Run>,
    /// Jobs, newest first, at most [`MAX_JOBS`].
    pub jobs: Vec<Job>,
    /// Calls that wait for somebody.
    pub calls: Vec<PendingCall>,
    /// Mail, newest first, at most [`MAX_MAILS`].
    pub mails: Vec<Mail>,
    /// Rows that could not be read.
    pub faults: Vec<RowFault>,
    /// What an agent without a model uses.
    pub default_model: String,
    /// Steps that are being made, in the order they began.
    pub live: Vec<Live>,
    /// Recent changes of blocks, oldest first.
    pub changes: VecDeque<BlockChange>,
    /// The last turn of each conversation that is over.
    pub last_turns: HashMap<ConversationId, Run>,
    /// What is looked at.
    pub place: Place,
    /// The `seq` up to which each conversation was seen.
    pub seen: BTreeMap<String, u64>,
}

/// What is looked at: whose conversation is shown, and what the roster has selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Whose conversation is shown; none in an empty store.
    pub address: Option<Address>,
    /// The group whose agents, blocks and jobs are shown.
    pub group: Option<GroupId>,
    /// The agent whose own blocks are shown beside the group's.
    pub agent: Option<AgentId>,
}

/// A step that is being made. Its text is not committed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// The step it will be.
    pub step: StepId,
    /// Its run.
    pub run: RunId,
    /// The turn or job the run belongs to.
    pub root: RunId,
    /// Where its message will go.
    pub conversation: ConversationId,
    /// Who.
    pub agent: AgentId,
    /// The short name.
    pub name: String,
    /// What it does now.
    pub phase: Phase,
    /// All text so far.
    pub text: String,
    /// All reasoning so far.
    pub reasoning: String,
}

/// A block got a new value, with what is needed to show the difference.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockChange {
    /// The number of the change in the log.
    pub n: u64,
    /// Which block.
    pub block: BlockId,
    /// The value before.
    pub before: String,
    /// The version it made.
    pub revision: Revision,
    /// When it was committed.
    pub at: Timestamp,
    /// When this program learnt of it: what a flash is timed from.
    pub arrived: Timestamp,
}

impl Model {
    /// The mirror of an overview. All of what is in it counts as seen.
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
            faults: overview.faults,
            default_model: overview.default_model,
            ..Self::default()
        };
        for run in overview.runs {
            model.put_run(run);
        }
        model.jobs.truncate(MAX_JOBS);
        for conversation in &model.conversations {
            model.seen.insert(conversation.id.0.clone(), conversation.head);
        }
        model
    }

    /// Takes over an overview that was asked for again, keeping what only this program knows.
    pub fn renew(&mut self, overview: Overview) {
        let old = std::mem::replace(self, Self::new(overview));
        self.place = old.place;
        self.changes = old.changes;
        self.last_turns = old.last_turns;
        self.seen = old.seen;
    }

    /// Takes over an update that arrived at `now`.
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

    /// Remembers what of a change the rows alone do not tell; called before the rows are taken over.
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
            // Its message is in the same commit: shown twice it would jump.
            Change::StepFinished(step) => self.live.retain(|live| live.step != step.id),
            _ => {}
        }
    }

    fn put(&mut self, row: RowUpdate) {
        // A row that was written anew can be read.
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
        // What is over counts until the run that made it is; that one may have ended in the same commit.
        let counts = self.runs.iter().any(|known| run.parent.as_ref() == Some(&known.id));
        if over && run.kind.is_turn() {
            self.runs.retain(|known| known.id != run.id && known.parent.as_ref() != Some(&run.id));
            // Workers are runs of a speech of it.
            let left: Vec<RunId> = self.runs.iter().map(|known| known.id.clone()).collect();
            let stays = |run: &Run| !run.is_finished() || run.parent.as_ref().is_some_and(|id| left.contains(id));
            self.runs.retain(stays);
            self.last_turns.insert(run.conversation.clone(), run);
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
