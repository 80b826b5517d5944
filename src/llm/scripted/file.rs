//! Parses and checks the TOML file of a scripted model.

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use crate::llm::{ModelError, Stop};

/// Default number of code points per delta.
const CHUNK: usize = 12;
/// Longest answer in bytes, so that a wrong `repeat` cannot exhaust the memory.
const LONGEST: usize = 64 << 20;

/// A parsed script.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Replies in file order.
    pub replies: Vec<Reply>,
    /// Reply if no other reply matches.
    pub default: Option<Reply>,
}

/// A reply with its conditions and its content.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub agent: Option<String>,
    pub turn: Option<u64>,
    pub step: Option<u32>,
    pub attempt: Option<u32>,
    pub background: Option<bool>,
    pub contains: Option<String>,
    pub text: String,
    pub repeat: usize,
    pub reasoning: String,
    pub chunk: usize,
    pub delay_ms: u64,
    pub first_delay_ms: u64,
    pub tokens_in: Option<u64>,
    pub tokens_out: Option<u64>,
    /// Tool names and their arguments.
    pub calls: Vec<(String, Value)>,
    pub fault: Option<Fault>,
}

/// A simulated failure of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The provider returns this HTTP status and, optionally, a time to wait in seconds.
    Status(u16, Option<u64>),
    /// The stream fails after this number of code points of the text.
    Cut(usize),
    /// The stream stops without an end after this number of code points of the text.
    Hang(usize),
    /// The arguments of a tool call are not a JSON object.
    Malformed,
    /// The answer ends for this reason.
    Stopped(Stop),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    #[serde(default)]
    reply: Vec<Spanned<RawReply>>,
    default: Option<Spanned<RawReply>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReply {
    agent: Option<String>,
    turn: Option<u64>,
    step: Option<u32>,
    attempt: Option<u32>,
    background: Option<bool>,
    contains: Option<String>,
    #[serde(default)]
    text: String,
    repeat: Option<usize>,
    #[serde(default)]
    reasoning: String,
    chunk: Option<usize>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    first_delay_ms: u64,
    tokens_in: Option<u64>,
    tokens_out: Option<u64>,
    #[serde(default)]
    call: Vec<RawCall>,
    fault: Option<Spanned<RawFault>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    name: String,
    #[serde(default)]
    arguments: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    kind: FaultKind,
    status: Option<u16>,
    retry_after: Option<u64>,
    after_chars: Option<usize>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    Status,
    Cut,
    Hang,
    Malformed,
    Refused,
    Length,
}

/// Parses the script in the file `name`.
///
/// # Errors
/// The first fault, as one sentence with file and line.
pub(super) fn parse(text: &str, name: &str) -> Result<Script, ModelError> {
    let fault = |at: usize, what: &str| {
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        ModelError::terminal(format!("{name}, line {line}: {what}"))
    };
    let raw: RawScript = toml::from_str(text)
        .map_err(|error| fault(error.span().map_or(0, |span| span.start), &error.message().replace('\n', " ")))?;
    let read = |raw: Spanned<RawReply>| {
        let at = raw.span().start;
        reply(raw.into_inner()).map_err(|(inner, what)| fault(inner.unwrap_or(at), what))
    };
    let default = match raw.default {
        None => None,
        Some(raw) => {
            let at = raw.span().start;
            let reply = read(raw)?;
            if reply.has_condition() {
                return Err(fault(at, "[default] is used when nothing else matches: remove its conditions"));
            }
            Some(reply)
        }
    };
    let replies = raw.reply.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Script { replies, default })
}

impl Reply {
    fn has_condition(&self) -> bool {
        self.agent.is_some()
            || self.turn.is_some()
            || self.step.is_some()
            || self.attempt.is_some()
            || self.background.is_some()
            || self.contains.is_some()
    }
}

