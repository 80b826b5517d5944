//! Team files: a group, its agents and its blocks, by name, in one TOML file.
//!
//! [`parse`] answers with a [`TeamFile`] in which every name is known, or with every fault it found, one
//! sentence each with its line. [`plan()`] compares it to what is there and states the changes, in an order in
//! which they apply, and the lines that tell a person of them. Neither writes anything.

mod check;
mod existing;
mod keys;
mod plan;
mod read;
mod rules;
mod schema;
mod settings;
mod table;
mod tell;
mod terminate;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::ManagerType;

pub use existing::{Existing, Neighbour};
pub use plan::{Plan, plan};
pub use schema::schema;
pub use settings::{Given, Settings};

/// A team file in which everything named is there.
#[derive(Debug, Clone, PartialEq)]
pub struct TeamFile {
    /// The file, as it is named to people.
    pub file: String,
    /// The group.
    pub group: GroupSpec,
    /// Its blocks, in file order.
    pub blocks: Vec<BlockSpec>,
    /// Its agents, in file order.
    pub agents: Vec<AgentSpec>,
    /// What is allowed but probably not meant: one line each, with file and line.
    pub warnings: Vec<String>,
}

/// `[group]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSpec {
    /// The line it begins on, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Who speaks when.
    pub manager_type: ManagerType,
    /// Its settings, agents and blocks by name.
    pub settings: Settings,
    /// The line `[group.sleeptime]` begins on, where there is one.
    pub sleeptime: Option<usize>,
}

/// `[[block]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockSpec {
    /// The line it begins on, from 1.
    pub line: usize,
    /// Its label.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// Its value; `None` leaves the value to whoever writes it.
    pub value: Option<String>,
    /// The most code points.
    pub limit: u32,
    /// Whether agents may edit it.
    pub read_only: bool,
    /// Free labels.
    pub tags: Vec<String>,
}

/// `[[agent]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSpec {
    /// The line it begins on, from 1.
    pub line: usize,
    /// Its short name.
    pub name: String,
    /// The value of its own block `persona`.
    pub persona: Option<String>,
    /// Its settings, agents and blocks by name; the model `scripted/` is followed by the absolute path of its file.
    pub settings: Settings,
}

/// The name of an agent, short or full (`group/name`), or the label of a block, where a list mentions it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// What a team file is read with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The file, as faults name it.
    pub file: &'a str,
    /// The absolute directory it lies in: `scripted/FILE` and `system_file` are relative to it.
    pub base: &'a Path,
    /// The tools there are, beyond those every agent has by default.
    pub tools: &'a [&'a str],
    /// How a `system_file` is read.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Everything that is wrong with a team file, or with applying it: one sentence a line, in line order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TeamError {
    /// The faults, at least one.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it is named to people.
    pub file: String,
    /// The line, from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// Reads a team file from its text.
pub fn parse(text: &str, around: &Surroundings<'_>) -> Result<TeamFile, TeamError> {
    let mut reader = table::Reader::new(text, around.file);
    let mut file = read::file(&mut reader, text, around);
    // What a list names is asked only of a file that says what it means: one slip would be told twice.
    if let Some(file) = file.as_mut().filter(|_| reader.faults.is_empty()) {
        check::check(&mut reader, file);
        file.warnings = reader.warnings();
    }
    match file {
        Some(file) if reader.faults.is_empty() => Ok(file),
        _ => Err(reader.into_error()),
    }
}

/// Reads the team file at this path. `tools` are the tools there are beyond the default ones.
pub fn load(path: &Path, tools: &[&str]) -> Result<TeamFile, TeamError> {
    let file = path.display().to_string();
    let unreadable = |error: io::Error| TeamError {
        faults: vec![Fault { file: file.clone(), line: None, text: format!("cannot be read: {}", cause(&error)) }],
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    // Through symbolic links, so that `..` in the file's own paths means what it means to the system.
    let base = path.canonicalize().map_err(unreadable)?.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let read = |path: &Path| std::fs::read_to_string(path);
    parse(&text, &Surroundings { file: &file, base: &base, tools, read: &read })
}

/// The team a new store begins with, read.
pub fn starter() -> Result<TeamFile, TeamError> {
    let read = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let around = Surroundings { file: "starter team", base: Path::new("/"), tools: &[], read: &read };
    parse(super::STARTER, &around)
}

/// What an I/O error means to a person.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
