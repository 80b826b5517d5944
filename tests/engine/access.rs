//! What agents may do with blocks: who reads, who edits, who asks for more, and what stays on this machine.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use nightdesk::testing::config::Config;
use nightdesk::testing::domain::block::{Grantee, Level};
use nightdesk::testing::domain::{
    Actor, Agent, Block, BlockOwner, Change, Commit, Conflict, Editor, PendingCall, PendingKind, Revision, RunState,
};
use nightdesk::testing::engine::protocol::{BlockChange, BlockForm, BlockRequest, Recipient, Reply, Request};
use nightdesk::testing::llm::{ChatModel, Delta, Done, ModelError, Prompt, PromptMessage};
use nightdesk::testing::store::{CommitError, Lane};
use serde_json::json;

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};
use crate::support::script::{Script, When};

async fn grant(world: &World, who: Grantee, level: Option<Level>) -> Vec<String> {
    let change = BlockChange::Access { who, level, reason: "because".to_owned() };
    let request = BlockRequest::Change { id: story(), change, really: true };
    match world.ask(Request::Block(Box::new(request))).await.unwrap() {
        Reply::BlockChanged { lines, .. } => lines,
        other => panic!("{other:?}"),
    }
}

fn agent(name: &str) -> Grantee {
    Grantee::Agent(agent_id(name))
}

/// The results of its calls that an agent has read, in order.
fn results(prompt: &Prompt) -> Vec<(bool, String)> {
    let results = prompt.entries.iter().filter_map(|entry| match entry {
        PromptMessage::ToolResult { ok, text, .. } => Some((*ok, text.clone())),
        _ => None,
    });
    results.collect()
}

fn has_tool(prompt: &Prompt, name: &str) -> bool {
    prompt.tools.iter().any(|tool| tool.name == name)
}

async fn waiting(world: &World) -> PendingCall {
    world
        .when(async |world| {
            let calls = world.overview().await.calls;
            calls.into_iter().find(|call| call.is_open() && call.kind == PendingKind::Approval)
        })
        .await
}

async fn decide(world: &World, call: &PendingCall, approve: bool, reason: &str) {
    let (step, ordinal, reason) = (call.step.clone(), call.ordinal, reason.to_owned());
    world.ask(Request::Decide { step, ordinal, approve, for_run: true, reason }).await.unwrap();
}

