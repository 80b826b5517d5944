//! The tool that searches the conversation.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, ToolOutcome, arguments};
use crate::domain::{Content, excerpt};
use crate::llm::{ToolSpec, marks};

/// Results if the call names no limit (Letta's default).
const DEFAULT_LIMIT: usize = 5;
/// Most results of one call.
const MAX_LIMIT: usize = 20;
/// Most characters quoted of one message.
const QUOTE: usize = 600;

/// The name of the tool.
pub const CONVERSATION_SEARCH: &str = "conversation_search";

/// `conversation_search`: finds earlier messages by words, newest first.
pub struct Search;

#[derive(Deserialize)]
struct Arguments {
    query: String,
    #[serde(default)]
    limit: Option<usize>,
}

impl Tool for Search {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: CONVERSATION_SEARCH.to_owned(),
            description: "Search the whole conversation for words, newest first. Use it when what you need was said \
                          earlier than you can see."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "The words to look for."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "At most this many results; 5 if left out."}
                },
                "required": ["query"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let Arguments { query, limit } = match arguments(CONVERSATION_SEARCH, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            if query.trim().is_empty() {
                return ToolOutcome::refused(format!(
                    "{CONVERSATION_SEARCH}: query is empty; give the words to look for"
                ));
            }
            let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
            let found = match desk.library.search(&query, limit).await {
                Ok(found) => found,
                Err(fault) => return ToolOutcome::refused(format!("{CONVERSATION_SEARCH}: {fault}")),
            };
            let lines: Vec<String> = found
                .messages
                .iter()
                .filter_map(|message| match &message.content {
                    Content::Text { text, .. } => {
                        let name = if message.agent.is_some() { &message.name } else { "the user" };
                        let quote = marks::line(&excerpt::to_chars(text, QUOTE));
                        Some(format!("[{}] {name}: {quote}", message.at.strftime("%Y-%m-%d %H:%M")))
                    }
                    _ => None,
                })
                .collect();
            let count = format!("{} found", lines.len());
            let all = std::iter::once(count).chain(lines).chain(found.note().map(|note| format!("({note})")));
            ToolOutcome::done(all.collect::<Vec<_>>().join("\n"))
        })
    }
}
