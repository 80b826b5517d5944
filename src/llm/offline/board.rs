//! A block as a list: a heading, then lines that begin with "- ". It takes statements in, and says
//! by which edits the block comes to hold them.

use serde_json::{Value, json};

use super::language::OPEN;
use super::sense::{Sense, answers, changes, says};
use crate::llm::MemoryBlock;

/// What a block is headed with that had nothing in it.
const HEADING: &str = "The story so far";
const MARK: &str = "- ";

/// Which edit tools are offered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Editing {
    pub replace: bool,
    pub insert: bool,
    pub rethink: bool,
}

/// One edit: a tool's name and its arguments.
pub(super) type Edit = (&'static str, Value);

/// A block being kept.
pub(super) struct Board<'a> {
    block: &'a MemoryBlock,
    /// The lines as they will be.
    lines: Vec<Line>,
    /// How often a line was confirmed or added, the order of the window.
    beat: usize,
}

struct Line {
    text: String,
    /// What it says, its mark taken off.
    sense: Sense,
    /// As it stands in the block; `None` for a new line.
    was: Option<String>,
    /// When the window last named it; 0 for never. What was not named for longest goes first.
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

    /// Open questions go before facts, facts before decisions; what is no item never goes.
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

    /// Takes a statement's line in: as a change of what stood, or as a new line, or not at all.
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

    /// The edits that bring the block to what was taken in, in order; none when it holds that already.
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
        let whole = ("memory_rethink", json!({ "label": self.block.label, "new_memory": after }));
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

    /// Line by line with replace and insert; `None` where these cannot do it.
    fn precise(&self, editing: Editing) -> Option<Vec<Edit>> {
        let label = &self.block.label;
        let mut now = self.block.value.clone();
        let mut edits: Vec<Edit> = Vec::new();
        let replace = |now: &mut String, old: &str, new: &str| -> Option<Edit> {
            if !editing.replace || now.matches(old).count() != 1 {
                return None;
            }
            *now = now.replacen(old, new, 1);
            Some(("memory_replace", json!({ "label": label, "old_str": old, "new_str": new })))
        };
        let changed = self.lines.iter().filter_map(|line| line.was.as_ref().map(|was| (was, &line.text)));
        for (was, text) in changed.filter(|(was, text)| was != text) {
            edits.push(replace(&mut now, was, text)?);
        }
        for gone in
            self.block.value.lines().filter(|old| !self.lines.iter().any(|line| line.was.as_deref() == Some(*old)))
        {
            let whole_line = format!("\n{gone}");
            // A line that begins another cannot be told from it with its break alone.
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
            // At the end of an empty block an insert would leave an empty line before it.
            let place = if self.block.value.is_empty() { json!(0) } else { place };
            edits.push(("memory_insert", json!({ "label": label, "new_str": new.join("\n"), "insert_line": place })));
            at += run;
        }
        Some(edits)
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}
