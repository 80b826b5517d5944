//! Tools about the turn itself: passing, returning it to the user, choosing the next speaker.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::arguments::lenient;
use super::{Tool, ToolContext, ToolOutcome, arguments};
use crate::domain::pattern::dynamic::CHOOSE;
use crate::domain::terminate::RETURN_TO_USER;
use crate::llm::ToolSpec;

/// `pass`: ends the speech without text; it counts towards `max_turns` and is shown as a pass.
pub struct Pass;

impl Tool for Pass {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "pass".to_owned(),
            description: "Say nothing this time. Use it when you have nothing to add to what others have said."
                .to_owned(),
            schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        }
    }

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async { ToolOutcome::Pass })
    }
}

/// `return_to_user`: ends the speech, and also the turn if the group's conditions say so.
pub struct ReturnToUser;

#[derive(Deserialize)]
struct Return {
    reason: String,
}

impl Tool for ReturnToUser {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: RETURN_TO_USER.to_owned(),
            description: "Give the conversation back to the user. Use it when only the user can go on: a decision, a \
                          missing fact, a wish to be made clear."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "reason": {"type": "string", "description": "What the user is to say or decide, in a sentence."}
                },
                "required": ["reason"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let Return { reason } = match arguments(RETURN_TO_USER, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            if reason.trim().is_empty() {
                return ToolOutcome::refused("return_to_user: reason is empty; say what the user is to do");
            }
            ToolOutcome::Finish { text: "the user is next".to_owned() }
        })
    }
}

/// The arguments of a call of [`CHOOSE`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NextSpeaker {
    /// A name, or [`DONE`](crate::domain::pattern::dynamic::DONE).
    pub agent: String,
    /// The reason; may be empty.
    #[serde(default)]
    pub reason: String,
}

impl NextSpeaker {
    /// Parses the arguments.
    ///
    /// # Errors
    /// A sentence if they do not match.
    pub fn read(arguments: &Value) -> Result<Self, String> {
        let arguments = lenient(&choose_next_speaker(&[]).schema, arguments);
        Self::deserialize(arguments).map_err(|fault| format!("the arguments of {CHOOSE} do not fit: {fault}"))
    }
}

/// The spec of [`CHOOSE`] with the names that may be chosen. It is not a registered tool: the engine offers it for a
/// choice and judges the call itself.
#[must_use]
pub fn choose_next_speaker(names: &[&str]) -> ToolSpec {
    ToolSpec {
        name: CHOOSE.to_owned(),
        description: "Choose who speaks next: whoever can best answer what was said last. The one you choose reads \
                      the whole conversation."
            .to_owned(),
        schema: json!({
            "type": "object",
            "properties": {
                "agent": {"type": "string", "enum": names, "description": "The name, exactly as it is listed."},
                "reason": {"type": "string", "description": "Why, in a sentence; everybody reads it."}
            },
            "required": ["agent", "reason"],
            "additionalProperties": false
        }),
    }
}
