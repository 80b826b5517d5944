//! Figures of work in the background, by simulation: a scripted model and an injected clock. What has to hold is counted
//! and asserted; times are printed, because they are the model's or the machine's.
//!
//! Whether a fact that is stated five times stands once in a block is no figure of these: that is decided by what the
//! model writes, and a scripted one writes what it is told to. What the engine does about it is in [`crate::edits`]: no
//! edit is applied twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use nightdesk::testing::domain::trigger::{Missed, Schedule};
use nightdesk::testing::domain::{
    Cause, CauseKind, Change, Content, Editor, Job, JobId, JobOutcome, JobState, LogEntry, RunId, RunKind, RunState,
    When as Fires,
};
use nightdesk::testing::engine::protocol::{Reply, Request};
use nightdesk::testing::llm::{ChatModel, Delta, Done, ModelError, Prompt, PromptMessage, Stop, ToolCall, Usage};
use nightdesk::testing::store::Mode;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::edits;
use crate::support::coverage::Coverage;
use crate::support::engine_harness::{Plan, World, agent_id, group_id};
use crate::support::script::{Script, When};

/// How long a member thinks before its first word.
const THINKS: Duration = Duration::from_secs(1);
/// Timers of the runtime are as exact as this.
const TICK: Duration = Duration::from_millis(2);

/// So many background agents; the first of them is a member, too, so that a speech may want its agent.
fn background(count: usize) -> &'static [&'static str] {
    let other = |at: usize| &*format!("b{at}").leak();
    (0..count).map(|at| if at == 0 { "bob" } else { other(at) }).collect::<Vec<_>>().leak()
}

/// Jobs of some 12 seconds, or such as hang, beside speeches of a second.
fn plan(jobs: usize, hang: bool) -> Plan {
    let work = When::in_job().step(1).text("hm hm hm hm hm ").chunk(3).delay_ms(3_000).inserts("story", "- kept");
    let jobs_say = if hang { vec![When::in_job().hang_after(0)] } else { vec![work, When::in_job().finishes()] };
    let thinks = u64::try_from(THINKS.as_millis()).unwrap();
    let script = Script::of(jobs_say).or(When::any().text("{agent} speaks").first_delay_ms(thinks));
    let every_turns = (jobs > 0).then_some(1);
    Plan { script, members: &["ann", "bob"], background: background(jobs), every_turns, ..Plan::default() }
}

async fn log(world: &World) -> Vec<LogEntry> {
    world.store().log(0, usize::MAX >> 1).await.unwrap()
}

/// What the steps of speeches waited for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Waits {
    steps: u64,
    for_agents: u64,
    for_slots: u64,
    /// How often a job gave way.
    yields: u64,
}

impl Waits {
    /// Of all speeches so far, from their rows: a speech waits for its agent until its first step is ready to call the
    /// model, and a step for its provider's slot until the model begins to think.
    async fn of(world: &World) -> Self {
        let mut begun: BTreeMap<RunId, Timestamp> = BTreeMap::new();
        let mut waits = Self::default();
        let longer = |from: Timestamp, to: Timestamp, than: Duration| {
            to.duration_since(from) > SignedDuration::try_from(than + TICK).unwrap()
        };
        for LogEntry { change, at, .. } in log(world).await {
            match change {
                Change::RunCreated(run) if matches!(run.kind, RunKind::Speech { .. }) => {
                    begun.insert(run.id, at);
                }
                Change::StepFinished(step) => {
                    let Some(begun) = begun.get(&step.run) else { continue };
                    waits.steps += 1;
                    waits.for_agents += u64::from(step.index == 1 && longer(*begun, step.queued_at, Duration::ZERO));
                    waits.for_slots += u64::from(longer(step.queued_at, step.first_token_at.unwrap(), THINKS));
                }
                Change::JobYielded { .. } => waits.yields += 1,
                _ => {}
            }
        }
        waits
    }
}

/// Talks beside so many jobs, at a provider with one slot, which a job holds whenever no speech does. Returns what
/// speeches waited for.
async fn foreground(jobs: usize, hang: bool, turns: usize) -> Waits {
    let world = World::new(Plan { max_parallel: 1, ..plan(jobs, hang) }).await;
    for _ in 0..turns {
        world.send("go on").await;
        // Jobs have begun by then, and are not over.
        tokio::time::sleep(THINKS / 2).await;
    }
    let waits = Waits::of(&world).await;
    world.close().await;
    let beside = if hang { "jobs that hang" } else { "jobs" };
    println!(
        "beside {jobs} {beside}: {} foreground steps, {} waited for an agent, {} for a slot; jobs gave way {} times",
        waits.steps, waits.for_agents, waits.for_slots, waits.yields,
    );
    waits
}

