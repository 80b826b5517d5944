//! The agent.

use serde::{Deserialize, Serialize};

use super::{AgentId, BlockId, GroupId, Rule};

/// A model, a system prompt, memory blocks and tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its short name, unique in its home group.
    pub name: String,
    /// The group whose file defines it.
    pub group: GroupId,
    /// What it does, for people and for other agents.
    #[serde(default)]
    pub description: String,
    /// The model it runs on; `None` means the configuration's.
    #[serde(default)]
    pub model: Option<String>,
    /// Its own system prompt; `None` means the default one.
    #[serde(default)]
    pub system: Option<String>,
    /// Its own blocks and those shared by name; the group's shared blocks come on top.
    #[serde(default)]
    pub blocks: Vec<BlockId>,
    /// Tools as asked for: a name adds to the defaults, `-name` removes.
    #[serde(default)]
    pub tools: Vec<String>,
    /// When which tool may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Agents of other groups it may write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<AgentId>,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The most steps of one speech; `None` means [`DEFAULT_MAX_STEPS`].
    #[serde(default)]
    pub max_steps: Option<u32>,
    /// Sampling temperature.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// The most tokens of one answer.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// What the setting of the tests is kept in.
    #[cfg(test)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u32>,
}

/// The most steps of one speech or job where the agent says nothing else.
pub const DEFAULT_MAX_STEPS: u32 = 50;

/// Tools every agent has unless it removes them.
pub const DEFAULT_TOOLS: [&str; 6] =
    ["conversation_search", "memory_insert", "memory_replace", "send_message_to_agent_async", "list_agents", "pass"];

/// Tools an agent has on top when it works in the background.
pub const BACKGROUND_TOOLS: [&str; 2] = ["memory_rethink", "memory_finish_edits"];

/// True for what an agent or a group may be called: no blanks, no `/` and no `@`, which stand between and before
/// names.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/@".contains(c))
}

impl Agent {
    /// An agent with every setting as it is where nothing is said.
    #[must_use]
    pub fn new(id: AgentId, name: impl Into<String>, group: GroupId) -> Self {
        Self {
            id,
            name: name.into(),
            group,
            description: String::new(),
            model: None,
            system: None,
            blocks: Vec::new(),
            tools: Vec::new(),
            rules: Vec::new(),
            contacts: Vec::new(),
            tags: Vec::new(),
            max_steps: None,
            temperature: None,
            max_tokens: None,
            #[cfg(test)]
            probe: None,
        }
    }

    /// The names of the tools the agent has, in order, in the foreground or in the background.
    ///
    /// `pass` makes no sense without somebody to pass to, so a background agent has it only when it asks for it.
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
