//! F1 and F2: the program ends at any moment; nothing acknowledged is lost, nothing happens twice, and whoever
//! opens the store next goes on to the same end.
//!
//! The tests run this binary again as a child that plays a session, and end the child: at each point a commit
//! passes, or with a kill after some line it has printed.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::engine_harness::{Plan, group_id, lines, story};
use crate::support::kill::{End, PLACE, Session, Tally, play, rounds, runtime, store_of, surplus};
use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Conversation, Job};
use nightdesk::testing::engine::Engine;
use nightdesk::testing::engine::protocol::{Recipient, Request};
use nightdesk::testing::store::{self};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

fn replies() -> Script {
    Script::of([
        When::agent("ann")
            .step(1)
            .text("I note it.")
            .reasoning("They will want to find it.")
            .inserts("story", "- a note of ann")
            .call("conversation_search", json!({ "query": "launch" })),
        When::agent("bob").turn(2).step(1).replaces("story", "some time in spring", "9 May"),
        When::agent("bob").turn(1).passes(),
        When::agent("cleo")
            .step(1)
            .text("Let me see.")
            .call("memory_insert", json!({ "label": "story", "new_str": "- kept by cleo", "insert_line": 1 })),
        When::agent("cleo").step(2).replaces("story", "- kept by cleo", "- kept well by cleo"),
        When::agent("cleo").finishes(),
    ])
    .otherwise("{agent} heard {last}")
}

fn plan() -> Plan {
    Plan { script: replies(), members: &["ann", "bob"], background: &["cleo"], every_turns: Some(2), ..Plan::default() }
}

/// The process the others end: plays the session as far as it is not played yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let own = tempfile::tempdir().unwrap();
    let place = std::env::var_os(PLACE).map_or_else(|| own.path().to_owned(), Into::into);
    let session = Session::open(&place, &plan()).await;
    let (engine, handle) = (&session.engine, &session.handle);
    for (turn, text) in [(1, "the launch is in spring"), (2, "now it is the 9th of May")] {
        let talk = engine.store().find::<Conversation>(group_id().as_str()).await.unwrap().pop();
        if talk.is_none_or(|talk| talk.asked < turn) {
            let to = Recipient::Group(group_id());
            handle.ask(Request::Send { to, text: text.to_owned() }).await.unwrap();
        }
    }
    session.end(async |engine, _| over(engine).await).await;
}

/// Waits until both turns and the job are over.
async fn over(engine: &Engine) {
    let mut head = engine.store().head();
    loop {
        head.borrow_and_update();
        let turns = engine.store().turn_runs().await.unwrap();
        let jobs = engine.store().jobs(None, 10).await.unwrap().rows;
        if turns.is_empty() && !jobs.is_empty() && jobs.iter().all(|job| job.state.is_final()) {
            return;
        }
        head.changed().await.unwrap();
    }
}

/// Everything that has to be the same in the end, however often the program ended on the way.
#[derive(Debug, PartialEq)]
struct Outcome {
    transcript: Vec<String>,
    revisions: Vec<(u64, String, String, String)>,
    jobs: Vec<(String, u32, Vec<String>)>,
    turns: u64,
    /// What goes back to a provider with its steps, in order.
    kept: Vec<String>,
}

impl Outcome {
    /// What is there more often than it should be.
    fn doubled(&self, expected: &Self) -> u64 {
        let revisions = |outcome: &Self| outcome.revisions.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>();
        let jobs = |outcome: &Self| outcome.jobs.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>();
        surplus(&self.transcript, &expected.transcript)
            + surplus(&revisions(self), &revisions(expected))
            + surplus(&jobs(self), &jobs(expected))
            + surplus(&self.kept, &expected.kept)
    }
}

/// Reads the outcome, and how many acknowledged changes are not in it; checks that the log folds.
async fn outcome(place: &Path, acks: &[String]) -> (Outcome, u64) {
    let (store, lost) = store_of(place, acks).await;
    let talk = store.find::<Conversation>(group_id().as_str()).await.unwrap().remove(0);
    let messages = store.messages(&talk.id, 1, u64::MAX).await.unwrap();
    let transcript = lines(&messages);
    let mut runs = Vec::new();
    for run in messages.iter().filter_map(|message| message.run.clone()) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    let mut kept = Vec::new();
    for run in runs {
        let steps = store.steps(&run).await.unwrap();
        kept.extend(steps.into_iter().filter_map(|step| Some(step.kept?.value.to_string())));
    }
    let mut revisions: Vec<_> = store.revisions(&story(), None, 100).await.unwrap();
    revisions.reverse();
    let revisions =
        revisions.into_iter().map(|(_, _, r)| (r.version, r.editor.name().to_owned(), r.reason, r.value)).collect();
    let mut jobs = Vec::new();
    let mut all: Vec<Job> = store.jobs(None, 100).await.unwrap().rows;
    all.reverse();
    for job in all {
        let notes = store.messages(job.conversation.as_ref().unwrap(), 1, u64::MAX).await.unwrap();
        jobs.push((serde_json::to_string(&job.state).unwrap(), job.edits, lines(&notes)));
        let run = store.row::<nightdesk::testing::domain::Run>(job.run.unwrap().as_str()).await.unwrap().unwrap();
        assert!(run.is_finished(), "{run:?}");
    }
    (Outcome { transcript, revisions, jobs, turns: talk.turns, kept }, lost)
}

