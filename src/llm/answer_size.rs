//! How much content an answer may have, however it is written: one limit for what every protocol reads and what every
//! model says.

use serde_json::Value;

/// The most bytes of text, reasoning and the arguments of calls together, without the JSON that carries them.
pub(super) const CONTENT_BYTES: usize = 2 << 20;
/// What is told of an answer with more.
pub(super) const TOO_MUCH_CONTENT: &str =
    "it has more than 2 MiB of text, reasoning and arguments, the limit of an answer";

/// Returns the bytes of content in a value: those of its texts and keys, and one for each other part; not the length
/// of its JSON text.
pub(super) fn content_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|item| 1 + content_bytes(item)).sum(),
        Value::Object(object) => object.iter().map(|(key, item)| key.len() + content_bytes(item)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}
