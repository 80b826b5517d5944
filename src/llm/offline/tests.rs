//! Tests of the offline model in a conversation.

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;

use super::*;
use crate::llm::{CallContext, MemoryBlock, PromptMessage, ToolSpec};

const EXAMPLE: &str = "We decided to launch on the third of May. Mira keeps bees in Lucerne. Who tells the printers?";
const MEMBERS: [(&str, &str); 3] = [
    ("reporter", "You collect facts and ask who said so: sources first."),
    ("critic", "You look for what is unclear or contradicts itself."),
    ("editor", "You sum up: what is settled, what is open."),
];

fn block(label: &str, value: &str) -> MemoryBlock {
    MemoryBlock { label: label.to_owned(), value: value.to_owned(), limit: 5000, ..MemoryBlock::default() }
}

fn said(by: Option<&str>, text: &str) -> PromptMessage {
    PromptMessage::User { by: by.map(str::to_owned), text: text.to_owned() }
}

fn prompt(member: usize, blocks: &[MemoryBlock], entries: &[PromptMessage], tools: &[&str]) -> Prompt {
    let (name, persona) = MEMBERS[member];
    let mut memory = vec![block("persona", persona)];
    memory.extend_from_slice(blocks);
    let tool =
        |name: &&str| Arc::new(ToolSpec { name: (*name).to_owned(), description: String::new(), schema: json!({}) });
    Prompt {
        agent: name.to_owned(),
        system: "<group name=\"newsroom\">\nEach member speaks in this order.\n</group>".to_owned(),
        memory,
        entries: entries.to_vec(),
        tools: tools.iter().map(tool).collect(),
        place: CallContext { turn: 2, step: 1, attempt: 1, background: false },
        ..Prompt::default()
    }
}

fn deltas(prompt: Prompt) -> Vec<Delta> {
    let stream = Offline::with_pace(Duration::ZERO).stream(prompt);
    let all = stream.collect::<Vec<_>>().now_or_never().expect("no timer is asked");
    all.into_iter().map(|delta| delta.expect("the offline model has no faults")).collect()
}

fn reply(prompt: Prompt) -> (String, Vec<ToolCall>) {
    let mut text = String::new();
    let mut calls = Vec::new();
    for delta in deltas(prompt) {
        match delta {
            Delta::Text(more) => text.push_str(&more),
            Delta::Done(done) => calls = done.calls,
            _ => {}
        }
    }
    (text, calls)
}

/// Runs one round, in which every member sees the replies before its own.
fn round(blocks: &[MemoryBlock], before: &[PromptMessage], message: &str, tools: &[&str]) -> Vec<String> {
    let mut entries = before.to_vec();
    entries.push(said(None, message));
    let mut spoken = Vec::new();
    for (member, (name, _)) in MEMBERS.iter().enumerate() {
        let (text, calls) = reply(prompt(member, blocks, &entries, tools));
        if calls.first().is_some_and(|call| call.name == "pass") {
            spoken.push("pass".to_owned());
            continue;
        }
        entries.push(said(Some(name), &text));
        spoken.push(text);
    }
    spoken
}

#[test]
fn three_members_look_at_one_message_in_three_ways() {
    assert_eq!(
        round(&[block("story", "")], &[], EXAMPLE, &["pass"]),
        [
            "Noted: launch on 3 May; Mira keeps bees in Lucerne. Who told us about Mira, and can we quote them?",
            "I see no answer yet to \"Who tells the printers?\". \"Launch on 3 May\" names nobody who sees to it: who does?",
            "Settled: launch on 3 May. On record: Mira keeps bees in Lucerne. Open: who tells the printers?",
        ]
    );
}

#[test]
fn a_changed_date_is_pointed_out_against_the_block() {
    let story = block("story", "The story so far\n- Launch: 3 May, decided");
    let spoken = round(&[story], &[], "The launch has moved to the tenth of May.", &["pass"]);
    assert!(spoken[1].starts_with("That contradicts story: it has \"Launch: 3 May, decided\"."), "{spoken:#?}");
}

#[test]
fn what_was_said_later_stands_and_a_block_that_lags_is_told() {
    let before =
        [said(None, "We decided to launch on the third of May."), said(None, "The launch has moved to 10 May.")];
    let ask = |story: &str| round(&[block("story", story)], &before, "When do we launch?", &["pass"])[0].clone();
    assert_eq!(ask("The story so far"), "You said \"The launch has moved to 10 May\".");
    assert_eq!(
        ask("The story so far\n- Launch: 3 May, decided"),
        "Story says \"Launch: 3 May, decided\". But you said \"The launch has moved to 10 May\"."
    );
}