/// The offset of a fault, if it is more precise than that of the reply, and its text.
type Flaw = (Option<usize>, &'static str);

fn reply(raw: RawReply) -> Result<Reply, Flaw> {
    let repeat = raw.repeat.unwrap_or(1);
    if raw.text.len().saturating_mul(repeat) > LONGEST {
        return Err((None, "text and repeat make an answer of more than 64 MiB: repeat it less often"));
    }
    if raw.chunk == Some(0) {
        return Err((None, "chunk = 0 would never end the answer: give at least 1"));
    }
    let fault = match raw.fault {
        None => None,
        Some(raw) => {
            let at = raw.span().start;
            Some(read_fault(&raw.into_inner()).map_err(|what| (Some(at), what))?)
        }
    };
    let calls = raw.call.into_iter().map(|call| (call.name, object(call.arguments))).collect();
    Ok(Reply {
        agent: raw.agent,
        turn: raw.turn,
        step: raw.step,
        attempt: raw.attempt,
        background: raw.background,
        contains: raw.contains,
        text: raw.text,
        repeat,
        reasoning: raw.reasoning,
        chunk: raw.chunk.unwrap_or(CHUNK),
        delay_ms: raw.delay_ms,
        first_delay_ms: raw.first_delay_ms,
        tokens_in: raw.tokens_in,
        tokens_out: raw.tokens_out,
        calls,
        fault,
    })
}

fn read_fault(raw: &RawFault) -> Result<Fault, &'static str> {
    if raw.kind != FaultKind::Status && (raw.status.is_some() || raw.retry_after.is_some()) {
        return Err("status and retry_after belong to a fault of kind \"status\"");
    }
    if !matches!(raw.kind, FaultKind::Cut | FaultKind::Hang) && raw.after_chars.is_some() {
        return Err("after_chars belongs to a fault of kind \"cut\" or \"hang\"");
    }
    match (raw.kind, raw.status) {
        (FaultKind::Status, Some(status @ 400..=599)) => Ok(Fault::Status(status, raw.retry_after)),
        (FaultKind::Status, _) => Err("a fault of kind \"status\" needs a status from 400 to 599"),
        (FaultKind::Cut, _) => Ok(Fault::Cut(raw.after_chars.unwrap_or(0))),
        (FaultKind::Hang, _) => Ok(Fault::Hang(raw.after_chars.unwrap_or(0))),
        (FaultKind::Malformed, _) => Ok(Fault::Malformed),
        (FaultKind::Refused, _) => Ok(Fault::Stopped(Stop::Refused)),
        (FaultKind::Length, _) => Ok(Fault::Stopped(Stop::Length)),
    }
}

fn object(table: toml::Table) -> Value {
    Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect::<Map<_, _>>())
}

/// Converts TOML to JSON. Dates become strings.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(when) => Value::String(when.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect()),
        toml::Value::Table(table) => object(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> String {
        parse(text, "demo.toml").unwrap_err().text
    }

    #[test]
    fn an_unknown_key_is_named_with_file_and_line() {
        let text = "[[reply]]\nagent = \"critic\"\ntxet = \"no\"\n";
        let sentence = fault_of(text);
        assert!(sentence.starts_with("demo.toml, line 3: unknown field `txet`"), "{sentence}");
        let call = "[[reply]]\ntext = \"a\"\n\n[[reply.call]]\nname = \"pass\"\nargs = {}\n";
        assert!(fault_of(call).starts_with("demo.toml, line 6: unknown field `args`"), "{}", fault_of(call));
    }

    #[test]
    fn impossible_faults_are_refused_where_they_stand() {
        let text = "[[reply]]\ntext = \"a\"\nfault = { kind = \"status\" }\n";
        assert_eq!(fault_of(text), "demo.toml, line 3: a fault of kind \"status\" needs a status from 400 to 599");
        let text = "[[reply]]\nfault = { kind = \"hang\", status = 500 }\n";
        assert_eq!(fault_of(text), "demo.toml, line 2: status and retry_after belong to a fault of kind \"status\"");
        let text = "[[reply]]\nfault = { kind = \"malformed\", after_chars = 3 }\n";
        assert!(fault_of(text).contains("after_chars belongs to"));
        assert!(fault_of("[[reply]]\nfault = { kind = \"gremlin\" }\n").starts_with("demo.toml, line 2: "));
    }

    #[test]
    fn a_default_has_no_conditions_and_a_chunk_has_a_length() {
        assert!(fault_of("[default]\nturn = 1\ntext = \"a\"\n").contains("remove its conditions"));
        assert!(fault_of("\n[[reply]]\nchunk = 0\n").starts_with("demo.toml, line 2: chunk = 0"));
        assert!(fault_of("[[reply]]\ntext = \"ab\"\nrepeat = 99999999\n").contains("64 MiB"));
    }

    #[test]
    fn arguments_become_json_and_dates_their_text() {
        let text = "[[reply]]\n[[reply.call]]\nname = \"t\"\narguments = { n = 1, on = 2026-05-03, deep = { list = [true, 1.5] } }\n";
        let script = parse(text, "demo.toml").unwrap();
        let (name, arguments) = &script.replies[0].calls[0];
        assert_eq!(name, "t");
        assert_eq!(*arguments, serde_json::json!({"n": 1, "on": "2026-05-03", "deep": {"list": [true, 1.5]}}));
    }
}
