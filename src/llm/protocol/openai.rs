//! `OpenAI`'s chat completions, for all servers of this protocol.
//!
//! Implemented directly, because conversations fail on servers' deviations from this protocol: `reasoning_content`,
//! `reasoning_details` and `extra_content` that must be returned with their calls, calls without numbers, arguments as
//! objects, errors in a 200. General client libraries drop these.
//!
//! Rules of a request: a tool's name is `[a-zA-Z0-9_-]{1,64}`; results directly follow their calls; no user message
//! follows a result (Mistral and many chat templates reject it); content is never empty; a foreign id becomes nine
//! letters and digits, the only form Mistral accepts.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::body::{Body, Message, Tool};
use super::calls::Piece;
use super::json::{count, list, text, there};
use super::{Call, Fault, Options, Protocol, ToolResult, Turn, in_words, short_id, turns_of};
use crate::llm::{Prompt, Stop};

/// Sent between a result and the text that follows it, if the model itself said nothing.
const BETWEEN: &str = "I have read the results.";
/// Models that reject a call without its reasoning, by a part of the name.
const WANT_REASONING: [&str; 3] = ["deepseek-reasoner", "kimi-k2-thinking", "kimi-thinking"];

/// Builds the body of a request.
pub(super) fn request<'a>(prompt: &'a Prompt, options: &Options<'_>) -> Body<'a> {
    let turns = turns_of(prompt, options, Protocol::OpenAi);
    let wants_reasoning = WANT_REASONING.iter().any(|name| options.model.to_lowercase().contains(name))
        || turns.iter().any(|turn| reasoning_of(turn, options).is_some());
    let mut messages = Vec::new();
    if let Some(system) = super::system(prompt) {
        messages.push(Message::text("system", system));
    }
    for turn in turns {
        match turn {
            Turn::Own { .. } => messages.push(own(turn, options, wants_reasoning)),
            Turn::Others { results, text } => {
                let answered = !results.is_empty();
                messages.extend(results.iter().map(result).map(Message::Other));
                if !text.is_empty() {
                    if answered {
                        messages.push(Message::text("assistant", BETWEEN));
                    }
                    messages.push(Message::text("user", text));
                }
            }
        }
    }
    let mut body = json!({
        "model": options.model,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    if let Some(temperature) = prompt.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(most) = options.max_tokens {
        // OpenAI's thinking models reject `max_tokens`; most other servers know only that.
        body[if options.official { "max_completion_tokens" } else { "max_tokens" }] = json!(most);
    }
    Body::new(body, Tool::functions(prompt, &options.names), ("messages", messages))
}

fn result(result: &ToolResult) -> Value {
    json!({"role": "tool", "tool_call_id": result.call, "content": result.text})
}

fn reasoning_of<'a>(turn: &'a Turn, options: &Options<'_>) -> Option<&'a str> {
    let Turn::Own { calls, kept: Some(kept), .. } = turn else { return None };
    let same = !calls.is_empty() && kept.is_of(Protocol::OpenAi.into(), options.provider);
    text(&kept.value, "reasoning_content").filter(|_| same)
}

fn own(turn: Turn, options: &Options<'_>, wants_reasoning: bool) -> Message {
    let reasoning = reasoning_of(&turn, options).map(str::to_owned);
    let Turn::Own { text: words, calls, kept } = turn else { return Message::Other(Value::Null) };
    let kept = kept.as_ref().filter(|kept| kept.is_of(Protocol::OpenAi.into(), options.provider));
    let same_model = kept.filter(|kept| kept.model == options.model);
    let details = same_model.and_then(|kept| there(&kept.value, "reasoning_details"));
    if calls.is_empty() && details.is_none() && !words.is_empty() {
        return Message::text("assistant", words);
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), if words.is_empty() { Value::Null } else { json!(words) });
    if let Some(details) = details {
        message.insert("reasoning_details".to_owned(), details.clone());
    }
    if calls.is_empty() {
        return Message::Other(Value::Object(message));
    }
    if wants_reasoning {
        message.insert("reasoning_content".to_owned(), json!(reasoning.unwrap_or_default()));
    }
    let extra = same_model.map(|kept| &kept.value["calls"]);
    let calls: Vec<Value> = calls
        .iter()
        .map(|Call { id, key, name, arguments }| {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            let mut call = json!({"id": id, "type": "function", "function": function});
            if let Some(extra) = extra.and_then(|extra| there(extra, key)) {
                call["extra_content"] = extra.clone();
            }
            call
        })
        .collect();
    message.insert("tool_calls".to_owned(), Value::Array(calls));
    Message::Other(Value::Object(message))
}

/// Returns the id as sent: a provider's own unchanged, a foreign one as nine letters and digits.
pub(super) fn id(id: &str, from_here: bool) -> String {
    let plain = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if from_here && plain && !id.contains('#') { id.to_owned() } else { short_id(id) }
}

/// Reads one frame of the answer, or a whole answer in one frame.
pub(super) fn frame(answer: &mut Answer, event: &str, frame: &Value) -> Result<(), Fault> {
    if event == "error" || there(frame, "error").is_some() {
        return Err(Fault::Told(frame.clone()));
    }
    let usage = there(frame, "usage").or_else(|| frame.pointer("/x_groq/usage"));
    let Some(choices) = frame.get("choices").and_then(Value::as_array) else {
        let says = ["message", "detail"].iter().any(|key| there(frame, key).is_some());
        if says || frame.get("object").and_then(Value::as_str) == Some("error") {
            return Err(Fault::Told(frame.clone()));
        }
        tokens(answer, usage);
        return Ok(());
    };
    let first = choices.iter().find(|choice| count(choice, "index").unwrap_or(0) == 0);
    tokens(answer, usage.or_else(|| there(first?, "usage")));
    let Some(choice) = first else { return Ok(()) };
    if let Some(error) = there(choice, "error") {
        return Err(Fault::Told(json!({"error": error})));
    }
    if let Some(message) = there(choice, "delta").or_else(|| there(choice, "message")) {
        delta(answer, message);
    }
    if let Some(words) = text(choice, "text") {
        answer.text(words);
    }
    match text(choice, "finish_reason") {
        Some(word) => stop(word).map(|stop| answer.stop(stop)),
        None => Ok(()),
    }
}

fn tokens(answer: &mut Answer, usage: Option<&Value>) {
    if let Some(usage) = usage {
        answer.tokens_in(count(usage, "prompt_tokens"));
        answer.tokens_out(count(usage, "completion_tokens"));
        let detail = |of: &str, key: &str| there(usage, of).and_then(|details| count(details, key));
        let cached = detail("prompt_tokens_details", "cached_tokens");
        answer.tokens_cached(cached.or_else(|| count(usage, "prompt_cache_hit_tokens"))); // the second is DeepSeek's
        answer.tokens_reasoning(detail("completion_tokens_details", "reasoning_tokens"));
    }
}

fn delta(answer: &mut Answer, delta: &Value) {
    let details = list(delta, "reasoning_details");
    if !details.is_empty() {
        answer.keep("reasoning_details", json!(details));
    }
    if let Some(thought) = text(delta, "reasoning_content") {
        answer.keep("reasoning_content", json!(thought));
        answer.reasoning(thought);
    } else if let Some(thought) = text(delta, "reasoning") {
        answer.reasoning(thought);
    } else {
        for detail in details {
            answer.reasoning(text(detail, "text").or_else(|| text(detail, "summary")).unwrap_or_default());
        }
    }
    match delta.get("content") {
        Some(Value::String(words)) => answer.text(words),
        Some(Value::Array(parts)) => parts.iter().for_each(|part| content(answer, part)),
        _ => {}
    }
    if let Some(words) = text(delta, "refusal") {
        answer.text(words);
        answer.stop(Stop::Refused);
    }
    for call in list(delta, "tool_calls") {
        call_piece(answer, call, there(call, "function").unwrap_or(call));
    }
    if let Some(function) = there(delta, "function_call") {
        call_piece(answer, &json!({"index": 0}), function);
    }
}

/// Reads one part of list content, the form of Mistral's thinking models.
fn content(answer: &mut Answer, part: &Value) {
    match (part, part.get("thinking")) {
        (Value::String(words), _) => answer.text(words),
        (_, Some(Value::String(thought))) => answer.reasoning(thought),
        (_, Some(Value::Array(thoughts))) => {
            for thought in thoughts {
                answer.reasoning(text(thought, "text").unwrap_or_default());
            }
        }
        _ => answer.text(text(part, "text").unwrap_or_default()),
    }
}

fn call_piece(answer: &mut Answer, call: &Value, function: &Value) {
    let piece = Piece {
        index: count(call, "index"),
        id: text(call, "id"),
        name: text(function, "name"),
        arguments: there(function, "arguments"),
    };
    let at = answer.call_piece(&piece);
    if let Some(extra) = there(call, "extra_content") {
        answer.keep_with_call(at, extra.clone());
    }
}

fn stop(word: &str) -> Result<Stop, Fault> {
    Ok(match word {
        "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" => Stop::End,
        "tool_calls" | "function_call" | "tool_use" => Stop::Calls,
        "length" | "max_tokens" | "model_length" => Stop::Length,
        "content_filter" | "sensitive" | "safety" => Stop::Filtered,
        "refusal" => Stop::Refused,
        "error" | "network_error" | "insufficient_system_resource" | "abort" => {
            return Err(Fault::Broken(format!("it reports {}", in_words(word))));
        }
        _ => Stop::Unknown,
    })
}