#[test]
fn questions_are_answered_with_a_sentence_and_its_source() {
    let story = block("story", "The story so far\n- Launch: 3 May, decided\n- Open: who tells the printers?");
    let before = [said(None, "Mira keeps bees in Lucerne."), said(Some("critic"), "That is a fine hobby of hers.")];
    let when = round(std::slice::from_ref(&story), &before, "When do we launch?", &["pass"]);
    assert_eq!(when, ["Story says \"Launch: 3 May, decided\".", "pass", "pass"]);
    let who = round(std::slice::from_ref(&story), &before, "who keeps bees?", &["pass"]);
    assert_eq!(who[0], "You said \"Mira keeps bees in Lucerne\".");
    assert_eq!(who[1], "No block holds that yet: is it settled?");
    let nobody = round(std::slice::from_ref(&story), &before, "What does the paper cost?", &["pass"]);
    assert_eq!(nobody[0], "Nothing in the blocks or the conversation answers that. Who would know?");
    assert_eq!(nobody[2], "Still open: \"What does the paper cost?\"");
}

#[test]
fn a_question_to_one_member_is_answered_as_the_question_it_is() {
    let story = block("story", "- Launch: 3 May, decided");
    let entries = |text: &str| vec![said(None, text)];
    let plain =
        reply(prompt(2, std::slice::from_ref(&story), &entries("when do we launch?"), &["conversation_search"]));
    let addressed = reply(prompt(2, &[story], &entries("@editor when do we launch?"), &["conversation_search"]));
    assert!(plain.0.contains("3 May"), "{plain:?}");
    assert_eq!(plain, addressed);
}

