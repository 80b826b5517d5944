//! The offline model in the background: it keeps what was stated, decided and asked in the blocks it may write.
//!
//! Every step looks at the window and at the blocks as they are now and asks for the edits that are still
//! missing; when none is, it finishes. So it converges, and a second run over one window changes nothing.

use super::Answer;
use super::board::{Board, Edit, Editing};
use super::language::{containment, terms, words};
use super::participant::is_framed;
use super::statement::{Kind, Statement, read};
use crate::llm::{Entry, MemoryBlock, Prompt};

/// How many steps of edits a job takes at most.
const STEPS: usize = 4;
const FINISH: &str = "memory_finish_edits";
/// What the words of a block that is kept for everybody are about.
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

/// True when the job had its steps, or an edit was refused twice.
fn is_spent(prompt: &Prompt) -> bool {
    let own =
        prompt.entries.iter().filter(|entry| matches!(entry, Entry::Own { calls, .. } if !calls.is_empty())).count();
    let mut refused = 0;
    let mut step_refused = false;
    for entry in &prompt.entries {
        match entry {
            Entry::Own { .. } => step_refused = false,
            Entry::Result { ok: false, .. } if !step_refused => {
                step_refused = true;
                refused += 1;
            }
            _ => {}
        }
    }
    own >= STEPS || refused >= 2
}

/// True when this very edit was made and accepted: a prompt that does not show it yet must not make it twice.
fn was_done(prompt: &Prompt, (name, arguments): &Edit) -> bool {
    let accepted = |id: &str| {
        prompt.entries.iter().any(|entry| matches!(entry, Entry::Result { call, ok: true, .. } if call == id))
    };
    prompt.entries.iter().any(|entry| match entry {
        Entry::Own { calls, .. } => {
            calls.iter().any(|call| call.name == *name && call.arguments == *arguments && accepted(&call.id))
        }
        _ => false,
    })
}

fn edits(prompt: &Prompt) -> Vec<Edit> {
    let editing = Editing {
        replace: offers(prompt, "memory_replace"),
        insert: offers(prompt, "memory_insert"),
        rethink: offers(prompt, "memory_rethink"),
    };
    let blocks: Vec<&MemoryBlock> = prompt.memory.iter().filter(|block| is_kept(block)).collect();
    let statements = statements(prompt);
    let mut edits = Vec::new();
    for block in &blocks {
        let mut board = Board::new(block);
        for statement in statements.iter().filter(|statement| home(statement, &blocks) == Some(*block)) {
            board.take(&statement.line);
        }
        edits.extend(board.edits(editing));
    }
    edits
}

/// True for a block this agent may fill: no persona, not read-only.
fn is_kept(block: &MemoryBlock) -> bool {
    !block.read_only && !block.label.to_lowercase().contains("persona")
}

fn is_human(block: &MemoryBlock) -> bool {
    block.label.to_lowercase() == HUMAN
}

/// The block a statement belongs to.
fn home<'a>(statement: &Statement, blocks: &[&'a MemoryBlock]) -> Option<&'a MemoryBlock> {
    if statement.kind == Kind::Person {
        return blocks.iter().copied().find(|block| is_human(block));
    }
    let about = match statement.kind {
        Kind::Decision => "decision decided agreed",
        Kind::Question => "open question asked",
        _ => "fact",
    };
    let own = terms(&format!("{about} {}", statement.line));
    let shared = terms(SHARED);
    let score = |block: &MemoryBlock| {
        let is = terms(&format!("{} {}", block.label.replace(['_', '-', '/'], " "), block.description));
        (is.intersection(&own).count(), is.intersection(&shared).count())
    };
    let open = blocks.iter().copied().filter(|block| !is_human(block));
    // Of equals the first: `max_by_key` takes the last.
    open.rev().max_by_key(|block| score(block))
}

/// What the window states, in its order: all of the person's, and what agents add of their own.
fn statements(prompt: &Prompt) -> Vec<Statement> {
    let mut kept: Vec<Statement> = Vec::new();
    for entry in &prompt.entries {
        let Entry::Said { by, text } = entry else { continue };
        for statement in read(text) {
            let keep = match (&statement.kind, by) {
                (Kind::Talk | Kind::Request, _) => false,
                (_, None) => true,
                (Kind::Decision | Kind::Fact, Some(_)) => adds(&statement, &kept, prompt),
                (_, Some(_)) => false,
            };
            if keep {
                kept.push(statement);
            }
        }
    }
    kept
}

/// True when an agent's sentence is news, and no echo of what the person said or a block holds.
fn adds(statement: &Statement, kept: &[Statement], prompt: &Prompt) -> bool {
    let first_person =
        words(&statement.said).iter().any(|word| matches!(word.as_str(), "i" | "i'll" | "i'm" | "i've" | "ich"));
    if first_person || is_framed(&statement.said) {
        return false;
    }
    let own = terms(&statement.line);
    let lines = prompt.memory.iter().flat_map(|block| block.value.lines());
    !kept
        .iter()
        .map(|statement| statement.line.as_str())
        .chain(lines)
        .any(|line| containment(&own, &terms(line)) >= 0.5)
}

#[cfg(test)]
mod tests;
