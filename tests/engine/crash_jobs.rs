//! Jobs in a program that ends: cancelled at each point of a commit (F11), poisoned by their own tool (F10), and a long
//! backlog that is worked off over kills.

use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use nightdesk::testing::domain::job::JobFault;
use nightdesk::testing::domain::{
    Change, Content, Conversation, ConversationId, ConversationOwner, Cursor, Ids, Job, JobId, JobState, LogEntry,
    Message, MessageId, Run, RunId, RunState, StopReason,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::engine::{Engine, Handle};
use nightdesk::testing::llm::ToolSpec;
use nightdesk::testing::store::{self, Store};
use nightdesk::testing::tools::{Tool, ToolContext, ToolOutcome, ToolRegistry};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::coverage::Coverage;
use crate::support::engine_harness::{Plan, agent_id, group_id, story};
use crate::support::invariants;
use crate::support::kill::{End, PLACE, SESSION, Session, Tally, play, prepare, rounds, runtime, store_of};
use crate::support::script::{Script, When};

const CANCEL: &str = "cancel";
const POISON: &str = "poison";
const BACKLOG: &str = "backlog";
/// In the place of a session: the person has cancelled once, and does not do so again.
const ASKED: &str = "asked";

/// The tool that ends the program.
const FALLS: &str = "fall_over";

struct Falls;

impl Tool for Falls {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: FALLS.to_owned(), description: String::new(), schema: json!({ "type": "object" }) }
    }

    fn call<'a>(&'a self, _: &'a Value, _: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        std::process::abort()
    }
}

fn plan(session: &str) -> Plan {
    let plan = Plan { members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    match session {
        CANCEL => {
            let script = Script::of([
                When::in_job().step(1).text("hm hm").chunk(1).delay_ms(2).inserts("story", "- kept"),
                When::in_job().finishes(),
                When::agent("ann").text("so so").chunk(1).delay_ms(2),
            ]);
            Plan { script, ..plan }
        }
        POISON => {
            let script = Script::of([
                When::agent("cleo").inserts("story", "- never kept").call(FALLS, json!({})),
                When::in_job().step(1).inserts("story", "- kept"),
                When::in_job().finishes(),
            ])
            .otherwise("{agent} speaks");
            let toolbox = ToolRegistry::default().with(Arc::new(Falls));
            Plan { script, toolbox, tools: &[FALLS], background: &["cleo", "dan"], ..plan }
        }
        BACKLOG => {
            let script = Script::of([When::in_job().step(1).inserts("story", "- read"), When::in_job().finishes()]);
            Plan { script, ..plan }
        }
        other => panic!("no session {other}"),
    }
}

/// The process the others end: plays the session as far as it is not played yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let (place, name) = (Path::new(&place), std::env::var(SESSION).unwrap());
    let session = Session::open(place, &plan(&name)).await;
    let (engine, handle) = (&session.engine, &session.handle);
    if name == BACKLOG {
        if jobs(engine).await.is_empty() {
            let job = Request::RunJob { agent: agent_id("cleo"), group: group_id(), instruction: None };
            handle.ask(job).await.unwrap();
        }
    } else {
        if engine.store().find::<Conversation>(group_id().as_str()).await.unwrap().is_empty() {
            let to = Recipient::Group(group_id());
            handle.ask(Request::Send { to, text: "one".to_owned() }).await.unwrap();
        }
        if name == CANCEL && !place.join(ASKED).exists() {
            cancel_both(engine, handle, place).await;
        }
    }
    session.end(async |engine, _| over(engine).await).await;
}

async fn jobs(engine: &Engine) -> Vec<Job> {
    engine.store().jobs(None, usize::MAX >> 1).await.unwrap().rows
}

/// Waits until there is something.
async fn when<T>(engine: &Engine, look: impl AsyncFn() -> Option<T>) -> T {
    let mut head = engine.store().head();
    loop {
        head.borrow_and_update();
        if let Some(found) = look().await {
            return found;
        }
        head.changed().await.unwrap();
    }
}

