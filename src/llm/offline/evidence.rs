//! What blocks, transcript and search results hold about a question, and who said it.

use super::language::{Terms, containment, normal, sentences, terms};
use super::participant::is_framed;
use super::statement::{Kind, OPEN, answers, read};
use crate::llm::{Entry, Prompt};

/// A sentence and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// "story" for a block's label, "you" for the person, an agent's name, "an earlier conversation".
    pub by: String,
    pub text: String,
    pub is_block: bool,
}

impl Source {
    /// As it is quoted: `story says "Launch: 3 May, decided"`.
    pub(super) fn quoted(&self) -> String {
        let verb = if self.is_block { "says" } else { "said" };
        format!("{} {verb} \"{}\"", self.by, self.text)
    }
}

/// All sentences this agent can see, newest first: blocks, then words. `until` cuts the entries.
pub(super) fn visible(prompt: &Prompt, until: usize) -> Vec<Source> {
    let mut sources = blocks(prompt);
    for entry in prompt.entries[..until].iter().rev() {
        let Entry::Said { by, text } = entry else { continue };
        let by = by.clone().unwrap_or_else(|| "you".to_owned());
        let said = read(text).into_iter().rev().filter(|statement| {
            matches!(statement.kind, Kind::Fact | Kind::Decision | Kind::Person)
                && (by == "you" || !is_framed(&statement.said))
        });
        for statement in said {
            sources.push(Source { by: by.clone(), text: bare(&statement.said), is_block: false });
        }
    }
    let mut seen = Vec::new();
    sources.retain(|source| {
        let text = normal(&source.text);
        let is_new = !seen.contains(&text);
        seen.push(text);
        is_new
    });
    sources
}

/// The lines of the blocks, personas left out, without open questions.
pub(super) fn blocks(prompt: &Prompt) -> Vec<Source> {
    let shown = prompt.memory.iter().filter(|block| !block.label.to_lowercase().contains("persona"));
    shown
        .flat_map(|block| {
            sentences(&block.value).into_iter().filter(|line| !line.starts_with(OPEN)).map(|line| Source {
                by: block.label.clone(),
                text: bare(&line),
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
    let lines = strings.iter().flat_map(|text| sentences(text));
    lines.map(|line| Source { by: "the earlier conversation".to_owned(), text: bare(&line), is_block: false }).collect()
}

fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => into.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        _ => {}
    }
}

fn bare(text: &str) -> String {
    text.trim_end_matches(['.', '!', ' ']).to_owned()
}

/// The source that answers `question` best; of equals the first.
pub(super) fn answer<'a>(question: &str, sources: &'a [Source]) -> Option<&'a Source> {
    let asked = terms(question);
    best(&asked, sources.iter().filter(|source| answers(question, &source.text)))
}

/// The source that shares most with `text`, if it shares at least two of its words or half of them.
pub(super) fn related<'a>(text: &str, sources: &'a [Source]) -> Option<&'a Source> {
    let about = terms(text);
    let near = sources.iter().filter(|source| {
        let is = terms(&source.text);
        about.intersection(&is).count() >= 2 || containment(&about, &is) >= 0.5 || containment(&is, &about) >= 0.5
    });
    best(&about, near)
}

fn best<'a>(about: &Terms, sources: impl Iterator<Item = &'a Source>) -> Option<&'a Source> {
    let mut best: Option<(usize, &Source)> = None;
    for source in sources {
        let shared = about.intersection(&terms(&source.text)).count();
        if best.is_none_or(|(most, _)| shared > most) {
            best = Some((shared, source));
        }
    }
    best.map(|(_, source)| source)
}
