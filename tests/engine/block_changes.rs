//! Blocks made and changed by a person while agents work: who is touched, what is refused, and their history.

use nightdesk::testing::domain::{Agent, Block, BlockId, Editor, Group, Job, ManagerType, PersonId};
use nightdesk::testing::engine::protocol::{
    BlockChange, BlockForm, BlockRequest, GroupForm, OnClash, Recipient, Reply, Request, RequestError,
};
use nightdesk::testing::team_file::{Existing, ParseContext, parse, plan};

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};
use crate::support::script::{Script, When};

fn form(label: &str) -> BlockForm {
    BlockForm { label: Some(label.to_owned()), ..BlockForm::default() }
}

async fn asked(world: &World, request: BlockRequest) -> Result<Reply, RequestError> {
    world.ask(Request::Block(Box::new(request))).await
}

/// What a change of a block says and leaves.
async fn told(world: &World, request: BlockRequest) -> (String, Option<Block>) {
    match asked(world, request).await.unwrap() {
        Reply::BlockChanged { lines, block, .. } => (lines.join("\n"), block.map(|block| *block)),
        other => panic!("{other:?}"),
    }
}

async fn refused(world: &World, request: BlockRequest) -> String {
    asked(world, request).await.unwrap_err().text
}

fn create(owner: Recipient, form: BlockForm, really: bool) -> BlockRequest {
    BlockRequest::Create { owner, form, really }
}

fn change(id: &BlockId, change: BlockChange) -> BlockRequest {
    BlockRequest::Change { id: id.clone(), change, really: true }
}

fn preview(id: &BlockId, change: BlockChange) -> BlockRequest {
    BlockRequest::Change { id: id.clone(), change, really: false }
}

fn group() -> Recipient {
    Recipient::Group(group_id())
}

fn agent(name: &str) -> Recipient {
    Recipient::Agent(agent_id(name))
}

