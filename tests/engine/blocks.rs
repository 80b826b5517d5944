//! Blocks edited in a turn: versions, conflicts, and what the next speaker sees.

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Actor, Block, Change, Editor, Person, PersonId};
use nightdesk::testing::engine::Options;
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::llm::PromptMessage;
use nightdesk::testing::store::Mode;
use serde_json::json;

use crate::support::engine_harness::{Asked, Plan, World, agent_id, group_id, story};

fn notes() -> Script {
    Script::of([When::agent("ann").step(1).inserts("story", "- noted on {turn}").replaces(
        "story",
        "some time in spring",
        "in spring",
    )])
    .otherwise("{agent} speaks")
}

#[tokio::test(start_paused = true)]
async fn edits_of_a_step_make_one_version_that_reaches_the_next_speaker() {
    let world = World::new(Plan { script: notes(), members: &["ann", "bob"], ..Plan::default() }).await;
    world.send("note it").await;
    let block = world.block(&story()).await;
    assert_eq!(block.version, 2);
    assert_eq!(block.value, "The story so far\n- Launch: in spring\n- noted on {turn}");
    assert_eq!(block.editor, Editor::Agent { id: agent_id("ann"), name: "ann".to_owned(), job: None });
    let told = &world.asked_of("bob")[0].memory[0];
    assert_eq!((told.version, &told.value), (2, &block.value));
    let own = world.asked_of("ann");
    assert_eq!(own[1].memory[0].version, 2, "its own next step sees it, too");
    let results: Vec<_> =
        own[1].entries.iter().filter(|entry| matches!(entry, PromptMessage::ToolResult { ok: true, .. })).collect();
    assert_eq!(results.len(), 2);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_carries_its_calls_and_every_call_is_logged_with_its_step_and_its_group() {
    let world = World::new(Plan { script: notes(), members: &["ann"], ..Plan::default() }).await;
    world.send("note it").await;
    let revision = world.store().revision(&story(), 2).await.unwrap().unwrap();
    assert_eq!((revision.calls, revision.reason.as_str()), (vec![0, 1], "memory_replace"));
    let log = world.store().log(0, 1_000).await.unwrap();
    let calls = log.iter().filter_map(|logged| match &logged.change {
        Change::CallMade(call) => Some((call, &logged.by)),
        _ => None,
    });
    let mut made = Vec::new();
    for (call, by) in calls {
        assert_eq!(*by, Actor::Agent { agent: agent_id("ann"), run: call.run.clone() });
        assert_eq!((&call.agent, call.group.as_ref()), (&agent_id("ann"), Some(&group_id())));
        assert_eq!(Some(&call.step), revision.step.as_ref());
        made.push((call.ordinal, call.tool.as_str(), call.ok));
    }
    assert_eq!(made, [(0, "memory_insert", true), (1, "memory_replace", true)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_does_carries_the_persons_id() {
    let world = World::new(Plan { script: notes(), members: &["ann"], ..Plan::default() }).await;
    let you = PersonId::local();
    let person = world.store().row::<Person>(you.as_str()).await.unwrap().unwrap();
    assert_eq!(person.name, Options::default().person);
    let run = world.send("note it").await;
    assert_eq!(run.person.as_ref(), Some(&you));
    let messages = world.store().messages(&run.conversation, 1, 100).await.unwrap();
    let by: Vec<bool> = messages.iter().map(|message| message.person.as_ref() == Some(&you)).collect();
    assert!(by[0] && !by[1..].contains(&true), "{by:?}");
    world.edit(|value| format!("{value} more")).await;
    assert_eq!(world.block(&story()).await.editor, Editor::Person(you.clone()));
    let edited = world.store().log(0, 1_000).await.unwrap().pop().unwrap();
    assert_eq!(edited.by, Actor::Person(you));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_says_who_changed_it_since_the_agent_last_spoke() {
    let world = World::new(Plan { script: notes(), members: &["ann", "bob"], ..Plan::default() }).await;
    world.send("note it").await;
    world.edit(|value| format!("{value}\n- a person's line")).await;
    world.send("again").await;
    assert_eq!(world.asked_of("ann")[2].memory[0].changed_by.as_deref(), Some("the user"));
    let bob = &world.asked_of("bob")[1].memory[0];
    assert_eq!((bob.version, bob.changed_by.as_deref()), (4, Some("ann")));
    world.close().await;
}

fn slow(first: impl FnOnce(When) -> When) -> Script {
    let speech = When::agent("ann").step(1).text("Let me write that down.").chunk(8).delay_ms(1_000);
    let top = json!({ "label": "story", "new_str": "- top", "insert_line": 0 });
    Script::of([first(speech).call("memory_insert", top)]).otherwise("{agent} speaks")
}

fn inserts(ann: When) -> When {
    ann.inserts("story", "- from ann")
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_person_while_the_step_runs_survives_with_the_agents_and_no_model_is_asked_again() {
    let world = World::new(Plan { script: slow(inserts), members: &["ann"], ..Plan::default() }).await;
    let run = world.post("note it").await;
    world.speaking("ann").await;
    world.edit(|value| value.replace("some time in spring", "9 May")).await;
    world.finished(&run).await;
    let block = world.block(&story()).await;
    assert_eq!(block.value, "- top\nThe story so far\n- Launch: 9 May\n- from ann");
    assert_eq!(block.version, 3);
    let asked = world.asked_of("ann");
    assert_eq!(asked.len(), 2, "one call a step");
    let Some(PromptMessage::ToolResult { ok: true, text, .. }) =
        asked[1].entries.iter().find(|entry| matches!(entry, PromptMessage::ToolResult { .. }))
    else {
        panic!("no result: {:?}", asked[1].entries)
    };
    assert!(text.contains("version 3") && text.contains("9 May"), "the result is rebuilt: {text}");
    let step = &world.store().steps(&world.store().runs_of(&run).await.unwrap()[0].id).await.unwrap()[0];
    assert_eq!(step.saw, [(story(), 1)], "what the model saw");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn insertions_of_one_step_make_the_same_block_whether_or_not_somebody_edits_it_meanwhile() {
    let mut values = Vec::new();
    for meanwhile in ["", "first", "four", "six"] {
        let at = |line: i64, text: &str| json!({ "label": "story", "new_str": text, "insert_line": line });
        let calls = |ann: When| ann.call("memory_insert", at(1, "X")).call("memory_insert", at(3, "Y"));
        let speech = When::agent("ann").step(1).text("Let me write that down.").chunk(8).delay_ms(1_000);
        let script = Script::of([calls(speech)]).otherwise("{agent} speaks");
        let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
        world.edit(|_| "first\ntwo\nthree\nfour\nfive\nsix".to_owned()).await;
        let run = world.post("note it").await;
        world.speaking("ann").await;
        if !meanwhile.is_empty() {
            world.edit(|value| value.replace(meanwhile, &meanwhile.to_uppercase())).await;
        }
        world.finished(&run).await;
        values.push(world.block(&story()).await.value.to_lowercase());
        world.close().await;
    }
    // Line 3 is the third line with X among them.
    assert_eq!(values, ["first\nx\ntwo\ny\nthree\nfour\nfive\nsix"; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_result_of_an_edit_is_bounded_and_says_version_size_and_changed_lines() {
    let script = Script::of([When::agent("ann")
        .step(1)
        .call("memory_insert", json!({ "label": "story", "new_str": "- noted", "insert_line": 400 }))
        .replaces("story", "line 7\n", "")
        .rethinks("story", &"new ".repeat(4_000))])
    .otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], tools: &["memory_rethink"], ..Plan::default() };
    let world = World::new(plan).await;
    let lines: Vec<String> = (1..=1_000).map(|n| format!("line {n}")).collect();
    world.edit(|_| lines.join("\n")).await;
    world.send("note it").await;
    let asked = world.asked_of("ann");
    let text = |entry: &PromptMessage| match entry {
        PromptMessage::ToolResult { ok: true, text, .. } => Some(text.clone()),
        _ => None,
    };
    let results: Vec<String> = asked[1].entries.iter().filter_map(text).collect();
    let head = "Block story, version 3, 8900 of 20000 characters; lines 399 to 403 now read:";
    assert_eq!(results[0], format!("{head}\nline 399\nline 400\n- noted\nline 401\nline 402"));
    assert!(results[1].contains("8893 of 20000 characters"), "{}", results[1]);
    assert!(results[1].ends_with("line 5\nline 6\nline 8\nline 9\nline 10"), "{}", results[1]);
    let head = "Block story, version 3, 16000 of 20000 characters; line 1 now reads:\nnew new";
    assert!(results[2].starts_with(head), "{}", results[2]);
    assert!(results.iter().all(|text| text.len() < 2_000), "{results:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_text_is_found_as_the_model_sees_it_and_the_block_keeps_its_line_ends() {
    let told = When::agent("ann").step(1).replaces("story", "line one\nline\u{a0}two", "lines 1 and 2");
    let script = Script::of([told]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    world.edit(|_| "line one\r\nline two\r\nline three\r\n".to_owned()).await;
    world.send("join them").await;
    assert_eq!(world.block(&story()).await.value, "lines 1 and 2\r\nline three\r\n");
    let asked = world.asked_of("ann");
    let Some(PromptMessage::ToolResult { ok: true, text, .. }) = asked[1].entries.last() else {
        panic!("no result: {:?}", asked[1].entries)
    };
    assert!(text.contains("the only text that looks like it: \"line one\\r\\nline two\""), "{text}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_rethink_of_a_changed_block_is_an_error_result_with_the_current_text() {
    let script = Script::of([When::agent("ann")
        .step(1)
        .text("I rewrite it.")
        .chunk(4)
        .delay_ms(1_000)
        .rethinks("story", "All new")])
    .otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], tools: &["memory_rethink"], ..Plan::default() };
    let world = World::new(plan).await;
    let run = world.post("rewrite").await;
    world.speaking("ann").await;
    world.edit(|value| value.replace("some time in spring", "9 May")).await;
    world.finished(&run).await;
    let block = world.block(&story()).await;
    assert_eq!((block.version, block.value.as_str()), (2, "The story so far\n- Launch: 9 May"));
    let asked = world.asked_of("ann");
    assert_eq!(asked.len(), 2);
    let Some(PromptMessage::ToolResult { ok: false, text, .. }) = asked[1].entries.last() else {
        panic!("no refusal: {:?}", asked[1].entries)
    };
    assert!(text.contains("- Launch: 9 May"), "{text}");
    world.send("rewrite again").await;
    assert_eq!(world.block(&story()).await.value, "All new", "unchanged, it is rewritten");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_replace_whose_text_is_gone_is_refused_with_the_current_text() {
    let script = slow(|ann| ann.replaces("story", "some time", "late"));
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    let run = world.post("note it").await;
    world.speaking("ann").await;
    world.edit(|value| value.replace("some time in spring", "9 May")).await;
    world.finished(&run).await;
    assert_eq!(world.block(&story()).await.value, "- top\nThe story so far\n- Launch: 9 May");
    let refused = world.transcript().await.into_iter().find(|line| line.contains("refused")).unwrap();
    assert!(refused.starts_with("ann memory_replace refused"), "{refused}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_made_read_only_while_the_step_runs_refuses_the_edit_and_the_turn_goes_on() {
    let world = World::new(Plan { script: slow(inserts), members: &["ann", "bob"], ..Plan::default() }).await;
    let run = world.post("note it").await;
    world.speaking("ann").await;
    let block = world.block(&story()).await;
    let locked = Change::configured(Block { read_only: true, ..block });
    world.apply(vec![locked]).await.unwrap();
    world.finished(&run).await;
    assert_eq!(world.block(&story()).await.version, 1);
    assert_eq!(world.asked_of("ann").len(), 2);
    let refused = world.transcript().await.into_iter().filter(|line| line.contains("read-only")).count();
    assert_eq!(refused, 2, "each call is answered with the refusal");
    assert!(world.transcript().await.contains(&"bob: bob speaks".to_owned()));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_version_of_a_block_is_found_among_many() {
    let world = World::new(Plan::default()).await;
    world.edit(|value| format!("{value} more")).await;
    world.edit(|value| format!("{value} still")).await;
    let asked = world.ask(Request::Revision { block: story(), version: 2 }).await.unwrap();
    let Reply::Revisions { revisions } = asked else { panic!("{asked:?}") };
    let found: Vec<(u64, bool)> =
        revisions.iter().map(|dated| (dated.what.version, dated.what.value.ends_with(" more"))).collect();
    assert_eq!(found, [(2, true)]);
    let none = world.ask(Request::Revision { block: story(), version: 9 }).await.unwrap();
    assert_eq!(none, Reply::Revisions { revisions: Vec::new() });
    let page = world.ask(Request::Revisions { block: story(), before: Some(3), limit: 1 }).await.unwrap();
    let Reply::Revisions { revisions } = page else { panic!("{page:?}") };
    assert_eq!(revisions.iter().map(|dated| dated.what.version).collect::<Vec<_>>(), [2], "the page before a version");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_persons_save_made_on_an_older_version_keeps_what_others_changed_since() {
    let world = World::new(Plan::default()).await;
    world.edit(|_| "one\ntwo\nthree\nfour".to_owned()).await;
    let base = world.block(&story()).await.version;
    world.edit(|value| value.replace("four", "four, by somebody")).await;
    let value = "one, by me\ntwo\nthree\nfour".to_owned();
    world.ask(Request::EditBlock { id: story(), base, value, merge: true }).await.unwrap();
    let block = world.block(&story()).await;
    assert_eq!((block.version, block.value.as_str()), (base + 2, "one, by me\ntwo\nthree\nfour, by somebody"));
    let value = "ONE\ntwo\nthree\nfour".to_owned();
    let refused = world.ask(Request::EditBlock { id: story(), base, value, merge: false }).await.unwrap_err();
    assert!(refused.text.contains("version"), "{refused:?}");
    assert_eq!(world.block(&story()).await, block, "a save that is not to merge changes nothing");
    world.close().await;
}

/// Fifty agents that share a block all speak at once, again and again, while it is edited. The times are printed; the
/// promise is 500 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_prompt_of_each_of_fifty_sharers_holds_what_was_committed_before() {
    const EDITS: usize = 5;
    let names: Vec<&'static str> = (0..50).map(|nth| &*format!("agent{nth}").leak()).collect();
    let members = &*names.clone().leak();
    let script = Script::always("{agent} heard {last}");
    let world = World::new(Plan { script, members, mode: Mode::Threads, ..Plan::default() }).await;
    let mut times = Vec::new();
    for edit in 1..=EDITS {
        world.edit(|_| format!("edit {edit}")).await;
        let (committed, before) = (tokio::time::Instant::now(), world.asked_at().len());
        let speak = names.iter().map(|name| async {
            let to = Recipient::Agent(agent_id(name));
            let Reply::Sent { run, .. } = world.ask(Request::Send { to, text: "go on".to_owned() }).await.unwrap()
            else {
                panic!("it was not sent")
            };
            world.finished(&run).await;
        });
        futures::future::join_all(speak).await;
        let asked = world.asked_at().split_off(before);
        assert_eq!(asked.len(), names.len());
        for Asked { at, prompt } in asked {
            let story = prompt.memory.iter().find(|block| block.label == "story").unwrap();
            assert_eq!(story.value, format!("edit {edit}"), "{}", prompt.agent);
            times.push(at.duration_since(committed));
        }
    }
    times.sort();
    let (middle, late, last) = (times[times.len() / 2], times[times.len() * 99 / 100], times[times.len() - 1]);
    println!("from the commit to the prompt: p50 {middle:.0?}, p99 {late:.0?}, most {last:.0?} of {}", times.len());
    world.close().await;
}
