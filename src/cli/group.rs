//! `nightdesk group`: the groups.

mod edit;
mod show;

use super::deletion::{self, Deletion};
use super::desk::Places;
use super::print::{self, Out};
use super::roster::{Roster, conversation};
use super::{Exit, Failure, unexpected};
use crate::domain::{Group, GroupStatus};
use crate::engine::wire::{Address, Reply, Request};

/// What `group` is told.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All groups that are not archived.
    List {
        /// Archived ones, too.
        #[arg(long)]
        all: bool,
        /// One JSON array.
        #[arg(long)]
        json: bool,
    },
    /// One group.
    Show {
        /// Its name.
        group: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Makes a group, and the agents it names that do not exist yet.
    Create(Box<edit::Create>),
    /// Changes a group, also while it answers: what changes counts from the next speech.
    Update(Box<edit::Update>),
    /// Deletes a group with its agents and blocks; without --yes it only says what goes.
    Delete(Deletion),
    /// Says a word from outside for the turn that is on, which may end it.
    Signal {
        /// The group.
        group: String,
        /// The word, as the group's condition `external` has it.
        word: String,
    },
}

/// Lists, shows, makes, changes, deletes or signals.
pub async fn group(places: &Places, command: Command, out: &mut Out) -> Result<Exit, Failure> {
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
            deletion::delete(places, Address::Group(id), &which, out).await?;
        }
        Command::Signal { group, word } => signal(places, &group, word).await?,
    }
    Ok(Exit::Done)
}

fn list(roster: &Roster, all: bool, json: bool, out: &mut Out) -> Result<(), Failure> {
    let shown = |group: &&Group| all || group.status != GroupStatus::Archived;
    let groups: Vec<&Group> = roster.groups.iter().filter(shown).collect();
    let hidden = roster.groups.len() - groups.len();
    show::all(roster, &groups, json, out)?;
    if hidden > 0 && !json {
        print::note(&format!("{hidden} archived; --all lists what is archived, too"));
    }
    Ok(())
}

fn changed(reply: Reply) -> Result<Box<Group>, Failure> {
    match reply {
        Reply::Group(group) => Ok(group),
        other => Err(unexpected(&other)),
    }
}

async fn tell(places: &Places, group: &Group, json: bool, out: &mut Out) -> Result<(), Failure> {
    show::one(&Roster::read(&places.look()?).await?, group, json, out)
}

async fn signal(places: &Places, group: &str, word: String) -> Result<(), Failure> {
    let now = places.look()?.overview().await?;
    let id = Roster::of(&now).group(group)?.id.clone();
    let Some(talk) = conversation(&now, &Address::Group(id)) else {
        return Err(Failure::Said(format!("{group} has said nothing yet; there is no turn to end")));
    };
    match places.ask(Request::Signal { conversation: talk.id.clone(), word }).await? {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}
