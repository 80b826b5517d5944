//! Creates blocks, and changes all of them but their texts; lists first whom a change touches.

use unicode_normalization::UnicodeNormalization as _;

use super::super::TRIES;
use super::TOO_FAST;
use super::people::RosterSnapshot;
use crate::domain::block::{AccessRule, Grantee, Level, folded};
use crate::domain::spelling::LONGEST_NAME;
use crate::domain::{
    Agent, AgentId, Block, BlockId, BlockOwner, Change, Commit, Editor, Group, PendingCall, PersonId, When,
};
use crate::engine::Engine;
use crate::engine::protocol::{BlockChange, BlockForm, Recipient, Reply, RequestError};
use crate::store::{CommitError, Lane};

/// The most characters of a description.
const LONGEST_DESCRIPTION: usize = 2_000;
/// The most characters of a role in a rule of access, and of a reason.
const LONGEST_ROLE: usize = 200;
const LONGEST_REASON: usize = 2_000;
/// The most tags of a block.
const MOST_TAGS: usize = 50;
/// The last line when versions are no longer listed.
const STAYS: &str = "every version of it stays in the log";

/// Changes, and whom they touch.
struct Planned {
    changes: Vec<Change>,
    lines: Vec<String>,
}

impl Engine {
    pub(in crate::engine::requests) async fn create_block(
        &self,
        owner: &Recipient,
        form: &BlockForm,
        really: bool,
    ) -> Result<Reply, RequestError> {
        let id = BlockId::fresh(self.store.ids());
        self.settle_block(&id, really, |people| {
            let block = made(&id, owner, form)?;
            let mut changes = vec![Change::BlockCreated(block.clone())];
            let (change, holders) = attached(people, &block.id, owner)?;
            changes.push(change);
            let line = match owner {
                Recipient::Group(id) => {
                    format!("the group {} shares the new block {}: {holders}", people.group(id)?.name, block.label)
                }
                Recipient::Agent(id) => format!("{} has the new block {}", people.full_name(id), block.label),
            };
            Ok(Planned { changes, lines: vec![line] })
        })
        .await
    }

    pub(in crate::engine::requests) async fn change_block(
        &self,
        id: &BlockId,
        change: &BlockChange,
        really: bool,
    ) -> Result<Reply, RequestError> {
        self.settle_block(id, really, |people| {
            let block = people.block_with(id)?;
            match change {
                BlockChange::Configure { form } => configured(people, block, form),
                BlockChange::Attach { to } => attach(people, block, to),
                BlockChange::Detach { from } => detach(people, block, from),
                BlockChange::Access { who, level, reason } => access(people, block, who, *level, reason),
                BlockChange::Delete => Ok(deleted(people, block)),
            }
        })
        .await
    }

    /// Commits a person's yes to a request for access, with the access it gives.
    pub(in crate::engine::requests) async fn grant_request(
        &self,
        decision: Change,
        call: &PendingCall,
        label: &str,
        level: Level,
    ) -> Result<(), RequestError> {
        let run = self.must_run(&call.run).await?;
        self.settle(|people| {
            let gone = || RequestError::new(format!("there is no block {label:?} to give access to; deny the request"));
            let agent = people.agent(run.agent().ok_or_else(gone)?)?;
            let group = run.group().unwrap_or(&agent.group);
            let shared = people.group(group).map(|group| group.shared_blocks.as_slice()).unwrap_or_default();
            let wanted = folded(label);
            let mut own = people.blocks.iter().filter(|block| folded(&block.label) == wanted);
            let block = own.find(|block| agent.blocks.contains(&block.id) || shared.contains(&block.id));
            let block = block.ok_or_else(gone)?;
            let reason = call.arguments.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default();
            let who = Grantee::Agent(agent.id.clone());
            let given = access(people, block, &who, Some(level), &format!("asked for it: {reason}"))?;
            // The decision first: what follows from the access answers what is still open.
            Ok(std::iter::once(decision.clone()).chain(given.changes).collect())
        })
        .await
    }

