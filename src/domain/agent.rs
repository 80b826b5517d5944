//! Agents and the tools they have by default.

use serde::{Deserialize, Serialize};

use super::{AgentId, BlockId, GroupId, Rule};

/// An agent: a model, a system prompt, memory blocks and tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The short name, unique in its home group.
    pub name: String,
    /// The home group, whose team file defines it.
    pub group: GroupId,
    /// What it does, for people and for other agents.
    #[serde(default)]
    pub description: String,
    /// The model; `None` means the configured default.
    #[serde(default)]
    pub model: Option<String>,
    /// The models that are asked, in this order, while the provider of its model is down or fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback_models: Vec<String>,
    /// The system prompt; `None` means the default one.
    #[serde(default)]
    pub system: Option<String>,
    /// Blocks of its own and blocks attached by name, without the shared blocks of its groups.
    #[serde(default)]
    pub blocks: Vec<BlockId>,
    /// Changes to the default tools: `name` adds a tool, `-name` removes one.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Tool rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Agents of other groups it may send mail to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<AgentId>,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The maximum number of steps of one speech; `None` means [`DEFAULT_MAX_STEPS`].
    #[serde(default)]
    pub max_steps: Option<u32>,
    /// The maximum number of calls in one step; `None` means [`DEFAULT_MAX_STEP_CALLS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_step_calls: Option<u32>,
    /// Sampling temperature; `None` means the provider's default.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// The maximum number of tokens of one model response; `None` means the provider's default.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// The maximum of tokens of a day; `None` means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens_per_day: Option<u32>,
    /// The longest time one tool call may take, in seconds; `None` means [`DEFAULT_TOOL_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_seconds: Option<u32>,
    /// The value of the setting that exists only in tests.
    #[cfg(test)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u32>,
}

/// The default maximum number of steps of one speech or job.
pub const DEFAULT_MAX_STEPS: u32 = 50;

/// The longest time one tool call may take by default, in seconds.
pub const DEFAULT_TOOL_SECONDS: u32 = 60;

/// The default maximum number of tool calls in one step.
pub const DEFAULT_MAX_STEP_CALLS: u32 = 64;

/// Tools of every agent that does not remove them.
pub const DEFAULT_TOOLS: [&str; 6] =
    ["conversation_search", "memory_insert", "memory_replace", "send_message_to_agent_async", "list_agents", "pass"];

/// Additional tools of an agent that runs in the background.
pub const BACKGROUND_TOOLS: [&str; 2] = ["memory_rethink", "memory_finish_edits"];

/// True for a name that an agent or group can have: no whitespace, no `/` and no `@`, which separate and mark names. A
/// new name is checked further: [`super::naming`].
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/@".contains(c))
}

impl Agent {
    /// An agent with default settings.
    #[must_use]
    pub fn new(id: AgentId, name: impl Into<String>, group: GroupId) -> Self {
        Self {
            id,
            name: name.into(),
            group,
            description: String::new(),
            model: None,
            fallback_models: Vec::new(),
            system: None,
            blocks: Vec::new(),
            tools: Vec::new(),
            rules: Vec::new(),
            contacts: Vec::new(),
            tags: Vec::new(),
            max_steps: None,
            max_step_calls: None,
            temperature: None,
            max_tokens: None,
            max_tokens_per_day: None,
            tool_seconds: None,
            #[cfg(test)]
            probe: None,
        }
    }

    /// The names of the agent's tools in the foreground or in the background, in order.
    ///
    /// A background agent does not have `pass` by default, because nobody speaks after it.
    #[must_use]
    pub fn tool_names(&self, background: bool) -> Vec<String> {
        let mut names: Vec<String> = DEFAULT_TOOLS.iter().map(|name| (*name).to_owned()).collect();
        if background {
            names.retain(|name| name != "pass");
            names.extend(BACKGROUND_TOOLS.iter().map(|name| (*name).to_owned()));
        }
        for asked in &self.tools {
            if let Some(removed) = asked.strip_prefix('-') {
                names.retain(|name| name != removed);
            } else if !names.contains(asked) {
                names.push(asked.clone());
            }
        }
        names
    }
}
