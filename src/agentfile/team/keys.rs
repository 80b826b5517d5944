//! The keys of a team file: ours, Letta's with our answer, and what a slip of the pen was meant to be.

pub(super) use crate::domain::nearest;
use crate::domain::setting::Kind;
use crate::domain::terminate::ArgumentKind;
use crate::domain::{Agent, Configurable, Group, TerminationCondition};

/// The tables of a team file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Top,
    Group,
    Sleeptime,
    Terminate,
    Block,
    Agent,
    Rule,
}

/// A key of a table.
pub(super) struct Field {
    pub key: &'static str,
    /// What stands behind it.
    pub shape: Shape,
    /// What it is for, in a sentence.
    pub doc: &'static str,
}

/// What stands behind a key.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// The value of a setting of this kind, or what looks like one.
    Value(Kind),
    /// The name of a group or an agent.
    Name,
    /// The label of a block.
    Label,
    /// The path of a file.
    File,
    /// A manager type.
    ManagerType,
    /// The type of a rule.
    RuleType,
    /// A tool that rules and conditions may name.
    Tool,
    /// A whole number from 1, as large as a file may write it.
    Total,
    /// `true`.
    True,
    /// A list of conditions.
    Conditions,
    /// A table.
    One(Table),
    /// Tables.
    Each(Table),
}

const fn field(key: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { key, shape, doc }
}

const COUNT: Shape = Shape::Value(Kind::Count);

/// The key of a condition that ends a turn.
fn condition(key: &'static str) -> Field {
    let shape = match TerminationCondition::argument_kind(key) {
        None => Shape::Conditions,
        Some(ArgumentKind::Times) => COUNT,
        Some(ArgumentKind::Amount) => Shape::Total,
        Some(ArgumentKind::Word) => Shape::Value(Kind::Word),
        Some(ArgumentKind::Tool) => Shape::Tool,
        Some(ArgumentKind::Agent) => Shape::Value(Kind::Agent),
        Some(ArgumentKind::True) => Shape::True,
    };
    field(key, shape, TerminationCondition::doc(key))
}

impl Table {
    pub const ALL: [Self; 7] =
        [Self::Top, Self::Group, Self::Sleeptime, Self::Terminate, Self::Block, Self::Agent, Self::Rule];

    /// As it is written in the file.
    pub fn title(self) -> &'static str {
        match self {
            Self::Top => "a team file",
            Self::Group => "[group]",
            Self::Sleeptime => "[group.sleeptime]",
            Self::Terminate => "terminate",
            Self::Block => "[[block]]",
            Self::Agent => "[[agent]]",
            Self::Rule => "[[agent.rule]]",
        }
    }

    /// What the schema calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Top => "team",
            Self::Group => "group",
            Self::Sleeptime => "sleeptime",
            Self::Terminate => "condition",
            Self::Block => "block",
            Self::Agent => "agent",
            Self::Rule => "rule",
        }
    }

    /// The keys it may have.
    pub fn keys(self) -> Vec<&'static str> {
        self.fields().into_iter().map(|field| field.key).collect()
    }

    /// The keys it may have, with what stands behind each.
    pub fn fields(self) -> Vec<Field> {
        use Kind::{Labels, Sentence, Switch, Text};
        use Shape::{Each, File, Label, ManagerType, Name, One, RuleType, Tool, Value};
        match self {
            Self::Top => vec![
                field("group", One(Self::Group), "The group: who takes part, and how."),
                field("block", Each(Self::Block), "A memory block."),
                field("agent", Each(Self::Agent), "An agent."),
            ],
            Self::Group => {
                let first = [
                    field("name", Name, "The group's name, by which it is found again."),
                    field("manager_type", ManagerType, "Who speaks when. It is fixed once the group is made."),
                ];
                with_settings::<Group>(first, None)
            }
            Self::Sleeptime => with_settings::<Group>([], Some("sleeptime")),
            Self::Terminate => TerminationCondition::KEYS.iter().map(|key| condition(key)).collect(),
            Self::Block => vec![
                field("label", Label, "Its label, by which agents and the group name it."),
                field("description", Value(Sentence), "What it is for; agents read it."),
                field("value", Value(Text), "Its value; left out, the value is whoever's who writes it."),
                field("limit", COUNT, "The most characters of its value."),
                field("read_only", Value(Switch), "Whether agents may only read it."),
                field("tags", Value(Labels), "Free labels."),
            ],
            Self::Agent => {
                let first = [
                    field("name", Name, "Its short name, by which it is found again."),
                    field("persona", Value(Text), "Who it is and how it speaks: the value of its own block persona."),
                ];
                let mut fields = with_settings::<Agent>(first, None);
                for row in Agent::settings() {
                    fields.extend(row.file_key.map(|key| field(key, File, "A file with that text, beside this one.")));
                }
                fields
            }
            Self::Rule => vec![
                field("type", RuleType, "What the rule is: a person decides before the tool is called."),
                field("tool_name", Tool, "The tool."),
            ],
        }
    }

    /// Letta's keys for the same thing, each with the end of the sentence "Letta's KEY …".
    fn letta(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Top => TOP,
            Self::Group => GROUP,
            Self::Sleeptime => SLEEPTIME,
            Self::Terminate => TERMINATE,
            Self::Block => BLOCK,
            Self::Agent => AGENT,
            Self::Rule => RULE,
        }
    }
}

