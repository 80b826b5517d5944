//! Tools that edit memory blocks, with Letta's names and arguments (release 0.15; later argument names are accepted).

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Withheld;
use super::{StagedBlock, Tool, ToolContext, ToolOutcome, arguments};
use crate::domain::block::{Level, REQUEST_BLOCK_ACCESS, folded};
use crate::domain::text_edit::{EditFault, Merge, carried, changed_lines, insert, merge, replace};
use crate::llm::ToolSpec;

/// The names of the tools that edit blocks begin so.
pub const MEMORY_TOOLS: &str = "memory_";

/// `memory_replace`: replaces an exact text.
pub struct Replace;
/// `memory_insert`: inserts text after a line.
pub struct Insert;
/// `memory_rethink`: sets a whole new value.
pub struct Rethink;
/// `memory_finish_edits`: ends the work of a background agent.
pub struct FinishEdits;

#[derive(Deserialize)]
struct ReplaceArguments {
    label: String,
    #[serde(alias = "old_string")]
    old_str: String,
    #[serde(alias = "new_string")]
    new_str: String,
}

#[derive(Deserialize)]
struct InsertArguments {
    label: String,
    #[serde(alias = "new_string")]
    new_str: String,
    #[serde(default = "at_the_end")]
    insert_line: i64,
}

fn at_the_end() -> i64 {
    -1
}

#[derive(Deserialize)]
struct RethinkArguments {
    label: String,
    new_memory: String,
}

fn label_schema() -> Value {
    json!({"type": "string", "description": "The label of the block."})
}

impl Tool for Replace {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "memory_replace".to_owned(),
            description: "Replace text in a memory block. old_str has to stand in the block exactly once, word for \
                          word; an empty new_str deletes it."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "label": label_schema(),
                    "old_str": {"type": "string", "description": "The exact text to replace."},
                    "new_str": {"type": "string", "description": "The text to put in its place."}
                },
                "required": ["label", "old_str", "new_str"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            match arguments::<ReplaceArguments>("memory_replace", value) {
                Ok(a) => edit(desk, "memory_replace", &a.label, |block| replaced(block, &a)),
                Err(refused) => refused,
            }
        })
    }
}

impl Tool for Insert {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "memory_insert".to_owned(),
            description: "Insert text into a memory block after a line: 0 is the top, -1 the end.".to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "label": label_schema(),
                    "new_str": {"type": "string", "description": "The text to insert."},
                    "insert_line": {"type": "integer", "description": "The line to insert after; -1, the end, if left out."}
                },
                "required": ["label", "new_str"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            match arguments::<InsertArguments>("memory_insert", value) {
                Ok(a) => edit(desk, "memory_insert", &a.label, |block| inserted(block, &a)),
                Err(refused) => refused,
            }
        })
    }
}

/// What an edit makes of both texts of a block.
struct Edited {
    own: String,
    value: String,
    note: Option<String>,
}

fn moved_on() -> EditFault {
    EditFault("others changed these lines meanwhile".to_owned())
}

/// Replaces in the step's own text; what others changed is merged by lines, or within a line if the text is still there.
fn replaced(block: &StagedBlock, a: &ReplaceArguments) -> Result<Edited, EditFault> {
    let own = replace(&block.own, &a.old_str, &a.new_str)?;
    let value = match merge(&block.own, &block.value, &own.value) {
        Merge::Clean(text) => text,
        Merge::Clash(_) => replace(&block.value, &a.old_str, &a.new_str).map_err(|_| moved_on())?.value,
    };
    Ok(Edited { own: own.value, value, note: own.note })
}

/// Inserts at a line of the step's own text, and at the same place of the text that others may have changed.
fn inserted(block: &StagedBlock, a: &InsertArguments) -> Result<Edited, EditFault> {
    let own = insert(&block.own, &a.new_str, a.insert_line)?;
    let line = carried(&block.own, &block.value, a.insert_line).ok_or_else(moved_on)?;
    Ok(Edited { own, value: insert(&block.value, &a.new_str, line)?, note: None })
}

