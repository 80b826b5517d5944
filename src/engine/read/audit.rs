//! Reads the log as an audit: who read, changed, asked for and decided what.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::block::{Grantee, Level, folded};
use crate::domain::{
    Actor, Agent, AgentId, Block, BlockId, Change, Configurable, Content, Group, LogEntry, PendingCall, PendingKind,
    Revision, Run, StepId,
};
use crate::engine::protocol::{AuditEntry, AuditFilter, AuditKind, AuditPage, Reply, RequestError};
use crate::store::{Background, Store};

/// Entries in a reply, and the bytes of what they say.
const ENTRIES: usize = 500;
const ENTRY_BYTES: usize = 4 << 20;
/// Log entries that are read at once, each with its texts before and after, and for one reply.
const AT_ONCE: usize = 50;
const SCANNED: usize = 4_000;

/// The changes that the audit tells.
const KINDS: [&str; 17] = [
    "step_finished",
    "message_appended",
    "call_pending",
    "call_answered",
    "block_edited",
    "block_created",
    "block_configured",
    "block_access_set",
    "block_deleted",
    "block_restored",
    "group_put",
    "group_deleted",
    "agent_put",
    "agent_deleted",
    "trigger_paused",
    "trigger_put",
    "trigger_removed",
];
/// Those that give the settings of a row as they are from then on.
const SETTINGS: [&str; 5] = ["block_created", "block_configured", "block_restored", "group_put", "agent_put"];

/// Answers a request for the audit: entries below `before`, newest first.
///
/// # Errors
/// [`RequestError`] if the store fails.
pub async fn answer(
    store: &Store<Background>,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<Reply, RequestError> {
    let block: Option<Block> = match &filter.block {
        Some(id) => store.row(id.as_str()).await?,
        None => None,
    };
    let wanted =
        Wanted { filter, label: block.map(|block| folded(&block.label)), text: filter.text.as_deref().map(folded) };
    let limit = limit.clamp(1, ENTRIES);
    let (mut page, mut bytes, mut scanned) = (AuditPage::default(), 0, 0);
    let mut next = before.unwrap_or(u64::MAX);
    while scanned < SCANNED {
        let log = store.log_back(next, &KINDS, AT_ONCE).await?;
        scanned += log.len();
        let is_last = log.len() < AT_ONCE;
        for (entry, label) in told(store, &log).await? {
            if filter.since.is_some_and(|since| entry.at < since) {
                return Ok(Reply::Audit(Box::new(page)));
            }
            if !wanted.takes(&entry, label.as_deref()) {
                continue;
            }
            bytes += size(&entry);
            if page.entries.len() == limit || bytes > ENTRY_BYTES && !page.entries.is_empty() {
                page.before = page.entries.last().map(|last| last.n);
                return Ok(Reply::Audit(Box::new(page)));
            }
            page.entries.push(entry);
        }
        match log.last() {
            Some(last) if !is_last => next = last.n,
            _ => return Ok(Reply::Audit(Box::new(page))),
        }
    }
    page.before = Some(next);
    Ok(Reply::Audit(Box::new(page)))
}

fn size(entry: &AuditEntry) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    entry.text.len() + text(&entry.before) + text(&entry.after) + text(&entry.reason)
}

/// What is asked for.
struct Wanted<'a> {
    filter: &'a AuditFilter,
    /// The label of the block now, as calls name it.
    label: Option<String>,
    text: Option<String>,
}

impl Wanted<'_> {
    fn takes(&self, entry: &AuditEntry, label: Option<&str>) -> bool {
        let AuditFilter { block, agent, kinds, .. } = self.filter;
        let of_block = |id: &BlockId| {
            entry.blocks.iter().any(|(one, _)| one == id)
                || label.is_some_and(|label| self.label.as_deref() == Some(folded(label).as_str()))
        };
        let says = |text: &str| {
            let parts = [Some(&entry.text), entry.before.as_ref(), entry.after.as_ref(), entry.reason.as_ref()];
            parts.into_iter().flatten().any(|part| folded(part).contains(text))
        };
        (kinds.is_empty() || kinds.contains(&entry.kind))
            && block.as_ref().is_none_or(of_block)
            && agent.as_ref().is_none_or(|id| entry.by == id.as_str() || entry.agent.as_ref() == Some(id))
            && self.text.as_deref().is_none_or(says)
    }
}

