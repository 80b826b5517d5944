//! The input of a step, read from one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::connection::Sql;
use super::error::Fault;
use super::rows::readable;
use super::sight::{self, Sight};
use super::tables::{get, get_many, row_of};
use super::transcript::{TranscriptMessage, Words};
use super::transcript_cache::TranscriptCache;
use super::{Store, StoreError, revisions, runs};
use crate::domain::block::Level;
use crate::domain::state::Row;
use crate::domain::{
    Agent, AgentId, Block, BlockId, Cause, CauseKind, Conversation, Group, Job, Kept, Mail, Reading, Run, RunId, StepId,
};

/// The input of the next step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepInput {
    /// The run.
    pub run: Run,
    /// The agent that makes the step.
    pub agent: Agent,
    /// The group it speaks in or works for.
    pub group: Option<Group>,
    /// In a direct conversation, the home group of the agent.
    pub home: Option<Box<Group>>,
    /// All agents of the group whose rows can be read, in its order.
    pub roster: Vec<Agent>,
    /// The agent's blocks, then the shared blocks of the group (in a direct conversation, of its home group),
    /// without repetitions and without those that it may not read.
    pub blocks: Vec<Block>,
    /// The labels of the blocks that it has and may not read.
    pub withheld: Vec<String>,
    /// The conversation of the messages; for a job, the group's.
    pub conversation: Conversation,
    /// The messages that the agent sees, in order: for a speech the newest that fit and the one its turn answers, for
    /// a job its window.
    pub messages: Vec<Arc<TranscriptMessage>>,
    /// The number of messages of the conversation before `messages`.
    pub earlier: u64,
    /// The newest working notes of a job that fit. Empty for a speech.
    pub notes: Vec<Arc<TranscriptMessage>>,
    /// True if parts of the turn, or of the job's notes, did not fit.
    pub turn_cut: bool,
    /// The job, if the run belongs to one.
    pub job: Option<Job>,
    /// The changes of blocks that are causes of the job.
    pub block_changes: Vec<BlockChange>,
    /// The texts of sources that are causes of the job, in order.
    pub readings: Vec<Reading>,
    /// The mail that the turn of a speech answers, if any.
    pub mail: Option<Mail>,
    /// The block versions in the prompt of the agent's last committed step, in any run.
    pub seen: Vec<(BlockId, u64)>,
    /// What providers want back with the agent's calls among the messages and notes, by their steps.
    pub kept: BTreeMap<StepId, Kept>,
}

/// A change of a block that is a cause of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockChange {
    /// The block.
    pub block: BlockId,
    /// Its label.
    pub label: String,
    /// The names of those who changed it.
    pub by: Vec<String>,
    /// False if the agent may not read it; its values are then empty.
    pub readable: bool,
    /// Its value before the first of the changes.
    pub before: String,
    /// Its value after the last of them.
    pub after: String,
}

impl StepInput {
    /// What the agent may do with one of its blocks.
    #[must_use]
    pub fn level(&self, block: &Block) -> Level {
        block.level(&self.agent, self.group.as_ref().or(self.home.as_deref()))
    }
}

impl Store {
    /// The input of the next step of a run, from one snapshot. The messages, and the notes of a job, have at most
    /// `context_bytes` bytes of text, with [`super::FRAME_BYTES`] for each (but at least one message); the message that the turn answers, and the window of a
    /// job, are read whatever their size.
    ///
    /// # Errors
    /// [`StoreError::Row`] if the run is a turn, which makes no steps, or if a row is missing or unreadable.
    pub async fn step_view(&self, run: &RunId, context_bytes: usize) -> Result<StepInput, StoreError> {
        let (run, cache) = (run.clone(), self.0.transcripts.clone());
        self.read(move |sql| sql.snapshot(|sql| view(sql, &cache, &run, context_bytes))).await
    }
}

/// The messages of a step input.
struct Transcript {
    conversation: Conversation,
    messages: Vec<Arc<TranscriptMessage>>,
    earlier: u64,
    notes: Vec<Arc<TranscriptMessage>>,
    turn_cut: bool,
    job: Option<Job>,
}

