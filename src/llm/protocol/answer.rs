//! What an answer comes to, while it is put together from frames: the part of reading that all protocols share.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use super::calls::{Calls, Piece};
use super::thoughts::{self, Thoughts};
use super::{Fault, Names};
use crate::domain::Kept;
use crate::llm::{Delta, Done, Stop, Usage};

/// An answer that is being put together. Protocols put in what a frame holds; deltas come out.
pub(super) struct Answer {
    out: VecDeque<Delta>,
    thoughts: Thoughts,
    calls: Calls,
    /// The names of the tools, sent and original.
    names: Names,
    stop: Option<Stop>,
    closed: bool,
    usage: Usage,
    said: bool,
    /// What the provider wants back, by its own words.
    kept: Map<String, Value>,
    /// What it wants back with single calls, by their place.
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
            kept: Map::new(),
            with_calls: BTreeMap::new(),
        }
    }

    /// The next delta that is ready.
    pub fn pop(&mut self) -> Option<Delta> {
        self.out.pop_front()
    }

    /// More content, which may hold thoughts.
    pub fn text(&mut self, more: &str) {
        let mut pieces = Vec::new();
        self.thoughts.push(more, &mut pieces);
        self.give(pieces);
    }

    /// More reasoning.
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

    /// A call begins that comes apart from others. Returns its place.
    pub fn begin_call(&mut self, id: &str, name: &str) -> usize {
        let at = self.calls.begin(id, name);
        self.draft(at);
        at
    }

    /// More of the arguments of the call at this place.
    pub fn call_arguments(&mut self, at: usize, arguments: &Value) {
        self.calls.arguments(at, arguments);
        self.draft(at);
    }

    /// A piece of some call. Returns the place of its call.
    pub fn call_piece(&mut self, piece: &Piece<'_>) -> usize {
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

    /// What the provider wants back with the call at this place.
    pub fn keep_with_call(&mut self, at: usize, value: Value) {
        self.with_calls.insert(at, value);
    }

    /// What the provider wants back with the answer. Text is added to text, a list to a list.
    pub fn keep(&mut self, key: &str, value: Value) {
        match (self.kept.get_mut(key), value) {
            (Some(Value::String(all)), Value::String(more)) => all.push_str(&more),
            (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
            (_, value) => {
                self.kept.insert(key.to_owned(), value);
            }
        }
    }

    /// Why the model stopped. The answer is whole with that, though more of it may come.
    pub fn stop(&mut self, stop: Stop) {
        // A refusal that was written out ends with the reason of an ordinary end.
        if self.stop != Some(Stop::Refused) {
            self.stop = Some(stop);
        }
    }

    /// The protocol's end: nothing follows.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Tokens read, the latest count.
    pub fn tokens_in(&mut self, tokens: Option<u64>) {
        self.usage.tokens_in = tokens.unwrap_or(self.usage.tokens_in);
    }

    /// Tokens written, the latest count.
    pub fn tokens_out(&mut self, tokens: Option<u64>) {
        self.usage.tokens_out = tokens.unwrap_or(self.usage.tokens_out);
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// True where no delta is ready and the end has not come.
    pub fn has_nothing_new(&self) -> bool {
        self.out.is_empty() && !self.closed
    }

    /// True once it is known why the model stopped.
    pub fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// True where neither words nor calls have come.
    pub fn is_empty(&self) -> bool {
        !self.said && self.calls.is_empty()
    }

    /// No more content comes: what was held back as the beginning of a tag is words.
    pub fn flush(&mut self) {
        let mut pieces = Vec::new();
        self.thoughts.finish(&mut pieces);
        self.give(pieces);
    }

    /// The whole answer, or why it is none. What is kept does not say yet whose it is.
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
