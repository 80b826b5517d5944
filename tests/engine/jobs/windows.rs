//! Every message is in exactly one window of each background agent, whatever happens to its jobs (J3, J5).

use std::time::Duration;

use crate::support::coverage::Coverage;
use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Agent, Block, BlockOwner, CauseKind, Change, Content, Job, JobState};
use nightdesk::testing::engine::context::CONTEXT_BYTES;
use nightdesk::testing::llm::PromptMessage;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::{cancel, desk, is_over, job_after, job_over_after, kinds, retry, run_now, runs, until};
use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};

/// Checks that the windows of an agent's jobs are without gap or overlap, from the first message to the cursor. Returns
/// the cursor.
async fn covered(world: &World, agent: &str) -> u64 {
    let coverage = Coverage::of(world.store(), &agent_id(agent), &group_id()).await;
    assert!(coverage.is_exact(), "{coverage:?}");
    coverage.cursor
}

/// Works off what is left and checks that nothing is.
async fn all_covered(world: &World, agent: &str) {
    loop {
        let job = run_now(world, agent, None).await.unwrap();
        until(world, &job.id, is_over).await;
        world.when(async |world| world.jobs().await.iter().all(is_over).then_some(())).await;
        if covered(world, agent).await == world.conversation().await.head {
            return;
        }
    }
}

fn faulty() -> Script {
    Script::of([
        When::agent("cleo").attempt(1).first_delay_ms(4_000).status(500),
        When::agent("cleo").step(1).first_delay_ms(3_000).inserts("story", "- more"),
        When::agent("dan").contains("bad").first_delay_ms(1_000).status(400),
        When::in_job().first_delay_ms(2_000).finishes(),
    ])
    .or(When::any().text("{agent} speaks").delay_ms(300))
}

