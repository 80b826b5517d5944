//! What an agent of the offline model replies to: the person's last message, and what is known about it.

use super::evidence::{self, Source};
use super::language::terms;
use super::sense::changes;
use super::statement::{Kind, Statement, read};
use crate::llm::{Entry, Prompt};

/// What an agent sees when it is its turn to speak.
pub(super) struct Scene {
    /// What the person's last message states.
    pub stated: Vec<Statement>,
    /// The questions of the person's last message.
    pub asked: Vec<String>,
    /// Those of them that nothing visible answers.
    pub unanswered: Vec<String>,
    /// Questions that stand open in the blocks.
    pub open: Vec<String>,
    /// The lines of the blocks.
    pub blocks: Vec<Source>,
    /// Blocks and all words before the person's last message.
    pub earlier: Vec<Source>,
    /// Blocks and all words, the person's last message among them.
    pub visible: Vec<Source>,
    /// What others said since the person's last message.
    pub others: Vec<String>,
    /// The conversation's turn.
    pub turn: u64,
    /// True when the person's last message asks for work.
    pub is_request: bool,
    /// True when the person's last message says nothing that can be answered.
    pub is_empty: bool,
}

impl Scene {
    /// Reads the prompt.
    pub(super) fn of(prompt: &Prompt) -> Self {
        let last = prompt.entries.iter().rposition(|entry| matches!(entry, Entry::Said { by: None, .. }));
        let at = last.unwrap_or(prompt.entries.len());
        let text = match prompt.entries.get(at) {
            Some(Entry::Said { text, .. }) => text.as_str(),
            // Without a person, the last words of another agent are what there is to answer.
            _ => prompt.entries.iter().rev().find_map(said_by_agent).unwrap_or_default(),
        };
        let all = read(text);
        let asked: Vec<String> = of_kind(&all, Kind::Question);
        let since = prompt.entries.get(at + 1..).unwrap_or_default();
        let visible = evidence::visible(prompt, (at + 1).min(prompt.entries.len()));
        let unanswered =
            asked.iter().filter(|question| evidence::answer(question, &visible).is_none()).cloned().collect();
        Self {
            unanswered,
            open: evidence::open_questions(prompt)
                .into_iter()
                .filter(|question| evidence::answer(question, &visible).is_none())
                .collect(),
            turn: prompt.place.turn,
            blocks: evidence::blocks(prompt),
            earlier: evidence::visible(prompt, at),
            visible,
            others: since.iter().filter_map(said_by_agent).map(str::to_owned).collect(),
            is_request: all.iter().any(|statement| statement.kind == Kind::Request),
            is_empty: all.iter().all(|statement| statement.kind == Kind::Talk),
            asked,
            stated: all
                .into_iter()
                .filter(|one| matches!(one.kind, Kind::Fact | Kind::Decision | Kind::Person | Kind::Idea))
                .collect(),
        }
    }

    /// A sentence on where the person's words contradict what stands.
    pub(super) fn contradiction(&self) -> Option<String> {
        self.stated.iter().find_map(|statement| {
            let source = self.earlier.iter().find(|source| changes(&source.line, &statement.sense))?;
            let verb = if source.is_block { "it has" } else { "earlier" };
            Some(format!("That contradicts {}: {verb} \"{}\".", source.by, source.text.text))
        })
    }

    /// True when another agent has already told `line` since the person spoke.
    pub(super) fn was_told(&self, line: &str) -> bool {
        let line = terms(line);
        self.others.iter().any(|text| line.is_subset(&terms(text)))
    }
}

fn said_by_agent(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Said { by: Some(_), text } => Some(text),
        _ => None,
    }
}

fn of_kind(all: &[Statement], kind: Kind) -> Vec<String> {
    all.iter().filter(|statement| statement.kind == kind).map(|statement| statement.said.clone()).collect()
}
