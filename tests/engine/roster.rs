//! Groups and agents made, changed and deleted while the engine works.

use std::collections::BTreeMap;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    Actor, Agent, AgentId, Basis, Block, BlockOwner, Change, Commit, Conversation, Group, GroupId, JobState,
    ManagerType, MessageQuery, PersonId, RunState, StopReason, TerminationCondition,
};
use nightdesk::testing::engine::protocol::{AgentForm, GroupForm, Recipient, Reply, Request, RequestError};
use nightdesk::testing::store::Lane;
use serde_json::{Value, json};

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};

async fn update(world: &World, form: GroupForm) -> Result<Group, RequestError> {
    match world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await? {
        Reply::Group(group) => Ok(*group),
        other => panic!("{other:?}"),
    }
}

async fn create(world: &World, form: GroupForm) -> Result<Group, RequestError> {
    match world.ask(Request::CreateGroup { form: Box::new(form) }).await? {
        Reply::Group(group) => Ok(*group),
        other => panic!("{other:?}"),
    }
}

async fn hire(world: &World, name: &str) -> Agent {
    let script = world.store().row::<Agent>(agent_id("ann").as_str()).await.unwrap().unwrap().model.unwrap();
    let form = AgentForm { name: Some(name.to_owned()), ..AgentForm::default() }.set("model", script);
    match world.ask(Request::CreateAgent { group: group_id(), form: Box::new(form) }).await.unwrap() {
        Reply::Agent(agent) => *agent,
        other => panic!("{other:?}"),
    }
}

