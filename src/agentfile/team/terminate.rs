//! `terminate` of `[group]`: conditions in inline tables, one key each, any or all of others.

use toml::de::DeValue;

use super::Name;
use super::keys::{Table, nearest};
use super::table::{Reader, Section};
use crate::domain::{AgentId, Terminate};

/// How deep conditions may stand in each other.
const DEPTH: usize = 8;
const FORM: &str = "is one condition, such as { tokens = 20000 }, or several: { any = [{ seconds = 600 }, …] }";

/// Reads the key `terminate`: the condition, and every agent it names. `tools` are the tools it may name.
pub(super) fn read(reader: &mut Reader<'_>, group: &Section<'_>, tools: &[&str]) -> Option<(Terminate, Vec<Name>)> {
    let value = group.get("terminate")?;
    let line = group.line_of(reader, "terminate");
    let mut speakers = Vec::new();
    let condition = condition(reader, value.get_ref(), line, &mut Found { tools, speakers: &mut speakers }, 0)?;
    Some((condition, speakers))
}

struct Found<'a> {
    tools: &'a [&'a str],
    speakers: &'a mut Vec<Name>,
}

fn condition(
    reader: &mut Reader<'_>,
    value: &DeValue<'_>,
    line: usize,
    found: &mut Found<'_>,
    depth: usize,
) -> Option<Terminate> {
    let DeValue::Table(map) = value else {
        reader.fault(line, format!("terminate {FORM}"));
        return None;
    };
    if depth > DEPTH {
        reader.fault(line, format!("terminate holds conditions more than {DEPTH} deep; write them flatter"));
        return None;
    }
    let section = Section::at(reader, Table::Terminate, map, line);
    let known = Table::Terminate.keys();
    let mut keys = map.keys().map(|key| key.get_ref().as_ref()).filter(|key: &&str| known.contains(key));
    let (key, more) = (keys.next(), keys.next());
    let Some(key) = key else {
        if map.is_empty() {
            reader.fault(line, format!("terminate {FORM}"));
        }
        return None;
    };
    if let Some(more) = more {
        let said =
            format!("{key} and {more} stand in one condition; put each in its own, in any = [ … ] or all = [ … ]");
        reader.fault(section.line_of(reader, key), format!("terminate: {said}"));
        return None;
    }
    match key {
        "any" => several(reader, &section, key, found, depth).map(Terminate::Any),
        "all" => several(reader, &section, key, found, depth).map(Terminate::All),
        "max_turns" => section.whole(reader, key, 1..=u32::MAX).map(Terminate::MaxTurns),
        "tokens" => section.count(reader, key).map(Terminate::Tokens),
        "seconds" => section.count(reader, key).map(Terminate::Seconds),
        "text" => word(reader, &section, key).map(|name| Terminate::Text(name.text)),
        "external" => word(reader, &section, key).map(|name| Terminate::External(name.text)),
        "speaker" => {
            let name = word(reader, &section, key)?;
            found.speakers.push(name.clone());
            Some(Terminate::Speaker(AgentId(name.text)))
        }
        "tool" => tool(reader, &section, found.tools),
        _ => {
            let on = section.truth(reader, key)?;
            if !on {
                section.fault(reader, key, "is true or left out");
            }
            on.then_some(Terminate::ToUser(true))
        }
    }
}

fn several(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    found: &mut Found<'_>,
    depth: usize,
) -> Option<Vec<Terminate>> {
    let Some(DeValue::Array(array)) = section.get(key).map(toml::Spanned::get_ref) else {
        section.fault(
            reader,
            key,
            "of terminate is a list of conditions such as [{ tokens = 20000 }, { seconds = 600 }]",
        );
        return None;
    };
    if array.is_empty() {
        section.fault(reader, key, "of terminate needs at least one condition");
        return None;
    }
    let mut all = Vec::new();
    for item in array {
        let line = reader.line(&item.span());
        all.push(condition(reader, item.get_ref(), line, found, depth + 1));
    }
    all.into_iter().collect()
}

fn word(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Name> {
    let name = section.name(reader, key)?;
    if name.text.trim().is_empty() {
        reader.fault(name.line, format!("{key} of terminate is empty; give it a word"));
        return None;
    }
    Some(name)
}

fn tool(reader: &mut Reader<'_>, section: &Section<'_>, known: &[&str]) -> Option<Terminate> {
    let Name { text, line } = word(reader, section, "tool")?;
    if !known.contains(&text.as_str()) {
        let help = match nearest(&text, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", known.join(", ")),
        };
        reader.fault(line, format!("terminate: there is no tool {text:?}; {help}"));
        return None;
    }
    Some(Terminate::Tool(text))
}
