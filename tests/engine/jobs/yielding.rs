//! The foreground never waits for the background (promise 3).

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Agent, Change, Conversation, Job, JobOutcome, JobState, ManagerType, Run};
use nightdesk::testing::engine::protocol::{GroupForm, Recipient, Reply, Request};
use serde_json::json;
use tokio::time::Instant;

use super::{desk, is_over, job_after, run_now, runs, until};
use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};

/// A job whose one step takes a minute, beside speeches of a second.
fn long() -> Script {
    Script::of([
        When::in_job().step(1).text("hm hm hm hm hm ").chunk(3).delay_ms(12_000).inserts("story", "- kept"),
        When::in_job().finishes(),
    ])
    .or(When::any().text("{agent} speaks").first_delay_ms(1_000))
}

async fn yields(world: &World) -> usize {
    let log = world.store().log(0, 100_000).await.unwrap();
    log.iter().filter(|logged| matches!(logged.change, Change::JobYielded { .. })).count()
}

/// How long a turn of this plan takes where no job is about.
async fn alone(plan: Plan) -> Duration {
    let world = tagged(Plan { background: &[], every_turns: None, ..plan }).await;
    let start = Instant::now();
    world.send("two").await;
    let took = start.elapsed();
    world.close().await;
    took
}

async fn first_job(world: &World) -> Job {
    let job = job_after(world, "one").await;
    until(world, &job.id, runs).await;
    world.live(|live| !live.text.is_empty()).await;
    world.job(&job.id).await
}