#[tokio::test(start_paused = true)]
async fn a_block_made_while_they_talk_is_in_the_next_prompt_of_each_and_a_detached_one_is_not() {
    let world = World::new(Plan { members: &["ann", "bob"], ..Plan::default() }).await;
    let facts = BlockForm { value: Some("Mira keeps bees".to_owned()), ..form("facts") };
    let (lines, none) = told(&world, create(group(), facts.clone(), false)).await;
    assert_eq!((lines.as_str(), none), ("the group test shares the new block facts: test/ann, test/bob", None));
    assert_eq!(world.overview().await.blocks.len(), 1, "a preview writes nothing");
    let (_, made) = told(&world, create(group(), facts, true)).await;
    let made = made.unwrap();
    assert_eq!((made.version, &made.editor), (1, &Editor::Person(PersonId::local())));
    world.send("hello").await;
    let labels = |name: &str, at: usize| -> Vec<String> {
        world.asked_of(name)[at].memory.iter().map(|block| block.label.clone()).collect()
    };
    assert_eq!((labels("ann", 0), labels("bob", 0)), (vec!["story".into(), "facts".into()], labels("ann", 0)));
    let (lines, _) = told(&world, change(&made.id, BlockChange::Detach { from: group() })).await;
    assert_eq!(
        lines,
        "test has the block facts no longer; test/ann, test/bob lose it\nnobody has it any more; it stays, and can be \
         attached again or deleted"
    );
    let (lines, _) = told(&world, change(&made.id, BlockChange::Attach { to: agent("ann") })).await;
    assert_eq!(lines, "test/ann has the block facts");
    world.send("again").await;
    assert_eq!((labels("ann", 1), labels("bob", 1)), (vec!["facts".into(), "story".into()], vec!["story".into()]));
    let again = refused(&world, change(&made.id, BlockChange::Attach { to: agent("ann") })).await;
    assert_eq!(again, "test/ann has the block facts already");
    let not_there = refused(&world, change(&story(), BlockChange::Detach { from: agent("ann") })).await;
    assert_eq!(not_there, "test/ann has the block story through the group test; detach that");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_is_renamed_for_all_with_what_listens_to_it_and_deleted_from_all() {
    let triggers =
        vec![nightdesk::testing::domain::When::BlockChanged { label: "story".to_owned(), any: false }.into()];
    let script = Script::of([When::in_job().finishes()]).otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], background: &["cleo"], triggers, ..Plan::default() };
    let world = World::new(plan).await;
    let renamed = BlockChange::Configure { form: form("plot") };
    let (lines, _) = told(&world, preview(&story(), renamed.clone())).await;
    assert_eq!(
        lines,
        "the block story is called plot from now on, for test/ann, test/cleo\nwhat listens to story in test listens to plot"
    );
    assert_eq!(world.block(&story()).await.label, "story");
    told(&world, change(&story(), renamed)).await;
    world.send("hello").await;
    assert_eq!(world.asked_of("ann")[0].memory[0].label, "plot");
    world.edit(|value| format!("{value}\n- more")).await;
    let job: Job = world.job_over().await;
    assert_eq!(job.agent(), Some(&agent_id("cleo")), "the trigger fires under the new label");
    let (lines, gone) = told(&world, change(&story(), BlockChange::Delete)).await;
    let first = lines.lines().next().unwrap();
    assert_eq!(first, "the block plot (53 characters) is deleted: test/ann, test/cleo lose it");
    assert!(lines.contains("what listens to plot in test does not fire any more"), "{lines}");
    assert_eq!(gone, None);
    let left: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    assert!(left.shared_blocks.is_empty());
    assert_eq!(world.store().revisions(&story(), None, 9).await.unwrap().len(), 2, "its history stays");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_no_block_can_be_is_refused_with_a_sentence_also_in_a_preview() {
    let world = World::new(Plan { members: &["ann"], ..Plan::default() }).await;
    let (_, notes) = told(&world, create(group(), form("Zoë"), true)).await;
    let notes = notes.unwrap().id;
    for really in [false, true] {
        for (label, why) in [
            ("", "a block needs a label"),
            ("two words", "is not a valid block label"),
            ("story", "the group has a block with the label \"story\" already"),
            (
                "STORY",
                "the group has a block with the label \"story\" already, which differs only in case or in Unicode form",
            ),
            (
                "zoe\u{308}",
                "the group has a block with the label \"Zoë\" already, which differs only in case or in Unicode form",
            ),
            ("st\u{43e}ry", "looks like the block \"story\" beside it"),
        ] {
            let text = refused(&world, create(group(), form(label), really)).await;
            assert!(text.contains(why), "{label}: {text}");
            // Its own label in another form is free.
            if !label.is_empty() && label != "zoe\u{308}" {
                let renamed = BlockChange::Configure { form: form(label) };
                let text = refused(&world, BlockRequest::Change { id: notes.clone(), change: renamed, really }).await;
                assert!(text.contains(why), "{label}: {text}");
            }
        }
        let set =
            |form: BlockForm| BlockRequest::Change { id: story(), change: BlockChange::Configure { form }, really };
        let none = BlockForm::default;
        let text = refused(&world, set(BlockForm { limit: Some(5), ..none() })).await;
        assert!(text.contains("the limit 5 is below its 46 characters"), "{text}");
        let text = refused(&world, set(BlockForm { limit: Some(0), ..none() })).await;
        assert!(text.contains("1 character at the least"), "{text}");
        let text = refused(&world, set(BlockForm { description: Some("x".repeat(2_001)), ..none() })).await;
        assert!(text.contains("2001 characters, and 2000 are the most"), "{text}");
        let text = refused(&world, set(BlockForm { description: Some("a\0b".to_owned()), ..none() })).await;
        assert!(text.contains("its description has a NUL at character 2"), "{text}");
        let text = refused(&world, set(BlockForm { tags: Some(vec![" ".to_owned()]), ..none() })).await;
        assert!(text.contains("is no tag"), "{text}");
        let value = BlockForm { value: Some("a\0".to_owned()), ..form("nul") };
        let text = refused(&world, create(group(), value, really)).await;
        assert!(text.contains("its text has a NUL at character 2, which no text has; remove it"), "{text}");
    }
    let edit = Request::EditBlock { id: story(), base: 1, value: "\0".to_owned(), merge: false };
    assert!(world.ask(edit).await.unwrap_err().text.contains("has a NUL"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_label_of_another_block_of_an_agent_is_refused_wherever_it_would_come_from() {
    let world = World::new(Plan { members: &["ann", "bob"], ..Plan::default() }).await;
    let (_, own) = told(&world, create(agent("ann"), form("mine"), true)).await;
    let renamed = BlockChange::Configure { form: form("Mine") };
    let text = refused(&world, change(&story(), renamed)).await;
    assert!(text.contains("agent ann would have two blocks with the label"), "{text}");
    let text = refused(&world, create(group(), form("mine"), false)).await;
    assert!(text.contains("agent ann would have two blocks with the label"), "{text}");
    told(&world, change(&own.unwrap().id, BlockChange::Attach { to: agent("bob") })).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_made_by_the_form_has_its_first_block() {
    let world = World::new(Plan::default()).await;
    let first = BlockForm { description: Some("What was decided".to_owned()), ..form("decisions") };
    let form = GroupForm {
        name: Some("panel".to_owned()),
        manager_type: Some(ManagerType::RoundRobin),
        add: vec!["eva".to_owned()],
        first_block: Some(Box::new(first)),
        ..GroupForm::default()
    };
    let made = world.ask(Request::CreateGroup { form: Box::new(form.clone()) }).await.unwrap();
    let Reply::Group(panel) = made else { panic!("{made:?}") };
    let block = world.block(&panel.shared_blocks[0]).await;
    assert_eq!((block.label.as_str(), block.description.as_str(), block.version), ("decisions", "What was decided", 1));
    let again = GroupForm { name: None, manager_type: None, add: Vec::new(), ..form };
    let text = world.ask(Request::UpdateGroup { id: panel.id, form: Box::new(again) }).await.unwrap_err().text;
    assert_eq!(text, "panel exists already; create the block by itself");
    world.close().await;
}

const TEAM: &str = r#"
[group]
name = "file"
members = ["ann"]
shared_blocks = ["facts"]

[[block]]
label = "facts"
value = "from the file"

[[agent]]
name = "ann"
"#;

async fn apply(world: &World) -> Vec<String> {
    let read = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let around = ParseContext {
        file: "team.toml",
        base: std::path::Path::new("/"),
        tools: &[],
        read: &read,
        allow_outside: false,
    };
    let now = world.overview().await;
    let existing = Existing::of("file", &now.groups, now.agents, now.blocks);
    let plan = plan(&parse(TEAM, &around).unwrap(), &existing, &world.store().ids().clone(), false).unwrap();
    if !plan.changes.is_empty() {
        world.ask(Request::Apply { changes: plan.changes, read: plan.read }).await.unwrap();
    }
    plan.lines
}

#[tokio::test(start_paused = true)]
async fn applying_a_file_again_keeps_the_blocks_that_were_made_here_and_where_they_are() {
    let world = World::new(Plan::default()).await;
    apply(&world).await;
    let find = async |name: &str| world.overview().await.groups.into_iter().find(|group| group.name == name).unwrap();
    let file = find("file").await;
    let ann = file.members[0].clone();
    let (_, shared) = told(&world, create(Recipient::Group(file.id.clone()), form("by-hand"), true)).await;
    let (_, own) = told(&world, create(Recipient::Agent(ann.clone()), form("diary"), true)).await;
    let (shared, own) = (shared.unwrap().id, own.unwrap().id);
    let lines = apply(&world).await;
    assert!(lines.contains(&"= block by-hand stays: it was made here, not by a file".to_owned()), "{lines:?}");
    assert!(lines.contains(&"= block diary of ann stays: it was made here, not by a file".to_owned()), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "nothing to change");
    let facts = find("file").await.shared_blocks[0].clone();
    assert_eq!(find("file").await.shared_blocks, [facts.clone(), shared.clone()]);
    assert_eq!(world.store().row::<Agent>(ann.as_str()).await.unwrap().unwrap().blocks, [own]);
    // A renamed block is no longer the file's: the file makes its own anew, and both are there.
    let (lines, _) = told(&world, change(&facts, BlockChange::Configure { form: form("truths") })).await;
    assert!(lines.contains("a team file that has a block facts would create it anew"), "{lines}");
    apply(&world).await;
    let blocks = world.overview().await.blocks;
    let labels = |ids: Vec<BlockId>| -> Vec<String> {
        ids.iter().map(|id| blocks.iter().find(|block| block.id == *id).unwrap().label.clone()).collect()
    };
    assert_eq!(labels(find("file").await.shared_blocks), ["facts", "truths", "by-hand"]);
    assert_eq!(apply(&world).await.last().unwrap(), "nothing to change");
    world.close().await;
}

async fn blamed(world: &World, version: Option<u64>) -> Vec<(String, Option<u64>, String)> {
    match asked(world, BlockRequest::Blame { id: story(), version }).await.unwrap() {
        Reply::Blame(blame) => {
            let by = |version| blame.writers.iter().find(|one| Some(one.version) == version).unwrap().editor.name();
            blame.lines.iter().map(|line| (line.text.clone(), line.version, by(line.version).to_owned())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_history_tells_who_wrote_each_line_in_which_turn_and_what_each_agent_knew() {
    let script =
        Script::of([When::agent("ann").step(1).turn(1).inserts("story", "- from ann")]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann", "bob"], ..Plan::default() }).await;
    let run = world.send("note it").await;
    world.edit(|value| value.replace("some time in spring", "9 May")).await;
    let lines = blamed(&world, None).await;
    let expected = [
        ("The story so far", Some(1), "team file"),
        ("- Launch: 9 May", Some(3), "you"),
        ("- from ann", Some(2), "ann"),
    ];
    let expected = expected.map(|(text, version, by)| (text.to_owned(), version, by.to_owned()));
    assert_eq!(lines, expected);
    assert_eq!(blamed(&world, Some(1)).await[1].1, Some(1));
    let text = refused(&world, BlockRequest::Blame { id: story(), version: Some(9) }).await;
    assert_eq!(text, "the block has no version 9; its newest is v3");

    let edit = world.store().revision(&story(), 2).await.unwrap().unwrap();
    let Reply::RevisionCauses { causes } =
        asked(&world, BlockRequest::Causes { runs: vec![edit.run.unwrap()] }).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((causes[0].seq, causes[0].conversation.as_ref()), (1, Some(&run.conversation)));

    let seen = async |seq| match asked(&world, BlockRequest::Seen { conversation: run.conversation.clone(), seq }).await
    {
        Ok(Reply::SeenBlocks(seen)) => {
            let block = &seen.blocks[0];
            Ok((seen.seq, seen.name, block.version, block.value.as_ref().unwrap().contains("from ann"), block.now))
        }
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.text),
    };
    let messages = world.messages(&run.conversation).await;
    let of = |name: &str| messages.iter().rfind(|message| message.name == name).unwrap().seq;
    assert_eq!(seen(1).await.unwrap(), (2, "ann".to_owned(), 1, false, Some(3)), "the step that answers the message");
    assert_eq!(seen(of("ann")).await.unwrap(), (of("ann"), "ann".to_owned(), 2, true, Some(3)));
    assert_eq!(seen(of("bob")).await.unwrap(), (of("bob"), "bob".to_owned(), 2, true, Some(3)));
    assert_eq!(seen(99).await.unwrap_err(), "there is no message 99 in this conversation");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_restored_as_a_new_one_only_over_the_version_that_was_seen() {
    let world = World::new(Plan::default()).await;
    let first = world.block(&story()).await.value;
    world.edit(|_| "all new".to_owned()).await;
    let restore = |version, base| BlockRequest::Restore { id: story(), version, base };
    let fault = asked(&world, restore(1, 1)).await.unwrap_err();
    assert!(fault.conflict.is_some(), "{fault:?}");
    assert_eq!(refused(&world, restore(7, 2)).await, "block story has no version 7; its newest is v2");
    assert_eq!(refused(&world, restore(2, 2)).await, "block story reads as in v2 already");
    asked(&world, restore(1, 2)).await.unwrap();
    let block = world.block(&story()).await;
    assert_eq!((block.version, &block.value), (3, &first));
    let revision = world.store().revision(&story(), 3).await.unwrap().unwrap();
    assert_eq!((revision.reason.as_str(), revision.editor), ("restored v1", Editor::Person(PersonId::local())));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_history_is_read_in_pages_and_no_further_than_it_has_to_be() {
    let world = World::new(Plan::default()).await;
    let large = |at: u64| format!("first\n{at}\n{}", "x".repeat(15_000));
    for at in 0..320 {
        world.edit(|_| large(at)).await;
    }
    let page = world.ask(Request::Revisions { block: story(), before: None, limit: 10_000 }).await.unwrap();
    let Reply::Revisions { revisions } = page else { panic!("{page:?}") };
    let bytes: usize = revisions.iter().map(|one| one.what.value.len()).sum();
    assert!(bytes <= 4 << 20 && revisions.len() > 200 && revisions.len() < 320, "{bytes} in {}", revisions.len());
    assert_eq!(revisions[0].what.version, 321);
    let lines = blamed(&world, None).await;
    assert_eq!(lines.iter().map(|(_, version, _)| version.unwrap()).collect::<Vec<_>>(), [2, 321, 2]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_jobs_edits_name_their_job_as_their_cause() {
    let script = Script::of([When::in_job().step(1).inserts("story", "- by the job"), When::in_job().finishes()]);
    let plan = Plan {
        script: script.otherwise("{agent} speaks"),
        members: &["ann"],
        background: &["cleo"],
        every_turns: Some(1),
        ..Plan::default()
    };
    let world = World::new(plan).await;
    world.send("hello").await;
    let job = world.job_over().await;
    let edit = world.store().revision(&story(), 2).await.unwrap().unwrap();
    let causes = asked(&world, BlockRequest::Causes { runs: vec![edit.run.unwrap()] }).await.unwrap();
    let Reply::RevisionCauses { causes } = causes else { panic!() };
    assert_eq!((causes[0].job.as_ref(), causes[0].conversation.as_ref()), (Some(&job.id), None));
    let undone = world.ask(Request::UndoJob { id: job.id, clashes: OnClash::Ask }).await.unwrap();
    assert!(matches!(undone, Reply::JobUndone { .. }));
    world.close().await;
}
