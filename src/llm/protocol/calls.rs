//! Assembles tool calls from the pieces that servers send.
//!
//! A piece identifies its call by id, by number, by name or by following it. Servers may omit any of these, number
//! every call 0, or repeat name and id in every piece.

use serde_json::{Map, Value};

use super::{Fault, json};
use crate::llm::{Stop, ToolCall};

/// One piece of a call. Absent, `null` and empty values are `None`.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    /// Its call's number in the answer.
    pub index: Option<u64>,
    /// The id of its call.
    pub id: Option<&'a str>,
    /// The tool's name or a part of it.
    pub name: Option<&'a str>,
    /// Text is a part of the arguments, any other value all of them.
    pub arguments: Option<&'a Value>,
}

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Building>,
    /// The names of the offered tools, as sent.
    offered: Vec<String>,
}

#[derive(Debug, Default)]
struct Building {
    index: Option<u64>,
    id: String,
    name: String,
    text: String,
    whole: Option<Value>,
    /// How far the text is from a complete JSON value.
    scan: Scan,
}

/// Follows JSON text until its first value is complete; each character is looked at once.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
    complete: bool,
}

impl Scan {
    fn push(&mut self, more: &str) {
        for byte in more.bytes() {
            if self.complete {
                return;
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => {
                    self.in_text = !self.in_text;
                    self.complete = !self.in_text && self.depth == 0;
                }
                _ if self.in_text => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.complete = self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

impl Building {
    fn is_complete(&self) -> bool {
        self.whole.is_some() || self.scan.complete || matches!(self.text.trim(), "null")
    }
}

impl Calls {
    /// Creates an empty list for a model that was offered these tools.
    pub fn new(offered: Vec<String>) -> Self {
        Self { calls: Vec::new(), offered }
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Starts a call. Returns its index.
    pub fn begin(&mut self, id: &str, name: &str) -> usize {
        self.calls.push(Building { id: id.to_owned(), name: name.to_owned(), ..Building::default() });
        self.calls.len() - 1
    }

    /// Adds arguments to the call at this index: text is a part, any other value all of them.
    pub fn arguments(&mut self, at: usize, arguments: &Value) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match arguments {
            Value::Null => {}
            Value::String(text) => {
                call.text.push_str(text);
                call.scan.push(text);
            }
            whole => call.whole = Some(whole.clone()),
        }
    }

    /// Adds a piece. Returns the index of its call.
    pub fn take(&mut self, piece: &Piece<'_>) -> usize {
        let at = self.place(piece).unwrap_or_else(|| self.begin("", ""));
        let call = &mut self.calls[at];
        call.index = call.index.or(piece.index);
        if let Some(id) = piece.id.filter(|_| call.id.is_empty()) {
            id.clone_into(&mut call.id);
        }
        if let Some(name) = piece.name.filter(|name| *name != call.name) {
            call.name.push_str(name);
        }
        if let Some(arguments) = piece.arguments {
            self.arguments(at, arguments);
        }
        at
    }

    /// Returns the call that a piece continues; `None` if it starts a new one.
    fn place(&self, piece: &Piece<'_>) -> Option<usize> {
        let last = self.calls.len().checked_sub(1);
        let numbered = |index: u64| self.calls.iter().rposition(|call| call.index == Some(index));
        if let Some(id) = piece.id {
            let same = self.calls.iter().rposition(|call| call.id == id);
            let other = |at: usize| piece.index.is_some_and(|index| self.calls[at].index.is_some_and(|i| i != index));
            return match (same, piece.name) {
                (Some(at), _) if !other(at) => Some(at),
                // A new id starts a new call, whatever its number, unless it names no tool.
                (_, Some(_)) => piece.index.and_then(numbered).filter(|at| self.calls[*at].id.is_empty()),
                (_, None) => piece.index.and_then(numbered).or(if piece.index.is_none() { last } else { None }),
            };
        }
        let candidate = match piece.index {
            Some(index) => numbered(index),
            None => last,
        };
        let Some(name) = piece.name else { return candidate };
        candidate.filter(|at| self.goes_on(*at, name))
    }

    /// Returns true if a name without an id repeats or continues the name of an unfinished call.
    fn goes_on(&self, at: usize, name: &str) -> bool {
        let call = &self.calls[at];
        if call.is_complete() {
            return false;
        }
        if call.name == name {
            return !call.text.is_empty() || call.index.is_some();
        }
        call.text.is_empty() && !self.offered.contains(&call.name)
    }

    /// Returns the name of the call at this index.
    pub fn name(&self, at: usize) -> &str {
        self.calls.get(at).map_or("", |call| call.name.as_str())
    }

    /// Returns the final id of the call at this index.
    pub fn id(&self, at: usize) -> String {
        let id = self.calls.get(at).map_or("", |call| call.id.as_str());
        let taken = self.calls.iter().take(at).any(|call| call.id == id);
        if id.is_empty() || taken { format!("{id}#{at}") } else { id.to_owned() }
    }

    /// Returns the complete calls; `original` maps a sent tool name to the program's.
    pub fn finish(&self, stop: Stop, original: impl Fn(&str) -> String) -> Result<Vec<ToolCall>, Fault> {
        let whole = |(at, call): (usize, &Building)| {
            if call.name.is_empty() {
                return Err(Fault::Malformed("it names no tool".to_owned()));
            }
            let name = original(&call.name);
            let Some(arguments) = object(call.whole.clone().unwrap_or_else(|| Value::String(call.text.clone()))) else {
                return Err(if matches!(stop, Stop::Length | Stop::Window) {
                    Fault::Limit { call: name }
                } else {
                    Fault::Malformed(format!("malformed arguments for {name}, which must be a JSON object"))
                });
            };
            Ok(ToolCall { id: self.id(at), name, arguments })
        };
        self.calls.iter().enumerate().map(whole).collect()
    }
}

/// Parses arguments to an object: missing ones become an empty one, and some servers wrap the object in a string.
fn object(arguments: Value) -> Option<Value> {
    match arguments {
        Value::Object(_) => Some(arguments),
        Value::Null => Some(Value::Object(Map::new())),
        Value::String(text) if text.trim().is_empty() => Some(Value::Object(Map::new())),
        Value::String(text) => match json::parse(text.trim()).ok()? {
            Value::Null => Some(Value::Object(Map::new())),
            Value::String(inner) => json::parse(&inner).ok().filter(Value::is_object),
            value => Some(value).filter(Value::is_object),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Calls, Piece};
    use crate::llm::Stop;

    /// Returns the assembled calls: names with arguments.
    fn calls(pieces: &[Value]) -> Vec<(String, Value)> {
        let mut calls = Calls::new(vec!["look".into(), "note".into()]);
        for piece in pieces {
            let text = |key: &str| piece[key].as_str().filter(|text| !text.is_empty());
            let arguments = piece.get("arguments");
            calls.take(&Piece { index: piece["index"].as_u64(), id: text("id"), name: text("name"), arguments });
        }
        let whole = calls.finish(Stop::Calls, str::to_owned).unwrap();
        let mut ids: Vec<&String> = whole.iter().map(|call| &call.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), whole.len(), "{whole:?}");
        whole.into_iter().map(|call| (call.name, call.arguments)).collect()
    }

    #[test]
    fn pieces_find_their_call_by_id_number_name_or_place() {
        let two = vec![("look".to_owned(), json!({"a": 1})), ("note".to_owned(), json!({"b": 2}))];
        let (a, b) = (r#"{"a": 1}"#, r#"{"b": 2}"#);
        for pieces in [
            // OpenAI's form.
            json!([{"index": 0, "id": "x", "name": "look", "arguments": ""}, {"index": 0, "arguments": a},
                   {"index": 1, "id": "y", "name": "note", "arguments": ""}, {"index": 1, "arguments": b}]),
            // Interleaved.
            json!([{"index": 0, "id": "x", "name": "look"}, {"index": 1, "id": "y", "name": "note"},
                   {"index": 0, "arguments": a}, {"index": 1, "arguments": b}]),
            // No numbers, all 0, from 1.
            json!([{"id": "x", "name": "look", "arguments": a}, {"id": "y", "name": "note", "arguments": b}]),
            json!([{"index": 0, "id": "x", "name": "look", "arguments": a},
                   {"index": 0, "id": "y", "name": "note", "arguments": b}]),
            json!([{"index": 1, "id": "x", "name": "look", "arguments": a},
                   {"index": 2, "id": "y", "name": "note", "arguments": b}]),
            // Id and name in every piece; name alone; neither.
            json!([{"id": "x", "name": "look", "arguments": "{\"a\""}, {"id": "x", "name": "look", "arguments": ": 1}"},
                   {"id": "y", "name": "note", "arguments": b}]),
            json!([{"name": "look", "arguments": "{\"a\":"}, {"arguments": " 1}"}, {"name": "note", "arguments": b}]),
            json!([{"index": 0, "name": "look", "arguments": a}, {"index": 0, "name": "note", "arguments": b}]),
            // A name in parts, an id that comes later, an id of each piece, arguments as an object or wrapped.
            json!([{"index": 0, "id": "x", "name": "lo"}, {"index": 0, "name": "ok"}, {"index": 0, "arguments": a},
                   {"index": 1, "name": "note"}, {"index": 1, "id": "y", "arguments": b}]),
            json!([{"index": 0, "id": "x", "name": "look"}, {"index": 0, "id": "x2", "arguments": a},
                   {"index": 1, "id": "y", "name": "note"}, {"index": 1, "id": "y2", "arguments": b}]),
            json!([{"id": "x", "name": "look", "arguments": {"a": 1}}, {"id": "y", "name": "note", "arguments": "\"{\\\"b\\\": 2}\""}]),
            // The same id twice, under two numbers.
            json!([{"index": 0, "id": "x", "name": "look", "arguments": a}, {"index": 1, "id": "x", "name": "note", "arguments": b}]),
        ] {
            assert_eq!(calls(pieces.as_array().unwrap()), two, "{pieces}");
        }
        let twice = json!([{"name": "look", "arguments": a}, {"name": "look", "arguments": a}]);
        assert_eq!(calls(twice.as_array().unwrap()).len(), 2);
    }
}
