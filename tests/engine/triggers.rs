//! Triggers: when they fire, for whom, with what, and what their rows tell, on the scripted model and a paused clock.

use std::time::Duration;

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};
use crate::support::script::{Script, When};
use jiff::SignedDuration;
use nightdesk::testing::domain::{
    Agent, Block, BlockOwner, Cause, CauseKind, Change, Editor, Group, GroupId, Job, ManagerType, Occurrence, RunState,
    Sleeptime, Trigger, TriggerSpec, Value, When as Fires,
};
use nightdesk::testing::engine::protocol::{GroupForm, Recipient, Reply, Request};
use nightdesk::testing::llm::PromptMessage;
use tokio::time::Instant;

/// One speaker, one in the background, who looks after five minutes of silence.
fn silent(script: Script) -> Plan {
    Plan { script, members: &["ann"], background: &["cleo"], idle: Some(300), ..Plan::default() }
}

/// One speaker, two in the background, with a trigger on the shared block.
fn watching(script: Script, any: bool, agent: Option<&str>) -> Plan {
    let when = Fires::BlockChanged { label: "Story".to_owned(), any };
    let task = Some("Look for contradictions.".to_owned());
    let triggers = vec![TriggerSpec { agent: agent.map(agent_id), task, ..when.into() }];
    Plan { script, members: &["ann"], background: &["cleo", "dan"], triggers, ..Plan::default() }
}

fn quick() -> Script {
    Script::of([When::in_job().finishes()]).otherwise("{agent} speaks")
}

fn kinds(job: &Job) -> Vec<&CauseKind> {
    job.causes.iter().map(|cause| &cause.kind).collect()
}

async fn trigger(world: &World) -> Trigger {
    world.store().all::<Trigger>().await.unwrap().rows.remove(0)
}

/// Waits until the row of the trigger says why it did not fire.
async fn held(world: &World) -> String {
    world.when(async |world| trigger(world).await.why_not).await
}

