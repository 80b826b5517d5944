//! Taking part in a turn, or not.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Desk, Effect, Tool};
use crate::llm::ToolSpec;

/// `pass`: the agent has nothing to say. Its speech is spent and is seen to be.
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

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut Desk<'_>) -> BoxFuture<'a, Effect> {
        Box::pin(async { Effect::Pass })
    }
}
