//! The offline model in the background: writes facts, decisions and open questions to the blocks that it may edit.
//!
//! Every step compares the window with the current blocks and requests the missing edits; it finishes when there are
//! none. A second run over the same window therefore changes nothing.

use super::Answer;
use super::block_text::{Board, Edit, Editing};
use super::frames::is_framed;
use super::language::{Terms, containment, terms, words};
use super::line_match::{Sense, answers};
use super::statement::{Kind, Statement, read};
use crate::domain::block_edit::{INSERT, REPLACE, RETHINK};
use crate::llm::{MemoryBlock, Prompt, PromptMessage};

/// Most steps with edits per job.
const STEPS: usize = 4;
/// Number of newest statements of a window to keep: more than a block of the default size can hold.
const MOST: usize = 600;
const FINISH: &str = "memory_finish_edits";
/// Words in the description of a block that is meant for everybody.
const SHARED: &str = "story fact decision date open question summary note shared group team memory project news";
const HUMAN: &str = "human";

/// Answers one step of a background job.
pub(super) fn answer(prompt: &Prompt) -> Answer {
    let edits = if is_spent(prompt) { Vec::new() } else { edits(prompt) };
    let edits: Vec<Edit> = edits.into_iter().filter(|edit| !was_done(prompt, edit)).collect();
    if edits.is_empty() {
        return if offers(prompt, FINISH) {
            Answer::calling(vec![(FINISH, serde_json::json!({}))])
        } else {
            Answer::saying("The blocks hold what was said.")
        };
    }
    Answer::calling(edits)
}

fn offers(prompt: &Prompt, tool: &str) -> bool {
    prompt.tools.iter().any(|spec| spec.name == tool)
}

/// Prefix of the result of a call that the person denied.
const DENIED: &str = "not called: the user said no";

/// Returns whether the job must end: it used all its steps, an edit was refused twice, or a person denied one.
fn is_spent(prompt: &Prompt) -> bool {
    let own = prompt
        .entries
        .iter()
        .filter(|entry| matches!(entry, PromptMessage::Assistant { calls, .. } if !calls.is_empty()))
        .count();
    let mut refused = 0;
    let mut step_refused = false;
    for entry in &prompt.entries {
        match entry {
            PromptMessage::Assistant { .. } => step_refused = false,
            PromptMessage::ToolResult { ok: false, text, .. } if text.starts_with(DENIED) => return true,
            PromptMessage::ToolResult { ok: false, .. } if !step_refused => {
                step_refused = true;
                refused += 1;
            }
            _ => {}
        }
    }
    own >= STEPS || refused >= 2
}

/// Returns whether this exact edit was already accepted, because the blocks of the prompt may not show it yet.
fn was_done(prompt: &Prompt, (name, arguments): &Edit) -> bool {
    let accepted = |id: &str| {
        prompt
            .entries
            .iter()
            .any(|entry| matches!(entry, PromptMessage::ToolResult { call, ok: true, .. } if call == id))
    };
    prompt.entries.iter().any(|entry| match entry {
        PromptMessage::Assistant { calls, .. } => {
            calls.iter().any(|call| call.name == *name && call.arguments == *arguments && accepted(&call.id))
        }
        _ => false,
    })
}

fn edits(prompt: &Prompt) -> Vec<Edit> {
    let editing =
        Editing { replace: offers(prompt, REPLACE), insert: offers(prompt, INSERT), rethink: offers(prompt, RETHINK) };
    let homes: Vec<Home> = prompt.memory.iter().filter(|block| is_kept(block)).map(Home::new).collect();
    let mut boards: Vec<Board> = homes.iter().map(|home| Board::new(home.block)).collect();
    for statement in statements(prompt) {
        if let Some(board) = home(&statement, &homes).and_then(|at| boards.get_mut(at)) {
            board.take(&statement.sense);
        }
    }
    boards.into_iter().flat_map(|board| board.edits(editing)).collect()
}

/// Returns whether this agent may write to a block: not a persona and not read-only.
fn is_kept(block: &MemoryBlock) -> bool {
    !block.read_only && !block.label.to_lowercase().contains("persona")
}

fn is_human(block: &MemoryBlock) -> bool {
    block.label.to_lowercase() == HUMAN
}

/// A writable block and the terms of its purpose.
struct Home<'a> {
    block: &'a MemoryBlock,
    about: Terms,
    /// Number of terms in common with [`SHARED`].
    shared: usize,
}

impl<'a> Home<'a> {
    fn new(block: &'a MemoryBlock) -> Self {
        let about = terms(&format!("{} {}", block.label.replace(['_', '-', '/'], " "), block.description));
        let shared = about.intersection(&terms(SHARED)).count();
        Self { block, about, shared }
    }
}

/// Returns the index in `homes` of the block that a statement belongs to.
fn home(statement: &Statement, homes: &[Home]) -> Option<usize> {
    if statement.kind == Kind::Person {
        return homes.iter().position(|home| is_human(home.block));
    }
    let kind = terms(match statement.kind {
        Kind::Decision => "decision decided agreed",
        Kind::Question => "open question asked",
        _ => "fact",
    });
    let own: Terms = statement.sense.terms.union(&kind).cloned().collect();
    let open = homes.iter().enumerate().filter(|(_, home)| !is_human(home.block));
    // Reversed, because `max_by_key` returns the last of equals.
    open.rev().max_by_key(|(_, home)| (home.about.intersection(&own).count(), home.shared)).map(|(at, _)| at)
}

/// Returns the statements of the window in order: all of the person, and the new ones of agents.
fn statements(prompt: &Prompt) -> Vec<Statement> {
    let mut kept: Vec<Statement> = Vec::new();
    let known: Vec<Terms> = prompt.memory.iter().flat_map(|block| block.value.lines()).map(terms).collect();
    for entry in &prompt.entries {
        let PromptMessage::User { by, text } = entry else { continue };
        for statement in read(text) {
            let keep = match (&statement.kind, by) {
                (Kind::Talk | Kind::Request | Kind::Idea, _) => false,
                (_, None) => true,
                (Kind::Decision | Kind::Fact, Some(_)) => adds(&statement, &kept, &known),
                (_, Some(_)) => false,
            };
            if keep {
                kept.push(statement);
            }
        }
    }
    kept.drain(..kept.len().saturating_sub(MOST));
    let told: Vec<(usize, Sense)> = (0..)
        .zip(&kept)
        .filter(|(_, one)| one.kind != Kind::Question)
        .map(|(at, one)| (at, Sense::of(&one.said)))
        .collect();
    let is_open = |one: &Statement| {
        one.kind != Kind::Question
            || !told.iter().any(|(at, said)| answers(&one.sense, said) || answers(&one.sense, &kept[*at].sense))
    };
    kept.iter().filter(|one| is_open(one)).cloned().collect()
}

/// Returns whether an agent's sentence is new: it does not repeat the person or a block.
fn adds(statement: &Statement, kept: &[Statement], known: &[Terms]) -> bool {
    let first_person =
        words(&statement.said).iter().any(|word| matches!(word.as_str(), "i" | "i'll" | "i'm" | "i've" | "ich"));
    if first_person || is_framed(&statement.said) {
        return false;
    }
    let own = &statement.sense.terms;
    kept.iter().rev().take(MOST).map(|one| &one.sense.terms).chain(known).all(|terms| containment(own, terms) < 0.5)
}

#[cfg(test)]
mod tests;
