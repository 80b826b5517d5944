//! `nightdesk trigger`: lists, shows, fires, pauses and resumes the triggers of background agents.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::paths::Paths;
use super::print::Out;
use super::roster::Roster;
use super::{CliError, Exit, unexpected};
use crate::domain::{Group, JobId, Trigger, TriggerId, TriggerSpec};
use crate::engine::protocol::{Reply, Request};
use crate::tui::text::width::truncate;

/// The most cells of a schedule and of a reason in the list.
const MOST: (usize, usize) = (36, 60);

/// Subcommands of `trigger`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List all triggers, or those of a group.
    List {
        /// List only the triggers of this group.
        group: Option<String>,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show a trigger.
    Show(Which),
    /// Fire a trigger now, and print the jobs it makes.
    Fire(Which),
    /// Pause a trigger: it does not fire by itself until it is resumed.
    Pause(Which),
    /// Resume a paused trigger, from its next time on.
    Resume(Which),
}

/// Arguments that select one trigger.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// Id of the trigger, or a unique prefix.
    id: String,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// What a trigger does and what becomes of it.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    id: &'a TriggerId,
    group: &'a str,
    kind: &'static str,
    /// When it fires, in words.
    pub when: String,
    /// The short name of its only agent.
    pub agent: Option<String>,
    task: Option<&'a str>,
    priority: &'static str,
    /// What it is, as in a team file.
    written: Map<String, Json>,
    pub paused: bool,
    pub next_due: Option<Timestamp>,
    /// The first time that waits for its hours.
    pub waiting: Option<Timestamp>,
    pub last_fired: Option<Timestamp>,
    /// The displayed state of the newest job it caused.
    pub last_outcome: Option<&'static str>,
    last_job: Option<&'a JobId>,
    pub why_not: Option<&'a str>,
}

#[derive(Serialize)]
struct Fired<'a> {
    trigger: &'a TriggerId,
    jobs: &'a [JobId],
}

/// Runs a subcommand of `trigger`.
///
/// # Errors
/// A name or id is unknown, or the engine refuses the request.
pub async fn trigger(places: &Paths, command: &Command, out: &mut Out) -> Result<Exit, CliError> {
    let roster = Roster::read(&places.look()?).await?;
    match command {
        Command::List { group, json } => list(&roster, group.as_deref(), *json, out)?,
        Command::Show(which) => show(&roster, find(&roster, &which.id)?, which.json, out)?,
        Command::Fire(which) => {
            let id = find(&roster, &which.id)?.id.clone();
            let jobs = match places.ask(Request::FireTrigger { id: id.clone() }).await? {
                Reply::TriggerFired { jobs } => jobs,
                other => return Err(unexpected(&other)),
            };
            if which.json {
                out.json(&Fired { trigger: &id, jobs: &jobs })?;
            } else {
                for job in &jobs {
                    out.line(&format!("{job} created; the workbench or `nightdesk work` runs it"))?;
                }
            }
        }
        Command::Pause(which) => pause(places, &roster, which, true, out).await?,
        Command::Resume(which) => pause(places, &roster, which, false, out).await?,
    }
    Ok(Exit::Done)
}

async fn pause(places: &Paths, roster: &Roster, which: &Which, paused: bool, out: &mut Out) -> Result<(), CliError> {
    let id = find(roster, &which.id)?.id.clone();
    let trigger = match places.ask(Request::PauseTrigger { id, paused }).await? {
        Reply::Trigger(trigger) => *trigger,
        other => return Err(unexpected(&other)),
    };
    let row = row(roster, &trigger);
    if which.json {
        out.json(&row)?;
        return Ok(());
    }
    let next = row.next_due.map(|at| format!(", next due {at:.0}")).unwrap_or_default();
    out.line(&format!("{} {}{next}", trigger.id, if paused { "paused" } else { "resumed" }))?;
    Ok(())
}

