//! Who owns a job: fences, owners that died, poison (J4, J6, F6, F10).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::script::{Script, When};
use futures::future::BoxFuture;
use nightdesk::testing::domain::job::JobFault;
use nightdesk::testing::domain::{
    Actor, Change, Commit, Conflict, Editor, JobOutcome, JobState, Precondition, Revision, Run, RunState, StopReason,
};
use nightdesk::testing::llm::ToolSpec;
use nightdesk::testing::store::{CommitError, Lane};
use nightdesk::testing::tools::{Tool, ToolContext, ToolOutcome, ToolRegistry};
use serde_json::{Value, json};

use super::{desk, is_over, job_after, run_now, runs, until};
use crate::support::engine_harness::{Plan, World, agent_id, story};

fn slow() -> Script {
    Script::of([When::agent("cleo").text("hm hm").chunk(2).delay_ms(50_000), When::in_job().finishes()])
        .otherwise("{agent} speaks")
}

#[tokio::test(start_paused = true)]
async fn a_stale_fence_is_refused_and_its_effects_with_it() {
    let world = World::new(desk(slow())).await;
    let job = job_after(&world, "one").await;
    let first = until(&world, &job.id, runs).await;
    world.speaking("cleo").await;
    let world = world.restart().await;
    let second = until(&world, &job.id, |job| runs(job) && job.fence > first.fence).await;
    assert_eq!((second.fence, second.attempt, second.crashes), (first.fence + 1, 2, 1));
    let revision = Revision {
        block: story(),
        version: 2,
        value: "from the grave".to_owned(),
        editor: Editor::Agent { id: agent_id("cleo"), name: "cleo".to_owned(), job: Some(job.id.clone()) },
        run: job.run.clone(),
        step: None,
        calls: Vec::new(),
        reason: "memory_insert".to_owned(),
    };
    let done = JobState::Completed { outcome: JobOutcome::Changed };
    let changes = vec![Change::BlockEdited(revision), Change::JobMoved { id: job.id.clone(), to: done }];
    let stale = Commit::new(Actor::Engine, changes).requiring(Precondition::JobFence(job.id.clone(), first.fence));
    let refused = world.store().commit(Lane::Background, stale).await.unwrap_err();
    assert_eq!(refused, CommitError::Conflict(Conflict::Fenced { job: job.id.clone() }));
    assert_eq!(world.block(&story()).await.version, 1);
    assert!(runs(&world.job(&job.id).await));
    let job = until(&world, &job.id, is_over).await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Unchanged });
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_the_program_three_times_is_poison_and_the_others_go_on() {
    let mut world = World::new(Plan { background: &["cleo", "dan"], ..desk(slow()) }).await;
    let job = job_after(&world, "one").await;
    let dan = world.jobs().await.into_iter().find(|job| job.agent() == Some(&agent_id("dan"))).unwrap();
    for crashes in 1..=3 {
        until(&world, &job.id, runs).await;
        world.speaking("cleo").await;
        // Whatever runs as the program ends is suspected, so dan's job is through before.
        until(&world, &dan.id, is_over).await;
        world = world.restart().await;
        assert_eq!(world.job(&job.id).await.crashes, crashes);
    }
    let job = world.job(&job.id).await;
    let JobState::Failed { class: JobFault::Poison, error } = &job.state else { panic!("{job:?}") };
    assert!(error.contains("3 times"), "{error}");
    let run = world.store().row::<Run>(job.run.clone().unwrap().as_str()).await.unwrap().unwrap();
    assert!(matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, error: Some(_) }), "{run:?}");
    let dan = world.job(&dan.id).await;
    assert_eq!((dan.state, dan.crashes), (JobState::Completed { outcome: JobOutcome::Unchanged }, 0));
    let next = run_now(&world, "cleo", None).await.unwrap();
    assert_eq!(until(&world, &next.id, is_over).await.state.as_str(), "completed");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_hands_the_job_back_and_counts_nothing() {
    let mut world = World::new(desk(slow())).await;
    let job = job_after(&world, "one").await;
    for stops in 0..4 {
        let running = until(&world, &job.id, runs).await;
        assert_eq!((running.attempt, running.crashes, running.yields, running.fence), (1, 0, 0, stops + 1));
        world.speaking("cleo").await;
        world.engine.stop().await;
        let left = world.job(&job.id).await;
        assert_eq!((left.state, left.attempt), (JobState::Available, 0), "nobody runs it, so it does not say so");
        world = world.stop_and_start().await;
    }
    let job = until(&world, &job.id, is_over).await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Unchanged });
    assert_eq!((job.attempt, job.crashes), (1, 0));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_an_orderly_stop_could_not_hand_back_counts_no_crash() {
    let world = World::new(desk(slow())).await;
    let job = job_after(&world, "one").await;
    until(&world, &job.id, runs).await;
    world.speaking("cleo").await;
    world.engine.abort().await;
    let world = world.stop_and_start().await;
    let job = until(&world, &job.id, runs).await;
    assert_eq!((job.attempt, job.crashes, job.fence), (1, 0, 2));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_window_that_was_cut_leaves_its_rest_to_the_next_job() {
    let mut world = World::new(Plan { every_turns: Some(3), ..desk(slow()) }).await;
    for _ in 0..3 {
        world.send(&"x".repeat(60_000)).await;
    }
    let job = world.jobs().await.remove(0);
    for _ in 0..3 {
        until(&world, &job.id, runs).await;
        world.speaking("cleo").await;
        world = world.restart().await;
    }
    assert!(world.job(&job.id).await.cut);
    world.when(async |world| world.jobs().await.iter().all(is_over).then_some(())).await;
    let jobs = world.jobs().await;
    assert_eq!(jobs.last().and_then(|job| job.window).map(|(_, upto)| upto), Some(6));
    assert_eq!(jobs[1].window.unwrap().0, jobs[0].window.unwrap().1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_committed_step_ends_a_row_of_crashes() {
    let script = Script::of([
        When::in_job().step(4).finishes(),
        When::in_job().text("hm").chunk(1).delay_ms(10_000).call("conversation_search", json!({ "query": "x" })),
    ])
    .otherwise("{agent} speaks");
    let mut world = World::new(desk(script)).await;
    let job = job_after(&world, "one").await;
    for step in 1..=3 {
        for _ in 0..2 {
            world
                .when(async |world| {
                    let asked = world.asked_of("cleo");
                    asked.last().filter(|prompt| prompt.place.step == step).map(|_| ())
                })
                .await;
            world.speaking("cleo").await;
            world = world.restart().await;
        }
    }
    let job = until(&world, &job.id, is_over).await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Unchanged });
    assert_eq!(job.crashes, 0);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_its_next_try_does_so_over_a_restart() {
    let script =
        Script::of([When::in_job().attempt(1).status_retry_after(429, 3600), When::in_job().finishes()]).otherwise("x");
    let world = World::new(desk(script)).await;
    let job = job_after(&world, "one").await;
    until(&world, &job.id, |job| matches!(job.state, JobState::Retryable { .. })).await;
    let world = world.restart_after(Duration::from_mins(30)).await;
    world.idle().await;
    assert_eq!(world.asked_of("cleo").len(), 1);
    let job = until(&world, &job.id, is_over).await;
    assert_eq!((job.attempt, job.crashes), (2, 0));
    assert!(world.waits_of("cleo")[0] >= Duration::from_hours(1));
    world.close().await;
}

/// A tool that falls over behind its call while it is told to.
struct Falls(Arc<AtomicBool>);

impl Tool for Falls {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "ask_person".to_owned(), description: String::new(), schema: json!({"type": "object"}) }
    }

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async { ToolOutcome::done("") })
    }

    fn return_char_limit(&self) -> usize {
        assert!(!self.0.load(Ordering::Relaxed), "it falls over");
        1_000
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_job_counts_as_a_crash_and_one_in_a_turn_fails_it_visibly() {
    let falls = Arc::new(AtomicBool::new(false));
    let toolbox = ToolRegistry::default().with(Arc::new(Falls(Arc::clone(&falls))));
    let asks = |when: When| when.call("ask_person", json!({}));
    let replies = [When::in_job().step(2).finishes(), asks(When::in_job()), asks(When::agent("ann").turn(2))];
    let script = Script::of(replies).otherwise("{agent} speaks");
    let world = World::new(Plan { toolbox, every_turns: Some(2), ..desk(script) }).await;
    world.send("one").await;
    falls.store(true, Ordering::Relaxed);
    let job = run_now(&world, "cleo", None).await.unwrap();
    let job = until(&world, &job.id, is_over).await;
    assert!(matches!(job.state, JobState::Failed { class: JobFault::Poison, .. }), "{job:?}");
    let run = world.send("two").await;
    assert!(matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, .. }), "{run:?}");
    assert!(world.transcript().await.last().unwrap().contains("a fault inside Nightdesk"));
    falls.store(false, Ordering::Relaxed);
    let run = world.send("three").await;
    assert!(matches!(run.state, RunState::Finished { stop_reason: StopReason::MaxTurns, .. }), "{run:?}");
    world.jobs_over(2).await;
    world.close().await;
}
