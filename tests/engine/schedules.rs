//! Triggers at times of the clock: each time makes one job or is reported, whatever happens to the program, the machine
//! or the clock. What other schedulers were reported for is a test each.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::engine_harness::{Plan, World, group_id, story};
use crate::support::script::{Script, When};
use jiff::{SignedDuration, Timestamp};
use nightdesk::testing::domain::trigger::{Hours, Missed, Schedule};
use nightdesk::testing::domain::{
    CauseKind, Change, Group, GroupStatus, Job, JobState, Trigger, TriggerSpec, Value, When as Fires,
};
use nightdesk::testing::engine::protocol::{GroupForm, Reply, Request};

const TASK: &str = "Write the digest.";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// At these times, in UTC.
fn cron(pattern: &str) -> Schedule {
    let (missed, missed_within, between) = (Missed::Once, None, None);
    Schedule { pattern: pattern.to_owned(), zone: "UTC".to_owned(), missed, missed_within, between }
}

fn spec(schedule: Schedule) -> TriggerSpec {
    TriggerSpec { task: Some(TASK.to_owned()), ..Fires::Cron { schedule }.into() }
}

fn quick() -> Script {
    Script::of([When::in_job().finishes()]).otherwise("{agent} speaks")
}

/// One speaker and one in the background, who works at these times, after a first message at 09:00 on 1 May 2026, a
/// Friday.
async fn working(script: Script, schedule: Schedule) -> World {
    let triggers = vec![spec(schedule)];
    let world =
        World::new(Plan { script, members: &["ann"], background: &["cleo"], triggers, ..Plan::default() }).await;
    world.send("hello").await;
    world
}

async fn trigger(world: &World) -> Trigger {
    world.store().all::<Trigger>().await.unwrap().rows.remove(0)
}

/// What the jobs are for: the time of each cause, and for how many it stands.
fn due(jobs: &[Job]) -> Vec<(Timestamp, u32)> {
    let one = |kind: &CauseKind| match kind {
        CauseKind::Cron { scheduled_at, count, .. } => (*scheduled_at, *count),
        other => panic!("{other:?}"),
    };
    jobs.iter().flat_map(|job| &job.causes).map(|cause| one(&cause.kind)).collect()
}

fn now(world: &World) -> Timestamp {
    world.store().clock().now()
}