/// Asserts that no speech waits for a job, whatever there are.
async fn nobody_waits(turns: usize) {
    for (jobs, hang) in [(0, false), (1, false), (8, false), (50, false), (50, true)] {
        let waits = foreground(jobs, hang, turns).await;
        assert_eq!((waits.for_agents, waits.for_slots), (0, 0), "beside {jobs} jobs: {waits:?}");
        assert_eq!(waits.steps, 2 * turns as u64);
        assert!(jobs == 0 || waits.yields > 0, "no job was in the way: {waits:?}");
    }
}

/// Each message is read once by each background agent, over failures and programs that end without a word.
async fn coverage(agents: usize, turns: usize) -> (u64, u64) {
    let script = Script::of([
        When::agent("b1").attempt(1).first_delay_ms(4_000).status(500),
        When::agent("b2").contains("bad").first_delay_ms(1_000).status(400),
        When::in_job().step(1).first_delay_ms(3_000).inserts("story", "- more"),
        When::in_job().first_delay_ms(2_000).finishes(),
    ])
    .or(When::any().text("{agent} speaks").first_delay_ms(300));
    let mut world = World::new(Plan { script, max_parallel: 50, ..plan(agents, false) }).await;
    let mut dice = StdRng::seed_from_u64(4);
    let mut kills = 0;
    for _ in 0..turns {
        world.send(if dice.random_bool(0.3) { "a bad one" } else { "a good one" }).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..9_000))).await;
        if dice.random_bool(0.5) {
            world = world.restart().await;
            kills += 1;
        }
    }
    let (mut gaps, mut overlaps) = (0, 0);
    for name in background(agents) {
        let head = world.conversation().await.head;
        let covered = loop {
            let over = async |world: &World| world.jobs().await.iter().all(|job| job.state.is_final()).then_some(());
            world.when(over).await;
            let coverage = Coverage::of(world.store(), &agent_id(name), &group_id()).await;
            if coverage.cursor == head || !coverage.is_exact() {
                break coverage;
            }
            let job = Request::RunJob { agent: agent_id(name), group: group_id(), instruction: None };
            world.ask(job).await.unwrap();
        };
        gaps += covered.gaps + head - covered.cursor;
        overlaps += covered.overlaps;
    }
    let messages = world.conversation().await.head;
    println!(
        "coverage: {messages} messages, {agents} background agents, {kills} kills, {} jobs: {gaps} gaps, {overlaps} overlaps",
        world.jobs().await.len(),
    );
    assert!(kills > 0);
    world.close().await;
    (gaps, overlaps)
}

/// The time that so many in a hundred stay under.
fn percentile(times: &[SignedDuration], percent: usize) -> f64 {
    let at = (times.len() * percent).div_ceil(100).max(1) - 1;
    times[at].as_secs_f64()
}

/// How long after the end of the turn that caused it each edit of a job was committed, in order.
fn lags(log: &[LogEntry], jobs: &BTreeMap<JobId, Job>) -> Vec<SignedDuration> {
    let (mut turns, mut ends) = (Vec::new(), BTreeMap::new());
    let mut lags = Vec::new();
    for LogEntry { change, at, .. } in log {
        match change {
            Change::RunCreated(run) if matches!(run.kind, RunKind::Turn { .. }) => turns.push(run.id.clone()),
            Change::RunMoved { id, to: RunState::Finished { .. } } => {
                if let Some(nth) = turns.iter().position(|turn| turn == id) {
                    ends.insert(nth as u64 + 1, *at);
                }
            }
            Change::BlockEdited(edit) => {
                let Editor::Agent { job: Some(job), .. } = &edit.editor else { continue };
                let of_turn = |cause: &Cause| match cause.kind {
                    CauseKind::Turn { turn } => Some(turn),
                    _ => None,
                };
                let caused = jobs[job].causes.iter().filter_map(of_turn).max();
                lags.extend(caused.map(|turn| at.duration_since(ends[&turn])));
            }
            _ => {}
        }
    }
    lags.sort();
    lags
}