async fn delete(world: &World, what: Recipient, really: bool) -> Result<Vec<String>, RequestError> {
    match world.ask(Request::Delete { what, really }).await? {
        Reply::Deletion { lines, done } => {
            assert_eq!(done, really);
            Ok(lines)
        }
        other => panic!("{other:?}"),
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn somebody_new_in_a_sleeptime_group_works_in_the_background() {
    let plan = Plan {
        manager_type: ManagerType::Sleeptime,
        manager: Some("ann"),
        members: &[],
        background: &["zoe"],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let hired = hire(&world, "dan").await;
    let group = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
    assert_eq!((group.members.len(), group.in_background(&hired.id)), (0, true));
}

#[tokio::test(start_paused = true)]
async fn an_empty_group_and_one_of_nobody_known_are_refused_and_leave_nothing() {
    let world = World::new(Plan::default()).await;
    let head = *world.store().head().borrow();
    let form = || GroupForm {
        name: Some("empty".to_owned()),
        manager_type: Some(ManagerType::RoundRobin),
        ..GroupForm::default()
    };
    let fault = create(&world, form()).await.unwrap_err();
    assert!(fault.text.contains("needs at least one member"), "{fault}");
    let fault = create(&world, form().set("members", names(&["new", "test/anm"]))).await.unwrap_err();
    assert!(fault.text.contains("did you mean test/ann?"), "{fault}");
    let all = GroupForm { remove: names(&["ann", "bob", "cid"]), ..GroupForm::default() };
    let fault = update(&world, all).await.unwrap_err();
    assert!(fault.text.contains("needs at least one member"), "{fault}");
    assert_eq!(*world.store().head().borrow(), head, "nothing was committed");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_the_persons_or_against_the_rule_is_refused_wherever_it_is_given() {
    let world = World::new(Plan::default()).await;
    let head = *world.store().head().borrow();
    let group = |name: &str, member: &str| {
        GroupForm { name: Some(name.to_owned()), manager_type: Some(ManagerType::Dynamic), ..GroupForm::default() }
            .set("members", names(&[member, "dan"]))
            .set("manager_agent", "host")
    };
    let long = "x".repeat(300);
    for (name, why) in [
        ("you", "means the user"),
        ("User", "means the user"),
        ("done", "ends the turn"),
        ("a:b", "use letters, digits, - and _"),
        ("ann.", "use letters, digits, - and _"),
        ("DONE!", "use letters, digits, - and _"),
        (long.as_str(), "it has 300 characters, and 64 are the most"),
    ] {
        let form = AgentForm { name: Some(name.to_owned()), ..AgentForm::default() };
        let made = world.ask(Request::CreateAgent { group: group_id(), form: Box::new(form.clone()) }).await;
        let renamed = world.ask(Request::UpdateAgent { id: agent_id("ann"), form: Box::new(form) }).await;
        let agent = Agent::new(AgentId::from("agent-new"), name, group_id());
        let applied = world.apply(vec![Change::AgentPut(agent)]).await;
        for fault in [made.unwrap_err(), renamed.unwrap_err(), applied.unwrap_err()] {
            assert!(fault.text.contains(why) && fault.text.len() < 200, "{name}: {fault}");
        }
        let fault = create(&world, group("panel", name)).await.unwrap_err();
        assert!(fault.text.contains(why), "{name}: {fault}");
    }
    let fault = create(&world, group("a:b", "dee")).await.unwrap_err();
    assert!(fault.text.contains("is not a valid name for a group"), "{fault}");
    let fault = create(&world, group("panel", "READY").set("termination_token", "READY")).await.unwrap_err();
    assert!(fault.text.contains("\"READY\" ends the turn of group panel"), "{fault}");
    assert_eq!(*world.store().head().borrow(), head, "nothing was committed");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_an_older_store_keeps_its_name_and_can_be_changed() {
    let world = World::new(Plan::default()).await;
    let ann = world.store().row::<Agent>(agent_id("ann").as_str()).await.unwrap().unwrap();
    let older = [("ann", "a:b"), ("bob", "you")];
    let older =
        older.map(|(id, name)| Change::AgentPut(Agent { id: agent_id(id), name: name.to_owned(), ..ann.clone() }));
    world
        .store()
        .commit(Lane::Foreground, Commit::new(Actor::Person(PersonId::local()), older.to_vec()))
        .await
        .unwrap();
    world.send("hello").await;
    let form = AgentForm::default().set("description", "asks");
    assert!(world.ask(Request::UpdateAgent { id: agent_id("bob"), form: Box::new(form) }).await.is_ok());
    let form = GroupForm::default().set("description", "talks");
    assert_eq!(update(&world, form).await.unwrap().description, "talks");
    let form = AgentForm { name: Some("a.b".to_owned()), ..AgentForm::default() };
    assert!(world.ask(Request::UpdateAgent { id: agent_id("ann"), form: Box::new(form) }).await.is_err());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_and_its_new_agents_are_one_commit_and_others_join_by_reference() {
    let world = World::new(Plan::default()).await;
    let form =
        GroupForm { name: Some("panel".to_owned()), manager_type: Some(ManagerType::Dynamic), ..GroupForm::default() };
    let form = form.set("members", names(&["dee", "test/ann"])).set("manager_agent", "host");
    let form = form.set("roles", BTreeMap::from([("dee".to_owned(), "asks".to_owned())]));
    let form = form.set("terminate", TerminationCondition::Speaker(AgentId::from("dee")));
    let head = *world.store().head().borrow();
    let panel = create(&world, form).await.unwrap();
    assert_eq!(*world.store().head().borrow(), head + 4, "two agents, the group, and the way back");
    let agents = world.overview().await.agents;
    let name = |id: &AgentId| agents.iter().find(|agent| agent.id == *id).unwrap().name.clone();
    assert_eq!(panel.members.iter().map(name).collect::<Vec<_>>(), ["dee", "ann"]);
    assert_eq!(panel.members[1], agent_id("ann"));
    assert_eq!(name(panel.manager_agent.as_ref().unwrap()), "host");
    assert_eq!(panel.roles.get(&panel.members[0]).unwrap(), "asks");
    assert_eq!(
        panel.terminate,
        Some(TerminationCondition::Speaker(panel.members[0].clone())),
        "a name becomes the agent"
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_manager_type_is_fixed_after_creation() {
    let world = World::new(Plan::default()).await;
    let form = GroupForm { manager_type: Some(ManagerType::Dynamic), remove: names(&["ann"]), ..GroupForm::default() };
    let form = form.set("manager_agent", "ann");
    let fault = update(&world, form).await.unwrap_err();
    assert!(fault.text.contains("round_robin and cannot change"), "{fault}");
    let same = GroupForm { manager_type: Some(ManagerType::RoundRobin), ..GroupForm::default() };
    let head = *world.store().head().borrow();
    update(&world, same).await.unwrap();
    assert_eq!(*world.store().head().borrow(), head, "nothing to change is no commit");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn nought_and_none_take_a_setting_away_and_what_is_not_named_stays() {
    let world = World::new(Plan { background: &["keeper"], every_turns: Some(3), ..Plan::default() }).await;
    let set = GroupForm::default().set("max_turns", 2).set("description", "talks");
    let set = set.set("terminate", TerminationCondition::Text("done".to_owned()));
    update(&world, set).await.unwrap();
    let cleared = update(&world, GroupForm::default().set("max_turns", 0)).await.unwrap();
    assert_eq!(cleared.max_turns, None);
    assert_eq!((cleared.description.as_str(), cleared.terminate.is_some()), ("talks", true));
    let none = GroupForm::default().clear("terminate").clear("every_turns");
    let cleared = update(&world, none).await.unwrap();
    assert_eq!((cleared.terminate, cleared.sleeptime.unwrap().every_turns), (None, None));
    let gone = update(&world, GroupForm::default().set("background", Vec::new())).await.unwrap();
    assert_eq!(gone.sleeptime, None, "the policy goes with its agents");
    let form = AgentForm::default().set("max_steps", 0).clear("model");
    let asked = Request::UpdateAgent { id: agent_id("ann"), form: Box::new(form) };
    let Reply::Agent(ann) = world.ask(asked).await.unwrap() else { panic!("no agent") };
    assert_eq!((ann.max_steps, ann.model), (None, None));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_gets_no_tool_that_there_is_not() {
    let world = World::new(Plan::default()).await;
    let form = AgentForm::default().set("tools", names(&["memory_insrt"]));
    let asked = Request::UpdateAgent { id: agent_id("ann"), form: Box::new(form) };
    let refused = world.ask(asked).await.unwrap_err().text;
    assert_eq!(refused, "there is no tool \"memory_insrt\"; did you mean memory_insert?");
    world.close().await;
}

fn slow() -> Script {
    Script::of([]).or(When::any().text("{agent} speaks").chunk(4).delay_ms(1_000))
}

#[tokio::test(start_paused = true)]
async fn a_member_added_while_a_turn_runs_speaks_from_the_next_evaluation() {
    let world = World::new(Plan { script: slow(), members: &["ann", "bob"], ..Plan::default() }).await;
    let run = world.post("hello").await;
    world.speaking("bob").await;
    hire(&world, "dee").await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    let spoken = world.transcript().await;
    assert_eq!(spoken, ["user: hello", "ann: ann speaks", "bob: bob speaks", "dee: dee speaks"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_while_a_turn_runs_does_not_speak_and_loses_its_role() {
    let world = World::new(Plan { script: slow(), ..Plan::default() }).await;
    let role = |name: &str| BTreeMap::from([(name.to_owned(), "sums up".to_owned())]);
    update(&world, GroupForm::default().set("roles", role("cid"))).await.unwrap();
    let run = world.post("hello").await;
    world.speaking("ann").await;
    let left = update(&world, GroupForm { remove: names(&["cid"]), ..GroupForm::default() }).await.unwrap();
    assert_eq!((left.members, left.roles.len()), (vec![agent_id("ann"), agent_id("bob")], 0));
    world.finished(&run).await;
    assert_eq!(world.transcript().await, ["user: hello", "ann: ann speaks", "bob: bob speaks"]);
    let fault = update(&world, GroupForm::default().set("roles", role("cid"))).await.unwrap_err();
    assert!(fault.text.contains("no agent named \"cid\"; its agents are ann, bob"), "{fault}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn shared_blocks_reach_a_member_added_later_and_are_taken_back_when_it_leaves() {
    let world = World::new(Plan::default()).await;
    let dee = hire(&world, "dee").await;
    world.send("hello").await;
    let labels = |world: &World| {
        let asked = world.asked_of("dee").pop().unwrap();
        asked.memory.iter().map(|block| block.label.clone()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&world), ["story"]);
    update(&world, GroupForm { remove: names(&["dee"]), ..GroupForm::default() }).await.unwrap();
    let to = Recipient::Agent(dee.id);
    let Reply::Sent { run, .. } = world.ask(Request::Send { to, text: "and now?".to_owned() }).await.unwrap() else {
        panic!("not sent")
    };
    world.finished(&run).await;
    assert_eq!(labels(&world), Vec::<String>::new());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_of_another_group_or_of_its_agents_is_shared_with_nobody() {
    let world = World::new(Plan::default()).await;
    let panel = entangle(&world).await;
    let dee = world.overview().await.agents.into_iter().find(|agent| agent.name == "dee").unwrap();
    let story = world.block(&story()).await;
    let owners = [
        ("of-panel", BlockOwner::Group(panel)),
        ("of-dee", BlockOwner::Agent(dee.id)),
        ("of-bob", BlockOwner::Agent(agent_id("bob"))),
    ];
    let made = owners.map(|(label, owner)| {
        let id = format!("block-{label}").as_str().into();
        Change::BlockCreated(Block { id, label: label.to_owned(), owner, ..story.clone() })
    });
    world.apply(made.to_vec()).await.unwrap();
    for (label, at_home) in [("of-panel", false), ("of-dee", false), ("of-bob", true)] {
        let shared = update(&world, GroupForm::default().set("shared_blocks", names(&[label]))).await.map(drop);
        let form = Box::new(AgentForm::default().set("blocks", names(&[label])));
        let attached = world.ask(Request::UpdateAgent { id: agent_id("ann"), form }).await.map(drop);
        for given in [shared, attached] {
            let refused = given.err().map(|fault| fault.text);
            let unknown = |text: &String| text.starts_with(&format!("test has no block {label:?}"));
            assert!(if at_home { refused.is_none() } else { refused.as_ref().is_some_and(unknown) }, "{refused:?}");
        }
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn two_edits_of_one_group_at_once_both_hold() {
    let world = World::new(Plan::default()).await;
    let describe = GroupForm::default().set("description", "talks");
    let limit = GroupForm::default().set("max_turns", 2);
    let (one, other, _) = tokio::join!(update(&world, describe), update(&world, limit), hire(&world, "dee"));
    assert!(one.is_ok() && other.is_ok());
    let group = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
    assert_eq!((group.description.as_str(), group.max_turns, group.members.len()), ("talks", Some(2), 4));
    world.close().await;
}

/// Another group that has ann, too, and a block of ann's that bob reads.
async fn entangle(world: &World) -> GroupId {
    let form = GroupForm {
        name: Some("panel".to_owned()),
        manager_type: Some(ManagerType::RoundRobin),
        ..GroupForm::default()
    };
    let form = form.set("members", names(&["test/ann", "dee"]));
    let panel = create(world, form).await.unwrap().id;
    let persona = AgentForm { persona: Some("I ask.".to_owned()), ..AgentForm::default() };
    world.ask(Request::UpdateAgent { id: agent_id("ann"), form: Box::new(persona) }).await.unwrap();
    let contacts = AgentForm::default().set("contacts", names(&["test/ann"]));
    let dee = world.overview().await.agents.into_iter().find(|agent| agent.name == "dee").unwrap();
    world.ask(Request::UpdateAgent { id: dee.id, form: Box::new(contacts) }).await.unwrap();
    let notes = Block { label: "notes".to_owned(), ..world.block(&story()).await };
    let (id, owner) = ("block-notes".into(), BlockOwner::Agent(agent_id("ann")));
    let bob = world.store().row::<Agent>(agent_id("bob").as_str()).await.unwrap().unwrap();
    let changes = vec![
        Change::BlockCreated(Block { id, owner, ..notes }),
        Change::AgentPut(Agent { blocks: vec!["block-notes".into()], ..bob }),
    ];
    world.apply(changes).await.unwrap();
    panel
}

#[tokio::test(start_paused = true)]
async fn a_delete_says_what_goes_and_takes_exactly_that() {
    let world = World::new(Plan { background: &["keeper"], ..Plan::default() }).await;
    let panel = entangle(&world).await;
    let roles = ["ann", "bob"].map(|name| (name.to_owned(), format!("{name} asks")));
    update(&world, GroupForm::default().set("roles", BTreeMap::from(roles))).await.unwrap();
    world.send("hello").await;
    let before = world.overview().await;
    let told = delete(&world, Recipient::Agent(agent_id("ann")), false).await.unwrap();
    let expected = [
        "the agent test/ann is deleted",
        "test/ann leaves test",
        "test/ann leaves panel",
        "panel/dee has one contact less",
        "the block notes of test/ann (46 characters) stays: bob has it, too",
        "the block persona of test/ann (6 characters) is deleted",
        "what was said, and every version of the blocks, stays in the log",
    ];
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&told), sorted(&names(&expected)));
    assert_eq!(world.overview().await, before, "it only looked");
    assert_eq!(delete(&world, Recipient::Agent(agent_id("ann")), true).await.unwrap(), told);

    let after = world.overview().await;
    let mut wanted = before.clone();
    wanted.upto = after.upto;
    wanted.agents.retain(|agent| agent.id != agent_id("ann"));
    wanted.seen.retain(|(agent, _)| *agent != agent_id("ann"));
    for group in &mut wanted.groups {
        group.members.retain(|id| *id != agent_id("ann"));
        group.roles.remove(&agent_id("ann"));
    }
    for agent in &mut wanted.agents {
        agent.contacts.clear();
    }
    wanted.blocks.retain(|block| block.label != "persona");
    let notes = wanted.blocks.iter_mut().find(|block| block.label == "notes").unwrap();
    notes.owner = BlockOwner::Agent(agent_id("bob"));
    assert_eq!(after, wanted);
    assert!(world.transcript().await.contains(&"ann: ann heard hello".to_owned()), "what was said stays");
    let dee = after.groups.iter().find(|group| group.id == panel).unwrap().members[0].clone();
    let fault = delete(&world, Recipient::Agent(dee), true).await.unwrap_err();
    assert!(fault.text.contains("panel would be left without members"), "{fault}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_with_its_agents_blocks_and_jobs_and_nothing_lists_it_any_more() {
    let script = Script::of([When::agent("keeper").text("hm").chunk(1).delay_ms(60_000)]).otherwise("{agent} speaks");
    let plan = Plan { script, background: &["keeper"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    let panel = entangle(&world).await;
    world.send("hello").await;
    let running = async |world: &World| {
        let jobs = world.jobs().await;
        jobs.into_iter().find(|job| matches!(job.state, JobState::Running { .. }))
    };
    let job = world.when(running).await;
    let talk = world.conversation().await;
    let fault = delete(&world, Recipient::Group(group_id()), true).await;
    let lines = fault.unwrap();
    let has = |part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    has("the group test is deleted");
    has("1 job is cancelled");
    has("the block story");
    has("test/ann leaves panel");
    assert!(matches!(world.job(&job.id).await.state, JobState::Cancelled { .. }));
    world.idle().await;
    let after = world.overview().await;
    assert_eq!(after.groups.iter().map(|group| &group.id).collect::<Vec<_>>(), [&panel]);
    assert_eq!(after.agents.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["dee"]);
    assert_eq!((after.blocks.len(), after.conversations.len(), after.faults.len()), (0, 0, 0));
    assert_eq!(after.jobs.len(), 1, "the job stays in the list");
    assert_eq!(world.store().row::<Conversation>(talk.id.as_str()).await.unwrap(), Some(talk.clone()));
    let found = world.ask(Request::Search(MessageQuery::new(None, "speaks", 9))).await.unwrap();
    let Reply::Found(found) = found else { panic!("{found:?}") };
    assert!(found.messages.iter().any(|message| message.name == "ann"), "what was said is found, with the name");
    assert!(world.ask(Request::JobDetail { id: job.id.clone() }).await.is_ok());
    let fault = world.ask(Request::RetryJob { id: job.id }).await.unwrap_err();
    assert!(fault.text.contains("deleted"), "{fault}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_takes_room_is_told_with_whose_it_is() {
    let world = World::new(Plan { background: &["cleo"], every_turns: Some(1), ..Plan::default() }).await;
    world.send("hello").await;
    world.job_over().await;
    world.edit(|value| format!("{value}\n- moved")).await;
    let Reply::Sent { run, .. } =
        world.ask(Request::Send { to: Recipient::Agent(agent_id("cid")), text: "hello".to_owned() }).await.unwrap()
    else {
        panic!("it was not sent")
    };
    world.finished(&run).await;
    let Reply::Space(space) = world.ask(Request::Space).await.unwrap() else { panic!("no space") };
    assert!(space.file > space.free && !space.tables.is_empty(), "{space:?}");
    let parts = serde_json::to_value(&space.parts).unwrap();
    let count = |of: Value| {
        let of: Vec<&Value> = parts.as_array().unwrap().iter().filter(|part| part["of"] == of).collect();
        assert!(of.len() == 1 && of[0]["bytes"].as_u64() > Some(0), "{parts}");
        of[0]["count"].as_u64().unwrap()
    };
    assert_eq!(count(json!({ "group": group_id() })), world.transcript().await.len() as u64);
    assert_eq!(count(json!({ "agent": agent_id("cid") })), 2, "what was said to cid, and the answer");
    assert_eq!(count(json!({ "block": story() })), world.block(&story()).await.version);
    assert!(count(json!("jobs_and_deleted")) > 0, "the notes of the job");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_deleted_while_its_group_answers() {
    let world = World::new(Plan { script: slow(), ..Plan::default() }).await;
    let run = world.post("hello").await;
    world.speaking("ann").await;
    for what in [Recipient::Agent(agent_id("ann")), Recipient::Agent(agent_id("cid")), Recipient::Group(group_id())] {
        let fault = delete(&world, what, true).await.unwrap_err();
        assert!(fault.text.contains("is answering; wait for it, or cancel it"), "{fault}");
    }
    assert_eq!(world.store().row::<Agent>("agent-ann").await.unwrap().map(|agent| agent.name).as_deref(), Some("ann"));
    world.finished(&run).await;
    delete(&world, Recipient::Agent(agent_id("ann")), true).await.unwrap();
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_person_is_listed_from_jobs_and_turns_alike() {
    let script = Script::of([
        When::agent("ann").step(1).inserts("story", "- ann"),
        When::agent("keeper").step(1).inserts("story", "- keeper"),
    ])
    .otherwise("{agent} speaks");
    let plan = Plan { script, members: &["bob"], background: &["keeper"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    hire_asking(&world, "ann").await;
    let approvals = AgentForm::default().set("require_approval", names(&["memory_insert"]));
    world.ask(Request::UpdateAgent { id: agent_id("keeper"), form: Box::new(approvals) }).await.unwrap();
    world.send("@bob hello").await;
    let run = world.post("hello").await;
    world.in_state(&run, RunState::Parked).await;
    let both = async |world: &World| {
        let calls = world.store().waiting_calls().await.unwrap();
        (calls.len() == 2).then_some(calls)
    };
    let calls = world.when(both).await;
    assert!(calls.iter().all(|call| call.is_open() && call.name == "memory_insert"), "{calls:?}");
    assert_eq!(world.overview().await.calls, calls);
    for call in &calls {
        let (step, ordinal) = (call.step.clone(), call.ordinal);
        let decide = Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() };
        world.ask(decide).await.unwrap();
    }
    world.finished(&run).await;
    world.jobs_over(1).await;
    let open = world.store().waiting_calls().await.unwrap();
    assert!(open.iter().all(|call| !calls.iter().any(|decided| decided.step == call.step)), "{open:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_a_person_goes_with_its_agent_and_its_call_has_its_result() {
    let script = Script::of([When::agent("keeper").step(1).inserts("story", "- keeper")]).otherwise("{agent} speaks");
    let plan = Plan { script, members: &["bob"], background: &["keeper"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    let approvals = AgentForm::default().set("require_approval", names(&["memory_insert"]));
    world.ask(Request::UpdateAgent { id: agent_id("keeper"), form: Box::new(approvals) }).await.unwrap();
    world.send("hello").await;
    let waiting = async |world: &World| world.jobs().await.into_iter().find(|job| job.state == JobState::Parked);
    let job = world.when(waiting).await;
    let lines = delete(&world, Recipient::Agent(agent_id("keeper")), true).await.unwrap();
    assert!(lines.contains(&"1 job is cancelled".to_owned()), "{lines:?}");
    assert_eq!(world.store().waiting_calls().await.unwrap(), [], "nobody is asked for it any more");
    let calls = world.store().calls(job.run.as_ref().unwrap()).await.unwrap();
    assert!(calls.iter().all(|call| call.answer.is_some()), "{calls:?}");
    let notes = crate::support::engine_harness::lines(&world.messages(job.conversation.as_ref().unwrap()).await);
    assert_eq!(notes.iter().filter(|line| line.contains("memory_insert refused")).count(), 1, "{notes:?}");
    world.send("again").await;
    world.close().await;
}

async fn hire_asking(world: &World, name: &str) {
    let script = world.store().row::<Agent>(agent_id("bob").as_str()).await.unwrap().unwrap().model.unwrap();
    let form = AgentForm { name: Some(name.to_owned()), ..AgentForm::default() };
    let form = form.set("model", script).set("require_approval", names(&["memory_insert"]));
    world.ask(Request::CreateAgent { group: group_id(), form: Box::new(form) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_form_that_was_opened_before_another_change_is_merged_by_field_and_refused_where_both_changed_one() {
    let world = World::new(Plan::default()).await;
    let read: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    let seen = || GroupForm { read: Some(Box::new(read.clone())), ..GroupForm::default() };
    update(&world, GroupForm::default().set("max_turns", 7)).await.unwrap();
    let merged = update(&world, seen().set("description", "the night desk")).await.unwrap();
    assert_eq!((merged.max_turns, merged.description.as_str()), (Some(7), "the night desk"));
    let refused = update(&world, seen().set("max_turns", 9)).await.unwrap_err();
    assert_eq!(
        refused.text,
        "max_turns of group test was changed meanwhile by somebody else; open it again to see its new value"
    );
    let same = update(&world, seen().set("max_turns", 7).set("status", "paused")).await.unwrap();
    assert_eq!((same.max_turns, same.status.as_str()), (Some(7), "paused"), "both made it the same");

    let read: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let named = |name: &str| {
        let form =
            AgentForm { name: Some(name.to_owned()), read: Some(Box::new(read.clone())), ..AgentForm::default() };
        Request::UpdateAgent { id: agent_id("ann"), form: Box::new(form) }
    };
    world.ask(named("anna")).await.unwrap();
    let refused = world.ask(named("hanna")).await.unwrap_err();
    assert!(refused.text.starts_with("name of agent anna was changed meanwhile"), "{refused}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_file_rest_on_the_rows_as_they_were_read() {
    let world = World::new(Plan::default()).await;
    let read: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    let block = world.block(&story()).await;
    let put = |group: Group, read: Vec<Basis>| Request::Apply { changes: vec![Change::GroupPut(group)], read };
    let silent = world.ask(put(read.clone(), Vec::new())).await.unwrap_err();
    assert_eq!(silent.text, "the change of group test does not say what it rests on; read it first");
    update(&world, GroupForm::default().set("max_turns", 7)).await.unwrap();
    let stale = world.ask(put(read.clone(), vec![Basis::Group(read)])).await.unwrap_err();
    assert_eq!(stale.text, "group test was changed meanwhile");
    let now: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    assert_eq!(now.max_turns, Some(7));
    world.edit(|value| format!("{value}\n- an edit")).await;
    let stale = world.ask(put(now.clone(), vec![Basis::Group(now), Basis::Block(block)])).await.unwrap_err();
    assert_eq!(stale.text, "block story was changed meanwhile");
    world.close().await;
}
