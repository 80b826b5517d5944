//! A group as it is printed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::Failure;
use crate::cli::print::Out;
use crate::cli::roster::Roster;
use crate::cli::setting;
use crate::domain::{AgentId, Group, GroupId, GroupStatus, ManagerType, TerminationCondition};

#[derive(Serialize)]
struct Row<'a> {
    id: &'a GroupId,
    name: &'a str,
    manager_type: ManagerType,
    status: GroupStatus,
    members: Vec<String>,
    description: &'a str,
    manager_agent: Option<String>,
    background: Vec<String>,
    every_turns: Option<u64>,
    roles: BTreeMap<String, &'a str>,
    max_turns: Option<u32>,
    max_rounds: Option<u32>,
    termination_token: Option<&'a str>,
    allow_repeat: bool,
    continue_order: bool,
    wait_seconds: Option<u32>,
    mail_per_minute: Option<u32>,
    terminate: Option<TerminationCondition>,
}

/// One group.
pub(super) fn one(roster: &Roster, group: &Group, json: bool, out: &mut Out) -> Result<(), Failure> {
    let row = row(roster, group);
    if json {
        out.json(&row)?;
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
        ("settings", settings(&row).join("\n")),
        ("id", group.id.to_string()),
    ])?;
    Ok(())
}

/// Several groups, a line each.
pub(super) fn all(roster: &Roster, groups: &[&Group], json: bool, out: &mut Out) -> Result<(), Failure> {
    if json {
        out.json(&groups.iter().map(|group| row(roster, group)).collect::<Vec<_>>())?;
        return Ok(());
    }
    let cells = |group: &&Group| {
        let row = row(roster, group);
        let mut settings = settings(&row);
        if let Some(background) = Some(background(roster, group)).filter(|names| !names.is_empty()) {
            settings.insert(0, format!("background {background}"));
        }
        let members: Vec<String> = group.members.iter().map(|id| with_role(roster, group, id)).collect();
        [
            group.name.clone(),
            group.manager_type.as_str().to_owned(),
            group.status.as_str().to_owned(),
            row.manager_agent.unwrap_or_default(),
            members.join(", "),
            settings.join(", "),
        ]
    };
    let rows: Vec<_> = groups.iter().map(cells).collect();
    out.table(["NAME", "MANAGER TYPE", "STATUS", "MANAGER", "MEMBERS", "SETTINGS"], &rows)?;
    Ok(())
}

fn row<'a>(roster: &Roster, group: &'a Group) -> Row<'a> {
    let name = |id: &AgentId| roster.name_in(&group.id, id);
    let named = |terminate: &TerminationCondition| {
        let mut name = |id: AgentId| Ok::<_, std::convert::Infallible>(AgentId(name(&id)));
        match terminate.clone().try_with_speakers(&mut name) {
            Ok(named) => named,
        }
    };
    let policy = group.sleeptime.as_ref();
    Row {
        id: &group.id,
        name: &group.name,
        description: &group.description,
        manager_type: group.manager_type,
        status: group.status,
        members: group.members.iter().map(name).collect(),
        manager_agent: group.manager_agent.as_ref().map(name),
        background: policy.iter().flat_map(|policy| &policy.agents).map(name).collect(),
        every_turns: policy.map(crate::domain::Sleeptime::every),
        roles: group.roles.iter().map(|(id, role)| (name(id), role.as_str())).collect(),
        max_turns: group.max_turns,
        max_rounds: group.max_rounds,
        termination_token: group.token(),
        allow_repeat: group.allow_repeat,
        continue_order: group.continue_order,
        wait_seconds: group.wait_seconds,
        mail_per_minute: group.mail_per_minute,
        terminate: group.terminate.as_ref().map(named),
    }
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

/// What is set, a few words each.
fn settings(row: &Row<'_>) -> Vec<String> {
    let count = |key: &str, number: Option<u32>| number.map(|number| format!("{key} {number}"));
    let truth = |key: &str, set: bool| set.then(|| key.to_owned());
    let token = row.termination_token.map(|token| format!("termination_token {token:?}"));
    let terminate = row.terminate.as_ref().map(|terminate| format!("terminate {}", setting::written(terminate)));
    let all = [
        count("max_turns", row.max_turns),
        count("max_rounds", row.max_rounds),
        token,
        truth("allow_repeat", row.allow_repeat),
        truth("continue_order", row.continue_order),
        count("wait_seconds", row.wait_seconds),
        count("mail_per_minute", row.mail_per_minute),
        terminate,
    ];
    all.into_iter().flatten().collect()
}