#[tokio::test(start_paused = true)]
async fn no_gap_and_no_overlap_over_cancels_failures_restarts_and_retries() {
    for seed in 0..12 {
        let plan = Plan { background: &["cleo", "dan"], members: &["ann", "bob"], ..desk(faulty()) };
        let mut world = World::new(plan).await;
        let mut dice = StdRng::seed_from_u64(seed);
        for turn in 0..10 {
            world.send(if dice.random_bool(0.3) { "a bad one" } else { "a good one" }).await;
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..9_000))).await;
            let jobs = world.jobs().await;
            let pick = |is: fn(&Job) -> bool, dice: &mut StdRng| {
                let fit: Vec<_> = jobs.iter().filter(|job| is(job)).map(|job| job.id.clone()).collect();
                (!fit.is_empty()).then(|| fit[dice.random_range(0..fit.len())].clone())
            };
            match dice.random_range(0..6) {
                0 | 1 => {
                    if let Some(id) = pick(|job| !is_over(job), &mut dice) {
                        cancel(&world, &id).await.unwrap();
                    }
                }
                2 | 3 => {
                    let lost = |job: &Job| matches!(job.state, JobState::Failed { .. } | JobState::Cancelled { .. });
                    if let Some(id) = pick(lost, &mut dice) {
                        retry(&world, &id).await.unwrap();
                    }
                }
                4 => world = world.restart().await,
                _ => {}
            }
            covered(&world, "cleo").await;
            covered(&world, "dan").await;
            assert!(turn < 10);
        }
        world.when(async |world| world.jobs().await.iter().all(is_over).then_some(())).await;
        all_covered(&world, "cleo").await;
        all_covered(&world, "dan").await;
        let states: Vec<&str> = world.jobs().await.iter().map(|job| job.state.as_str()).collect();
        assert!(states.contains(&"completed"), "{states:?}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_larger_than_a_context_is_read_in_chunks_in_order_and_whole() {
    let script = Script::of([When::agent("cleo").contains("on 4").status(400), When::in_job().finishes()])
        .otherwise("on {turn}");
    let world = World::new(Plan { every_turns: Some(7), ..desk(script) }).await;
    for turn in 1..=7 {
        world.send(&format!("mark-{turn} {}", "x".repeat(40_000))).await;
    }
    world.when(async |world| world.jobs().await.iter().all(is_over).then_some(())).await;
    world.idle().await;
    let jobs = world.jobs().await;
    assert_eq!(covered(&world, "cleo").await, world.conversation().await.head);
    assert!(jobs.len() >= 3, "{} jobs", jobs.len());
    let cuts: Vec<bool> = jobs.iter().map(|job| job.cut).collect();
    assert!(cuts[..cuts.len() - 1].iter().all(|cut| *cut) && !cuts[cuts.len() - 1], "{cuts:?}");
    assert_eq!(jobs.iter().filter(|job| matches!(job.state, JobState::Failed { .. })).count(), 1);
    let mut read = Vec::new();
    for prompt in world.asked_of("cleo") {
        let mut bytes = 0;
        for entry in &prompt.entries {
            let PromptMessage::User { text, .. } = entry else { continue };
            bytes += text.len();
            read.extend(text.split(' ').find(|word| word.starts_with("mark-")).map(str::to_owned));
        }
        assert!(bytes <= CONTEXT_BYTES, "{bytes}");
    }
    assert_eq!(read, (1..=7).map(|turn| format!("mark-{turn}")).collect::<Vec<_>>(), "each once, in order");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_more_the_blocks_of_its_agent_hold_the_less_a_job_reads_at_once() {
    let mut read = Vec::new();
    for words in [0, 25_000] {
        let script = Script::of([When::in_job().finishes()]).otherwise("on {turn}");
        let world = World::new(Plan { every_turns: Some(5), ..desk(script) }).await;
        let mut cleo = world.store().row::<Agent>(agent_id("cleo").as_str()).await.unwrap().unwrap();
        let large = Block {
            id: "block-large".into(),
            label: "large".to_owned(),
            description: String::new(),
            owner: BlockOwner::Agent(cleo.id.clone()),
            limit: 200_000,
            value: "word ".repeat(words),
            ..world.block(&story()).await
        };
        cleo.blocks.push(large.id.clone());
        cleo.max_tokens = Some(60_000);
        world.apply(vec![Change::BlockCreated(large), Change::AgentPut(cleo)]).await.unwrap();
        for _ in 0..5 {
            world.send(&"word ".repeat(1_500)).await;
        }
        let (after, upto) = world.jobs_over(1).await.remove(0).window.unwrap();
        read.push(upto - after);
        world.close().await;
    }
    let [all, some] = read[..] else { unreachable!() };
    assert_eq!(all, 10, "five messages and their answers");
    assert!(some < all, "{some} of {all}");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_a_job_works_is_the_next_ones() {
    let script = Script::of([When::in_job().first_delay_ms(5_000).finishes()]).otherwise("{agent} on {turn}");
    let world = World::new(desk(script)).await;
    world.send("one").await;
    world.when(async |world| (world.asked_of("cleo").len() == 1).then_some(())).await;
    world.send("two").await;
    let jobs = world.jobs_over(2).await;
    assert_eq!((jobs[0].window, jobs[1].window), (Some((0, 2)), Some((2, 4))));
    let heard = |at: usize| -> Vec<String> {
        let prompt = &world.asked_of("cleo")[at];
        let said = |entry: &PromptMessage| {
            if let PromptMessage::User { text, .. } = entry { Some(text.clone()) } else { None }
        };
        prompt.entries.iter().filter_map(said).collect()
    };
    assert_eq!(heard(0), ["one", "ann on 1"]);
    assert_eq!(heard(1), ["two", "ann on 2"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_retry_of_a_failed_job_owns_its_window_and_that_of_a_cancelled_one_does_not() {
    let script = Script::of([
        When::in_job().attempt(1).contains("on 1").status(400),
        When::in_job().first_delay_ms(5_000).finishes(),
    ])
    .otherwise("{agent} on {turn}");
    let world = World::new(desk(script)).await;
    let failed = job_over_after(&world, "one").await;
    assert!(matches!(failed.state, JobState::Failed { .. }));
    let second = job_after(&world, "two").await;
    until(&world, &second.id, runs).await;
    cancel(&world, &second.id).await.unwrap();
    world.idle().await;

    let again = retry(&world, &failed.id).await.unwrap();
    assert_eq!((again.retry_of.as_ref(), again.window), (Some(&failed.id), Some((0, 2))));
    assert_eq!(kinds(&again), [CauseKind::Turn { turn: 1 }, CauseKind::Retry { job: failed.id.clone() }]);
    let third = job_after(&world, "three").await;
    assert_eq!(until(&world, &third.id, is_over).await.window, Some((2, 6)), "what the cancelled one left is in it");

    let again = retry(&world, &second.id).await.unwrap();
    assert_eq!((again.retry_of.as_ref(), again.window), (Some(&second.id), None));
    let again = until(&world, &again.id, is_over).await;
    assert_eq!(again.window, Some((6, 6)));
    let fault = retry(&world, &third.id).await.unwrap_err();
    assert!(fault.text.contains("nothing to retry"), "{fault}");
    covered(&world, "cleo").await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_behind_the_unfinished_retry_of_a_cancelled_one_waits_for_it() {
    let script = Script::of([
        When::in_job().attempt(1).first_delay_ms(1_000).status_retry_after(429, 600),
        When::in_job().finishes(),
    ])
    .otherwise("{agent} on {turn}");
    let world = World::new(desk(script)).await;
    let first = job_after(&world, "one").await;
    until(&world, &first.id, runs).await;
    cancel(&world, &first.id).await.unwrap();
    let again = retry(&world, &first.id).await.unwrap();
    until(&world, &again.id, |job| matches!(job.state, JobState::Retryable { .. })).await;
    world.send("two").await;
    world.when(async |world| world.jobs().await.iter().all(is_over).then_some(())).await;
    assert_eq!(covered(&world, "cleo").await, world.conversation().await.head);
    let windows: Vec<_> = world.jobs().await.iter().map(|job| job.window).collect();
    assert_eq!(windows, [Some((0, 2)), Some((0, 2)), Some((2, 4))]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn system_noise_and_tool_traffic_of_others_are_not_input() {
    let script = Script::of([
        When::agent("ann").step(1).text("I look.").call("conversation_search", json!({ "query": "one" })),
        When::in_job().finishes(),
    ])
    .otherwise("{agent} on {turn}");
    let world = World::new(desk(script)).await;
    world.send("one").await;
    world.job_over().await;
    let messages = world.messages(&world.conversation().await.id).await;
    assert!(messages.iter().any(|message| matches!(message.content, Content::Tool { .. })));
    let read = &world.asked_of("cleo")[0].entries;
    let said = |by: Option<&str>, text: &str| PromptMessage::User { by: by.map(str::to_owned), text: text.to_owned() };
    assert_eq!(read[..3], [said(None, "one"), said(Some("ann"), "I look."), said(Some("ann"), "ann on 1")]);
    assert!(matches!(&read[3..], [PromptMessage::System { .. }]), "{read:?}");
    world.close().await;
}
