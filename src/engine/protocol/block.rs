//! Requests about blocks, besides the edit of a text ([`super::Request::EditBlock`]), and their replies.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Recipient;
use crate::domain::block::{Grantee, Level};
use crate::domain::{AgentId, BlockId, ConversationId, ConversationOwner, Editor, JobId, RunId, StepId};

/// A request about a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum BlockRequest {
    /// Creates a block, which a group then shares or an agent has; [`super::Reply::BlockChanged`].
    Create {
        /// The group or the agent that gets it.
        owner: Recipient,
        /// Its fields; the label is required.
        form: BlockForm,
        /// False only lists what would happen.
        really: bool,
    },
    /// Changes a block, or who has it; [`super::Reply::BlockChanged`].
    Change {
        /// The block.
        id: BlockId,
        /// What to change.
        change: BlockChange,
        /// False only lists what would happen.
        really: bool,
    },
    /// Writes the value of an older version as a new one; [`super::Reply::Block`], or a fault that carries the conflict
    /// if the block is not at version `base`.
    Restore {
        /// The block.
        id: BlockId,
        /// The version to restore.
        version: u64,
        /// The version that the person saw.
        base: u64,
    },
    /// Who wrote each line of a version; [`super::Reply::Blame`].
    Blame {
        /// The block.
        id: BlockId,
        /// The version; `None` for the newest.
        version: Option<u64>,
    },
    /// What caused the versions that were written in these runs, at most 500; [`super::Reply::RevisionCauses`].
    Causes {
        /// The runs.
        runs: Vec<RunId>,
    },
    /// The blocks in the prompt in answer to which an agent wrote a message; [`super::Reply::SeenBlocks`].
    Seen {
        /// The conversation.
        conversation: ConversationId,
        /// The `seq` of the message. For one that no agent wrote, the next message of an agent counts.
        seq: u64,
    },
}

impl BlockRequest {
    /// True if it changes nothing.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Blame { .. } | Self::Causes { .. } | Self::Seen { .. })
    }
}

/// The fields of a block that a person fills in. `None` keeps a field, or leaves its default in a new block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockForm {
    /// Its label. A changed one is changed for all that share the block.
    pub label: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its first value; only for a new block.
    pub value: Option<String>,
    /// The maximum length in code points.
    pub limit: Option<u32>,
    /// True if agents may not edit it.
    pub read_only: Option<bool>,
    /// Free labels.
    pub tags: Option<Vec<String>>,
    /// True if its value goes to models on this machine only.
    pub local_only: Option<bool>,
}

/// A change of a block, or of who has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum BlockChange {
    /// Changes its fields.
    Configure {
        /// The fields to change.
        form: BlockForm,
    },
    /// Lets a group share it, with its present and future agents, or an agent have it.
    Attach {
        /// The group or the agent.
        to: Recipient,
    },
    /// Takes it from a group, or from an agent that has it of its own.
    Detach {
        /// The group or the agent.
        from: Recipient,
    },
    /// Sets or removes a rule of access.
    Access {
        /// Whom the rule is about.
        who: Grantee,
        /// What they may do; `None` removes the rule.
        level: Option<Level>,
        /// Why; may be empty.
        reason: String,
    },
    /// Takes it from all that have it and deletes it.
    Delete,
}

/// What caused the versions that were written in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionCause {
    /// The run.
    pub run: RunId,
    /// Whose conversation it belongs to.
    pub of: ConversationOwner,
    /// The conversation of the turn; `None` for a job.
    pub conversation: Option<ConversationId>,
    /// The `seq` of the message that the turn answers; 0 for a job.
    pub seq: u64,
    /// The job, if it was one.
    pub job: Option<JobId>,
}

/// Who wrote each line of a version of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blame {
    /// The version.
    pub version: u64,
    /// The lines, in order.
    pub lines: Vec<BlameLine>,
    /// The versions that wrote lines, newest first.
    pub writers: Vec<Writer>,
    /// Lines without a version were written before this one, in versions that were not read; `None` if there are none.
    pub older_than: Option<u64>,
}

/// A line of a block and the version that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlameLine {
    /// The line, without its line break.
    pub text: String,
    /// The version that wrote it; `None` if that is older than those that were read.
    pub version: Option<u64>,
}

/// A version of a block without its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Writer {
    /// The version.
    pub version: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Who wrote it.
    pub editor: Editor,
    /// The run it was written in.
    pub run: Option<RunId>,
    /// The reason in a few words.
    pub reason: String,
}

/// The blocks that an agent saw when it wrote a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenBlocks {
    /// The message, by `seq`.
    pub seq: u64,
    /// The agent.
    pub agent: AgentId,
    /// Its name then.
    pub name: String,
    /// The step.
    pub step: StepId,
    /// When the prompt was built.
    pub at: Timestamp,
    /// The blocks, in the order of the prompt.
    pub blocks: Vec<SeenBlock>,
}

/// A block as an agent saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBlock {
    /// The block.
    pub id: BlockId,
    /// Its label now; `None` if it was deleted.
    pub label: Option<String>,
    /// The version that the agent saw.
    pub version: u64,
    /// The value of that version; `None` if it cannot be read.
    pub value: Option<String>,
    /// Its version now; `None` if it was deleted.
    pub now: Option<u64>,
}