    /// Plans changes from the current rows; commits them if `really`, otherwise only looks whether they would be accepted.
    async fn settle_block(
        &self,
        id: &BlockId,
        really: bool,
        plan: impl Fn(&RosterSnapshot) -> Result<Planned, RequestError>,
    ) -> Result<Reply, RequestError> {
        let _roster = self.roster.lock().await;
        for _ in 0..TRIES {
            let people = RosterSnapshot::read(&self.store).await?;
            let Planned { changes, lines } = plan(&people)?;
            people.check_names(&changes)?;
            if !really || changes.is_empty() {
                people.try_out(&changes, self.store.clock().now())?;
                let block = self.store.row::<Block>(id.as_str()).await?.map(Box::new);
                return Ok(Reply::BlockChanged { lines, done: really, block });
            }
            match self.store.commit(Lane::Foreground, Commit::new(Self::asker(), changes)).await {
                Ok(_) => {
                    let block = self.store.row::<Block>(id.as_str()).await?.map(Box::new);
                    return Ok(Reply::BlockChanged { lines, done: true, block });
                }
                Err(CommitError::Conflict(_)) if people.is_outdated(&self.store) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new(TOO_FAST))
    }
}

/// The block that a form describes.
///
/// # Errors
/// [`RequestError`] if the form has no label, or a field is not allowed.
pub(super) fn made(id: &BlockId, owner: &Recipient, form: &BlockForm) -> Result<Block, RequestError> {
    let label = form.label.as_deref().map(str::trim).filter(|label| !label.is_empty());
    let label = label.ok_or_else(|| RequestError::new("a block needs a label"))?;
    let owner = match owner {
        Recipient::Group(id) => BlockOwner::Group(id.clone()),
        Recipient::Agent(id) => BlockOwner::Agent(id.clone()),
    };
    let mut block = Block::new(id.clone(), label.nfc().collect::<String>(), owner, Editor::Person(PersonId::local()));
    block.value = form.value.clone().unwrap_or_default();
    fill(&mut block, form)?;
    Ok(block)
}

/// Sets the fields of the form except label and value.
fn fill(block: &mut Block, form: &BlockForm) -> Result<(), RequestError> {
    if let Some(description) = &form.description {
        let length = description.chars().count();
        if length > LONGEST_DESCRIPTION {
            return Err(RequestError::new(format!(
                "block {}: its description has {length} characters, and {LONGEST_DESCRIPTION} are the most; put the \
                 rest into its text",
                block.label
            )));
        }
        description.trim().clone_into(&mut block.description);
    }
    if let Some(tags) = &form.tags {
        let bad = |tag: &&String| tag.trim().is_empty() || tag.chars().count() > LONGEST_NAME;
        if let Some(tag) = tags.iter().find(bad) {
            let text = format!("block {}: {tag:?} is no tag; a tag has 1 to {LONGEST_NAME} characters", block.label);
            return Err(RequestError::new(text));
        }
        if tags.len() > MOST_TAGS {
            let text = format!("block {}: {} tags are over the limit of {MOST_TAGS}", block.label, tags.len());
            return Err(RequestError::new(text));
        }
        block.tags.clone_from(tags);
    }
    if form.limit == Some(0) {
        return Err(RequestError::new(format!("block {}: the limit is 1 character at the least", block.label)));
    }
    block.limit = form.limit.unwrap_or(block.limit);
    block.read_only = form.read_only.unwrap_or(block.read_only);
    block.local_only = form.local_only.unwrap_or(block.local_only);
    Ok(())
}

fn configured(people: &RosterSnapshot, old: &Block, form: &BlockForm) -> Result<Planned, RequestError> {
    if form.value.is_some() {
        return Err(RequestError::new("a new text is saved as an edit, not with the settings of a block"));
    }
    let mut block = old.clone();
    fill(&mut block, form)?;
    let whom = listed(people, &people.holders(&old.id));
    let mut lines = Vec::new();
    let mut changes = Vec::new();
    let label = form.label.as_deref().map(str::trim).map(|label| label.nfc().collect::<String>());
    if let Some(label) = label.filter(|label| *label != old.label) {
        lines.push(format!("the block {} is called {label} from now on, for {whom}", old.label));
        if block.from_file.take().is_some() {
            lines.push(format!(
                "a team file that has a block {} would create it anew; change the label there, too",
                old.label
            ));
        }
        block.label = label;
        for group in listeners(people, old) {
            lines.push(format!("what listens to {} in {} listens to {}", old.label, group.name, block.label));
            changes.push(Change::GroupPut(relabelled(group, &old.label, &block.label)));
        }
    }
    if block.description != old.description {
        lines.push(format!("its description changes for {whom}"));
    }
    if block.tags != old.tags {
        lines.push(format!("its tags are {}", or_none(&block.tags.join(", "))));
    }
    if block.limit != old.limit {
        let length = old.value.chars().count();
        lines.push(format!("its limit is {} characters instead of {}; it has {length}", block.limit, old.limit));
    }
    if block.read_only != old.read_only {
        let may = if block.read_only { "agents may no longer edit it" } else { "agents may edit it" };
        lines.push(format!("{may}: {whom}"));
    }
    if block.local_only != old.local_only {
        lines.push(if block.local_only {
            format!("its text goes to models on this machine only; others of {whom} see its label alone")
        } else {
            format!("its text goes to all models of {whom}")
        });
    }
    if lines.is_empty() {
        lines.push(format!("nothing changes in the block {}", old.label));
    } else {
        changes.insert(0, Change::configured(block));
    }
    Ok(Planned { changes, lines })
}

/// The change that attaches a block, and who gets it, in words.
fn attached(people: &RosterSnapshot, id: &BlockId, to: &Recipient) -> Result<(Change, String), RequestError> {
    match to {
        Recipient::Group(group) => {
            let mut group = people.group(group)?.clone();
            group.shared_blocks.push(id.clone());
            let agents: Vec<&Agent> = group.agents().into_iter().filter_map(|id| people.agent(id).ok()).collect();
            let whom = listed(people, &agents);
            Ok((Change::GroupPut(group), whom))
        }
        Recipient::Agent(agent) => {
            let mut agent = people.agent(agent)?.clone();
            agent.blocks.push(id.clone());
            let whom = people.full_name(&agent.id);
            Ok((Change::AgentPut(agent), whom))
        }
    }
}

fn attach(people: &RosterSnapshot, block: &Block, to: &Recipient) -> Result<Planned, RequestError> {
    let (name, has) = named(people, &block.id, to)?;
    if has {
        return Err(RequestError::new(format!("{name} has the block {} already", block.label)));
    }
    let (change, whom) = attached(people, &block.id, to)?;
    let line = match to {
        Recipient::Group(_) => format!("{name} shares the block {}: {whom}", block.label),
        Recipient::Agent(_) => format!("{whom} has the block {}", block.label),
    };
    Ok(Planned { changes: vec![change], lines: vec![line] })
}

fn detach(people: &RosterSnapshot, block: &Block, from: &Recipient) -> Result<Planned, RequestError> {
    let (name, has) = named(people, &block.id, from)?;
    if !has {
        let mut text = format!("{name} has no block {} of its own that it could lose", block.label);
        if let Recipient::Agent(id) = from {
            let sharing = people
                .groups
                .iter()
                .find(|group| group.shared_blocks.contains(&block.id) && group.agents().contains(&id));
            if let Some(group) = sharing {
                text = format!("{name} has the block {} through the group {}; detach that", block.label, group.name);
            }
        }
        return Err(RequestError::new(text));
    }
    let before = people.holders(&block.id);
    let change = match from {
        Recipient::Group(id) => {
            let mut group = people.group(id)?.clone();
            group.shared_blocks.retain(|id| *id != block.id);
            Change::GroupPut(group)
        }
        Recipient::Agent(id) => {
            let mut agent = people.agent(id)?.clone();
            agent.blocks.retain(|id| *id != block.id);
            Change::AgentPut(agent)
        }
    };
    let left = people.changed_by(&change);
    let after: Vec<&AgentId> = left.holders(&block.id).into_iter().map(|agent| &agent.id).collect();
    let (keep, lose): (Vec<&Agent>, Vec<&Agent>) = before.iter().partition(|agent| after.contains(&&agent.id));
    let verb = if lose.len() == 1 { "loses" } else { "lose" };
    let losers = listed(people, &lose);
    let mut lines = vec![format!("{name} has the block {} no longer; {losers} {verb} it", block.label)];
    if keep.is_empty() {
        lines.push("nobody has it any more; it stays, and can be attached again or deleted".to_owned());
    } else {
        lines.push(format!("{} still {} it", listed(people, &keep), if keep.len() == 1 { "has" } else { "have" }));
    }
    Ok(Planned { changes: vec![change], lines })
}

fn access(
    people: &RosterSnapshot,
    block: &Block,
    who: &Grantee,
    level: Option<Level>,
    reason: &str,
) -> Result<Planned, RequestError> {
    if let Grantee::Role(role) = who
        && (role.trim().is_empty() || role.chars().count() > LONGEST_ROLE)
    {
        return Err(RequestError::new(format!("a role has 1 to {LONGEST_ROLE} characters; this is none: {role:?}")));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(RequestError::new(format!("a reason has at most {LONGEST_REASON} characters; shorten it")));
    }
    let mut changes = vec![Change::BlockAccessSet {
        id: block.id.clone(),
        who: who.clone(),
        level,
        before: None,
        by: None,
        reason: reason.trim().to_owned(),
    }];
    if let (Grantee::Agent(id), Some(granted)) = (who, level)
        && granted >= Level::Read
        && !people.holders(&block.id).iter().any(|agent| agent.id == *id)
    {
        let (change, whom) = attached(people, &block.id, &Recipient::Agent(id.clone()))?;
        changes.push(change);
        let line = format!("{whom} has the block {} from now on, and {}", block.label, granted.allows());
        return Ok(Planned { changes, lines: vec![line] });
    }
    let whom = match who {
        Grantee::Agent(id) => people.full_name(id),
        Grantee::Role(role) => format!("whoever is {role}"),
        Grantee::Everybody => "everybody".to_owned(),
    };
    let line = match level {
        Some(level) => format!("{whom} {}: the block {}", level.allows(), block.label),
        None if block.access.iter().any(|rule| rule.who == *who) => {
            format!("the rule about {whom} is removed from the block {}", block.label)
        }
        None => {
            let text = format!("the block {} has no rule about {whom}; see its list of access", block.label);
            return Err(RequestError::new(text));
        }
    };
    let mut lines = vec![line];
    if let Grantee::Role(role) = who
        && level.is_some()
        && !people.groups.iter().any(|group| group.roles.values().any(|one| one == role))
    {
        lines.push(format!("nobody is {role} now; the rule counts once an agent has this role in a group"));
    }
    let after = Block { access: AccessRule::set(block.access.clone(), who, level), ..block.clone() };
    for agent in people.holders(&block.id) {
        let [was, is] = [block, &after].map(|block| people.level(block, agent));
        if was != is {
            lines.push(format!("{} {} from now on", people.full_name(&agent.id), is.allows()));
        }
    }
    Ok(Planned { changes, lines })
}

fn deleted(people: &RosterSnapshot, block: &Block) -> Planned {
    let mut changes = Vec::new();
    let holders = people.holders(&block.id);
    let whom = if holders.is_empty() { "nobody has it".to_owned() } else { listed(people, &holders) };
    let size = block.value.chars().count();
    let lose = if holders.len() == 1 { "loses it" } else { "lose it" };
    let lose = if holders.is_empty() { String::new() } else { format!(" {lose}") };
    let mut lines = vec![format!("the block {} ({size} characters) is deleted: {whom}{lose}", block.label)];
    for group in listeners(people, block) {
        lines.push(format!("what listens to {} in {} does not fire any more", block.label, group.name));
    }
    for group in people.groups.iter().filter(|group| group.shared_blocks.contains(&block.id)) {
        let mut left = group.clone();
        left.shared_blocks.retain(|id| *id != block.id);
        changes.push(Change::GroupPut(left));
    }
    for agent in people.agents.iter().filter(|agent| agent.blocks.contains(&block.id)) {
        let mut left = agent.clone();
        left.blocks.retain(|id| *id != block.id);
        changes.push(Change::AgentPut(left));
    }
    if block.from_file.is_some() {
        lines.push("a team file that has it creates it anew, with a history of its own".to_owned());
    }
    lines.push(STAYS.to_owned());
    changes.push(Change::BlockDeleted { id: block.id.clone() });
    Planned { changes, lines }
}

/// The name of a group or an agent, and whether it has the block itself.
fn named(people: &RosterSnapshot, id: &BlockId, who: &Recipient) -> Result<(String, bool), RequestError> {
    Ok(match who {
        Recipient::Group(group) => {
            let group = people.group(group)?;
            (group.name.clone(), group.shared_blocks.contains(id))
        }
        Recipient::Agent(agent) => {
            let agent = people.agent(agent)?;
            (people.full_name(&agent.id), agent.blocks.contains(id))
        }
    })
}

/// The groups with a trigger that listens to this block.
fn listeners<'a>(people: &'a RosterSnapshot, block: &Block) -> Vec<&'a Group> {
    let holders: Vec<&AgentId> = people.holders(&block.id).into_iter().map(|agent| &agent.id).collect();
    let label = folded(&block.label);
    let has = |group: &Group| {
        group.shared_blocks.contains(&block.id) || group.agents().iter().any(|agent| holders.contains(agent))
    };
    let listens = |group: &&Group| {
        let mut specs = group.sleeptime.iter().flat_map(|policy| &policy.triggers);
        specs.any(|spec| spec.label().is_some_and(|one| folded(one) == label)) && has(group)
    };
    people.groups.iter().filter(listens).collect()
}

/// The group with its triggers on another label.
fn relabelled(group: &Group, old: &str, new: &str) -> Group {
    let mut group = group.clone();
    for spec in group.sleeptime.iter_mut().flat_map(|policy| &mut policy.triggers) {
        if let When::BlockChanged { label, .. } = &mut spec.when
            && folded(label) == folded(old)
        {
            new.clone_into(label);
        }
    }
    group
}

/// The full names of agents; `nobody` without any.
fn listed(people: &RosterSnapshot, agents: &[&Agent]) -> String {
    let names: Vec<String> = agents.iter().map(|agent| people.full_name(&agent.id)).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
