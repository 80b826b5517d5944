//! `nightdesk doctor --space`: what takes room in the store and beside it, and what of it can go.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::roster::Roster;
use crate::cli::{CliError, Exit, unexpected};
use crate::domain::{AgentId, BlockOwner, CareTask, GroupId};
use crate::engine::care::backups::Backups;
use crate::engine::protocol::{Expired, Reply, Request, Space, SpaceOwner};

/// What a table holds, in words, by how its name begins. The first that fits counts.
const HOLDS: [(&str, &str); 9] = [
    ("message_search", "index of words"),
    ("message", "messages"),
    ("changes", "log of changes"),
    ("revision", "versions of blocks"),
    ("step", "steps of agents"),
    ("call", "tool calls"),
    ("reading", "what sources read"),
    ("base", "what the log begins with"),
    ("", "state: groups, agents, blocks, runs, jobs, mail"),
];

#[derive(Serialize)]
struct Report {
    /// Bytes of the file, and of its pages that hold nothing.
    file: u64,
    free: u64,
    /// Bytes of its log that are not in the file yet.
    write_ahead_log: u64,
    holds: Vec<Part>,
    groups: Vec<Group>,
    /// Conversations of jobs, and what belonged to something that was deleted.
    jobs_and_deleted: Option<Part>,
    /// What jobs left that ended longer ago than the configuration keeps it.
    expired_jobs: Part,
    /// Whether that goes by itself.
    retention: bool,
    /// Files beside the store that no program needs.
    can_go: Vec<Spare>,
}