#[track_caller]
fn lasted(since: Instant, seconds: u64) {
    let took = since.elapsed();
    assert!(took >= Duration::from_secs(seconds) && took < Duration::from_secs(seconds + 2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silence_after_a_turn_creates_one_job_whatever_is_done_to_the_clock() {
    for hours in [-24, -1, 0, 1, 24] {
        let world = World::new(silent(quick())).await;
        assert_eq!(trigger(&world).await.next_due, None, "nothing was said yet");
        world.send("hello").await;
        let since = Instant::now();
        let armed = trigger(&world).await;
        assert_eq!(armed.next_due.unwrap().duration_since(armed.since.unwrap()), SignedDuration::from_mins(5));
        // The time moves on once nothing is left to do: the engine then waits for the silence.
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.set_clock(SignedDuration::from_hours(hours));
        let job = world.job_over().await;
        lasted(since, 300);
        assert_eq!(kinds(&job), [&CauseKind::Idle { seconds: 300 }]);
        assert_eq!((job.causes[0].of.as_ref(), job.depth), (Some(&armed.id), 1));
        let fired = trigger(&world).await;
        assert_eq!((fired.next_due, fired.why_not, fired.last_fired.is_some()), (None, None, true));
        let taken = world.store().all::<Occurrence>().await.unwrap().rows;
        assert_eq!(taken.iter().map(|taken| taken.scheduled_at).collect::<Vec<_>>(), [armed.next_due.unwrap()]);

        // The silence goes on, and nothing more comes of it.
        tokio::time::sleep(Duration::from_hours(3)).await;
        assert_eq!(world.jobs().await.len(), 1);
        world.send("again").await;
        assert_eq!(world.jobs_over(2).await.len(), 2);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silence_begins_at_the_end_of_the_last_turn_and_never_ends_in_one() {
    let script = Script::of([When::in_job().finishes()]).or(When::any().text("slow").first_delay_ms(80_000));
    let world = World::new(Plan { idle: Some(60), ..silent(script) }).await;
    let since = Instant::now();
    world.send("one").await;
    world.post("two").await;
    assert_eq!(held(&world).await, "a turn is in progress");
    lasted(since, 140);
    world.job_over().await;
    lasted(since, 220);
    assert_eq!((world.jobs().await.len(), trigger(&world).await.why_not), (1, None));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_in_a_silence_begins_it_anew() {
    let world = World::new(Plan { idle: Some(60), ..silent(quick()) }).await;
    world.send("one").await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    world.send("two").await;
    let since = Instant::now();
    world.job_over().await;
    lasted(since, 60);
    assert_eq!(world.jobs().await.len(), 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_goes_on_while_no_program_runs_and_is_taken_once() {
    for (away, left) in [(200, 100), (1_000, 0)] {
        let world = World::new(silent(quick())).await;
        world.send("hello").await;
        let world = world.restart_after(Duration::from_secs(away)).await;
        let since = Instant::now();
        world.job_over().await;
        lasted(since, left);
        let world = world.restart_after(Duration::from_hours(1)).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(world.jobs().await.len(), 1);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_block_gives_its_agent_the_task_and_the_change() {
    let script = Script::of([When::in_job().step(1).inserts("story", "- by a job"), When::in_job().finishes()])
        .otherwise("{agent} speaks");
    let world = World::new(watching(script, false, Some("dan"))).await;
    world.edit(|text| text.replace("some time", "early")).await;
    assert_eq!(held(&world).await, "test has said nothing yet");
    world.send("hello").await;
    assert_eq!(world.jobs().await, [], "beside another trigger, every_turns is off");
    world.edit(|text| text.replace("early in spring", "3 May")).await;
    let job = world.job_over().await;
    assert_eq!(job.agent(), Some(&agent_id("dan")));
    let [Cause { kind: CauseKind::BlockChanged { before, version, by, .. }, task, .. }] = &job.causes[..] else {
        panic!("{job:?}")
    };
    assert_eq!((*before, *version, by.as_str(), task.as_deref()), (2, 3, "you", Some("Look for contradictions.")));
    let told = world.asked_of("dan").remove(0).entries;
    let note = told.iter().find_map(|entry| match entry {
        PromptMessage::System { text } if text.contains("background agent") => Some(text.clone()),
        _ => None,
    });
    let note = note.unwrap();
    for part in [
        "Your task: Look for contradictions.",
        "The block story was changed by you",
        "-- Launch: early in spring",
        "+- Launch: 3 May",
    ] {
        assert!(note.contains(part), "{part}: {note}");
    }
    let block = world.block(&story()).await;
    assert!(matches!(block.editor, Editor::Agent { job: Some(_), .. }), "{block:?}");
    world.idle().await;
    assert_eq!(world.jobs().await.len(), 1, "the edit of a job fires nothing");
    let row = trigger(&world).await;
    assert_eq!((row.last_fired.is_some(), row.why_not), (true, None));
    world.close().await;
}

/// Gives the world another group with a block of its own and triggers like those of the first.
async fn add_group(world: &World) -> (GroupId, Block) {
    let first: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    let ann: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let id = GroupId::from("group-other");
    let hire = |name: &str| {
        let (id, name, group) = (agent_id(name), name.to_owned(), id.clone());
        Change::AgentPut(Agent { id, name, group, ..ann.clone() })
    };
    let own = Block { id: "block-other".into(), owner: BlockOwner::Group(id.clone()), ..world.block(&story()).await };
    let policy = Sleeptime { agents: vec![agent_id("eve")], ..first.sleeptime.unwrap() };
    let group = Group {
        members: vec![agent_id("dee")],
        sleeptime: Some(policy),
        shared_blocks: vec![own.id.clone()],
        ..Group::new(id.clone(), "other", ManagerType::RoundRobin)
    };
    let changes = vec![Change::BlockCreated(own.clone()), hire("dee"), hire("eve"), Change::GroupPut(group)];
    world.apply(changes).await.unwrap();
    let to = Recipient::Group(id.clone());
    let Reply::Sent { run, .. } = world.ask(Request::Send { to, text: "hello".to_owned() }).await.unwrap() else {
        panic!("it was not sent")
    };
    world.finished(&run).await;
    (id, own)
}

#[tokio::test(start_paused = true)]
async fn a_block_fires_the_triggers_of_the_group_that_has_it_and_no_others() {
    let world = World::new(watching(quick(), false, None)).await;
    world.send("hello").await;
    let (other, own) = add_group(&world).await;
    let edit = Request::EditBlock { id: own.id, base: own.version, value: "anew".to_owned(), merge: true };
    world.ask(edit).await.unwrap();
    let job = world.job_over().await;
    assert_eq!(job.group(), Some(&other));
    world.idle().await;
    assert_eq!(world.jobs().await.len(), 1, "the first group has another block of this label");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_for_one_group_fires_the_triggers_of_that_group_alone() {
    let triggers = vec![Fires::Event { name: "deploy".to_owned() }.into()];
    let plan = Plan { script: quick(), members: &["ann"], background: &["cleo"], triggers, ..Plan::default() };
    let world = World::new(plan).await;
    world.send("hello").await;
    let (other, _) = add_group(&world).await;
    let report = async |group: Option<GroupId>| {
        let event = Request::ReportEvent { name: "deploy".to_owned(), text: String::new(), group };
        let Reply::EventReported { jobs, .. } = world.ask(event).await.unwrap() else { panic!("it was not reported") };
        let mut groups = Vec::new();
        for job in &jobs {
            groups.push(world.job(job).await.group().unwrap().clone());
        }
        groups
    };
    assert_eq!(report(Some(other.clone())).await, std::slice::from_ref(&other));
    world.jobs_over(1).await;
    let mut both = report(None).await;
    both.sort();
    assert_eq!(both, [other, group_id()]);
    world.jobs_over(3).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_that_cause_each_other_by_a_block_come_to_an_end_and_the_trigger_says_why() {
    let script = Script::of([When::in_job().step(1).inserts("story", "- by a job"), When::in_job().finishes()])
        .otherwise("{agent} speaks");
    let world = World::new(watching(script, true, Some("cleo"))).await;
    world.send("hello").await;
    world.edit(|text| format!("{text}\n- by you")).await;
    let why = held(&world).await;
    assert!(why.starts_with("3 jobs have caused each other already"), "{why}");
    let mut depths: Vec<u32> = world.jobs_over(3).await.iter().map(|job| job.depth).collect();
    depths.sort_unstable();
    assert_eq!(depths, [1, 2, 3]);
    world.idle().await;
    assert_eq!(world.jobs().await.len(), 3);
    let block = world.store().row::<Block>(story().as_str()).await.unwrap().unwrap();
    assert_eq!(block.version, 5, "one edit by a person, three by jobs");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_gives_its_text_to_the_agents_that_listen_to_its_name() {
    let spec = |name: &str, agent: &str| TriggerSpec {
        agent: Some(agent_id(agent)),
        ..Fires::Event { name: name.to_owned() }.into()
    };
    let triggers = vec![spec("deploy", "cleo"), spec("alarm", "dan")];
    let plan = Plan { script: quick(), members: &["ann"], background: &["cleo", "dan"], triggers, ..Plan::default() };
    let world = World::new(plan).await;
    let report = async |name: &str, text: &str| {
        let (name, text) = (name.to_owned(), text.to_owned());
        world.ask(Request::ReportEvent { name, text, group: None }).await
    };
    let early = report("deploy", "").await.unwrap();
    assert_eq!(early, Reply::EventReported { jobs: Vec::new(), held: vec!["test has said nothing yet".to_owned()] });
    world.send("hello").await;
    let Reply::EventReported { jobs, held } = report("deploy", "version 7 is out").await.unwrap() else { panic!() };
    let job = world.job_over().await;
    assert_eq!((jobs, held, job.agent().unwrap().as_str()), (vec![job.id.clone()], Vec::new(), "agent-cleo"));
    let told = format!("{:?}", world.asked_of("cleo")[0].entries);
    assert!(told.contains("The event deploy was reported. version 7 is out"), "{told}");

    // Nothing was said since, and there is still something to look at.
    report("deploy", "version 8 is out").await.unwrap();
    let again = world.jobs_over(2).await.remove(1);
    assert_eq!(kinds(&again), [&CauseKind::Event { name: "deploy".to_owned(), text: "version 8 is out".to_owned() }]);
    assert_eq!(world.asked_of("cleo").len(), 2);
    let unknown = report("deplyo", "").await.unwrap_err().text;
    assert_eq!(unknown, "no trigger listens to the event \"deplyo\"; there are alarm, deploy");
    let long = report("deploy", &"x".repeat(20_001)).await.unwrap_err().text;
    assert!(long.starts_with("event deploy: its text has 20001 characters and may have 20000"), "{long}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_ends_although_its_group_has_every_kind_of_trigger() {
    let plan = Plan { every_turns: Some(1), idle: Some(60), ..watching(quick(), true, None) };
    let world = World::new(plan).await;
    let run = world.send("hello").await;
    assert!(matches!(run.state, RunState::Finished { .. }));
    world.edit(|text| format!("{text}\n- by you")).await;
    let jobs = world.jobs_over(2).await;
    let causes: Vec<&CauseKind> = jobs.iter().flat_map(kinds).collect();
    assert!(causes.iter().any(|kind| matches!(kind, CauseKind::Turn { turn: 1 })), "{causes:?}");
    assert!(causes.iter().any(|kind| matches!(kind, CauseKind::BlockChanged { .. })), "{causes:?}");
    assert_eq!(world.store().all::<Trigger>().await.unwrap().rows.len(), 3);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_trigger_listens_to_no_block_that_the_group_does_not_have() {
    let world = World::new(Plan { members: &["ann"], background: &["cleo"], ..Plan::default() }).await;
    let update = async |form: GroupForm| {
        world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.map(drop)
    };
    let on = |label: &str| {
        let when = Fires::BlockChanged { label: label.to_owned(), any: false };
        GroupForm::default().set("trigger", Value::Triggers(vec![when.into()]))
    };
    let refused = update(on("stroy")).await.unwrap_err().text;
    assert_eq!(refused, "a trigger listens to the block \"stroy\", which test does not have; did you mean story?");
    update(on("Story")).await.unwrap();
    // What became of the block later is no reason to refuse another change.
    update(GroupForm::default().set("shared_blocks", Value::Names(Vec::new()))).await.unwrap();
    update(GroupForm::default().set("description", "talks")).await.unwrap();
    world.close().await;
}
