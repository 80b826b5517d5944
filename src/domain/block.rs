//! Blocks: labelled memory. Every version is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::spelling::{LONGEST_NAME, shown};
use super::text_edit::{Merge, merge};
use super::{Agent, AgentId, BlockId, Group, GroupId, JobId, PersonId, RunId, StepId};

mod access;

pub use access::{AccessRule, Grantee, Level, REQUEST_BLOCK_ACCESS, level_of};

/// The label of the block that describes an agent to itself.
pub const PERSONA: &str = "persona";
/// The description of that block, as the agent reads it.
pub const PERSONA_IS_FOR: &str = "Who you are and how you speak";
/// The default limit of a block, in code points (Letta's default up to 0.16.5).
pub const DEFAULT_LIMIT: u32 = 20_000;

/// A labelled text, rendered into the prompt of every agent that has the block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its id.
    pub id: BlockId,
    /// The label: NFC, unique regardless of case among the blocks of every agent that has this one.
    pub label: String,
    /// What the block is for; part of the prompt.
    #[serde(default)]
    pub description: String,
    /// The committed value.
    pub value: String,
    /// The maximum length of the value in code points.
    pub limit: u32,
    /// True when the edit tools of agents reject changes. People can still edit it.
    #[serde(default)]
    pub read_only: bool,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The owner, by which the block is named.
    pub owner: BlockOwner,
    /// The number of the current value, from 1.
    pub version: u64,
    /// Who wrote the current value.
    pub editor: Editor,
    /// When the current value was committed.
    pub edited_at: Timestamp,
    /// The value last set by a team file. While it is unchanged, the file may overwrite it. `None` for a block that was
    /// made here: applying a file keeps it where it is.
    #[serde(default)]
    pub from_file: Option<String>,
    /// What agents may do with it, where that is not [`Level::USUAL`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<AccessRule>,
    /// True if its value goes to models on this machine only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_only: bool,
}

/// The owner of a block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockOwner {
    /// A group: named by group and label.
    Group(GroupId),
    /// One agent: named by agent and label.
    Agent(AgentId),
}

/// Who wrote a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Editor {
    /// A person.
    Person(PersonId),
    /// A team file.
    File,
    /// An agent, in a run.
    Agent {
        /// Its id.
        id: AgentId,
        /// Its short name at the time.
        name: String,
        /// The job of the run, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    },
}

impl Block {
    /// An empty block with default settings.
    #[must_use]
    pub fn new(id: BlockId, label: impl Into<String>, owner: BlockOwner, editor: Editor) -> Self {
        Self {
            id,
            label: label.into(),
            description: String::new(),
            value: String::new(),
            limit: DEFAULT_LIMIT,
            read_only: false,
            tags: Vec::new(),
            owner,
            version: 1,
            editor,
            edited_at: Timestamp::UNIX_EPOCH,
            from_file: None,
            access: Vec::new(),
            local_only: false,
        }
    }

    /// What an agent may do with the block in this group; in a direct conversation, in its home group. Nothing if it does
    /// not have the block there.
    #[must_use]
    pub fn level(&self, agent: &Agent, group: Option<&Group>) -> Level {
        let shares = |group: &Group| group.shared_blocks.contains(&self.id) && group.agents().contains(&&agent.id);
        if !agent.blocks.contains(&self.id) && !group.is_some_and(shares) {
            return Level::None;
        }
        let role = group.and_then(|group| group.roles.get(&agent.id));
        level_of(&self.access, &agent.id, role.map(String::as_str).into_iter())
    }

    /// Merges an edit into the current value. `base` is the version the edit started from and that version's value.
    /// Every edit is saved, merged or rejected by this rule.
    #[must_use]
    pub fn merge(&self, base: (u64, &str), mine: &str) -> Merge {
        let (version, value) = base;
        if version == self.version { Merge::Clean(mine.to_owned()) } else { merge(value, &self.value, mine) }
    }
}

impl Editor {
    /// Name of the concurrent editor; a person shows as "you, elsewhere,".
    #[must_use]
    pub fn name_elsewhere(&self) -> &str {
        match self {
            Self::Person(_) => "you, elsewhere,",
            other => other.name(),
        }
    }

    /// The editor's name: `you`, `team file`, or the agent's short name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person(_) => "you",
            Self::File => "team file",
            Self::Agent { name, .. } => name,
        }
    }

    /// The agent; `None` for a person or a file.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Agent { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The job the edit belongs to, if any.
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
    /// The version this creates: the previous one plus one.
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
    /// The indexes of the step's calls that made it, in order; empty if no call did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<u32>,
    /// The reason in a few words: the tool's name, `edited`, `team file`.
    pub reason: String,
}

impl Revision {
    /// A version written by the person at whose login the store is.
    #[must_use]
    pub fn by_person(block: BlockId, version: u64, value: String, reason: impl Into<String>) -> Self {
        Self {
            block,
            version,
            value,
            editor: Editor::Person(PersonId::local()),
            run: None,
            step: None,
            calls: Vec::new(),
            reason: reason.into(),
        }
    }
}

/// Checks that a text can be the value or the description of a block.
///
/// # Errors
/// The end of a sentence about the text.
pub fn check_text(text: &str) -> Result<(), String> {
    match text.chars().position(|c| c == '\0') {
        Some(at) => Err(format!("has a NUL at character {}, which no text has; remove it", at + 1)),
        None => Ok(()),
    }
}

/// Normalizes a label or name for comparison: NFC, lowercase.
#[must_use]
pub fn folded(label: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    label.nfc().collect::<String>().to_lowercase()
}

/// Checks that a label can be an argument on a command line. A new label is checked further:
/// [`super::naming::check_new_label`].
///
/// # Errors
/// A sentence that says what a label looks like.
pub fn check_label(label: &str) -> Result<(), String> {
    use unicode_normalization::is_nfc;
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>/&\"'".contains(c);
    if label.is_empty() || label.chars().count() > LONGEST_NAME || label.contains(bad) || !is_nfc(label) {
        return Err(invalid_label(label));
    }
    Ok(())
}

/// The sentence about a label that is not allowed.
pub(super) fn invalid_label(label: &str) -> String {
    format!("{} is not a valid block label: use up to {LONGEST_NAME} letters, digits, - and _, no spaces", shown(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_word_that_passes_for_no_mark() {
        for label in ["", "two words", "a\u{7}", "a/b", "<b>", "a&b", "a\"", "a'", "Zoe\u{308}"] {
            assert_eq!(check_label(label).unwrap_err(), invalid_label(label), "{label:?}");
        }
        assert_eq!(check_label("notes_2-a.b"), Ok(()));
    }
}
