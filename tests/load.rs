//! Figures of scale (F15): many agents that answer at once, on a real store with real threads and the real clock.
//!
//! Counts and memory are asserted as they are. Times are asserted against limits that hold many times over, in a
//! debug build on a loaded machine, too; the factor is printed. `--nocapture` shows the table.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "support"]
mod support {
    pub mod fold;
    pub mod load_team;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole")]
    pub mod misbehaviour;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole, and there rustc sees what is dead")]
    pub mod script;
    #[allow(dead_code, reason = "a part of it; tests/cli.rs uses the whole")]
    pub mod shell;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole")]
    pub mod wire;
}

#[path = "load/siege.rs"]
mod siege;
#[path = "load/turns.rs"]
mod turns;

use std::time::{Duration, Instant};

use crate::support::fold;
use crate::support::load_team::{Crowd, MAILS_A_SEED, Seen, Size, forget_peak, group_id, peak, percentile};
use nightdesk::testing::engine::protocol::Recipient;
use tokio::sync::Mutex;

/// One at a time: each measures the whole program.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The limits of the promise.
const MAIL_P99_MS: f64 = 1_000.0;
const VISIBLE_P99_MS: f64 = 500.0;
const MEMORY_MB: u64 = 500;

fn row(what: &str, seen: &Seen) {
    let Seen { took, mails, turns, steps, transactions, statements, .. } = seen;
    let rate = *mails as f64 / took.as_secs_f64();
    println!(
        "{what}: {mails} mails, {turns} turns, {steps} steps in {:.1} s, {rate:.0} mails/s; \
         {transactions} transactions, {} statements a step",
        took.as_secs_f64(),
        statements / (*steps).max(1),
    );
    for (name, times, limit) in [
        ("sent to delivered", &seen.delivered, MAIL_P99_MS),
        ("sent to read", &seen.read, MAIL_P99_MS),
        ("block committed to visible", &seen.visible, VISIBLE_P99_MS),
    ] {
        let p99 = percentile(times, 99);
        println!(
            "    {name}: p50 {:.1} ms, p99 {p99:.1} ms, most {:.1} ms of {}; limit {limit} ms, {:.0} times",
            percentile(times, 50),
            percentile(times, 100),
            times.len(),
            limit / p99,
        );
    }
    println!("    memory at most {} MB (limit {MEMORY_MB})", peak());
}

/// Nothing lost, nothing twice; log and tables agree.
async fn settle(crowd: &Crowd, seen: &Seen, seeds: usize) {
    assert_eq!(seen.mails, seeds * MAILS_A_SEED, "mails sent");
    assert_eq!((seen.delivered.len(), seen.read.len()), (seen.mails, seen.mails), "each delivered and read once");
    assert_eq!(seen.turns, seeds + seen.mails, "a turn a mail, and one a beginning");
    assert_eq!(seen.steps, seen.turns as u64, "a step a turn");
    let before = Instant::now();
    fold::assert_folds(crowd.store()).await;
    let changes = *crowd.store().head().borrow();
    println!("    folded {changes} changes in {:.1} s", before.elapsed().as_secs_f64());
    assert!(peak() < MEMORY_MB, "{} MB", peak());
}

/// Mail among so many agents of two groups, then the same store opened again.
async fn mail_of(size: Size, seeds: usize, at_once: usize) -> Seen {
    forget_peak();
    let crowd = Crowd::of(size).await;
    let seen = crowd.play(seeds, at_once).await;
    row(&format!("{} agents, {} blocks, {at_once} of {seeds} chains at once", size.agents, size.blocks), &seen);
    settle(&crowd, &seen, seeds).await;
    let (crowd, start) = crowd.again().await;
    println!("    opened and started again in {:.1} ms", ms(start));
    crowd.engine.stop().await;
    seen
}

/// The house of the promise.
const FIFTY: Size = Size { groups: 2, agents: 50, blocks: 100 };

/// Twenty pieces of mail are on their way at any time, so that the time is that of delivery and reading.
async fn keeps_its_times(seeds: usize) {
    let _alone = ALONE.lock().await;
    let seen = mail_of(FIFTY, seeds, 1).await;
    for (times, limit) in [(&seen.read, MAIL_P99_MS), (&seen.visible, VISIBLE_P99_MS)] {
        let p99 = percentile(times, 99);
        assert!(p99 < limit, "{p99:.0} ms are over the limit of {limit} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_fifty_agents_a_hundred_blocks_and_mail_as_fast_as_it_is_read_lose_nothing() {
    keeps_its_times(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "some minutes"]
async fn f15_fifty_agents_a_hundred_blocks_and_ten_thousand_mails_lose_nothing() {
    keeps_its_times(10_000 / MAILS_A_SEED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_burst_that_waits_for_nobody_loses_nothing() {
    let _alone = ALONE.lock().await;
    // Its times are those of the queue it makes itself: they are told, and limited by nothing.
    mail_of(FIFTY, 25, 25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "some minutes"]
async fn f15_a_burst_of_ten_thousand_mails_loses_nothing() {
    let _alone = ALONE.lock().await;
    mail_of(FIFTY, 10_000 / MAILS_A_SEED, 10_000 / MAILS_A_SEED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_and_a_hundred_agents_of_two_groups_lose_nothing_either() {
    let _alone = ALONE.lock().await;
    for agents in [10, 100] {
        mail_of(Size { agents, ..FIFTY }, 10, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_workers_answer_at_once_and_each_is_heard() {
    let _alone = ALONE.lock().await;
    forget_peak();
    let crowd = Crowd::supervised(50).await;
    for turn in 1..=2 {
        let before = crowd.store().counters();
        let (begun, took) = crowd.turn(Recipient::Group(group_id(0)), "all hands").await;
        let after = crowd.store().counters();
        println!(
            "50 workers at once: a turn of 52 steps in {:.0} ms, begun after {:.1} ms; {} transactions, {} statements a \
             step; {} MB",
            ms(took),
            ms(begun),
            after.transactions - before.transactions,
            (after.statements - before.statements) / 52,
            peak(),
        );
        let answers = crowd.answers().await;
        assert!(answers.len() == 50 && answers.values().all(|count| *count == turn), "{answers:?}");
    }
    assert!(peak() < MEMORY_MB, "{} MB", peak());
    fold::assert_folds(crowd.store()).await;
    crowd.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_groups_in_one_store_start_and_answer_at_once() {
    let _alone = ALONE.lock().await;
    for groups in [1, 1_000] {
        forget_peak();
        let crowd = Crowd::of(Size { groups, agents: 2 * groups, blocks: groups }).await;
        // What a store that is used has: a conversation.
        crowd.turn(Recipient::Group(group_id(0)), "hello").await;
        let (crowd, start) = crowd.again().await;
        let before = Instant::now();
        let overview = crowd.handle.overview().await.unwrap();
        let shown = before.elapsed();
        assert_eq!((overview.groups.len(), overview.agents.len()), (groups, 2 * groups));
        let before = crowd.store().counters();
        let (begun, took) = crowd.turn(Recipient::Group(group_id(groups / 2)), "hello").await;
        let after = crowd.store().counters();
        println!(
            "{groups} groups: opened and started in {:.1} ms, overview {:.1} ms; sent to begun {:.1} ms, to the end of \
             the turn {:.1} ms, {} statements; {} MB",
            ms(start),
            ms(shown),
            ms(begun),
            ms(took),
            after.statements - before.statements,
            peak(),
        );
        assert!(peak() < MEMORY_MB, "{} MB", peak());
        fold::assert_folds(crowd.store()).await;
        crowd.engine.stop().await;
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
