//! Team files: a group, its agents and its blocks in one TOML file.
//!
//! [`parse`] returns a [`TeamFile`] in which every name is resolved, or all faults, each with its line. [`plan()`]
//! compares it to the existing rows and returns the changes in an order in which they apply, with a line of text for
//! each. Neither writes anything.

mod check;
mod describe;
mod existing;
mod keys;
mod plan;
mod read;
mod rules;
mod schema;
mod settings;
mod table;
mod terminate;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::ManagerType;
use crate::domain::block::Level;
use crate::text_file;

pub use existing::{Existing, ForeignAgent};
pub use plan::{Plan, plan};
pub use schema::schema;
pub use settings::Settings;

/// Team file for a new store: three members and an archivist that works in the background.
pub const STARTER: &str = include_str!("../fixtures/teams/newsroom.toml");

/// A checked team file: every name in it is defined, or is the full name of an agent of another group.
#[derive(Debug, Clone, PartialEq)]
pub struct TeamFile {
    /// File name for messages.
    pub file: String,
    /// The group.
    pub group: GroupSpec,
    /// Blocks in file order.
    pub blocks: Vec<BlockSpec>,
    /// Agents in file order.
    pub agents: Vec<AgentSpec>,
    /// What is allowed but probably a mistake: one text each, with file and line.
    pub warnings: Vec<String>,
}

/// `[group]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSpec {
    /// Line of the table, counted from 1.
    pub line: usize,
    /// Name, unique in the store.
    pub name: String,
    /// The pattern that selects the speakers.
    pub manager_type: ManagerType,
    /// Settings, with agents and blocks by name.
    pub settings: Settings,
    /// Line of `[group.sleeptime]`, counted from 1; `None` without that table.
    pub sleeptime: Option<usize>,
}

/// `[[block]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockSpec {
    /// Line of the table, counted from 1.
    pub line: usize,
    /// Label, unique in the file.
    pub label: String,
    /// Purpose, for the agents that read it.
    pub description: String,
    /// What agents may do with it, by name, role or `*`; `None` never changes the access to an existing block.
    pub access: Option<Vec<(Name, Level)>>,
    /// Whether its value goes to models on this machine only; `None` never changes that of an existing block.
    pub local_only: Option<bool>,
    /// Value; `None` never changes the value of an existing block.
    pub value: Option<String>,
    /// Longest value in code points.
    pub limit: u32,
    /// True if agents may not edit it.
    pub read_only: bool,
    /// Free labels.
    pub tags: Vec<String>,
}

/// `[[agent]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSpec {
    /// Line of the table, counted from 1.
    pub line: usize,
    /// Short name, unique in the group.
    pub name: String,
    /// Value of its own block `persona`.
    pub persona: Option<String>,
    /// Settings, with agents and blocks by name. A model `scripted/FILE` has an absolute path.
    pub settings: Settings,
}

/// A mention of an agent, by short or full name (`group/name`), or of a block, by label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Name or label.
    pub text: String,
    /// Line of the mention, counted from 1.
    pub line: usize,
}

/// The context that a team file is parsed in.
#[derive(Clone, Copy)]
pub struct ParseContext<'a> {
    /// File name for faults.
    pub file: &'a str,
    /// Absolute directory of the file. `scripted/FILE` and `system_file` are relative to it.
    pub base: &'a Path,
    /// Available tools beyond the default ones.
    pub tools: &'a [&'a str],
    /// Reads a `system_file`.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// True if the files it names may lie outside `base`.
    pub allow_outside: bool,
}

/// All faults of a team file or of its application, in line order. Displays one sentence per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TeamError {
    /// At least one fault.
    pub faults: Vec<Fault>,
}

/// A single fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File name for messages.
    pub file: String,
    /// Line, counted from 1; `None` for the file as a whole.
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

/// Parses and checks the text of a team file.
///
/// # Errors
/// All faults of the text.
pub fn parse(text: &str, around: &ParseContext<'_>) -> Result<TeamFile, TeamError> {
    let mut reader = table::Reader::new(text, around.file);
    let mut file = read::file(&mut reader, text, around);
    // References are checked only in a well-formed file; otherwise one mistake would be reported twice.
    if let Some(file) = file.as_mut().filter(|_| reader.faults.is_empty()) {
        check::check(&mut reader, file);
        file.warnings = reader.warnings();
    }
    match file {
        Some(file) if reader.faults.is_empty() => Ok(file),
        _ => Err(reader.into_error()),
    }
}

/// Why a file that a team file names is not used.
const OUTSIDE: &str = "it lies outside the team file's directory; to allow that once, apply with --allow-outside";
/// The most bytes of a team file, and of a file it names.
const MOST_BYTES: u64 = 4 << 20;

/// Reads and parses the team file at this path. `tools` are the available tools beyond the default ones. With
/// `allow_outside`, the files it names may lie outside its directory.
///
/// # Errors
/// The file cannot be read, or as [`parse`].
pub fn load(path: &Path, tools: &[&str], allow_outside: bool) -> Result<TeamFile, TeamError> {
    let file = path.display().to_string();
    let unreadable = |error: io::Error| TeamError {
        faults: vec![Fault { file: file.clone(), line: None, text: format!("cannot be read: {}", cause(&error)) }],
    };
    let text = text_file::read(path, MOST_BYTES).map_err(unreadable)?;
    // Resolve symbolic links, so that `..` in the paths of the file means the same as for the system.
    let base = path.canonicalize().map_err(unreadable)?.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let read = |path: &Path| {
        if !allow_outside && !path.canonicalize()?.starts_with(&base) {
            return Err(io::Error::other(OUTSIDE));
        }
        text_file::read(path, MOST_BYTES)
    };
    parse(&text, &ParseContext { file: &file, base: &base, tools, read: &read, allow_outside })
}

/// Parses the starter team for a new store.
///
/// # Errors
/// Never in practice: the file is compiled in, and tests parse it.
pub fn starter() -> Result<TeamFile, TeamError> {
    let read = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let around =
        ParseContext { file: "starter team", base: Path::new("/"), tools: &[], read: &read, allow_outside: false };
    parse(STARTER, &around)
}

/// Describes an I/O error in plain words.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
