//! Errors that are no model's have an end: the store's are waited out, any other fails what it belongs to, and nobody
//! else waits for that.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    Agent, Change, Commit, Group, GroupId, JobState, ManagerType, PendingCall, PendingKind, Rule, Run, RunId, RunState,
    StopReason,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request, Update};
use nightdesk::testing::store::{Lane, Observer};

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id};

/// Changes the file behind the store's back, as a damaged disk would.
fn by_sql(world: &World, statement: &str) {
    sql(&world.setting.dir.path().join("desk.db"), statement);
}

fn sql(path: &Path, statement: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statement).unwrap();
}

fn damage_agent(world: &World, name: &str) {
    by_sql(world, &format!("UPDATE agent SET body = json_set(body, '$.tags', 7) WHERE key = 'agent-{name}'"));
}

async fn direct(world: &World, name: &str) -> RunId {
    let to = Recipient::Agent(agent_id(name));
    match world.ask(Request::Send { to, text: "are you there?".to_owned() }).await.unwrap() {
        Reply::Sent { run, .. } => run,
        other => panic!("{other:?}"),
    }
}

/// A plan without yields: how many statements a talk takes depends on the order of tasks.
fn in_one_order() -> Plan {
    Plan { yields: None, ..Plan::default() }
}

/// The statements and the time that a talk with `dee` takes.
async fn talk(world: &World) -> (u64, Duration) {
    let (before, start) = (world.store().counters().statements, tokio::time::Instant::now());
    let run = world.finished(&direct(world, "dee").await).await;
    let took = start.elapsed();
    assert_eq!(stop(&run), StopReason::EndTurn);
    world.idle().await;
    (world.store().counters().statements - before, took)
}

/// What a talk with `dee` takes while all is well.
async fn usual(world: &World) -> (u64, Duration) {
    talk(world).await;
    talk(world).await
}

/// A talk takes no longer than usual, and not many more statements.
async fn assert_usual(world: &World, usual: (u64, Duration)) {
    let (statements, took) = talk(world).await;
    assert_eq!(took, usual.1);
    assert!(statements <= usual.0 + usual.0 / 4, "{statements} statements beside it, {} without", usual.0);
}

/// The errors told to the screens from now on.
async fn told(world: &World) -> Arc<Mutex<Vec<String>>> {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut following = world.handle.follow(*world.store().head().borrow()).await.unwrap();
    let all = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok(update) = following.next().await {
            if let Update::Trouble { text } = update {
                all.lock().unwrap().push(text);
            }
        }
    });
    told
}

async fn approval(world: &World) -> PendingCall {
    let open = async |world: &World| {
        let calls = world.overview().await.calls;
        calls.into_iter().find(|call| call.is_open() && call.kind == PendingKind::Approval)
    };
    world.when(open).await
}

async fn approve(world: &World, call: PendingCall) {
    let (step, ordinal) = (call.step, call.ordinal);
    world.ask(Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() }).await.unwrap();
}

fn needs_approval(tool: &str) -> Vec<Rule> {
    vec![Rule::RequiresApproval { tool_name: tool.to_owned() }]
}

/// Ann and dee speak, and zoe has a job after every turn.
fn with_jobs(script: Script) -> Plan {
    Plan { script, members: &["ann", "dee"], background: &["zoe"], every_turns: Some(1), ..Plan::default() }
}

/// Once the engine has nothing to do, a talk takes what it usually does.
async fn ends_as_usual(world: World, usual: (u64, Duration)) {
    world.idle().await;
    assert_usual(&world, usual).await;
    world.engine.stop().await;
}

