//! The audit: what the log says about who read, changed, asked for and decided what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{AgentId, BlockId, GroupId, RunId, StepId};

/// Which entries of the audit are asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    /// About this block.
    pub block: Option<BlockId>,
    /// Of this agent, or about it.
    pub agent: Option<AgentId>,
    /// Of these kinds; empty for all.
    pub kinds: Vec<AuditKind>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// With this text in what they say, regardless of case.
    pub text: Option<String>,
}

/// What an entry of the audit is about.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AuditKind {
    /// A model got the texts of blocks in a prompt.
    Read,
    /// An agent called a tool, and it did something.
    Call,
    /// The text of a block was changed.
    Edit,
    /// A call of an agent was refused or failed.
    Refusal,
    /// A call began to wait for a decision.
    Request,
    /// A person, or an admin of a block, decided.
    Decision,
    /// What agents may do with a block was changed.
    Access,
    /// A block was created, configured or deleted.
    Block,
    /// A group was created, changed or deleted.
    Group,
    /// An agent was created, changed or deleted.
    Agent,
    /// A trigger was created, paused or removed.
    Trigger,
}

impl AuditKind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The number of the change.
    pub n: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// What it is about.
    pub kind: AuditKind,
    /// Who did it: `you`, `engine`, or the id of an agent.
    pub by: String,
    /// What was done, as a sentence without a subject.
    pub text: String,
    /// The blocks it is about, each with its version then.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub blocks: Vec<(BlockId, u64)>,
    /// The agent it is about, if that did not do it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<AgentId>,
    /// The group it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<GroupId>,
    /// The run it was done in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<RunId>,
    /// The step it was done in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<StepId>,
    /// The value before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    /// The value after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// A part of the audit, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Where to go on: entries before this change were not looked at; `None` if there are no more.
    pub before: Option<u64>,
}
