//! The offline model: deterministic and rule-based, without a key, a network or a language model.
//!
//! It generates the replies when no language model is connected. As a participant it quotes sentences of blocks and
//! transcript that share words with the question, selected by its persona (facts, critic, editor). As a manager it
//! routes by shared words: it chooses the next speaker, or splits the work among workers and collects their answers.
//! In the background it maintains blocks: facts, decisions and open questions, without duplicates. The same prompt
//! always gets the same answer.
//!
//! `language` and `dates` analyse words, `statement` classifies sentences, `sense` compares lines, `frames` recognizes
//! the model's own sentences, `evidence` finds sentences about a question, `scene` collects the input of a reply,
//! `participant` and `angle` write the reply, `keeper` and `board` maintain blocks, `cast` matches words to agents,
//! `chair` chooses the next speaker, `rewrite` carries out requests to write a block, `delegate` splits work and
//! collects the answers.

mod block_text;
mod dates;
mod delegate;
mod evidence;
mod frames;
mod language;
mod line_match;
mod members;
mod memory_agent;
mod participant;
mod persona;
mod rewrite;
mod scene;
mod speaker_selection;
mod statement;

use std::time::Duration;

use futures::stream::BoxStream;
use serde_json::Value;

use super::paced::{self, Pace};
use super::{ChatModel, Delta, Done, ModelError, Prompt, PromptMessage, Stop, ToolCall, Usage};

/// Delay per word, so that streaming is visible.
const PACE: Duration = Duration::from_millis(15);

/// The offline model. Its answer depends on the prompt only.
#[derive(Debug, Clone, Copy)]
pub struct Offline {
    pace: Duration,
}

impl Offline {
    /// Creates a model with a delay of 15 ms per word.
    #[must_use]
    pub fn new() -> Self {
        Self::with_pace(PACE)
    }

    /// Creates a model with a delay of `pace` per word. At zero it uses no timer.
    #[must_use]
    pub fn with_pace(pace: Duration) -> Self {
        Self { pace }
    }
}

impl Default for Offline {
    fn default() -> Self {
        Self::new()
    }
}

impl ChatModel for Offline {
    fn stream(&self, mut prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        for entry in &mut prompt.entries {
            leave_out_address(entry);
        }
        let answer = if prompt.place.background {
            memory_agent::answer(&prompt)
        } else if is_task(&mut prompt) {
            rewrite::answer(&prompt).unwrap_or_else(|| participant::answer_task(&prompt))
        } else {
            speaker_selection::answer(&prompt)
                .or_else(|| rewrite::answer(&prompt))
                .or_else(|| delegate::answer(&prompt))
                .unwrap_or_else(|| participant::answer(&prompt))
        };
        let calls = answer.calls(&prompt);
        let written = answer.text.len() + calls.iter().map(|call| call.arguments.to_string().len()).sum::<usize>();
        let usage = Usage {
            tokens_in: paced::tokens(paced::bytes_of(&prompt)),
            tokens_out: paced::tokens(written),
            ..Usage::default()
        };
        let mut deltas: Vec<_> =
            answer.text.split_inclusive(' ').map(|word| Ok(Delta::Text(word.to_owned()))).collect();
        deltas.extend(calls.iter().map(|call| Ok(Delta::ToolCallStarted { name: call.name.clone() })));
        let stop = if calls.is_empty() { Stop::End } else { Stop::Calls };
        deltas.push(Ok(Delta::Done(Done { stop, calls, usage, kept: None })));
        paced::play(deltas.into_iter(), Pace { first: self.pace, between: self.pace })
    }
}

/// Returns whether the prompt is a task of another agent, and rewrites it to look like a person's message. Managers
/// get no tasks: the words of their workers are answers.
fn is_task(prompt: &mut Prompt) -> bool {
    !speaker_selection::manages(prompt) && !delegate::manages(prompt) && members::take_task(prompt)
}

/// Removes the address `@name` from a person's message.
fn leave_out_address(entry: &mut PromptMessage) {
    if let PromptMessage::User { by: None, text } = entry
        && let Some((_, words)) = text.strip_prefix('@').and_then(|rest| rest.split_once(char::is_whitespace))
    {
        *text = words.trim_start().to_owned();
    }
}

/// The text and the tool calls of one step.
#[derive(Debug, Clone, PartialEq, Default)]
struct Answer {
    text: String,
    /// Tool names and arguments.
    wanted: Vec<(&'static str, Value)>,
}

impl Answer {
    fn saying(text: impl Into<String>) -> Self {
        Self { text: text.into(), wanted: Vec::new() }
    }

    fn calling(wanted: Vec<(&'static str, Value)>) -> Self {
        Self { text: String::new(), wanted }
    }

    /// Returns the calls with ids that depend only on the agent, the turn and the step.
    fn calls(&self, prompt: &Prompt) -> Vec<ToolCall> {
        let place = prompt.place;
        let kind = if place.background { "job" } else { "call" };
        (1..)
            .zip(&self.wanted)
            .map(|(nth, (name, arguments))| ToolCall {
                id: format!("{kind}-{}-{}-{}-{nth}", prompt.agent, place.turn, place.step),
                name: (*name).to_owned(),
                arguments: arguments.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
