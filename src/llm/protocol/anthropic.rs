//! Anthropic's messages protocol.
//!
//! Implemented directly, because thinking blocks and their signatures must be returned unchanged, blocks may be
//! interleaved or whole, and a model's name must be sent unchanged.
//!
//! Rules of a request: roles alternate, the first and last are the user; each `tool_use` has its `tool_result` first in
//! the next message; ids are `[a-zA-Z0-9_-]+`; no text block is empty or ends in white space; a request without tools
//! has no calls (Bedrock rejects them); `max_tokens` is always set.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::body::{Body, Message, Tool};
use super::json::{count, list, text, there};
use super::{Call, Fault, Options, Protocol, ToolResult, Turn, turns_of};
use crate::llm::{Prompt, Stop, ToolSpec};

/// The default limit in tokens: enough for a call that writes the largest block (40,000 characters, about 10,000
/// tokens).
pub(super) const MAX_TOKENS: u32 = 16_384;
/// Limits of older models, which reject a higher one, by prefix of the name.
const OLDER: [(&str, u32); 5] = [
    ("claude-3-5", 8_192),
    ("claude-3-haiku", 4_096),
    ("claude-3-opus", 4_096),
    ("claude-3-sonnet", 4_096),
    ("claude-2", 4_096),
];

/// Returns the maximum number of tokens to request from this model.
pub(super) fn max_tokens(prompt: &Prompt, model: &str) -> u32 {
    let older = OLDER.iter().find(|(name, _)| model.starts_with(name));
    prompt.max_tokens.unwrap_or(older.map_or(MAX_TOKENS, |(_, most)| *most))
}

/// Builds the body of a request.
pub(super) fn request<'a>(prompt: &'a Prompt, options: &Options<'_>) -> Body<'a> {
    let mut turns = turns_of(prompt, options, Protocol::Anthropic);
    if prompt.tools.is_empty() {
        turns = turns.into_iter().map(Turn::told_in_words).collect();
    }
    let messages = turns
        .into_iter()
        .map(|turn| match turn {
            Turn::Own { text, calls, kept } => {
                let same = |kept: &&super::Kept| {
                    kept.is_of(Protocol::Anthropic.into(), options.provider) && kept.model == options.model
                };
                let thinking = kept.as_ref().filter(same).map_or(&[][..], |kept| list(&kept.value, "thinking"));
                let words = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
                let calls = calls.iter().map(|Call { id, name, arguments, .. }| {
                    json!({"type": "tool_use", "id": id, "name": name, "input": arguments})
                });
                let parts: Vec<Value> = thinking.iter().cloned().chain(words).chain(calls).collect();
                Message::Other(json!({"role": "assistant", "content": parts}))
            }
            Turn::Others { results, text } if results.is_empty() => Message::text("user", text),
            Turn::Others { results, text } => {
                let words = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
                let parts: Vec<Value> = results.iter().map(result).chain(words).collect();
                Message::Other(json!({"role": "user", "content": parts}))
            }
        })
        .collect();
    let mut body = json!({
        "model": options.model,
        "max_tokens": options.max_tokens.unwrap_or_else(|| max_tokens(prompt, options.model)),
        "stream": true,
    });
    if let Some(system) = super::system(prompt) {
        body["system"] = json!(system);
    }
    if let Some(temperature) = prompt.temperature {
        body["temperature"] = json!(temperature);
    }
    let tool = |tool: &'a Arc<ToolSpec>| Tool::Plain {
        name: options.names.sent_for(&tool.name),
        description: &tool.description,
        input_schema: &tool.schema,
    };
    Body::new(body, prompt.tools.iter().map(tool).collect(), ("messages", messages))
}

fn result(result: &ToolResult) -> Value {
    let mut part = json!({"type": "tool_result", "tool_use_id": result.call, "content": result.text});
    if !result.ok {
        part["is_error"] = json!(true);
    }
    part
}

/// Returns the id as sent; most punctuation is rejected.
pub(super) fn id(id: &str) -> String {
    if id.is_empty() || id.chars().count() > 64 {
        return super::short_id(id);
    }
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Maps each unfinished block to its place in the answer.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    calls: BTreeMap<u64, usize>,
    thoughts: BTreeMap<u64, Value>,
}

