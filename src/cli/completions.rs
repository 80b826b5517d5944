//! `nightdesk completions`: completes commands, options and names in a shell.
//!
//! The script that a shell loads calls the program for every completion, with [`VARIABLE`] set. The value name of an
//! argument (`GROUP`, `AGENT`, `LABEL`, `ID`) selects the rows of the store that complete it, so a new argument needs
//! no code here. The store is only read; without a readable store there are no names.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use super::paths::Paths;
use super::print::Out;
use super::{Cli, CliError, Exit};
use crate::domain::{Agent, Block, BlockOwner, Job, Mail, PendingKind};
use crate::engine::protocol::Overview;
use crate::tui::text::clean::clean_line;

/// Environment variable that makes the program complete instead of run. Its value is the name of the shell.
const VARIABLE: &str = "NIGHTDESK_COMPLETE";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell to complete in.
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish", "elvish"])]
    shell: String,
}

/// Prints the script that a shell loads.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell);
    let shell = shell.ok_or_else(|| CliError::Message(format!("there is no script for {}", args.shell)))?;
    let name = Cli::command().get_name().to_owned();
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, &name, &name, &program(&name), &mut script)?;
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Returns the command with which the shell calls the program: an absolute path if the program was called by a path,
/// so that the script works in any directory, otherwise `name`.
fn program(name: &str) -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called.components().count() <= 1 {
        return name.to_owned();
    }
    std::path::absolute(&called).unwrap_or(called).display().to_string()
}

/// Prints completions if a shell asks for them. Returns whether it did. Must run before anything is printed.
///
/// # Errors
/// The shell is unknown or its request is malformed.
pub fn answer_shell() -> Result<bool, clap::Error> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let typed = Typed::new(words.iter().skip_while(|word| *word != "--").skip(1).cloned().collect());
    let current_dir = std::env::current_dir().ok();
    CompleteEnv::with_factory(|| command(&typed)).var(VARIABLE).try_complete(words, current_dir.as_deref())
}

/// Returns the command line with completers for all arguments that name rows of the store.
fn command(typed: &Typed) -> Command {
    with_lookups(Cli::command(), &[], typed)
}

fn with_lookups(command: Command, path: &[&str], typed: &Typed) -> Command {
    let command = command.mut_args(|arg| match Noun::of(path, &arg) {
        Some(noun) => {
            let typed = typed.clone();
            arg.add(ArgValueCompleter::new(move |current: &OsStr| {
                candidates(noun, &typed, current.to_str().unwrap_or_default()).unwrap_or_default()
            }))
        }
        None => arg,
    });
    command.mut_subcommands(|sub| {
        let name = sub.get_name().to_owned();
        with_lookups(sub, &[path, &[name.as_str()]].concat(), typed)
    })
}

/// The kind of row that an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noun {
    Group,
    Agent,
    Label,
    /// A group; with `--agent`, the label of a block.
    GroupOrLabel,
    Job,
    Approval,
    Mail,
    Trigger,
}

impl Noun {
    fn of(path: &[&str], arg: &Arg) -> Option<Self> {
        let value = arg.get_value_names()?.first()?.as_str();
        match (path, value) {
            (["block", sub, ..], "GROUP") if *sub != "list" && arg.is_positional() => Some(Self::GroupOrLabel),
            (_, "GROUP") => Some(Self::Group),
            (_, "LABEL") => Some(Self::Label),
            (_, "AGENT") => Some(Self::Agent),
            (_, "NAME") if arg.get_long() == Some("agent") => Some(Self::Agent),
            (["group", "update" | "delete"], "NAME") if arg.is_positional() => Some(Self::Group),
            (["agent", "update" | "delete"], "NAME") if arg.is_positional() => Some(Self::Agent),
            (["job", ..], "ID") => Some(Self::Job),
            (["trigger", ..], "ID") => Some(Self::Trigger),
            (["inbox", ..], "ID") => Some(Self::Approval),
            (["mail", ..], "ID") => Some(Self::Mail),
            _ => None,
        }
    }
}

/// The words of the line to complete.
#[derive(Debug, Clone)]
struct Typed(Vec<String>);

impl Typed {
    /// Drops `=`, because bash passes `--store=FILE` as three words.
    fn new(words: Vec<OsString>) -> Self {
        let text = words.into_iter().filter_map(|word| word.into_string().ok());
        Self(text.filter(|word| word != "=").collect())
    }

