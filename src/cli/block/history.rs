//! `nightdesk block history|diff|restore|blame`, and what an agent knew at a message.

use jiff::Timestamp;
use serde::Serialize;

use super::Which;
use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::roster::{Roster, conversation};
use crate::cli::{CliError, Exit, unexpected};
use crate::domain::text_edit::diff::unified;
use crate::domain::{Block, BlockOwner, ConversationOwner, JobId, Revision, RunId, StepId};
use crate::engine::Handle;
use crate::engine::protocol::{
    Blame, BlockRequest, Overview, Recipient, Reply, Request, RevisionCause, SeenBlocks, Timestamped,
};

/// Unchanged lines around each change of a difference.
const CONTEXT: usize = 3;

/// Arguments of `block history`.
#[derive(Debug, Clone, clap::Args)]
pub struct History {
    /// Block whose versions to list.
    #[command(flatten)]
    which: Which,
    /// Only versions below this one.
    #[arg(long, value_name = "VERSION")]
    before: Option<u64>,
    /// Most versions to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

/// Arguments of `block diff`.
#[derive(Debug, Clone, clap::Args)]
pub struct Diff {
    /// Block whose versions to compare.
    #[command(flatten)]
    which: Which,
    /// Older version; by default the one before the newer version.
    #[arg(long, value_name = "VERSION")]
    from: Option<u64>,
    /// Newer version; by default the newest.
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Arguments of `block restore`.
#[derive(Debug, Clone, clap::Args)]
pub struct Restore {
    /// Block to write.
    #[command(flatten)]
    which: Which,
    /// Version to restore.
    #[arg(long, value_name = "VERSION")]
    version: u64,
    /// Write only if this is the current version of the block.
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<u64>,
    /// Print the block as a JSON object.
    #[arg(long)]
    json: bool,
}

/// Arguments of `block blame`.
#[derive(Debug, Clone, clap::Args)]
pub struct BlameArgs {
    /// Block to look into.
    #[command(flatten)]
    which: Which,
    /// Version to look into; by default the newest.
    #[arg(long, value_name = "VERSION")]
    version: Option<u64>,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    version: u64,
    at: Timestamp,
    editor: &'a str,
    reason: &'a str,
    run: Option<&'a RunId>,
    step: Option<&'a StepId>,
    job: Option<&'a JobId>,
    /// The number of the message whose turn caused it, and whose conversation that is in.
    message: Option<u64>,
    conversation_of: Option<String>,
    length: usize,
}

/// Lists versions.
///
/// # Errors
/// A name is unknown, or the store cannot be read.
pub async fn history(places: &Paths, args: History, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let now = handle.overview().await?;
    let roster = Roster::of(&now);
    let block = super::find(now, &roster, &args.which)?;
    let mut found: Vec<Timestamped<Revision>> = Vec::new();
    let mut before = args.before;
    while found.len() < args.limit {
        let limit = args.limit - found.len();
        let page = revisions(&handle, Request::Revisions { block: block.id.clone(), before, limit }).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.what.version);
        found.extend(page);
    }
    let runs = found.iter().filter_map(|one| one.what.run.clone()).collect();
    let reply = handle.ask(Request::Block(Box::new(BlockRequest::Causes { runs }))).await?;
    let Reply::RevisionCauses { causes } = reply else { return Err(unexpected(&reply)) };
    let rows: Vec<Row<'_>> = found.iter().map(|one| row(&roster, one, &causes)).collect();
    if args.json {
        out.json(&rows)?;
        return Ok(Exit::Done);
    }
    let cells = |row: &Row<'_>| {
        let cause = match (row.job, row.message) {
            (Some(job), _) => job.to_string(),
            (None, Some(message)) => format!("{} {message}", row.conversation_of.as_deref().unwrap_or_default()),
            (None, None) => String::new(),
        };
        let (version, at) = (format!("v{}", row.version), format!("{:.0}", row.at));
        [version, at, row.editor.to_owned(), row.reason.to_owned(), row.length.to_string(), cause]
    };
    let rows: Vec<[String; 6]> = rows.iter().map(cells).collect();
    out.table(["VERSION", "AT", "EDITOR", "REASON", "LENGTH", "CAUSE"], &rows)?;
    if let Some(oldest) = found.last().filter(|oldest| oldest.what.version > 1) {
        print::note(&format!("older versions: --before {}", oldest.what.version));
    }
    Ok(Exit::Done)
}

fn row<'a>(roster: &Roster, one: &'a Timestamped<Revision>, causes: &'a [RevisionCause]) -> Row<'a> {
    let revision = &one.what;
    let cause = causes.iter().find(|cause| Some(&cause.run) == revision.run.as_ref());
    let of = |cause: &RevisionCause| match &cause.of {
        ConversationOwner::Group(id) => roster.group_name(id).to_owned(),
        ConversationOwner::Agent(id) => roster.full_name(id),
        ConversationOwner::Job(id) => id.to_string(),
    };
    Row {
        version: revision.version,
        at: one.at,
        editor: revision.editor.name(),
        reason: &revision.reason,
        run: revision.run.as_ref(),
        step: revision.step.as_ref(),
        job: revision.editor.job().or_else(|| cause.and_then(|cause| cause.job.as_ref())),
        message: cause.filter(|cause| cause.job.is_none()).map(|cause| cause.seq),
        conversation_of: cause.map(of),
        length: revision.value.chars().count(),
    }
}

async fn revisions(handle: &Handle, request: Request) -> Result<Vec<Timestamped<Revision>>, CliError> {
    match handle.ask(request).await? {
        Reply::Revisions { revisions } => Ok(revisions),
        other => Err(unexpected(&other)),
    }
}