impl Blocks {
    /// Reads one frame of the answer, or a whole answer in one frame.
    pub fn frame(&mut self, answer: &mut Answer, event: &str, frame: &Value) -> Result<(), Fault> {
        let index = count(frame, "index").unwrap_or(0);
        match text(frame, "type").unwrap_or(event) {
            "message_start" => self.message(answer, frame.get("message").unwrap_or(&Value::Null)),
            "message" => {
                self.message(answer, frame);
                answer.close();
            }
            "content_block_start" => {
                self.end_thought(answer, index);
                self.begin(answer, index, frame.get("content_block").unwrap_or(&Value::Null));
            }
            "content_block_delta" => self.delta(answer, index, frame.get("delta").unwrap_or(&Value::Null)),
            "content_block_stop" => self.end_thought(answer, index),
            "message_delta" => {
                usage(answer, frame);
                if let Some(word) = frame.get("delta").and_then(|delta| text(delta, "stop_reason")) {
                    self.end_thoughts(answer);
                    answer.stop(stop(word));
                }
            }
            "message_stop" => {
                self.end_thoughts(answer);
                answer.close();
            }
            "error" => return Err(Fault::Told(frame.clone())),
            _ if there(frame, "error").is_some() => return Err(Fault::Told(frame.clone())),
            "" if there(frame, "message").is_some() || there(frame, "detail").is_some() => {
                return Err(Fault::Told(frame.clone()));
            }
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, answer: &mut Answer, message: &Value) {
        usage(answer, message);
        for (index, block) in (0..).zip(list(message, "content")) {
            self.begin(answer, index, block);
            self.end_thought(answer, index);
        }
        if let Some(word) = text(message, "stop_reason") {
            answer.stop(stop(word));
        }
    }

    fn begin(&mut self, answer: &mut Answer, index: u64, block: &Value) {
        self.calls.remove(&index);
        match text(block, "type").unwrap_or_default() {
            "tool_use" => {
                let (id, name) = (text(block, "id").unwrap_or_default(), text(block, "name").unwrap_or_default());
                let at = answer.begin_call(id, name);
                let input = block.get("input").unwrap_or(&Value::Null);
                // An empty object only announces the pieces that follow.
                if !input.as_object().is_some_and(serde_json::Map::is_empty) {
                    answer.call_arguments(at, input);
                }
                self.calls.insert(index, at);
            }
            "thinking" | "redacted_thinking" => {
                answer.reasoning(text(block, "thinking").unwrap_or_default());
                self.thoughts.insert(index, block.clone());
            }
            _ => answer.text(text(block, "text").unwrap_or_default()),
        }
    }

    fn delta(&mut self, answer: &mut Answer, index: u64, delta: &Value) {
        if let Some(words) = text(delta, "text") {
            answer.text(words);
        }
        if let (Some(piece), Some(at)) = (there(delta, "partial_json"), self.calls.get(&index)) {
            answer.call_arguments(*at, piece);
        }
        for key in ["thinking", "signature"] {
            let Some(more) = text(delta, key) else { continue };
            if key == "thinking" {
                answer.reasoning(more);
            }
            if let Some(Value::Object(block)) = self.thoughts.get_mut(&index) {
                match block.get_mut(key) {
                    Some(Value::String(all)) => all.push_str(more),
                    _ => {
                        block.insert(key.to_owned(), Value::String(more.to_owned()));
                    }
                }
            }
        }
    }

    fn end_thought(&mut self, answer: &mut Answer, index: u64) {
        if let Some(block) = self.thoughts.remove(&index) {
            // The server rejects a returned thought without a signature.
            if text(&block, "signature").is_some() || text(&block, "data").is_some() {
                answer.keep("thinking", json!([block]));
            }
        }
    }

    fn end_thoughts(&mut self, answer: &mut Answer) {
        let open: Vec<u64> = self.thoughts.keys().copied().collect();
        for index in open {
            self.end_thought(answer, index);
        }
    }
}

fn usage(answer: &mut Answer, holder: &Value) {
    let Some(usage) = there(holder, "usage") else { return };
    let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"];
    let cached: u64 = cached.iter().filter_map(|key| count(usage, key)).sum();
    answer.tokens_in(count(usage, "input_tokens").filter(|tokens| *tokens > 0).map(|tokens| tokens + cached));
    answer.tokens_out(count(usage, "output_tokens"));
    // Thinking is not counted apart.
    answer.tokens_cached(count(usage, "cache_read_input_tokens"));
}

fn stop(word: &str) -> Stop {
    match word {
        "end_turn" | "stop_sequence" => Stop::End,
        "tool_use" => Stop::Calls,
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::Window,
        "refusal" => Stop::Refused,
        "pause_turn" => Stop::Paused,
        _ => Stop::Unknown,
    }
}
