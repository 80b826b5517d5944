//! Arguments of the subcommands of `block` that create and change blocks, and what they print.

use std::path::PathBuf;

use serde::Serialize;

use super::Which;
use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::roster::Roster;
use crate::cli::{CliError, Exit, input, unexpected};
use crate::domain::BlockId;
use crate::domain::block::DEFAULT_LIMIT;
use crate::engine::protocol::{BlockChange, BlockForm, BlockRequest, Recipient, Reply, Request};
use crate::text_file;

/// The most bytes of the text of a new block, from standard input or a file.
const MOST_BYTES: usize = 4 << 20;

/// Whether to change or only to list what would change, and how to print it.
#[derive(Debug, Clone, clap::Args)]
pub struct Trial {
    /// Only print whom this touches and how.
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// The same for what takes something from agents.
#[derive(Debug, Clone, clap::Args)]
pub struct Consent {
    /// Do it; without this option, only print whom it touches and how.
    #[arg(long)]
    yes: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Settings of a block.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// What the block is for; agents read it.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Longest text in characters.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Whether agents may only read it.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    read_only: Option<bool>,
    /// Whether its text goes to models on this machine only.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    local_only: Option<bool>,
    /// Free labels; none removes them all.
    #[arg(long, value_name = "LIST|none", num_args = 1.., value_delimiter = ',')]
    tags: Option<Vec<String>>,
}

impl Settings {
    fn form(self) -> BlockForm {
        let Self { description, limit, read_only, local_only, tags } = self;
        let tags = tags.map(|tags| if tags == ["none"] { Vec::new() } else { tags });
        BlockForm { description, limit, read_only, tags, local_only, ..BlockForm::default() }
    }
}

/// Arguments of `block create`.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// Group that shares the new block, and its label.
    #[command(flatten)]
    which: Which,
    /// Text of the block; - reads standard input.
    #[arg(long, value_name = "TEXT|-", conflicts_with = "text_file")]
    text: Option<String>,
    /// File with the text of the block.
    #[arg(long, value_name = "FILE")]
    text_file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    trial: Trial,
}

/// Arguments of `block configure`.
#[derive(Debug, Clone, clap::Args)]
pub struct Configure {
    /// Block to change.
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    trial: Trial,
}

/// Arguments of `block rename`.
#[derive(Debug, Clone, clap::Args)]
pub struct Rename {
    /// Block to rename.
    #[command(flatten)]
    which: Which,
    /// Its new label, for all that have it.
    #[arg(long, value_name = "NEW")]
    to: String,
    #[command(flatten)]
    consent: Consent,
}

/// A group or an agent that gets or loses a block.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct To {
    /// A group, with its present and future agents.
    #[arg(long, value_name = "GROUP")]
    to_group: Option<String>,
    /// One agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "AGENT")]
    to_agent: Option<String>,
}

/// The same, as it is written for what is taken.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct From {
    /// A group, with all agents that have the block through it only.
    #[arg(long, value_name = "GROUP")]
    from_group: Option<String>,
    /// One agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "AGENT")]
    from_agent: Option<String>,
}

/// Arguments of `block attach`.
#[derive(Debug, Clone, clap::Args)]
pub struct Attach {
    /// Block to attach.
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    trial: Trial,
}

/// Arguments of `block detach`.
#[derive(Debug, Clone, clap::Args)]
pub struct Detach {
    /// Block to detach.
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    consent: Consent,
}

/// Arguments of `block delete`.
#[derive(Debug, Clone, clap::Args)]
pub struct Delete {
    /// Block to delete.
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Serialize)]
struct Told<'a> {
    done: bool,
    lines: &'a [String],
    id: Option<&'a BlockId>,
    label: Option<&'a str>,
    version: Option<u64>,
}

/// Creates a block.
///
/// # Errors
/// A name is unknown, the text cannot be read, or the engine refuses the block.
pub async fn create(places: &Paths, args: Create, out: &mut Out) -> Result<Exit, CliError> {
    let Create { which, text, text_file, settings, trial } = args;
    let roster = Roster::read(&places.look()?).await?;
    let (owner, label) = which.owner(&roster)?;
    let limit = settings.limit.unwrap_or(DEFAULT_LIMIT);
    let too_long = |_| Err(format!("the text has more than the {limit} characters that the block holds; see --limit"));
    let most = (limit as usize).saturating_mul(4).min(MOST_BYTES);
    let value = match (text, text_file) {
        (Some(dash), _) if dash == "-" => Some(input::text(most, too_long)?),
        (_, Some(file)) => Some(text_file::read(&file, most as u64).map_err(|error| {
            CliError::Message(format!("the text of the block cannot be read from {}: {error}", file.display()))
        })?),
        (text, None) => text,
    };
    let value = value.map(|value| value.strip_suffix('\n').map(str::to_owned).unwrap_or(value));
    let form = BlockForm { label: Some(label), value, ..settings.form() };
    tell(places, BlockRequest::Create { owner, form, really: !trial.dry_run }, ("dry run", trial.json), out).await
}

