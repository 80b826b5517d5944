//! The command line: access to the engine without the screen.
//!
//! One file per subcommand. [`paths`] locates the files and opens the engine, [`roster`] maps names to ids and back,
//! [`mod@print`] writes text for people and JSON for programs. Results go to standard output; explanations and
//! errors go to standard error. A closed pipe is not an error.

pub mod agent;
pub mod apply;
pub mod audit;
pub mod backup;
pub mod block;
pub mod care;
pub mod completions;
pub mod deletion;
pub mod doctor;
pub mod erase;
pub mod event;
pub mod group;
pub mod inbox;
pub mod input;
pub mod job;
pub mod log;
pub mod mail;
pub mod man;
pub mod message;
pub mod paths;
pub mod print;
pub mod roster;
pub mod schema;
pub mod send;
pub mod setting;
pub mod today;
pub mod trigger;
pub mod undo;
mod work;
pub mod workbench;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::ConfigError;
use crate::engine::protocol::{Reply, RequestError};
use crate::engine::session::{LockHeldBy, OpenError};
use crate::team_file::TeamError;
use paths::Paths;
use print::Out;

/// A terminal workbench for groups of agents that keep thinking while you are away.
///
/// Without a command, opens the workbench.
#[derive(Debug, Parser)]
#[command(name = "nightdesk", version)]
pub struct Cli {
    /// Use this store instead of desk.db in the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Use this configuration instead of config.toml in the configuration directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    mouse: Mouse,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Whether the workbench takes the mouse.
#[derive(Debug, Default, clap::Args)]
struct Mouse {
    /// Take the mouse in the workbench, whatever the configuration says.
    #[arg(long, overrides_with = "no_mouse")]
    mouse: bool,
    /// Leave the mouse to the terminal, so that it selects text.
    #[arg(long, overrides_with = "mouse")]
    no_mouse: bool,
}

impl Mouse {
    /// Returns what was asked for, if anything.
    fn asked(&self) -> Option<bool> {
        (self.mouse || self.no_mouse).then_some(self.mouse)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create or update a group, its agents and its blocks from a team file.
    Apply(apply::Args),
    /// Send a message to a group or an agent and print the answer as it streams; jobs do not run.
    Send(send::Args),
    /// List the messages of a conversation.
    #[command(subcommand)]
    Message(message::Command),
    /// Run background jobs and unfinished turns and deliver mail, without a screen.
    Work(work::Args),
    /// List, show, create, change and delete groups.
    #[command(subcommand)]
    Group(group::Command),
    /// List, show, create, change and delete agents.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Take the last change of groups and agents back; without --yes, only print what that does.
    Undo(undo::Args),
    /// List, show, approve and deny the tool calls that wait for your decision.
    #[command(subcommand)]
    Inbox(inbox::Command),
    /// List, show, create, write and change memory blocks, and look into their history.
    #[command(subcommand)]
    Block(block::Command),
    /// List, show, cancel, retry, await, undo and clear background jobs.
    #[command(subcommand)]
    Job(job::Command),
    /// List what the program does for the store by itself, and do it now.
    #[command(subcommand)]
    Care(care::Command),
    /// List, show, fire, pause and resume what makes background jobs.
    #[command(subcommand)]
    Trigger(trigger::Command),
    /// Report an event to the background agents whose triggers listen to it; print their jobs.
    Event(event::Args),
    /// List, show, send and read mail.
    #[command(subcommand)]
    Mail(mail::Command),
    /// Print who read, changed, asked for and decided what, from the log.
    Audit(audit::Args),
    /// Copy the store to a file while programs work on it, and check the copy.
    Backup(backup::Args),
    /// Put a backup in the place of the store; the store as it was is kept beside it.
    Restore(backup::RestoreArgs),
    /// Take a text, or all versions of a block, out of the store and its backups for good.
    Erase(erase::Args),
    /// Print the JSON schema of team files, for completion and checks in an editor.
    Schema,
    /// Check the terminal, the configuration, the store and the models.
    Doctor(doctor::Args),
    /// Print the script that completes commands and names in a shell.
    Completions(completions::Args),
    /// Print the manual page, or write all pages to a directory.
    Man(man::Args),
}

/// The outcome of a command that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success: exit code 0.
    Done,
    /// A failure that has already been reported: exit code 1.
    Failed,
}

/// Why a command could not be carried out, as one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Any error without a variant of its own.
    #[error("{0}")]
    Message(String),
    /// Another process owns the store and does not accept connections.
    #[error(transparent)]
    Held(#[from] LockHeldBy),
    /// Writing to standard output failed.
    #[error("writing the output: {0}")]
    Output(#[from] std::io::Error),
}

macro_rules! said {
    ($($error:ty),*) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Message(error.to_string())
            }
        }
    )*};
}