/// Jobs that called a model although they had nothing to read and nothing to do, and those that ended without a call
/// because of that.
async fn wasted(world: &World, jobs: &BTreeMap<JobId, Job>) -> (usize, usize) {
    let said = world.messages(&world.conversation().await.id).await;
    let (mut wasted, mut spared) = (0, 0);
    for job in jobs.values() {
        let Some((after, upto)) = job.window else { continue };
        let news = said.iter().filter(|message| message.seq > after && message.seq <= upto);
        let has_news = news.into_iter().any(|message| matches!(message.content, Content::Text { .. }));
        let called = !world.store().steps(job.run.as_ref().unwrap()).await.unwrap().is_empty();
        wasted += usize::from(called && !has_news && !job.causes.iter().any(Cause::has_input));
        spared += usize::from(!called && job.state == JobState::Completed { outcome: JobOutcome::NothingToDo });
    }
    (wasted, spared)
}

/// Turns, and then minutes of silence in which a schedule without a task fires. Returns the jobs that were wasted.
async fn after_turns(agents: usize, turns: usize) -> usize {
    let schedule = Schedule {
        pattern: "* * * * *".to_owned(),
        zone: "UTC".to_owned(),
        missed: Missed::Once,
        missed_within: None,
        between: None,
    };
    let triggers = vec![Fires::Cron { schedule }.into()];
    let world = World::new(Plan { triggers, ..plan(agents, false) }).await;
    for _ in 0..turns {
        world.send("go on").await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    let over = async |world: &World| {
        let jobs = world.jobs().await;
        let spared = |job: &&Job| job.state == JobState::Completed { outcome: JobOutcome::NothingToDo };
        (jobs.iter().filter(spared).count() >= agents).then_some(())
    };
    world.when(over).await;
    let jobs: BTreeMap<JobId, Job> = world.jobs().await.into_iter().map(|job| (job.id.clone(), job)).collect();
    let lags = lags(&log(&world).await, &jobs);
    let (wasted, spared) = wasted(&world, &jobs).await;
    println!(
        "{agents} background agents, {turns} turns: turn committed to block revision committed, of which the model takes \
         some 12 s: p50 {:.1} s, p99 {:.1} s of {}; {wasted} of {} runs wasted, {spared} had nothing to do and called no model",
        percentile(&lags, 50),
        percentile(&lags, 99),
        lags.len(),
        jobs.len(),
    );
    world.close().await;
    wasted
}

/// Tokens of a query whose answer has to be worked out; the unit of the model of costs.
const WORKED_OUT: u64 = 1_000;
/// Tokens of a query about a context that was worked out in the background.
const KNOWN: u64 = WORKED_OUT / 5;
/// Tokens of working a context out in the background.
const SLEEP: u64 = 20 * WORKED_OUT;
/// How much dearer a token is for which somebody waits.
const DEARER: u64 = 10;

/// Works a context out in the background; in the foreground, answers from what was worked out, or works it out itself.
struct Thinker;

impl ChatModel for Thinker {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        let told = prompt.entries.iter().rev().find_map(|entry| match entry {
            PromptMessage::User { text, .. } if !prompt.place.background => Some(text.clone()),
            PromptMessage::System { text } if prompt.place.background => Some(text.clone()),
            _ => None,
        });
        let told = told.unwrap_or_default();
        let context = told.split_whitespace().find(|word| word.starts_with("context-"));
        let context = context.map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned());
        let known = context.as_ref().is_some_and(|context| prompt.memory[0].value.contains(&format!("{context}!")));
        let mut done = Done::default();
        if prompt.place.background {
            let context = context.expect("a job is told its context");
            let line = json!({ "label": "story", "new_str": format!("- {context}! is worked out") });
            let call = |id: &str, name: &str, arguments| ToolCall { id: id.into(), name: name.into(), arguments };
            done.calls = vec![call("1", "memory_insert", line), call("2", "memory_finish_edits", json!({}))];
            done.stop = Stop::Calls;
        }
        let tokens_out = match (prompt.place.background, known) {
            (true, _) => SLEEP,
            (false, true) => KNOWN,
            (false, false) => WORKED_OUT,
        };
        done.usage = Usage { tokens_out, ..Usage::default() };
        futures::stream::iter([Ok(Delta::Text("Here it is.".to_owned())), Ok(Delta::Done(done))]).boxed()
    }
}

