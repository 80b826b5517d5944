//! The tool that searches the conversation.

use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};
use strum::VariantNames as _;

use super::{Tool, ToolContext, ToolOutcome, arguments};
use crate::domain::search::time_span;
use crate::domain::{Content, MessageQuery, SpeakerRole, excerpt};
use crate::llm::{ToolSpec, marks};

/// Results if the call names no limit (Letta's default).
const DEFAULT_LIMIT: usize = 5;
/// Most results of one call.
const MAX_LIMIT: usize = 20;
/// Most characters quoted of one message.
const QUOTE: usize = 600;

/// The name of the tool.
pub const CONVERSATION_SEARCH: &str = "conversation_search";

/// `conversation_search`: finds earlier messages by words, speaker and time, newest first.
pub struct Search;

#[derive(Deserialize)]
struct Arguments {
    query: String,
    #[serde(default)]
    roles: Vec<SpeakerRole>,
    #[serde(default)]
    speaker: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    start_date: Option<String>,
    #[serde(default)]
    end_date: Option<String>,
}

impl Arguments {
    /// The query, with times in this zone. The end day of a search belongs to it.
    fn query(self, zone: &TimeZone) -> Result<MessageQuery, String> {
        if self.query.trim().is_empty() {
            return Err("query is empty; give the words to look for".to_owned());
        }
        let span = |name: &str, text: Option<String>| {
            let given = text.filter(|text| !text.trim().is_empty());
            let span = given.map(|text| time_span(&text, zone)).transpose();
            span.map_err(|why| format!("{name}: {why}"))
        };
        let (since, until) = (span("start_date", self.start_date)?, span("end_date", self.end_date)?);
        if since.zip(until).is_some_and(|(since, until)| until.1 < since.0) {
            return Err("end_date is before start_date".to_owned());
        }
        Ok(MessageQuery {
            text: self.query,
            conversation: None,
            roles: self.roles,
            speaker: self.speaker.filter(|name| !name.trim().is_empty()).map(|name| name.trim().to_owned()),
            since: since.map(|since| since.0),
            before: until.map(|until| until.1),
            limit: self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        })
    }
}

impl Tool for Search {
    fn spec(&self) -> ToolSpec {
        let date = "a day such as 2026-05-03, or a time such as 2026-05-03T14:30";
        ToolSpec {
            name: CONVERSATION_SEARCH.to_owned(),
            description: "Search the whole conversation for words, newest first. Use it when what you need was said \
                          earlier than you can see."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "The words to look for."},
                    "roles": {
                        "type": "array",
                        "items": {"type": "string", "enum": SpeakerRole::VARIANTS},
                        "description": "Only what was said by people (user) or by agents (assistant)."
                    },
                    "speaker": {"type": "string", "description": "Only what the agent with this name said."},
                    "start_date": {"type": "string", "description": format!("Not before: {date}.")},
                    "end_date": {"type": "string", "description": format!("Not after: {date}; the whole of that day counts.")},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "At most this many results; 5 if left out."}
                },
                "required": ["query"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let arguments: Arguments = match arguments(CONVERSATION_SEARCH, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            let zone = desk.library.zone();
            let refused = |why: String| ToolOutcome::refused(format!("{CONVERSATION_SEARCH}: {why}"));
            let query = match arguments.query(&zone) {
                Ok(query) => query,
                Err(why) => return refused(why),
            };
            let found = match desk.library.search(query).await {
                Ok(found) => found,
                Err(fault) => return refused(fault),
            };
            let lines: Vec<String> = found
                .messages
                .iter()
                .filter_map(|message| match &message.content {
                    Content::Text { text, .. } => {
                        let name = if message.agent.is_some() { &message.name } else { "the user" };
                        let quote = marks::line(&excerpt::to_chars(text, QUOTE));
                        let at = message.at.to_zoned(zone.clone());
                        Some(format!("[{}] {name}: {quote}", at.strftime("%Y-%m-%d %H:%M")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn query(value: &Value) -> Result<MessageQuery, String> {
        arguments::<Arguments>(CONVERSATION_SEARCH, value).unwrap().query(&TimeZone::get("Europe/Zurich").unwrap())
    }

    #[test]
    fn the_end_day_belongs_to_the_search_and_blank_arguments_ask_for_nothing() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let dated = json!({
            "query": "bees", "roles": ["assistant"], "speaker": " Ann ", "limit": 99,
            "start_date": "2026-05-02T08:00", "end_date": "2026-05-03"
        });
        let expected = MessageQuery {
            roles: vec![SpeakerRole::Assistant],
            speaker: Some("Ann".to_owned()),
            since: Some(at("2026-05-02T06:00:00Z")),
            before: Some(at("2026-05-03T22:00:00Z")),
            ..MessageQuery::new(None, "bees", MAX_LIMIT)
        };
        assert_eq!(query(&dated), Ok(expected));
        let blank = json!({"query": "bees", "roles": [], "speaker": "", "start_date": "", "end_date": " "});
        assert_eq!(query(&blank), Ok(MessageQuery::new(None, "bees", DEFAULT_LIMIT)));
        for (wrong, why) in [
            (json!({"query": " "}), "query is empty"),
            (json!({"query": "x", "start_date": "last week"}), "start_date: \"last week\" is no date"),
            (json!({"query": "x", "start_date": "2026-05-03", "end_date": "2026-05-01"}), "end_date is before"),
        ] {
            assert!(query(&wrong).unwrap_err().contains(why), "{wrong}");
        }
    }
}