said!(RequestError, ConfigError, TeamError);

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Held(held) => held.into(),
            OpenError::Silent(silent) => Self::Message(silent.to_string()),
            OpenError::Fault(fault) => fault.into(),
        }
    }
}

/// The error for a reply that does not fit its request: the owner of the store is another version of the program.
fn unexpected(reply: &Reply) -> CliError {
    tracing::error!(?reply, "unexpected reply");
    CliError::Message(
        "the program that owns the store sent an unexpected reply; it may be another version of nightdesk".into(),
    )
}

/// Carries out the command line and reports errors. Returns the exit code.
pub async fn run(cli: Cli) -> ExitCode {
    match Box::pin(carry_out(cli)).await {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::FAILURE,
        Err(failure) => fail(&failure),
    }
}

/// Prints the help that was asked for, or reports a command line that cannot be meant, which may hold anything. Returns the
/// exit code: 0, or 2.
#[must_use]
pub fn misused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        print::note(error.render().to_string().trim_end());
    } else if error.print().is_err() {
        // Its reader has left.
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Reports a failure on standard error and in the log. Returns the exit code 1.
#[must_use]
pub fn fail(failure: &CliError) -> ExitCode {
    tracing::error!("{failure}");
    print::note(&failure.to_string());
    ExitCode::FAILURE
}

async fn carry_out(cli: Cli) -> Result<Exit, CliError> {
    if cli.mouse.asked().is_some() && cli.command.is_some() {
        let text = "--mouse and --no-mouse apply to the workbench only; leave them out with a command";
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, text).exit();
    }
    let env = |name: &str| std::env::var(name).ok();
    let places = Paths::new(cli.store, cli.config, env)?;
    places.keep_log(env);
    let mut out = Out::standard();
    match cli.command {
        None => workbench::workbench(&places, cli.mouse.asked(), &mut out).await,
        Some(Command::Apply(args)) => apply::apply(&places, &args, &mut out).await,
        Some(Command::Send(args)) => send::send(&places, args, &mut out).await,
        Some(Command::Message(command)) => message::message(&places, &command, &mut out).await,
        Some(Command::Work(args)) => work::work(&places, &args, &mut out).await,
        Some(Command::Group(command)) => group::group(&places, command, &mut out).await,
        Some(Command::Agent(command)) => agent::agent(&places, command, &mut out).await,
        Some(Command::Undo(args)) => undo::undo(&places, &args, &mut out).await,
        Some(Command::Inbox(command)) => inbox::inbox(&places, &command, &mut out).await,
        Some(Command::Block(command)) => block::block(&places, command, &mut out).await,
        Some(Command::Job(command)) => job::job(&places, &command, &mut out).await,
        Some(Command::Care(command)) => care::care(&places, &command, &mut out).await,
        Some(Command::Trigger(command)) => trigger::trigger(&places, &command, &mut out).await,
        Some(Command::Event(args)) => event::event(&places, args, &mut out).await,
        Some(Command::Mail(command)) => mail::mail(&places, command, &mut out).await,
        Some(Command::Audit(args)) => audit::audit(&places, &args, &mut out).await,
        Some(Command::Backup(args)) => backup::backup(&places, &args, &mut out).await,
        Some(Command::Restore(args)) => backup::restore(&places, &args, &mut out).await,
        Some(Command::Erase(args)) => erase::erase(&places, &args, &mut out).await,
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
    fn every_command_line_can_be_built() {
        Cli::command().debug_assert();
    }

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
