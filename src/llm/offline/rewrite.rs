//! Carries out a request to write a block, such as "Rewrite plan: we launch on 3 May.", if the tool is available, and
//! reports the result.

use serde_json::json;

use super::Answer;
use super::language::{shorten, words};
use crate::domain::block_edit::RETHINK;
use crate::llm::{Prompt, PromptMessage};

/// First words of such a request.
const VERBS: [&str; 4] = ["rewrite", "replace", "set", "write"];
/// Longest quotation of a reason, in code points.
const QUOTE: usize = 300;

/// Returns the requested edit, or a report of its result. `None` if no edit was requested.
pub(super) fn answer(prompt: &Prompt) -> Option<Answer> {
    let at = prompt.entries.iter().rposition(|entry| matches!(entry, PromptMessage::User { by: None, .. }))?;
    let PromptMessage::User { text, .. } = &prompt.entries[at] else { return None };
    let (label, value) = asked(prompt, text)?;
    let result = prompt.entries[at + 1..].iter().rev().find_map(|entry| match entry {
        PromptMessage::ToolResult { name, ok, text, .. } if name == RETHINK => Some((*ok, text.as_str())),
        _ => None,
    });
    match result {
        Some((true, _)) => Some(Answer::saying(format!("The block {label} says so now."))),
        Some((false, why)) => Some(Answer::saying(format!("The block {label} is as it was: {}", shorten(why, QUOTE)))),
        None if prompt.tools.iter().any(|tool| tool.name == RETHINK) => {
            Some(Answer::calling(vec![(RETHINK, json!({ "label": label, "new_memory": value }))]))
        }
        None => None,
    }
}

/// Returns the block that a message names before its first colon, and the text behind the colon.
fn asked<'a>(prompt: &'a Prompt, text: &'a str) -> Option<(&'a str, &'a str)> {
    let (head, value) = text.trim().split_once(':')?;
    let head = words(head);
    if value.trim().is_empty() || !head.first().is_some_and(|verb| VERBS.contains(&verb.as_str())) {
        return None;
    }
    let named =
        prompt.memory.iter().find(|block| !block.read_only && head[1..].contains(&block.label.to_lowercase()))?;
    Some((&named.label, value.trim()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::llm::{MemoryBlock, ToolSpec};

    fn prompt(message: &str, tools: &[&str], result: Option<(bool, &str)>) -> Prompt {
        let tool = |name: &&str| {
            Arc::new(ToolSpec { name: (*name).to_owned(), description: String::new(), schema: json!({}) })
        };
        let mut entries = vec![PromptMessage::User { by: None, text: message.to_owned() }];
        entries.extend(result.map(|(ok, text)| PromptMessage::ToolResult {
            call: "1".to_owned(),
            name: RETHINK.to_owned(),
            ok,
            text: text.to_owned(),
        }));
        let plan = MemoryBlock { label: "plan".to_owned(), ..MemoryBlock::default() };
        let house = MemoryBlock { label: "house".to_owned(), read_only: true, ..MemoryBlock::default() };
        Prompt { memory: vec![plan, house], tools: tools.iter().map(tool).collect(), entries, ..Prompt::default() }
    }

    #[test]
    fn a_block_is_rewritten_where_a_person_says_so_and_the_tool_is_there() {
        let wanted = [(RETHINK, json!({ "label": "plan", "new_memory": "We launch on 3 May." }))];
        let message = "Rewrite the block plan: We launch on 3 May.";
        assert_eq!(answer(&prompt(message, &[RETHINK], None)).expect("an edit").wanted, wanted);
        assert_eq!(answer(&prompt(message, &[], None)), None);
        for other in ["Rewrite it: shorter", "Set house: x", "Set plan:", "The plan: we launch", "Rewrite the plan"] {
            assert_eq!(answer(&prompt(other, &[RETHINK], None)), None, "{other}");
        }
    }

    #[test]
    fn what_became_of_it_is_told_and_nothing_is_called_twice() {
        let message = "Set plan: We launch.";
        let done = answer(&prompt(message, &[RETHINK], Some((true, "ok")))).expect("words");
        assert_eq!(done, Answer::saying("The block plan says so now."));
        let refused = answer(&prompt(message, &[RETHINK], Some((false, "you said no: too early")))).expect("words");
        assert_eq!(refused, Answer::saying("The block plan is as it was: you said no: too early"));
    }
}
