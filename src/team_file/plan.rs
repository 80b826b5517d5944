//! Computes the changes that a team file requires, in an order in which they apply, and describes them.

use std::collections::{BTreeMap, BTreeSet};

use super::{AgentSpec, Existing, Fault, TeamError, TeamFile, describe};
use crate::domain::block::{DEFAULT_LIMIT, Grantee, Level, PERSONA, PERSONA_IS_FOR, folded};
use crate::domain::setting::{self, Kind, Reference};
use crate::domain::{
    Agent, AgentId, Basis, Block, BlockId, BlockOwner, Change, Configurable as _, Editor, Group, GroupId, Ids,
    Revision, Setting, Value,
};

/// Reason stored with a revision that comes from a file.
const REASON: &str = "team file";

/// The changes that make a group match its file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Changes to commit together, in this order.
    pub changes: Vec<Change>,
    /// The rows they replace, configure or edit, as they were read.
    pub read: Vec<Basis>,
    /// Descriptions for a person, one line each: `+` new, `~` changed, `=` kept, `-` leaves, `!` a warning.
    pub lines: Vec<String>,
}

/// Computes the changes that make the group match the file.
///
/// A block value is overwritten only if nobody has edited it since a file set it, or with `overwrite_blocks`. A second
/// plan over the result is empty.
///
/// # Errors
/// The manager type would change, a named agent of another group does not exist, or a limit is below a kept value.
pub fn plan(file: &TeamFile, existing: &Existing, ids: &Ids, overwrite_blocks: bool) -> Result<Plan, TeamError> {
    let mut planner = Planner::new(file, existing, ids, overwrite_blocks);
    planner.refuse_another_type();
    planner.name_neighbours();
    let wanted = planner.wanted();
    let blocks = planner.blocks(&wanted);
    let agents: Vec<Agent> = file.agents.iter().map(|spec| planner.agent(spec, &blocks)).collect();
    let group = planner.group(&blocks);
    planner.make_way(&agents, &group);
    planner.put_agents(agents);
    planner.put_group(group);
    planner.set_access(&blocks);
    planner.finish()
}

/// The desired state of a block.
struct DesiredBlock<'a> {
    label: &'a str,
    owner: BlockOwner,
    description: &'a str,
    value: Option<&'a str>,
    limit: u32,
    read_only: bool,
    /// `None` keeps it.
    local_only: Option<bool>,
    tags: &'a [String],
    line: usize,
    /// True if it comes from the key `persona` of an agent, not from a `[[block]]`.
    persona: bool,
}

/// Owner and folded label of a block: its identity in a plan.
type Place = (BlockOwner, String);

impl DesiredBlock<'_> {
    fn place(&self) -> Place {
        (self.owner.clone(), folded(self.label))
    }
}

/// The ids of the resulting blocks: all by place, and those of `[[block]]` by label.
#[derive(Default)]
struct ResolvedBlocks {
    by_place: BTreeMap<Place, BlockId>,
    by_label: BTreeMap<String, BlockId>,
}

struct Planner<'a> {
    file: &'a TeamFile,
    existing: &'a Existing,
    ids: &'a Ids,
    overwrite: bool,
    group_id: GroupId,
    agent_ids: BTreeMap<&'a str, AgentId>,
    changes: Vec<Change>,
    /// Lines on blocks, agents and the group. The plan lists them in reverse: group, agents, blocks.
    told: [Vec<String>; 3],
    faults: Vec<Fault>,
}

