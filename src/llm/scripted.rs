//! The scripted model: replies from a TOML file, for tests, demos and measurements.
//!
//! Selects the reply of a call and streams it. The first `[[reply]]` in file order whose conditions all match is used,
//! otherwise `[default]`; without a default, the call fails. Conditions are `agent`, `turn`, `step`, `attempt`,
//! `background` and `contains` (a part of the last message to the agent). A reply has `text`, `reasoning`, `chunk`
//! (code points per delta), `delay_ms` (between deltas), `first_delay_ms`, `tokens_in`, `tokens_out`, `repeat` (number
//! of repetitions of the text), `[[reply.call]]` with `name` and `arguments`, and `fault`:
//! `{ kind = "status", status, retry_after }`, `{ kind = "cut", after_chars }`, `{ kind = "hang", after_chars }`, or the
//! kinds `malformed`, `refused` and `length`. In `text`, `{last}` is replaced by the last message to the agent (at most
//! 200 code points), `{turn}` by the turn and `{agent}` by the name of the agent.

mod file;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use self::file::{Fault, Reply, Script};
use super::paced::{self, Pace, Pieces};
use super::{ChatModel, Delta, Done, ErrorClass, ModelError, Prompt, PromptMessage, Stop, ToolCall, Usage};
use crate::domain::Kept;
use crate::text_file;

/// The most bytes of a script.
const MOST_BYTES: u64 = 16 << 20;
/// Longest replacement for `{last}`, in code points.
const LAST: usize = 200;

/// A model with the replies of a file.
#[derive(Debug, Clone)]
pub struct Scripted {
    script: Arc<Script>,
    name: Arc<str>,
}

impl Scripted {
    /// Loads the script at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Scripted::parse`].
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let name = path.display().to_string();
        let text = text_file::read(path, MOST_BYTES).map_err(|error| {
            ModelError::terminal(format!("The scripted model's file {name} cannot be read: {error}"))
        })?;
        Self::parse(&text, &name)
    }

    /// Parses a script. `file_name` is the name of the file for errors.
    ///
    /// # Errors
    /// The first fault in the text, with file and line.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ModelError> {
        Ok(Self { script: Arc::new(file::parse(text, file_name)?), name: file_name.into() })
    }

    /// Selects the reply to `prompt`.
    fn reply(&self, prompt: &Prompt) -> Result<&Reply, ModelError> {
        let last = last_said(prompt);
        self.script
            .replies
            .iter()
            .find(|reply| matches(reply, prompt, last))
            .or(self.script.default.as_ref())
            .ok_or_else(|| no_reply(prompt, &self.name))
    }
}