#[tokio::test(start_paused = true)]
async fn each_time_of_a_schedule_makes_one_job_with_its_task() {
    let zone = "Europe/Zurich".to_owned();
    let world = working(quick(), Schedule { zone, ..cron("30 11,12 * * *") }).await;
    let first = trigger(&world).await;
    assert_eq!((first.next_due, first.since), (Some(at("2026-05-01T09:30:00Z")), None));
    let job = world.job_over().await;
    assert_eq!(now(&world).duration_since(at("2026-05-01T09:30:00Z")).as_secs(), 0);
    assert_eq!((due(std::slice::from_ref(&job)), job.depth), (vec![(at("2026-05-01T09:30:00Z"), 1)], 1));
    assert_eq!(job.causes[0].task.as_deref(), Some(TASK));
    let told = format!("{:?}", world.asked_of("cleo").remove(0).entries);
    for part in ["Your task: Write the digest.", "This was due at 2026-05-01 11:30 (Europe/Zurich)."] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Nothing was said since, and the task is something to do.
    let jobs = world.jobs_over(2).await;
    assert_eq!(due(&jobs)[1], (at("2026-05-01T10:30:00Z"), 1));
    assert_eq!(world.asked_of("cleo").len(), 2);
    let row = trigger(&world).await;
    assert_eq!((row.next_due, row.why_not), (Some(at("2026-05-02T09:30:00Z")), None));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_without_a_task_makes_no_model_call_where_nothing_was_said() {
    let triggers = vec![Fires::Cron { schedule: cron("0 * * * *") }.into()];
    let plan = Plan { script: quick(), members: &["ann"], background: &["cleo"], triggers, ..Plan::default() };
    let world = World::new(plan).await;
    world.send("hello").await;
    world.jobs_over(2).await;
    assert_eq!(world.asked_of("cleo").len(), 1, "the second had nothing to read");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_fires_nothing_twice_and_one_that_is_set_forward_fires_once() {
    for hours in [-48, -24, -1, 1, 5, 24] {
        let world = working(quick(), cron("0 * * * *")).await;
        world.jobs_over(1).await;
        world.set_clock(SignedDuration::from_hours(hours));
        world.idle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let jumped = due(&world.jobs().await);
        // The next time on the wall is an hour after the last that was taken.
        let forward = u32::try_from(hours).unwrap_or(0);
        assert_eq!(jumped.len(), if hours > 0 { 2 } else { 1 }, "{hours}: {jumped:?}");
        assert_eq!(jumped.iter().map(|(_, count)| count).sum::<u32>(), 1 + forward, "{hours}");
        tokio::time::sleep(Duration::from_hours(u64::try_from(-hours).unwrap_or(0))).await;
        world.jobs_over(jumped.len() + 1).await;
        let all = due(&world.jobs().await);
        let times: BTreeSet<Timestamp> = all.iter().map(|(at, _)| *at).collect();
        assert_eq!(times.len(), all.len(), "{hours}: {all:?}");
        assert_eq!(all.last().unwrap().0, at("2026-05-01T11:00:00Z") + SignedDuration::from_hours(forward.into()));
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_the_job_of_a_time_runs_finishes_it_once() {
    let script = Script::of([When::in_job().finishes().first_delay_ms(60_000)]).otherwise("{agent} speaks");
    let world = working(script, cron("0 * * * *")).await;
    let runs = |job: &Job| matches!(job.state, JobState::Running { .. });
    world.when(async |world| world.jobs().await.iter().any(runs).then_some(())).await;
    let world = world.restart_after(Duration::from_secs(5)).await;
    let job = world.job_over().await;
    assert_eq!((job.state.shown(), job.attempt), ("completed", 2));
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(due(&world.jobs().await), [(at("2026-05-01T10:00:00Z"), 1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_a_minute_after_the_job_of_a_time_completed_never_runs_it_again() {
    let world = working(quick(), cron("0 * * * *")).await;
    world.job_over().await;
    let mut world = world;
    for _ in 0..3 {
        world = world.restart_after(Duration::from_mins(1)).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
    assert_eq!(due(&world.jobs().await), [(at("2026-05-01T10:00:00Z"), 1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_some_seconds_at_the_due_time_misses_nothing() {
    let world = working(quick(), Schedule { missed: Missed::Skip, ..cron("0 * * * *") }).await;
    let left = at("2026-05-01T09:59:55Z").duration_since(now(&world));
    tokio::time::sleep(Duration::try_from(left).unwrap()).await;
    let world = world.restart_after(Duration::from_secs(13)).await;
    let job = world.job_over().await;
    assert_eq!(due(&[job]), [(at("2026-05-01T10:00:00Z"), 1)]);
    assert_eq!(trigger(&world).await.why_not, None);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missed_over_a_weekend_is_made_up_for_as_the_trigger_says() {
    for missed in [Missed::Once, Missed::All, Missed::Skip] {
        let world = working(quick(), Schedule { missed, ..cron("0 */6 * * *") }).await;
        let world = world.restart_after(Duration::from_hours(60)).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (jobs, row) = (world.jobs().await, trigger(&world).await);
        let all = due(&jobs);
        assert_eq!(row.next_due, Some(at("2026-05-04T00:00:00Z")));
        match missed {
            Missed::Once => {
                assert_eq!(all, [(at("2026-05-03T18:00:00Z"), 10)]);
                let told = format!("{:?}", world.asked_of("cleo").remove(0).entries);
                assert!(told.contains("10 times that were due, from 2026-05-01 12:00 to 2026-05-03 18:00"), "{told}");
            }
            Missed::All => {
                assert_eq!((all.len(), jobs.len()), (10, 1), "one waiting job has all of them");
                assert_eq!((all[0], all[9]), ((at("2026-05-01T12:00:00Z"), 1), (at("2026-05-03T18:00:00Z"), 1)));
            }
            Missed::Skip => {
                assert_eq!(all, []);
                let why = "10 times from 2026-05-01 12:00 to 2026-05-03 18:00 were skipped: what is missed is skipped";
                assert_eq!(row.why_not.as_deref(), Some(why));
            }
        }
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_that_is_no_longer_wanted_is_skipped_and_says_so() {
    // Five minutes before the market closes in New York, which is 19:55 UTC.
    let hours = Hours::try_from("09:30-16:00".to_owned()).unwrap();
    let market = Schedule {
        zone: "America/New_York".to_owned(),
        missed_within: Some(1_800),
        between: Some(hours),
        ..cron("55 15 * * *")
    };
    let world = working(quick(), market).await;
    assert_eq!(trigger(&world).await.next_due, Some(at("2026-05-01T19:55:00Z")));
    // The program is away from before the time until after the market has closed.
    let world = world.restart_after(Duration::from_hours(12)).await;
    let waits = async |world: &World| {
        let row = trigger(world).await;
        (row.next_due == Some(at("2026-05-02T13:30:00Z"))).then_some(())
    };
    world.when(waits).await;
    assert_eq!(world.jobs().await, []);
    tokio::time::sleep(Duration::from_hours(16)).await;
    let why = world.when(async |world| trigger(world).await.why_not).await;
    assert_eq!(why, "2026-05-01 15:55 was skipped: it was more than 30m ago");
    let job = world.job_over().await;
    assert_eq!(due(&[job]), [(at("2026-05-02T19:55:00Z"), 1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_after_its_time_out_has_no_effect_besides_that_of_its_retry() {
    let script = Script::of([
        When::in_job().attempt(1).inserts("story", "- the digest").first_delay_ms(600_000),
        When::in_job().attempt(2).step(1).inserts("story", "- the digest"),
        When::in_job().finishes(),
    ])
    .otherwise("{agent} speaks");
    let world = working(script, cron("0 10 * * *")).await;
    let job = world.job_over().await;
    assert_eq!((job.attempt, job.edits), (2, 1));
    tokio::time::sleep(Duration::from_hours(1)).await;
    let block = world.block(&story()).await;
    assert_eq!((block.version, block.value.matches("the digest").count()), (2, 1));
    assert_eq!(due(&world.jobs().await), [(at("2026-05-01T10:00:00Z"), 1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_stood_still_for_half_an_hour_fires_once_for_what_was_due() {
    let world = working(quick(), cron("0 * * * *")).await;
    tokio::time::sleep(Duration::from_mins(45)).await;
    tokio::time::advance(Duration::from_mins(30)).await;
    let job = world.job_over().await;
    assert_eq!(due(&[job]), [(at("2026-05-01T10:00:00Z"), 1)]);
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(world.jobs().await.len(), 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn each_time_of_a_week_makes_one_job_or_is_reported_over_a_daylight_change_a_sleep_and_a_clock_that_is_set() {
    for missed in [Missed::Once, Missed::Skip] {
        let plan = Plan { script: quick(), members: &["ann"], background: &["cleo"], ..Plan::default() };
        let world = World::new(plan).await;
        // Thursday; the clocks go forward on Sunday.
        world.set_clock(at("2026-03-26T00:00:00Z").duration_since(now(&world)));
        world.send("hello").await;
        let schedule = Schedule { zone: "Europe/Zurich".to_owned(), missed, ..cron("30 2,9,16 * * *") };
        let form = GroupForm::default().set("trigger", Value::Triggers(vec![spec(schedule.clone())]));
        world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.unwrap();
        let begin = now(&world);
        let until = async |moment: &str| {
            let left = Duration::try_from(at(moment).duration_since(now(&world))).unwrap();
            tokio::time::sleep(left).await;
        };
        until("2026-03-27T06:00:00Z").await;
        // Asleep for eight hours.
        tokio::time::advance(Duration::from_hours(8)).await;
        until("2026-03-31T12:00:00Z").await;
        world.set_clock(SignedDuration::from_hours(-24));
        until("2026-04-02T00:00:00Z").await;
        world.idle().await;

        let mut expected = Vec::new();
        let mut next = schedule.next(begin).unwrap();
        while next <= now(&world) {
            expected.push(next);
            next = schedule.next(next).unwrap();
        }
        assert_eq!(expected.len(), 21);
        let made: Vec<Timestamp> = due(&world.jobs().await)
            .into_iter()
            .map(|(at, count)| {
                assert_eq!(count, 1);
                at
            })
            .collect();
        let log = world.store().log(0, usize::MAX).await.unwrap();
        let reported: Vec<String> = log
            .iter()
            .filter_map(|entry| match &entry.change {
                Change::TriggerHeld { why, .. } => why.clone(),
                _ => None,
            })
            .collect();
        match missed {
            Missed::Skip => {
                assert_eq!(reported, ["2026-03-27 09:30 was skipped: what is missed is skipped"]);
                expected.retain(|time| *time != at("2026-03-27T08:30:00Z"));
            }
            _ => assert_eq!(reported, Vec::<String>::new()),
        }
        assert_eq!(made, expected);
        assert!(made.contains(&at("2026-03-29T01:00:00Z")), "02:30 came at 03:00 on the day without it");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_of_a_paused_group_is_taken_and_says_why_it_makes_no_job() {
    let world = working(quick(), cron("0 * * * *")).await;
    let status = |status: &str| {
        let form = Box::new(GroupForm::default().set("status", status));
        world.ask(Request::UpdateGroup { id: group_id(), form })
    };
    status(GroupStatus::Paused.as_str()).await.unwrap();
    let why = world.when(async |world| trigger(world).await.why_not).await;
    assert_eq!(why, "test is paused");
    status(GroupStatus::Active.as_str()).await.unwrap();
    let job = world.job_over().await;
    assert_eq!(due(&[job]), [(at("2026-05-01T11:00:00Z"), 1)]);
    let group: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    assert_eq!(group.status, GroupStatus::Active);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_trigger_waits_for_no_time_and_goes_on_with_the_next_one() {
    let world = working(quick(), cron("0 * * * *")).await;
    let id = trigger(&world).await.id;
    let pause = async |paused: bool| world.ask(Request::PauseTrigger { id: id.clone(), paused }).await;
    assert!(matches!(pause(true).await.unwrap(), Reply::Trigger(row) if row.paused));
    let row = trigger(&world).await;
    assert_eq!((row.next_due, row.why_not.as_deref()), (None, Some("it is paused")));
    assert_eq!(pause(true).await.unwrap_err().text, "the trigger is paused already");
    let world = world.restart_after(Duration::from_hours(3)).await;
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(world.jobs().await, []);
    let again = Request::PauseTrigger { id: id.clone(), paused: false };
    assert!(matches!(world.ask(again).await.unwrap(), Reply::Trigger(row) if !row.paused && row.why_not.is_none()));
    let job = world.job_over().await;
    assert_eq!(due(&[job]), [(at("2026-05-01T16:00:00Z"), 1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_is_fired_by_hand_gives_its_task_and_keeps_its_times() {
    let world = working(quick(), cron("0 * * * *")).await;
    let row = trigger(&world).await;
    let fire = Request::FireTrigger { id: row.id.clone() };
    let Reply::TriggerFired { jobs } = world.ask(fire.clone()).await.unwrap() else { panic!("it was not fired") };
    let job = world.job_over().await;
    assert_eq!((jobs, job.causes[0].task.as_deref()), (vec![job.id.clone()], Some(TASK)));
    assert_eq!(
        (&job.causes[0].kind, job.causes[0].of.as_ref()),
        (&CauseKind::Person { instruction: None }, Some(&row.id))
    );
    let fired = trigger(&world).await;
    assert_eq!((fired.next_due, fired.last_fired.is_some()), (row.next_due, true));
    world.ask(Request::PauseTrigger { id: row.id.clone(), paused: true }).await.unwrap();
    assert!(world.ask(fire).await.is_ok(), "a person may fire what is paused");
    world.jobs_over(2).await;
    world.close().await;
}
