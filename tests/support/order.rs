//! What every protocol wants of the messages it is sent: turns that alternate, and each call with its one result.

use std::collections::BTreeSet;

use serde_json::Value;

use super::wire::{Protocol, Request};

/// Who a message is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody but the agent.
    Others,
    /// The agent.
    Own,
    /// A result in a message of its own.
    Tool,
}

/// A message, whatever its protocol.
#[derive(Debug)]
pub struct Sent {
    pub who: Who,
    pub words: String,
    /// The calls in it, by id, or by name where the protocol knows no ids.
    pub calls: Vec<String>,
    /// The results in it with the calls they answer; Ollama does not say which.
    pub results: Vec<(Option<String>, String)>,
}

/// The messages of a request without its instructions.
pub fn messages(protocol: Protocol, request: &Request) -> Vec<Sent> {
    let own = |message: &&Value| message["role"] != "system";
    request.messages().iter().filter(own).map(|message| sent(protocol, message)).collect()
}

fn sent(protocol: Protocol, message: &Value) -> Sent {
    let who = match message["role"].as_str().unwrap() {
        "user" => Who::Others,
        "assistant" | "model" => Who::Own,
        "tool" => Who::Tool,
        other => panic!("{protocol:?} knows no role {other}"),
    };
    let mut sent = Sent { who, words: String::new(), calls: Vec::new(), results: Vec::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = message.get("parts").unwrap_or(&message["content"]);
    match parts {
        Value::Array(parts) => {
            for part in parts {
                if let Some(words) = part.get("text") {
                    assert_eq!(sent.words, "", "the words are one part: {message}");
                    sent.words = text(words);
                } else if let Some(call) = part.get("functionCall") {
                    sent.calls.push(text(&call["name"]));
                } else if let Some(result) = part.get("functionResponse") {
                    sent.results.push((Some(text(&result["name"])), result["response"].to_string()));
                } else if part["type"] == "tool_use" {
                    assert!(part["input"].is_object(), "{message}");
                    sent.calls.push(text(&part["id"]));
                } else {
                    assert_eq!(part["type"], "tool_result", "{message}");
                    assert_eq!(sent.words, "", "results come before words: {message}");
                    sent.results.push((Some(text(&part["tool_use_id"])), part["content"].to_string()));
                }
            }
        }
        content if who == Who::Tool => {
            let id = message.get("tool_call_id").and_then(Value::as_str).map(str::to_owned);
            assert_eq!(id.is_none(), protocol == Protocol::Ollama, "{message}");
            sent.results.push((id, text(content)));
        }
        content => sent.words = text(content),
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        sent.calls.push(text(call.get("id").unwrap_or(&call["function"]["name"])));
    }
    sent
}

/// Turns alternate from somebody else's to somebody else's, none is empty, no two calls have one id, and every call
/// has exactly one result, in order and right behind it.
pub fn assert_in_order(protocol: Protocol, request: &Request) {
    let messages = messages(protocol, request);
    let all = || format!("{protocol:?}: {messages:#?}");
    assert_eq!(messages.first().map(|first| first.who), Some(Who::Others), "{}", all());
    assert_ne!(messages.last().map(|last| last.who), Some(Who::Own), "{}", all());
    let system = request.roles().iter().filter(|role| **role == "system").count();
    assert!(system <= 1, "{}", all());
    // The calls that have no result yet, and whether words of others may follow.
    let mut open: Vec<String> = Vec::new();
    let mut before: Option<&Sent> = None;
    let mut ids = BTreeSet::new();
    for message in &messages {
        assert!(!(message.words.is_empty() && message.calls.is_empty() && message.results.is_empty()), "{}", all());
        match message.who {
            Who::Own => {
                assert!(open.is_empty(), "a call without its result: {}", all());
                assert_ne!(before.unwrap().who, Who::Own, "{}", all());
                open.clone_from(&message.calls);
                for call in protocol_has_ids(protocol).then_some(&message.calls).into_iter().flatten() {
                    assert!(ids.insert(call.clone()), "an id twice: {}", all());
                }
            }
            Who::Others | Who::Tool => {
                for (call, _) in &message.results {
                    assert!(!open.is_empty(), "a result without its call: {}", all());
                    let asked = open.remove(0);
                    assert_eq!(call.clone().unwrap_or_else(|| asked.clone()), asked, "{}", all());
                }
                let words = !message.words.is_empty() && message.who == Who::Others;
                assert!(!words || open.is_empty(), "words before a result: {}", all());
                let answers = before.is_some_and(|before| before.who == Who::Tool || !before.results.is_empty());
                let follows = before.is_none_or(|before| before.who == Who::Own) || answers;
                // Anthropic has one turn for results and words.
                let alone = protocol != Protocol::Anthropic || before.is_none_or(|before| before.who == Who::Own);
                assert!(follows && alone, "{}", all());
            }
        }
        before = Some(message);
    }
    assert!(open.is_empty(), "a call without its result: {}", all());
}

fn protocol_has_ids(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::OpenAi | Protocol::Anthropic)
}
