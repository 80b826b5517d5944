//! The body of a request. A prompt has thousands of messages and a dozen tools, so that these are written as they are and
//! not as a tree of values first, which was a fifth of a turn's time.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Names;
use crate::llm::{Prompt, ToolSpec};

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    /// Everything else.
    pub(super) rest: Map<String, Value>,
    /// The tools; the member is left out without one.
    pub(super) tools: Vec<Tool<'a>>,
    /// The member of the messages.
    pub(super) messages: (&'static str, Vec<Message>),
}

impl<'a> Body<'a> {
    /// A body with `rest`, which is an object, the tools, and the messages.
    pub(super) fn new(rest: Value, tools: Vec<Tool<'a>>, messages: (&'static str, Vec<Message>)) -> Self {
        let rest = match rest {
            Value::Object(rest) => rest,
            _ => Map::new(),
        };
        Self { rest, tools, messages }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.rest {
            map.serialize_entry(key, value)?;
        }
        if !self.tools.is_empty() {
            map.serialize_entry("tools", &self.tools)?;
        }
        let (key, messages) = &self.messages;
        map.serialize_entry(key, messages)?;
        map.end()
    }
}

/// A message.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Message {
    /// One with nothing but text.
    Text { role: &'static str, content: String },
    /// The same for Gemini.
    Part { role: &'static str, parts: [Part; 1] },
    /// One with calls, results or data of its provider.
    Other(Value),
}

#[derive(Debug, Serialize)]
pub(super) struct Part {
    text: String,
}

impl Message {
    /// A message with nothing but text.
    pub(super) fn text(role: &'static str, content: impl Into<String>) -> Self {
        Self::Text { role, content: content.into() }
    }

    /// The same for Gemini.
    pub(super) fn part(role: &'static str, text: String) -> Self {
        Self::Part { role, parts: [Part { text }] }
    }
}

/// A tool.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Tool<'a> {
    /// For `OpenAI`'s protocol and Ollama's.
    Function { r#type: &'static str, function: Function<'a> },
    /// For Anthropic's.
    Plain { name: String, description: &'a str, input_schema: &'a Value },
    /// For Gemini's, which takes all of them as one.
    Declared {
        #[serde(rename = "functionDeclarations")]
        declared: Vec<Value>,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Function<'a> {
    name: String,
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> Tool<'a> {
    /// The tools as functions.
    pub(super) fn functions(prompt: &'a Prompt, names: &Names) -> Vec<Self> {
        let function = |ToolSpec { name, description, schema }: &'a ToolSpec| Self::Function {
            r#type: "function",
            function: Function { name: names.sent_for(name), description, parameters: schema },
        };
        prompt.tools.iter().map(|tool| function(tool)).collect()
    }
}