/// These fields, and those of the settings in this table: the one of the group or agent itself, or one inside it.
fn with_settings<T: Configurable>(first: impl Into<Vec<Field>>, table: Option<&str>) -> Vec<Field> {
    let mut fields = first.into();
    for row in T::settings() {
        match row.table() {
            here if here == table => fields.push(field(row.key_there(), Shape::Value(row.kind), row.doc)),
            Some("rule") if table.is_none() => fields.push(field("rule", Shape::Each(Table::Rule), row.doc)),
            // A table inside the table is a key of it.
            Some(inside) if table.is_none() && fields.iter().all(|field| field.key != inside) => {
                fields.push(field(inside, Shape::One(Table::Sleeptime), row.doc));
            }
            _ => {}
        }
    }
    fields
}

const TOP: &[(&str, &str)] = &[
    ("agents", "is one [[agent]] each here"),
    ("agent_ids", "is members of [group] here"),
    ("blocks", "is one [[block]] each here"),
    ("memory_blocks", "is one [[block]] each here, named in an agent's blocks or in shared_blocks of [group]"),
    ("core_memory", "is one [[block]] each here, named in an agent's blocks or in shared_blocks of [group]"),
    ("groups", "is [group] here, one a file"),
    ("multi_agent_group", "is [group] here"),
    ("manager_config", "is manager_type, manager_agent and max_turns of [group] here"),
    ("tools", "is tools of an [[agent]] here"),
    ("tool_rules", "is one [[agent.rule]] each here"),
    ("mcp_servers", "is not there yet"),
    ("sources", "is not there yet"),
    ("files", "is not there yet"),
    ("skills", "is not there yet"),
    ("llm_config", "is model of an [[agent]] here"),
    ("metadata", "has no meaning in a team file; leave it out"),
];

const GROUP: &[(&str, &str)] = &[
    ("agent_ids", "is members here"),
    ("agents", "is members here, and agents of [group.sleeptime] for those in the background"),
    ("manager_agent_id", "is manager_agent here"),
    ("manager_config", "is manager_type, manager_agent and max_turns of [group] here"),
    ("shared_block_ids", "is shared_blocks here"),
    ("block_ids", "is shared_blocks here"),
    ("sleeptime_agent_frequency", "is [group.sleeptime] every_turns here"),
    ("enable_sleeptime", "is a [group.sleeptime] with agents here"),
    ("max_message_buffer_length", "belongs to voice_sleeptime groups, which are not there yet"),
    ("min_message_buffer_length", "belongs to voice_sleeptime groups, which are not there yet"),
    ("turns_counter", "is counted in the store; leave it out"),
    ("last_processed_message_id", "is kept in the store; leave it out"),
    ("id", "is given by the store; a group is found by its name"),
    ("hidden", "has no meaning in a team file; leave it out"),
    ("project_id", "has no meaning in a team file; leave it out"),
    ("template_id", "has no meaning in a team file; leave it out"),
    ("base_template_id", "has no meaning in a team file; leave it out"),
    ("deployment_id", "has no meaning in a team file; leave it out"),
];

const SLEEPTIME: &[(&str, &str)] = &[
    ("sleeptime_agent_frequency", "is every_turns here"),
    ("agent_ids", "is agents here"),
    ("sleeptime_agent_ids", "is agents here"),
    ("manager_agent_id", "is manager_agent of [group] here"),
    ("turns_counter", "is counted in the store; leave it out"),
    ("last_processed_message_id", "is kept in the store; leave it out"),
];

const TERMINATE: &[(&str, &str)] = &[("termination_token", "stands in [group] itself, beside terminate")];