fn error_of(run: &Run) -> String {
    match &run.state {
        RunState::Finished { stop_reason: StopReason::Error, error: Some(error) } => error.clone(),
        other => panic!("it is {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn mail_for_an_agent_that_cannot_be_read_holds_up_nobody_else() {
    let script = Script::of([When::agent("ann").step(1).mails("cid", "hi")]).otherwise("{agent} speaks");
    let tools = &["send_message_to_agent_async"];
    let world = World::new(Plan { script, members: &["ann", "cid", "dee"], tools, ..in_one_order() }).await;
    let usual = usual(&world).await;
    damage_agent(&world, "cid");
    let run = direct(&world, "ann").await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    world.idle().await;
    let (statements, took) = talk(&world).await;
    assert_eq!(took, usual.1);
    // The queue of the mail that waits is looked at with each commit.
    assert!(statements <= usual.0 * 2, "{statements} statements beside it, {} without", usual.0);
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_cannot_be_read_fails_its_own_speech_with_the_sentence() {
    let script = Script::always("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann", "bob", "dee"], ..in_one_order() }).await;
    let usual = usual(&world).await;
    damage_agent(&world, "ann");
    let run = world.send("go").await;
    assert_eq!(stop(&run), StopReason::MaxTurns);
    let lines = world.transcript().await;
    assert!(lines[1].starts_with("(agent-ann could not answer: agent agent-ann cannot be read"), "{lines:?}");
    assert_eq!(lines[2..], ["bob: bob speaks", "dee: dee speaks"]);
    assert_usual(&world, usual).await;
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_cannot_be_read_is_replaced_by_the_order() {
    let plan = Plan {
        script: Script::always("{agent} speaks"),
        manager_type: ManagerType::Dynamic,
        manager: Some("boss"),
        members: &["ann", "dee"],
        max_turns: Some(1),
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let usual = usual(&world).await;
    damage_agent(&world, "boss");
    world.send("go").await;
    let lines = world.transcript().await;
    assert!(lines[1].starts_with("(agent-boss could not choose: "), "{lines:?}");
    assert!(lines[1].ends_with("ann speaks, the next in order)"), "{lines:?}");
    assert_eq!(lines[2], "ann: ann speaks");
    assert_usual(&world, usual).await;
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_read_fails_its_turn_with_the_sentence() {
    let script = Script::of([When::agent("ann").first_delay_ms(1_000)]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann", "bob"], ..in_one_order() }).await;
    let ann: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let other = GroupId::from("group-other");
    let dee = Agent { id: agent_id("dee"), name: "dee".to_owned(), group: other.clone(), ..ann };
    let group = Group { members: vec![dee.id.clone()], ..Group::new(other, "other", ManagerType::RoundRobin) };
    let changes = vec![Change::AgentPut(dee), Change::GroupPut(group)];
    world.apply(changes).await.unwrap();
    let usual = usual(&world).await;
    let told = told(&world).await;
    let run = world.post("go").await;
    world.when(async |world| (!world.asked_of("ann").is_empty()).then_some(())).await;
    by_sql(&world, "UPDATE groups SET body = json_set(body, '$.members', 7) WHERE key = 'group-test'");
    let run = world.finished(&run).await;
    assert!(error_of(&run).contains("group group-test cannot be read"), "{run:?}");
    world.idle().await;
    assert_usual(&world, usual).await;
    assert!(told.lock().unwrap().is_empty(), "{told:?}");
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_waiting_call_cannot_be_read_fails_and_the_turn_goes_on() {
    let script = Script::of([When::agent("ann").step(1).inserts("story", "x")]).otherwise("{agent} speaks");
    let rules = needs_approval("memory_insert");
    let plan = Plan { script, members: &["ann", "dee"], rules, tools: &["memory_insert"], ..in_one_order() };
    let world = World::new(plan).await;
    let usual = usual(&world).await;
    let run = world.post("go").await;
    world.in_state(&run, RunState::Parked).await;
    world.idle().await;
    by_sql(&world, "UPDATE pending_call SET body = json_set(body, '$.kind', 'dreaming')");
    world.edit(|value| format!("{value} bell")).await;
    let run = world.finished(&run).await;
    assert_eq!(stop(&run), StopReason::MaxTurns);
    let lines = world.transcript().await;
    assert!(
        lines[1].starts_with("(ann could not answer: pending call ") && lines[1].contains("cannot be read"),
        "{lines:?}"
    );
    assert_eq!(lines[2..], ["dee: dee speaks"]);
    let log = world.store().log(0, 100_000).await.unwrap();
    let goes_on = |change: &Change| matches!(change, Change::RunMoved { id, to: RunState::Running } if *id == run.id);
    assert!(log.iter().any(|logged| goes_on(&logged.change)), "it does not say that it waits while dee speaks");
    ends_as_usual(world, usual).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_waiting_call_cannot_be_read_is_told_to_its_manager() {
    let script = Script::of([
        When::agent("boss").step(1).delegates(&[("ann", "write it")]),
        When::agent("ann").step(1).inserts("story", "x"),
    ])
    .otherwise("{agent} is done");
    let plan = Plan {
        script,
        manager_type: ManagerType::Supervisor,
        manager: Some("boss"),
        members: &["ann", "dee"],
        rules: needs_approval("memory_insert"),
        tools: &["memory_insert"],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let usual = usual(&world).await;
    let run = world.post("go").await;
    approval(&world).await;
    world.idle().await;
    by_sql(
        &world,
        "UPDATE pending_call SET body = json_set(body, '$.kind', 'dreaming') WHERE body LIKE '%memory_insert%'",
    );
    world.edit(|value| format!("{value} bell")).await;
    let run = world.finished(&run).await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    let lines = world.transcript().await;
    assert!(
        lines.iter().any(|line| line.starts_with("boss delegate refused: ann did not answer: pending call ")),
        "{lines:?}"
    );
    ends_as_usual(world, usual).await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_call_that_its_commit_refuses_is_answered_with_the_refusal() {
    // Each answers the other by mail, until the commit refuses a chain of that length.
    let script =
        Script::of([When::agent("ann").step(1).mails("bob", "hop"), When::agent("bob").step(1).mails("ann", "hop")])
            .otherwise("{agent} is done");
    let tools = &["send_message_to_agent_async"];
    let rules = needs_approval(tools[0]);
    let world = World::new(Plan { script, members: &["ann", "bob", "dee"], rules, tools, ..in_one_order() }).await;
    let usual = usual(&world).await;
    let told = told(&world).await;
    direct(&world, "ann").await;
    let mut approvals = 0;
    let told_so = loop {
        world.idle().await;
        let calls = world.overview().await.calls;
        match calls.into_iter().find(|call| call.is_open() && call.kind == PendingKind::Approval) {
            Some(call) => {
                approvals += 1;
                assert!(approvals < 50, "it is never refused");
                approve(&world, call).await;
            }
            None if world.is_at_rest().await => {
                let told = world.asked().into_iter().filter(|prompt| prompt.agent != "dee");
                break told.map(|prompt| format!("{:?}", prompt.entries)).collect::<Vec<_>>();
            }
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let refused = |entries: &String| entries.contains("ok: false") && entries.contains("by mail already");
    assert!(told_so.iter().any(refused), "the agent is told: {told_so:?}");
    assert!(told.lock().unwrap().is_empty(), "{told:?}");
    assert_usual(&world, usual).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_call_that_would_close_a_circle_is_answered_with_the_refusal() {
    let script = Script::of([
        When::agent("ann").step(1).asks("bob", "hello"),
        When::agent("bob").contains("are you there?").step(1).asks("ann", "what?"),
    ])
    .otherwise("{agent} speaks");
    let tools = &["send_message_to_agent_and_wait_for_reply"];
    let world = World::new(Plan { script, members: &["ann", "bob", "dee"], tools, ..in_one_order() }).await;
    // Only ann's call is guarded.
    let ann: Agent = world.store().row(agent_id("ann").as_str()).await.unwrap().unwrap();
    let guarded = Change::AgentPut(Agent { rules: needs_approval(tools[0]), ..ann });
    world.apply(vec![guarded]).await.unwrap();
    let usual = usual(&world).await;
    let told = told(&world).await;
    let run = world.post("go on").await;
    world.in_state(&run, RunState::Parked).await;
    let other = direct(&world, "bob").await;
    world.in_state(&other, RunState::Parked).await;
    let call = approval(&world).await;
    approve(&world, call).await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    let lines = world.transcript().await;
    let refused = "ann send_message_to_agent_and_wait_for_reply refused: not done: you would wait for each other";
    assert!(lines.iter().any(|line| line.starts_with(refused)), "{lines:?}");
    world.at_rest().await;
    assert!(told.lock().unwrap().is_empty(), "{told:?}");
    assert_usual(&world, usual).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_agent_cannot_be_read_fails_at_once() {
    let world = World::new(with_jobs(Script::always("{agent} speaks"))).await;
    let usual = usual(&world).await;
    damage_agent(&world, "zoe");
    world.send("go").await;
    let job = world.job_over().await;
    assert!(
        matches!(&job.state, JobState::Failed { error, .. } if error.contains("agent-zoe cannot be read")),
        "{job:?}"
    );
    ends_as_usual(world, usual).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_claimed_is_cancelled_with_the_sentence() {
    let script = Script::of([When::in_job().finishes()]).otherwise("{agent} speaks");
    let world = World::new(Plan { yields: None, ..with_jobs(script) }).await;
    let usual = usual(&world).await;
    world.send("go").await;
    let job = world.job_over().await;
    world.idle().await;
    let cursor = job.agent_work().unwrap().key();
    by_sql(&world, &format!("UPDATE cursor SET body = json_set(body, '$.seq', 'x') WHERE key = '{cursor}'"));
    world.send("go on").await;
    let jobs = world.jobs_over(2).await;
    let why = jobs.iter().find_map(|job| match &job.state {
        JobState::Cancelled { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.as_ref().is_some_and(|why| why.contains("cannot be read")), "{jobs:?}");
    ends_as_usual(world, usual).await;
}

#[tokio::test(start_paused = true)]
async fn work_waits_for_a_store_that_is_gone_with_growing_delays_and_says_so_once() {
    // What is told at one moment is told to the screens as one, so each meets the error at a moment of its own.
    let script = Script::of([When::agent("bob").text("I am here").first_delay_ms(3_000)])
        .or(When::any().text("I am here").first_delay_ms(1_000));
    let world = World::new(Plan { script, members: &["ann", "bob"], ..Plan::default() }).await;
    let told = told(&world).await;
    let (one, other) = (direct(&world, "ann").await, direct(&world, "bob").await);
    world.when(async |world| (world.asked().len() == 2).then_some(())).await;
    let (desk, aside) = (world.setting.dir.path().join("desk.db"), world.setting.dir.path().join("aside.db"));
    std::fs::rename(&desk, &aside).unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    let waits = world.waits_of("ann");
    assert!((5..12).contains(&waits.len()), "{waits:?}");
    assert!(waits.is_sorted(), "each wait is as long as the one before, or longer: {waits:?}");
    assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    assert!(told.lock().unwrap()[0].contains("put it back"), "{told:?}");
    std::fs::rename(&aside, &desk).unwrap();
    for run in [one, other, direct(&world, "bob").await] {
        assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_cannot_even_be_ended_is_left_alone_and_told_once() {
    let script = Script::of([When::agent("ann").first_delay_ms(1_000)]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann", "dee"], ..in_one_order() }).await;
    let usual = usual(&world).await;
    let told = told(&world).await;
    world.post("go").await;
    world.live(|live| live.name == "ann").await;
    let talked = world.conversation().await.id;
    by_sql(&world, &format!("UPDATE conversation SET body = json_set(body, '$.head', 'x') WHERE key = '{talked}'"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // No time passes: what spins goes on.
    let settle = async || {
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
        world.store().counters().statements
    };
    let before = settle().await;
    let spent = settle().await - before;
    assert!(spent < 100, "{spent} statements for what cannot succeed");
    world.idle().await;
    talk(&world).await;
    assert_usual(&world, usual).await;
    assert!(matches!(&told.lock().unwrap()[..], [told] if told.contains("cannot be read")), "{told:?}");
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_agent_does_not_speak_elsewhere_while_the_store_is_gone() {
    let script =
        Script::of([When::agent("ann").step(1).contains("go").inserts("story", "x")]).otherwise("{agent} speaks");
    let plan = Plan {
        script,
        members: &["ann"],
        rules: needs_approval("memory_insert"),
        tools: &["memory_insert"],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let run = world.post("go").await;
    let call = approval(&world).await;
    world.idle().await;
    approve(&world, call).await;
    let (desk, aside) = (world.setting.dir.path().join("desk.db"), world.setting.dir.path().join("aside.db"));
    std::fs::rename(&desk, &aside).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    std::fs::rename(&aside, &desk).unwrap();
    let elsewhere = direct(&world, "ann").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.asked_of("ann").len(), 1, "it is still in its parked speech");
    let (run, elsewhere) = (world.finished(&run).await, world.finished(&elsewhere).await);
    assert_eq!((stop(&run), stop(&elsewhere)), (StopReason::MaxTurns, StopReason::EndTurn));
    assert_eq!(world.transcript().await.len(), 3, "the call is made once");
    world.close().await;
}

/// Lets the reads of conversations fail once such a change is tried, until it is mended.
struct FailsBehind {
    change: fn(&Change) -> bool,
    /// Whether the next commit that is tried mends it.
    ends_with_a_commit: bool,
    store: OnceLock<PathBuf>,
    begun: AtomicBool,
    failed: AtomicBool,
    works: AtomicBool,
}

impl FailsBehind {
    fn new(change: fn(&Change) -> bool, ends_with_a_commit: bool) -> Arc<Self> {
        let (begun, failed, works) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { change, ends_with_a_commit, store: OnceLock::new(), begun, failed, works })
    }

    /// Names the store once it is there.
    fn in_store_of(&self, world: &World) {
        self.store.set(world.setting.dir.path().join("desk.db")).unwrap();
    }

    async fn has_failed(&self) {
        while !self.failed.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn mend(&self) {
        if self.failed.load(Ordering::Relaxed) && !self.works.swap(true, Ordering::Relaxed) {
            sql(self.store.get().unwrap(), "ALTER TABLE away RENAME TO conversation");
        }
    }
}

impl Observer for FailsBehind {
    fn commit(&self, _: Lane, commit: &Commit) {
        if self.ends_with_a_commit {
            self.mend();
        }
        if commit.changes.iter().any(self.change) {
            self.begun.store(true, Ordering::Relaxed);
        }
    }

    fn read(&self, _: Lane) {
        if self.begun.load(Ordering::Relaxed) && !self.failed.swap(true, Ordering::Relaxed) {
            sql(self.store.get().unwrap(), "ALTER TABLE conversation RENAME TO away");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_store_fails_behind_its_claim_is_done_when_the_store_works_again() {
    let fails = FailsBehind::new(|change| matches!(change, Change::JobClaimed { .. }), false);
    let script = Script::of([When::in_job().finishes()]).otherwise("{agent} speaks");
    let plan = Plan { observer: Some(Arc::clone(&fails) as _), ..with_jobs(script) };
    let world = World::new(plan).await;
    fails.in_store_of(&world);
    world.post("go").await;
    fails.has_failed().await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(world.asked_of("zoe").len(), 0);
    fails.mend();
    let job = world.job_over().await;
    assert_eq!((job.state.as_str(), job.attempt, job.crashes), ("completed", 1, 0), "{job:?}");
    assert_eq!(world.asked_of("zoe").len(), 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_store_fails_for_a_moment_goes_on_and_does_not_fail() {
    let fails = FailsBehind::new(|change| matches!(change, Change::RunCreated(_)), true);
    let plan = Plan { observer: Some(Arc::clone(&fails) as _), ..in_one_order() };
    let world = World::new(plan).await;
    fails.in_store_of(&world);
    let run = world.post("go").await;
    fails.has_failed().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    fails.mend();
    let run = world.finished(&run).await;
    assert!(!matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, .. }), "{run:?}");
    world.close().await;
}
