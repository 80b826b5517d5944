//! Prints groups as a card, a table row or JSON.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::cli::CliError;
use crate::cli::print::Out;
use crate::cli::roster::Roster;
use crate::cli::today::Today;
use crate::cli::{setting, trigger};
use crate::domain::setting::Kind;
use crate::domain::{AgentId, Configurable as _, Group, GroupId, ManagerType, Value};

#[derive(Serialize)]
struct Row<'a> {
    id: &'a GroupId,
    name: &'a str,
    manager_type: ManagerType,
    /// Effective value of each setting.
    #[serde(flatten)]
    in_effect: Map<String, Json>,
    /// Explicitly set values only.
    settings: Map<String, Json>,
    #[serde(flatten)]
    today: Today,
    triggers: Vec<trigger::Row<'a>>,
}

/// Prints one group as a card or a JSON object.
pub(super) fn one(roster: &Roster, group: &Group, json: bool, out: &mut Out) -> Result<(), CliError> {
    if json {
        out.json(&row(roster, group))?;
        return Ok(());
    }
    let members: Vec<String> = group.members.iter().map(|id| with_role(roster, group, id)).collect();
    out.card(&[
        ("name", group.name.clone()),
        ("description", group.description.clone()),
        ("manager type", group.manager_type.as_str().to_owned()),
        ("status", group.status.as_str().to_owned()),
        ("manager agent", group.manager_agent.iter().map(|id| with_role(roster, group, id)).collect()),
        ("members", members.join(", ")),
        ("background", background(roster, group)),
        ("triggers", history(roster, group)),
        ("settings", settings(roster, group).join("\n")),
        ("tokens today", Today::of_group(roster, group).told(group.max_tokens_per_day)),
        ("id", group.id.to_string()),
    ])?;
    Ok(())
}

/// Prints groups as a table or a JSON array.
pub(super) fn all(roster: &Roster, groups: &[&Group], json: bool, out: &mut Out) -> Result<(), CliError> {
    if json {
        out.json(&groups.iter().map(|group| row(roster, group)).collect::<Vec<_>>())?;
        return Ok(());
    }
    let cells = |group: &&Group| {
        let mut settings = settings(roster, group);
        if let Some(background) = Some(background(roster, group)).filter(|names| !names.is_empty()) {
            settings.insert(0, format!("background {background}"));
        }
        let members: Vec<String> = group.members.iter().map(|id| with_role(roster, group, id)).collect();
        [
            group.name.clone(),
            group.manager_type.as_str().to_owned(),
            group.status.as_str().to_owned(),
            group.manager_agent.as_ref().map(|id| roster.name_in(&group.id, id)).unwrap_or_default(),
            members.join(", "),
            settings.join(", "),
        ]
    };
    let rows: Vec<_> = groups.iter().map(cells).collect();
    out.table(["NAME", "MANAGER TYPE", "STATUS", "MANAGER", "MEMBERS", "SETTINGS"], &rows)?;
    Ok(())
}

fn row<'a>(roster: &'a Roster, group: &'a Group) -> Row<'a> {
    Row {
        id: &group.id,
        name: &group.name,
        manager_type: group.manager_type,
        in_effect: setting::in_effect(group, roster, &group.id),
        settings: setting::as_set(group, roster, &group.id),
        today: Today::of_group(roster, group),
        triggers: trigger::rows(roster, group),
    }
}

/// How a moment is written for people.
const MOMENT: &str = "%Y-%m-%d %H:%M:%S UTC";

/// Returns a line for each trigger: when it fires, and what became of it.
fn history(roster: &Roster, group: &Group) -> String {
    let line = |row: trigger::Row<'_>| {
        let mut parts = vec![row.when];
        parts.extend(row.agent.map(|agent| format!("only {agent}")));
        parts.extend(row.paused.then(|| "paused".to_owned()));
        parts.extend(row.next_due.map(|at| format!("next due {}", at.strftime(MOMENT))));
        parts.extend(row.last_fired.map(|at| {
            let outcome = row.last_outcome.map(|outcome| format!(" ({outcome})")).unwrap_or_default();
            format!("last fired {}{outcome}", at.strftime(MOMENT))
        }));
        let why = row.why_not.filter(|_| !row.paused);
        parts.extend(why.map(|why| format!("not since: {why}")));
        parts.join(", ")
    };
    trigger::rows(roster, group).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn with_role(roster: &Roster, group: &Group, id: &AgentId) -> String {
    let name = roster.name_in(&group.id, id);
    group.roles.get(id).map_or_else(|| name.clone(), |role| format!("{name} ({role})"))
}

fn background(roster: &Roster, group: &Group) -> String {
    group.sleeptime.as_ref().map_or_else(String::new, |policy| {
        let names: Vec<String> = policy.agents.iter().map(|id| with_role(roster, group, id)).collect();
        format!("{}, {}", names.join(", "), policy.schedule())
    })
}

/// Returns `name value` for each setting that has no line of its own on the card.
fn settings(roster: &Roster, group: &Group) -> Vec<String> {
    let elsewhere = |kind: Kind| matches!(kind, Kind::Sentence | Kind::Choice(_) | Kind::Roles) || kind.is_membership();
    let rows = Group::settings().iter().filter(|row| row.table().is_none() && !elsewhere(row.kind));
    let told = rows.filter_map(|row| {
        let value = setting::shown(group, row, roster, &group.id)?;
        Some(match ((row.in_effect)(group), row.kind) {
            (Some(Value::Switch(_)), _) => row.key.to_owned(),
            (_, Kind::Word) => format!("{} {value:?}", row.key),
            _ => format!("{} {value}", row.key),
        })
    });
    told.collect()
}
