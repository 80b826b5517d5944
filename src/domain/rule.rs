//! Tool rules: when which tool may be called. Names and fields are Letta's.

use serde::{Deserialize, Serialize};

/// One rule of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rule {
    /// A person decides before the tool is called.
    RequiresApproval {
        /// The tool.
        tool_name: String,
    },
}

impl Rule {
    /// True when a call of this tool needs a person's yes.
    #[must_use]
    pub fn wants_approval(&self, tool: &str) -> bool {
        match self {
            Self::RequiresApproval { tool_name } => tool_name == tool,
        }
    }
}
