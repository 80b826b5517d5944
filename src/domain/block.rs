//! Blocks: labelled memory, every version of it kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::memory::{Merge, merge};
use super::{AgentId, BlockId, GroupId, JobId, RunId, StepId};

/// The label of the block that says who an agent is.
pub const PERSONA: &str = "persona";
/// What that block is for: the agent itself reads it.
pub const PERSONA_IS_FOR: &str = "Who you are and how you speak";
/// The limit of a block that names none, in code points (Letta's default up to 0.16.5).
pub const DEFAULT_LIMIT: u32 = 20_000;

/// A labelled piece of memory, rendered into the prompt of every agent it reaches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its id.
    pub id: BlockId,
    /// Its label, NFC, unique regardless of case among the blocks of any agent it reaches.
    pub label: String,
    /// What it is for; agents read it.
    #[serde(default)]
    pub description: String,
    /// The committed value.
    pub value: String,
    /// The most code points the value may have.
    pub limit: u32,
    /// True when agents' edit tools refuse it. People may still edit.
    #[serde(default)]
    pub read_only: bool,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Where it is at home: what it is named by.
    pub owner: BlockOwner,
    /// Counts the values, from 1.
    pub version: u64,
    /// Who wrote the value.
    pub editor: Editor,
    /// When.
    pub edited_at: Timestamp,
    /// The value a team file last gave it: where it still stands, the file may change it.
    #[serde(default)]
    pub from_file: Option<String>,
}

/// Where a block is at home.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockOwner {
    /// Shared: named by group and label.
    Group(GroupId),
    /// One agent's own: named by agent and label.
    Agent(AgentId),
}

/// Who wrote a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Editor {
    /// A person.
    Person,
    /// A team file.
    File,
    /// An agent in a speech, by its short name.
    Agent {
        /// Its id.
        id: AgentId,
        /// Its short name at the time.
        name: String,
        /// The job it worked for, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    },
}

impl Block {
    /// How an edit that began from the version `base` with its value meets the block as it is now: the one rule by
    /// which an edit is saved, merged or refused.
    #[must_use]
    pub fn merge(&self, base: (u64, &str), mine: &str) -> Merge {
        let (version, value) = base;
        if version == self.version { Merge::Clean(mine.to_owned()) } else { merge(value, &self.value, mine) }
    }
}

impl Editor {
    /// Who changed a block while a person edits it here: a person, too, did it from somewhere else.
    #[must_use]
    pub fn name_elsewhere(&self) -> &str {
        match self {
            Self::Person => "you, elsewhere,",
            other => other.name(),
        }
    }

    /// The editor in a word: `you`, `team file`, or the agent's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person => "you",
            Self::File => "team file",
            Self::Agent { name, .. } => name,
        }
    }

    /// The agent, if it was one.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Agent { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The job, if it was one.
    #[must_use]
    pub fn job(&self) -> Option<&JobId> {
        match self {
            Self::Agent { job, .. } => job.as_ref(),
            _ => None,
        }
    }
}

/// One version of a block's value. Insert-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The block.
    pub block: BlockId,
    /// The version this makes: the one before, plus one.
    pub version: u64,
    /// The whole value.
    pub value: String,
    /// Who wrote it.
    pub editor: Editor,
    /// The run it was written in.
    #[serde(default)]
    pub run: Option<RunId>,
    /// The step it was written in.
    #[serde(default)]
    pub step: Option<StepId>,
    /// Why, in a few words: the tool's name, `edited`, `team file`.
    pub reason: String,
}

/// A label or name for comparison: NFC, regardless of case.
#[must_use]
pub fn folded(label: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    label.nfc().collect::<String>().to_lowercase()
}

/// Whether a label can stand as the name of an element in a prompt and of a block in a command line.
pub fn check_label(label: &str) -> Result<(), String> {
    use unicode_normalization::is_nfc;
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>/&\"'".contains(c);
    if label.is_empty() || label.chars().count() > 64 || label.contains(bad) || !is_nfc(label) {
        return Err(format!("{label:?} is no label for a block: up to 64 letters, digits, - and _, without spaces"));
    }
    Ok(())
}
