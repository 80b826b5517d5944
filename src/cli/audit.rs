//! `nightdesk audit`: who read, changed, asked for and decided what, from the log.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, unexpected};
use crate::domain::block::folded;
use crate::domain::{AgentId, Block, BlockId, BlockOwner, span};
use crate::engine::Handle;
use crate::engine::protocol::{AuditEntry, AuditFilter, AuditKind, AuditPage, Reply, Request};

/// Entries of a table without `--limit`.
const LISTED: usize = 100;
/// Entries that are asked for at once.
const PAGE: usize = 500;
/// The most characters of a reason or a value in a table.
const SHOWN: usize = 80;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what is about this block: LABEL, GROUP/LABEL, GROUP/AGENT/LABEL, or its id.
    #[arg(long, value_name = "BLOCK")]
    block: Option<String>,
    /// Only what this agent did, or what was done about it: NAME, GROUP/NAME, or its id.
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only what was done since: a time such as 2026-05-01T09:00:00Z, a day such as 2026-05-01, or a span such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only these kinds: read, call, edit, refusal, request, decision, access, block, group, agent, trigger.
    #[arg(long = "kind", value_name = "KIND", num_args = 1.., value_delimiter = ',', value_parser = kind)]
    kinds: Vec<AuditKind>,
    /// Only entries that say this, in their values and reasons, too; case does not matter.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Most entries, newest first; 100 in a table without this option, all otherwise.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Count the entries instead: who did how much of what, and with which blocks.
    #[arg(long)]
    summary: bool,
    /// Print a JSON object a line, with the values before and after; with --summary, one object.
    #[arg(long)]
    json: bool,
}

fn kind(text: &str) -> Result<AuditKind, String> {
    text.parse().map_err(|_| {
        let all: Vec<&str> = <AuditKind as strum::VariantArray>::VARIANTS.iter().map(|kind| kind.as_str()).collect();
        format!("use some of {}", all.join(", "))
    })
}

#[derive(Serialize)]
struct Row<'a> {
    n: u64,
    at: Timestamp,
    kind: &'static str,
    by: String,
    text: &'a str,
    blocks: Vec<Seen>,
    agent: Option<String>,
    run: Option<&'a crate::domain::RunId>,
    step: Option<&'a crate::domain::StepId>,
    before: Option<&'a str>,
    after: Option<&'a str>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Seen {
    id: BlockId,
    label: String,
    /// The version then; 0 where the entry is not about one.
    version: u64,
}

#[derive(Default, Serialize)]
struct Summary {
    entries: usize,
    /// Of each kind, by who did it.
    by: BTreeMap<String, BTreeMap<&'static str, usize>>,
    /// Of each kind, by block.
    blocks: BTreeMap<String, BTreeMap<&'static str, usize>>,
}

/// Prints the audit.
///
/// # Errors
/// A name or a time is unknown, or the store cannot be read.
pub async fn audit(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let roster = Roster::read(&handle).await?;
    let filter = AuditFilter {
        block: args.block.as_deref().map(|name| block(&roster, name)).transpose()?,
        agent: args.agent.as_deref().map(|name| agent(&roster, name)).transpose()?,
        kinds: args.kinds.clone(),
        since: args.since.as_deref().map(|text| since(text, Timestamp::now())).transpose()?,
        text: args.search.clone(),
    };
    let everything = args.summary || args.json;
    let limit = args.limit.unwrap_or(if everything { usize::MAX } else { LISTED });
    let mut summary = Summary::default();
    let mut listed: Vec<[String; 6]> = Vec::new();
    let more = each(&handle, &filter, limit, |entry| {
        let row = row(&roster, &entry);
        if args.summary {
            summary.add(&row);
        } else if args.json {
            out.json(&row)?;
        } else {
            listed.push(cells(&row));
        }
        Ok(())
    })
    .await?;
    if args.summary {
        return summary.print(args.json, out);
    }
    out.table(["CHANGE", "AT", "BY", "KIND", "WHAT", "WHY"], &listed)?;
    if let Some(before) = more.filter(|_| !args.json) {
        print::note(&format!("older entries, before change {before}: raise --limit"));
    }
    Ok(Exit::Done)
}

/// Passes at most `limit` entries on, newest first. Returns the change before which there are more, if there are.
async fn each(
    handle: &Handle,
    filter: &AuditFilter,
    limit: usize,
    mut take: impl FnMut(AuditEntry) -> Result<(), CliError>,
) -> Result<Option<u64>, CliError> {
    let (mut taken, mut before) = (0, None);
    loop {
        let request =
            Request::Audit { filter: Box::new(filter.clone()), before, limit: PAGE.min(limit - taken).max(1) };
        let AuditPage { entries, before: more } = match handle.ask(request).await? {
            Reply::Audit(page) => *page,
            other => return Err(unexpected(&other)),
        };
        taken += entries.len();
        entries.into_iter().try_for_each(&mut take)?;
        if more.is_none() || taken >= limit {
            return Ok(more);
        }
        before = more;
    }
}

