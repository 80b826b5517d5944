//! `nightdesk care`: what the program does for the store by itself, and doing it now.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use jiff::Timestamp;
use serde::Serialize;
use strum::VariantArray as _;

use super::job::{self, outcome};
use super::paths::Paths;
use super::print::Out;
use super::roster::Roster;
use super::{CliError, Exit, unexpected};
use crate::domain::trigger::Schedule;
use crate::domain::{CareMark, CareTask, Job, JobId};
use crate::engine::protocol::{Reply, Request};

/// Subcommands of `care`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the tasks: when each is due, and what became of it last.
    List {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Make a job of a task now.
    Run {
        /// The task.
        #[arg(value_parser = tasks())]
        task: CareTask,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn tasks() -> impl clap::builder::TypedValueParser<Value = CareTask> {
    let named = |task: &CareTask| PossibleValue::new(task.as_str()).help(task.does());
    PossibleValuesParser::new(CareTask::VARIANTS.iter().map(named)).try_map(|name| name.parse::<CareTask>())
}

#[derive(Serialize)]
struct Row {
    task: &'static str,
    does: &'static str,
    /// When it is due, in words; `None` if it is off.
    when: Option<String>,
    next_due: Option<Timestamp>,
    last_job: Option<JobId>,
    last_ended: Option<Timestamp>,
    last_status: Option<&'static str>,
    last_outcome: Option<String>,
}

/// Runs a subcommand of `care`.
///
/// # Errors
/// The configuration has faults, or the engine refuses the request.
pub async fn care(places: &Paths, command: &Command, out: &mut Out) -> Result<Exit, CliError> {
    match command {
        Command::List { json } => list(places, *json, out).await?,
        Command::Run { task, json } => {
            let roster = Roster::read(&places.look()?).await?;
            let job = match places.ask(Request::RunCare { task: *task }).await? {
                Reply::Job(job) => *job,
                other => return Err(unexpected(&other)),
            };
            if *json {
                out.json(&job::row(&roster, &job, true))?;
            } else {
                out.line(&format!("{} {}; the workbench or `nightdesk work` runs it", job.id, job.state.shown()))?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn list(places: &Paths, json: bool, out: &mut Out) -> Result<(), CliError> {
    let handle = places.look()?;
    let settings = places.configuration()?.care;
    let (marks, jobs) = match handle.ask(Request::Care).await? {
        Reply::Care { marks, jobs } => (marks, jobs),
        other => return Err(unexpected(&other)),
    };
    let rows: Vec<Row> = CareTask::VARIANTS
        .iter()
        .map(|task| {
            let schedule = settings.schedules.get(task);
            let decided = marks.iter().find(|mark: &&CareMark| mark.task == *task).map(|mark| mark.decided);
            let last = jobs.iter().find(|job: &&Job| job.care() == Some(*task));
            Row {
                task: task.as_str(),
                does: task.does(),
                when: schedule.map(Schedule::in_words),
                next_due: schedule.zip(decided).and_then(|(schedule, decided)| schedule.next(decided)),
                last_job: last.map(|job| job.id.clone()),
                last_ended: last.and_then(|job| job.ended_at),
                last_status: last.map(|job| job.state.shown()),
                last_outcome: last.map(outcome).filter(|text| !text.is_empty()),
            }
        })
        .collect();
    if json {
        out.json(&rows)?;
        return Ok(());
    }
    let at = |moment: Option<Timestamp>| moment.map(|moment| format!("{moment:.0}")).unwrap_or_default();
    let cells = |row: &Row| {
        [
            row.task.to_owned(),
            row.when.clone().unwrap_or_else(|| "off".to_owned()),
            at(row.next_due),
            row.last_status.unwrap_or_default().to_owned(),
            at(row.last_ended),
            row.last_outcome.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    out.table(["TASK", "WHEN", "NEXT DUE", "LAST", "ENDED", "OUTCOME"], &rows)?;
    Ok(())
}
