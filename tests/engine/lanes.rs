//! Lanes: what a person waits for never waits for the background, neither for its reads nor for its commits.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::script::{Script, When};
use futures::future::join_all;
use futures::poll;
use nightdesk::testing::domain::{Actor, Change, Commit, MessageQuery, RunState, StopReason};
use nightdesk::testing::engine::protocol::{Reply, Request};
use nightdesk::testing::store::{Lane, Mode, Observer};

use crate::support::engine_harness::{Plan, World};

/// Holds every read of the background until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    bell: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.bell.notify_all();
    }
}

/// Opens its gate when the test ends, also when it fails: a store that closes waits for its threads.
struct Opened(Arc<Gate>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Observer for Gate {
    fn read(&self, lane: Lane) {
        if lane == Lane::Background {
            drop(self.bell.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_turn_runs_beside_eight_searches_that_stand_still() {
    let gate = Arc::new(Gate::default());
    let observer: Option<Arc<dyn Observer>> = Some(Arc::clone(&gate) as _);
    let world = World::new(Plan { mode: Mode::Threads, observer, ..Plan::default() }).await;
    let opened = Opened(gate);
    let conversation = Some(world.send("first").await.conversation);
    let search = |query: &str| Request::Search(MessageQuery::new(conversation.clone(), query, 5));
    let mut searches =
        join_all(["heard", "記憶", "憶", "-->", "h", "first", "記憶 first", "x"].map(|q| world.ask(search(q))));
    assert!(poll!(&mut searches).is_pending());

    let turn = tokio::time::timeout(Duration::from_mins(1), world.send("hello"));
    let turn = turn.await.expect("the turn waits for the searches");
    assert!(matches!(turn.state, RunState::Finished { stop_reason: StopReason::MaxTurns, .. }), "{:?}", turn.state);
    assert_eq!(world.transcript().await.len(), 8, "three speeches to each of two messages");
    assert!(poll!(&mut searches).is_pending(), "the searches stood still");

    drop(opened);
    let found = searches.await.into_iter().map(|reply| match reply.unwrap() {
        Reply::Found(found) => found.messages.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(found.collect::<Vec<_>>(), [5, 0, 0, 0, 5, 4, 0, 0]);
    world.close().await;
}

/// Keeps every commit with its lane.
#[derive(Default)]
struct Commits(Mutex<Vec<(Lane, Commit)>>);

impl Observer for Commits {
    fn commit(&self, lane: Lane, commit: &Commit) {
        self.0.lock().unwrap().push((lane, commit.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_commit_in_the_background_and_nothing_else_does() {
    let script =
        Script::of([When::in_job().step(1).text("I keep it.").inserts("story", "- kept"), When::in_job().finishes()])
            .otherwise("{agent} speaks");
    let commits = Arc::new(Commits::default());
    let observer: Option<Arc<dyn Observer>> = Some(Arc::clone(&commits) as _);
    let plan =
        Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), observer, ..Plan::default() };
    let world = World::new(plan).await;
    world.send("one").await;
    let run = world.job_over().await.run;
    let of_job = |commit: &Commit| match &commit.by {
        Actor::Agent { run: by, .. } => Some(by) == run.as_ref(),
        _ => commit.changes.iter().any(|change| matches!(change, Change::JobClaimed { .. } | Change::JobMoved { .. })),
    };
    let commits = commits.0.lock().unwrap().clone();
    for (lane, commit) in &commits {
        let right = if of_job(commit) { Lane::Background } else { Lane::Foreground };
        assert_eq!(*lane, right, "{commit:?}");
    }
    let background = commits.iter().filter(|(lane, _)| *lane == Lane::Background).count();
    assert_eq!(background, 3, "the claim and two steps");
    world.close().await;
}
