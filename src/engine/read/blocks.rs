//! Looks into the history of blocks: who wrote what, what caused it, and who knew it when.

use std::collections::BTreeSet;

use crate::domain::text_edit::LineWalk;
use crate::domain::{
    Block, BlockId, Content, Conversation, ConversationId, Message, Revision, Run, RunId, RunKind, Step,
};
use crate::engine::protocol::{
    Blame, BlameLine, BlockRequest, Reply, RequestError, RevisionCause, SeenBlock, SeenBlocks, Timestamped, Writer,
};
use crate::store::{MessagePage, Store};

/// Block versions in a reply, and the bytes of their values.
const REVISIONS: usize = 500;
const REVISION_BYTES: usize = 4 << 20;
/// Block versions that are read at once.
const AT_ONCE: usize = 50;
/// Versions, and bytes of their values, that are read to find who wrote the lines of a block.
const BLAME_VERSIONS: usize = 2_000;
const BLAME_BYTES: usize = 32 << 20;
/// Messages after the given one among which the next one of an agent is sought.
const NEXT: u64 = 200;

/// Answers a request about blocks that only reads.
///
/// # Errors
/// [`RequestError`] if there is no such block, version or message, or the store fails.
pub async fn answer(store: &Store, request: BlockRequest) -> Result<Reply, RequestError> {
    match request {
        BlockRequest::Blame { id, version } => blame(store, &id, version).await,
        BlockRequest::Seen { conversation, seq } => seen(store, &conversation, seq).await,
        BlockRequest::Causes { runs } => causes(store, runs).await,
        BlockRequest::Create { .. } | BlockRequest::Change { .. } | BlockRequest::Restore { .. } => {
            Err(RequestError::new(format!("the store {} is open for reading only", store.path().display())))
        }
    }
}

