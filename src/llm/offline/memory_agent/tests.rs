//! Tests of the offline model as a background agent, on blocks that apply its edits.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::llm::{CallContext, ToolCall, ToolSpec};

const TOOLS: &[&str] = &["memory_replace", "memory_insert", "memory_rethink", FINISH];

fn block(label: &str, value: &str) -> MemoryBlock {
    MemoryBlock { label: label.to_owned(), value: value.to_owned(), limit: 5000, ..MemoryBlock::default() }
}

fn window(memory: Vec<MemoryBlock>, said: &[&str]) -> Prompt {
    let tool =
        |name: &&str| Arc::new(ToolSpec { name: (*name).to_owned(), description: String::new(), schema: json!({}) });
    Prompt {
        agent: "archivist".to_owned(),
        memory,
        entries: said.iter().map(|text| PromptMessage::User { by: None, text: (*text).to_owned() }).collect(),
        tools: TOOLS.iter().map(tool).collect(),
        place: CallContext { turn: 2, step: 1, attempt: 1, background: true },
        ..Prompt::default()
    }
}

/// Applies a call as the tools do, including their errors.
fn apply(memory: &mut [MemoryBlock], call: &ToolCall) -> Result<String, String> {
    let argument = |name: &str| call.arguments[name].as_str().map(str::to_owned).ok_or(format!("no {name}"));
    let label = argument("label")?;
    let block = memory.iter_mut().find(|block| block.label == label).ok_or("no such block")?;
    assert!(!block.read_only, "{label} is read-only");
    let value = match call.name.as_str() {
        "memory_rethink" => argument("new_memory")?,
        "memory_replace" => {
            let old = argument("old_str")?;
            if block.value.matches(&old).count() != 1 {
                return Err(format!("{old:?} does not stand there exactly once. It reads: {}", block.value));
            }
            block.value.replacen(&old, &argument("new_str")?, 1)
        }
        "memory_insert" => {
            let mut lines: Vec<String> = block.value.lines().map(str::to_owned).collect();
            let at = match call.arguments["insert_line"].as_i64() {
                Some(-1) => lines.len(),
                Some(at) => usize::try_from(at).unwrap(),
                None => return Err("no line".to_owned()),
            };
            assert!(at <= lines.len(), "line {at} of {}", lines.len());
            lines.insert(at, argument("new_str")?);
            lines.join("\n")
        }
        other => panic!("unknown tool {other}"),
    };
    assert!(value.chars().count() <= block.limit as usize, "over the limit: {value}");
    block.value = value;
    Ok(block.value.clone())
}

/// Runs a job to its end. Returns the number of edits.
fn run(prompt: &mut Prompt) -> usize {
    let said = prompt.entries.clone();
    let mut edits = 0;
    for step in 1..=STEPS + 1 {
        prompt.place.step = u32::try_from(step).unwrap();
        let answer = answer(prompt);
        let calls = answer.calls(prompt);
        assert!(!calls.is_empty());
        if calls[0].name == FINISH {
            prompt.entries = said;
            return edits;
        }
        prompt.entries.push(PromptMessage::Assistant { text: answer.text.clone(), calls: calls.clone() });
        for call in calls {
            let done = apply(&mut prompt.memory, &call);
            edits += usize::from(done.is_ok());
            let (ok, text) = done.map_or_else(|text| (false, text), |text| (true, text));
            prompt.entries.push(PromptMessage::ToolResult { call: call.id, name: call.name, ok, text });
        }
    }
    panic!("the job never finished");
}

const EXAMPLE: &str = "We decided to launch on the third of May. Mira keeps bees in Lucerne. Who tells the printers?";

#[test]
fn an_empty_block_becomes_the_story_so_far() {
    let mut prompt = window(vec![block("story", "")], &[EXAMPLE]);
    assert_eq!(run(&mut prompt), 1);
    assert_eq!(
        prompt.memory[0].value,
        "The story so far\n- Launch: 3 May, decided\n- Mira keeps bees in Lucerne\n- Open: who tells the printers?"
    );
}

#[test]
fn a_second_run_over_the_same_window_changes_nothing() {
    let mut prompt = window(vec![block("story", ""), block("human", "")], &[EXAMPLE, "I prefer tea.", "Ok, thanks!"]);
    assert!(run(&mut prompt) > 0);
    let before = prompt.memory.clone();
    assert_eq!(run(&mut prompt), 0);
    assert_eq!(prompt.memory, before);
}

#[test]
fn a_fact_stated_five_times_stands_once() {
    let said = [
        "Mira keeps bees in Lucerne.",
        "mira keeps bees in Lucerne",
        "In Lucerne, Mira keeps bees!",
        "Remember that Mira keeps bees in Lucerne.",
        "Mira keeps bees in Lucerne",
    ];
    let mut prompt = window(vec![block("story", "")], &said);
    prompt
        .entries
        .push(PromptMessage::User { by: Some("reporter".to_owned()), text: "Mira keeps bees in Lucerne.".to_owned() });
    run(&mut prompt);
    assert_eq!(prompt.memory[0].value, "The story so far\n- Mira keeps bees in Lucerne");
}

