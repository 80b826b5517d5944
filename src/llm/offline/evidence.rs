//! What blocks, transcript and search results hold about a question, and who said it.

use super::frames::is_framed;
use super::language::{OPEN, Terms, containment, sentences, terms};
use super::sense::{Sense, answers, changes};
use super::statement::{Kind, read};
use crate::llm::{Entry, Prompt};

/// How many sentences of the conversation are looked at, the newest: what is older is found by search.
const LOOK_BACK: usize = 120;

/// A sentence and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// "story" for a block's label, "you" for the person, an agent's name, "an earlier conversation".
    pub by: String,
    /// The sentence.
    pub text: Sense,
    /// As a list would keep it.
    pub line: Sense,
    pub is_block: bool,
}

impl Source {
    /// As it is quoted: `story says "Launch: 3 May, decided"`.
    pub(super) fn quoted(&self) -> String {
        let verb = if self.is_block { "says" } else { "said" };
        format!("{} {verb} \"{}\"", self.by, self.text.text)
    }
}

/// All sentences this agent can see, newest first: blocks, then words. `until` cuts the entries.
pub(super) fn visible(prompt: &Prompt, until: usize) -> Vec<Source> {
    let mut words: Vec<Source> = Vec::new();
    for entry in prompt.entries[..until].iter().rev() {
        let Entry::Said { by, text } = entry else { continue };
        let by = by.clone().unwrap_or_else(|| "you".to_owned());
        let said = read(text).into_iter().rev().filter(|statement| {
            matches!(statement.kind, Kind::Fact | Kind::Decision | Kind::Person | Kind::Idea)
                && (by == "you" || !is_framed(&statement.said))
        });
        for statement in said.take(LOOK_BACK) {
            // What was said later about the same thing stands.
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

/// The lines of the blocks, personas left out, without open questions.
pub(super) fn blocks(prompt: &Prompt) -> Vec<Source> {
    let shown = prompt.memory.iter().filter(|block| !block.label.to_lowercase().contains("persona"));
    shown
        .flat_map(|block| {
            // Where a block is a list, what stands above its items is a heading.
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

/// The questions that stand open in the blocks, without their mark.
pub(super) fn open_questions(prompt: &Prompt) -> Vec<String> {
    let lines = prompt.memory.iter().flat_map(|block| block.value.lines());
    lines.filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(OPEN)).map(str::to_owned).collect()
}

/// The sentences of a search result, whatever its form: JSON is read for its strings.
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

/// Who said a line "[2026-05-03 09:41] Mira: words" of a search result, and the words.
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

/// The source that answers `question` best; of equals the first.
pub(super) fn answer<'a>(question: &str, sources: &'a [Source]) -> Option<&'a Source> {
    let asked = Sense::of(question);
    best(&asked.terms, sources.iter().filter(|source| answers(&asked, &source.text)))
}

/// The source that shares most with `text`, if it shares at least two of its words or half of them.
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
