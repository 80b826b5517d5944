//! Checks the tables of a team file against each other: references, duplicates, and the shape of the group.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::keys::nearest;
use super::settings::Given;
use super::table::Reader;
use super::{AgentSpec, GroupSpec, Name, TeamFile};
use crate::domain::agent::BACKGROUND_TOOLS;
use crate::domain::block::{PERSONA, folded};
use crate::domain::group::{MAX_MEMBERS, MAX_SHARED_BLOCKS};
use crate::domain::pattern::shape::{Flaw, Inspector, List, Place, Shape};
use crate::domain::setting::{Kind, Reference};
use crate::domain::{Agent, Configurable, Group, Setting, TriggerSpec, Value};

pub(super) fn check(reader: &mut Reader<'_>, file: &TeamFile) {
    once(reader, "agent", file.agents.iter().map(|agent| (agent.name.as_str(), agent.line)));
    once(reader, "block", file.blocks.iter().map(|block| (block.label.as_str(), block.line)));
    shape(reader, &file.group);
    references(reader, file);
    for agent in &file.agents {
        one_persona(reader, &file.group, agent);
    }
    oddities(reader, file);
}

/// Reports duplicate names, ignoring case.
fn once<'a>(reader: &mut Reader<'_>, noun: &str, all: impl Iterator<Item = (&'a str, usize)>) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, line) in all {
        match seen.get(&folded(name)) {
            Some(first) => {
                reader.fault(
                    line,
                    format!("{noun} {name:?} is already defined on line {first}; give this one another name"),
                );
            }
            None => {
                seen.insert(folded(name), line);
            }
        }
    }
}

/// Reports agents that do not fit the manager type.
fn shape(reader: &mut Reader<'_>, group: &GroupSpec) {
    let texts = |names: &[Name]| names.iter().map(|name| name.text.clone()).collect::<Vec<String>>();
    let background = group.sleeptime.map(|_| texts(group.background()));
    let shape = Shape {
        manager_type: group.manager_type,
        members: &texts(group.members()),
        manager: group.manager_agent().map(|name| &name.text),
        background: background.as_deref(),
        shared_blocks: group.shared_blocks().len(),
    };
    let Ok(()) = shape.inspect(&mut Faults { reader, group });
}

/// Converts each flaw of a group to a fault with its line.
struct Faults<'a, 'r> {
    reader: &'a mut Reader<'r>,
    group: &'a GroupSpec,
}

impl Inspector<String> for Faults<'_, '_> {
    type Error = Infallible;

    fn name(&mut self, agent: &String) -> Result<String, Infallible> {
        Ok(short(agent).to_owned())
    }

    fn flaw(&mut self, flaw: Flaw) -> Result<(), Infallible> {
        let group = self.group;
        let kind = group.manager_type.as_str();
        let named = |place| group.at(place).map_or((group.line, ""), |name| (name.line, name.text.as_str()));
        let (line, text) = match flaw {
            Flaw::NoMembers(work) => {
                (group.line, format!("{kind} needs members, the names of one agent or more who {work}"))
            }
            Flaw::NoManager { does, .. } => {
                (group.line, format!("{kind} needs manager_agent, the name of the agent who {does}"))
            }
            Flaw::ManagerNotUsed(instead) => {
                (named((List::Manager, 0)).0, format!("{kind} has no manager_agent; {instead}"))
            }
            Flaw::MembersNotUsed(instead) => (named((List::Members, 0)).0, format!("{kind} has no members; {instead}")),
            Flaw::ManagerIsMember { place, does } => {
                let (line, name) = named(place);
                (line, format!("{name:?} is the manager_agent, who {does}, and cannot be a member too"))
            }
            Flaw::NoBackground => (group.line, format!("{kind} needs [group.sleeptime] with agents, one or more")),
            Flaw::EmptyBackground => (
                group.sleeptime.unwrap_or(group.line),
                "[group.sleeptime] needs agents, the names of one or more who work in the background".to_owned(),
            ),
            Flaw::ManagerInBackground(place) => {
                let (line, name) = named(place);
                (line, format!("{name:?} is the manager_agent and cannot work in the background too"))
            }
            Flaw::TooManyMembers(place) => {
                let count = group.members().len();
                (named(place).0, format!("{count} members are over the limit of {MAX_MEMBERS}"))
            }
            Flaw::TooManySharedBlocks => {
                let shared = group.shared_blocks();
                let (count, line) = (shared.len(), shared[MAX_SHARED_BLOCKS].line);
                (line, format!("{count} shared blocks are over the limit of {MAX_SHARED_BLOCKS}"))
            }
            Flaw::Twice(place) => {
                let (line, name) = named(place);
                let key = match place.0 {
                    List::Members => "members",
                    List::Manager => "manager_agent",
                    List::Background => "agents",
                };
                (line, twice(key, name))
            }
            Flaw::SameName { place, other } => {
                let ((line, text), (_, other)) = (named(place), named(other));
                let name = short(text);
                (line, format!("{text:?} and {other:?} would both be called {name} in this group; rename one"))
            }
        };
        self.reader.fault(line, text);
        Ok(())
    }
}