/// The cost of a query, from the tokens that the engine counts, where so many queries are asked about each of these
/// contexts.
async fn cost_of_a_query(queries: &[u64], sleeps: bool) -> f64 {
    let background: &[&str] = if sleeps { &["cleo"] } else { &[] };
    // Only what a person asks for makes a job.
    let every_turns = Some(1_000);
    let plan = Plan { members: &["ann"], chat: Some(Arc::new(Thinker)), background, every_turns, ..Plan::default() };
    let world = World::new(plan).await;
    // A group has to have spoken before its background agents can be made to work.
    let first = world.send("hello").await.id;
    let mut cost = 0;
    for (nth, queries) in queries.iter().enumerate() {
        if sleeps {
            let instruction = Some(format!("Work out context-{nth}."));
            let job = Request::RunJob { agent: agent_id("cleo"), group: group_id(), instruction };
            let Reply::Job(job) = world.ask(job).await.unwrap() else { panic!("no job") };
            let over = async |world: &World| Some(world.job(&job.id).await).filter(|job| job.state.is_final());
            cost += world.when(over).await.tokens;
        }
        for _ in 0..*queries {
            world.send(&format!("What of context-{nth} is true?")).await;
        }
    }
    let mut speeches = Vec::new();
    for logged in log(&world).await {
        match logged.change {
            Change::RunCreated(run) if matches!(run.kind, RunKind::Speech { .. }) && run.root != first => {
                speeches.push(run.id);
            }
            Change::StepFinished(step) if speeches.contains(&step.run) => {
                cost += DEARER * (step.tokens_in + step.tokens_out);
            }
            _ => {}
        }
    }
    world.close().await;
    let number = |count: u64| f64::from(u32::try_from(count).unwrap());
    number(cost) / number(queries.iter().sum())
}

#[tokio::test(start_paused = true)]
async fn the_cost_of_a_query_with_sleep_is_that_of_the_published_model() {
    // arXiv 2504.13171: S/N + t·b with sleep, t·B without.
    for (queries, expected) in [(&[1, 1][..], 2.2), (&[2, 3], 1.0), (&[10, 10], 0.4)] {
        let (with, without) = (cost_of_a_query(queries, true).await, cost_of_a_query(queries, false).await);
        println!(
            "{queries:?} queries of a context: {with} tokens a query with sleep, {without} without, {}",
            with / without
        );
        assert!((with / without - expected).abs() < 1e-9, "{queries:?}: {with} to {without}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_foreground_waits_for_no_agent_and_no_slot_beside_any_number_of_jobs() {
    nobody_waits(3).await;
}

#[tokio::test(start_paused = true)]
async fn no_message_is_in_no_window_or_in_two_over_kills() {
    assert_eq!(coverage(8, 8).await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_job_calls_a_model_for_nothing() {
    assert_eq!(after_turns(8, 4).await, 0);
}

#[tokio::test(start_paused = true)]
#[ignore = "figures to be looked at: cargo figures"]
async fn in_full_by_simulation() {
    nobody_waits(20).await;
    assert_eq!(coverage(8, 60).await, (0, 0));
    for agents in [1, 8, 50] {
        assert_eq!(after_turns(agents, 20).await, 0);
    }
    let edits = edits::played(1_000).await;
    println!("a person and 4 agents in one block: {edits}");
    assert_eq!(edits.lost, 0);
}

/// A turn beside the jobs of the turn before, on real threads and the real clock; the worlds take turns. Times are the
/// machine's: they are printed, and nothing is asserted of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures to be looked at: cargo figures"]
async fn in_full_on_the_wall_clock() {
    let mut worlds = Vec::new();
    for (jobs, hang) in [(0, false), (1, false), (8, false), (50, false), (50, true)] {
        let works = [
            When::in_job().step(1).first_delay_ms(20).inserts("story", "- kept"),
            When::in_job().first_delay_ms(20).finishes(),
        ];
        let script = if hang { Script::of([When::in_job().hang_after(0)]) } else { Script::of(works) };
        let plan = Plan { script: script.otherwise("{agent} speaks"), mode: Mode::Threads, ..plan(jobs, hang) };
        worlds.push((jobs, hang, World::new(plan).await, Vec::new()));
    }
    for _ in 0..20 {
        for (_, hang, world, times) in &mut worlds {
            world.send("one").await;
            let begun = std::time::Instant::now();
            world.send("two").await;
            times.push(begun.elapsed());
            if !*hang {
                world.idle().await;
            }
        }
    }
    let mut alone = None;
    for (jobs, hang, world, mut times) in worlds {
        times.sort();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let ratio = median / *alone.get_or_insert(median);
        let beside = if hang { "jobs that hang" } else { "jobs" };
        println!("a turn of two beside {jobs} {beside}: {median:.1} ms on the wall in this build, {ratio:.2} times");
        world.close().await;
    }
}