impl<'a> Planner<'a> {
    fn new(file: &'a TeamFile, existing: &'a Existing, ids: &'a Ids, overwrite: bool) -> Self {
        let group_id = existing.group.as_ref().map_or_else(|| GroupId::fresh(ids), |group| group.id.clone());
        let id = |spec: &'a AgentSpec| {
            let id = existing.agent(&spec.name).map_or_else(|| AgentId::fresh(ids), |agent| agent.id.clone());
            (spec.name.as_str(), id)
        };
        let agent_ids = file.agents.iter().map(id).collect();
        let (changes, told, faults) = (Vec::new(), Default::default(), Vec::new());
        Self { file, existing, ids, overwrite, group_id, agent_ids, changes, told, faults }
    }

    fn fault(&mut self, line: usize, text: String) {
        self.faults.push(Fault { file: self.file.file.clone(), line: Some(line), text });
    }

    fn refuse_another_type(&mut self) {
        let spec = &self.file.group;
        if let Some(group) = self.existing.group.as_ref().filter(|group| group.manager_type != spec.manager_type) {
            let text = format!(
                "group {} is {} and its manager_type cannot change to {}; give this group another name",
                spec.name,
                group.manager_type.as_str(),
                spec.manager_type.as_str()
            );
            self.fault(spec.line, text);
        }
    }

    /// Resolves the full names of agents of other groups.
    fn name_neighbours(&mut self) {
        let shared: BTreeSet<String> = self.file.group.shared_blocks().iter().map(|name| folded(&name.text)).collect();
        for (key, name) in self.file.full_names() {
            let found = match self.existing.neighbour(name) {
                Ok(found) => found,
                Err(why) => {
                    self.fault(name.line, format!("{key} names {:?}, but {why}", name.text));
                    continue;
                }
            };
            self.agent_ids.insert(&name.text, found.id.clone());
            if let Some(label) = found.labels.iter().find(|label| shared.contains(&folded(label)))
                && self.file.group.has(&name.text)
            {
                let text = format!(
                    "{} has a block {label:?} of its own and would get this group's {label:?} too; give one of them \
                     another label",
                    name.text
                );
                self.fault(name.line, text);
            }
        }
    }

    /// Returns all blocks of the file. A block that only one agent names belongs to that agent, others to the group.
    fn wanted(&self) -> Vec<DesiredBlock<'a>> {
        let mut wanted = Vec::new();
        for spec in &self.file.blocks {
            let namers = self.file.namers(&spec.label);
            let owner = match namers.as_slice() {
                [] if !self.file.group.shares(&spec.label) => continue,
                [one] if !self.file.group.shares(&spec.label) => BlockOwner::Agent(self.agent_id(&one.name)),
                _ => BlockOwner::Group(self.group_id.clone()),
            };
            wanted.push(DesiredBlock {
                label: &spec.label,
                owner,
                description: &spec.description,
                value: spec.value.as_deref(),
                limit: spec.limit,
                read_only: spec.read_only,
                local_only: spec.local_only,
                tags: &spec.tags,
                line: spec.line,
                persona: false,
            });
        }
        for spec in &self.file.agents {
            wanted.extend(spec.persona.as_deref().map(|persona| DesiredBlock {
                label: PERSONA,
                owner: BlockOwner::Agent(self.agent_id(&spec.name)),
                description: PERSONA_IS_FOR,
                value: Some(persona),
                limit: DEFAULT_LIMIT,
                read_only: false,
                local_only: None,
                tags: &[],
                line: spec.line,
                persona: true,
            }));
        }
        wanted
    }

    fn agent_id(&self, name: &str) -> AgentId {
        // Unknown names have already caused a fault, so this fallback id is never committed.
        self.agent_ids.get(name).cloned().unwrap_or_else(|| AgentId::from(name))
    }

    /// Creates, moves and updates the blocks. Returns their ids.
    fn blocks(&mut self, wanted: &[DesiredBlock<'a>]) -> ResolvedBlocks {
        let at = |place: &Place| {
            self.existing.blocks.iter().find(|block| block.owner == place.0 && folded(&block.label) == place.1)
        };
        let here: Vec<Option<&Block>> = wanted.iter().map(|one| at(&one.place())).collect();
        let taken: BTreeSet<&BlockId> = here.iter().flatten().map(|block| &block.id).collect();
        let mut placed = ResolvedBlocks::default();
        for (one, here) in wanted.iter().zip(&here) {
            let found = here.or_else(|| self.elsewhere(one, &taken));
            let id = match found {
                Some(block) => {
                    self.set_block(one, block);
                    block.id.clone()
                }
                None => self.create_block(one),
            };
            if !one.persona {
                placed.by_label.insert(folded(one.label), id.clone());
            }
            placed.by_place.insert(one.place(), id);
        }
        placed
    }

    /// Returns the block of this label with another owner in the group, which changes its owner.
    fn elsewhere(&self, wanted: &DesiredBlock<'a>, taken: &BTreeSet<&BlockId>) -> Option<&'a Block> {
        if wanted.persona {
            return None;
        }
        let namers: Vec<AgentId> =
            self.file.namers(wanted.label).iter().map(|agent| self.agent_id(&agent.name)).collect();
        let rank = |block: &&Block| match &block.owner {
            BlockOwner::Group(_) => 0,
            BlockOwner::Agent(id) => 1 + namers.iter().position(|namer| namer == id).unwrap_or(namers.len()),
        };
        let label = folded(wanted.label);
        let open = |block: &&Block| {
            folded(&block.label) == label && !taken.contains(&block.id) && self.existing.in_use(&block.id)
        };
        self.existing.blocks.iter().filter(open).min_by_key(rank)
    }

    fn create_block(&mut self, wanted: &DesiredBlock<'a>) -> BlockId {
        let id = BlockId::fresh(self.ids);
        let value = wanted.value.unwrap_or_default();
        self.changes.push(Change::BlockCreated(Block {
            description: wanted.description.to_owned(),
            value: value.to_owned(),
            limit: wanted.limit,
            read_only: wanted.read_only,
            local_only: wanted.local_only.unwrap_or_default(),
            tags: wanted.tags.to_vec(),
            from_file: Some(value.to_owned()),
            ..Block::new(id.clone(), wanted.label, wanted.owner.clone(), Editor::File)
        }));
        let name = self.block_name(wanted.label, &wanted.owner);
        let shared = if matches!(wanted.owner, BlockOwner::Group(_)) { " (shared)" } else { "" };
        // The persona of a new agent is not listed separately.
        let known = |id: &AgentId| self.existing.agents.iter().any(|agent| agent.id == *id);
        if !wanted.persona || matches!(&wanted.owner, BlockOwner::Agent(id) if known(id)) {
            self.told[0].push(format!("+ {name}{shared}"));
        }
        id
    }

    /// Updates a block where it differs from the file. Keeps and reports a value that somebody else wrote.
    fn set_block(&mut self, wanted: &DesiredBlock<'a>, block: &Block) {
        let name = self.block_name(wanted.label, &wanted.owner);
        let settings = (wanted.limit, wanted.read_only, wanted.local_only.unwrap_or(block.local_only));
        let mut told = describe::block(block, wanted.description, settings, wanted.tags);
        if block.owner != wanted.owner {
            told.push(format!("was {} before", self.block_name(&block.label, &block.owner)));
        }
        let revision = self.revision(wanted, block, &name);
        let mut from_file = block.from_file.clone();
        if wanted.value == Some(block.value.as_str()) && from_file.as_deref() != wanted.value {
            from_file = wanted.value.map(str::to_owned);
            told.push("value now from the file".to_owned());
        }
        let configured = !told.is_empty();
        let shrinks = block.value.chars().count() > wanted.limit as usize;
        if shrinks && revision.is_none() {
            self.refuse_limit(wanted, block, &name);
            return;
        }
        if let Some(revision) = &revision {
            let lost = match block.editor.name() {
                editor if block.from_file.as_ref() != Some(&block.value) => format!(", over that of {editor}"),
                _ => String::new(),
            };
            told.push(format!("new value (v{} → v{}){lost}", block.version, revision.version));
        }
        if !told.is_empty() {
            self.told[0].push(format!("~ {name}: {}", told.join(", ")));
        }
        // A larger limit must precede a longer value; a smaller limit must follow a shorter value.
        if configured && !shrinks {
            self.changes.push(configured_as(wanted, block, from_file));
        } else if configured {
            from_file = revision.as_ref().map(|revision| revision.value.clone());
            self.changes.extend(revision.map(Change::BlockEdited));
            self.changes.push(configured_as(wanted, block, from_file));
            return;
        }
        self.changes.extend(revision.map(Change::BlockEdited));
    }

    /// Returns the value of the file as the next revision. Returns `None` if it is unchanged, or if an edit by somebody
    /// else is kept, which is reported.
    fn revision(&mut self, wanted: &DesiredBlock<'a>, block: &Block, name: &str) -> Option<Revision> {
        let value = wanted.value.filter(|value| *value != block.value)?;
        if !self.overwrite && block.from_file.as_ref() != Some(&block.value) {
            let (editor, version) = (block.editor.name(), block.version);
            let how = "--overwrite-blocks replaces it";
            self.told[0].push(format!("= {name} keeps its value: edited by {editor} since (v{version}); {how}"));
            return None;
        }
        Some(Revision {
            block: block.id.clone(),
            version: block.version + 1,
            value: value.to_owned(),
            editor: Editor::File,
            run: None,
            step: None,
            calls: Vec::new(),
            reason: REASON.to_owned(),
        })
    }

    fn refuse_limit(&mut self, wanted: &DesiredBlock<'a>, block: &Block, name: &str) {
        let shorten = match wanted.value {
            Some(_) => "shorten the block, or use --overwrite-blocks",
            None => "or shorten the block",
        };
        let text = format!(
            "{name}: the limit {} is below its {} characters, edited by {} since (v{}); raise the limit, {shorten}",
            wanted.limit,
            block.value.chars().count(),
            block.editor.name(),
            block.version
        );
        self.fault(wanted.line, text);
    }

    /// Returns the desired state of an agent.
    fn agent(&mut self, spec: &AgentSpec, placed: &ResolvedBlocks) -> Agent {
        let id = self.agent_id(&spec.name);
        let persona = placed.by_place.get(&(BlockOwner::Agent(id.clone()), PERSONA.to_owned()));
        let persona = persona.filter(|_| spec.persona.is_some());
        // Agents see shared blocks anyway, so these are not listed for the agent.
        let shared = |label: &str| self.file.group.has(&spec.name) && self.file.group.shares(label);
        let named = spec.blocks().iter().filter(|name| !shared(&name.text));
        let named = named.filter_map(|name| placed.by_label.get(&folded(&name.text)));
        let mut ids: Vec<BlockId> = persona.into_iter().chain(named).cloned().collect();
        let before = self.existing.agents.iter().find(|agent| agent.id == id);
        self.keep_made_here(&mut ids, before.map_or(&[], |agent| &agent.blocks));
        let blocks = setting::listed(&ids);
        let mut agent = Agent::new(id, spec.name.clone(), self.group_id.clone());
        for row in Agent::settings() {
            let value = match row.kind {
                Kind::Blocks => Some(blocks.clone()),
                _ => spec.settings.value(row.key).map(|value| self.with_ids(row.kind, value)),
            };
            self.put(row, &mut agent, spec.settings.get(row.key).map_or(spec.line, |given| given.line), value);
        }
        agent
    }

    /// Returns the desired state of the group.
    fn group(&mut self, placed: &ResolvedBlocks) -> Group {
        let spec = &self.file.group;
        let shared = spec.shared_blocks().iter().filter_map(|name| placed.by_label.get(&folded(&name.text)));
        let mut ids: Vec<BlockId> = shared.cloned().collect();
        self.keep_made_here(&mut ids, self.existing.group.as_ref().map_or(&[], |group| &group.shared_blocks));
        let shared = setting::listed(&ids);
        let mut group = Group::new(self.group_id.clone(), spec.name.clone(), spec.manager_type);
        for row in Group::settings() {
            let given = spec.settings.get(row.key);
            let value = match (row.kind, given) {
                (Kind::Blocks, _) => Some(shared.clone()),
                (_, Some(given)) => Some(self.with_ids(row.kind, &given.value)),
                // A sticky setting, such as a pause, keeps its value unless the file sets it.
                (_, None) if row.sticky => self.existing.group.as_ref().and_then(|group| (row.get)(group)),
                _ => None,
            };
            self.put(row, &mut group, given.map_or(spec.line, |given| given.line), value);
        }
        group
    }

    /// Adds those of the blocks that were there before and that no file has made.
    fn keep_made_here(&mut self, ids: &mut Vec<BlockId>, before: &'a [BlockId]) {
        for id in before {
            let block = self.existing.blocks.iter().find(|block| block.id == *id);
            if ids.contains(id) || block.is_some_and(|block| block.from_file.is_some()) {
                continue;
            }
            ids.push(id.clone());
            if let Some(block) = block {
                let name = self.block_name(&block.label, &block.owner);
                self.told[0].push(format!("= {name} stays: it was made here, not by a file"));
            }
        }
    }

    /// Sets a setting and reports a value that does not fit.
    fn put<T>(&mut self, row: &Setting<T>, owner: &mut T, line: usize, value: Option<Value>) {
        if let Err(text) = (row.set)(owner, value) {
            self.fault(line, text);
        }
    }

    /// Replaces the names of agents in a value by their ids.
    fn with_ids(&self, kind: Kind, value: &Value) -> Value {
        match kind.refers_to() {
            None | Some(Reference::Block) => value.clone(),
            Some(_) => value.clone().map_names(&mut |name| self.agent_id(&name).0),
        }
    }

    /// Removes a shared block from the group first if an agent is about to get another block of this label, because no
    /// agent may have two blocks of one label even between two changes.
    fn make_way(&mut self, agents: &[Agent], group: &Group) {
        let Some(old) = &self.existing.group else { return };
        let clashes = |leaving: &BlockId| {
            let label = folded(&self.block_label(leaving));
            let mut coming = agents.iter().flat_map(|agent| &agent.blocks);
            coming.any(|id| id != leaving && folded(&self.block_label(id)) == label)
        };
        let mut trimmed = old.clone();
        trimmed.shared_blocks.retain(|id| group.shared_blocks.contains(id) || !clashes(id));
        if trimmed != *old {
            self.changes.push(Change::GroupPut(trimmed));
        }
    }

    fn put_agents(&mut self, agents: Vec<Agent>) {
        let background: BTreeSet<&str> = self.file.group.background().iter().map(|name| name.text.as_str()).collect();
        for agent in agents {
            match self.existing.agents.iter().find(|old| old.id == agent.id) {
                None => {
                    let place = if background.contains(agent.name.as_str()) { " (in the background)" } else { "" };
                    self.told[1].push(format!("+ agent {}{place}", agent.name));
                }
                Some(old) if *old == agent => continue,
                Some(old) => {
                    let mut told =
                        describe::settings(old, &agent, &|id| self.agent_name(id), &|id| self.block_label(id));
                    if old.name != agent.name {
                        told.insert(0, format!("name {} → {}", old.name, agent.name));
                    }
                    self.told[1].push(format!("~ agent {}: {}", agent.name, told.join(", ")));
                }
            }
            self.changes.push(Change::AgentPut(agent));
        }
    }

    fn put_group(&mut self, group: Group) {
        let Some(old) = &self.existing.group else {
            self.told[2].push(describe::new_group(&group, &|id| self.agent_name(id)));
            self.changes.push(Change::GroupPut(group));
            return;
        };
        if *old == group {
            return;
        }
        let told = describe::settings(old, &group, &|id| self.agent_name(id), &|id| self.block_label(id));
        self.told[2].push(format!("~ group {}: {}", group.name, told.join(", ")));
        for id in old.agents() {
            if !group.agents().contains(&id) {
                self.told[2].push(format!("- {} leaves the group", self.agent_name(id)));
            }
        }
        self.changes.push(Change::GroupPut(group));
    }

    /// Sets the rules of access of the blocks whose tables say them, after the agents that they are about exist.
    fn set_access(&mut self, placed: &ResolvedBlocks) {
        for spec in &self.file.blocks {
            let (Some(rules), Some(id)) = (&spec.access, placed.by_label.get(&folded(&spec.label))) else { continue };
            let before = self.existing.blocks.iter().find(|block| block.id == *id);
            let before = before.map_or(&[][..], |block| &block.access);
            let wanted: Vec<(Grantee, Level)> =
                rules.iter().map(|(name, level)| (self.grantee(&name.text), *level)).collect();
            let gone = before.iter().filter(|rule| !wanted.iter().any(|(who, _)| *who == rule.who));
            let set = wanted
                .iter()
                .filter(|(who, level)| !before.iter().any(|rule| rule.who == *who && rule.level == *level));
            let set: Vec<(Grantee, Option<Level>)> = gone
                .map(|rule| (rule.who.clone(), None))
                .chain(set.map(|(who, level)| (who.clone(), Some(*level))))
                .collect();
            for (who, level) in set {
                let named = match &who {
                    Grantee::Agent(id) => self.agent_name(id),
                    Grantee::Role(role) => role.clone(),
                    Grantee::Everybody => "*".to_owned(),
                };
                let level_name = level.map_or("no rule", Level::as_str);
                self.told[0].push(format!("~ block {}: access of {named} → {level_name}", spec.label));
                let reason = REASON.to_owned();
                self.changes.push(Change::BlockAccessSet {
                    id: id.clone(),
                    who,
                    level,
                    before: None,
                    by: None,
                    reason,
                });
            }
        }
    }

    /// Returns whom a rule of access is about: an agent before a role of the same name.
    fn grantee(&self, name: &str) -> Grantee {
        match self.agent_ids.get(name) {
            _ if name == "*" => Grantee::Everybody,
            Some(id) => Grantee::Agent(id.clone()),
            None => Grantee::Role(name.to_owned()),
        }
    }

    fn finish(mut self) -> Result<Plan, TeamError> {
        if !self.faults.is_empty() {
            self.faults.sort_by_key(|fault| fault.line);
            return Err(TeamError { faults: self.faults });
        }
        let mut lines: Vec<String> = self.file.warnings.iter().map(|warning| format!("! {warning}")).collect();
        let [blocks, agents, group] = self.told;
        lines.extend(group.into_iter().chain(agents).chain(blocks));
        if self.changes.is_empty() {
            lines.push("nothing to change".to_owned());
        }
        let subjects: BTreeSet<&str> = self.changes.iter().map(Change::subject).collect();
        let rows = self.existing.group.iter().cloned().map(Basis::Group);
        let rows = rows.chain(self.existing.agents.iter().cloned().map(Basis::Agent));
        let rows = rows.chain(self.existing.blocks.iter().cloned().map(Basis::Block));
        let read = rows.filter(|row| subjects.contains(row.key())).collect();
        Ok(Plan { changes: self.changes, read, lines })
    }

    fn agent_name(&self, id: &AgentId) -> String {
        let old = self.existing.agents.iter().find(|agent| agent.id == *id).map(|agent| agent.name.as_str());
        let new = self.agent_ids.iter().find(|(_, one)| *one == id).map(|(name, _)| *name);
        let other = || self.existing.neighbours.iter().find(|one| one.id == *id).map(super::ForeignAgent::full_name);
        new.or(old).map(str::to_owned).or_else(other).unwrap_or_else(|| id.to_string())
    }

    fn block_label(&self, id: &BlockId) -> String {
        let made = self.changes.iter().find_map(|change| match change {
            Change::BlockCreated(block) if block.id == *id => Some(block.label.as_str()),
            _ => None,
        });
        let old = self.existing.blocks.iter().find(|block| block.id == *id).map(|block| block.label.as_str());
        made.or(old).unwrap_or(id.as_str()).to_owned()
    }

    fn block_name(&self, label: &str, owner: &BlockOwner) -> String {
        match owner {
            BlockOwner::Group(_) => format!("block {label}"),
            BlockOwner::Agent(id) => format!("block {label} of {}", self.agent_name(id)),
        }
    }
}

/// Returns the change that sets all fields of a block except its value.
fn configured_as(wanted: &DesiredBlock<'_>, block: &Block, from_file: Option<String>) -> Change {
    Change::configured(Block {
        description: wanted.description.to_owned(),
        limit: wanted.limit,
        read_only: wanted.read_only,
        local_only: wanted.local_only.unwrap_or(block.local_only),
        tags: wanted.tags.to_vec(),
        owner: wanted.owner.clone(),
        from_file,
        ..block.clone()
    })
}
