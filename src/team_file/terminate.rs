//! Parses `terminate` of `[group]`: conditions as inline tables with one key each, nested in `any` and `all`.

use toml::de::DeValue;

use super::Name;
use super::keys::{Table, nearest};
use super::table::{Reader, Section};
use crate::domain::terminate::{Argument, ArgumentKind};
use crate::domain::{AgentId, TerminationCondition};

/// Maximum nesting depth of conditions.
const DEPTH: usize = 8;
const FORM: &str = "is one condition, such as { tokens = 20000 }, or several: { any = [{ seconds = 600 }, …] }";

/// Parses the key `terminate`. Returns the condition and all agents that it names. `tools` are the tools that it may
/// name.
pub(super) fn read(
    reader: &mut Reader<'_>,
    group: &Section<'_>,
    tools: &[&str],
) -> Option<(TerminationCondition, Vec<Name>)> {
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
) -> Option<TerminationCondition> {
    let DeValue::Table(map) = value else {
        reader.fault(line, format!("terminate {FORM}"));
        return None;
    };
    if depth > DEPTH {
        reader.fault(line, format!("terminate nests conditions more than {DEPTH} deep; nest them less"));
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
            format!("{key} and {more} are in one condition; write one condition each, in any = [ … ] or all = [ … ]");
        reader.fault(section.line_of(reader, key), format!("terminate: {said}"));
        return None;
    }
    let argument = match TerminationCondition::argument_kind(key) {
        // Only `any` and `all` have no argument of their own.
        None => {
            let of = if key == "any" { TerminationCondition::Any } else { TerminationCondition::All };
            return several(reader, &section, key, found, depth).map(of);
        }
        Some(ArgumentKind::Times) => Argument::Number(section.whole(reader, key, 1..=u32::MAX)?.into()),
        Some(ArgumentKind::Amount) => Argument::Number(section.count(reader, key)?),
        Some(ArgumentKind::Word) => Argument::Text(word(reader, &section, key)?.text),
        Some(ArgumentKind::Tool) => Argument::Text(tool(reader, &section, key, found.tools)?),
        Some(ArgumentKind::Agent) => {
            let name = word(reader, &section, key)?;
            found.speakers.push(name.clone());
            Argument::Agent(AgentId(name.text))
        }
        Some(ArgumentKind::True) => {
            if !section.truth(reader, key)? {
                section.fault(reader, key, "is true or left out");
                return None;
            }
            Argument::Truth(true)
        }
    };
    TerminationCondition::with_argument(key, argument)
}

fn several(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    found: &mut Found<'_>,
    depth: usize,
) -> Option<Vec<TerminationCondition>> {
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

fn tool(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, known: &[&str]) -> Option<String> {
    let Name { text, line } = word(reader, section, key)?;
    if !known.contains(&text.as_str()) {
        let help = match nearest(&text, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", known.join(", ")),
        };
        reader.fault(line, format!("terminate: there is no tool {text:?}; {help}"));
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ParseContext, parse};
    use crate::domain::ManagerType;

    const RACE: &str = "[group]\nname = \"race\"\nmanager_type = \"relay\"\nmembers = [\"ann\"]\nmax_rounds = 2\n\
                        terminate = { any = [{ silent = 2 }, { speaker = \"ann\" }] }\n\
                        [group.sleeptime]\nagents = [\"bob\"]\n\
                        [[agent]]\nname = \"ann\"\n[[agent]]\nname = \"bob\"\n";

    fn read(text: &str) -> Result<super::super::TeamFile, super::super::TeamError> {
        let read = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        parse(
            text,
            &ParseContext { file: "team.toml", base: Path::new("/"), tools: &[], read: &read, allow_outside: false },
        )
    }

    #[test]
    fn a_pattern_and_a_condition_that_are_added_can_be_written_down() {
        let group = read(RACE).unwrap().group;
        assert_eq!(group.manager_type, ManagerType::Relay);
        assert_eq!(group.settings.value("max_rounds"), Some(&2.into()));
        let written = group.settings.value("terminate").unwrap().to_string();
        assert_eq!(written, "{ any = [{ silent = 2 }, { speaker = \"ann\" }] }");
    }

    #[test]
    fn what_they_ask_for_is_looked_at() {
        let fault = |text: String| read(&text).unwrap_err().to_string();
        let nobody = fault(RACE.replace("members = [\"ann\"]", "members = []"));
        assert_eq!(nobody, "team.toml:1: relay needs members, the names of one agent or more who carry the baton");
        let never = fault(RACE.replace("silent = 2", "silent = 0"));
        assert!(never.starts_with("team.toml:6: silent of terminate is a whole number from 1 to"), "{never}");
        let foreign = fault(RACE.replace("max_rounds", "max_turns"));
        assert_eq!(
            foreign,
            "team.toml:5: max_turns belongs to round_robin and dynamic groups, and this one is relay; leave it out"
        );
    }
}
