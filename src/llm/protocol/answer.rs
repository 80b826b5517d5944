//! Assembles an answer from frames: the part of reading shared by all protocols.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use super::calls::{Calls, Piece};
use super::thoughts::{self, Thoughts};
use super::{Fault, Names};
use crate::domain::Kept;
use crate::llm::answer_size::{CONTENT_BYTES, TOO_MUCH_CONTENT, content_bytes};
use crate::llm::{Delta, Done, Stop, Usage};

/// The most calls of one answer, far above what a step makes of them.
const MOST_CALLS: usize = 4096;

/// An answer under construction. Protocols add the content of frames; deltas come out.
pub(super) struct Answer {
    out: VecDeque<Delta>,
    thoughts: Thoughts,
    calls: Calls,
    /// The tool names, sent and original.
    names: Names,
    stop: Option<Stop>,
    closed: bool,
    usage: Usage,
    said: bool,
    /// Bytes of what comes out at the end: arguments and data the provider wants back.
    held: usize,
    /// Data the provider wants back, by its own key.
    kept: Map<String, Value>,
    /// Data it wants back with single calls, by index of the call.
    with_calls: BTreeMap<usize, Value>,
}

impl Answer {
    pub fn new(names: Names) -> Self {
        Self {
            out: VecDeque::new(),
            thoughts: Thoughts::default(),
            calls: Calls::new(names.sent()),
            names,
            stop: None,
            closed: false,
            usage: Usage::default(),
            said: false,
            held: 0,
            kept: Map::new(),
            with_calls: BTreeMap::new(),
        }
    }

    /// Removes and returns the next ready delta.
    pub fn pop(&mut self) -> Option<Delta> {
        self.out.pop_front()
    }

    /// Adds content, which may contain thoughts.
    pub fn text(&mut self, more: &str) {
        let mut pieces = Vec::new();
        self.thoughts.push(more, &mut pieces);
        self.give(pieces);
    }

    /// Adds reasoning.
    pub fn reasoning(&mut self, more: &str) {
        if !more.is_empty() {
            self.out.push_back(Delta::Reasoning(more.to_owned()));
        }
    }

    fn give(&mut self, pieces: Vec<thoughts::Piece>) {
        for piece in pieces {
            self.out.push_back(match piece {
                thoughts::Piece::Text(text) => {
                    self.said = true;
                    Delta::Text(text)
                }
                thoughts::Piece::Reasoning(text) => Delta::Reasoning(text),
                thoughts::Piece::TextWasReasoning => Delta::TextWasReasoning,
            });
        }
    }

    /// Starts a separate call. Returns its index.
    pub fn begin_call(&mut self, id: &str, name: &str) -> usize {
        let at = self.calls.begin(id, name);
        self.draft(at);
        at
    }

    /// Adds arguments to the call at this index.
    pub fn call_arguments(&mut self, at: usize, arguments: &Value) {
        self.held += content_bytes(arguments);
        self.calls.arguments(at, arguments);
        self.draft(at);
    }

    /// Adds a piece of any call. Returns the index of its call.
    pub fn call_piece(&mut self, piece: &Piece<'_>) -> usize {
        self.held += piece.name.map_or(0, str::len) + piece.arguments.map_or(0, content_bytes);
        let at = self.calls.take(piece);
        self.draft(at);
        at
    }

    fn draft(&mut self, at: usize) {
        let name = self.names.original(self.calls.name(at));
        if !name.is_empty() {
            self.out.push_back(Delta::ToolCallStarted { name });
        }
    }

    /// Stores data the provider wants back with the call at this index.
    pub fn keep_with_call(&mut self, at: usize, value: Value) {
        self.held += content_bytes(&value);
        self.with_calls.insert(at, value);
    }

    /// Stores data the provider wants back with the answer. Appends text to text and a list to a list.
    pub fn keep(&mut self, key: &str, value: Value) {
        self.held += content_bytes(&value);
        match (self.kept.get_mut(key), value) {
            (Some(Value::String(all)), Value::String(more)) => all.push_str(&more),
            (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
            (_, value) => {
                self.kept.insert(key.to_owned(), value);
            }
        }
    }

    /// Sets why the model stopped. This completes the answer, although more may follow.
    pub fn stop(&mut self, stop: Stop) {
        // A refusal sent as text ends with the reason of a normal end.
        if self.stop != Some(Stop::Refused) {
            self.stop = Some(stop);
        }
    }

    /// Marks the protocol's end: nothing follows.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Sets the tokens read; `None` keeps the last count.
    pub fn tokens_in(&mut self, tokens: Option<u64>) {
        self.usage.tokens_in = tokens.unwrap_or(self.usage.tokens_in);
    }

    /// Sets the tokens written; `None` keeps the last count.
    pub fn tokens_out(&mut self, tokens: Option<u64>) {
        self.usage.tokens_out = tokens.unwrap_or(self.usage.tokens_out);
    }

    /// Sets how many of the tokens read came from the cache; `None` keeps the last count.
    pub fn tokens_cached(&mut self, tokens: Option<u64>) {
        self.usage.cached = tokens.unwrap_or(self.usage.cached);
    }

    /// Sets how many of the tokens written are reasoning; `None` keeps the last count.
    pub fn tokens_reasoning(&mut self, tokens: Option<u64>) {
        self.usage.reasoning = tokens.unwrap_or(self.usage.reasoning);
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Checks the limits of what comes out only at the end.
    pub fn check_size(&self) -> Result<(), Fault> {
        if self.calls.len() > MOST_CALLS {
            return Err(Fault::Endless("it has more than 4,096 calls"));
        }
        if self.held > CONTENT_BYTES { Err(Fault::Endless(TOO_MUCH_CONTENT)) } else { Ok(()) }
    }

    /// Returns true if no delta is ready and the end was not received.
    pub fn has_nothing_new(&self) -> bool {
        self.out.is_empty() && !self.closed
    }

    /// Returns true if the reason for the stop is known.
    pub fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Returns true if neither text nor calls were received.
    pub fn is_empty(&self) -> bool {
        !self.said && self.calls.is_empty()
    }

    /// Ends the content: a held-back possible tag becomes text.
    pub fn flush(&mut self) {
        let mut pieces = Vec::new();
        self.thoughts.finish(&mut pieces);
        self.give(pieces);
    }

    /// Returns the whole answer, or why it is unusable. The caller adds the origin of the kept data.
    pub fn finish(&mut self) -> Result<Done, Fault> {
        if !self.closed && self.stop.is_none() {
            return Err(Fault::Cut);
        }
        let mut stop = self.stop.unwrap_or(Stop::Unknown);
        let calls = self.calls.finish(stop, |sent| self.names.original(sent))?;
        if stop == Stop::Calls && calls.is_empty() {
            if !self.said {
                return Err(Fault::Malformed("it says it calls a tool and names none".to_owned()));
            }
            stop = Stop::End;
        }
        if !calls.is_empty() && matches!(stop, Stop::End | Stop::Unknown | Stop::Paused) {
            stop = Stop::Calls;
        }
        let mut kept = std::mem::take(&mut self.kept);
        if !self.with_calls.is_empty() {
            let by_id = self.with_calls.iter().map(|(at, value)| (self.calls.id(*at), value.clone()));
            kept.insert("calls".to_owned(), Value::Object(by_id.collect()));
        }
        let kept = (!kept.is_empty()).then(|| Kept { value: Value::Object(kept), ..Kept::default() });
        Ok(Done { stop, calls, usage: self.usage, kept })
    }
}