/// Versions of a block, newest first, as many as fit into one reply.
///
/// # Errors
/// [`RequestError`] if the store fails.
pub async fn revisions(
    store: &Store,
    block: &BlockId,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Timestamped<Revision>>, RequestError> {
    let limit = limit.min(REVISIONS);
    let (mut found, mut bytes, mut before) = (Vec::new(), 0, before);
    while found.len() < limit {
        let some = AT_ONCE.min(limit - found.len());
        let page = store.revisions(block, before, some).await?;
        let is_last = page.len() < some;
        for (n, at, what) in page {
            bytes += what.value.len();
            if bytes > REVISION_BYTES && !found.is_empty() {
                return Ok(found);
            }
            before = Some(what.version);
            found.push(Timestamped { n, at, what });
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}

async fn blame(store: &Store, id: &BlockId, version: Option<u64>) -> Result<Reply, RequestError> {
    let from = version.map(|version| version.saturating_add(1));
    let Some((_, at, newest)) = store.revisions(id, from, 1).await?.into_iter().next() else {
        return Err(RequestError::new(format!("block {id} has no versions")));
    };
    if let Some(version) = version.filter(|version| *version != newest.version) {
        return Err(RequestError::new(format!(
            "the block has no version {version}; its newest is v{}",
            newest.version
        )));
    }
    let mut walk = LineWalk::new(newest.version, &newest.value);
    let mut read = vec![writer(at, &newest)];
    let mut bytes = newest.value.len();
    while !walk.is_done() && read.len() < BLAME_VERSIONS && bytes < BLAME_BYTES {
        let page = store.revisions(id, Some(walk.reached()), AT_ONCE).await?;
        if page.is_empty() {
            break;
        }
        for (_, at, older) in page {
            bytes += older.value.len();
            walk.earlier(older.version, &older.value);
            read.push(writer(at, &older));
            if walk.is_done() {
                break;
            }
        }
    }
    let reached = walk.reached();
    let written = walk.end();
    let versions: BTreeSet<u64> = written.iter().flatten().copied().collect();
    let older_than = written.contains(&None).then_some(reached);
    let lines = newest.value.lines().zip(written);
    Ok(Reply::Blame(Box::new(Blame {
        version: newest.version,
        lines: lines.map(|(text, version)| BlameLine { text: text.to_owned(), version }).collect(),
        writers: read.into_iter().filter(|one| versions.contains(&one.version)).collect(),
        older_than,
    })))
}

fn writer(at: jiff::Timestamp, revision: &Revision) -> Writer {
    Writer {
        version: revision.version,
        at,
        editor: revision.editor.clone(),
        run: revision.run.clone(),
        reason: revision.reason.clone(),
    }
}

async fn causes(store: &Store, mut runs: Vec<RunId>) -> Result<Reply, RequestError> {
    runs.sort_unstable();
    runs.dedup();
    runs.truncate(REVISIONS);
    let found: Vec<Run> = store.rows(runs.into_iter().map(|run| run.0).collect()).await?;
    let mut conversations: Vec<String> = found.iter().map(|run| run.conversation.0.clone()).collect();
    conversations.sort_unstable();
    conversations.dedup();
    let conversations: Vec<Conversation> = store.rows(conversations).await?;
    let cause = |run: Run| {
        if let RunKind::Job { job, group, .. } = &run.kind {
            let of = crate::domain::ConversationOwner::Group(group.clone());
            return Some(RevisionCause { run: run.id.clone(), of, conversation: None, seq: 0, job: Some(job.clone()) });
        }
        let talk = conversations.iter().find(|talk| talk.id == run.conversation)?;
        let (of, conversation) = (talk.owner.clone(), Some(talk.id.clone()));
        Some(RevisionCause { run: run.id, of, conversation, seq: run.input, job: None })
    };
    Ok(Reply::RevisionCauses { causes: found.into_iter().filter_map(cause).collect() })
}

/// The blocks in the prompt in answer to which the message was written.
async fn seen(store: &Store, conversation: &ConversationId, seq: u64) -> Result<Reply, RequestError> {
    let page = MessagePage { newest: false, messages: u32::try_from(NEXT).unwrap_or(u32::MAX), bytes: REVISION_BYTES };
    let messages = store.messages_page(conversation, (seq, seq.saturating_add(NEXT)), page).await?;
    if messages.first().is_none_or(|first| first.seq != seq) {
        return Err(RequestError::new(format!("there is no message {seq} in this conversation")));
    }
    let of_step = |message: &&Message| {
        message.agent.is_some() && message.step.is_some() && !matches!(message.content, Content::Notice { .. })
    };
    let Some(message) = messages.iter().find(of_step) else {
        return Err(RequestError::new(format!("no agent wrote message {seq}, or one after it")));
    };
    let (Some(agent), Some(id), Some(run)) = (&message.agent, &message.step, &message.run) else {
        return Err(RequestError::new(format!("message {} belongs to no step", message.seq)));
    };
    let Some(step) = store.steps(run).await?.into_iter().find(|step| step.id == *id) else {
        return Err(RequestError::new(format!("the step of message {} cannot be read", message.seq)));
    };
    let blocks = blocks_of(store, &step).await?;
    Ok(Reply::SeenBlocks(Box::new(SeenBlocks {
        seq: message.seq,
        agent: agent.clone(),
        name: message.name.clone(),
        step: id.clone(),
        at: step.queued_at,
        blocks,
    })))
}

async fn blocks_of(store: &Store, step: &Step) -> Result<Vec<SeenBlock>, RequestError> {
    let ids = step.saw.iter().map(|(id, _)| id.0.clone()).collect();
    let now: Vec<Block> = store.rows(ids).await?;
    let mut seen = Vec::new();
    for (id, version) in &step.saw {
        let block = now.iter().find(|block| block.id == *id);
        let same = block.filter(|block| block.version == *version).map(|block| block.value.clone());
        let value = match same {
            Some(value) => Some(value),
            None => store.revision(id, *version).await?.map(|revision| revision.value),
        };
        let label = block.map(|block| block.label.clone());
        seen.push(SeenBlock { id: id.clone(), label, version: *version, value, now: block.map(|block| block.version) });
    }
    Ok(seen)
}