#[derive(Serialize)]
struct Group {
    name: String,
    bytes: u64,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    name: String,
    bytes: u64,
    /// Messages or versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

#[derive(Serialize)]
struct Spare {
    path: PathBuf,
    bytes: u64,
    what: &'static str,
}

/// Prints what takes room.
///
/// # Errors
/// The store cannot be read, or standard output cannot be written.
pub async fn space(places: &Paths, json: bool, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let roster = Roster::read(&handle).await?;
    let space = match handle.ask(Request::Space).await? {
        Reply::Space(space) => *space,
        other => return Err(unexpected(&other)),
    };
    let keep = places.configuration()?.care;
    let ages = Request::Expired { completed: Some(keep.keep_completed), others: Some(keep.keep_failed) };
    let expired = match handle.ask(ages).await? {
        Reply::Expired(expired) => expired,
        other => return Err(unexpected(&other)),
    };
    let report = Report {
        retention: keep.schedules.contains_key(&CareTask::Retention),
        ..report(&places.store, space, expired, &roster)
    };
    if json {
        out.json(&report)?;
    } else {
        print(places, &report, out)?;
    }
    Ok(Exit::Done)
}

fn report(store: &Path, space: Space, expired: Expired, roster: &Roster) -> Report {
    let mut holds: Vec<Part> = Vec::new();
    for (table, bytes) in &space.tables {
        let words = HOLDS.iter().find(|(begins, _)| table.starts_with(begins)).map_or("", |(_, words)| *words);
        match holds.iter_mut().find(|part| part.name == words) {
            Some(part) => part.bytes += bytes,
            None => holds.push(Part { name: words.to_owned(), bytes: *bytes, count: None }),
        }
    }
    holds.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    let mut groups: Vec<Group> = Vec::new();
    let mut rest: Option<Part> = None;
    for part in space.parts {
        let bytes = part.bytes;
        let Some((group, name)) = name(&part.of, roster) else {
            let rest = rest.get_or_insert_with(|| Part {
                name: "jobs and what was deleted".to_owned(),
                bytes: 0,
                count: None,
            });
            rest.bytes += bytes;
            rest.count = Some(rest.count.unwrap_or_default() + part.count);
            continue;
        };
        let part = Part { name, bytes, count: Some(part.count) };
        match groups.iter_mut().find(|known| known.name == group) {
            Some(known) => {
                known.bytes += bytes;
                known.parts.push(part);
            }
            None => groups.push(Group { name: group, bytes, parts: vec![part] }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.bytes));
    for group in &mut groups {
        group.parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    }
    let log = std::fs::metadata(sibling(store, "-wal")).map_or(0, |meta| meta.len());
    let can_go = spares(store);
    let expired_jobs = Part {
        name: "runs, steps and notes of jobs that ended long ago".to_owned(),
        bytes: expired.bytes,
        count: Some(expired.jobs),
    };
    Report {
        file: space.file,
        free: space.free,
        write_ahead_log: log,
        holds,
        groups,
        jobs_and_deleted: rest,
        expired_jobs,
        retention: false,
        can_go,
    }
}

/// The group that a part belongs to, and what it is.
fn name(of: &SpaceOwner, roster: &Roster) -> Option<(String, String)> {
    let agent = |id: &AgentId| roster.agents.iter().find(|agent| agent.id == *id);
    let group = |id: &GroupId| roster.group_name(id).to_owned();
    match of {
        SpaceOwner::Group(id) => Some((group(id), "conversation".to_owned())),
        SpaceOwner::Agent(id) => {
            let agent = agent(id)?;
            Some((group(&agent.group), format!("conversation with {}", agent.name)))
        }
        SpaceOwner::Block(id) => {
            let block = roster.blocks.iter().find(|block| block.id == *id)?;
            match &block.owner {
                BlockOwner::Group(id) => Some((group(id), format!("block {}", block.label))),
                BlockOwner::Agent(id) => {
                    let agent = agent(id)?;
                    Some((group(&agent.group), format!("block {} of {}", block.label, agent.name)))
                }
            }
        }
        SpaceOwner::JobsAndDeleted => None,
    }
}

/// The files beside a store that no program needs: backups, and copies made before something was changed.
fn spares(store: &Path) -> Vec<Spare> {
    let backups = Backups::of(store).all().into_iter();
    let mut spares: Vec<Spare> = backups.map(|(path, bytes)| Spare { path, bytes, what: "a backup" }).collect();
    let Some(name) = store.file_name().map(|name| name.to_string_lossy().into_owned()) else { return spares };
    let directory = store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let Some(rest) = file.strip_prefix(&name) else { continue };
        let version = rest.strip_prefix(".v").is_some_and(|version| version.parse::<u16>().is_ok());
        let what = match rest {
            _ if version => "the store before it was upgraded",
            rest if rest.starts_with(".before-") => "the store before a backup was restored",
            _ => continue,
        };
        if let Ok(meta) = entry.metadata()
            && meta.is_file()
        {
            spares.push(Spare { path, bytes: meta.len(), what });
        }
    }
    spares.sort_by(|one, other| one.path.cmp(&other.path));
    spares
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn print(places: &Paths, report: &Report, out: &mut Out) -> Result<(), CliError> {
    let row = |part: &Part| {
        let count = part.count.map(|count| count.to_string()).unwrap_or_default();
        [print::size(part.bytes), count, part.name.clone()]
    };
    out.line(&format!("{}: {}", places.store.display(), print::size(report.file)))?;
    if report.write_ahead_log > 0 {
        out.line(&format!("its write-ahead log: {}", print::size(report.write_ahead_log)))?;
    }
    let free = Part { name: "free; used again before the file grows".to_owned(), bytes: report.free, count: None };
    let rows: Vec<[String; 3]> = report.holds.iter().chain([&free]).map(row).collect();
    out.table(["SIZE", "", "OF THE FILE"], &rows)?;
    let mut rows = Vec::new();
    for group in &report.groups {
        rows.push([print::size(group.bytes), String::new(), format!("group {}", group.name)]);
        rows.extend(group.parts.iter().map(|part| {
            let [size, count, name] = row(part);
            [size, count, format!("  {name}")]
        }));
    }
    rows.extend(report.jobs_and_deleted.iter().map(row));
    out.line("")?;
    out.table(["TEXT", "COUNT", "WRITTEN IN"], &rows)?;
    if let Part { bytes, count: Some(jobs @ 1..), .. } = &report.expired_jobs {
        let (size, jobs) = (print::size(*bytes), if *jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") });
        out.line("")?;
        let removed = if report.retention { "retention removes it at its next time" } else { "retention is off" };
        let text =
            format!("{size} is of {jobs} that ended long ago; {removed}, `nightdesk care run retention` at once");
        out.line(&text)?;
    }
    if report.can_go.is_empty() {
        return Ok(());
    }
    let spare = |spare: &Spare| [print::size(spare.bytes), spare.path.display().to_string(), spare.what.to_owned()];
    let rows: Vec<[String; 3]> = report.can_go.iter().map(spare).collect();
    out.line("")?;
    out.table(["SIZE", "CAN GO, IF YOU DO NOT NEED IT", ""], &rows)?;
    Ok(())
}
