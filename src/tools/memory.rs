//! Tools that edit memory blocks, with Letta's names and arguments (release 0.15; later argument names are accepted).

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::access::Withheld;
use super::{StagedBlock, Tool, ToolContext, ToolOutcome};
use crate::domain::block::{Level, REQUEST_BLOCK_ACCESS, folded};
use crate::domain::block_edit::{BlockEdit, EditTool};
use crate::domain::text_edit::{EditFault, Merge, carried, changed_lines, merge};
use crate::llm::ToolSpec;

/// A tool that edits a block: one of [`EDIT_TOOLS`](crate::domain::block_edit::EDIT_TOOLS).
pub struct Edit(pub &'static EditTool);
/// `memory_finish_edits`: ends the work of a background agent.
pub struct FinishEdits;

impl Tool for Edit {
    fn spec(&self) -> ToolSpec {
        let mut properties = Map::new();
        let mut required = vec!["label"];
        properties.insert("label".to_owned(), json!({"type": "string", "description": "The label of the block."}));
        for argument in self.0.arguments {
            let kind = if argument.is_line { "integer" } else { "string" };
            let schema = json!({"type": kind, "description": argument.description});
            properties.insert(argument.name.to_owned(), schema);
            if !argument.is_line {
                required.push(argument.name);
            }
        }
        ToolSpec {
            name: self.0.name.to_owned(),
            description: self.0.description.to_owned(),
            schema: json!({
                "type": "object", "properties": properties, "required": required, "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let tool = self.0;
            match (value["label"].as_str(), tool.read(value)) {
                (Some(label), Some(asked)) => edit(desk, tool.name, label, |block| edited(block, &asked)),
                _ => ToolOutcome::refused(format!("{}: the arguments do not fit its schema", tool.name)),
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

/// Makes the edit on the step's own text, and the same on the text that others may have changed.
fn edited(block: &StagedBlock, asked: &BlockEdit) -> Result<Edited, EditFault> {
    let own = asked.on(&block.own)?;
    let value = match asked {
        // At the same place.
        BlockEdit::Insert { argument, text, after } => {
            let after = carried(&block.own, &block.value, *after).ok_or_else(moved_on)?;
            BlockEdit::Insert { argument, text: text.clone(), after }.on(&block.value)?.value
        }
        // By lines, or within a line if the text is still there.
        BlockEdit::Replace { .. } => match merge(&block.own, &block.value, &own.value) {
            Merge::Clean(text) => text,
            Merge::Clash(_) => asked.on(&block.value).map_err(|_| moved_on())?.value,
        },
        // By lines. Elsewhere in the text, the lines of a hunk may mean something else.
        BlockEdit::Patch(_) => match merge(&block.own, &block.value, &own.value) {
            Merge::Clean(text) => text,
            Merge::Clash(_) => return Err(moved_on()),
        },
        BlockEdit::Rethink(_) if block.own != block.value => {
            return Err(EditFault("others changed the block meanwhile; rethink it from what it says now".to_owned()));
        }
        BlockEdit::Rethink(text) => text.clone(),
    };
    Ok(Edited { own: own.value, value, note: own.note })
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
