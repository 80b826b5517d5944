//! How jobs end: retried in their time, failed for good, cancelled (J7, J8).

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::job::JobFault;
use nightdesk::testing::domain::{JobOutcome, JobState, Run, RunState, StopReason};

use super::{cancel, desk, is_over, job_after, job_over_after, retry, runs, until};
use crate::support::engine_harness::{Plan, World, story};

#[tokio::test(start_paused = true)]
async fn a_transient_fault_is_retried_with_growing_patience_and_fails_after_eight_attempts() {
    let script = Script::of([When::in_job().status(500)]).otherwise("x");
    let world = World::new(desk(script)).await;
    let job = job_over_after(&world, "one").await;
    let JobState::Failed { class: JobFault::Transient, error } = &job.state else { panic!("{job:?}") };
    assert!(error.contains("500"), "{error}");
    assert_eq!(job.attempt, 8);
    let attempts: Vec<u32> = world.asked_of("cleo").iter().map(|prompt| prompt.place.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6, 7, 8]);
    let waits = world.waits_of("cleo");
    for (n, wait) in waits.iter().enumerate() {
        let most = Duration::from_secs(2 << n).min(Duration::from_mins(15)) + Duration::from_millis(2);
        assert!(*wait <= most, "wait {n}: {wait:?}, at most {most:?}");
    }
    assert!(waits.iter().sum::<Duration>() > Duration::from_secs(10), "{waits:?}");
    let run = world.store().row::<Run>(job.run.unwrap().as_str()).await.unwrap().unwrap();
    assert!(matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, error: Some(_) }));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn between_attempts_it_waits_where_it_can_be_seen_and_retry_after_is_heeded() {
    let script = Script::of([
        When::in_job().attempt(1).status_retry_after(429, 100),
        When::in_job().step(1).inserts("story", "- kept"),
    ])
    .otherwise("x");
    let world = World::new(desk(script)).await;
    let job = job_after(&world, "one").await;
    let waiting = until(&world, &job.id, |job| matches!(job.state, JobState::Retryable { .. })).await;
    let JobState::Retryable { run_at, error, .. } = &waiting.state else { panic!("{waiting:?}") };
    assert!(error.contains("429"), "{error}");
    let wait = run_at.duration_since(world.store().clock().now());
    assert!(wait.as_secs() >= 99, "{wait}");
    assert_eq!(waiting.state.shown(), "created");
    let job = world.job_over().await;
    assert_eq!((job.attempt, job.edits), (2, 1));
    assert!(world.waits_of("cleo")[0] >= Duration::from_secs(100));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_retries_a_waiting_job_does_not_wait_for_its_backoff() {
    let script =
        Script::of([When::in_job().attempt(1).status_retry_after(429, 3000), When::in_job().finishes()]).otherwise("x");
    let world = World::new(desk(script)).await;
    let job = job_after(&world, "one").await;
    until(&world, &job.id, |job| matches!(job.state, JobState::Retryable { .. })).await;
    retry(&world, &job.id).await.unwrap();
    assert_eq!(world.job_over().await.attempt, 2);
    assert!(world.waits_of("cleo")[0] < Duration::from_secs(5));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_is_ended_by_its_time_out_and_has_one_effect() {
    let script = Script::of([
        When::in_job().attempt(1).text("hm").hang_after(2),
        When::in_job().step(1).inserts("story", "- kept"),
    ])
    .otherwise("x");
    let world = World::new(desk(script)).await;
    let job = job_over_after(&world, "one").await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!((job.attempt, world.block(&story()).await.version), (2, 2));
    assert!(world.waits_of("cleo")[0] >= Duration::from_mins(1));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_terminal_fault_fails_at_once_and_the_next_job_goes_on() {
    let script = Script::of([When::in_job().contains("on 1").status(401), When::in_job().finishes()])
        .otherwise("{agent} on {turn}");
    let world = World::new(desk(script)).await;
    let job = job_over_after(&world, "one").await;
    assert!(matches!(job.state, JobState::Failed { class: JobFault::Terminal, .. }), "{job:?}");
    assert_eq!((job.attempt, world.asked_of("cleo").len()), (1, 1));
    world.send("two").await;
    let jobs = world.jobs_over(2).await;
    assert_eq!(jobs[1].state, JobState::Completed { outcome: JobOutcome::Unchanged });
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn committed_steps_of_a_job_stay_and_a_later_attempt_goes_on_behind_them() {
    let script = Script::of([
        When::in_job().step(1).inserts("story", "- kept"),
        When::in_job().step(2).attempt(1).cut_after(0),
        When::in_job().finishes(),
    ])
    .otherwise("x");
    let world = World::new(desk(script)).await;
    let job = job_over_after(&world, "one").await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    let steps: Vec<u32> = world.asked_of("cleo").iter().map(|prompt| prompt.place.step).collect();
    assert_eq!(steps, [1, 2, 2]);
    assert_eq!(world.block(&story()).await.version, 2);
    world.close().await;
}

fn slow() -> Script {
    Script::of([When::in_job().text("hm hm hm hm").chunk(3).delay_ms(60_000).inserts("story", "- never")])
        .otherwise("{agent} speaks")
}

#[tokio::test(start_paused = true)]
async fn cancelled_a_job_that_runs_or_waits_ends_at_once_and_a_finished_one_says_so() {
    let world = World::new(Plan { max_steps: Some(1), ..desk(slow()) }).await;
    world.send("one").await;
    world.speaking("cleo").await;
    world.send("two").await;
    let [running, waiting] = &world.jobs().await[..] else { panic!("two jobs") };
    assert!(runs(running) && waiting.state == JobState::Available);

    let cancelled = cancel(&world, &waiting.id).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled { why: "you cancelled it".to_owned() });
    assert_eq!(cancelled.window, None);
    let start = tokio::time::Instant::now();
    let cancelled = cancel(&world, &running.id).await.unwrap();
    assert_eq!(cancelled.state.as_str(), "cancelled");
    world.idle().await;
    assert!(start.elapsed() < Duration::from_secs(1), "its stream is dropped");
    assert_eq!(world.block(&story()).await.version, 1);
    let run = world.store().row::<Run>(cancelled.run.unwrap().as_str()).await.unwrap().unwrap();
    assert!(matches!(run.state, RunState::Finished { stop_reason: StopReason::Cancelled, .. }));
    for job in [running, waiting] {
        let fault = cancel(&world, &job.id).await.unwrap_err();
        assert!(fault.text.contains("cancelled already"), "{fault}");
    }
    let again = retry(&world, &running.id).await.unwrap();
    let again = until(&world, &again.id, is_over).await;
    assert_eq!(again.window, Some((0, 4)), "the cursor had stayed");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_cannot_be_saved_leaves_the_job_running_to_its_end() {
    let world = World::new(Plan { max_steps: Some(1), ..desk(slow()) }).await;
    world.send("one").await;
    world.speaking("cleo").await;
    let id = world.jobs().await[0].id.clone();
    let (desk, aside) = (world.setting.dir.path().join("desk.db"), world.setting.dir.path().join("aside.db"));
    std::fs::rename(&desk, &aside).unwrap();
    let refused = cancel(&world, &id).await.unwrap_err();
    assert!(refused.text.contains("put it back"), "{refused}");
    std::fs::rename(&aside, &desk).unwrap();
    let job = until(&world, &id, is_over).await;
    assert_eq!(job.state.as_str(), "completed", "{:?}", job.state);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_stops_at_its_last_step() {
    let script = Script::of([When::in_job().inserts("story", "- more")]).otherwise("x");
    let world = World::new(Plan { max_steps: Some(3), ..desk(script) }).await;
    let job = job_over_after(&world, "one").await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!((job.edits, world.asked_of("cleo").len()), (3, 3));
    world.close().await;
}