/// The entries of a part of the log, newest first, each with the label of the block that a call names.
async fn told(store: &Store<Background>, log: &[LogEntry]) -> Result<Vec<(AuditEntry, Option<String>)>, RequestError> {
    let Some(oldest) = log.last() else { return Ok(Vec::new()) };
    let set = |change: &Change| {
        let gone =
            matches!(change, Change::BlockDeleted { .. } | Change::GroupDeleted { .. } | Change::AgentDeleted { .. });
        gone || SETTINGS.contains(&change.kind())
    };
    let subjects: BTreeSet<String> =
        log.iter().filter(|entry| set(&entry.change)).map(|entry| entry.change.subject().to_owned()).collect();
    let earlier = store.log_last(oldest.n, &SETTINGS, subjects.into_iter().collect()).await?;
    let mut now: BTreeMap<String, Change> =
        earlier.into_iter().map(|entry| (entry.change.subject().to_owned(), entry.change)).collect();
    let mut told = Vec::new();
    for entry in log.iter().rev() {
        let before = now.get(entry.change.subject());
        if let Some(one) = tell(store, entry, before).await? {
            told.push(one);
        }
        if SETTINGS.contains(&entry.change.kind()) {
            now.insert(entry.change.subject().to_owned(), entry.change.clone());
        }
    }
    told.reverse();
    Ok(told)
}

/// What a log entry says, if the audit tells it; `before` has the settings of its row before.
async fn tell(
    store: &Store<Background>,
    entry: &LogEntry,
    before: Option<&Change>,
) -> Result<Option<(AuditEntry, Option<String>)>, RequestError> {
    let (by, run) = match &entry.by {
        Actor::Person(_) => ("you".to_owned(), None),
        Actor::Engine => ("engine".to_owned(), None),
        Actor::Agent { agent, run } => (agent.to_string(), Some(run.clone())),
    };
    let mut told = AuditEntry {
        n: entry.n,
        at: entry.at,
        kind: AuditKind::Read,
        by,
        text: String::new(),
        blocks: Vec::new(),
        agent: None,
        group: None,
        run,
        step: None,
        before: None,
        after: None,
        reason: None,
    };
    let mut label = None;
    match &entry.change {
        Change::StepFinished(step) if !step.saw.is_empty() => {
            told.text = format!("read in a prompt of {}", step.model);
            told.blocks.clone_from(&step.saw);
            told.step = Some(step.id.clone());
        }
        Change::MessageAppended(message) => {
            let Content::Tool { name, arguments, ok, text, .. } = &message.content else { return Ok(None) };
            label = arguments.get("label").and_then(|label| label.as_str()).map(str::to_owned);
            told.kind = if *ok { AuditKind::Call } else { AuditKind::Refusal };
            told.text = if *ok { format!("called {name}") } else { format!("was refused {name}") };
            told.after = Some(arguments.to_string());
            told.reason = (!ok).then(|| text.clone());
            told.step.clone_from(&message.step);
            if let Some(agent) = &message.agent {
                told.by = agent.to_string();
            }
        }
        Change::CallPending(call) if call.kind == PendingKind::Approval => {
            label = call.arguments.get("label").and_then(|label| label.as_str()).map(str::to_owned);
            told.kind = AuditKind::Request;
            told.text = format!("asks for a decision about {}", call.name);
            told.after = Some(call.arguments.to_string());
            told.step = Some(call.step.clone());
        }
        Change::CallAnswered { step, ordinal, answer } => {
            let Some((call, asker)) = asked(store, entry.n, step, *ordinal).await? else { return Ok(None) };
            label = call.arguments.get("label").and_then(|label| label.as_str()).map(str::to_owned);
            told.agent = asker;
            told.kind = AuditKind::Decision;
            told.text = format!("{} {}", if answer.ok { "approved" } else { "denied" }, call.name);
            told.after = Some(call.arguments.to_string());
            told.reason = Some(answer.text.clone()).filter(|text| !text.is_empty());
            told.step = Some(step.clone());
        }
        Change::BlockEdited(revision) => edited(store, revision, &mut told).await?,
        Change::BlockAccessSet { id, who, level, by, reason, before } => {
            told.kind = AuditKind::Access;
            told.blocks.push((id.clone(), 0));
            let whom = match who {
                Grantee::Agent(agent) => {
                    told.agent = Some(agent.clone());
                    "an agent".to_owned()
                }
                Grantee::Role(role) => format!("the role {role}"),
                Grantee::Everybody => "everybody".to_owned(),
            };
            told.text = format!("set the access of {whom}");
            let name = |level: &Option<Level>| level.map_or("no rule", Level::as_str).to_owned();
            (told.before, told.after) = (Some(name(before)), Some(name(level)));
            told.reason = Some(reason.clone()).filter(|text| !text.is_empty());
            if let Some(by) = by {
                told.by = by.to_string();
            }
        }
        change => {
            if !settings(change, before, &mut told) {
                return Ok(None);
            }
        }
    }
    Ok(Some((told, label)))
}

