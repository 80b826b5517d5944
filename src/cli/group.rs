//! `nightdesk group`: lists, shows, creates, changes, deletes and signals groups.

mod edit;
mod show;

use super::deletion::{self, Deletion};
use super::paths::Paths;
use super::print::{self, Out};
use super::roster::{Roster, conversation};
use super::{CliError, Exit, unexpected};
use crate::domain::{Group, GroupStatus};
use crate::engine::protocol::{Recipient, Reply, Request};

/// Subcommands of `group`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List groups.
    List {
        /// Include archived groups.
        #[arg(long)]
        all: bool,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show a group.
    Show {
        /// Name of the group.
        group: String,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Create a group and the named agents that do not exist.
    Create(Box<edit::Create>),
    /// Change a group; a running turn uses the change from its next speech.
    Update(Box<edit::Update>),
    /// Delete a group with its agents and blocks; without --yes, only print what would be deleted.
    #[command(mut_arg("name", |arg| arg.help("Name of the group")))]
    Delete(Deletion),
    /// Send an external signal to the running turn; a matching `external` condition ends it.
    Signal {
        /// Name of the group.
        group: String,
        /// Word to match against the `external` conditions of the group.
        word: String,
    },
}

/// Runs a subcommand of `group`.
///
/// # Errors
/// A name is unknown, or the engine refuses the request.
pub async fn group(places: &Paths, command: Command, out: &mut Out) -> Result<Exit, CliError> {
    match command {
        Command::List { all, json } => list(&Roster::read(&places.look()?).await?, all, json, out)?,
        Command::Show { group, json } => {
            let roster = Roster::read(&places.look()?).await?;
            show::one(&roster, roster.group(&group)?, json, out)?;
        }
        Command::Create(create) => {
            let json = create.json;
            let made = changed(places.ask(Request::CreateGroup { form: Box::new(create.form()) }).await?)?;
            tell(places, &made, json, out).await?;
        }
        Command::Update(update) => {
            let id = Roster::read(&places.look()?).await?.group(&update.name)?.id.clone();
            let (json, form) = (update.json, Box::new(update.form()));
            let made = changed(places.ask(Request::UpdateGroup { id, form }).await?)?;
            tell(places, &made, json, out).await?;
        }
        Command::Delete(which) => {
            let id = Roster::read(&places.look()?).await?.group(&which.name)?.id.clone();
            deletion::delete(places, Recipient::Group(id), &which, out).await?;
        }
        Command::Signal { group, word } => signal(places, &group, word).await?,
    }
    Ok(Exit::Done)
}

fn list(roster: &Roster, all: bool, json: bool, out: &mut Out) -> Result<(), CliError> {
    let shown = |group: &&Group| all || group.status != GroupStatus::Archived;
    let groups: Vec<&Group> = roster.groups.iter().filter(shown).collect();
    let hidden = roster.groups.len() - groups.len();
    show::all(roster, &groups, json, out)?;
    if hidden > 0 && !json {
        print::note(&format!("{hidden} archived; add --all to list them"));
    }
    Ok(())
}

fn changed(reply: Reply) -> Result<Box<Group>, CliError> {
    match reply {
        Reply::Group(group) => Ok(group),
        other => Err(unexpected(&other)),
    }
}

async fn tell(places: &Paths, group: &Group, json: bool, out: &mut Out) -> Result<(), CliError> {
    show::one(&Roster::read(&places.look()?).await?, group, json, out)
}

async fn signal(places: &Paths, group: &str, word: String) -> Result<(), CliError> {
    let now = places.look()?.overview().await?;
    let id = Roster::of(&now).group(group)?.id.clone();
    let Some(talk) = conversation(&now, &Recipient::Group(id)) else {
        return Err(CliError::Message(format!("{group} has no conversation yet; there is no turn to signal")));
    };
    match places.ask(Request::Signal { conversation: talk.id.clone(), word }).await? {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}