/// Takes the whole new text, unless others changed what it was made from.
fn rethought(block: &StagedBlock, text: &str) -> Result<Edited, EditFault> {
    if block.own != block.value {
        return Err(EditFault("others changed the block meanwhile; rethink it from what it says now".to_owned()));
    }
    Ok(Edited { own: text.to_owned(), value: text.to_owned(), note: None })
}

impl Tool for Rethink {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "memory_rethink".to_owned(),
            description: "Write a memory block anew: new_memory is the whole new value. For reorganising; use \
                          memory_replace and memory_insert for small edits."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "label": label_schema(),
                    "new_memory": {"type": "string", "description": "The whole new value."}
                },
                "required": ["label", "new_memory"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            match arguments::<RethinkArguments>("memory_rethink", value) {
                Ok(a) => edit(desk, "memory_rethink", &a.label, |block| rethought(block, &a.new_memory)),
                Err(refused) => refused,
            }
        })
    }
}

impl Tool for FinishEdits {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "memory_finish_edits".to_owned(),
            description: "You are done with memory. Call it when nothing more is worth changing, at once if nothing \
                          is."
            .to_owned(),
            schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        }
    }

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async { ToolOutcome::Finish { text: "done".to_owned() } })
    }
}

/// Stages an edit of the block with this label, after the checks all edit tools share.
fn edit(
    desk: &mut ToolContext<'_>,
    tool: &str,
    label: &str,
    change: impl FnOnce(&StagedBlock) -> Result<Edited, EditFault>,
) -> ToolOutcome {
    let Some(at) = desk.blocks.iter().position(|block| folded(&block.current.label) == folded(label)) else {
        let withheld = desk.withheld.iter().find(|block| folded(&block.label) == folded(label));
        let why = withheld.map_or_else(|| desk.no_block(label), Withheld::why);
        return ToolOutcome::refused(format!("{tool}: {why}"));
    };
    let block = &mut desk.blocks[at];
    let label = &block.current.label;
    if block.current.read_only {
        return ToolOutcome::refused(format!("{tool}: block {label} is read-only"));
    }
    if block.level < Level::ReadWrite {
        return ToolOutcome::refused(format!(
            "{tool}: you may read block {label} and not edit it; if you need to, call {REQUEST_BLOCK_ACCESS} with the \
             level read_write and say why"
        ));
    }
    let edited = match change(block) {
        Ok(edited) => edited,
        // What the model did not see is shown with the refusal.
        Err(fault) => return ToolOutcome::refused(format!("{tool}: {fault}. {}", state(block, &block.own))),
    };
    let (length, limit) = (edited.value.chars().count(), block.current.limit as usize);
    if length > limit {
        return ToolOutcome::refused(format!(
            "{tool}: block {label} would have {length} characters, its limit is {limit}; shorten it first"
        ));
    }
    let before = std::mem::replace(&mut block.value, edited.value);
    block.own = edited.own;
    block.edited_by = Some(tool.to_owned());
    let note = edited.note.map(|note| format!("\n{note}.")).unwrap_or_default();
    ToolOutcome::done(format!("{}{note}", state(block, &before)))
}

/// The version and the size of a block, and the lines that differ from `before`.
fn state(block: &StagedBlock, before: &str) -> String {
    // All edits of a step become one version.
    let version = block.current.version + u64::from(block.is_edited());
    let (label, length, limit) = (&block.current.label, block.value.chars().count(), block.current.limit);
    let head = format!("Block {label}, version {version}, {length} of {limit} characters");
    match changed_lines(before, &block.value) {
        Some(part) if part.first == part.last => format!("{head}; line {} now reads:\n{}", part.first, part.text),
        Some(part) => format!("{head}; lines {} to {} now read:\n{}", part.first, part.last, part.text),
        None if block.value.is_empty() => format!("{head}; it is empty"),
        None => format!("{head}; it reads as before"),
    }
}