fn view(sql: &Sql, cache: &TranscriptCache, id: &RunId, context_bytes: usize) -> Result<StepInput, Fault> {
    let run: Run = must(sql, id.as_str())?;
    let Some(agent) = run.agent() else {
        return Err(Fault::Row(format!("run {id} is a turn: its speeches make the steps")));
    };
    let agent: Agent = must(sql, agent.as_str())?;
    let group: Option<Group> = run.group().map(|group| must(sql, group.as_str())).transpose()?;
    let members = group.as_ref().map(Group::agents).unwrap_or_default();
    // Others speak on without a member whose row cannot be read.
    let roster = readable(get_many(sql, &members.into_iter().map(|id| id.0.clone()).collect::<Vec<_>>())?);
    // In a direct conversation the agent has the shared blocks of its home group.
    let home: Option<Group> = if group.is_none() { get(sql, agent.group.as_str())? } else { None };
    // An agent that has left its home group has lost its shared blocks.
    let shares = home.as_ref().filter(|home| home.agents().contains(&&agent.id));
    let place = group.as_ref().or(shares);
    let (blocks, withheld): (Vec<Block>, Vec<Block>) =
        blocks(sql, &agent, place)?.into_iter().partition(|block| block.level(&agent, place) >= Level::Read);
    let withheld = withheld.into_iter().map(|block| block.label).collect();
    let heard = match run.kind.job() {
        Some((job, group)) => {
            let job: Job = must(sql, job.as_str())?;
            let talk = sql.one("SELECT key, body FROM conversation WHERE lookup = ?1", [group.as_str()], |row| {
                Ok(row_of(Conversation::KIND, row))
            })?;
            let talk = talk.unwrap_or_else(|| Err(Fault::Row(format!("group {group} has no conversation"))))?;
            job_transcript(sql, cache, job, talk, &run, context_bytes)?
        }
        None => speech_transcript(sql, cache, &run, &agent.id, context_bytes)?,
    };
    let block_changes = block_changes(sql, heard.job.iter().flat_map(|job| &job.causes), &blocks)?;
    let readings = readings(sql, heard.job.iter().flat_map(|job| &job.causes))?;
    let mail = mail(sql, &run)?;
    let seen = match runs::last_step(sql, &agent.id) {
        // Without it, the prompt says less of what has changed.
        Err(fault) if fault.is_of_a_row() => Vec::new(),
        last => last?.map(|step| step.saw).unwrap_or_default(),
    };
    let kept = kept(sql, &agent, heard.messages.iter().chain(&heard.notes))?;
    let Transcript { conversation, messages, earlier, notes, turn_cut, job } = heard;
    Ok(StepInput {
        run,
        agent,
        group,
        home: home.map(Box::new),
        roster,
        blocks,
        withheld,
        conversation,
        messages,
        earlier,
        notes,
        turn_cut,
        job,
        block_changes,
        readings,
        mail,
        seen,
        kept,
    })
}

/// The changes of blocks among the causes of a job, one for each block. Versions that cannot be read are left out, and so
/// are the values of a block that is not among the readable ones.
fn block_changes<'a>(
    sql: &Sql,
    causes: impl Iterator<Item = &'a Cause>,
    may_read: &[Block],
) -> Result<Vec<BlockChange>, Fault> {
    let value = |block: &BlockId, version: u64| match revisions::at_version(sql, block, version) {
        Err(fault) if fault.is_of_a_row() => Ok(None),
        other => other.map(|revision| revision.map(|revision| revision.value)),
    };
    let mut changes: Vec<BlockChange> = Vec::new();
    for cause in causes {
        let CauseKind::BlockChanged { block, label, before, version, by } = &cause.kind else { continue };
        let readable = may_read.iter().any(|one| one.id == *block);
        let values = if readable {
            (value(block, *before)?, value(block, *version)?)
        } else {
            (Some(String::new()), Some(String::new()))
        };
        let (Some(old), Some(after)) = values else { continue };
        if let Some(known) = changes.iter_mut().find(|known| known.block == *block) {
            known.after = after;
            if !known.by.contains(by) {
                known.by.push(by.clone());
            }
        } else {
            let (block, label, by) = (block.clone(), label.clone(), vec![by.clone()]);
            changes.push(BlockChange { block, label, by, readable, before: old, after });
        }
    }
    Ok(changes)
}

/// The texts of sources among the causes of a job. Those that cannot be read are left out.
fn readings<'a>(sql: &Sql, causes: impl Iterator<Item = &'a Cause>) -> Result<Vec<Reading>, Fault> {
    let ids = causes.filter_map(|cause| match &cause.kind {
        CauseKind::Source { reading: Some(id), .. } => Some(id.0.clone()),
        _ => None,
    });
    let ids: Vec<String> = ids.collect();
    if ids.is_empty() { Ok(Vec::new()) } else { Ok(readable(get_many(sql, &ids)?)) }
}