/// Changes the settings of a block.
///
/// # Errors
/// A name is unknown, nothing is to be changed, or the engine refuses it.
pub async fn configure(places: &Paths, args: Configure, out: &mut Out) -> Result<Exit, CliError> {
    let form = args.settings.form();
    if form == BlockForm::default() {
        let text = "say what to change: --description, --limit, --read-only, --local-only or --tags";
        return Err(CliError::Message(text.to_owned()));
    }
    let change = BlockChange::Configure { form };
    changed(places, &args.which, |_| Ok(change), Mode::trial(&args.trial), out).await
}

/// Renames a block.
///
/// # Errors
/// A name is unknown, or the engine refuses the label.
pub async fn rename(places: &Paths, args: Rename, out: &mut Out) -> Result<Exit, CliError> {
    let change = BlockChange::Configure { form: BlockForm { label: Some(args.to), ..BlockForm::default() } };
    changed(places, &args.which, |_| Ok(change), Mode::consent(&args.consent, "rename"), out).await
}

/// Attaches a block to a group or an agent.
///
/// # Errors
/// A name is unknown, or the engine refuses it.
pub async fn attach(places: &Paths, args: Attach, out: &mut Out) -> Result<Exit, CliError> {
    let To { to_group: group, to_agent: agent } = args.to;
    let change = |roster: &Roster| Ok(BlockChange::Attach { to: whom(roster, group.as_deref(), agent.as_deref())? });
    changed(places, &args.which, change, Mode::trial(&args.trial), out).await
}

/// Detaches a block from a group or an agent.
///
/// # Errors
/// A name is unknown, or the engine refuses it.
pub async fn detach(places: &Paths, args: Detach, out: &mut Out) -> Result<Exit, CliError> {
    let From { from_group: group, from_agent: agent } = args.from;
    let change = |roster: &Roster| Ok(BlockChange::Detach { from: whom(roster, group.as_deref(), agent.as_deref())? });
    changed(places, &args.which, change, Mode::consent(&args.consent, "detach"), out).await
}

/// Deletes a block.
///
/// # Errors
/// A name is unknown, or the engine refuses it.
pub async fn delete(places: &Paths, args: Delete, out: &mut Out) -> Result<Exit, CliError> {
    changed(places, &args.which, |_| Ok(BlockChange::Delete), Mode::consent(&args.consent, "delete"), out).await
}

fn whom(roster: &Roster, group: Option<&str>, agent: Option<&str>) -> Result<Recipient, CliError> {
    match (group, agent) {
        (Some(group), _) => Ok(Recipient::Group(roster.group(group)?.id.clone())),
        (None, agent) => Ok(Recipient::Agent(roster.agent(agent.unwrap_or_default())?.id.clone())),
    }
}

/// Whether a change is made, and how it is told.
pub(super) struct Mode {
    really: bool,
    /// What to say if it was not made.
    otherwise: String,
    json: bool,
}

impl Mode {
    pub(super) fn trial(trial: &Trial) -> Self {
        Self { really: !trial.dry_run, otherwise: "dry run".to_owned(), json: trial.json }
    }

    fn consent(consent: &Consent, verb: &str) -> Self {
        let otherwise = format!("nothing was changed; add --yes to {verb}");
        Self { really: consent.yes, otherwise, json: consent.json }
    }
}

/// Asks for the change of a block and prints whom it touches.
///
/// # Errors
/// A name is unknown, or the engine refuses the change.
pub(super) async fn changed(
    places: &Paths,
    which: &Which,
    change: impl FnOnce(&Roster) -> Result<BlockChange, CliError>,
    mode: Mode,
    out: &mut Out,
) -> Result<Exit, CliError> {
    let now = places.look()?.overview().await?;
    let roster = Roster::of(&now);
    let change = change(&roster)?;
    let id = super::find(now, &roster, which)?.id;
    let Mode { really, otherwise, json } = mode;
    tell(places, BlockRequest::Change { id, change, really }, (&otherwise, json), out).await
}

async fn tell(
    places: &Paths,
    request: BlockRequest,
    (otherwise, json): (&str, bool),
    out: &mut Out,
) -> Result<Exit, CliError> {
    let reply = places.ask(Request::Block(Box::new(request))).await?;
    let Reply::BlockChanged { lines, done, block } = reply else { return Err(unexpected(&reply)) };
    if json {
        let block = block.as_deref();
        out.json(&Told {
            done,
            lines: &lines,
            id: block.map(|block| &block.id),
            label: block.map(|block| block.label.as_str()),
            version: block.map(|block| block.version),
        })?;
        return Ok(Exit::Done);
    }
    for line in &lines {
        out.line(line)?;
    }
    if !done {
        print::note(otherwise);
    }
    Ok(Exit::Done)
}
