//! Spans run on elapsed time: whatever is done to the wall clock, they last as long as they are meant to.

use std::time::Duration;

use crate::support::script::{Script, When};
use jiff::SignedDuration;
use nightdesk::testing::domain::{
    Group, JobState, Mail, MailStatus, ManagerType, Priority, Run, RunState, StopReason, TerminationCondition,
};
use nightdesk::testing::engine::protocol::{Reply, Request};
use tokio::time::Instant;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id};

const JUMPS: [SignedDuration; 4] = [
    SignedDuration::from_hours(-24),
    SignedDuration::from_hours(-1),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(24),
];

fn group() -> Group {
    Group::new(group_id(), "test", ManagerType::RoundRobin)
}

/// Ann asks bob, who takes his time, and waits for a minute.
fn asking() -> Plan {
    let script = Script::of([
        When::agent("ann").step(1).asks("bob", "Is it true?"),
        When::agent("bob").text("late").first_delay_ms(3_600_000),
    ])
    .otherwise("{agent} goes on");
    Plan {
        script,
        members: &["ann", "bob"],
        max_turns: Some(1),
        tools: &["send_message_to_agent_and_wait_for_reply"],
        group: Some(Group { wait_seconds: Some(60), ..group() }),
        ..Plan::default()
    }
}

/// A job whose first try is refused, with the advice to wait for ten minutes.
fn retrying() -> Plan {
    let script =
        Script::of([When::in_job().attempt(1).status_retry_after(429, 600), When::in_job().finishes()]).otherwise("x");
    Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() }
}

async fn waits_for_its_try(world: &World) {
    world.send("one").await;
    let waits = |job: &nightdesk::testing::domain::Job| matches!(job.state, JobState::Retryable { .. });
    world.when(async |world| world.jobs().await.iter().any(waits).then_some(())).await;
}

/// Mail for bob, whose group is paused.
async fn expiring(world: &World, seconds: u64) -> Mail {
    let mail = Request::SendMail {
        to: agent_id("bob"),
        text: "by then".to_owned(),
        priority: Priority::Normal,
        expires_in: Some(seconds),
        in_reply_to: None,
    };
    match world.ask(mail).await.unwrap() {
        Reply::Mail(mail) => *mail,
        other => panic!("{other:?}"),
    }
}

fn paused() -> Plan {
    let status = nightdesk::testing::domain::GroupStatus::Paused;
    Plan { group: Some(Group { status, ..group() }), ..Plan::default() }
}

async fn expired(world: &World, mail: &Mail) {
    world
        .when(async |world| {
            let mail = world.store().row::<Mail>(mail.id.as_str()).await.unwrap().unwrap();
            (mail.status == MailStatus::Expired).then_some(())
        })
        .await;
}

