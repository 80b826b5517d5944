//! Google's Gemini protocol (`generateContent`).
//!
//! Implemented directly, because the signature of a function call must be returned with it, a blocked prompt is
//! reported in a frame without candidates, and a model's name must be sent unchanged.
//!
//! Rules of a request: the first and last contents are the user's; the next content answers each call with one
//! response, in order; no part is empty; a response is an object; a schema uses only keywords of the `OpenAPI` subset.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::body::{Body, Message, Tool};
use super::json::{count, list, text, there};
use super::{Call, Fault, Options, Protocol, ToolResult, Turn, in_words, turns_of};
use crate::llm::{Prompt, Stop};

/// Google's placeholder for the signature of a call made by another model.
pub(super) const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// Models that reject a call without a signature, by a part of the name.
const WANT_SIGNATURES: [&str; 2] = ["gemini-3", "-latest"];
/// The supported schema keywords.
const SCHEMA_WORDS: [&str; 13] = [
    "type",
    "description",
    "properties",
    "required",
    "enum",
    "items",
    "nullable",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "anyOf",
    "title",
];

/// Builds the body of a request.
pub(super) fn request<'a>(prompt: &'a Prompt, options: &Options<'_>) -> Body<'a> {
    let turns = turns_of(prompt, options, Protocol::Gemini);
    let wants = WANT_SIGNATURES.iter().any(|name| options.model.contains(name))
        || turns.iter().any(|turn| signatures(turn, options).is_some());
    let mut contents = Vec::new();
    for turn in turns {
        match turn {
            Turn::Own { ref text, ref calls, .. } => {
                let signed = signatures(&turn, options);
                let mut parts = Vec::new();
                if !text.is_empty() {
                    parts.push(json!({"text": text}));
                }
                for (at, Call { key, name, arguments, .. }) in calls.iter().enumerate() {
                    let mut part = json!({"functionCall": {"name": name, "args": arguments}});
                    let signature = signed.and_then(|signed| super::json::text(signed, key));
                    // Only the first call of a step needs a signature.
                    let stand_in = (wants && at == 0 && signed.is_none()).then_some(NO_SIGNATURE);
                    if let Some(signature) = signature.or(stand_in) {
                        part["thoughtSignature"] = json!(signature);
                    }
                    parts.push(part);
                }
                contents.push(Message::Other(json!({"role": "model", "parts": parts})));
            }
            Turn::Others { results, text } => {
                if !results.is_empty() {
                    let parts: Vec<Value> = results.iter().map(result).collect();
                    contents.push(Message::Other(json!({"role": "user", "parts": parts})));
                }
                if !text.is_empty() {
                    contents.push(Message::part("user", text));
                }
            }
        }
    }
    let mut body = json!({});
    if let Some(system) = super::system(prompt) {
        body["systemInstruction"] = json!({"parts": [{"text": system}]});
    }
    let mut tools = Vec::new();
    if !prompt.tools.is_empty() {
        let declared = prompt
            .tools
            .iter()
            .map(|tool| {
                let mut declared = json!({"name": options.names.sent_for(&tool.name), "description": tool.description});
                // An object without members is rejected; absent parameters are not.
                if tool.schema["properties"].as_object().is_some_and(|members| !members.is_empty()) {
                    declared["parameters"] = schema(&tool.schema);
                }
                declared
            })
            .collect();
        tools.push(Tool::Declared { declared });
    }
    let mut config = Map::new();
    if let Some(temperature) = prompt.temperature {
        config.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(most) = options.max_tokens {
        config.insert("maxOutputTokens".to_owned(), json!(most));
    }
    if !config.is_empty() {
        body["generationConfig"] = Value::Object(config);
    }
    Body::new(body, tools, ("contents", contents))
}

/// Returns the signatures of a turn's calls by their own ids; `None` if another model made them.
fn signatures<'a>(turn: &'a Turn, options: &Options<'_>) -> Option<&'a Value> {
    let Turn::Own { kept: Some(kept), .. } = turn else { return None };
    let same = kept.is_of(Protocol::Gemini.into(), options.provider) && kept.model == options.model;
    there(&kept.value, "calls").filter(|_| same)
}

fn result(result: &ToolResult) -> Value {
    let key = if result.ok { "result" } else { "error" };
    json!({"functionResponse": {"name": result.name, "response": {key: result.text}}})
}

/// Reduces a JSON schema to the supported keywords.
fn schema(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let mut out = Map::new();
    for (key, value) in members {
        if !SCHEMA_WORDS.contains(&key.as_str()) {
            continue;
        }
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(members)) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), schema(value))).collect())
            }
            ("items", value) => schema(value),
            ("anyOf", Value::Array(ways)) => ways.iter().map(schema).collect(),
            ("enum", Value::Array(words)) if !words.iter().all(|word| word.as_str().is_some_and(|w| !w.is_empty())) => {
                continue;
            }
            // A list of types becomes one type, nullable if the list has `null`.
            ("type", Value::Array(types)) => {
                if types.iter().any(|name| name == "null") {
                    out.insert("nullable".to_owned(), json!(true));
                }
                types.iter().find(|name| *name != "null").cloned().unwrap_or_else(|| json!("string"))
            }
            (_, value) => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