/// Plays a session that ends in these ways one after the other, then to its end. Panics if the outcome is another than
/// expected in a way that the tally does not tell.
async fn ended(ends: &[End], expected: Option<&Outcome>) -> (Tally, Outcome) {
    let place = tempfile::tempdir().unwrap();
    let (mut acks, mut tally) = (Vec::new(), Tally::default());
    for end in ends.iter().chain([&End::Never]) {
        let heard = play(module_path!(), place.path(), "", end);
        tally.add(&heard);
        acks.extend(heard.acks);
        if heard.done {
            break;
        }
    }
    let (outcome, lost) = outcome(place.path(), &acks).await;
    tally.lost = lost;
    if let Some(expected) = expected.filter(|expected| tally.stuck == 0 && outcome != **expected) {
        tally.doubled = outcome.doubled(expected);
        println!("ended by {ends:?}: {outcome:#?} is not {expected:#?}");
        assert!(tally.doubled > 0, "the outcome lacks something");
    }
    (tally, outcome)
}

/// The session nobody ended.
fn unended() -> (Outcome, u64) {
    let place = tempfile::tempdir().unwrap();
    let heard = play(module_path!(), place.path(), "", &End::Never);
    let (outcome, lost) = runtime().block_on(outcome(place.path(), &heard.acks));
    assert_eq!(lost, 0);
    let expected = [
        "user: the launch is in spring",
        "ann: I note it.",
        "ann memory_insert ok: Block story, version 2, 62 of 20000 characters; lines 1 to 3 now read:",
        "ann conversation_search ok: 1 found",
        "ann: ann heard the launch is in spring",
        "bob pass ok: you passed",
        "(bob passed)",
        "user: now it is the 9th of May",
    ];
    assert_eq!(outcome.transcript[..8], expected);
    assert_eq!(outcome.revisions.len(), 6, "{:?}", outcome.revisions);
    assert_eq!((outcome.jobs.len(), outcome.turns), (1, 2));
    assert!(outcome.jobs[0].0.contains("changed"), "{:?}", outcome.jobs);
    assert_eq!(outcome.kept, ["\"They will want to find it.\""; 2], "in each turn");
    (outcome, heard.acks.len() as u64)
}

#[test]
fn f1_ended_at_every_point_of_every_commit_the_session_comes_to_the_same_end() {
    let (expected, _) = unended();
    let hits = Mutex::new(Vec::new());
    rounds(store::POINTS.len() as u64, |number| {
        let point = store::POINTS[usize::try_from(number).unwrap()];
        let runtime = runtime();
        for passage in 1.. {
            let (tally, _) = runtime.block_on(ended(&[End::Probe(point, passage)], Some(&expected)));
            tally.assert_sound();
            if tally.kills == 0 {
                hits.lock().unwrap().push((point, passage - 1));
                break;
            }
        }
    });
    let hits = hits.into_inner().unwrap();
    println!("ends by point: {hits:?}");
    assert!(hits.iter().all(|(_, count)| *count >= 15), "{hits:?}");
}

/// Kills so many sessions at random, mostly twice each.
pub fn killed_at_random(count: u64) -> Tally {
    let (expected, acks) = unended();
    let (sum, hits) = (Mutex::new(Tally::default()), AtomicU64::new(0));
    rounds(count, |number| {
        let mut dice = StdRng::seed_from_u64(number);
        let mut kill = || End::Kill(dice.random_range(1..=acks), dice.random_range(0..400_000));
        // A job that ends the program three times in a row is poison: two are the most that change nothing.
        let ends = [kill(), kill()];
        let (tally, _) = runtime().block_on(ended(&ends, Some(&expected)));
        *sum.lock().unwrap() += tally;
        hits.fetch_add(u64::from(tally.kills > 0), Ordering::Relaxed);
    });
    let (sum, hits) = (sum.into_inner().unwrap(), hits.into_inner());
    println!("a session, {count} rounds: {sum}");
    assert!(hits * 2 > count, "{hits} of {count} rounds were killed before their end");
    sum
}

#[test]
fn f2_killed_at_random_40_times_nothing_acknowledged_is_lost_and_nothing_doubled() {
    killed_at_random(40).assert_sound();
}

#[test]
#[ignore = "a campaign"]
fn f2_killed_at_random_200_times_nothing_acknowledged_is_lost_and_nothing_doubled() {
    killed_at_random(200).assert_sound();
}
