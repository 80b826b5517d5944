//! What each protocol's servers refuse: a request that passes is taken by the strictest of them.

use std::collections::BTreeSet;

use serde_json::Value;

/// Panics unless this body is a valid request of the protocol, which is named as in the configuration.
#[track_caller]
pub fn assert_valid(protocol: &str, body: &Value) {
    match protocol {
        "openai" => openai(body),
        "anthropic" => anthropic(body),
        "gemini" => gemini(body),
        "ollama" => ollama(body),
        other => panic!("a protocol {other}"),
    }
}

fn is_name(name: &Value) -> bool {
    let name = name.as_str().unwrap_or_default();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn has_words(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap_or_default()
}

/// A field that is a list, or nothing.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Messages of `OpenAI`'s protocol, as its strictest servers take them.
fn openai(body: &Value) {
    let messages = list(body, "messages");
    let begin = usize::from(role(&messages[0]) == "system");
    assert!(messages[..begin].iter().all(|system| has_words(&system["content"])));
    let mut ids = BTreeSet::new();
    let mut open: Vec<&Value> = Vec::new();
    let mut before = "system";
    for message in &messages[begin..] {
        match role(message) {
            "user" => {
                assert!(matches!(before, "system" | "assistant"), "user behind {before}");
                assert!(open.is_empty() && has_words(&message["content"]), "{message}");
            }
            "assistant" => {
                assert!(matches!(before, "user" | "tool") && open.is_empty(), "{message}");
                let calls = list(message, "tool_calls");
                assert!(has_words(&message["content"]) || message["content"].is_null() && !calls.is_empty());
                assert!(message.get("tool_calls").is_none() || !calls.is_empty());
                for call in calls {
                    let id = call["id"].as_str().unwrap();
                    assert!(!id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic()));
                    assert!(ids.insert(id), "an id twice");
                    assert!(is_name(&call["function"]["name"]), "{call}");
                    let arguments = call["function"]["arguments"].as_str().unwrap();
                    assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object());
                    open.push(&call["id"]);
                }
            }
            "tool" => {
                assert_eq!(Some(&message["tool_call_id"]), open.first().copied(), "{message}");
                open.remove(0);
                assert!(has_words(&message["content"]));
            }
            other => panic!("a role {other}"),
        }
        before = role(message);
    }
    assert!(open.is_empty() && role(&messages[begin]) == "user" && before != "assistant");
    let calls = messages.iter().filter(|message| message.get("tool_calls").is_some());
    let reasoned: Vec<bool> = calls.map(|message| message.get("reasoning_content").is_some()).collect();
    assert!(reasoned.iter().all(|one| *one == reasoned[0]), "reasoning with all calls or none");
}

fn anthropic(body: &Value) {
    assert!(body["max_tokens"].as_u64().unwrap() > 0);
    assert!(body.get("system").is_none_or(has_words));
    let messages = list(body, "messages");
    let mut ids = BTreeSet::new();
    let mut open: Vec<&Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        assert_eq!(role(message), if at % 2 == 0 { "user" } else { "assistant" });
        let blocks = match &message["content"] {
            Value::String(_) => {
                assert!(has_words(&message["content"]) && open.is_empty());
                continue;
            }
            blocks => blocks.as_array().unwrap(),
        };
        assert!(!blocks.is_empty());
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "text" => {
                    assert!(has_words(&block["text"]) && (role(message) == "assistant" || open.is_empty()));
                    assert_eq!(block["text"].as_str().unwrap().trim_end(), block["text"]);
                }
                "thinking" => assert!(role(message) == "assistant" && has_words(&block["signature"])),
                "tool_use" => {
                    let id = block["id"].as_str().unwrap();
                    assert!(!id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
                    assert!(ids.insert(id), "an id twice: {id}");
                    assert!(is_name(&block["name"]) && block["input"].is_object() && role(message) == "assistant");
                    open.push(&block["id"]);
                }
                "tool_result" => {
                    assert_eq!(Some(&block["tool_use_id"]), open.first().copied());
                    open.remove(0);
                    assert!(has_words(&block["content"]) && role(message) == "user");
                }
                other => panic!("a block {other}"),
            }
        }
        assert!(role(message) == "assistant" || open.is_empty(), "a call without its result");
    }
    assert_eq!(messages.len() % 2, 1, "the last is the user's");
    assert!(body.get("tools").is_some() || ids.is_empty(), "calls without tools");
}

fn gemini(body: &Value) {
    let contents = list(body, "contents");
    let mut open: Vec<&Value> = Vec::new();
    let mut before = "";
    for content in contents {
        let parts = list(content, "parts");
        assert!(!parts.is_empty());
        for part in parts {
            if let Some(call) = part.get("functionCall") {
                assert!(is_name(&call["name"]) && call["args"].is_object() && role(content) == "model");
                open.push(&call["name"]);
            } else if let Some(response) = part.get("functionResponse") {
                assert_eq!(Some(&response["name"]), open.first().copied());
                open.remove(0);
                assert!(response["response"].is_object() && role(content) == "user");
            } else {
                assert!(has_words(&part["text"]) && (role(content) == "model" || open.is_empty()));
            }
        }
        assert!(role(content) == "model" || open.is_empty(), "a call without its result");
        assert!(role(content) != before || before == "user");
        before = role(content);
    }
    assert!(open.is_empty() && role(&contents[0]) == "user" && before == "user");
    for tool in list(&body["tools"][0], "functionDeclarations") {
        assert!(is_name(&tool["name"]) && !tool.to_string().contains("additionalProperties"));
    }
}

fn ollama(body: &Value) {
    let mut open: Vec<&Value> = Vec::new();
    let mut before = "";
    for message in list(body, "messages") {
        match role(message) {
            "tool" => {
                assert_eq!(Some(&message["tool_name"]), open.first().copied());
                open.remove(0);
                assert!(has_words(&message["content"]));
            }
            "assistant" => {
                assert!(open.is_empty() && before != "assistant");
                assert!(has_words(&message["content"]) || !list(message, "tool_calls").is_empty());
                for call in list(message, "tool_calls") {
                    assert!(is_name(&call["function"]["name"]) && call["function"]["arguments"].is_object());
                    open.push(&call["function"]["name"]);
                }
            }
            _ => assert!(open.is_empty() && has_words(&message["content"])),
        }
        before = role(message);
    }
    assert!(open.is_empty() && before != "assistant");
    assert!(body["options"]["num_ctx"].as_u64().unwrap() > 0);
}
