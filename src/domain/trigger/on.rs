//! A job when something happens in the group: a run fails, a job completes, an approval is asked for, mail arrives.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "all kinds of triggers have the same signatures"
)]

use jiff::Timestamp;

use super::fire::fire;
use super::table::{Field, Input, Values};
use super::{CauseKind, Occasion, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{
    Agent, AgentId, Change, Group, GroupId, Job, JobOutcome, JobState, Mail, MailKind, PendingCall, PendingKind, Run,
    RunKind, RunState, Sleeptime, StopReason, excerpt,
};

/// The name in a team file.
pub const KEY: &str = "on";
/// The keys in a table of its own.
pub const FIELDS: &[Field] = &[Field {
    key: KEY,
    kind: Kind::Choice(Occasion::choices),
    doc: "Fires when a run fails, a job completes, an approval is asked for, or mail arrives.",
}];
/// Its job has what happened to look at.
pub const HAS_INPUT: Input = Input::Always;

/// The most characters of what the job is told.
const LONGEST: usize = 2_000;

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    let on = values.text(KEY).parse().map_err(|_| format!("{KEY} is {}", FIELDS[0].kind.wanted()))?;
    Ok(When::On { on })
}

/// Writes them.
pub fn write(on: &Occasion) -> Vec<(&'static str, Value)> {
    vec![(KEY, on.as_str().into())]
}

/// It listens to what happens, in any group.
pub fn topic(_group: &GroupId, on: &Occasion) -> String {
    format!("on/{}", on.as_str())
}

/// It has no setting of its own.
pub fn of(_policy: &Sleeptime) -> Option<TriggerSpec> {
    None
}

/// What happened, to whom, and the depth of the run that did it.
struct Happened {
    on: Occasion,
    text: String,
    depth: u32,
    /// The group in which it happened; for mail, the recipient, who can be in several.
    to: Place,
}

enum Place {
    Group(GroupId),
    Agent(AgentId),
}

/// Fires when it happens in the trigger's group.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    let happened = match change {
        Change::RunMoved { id, to: RunState::Finished { stop_reason: StopReason::Error, error } } => {
            match rows.readable::<Run>(id.as_str())? {
                Some(run) => run_failed(rows, &run, error.as_deref())?,
                None => None,
            }
        }
        Change::JobMoved { id, to: JobState::Completed { outcome } } if *outcome != JobOutcome::NothingToDo => {
            match rows.readable::<Job>(id.as_str())? {
                Some(job) => job_completed(rows, &job)?,
                None => None,
            }
        }
        Change::CallPending(call) if call.kind == PendingKind::Approval => asked(rows, call)?,
        Change::MailSent(mail) if mail.kind != MailKind::Reply => mailed(rows, mail)?,
        _ => None,
    };
    let Some(Happened { on, text, depth, to }) = happened else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for trigger in rows.find::<Trigger>(&topic(&GroupId(String::new()), &on))? {
        let here = match &to {
            Place::Group(group) => trigger.group == *group,
            Place::Agent(agent) => has(rows, &trigger.group, agent)?,
        };
        if here {
            made.extend(fire(rows, &trigger, CauseKind::On { on, text: text.clone() }, depth)?);
        }
    }
    Ok(made)
}

fn run_failed<R: Rows>(rows: &mut R, run: &Run, error: Option<&str>) -> Result<Option<Happened>, R::Fault> {
    let (what, group) = match &run.kind {
        RunKind::Turn { group: Some(group), .. } => (format!("turn {}", run.turn), group),
        RunKind::Job { agent, group, .. } => (format!("a job of {}", name(rows, agent)?), group),
        _ => return Ok(None),
    };
    // The error of a failed speech says more than that of its turn.
    let inside = rows.find::<Run>(run.id.as_str())?.into_iter().rev().find_map(|speech| match speech.state {
        RunState::Finished { stop_reason: StopReason::Error, error } => error,
        _ => None,
    });
    let error = inside.unwrap_or_else(|| error.unwrap_or("it gave no reason").to_owned());
    let text = shortened(&format!("It failed: {what}. {error}"));
    Ok(Some(Happened { on: Occasion::RunFailed, text, depth: run.depth, to: Place::Group(group.clone()) }))
}

fn job_completed<R: Rows>(rows: &mut R, job: &Job) -> Result<Option<Happened>, R::Fault> {
    let Some(work) = job.agent_work() else { return Ok(None) };
    let edits = match job.edits {
        0 => "it changed nothing".to_owned(),
        1 => "it made 1 edit".to_owned(),
        edits => format!("it made {edits} edits"),
    };
    let text = format!("A job of {} completed; {edits}.", name(rows, &work.agent)?);
    Ok(Some(Happened { on: Occasion::JobCompleted, text, depth: job.depth, to: Place::Group(work.group.clone()) }))
}

fn asked<R: Rows>(rows: &mut R, call: &PendingCall) -> Result<Option<Happened>, R::Fault> {
    let Some(run) = rows.readable::<Run>(call.run.as_str())? else { return Ok(None) };
    let (Some(group), Some(agent)) = (run.group(), run.agent()) else { return Ok(None) };
    let text = format!("{} asks for approval of {}.", name(rows, agent)?, call.name);
    Ok(Some(Happened { on: Occasion::Approval, text, depth: run.depth, to: Place::Group(group.clone()) }))
}

fn mailed<R: Rows>(rows: &mut R, mail: &Mail) -> Result<Option<Happened>, R::Fault> {
    let Some(to) = &mail.to else { return Ok(None) };
    let from = match &mail.from {
        Some(agent) => name(rows, agent)?,
        None if mail.from_person.is_some() => "the user".to_owned(),
        None => "Nightdesk".to_owned(),
    };
    let text = shortened(&format!("Mail for {} from {from}: {}", name(rows, to)?, mail.text));
    let depth = mail.depth.saturating_sub(1);
    Ok(Some(Happened { on: Occasion::Mail, text, depth, to: Place::Agent(to.clone()) }))
}

/// True if the agent is in the group.
fn has<R: Rows>(rows: &mut R, group: &GroupId, agent: &AgentId) -> Result<bool, R::Fault> {
    Ok(rows.readable::<Group>(group.as_str())?.is_some_and(|group| group.agents().contains(&agent)))
}

fn name<R: Rows>(rows: &mut R, agent: &AgentId) -> Result<String, R::Fault> {
    Ok(rows.readable::<Agent>(agent.as_str())?.map_or_else(|| agent.to_string(), |agent| agent.name))
}

fn shortened(text: &str) -> String {
    excerpt::to_chars(text, LONGEST).into_owned()
}

/// `failed run`.
pub fn text(on: &Occasion, _text: &str) -> String {
    on.noun().to_owned()
}

/// What its job is told.
pub fn brought(_on: &Occasion, text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// `after a failed run`.
pub fn after(on: &Occasion, _text: &str) -> String {
    format!("after {}", schedule(on))
}

/// `a failed run`.
pub fn schedule(on: &Occasion) -> String {
    match on {
        Occasion::Mail => on.noun().to_owned(),
        on => format!("a {}", on.noun()),
    }
}

/// The same text in a sentence.
pub fn prose(on: &Occasion) -> String {
    schedule(on)
}