impl ChatModel for Scripted {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        match self.reply(&prompt) {
            Ok(reply) => perform(reply, &prompt),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}

fn matches(reply: &Reply, prompt: &Prompt, last: &str) -> bool {
    let place = prompt.place;
    reply.agent.as_ref().is_none_or(|agent| *agent == prompt.agent)
        && reply.turn.is_none_or(|turn| turn == place.turn)
        && reply.step.is_none_or(|step| step == place.step)
        && reply.attempt.is_none_or(|attempt| attempt == place.attempt)
        && reply.background.is_none_or(|background| background == place.background)
        && reply.contains.as_ref().is_none_or(|part| last.contains(part.as_str()))
}

fn last_said(prompt: &Prompt) -> &str {
    prompt
        .entries
        .iter()
        .rev()
        .find_map(|entry| if let PromptMessage::User { text, .. } = entry { Some(text.as_str()) } else { None })
        .unwrap_or_default()
}

fn no_reply(prompt: &Prompt, name: &str) -> ModelError {
    let place = prompt.place;
    let work = if place.background { " in the background" } else { "" };
    ModelError::terminal(format!(
        "{name} has no reply for {} at turn {}, step {}{work}: add a [[reply]] that matches it, or a [default].",
        prompt.agent, place.turn, place.step
    ))
}

/// Streams `reply` as the answer to `prompt`.
fn perform(reply: &Reply, prompt: &Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
    let pace =
        Pace { first: Duration::from_millis(reply.first_delay_ms), between: Duration::from_millis(reply.delay_ms) };
    let mut text = fill(&reply.text, prompt).repeat(reply.repeat);
    let usage = Usage {
        tokens_in: reply.tokens_in.unwrap_or_else(|| paced::tokens(paced::bytes_of(prompt))),
        tokens_out: reply.tokens_out.unwrap_or_else(|| paced::tokens(text.len() + reply.reasoning.len())),
        ..Usage::default()
    };
    let calls = calls(reply, prompt);
    let mut stop = if calls.is_empty() { Stop::End } else { Stop::Calls };
    let mut error = None;
    let mut hang = false;
    match reply.fault {
        None => {}
        Some(Fault::Status(status, retry_after)) => {
            return paced::play(std::iter::once(Err(status_error(status, retry_after))), pace);
        }
        Some(Fault::Cut(after)) => {
            keep(&mut text, after);
            error = Some(ModelError::transient(format!("The answer was cut short after {after} characters.")));
        }
        Some(Fault::Hang(after)) => {
            keep(&mut text, after);
            hang = true;
        }
        Some(Fault::Malformed) => {
            let tool = calls.first().map_or("a tool", |call| call.name.as_str());
            error = Some(ModelError::transient(format!("The model's arguments for {tool} are not a JSON object.")));
        }
        Some(Fault::Stopped(why)) => stop = why,
    }
    // A refused or truncated answer has no complete calls.
    let whole = if matches!(stop, Stop::Refused | Stop::Length) { Vec::new() } else { calls.clone() };
    let kept = (!reply.reasoning.is_empty()).then(|| Kept {
        protocol: "scripted".to_owned(),
        provider: "scripted".to_owned(),
        model: prompt.model.clone(),
        value: serde_json::Value::from(reply.reasoning.clone()),
    });
    let reasoning = Pieces::new(reply.reasoning.clone(), reply.chunk).map(|piece| Ok(Delta::Reasoning(piece)));
    let said = Pieces::new(text, reply.chunk).map(|piece| Ok(Delta::Text(piece)));
    // A stream that hangs or breaks off ends before its calls; malformed arguments come after the start of a call.
    let drafted = !hang && !matches!(reply.fault, Some(Fault::Cut(_)));
    let drafts = calls.into_iter().filter(move |_| drafted).map(|call| Ok(Delta::ToolCallStarted { name: call.name }));
    let end = (!hang).then(|| error.map_or(Ok(Delta::Done(Done { stop, calls: whole, usage, kept })), Err));
    let played = paced::play(reasoning.chain(said).chain(drafts).chain(end), pace);
    if hang { played.chain(stream::pending()).boxed() } else { played }
}

/// Truncates `text` to its first `chars` code points.
fn keep(text: &mut String, chars: usize) {
    if let Some((at, _)) = text.char_indices().nth(chars) {
        text.truncate(at);
    }
}

/// Returns the calls with ids that depend only on the agent, the turn and the step, so that repeated calls are equal.
fn calls(reply: &Reply, prompt: &Prompt) -> Vec<ToolCall> {
    let place = prompt.place;
    let kind = if place.background { "job" } else { "call" };
    (1..)
        .zip(&reply.calls)
        .map(|(nth, (name, arguments))| ToolCall {
            id: format!("{kind}-{}-{}-{}-{nth}", prompt.agent, place.turn, place.step),
            name: name.clone(),
            arguments: arguments.clone(),
        })
        .collect()
}

fn status_error(status: u16, retry_after: Option<u64>) -> ModelError {
    let (class, why) = match status {
        429 => (ErrorClass::Transient, "too many requests"),
        408 => (ErrorClass::Transient, "the request took too long"),
        401 | 403 => (ErrorClass::Terminal, "the key is not accepted"),
        404 => (ErrorClass::Terminal, "no such model"),
        500.. => (ErrorClass::Transient, "the provider failed"),
        _ => (ErrorClass::Terminal, "the request is refused"),
    };
    let text = format!("{status} from scripted: {why}");
    ModelError { class, text, retry_after: retry_after.map(Duration::from_secs) }
}

/// Replaces `{last}`, `{turn}` and `{agent}` in one pass, so that replacements are not expanded again.
fn fill(text: &str, prompt: &Prompt) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{last}") {
            filled.extend(last_said(prompt).chars().take(LAST));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{turn}") {
            filled.push_str(&prompt.place.turn.to_string());
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{agent}") {
            filled.push_str(&prompt.agent);
            rest = after;
        } else {
            filled.push('{');
            rest = &rest[1..];
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests;