    fn value(&self, option: &str) -> Option<String> {
        let at = self.0.iter().position(|word| word.split('=').next() == Some(option))?;
        match self.0[at].split_once('=') {
            Some((_, value)) => Some(value.to_owned()),
            None => self.0.get(at + 1).cloned(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }
}

/// Returns the names in the store that fit this argument. `None` if the store cannot be read.
fn candidates(noun: Noun, typed: &Typed, current: &str) -> Option<Vec<CompletionCandidate>> {
    let file = |option: &str| typed.value(option).map(PathBuf::from);
    let places = Paths::new(file("--store"), file("--config"), |name| std::env::var(name).ok()).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let now = runtime.block_on(read(&places)).ok()?;
    let fits = |(name, about): (String, String)| {
        name.starts_with(current)
            .then(|| CompletionCandidate::new(name).help(Some(clean_line(&about).into_owned().into())))
    };
    Some(Names(&now).of(noun, typed, current.contains('/')).into_iter().filter_map(fits).collect())
}

/// Reads all rows with names. Unreadable rows are left out.
async fn read(places: &Paths) -> Result<Overview, CliError> {
    Ok(places.look()?.overview().await?)
}

/// The names in an overview, each with its description.
struct Names<'a>(&'a Overview);

impl Names<'_> {
    fn of(&self, noun: Noun, typed: &Typed, whole: bool) -> Vec<(String, String)> {
        match noun {
            Noun::GroupOrLabel if typed.value("--agent").is_none() => self.groups(),
            Noun::Group => self.groups(),
            Noun::Agent => self.agents(whole),
            Noun::Label | Noun::GroupOrLabel => self.labels(typed),
            Noun::Job => self.0.jobs.iter().map(|job| (job.id.to_string(), self.job(job))).collect(),
            Noun::Trigger => {
                self.0.triggers.iter().map(|trigger| (trigger.id.to_string(), trigger.spec.when.schedule())).collect()
            }
            Noun::Approval => self.approvals(),
            Noun::Mail => self.0.mails.iter().map(|mail| (mail.id.to_string(), about_mail(mail))).collect(),
        }
    }

    fn groups(&self) -> Vec<(String, String)> {
        self.0.groups.iter().map(|group| (group.name.clone(), group.description.clone())).collect()
    }

    /// Returns short names where they are unique, otherwise `group/name`. With `whole`, always `group/name`.
    fn agents(&self, whole: bool) -> Vec<(String, String)> {
        let name = |agent: &Agent| {
            let alone = self.0.agents.iter().filter(|other| other.name == agent.name).count() == 1;
            let name = if alone && !whole { agent.name.clone() } else { self.full_name(agent) };
            (name, agent.description.clone())
        };
        self.0.agents.iter().map(name).collect()
    }

    fn full_name(&self, agent: &Agent) -> String {
        let home = self.0.groups.iter().find(|group| group.id == agent.group);
        home.map_or_else(|| agent.name.clone(), |group| format!("{}/{}", group.name, agent.name))
    }

    fn job(&self, job: &Job) -> String {
        let agent = || self.0.agents.iter().find(|agent| job.agent() == Some(&agent.id));
        let worker = match job.care() {
            Some(task) => task.noun().to_owned(),
            None => agent().map_or_else(String::new, |agent| self.full_name(agent)),
        };
        format!("{worker}, {}", job.state.shown())
    }

    fn approvals(&self) -> Vec<(String, String)> {
        let waiting = self.0.calls.iter().filter(|call| call.kind == PendingKind::Approval);
        waiting.map(|call| (call.inbox_id(), format!("{} {}", call.name, call.arguments))).collect()
    }

    /// Returns the labels of the blocks that belong to the agent or the group on the line.
    fn labels(&self, typed: &Typed) -> Vec<(String, String)> {
        let agent = typed.value("--agent");
        let is = |agent: &Agent, name: &str| agent.name == name || self.full_name(agent) == name;
        let belongs = |block: &&Block| match (&block.owner, &agent) {
            (BlockOwner::Agent(id), Some(name)) => self.0.agents.iter().any(|it| it.id == *id && is(it, name)),
            (BlockOwner::Group(id), None) => {
                self.0.groups.iter().any(|group| group.id == *id && typed.has(&group.name))
            }
            _ => false,
        };
        let blocks = self.0.blocks.iter().filter(belongs);
        blocks.map(|block| (block.label.clone(), block.description.clone())).collect()
    }
}

fn about_mail(mail: &Mail) -> String {
    format!("{}, {}", mail.status.as_str(), mail.text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_up(path: &[&str]) -> Vec<(String, Noun)> {
        let mut command = Cli::command();
        let mut leaf = &mut command;
        for name in path {
            leaf = leaf.find_subcommand_mut(name).unwrap();
        }
        let noun = |arg: &Arg| Noun::of(path, arg).map(|noun| (arg.get_id().to_string(), noun));
        leaf.get_arguments().filter_map(noun).collect()
    }

    #[test]
    fn arguments_are_looked_up_by_what_they_name() {
        assert_eq!(looked_up(&["send"]), [("first".to_owned(), Noun::Group), ("agent".to_owned(), Noun::Agent)]);
        assert_eq!(looked_up(&["job", "show"]), [("id".to_owned(), Noun::Job)]);
        assert_eq!(looked_up(&["agent", "delete"]), [("name".to_owned(), Noun::Agent)]);
        assert!(looked_up(&["group", "update"]).contains(&("name".to_owned(), Noun::Group)));
        assert!(!looked_up(&["group", "update"]).iter().any(|(id, _)| id == "rename"), "a new name is nobody's yet");
        assert!(!looked_up(&["group", "create"]).iter().any(|(id, _)| id == "name"), "a new name is nobody's yet");
    }

    #[test]
    fn the_store_of_the_line_is_found_however_it_is_written() {
        let typed = |words: &[&str]| Typed::new(words.iter().map(OsString::from).collect()).value("--store");
        let whole = Some("/a/desk.db".to_owned());
        assert_eq!(typed(&["nightdesk", "--store", "/a/desk.db", "send"]), whole);
        assert_eq!(typed(&["nightdesk", "send", "--store=/a/desk.db"]), whole);
        assert_eq!(typed(&["nightdesk", "--store", "=", "/a/desk.db", "send"]), whole);
        assert_eq!(typed(&["nightdesk", "send"]), None);
    }
}
