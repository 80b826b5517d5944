//! Care of the store as jobs: they come when they are due, once for all times that were missed, and wait for nobody (J14).

use std::time::Duration;

use jiff::SignedDuration;
use nightdesk::testing::config::Config;
use nightdesk::testing::domain::block::{Grantee, Level};
use nightdesk::testing::domain::{CareTask, CauseKind, Change, Job, JobOutcome, JobState, PendingCall};
use nightdesk::testing::engine::protocol::{
    AuditFilter, AuditKind, BlockChange, BlockRequest, Expired, OnClash, Reply, Request, RequestError,
};
use serde_json::json;

use crate::support::engine_harness::{Plan, World, agent_id, story};
use crate::support::script::{Script, When};

const DAY: i64 = 24 * 3_600;

fn settings(care: &str) -> Config {
    let off = |key: &str| if care.contains(key) { String::new() } else { format!("{key} = \"off\"\n") };
    let rest: String = ["backup", "check", "retention", "index"].map(off).concat();
    Config::parse(&format!("[care]\n{care}\n{rest}"), "config.toml").unwrap()
}

fn desk(script: Script, care: &str) -> Plan {
    let config = settings(care);
    Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), config, ..Plan::default() }
}

fn report(job: &Job) -> &str {
    match &job.state {
        JobState::Completed { outcome: JobOutcome::CareTaken { report } } => report,
        other => panic!("{other:?}"),
    }
}

async fn run(world: &World, task: CareTask) -> Result<Job, RequestError> {
    match world.ask(Request::RunCare { task }).await? {
        Reply::Job(job) => Ok(*job),
        other => panic!("{other:?}"),
    }
}

/// Runs a task and waits for its end.
async fn done(world: &World, task: CareTask) -> Job {
    let job = run(world, task).await.unwrap();
    over(world, &job).await
}

async fn over(world: &World, job: &Job) -> Job {
    world.when(async |world| Some(world.job(&job.id).await).filter(|job| job.state.is_final())).await
}