fn twice(key: &str, name: &str) -> String {
    format!("{key} names {name:?} twice; once is enough")
}

/// Returns the short name of an agent.
fn short(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, name)| name)
}

/// Reports triggers of agents that do not work in the background.
fn in_background(reader: &mut Reader<'_>, group: &GroupSpec) {
    let background = group.background();
    let has_it = |name: &&Name| background.iter().any(|other| other.text == name.text);
    // Names that there are not are reported already.
    let named = ["trigger", "source"].map(|key| group.settings.names(key).iter().map(move |name| (key, name)));
    for (key, Name { text, line }) in named.into_iter().flatten().filter(|(_, name)| !has_it(name)) {
        if group.all().any(|name| name.text == *text) {
            let said = "does not work in the background; add it to agents of [group.sleeptime]";
            reader.fault(*line, format!("{text} has a {key} and {said}"));
        }
    }
}

/// Reports roles of agents that are not in the group.
fn in_group(reader: &mut Reader<'_>, group: &GroupSpec) {
    let here: Vec<&str> = group.all().map(|name| name.text.as_str()).collect();
    for Name { text, line } in group.settings.names("roles") {
        if !here.contains(&text.as_str()) {
            let help = match nearest(text, here.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", here.join(", ")),
            };
            reader.fault(*line, format!("roles names {text:?}, who is not in the group; {help}"));
        }
    }
}

/// Reports contacts that are not full names of agents of other groups.
fn contacts(reader: &mut Reader<'_>, group: &GroupSpec, contacts: &[Name]) {
    for (at, Name { text, line }) in contacts.iter().enumerate() {
        let own = text.split_once('/').is_some_and(|(home, _)| home == group.name);
        if own {
            reader.fault(
                *line,
                format!("contacts names {text:?} of this group; agents of one group can always write to each other"),
            );
        } else if !is_full(text) {
            reader.fault(*line, format!("contacts names {text:?}; write agents of other groups as \"group/name\""));
        } else if contacts[..at].iter().any(|before| before.text == *text) {
            reader.fault(*line, twice("contacts", text));
        }
    }
}

/// Returns whether a name has the form `group/name`.
fn is_full(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "/@".contains(c));
    name.split_once('/').is_some_and(|(group, name)| part(group) && part(name))
}

/// Reports names that are not in the file, and duplicates.
fn references(reader: &mut Reader<'_>, file: &TeamFile) {
    let agents: Vec<&str> = file.agents.iter().map(|agent| agent.name.as_str()).collect();
    let labels: Vec<&str> = file.blocks.iter().map(|block| block.label.as_str()).collect();
    let group = &file.group;
    for row in Group::settings() {
        let names = group.settings.names(row.key);
        match row.kind {
            // A speaker may be in several conditions.
            Kind::Conditions | Kind::Triggers | Kind::Sources => {
                names.chunks(1).for_each(|one| listed(reader, word(row), one, "agent", &agents));
            }
            Kind::Agents | Kind::Agent => listed(reader, word(row), names, "agent", &agents),
            Kind::Blocks => listed(reader, word(row), names, "block", &labels),
            _ => {}
        }
    }
    in_group(reader, group);
    in_background(reader, group);
    for (name, _) in file.blocks.iter().flat_map(|block| block.access.iter().flatten()) {
        grantee(reader, file, name, &agents);
    }
    for agent in &file.agents {
        for row in Agent::settings() {
            let names = agent.settings.names(row.key);
            match row.kind {
                Kind::Blocks => listed(reader, word(row), names, "block", &labels),
                Kind::Contacts => contacts(reader, group, names),
                _ => {}
            }
        }
    }
}

