//! `nightdesk group`: the groups.

use serde::Serialize;

use super::desk::Places;
use super::print::Out;
use super::roster::Roster;
use super::{Exit, Failure};
use crate::domain::{Group, GroupId, GroupStatus, ManagerType};

/// What `group` is told.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All groups.
    List {
        /// One JSON array.
        #[arg(long)]
        json: bool,
    },
    /// One group.
    Show {
        /// Its name.
        group: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a GroupId,
    name: &'a str,
    manager_type: ManagerType,
    status: GroupStatus,
    members: Vec<String>,
}

/// Lists or shows.
pub async fn group(places: &Places, command: &Command, out: &mut Out) -> Result<Exit, Failure> {
    let roster = Roster::read(&places.look()?).await?;
    match command {
        Command::List { json: true } => {
            out.json(&roster.groups.iter().map(|group| row(&roster, group)).collect::<Vec<_>>())?;
        }
        Command::List { json: false } => {
            let rows: Vec<_> = roster.groups.iter().map(|group| cells(&roster, group)).collect();
            out.table(["NAME", "MANAGER TYPE", "STATUS", "AGENTS"], &rows)?;
        }
        Command::Show { group, json: true } => out.json(&row(&roster, roster.group(group)?))?,
        Command::Show { group, json: false } => show(&roster, roster.group(group)?, out)?,
    }
    Ok(Exit::Done)
}

fn row<'a>(roster: &Roster, group: &'a Group) -> Row<'a> {
    let members = group.members.iter().map(|id| roster.name_in(&group.id, id)).collect();
    Row { id: &group.id, name: &group.name, manager_type: group.manager_type, status: group.status, members }
}

fn cells(roster: &Roster, group: &Group) -> [String; 4] {
    let names: Vec<String> = group.agents().into_iter().map(|id| roster.name_in(&group.id, id)).collect();
    [group.name.clone(), group.manager_type.as_str().to_owned(), group.status.as_str().to_owned(), names.join(", ")]
}

fn show(roster: &Roster, group: &Group, out: &mut Out) -> Result<(), Failure> {
    let names =
        |ids: &[_]| -> String { ids.iter().map(|id| roster.name_in(&group.id, id)).collect::<Vec<_>>().join(", ") };
    let background = group.sleeptime.as_ref().map_or_else(String::new, |sleeptime| {
        format!("{}, every {} turns", names(&sleeptime.agents), sleeptime.every())
    });
    out.card(&[
        ("name", group.name.clone()),
        ("description", group.description.clone()),
        ("manager type", group.manager_type.as_str().to_owned()),
        ("status", group.status.as_str().to_owned()),
        ("members", names(&group.members)),
        ("manager agent", group.manager_agent.iter().map(|id| roster.name_in(&group.id, id)).collect()),
        ("background", background),
        ("id", group.id.to_string()),
    ])?;
    Ok(())
}
