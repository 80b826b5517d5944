//! The tools that edit a block, with Letta's names and arguments: one row each. The tools themselves, what is hidden of
//! their calls, the preview of a call that waits and the offline model follow from these rows.

use serde_json::Value;

use super::text_edit::{EditFault, insert, patch, replace};

/// A tool that edits one block.
#[derive(Debug)]
pub struct EditTool {
    /// Its name.
    pub name: &'static str,
    /// What it does, as the model reads it.
    pub description: &'static str,
    /// Its arguments beside the label.
    pub arguments: &'static [EditArgument],
    read: fn(&Arguments) -> Option<BlockEdit>,
}

/// An argument of an [`EditTool`].
#[derive(Debug)]
pub struct EditArgument {
    /// Its name.
    pub name: &'static str,
    /// What it is, as the model reads it.
    pub description: &'static str,
    /// True for a line number, which can be left out; otherwise it is a text that has to be there.
    pub is_line: bool,
}

/// What a call of an [`EditTool`] does to the text of its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockEdit {
    /// Inserts `text` after a line: 0 is the top, -1 the end.
    Insert {
        /// The argument that holds the text.
        argument: &'static str,
        /// The text to insert.
        text: String,
        /// The line after which it is inserted.
        after: i64,
    },
    /// Replaces the only occurrence of a text.
    Replace {
        /// The argument that holds the old text.
        argument: &'static str,
        /// The text to replace.
        old: String,
        /// The text in its place.
        new: String,
    },
    /// Sets the whole text.
    Rethink(String),
    /// Applies the hunks of a patch.
    Patch(String),
}

/// A text after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedText {
    /// The new text.
    pub value: String,
    /// A sentence for the agent about how its call was understood, if that is not plain.
    pub note: Option<String>,
}

/// Adds a text at the end.
pub const APPEND: &str = "core_memory_append";
/// Inserts a text after a line.
pub const INSERT: &str = "memory_insert";
/// Replaces an exact text.
pub const REPLACE: &str = "memory_replace";
/// Sets a whole new text.
pub const RETHINK: &str = "memory_rethink";

/// The tools that edit a block.
pub static EDIT_TOOLS: [EditTool; 6] = [
    EditTool {
        name: INSERT,
        description: "Insert text into a memory block after a line: 0 is the top, -1 the end.",
        arguments: &[
            text("new_str", "The text to insert."),
            EditArgument {
                name: "insert_line",
                description: "The line to insert after; -1, the end, if left out.",
                is_line: true,
            },
        ],
        read: |given| {
            let after = given.line("insert_line")?;
            Some(BlockEdit::Insert { argument: "new_str", text: given.text("new_str")?, after })
        },
    },
    EditTool {
        name: REPLACE,
        description: "Replace text in a memory block. old_str has to stand in the block exactly once, word for word; an \
                      empty new_str deletes it.",
        arguments: &[text("old_str", "The exact text to replace."), text("new_str", "The text to put in its place.")],
        read: |given| given.replace("old_str", "new_str"),
    },
    EditTool {
        name: RETHINK,
        description: "Write a memory block anew: new_memory is the whole new value. For reorganising; use \
                      memory_replace and memory_insert for small edits.",
        arguments: &[text("new_memory", "The whole new value.")],
        read: |given| given.text("new_memory").map(BlockEdit::Rethink),
    },
    EditTool {
        name: APPEND,
        description: "Add text to a memory block, as new lines at its end.",
        arguments: &[text("content", "The text to add.")],
        read: |given| Some(BlockEdit::Insert { argument: "content", text: given.text("content")?, after: -1 }),
    },
    EditTool {
        name: "core_memory_replace",
        description: "Replace text in a memory block. old_content has to stand in the block exactly once, word for \
                      word; an empty new_content deletes it.",
        arguments: &[
            text("old_content", "The exact text to replace."),
            text("new_content", "The text to put in its place."),
        ],
        read: |given| given.replace("old_content", "new_content"),
    },
    EditTool {
        name: "memory_apply_patch",
        description: "Change several lines of a memory block with a patch. Each hunk begins with a line @@; its lines \
                      begin with a space (a line that stays), - (a line to remove) or + (a line to add). The lines \
                      that stay and go have to stand in the block in one place only; line numbers do not count.",
        arguments: &[text("patch", "The hunks, applied in order.")],
        read: |given| given.text("patch").map(BlockEdit::Patch),
    },
];

/// Later names of arguments, and the names they stand for in tools that have these.
pub const LATE_NAMES: [(&str, &[&str]); 4] = [
    ("old_string", &["old_str", "old_content"]),
    ("new_string", &["new_str", "new_content"]),
    ("old_str", &["old_content"]),
    ("new_str", &["new_content"]),
];

/// What the names of tools that edit blocks begin with.
const FAMILIES: [&str; 2] = ["memory_", "core_memory_"];

const fn text(name: &'static str, description: &'static str) -> EditArgument {
    EditArgument { name, description, is_line: false }
}

/// Returns true if a call of this name is about the text of a block. A misspelt name counts, too: its arguments may hold
/// as much of the text.
#[must_use]
pub fn is_about_text(tool: &str) -> bool {
    FAMILIES.iter().any(|family| tool.starts_with(family))
}

