//! Budgets of tokens (J13): a run, a group and an agent use so many; then turns end, and jobs wait for the next day or
//! for a larger budget.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nightdesk::testing::domain::{Agent, Change, Group, Job, JobState, ManagerType, RunState, StopReason};
use nightdesk::testing::engine::protocol::{AgentForm, GroupForm, Recipient, Reply, Request};
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id, lines};
use crate::support::script::{Script, When};

/// The next midnight where the tests are.
const MIDNIGHT: &str = "2026-05-02T00:00:00Z";

fn group() -> Group {
    Group::new(group_id(), "test", ManagerType::RoundRobin)
}

/// Every step costs a hundred tokens.
fn costly() -> Script {
    Script::default().or(When::any().text("{agent} speaks").tokens(60, 40))
}

/// One speaker and one background agent with a job every turn of two steps, which may use so many tokens a day.
async fn desk(a_day: u32) -> World {
    let step = |nth: u32| When::in_job().step(nth).tokens(60, 40);
    let script = Script::of([step(1).inserts("story", "- a fact"), step(2).finishes()]).otherwise("fine");
    let plan = Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    limit_agent(&world, "cleo", a_day).await;
    world
}

async fn limit_agent(world: &World, name: &str, a_day: u32) {
    let form = Box::new(AgentForm::default().set("max_tokens_per_day", a_day));
    world.ask(Request::UpdateAgent { id: agent_id(name), form }).await.unwrap();
}

async fn limit_group(world: &World, a_day: u32) {
    let form = Box::new(GroupForm::default().set("max_tokens_per_day", a_day));
    world.ask(Request::UpdateGroup { id: group_id(), form }).await.unwrap();
}

/// Waits until the newest job is scheduled.
async fn scheduled(world: &World) -> Job {
    let job = world
        .when(async |world| {
            let newest = world.jobs().await.pop();
            newest.filter(|job| matches!(job.state, JobState::Scheduled { .. }))
        })
        .await;
    world.idle().await;
    job
}

fn waits_for(job: &Job) -> (Timestamp, &str) {
    let JobState::Scheduled { run_at, why } = &job.state else { panic!("{job:?}") };
    (*run_at, why)
}