/// Reads one frame of the answer, or a whole answer in one frame.
pub(super) fn frame(answer: &mut Answer, event: &str, frame: &Value) -> Result<(), Fault> {
    if event == "error" || there(frame, "error").is_some() {
        return Err(Fault::Told(frame.clone()));
    }
    if let Some(usage) = there(frame, "usageMetadata") {
        answer.tokens_in(count(usage, "promptTokenCount"));
        let thought = count(usage, "thoughtsTokenCount");
        answer.tokens_out(count(usage, "candidatesTokenCount").map(|tokens| tokens + thought.unwrap_or(0)));
        answer.tokens_reasoning(thought);
        answer.tokens_cached(count(usage, "cachedContentTokenCount"));
    }
    if let Some(reason) = frame.get("promptFeedback").and_then(|feedback| text(feedback, "blockReason")) {
        let says = frame["promptFeedback"].get("blockReasonMessage").and_then(Value::as_str).unwrap_or_default();
        return Err(Fault::Blocked(format!("{reason} {says}").trim().to_owned()));
    }
    let Some(candidate) = list(frame, "candidates").first() else {
        let says = ["message", "detail"].iter().any(|key| there(frame, key).is_some());
        return if says { Err(Fault::Told(frame.clone())) } else { Ok(()) };
    };
    for part in candidate.get("content").map_or(&[][..], |content| list(content, "parts")) {
        let signature = text(part, "thoughtSignature");
        if let Some(call) = there(part, "functionCall") {
            let at = answer.begin_call(text(call, "id").unwrap_or_default(), text(call, "name").unwrap_or_default());
            answer.call_arguments(at, call.get("args").unwrap_or(&Value::Null));
            if let Some(signature) = signature {
                answer.keep_with_call(at, json!(signature));
            }
        } else if part.get("thought").and_then(Value::as_bool).unwrap_or(false) {
            answer.reasoning(text(part, "text").unwrap_or_default());
        } else {
            answer.text(text(part, "text").unwrap_or_default());
        }
    }
    if let Some(word) = text(candidate, "finishReason") {
        let stop = stop(word)?;
        answer.stop(if stop == Stop::End && answer.is_empty() { Stop::Empty } else { stop });
    }
    Ok(())
}

fn stop(word: &str) -> Result<Stop, Fault> {
    Ok(match word {
        "STOP" => Stop::End,
        "MAX_TOKENS" => Stop::Length,
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
            Stop::Filtered
        }
        word if word.contains("FUNCTION_CALL") || word.contains("TOOL_CALL") => {
            return Err(Fault::Malformed(in_words(word)));
        }
        _ => Stop::Unknown,
    })
}