fn list(roster: &Roster, group: Option<&str>, json: bool, out: &mut Out) -> Result<(), CliError> {
    let group = group.map(|name| roster.group(name)).transpose()?;
    let here = |trigger: &&Trigger| group.is_none_or(|group| trigger.group == group.id);
    let rows: Vec<Row<'_>> = roster.triggers.iter().filter(here).map(|trigger| row(roster, trigger)).collect();
    if json {
        out.json(&rows)?;
        return Ok(());
    }
    let at = |moment: Option<Timestamp>| moment.map(|moment| format!("{moment:.0}")).unwrap_or_default();
    let cells = |row: &Row<'_>| {
        [
            row.id.as_str().get(..TriggerId::PREFIX.len() + 9).unwrap_or(row.id.as_str()).to_owned(),
            row.group.to_owned(),
            row.agent.clone().unwrap_or_else(|| "all".to_owned()),
            truncate(&row.when, MOST.0, "…").into_owned(),
            at(row.last_fired),
            row.last_outcome.unwrap_or_default().to_owned(),
            at(row.next_due),
            truncate(row.why_not.unwrap_or_default(), MOST.1, "…").into_owned(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    out.table(["ID", "GROUP", "AGENT", "WHEN", "LAST FIRED", "OUTCOME", "NEXT DUE", "WHY NOT"], &rows)?;
    Ok(())
}

fn show(roster: &Roster, trigger: &Trigger, json: bool, out: &mut Out) -> Result<(), CliError> {
    let row = row(roster, trigger);
    if json {
        out.json(&row)?;
        return Ok(());
    }
    let at = |moment: Option<Timestamp>| moment.map(|moment| format!("{moment:.0}")).unwrap_or_default();
    let spec = named(roster, trigger);
    out.card(&[
        ("id", trigger.id.to_string()),
        ("group", row.group.to_owned()),
        ("agent", row.agent.clone().unwrap_or_else(|| "every background agent".to_owned())),
        ("when", row.when.clone()),
        ("task", row.task.unwrap_or_default().to_owned()),
        ("priority", row.priority.to_owned()),
        ("written", spec.to_string()),
        ("paused", if row.paused { "yes".to_owned() } else { String::new() }),
        ("next due", at(row.next_due)),
        ("waits since", at(row.waiting)),
        ("last fired", at(row.last_fired)),
        ("last outcome", row.last_outcome.unwrap_or_default().to_owned()),
        ("last job", row.last_job.map(ToString::to_string).unwrap_or_default()),
        ("why not", row.why_not.unwrap_or_default().to_owned()),
    ])?;
    Ok(())
}

/// The triggers of a group.
pub(super) fn rows<'a>(roster: &'a Roster, group: &Group) -> Vec<Row<'a>> {
    roster.triggers.iter().filter(|trigger| trigger.group == group.id).map(|trigger| row(roster, trigger)).collect()
}

fn row<'a>(roster: &'a Roster, trigger: &'a Trigger) -> Row<'a> {
    let job = trigger.last_job(&roster.jobs);
    let spec = named(roster, trigger);
    Row {
        id: &trigger.id,
        group: roster.group_name(&trigger.group),
        kind: trigger.spec.when.key(),
        when: trigger.spec.when.schedule(),
        agent: spec.agent.as_ref().map(ToString::to_string),
        task: trigger.spec.task.as_deref(),
        priority: trigger.spec.priority.as_str(),
        written: spec.to_table(),
        paused: trigger.paused,
        next_due: trigger.next_due,
        waiting: trigger.waiting.filter(|waiting| trigger.next_due.is_some_and(|due| *waiting < due)),
        last_fired: trigger.last_fired,
        last_outcome: job.map(|job| job.state.shown()),
        last_job: job.map(|job| &job.id),
        why_not: trigger.why_not.as_deref(),
    }
}

/// What the trigger is, with its agent's name.
fn named(roster: &Roster, trigger: &Trigger) -> TriggerSpec {
    let agent = trigger.spec.agent.as_ref().map(|id| roster.name_in(&trigger.group, id).as_str().into());
    TriggerSpec { agent, ..trigger.spec.clone() }
}

/// Returns the only trigger whose id starts with `id`.
fn find<'a>(roster: &'a Roster, id: &str) -> Result<&'a Trigger, CliError> {
    let bare = id.strip_prefix(TriggerId::PREFIX).and_then(|rest| rest.strip_prefix('-')).unwrap_or(id);
    let begins = |trigger: &&Trigger| {
        let uuid = trigger.id.as_str().trim_start_matches(TriggerId::PREFIX).trim_start_matches('-');
        !bare.is_empty() && uuid.starts_with(bare)
    };
    let found: Vec<&Trigger> = roster.triggers.iter().filter(begins).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(CliError::Message(format!("there is no trigger {id}; `nightdesk trigger list` shows all triggers"))),
        [..] => {
            Err(CliError::Message(format!("the ids of {} triggers start with {id}; write more of the id", found.len())))
        }
    }
}
