//! Triggers on what happens in the group, and the order of the jobs that triggers make.

use std::time::Duration;

use crate::support::engine_harness::{Plan, World, agent_id};
use crate::support::script::{Script, When};
use nightdesk::testing::domain::trigger::Occasion;
use nightdesk::testing::domain::{
    CauseKind, Change, Job, JobState, Priority, Rule, RunState, Trigger, TriggerSpec, When as Fires,
};
use nightdesk::testing::engine::protocol::{Reply, Request};

/// One speaker, and two in the background, of whom dan works on this.
fn on(script: Script, on: Occasion) -> Plan {
    let spec = TriggerSpec { agent: Some(agent_id("dan")), ..Fires::On { on }.into() };
    Plan { script, members: &["ann"], background: &["cleo", "dan"], triggers: vec![spec], ..Plan::default() }
}

fn told(job: &Job) -> &str {
    match &job.causes[0].kind {
        CauseKind::On { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_fails_fires_what_listens_to_failed_runs() {
    let script = Script::of([When::in_job().finishes(), When::agent("ann").status(400)]);
    let world = World::new(on(script, Occasion::RunFailed)).await;
    world.send("hello").await;
    let job = world.job_over().await;
    assert_eq!((job.agent().cloned(), job.depth), (Some(agent_id("dan")), 1));
    assert!(told(&job).starts_with("It failed: turn 1. "), "{}", told(&job));
    let heard = format!("{:?}", world.asked_of("dan").remove(0).entries);
    assert!(heard.contains("It failed: turn 1. "), "{heard}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_that_cause_each_other_by_their_end_come_to_an_end_and_the_trigger_says_why() {
    let script = Script::of([When::in_job().finishes()]).otherwise("{agent} speaks");
    let world = World::new(Plan { every_turns: Some(2), ..on(script, Occasion::JobCompleted) }).await;
    world.send("one").await;
    assert_eq!(world.jobs().await, []);
    let by_hand = |agent: &str| {
        let (agent, group) = (agent_id(agent), crate::support::engine_harness::group_id());
        Request::RunJob { agent, group, instruction: None }
    };
    world.ask(by_hand("cleo")).await.unwrap();
    let held = async |world: &World| {
        let rows = world.store().all::<Trigger>().await.unwrap().rows;
        rows.into_iter().find_map(|row| row.why_not)
    };
    let why = world.when(held).await;
    assert!(why.starts_with("3 jobs have caused each other already"), "{why}");
    let jobs = world.jobs_over(3).await;
    let all: Vec<(&str, u32)> = jobs.iter().map(|job| (job.agent().unwrap().as_str(), job.depth)).collect();
    assert_eq!(all, [("agent-cleo", 1), ("agent-dan", 2), ("agent-dan", 3)]);
    assert_eq!(told(&jobs[1]), "A job of cleo completed; it changed nothing.");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_for_approval_fires_what_listens_to_approvals() {
    let script = Script::of([
        When::in_job().finishes(),
        When::agent("ann").step(1).inserts("story", "- new"),
        When::agent("ann").text("Done."),
    ]);
    let rules = vec![Rule::RequiresApproval { tool_name: "memory_insert".to_owned() }];
    let world = World::new(Plan { rules, ..on(script, Occasion::Approval) }).await;
    let run = world.post("hello").await;
    world.in_state(&run, RunState::Parked).await;
    assert_eq!(told(&world.job_over().await), "ann asks for approval of memory_insert.");
    world.cancel().await;
    world.finished(&run).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_for_an_agent_of_the_group_fires_what_listens_to_mail_and_its_answer_does_not() {
    let script = Script::of([When::in_job().finishes()]).otherwise("{agent} speaks");
    let world = World::new(on(script, Occasion::Mail)).await;
    world.send("hello").await;
    let (text, priority) = ("Is it true?".to_owned(), Priority::Normal);
    let mail = Request::SendMail { to: agent_id("ann"), text, priority, expires_in: None, in_reply_to: None };
    assert!(matches!(world.ask(mail).await.unwrap(), Reply::Mail(_)));
    assert_eq!(told(&world.job_over().await), "Mail for ann from the user: Is it true?");
    world.at_rest().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.jobs().await.len(), 1);
    world.close().await;
}

fn listens(agent: &str, event: &str, priority: Priority) -> TriggerSpec {
    TriggerSpec { agent: Some(agent_id(agent)), priority, ..Fires::Event { name: event.to_owned() }.into() }
}

async fn report(world: &World, event: &str) {
    let event = Request::ReportEvent { name: event.to_owned(), text: String::new(), group: None };
    world.ask(event).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_the_jobs_that_wait_those_of_a_higher_priority_start_first() {
    let background = &["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "cleo", "dan", "eve"];
    let mut triggers = vec![
        listens("cleo", "go", Priority::Low),
        listens("dan", "go", Priority::Normal),
        listens("eve", "go", Priority::High),
    ];
    triggers.extend(background[..8].iter().map(|agent| listens(agent, "fill", Priority::Normal)));
    // Jobs that start at once are at the model in any order, so no two of these end at once: no two of their spans have
    // the same sum as two others.
    let spans = (0..).map(|at| 1_000 + (1 << at));
    let each = background.iter().zip(spans).map(|(name, ms)| When::agent(name).finishes().first_delay_ms(ms));
    let script = Script::of(each).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann"], background, triggers, ..Plan::default() }).await;
    world.send("hello").await;
    report(&world, "fill").await;
    let runs = |job: &Job| matches!(job.state, JobState::Running { .. });
    world.when(async |world| (world.jobs().await.iter().filter(|job| runs(job)).count() == 8).then_some(())).await;
    report(&world, "go").await;
    world.jobs_over(11).await;
    let waited = |agent: &String| ["cleo", "dan", "eve"].contains(&agent.as_str());
    let order: Vec<String> = world.asked().into_iter().map(|prompt| prompt.agent).filter(waited).collect();
    assert_eq!(order, ["eve", "dan", "cleo"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_urgent_jobs_starves_no_other_because_one_claim_in_eight_is_for_the_oldest() {
    // One more than jobs of one provider run at once, so that one of these always waits.
    const URGENT: [&str; 9] = ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"];
    let background = &["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "zoe"];
    let mut triggers: Vec<TriggerSpec> = URGENT.iter().map(|agent| listens(agent, "urgent", Priority::High)).collect();
    triggers.push(listens("zoe", "calm", Priority::Low));
    let script = Script::of([When::in_job().finishes().first_delay_ms(1_000)]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann"], background, triggers, ..Plan::default() }).await;
    world.send("hello").await;
    report(&world, "urgent").await;
    report(&world, "calm").await;
    let running = async |world: &World| {
        let jobs = world.jobs().await;
        let running = jobs.iter().filter(|job| matches!(job.state, JobState::Running { .. }));
        (running.count() == URGENT.len() - 1).then_some(())
    };
    world.when(running).await;
    // From here on each of the urgent agents has a job that waits, whenever a place is free.
    report(&world, "urgent").await;
    for over in 1..=40 {
        world.jobs_over(over).await;
        report(&world, "urgent").await;
    }
    let calm = world.jobs().await.into_iter().find(|job| job.agent() == Some(&agent_id("zoe"))).unwrap();
    let claimed = world.store().log(0, usize::MAX >> 1).await.unwrap().into_iter().filter_map(|logged| {
        let Change::JobClaimed { id, .. } = logged.change else { return None };
        Some(id)
    });
    let nth = claimed.into_iter().position(|id| id == calm.id).map(|at| at + 1);
    assert_eq!(nth, Some(16), "eight were started before it was there, and of the next eight it is the last");
    world.when(async |world| world.jobs().await.iter().all(|job| job.state.is_final()).then_some(())).await;
    world.close().await;
}
