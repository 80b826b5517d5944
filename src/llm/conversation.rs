//! Converts a prompt's entries to turns that every chat protocol accepts.
//!
//! The protocols share these rules: turns alternate, the first and last turns are a person's, and each call is answered
//! in the next turn. Entries guarantee none of that (another member may speak between a call and its result, a window
//! may begin in the middle), so this module orders them once for all protocols.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{PromptMessage, ToolCall, marks};
use crate::domain::Kept;

/// One turn; turns alternate, and the first and the last are [`Turn::Others`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    /// Input for the agent: first the results of its calls, then text.
    Others {
        /// The results of every call of the previous turn.
        results: Vec<ToolResult>,
        /// The text; may be empty only if there are results.
        text: String,
    },
    /// What the agent said and called.
    Own {
        /// Its text; may be empty only if there are calls.
        text: String,
        /// Its calls.
        calls: Vec<Call>,
        /// Data that the provider of this turn wants back with it.
        kept: Option<Kept>,
    },
}

/// A call as sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// The id, unique in the request.
    pub id: String,
    /// The id as the model gave it.
    pub key: String,
    /// The tool's name.
    pub name: String,
    /// A JSON object.
    pub arguments: Value,
}

/// The result of one call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolResult {
    /// The id of the call, as sent.
    pub call: String,
    /// The tool's name.
    pub name: String,
    /// False if the tool refused or failed.
    pub ok: bool,
    /// The tool's output; never blank.
    pub text: String,
}

impl Turn {
    /// Returns the same turn with its calls and results written as text.
    pub(super) fn told_in_words(self) -> Self {
        match self {
            Self::Own { mut text, calls, .. } => {
                for call in calls {
                    join(&mut text, &format!("I called {} with {}.", call.name, call.arguments));
                }
                Self::Own { text, calls: Vec::new(), kept: None }
            }
            Self::Others { results, text } => {
                let mut words = String::new();
                for result in results {
                    join(&mut words, &marks::result(&result.name, &result.text));
                }
                join(&mut words, &text);
                Self::Others { results: Vec::new(), text: words }
            }
        }
    }
}

/// Orders the entries into turns. `kept` is data providers want back, by index of the entry; `id` makes an accepted id,
/// `name` an accepted tool name.
pub(super) fn turns(
    entries: &[PromptMessage],
    kept: &BTreeMap<usize, Kept>,
    id: impl Fn(&str, Option<&Kept>) -> String,
    name: impl Fn(&str) -> String,
) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut used = vec![false; entries.len()];
    let mut ids = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        match entry {
            PromptMessage::User { text, .. } | PromptMessage::System { text } if text.trim().is_empty() => {}
            PromptMessage::User { by, text } => others(&mut turns, &marks::message(by.as_deref(), text)),
            PromptMessage::System { text } => others(&mut turns, &marks::note(text)),
            PromptMessage::Assistant { text, calls } => {
                let kept = kept.get(&at);
                let mut results = results(entries, at, calls, &mut used);
                let mut sent = Vec::with_capacity(calls.len());
                for (call, result) in calls.iter().zip(&mut results) {
                    let own = distinct(&call.id, kept, &id, &mut ids);
                    result.call.clone_from(&own);
                    result.name = name(&call.name);
                    sent.push(Call {
                        id: own,
                        key: call.id.clone(),
                        name: result.name.clone(),
                        arguments: object(&call.arguments),
                    });
                }
                self::own(&mut turns, text, sent, kept);
                if !results.is_empty() {
                    turns.push(Turn::Others { results, text: String::new() });
                }
            }
            PromptMessage::ToolResult { name, text, .. } if !used[at] => {
                others(&mut turns, &marks::result(name, text));
            }
            PromptMessage::ToolResult { .. } => {}
        }
    }
    if !matches!(turns.first(), Some(Turn::Others { .. })) {
        turns.insert(0, Turn::Others { results: Vec::new(), text: marks::note("What was said before is not shown.") });
    }
    if matches!(turns.last(), Some(Turn::Own { .. })) {
        others(&mut turns, &marks::note("It is your turn again."));
    }
    turns
}

/// Converts arguments to the object every protocol requires.
fn object(arguments: &Value) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        Value::Null => Value::Object(Map::new()),
        other => Value::Object([("value".to_owned(), other.clone())].into_iter().collect()),
    }
}

fn others(turns: &mut Vec<Turn>, more: &str) {
    match turns.last_mut() {
        Some(Turn::Others { text, .. }) => join(text, more),
        _ => turns.push(Turn::Others { results: Vec::new(), text: more.to_owned() }),
    }
}

fn own(turns: &mut Vec<Turn>, more: &str, new: Vec<Call>, new_kept: Option<&Kept>) {
    if more.trim().is_empty() && new.is_empty() {
        return;
    }
    let more = marks::escape(more.trim());
    match turns.last_mut() {
        Some(Turn::Own { text, calls, kept }) => {
            join(text, &more);
            calls.extend(new);
            *kept = new_kept.cloned();
        }
        _ => turns.push(Turn::Own { text: more.into_owned(), calls: new, kept: new_kept.cloned() }),
    }
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.trim().is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more.trim());
}

/// Returns the id in accepted form, or one derived from it if an earlier call has it: some providers number the calls
/// of each step anew, while others reject the repeated ids this leaves in the conversation.
fn distinct(
    own: &str,
    kept: Option<&Kept>,
    id: impl Fn(&str, Option<&Kept>) -> String,
    taken: &mut BTreeSet<String>,
) -> String {
    let mut sent = id(own, kept);
    let mut nth = 1;
    while !taken.insert(sent.clone()) {
        nth += 1;
        sent = id(&format!("{own}-{nth}"), None);
    }
    sent
}

