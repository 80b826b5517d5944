//! The keys of a team file, and the errors for unknown keys: hints for Letta's keys and for misspellings.

pub(super) use crate::domain::nearest;
use crate::domain::setting::Kind;
use crate::domain::terminate::ArgumentKind;
use crate::domain::{Agent, Configurable, Group, TerminationCondition, TriggerSpec};

/// The tables of a team file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Top,
    Group,
    Sleeptime,
    Trigger,
    Source,
    Terminate,
    Block,
    Agent,
    Rule,
}

/// A key of a table, with its type and description.
pub(super) struct Field {
    pub key: &'static str,
    /// Type of the value.
    pub shape: Shape,
    /// Description in one sentence, shown by editors.
    pub doc: &'static str,
}

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// The value of a setting of this kind, or a value of the same form.
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
    /// An integer from 1, up to 64 bits.
    Total,
    /// `true`.
    True,
    /// What agents may do with a block.
    Access,
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

/// Returns the field of a termination condition.
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
    pub const ALL: [Self; 9] = [
        Self::Top,
        Self::Group,
        Self::Sleeptime,
        Self::Trigger,
        Self::Source,
        Self::Terminate,
        Self::Block,
        Self::Agent,
        Self::Rule,
    ];

    /// Name as written in the file.
    pub fn title(self) -> &'static str {
        match self {
            Self::Top => "a team file",
            Self::Group => "[group]",
            Self::Sleeptime => "[group.sleeptime]",
            Self::Trigger => "[[group.trigger]]",
            Self::Source => "[[group.source]]",
            Self::Terminate => "terminate",
            Self::Block => "[[block]]",
            Self::Agent => "[[agent]]",
            Self::Rule => "[[agent.rule]]",
        }
    }

    /// Name in the JSON schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Top => "team",
            Self::Group => "group",
            Self::Sleeptime => "sleeptime",
            Self::Trigger => "trigger",
            Self::Source => "source",
            Self::Terminate => "condition",
            Self::Block => "block",
            Self::Agent => "agent",
            Self::Rule => "rule",
        }
    }

    /// Returns the allowed keys.
    pub fn keys(self) -> Vec<&'static str> {
        self.fields().into_iter().map(|field| field.key).collect()
    }

    /// Returns the allowed keys with types and descriptions.
    pub fn fields(self) -> Vec<Field> {
        use Kind::{Labels, Sentence, Switch, Text};
        use Shape::{Each, File, Label, ManagerType, Name, One, RuleType, Tool, Value};
        match self {
            Self::Top => vec![
                field("group", One(Self::Group), "The group: its agents and how they work together."),
                field("block", Each(Self::Block), "A memory block."),
                field("agent", Each(Self::Agent), "An agent."),
            ],
            Self::Group => {
                let first = [
                    field("name", Name, "Name of the group. It identifies the group when the file is applied again."),
                    field(
                        "manager_type",
                        ManagerType,
                        "The pattern that selects the speakers. It cannot be changed after the group is created.",
                    ),
                ];
                with_settings::<Group>(first, None)
            }
            Self::Sleeptime => with_settings::<Group>([], Some("sleeptime")),
            Self::Trigger => {
                TriggerSpec::fields().into_iter().map(|one| field(one.key, Value(one.kind), one.doc)).collect()
            }
            Self::Source => {
                TriggerSpec::source_fields().into_iter().map(|one| field(one.key, Value(one.kind), one.doc)).collect()
            }
            Self::Terminate => TerminationCondition::KEYS.iter().map(|key| condition(key)).collect(),
            Self::Block => vec![
                field("label", Label, "Label of the block, used by agents and the group to refer to it."),
                field("description", Value(Sentence), "Purpose of the block; agents read it."),
                field(
                    "value",
                    Value(Text),
                    "Value of the block. Without one, the block starts empty and its later value is kept.",
                ),
                field("limit", COUNT, "Longest value in characters."),
                field("read_only", Value(Switch), "True if agents may not edit it."),
                field(
                    "access",
                    Shape::Access,
                    "What agents may do with the block, by their name, their role, or \"*\" for all others. Without a rule, \
                     an agent that has the block may read and edit it.",
                ),
                field("local_only", Value(Switch), "True if its text goes to models on this machine only."),
                field("tags", Value(Labels), "Free labels."),
            ],
            Self::Agent => {
                let first = [
                    field(
                        "name",
                        Name,
                        "Short name of the agent. It identifies the agent when the file is applied again.",
                    ),
                    field("persona", Value(Text), "Who it is and how it speaks: the value of its own block persona."),
                ];
                let mut fields = with_settings::<Agent>(first, None);
                for row in Agent::settings() {
                    fields.extend(
                        row.file_key
                            .map(|key| field(key, File, "Path of a file with that text, relative to this file.")),
                    );
                }
                fields
            }
            Self::Rule => vec![
                field("type", RuleType, "Type of the rule: a person decides before the tool is called."),
                field("tool_name", Tool, "Name of the tool."),
            ],
        }
    }

    /// Returns Letta's keys for the same table, each with the end of the sentence "Letta's KEY …".
    fn letta(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Top => TOP,
            Self::Group => GROUP,
            Self::Sleeptime => SLEEPTIME,
            Self::Trigger | Self::Source => &[],
            Self::Terminate => TERMINATE,
            Self::Block => BLOCK,
            Self::Agent => AGENT,
            Self::Rule => RULE,
        }
    }
}