fn backups(world: &World) -> Vec<String> {
    let found = std::fs::read_dir(world.setting.dir.path().join("backups"));
    let names = found.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_task_is_due_at_its_times_and_once_for_all_that_were_missed() {
    let world = World::new(desk(Script::default(), "backup = \"0 3 * * *\"\nkeep_backups = 2")).await;
    let head = *world.store().head().borrow();
    world.idle().await;
    assert_eq!(*world.store().head().borrow(), head, "nothing is due at the first start");
    let mut seen = 0;
    for (slept, count, first, last) in [
        (Duration::from_hours(18), 1, "2026-05-02T03:00:00Z", "2026-05-02T03:00:00Z"),
        (Duration::from_hours(24), 1, "2026-05-03T03:00:00Z", "2026-05-03T03:00:00Z"),
    ] {
        tokio::time::advance(slept).await;
        let jobs = world.jobs_over(seen + 1).await;
        seen += 1;
        let [cause] = jobs[seen - 1].causes.as_slice() else { panic!("{jobs:?}") };
        let CauseKind::Cron { scheduled_at, first: from, count: times, .. } = &cause.kind else { panic!("{cause:?}") };
        assert_eq!((*times, from.to_string().as_str(), scheduled_at.to_string().as_str()), (count, first, last));
        assert_eq!(jobs[seen - 1].attempt, 1);
    }
    // The machine is off for four days.
    let world = world.restart_after(Duration::from_hours(96)).await;
    let jobs = world.jobs_over(3).await;
    let CauseKind::Cron { count, scheduled_at, .. } = &jobs[2].causes[0].kind else { panic!("{jobs:?}") };
    assert_eq!((*count, scheduled_at.to_string().as_str()), (4, "2026-05-07T03:00:00Z"));
    world.idle().await;
    assert_eq!(world.jobs().await.len(), 3, "one job for all of them");
    assert_eq!(backups(&world), ["desk-20260503T030000Z.db", "desk-20260507T030000Z.db"]);
    assert!(report(&jobs[2]).ends_with("MB, 1 older removed"), "{}", report(&jobs[2]));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_job_twice() {
    let world = World::new(desk(Script::default(), "index = \"0 3 * * *\"")).await;
    tokio::time::advance(Duration::from_hours(18)).await;
    world.jobs_over(1).await;
    world.set_clock(SignedDuration::from_secs(-DAY));
    world.idle().await;
    tokio::time::advance(Duration::from_hours(20)).await;
    world.idle().await;
    assert_eq!(world.jobs().await.len(), 1, "03:00 of this day was decided");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_later_keeps_no_worker_and_what_is_overdue_is_due() {
    let world = World::new(desk(Script::default(), "check = \"0 3 * * *\"")).await;
    world.idle().await;
    assert_eq!(world.ask(Request::Due).await.unwrap(), Reply::Due { due: false, scheduled: None });
    world.set_clock(SignedDuration::from_secs(DAY));
    let Reply::Due { due, .. } = world.ask(Request::Due).await.unwrap() else { panic!() };
    assert!(due, "its job is there with the answer");
    let job = world.job_over().await;
    assert_eq!(job.care(), Some(CareTask::Check));
    assert!(report(&job).starts_with("sound: "), "{}", report(&job));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn by_hand_a_task_runs_without_a_schedule_and_not_twice_at_once() {
    let world = World::new(desk(Script::default(), "")).await;
    let job = done(&world, CareTask::Backup).await;
    assert_eq!(job.causes[0].kind, CauseKind::Person { instruction: None });
    assert_eq!((job.agent(), job.group(), job.tokens), (None, None, 0));
    assert!(report(&job).starts_with("desk-20260501T0900"), "{}", report(&job));
    // One that waits takes the further cause; one that ended is a new one.
    let (first, second) = (run(&world, CareTask::Index).await.unwrap(), run(&world, CareTask::Index).await);
    let second = second.unwrap_or_else(|refused| {
        assert!(refused.text.starts_with("there is an unfinished job of index already"), "{}", refused.text);
        first.clone()
    });
    over(&world, &first).await;
    over(&world, &second).await;
    let again = world.ask(Request::RetryJob { id: first.id.clone() }).await.unwrap_err();
    assert!(again.text.contains("nothing to retry"), "{}", again.text);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_cannot_be_written_fails_with_a_sentence_and_can_be_retried() {
    let world = World::new(desk(Script::default(), "")).await;
    let place = world.setting.dir.path().join("backups");
    std::fs::write(&place, "no directory").unwrap();
    let failed = done(&world, CareTask::Backup).await;
    let error = failed.state.error().unwrap().to_owned();
    assert!(error.contains("backups cannot be created"), "{error}");
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "no directory");
    std::fs::remove_file(&place).unwrap();
    let Reply::Job(again) = world.ask(Request::RetryJob { id: failed.id.clone() }).await.unwrap() else { panic!() };
    let again = over(&world, &again).await;
    assert_eq!((again.retry_of.as_ref(), backups(&world).len()), (Some(&failed.id), 1));
    assert!(report(&again).contains("MB"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_program_left_is_done_by_the_next_one() {
    let world = World::new(desk(Script::default(), "")).await;
    let job = run(&world, CareTask::Check).await.unwrap();
    let claimed = Change::CareClaimed { id: job.id.clone(), epoch: 1 };
    // Whoever comes first, the store lets one have it.
    let _ = world.apply(vec![claimed]).await;
    let world = world.restart().await;
    let job = over(&world, &job).await;
    assert!(report(&job).starts_with("sound: "));
    world.close().await;
}

/// Three turns, each with a job: the first of them edits the block.
async fn three_jobs(care: &str) -> World {
    let script = Script::of([When::in_job().turn(1).step(1).inserts("story", "- first"), When::in_job().finishes()]);
    let world = World::new(desk(script.otherwise("{agent} speaks"), care)).await;
    for (at, text) in ["one", "two", "three"].into_iter().enumerate() {
        world.send(text).await;
        world.jobs_over(at + 1).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn retention_removes_what_old_jobs_left_and_the_log_still_gives_the_tables() {
    let world = three_jobs("").await;
    let jobs = world.jobs().await;
    let written = world.block(&crate::support::engine_harness::story()).await;
    let (week, all) = (Some(7 * 86_400), Some(30 * 86_400));
    let found = async |world: &World| match world.ask(Request::Expired { completed: week, others: all }).await.unwrap()
    {
        Reply::Expired(found) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found(&world).await, Expired::default(), "they ended just now");
    let early = world.ask(Request::ClearJobs { completed: Some(3_600), others: None }).await.unwrap_err();
    assert!(early.text.contains("a day after they ended"), "{}", early.text);

    world.set_clock(SignedDuration::from_secs(8 * DAY));
    let expected = found(&world).await;
    assert_eq!(expected.jobs, 2, "the newest of the agent stays");
    assert!(expected.records > 0 && expected.bytes > 0);
    let swept = done(&world, CareTask::Retention).await;
    assert_eq!(report(&swept), format!("removed 2 jobs, {} messages and steps", expected.records));
    assert_eq!(found(&world).await, Expired::default());

    // Two of them are gone; the one that a version of the block names keeps its header.
    let left = world.jobs().await;
    let edited = jobs.iter().find(|job| job.edits > 0).unwrap();
    let header = world.job(&edited.id).await;
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!((header.edits, header.tokens, &header.ended_at), (edited.edits, edited.tokens, &edited.ended_at));
    assert!(header.expired_at.is_some() && header.run.is_none());
    let Reply::JobDetail(detail) = world.ask(Request::JobDetail { id: header.id.clone() }).await.unwrap() else {
        panic!()
    };
    assert_eq!((detail.steps.len(), detail.notes.len(), detail.edits.len()), (0, 0, 1));
    assert!(world.store().background().verify_replay().await.unwrap().differences.is_empty());
    // A restart reads the same, and what blocks keep can still be undone.
    let world = world.restart().await;
    assert_eq!(world.block(&written.id).await.value, written.value);
    let undo = Request::UndoJob { id: header.id.clone(), clashes: OnClash::Ask };
    let Reply::JobUndone { blocks, .. } = world.ask(undo).await.unwrap() else { panic!() };
    assert_eq!(blocks.len(), 1);
    let gone = jobs.iter().find(|job| !left.iter().any(|other| other.id == job.id)).unwrap();
    let missing = world.ask(Request::UndoJob { id: gone.id.clone(), clashes: OnClash::Ask }).await.unwrap_err();
    let why = format!("there is no job {}; one that changed nothing goes some days after its end", gone.id);
    assert_eq!(missing.text, why);
    let found = world.send("four").await;
    assert!(found.is_finished());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_of_a_log_that_cannot_be_read_fails_and_says_where() {
    let world = World::new(desk(Script::default(), "")).await;
    let damage = "UPDATE changes SET body = '{}' WHERE n = (SELECT min(n) FROM changes WHERE kind = 'agent_put')";
    rusqlite::Connection::open(world.setting.dir.path().join("desk.db")).unwrap().execute_batch(damage).unwrap();
    let job = done(&world, CareTask::Check).await;
    let JobState::Failed { error, .. } = &job.state else { panic!("{job:?}") };
    assert!(error.contains("change") && error.contains("cannot be read"), "{error}");
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_decided_stays_in_the_audit_when_retention_removes_the_job_that_asked() {
    let ask = json!({"label": "story", "level": "read_write", "reason": "to note dates"});
    let script =
        Script::of([When::in_job().turn(1).step(1).call("request_block_access", ask), When::in_job().finishes()]);
    let world = World::new(desk(script.otherwise("{agent} speaks"), "")).await;
    let (who, level) = (Grantee::Agent(agent_id("cleo")), Some(Level::Read));
    let change = BlockChange::Access { who, level, reason: String::new() };
    let closed = BlockRequest::Change { id: story(), change, really: true };
    world.ask(Request::Block(Box::new(closed))).await.unwrap();
    world.send("one").await;
    let call = world.when(async |world| world.overview().await.calls.into_iter().find(PendingCall::is_open)).await;
    let (step, ordinal) = (call.step.clone(), call.ordinal);
    world.ask(Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() }).await.unwrap();
    world.jobs_over(1).await;
    for (at, text) in ["two", "three"].into_iter().enumerate() {
        world.send(text).await;
        world.jobs_over(at + 2).await;
    }
    let decisions = async |world: &World| {
        let filter = AuditFilter { kinds: vec![AuditKind::Decision], block: Some(story()), ..AuditFilter::default() };
        match world.ask(Request::Audit { filter: Box::new(filter), before: None, limit: 9 }).await.unwrap() {
            Reply::Audit(page) => page.entries,
            other => panic!("{other:?}"),
        }
    };
    let told = decisions(&world).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].text.as_str(), &told[0].agent), ("approved request_block_access", &Some(agent_id("cleo"))));
    world.set_clock(SignedDuration::from_secs(8 * DAY));
    assert!(report(&done(&world, CareTask::Retention).await).starts_with("removed 2 jobs"));
    assert!(world.overview().await.calls.is_empty());
    assert_eq!(decisions(&world).await, told);
    world.close().await;
}