/// Returns the result of each call: the first later one with its id that no earlier call has taken, since providers
/// that number their calls repeat ids in every step.
fn results(entries: &[PromptMessage], at: usize, calls: &[ToolCall], used: &mut [bool]) -> Vec<ToolResult> {
    calls
        .iter()
        .map(|wanted| {
            let found = entries.iter().enumerate().skip(at + 1).find_map(|(place, entry)| match entry {
                PromptMessage::ToolResult { call, ok, text, .. } if *call == wanted.id && !used[place] => {
                    Some((place, *ok, text))
                }
                _ => None,
            });
            let (ok, text) = match found {
                Some((place, ok, text)) => {
                    used[place] = true;
                    let text = if text.trim().is_empty() { "It says nothing." } else { text };
                    (ok, if ok { text.to_owned() } else { format!("Failed: {text}") })
                }
                None => (false, "There is no result.".to_owned()),
            };
            ToolResult { call: wanted.id.clone(), name: wanted.name.clone(), ok, text }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Call, ToolResult, Turn};
    use crate::llm::{PromptMessage, ToolCall, marks};

    fn turns(entries: &[PromptMessage]) -> Vec<Turn> {
        super::turns(entries, &std::collections::BTreeMap::new(), |id, _| id.to_owned(), str::to_owned)
    }

    fn sent(id: &str) -> Call {
        Call { id: id.into(), key: id.into(), name: "look".into(), arguments: serde_json::json!({}) }
    }

    fn said(by: Option<&str>, text: &str) -> PromptMessage {
        PromptMessage::User { by: by.map(str::to_owned), text: text.to_owned() }
    }

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: serde_json::json!({}) }
    }

    fn result(id: &str, text: &str) -> PromptMessage {
        PromptMessage::ToolResult { call: id.to_owned(), name: "look".to_owned(), ok: true, text: text.to_owned() }
    }

    fn words(text: &str) -> Turn {
        Turn::Others { results: vec![], text: text.to_owned() }
    }

    #[test]
    fn others_are_merged_and_marked_with_their_names() {
        let entries =
            [said(None, "Hello"), said(Some("ada"), "Hi"), PromptMessage::System { text: "Be brief.".into() }];
        let expected = "<message from=\"user\">\nHello\n</message>\n\n<message from=\"ada\">\nHi\n</message>\n\n\
                        <note>\nBe brief.\n</note>";
        assert_eq!(turns(&entries), [words(expected)]);
    }

    #[test]
    fn a_result_follows_its_call_even_when_somebody_spoke_between() {
        let own = PromptMessage::Assistant { text: "I look.".into(), calls: vec![call("1")] };
        let entries = [said(None, "Go"), own, said(None, "Wait!"), result("1", "seen")];
        let result = ToolResult { call: "1".into(), name: "look".into(), ok: true, text: "seen".into() };
        let expected = [
            words(&marks::message(None, "Go")),
            Turn::Own { text: "I look.".into(), calls: vec![sent("1")], kept: None },
            Turn::Others { results: vec![result], text: marks::message(None, "Wait!") },
        ];
        assert_eq!(turns(&entries), expected);
    }

    #[test]
    fn the_same_call_id_in_two_steps_gets_each_its_own_result() {
        let own = || PromptMessage::Assistant { text: String::new(), calls: vec![call("0")] };
        let got = turns(&[said(None, "Go"), own(), result("0", "first"), own(), result("0", "second")]);
        let answers: Vec<(&str, &str)> = got
            .iter()
            .filter_map(|turn| match turn {
                Turn::Others { results, .. } => {
                    results.first().map(|answer| (answer.call.as_str(), answer.text.as_str()))
                }
                Turn::Own { .. } => None,
            })
            .collect();
        assert_eq!(answers, [("0", "first"), ("0-2", "second")]);
    }

    fn entry() -> impl Strategy<Value = PromptMessage> {
        let id = || prop::sample::select(vec!["a", "b", "c"]);
        prop_oneof![
            ("[ x]{0,2}", prop::option::of("[a-z]{1,3}")).prop_map(|(text, by)| PromptMessage::User { by, text }),
            "[ x]{0,2}".prop_map(|text| PromptMessage::System { text }),
            ("[ x]{0,2}", prop::collection::vec(id(), 0..3))
                .prop_map(|(text, ids)| PromptMessage::Assistant { text, calls: ids.into_iter().map(call).collect() }),
            (id(), "[ x]{0,2}").prop_map(|(id, text)| result(id, &text)),
        ]
    }

    proptest! {
        #[test]
        fn turns_alternate_begin_and_end_with_others_and_answer_every_call(
            entries in prop::collection::vec(entry(), 0..12)
        ) {
            let turns = turns(&entries);
            let mut ids = BTreeSet::new();
            prop_assert!(matches!(turns.last(), Some(Turn::Others { .. })), "the last turn");
            for (at, turn) in turns.iter().enumerate() {
                match turn {
                    Turn::Others { results, text } => {
                        prop_assert_eq!(at % 2, 0);
                        prop_assert!(!results.is_empty() || !text.trim().is_empty());
                    }
                    Turn::Own { text, calls, .. } => {
                        prop_assert_eq!(at % 2, 1);
                        prop_assert!(!calls.is_empty() || !text.trim().is_empty());
                        let Turn::Others { results, .. } = &turns[at + 1] else { panic!("answered by its own") };
                        let asked: Vec<_> = calls.iter().map(|call| &call.id).collect();
                        let answered: Vec<_> = results.iter().map(|answer| &answer.call).collect();
                        prop_assert_eq!(&asked, &answered);
                        prop_assert!(asked.into_iter().all(|id| ids.insert(id)), "an id twice");
                    }
                }
            }
        }
    }
}
