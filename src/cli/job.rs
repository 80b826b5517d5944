//! `nightdesk job`: lists, shows, cancels, retries, awaits, undoes and clears background jobs.

mod clear;
mod undo;
mod wait;

use jiff::Timestamp;
use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, unexpected};
use crate::domain::state::RowFault;
use crate::domain::status::job_word;
use crate::domain::{CareTask, GroupId, Job, JobId, JobOutcome, JobState, Step};
use crate::engine::Handle;
use crate::engine::protocol::{Reply, Request};
use crate::engine::session::Session;

/// Most jobs in the list, newest first.
const SHOWN: usize = 10_000;

/// Subcommands of `job`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List all jobs, or those of a group, newest first.
    List {
        /// List only the jobs of this group.
        group: Option<String>,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show a job.
    Show(Which),
    /// Cancel a waiting or running job.
    Cancel(Which),
    /// Run a failed or cancelled job again as a new job, or try a waiting one at once.
    #[command(visible_alias = "restart")]
    Retry(Which),
    /// Wait until a job has ended. Exit with 1 if it failed or was cancelled.
    Wait(wait::Args),
    /// Take back what a job changed in the shared memory, keeping what others wrote since.
    Undo(undo::Args),
    /// Remove the runs, steps and notes of jobs that ended long ago; what they changed stays.
    Clear(clear::Args),
}

/// Arguments that select one job.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// Id of the job, or a unique prefix.
    id: String,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
pub(super) struct Row<'a> {
    id: &'a JobId,
    /// The agent and the group; `None` for care of the store.
    agent: Option<&'a str>,
    group: Option<&'a str>,
    /// The task of care; left out for the work of an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    care: Option<&'static str>,
    trigger: String,
    status: &'static str,
    state: &'static str,
    attempt: u32,
    error: Option<&'a str>,
    /// When it goes on by itself, if it waits for that.
    run_at: Option<Timestamp>,
    /// The budget it waits for.
    waits_for: Option<&'a str>,
    created_at: Timestamp,
}

/// Runs a subcommand of `job`.
///
/// # Errors
/// A name or id is unknown, or the engine refuses the request.
pub async fn job(places: &Paths, command: &Command, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let roster = Roster::read(&handle).await?;
    let owned = Session::owner(&places.store).is_some();
    match command {
        Command::List { group, json } => list(&handle, (&roster, owned), group.as_deref(), *json, out).await?,
        Command::Show(which) => {
            let job = find(&handle, &which.id).await?;
            if which.json {
                out.json(&row(&roster, &job, owned))?;
            } else {
                show(&handle, (&roster, owned), &job, out).await?;
            }
        }
        Command::Cancel(which) => {
            let id = find(&handle, &which.id).await?.id;
            let job = ask(places, Request::CancelJob { id }).await?;
            tell(&roster, which, &job, "", out)?;
        }
        Command::Retry(which) => {
            let id = find(&handle, &which.id).await?.id;
            let job = ask(places, Request::RetryJob { id }).await?;
            tell(&roster, which, &job, "; the workbench or `nightdesk work` runs it", out)?;
        }
        Command::Wait(args) => return wait::wait(places, args, out).await,
        Command::Undo(args) => {
            let id = find(&handle, &args.id).await?.id;
            return undo::undo(places, id, args, out).await;
        }
        Command::Clear(args) => return clear::clear(places, args, out).await,
    }
    Ok(Exit::Done)
}