/// One version of a block.
///
/// # Errors
/// There is no such version, or the store cannot be read.
pub(super) async fn version(handle: &Handle, block: &Block, version: u64) -> Result<Timestamped<Revision>, CliError> {
    let found = revisions(handle, Request::Revision { block: block.id.clone(), version }).await?;
    found.into_iter().next().ok_or_else(|| {
        let text = format!("{} has no version {version}; its versions go from 1 to {}", block.label, block.version);
        CliError::Message(text)
    })
}

#[derive(Serialize)]
struct Compared<'a> {
    label: &'a str,
    from: u64,
    to: u64,
    diff: &'a str,
}

/// Prints the difference of two versions.
///
/// # Errors
/// A name or version is unknown, or the store cannot be read.
pub async fn diff(places: &Paths, args: Diff, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let now = handle.overview().await?;
    let block = super::find(now.clone(), &Roster::of(&now), &args.which)?;
    let to = args.to.unwrap_or(block.version);
    let from = args.from.unwrap_or_else(|| to.saturating_sub(1));
    let new = version(&handle, &block, to).await?;
    let old = if from == 0 { String::new() } else { version(&handle, &block, from).await?.what.value };
    let names = [format!("{} v{from}", block.label), format!("{} v{to}", block.label)];
    let text = unified(&old, &new.what.value, [&names[0], &names[1]], CONTEXT);
    if args.json {
        out.json(&Compared { label: &block.label, from, to, diff: &text })?;
    } else if text.is_empty() {
        print::note(&format!("v{from} and v{to} of {} have the same lines", block.label));
    } else {
        out.line(text.trim_end())?;
    }
    Ok(Exit::Done)
}

/// Restores a version.
///
/// # Errors
/// A name is unknown, or the engine refuses it.
pub async fn restore(places: &Paths, args: Restore, out: &mut Out) -> Result<Exit, CliError> {
    let now = places.look()?.overview().await?;
    let roster = Roster::of(&now);
    let block = super::find(now, &roster, &args.which)?;
    let base = args.expect_version.unwrap_or(block.version);
    let request = BlockRequest::Restore { id: block.id, version: args.version, base };
    super::written(places, &roster, Request::Block(Box::new(request)), base, args.json, out).await
}

#[derive(Serialize)]
struct Blamed<'a> {
    line: usize,
    version: Option<u64>,
    at: Option<Timestamp>,
    editor: Option<&'a str>,
    reason: Option<&'a str>,
    text: &'a str,
}

/// Prints who wrote each line.
///
/// # Errors
/// A name or version is unknown, or the store cannot be read.
pub async fn blame(places: &Paths, args: BlameArgs, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let now = handle.overview().await?;
    let block = super::find(now.clone(), &Roster::of(&now), &args.which)?;
    let reply =
        handle.ask(Request::Block(Box::new(BlockRequest::Blame { id: block.id, version: args.version }))).await?;
    let Reply::Blame(blame) = reply else { return Err(unexpected(&reply)) };
    let lines: Vec<Blamed<'_>> = blame.lines.iter().enumerate().map(|(at, _)| line(&blame, at)).collect();
    if args.json {
        out.json(&lines)?;
        return Ok(Exit::Done);
    }
    let cells = |line: &Blamed<'_>| {
        let version = line.version.map_or_else(|| "older".to_owned(), |version| format!("v{version}"));
        let at = line.at.map(|at| format!("{at:.0}")).unwrap_or_default();
        [version, line.editor.unwrap_or_default().to_owned(), at, line.line.to_string(), line.text.to_owned()]
    };
    out.table(["VERSION", "EDITOR", "AT", "LINE", "TEXT"], &lines.iter().map(cells).collect::<Vec<_>>())?;
    if let Some(version) = blame.older_than {
        print::note(&format!("lines marked \"older\" were written before v{version}: see --version {version}"));
    }
    Ok(Exit::Done)
}

fn line(blame: &Blame, at: usize) -> Blamed<'_> {
    let line = &blame.lines[at];
    let writer = blame.writers.iter().find(|writer| Some(writer.version) == line.version);
    Blamed {
        line: at + 1,
        version: line.version,
        at: writer.map(|writer| writer.at),
        editor: writer.map(|writer| writer.editor.name()),
        reason: writer.map(|writer| writer.reason.as_str()),
        text: &line.text,
    }
}

/// Asks for the blocks that an agent knew at a message.
///
/// # Errors
/// There is no such message, or the store cannot be read.
pub(super) async fn seen(
    handle: &Handle,
    now: &Overview,
    of: &Recipient,
    seq: u64,
) -> Result<Box<SeenBlocks>, CliError> {
    let Some(talk) = conversation(now, of) else {
        return Err(CliError::Message("nothing was said there yet".to_owned()));
    };
    let request = BlockRequest::Seen { conversation: talk.id.clone(), seq };
    match handle.ask(Request::Block(Box::new(request))).await? {
        Reply::SeenBlocks(seen) => Ok(seen),
        other => Err(unexpected(&other)),
    }
}

/// The conversation in which the messages of a block's agents are: that of its group, or of its agent's home.
pub(super) fn home(roster: &Roster, block: &Block) -> Result<Recipient, CliError> {
    match &block.owner {
        BlockOwner::Group(id) => Ok(Recipient::Group(id.clone())),
        BlockOwner::Agent(id) => {
            let agent = roster.agents.iter().find(|agent| agent.id == *id);
            let agent = agent.ok_or_else(|| CliError::Message("the agent of the block cannot be read".to_owned()))?;
            Ok(Recipient::Group(agent.group.clone()))
        }
    }
}
