//! `nightdesk event`: reports a named event to the triggers that listen to it.

use serde::Serialize;

use super::paths::Paths;
use super::print::{Out, note};
use super::roster::Roster;
use super::{CliError, Exit, input, unexpected};
use crate::domain::JobId;
use crate::domain::trigger::LONGEST_EVENT;
use crate::engine::protocol::{Reply, Request};

/// Arguments of `event`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the event, as in `event = "NAME"` of a `[[group.trigger]]`.
    name: String,
    /// Text for the agents, or - to read it from standard input.
    text: Option<String>,
    /// Report it to this group only.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    event: &'a str,
    jobs: &'a [JobId],
    why_not: &'a [String],
}

/// Reports an event.
///
/// # Errors
/// No trigger listens to it, the text cannot be read, or the engine refuses the request.
pub async fn event(places: &Paths, args: Args, out: &mut Out) -> Result<Exit, CliError> {
    let group = match &args.group {
        Some(name) => Some(Roster::read(&places.look()?).await?.group(name)?.id.clone()),
        None => None,
    };
    let text = match args.text {
        // A character has at most four bytes.
        Some(text) if text == "-" => input::text(LONGEST_EVENT * 4, |_| {
            Err(format!("the text of an event may have {LONGEST_EVENT} characters, and this one has more; shorten it"))
        })?
        .trim_end()
        .to_owned(),
        other => other.unwrap_or_default(),
    };
    let request = Request::ReportEvent { name: args.name.clone(), text, group };
    let (jobs, held) = match places.ask(request).await? {
        Reply::EventReported { jobs, held } => (jobs, held),
        other => return Err(unexpected(&other)),
    };
    if args.json {
        out.json(&Row { event: &args.name, jobs: &jobs, why_not: &held })?;
        return Ok(Exit::Done);
    }
    for job in &jobs {
        out.line(&job.to_string())?;
    }
    for why in &held {
        note(&format!("a trigger did not fire: {why}"));
    }
    Ok(Exit::Done)
}
