//! `nightdesk job clear`.

use serde::Serialize;

use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::{CliError, Exit, unexpected};
use crate::domain::span;
use crate::engine::protocol::{Expired, Reply, Request};

/// Arguments of `job clear`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove what jobs left that ended so long ago, a day at least: 7d, 36h. Without it, as long ago as the configuration
    /// keeps them.
    #[arg(long, value_name = "TIME", value_parser = span::days)]
    older_than: Option<u32>,
    /// Remove what failed and cancelled jobs left, too, and mail between agents that is over.
    #[arg(long)]
    failed: bool,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Cleared {
    jobs: u64,
    records: u64,
    bytes: u64,
    mails: u64,
    removed: bool,
}

/// Removes the runs, steps and notes of jobs that ended long ago. Blocks and conversations stay as they are.
pub(super) async fn clear(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let keep = places.configuration()?.care;
    let completed = Some(args.older_than.unwrap_or(keep.keep_completed));
    let others = args.failed.then(|| args.older_than.unwrap_or(keep.keep_failed));
    let reply = if args.dry_run {
        places.look()?.ask(Request::Expired { completed, others }).await?
    } else {
        places.look()?;
        places.ask(Request::ClearJobs { completed, others }).await?
    };
    let Reply::Expired(Expired { jobs, records, bytes, mails }) = reply else { return Err(unexpected(&reply)) };
    if args.json {
        out.json(&Cleared { jobs, records, bytes, mails, removed: !args.dry_run })?;
        return Ok(Exit::Done);
    }
    let count = if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") };
    let (size, done) = (print::size(bytes), if args.dry_run { "would go" } else { "removed" });
    let mails = if mails == 0 { String::new() } else { format!(", {mails} mails between agents") };
    out.line(&format!("{count} with {records} messages and steps, {size}{mails}: {done}"))?;
    Ok(Exit::Done)
}