const RULE: &[(&str, &str)] = &[
    ("args", "belongs to rules that are not there yet"),
    ("children", "belongs to rules that are not there yet"),
    ("child_arg_nodes", "belongs to rules that are not there yet"),
    ("child_output_mapping", "belongs to rules that are not there yet"),
    ("default_child", "belongs to rules that are not there yet"),
    ("require_output_mapping", "belongs to rules that are not there yet"),
    ("max_count_limit", "belongs to rules that are not there yet"),
    ("prompt_template", "has no meaning in a team file; leave it out"),
];

const BLOCK: &[(&str, &str)] = &[
    ("id", "is given by the store; a block is found by its label"),
    ("name", "is label here"),
    ("metadata", "has no meaning in a team file; leave it out"),
    ("metadata_", "has no meaning in a team file; leave it out"),
    ("hidden", "has no meaning in a team file; leave it out"),
    ("is_template", "has no meaning in a team file; leave it out"),
    ("template_name", "has no meaning in a team file; leave it out"),
    ("template_id", "has no meaning in a team file; leave it out"),
    ("preserve_on_migration", "has no meaning in a team file; leave it out"),
    ("project_id", "has no meaning in a team file; leave it out"),
];

const AGENT: &[(&str, &str)] = &[
    ("id", "is given by the store; an agent is found by its name"),
    ("system_prompt", "is system here, or system_file"),
    ("memory_blocks", "is one [[block]] each here, named in blocks of the [[agent]]"),
    ("core_memory", "is one [[block]] each here, named in blocks of the [[agent]]"),
    ("block_ids", "is blocks here"),
    ("tool_ids", "is tools here"),
    ("include_base_tools", "is tools here: every agent has the usual ones, and \"-NAME\" removes one"),
    ("tool_rules", "is one [[agent.rule]] each here"),
    ("include_base_tool_rules", "is not there yet"),
    ("llm_config", "is model, temperature and max_tokens here"),
    ("model_settings", "is model, temperature and max_tokens here"),
    ("model_endpoint", "is base_url of a [provider.NAME] in config.toml here"),
    ("model_endpoint_type", "is kind of a [provider.NAME] in config.toml here"),
    ("embedding", "is not needed here; leave it out"),
    ("embedding_config", "is not needed here; leave it out"),
    ("agent_type", "is not needed here: what an agent does follows from where [group] names it"),
    ("enable_sleeptime", "is a [group.sleeptime] with agents here"),
    ("multi_agent_group", "is [group] here"),
    ("group_ids", "is [group] here, which names its agents"),
    ("secrets", "is not there yet"),
    ("tool_exec_environment_variables", "is not there yet"),
    ("source_ids", "is not there yet"),
    ("folder_ids", "is not there yet"),
    ("response_format", "is not there yet"),
    ("context_window_limit", "is not there yet"),
    ("compaction_settings", "is not there yet"),
    ("parallel_tool_calls", "is not needed here; leave it out"),
    ("message_buffer_autoclear", "is not there yet"),
    ("initial_message_sequence", "is not there yet"),
    ("timezone", "is not needed here; leave it out"),
    ("identity_ids", "has no meaning in a team file; leave it out"),
    ("metadata", "has no meaning in a team file; leave it out"),
    ("project_id", "has no meaning in a team file; leave it out"),
    ("template_id", "has no meaning in a team file; leave it out"),
];

/// The sentence for a key its table does not have: ours for Letta's, its right place, the nearest, or all there are.
pub(super) fn unknown(table: Table, key: &str) -> String {
    let stands = format!("unknown key {key:?}");
    if let Some((_, answer)) = table.letta().iter().find(|(letta, _)| *letta == key) {
        return format!("{stands}; Letta's {key} {answer}");
    }
    let place = table.title();
    let homes: Vec<&str> =
        Table::ALL.into_iter().filter(|other| other.keys().contains(&key)).map(Table::title).collect();
    if !homes.is_empty() && table != Table::Top {
        return format!("{stands} in {place}; it belongs in {}", homes.join(" or "));
    }
    if let Some(nearest) = nearest(key, table.keys()) {
        return format!("{stands} in {place}; did you mean {nearest}?");
    }
    match table {
        Table::Top if homes.is_empty() => format!("{stands}; a team file has [group], [[block]] and [[agent]]"),
        Table::Top => format!("{stands} before any table; it belongs in {}", homes.join(" or ")),
        _ => format!("{stands} in {place}; allowed are {}", table.keys().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_to_a_letta_key_hides_a_key_of_ours() {
        for table in Table::ALL {
            for (letta, _) in table.letta() {
                assert!(!table.keys().contains(letta), "{letta} is allowed in {}", table.title());
            }
        }
    }
}