fn asks(name: &str, level: &str) -> When {
    When::agent(name)
        .step(1)
        .call("request_block_access", json!({"label": "Story", "level": level, "reason": "to note dates"}))
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_a_block_does_not_see_it_and_who_may_not_edit_it_is_told_how_to_ask() {
    let script = Script::of([When::any().step(1).turn(1).inserts("story", "- a line")]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, ..Plan::default() }).await;
    assert_eq!(
        grant(&world, Grantee::Everybody, Some(Level::None)).await,
        [
            "everybody may not read it: the block story",
            "test/ann may not read it from now on",
            "test/bob may not read it from now on",
            "test/cid may not read it from now on"
        ]
    );
    grant(&world, agent("cid"), Some(Level::Read)).await;
    grant(&world, agent("ann"), Some(Level::ReadWrite)).await;
    world.send("note it").await;
    let first = |name: &str| world.asked_of(name).remove(0);
    assert!(first("bob").memory.is_empty());
    assert_eq!(first("ann").memory.iter().map(|block| block.read_only).collect::<Vec<_>>(), [false]);
    assert_eq!(first("cid").memory.iter().map(|block| block.read_only).collect::<Vec<_>>(), [true]);
    let asks = |name: &str| has_tool(&first(name), "request_block_access");
    assert_eq!((asks("ann"), asks("bob"), asks("cid")), (false, true, true));
    let told = |name: &str| results(&world.asked_of(name)[1]).remove(0);
    assert!(told("ann").0);
    let expected = "not shown: you may not read block story; if you need it, call request_block_access and say why";
    assert_eq!(told("bob"), (false, expected.to_owned()));
    let (ok, text) = told("cid");
    assert!(!ok && text.starts_with("memory_insert: you may read block story and not edit it"), "{text}");
    let block = world.block(&story()).await;
    assert_eq!((block.version, block.editor.name()), (2, "ann"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn no_commit_goes_around_the_access_of_a_block() {
    let world = World::new(Plan::default()).await;
    let edit = async |name: &str, calls: Vec<u32>| {
        let block = world.block(&story()).await;
        let revision = Revision {
            block: story(),
            version: block.version + 1,
            value: format!("by {name}"),
            editor: Editor::Agent { id: agent_id(name), name: name.to_owned(), job: None },
            run: None,
            step: None,
            calls,
            reason: "memory_rethink".to_owned(),
        };
        let commit = Commit::new(Actor::Engine, vec![Change::BlockEdited(revision)]);
        match world.store().commit(Lane::Foreground, commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(conflict)) => Err(conflict),
            Err(fault) => panic!("{fault}"),
        }
    };
    grant(&world, agent("bob"), Some(Level::Read)).await;
    grant(&world, agent("cid"), Some(Level::None)).await;
    assert_eq!(edit("ann", Vec::new()).await, Ok(()));
    let text = |name: &str| match name {
        "bob" => "bob may read block story and not edit it",
        "cid" => "cid may not read block story",
        _ => "eve is no agent of this store",
    };
    for name in ["bob", "cid", "eve"] {
        assert_eq!(edit(name, Vec::new()).await, Err(Conflict::refused(text(name))));
    }
    // Of a step, only the call that edits is refused.
    assert!(matches!(edit("bob", vec![3]).await, Err(Conflict::Call { ordinal: 3, .. })));
    let not_admin = Change::BlockAccessSet {
        id: story(),
        who: agent("bob"),
        level: Some(Level::Admin),
        before: None,
        by: Some(agent_id("ann")),
        reason: String::new(),
    };
    let commit = Commit::new(Actor::Engine, vec![not_admin]);
    let refused = world.store().commit(Lane::Foreground, commit).await.unwrap_err().to_string();
    assert!(refused.contains("ann is no admin of block story and cannot set its access"), "{refused}");
    // A block that an agent does not have is none of its blocks, whatever its rules say.
    let detach = BlockRequest::Change {
        id: story(),
        change: BlockChange::Detach { from: Recipient::Group(group_id()) },
        really: true,
    };
    world.ask(Request::Block(Box::new(detach))).await.unwrap();
    assert_eq!(edit("ann", Vec::new()).await, Err(Conflict::refused("ann may not read block story")));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_person_and_the_yes_is_the_access_until_it_is_revoked() {
    let script = Script::of([
        asks("ann", "read_write").turn(1),
        When::agent("ann").step(2).turn(1).inserts("story", "- from ann"),
        When::agent("ann").step(1).turn(2).inserts("story", "- again"),
    ]);
    let plan = Plan { script: script.otherwise("{agent} speaks"), members: &["ann", "bob"], ..Plan::default() };
    let world = World::new(plan).await;
    grant(&world, agent("ann"), Some(Level::None)).await;
    let run = world.post("note it").await;
    let call = waiting(&world).await;
    assert_eq!((call.name.as_str(), &call.arguments["reason"]), ("request_block_access", &json!("to note dates")));
    let world = world.restart().await;
    world.in_state(&run, RunState::Parked).await;
    decide(&world, &call, true, "").await;
    world.finished(&run).await;
    let asked = world.asked_of("ann");
    assert!(asked[0].memory.is_empty());
    assert_eq!(results(&asked[1]), [(true, "block Story: you may read and edit it".to_owned())]);
    assert_eq!(asked[1].memory[0].label, "story");
    assert_eq!(world.block(&story()).await.version, 2);
    let log = world.store().log(0, 10_000).await.unwrap();
    let set = log.iter().rev().find_map(|entry| match &entry.change {
        Change::BlockAccessSet { level, by, reason, .. } => {
            Some((*level, by.clone(), reason.clone(), entry.by.clone()))
        }
        _ => None,
    });
    let (level, by, reason, actor) = set.unwrap();
    assert_eq!((level, by, reason.as_str()), (Some(Level::ReadWrite), None, "asked for it: to note dates"));
    assert!(matches!(actor, Actor::Person(_)));
    // What it wrote and read before is taken out of its prompts with the access.
    let lines = grant(&world, agent("ann"), Some(Level::None)).await;
    assert_eq!(lines[1], "test/ann may not read it from now on");
    world.send("go on").await;
    let last = world.asked_of("ann").pop().unwrap();
    assert!(last.memory.is_empty());
    let all = format!("{:?}", last.entries);
    assert!(!all.contains("from ann") && !all.contains("Launch"), "{all}");
    assert_eq!(world.block(&story()).await.version, 2);
    assert_eq!(
        grant(&world, agent("ann"), None).await,
        ["the rule about test/ann is removed from the block story", "test/ann may read and edit it from now on"]
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_denied_or_makes_no_sense_is_answered_with_a_sentence() {
    let script = Script::of([
        asks("ann", "admin").turn(1),
        When::agent("bob")
            .step(1)
            .turn(1)
            .call("request_block_access", json!({"label": "plot", "level": "read", "reason": "x"})),
    ]);
    let plan = Plan { script: script.otherwise("{agent} speaks"), members: &["ann", "bob"], ..Plan::default() };
    let world = World::new(plan).await;
    grant(&world, Grantee::Everybody, Some(Level::Read)).await;
    let run = world.post("go").await;
    let call = waiting(&world).await;
    decide(&world, &call, false, "it is not yours").await;
    world.finished(&run).await;
    let told = |name: &str| results(&world.asked_of(name)[1]);
    assert_eq!(told("ann"), [(false, "not called: the user said no: it is not yours".to_owned())]);
    let none = "request_block_access: you have no block \"plot\"; your blocks: story";
    assert_eq!(told("bob"), [(false, none.to_owned())]);
    assert_eq!(world.block(&story()).await.access.len(), 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_block_that_is_gone_cannot_be_granted_and_can_be_denied() {
    let plan = Plan { script: Script::of([asks("ann", "read")]), members: &["ann"], ..Plan::default() };
    let world = World::new(plan).await;
    grant(&world, agent("ann"), Some(Level::None)).await;
    let run = world.post("go").await;
    let call = waiting(&world).await;
    let delete = BlockRequest::Change { id: story(), change: BlockChange::Delete, really: true };
    world.ask(Request::Block(Box::new(delete))).await.unwrap();
    let (step, ordinal) = (call.step.clone(), call.ordinal);
    let yes = Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() };
    let text = world.ask(yes).await.unwrap_err().text;
    assert_eq!(text, "there is no block \"Story\" to give access to; deny the request");
    decide(&world, &call, false, "").await;
    world.finished(&run).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_admin_of_a_block_answers_the_request_of_another_agent() {
    let script = Script::of([
        asks("ann", "read"),
        When::in_job().step(1).call(
            "set_block_access",
            json!({"label": "story", "agent": "ann", "level": "read_write", "reason": "she edits"}),
        ),
        When::in_job().finishes(),
    ]);
    let plan = Plan {
        script: script.otherwise("{agent} speaks"),
        members: &["ann", "bob"],
        background: &["cleo"],
        every_turns: Some(1),
        ..Plan::default()
    };
    let world = World::new(plan).await;
    // A first turn, which gives the job something to read.
    world.ask(Request::Send { to: Recipient::Group(group_id()), text: "@bob hello".to_owned() }).await.unwrap();
    world.job_over().await;
    grant(&world, Grantee::Everybody, Some(Level::None)).await;
    grant(&world, agent("cleo"), Some(Level::Admin)).await;
    let run = world.post("go").await;
    waiting(&world).await;
    let job = Request::RunJob { agent: agent_id("cleo"), group: group_id(), instruction: None };
    world.ask(job).await.unwrap();
    world.finished(&run).await;
    let asked = world.asked_of("ann");
    assert_eq!(results(asked.last().unwrap()), [(true, "block Story: you may read and edit it".to_owned())]);
    let prompts = world.asked_of("cleo");
    assert!(has_tool(prompts.last().unwrap(), "set_block_access") && !has_tool(&asked[0], "set_block_access"));
    let rule = world.block(&story()).await.access.into_iter().find(|rule| rule.who == agent("ann"));
    assert_eq!(rule.unwrap().level, Level::ReadWrite);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_to_an_agent_without_the_block_gives_it_the_block() {
    let world = World::new(Plan { members: &["ann", "bob"], ..Plan::default() }).await;
    let form = BlockForm { label: Some("diary".to_owned()), ..BlockForm::default() };
    let owner = Recipient::Agent(agent_id("ann"));
    let made = BlockRequest::Create { owner, form, really: true };
    let Reply::BlockChanged { block: Some(diary), .. } = world.ask(Request::Block(Box::new(made))).await.unwrap()
    else {
        panic!()
    };
    let change = BlockChange::Access { who: agent("bob"), level: Some(Level::Read), reason: String::new() };
    let request = BlockRequest::Change { id: diary.id.clone(), change, really: true };
    let Reply::BlockChanged { lines, .. } = world.ask(Request::Block(Box::new(request))).await.unwrap() else {
        panic!()
    };
    assert_eq!(lines, ["test/bob has the block diary from now on, and may read it"]);
    let bob: Agent = world.store().row(agent_id("bob").as_str()).await.unwrap().unwrap();
    assert_eq!(bob.blocks, [diary.id]);
    world.close().await;
}

fn elsewhere() -> Config {
    Config::parse(
        "[provider.cloud]\nkind = \"openai\"\nbase_url = \"https://models.example/v1\"\n\
         [provider.here]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n",
        "config.toml",
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_text_of_a_block_that_is_kept_here_goes_to_no_model_elsewhere_whatever_it_was_used_for() {
    let script = Script::of([
        When::agent("ann").step(1).turn(1).replaces("story", "some time in spring", "secretly in May"),
        When::agent("bob").step(1).turn(1).inserts("story", "- from bob"),
    ]);
    let world = World::new(Plan {
        script: script.otherwise("{agent} speaks"),
        members: &["ann", "bob"],
        also: &["cloud/m", "here/m"],
        config: elsewhere(),
        ..Plan::default()
    })
    .await;
    let local = BlockForm { local_only: Some(true), ..BlockForm::default() };
    let request = BlockRequest::Change { id: story(), change: BlockChange::Configure { form: local }, really: true };
    world.ask(Request::Block(Box::new(request))).await.unwrap();
    let set = async |name: &str, model: &str| {
        let agent: Agent = world.store().row(agent_id(name).as_str()).await.unwrap().unwrap();
        world.apply(vec![Change::AgentPut(Agent { model: Some(model.to_owned()), ..agent })]).await.unwrap();
    };
    set("ann", "here/m").await;
    set("bob", "cloud/m").await;
    world.send("note it").await;
    assert!(world.asked_of("ann")[0].memory[0].value.contains("Launch"), "a model on this machine gets it");
    let bob = world.asked_of("bob");
    let told = &bob[0].memory[0];
    assert_eq!((told.label.as_str(), told.kept_here, told.description.as_str()), ("story", true, ""));
    assert!(told.value.contains("stays on the user's machine"), "{}", told.value);
    let (ok, text) = results(&bob[1]).remove(0);
    assert!(!ok && text.contains("stays on the user's machine, and your model runs elsewhere"), "{text}");
    assert_eq!(world.block(&story()).await.version, 2, "ann's edit, and not bob's");
    // Another model of ann does not get what she wrote and read before.
    set("ann", "cloud/m").await;
    world.send("go on").await;
    for prompt in world.asked().iter().filter(|prompt| prompt.model == "m").skip(2) {
        let kept = prompt.memory.iter().all(|block| block.kept_here);
        if kept {
            let all = format!("{prompt:?}");
            assert!(!all.contains("Launch") && !all.contains("secretly in May"), "{all}");
        }
    }
    let last = world.asked_of("ann").pop().unwrap();
    assert!(last.memory[0].kept_here && format!("{:?}", last.entries).contains("not shown"));
    let steps = world.store().log(0, 10_000).await.unwrap().into_iter().filter_map(|entry| match entry.change {
        Change::StepFinished(step) => Some((step.model, step.saw.len())),
        _ => None,
    });
    for (model, saw) in steps {
        assert_eq!(saw, usize::from(model == "here/m"), "{model}");
    }
    world.close().await;
}

/// Fails under the name `own`, and speaks under any other.
struct Fails;

impl ChatModel for Fails {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        let answer = if prompt.model == "own" {
            vec![Err(ModelError::transient("it is out of order"))]
        } else {
            vec![Ok(Delta::Text("I answer instead.".to_owned())), Ok(Delta::Done(Done::default()))]
        };
        futures::stream::iter(answer).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_model_elsewhere_does_not_get_what_the_agents_own_model_here_got() {
    let world = World::new(Plan {
        chat: Some(Arc::new(Fails)),
        members: &["ann"],
        also: &["cloud/other", "here/own"],
        config: elsewhere(),
        ..Plan::default()
    })
    .await;
    let local = BlockForm { local_only: Some(true), ..BlockForm::default() };
    let request = BlockRequest::Change { id: story(), change: BlockChange::Configure { form: local }, really: true };
    world.ask(Request::Block(Box::new(request))).await.unwrap();
    let ann: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let (model, fallback_models) = (Some("here/own".to_owned()), vec!["cloud/other".to_owned()]);
    world.apply(vec![Change::AgentPut(Agent { model, fallback_models, ..ann })]).await.unwrap();
    world.send("hello").await;
    let asked = world.asked_of("ann");
    let kept = |model: &str| -> Vec<bool> {
        asked.iter().filter(|prompt| prompt.model == model).map(|prompt| prompt.memory[0].kept_here).collect()
    };
    assert!(!kept("own").is_empty() && kept("own").iter().all(|kept| !kept));
    assert_eq!(kept("other"), [true]);
    assert!(!format!("{:?}", asked.last().unwrap().memory).contains("Launch"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_owned_by_an_agent_is_in_no_job_of_another_that_its_change_causes() {
    let trigger = nightdesk::testing::domain::When::BlockChanged { label: "diary".to_owned(), any: false }.into();
    let plan = Plan {
        script: Script::of([When::in_job().finishes()]).otherwise("{agent} speaks"),
        members: &["ann"],
        background: &["cleo"],
        triggers: vec![trigger],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let diary = Block {
        value: "dear diary".to_owned(),
        label: "diary".to_owned(),
        id: "block-diary".into(),
        owner: BlockOwner::Agent(agent_id("ann")),
        ..world.block(&story()).await
    };
    let ann: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let ann = Agent { blocks: vec![diary.id.clone()], ..ann };
    world.apply(vec![Change::BlockCreated(diary.clone()), Change::AgentPut(ann)]).await.unwrap();
    world.send("hello").await;
    let edit = Request::EditBlock { id: diary.id, base: 1, value: "dear diary, a secret".to_owned(), merge: false };
    world.ask(edit).await.unwrap();
    world.job_over().await;
    let job = format!("{:?}", world.asked_of("cleo"));
    assert!(job.contains("The block diary was changed by you; you may not read it."), "{job}");
    assert!(!job.contains("a secret") && !job.contains("dear diary"), "{job}");
    world.close().await;
}