#[tokio::test(start_paused = true)]
async fn a_speech_that_wants_the_agent_makes_its_job_give_way() {
    let plan = || Plan { members: &["ann", "cleo"], every_turns: Some(1), ..desk(long()) };
    let world = World::new(plan()).await;
    let job = first_job(&world).await;
    let start = Instant::now();
    world.send("two").await;
    assert_eq!(start.elapsed(), alone(plan()).await, "the speech waits for nobody");
    assert_eq!(yields(&world).await, 1);
    let job = until(&world, &job.id, is_over).await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!((job.attempt, job.yields), (1, 1), "a yield counts no attempt");
    let notes = world.messages(&job.conversation.clone().unwrap()).await;
    let texts = notes.iter().filter(|message| message.text().starts_with("hm")).count();
    assert_eq!(texts, 1, "the step that gave way left nothing");
    world.jobs_over(2).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_wants_the_last_slot_of_the_provider_makes_the_job_give_way() {
    let plan = || Plan { max_parallel: 1, every_turns: Some(1), ..desk(long()) };
    let world = World::new(plan()).await;
    let job = first_job(&world).await;
    let start = Instant::now();
    world.send("two").await;
    assert_eq!(start.elapsed(), alone(plan()).await);
    let job = until(&world, &job.id, is_over).await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!((job.attempt, job.yields), (1, 1));
    world.jobs_over(2).await;
    assert_eq!(world.block(&story()).await.version, 3);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_three_yields_a_job_waits_until_no_turn_wants_its_slot() {
    let plan = || Plan { max_parallel: 1, members: &["ann", "bob"], max_turns: Some(8), ..desk(long()) };
    let world = World::new(Plan { every_turns: Some(1), ..plan() }).await;
    let job = first_job(&world).await;
    let asked = world.asked_of("cleo").len();
    let start = Instant::now();
    world.send("two").await;
    assert_eq!(start.elapsed(), alone(plan()).await);
    let now = world.job(&job.id).await;
    assert_eq!(now.yields, 3, "{now:?}");
    assert!(!is_over(&now));
    assert!(world.asked_of("cleo").len() <= asked + 3);
    let job = until(&world, &job.id, is_over).await;
    assert_eq!((job.yields, job.attempt), (3, 1));
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    world.jobs_over(2).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_three_yields_a_job_does_not_wait_for_a_turn_that_wants_neither_its_agent_nor_its_slot() {
    let script =
        Script::of([When::agent("dan").contains("slowly").text("there").first_delay_ms(3_600_000)]).then(long());
    let plan = Plan { members: &["ann", "cleo"], background: &["cleo", "dan"], every_turns: Some(1), ..desk(script) };
    let world = World::new(plan).await;
    let to = Recipient::Agent(agent_id("dan"));
    let Reply::Sent { run: other, .. } = world.ask(Request::Send { to, text: "slowly".to_owned() }).await.unwrap()
    else {
        panic!()
    };
    world.send("one").await;
    let jobs = world.jobs().await;
    let job = jobs.into_iter().find(|job| job.agent() == Some(&agent_id("cleo"))).unwrap();
    for _ in 0..3 {
        until(&world, &job.id, runs).await;
        world.speaking("cleo").await;
        world.send("go on").await;
    }
    let job = until(&world, &job.id, is_over).await;
    assert_eq!((job.yields, job.attempt), (3, 1));
    assert!(!world.store().row::<Run>(other.as_str()).await.unwrap().unwrap().is_finished());
    world.finished(&other).await;
    world.when(async |world| world.jobs().await.iter().all(is_over).then_some(())).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_at_a_hanging_provider_hold_up_no_job_of_another() {
    const TEN: [&str; 10] = ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "zoe"];
    let script = Script::of([When::in_job().hang_after(0)]).otherwise("{agent} speaks");
    let world = World::new(Plan { background: &TEN, every_turns: Some(1), ..desk(script) }).await;
    let zoe = world.store().row::<Agent>(agent_id("zoe").as_str()).await.unwrap().unwrap();
    let elsewhere = Agent { model: Some("offline".to_owned()), ..zoe };
    world.apply(vec![Change::AgentPut(elsewhere)]).await.unwrap();
    let start = Instant::now();
    world.send("one").await;
    let jobs = world.jobs_over(1).await;
    let over: Vec<_> = jobs.iter().filter(|job| is_over(job)).filter_map(|job| job.agent().cloned()).collect();
    assert_eq!(over, [agent_id("zoe")]);
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn hanging_jobs_never_delay_a_foreground_step() {
    let script =
        Script::of([When::in_job().hang_after(0)]).or(When::any().text("{agent} speaks").first_delay_ms(1_000));
    for (max_parallel, background) in [(1, &["cleo"][..]), (2, &["cleo", "dan"]), (4, &NINE), (50, &NINE)] {
        let plan = || Plan { max_parallel, members: &["ann", "bob"], every_turns: Some(1), ..desk(script.clone()) };
        let expected = alone(plan()).await;
        let world = World::new(Plan { background, ..plan() }).await;
        for turn in 0..6 {
            let start = Instant::now();
            world.send("go on").await;
            assert_eq!(start.elapsed(), expected, "turn {turn} of {max_parallel} slots");
        }
        assert!(world.asked().iter().any(|prompt| prompt.place.background), "jobs were at work");
        world.close().await;
    }
}

const NINE: [&str; 9] = ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"];

#[tokio::test(start_paused = true)]
async fn background_work_uses_at_most_four_slots_and_leaves_the_last_of_several() {
    for (max_parallel, most) in [(50, 4), (3, 2), (2, 1), (1, 1)] {
        let plan = Plan { max_parallel, background: &NINE, every_turns: Some(1), ..desk(long()) };
        let world = World::new(plan).await;
        world.send("one").await;
        let asked = || world.asked().iter().filter(|prompt| prompt.place.background).count();
        world.live(|live| !live.text.is_empty() && asked() >= most).await;
        // Longer than it takes to begin, and shorter than the first of them takes.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(asked(), most);
        world.jobs_over(9).await;
        world.close().await;
    }
}

/// A world where ann and bob, if they are there, can be written to at once.
async fn tagged(plan: Plan) -> World {
    let world = World::new(plan).await;
    for name in ["ann", "bob"] {
        if let Some(agent) = world.store().row::<Agent>(agent_id(name).as_str()).await.unwrap() {
            let tags = vec!["desk".to_owned()];
            world.apply(vec![Change::AgentPut(Agent { tags, ..agent })]).await.unwrap();
        }
    }
    world
}

/// What boss, who manages the group, calls at "two", and a job that is long at work.
fn calls_at_two(boss: When) -> Plan {
    let end = When::agent("boss").contains("two").text("Here it is.");
    let script = Script::of([boss.contains("two").step(1), end]).then(long());
    let tools = &["send_message_to_agent_and_wait_for_reply", "send_message_to_agents_matching_tags"];
    let (manager_type, members) = (ManagerType::Supervisor, &["ann", "bob", "cleo"]);
    Plan { manager_type, manager: Some("boss"), members, tools, ..desk(script) }
}

/// The turn takes as long as without a job, and the job gives way once, to those whom boss calls.
async fn gives_way_at_once(plan: impl Fn() -> Plan, heard: &str) {
    let world = tagged(plan()).await;
    let job = first_job(&world).await;
    let start = Instant::now();
    world.send("two").await;
    assert_eq!(start.elapsed(), alone(plan()).await, "nobody waits for a job");
    let lines = world.transcript().await;
    assert!(lines.iter().any(|line| line == heard), "{lines:?}");
    assert_eq!(world.job(&job.id).await.yields, 1);
    let job = until(&world, &job.id, is_over).await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!((job.attempt, job.yields), (1, 1), "a yield counts no attempt");
    world.jobs_over(2).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_gets_the_agent_from_a_job_at_once() {
    let boss = || When::agent("boss").delegates(&[("ann", "go"), ("bob", "go")]);
    // Boss and the job have room beside each other; ann and bob have it only without the job.
    let plan = || Plan { max_parallel: 2, ..calls_at_two(boss()) };
    gives_way_at_once(plan, "bob: bob speaks").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_mail_that_is_waited_for_gets_the_agent_from_a_job_at_once() {
    let tool = "send_message_to_agent_and_wait_for_reply";
    let boss = || When::agent("boss").asks("cleo", "go");
    let heard = format!("boss {tool} ok: cleo answered: cleo speaks");
    gives_way_at_once(|| calls_at_two(boss()), &heard).await;
}

#[tokio::test(start_paused = true)]
async fn mail_that_is_waited_for_gets_the_last_slot_of_the_provider_from_a_job_at_once() {
    let tool = "send_message_to_agents_matching_tags";
    let arguments = json!({ "message": "go", "match_all": ["desk"], "match_some": [] });
    let boss = || When::agent("boss").call(tool, arguments.clone());
    let heard = format!("boss {tool} ok: ann answered: ann speaks");
    let plan = || Plan { max_parallel: 2, ..calls_at_two(boss()) };
    gives_way_at_once(plan, &heard).await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_answers_mail_of_a_job_makes_way_like_the_job_and_is_finished_later() {
    let script = Script::of([
        When::in_job().step(1).mails("ann", "please look at the dates"),
        When::in_job().finishes(),
        When::agent("ann").contains("please look").text("hm hm hm hm hm ").chunk(3).delay_ms(12_000),
    ])
    .or(When::any().text("{agent} speaks").first_delay_ms(1_000));
    let plan = || Plan { members: &["ann", "bob"], every_turns: Some(2), ..desk(script.clone()) };
    let alone = alone(plan()).await;
    let world = World::new(plan()).await;
    world.send("one").await;
    world.send("two").await;
    world.live(|live| live.name == "ann" && live.text.contains("hm")).await;
    let start = Instant::now();
    world.send("three").await;
    assert_eq!(start.elapsed(), alone, "the person's turn does not wait for it");
    let read = async |world: &World| {
        let talk = world.store().find::<Conversation>("agent-ann").await.unwrap().pop()?;
        let said = crate::support::engine_harness::lines(&world.messages(&talk.id).await);
        (said.len() == 2).then_some(said)
    };
    assert_eq!(world.when(read).await, ["cleo: please look at the dates", "ann: hm hm hm hm hm "]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_jobs_of_a_provider_run_at_once() {
    let plan = Plan { background: &NINE, every_turns: Some(1), ..desk(long()) };
    let world = World::new(plan).await;
    world.send("one").await;
    world.live(|live| !live.text.is_empty()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let running = world.jobs().await.iter().filter(|job| matches!(job.state, JobState::Running { .. })).count();
    assert_eq!(running, 8);
    assert_eq!(world.jobs_over(9).await.len(), 9);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_paused_group_waits_until_the_group_is_active() {
    let world = World::new(desk(long())).await;
    world.send("one").await;
    world.job_over().await;
    let set = async |status: &str| {
        let form = GroupForm::default().set("status", status);
        world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.unwrap();
    };
    set("paused").await;
    let asked = world.asked().len();
    let job = run_now(&world, "cleo", Some("look again")).await.unwrap();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!((world.asked().len(), world.job(&job.id).await.state), (asked, JobState::Available));
    set("active").await;
    until(&world, &job.id, is_over).await;
    assert!(world.asked().len() > asked);
    world.close().await;
}
