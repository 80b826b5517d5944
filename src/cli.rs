//! The command line: the same engine without the screen.
//!
//! One file a subcommand. [`desk`] finds the files and gets at the engine, [`roster`] turns names into ids and
//! back, [`mod@print`] writes for people and for programs. What a command prints goes to standard output; what
//! explains it, and every fault, goes to standard error. A closed pipe is no fault.

pub mod agent;
pub mod apply;
pub mod block;
pub mod completions;
pub mod deletion;
pub mod desk;
pub mod doctor;
pub mod group;
pub mod inbox;
pub mod job;
pub mod mail;
pub mod man;
pub mod message;
pub mod print;
pub mod roster;
pub mod schema;
pub mod send;
pub mod setting;
pub mod work;
pub mod workbench;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::agentfile::team::TeamError;
use crate::config::ConfigError;
use crate::engine::session::{Held, OpenError};
use crate::engine::wire::{Fault, Reply};
use desk::Places;
use print::Out;

/// A terminal workbench for groups of agents that keep thinking while you are away.
///
/// Without a command it opens the workbench.
#[derive(Debug, Parser)]
#[command(name = "nightdesk", version)]
pub struct Cli {
    /// The store, instead of desk.db in the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The configuration, instead of config.toml in the configuration directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes or updates a group, its agents and its blocks from a team file.
    Apply(apply::Args),
    /// Says something to a group or to one agent and prints the answer as it comes. Runs no jobs.
    Send(send::Args),
    /// What was said.
    #[command(subcommand)]
    Message(message::Command),
    /// Runs background jobs without a screen.
    Work(work::Args),
    /// The groups.
    #[command(subcommand)]
    Group(group::Command),
    /// The agents.
    #[command(subcommand)]
    Agent(agent::Command),
    /// What waits for you: calls that agents may only make with your yes.
    #[command(subcommand)]
    Inbox(inbox::Command),
    /// The memory blocks.
    #[command(subcommand)]
    Block(block::Command),
    /// The background jobs.
    #[command(subcommand)]
    Job(job::Command),
    /// What agents write to each other and to you.
    #[command(subcommand)]
    Mail(mail::Command),
    /// Print the JSON schema of team files, for editors that complete and check them.
    Schema,
    /// Checks the terminal, the configuration, the store and the models.
    Doctor(doctor::Args),
    /// Print the script that completes commands and names in a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man(man::Args),
}

/// How a command ended that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked: 0.
    Done,
    /// Its outcome is a failure that has been told already: 1.
    Failed,
}

/// Why a command could not be carried out, as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The sentence.
    #[error("{0}")]
    Said(String),
    /// Another program owns the store and does not listen.
    #[error(transparent)]
    Held(#[from] Held),
    /// Standard output cannot be written.
    #[error("writing the output: {0}")]
    Output(#[from] std::io::Error),
}

macro_rules! said {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Said(error.to_string())
            }
        }
    )*};
}

said!(Fault, ConfigError, TeamError);

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Held(held) => held.into(),
            OpenError::Fault(fault) => fault.into(),
        }
    }
}

/// An answer that does not fit its question: the owner of the store is of another version.
fn unexpected(reply: &Reply) -> Failure {
    tracing::error!(?reply, "unexpected reply");
    Failure::Said(
        "the program that owns the store answered something else than was asked; is it as new as this one?".into(),
    )
}

/// Carries out what was asked, and tells what went wrong.
pub async fn run(cli: Cli) -> ExitCode {
    match carry_out(cli).await {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::FAILURE,
        Err(failure) => fail(&failure),
    }
}

/// Tells the sentence of a failure.
#[must_use]
pub fn fail(failure: &Failure) -> ExitCode {
    tracing::error!("{failure}");
    print::note(&failure.to_string());
    ExitCode::FAILURE
}

async fn carry_out(cli: Cli) -> Result<Exit, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let places = Places::new(cli.store, cli.config, env)?;
    places.keep_log(env);
    let mut out = Out::standard();
    match cli.command {
        None => workbench::workbench(&places).await,
        Some(Command::Apply(args)) => apply::apply(&places, &args, &mut out).await,
        Some(Command::Send(args)) => send::send(&places, args, &mut out).await,
        Some(Command::Message(command)) => message::message(&places, &command, &mut out).await,
        Some(Command::Work(args)) => work::work(&places, &args, &mut out).await,
        Some(Command::Group(command)) => group::group(&places, command, &mut out).await,
        Some(Command::Agent(command)) => agent::agent(&places, command, &mut out).await,
        Some(Command::Inbox(command)) => inbox::inbox(&places, &command, &mut out).await,
        Some(Command::Block(command)) => block::block(&places, command, &mut out).await,
        Some(Command::Job(command)) => job::job(&places, &command, &mut out).await,
        Some(Command::Mail(command)) => mail::mail(&places, command, &mut out).await,
        Some(Command::Schema) => schema::schema(&mut out),
        Some(Command::Doctor(args)) => doctor::doctor(&places, &args, &mut out).await,
        Some(Command::Completions(args)) => completions::completions(&args, &mut out),
        Some(Command::Man(args)) => man::man(&args, &mut out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_were_renamed_are_still_taken() {
        let same = |old: &[&str], new: &[&str]| {
            let parsed = |words: &[&str]| format!("{:?}", Cli::try_parse_from(words).unwrap());
            assert_eq!(parsed(old), parsed(new));
        };
        let set = ["nightdesk", "block", "set", "desk", "notes"];
        same(&[&set[..], &["--base", "4"]].concat(), &[&set[..], &["--expect-version", "4"]].concat());
        let approve = ["nightdesk", "inbox", "approve", "approval-1"];
        same(&[&approve[..], &["--for-run"]].concat(), &[&approve[..], &["--remember"]].concat());
    }
}