/// What providers want back with this agent's calls.
fn kept<'a>(
    sql: &Sql,
    agent: &Agent,
    messages: impl Iterator<Item = &'a Arc<TranscriptMessage>>,
) -> Result<BTreeMap<StepId, Kept>, Fault> {
    let called = messages
        .filter(|message| message.is_by(&agent.id) && matches!(message.words, Words::Tool(_)))
        .filter_map(|message| message.run.as_ref().map(|run| run.0.clone()));
    let keys: Vec<String> = called.collect::<BTreeSet<_>>().into_iter().collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    runs::kept(sql, &keys)
}

fn blocks(sql: &Sql, agent: &Agent, group: Option<&Group>) -> Result<Vec<Block>, Fault> {
    let mut ids: Vec<&BlockId> = Vec::new();
    for id in agent.blocks.iter().chain(group.iter().flat_map(|group| &group.shared_blocks)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    must_all(sql, ids.into_iter().map(|id| id.0.clone()).collect())
}

/// The mail that the run's turn answers. Only turns in an agent's own conversation answer mail.
fn mail(sql: &Sql, run: &Run) -> Result<Option<Mail>, Fault> {
    let Some(turn) = run.parent.as_ref().filter(|_| run.group().is_none()) else { return Ok(None) };
    let turn: Run = must(sql, turn.as_str())?;
    turn.mail.map(|id| must(sql, id.as_str())).transpose()
}

/// The transcript for a speech: the newest messages of its conversation that its agent sees.
fn speech_transcript(
    sql: &Sql,
    cache: &TranscriptCache,
    run: &Run,
    me: &AgentId,
    max_bytes: usize,
) -> Result<Transcript, Fault> {
    let conversation: Conversation = must(sql, run.conversation.as_str())?;
    // A worker reads the messages before its task, and its own; not those of other workers.
    let upto = if run.task.is_some() { run.input } else { conversation.head };
    let sight = Sight { me, run: &run.id, own: false, range: (1, upto), head: conversation.head, max_bytes };
    let (mut messages, _) = sight::seen_before(sql, cache, &conversation.id, &sight)?;
    let mut earlier = messages.first().map_or(0, |first| first.seq - 1);
    let mut turn_cut = false;
    if !messages.iter().any(|message| message.opens_turn() && message.seq <= run.input)
        && let Some(input) = sight::input(sql, &conversation.id, run.input)?
    {
        earlier = input.seq - 1;
        turn_cut = true;
        messages.insert(0, input);
    }
    if run.task.is_some() {
        let sight = Sight { range: (upto + 1, conversation.head), own: true, ..sight };
        let (own, cut) = sight::seen_before(sql, cache, &conversation.id, &sight)?;
        messages.extend(own);
        turn_cut |= cut;
    }
    Ok(Transcript { conversation, messages, earlier, notes: Vec::new(), turn_cut, job: None })
}

/// Most bytes of text read of a job's window, which fits a prompt unless the model's window has shrunk since.
const WINDOW_BYTES: usize = 4 << 20;

/// The transcript for a job: its window, and its newest notes.
fn job_transcript(
    sql: &Sql,
    cache: &TranscriptCache,
    job: Job,
    conversation: Conversation,
    run: &Run,
    max_bytes: usize,
) -> Result<Transcript, Fault> {
    let (after, to) = job.window.unwrap_or((0, 0));
    let (messages, _) = sight::seen_from(sql, &conversation.id, after + 1, to, WINDOW_BYTES)?;
    let head = must::<Conversation>(sql, run.conversation.as_str())?.head;
    let me = job.agent().ok_or_else(|| Fault::Row(format!("job {} is not the work of an agent", job.id)))?;
    let sight = Sight { me, run: &run.id, own: false, range: (1, head), head, max_bytes };
    let (notes, turn_cut) = sight::seen_before(sql, cache, &run.conversation, &sight)?;
    Ok(Transcript { conversation, messages, earlier: after, notes, turn_cut, job: Some(job) })
}

fn must<T: Row>(sql: &Sql, key: &str) -> Result<T, Fault> {
    get(sql, key)?.ok_or_else(|| Fault::Row(format!("there is no {} {key}", T::KIND.noun())))
}

/// All rows with these keys, in order, by one statement: a step of a large group reads 100 blocks and 50 agents.
fn must_all<T: Row>(sql: &Sql, keys: Vec<String>) -> Result<Vec<T>, Fault> {
    let found = get_many(sql, &keys)?.into_iter().collect::<Result<Vec<T>, Fault>>()?;
    if found.len() == keys.len() {
        return Ok(found);
    }
    let there: Vec<String> = found.iter().map(Row::key).collect();
    let missing = keys.into_iter().find(|key| !there.contains(key)).unwrap_or_default();
    Err(Fault::Row(format!("there is no {} {missing}", T::KIND.noun())))
}