#[tokio::test(start_paused = true)]
async fn a_group_that_has_used_its_tokens_of_the_day_answers_no_more_until_midnight() {
    let group = Group { max_tokens_per_day: Some(150), ..group() };
    let world = World::new(Plan { script: costly(), group: Some(group), ..Plan::default() }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::Budget);
    let told =
        "(test has used its 150 tokens of today (max_tokens_per_day of test); raise it, or go on after midnight)";
    assert_eq!(world.transcript().await, ["user: hello", "ann: ann speaks", "bob: bob speaks", told]);
    let run = world.send("go on").await;
    assert_eq!((stop(&run), run.steps), (StopReason::Budget, 0));
    assert_eq!(world.transcript().await[4..], ["user: go on", told]);
    let world = world.restart().await;
    assert_eq!(stop(&world.send("still?").await), StopReason::Budget, "a restart gives nothing back");
    assert_eq!(world.asked().len(), 2);
    // The last moment of the day, and the first of the next.
    world.set_clock(SignedDuration::from_hours(14));
    assert_eq!(stop(&world.send("soon?").await), StopReason::Budget);
    world.set_clock(SignedDuration::from_hours(1));
    assert_eq!(world.send("good morning").await.steps, 2);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_used_its_tokens_of_the_day_says_so_and_the_others_speak_on() {
    let world = World::new(Plan { script: costly(), members: &["ann", "bob"], ..Plan::default() }).await;
    limit_agent(&world, "ann", 100).await;
    assert_eq!(stop(&world.send("one").await), StopReason::MaxTurns);
    assert_eq!(stop(&world.send("two").await), StopReason::MaxTurns);
    let of_ann =
        "(ann has used its 100 tokens of today (max_tokens_per_day of ann); raise it, or go on after midnight)";
    assert_eq!(world.transcript().await[3..], ["user: two", of_ann, "bob: bob speaks"]);
    limit_agent(&world, "bob", 200).await;
    let run = world.send("three").await;
    assert_eq!((stop(&run), run.steps), (StopReason::Budget, 0), "nobody is left");
    limit_agent(&world, "ann", 101).await;
    assert_eq!(world.send("four").await.steps, 1, "it has a token more");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_alone_ends_its_turn_by_its_own_budget_and_by_that_of_its_home() {
    let world = World::new(Plan { script: costly(), members: &["ann"], ..Plan::default() }).await;
    let say = async |text: &str| {
        let to = Recipient::Agent(agent_id("ann"));
        match world.ask(Request::Send { to, text: text.to_owned() }).await.unwrap() {
            Reply::Sent { run, conversation, .. } => (world.finished(&run).await, conversation),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(stop(&say("one").await.0), StopReason::EndTurn);
    limit_group(&world, 100).await;
    let (run, talk) = say("two").await;
    assert_eq!((stop(&run), run.steps), (StopReason::Budget, 0), "what it says alone counts for its home");
    let last = lines(&world.messages(&talk).await).pop().unwrap();
    assert!(last.starts_with("(test has used its 100 tokens of today (max_tokens_per_day of test)"), "{last}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_in_the_middle_waits_for_midnight_with_what_it_has_done_and_goes_on_from_there() {
    let world = desk(100).await;
    world.send("one").await;
    let job = scheduled(&world).await;
    let told = "cleo has used its 100 tokens of today (max_tokens_per_day of cleo)";
    assert_eq!(waits_for(&job), (MIDNIGHT.parse().unwrap(), told));
    assert_eq!((job.attempt, job.edits, job.tokens, job.state.shown()), (0, 1, 100, "created"));
    let Reply::Due { due, scheduled: later } = world.ask(Request::Due).await.unwrap() else { panic!() };
    assert_eq!((due, later), (false, Some(MIDNIGHT.parse().unwrap())), "it comes by itself, and not now");
    let world = world.restart().await;
    // The clock is set forward, but not to midnight, and back.
    for hours in [10, -8, 8] {
        world.set_clock(SignedDuration::from_hours(hours));
        world.send("more").await;
        world.idle().await;
        let job = world.job(&job.id).await;
        assert!(matches!(job.state, JobState::Scheduled { .. }), "{hours}: {job:?}");
    }
    assert_eq!(world.asked_of("cleo").len(), 1);
    let over = world.when(async |world| Some(world.job(&job.id).await).filter(|job| job.state.is_final())).await;
    assert!(matches!(over.state, JobState::Completed { .. }), "{over:?}");
    assert!(over.ended_at.unwrap() >= MIDNIGHT.parse().unwrap());
    assert_eq!(
        (over.attempt, over.tokens, world.asked_of("cleo").len()),
        (1, 200, 2),
        "the first step is not made again"
    );
    world.at_rest().await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_comes_when_the_budget_is_used_up_is_not_claimed_and_a_larger_budget_frees_it_at_once() {
    let world = desk(200).await;
    world.send("one").await;
    world.jobs_over(1).await;
    world.send("two").await;
    let job = scheduled(&world).await;
    assert_eq!((job.fence, job.attempt, job.run.as_ref()), (0, 0, None));
    let refused = world.ask(Request::RetryJob { id: job.id.clone() }).await.unwrap_err();
    assert!(refused.text.contains("max_tokens_per_day of cleo); raise that"), "{refused}");
    // Lower: it says what holds it now. Higher, but not enough: the same.
    for most in [50, 150] {
        limit_agent(&world, "cleo", most).await;
        let told = format!("cleo has used its {most} tokens of today (max_tokens_per_day of cleo)");
        world.when(async |world| Some(world.job(&job.id).await).filter(|job| waits_for(job).1 == told)).await;
    }
    let before = world.store().clock().now();
    limit_agent(&world, "cleo", 201).await;
    let told = "cleo has used its 201 tokens of today (max_tokens_per_day of cleo)";
    let held = |job: &Job| matches!(&job.state, JobState::Scheduled { why, .. } if why == told);
    world.when(async |world| Some(world.job(&job.id).await).filter(held)).await;
    assert_eq!(world.asked_of("cleo").len(), 3, "the step that crosses it is the last");
    let form = Box::new(AgentForm::default().clear("max_tokens_per_day"));
    let raised = world.ask(Request::UpdateAgent { id: agent_id("cleo"), form });
    // Whoever asks before the scheduler has looked is told of the job, too: a worker does not end without it.
    let (raised, due) = tokio::join!(biased; raised, world.ask(Request::Due));
    raised.unwrap();
    assert!(matches!(due, Ok(Reply::Due { due: true, .. })), "{due:?}");
    world.jobs_over(2).await;
    assert!(world.store().clock().now().duration_since(before) < SignedDuration::from_mins(1), "at once");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_budget_of_a_group_holds_its_jobs_too() {
    let world = desk(1_000).await;
    limit_group(&world, 1).await;
    // Her words cost a token, the job nothing more.
    world.send("one").await;
    let job = scheduled(&world).await;
    assert_eq!(waits_for(&job).1, "test has used its 1 tokens of today (max_tokens_per_day of test)");
    limit_group(&world, 1_000).await;
    world.jobs_over(1).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_parked_is_held_when_it_is_answered_and_loses_no_attempt() {
    let step = |nth: u32| When::in_job().step(nth).tokens(60, 40);
    let asks =
        step(1).call("send_message_to_agent_and_wait_for_reply", json!({ "message": "?", "other_agent_id": "bob" }));
    let script = Script::of([asks, step(2).finishes()]).otherwise("fine");
    let plan = Plan {
        script,
        members: &["ann", "bob"],
        background: &["cleo"],
        every_turns: Some(1),
        tools: &["send_message_to_agent_and_wait_for_reply"],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    limit_agent(&world, "cleo", 100).await;
    world.send("one").await;
    let job = scheduled(&world).await;
    assert_eq!(job.attempt, 0);
    limit_agent(&world, "cleo", 1_000).await;
    let over = world.jobs_over(1).await.remove(0);
    assert_eq!((over.attempt, world.asked_of("cleo").len()), (1, 2));
    world.at_rest().await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_leads_to_so_many_tokens_over_turns_and_mail() {
    let mail = |name: &str, to: &str| When::agent(name).step(1).tokens(60, 40).mails(to, "go on");
    let script = Script::of([mail("ann", "bob"), mail("bob", "ann")]).or(When::any().text("enough").tokens(60, 40));
    let group = Group { max_tokens_per_run: Some(1_000), ..group() };
    let plan = Plan { script, group: Some(group), members: &["ann", "bob"], ..Plan::default() };
    let world = World::new(plan).await;
    let run = world.send("hello").await;
    world.at_rest().await;
    let root = world.finished(&run.id).await;
    let used = root.tokens + root.mail_tokens;
    assert_eq!(used, 100 * world.asked().len() as u64, "the root counts all of it");
    assert!((1_000..=1_200).contains(&used), "both may be at work when it is spent: {used}");
    let log = world.store().log(0, 100_000).await.unwrap();
    let spent = |change: &Change| {
        matches!(change, Change::RunMoved { to: RunState::Finished { stop_reason: StopReason::Budget, .. }, .. })
    };
    assert!(log.iter().any(|logged| spent(&logged.change)), "the runs end by it");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_tokens_are_spent_says_so() {
    let group = Group { max_tokens_per_run: Some(200), ..group() };
    let world = World::new(Plan { script: costly(), group: Some(group), ..Plan::default() }).await;
    assert_eq!(stop(&world.send("hello").await), StopReason::Budget);
    let told = "(this message has led to 200 tokens, of at most 200 (max_tokens_per_run of test))";
    assert_eq!(world.transcript().await[3..], [told]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_used_today_is_told_with_the_next_midnight_and_is_the_sum_of_the_steps() {
    let world = World::new(Plan { script: costly(), members: &["ann", "bob"], ..Plan::default() }).await;
    world.send("one").await;
    let told = async |world: &World| {
        let spending = world.overview().await.spending;
        (spending.of_group(&group_id()), spending.of_agent(&agent_id("ann")), spending.day.until.to_string())
    };
    assert_eq!(told(&world).await, (200, 100, MIDNIGHT.to_owned()));
    world.send("two").await;
    assert_eq!(told(&world).await, (400, 200, MIDNIGHT.to_owned()));
    let world = world.restart().await;
    assert_eq!(told(&world).await, (400, 200, MIDNIGHT.to_owned()));
    world.set_clock(SignedDuration::from_hours(24));
    world.send("three").await;
    assert_eq!(told(&world).await, (200, 100, "2026-05-03T00:00:00Z".to_owned()));
    // Set back, it is that day again.
    world.set_clock(SignedDuration::from_hours(-24));
    assert_eq!(told(&world).await, (400, 200, MIDNIGHT.to_owned()));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_not_set_costs_no_statement_and_one_that_is_costs_one_for_each_look() {
    let world = World::new(Plan { script: costly(), members: &["ann"], ..Plan::default() }).await;
    let cost = async || {
        let before = world.store().counters().statements;
        world.send("hello").await;
        world.idle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.store().counters().statements - before
    };
    cost().await;
    let without = cost().await;
    limit_group(&world, 1_000_000).await;
    cost().await;
    let with = cost().await;
    // Before the turn, before its step and after it.
    assert!((without + 1..=without + 4).contains(&with), "{without} without, {with} with");
    let agent = world.store().row::<Agent>(agent_id("ann").as_str()).await.unwrap().unwrap();
    assert_eq!(agent.max_tokens_per_day, None);
    world.close().await;
}