fn row<'a>(roster: &Roster, entry: &'a AuditEntry) -> Row<'a> {
    let named = |id: &str| {
        let agent = roster.agents.iter().find(|agent| agent.id.as_str() == id);
        agent.map_or_else(|| id.to_owned(), |agent| roster.full_name(&agent.id))
    };
    let seen = |(id, version): &(BlockId, u64)| Seen { id: id.clone(), label: roster.label(id), version: *version };
    Row {
        n: entry.n,
        at: entry.at,
        kind: entry.kind.as_str(),
        by: named(&entry.by),
        text: &entry.text,
        blocks: entry.blocks.iter().map(seen).collect(),
        agent: entry.agent.as_ref().map(|id| named(id.as_str())),
        run: entry.run.as_ref(),
        step: entry.step.as_ref(),
        before: entry.before.as_deref(),
        after: entry.after.as_deref(),
        reason: entry.reason.as_deref(),
    }
}

fn cells(row: &Row<'_>) -> [String; 6] {
    let seen = |seen: &Seen| match seen.version {
        0 => seen.label.clone(),
        version => format!("{} v{version}", seen.label),
    };
    let blocks: Vec<String> = row.blocks.iter().map(seen).collect();
    let mut what = row.text.to_owned();
    let more = row.agent.iter().filter(|agent| **agent != row.by).cloned().chain(blocks);
    let more: Vec<String> = more.collect();
    if !more.is_empty() {
        what = format!("{what}: {}", more.join(", "));
    }
    if row.kind == AuditKind::Access.as_str() {
        what = format!("{what}: {} → {}", row.before.unwrap_or_default(), row.after.unwrap_or_default());
    }
    let why: String = row.reason.unwrap_or_default().chars().take(SHOWN).collect();
    [row.n.to_string(), format!("{:.0}", row.at), row.by.clone(), row.kind.to_owned(), what, why]
}

impl Summary {
    fn add(&mut self, row: &Row<'_>) {
        self.entries += 1;
        *self.by.entry(row.by.clone()).or_default().entry(row.kind).or_default() += 1;
        for seen in &row.blocks {
            *self.blocks.entry(seen.label.clone()).or_default().entry(row.kind).or_default() += 1;
        }
    }

    fn print(&self, json: bool, out: &mut Out) -> Result<Exit, CliError> {
        if json {
            out.json(self)?;
            return Ok(Exit::Done);
        }
        let counted = |of: &BTreeMap<String, BTreeMap<&'static str, usize>>| -> Vec<[String; 2]> {
            let told = |counts: &BTreeMap<&'static str, usize>| {
                counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
            };
            of.iter().map(|(name, counts)| [name.clone(), told(counts)]).collect()
        };
        out.table(["BY", "ENTRIES"], &counted(&self.by))?;
        if !self.blocks.is_empty() {
            out.line("")?;
            out.table(["BLOCK", "ENTRIES"], &counted(&self.blocks))?;
        }
        Ok(Exit::Done)
    }
}

/// Returns the agent with this name, or this id if it may be a deleted one's.
fn agent(roster: &Roster, name: &str) -> Result<AgentId, CliError> {
    match roster.agent(name) {
        Ok(agent) => Ok(agent.id.clone()),
        Err(_) if name.starts_with("agent-") => Ok(AgentId::from(name)),
        Err(unknown) => Err(unknown),
    }
}

/// Returns the block that is named so.
///
/// # Errors
/// There is no such block, or several.
pub(super) fn block(roster: &Roster, name: &str) -> Result<BlockId, CliError> {
    if name.starts_with("block-") {
        return Ok(BlockId::from(name));
    }
    let (of, label) = name.rsplit_once('/').map_or((None, name), |(of, label)| (Some(of), label));
    let owner = match of {
        Some(agent) if agent.contains('/') => Some(BlockOwner::Agent(roster.agent(agent)?.id.clone())),
        Some(group) => Some(BlockOwner::Group(roster.group(group)?.id.clone())),
        None => None,
    };
    let fits = |block: &&Block| {
        folded(&block.label) == folded(label) && owner.as_ref().is_none_or(|owner| block.owner == *owner)
    };
    let found: Vec<&Block> = roster.blocks.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(CliError::Message(format!("there is no block {name:?}; `nightdesk block list` names them"))),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|block| match &block.owner {
                    BlockOwner::Group(id) => format!("{}/{label}", roster.group_name(id)),
                    BlockOwner::Agent(id) => format!("{}/{label}", roster.full_name(id)),
                })
                .collect();
            Err(CliError::Message(format!("{name} is ambiguous; use one of {}", names.join(", "))))
        }
    }
}

/// Reads a time, a day in the zone of this machine, or how long ago.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>()
        && let Ok(start) = day.to_zoned(TimeZone::system())
    {
        return Ok(start.timestamp());
    }
    let ago = span::seconds(text).map_err(|_| {
        let text =
            format!("{text:?} is no time; use 2026-05-01T09:00:00Z, a day such as 2026-05-01, or a span such as 2h");
        CliError::Message(text)
    })?;
    Ok(now.saturating_sub(SignedDuration::from_secs(ago.into())).unwrap_or(Timestamp::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_time_a_day_or_a_span() {
        let now: Timestamp = "2026-05-02T09:00:00Z".parse().unwrap();
        assert_eq!(since("2h", now).unwrap().to_string(), "2026-05-02T07:00:00Z");
        assert_eq!(since("2026-05-01T09:00:00Z", now).unwrap().to_string(), "2026-05-01T09:00:00Z");
        assert!(since("2026-05-01", now).is_ok());
        assert!(since("yesterday", now).unwrap_err().to_string().contains("is no time"));
    }
}
