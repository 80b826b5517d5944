//! Tools for access to blocks: an agent asks for it, an admin of a block gives and takes it.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::{Tool, ToolContext, ToolOutcome, Wait, arguments};
use crate::domain::block::{Level, REQUEST_BLOCK_ACCESS, folded};
use crate::domain::{AgentId, BlockId, BlockOwner};
use crate::llm::ToolSpec;

/// The name of the tool that gives and takes access.
pub const SET_BLOCK_ACCESS: &str = "set_block_access";
/// The most characters of a reason.
const LONGEST_REASON: usize = 500;

/// `request_block_access`: waits for a person, or an admin of the block.
pub struct Request;
/// `set_block_access`: of an admin of a block.
pub struct Set;

/// Access that a call gives or takes; committed with the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessGrant {
    /// The block.
    pub block: BlockId,
    /// The agent.
    pub agent: AgentId,
    /// What it may do.
    pub level: Level,
    /// Why.
    pub reason: String,
}

/// A block that an agent has and cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Its label.
    pub label: String,
    /// True if its text is kept on this machine and the agent's model is elsewhere; false if the agent has no access.
    pub kept_here: bool,
}

impl Withheld {
    /// Why the agent cannot use it, and what it can do.
    #[must_use]
    pub fn why(&self) -> String {
        let label = &self.label;
        if self.kept_here {
            return format!("the text of block {label} stays on the user's machine, and your model runs elsewhere");
        }
        format!("you may not read block {label}; if you need it, call {REQUEST_BLOCK_ACCESS} and say why")
    }
}

#[derive(Deserialize)]
struct RequestArguments {
    label: String,
    level: String,
    reason: String,
}

#[derive(Deserialize)]
struct SetArguments {
    label: String,
    agent: String,
    level: String,
    #[serde(default)]
    reason: String,
}

fn level_schema(levels: &[Level]) -> Value {
    let levels: Vec<&str> = levels.iter().map(Into::into).collect();
    json!({"type": "string", "enum": levels, "description": "What is allowed, each with all before it."})
}

impl Tool for Request {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: REQUEST_BLOCK_ACCESS.to_owned(),
            description:
                "Ask for access to a memory block that you may not read or edit. You wait until it is decided."
                    .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "label": {"type": "string", "description": "The label of the block."},
                    "level": level_schema(&Level::VARIANTS[1..]),
                    "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "description": "Why you need it; whoever decides reads it."}
                },
                "required": ["label", "level", "reason"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let a: RequestArguments = match arguments(REQUEST_BLOCK_ACCESS, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            let Some(wanted) = Level::named(&a.level) else {
                return ToolOutcome::refused(format!("{REQUEST_BLOCK_ACCESS}: {:?} is no level", a.level));
            };
            let now = match desk.level(&a.label) {
                Ok(level) => level,
                Err(why) => return ToolOutcome::refused(format!("{REQUEST_BLOCK_ACCESS}: {why}")),
            };
            if now >= wanted {
                return ToolOutcome::done(format!("block {}: you {}", a.label, now.allows()));
            }
            if desk.approved {
                return ToolOutcome::refused(format!("it was granted and taken back meanwhile; you {}", now.allows()));
            }
            if a.reason.trim().is_empty() {
                return ToolOutcome::refused(format!("{REQUEST_BLOCK_ACCESS}: say why you need it"));
            }
            ToolOutcome::Wait(Wait::Approval)
        })
    }
}

impl Tool for Set {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: SET_BLOCK_ACCESS.to_owned(),
            description: "Set what another agent may do with a memory block of which you are an admin.".to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "label": {"type": "string", "description": "The label of the block."},
                    "agent": {"type": "string", "description": "The name of the agent."},
                    "level": level_schema(Level::VARIANTS),
                    "reason": {"type": "string", "maxLength": LONGEST_REASON, "description": "Why."}
                },
                "required": ["label", "agent", "level"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let a: SetArguments = match arguments(SET_BLOCK_ACCESS, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            let refused = |why: String| ToolOutcome::refused(format!("{SET_BLOCK_ACCESS}: {why}"));
            let Some(level) = Level::named(&a.level) else { return refused(format!("{:?} is no level", a.level)) };
            let own = match desk.level(&a.label) {
                Ok(level) => level,
                Err(why) => return refused(why),
            };
            if own < Level::Admin {
                return refused(format!("you are no admin of block {}", a.label));
            }
            let colleagues = match desk.directory.colleagues().await {
                Ok(colleagues) => colleagues,
                Err(fault) => return refused(fault),
            };
            let Some(agent) = colleagues.iter().find(|one| one.here && one.answers_to(&a.agent)) else {
                let names: Vec<&str> = colleagues.iter().filter(|one| one.here).map(|one| one.name.as_str()).collect();
                return refused(format!("{:?} is no agent of your group; there are {}", a.agent, names.join(", ")));
            };
            let label = folded(&a.label);
            let Some(block) = desk.blocks.iter().find(|block| folded(&block.current.label) == label) else {
                return refused(format!("you have no block {:?}", a.label));
            };
            if matches!(block.current.owner, BlockOwner::Agent(_)) {
                let why = format!("block {} is of one agent; only the user can give it to others", block.current.label);
                return refused(why);
            }
            desk.grants.push(AccessGrant {
                block: block.current.id.clone(),
                agent: agent.id.clone(),
                level,
                reason: a.reason.trim().to_owned(),
            });
            ToolOutcome::done(format!("{} {}: block {}", agent.name, level.allows(), block.current.label))
        })
    }
}