/// Cancels the first turn's job once it is at work, and a second turn as it begins.
async fn cancel_both(engine: &Engine, handle: &Handle, place: &Path) {
    let at_work = async || jobs(engine).await.into_iter().find(|job| !matches!(job.state, JobState::Available));
    let job = when(engine, at_work).await;
    let to = Recipient::Group(group_id());
    let Reply::Sent { run, .. } = handle.ask(Request::Send { to, text: "two".to_owned() }).await.unwrap() else {
        panic!("it was not sent")
    };
    let conversation = engine.store().row::<Run>(run.as_str()).await.unwrap().unwrap().conversation;
    std::fs::write(place.join(ASKED), []).unwrap();
    // The job may have ended by itself.
    let _ = handle.ask(Request::CancelJob { id: job.id }).await;
    handle.ask(Request::Cancel { conversation }).await.unwrap();
}

/// Waits until no turn and no job is unfinished.
async fn over(engine: &Engine) {
    when(engine, async || {
        let turns = engine.store().turn_runs().await.unwrap();
        let over = turns.is_empty() && jobs(engine).await.iter().all(|job| job.state.is_final());
        over.then_some(())
    })
    .await;
}

/// How often each job came to an end.
fn ends_of<'l>(log: &'l [LogEntry], job: &'l JobId) -> impl Iterator<Item = &'l JobState> {
    log.iter().filter_map(move |logged| match &logged.change {
        Change::JobMoved { id, to } if id == job && to.is_final() => Some(to),
        _ => None,
    })
}

/// How often each run came to an end.
fn ends_of_run(log: &[LogEntry], run: &RunId) -> usize {
    let over = |logged: &&LogEntry| matches!(&logged.change, Change::RunMoved { id, to: RunState::Finished { .. } } if id == run);
    log.iter().filter(over).count()
}

/// How many jobs and how many turns were cancelled; each of them ended once.
async fn cancelled(place: &Path, acks: &[String], end: &End) -> (usize, usize) {
    let (store, lost) = store_of(place, acks).await;
    assert_eq!(lost, 0, "{end:?}");
    invariants::assert_sound(&store).await;
    let log = store.log(0, usize::MAX >> 1).await.unwrap();
    let (mut of_jobs, mut of_turns) = (0, 0);
    for job in store.jobs(None, 100).await.unwrap().rows {
        let ends: Vec<&JobState> = ends_of(&log, &job.id).collect();
        assert_eq!(ends, [&job.state], "{end:?}: it ends once, and no other way");
        match &job.state {
            JobState::Completed { .. } => {}
            JobState::Cancelled { .. } => of_jobs += 1,
            other => panic!("{end:?}: {other:?}"),
        }
    }
    for run in store.all::<Run>().await.unwrap().rows {
        assert_eq!(ends_of_run(&log, &run.id), 1, "{end:?}: {run:?}");
        let RunState::Finished { stop_reason, .. } = run.state else { unreachable!() };
        of_turns += usize::from(stop_reason == StopReason::Cancelled && run.parent.is_none() && run.agent().is_none());
    }
    (of_jobs, of_turns)
}

#[test]
fn f11_cancelled_at_every_point_of_every_commit_a_job_and_a_turn_are_cancelled_or_over_and_never_both() {
    let (sum, hits) = (Mutex::new((0, 0)), Mutex::new(Vec::new()));
    rounds(store::POINTS.len() as u64, |number| {
        let point = store::POINTS[usize::try_from(number).unwrap()];
        let runtime = runtime();
        for passage in 1.. {
            let place = tempfile::tempdir().unwrap();
            let end = End::Probe(point, passage);
            let mut tally = Tally::default();
            let mut acks = Vec::new();
            for end in [&end, &End::Never] {
                let heard = play(module_path!(), place.path(), CANCEL, end);
                tally.add(&heard);
                acks.extend(heard.acks);
                if heard.done {
                    break;
                }
            }
            tally.assert_sound();
            let (jobs, turns) = runtime.block_on(cancelled(place.path(), &acks, &end));
            let mut sum = sum.lock().unwrap();
            *sum = (sum.0 + jobs, sum.1 + turns);
            if tally.kills == 0 {
                hits.lock().unwrap().push((point, passage - 1));
                break;
            }
        }
    });
    let ((jobs, turns), hits) = (sum.into_inner().unwrap(), hits.into_inner().unwrap());
    println!("{jobs} jobs and {turns} turns were cancelled; ends by point: {hits:?}");
    assert!(jobs > 0 && turns > 0 && hits.iter().all(|(_, count)| *count >= 8), "{jobs}, {turns}, {hits:?}");
}