#[test]
fn a_fact_that_changed_replaces_its_old_line() {
    let story = "The story so far\n- Launch: some time in spring\n- Mira has 12 hives";
    let mut prompt =
        window(vec![block("story", story)], &["We decided to launch on the third of May. Mira has 15 hives."]);
    let calls = answer(&prompt).calls(&prompt);
    assert_eq!(calls[0].name, "memory_replace");
    assert_eq!(
        calls[0].arguments,
        json!({ "label": "story", "old_str": "- Launch: some time in spring", "new_str": "- Launch: 3 May, decided" })
    );
    run(&mut prompt);
    assert_eq!(prompt.memory[0].value, "The story so far\n- Launch: 3 May, decided\n- Mira has 15 hives");
}

#[test]
fn an_answer_closes_its_question_and_facts_stand_before_questions() {
    let story = "The story so far\n- Open: who tells the printers?\n- Open: what does it cost?";
    let mut prompt = window(vec![block("story", story)], &["Anna tells the printers on Friday."]);
    run(&mut prompt);
    assert_eq!(
        prompt.memory[0].value,
        "The story so far\n- Anna tells the printers on Friday\n- Open: what does it cost?"
    );
}

#[test]
fn the_person_goes_into_human_and_the_rest_elsewhere() {
    let memory = vec![block("persona", "A careful archivist."), block("human", ""), block("notes", "")];
    let mut prompt = window(memory, &["I prefer short answers. The board meets on Friday."]);
    run(&mut prompt);
    assert_eq!(prompt.memory[0].value, "A careful archivist.");
    assert!(prompt.memory[1].value.ends_with("\n- I prefer short answers"), "{}", prompt.memory[1].value);
    assert!(
        prompt.memory[2].value.ends_with("\n- Board meets: Friday")
            || prompt.memory[2].value.ends_with("\n- The board meets on Friday")
    );
}

#[test]
fn a_block_is_chosen_by_its_description() {
    let mut ideas = block("ideas", "");
    ideas.description = "Recipes for the kitchen.".to_owned();
    let mut log = block("log", "");
    log.description = "Decisions of the group and open questions.".to_owned();
    let mut prompt = window(vec![ideas, log], &["We decided to print 400 copies."]);
    run(&mut prompt);
    assert_eq!(prompt.memory[0].value, "");
    assert!(prompt.memory[1].value.contains("- Decided: print 400 copies"));
}

#[test]
fn a_read_only_block_is_never_edited_and_small_talk_ends_the_job_at_once() {
    let mut rules = block("story", "");
    rules.read_only = true;
    let prompt = window(vec![rules], &[EXAMPLE]);
    assert_eq!(answer(&prompt).calls(&prompt)[0].name, FINISH);
    let prompt = window(vec![block("story", "")], &["ok", "Thanks!", "Hello there"]);
    assert_eq!(answer(&prompt).calls(&prompt)[0].name, FINISH);
}

#[test]
fn the_limit_holds_the_oldest_questions_go_first_and_the_result_stays() {
    for limit in [20, 60, 90, 120, 200, 400] {
        let mut story =
            block("story", "The story so far\n- Open: what does the paper cost?\n- Open: where is the archive?");
        story.limit = limit;
        if story.value.chars().count() > limit as usize {
            story.value = String::new();
        }
        let mut said = String::new();
        for (nth, name) in ["Anna", "Bert", "Carla", "Dora", "Emil", "Fritz"].iter().enumerate() {
            let _ = write!(said, "{name} feeds {} goats in Bern. ", nth + 3);
        }
        let mut prompt = window(vec![story], &[&said, "We decided to launch on 3 May."]);
        run(&mut prompt);
        let value = prompt.memory[0].value.clone();
        assert!(value.chars().count() <= limit as usize);
        assert!(limit < 60 || value.contains("- Launch: 3 May, decided"), "{limit}: {value}");
        assert!(limit >= 200 || !value.contains("Open:"), "{limit}: {value}");
        assert_eq!(run(&mut prompt), 0, "{limit}: {value}\nthen\n{}", prompt.memory[0].value);
    }
}

#[test]
fn a_refused_edit_is_tried_once_more_on_the_current_text_and_then_left() {
    let mut prompt =
        window(vec![block("story", "The story so far\n- Launch: some time in spring")], &["We launch on 10 May."]);
    for round in 1..=2 {
        let calls = answer(&prompt).calls(&prompt);
        assert_eq!(calls[0].name, "memory_replace", "round {round}");
        let result = PromptMessage::ToolResult {
            call: calls[0].id.clone(),
            name: calls[0].name.clone(),
            ok: false,
            text: "The block has moved on.".to_owned(),
        };
        prompt.entries.extend([PromptMessage::Assistant { text: String::new(), calls }, result]);
        prompt.memory[0].value = "The story so far\n- Launch: in summer".to_owned();
        prompt.place.step += 1;
    }
    assert_eq!(answer(&prompt).calls(&prompt)[0].name, FINISH);
}

