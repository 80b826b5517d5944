//! No edit of an agent takes back what others wrote while its model was thinking: neither in the block that it edits, nor
//! in the others that it saw. One story for each tool that edits.

use nightdesk::testing::domain::{Block, BlockId};
use nightdesk::testing::engine::protocol::{BlockForm, BlockRequest, Recipient, Reply, Request};
use nightdesk::testing::llm::PromptMessage;
use serde_json::{Value, json};

use crate::support::engine_harness::{Plan, World, group_id, story};
use crate::support::script::{Script, When};

const FACTS: &str = "one\ntwo\nthree\nfour\nfive";

/// A tool, its arguments for the block `facts`, what it makes of [`FACTS`], and of [`FACTS`] with another last line.
type Story = (&'static str, fn() -> Value, &'static str, &'static str);

const TOOLS: [Story; 7] = [
    (
        "memory_insert",
        || json!({"label": "facts", "new_str": "six"}),
        "one\ntwo\nthree\nfour\nfive\nsix",
        "one\ntwo\nthree\nfour\nFIVE\nsix",
    ),
    (
        "memory_insert",
        || json!({"label": "facts", "new_str": "one and a half", "insert_line": 1}),
        "one\none and a half\ntwo\nthree\nfour\nfive",
        "one\none and a half\ntwo\nthree\nfour\nFIVE",
    ),
    (
        "memory_replace",
        || json!({"label": "facts", "old_str": "two", "new_str": "2"}),
        "one\n2\nthree\nfour\nfive",
        "one\n2\nthree\nfour\nFIVE",
    ),
    (
        "core_memory_append",
        || json!({"label": "facts", "content": "six"}),
        "one\ntwo\nthree\nfour\nfive\nsix",
        "one\ntwo\nthree\nfour\nFIVE\nsix",
    ),
    (
        "core_memory_replace",
        || json!({"label": "facts", "old_content": "two", "new_content": "2"}),
        "one\n2\nthree\nfour\nfive",
        "one\n2\nthree\nfour\nFIVE",
    ),
    (
        "memory_apply_patch",
        || json!({"label": "facts", "patch": "@@\n one\n-two\n+2\n@@\n three\n+three and a half\n"}),
        "one\n2\nthree\nthree and a half\nfour\nfive",
        "one\n2\nthree\nthree and a half\nfour\nFIVE",
    ),
    // A whole new text was made from what is there no longer: it is refused.
    ("memory_rethink", || json!({"label": "facts", "new_memory": "all new"}), "all new", "one\ntwo\nthree\nfour\nFIVE"),
];

/// A world whose agent thinks for a while, and the block that it then edits with this call.
async fn thinking(tool: &str, arguments: Value) -> (World, BlockId) {
    let speech = When::agent("ann").step(1).text("Let me write that down.").chunk(8).delay_ms(1_000);
    let script = Script::of([speech.call(tool, arguments)]).otherwise("{agent} speaks");
    let tools = &["memory_rethink", "core_memory_append", "core_memory_replace", "memory_apply_patch"];
    let plan = Plan { script, members: &["ann"], tools, ..Plan::default() };
    let world = World::new(plan).await;
    let form = BlockForm { label: Some("facts".to_owned()), value: Some(FACTS.to_owned()), ..BlockForm::default() };
    let create = BlockRequest::Create { owner: Recipient::Group(group_id()), form, really: true };
    match world.ask(Request::Block(Box::new(create))).await.unwrap() {
        Reply::BlockChanged { block: Some(block), .. } => (world, block.id),
        other => panic!("{other:?}"),
    }
}

async fn rewrite(world: &World, id: &BlockId, value: &str) {
    let Block { version: base, .. } = world.block(id).await;
    world.ask(Request::EditBlock { id: id.clone(), base, value: value.to_owned(), merge: false }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_one_block_does_not_revert_another_that_changed_while_the_model_was_thinking() {
    for (tool, arguments, expected, _) in TOOLS {
        let (world, facts) = thinking(tool, arguments()).await;
        let run = world.post("note it").await;
        world.speaking("ann").await;
        rewrite(&world, &story(), "written by somebody else").await;
        world.finished(&run).await;
        let other = world.block(&story()).await;
        assert_eq!((other.version, other.value.as_str()), (2, "written by somebody else"), "{tool}");
        assert_eq!(other.editor.name(), "you", "{tool} wrote the block that it edits, and no other");
        let edited = world.block(&facts).await;
        assert_eq!((edited.version, edited.value.as_str()), (2, expected), "{tool}");
        assert_eq!(world.asked_of("ann")[1].memory[0].value, "written by somebody else");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_block_that_changed_meanwhile_keeps_both_or_says_what_is_there_now() {
    for (tool, arguments, _, expected) in TOOLS {
        let (world, facts) = thinking(tool, arguments()).await;
        let run = world.post("note it").await;
        world.speaking("ann").await;
        rewrite(&world, &facts, &FACTS.replace("five", "FIVE")).await;
        world.finished(&run).await;
        assert_eq!(world.block(&facts).await.value, expected, "{tool}");
        let asked = world.asked_of("ann");
        assert_eq!(asked.len(), 2, "{tool}: no model is asked again");
        let result = asked[1].entries.iter().find_map(|entry| match entry {
            PromptMessage::ToolResult { ok, text, .. } => Some((*ok, text.clone())),
            _ => None,
        });
        let (ok, text) = result.unwrap();
        assert_eq!(ok, tool != "memory_rethink", "{text}");
        assert!(text.contains("FIVE") || ok, "{tool} is told what is there now: {text}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_or_replacement_of_lines_that_others_changed_is_refused_with_what_is_there_now_and_an_append_is_not() {
    let patch = || json!({"label": "facts", "patch": "@@\n four\n-five\n+5\n"});
    let replace = || json!({"label": "facts", "old_content": "five", "new_content": "5"});
    let append = || json!({"label": "facts", "content": "six"});
    for (tool, arguments, expected) in [
        ("memory_apply_patch", patch(), "one\ntwo\nthree\nfour\nFIVE"),
        ("core_memory_replace", replace(), "one\ntwo\nthree\nfour\nFIVE"),
        ("core_memory_append", append(), "one\ntwo\nthree\nfour\nFIVE\nsix"),
    ] {
        let (world, facts) = thinking(tool, arguments).await;
        let run = world.post("note it").await;
        world.speaking("ann").await;
        rewrite(&world, &facts, &FACTS.replace("five", "FIVE")).await;
        world.finished(&run).await;
        assert_eq!(world.block(&facts).await.value, expected, "{tool}");
        let asked = world.asked_of("ann");
        let result = asked[1].entries.iter().find_map(|entry| match entry {
            PromptMessage::ToolResult { ok, text, .. } => Some((*ok, text.clone())),
            _ => None,
        });
        let (ok, text) = result.unwrap();
        assert_eq!(ok, tool == "core_memory_append", "{text}");
        let refusal = format!("{tool}: others changed these lines meanwhile. Block facts, version 2,");
        assert!(text.contains("FIVE") && (ok || text.starts_with(&refusal)), "{text}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_there_before_is_written_again_as_a_new_version() {
    let script = Script::of([
        When::agent("ann").step(1).turn(1).rethinks("story", "another text"),
        When::agent("ann").step(1).turn(2).rethinks("story", "the first text"),
    ]);
    let plan = Plan {
        script: script.otherwise("{agent} speaks"),
        members: &["ann"],
        tools: &["memory_rethink"],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    world.edit(|_| "the first text".to_owned()).await;
    world.send("change it").await;
    world.send("and back").await;
    let block = world.block(&story()).await;
    assert_eq!((block.version, block.value.as_str(), block.editor.name()), (4, "the first text", "ann"));
    world.close().await;
}
