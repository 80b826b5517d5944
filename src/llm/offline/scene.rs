//! The input of a reply: the person's last message, and the sentences that are related to it.

use super::evidence::{self, Source};
use super::language::terms;
use super::line_match::changes;
use super::statement::{Kind, Statement, read};
use crate::llm::{Prompt, PromptMessage};

/// The parts of a prompt that a reply depends on.
pub(super) struct ReplyInput {
    /// Statements in the person's last message.
    pub stated: Vec<Statement>,
    /// Questions in the person's last message.
    pub asked: Vec<String>,
    /// Those of the questions that no visible sentence answers.
    pub unanswered: Vec<String>,
    /// Open questions in the blocks.
    pub open: Vec<String>,
    /// Lines of the blocks.
    pub blocks: Vec<Source>,
    /// Blocks, and all sentences before the person's last message.
    pub earlier: Vec<Source>,
    /// Blocks, and all sentences up to and including the person's last message.
    pub visible: Vec<Source>,
    /// Messages of other agents since the person's last message.
    pub others: Vec<String>,
    /// Turn of the conversation, counted from 1.
    pub turn: u64,
    /// True if the person's last message requests work.
    pub is_request: bool,
    /// True if the person's last message contains nothing that can be answered.
    pub is_empty: bool,
}

impl ReplyInput {
    /// Reads the prompt.
    pub(super) fn of(prompt: &Prompt) -> Self {
        let last = prompt.entries.iter().rposition(|entry| matches!(entry, PromptMessage::User { by: None, .. }));
        let at = last.unwrap_or(prompt.entries.len());
        let text = match prompt.entries.get(at) {
            Some(PromptMessage::User { text, .. }) => text.as_str(),
            // Without a message of a person, answer the last message of another agent.
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

    /// Returns a sentence about a contradiction between the person's message and an earlier sentence.
    pub(super) fn contradiction(&self) -> Option<String> {
        self.stated.iter().find_map(|statement| {
            let source = self.earlier.iter().find(|source| changes(&source.line, &statement.sense))?;
            let verb = if source.is_block { "it has" } else { "earlier" };
            Some(format!("That contradicts {}: {verb} \"{}\".", source.by, source.text.text))
        })
    }

    /// Returns whether another agent has said `line` since the person's message.
    pub(super) fn was_told(&self, line: &str) -> bool {
        let line = terms(line);
        self.others.iter().any(|text| line.is_subset(&terms(text)))
    }
}

fn said_by_agent(entry: &PromptMessage) -> Option<&str> {
    match entry {
        PromptMessage::User { by: Some(_), text } => Some(text),
        _ => None,
    }
}

fn of_kind(all: &[Statement], kind: Kind) -> Vec<String> {
    all.iter().filter(|statement| statement.kind == kind).map(|statement| statement.said.clone()).collect()
}