#[test]
fn the_search_is_asked_when_nothing_in_sight_answers_and_its_result_is_quoted() {
    let mut entries = vec![said(None, "Who keeps the bees?")];
    let (text, calls) = reply(prompt(0, &[], &entries, &["conversation_search", "pass"]));
    assert_eq!((text.as_str(), calls[0].name.as_str()), ("", "conversation_search"));
    assert_eq!(calls[0].arguments, json!({ "query": "keeps bees" }));
    let result = |text: &str| PromptMessage::ToolResult {
        call: calls[0].id.clone(),
        name: "conversation_search".to_owned(),
        ok: true,
        text: text.to_owned(),
    };
    entries.push(PromptMessage::Assistant { text: String::new(), calls: calls.clone() });
    for (found, by) in [
        (
            "2 found\n[2026-05-03 09:40] the user: Who keeps the bees?\n[2026-05-02 10:00] the user: Mira keeps bees in Lucerne.",
            "you",
        ),
        ("1 found\n[2026-05-02 10:00] archivist: Mira keeps bees in Lucerne.", "archivist"),
        (r#"{"results": [{"role": "user", "content": "Mira keeps bees in Lucerne."}]}"#, "an earlier message"),
    ] {
        let mut seen = entries.clone();
        seen.push(result(found));
        let (text, calls) = reply(prompt(0, &[], &seen, &["conversation_search"]));
        assert_eq!(text, format!("I find in the conversation: {by} said \"Mira keeps bees in Lucerne\"."));
        assert!(calls.is_empty());
    }
    entries.push(result("Nothing found."));
    let (text, calls) = reply(prompt(0, &[], &entries, &["conversation_search"]));
    assert_eq!(text, "Nothing in the blocks or the conversation answers that. Who would know?");
    assert!(calls.is_empty());
}

#[test]
fn nothing_to_add_is_a_pass_where_one_is_offered() {
    for talk in ["ok", "Thanks!", "Great."] {
        assert_eq!(round(&[], &[], talk, &["pass"]), ["pass", "pass", "pass"], "{talk}");
        assert_eq!(reply(prompt(0, &[], &[said(None, talk)], &[])).0, "Nothing to add.");
    }
}

#[test]
fn no_member_repeats_a_sentence_said_before_it() {
    let story = block("story", "The story so far\n- Launch: 3 May, decided\n- Open: who pays?");
    for message in [
        EXAMPLE,
        "When do we launch?",
        "What is decided?",
        "Summarise, please.",
        "Write a poem about the launch.",
        "Hello!",
        "Der Druck kostet 400 Franken. Wer bezahlt das?",
        "ミラはルツェルンで蜂を飼っています。",
        "?",
        "",
        "Mira has 12 hives and 400 jars of honey.",
        "I prefer short answers.",
    ] {
        let spoken = round(std::slice::from_ref(&story), &[], message, &["pass"]);
        let mut sentences: Vec<String> = Vec::new();
        for text in spoken.iter().filter(|text| *text != "pass") {
            let new = language::sentences(text);
            assert!((1..=6).contains(&new.len()), "{message}: {text}");
            for sentence in new {
                assert!(!sentences.contains(&sentence), "{message}: {sentence} twice in {spoken:#?}");
                sentences.push(sentence);
            }
        }
    }
}

#[test]
fn what_is_decided_and_open_is_listed_and_a_poem_is_honestly_refused() {
    let story = block("story", "The story so far\n- Launch: 3 May, decided\n- Open: who pays?");
    let ask = |text: &str| reply(prompt(2, std::slice::from_ref(&story), &[said(None, text)], &["pass"])).0;
    assert_eq!(ask("What is decided?"), "Decided: Launch: 3 May.");
    assert_eq!(ask("What is still open?"), "Open: who pays.");
    assert_eq!(
        ask("Write a poem about the launch."),
        "I cannot do that: no language model is connected. I find on it: story says \"Launch: 3 May, decided\"."
    );
}

#[test]
fn one_member_says_once_that_it_is_the_offline_model() {
    let first = |member: usize, entries: &[PromptMessage]| {
        let mut prompt = prompt(member, &[], entries, &["pass"]);
        prompt.place.turn = 1;
        reply(prompt).0
    };
    let mut entries = vec![said(None, EXAMPLE)];
    let one = first(0, &entries);
    assert!(one.contains("offline model"), "{one}");
    entries.push(said(Some("reporter"), &one));
    assert!(!first(1, &entries).contains("offline model"));
    assert!(!reply(prompt(0, &[], &[said(None, EXAMPLE)], &[])).0.contains("offline model"), "turn 2 says it again");
}

#[test]
fn the_answer_streams_word_by_word_and_counts_its_tokens() {
    let asked = prompt(0, &[], &[said(None, EXAMPLE)], &[]);
    let bytes = asked.system_text().len() + EXAMPLE.len();
    let all = deltas(asked);
    assert!(all.len() > 10);
    assert_eq!(all[0], Delta::Text("Noted: ".to_owned()));
    let Some(Delta::Done(done)) = all.last() else { panic!("no end: {all:?}") };
    let text: usize = all.iter().map(|delta| if let Delta::Text(text) = delta { text.len() } else { 0 }).sum();
    assert_eq!(
        done.usage,
        Usage { tokens_in: bytes.div_ceil(4) as u64, tokens_out: text.div_ceil(4) as u64, ..Usage::default() }
    );
    assert_eq!(done.stop, Stop::End);
}

#[tokio::test(start_paused = true)]
async fn a_word_takes_its_pace_on_the_injected_clock() {
    let start = tokio::time::Instant::now();
    let all: Vec<_> = Offline::new().stream(prompt(0, &[], &[said(None, EXAMPLE)], &[])).collect().await;
    assert_eq!(start.elapsed(), PACE * u32::try_from(all.len()).unwrap());
}

#[test]
fn without_a_persona_the_line_about_this_agent_gives_the_angle() {
    let mut anna = prompt(0, &[], &[said(None, EXAMPLE)], &[]);
    anna.memory.clear();
    anna.agent = "anna".to_owned();
    anna.system = "You are anna.\n\n<group name=\"desk\">\n- bert: Checks facts and sources.\n\
        - anna (you): Sums up what is settled and open.\n</group>"
        .to_owned();
    assert!(reply(anna).0.starts_with("Settled: launch on 3 May."));
}

/// Returns the prompt of a worker of a supervisor group with this task, after the person's message.
fn worker(message: &str, task: &str, blocks: &[MemoryBlock]) -> Prompt {
    let entries = [said(None, message), said(Some("chief"), task)];
    let system = "<group name=\"desk\">\n- chief: Plans\n- critic (you): Checks\n</group>";
    let place = CallContext { turn: 1, step: 1, attempt: 1, background: false };
    Prompt { system: system.to_owned(), place, ..prompt(1, blocks, &entries, &["pass"]) }
}

#[test]
fn a_worker_answers_its_task_and_not_the_message_it_was_taken_from() {
    let story = block("story", "The story so far\n- Launch: 3 May, decided\n- The picture was made by Anna Frey");
    let message = "Who made the picture? When do we launch?";
    let (text, _) = reply(worker(message, "When do we launch?", std::slice::from_ref(&story)));
    assert_eq!(text, "Story says \"Launch: 3 May, decided\".");
    let (other, _) = reply(worker(message, "Who made the picture?", &[story]));
    assert!(other.contains("Anna Frey") && !other.contains("Launch"), "{other}");
}

#[test]
fn where_members_talk_in_turn_the_last_words_of_another_are_no_task() {
    let story = block("story", "- Launch: 3 May, decided\n- Room: 12");
    let mut prompt = worker("When do we launch?", "Which room?", &[story]);
    prompt.system = prompt.system.replace("</group>", "Each member speaks in this order.\n</group>");
    let (text, _) = reply(prompt);
    assert!(text.contains("3 May") && !text.contains("12"), "{text}");
}

#[test]
fn a_manager_is_asked_by_its_tools_and_speaks_for_itself_without_them() {
    let system = "<group name=\"desk\">\n- chief (you): Plans\n- ann: Writes headlines\n- bob: Checks dates\n</group>";
    let chief = |tools: &[&str]| Prompt {
        agent: "chief".to_owned(),
        system: system.to_owned(),
        ..prompt(2, &[], &[said(None, "Are the dates right?")], tools)
    };
    let (text, calls) = reply(chief(&["delegate", "send_message_to_all_agents_in_group"]));
    assert_eq!((text.as_str(), calls[0].name.as_str()), ("", "delegate"));
    assert_eq!(calls[0].arguments, json!({ "tasks": [{ "agent": "bob", "task": "Are the dates right?" }] }));
    let (text, calls) = reply(chief(&[]));
    assert!(!text.is_empty() && calls.is_empty(), "{text}");
}
