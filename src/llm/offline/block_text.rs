//! A block as a list: a heading, then lines that start with "- ". Merges statements into the list and returns the edits
//! that write them to the block.

use serde_json::{Value, json};

use super::language::OPEN;
use super::line_match::{Sense, answers, changes, says};
use crate::domain::block_edit::{INSERT, REPLACE, RETHINK};
use crate::llm::MemoryBlock;

/// Heading for an empty block.
const HEADING: &str = "The story so far";
const MARK: &str = "- ";

/// The available edit tools.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Editing {
    pub replace: bool,
    pub insert: bool,
    pub rethink: bool,
}

/// An edit: the name of a tool and its arguments.
pub(super) type Edit = (&'static str, Value);

/// A block with its pending changes.
pub(super) struct Board<'a> {
    block: &'a MemoryBlock,
    /// Resulting lines.
    lines: Vec<Line>,
    /// Number of statements taken in so far.
    beat: usize,
}

struct Line {
    text: String,
    /// Content without the list mark.
    sense: Sense,
    /// Current text in the block; `None` for a new line.
    was: Option<String>,
    /// Number of the last statement that confirmed it; 0 for none. The lowest number is removed first.
    named: usize,
}

impl Line {
    fn new(text: String, was: Option<String>, named: usize) -> Self {
        let bare = text.trim_start();
        let sense = Sense::of(bare.strip_prefix(MARK).unwrap_or(bare));
        Self { text, sense, was, named }
    }

    fn item(&self) -> Option<&str> {
        self.text.trim_start().strip_prefix(MARK)
    }

    /// Returns the order of removal: 0 open questions, 1 facts, 2 decisions. `None` for lines that are never removed.
    fn rank(&self) -> Option<u8> {
        let item = self.item()?;
        Some(match item {
            _ if item.starts_with(OPEN) => 0,
            _ if item.ends_with(", decided") || item.starts_with("Decided: ") => 2,
            _ => 1,
        })
    }
}

impl<'a> Board<'a> {
    pub(super) fn new(block: &'a MemoryBlock) -> Self {
        let lines = block.value.lines().map(|text| Line::new(text.to_owned(), Some(text.to_owned()), 0));
        let lines = if block.value.trim().is_empty() { Vec::new() } else { lines.collect() };
        Self { block, lines, beat: 0 }
    }

    /// Merges a statement: replaces an outdated line, adds a new line, or confirms an existing line.
    pub(super) fn take(&mut self, new: &Sense) {
        self.beat += 1;
        let beat = self.beat;
        if let Some(line) = self.lines.iter_mut().find(|line| says(&line.sense, new)) {
            line.named = beat;
            return;
        }
        let is_question = new.text.starts_with(OPEN);
        if is_question && self.lines.iter().any(|line| line.item().is_some() && answers(new, &line.sense)) {
            return;
        }
        let text = format!("{MARK}{}", new.text);
        if let Some(line) = self.lines.iter_mut().find(|line| line.item().is_some() && changes(&line.sense, new)) {
            *line = Line::new(text, line.was.take(), beat);
        } else {
            if self.lines.is_empty() {
                self.lines.push(Line::new(HEADING.to_owned(), None, 0));
            }
            let first_open = self.lines.iter().position(|line| line.rank() == Some(0));
            let at = first_open.filter(|_| !is_question).unwrap_or(self.lines.len());
            self.lines.insert(at, Line::new(text, None, beat));
        }
        if !is_question {
            self.lines.retain(|line| line.rank() != Some(0) || !answers(&line.sense, new));
        }
    }

    /// Returns the edits that write the pending changes, in order. Empty if there are none.
    pub(super) fn edits(mut self, editing: Editing) -> Vec<Edit> {
        let mut condensed = false;
        while chars(&self.text()) > self.block.limit as usize {
            let oldest = (0..self.lines.len())
                .filter_map(|at| self.lines[at].rank().map(|rank| (rank, self.lines[at].named, at)))
                .min();
            let Some((_, _, at)) = oldest else { return Vec::new() };
            self.lines.remove(at);
            condensed = true;
        }
        let after = self.text();
        if after.trim_end() == self.block.value.trim_end() || !self.lines.iter().any(|line| line.item().is_some()) {
            return Vec::new();
        }
        let whole = (RETHINK, json!({ "label": self.block.label, "new_memory": after }));
        if editing.rethink && (condensed || self.block.value.trim().is_empty()) {
            return vec![whole];
        }
        match self.precise(editing) {
            Some(edits) => edits,
            None if editing.rethink => vec![whole],
            None => Vec::new(),
        }
    }

    fn text(&self) -> String {
        self.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Returns edits by replace and insert. `None` if these tools are not sufficient.
    fn precise(&self, editing: Editing) -> Option<Vec<Edit>> {
        let label = &self.block.label;
        let mut now = self.block.value.clone();
        let mut edits: Vec<Edit> = Vec::new();
        let replace = |now: &mut String, old: &str, new: &str| -> Option<Edit> {
            if !editing.replace || now.matches(old).count() != 1 {
                return None;
            }
            *now = now.replacen(old, new, 1);
            Some((REPLACE, json!({ "label": label, "old_str": old, "new_str": new })))
        };
        let changed = self.lines.iter().filter_map(|line| line.was.as_ref().map(|was| (was, &line.text)));
        for (was, text) in changed.filter(|(was, text)| was != text) {
            edits.push(replace(&mut now, was, text)?);
        }
        for gone in
            self.block.value.lines().filter(|old| !self.lines.iter().any(|line| line.was.as_deref() == Some(*old)))
        {
            let whole_line = format!("\n{gone}");
            // A line that is a prefix of another does not match uniquely.
            if now.lines().filter(|line| line.starts_with(gone)).count() != 1 {
                return None;
            }
            edits.push(replace(&mut now, &whole_line, "")?);
        }
        let mut at = 0;
        while at < self.lines.len() {
            let run = self.lines[at..].iter().take_while(|line| line.was.is_none()).count();
            if run == 0 {
                at += 1;
                continue;
            }
            if !editing.insert {
                return None;
            }
            let new: Vec<&str> = self.lines[at..at + run].iter().map(|line| line.text.as_str()).collect();
            let place = if at + run == self.lines.len() { json!(-1) } else { json!(at) };
            // An insert at the end of an empty block would leave an empty line before it.
            let place = if self.block.value.is_empty() { json!(0) } else { place };
            edits.push((INSERT, json!({ "label": label, "new_str": new.join("\n"), "insert_line": place })));
            at += run;
        }
        Some(edits)
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}
