//! `nightdesk inbox`: lists, shows, approves and denies the tool calls that wait for a person.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, unexpected};
use crate::domain::state::Kind;
use crate::domain::{PendingCall, PendingKind, Run, RunId};
use crate::engine::Scope;
use crate::engine::protocol::{Overview, Reply, Request};

/// Longest call in the list, in characters. `show` prints the whole call.
const CALL_WIDTH: usize = 72;

/// Subcommands of `inbox`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the calls that wait for your decision, oldest first.
    List {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show a waiting call with its complete arguments.
    Show {
        /// Id of the call, or a unique prefix.
        id: String,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Approve a call, so that it runs.
    Approve {
        /// Id of the call, or a unique prefix.
        id: String,
        /// Also approve all further calls of this tool in this run.
        #[arg(long, alias = "for-run")]
        remember: bool,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Deny a call and inform the agent.
    Deny {
        /// Id of the call, or a unique prefix.
        id: String,
        /// Give the agent a reason.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Row {
    id: String,
    kind: PendingKind,
    agent: String,
    group: Option<String>,
    run: RunId,
    tool: String,
    arguments: Value,
    created_at: Timestamp,
    #[serde(skip)]
    call: PendingCall,
}

#[derive(Serialize)]
struct Decided<'a> {
    #[serde(flatten)]
    row: &'a Row,
    decision: &'static str,
    for_run: bool,
    reason: &'a str,
}

/// Runs a subcommand of `inbox`.
///
/// # Errors
/// The id is unknown or ambiguous, or the engine refuses the decision.
pub async fn inbox(places: &Paths, command: &Command, out: &mut Out) -> Result<Exit, CliError> {
    let now = places.look()?.overview().await?;
    if matches!(command, Command::List { .. }) {
        print::unreadable(now.faults.iter().filter(|fault| matches!(fault.kind, Kind::Run | Kind::Call)));
    }
    let rows = rows(now);
    match command {
        Command::List { json: true } => out.json(&rows)?,
        Command::List { json: false } => list(&rows, out)?,
        Command::Show { id, json: true } => out.json(find(&rows, id)?)?,
        Command::Show { id, json: false } => show(find(&rows, id)?, out)?,
        Command::Approve { id, remember, json } => {
            decide(places, find(&rows, id)?, Answer::Yes { for_run: *remember }, *json, out).await?;
        }
        Command::Deny { id, reason, json } => {
            let answer = Answer::No { reason: reason.as_deref().unwrap_or_default() };
            decide(places, find(&rows, id)?, answer, *json, out).await?;
        }
    }
    Ok(Exit::Done)
}

fn rows(now: Overview) -> Vec<Row> {
    let roster = Roster::of(&now);
    let mut rows = Vec::new();
    for call in now.calls {
        if call.kind != PendingKind::Approval {
            continue;
        }
        let run = now.runs.iter().find(|run| run.id == call.run);
        let agent = run.and_then(Run::agent);
        let group = run.and_then(Run::group).map(|group| roster.group_name(group).to_owned());
        rows.push(Row {
            id: call.inbox_id(),
            kind: call.kind,
            agent: agent.map_or_else(String::new, |agent| roster.name(agent).to_owned()),
            group,
            run: call.run.clone(),
            tool: call.name.clone(),
            arguments: call.arguments.clone(),
            created_at: call.since,
            call,
        });
    }
    rows
}

/// Returns the row whose id starts with `id`, with or without the prefix `approval-`.
fn find<'a>(rows: &'a [Row], id: &str) -> Result<&'a Row, CliError> {
    if let Some(whole) = rows.iter().find(|row| row.id == id) {
        return Ok(whole);
    }
    let bare = id.strip_prefix("approval-").unwrap_or(id);
    let begins = |row: &&Row| !bare.is_empty() && row.id.trim_start_matches("approval-").starts_with(bare);
    match rows.iter().filter(begins).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => Err(CliError::Message(format!(
            "no call {id} waits for you; `nightdesk inbox list` shows the waiting calls"
        ))),
        several => Err(CliError::Message(format!("{} ids start with {id}; write more of the id", several.len()))),
    }
}

fn list(rows: &[Row], out: &mut Out) -> Result<(), CliError> {
    let cells = |row: &Row| {
        let short = row.id.get(.."approval-".len() + 8).unwrap_or(&row.id).to_owned();
        let group = row.group.clone().unwrap_or_default();
        [short, row.agent.clone(), group, cut(&call(row)), format!("{:.0}", row.created_at)]
    };
    out.table(["ID", "AGENT", "GROUP", "WOULD CALL", "SINCE"], &rows.iter().map(cells).collect::<Vec<_>>())?;
    if rows.is_empty() {
        print::note("nothing waits for you");
    }
    Ok(())
}

fn show(row: &Row, out: &mut Out) -> Result<(), CliError> {
    let arguments = serde_json::to_string_pretty(&row.arguments).unwrap_or_else(|_| row.arguments.to_string());
    out.card(&[
        ("id", row.id.clone()),
        ("agent", row.agent.clone()),
        ("group", row.group.clone().unwrap_or_default()),
        ("run", row.run.to_string()),
        ("tool", row.tool.clone()),
        ("arguments", arguments),
        ("since", format!("{:.0}", row.created_at)),
    ])?;
    Ok(())
}

enum Answer<'a> {
    Yes { for_run: bool },
    No { reason: &'a str },
}

async fn decide(places: &Paths, row: &Row, answer: Answer<'_>, json: bool, out: &mut Out) -> Result<(), CliError> {
    let (approve, for_run, reason) = match answer {
        Answer::Yes { for_run } => (true, for_run, ""),
        Answer::No { reason } => (false, false, reason),
    };
    let desk = places.open(places.options(false, Scope::Nobody), false).await?;
    let (step, ordinal) = (row.call.step.clone(), row.call.ordinal);
    let asked = Request::Decide { step, ordinal, approve, for_run, reason: reason.to_owned() };
    let reply = desk.handle().ask(asked).await;
    let elsewhere = desk.owner_elsewhere().map(|held| held.pid);
    desk.close().await;
    match reply? {
        Reply::Done => {}
        other => return Err(unexpected(&other)),
    }
    let (decision, may) = if approve { ("approved", "may") } else { ("denied", "may not") };
    if json {
        out.json(&Decided { row, decision, for_run, reason })?;
        return Ok(());
    }
    let scope = if for_run { ", and so may all further calls of this tool in the run" } else { "" };
    out.line(&format!("{decision}: {} {may} call {}{scope}", row.agent, call(row)))?;
    print::note(&match elsewhere {
        Some(pid) => format!("the program that owns the store (process {pid}) continues the run"),
        None => "the workbench or `nightdesk work` continues the run".to_owned(),
    });
    Ok(())
}

fn call(row: &Row) -> String {
    format!("{} {}", row.tool, row.arguments)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CALL_WIDTH) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