/// The call that waited for a decision, and whose it was: from its row or, where retention has removed that, from the log.
async fn asked(
    store: &Store<Background>,
    before: u64,
    step: &StepId,
    ordinal: u32,
) -> Result<Option<(PendingCall, Option<AgentId>)>, RequestError> {
    let call: Option<PendingCall> = store.row(&PendingCall::place_key(step, ordinal)).await?;
    let found = match call {
        Some(call) => {
            let run: Option<Run> = store.row(call.run.as_str()).await?;
            Some((call, run.and_then(|run| run.agent().cloned())))
        }
        None => {
            store.log_of_call(before, step.clone(), ordinal).await?.and_then(|entry| match (entry.change, entry.by) {
                (Change::CallPending(call), Actor::Agent { agent, .. }) => Some((call, Some(agent))),
                (Change::CallPending(call), _) => Some((call, None)),
                _ => None,
            })
        }
    };
    Ok(found.filter(|(call, _)| call.kind == PendingKind::Approval))
}

async fn edited(store: &Store<Background>, revision: &Revision, told: &mut AuditEntry) -> Result<(), RequestError> {
    told.kind = AuditKind::Edit;
    told.text = format!("wrote v{}", revision.version);
    told.blocks.push((revision.block.clone(), revision.version));
    let before = store.revision(&revision.block, revision.version.saturating_sub(1)).await?;
    told.before = before.map(|before| before.value);
    told.after = Some(revision.value.clone());
    told.reason = Some(revision.reason.clone());
    told.run.clone_from(&revision.run);
    told.step.clone_from(&revision.step);
    if let Some(agent) = revision.editor.agent() {
        told.by = agent.to_string();
    }
    Ok(())
}

