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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::{Colleague, Directory, MessageSearch, fitted};
    use super::*;
    use crate::domain::block_edit::EDIT_TOOLS;
    use crate::domain::{Block, BlockOwner, Editor, MessageQuery, SearchResult};
    use crate::tools::delegate::Delegation;

    struct Nothing;

    impl MessageSearch for Nothing {
        fn search(&self, _: MessageQuery) -> BoxFuture<'_, Result<SearchResult, String>> {
            Box::pin(async { Ok(SearchResult::default()) })
        }

        fn zone(&self) -> TimeZone {
            TimeZone::UTC
        }
    }

    impl Directory for Nothing {
        fn colleagues(&self) -> BoxFuture<'_, Result<Vec<Colleague>, String>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    const FACTS: &str = "one\ntwo\nthree";

    /// A block `facts` that was shown with this text.
    fn facts(shown: &str) -> StagedBlock {
        let block = Block::new("block-1".into(), "facts", BlockOwner::Group("group-1".into()), Editor::File);
        let block = Block { value: FACTS.to_owned(), limit: 40, version: 3, ..block };
        StagedBlock::new(block, Level::ReadWrite, shown.to_owned())
    }

    /// The result of a call, and the text of the block after it.
    async fn called(tool: &'static EditTool, block: StagedBlock, arguments: &Value) -> (bool, String, String) {
        let mut desk = ToolContext {
            agent: "ann",
            blocks: vec![block],
            library: &Nothing,
            directory: &Nothing,
            delegates: Delegation::No,
            posts: Vec::new(),
            withheld: vec![Withheld { label: "diary".to_owned(), kept_here: false }],
            grants: Vec::new(),
            approved: false,
        };
        let tool = Edit(tool);
        let outcome = match fitted(&tool.spec(), arguments) {
            Ok(arguments) => tool.call(&arguments, &mut desk).await,
            Err(refused) => refused,
        };
        let ToolOutcome::Result { ok, text } = outcome else { panic!("{outcome:?}") };
        assert_eq!(desk.blocks[0].edited_by.is_some(), ok, "{text}");
        (ok, text, desk.blocks.remove(0).value)
    }

    /// Arguments that change the second line, or add `four` at the end.
    fn fitting(tool: &EditTool, label: &str) -> Value {
        let mut arguments = match tool.name {
            "memory_insert" => json!({"new_str": "four"}),
            "memory_replace" => json!({"old_str": "two", "new_str": "2"}),
            "memory_rethink" => json!({"new_memory": "one\n2\nthree"}),
            "core_memory_append" => json!({"content": "four"}),
            "core_memory_replace" => json!({"old_content": "two", "new_content": "2"}),
            "memory_apply_patch" => json!({"patch": "@@\n one\n-two\n+2\n"}),
            other => panic!("{other} has no arguments here"),
        };
        arguments["label"] = json!(label);
        arguments
    }

    #[tokio::test]
    async fn every_tool_has_the_same_guards_and_the_same_result() {
        for tool in &EDIT_TOOLS {
            let (ok, text, value) = called(tool, facts(FACTS), &fitting(tool, "Facts")).await;
            let (line, size) = if value.ends_with("four") { ("four", 18) } else { ("2", 11) };
            assert!(ok && value.lines().any(|is| is == line), "{}: {text}", tool.name);
            let head = format!("Block facts, version 4, {size} of 40 characters; lines ");
            assert!(text.starts_with(&head) && text.contains(line), "{}: {text}", tool.name);

            let mut read_only = facts(FACTS);
            read_only.current.read_only = true;
            let mut readable = facts(FACTS);
            readable.level = Level::Read;
            let mut narrow = facts(FACTS);
            narrow.current.limit = 10;
            for (block, label, why) in [
                (read_only, "facts", "block facts is read-only"),
                (readable, "facts", "you may read block facts and not edit it; if you need to, call request_block"),
                (narrow, "facts", "block facts would have "),
                (facts(FACTS), "plan", "you have no block \"plan\"; your blocks: facts"),
                (facts(FACTS), "diary", ""),
            ] {
                let (ok, text, value) = called(tool, block, &fitting(tool, label)).await;
                assert!(!ok && text.starts_with(&format!("{}: {why}", tool.name)), "{text}");
                assert_eq!(value, FACTS, "{text}");
            }
            let (ok, text, _) = called(tool, facts(FACTS), &json!({"label": "facts"})).await;
            assert!(!ok && text.contains("missing field"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_argument_and_shows_what_the_block_says_now() {
        for (name, arguments, why) in [
            ("core_memory_append", json!({"content": ""}), "content is empty"),
            ("core_memory_replace", json!({"old_content": "", "new_content": "x"}), "old_content is empty"),
            ("core_memory_replace", json!({"old_content": "o", "new_content": "x"}), "old_content occurs 2 times"),
            ("core_memory_replace", json!({"old_content": "z", "new_content": "x"}), "old_content does not occur"),
            ("core_memory_replace", json!({"old_string": "z", "new_string": "x"}), "old_content does not occur"),
            ("memory_apply_patch", json!({"patch": "nothing"}), "the patch has no hunks"),
            ("memory_apply_patch", json!({"patch": "@@\n-z\n"}), "hunk 1 of the patch does not fit"),
        ] {
            let mut arguments = arguments;
            arguments["label"] = json!("facts");
            // Others wrote the last line meanwhile.
            let shown = "one\ntwo\n3";
            let (ok, text, value) = called(EditTool::named(name).unwrap(), facts(shown), &arguments).await;
            assert!(!ok && text.starts_with(&format!("{name}: {why}")), "{text}");
            assert!(text.contains("Block facts, version 3, 13 of 40 characters") && text.contains("three"), "{text}");
            assert_eq!(value, FACTS);
        }
    }

    #[tokio::test]
    async fn a_patch_of_lines_that_others_changed_is_refused_even_where_its_lines_stand_elsewhere() {
        let patch = json!({"label": "facts", "patch": "@@\n-two\n+2\n"});
        let tool = EditTool::named("memory_apply_patch").unwrap();
        let (ok, text, value) = called(tool, facts("two\none\n3"), &patch).await;
        assert!(!ok && text.contains("others changed these lines meanwhile"), "{text}");
        assert_eq!(value, FACTS);
        let (ok, text, value) =
            called(tool, facts("one\ntwo\nzwei\nthree"), &json!({"label": "facts", "patch": "@@\n-one\n+1"})).await;
        assert!(ok, "{text}");
        assert_eq!(value, "1\ntwo\nthree", "what others removed stays removed");
    }
}