/// Reports a rule of access about nobody.
fn grantee(reader: &mut Reader<'_>, file: &TeamFile, name: &Name, agents: &[&str]) {
    let roles = file.group.roles();
    let known = || agents.iter().copied().chain(roles.iter().map(String::as_str)).chain(["*"]);
    if known().any(|one| one == name.text) || is_full(&name.text) && file.group.has(&name.text) {
        return;
    }
    let help = match nearest(&name.text, known()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
    };
    let text = format!("access names {:?}, which is no agent and no role of the group; {help}", name.text);
    reader.fault(name.line, text);
}

/// Returns the key for faults about the names in a setting.
fn word<T>(row: &Setting<T>) -> &'static str {
    match row.kind {
        Kind::Conditions => "speaker",
        Kind::Triggers => "agent of a trigger",
        Kind::Sources => "agent of a source",
        _ => row.key_there(),
    }
}

fn listed(reader: &mut Reader<'_>, key: &str, names: &[Name], noun: &str, known: &[&str]) {
    for (at, Name { text, line }) in names.iter().enumerate() {
        // Duplicate agents are reported with the shape of the group.
        if noun != "agent" && names[..at].iter().any(|before| before.text == *text) {
            reader.fault(*line, twice(key, text));
        }
        // Full names are resolved when the file is applied.
        if known.contains(&text.as_str()) || noun == "agent" && is_full(text) {
            continue;
        }
        let called = if noun == "agent" { "name" } else { "label" };
        let help = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if noun == "agent" && text.contains('/') => "agents of other groups are \"group/name\"".to_owned(),
            None if known.is_empty() => format!("add one: [[{noun}]] with {called} = {text:?}"),
            None => format!("there are {}", known.join(", ")),
        };
        reader.fault(*line, format!("{key} names {text:?}, but this file has no such [[{noun}]]; {help}"));
    }
}

/// Reports a second block with the label `persona` for an agent.
fn one_persona(reader: &mut Reader<'_>, group: &GroupSpec, agent: &AgentSpec) {
    if agent.persona.is_none() {
        return;
    }
    let is_persona = |name: &&Name| folded(&name.text) == PERSONA;
    let shared = group.shared_blocks().iter().filter(|_| group.has(&agent.name)).find(is_persona);
    if let Some(other) = agent.blocks().iter().find(is_persona).or(shared) {
        let said = format!(
            "agent {} has a persona of its own and would get the block {:?} too; keep one of them",
            agent.name, other.text
        );
        reader.fault(other.line, said);
    }
}

/// Warns of what is allowed but probably a mistake.
fn oddities(reader: &mut Reader<'_>, file: &TeamFile) {
    for block in &file.blocks {
        if file.namers(&block.label).is_empty() && !file.group.shares(&block.label) {
            let said = "is left out: no agent names it in blocks, nor [group] in shared_blocks";
            reader.warn(block.line, format!("block {:?} {said}", block.label));
        }
    }
    for agent in file.agents.iter().filter(|agent| !file.group.has(&agent.name)) {
        reader.warn(
            agent.line,
            format!("agent {} is in no list of [group]; it can only be spoken to directly", agent.name),
        );
    }
    for agent in &file.agents {
        let asked = |tool: &str| agent.settings.names("tools").iter().any(|name| name.text == tool);
        for Name { text: tool_name, line } in agent.settings.names("require_approval") {
            let removed = asked(&format!("-{tool_name}"));
            let foreground = BACKGROUND_TOOLS.contains(&tool_name.as_str())
                && !file.group.in_background(&agent.name)
                && !asked(tool_name);
            if removed || foreground {
                let said = format!("agent {} does not have the tool {tool_name}; the rule has no effect", agent.name);
                reader.warn(*line, said);
            }
        }
    }
    if let Some(Given { value: Value::Triggers(triggers), line, .. }) = file.group.settings.get("trigger") {
        for label in triggers.iter().filter_map(TriggerSpec::label).filter(|label| !file.may_have(label)) {
            let said =
                format!("a trigger listens to the block {label:?}, which the group does not have; it never fires");
            reader.warn(*line, said);
        }
    }
    for name in file.group.settings.names("terminate") {
        let speaks = file.group.members().iter().chain(file.group.manager_agent()).any(|one| one.text == name.text);
        if !speaks {
            reader.warn(
                name.line,
                format!("terminate: {} does not speak in this group; the condition is never met", name.text),
            );
        }
    }
}