#[track_caller]
fn lasted(since: Instant, seconds: u64, jump: SignedDuration) {
    let took = since.elapsed();
    assert!(took >= Duration::from_secs(seconds) && took < Duration::from_secs(seconds + 2), "{jump}: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_reply_lasts_as_long_as_it_is_meant_to_whatever_is_done_to_the_clock() {
    for jump in JUMPS {
        let world = World::new(asking()).await;
        let since = Instant::now();
        let run = world.post("hello").await;
        world.in_state(&run, RunState::Parked).await;
        world.set_clock(jump);
        world.finished(&run).await;
        lasted(since, 60, jump);
        let lines = world.transcript().await;
        assert!(lines.iter().any(|line| line.contains("no answer within 60 s")), "{lines:?}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_tried_again_after_its_backoff_whatever_is_done_to_the_clock() {
    for jump in JUMPS {
        let world = World::new(retrying()).await;
        waits_for_its_try(&world).await;
        world.set_clock(jump);
        assert_eq!(world.job_over().await.attempt, 2);
        assert_eq!(world.waits_of("cleo")[0].as_secs(), 600, "{jump}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn mail_expires_after_its_time_whatever_is_done_to_the_clock() {
    for jump in JUMPS {
        let world = World::new(paused()).await;
        let since = Instant::now();
        let mail = expiring(&world, 600).await;
        world.set_clock(jump);
        // A later piece with an earlier time on the wall does not hold it up, or go before.
        let next = expiring(&world, 900).await;
        expired(&world, &mail).await;
        lasted(since, 600, jump);
        expired(&world, &next).await;
        lasted(since, 900, jump);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_of_a_turn_counts_what_has_elapsed() {
    for jump in JUMPS {
        let script = Script::of([]).or(When::any().text("{agent} speaks").first_delay_ms(4_000));
        let group = Group { terminate: Some(TerminationCondition::Seconds(30)), ..group() };
        let world = World::new(Plan { script, max_turns: Some(100), group: Some(group), ..Plan::default() }).await;
        let since = Instant::now();
        let run = world.post("hello").await;
        world.live(|live| live.name == "bob").await;
        world.set_clock(jump);
        assert_eq!(stop(&world.finished(&run).await), StopReason::Seconds);
        lasted(since, 32, jump);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_of_a_turn_counts_what_had_elapsed_when_a_program_starts_again() {
    let script = Script::of([]).or(When::any().text("{agent} speaks").first_delay_ms(4_000));
    let group = Group { terminate: Some(TerminationCondition::Seconds(30)), ..group() };
    let world = World::new(Plan { script, max_turns: Some(100), group: Some(group), ..Plan::default() }).await;
    let since = Instant::now();
    let run = world.post("hello").await;
    world.live(|live| live.name == "bob").await;
    let world = world.restart_after(Duration::from_secs(20)).await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::Seconds);
    // Bob speaks from 24 to 28, cid to 32.
    lasted(since, 32, SignedDuration::ZERO);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_limit_on_mail_of_a_minute_counts_what_has_elapsed() {
    for jump in JUMPS {
        let ann = |step: u32| When::agent("ann").step(step);
        let script = Script::of([
            ann(1).mails("bob", "one"),
            ann(2).mails("bob", "two").first_delay_ms(10_000),
            ann(3).mails("bob", "three").first_delay_ms(20_000),
            ann(4).mails("bob", "four").first_delay_ms(31_000),
            ann(5).text("That was all."),
        ])
        .otherwise("{agent} heard it");
        let world = World::new(Plan {
            script,
            members: &["ann", "bob"],
            max_turns: Some(1),
            tools: &["send_message_to_agent_async"],
            group: Some(Group { mail_per_minute: Some(2), ..group() }),
            ..Plan::default()
        })
        .await;
        let run = world.post("hello").await;
        let step = |world: &World, ordinal: usize| world.asked_of("ann").len() >= ordinal;
        world.when(async |world| step(world, 3).then_some(())).await;
        world.set_clock(jump);
        world.finished(&run).await;
        let lines = world.transcript().await;
        let calls: Vec<bool> = lines
            .iter()
            .filter(|line| line.starts_with("ann send_message"))
            .map(|line| line.contains(" ok: "))
            .collect();
        assert_eq!(calls, [true, true, false, true], "{jump}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains("try again in 30 s")), "{jump}: {lines:?}");
        world.at_rest().await;
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_lies_farther_ahead_than_it_was_meant_to_wait_is_due_when_a_program_starts() {
    for (before, after) in [(0, -24), (-1, 0), (0, -1), (2, -4)] {
        let (before, after) = (SignedDuration::from_hours(before), SignedDuration::from_hours(after));
        let world = World::new(retrying()).await;
        world.set_clock(before);
        waits_for_its_try(&world).await;
        world.set_clock(after);
        let world = world.restart().await;
        assert_eq!(world.job_over().await.attempt, 2);
        assert!(world.waits_of("cleo")[0].as_secs() < 2, "{:?}", world.waits_of("cleo"));
        world.close().await;

        let world = World::new(paused()).await;
        world.set_clock(before);
        let mail = expiring(&world, 7 * 24 * 3600).await;
        world.set_clock(after);
        let world = world.restart().await;
        let since = Instant::now();
        expired(&world, &mail).await;
        lasted(since, 0, after);
        world.close().await;

        let world = World::new(asking()).await;
        world.set_clock(before);
        let run = world.post("hello").await;
        world.in_state(&run, RunState::Parked).await;
        world.set_clock(after);
        let world = world.restart().await;
        let since = Instant::now();
        world.finished(&run).await;
        lasted(since, 0, after);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_starts_again_takes_up_a_span_where_it_was() {
    let world = World::new(retrying()).await;
    waits_for_its_try(&world).await;
    let world = world.restart_after(Duration::from_mins(4)).await;
    assert_eq!(world.job_over().await.attempt, 2);
    assert_eq!(world.waits_of("cleo")[0].as_secs(), 600);
    let run = world.store().turn_runs().await.unwrap();
    assert_eq!(run, Vec::<Run>::new());
    world.close().await;
}