async fn list(
    handle: &Handle,
    (roster, owned): (&Roster, bool),
    group: Option<&str>,
    json: bool,
    out: &mut Out,
) -> Result<(), CliError> {
    let group = group.map(|name| roster.group(name)).transpose()?.map(|group| group.id.clone());
    let (jobs, faults) = jobs(handle, group, SHOWN).await?;
    print::unreadable(&faults);
    if json {
        out.json(&jobs.iter().map(|job| row(roster, job, owned)).collect::<Vec<_>>())?;
        return Ok(());
    }
    let cells = |job: &Job| {
        let row = row(roster, job, owned);
        let short = job.id.as_str().get(..JobId::PREFIX.len() + 9).unwrap_or(job.id.as_str()).to_owned();
        let (agent, group) =
            (row.agent.unwrap_or(row.care.unwrap_or_default()).to_owned(), row.group.unwrap_or_default().to_owned());
        [
            short,
            agent,
            group,
            row.trigger,
            row.status.to_owned(),
            outcome_now(job, owned),
            format!("{:.0}", row.created_at),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(cells).collect();
    out.table(["ID", "AGENT", "GROUP", "TRIGGER", "STATUS", "OUTCOME", "CREATED"], &rows)?;
    Ok(())
}

/// Returns up to `limit` jobs, newest first, and the unreadable rows.
async fn jobs(handle: &Handle, group: Option<GroupId>, limit: usize) -> Result<(Vec<Job>, Vec<RowFault>), CliError> {
    match handle.ask(Request::Jobs { group, limit }).await? {
        Reply::Jobs { jobs, faults } => Ok((jobs, faults)),
        other => Err(unexpected(&other)),
    }
}

/// Returns the only job whose id starts with `id`.
async fn find(handle: &Handle, id: &str) -> Result<Job, CliError> {
    let (mut found, faults) = jobs(handle, None, usize::MAX).await?;
    if let Some(at) = found.iter().position(|job| job.id.as_str() == id) {
        return Ok(found.swap_remove(at));
    }
    if let Some(fault) = faults.iter().find(|fault| fault.key == id) {
        return Err(CliError::Message(fault.to_string()));
    }
    let bare = id.strip_prefix(JobId::PREFIX).and_then(|rest| rest.strip_prefix('-')).unwrap_or(id);
    let begins = |job: &Job| {
        let uuid = job.id.as_str().trim_start_matches(JobId::PREFIX).trim_start_matches('-');
        !bare.is_empty() && uuid.starts_with(bare)
    };
    found.retain(begins);
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(CliError::Message(format!("there is no job {id}; `nightdesk job list` shows all jobs"))),
        several => Err(CliError::Message(format!("the ids of {several} jobs start with {id}; write more of the id"))),
    }
}

async fn ask(places: &Paths, request: Request) -> Result<Job, CliError> {
    match places.ask(request).await? {
        Reply::Job(job) => Ok(*job),
        other => Err(unexpected(&other)),
    }
}

fn tell(roster: &Roster, which: &Which, job: &Job, then: &str, out: &mut Out) -> Result<(), CliError> {
    if which.json {
        // The engine that answered ends with this command, unless another program owns the store.
        out.json(&row(roster, job, true))?;
    } else {
        out.line(&format!("{} {}{then}", job.id, job.state.shown()))?;
    }
    Ok(())
}

/// `owned` is false if no program runs jobs.
pub(super) fn row<'a>(roster: &'a Roster, job: &'a Job, owned: bool) -> Row<'a> {
    Row {
        id: &job.id,
        agent: job.agent().map(|agent| roster.name(agent)),
        group: job.group().map(|group| roster.group_name(group)),
        care: job.care().map(CareTask::noun),
        trigger: job.causes.iter().map(|cause| cause.kind.text()).collect::<Vec<_>>().join(", "),
        status: job_word(&job.state, owned),
        state: if is_left(job, owned) { JobState::Available.as_str() } else { job.state.as_str() },
        attempt: job.attempt,
        error: job.state.error(),
        run_at: job.state.run_at(),
        waits_for: if let JobState::Scheduled { why, .. } = &job.state { Some(why) } else { None },
        created_at: job.created_at,
    }
}

/// Whether a crash left the job: it is marked as running, and no program runs it.
fn is_left(job: &Job, owned: bool) -> bool {
    !owned && matches!(job.state, JobState::Running { .. })
}

/// Like [`outcome`], and says of a job that a crash left what happened and what follows.
fn outcome_now(job: &Job, owned: bool) -> String {
    if is_left(job, owned) {
        return "its program ended; the next start runs it again".to_owned();
    }
    outcome(job)
}

/// Returns the result of a job so far, in a few words. Empty while the job is due or runs.
#[must_use]
pub fn outcome(job: &Job) -> String {
    match &job.state {
        JobState::Completed { outcome: JobOutcome::NothingToDo } => "nothing to do".to_owned(),
        JobState::Completed { outcome: JobOutcome::CareTaken { report } } => report.clone(),
        JobState::Completed { .. } if job.edits == 0 => "changed nothing".to_owned(),
        JobState::Completed { .. } => format!("{} edit{}", job.edits, if job.edits == 1 { "" } else { "s" }),
        JobState::Failed { error, .. } => error.clone(),
        JobState::Retryable { run_at, error, .. } => format!("{error}, next try at {run_at:.0}"),
        JobState::Scheduled { run_at, why } => format!("{why}, goes on at {run_at:.0}"),
        JobState::Cancelled { why } => why.clone(),
        JobState::Parked => "waits for an answer".to_owned(),
        JobState::Available | JobState::Running { .. } => String::new(),
    }
}

async fn show(handle: &Handle, (roster, owned): (&Roster, bool), job: &Job, out: &mut Out) -> Result<(), CliError> {
    let detail = match handle.ask(Request::JobDetail { id: job.id.clone() }).await? {
        Reply::JobDetail(detail) => detail,
        other => return Err(unexpected(&other)),
    };
    let edits: Vec<String> =
        detail.edits.iter().map(|edit| format!("{} v{}", edit.label, edit.revision.version)).collect();
    let row = row(roster, job, owned);
    let at = |time: Option<Timestamp>| time.map(|time| format!("{time:.0}")).unwrap_or_default();
    out.card(&[
        ("id", job.id.to_string()),
        (if job.care().is_some() { "care" } else { "agent" }, roster.worker(job)),
        ("group", row.group.unwrap_or_default().to_owned()),
        ("trigger", row.trigger.clone()),
        ("status", row.status.to_owned()),
        ("outcome", outcome_now(job, owned)),
        ("attempt", job.attempt.to_string()),
        ("window", job.window.map(|(after, to)| format!("messages {} to {to}", after + 1)).unwrap_or_default()),
        ("edits", edits.join(", ")),
        ("tokens", tokens(job, &detail.steps)),
        ("models", models(&detail.steps)),
        ("retry of", job.retry_of.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("created", format!("{:.0}", row.created_at)),
        ("started", at(job.started_at)),
        ("ended", at(job.ended_at)),
        ("steps removed", at(job.expired_at)),
    ])?;
    Ok(())
}

/// The models that answered, in order, with the one that a fallback model stood in for.
fn models(steps: &[Step]) -> String {
    let told = steps.iter().map(|step| match &step.instead_of {
        Some(own) => format!("{} instead of {own}", step.model),
        None => step.model.clone(),
    });
    let mut models: Vec<String> = told.collect();
    models.dedup();
    models.join(", ")
}

/// The tokens of a job and, as far as its providers tell, how many came from a cache and how many are reasoning.
fn tokens(job: &Job, steps: &[Step]) -> String {
    let cached = steps.iter().map(|step| step.tokens_cached).sum::<u64>();
    let reasoning = steps.iter().map(|step| step.tokens_reasoning).sum::<u64>();
    let told = [(cached, "cached"), (reasoning, "reasoning")].into_iter().filter(|(count, _)| *count > 0);
    std::iter::once(job.tokens.to_string())
        .chain(told.map(|(count, what)| format!("{count} {what}")))
        .collect::<Vec<_>>()
        .join(", ")
}