impl GroupSpec {
    /// Returns the members in speaking order.
    #[must_use]
    pub fn members(&self) -> &[Name] {
        self.settings.names("members")
    }

    /// Returns the agent that orchestrates (`supervisor`, `dynamic`) or answers (`sleeptime`).
    #[must_use]
    pub fn manager_agent(&self) -> Option<&Name> {
        self.settings.names("manager_agent").first()
    }

    /// Returns the agents that work in the background.
    #[must_use]
    pub fn background(&self) -> &[Name] {
        self.settings.names("background")
    }

    /// Returns the blocks that all agents of the group share.
    #[must_use]
    pub fn shared_blocks(&self) -> &[Name] {
        self.settings.names("shared_blocks")
    }

    /// Returns all agents in the lists of the group: members, manager agent, background agents.
    pub(super) fn all(&self) -> impl Iterator<Item = &Name> {
        self.members().iter().chain(self.manager_agent()).chain(self.background())
    }

    /// Returns the agent at this position of a list.
    fn at(&self, (list, at): Place) -> Option<&Name> {
        match list {
            List::Members => self.members().get(at),
            List::Manager => self.manager_agent().filter(|_| at == 0),
            List::Background => self.background().get(at),
        }
    }

    /// Returns whether a list of the group names this agent.
    pub(super) fn has(&self, agent: &str) -> bool {
        self.all().any(|name| name.text == agent)
    }

    /// Returns whether this agent works in the background.
    fn in_background(&self, agent: &str) -> bool {
        self.background().iter().any(|name| name.text == agent)
    }

    /// Returns the roles that agents have in the group.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        match self.settings.value("roles") {
            Some(Value::Texts(roles)) => roles.values().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Returns whether the group shares this block.
    pub(super) fn shares(&self, label: &str) -> bool {
        self.shared_blocks().iter().any(|name| name.text == label)
    }
}

impl TeamFile {
    /// Returns all full names of agents of other groups, each with its key.
    pub(super) fn full_names(&self) -> Vec<(&'static str, &Name)> {
        fn full<T: Configurable>(settings: &super::Settings) -> impl Iterator<Item = (&'static str, &Name)> {
            // An agent with a role is also in another list.
            let others = |row: &&Setting<T>| match row.kind.refers_to() {
                Some(Reference::Block) | None => false,
                Some(_) => !matches!(row.kind, Kind::Roles),
            };
            let rows = T::settings().iter().filter(others);
            let all = rows.flat_map(|row| settings.names(row.key).iter().map(|name| (word(row), name)));
            all.filter(|(_, name)| name.text.contains('/'))
        }
        let agents = self.agents.iter().flat_map(|agent| full::<Agent>(&agent.settings));
        full::<Group>(&self.group.settings).chain(agents).collect()
    }

    /// Returns whether the group or one of its agents has a block with this label, as far as the file says.
    fn may_have(&self, label: &str) -> bool {
        let same = |name: &Name| folded(&name.text) == folded(label);
        let has =
            |agent: &AgentSpec| agent.blocks().iter().any(same) || agent.persona.is_some() && folded(label) == PERSONA;
        self.group.shared_blocks().iter().any(same)
            || self.agents.iter().filter(|agent| self.group.has(&agent.name)).any(has)
            // What agents of other groups have is not in the file.
            || self.group.all().any(|name| name.text.contains('/'))
    }

    /// Returns the agents that list this block, in file order.
    pub(super) fn namers(&self, label: &str) -> Vec<&AgentSpec> {
        self.agents.iter().filter(|agent| agent.blocks().iter().any(|name| name.text == label)).collect()
    }
}

impl AgentSpec {
    /// Returns the blocks that the agent lists.
    #[must_use]
    pub fn blocks(&self) -> &[Name] {
        self.settings.names("blocks")
    }
}