#[test]
fn an_edit_a_person_said_no_to_is_not_asked_for_again() {
    let mut prompt = window(vec![block("story", "The story so far")], &["Mira keeps bees in Lucerne."]);
    let calls = answer(&prompt).calls(&prompt);
    let result = PromptMessage::ToolResult {
        call: calls[0].id.clone(),
        name: calls[0].name.clone(),
        ok: false,
        text: "not called: the user said no: not yet".to_owned(),
    };
    prompt.entries.extend([PromptMessage::Assistant { text: String::new(), calls }, result]);
    prompt.place.step += 1;
    assert_eq!(answer(&prompt).calls(&prompt)[0].name, FINISH);
}

#[test]
fn an_edit_already_accepted_is_not_made_twice_when_the_prompt_lags() {
    let mut prompt = window(vec![block("story", "The story so far")], &["Mira keeps bees in Lucerne."]);
    let calls = answer(&prompt).calls(&prompt);
    let result = PromptMessage::ToolResult {
        call: calls[0].id.clone(),
        name: calls[0].name.clone(),
        ok: true,
        text: String::new(),
    };
    prompt.entries.extend([PromptMessage::Assistant { text: String::new(), calls }, result]);
    prompt.place.step = 2;
    assert_eq!(answer(&prompt).calls(&prompt)[0].name, FINISH);
}

#[test]
fn agents_add_facts_but_their_echoes_do_not() {
    let mut prompt = window(vec![block("story", "")], &["We decided to launch on the third of May."]);
    for text in [
        "Noted: launch on 3 May.",
        "So the launch on 3 May is decided.",
        "I will call Anna.",
        "Freight trains reach Basel at noon.",
    ] {
        prompt.entries.push(PromptMessage::User { by: Some("reporter".to_owned()), text: text.to_owned() });
    }
    run(&mut prompt);
    assert_eq!(
        prompt.memory[0].value,
        "The story so far\n- Launch: 3 May, decided\n- Freight trains reach Basel at noon"
    );
}

#[test]
fn a_prose_block_keeps_its_prose() {
    let prose = "Written by hand.\n\nThis paragraph is mine, Open: or not.";
    let mut prompt = window(vec![block("story", prose)], &["Mira keeps bees in Lucerne."]);
    run(&mut prompt);
    assert_eq!(prompt.memory[0].value, format!("{prose}\n- Mira keeps bees in Lucerne"));
    assert_eq!(prompt.memory[0].value.matches(prose).count(), 1);
}

#[test]
fn without_the_finish_tool_the_job_ends_in_words() {
    let mut prompt = window(vec![block("story", "")], &["ok"]);
    prompt.tools.clear();
    let answer = answer(&prompt);
    assert_eq!((answer.text.as_str(), answer.calls(&prompt).len()), ("The blocks hold what was said.", 0));
}

/// Sentences that change, repeat, answer and ask about one another.
const CORPUS: &[&str] = &[
    "We decided to launch on the third of May.",
    "The launch has moved to 10 May.",
    "We launch on 12 May instead.",
    "Mira keeps bees in Lucerne.",
    "In Lucerne Mira keeps bees.",
    "Mira has 12 hives.",
    "Mira has 15 hives.",
    "Who tells the printers?",
    "Anna tells the printers.",
    "The printers were told on 28 April.",
    "When do we launch?",
    "Let's print 400 copies.",
    "We agreed to print 500 copies.",
    "How much does it cost?",
    "It costs 900 francs.",
    "My name is Ines.",
    "I prefer tea.",
    "ok",
    "Wir haben beschlossen, am 3. Mai zu starten.",
    "Wer sagt es der Druckerei?",
    "ミラはルツェルンで蜂を飼っています。",
    "Why did the launch move?",
    "The launch moved because the paper is late.",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any sentences in any order, limits hold, the job ends, and a second run over the window changes nothing.
    #[test]
    fn any_window_settles_within_its_limit(
        picks in proptest::collection::vec(0..CORPUS.len(), 1..24),
        limit in 10_u32..500,
        old in proptest::sample::select(vec!["", "The story so far", "The story so far\n- Launch: in spring\n- Open: who tells the printers?", "Prose.\n\nMore prose."]),
    ) {
        let mut story = block("story", old);
        story.limit = limit.max(u32::try_from(old.chars().count()).unwrap());
        let said: Vec<&str> = picks.iter().map(|pick| CORPUS[*pick]).collect();
        let mut prompt = window(vec![story, block("human", "")], &said);
        run(&mut prompt);
        let settled = prompt.memory.clone();
        prop_assert_eq!(run(&mut prompt), 0, "{} became {}", settled[0].value, prompt.memory[0].value);
        for line in settled[0].value.lines().filter(|line| !line.is_empty()) {
            prop_assert_eq!(settled[0].value.lines().filter(|other| other == &line).count(), 1, "{} twice", line);
        }
    }
}