/// Appends the fields of the settings that belong to `table`: a table inside the group or agent, or itself if `None`.
fn with_settings<T: Configurable>(first: impl Into<Vec<Field>>, table: Option<&str>) -> Vec<Field> {
    let mut fields = first.into();
    for row in T::settings() {
        match row.table() {
            here if here == table => fields.push(field(row.key_there(), Shape::Value(row.kind), row.doc)),
            Some("rule") if table.is_none() => fields.push(field("rule", Shape::Each(Table::Rule), row.doc)),
            // A nested table is a key of its parent.
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
    ("groups", "is [group] here, one per file"),
    ("multi_agent_group", "is [group] here"),
    ("manager_config", "is manager_type, manager_agent and max_turns of [group] here"),
    ("tools", "is tools of an [[agent]] here"),
    ("tool_rules", "is one [[agent.rule]] each here"),
    ("mcp_servers", "is not supported yet"),
    ("sources", "is not supported yet"),
    ("files", "is not supported yet"),
    ("skills", "is not supported yet"),
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
    ("max_message_buffer_length", "belongs to voice_sleeptime groups, which are not supported yet"),
    ("min_message_buffer_length", "belongs to voice_sleeptime groups, which are not supported yet"),
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

const TERMINATE: &[(&str, &str)] = &[("termination_token", "belongs in [group] itself, beside terminate")];

const RULE: &[(&str, &str)] = &[
    ("args", "belongs to rules that are not supported yet"),
    ("children", "belongs to rules that are not supported yet"),
    ("child_arg_nodes", "belongs to rules that are not supported yet"),
    ("child_output_mapping", "belongs to rules that are not supported yet"),
    ("default_child", "belongs to rules that are not supported yet"),
    ("require_output_mapping", "belongs to rules that are not supported yet"),
    ("max_count_limit", "belongs to rules that are not supported yet"),
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
    ("include_base_tool_rules", "is not supported yet"),
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
    ("secrets", "is not supported yet"),
    ("tool_exec_environment_variables", "is not supported yet"),
    ("source_ids", "is not supported yet"),
    ("folder_ids", "is not supported yet"),
    ("response_format", "is not supported yet"),
    ("context_window_limit", "is not supported yet"),
    ("compaction_settings", "is not supported yet"),
    ("parallel_tool_calls", "is not needed here; leave it out"),
    ("message_buffer_autoclear", "is not supported yet"),
    ("initial_message_sequence", "is not supported yet"),
    ("timezone", "is not needed here; leave it out"),
    ("identity_ids", "has no meaning in a team file; leave it out"),
    ("metadata", "has no meaning in a team file; leave it out"),
    ("project_id", "has no meaning in a team file; leave it out"),
    ("template_id", "has no meaning in a team file; leave it out"),
];

/// Returns the error for an unknown key: a hint for a key of Letta, the right table, the nearest key, or all keys.
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
