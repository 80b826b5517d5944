//! A prompt's entries as the turns every chat protocol accepts.
//!
//! The protocols agree on little: turns alternate, a person's turn comes first and last, and each call is
//! answered in the turn right after it. Entries promise none of that (somebody may speak between a call
//! and its result, a window may begin in the middle), so the order is made here, once, for all of them.

use std::collections::BTreeSet;

use super::{Entry, ToolCall};

/// One turn; turns alternate and begin and end with [`Turn::Others`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    /// What reaches the agent: first the results of its calls, then words.
    Others {
        /// Answers to every call of the turn before.
        results: Vec<Answer>,
        /// The words; may be empty only where there are results.
        text: String,
    },
    /// What the agent said and called.
    Own {
        /// Its words; may be empty only where there are calls.
        text: String,
        /// Its calls.
        calls: Vec<ToolCall>,
    },
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// The id of the call.
    pub call: String,
    /// The tool's name.
    pub name: String,
    /// What the tool says.
    pub text: String,
}

/// Orders the entries into turns.
pub(super) fn turns(entries: &[Entry]) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut used = vec![false; entries.len()];
    let mut ids = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Said { by: None, text } => others(&mut turns, text),
            Entry::Said { by: Some(name), text } => others(&mut turns, &format!("{name}: {text}")),
            Entry::Note { text } => others(&mut turns, &note(text)),
            Entry::Own { text, calls } => {
                let mut answers = answers(entries, at, calls, &mut used);
                let mut calls = calls.clone();
                for (call, answer) in calls.iter_mut().zip(&mut answers) {
                    call.id = distinct(&call.id, &mut ids);
                    answer.call.clone_from(&call.id);
                }
                own(&mut turns, text, &calls);
                if !answers.is_empty() {
                    turns.push(Turn::Others { results: answers, text: String::new() });
                }
            }
            Entry::Result { name, text, .. } if !used[at] => {
                others(&mut turns, &note(&format!("Result of {name}: {text}")));
            }
            Entry::Result { .. } => {}
        }
    }
    if !matches!(turns.first(), Some(Turn::Others { .. })) {
        turns.insert(0, Turn::Others { results: Vec::new(), text: note("What was said before is not shown.") });
    }
    if matches!(turns.last(), Some(Turn::Own { .. })) {
        others(&mut turns, &note("It is your turn again."));
    }
    turns
}

fn note(text: &str) -> String {
    format!("<note>\n{text}\n</note>")
}

fn others(turns: &mut Vec<Turn>, more: &str) {
    if more.trim().is_empty() {
        return;
    }
    match turns.last_mut() {
        Some(Turn::Others { text, .. }) => join(text, more),
        _ => turns.push(Turn::Others { results: Vec::new(), text: more.to_owned() }),
    }
}

fn own(turns: &mut Vec<Turn>, more: &str, new: &[ToolCall]) {
    if more.trim().is_empty() && new.is_empty() {
        return;
    }
    match turns.last_mut() {
        Some(Turn::Own { text, calls }) => {
            join(text, more);
            calls.extend_from_slice(new);
        }
        _ => turns.push(Turn::Own { text: more.trim().to_owned(), calls: new.to_vec() }),
    }
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.trim().is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more.trim());
}

/// This id, or one made from it where an earlier call has it: who asks for unique ids refuses what others, who count
/// the calls of each step anew, have left in the conversation.
fn distinct(id: &str, taken: &mut BTreeSet<String>) -> String {
    let mut own = id.to_owned();
    let mut nth = 1;
    while !taken.insert(own.clone()) {
        nth += 1;
        own = format!("{id}-{nth}");
    }
    own
}

/// The result of each call: the first later one of its id that no earlier call has taken, since providers that
/// number their calls use the same ids in every step.
fn answers(entries: &[Entry], at: usize, calls: &[ToolCall], used: &mut [bool]) -> Vec<Answer> {
    calls
        .iter()
        .map(|wanted| {
            let found = entries.iter().enumerate().skip(at + 1).find_map(|(place, entry)| match entry {
                Entry::Result { call, ok, text, .. } if *call == wanted.id && !used[place] => Some((place, *ok, text)),
                _ => None,
            });
            let text = match found {
                Some((place, ok, text)) => {
                    used[place] = true;
                    if ok { text.clone() } else { format!("Failed: {text}") }
                }
                None => "There is no result.".to_owned(),
            };
            Answer { call: wanted.id.clone(), name: wanted.name.clone(), text }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Answer, Turn, turns};
    use crate::llm::{Entry, ToolCall};

    fn said(by: Option<&str>, text: &str) -> Entry {
        Entry::Said { by: by.map(str::to_owned), text: text.to_owned() }
    }

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: serde_json::json!({}) }
    }

    fn result(id: &str, text: &str) -> Entry {
        Entry::Result { call: id.to_owned(), name: "look".to_owned(), ok: true, text: text.to_owned() }
    }

    fn words(text: &str) -> Turn {
        Turn::Others { results: vec![], text: text.to_owned() }
    }

    #[test]
    fn others_are_merged_and_named_and_a_person_is_not() {
        let entries = [said(None, "Hello"), said(Some("ada"), "Hi"), Entry::Note { text: "Be brief.".into() }];
        assert_eq!(turns(&entries), [words("Hello\n\nada: Hi\n\n<note>\nBe brief.\n</note>")]);
    }

    #[test]
    fn a_result_follows_its_call_even_when_somebody_spoke_between() {
        let own = Entry::Own { text: "I look.".into(), calls: vec![call("1")] };
        let entries = [said(None, "Go"), own, said(None, "Wait!"), result("1", "seen")];
        let answer = Answer { call: "1".into(), name: "look".into(), text: "seen".into() };
        let expected = [
            words("Go"),
            Turn::Own { text: "I look.".into(), calls: vec![call("1")] },
            Turn::Others { results: vec![answer], text: "Wait!".into() },
        ];
        assert_eq!(turns(&entries), expected);
    }

    #[test]
    fn the_same_call_id_in_two_steps_gets_each_its_own_result() {
        let own = || Entry::Own { text: String::new(), calls: vec![call("0")] };
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

    fn entry() -> impl Strategy<Value = Entry> {
        let id = || prop::sample::select(vec!["a", "b", "c"]);
        prop_oneof![
            ("[ x]{0,2}", prop::option::of("[a-z]{1,3}")).prop_map(|(text, by)| Entry::Said { by, text }),
            "[ x]{0,2}".prop_map(|text| Entry::Note { text }),
            ("[ x]{0,2}", prop::collection::vec(id(), 0..3))
                .prop_map(|(text, ids)| Entry::Own { text, calls: ids.into_iter().map(call).collect() }),
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
                    Turn::Own { text, calls } => {
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
