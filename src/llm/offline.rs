//! The offline model: deterministic, rule-based, no key, no network, and no language model.
//!
//! It owns what an agent says when nothing else is connected. As a participant it quotes: sentences of
//! blocks and transcript that share words with what was asked, read through its persona (facts, critic,
//! editor). As a manager it routes by shared words: it chooses who speaks, or gives each worker its part and
//! gathers what they say. In the background it keeps blocks: facts, decisions, open questions, once each. The
//! same prompt always gets the same answer.
//!
//! `language` and `dates` know words, `statement` what a sentence does, `sense` how lines compare, `frames` which sentences
//! are the model's own, `evidence` what was said about a question, `scene` what there is to reply to, `participant` and `angle`
//! what to reply, `keeper` and `board` how a block is kept; `cast` knows whose field words are in, `chair` chooses who speaks,
//! `rewrite` does what a person says of a block, `delegate` splits work and gathers it.

mod angle;
mod board;
mod cast;
mod chair;
mod dates;
mod delegate;
mod evidence;
mod frames;
mod keeper;
mod language;
mod participant;
mod rewrite;
mod scene;
mod sense;
mod statement;

use std::time::Duration;

use futures::stream::BoxStream;
use serde_json::Value;

use super::paced::{self, Pace};
use super::{ChatModel, Delta, Done, Entry, ModelError, Prompt, Stop, ToolCall, Usage};

/// How long a word takes, so that streaming is seen.
const PACE: Duration = Duration::from_millis(15);

/// The model that needs nothing but the prompt.
#[derive(Debug, Clone, Copy)]
pub struct Offline {
    pace: Duration,
}

impl Offline {
    /// A model that takes about 15 ms a word.
    #[must_use]
    pub fn new() -> Self {
        Self::with_pace(PACE)
    }

    /// A model that takes `pace` a word; at zero it asks no timer.
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
            keeper::answer(&prompt)
        } else if is_task(&mut prompt) {
            rewrite::answer(&prompt).unwrap_or_else(|| participant::answer_task(&prompt))
        } else {
            chair::answer(&prompt)
                .or_else(|| rewrite::answer(&prompt))
                .or_else(|| delegate::answer(&prompt))
                .unwrap_or_else(|| participant::answer(&prompt))
        };
        let calls = answer.calls(&prompt);
        let written = answer.text.len() + calls.iter().map(|call| call.arguments.to_string().len()).sum::<usize>();
        let usage = Usage { tokens_in: paced::tokens(paced::bytes_of(&prompt)), tokens_out: paced::tokens(written) };
        let mut deltas: Vec<_> =
            answer.text.split_inclusive(' ').map(|word| Ok(Delta::Text(word.to_owned()))).collect();
        deltas.extend(calls.iter().map(|call| Ok(Delta::Draft { name: call.name.clone() })));
        let stop = if calls.is_empty() { Stop::End } else { Stop::Calls };
        deltas.push(Ok(Delta::Done(Done { stop, calls, usage, kept: None })));
        paced::play(deltas.into_iter(), Pace { first: self.pace, between: self.pace })
    }
}

/// True for a task of another agent, which then stands where a person's message would. Who manages reads the
/// workers' words as theirs.
fn is_task(prompt: &mut Prompt) -> bool {
    !chair::manages(prompt) && !delegate::manages(prompt) && cast::take_task(prompt)
}

/// `@name words` are the words: whom they were for is no part of what is asked.
fn leave_out_address(entry: &mut Entry) {
    if let Entry::Said { by: None, text } = entry
        && let Some((_, words)) = text.strip_prefix('@').and_then(|rest| rest.split_once(char::is_whitespace))
    {
        *text = words.trim_start().to_owned();
    }
}

/// What one step says and calls.
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

    /// The calls with ids that depend on nothing but where the prompt stands.
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
