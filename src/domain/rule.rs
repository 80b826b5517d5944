//! Tool rules, which restrict when a tool may be called. Names and fields are Letta's.

use serde::{Deserialize, Serialize};

/// A tool rule of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rule {
    /// The tool runs only after a person has approved the call.
    RequiresApproval {
        /// The tool.
        tool_name: String,
    },
}

impl Rule {
    /// True when a call of this tool needs a person's approval.
    #[must_use]
    pub fn wants_approval(&self, tool: &str) -> bool {
        match self {
            Self::RequiresApproval { tool_name } => tool_name == tool,
        }
    }
}
