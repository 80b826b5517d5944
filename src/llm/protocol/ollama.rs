//! Ollama's chat protocol.
//!
//! Implemented directly, because without `num_ctx` Ollama reads 4,096 tokens of a prompt and silently drops the rest,
//! and because errors, answers that only loaded the model and cut answers all arrive in ordinary lines.
//!
//! Rules of a request: arguments are objects; results follow their calls in order and name their tools.

use serde_json::{Value, json};

use super::answer::Answer;
use super::body::{Body, Message, Tool};
use super::json::{count, list, text, there};
use super::{Call, Fault, Options, Protocol, Turn, turns_of};
use crate::llm::{Prompt, Stop};

/// Builds the body of a request.
pub(super) fn request<'a>(prompt: &'a Prompt, options: &Options<'_>) -> Body<'a> {
    let mut messages = Vec::new();
    if let Some(system) = super::system(prompt) {
        messages.push(Message::text("system", system));
    }
    for turn in turns_of(prompt, options, Protocol::Ollama) {
        match turn {
            Turn::Own { text: words, calls, .. } if calls.is_empty() => {
                messages.push(Message::text("assistant", words));
            }
            Turn::Own { text: words, calls, kept } => {
                let mut message = json!({"role": "assistant", "content": words});
                let kept = kept.filter(|kept| kept.is_of(Protocol::Ollama.into(), options.provider));
                if let Some(thinking) = kept.as_ref().and_then(|kept| text(&kept.value, "thinking")) {
                    message["thinking"] = json!(thinking);
                }
                let call =
                    |Call { name, arguments, .. }: &Call| json!({"function": {"name": name, "arguments": arguments}});
                message["tool_calls"] = calls.iter().map(call).collect();
                messages.push(Message::Other(message));
            }
            Turn::Others { results, text } => {
                messages.extend(
                    results
                        .iter()
                        .map(|result| json!({"role": "tool", "tool_name": result.name, "content": result.text}))
                        .map(Message::Other),
                );
                if !text.is_empty() {
                    messages.push(Message::text("user", text));
                }
            }
        }
    }
    let mut body = json!({"model": options.model, "stream": true});
    let mut settings = serde_json::Map::new();
    if let Some(tokens) = options.num_ctx {
        settings.insert("num_ctx".to_owned(), json!(tokens));
    }
    if let Some(temperature) = prompt.temperature {
        settings.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(most) = options.max_tokens {
        settings.insert("num_predict".to_owned(), json!(most));
    }
    if !settings.is_empty() {
        body["options"] = Value::Object(settings);
    }
    Body::new(body, Tool::functions(prompt, &options.names), ("messages", messages))
}

/// Reads one line of the answer, or a whole answer in one line.
pub(super) fn frame(answer: &mut Answer, frame: &Value) -> Result<(), Fault> {
    if there(frame, "error").is_some() {
        return Err(Fault::Told(frame.clone()));
    }
    if let Some(message) = there(frame, "message") {
        if message.is_string() {
            return Err(Fault::Told(frame.clone()));
        }
        if let Some(thought) = text(message, "thinking") {
            answer.keep("thinking", json!(thought));
            answer.reasoning(thought);
        }
        if let Some(words) = text(message, "content") {
            answer.text(words);
        }
        for call in list(message, "tool_calls") {
            let function = there(call, "function").unwrap_or(call);
            // Each call arrives complete.
            let (id, name) = (text(call, "id").unwrap_or_default(), text(function, "name").unwrap_or_default());
            let at = answer.begin_call(id, name);
            answer.call_arguments(at, function.get("arguments").unwrap_or(&Value::Null));
        }
    }
    // Neither what came from its cache nor the reasoning is counted apart.
    answer.tokens_in(count(frame, "prompt_eval_count"));
    answer.tokens_out(count(frame, "eval_count"));
    let done = frame.get("done").and_then(Value::as_bool).unwrap_or(false);
    if let Some(word) = text(frame, "done_reason").filter(|_| done) {
        answer.stop(match word {
            "stop" => Stop::End,
            "length" => Stop::Length,
            "load" | "unload" => return Err(Fault::Broken(format!("it only {word}ed the model"))),
            _ => Stop::Unknown,
        });
    }
    if done {
        answer.close();
    }
    Ok(())
}
