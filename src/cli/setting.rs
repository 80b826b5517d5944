//! What people write for a setting on the command line, read as the forms want it.

use serde::Deserialize;

use crate::agentfile::team::nearest;
use crate::domain::{GroupStatus, ManagerType, TerminationCondition};
use crate::engine::wire::Setting;

/// What takes a setting away, or empties a list.
pub const NONE: &str = "none";

/// Names in one argument, parted by commas; `none` for no names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// Reads a list of names.
pub fn names(text: &str) -> Result<Names, String> {
    if text.trim() == NONE {
        return Ok(Names(Vec::new()));
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err(format!("write the names with commas between them, or {NONE}"));
    }
    Ok(Names(names))
}

/// Reads a count; `none`, and nought, take it away.
pub fn number(text: &str) -> Result<Setting<u32>, String> {
    match text.trim() {
        NONE | "0" => Ok(Setting::Clear),
        digits => digits.parse().map(Setting::Set).map_err(|_| format!("write a whole number, or {NONE}")),
    }
}

/// Reads a text; `none` takes it away.
pub fn text(text: &str) -> Result<Setting<String>, String> {
    Ok(if text == NONE { Setting::Clear } else { Setting::Set(text.to_owned()) })
}

/// Reads the name of a model; `none` means the configuration's. A script is found from here, whoever plays it.
pub fn model(name: &str) -> Result<Setting<String>, String> {
    let Some(file) = name.strip_prefix("scripted/") else { return text(name) };
    let path = std::path::absolute(file).map_err(|error| format!("the path {file}: {error}"))?;
    Ok(Setting::Set(format!("scripted/{}", path.display())))
}

/// Reads a manager type.
pub fn manager_type(name: &str) -> Result<ManagerType, String> {
    let names = ManagerType::ALL.map(ManagerType::as_str);
    ManagerType::named(name).ok_or_else(|| one_of(name, &names))
}

/// Reads a status.
pub fn status(name: &str) -> Result<GroupStatus, String> {
    let names = GroupStatus::ALL.map(GroupStatus::as_str);
    GroupStatus::named(name).ok_or_else(|| one_of(name, &names))
}

fn one_of(wrong: &str, right: &[&str]) -> String {
    match nearest(wrong, right.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use one of {}", right.join(", ")),
    }
}

/// Reads `AGENT=ROLE`; an empty role takes it away.
pub fn role(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(agent, _)| !agent.trim().is_empty());
    let (agent, role) = parts.ok_or_else(|| "write AGENT=ROLE, for example ann=\"asks why\"".to_owned())?;
    Ok((agent.trim().to_owned(), role.trim().to_owned()))
}

/// Reads what ends a turn, written as in a team file; `none` takes it away.
pub fn terminate(text: &str) -> Result<Setting<TerminationCondition>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Holder {
        terminate: TerminationCondition,
    }
    if text.trim() == NONE {
        return Ok(Setting::Clear);
    }
    let held: Holder = toml::from_str(&format!("terminate = {text}")).map_err(|error| {
        let said = error.message().lines().collect::<Vec<_>>().join("; ");
        format!(
            "{said}; write it as in a team file, for example {{ any = [{{ tokens = 20000 }}, {{ text = \"done\" }}] }}"
        )
    })?;
    held.terminate.check()?;
    Ok(Setting::Set(held.terminate))
}

/// What ends a turn as it is written in a team file; agents in it as they are named here.
#[must_use]
pub fn written(terminate: &TerminationCondition) -> String {
    toml::Value::try_from(terminate).map_or_else(|error| error.to_string(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_turn_is_read_and_written_as_in_a_team_file() {
        let text = r#"{ any = [{ tokens = 20000 }, { text = "that is all" }, { all = [{ speaker = "ann" }] }] }"#;
        let Ok(Setting::Set(read)) = terminate(text) else { panic!("{:?}", terminate(text)) };
        assert_eq!(written(&read), text);
        assert_eq!(terminate("none"), Ok(Setting::Clear));
    }

    #[test]
    fn a_condition_that_is_none_is_refused_with_what_there_is() {
        let refused = terminate("{ token = 5 }").unwrap_err();
        assert!(refused.contains("token") && refused.contains("tokens"), "{refused}");
        assert!(terminate("{ tokens = 0 }").unwrap_err().contains("1 or more"));
        assert!(terminate("{ tokens = 5 }\nname = \"x\"").is_err(), "nothing else is slipped in");
    }

    #[test]
    fn none_and_nought_take_a_count_away() {
        assert_eq!(number("none"), Ok(Setting::Clear));
        assert_eq!(number("0"), Ok(Setting::Clear));
        assert_eq!(number("3"), Ok(Setting::Set(3)));
        assert!(number("three").is_err());
        assert_eq!(names("none"), Ok(Names(Vec::new())));
        assert!(names("a,,b").is_err());
    }
}