/// Tells a change of the settings of a block, a group, an agent or a trigger; false for any other change.
fn settings(change: &Change, before: Option<&Change>, told: &mut AuditEntry) -> bool {
    match change {
        Change::BlockCreated(block) => {
            told.kind = AuditKind::Block;
            told.text = format!("created the block {}", block.label);
            told.blocks.push((block.id.clone(), 1));
            told.after = Some(block.value.clone());
        }
        Change::BlockRestored(block) => {
            told.kind = AuditKind::Block;
            told.text = format!("brought back the block {}", block.label);
            told.blocks.push((block.id.clone(), block.version));
            told.after = Some(block.value.clone());
        }
        Change::BlockConfigured { id, .. } => {
            told.kind = AuditKind::Block;
            let was = block_fields(before);
            // What the change does not say stays.
            let mut is = was.clone();
            is.extend(block_fields(Some(change)));
            told.text = format!("configured {}", named(&was));
            told.blocks.push((id.clone(), 0));
            differences(&was, &is, told);
        }
        Change::BlockDeleted { id } => {
            told.kind = AuditKind::Block;
            told.text = format!("deleted {}", named(&block_fields(before)));
            told.blocks.push((id.clone(), 0));
        }
        Change::GroupPut(group) => {
            told.kind = AuditKind::Group;
            told.group = Some(group.id.clone());
            let old = match before {
                Some(Change::GroupPut(old)) => Some(old),
                _ => None,
            };
            told.text = format!("{} the group {}", if old.is_some() { "changed" } else { "created" }, group.name);
            differences(&old.map(fields::<Group>).unwrap_or_default(), &fields(group), told);
        }
        Change::GroupDeleted { id } => {
            told.kind = AuditKind::Group;
            told.group = Some(id.clone());
            told.text = match before {
                Some(Change::GroupPut(old)) => format!("deleted the group {}", old.name),
                _ => "deleted a group".to_owned(),
            };
        }
        Change::AgentPut(agent) => {
            told.kind = AuditKind::Agent;
            (told.agent, told.group) = (Some(agent.id.clone()), Some(agent.group.clone()));
            let old = match before {
                Some(Change::AgentPut(old)) => Some(old),
                _ => None,
            };
            told.text = format!("{} the agent {}", if old.is_some() { "changed" } else { "created" }, agent.name);
            differences(&old.map(fields::<Agent>).unwrap_or_default(), &fields(agent), told);
        }
        Change::AgentDeleted { id } => {
            told.kind = AuditKind::Agent;
            told.agent = Some(id.clone());
            told.text = match before {
                Some(Change::AgentPut(old)) => format!("deleted the agent {}", old.name),
                _ => "deleted an agent".to_owned(),
            };
        }
        Change::TriggerPut(trigger) => {
            told.kind = AuditKind::Trigger;
            told.group = Some(trigger.group.clone());
            told.text = format!("set the trigger on {}", trigger.spec.when.schedule());
        }
        Change::TriggerRemoved { .. } => {
            told.kind = AuditKind::Trigger;
            "removed a trigger".clone_into(&mut told.text);
        }
        Change::TriggerPaused { paused, .. } => {
            told.kind = AuditKind::Trigger;
            told.text = format!("{} a trigger", if *paused { "paused" } else { "resumed" });
        }
        _ => return false,
    }
    true
}

/// The settings of a group or an agent that are set, in words.
fn fields<T: Configurable>(owner: &T) -> BTreeMap<String, String> {
    let rows = T::settings().iter().filter_map(|row| Some((row.key.to_owned(), (row.get)(owner)?.to_string())));
    rows.collect()
}

/// The block with these settings, in words; older versions did not log its label with each change.
fn named(fields: &BTreeMap<String, String>) -> String {
    fields.get("label").map_or_else(|| "a block".to_owned(), |label| format!("the block {label}"))
}

/// The settings of a block in words.
fn block_fields(change: Option<&Change>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut put = |key: &str, value: String| drop(fields.insert(key.to_owned(), value));
    match change {
        Some(Change::BlockCreated(block) | Change::BlockRestored(block)) => {
            put("label", block.label.clone());
            put("description", block.description.clone());
            put("limit", block.limit.to_string());
            put("read_only", block.read_only.to_string());
            put("local_only", block.local_only.to_string());
            put("tags", block.tags.join(", "));
        }
        Some(Change::BlockConfigured { description, limit, read_only, tags, label, local_only, .. }) => {
            put("description", description.clone());
            put("limit", limit.to_string());
            put("read_only", read_only.to_string());
            put("tags", tags.join(", "));
            if let Some(label) = label {
                put("label", label.clone());
            }
            if let Some(local_only) = local_only {
                put("local_only", local_only.to_string());
            }
        }
        _ => {}
    }
    fields
}

/// Puts what differs into the values before and after, a line for each setting.
fn differences(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>, told: &mut AuditEntry) {
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).filter(|key| was.get(*key) != is.get(*key)).collect();
    let lines = |of: &BTreeMap<String, String>| {
        let set = keys.iter().filter_map(|key| Some(format!("{key}: {}", of.get(*key)?)));
        Some(set.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty())
    };
    (told.before, told.after) = (lines(was), lines(is));
}
