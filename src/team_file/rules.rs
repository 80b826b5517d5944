//! Parses `[[agent.rule]]`: rules for tool calls, with Letta's names.

use toml::de::DeTable;

use super::Name;
use super::keys::{Table, nearest};
use super::table::{Reader, Section};
use crate::domain::Rule;

/// The only supported rule type.
pub(super) const APPROVAL: &str = "requires_approval";

/// Rule types of Letta that are not supported yet.
const LATER: [&str; 8] = [
    "run_first",
    "constrain_child_tools",
    "parent_last_tool",
    "conditional",
    "max_count_per_step",
    "continue_loop",
    "exit_loop",
    "required_before_exit",
];

/// Parses the rules of one agent. Returns the tools that need approval. `tools` are the tools that a rule may name.
pub(super) fn read(reader: &mut Reader<'_>, agent: &Section<'_>, tools: &[&str]) -> Vec<Name> {
    let mut rules: Vec<Name> = Vec::new();
    for (map, span) in agent.tables(reader, "rule", "[[agent.rule]]") {
        let section = Section::open(reader, Table::Rule, map, &span);
        let Some(Rule::RequiresApproval { tool_name }) = one(reader, &section, map, tools) else { continue };
        if let Some(first) = rules.iter().find(|first| first.text == tool_name) {
            let first = first.line;
            reader.fault(section.line, format!("this rule is already on line {first}; remove one of them"));
            continue;
        }
        rules.push(Name { text: tool_name, line: section.line });
    }
    rules
}

fn one(reader: &mut Reader<'_>, section: &Section<'_>, map: &DeTable<'_>, tools: &[&str]) -> Option<Rule> {
    let tool_name = tool(reader, section, map, tools);
    let Some(Name { text, line }) = section.name(reader, "type") else {
        if !map.contains_key("type") {
            reader.fault(section.line, format!("this rule has no type; give it one: type = {APPROVAL:?}"));
        }
        return None;
    };
    if text == APPROVAL {
        return Some(Rule::RequiresApproval { tool_name: tool_name? });
    }
    let said = if LATER.contains(&text.as_str()) {
        format!("rule type {text} is not supported yet; use {APPROVAL}")
    } else if let Some(near) = nearest(&text, LATER.into_iter().chain([APPROVAL])) {
        format!("there is no rule type {text:?}; did you mean {near}?")
    } else {
        format!("there is no rule type {text:?}; use {APPROVAL}")
    };
    reader.fault(line, said);
    None
}

fn tool(reader: &mut Reader<'_>, section: &Section<'_>, map: &DeTable<'_>, known: &[&str]) -> Option<String> {
    let Some(Name { text, line }) = section.name(reader, "tool_name") else {
        if !map.contains_key("tool_name") {
            reader.fault(section.line, "this rule has no tool_name; name the tool it is for");
        }
        return None;
    };
    if !known.contains(&text.as_str()) {
        let help = match nearest(&text, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", known.join(", ")),
        };
        reader.fault(line, format!("there is no tool {text:?} to make a rule for; {help}"));
        return None;
    }
    Some(text)
}