impl EditTool {
    /// Returns the tool of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        EDIT_TOOLS.iter().find(|tool| tool.name == name)
    }

    /// Returns what a call with these arguments does; `None` if one is missing or of another type.
    #[must_use]
    pub fn read(&self, arguments: &Value) -> Option<BlockEdit> {
        (self.read)(&Arguments(arguments))
    }

    /// Returns true if this is the name of one of its arguments, or the later name of one.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let has = |name: &str| self.arguments.iter().any(|argument| argument.name == name);
        has(name) || late(name).iter().any(|name| has(name))
    }
}

/// Returns the names that a late name stands for.
#[must_use]
pub fn late(name: &str) -> &'static [&'static str] {
    LATE_NAMES.iter().find(|(late, _)| *late == name).map_or(&[], |(_, names)| names)
}

/// The arguments of a call, by their names and late names.
struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let given = |name: &str| self.0.get(name).and_then(Value::as_str);
        let late = || LATE_NAMES.iter().filter(|(_, names)| names.contains(&name)).find_map(|(late, _)| given(late));
        given(name).or_else(late).map(str::to_owned)
    }

    fn line(&self, name: &str) -> Option<i64> {
        self.0.get(name).map_or(Some(-1), Value::as_i64)
    }

    fn replace(&self, old: &'static str, new: &str) -> Option<BlockEdit> {
        Some(BlockEdit::Replace { argument: old, old: self.text(old)?, new: self.text(new)? })
    }
}

impl BlockEdit {
    /// Returns the text after this edit.
    ///
    /// # Errors
    /// A sentence for the agent if the edit does not fit the text.
    pub fn on(&self, value: &str) -> Result<EditedText, EditFault> {
        let plain = |value: String| EditedText { value, note: None };
        match self {
            Self::Insert { argument, text, .. } if text.is_empty() => {
                Err(EditFault(format!("{argument} is empty; there is nothing to add")))
            }
            Self::Insert { text, after, .. } => insert(value, text, *after).map(plain),
            Self::Replace { argument, old, new } => {
                let replaced = replace(argument, value, old, new)?;
                Ok(EditedText { value: replaced.value, note: replaced.note })
            }
            Self::Rethink(text) => Ok(plain(text.clone())),
            Self::Patch(text) => patch(value, text).map(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(tool: &str, arguments: &Value, value: &str) -> Result<String, String> {
        let edit = EditTool::named(tool).and_then(|tool| tool.read(arguments)).expect("the arguments fit");
        edit.on(value).map(|edited| edited.value).map_err(|fault| fault.0)
    }

    #[test]
    fn every_tool_is_about_text_and_has_an_argument() {
        for tool in &EDIT_TOOLS {
            assert!(is_about_text(tool.name) && !tool.arguments.is_empty(), "{}", tool.name);
            assert_eq!(EditTool::named(tool.name).map(|found| found.name), Some(tool.name));
            assert_eq!(tool.read(&json!({"label": "x"})), None, "{}", tool.name);
        }
        assert!(!is_about_text("request_block_access"));
    }

    #[test]
    fn an_append_is_a_line_of_its_own_and_an_empty_block_gets_no_blank_one() {
        let append = |value: &str, content: &str| made(APPEND, &json!({"content": content}), value);
        assert_eq!(append("one", "two"), Ok("one\ntwo".to_owned()));
        assert_eq!(append("", "one"), Ok("one".to_owned()));
        assert_eq!(append("one\n", "two\n"), Ok("one\ntwo\n".to_owned()));
        assert_eq!(append("one", ""), Err("content is empty; there is nothing to add".to_owned()));
    }

    #[test]
    fn a_core_replace_wants_its_old_content_exactly_once() {
        let replace = |old: &str, new: &str| {
            made("core_memory_replace", &json!({"old_content": old, "new_content": new}), "a b\na c")
        };
        assert_eq!(replace("b", "x"), Ok("a x\na c".to_owned()));
        assert_eq!(replace(" c", ""), Ok("a b\na".to_owned()));
        for (old, why) in [
            ("", "old_content is empty; give the exact text to replace"),
            ("z", "old_content does not occur verbatim in the block"),
            ("a", "old_content occurs 2 times in the block, on lines 1, 2"),
        ] {
            let said = replace(old, "x").unwrap_err();
            assert!(said.starts_with(why) && !said.contains("old_str"), "{said}");
        }
    }

    #[test]
    fn late_names_of_arguments_are_read() {
        for names in [["old_string", "new_string"], ["old_str", "new_str"], ["old_content", "new_content"]] {
            let arguments = json!({names[0]: "one", names[1]: "two"});
            assert_eq!(made("core_memory_replace", &arguments, "one"), Ok("two".to_owned()), "{names:?}");
            let tool = EditTool::named("core_memory_replace").unwrap();
            assert!(names.iter().all(|name| tool.takes(name)) && !tool.takes("content"));
        }
        assert_eq!(made(INSERT, &json!({"new_string": "two"}), "one"), Ok("one\ntwo".to_owned()));
        assert!(!EditTool::named(RETHINK).unwrap().takes("new_string"));
    }
}
