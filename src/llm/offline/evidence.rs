//! Finds sentences about a question in blocks, transcript and search results, with their sources.

use super::frames::is_framed;
use super::language::{OPEN, Terms, containment, sentences, terms};
use super::line_match::{Sense, answers, changes};
use super::statement::{Kind, read};
use crate::llm::{Prompt, PromptMessage};

/// Number of newest sentences of the conversation to consider. Older ones are found by search.
const LOOK_BACK: usize = 120;

/// A sentence and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Name of the source: the label of a block, "you" for the person, the name of an agent, or "an earlier
    /// conversation".
    pub by: String,
    /// The sentence as it was said.
    pub text: Sense,
    /// The sentence as a line of a block.
    pub line: Sense,
    pub is_block: bool,
}

impl Source {
    /// Formats a quotation: `story says "Launch: 3 May, decided"`.
    pub(super) fn quoted(&self) -> String {
        let verb = if self.is_block { "says" } else { "said" };
        format!("{} {verb} \"{}\"", self.by, self.text.text)
    }
}

/// Returns all sentences visible to this agent: first the blocks, then the first `until` entries, newest first.
pub(super) fn visible(prompt: &Prompt, until: usize) -> Vec<Source> {
    let mut words: Vec<Source> = Vec::new();
    for entry in prompt.entries[..until].iter().rev() {
        let PromptMessage::User { by, text } = entry else { continue };
        let by = by.clone().unwrap_or_else(|| "you".to_owned());
        let said = read(text).into_iter().rev().filter(|statement| {
            matches!(statement.kind, Kind::Fact | Kind::Decision | Kind::Person | Kind::Idea)
                && (by == "you" || !is_framed(&statement.said))
        });
        for statement in said.take(LOOK_BACK) {
            // A later sentence about the same subject replaces this one.
            if !words.iter().any(|later: &Source| changes(&statement.sense, &later.line)) {
                words.push(Source {
                    by: by.clone(),
                    text: Sense::of(bare(&statement.said)),
                    line: statement.sense,
                    is_block: false,
                });
            }
        }
        if words.len() >= LOOK_BACK {
            break;
        }
    }
    let mut sources = blocks(prompt);
    sources.append(&mut words);
    let mut kept: Vec<Source> = Vec::with_capacity(sources.len());
    for source in sources {
        if !kept.iter().any(|other| other.text.is_same(&source.text)) {
            kept.push(source);
        }
    }
    kept
}

/// Returns the lines of the blocks, except personas and open questions.
pub(super) fn blocks(prompt: &Prompt) -> Vec<Source> {
    let shown = prompt.memory.iter().filter(|block| !block.label.to_lowercase().contains("persona"));
    shown
        .flat_map(|block| {
            // In a list, the lines above the items are a heading.
            let is_list = block.value.lines().any(|line| line.starts_with("- "));
            let lines =
                block.value.lines().filter(move |line| !is_list || line.starts_with("- ") || line.ends_with('.'));
            lines.flat_map(sentences).filter(|line| !line.starts_with(OPEN)).map(|line| Source {
                by: block.label.clone(),
                text: Sense::of(bare(&line)),
                line: Sense::of(bare(&line)),
                is_block: true,
            })
        })
        .collect()
}

/// Returns the open questions in the blocks, without their prefix.
pub(super) fn open_questions(prompt: &Prompt) -> Vec<String> {
    let lines = prompt.memory.iter().flat_map(|block| block.value.lines());
    lines.filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(OPEN)).map(str::to_owned).collect()
}

/// Returns the sentences of a search result: of all strings if it is JSON, otherwise of the text.
pub(super) fn found(text: &str) -> Vec<Source> {
    let mut strings = Vec::new();
    match serde_json::from_str(text) {
        Ok(value) => collect(&value, &mut strings),
        Err(_) => strings.push(text.to_owned()),
    }
    let lines = strings.iter().flat_map(|text| text.lines()).flat_map(|line| {
        let (by, words) = attributed(line);
        sentences(words).into_iter().map(move |words| (by, words))
    });
    lines
        .filter(|(_, words)| !is_framed(words))
        .map(|(by, words)| {
            let sense = Sense::of(bare(&words));
            Source { by: by.to_owned(), text: sense.clone(), line: sense, is_block: false }
        })
        .collect()
}

/// Splits a line "[2026-05-03 09:41] Mira: words" of a search result into speaker and words.
fn attributed(line: &str) -> (&str, &str) {
    let dated = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match dated.and_then(|(_, rest)| rest.split_once(": ")) {
        Some(("the user", words)) => ("you", words),
        Some((name, words)) => (name, words),
        None => ("an earlier message", line),
    }
}

fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => into.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        _ => {}
    }
}

fn bare(text: &str) -> &str {
    text.trim_end_matches(['.', '!', ' '])
}

/// Returns the source that answers `question` best, the first of equals.
pub(super) fn answer<'a>(question: &str, sources: &'a [Source]) -> Option<&'a Source> {
    let asked = Sense::of(question);
    best(&asked.terms, sources.iter().filter(|source| answers(&asked, &source.text)))
}

/// Returns the source that shares most words with `text`, if it shares at least two of them or half of them.
pub(super) fn related<'a>(text: &str, sources: &'a [Source]) -> Option<&'a Source> {
    let about = terms(text);
    let near = sources.iter().filter(|source| {
        let is = &source.text.terms;
        about.intersection(is).count() >= 2 || containment(&about, is) >= 0.5 || containment(is, &about) >= 0.5
    });
    best(&about, near)
}

fn best<'a>(about: &Terms, sources: impl Iterator<Item = &'a Source>) -> Option<&'a Source> {
    let mut best: Option<(usize, &Source)> = None;
    for source in sources {
        let shared = about.intersection(&source.text.terms).count();
        if best.is_none_or(|(most, _)| shared > most) {
            best = Some((shared, source));
        }
    }
    best.map(|(_, source)| source)
}