#[test]
fn f10_a_job_whose_tool_ends_the_program_three_times_is_poison_and_the_other_job_is_done() {
    let place = tempfile::tempdir().unwrap();
    let (mut acks, mut aborts) = (Vec::new(), 0);
    loop {
        let heard = play(module_path!(), place.path(), POISON, &End::Itself);
        acks.extend(heard.acks);
        if heard.done {
            break;
        }
        aborts += 1;
        assert!(heard.killed && aborts <= 3, "the program ended {aborts} times");
    }
    assert_eq!(aborts, 3);
    runtime().block_on(async {
        let (store, lost) = store_of(place.path(), &acks).await;
        assert_eq!(lost, 0);
        let all = store.jobs(None, 100).await.unwrap().rows;
        let of = |agent: &str| all.iter().find(|job| job.agent() == Some(&agent_id(agent))).unwrap();
        assert!(matches!(of("cleo").state, JobState::Failed { class: JobFault::Poison, .. }), "{:?}", of("cleo"));
        assert!(matches!(of("dan").state, JobState::Completed { .. }), "{:?}", of("dan"));
        assert_eq!(story_of(&store).await, ["- kept"], "nothing of the step that ended the program is kept");
        invariants::assert_sound(&store).await;
    });
}

/// The lines that jobs have put into the block.
async fn story_of(store: &Store) -> Vec<String> {
    let block = store.row::<nightdesk::testing::domain::Block>(story().as_str()).await.unwrap().unwrap();
    block.value.lines().skip(2).map(str::to_owned).collect()
}

/// A group's conversation of so many messages that nobody has read.
fn unread(messages: u64) -> Vec<Change> {
    let ids = Ids::seeded(7);
    let talk = Conversation::new(ConversationId::fresh(&ids), ConversationOwner::Group(group_id()));
    let at = jiff::Timestamp::UNIX_EPOCH;
    let said = |number| {
        let content = Content::said(format!("Message {number}: {}", "what was said that day ".repeat(12)));
        Change::MessageAppended(Message::without_run(MessageId::fresh(&ids), talk.id.clone(), content, at))
    };
    std::iter::once(Change::ConversationOpened(talk.clone())).chain((1..=messages).map(said)).collect()
}

/// Works off so many messages in a program that is killed so often on the way, after some acknowledged changes each.
pub fn backlog(messages: u64, kills: u64) -> Tally {
    let place = tempfile::tempdir().unwrap();
    let plan = plan(BACKLOG);
    runtime().block_on(prepare(place.path(), &plan, unread(messages)));
    let cleo = agent_id("cleo");
    let (mut tally, mut acks, mut half_way) = (Tally::default(), Vec::new(), 0);
    let mut dice = StdRng::seed_from_u64(messages);
    loop {
        // A job that is ended three times in a row is poison: each life is long enough for some steps.
        let kill = End::Kill(dice.random_range(20..60), dice.random_range(0..400_000));
        let heard = play(module_path!(), place.path(), BACKLOG, if tally.kills < kills { &kill } else { &End::Never });
        tally.add(&heard);
        acks.extend(heard.acks);
        if heard.done || heard.stuck {
            break;
        }
        let read = runtime().block_on(async {
            let store = Store::open_read_only(&place.path().join("desk.db"), store::Options::default()).unwrap();
            let cursor = store.row::<Cursor>(&Cursor::pair_key(&cleo, &group_id())).await.unwrap();
            cursor.map_or(0, |cursor| cursor.seq)
        });
        half_way += u64::from(read > 0 && read < messages);
    }
    runtime().block_on(async {
        let (store, lost) = store_of(place.path(), &acks).await;
        let coverage = Coverage::of(&store, &cleo, &group_id()).await;
        let windows = coverage.windows.len();
        println!(
            "a backlog of {messages} messages, {windows} jobs: {tally}; {} messages in no window, {} in two",
            messages - coverage.cursor + coverage.gaps,
            coverage.overlaps,
        );
        tally.lost += lost + (messages - coverage.cursor) + coverage.gaps;
        let kept = story_of(&store).await.len();
        tally.doubled += coverage.overlaps + kept.saturating_sub(windows) as u64;
        assert!(kept >= windows, "{kept} of {windows} jobs have kept their line");
        invariants::assert_sound(&store).await;
    });
    assert!(kills == 0 || half_way > 0, "no kill came half way");
    tally
}

#[test]
fn a_backlog_is_worked_off_in_chunks_over_kills_with_each_message_in_exactly_one_window() {
    let tally = backlog(3_000, 2);
    tally.assert_sound();
    assert_eq!(tally.kills, 2);
}
