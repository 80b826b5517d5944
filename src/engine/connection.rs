//! Which program runs the engine of a store, and whether a face reaches it.

use serde::{Deserialize, Serialize};

/// What a program that owns a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A workbench.
    Workbench,
    /// `nightdesk work`.
    Worker,
    /// A command that ends by itself, or a program that does not say what it is.
    #[default]
    #[serde(other)]
    Command,
}

impl Program {
    /// Names a process of this kind, as in "the worker 4242".
    #[must_use]
    pub fn of(self, pid: u32) -> String {
        match self {
            Self::Workbench => format!("the workbench {pid}"),
            Self::Worker => format!("the worker {pid}"),
            Self::Command => format!("the process {pid}"),
        }
    }
}

/// Where the engine of a store runs, seen from a program that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAt {
    /// In this program.
    Here,
    /// In another program.
    Elsewhere {
        /// Its process.
        pid: u32,
        /// What it is.
        program: Program,
    },
    /// Nowhere that this program knows of.
    Lost {
        /// One sentence: what became of it.
        why: String,
    },
}

/// How a program is connected to the engine of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where the engine runs now.
    pub engine: EngineAt,
    /// How often the file of the store was replaced since this program opened it, as by restoring a backup: what was
    /// read before is of another store.
    pub replaced: u64,
}

impl Connection {
    /// The engine runs in this program.
    pub const HERE: Self = Self { engine: EngineAt::Here, replaced: 0 };
}
