//! What commits rest on: another commit that comes just before is seen, whatever it is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::executor::block_on;

use crate::parking::asks;
use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};
use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    Actor, Block, Change, Commit, Conversation, ConversationId, ConversationOwner, Editor, Group, Job, JobState,
    ManagerType, PendingKind, PersonId, Revision, Run, RunId, RunKind, RunState, StopReason,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::store::{Lane, Observer, Store};

/// Commits something else just before a step, or the end of a run with an error, is committed, as often as it is told.
struct Meanwhile {
    store: OnceLock<Store>,
    times: AtomicU32,
    what: fn(&Store, &Run) -> Option<Vec<Change>>,
}

/// Claims a job just before its cancel is committed.
#[derive(Default)]
struct Claimed(OnceLock<Store>);

impl Observer for Claimed {
    fn commit(&self, _: Lane, commit: &Commit) {
        let Some(store) = self.0.get() else { return };
        let [Change::JobMoved { id, to: JobState::Cancelled { .. } }, ..] = &commit.changes[..] else { return };
        let job = block_on(store.row::<Job>(id.as_str())).unwrap().unwrap();
        if job.run.is_some() {
            return;
        }
        let (run, notes): (RunId, ConversationId) = ("run-claimed".into(), "talk-claimed".into());
        let owner = ConversationOwner::Job(id.clone());
        let (agent, group) = (job.agent().unwrap().clone(), job.group().unwrap().clone());
        let kind = RunKind::Job { agent, group, job: id.clone() };
        let claim = vec![
            Change::JobClaimed { id: id.clone(), epoch: 1, run: run.clone(), conversation: notes.clone(), upto: None },
            Change::ConversationOpened(Conversation::new(notes.clone(), owner)),
            Change::RunCreated(Run::new(run, notes, kind, RunState::Running)),
        ];
        block_on(store.commit(Lane::Foreground, Commit::new(Actor::Engine, claim))).unwrap();
    }
}

impl Meanwhile {
    fn new(times: u32, what: fn(&Store, &Run) -> Option<Vec<Change>>) -> Arc<Self> {
        Arc::new(Self { store: OnceLock::new(), times: AtomicU32::new(times), what })
    }

    /// A world in which it happens.
    async fn world(self: &Arc<Self>, plan: Plan) -> World {
        let world = World::new(Plan { observer: Some(Arc::clone(self) as _), yields: None, ..plan }).await;
        let _ = self.store.set(world.store().clone());
        world
    }

    fn is_over(&self) -> bool {
        self.times.load(Ordering::Relaxed) == 0
    }
}

impl Observer for Meanwhile {
    fn commit(&self, _: Lane, commit: &Commit) {
        let run = commit.changes.iter().find_map(|change| match change {
            Change::StepFinished(step) => Some(&step.run),
            Change::RunMoved { id, to: RunState::Finished { error: Some(_), .. } } => Some(id),
            _ => None,
        });
        let (Some(run), Some(store), false) = (run, self.store.get(), self.is_over()) else { return };
        let run = block_on(store.row::<Run>(run.as_str())).unwrap().unwrap();
        let Some(changes) = (self.what)(store, &run) else { return };
        self.times.fetch_sub(1, Ordering::Relaxed);
        let other = Commit::new(Actor::Person(PersonId::local()), changes);
        block_on(store.commit(Lane::Foreground, other)).unwrap();
    }
}

/// A person's edit of the block.
fn edit(store: &Store) -> Vec<Change> {
    let block = block_on(store.row::<Block>(story().as_str())).unwrap().unwrap();
    let (version, value) = (block.version + 1, format!("{}\n- edit {}", block.value, block.version));
    let editor = Editor::Person(PersonId::local());
    let (block, reason) = (block.id, "edited".to_owned());
    let calls = Vec::new();
    vec![Change::BlockEdited(Revision { block, version, value, editor, run: None, step: None, calls, reason })]
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_run_ended_meanwhile_is_thrown_away() {
    let end = Meanwhile::new(1, |_, run| {
        let to = RunState::Finished { stop_reason: StopReason::Cancelled, error: None };
        Some(vec![Change::RunMoved { id: run.id.clone(), to }])
    });
    let script =
        Script::of([When::agent("ann").text("too late").inserts("story", "- too late")]).otherwise("{agent} speaks");
    let world = end.world(Plan { script, ..Plan::default() }).await;
    world.send("go").await;
    assert!(end.is_over());
    let lines = world.transcript().await;
    assert!(!lines.iter().any(|line| line.contains("too late")), "{lines:?}");
    assert_eq!(world.block(&story()).await.version, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_of_a_job_that_was_taken_from_its_worker_meanwhile_is_thrown_away() {
    let take = Meanwhile::new(1, |_, run| {
        let (job, _) = run.kind.job()?;
        let run_at = "2026-05-01T10:00:00Z".parse().unwrap();
        let to = JobState::Retryable { since: None, run_at, error: "taken".to_owned() };
        Some(vec![Change::JobHandedBack { id: job.clone(), to }])
    });
    let script = Script::of([When::in_job().step(1).inserts("story", "- noted"), When::in_job().finishes()])
        .otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let world = take.world(plan).await;
    world.send("one").await;
    world.when(async |_| take.is_over().then_some(())).await;
    world.idle().await;
    assert_eq!(world.block(&story()).await.version, 1, "the step of the former worker is not committed");
    assert_eq!(world.asked_of("cleo").len(), 1);
    world.job_over().await;
    assert_eq!(world.block(&story()).await.version, 2, "its next worker does it, once");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_job_was_taken_meanwhile_does_not_fail_it() {
    let take = Meanwhile::new(1, |store, run| {
        let (id, _) = run.kind.job()?;
        let job = block_on(store.row::<Job>(id.as_str())).unwrap().unwrap();
        let JobState::Running { epoch } = job.state else { panic!("{job:?}") };
        let (run, conversation) = (job.run.unwrap(), job.conversation.unwrap());
        let back = Change::JobHandedBack { id: id.clone(), to: JobState::Available };
        Some(vec![back, Change::JobClaimed { id: id.clone(), epoch, run, conversation, upto: None }])
    });
    let script = Script::of([When::in_job().status(401)]).otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let world = take.world(plan).await;
    world.send("one").await;
    world.when(async |_| take.is_over().then_some(())).await;
    world.idle().await;
    let job = world.store().jobs(None, 1).await.unwrap().rows.remove(0);
    assert!(matches!(job.state, JobState::Running { .. }) && job.fence == 2, "{job:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_claimed_just_before_its_cancel_leaves_no_run_behind() {
    let claimed = Arc::new(Claimed::default());
    let script =
        Script::of([When::agent("cleo").text("hm hm hm hm").chunk(3).delay_ms(60_000)]).otherwise("{agent} speaks");
    let observer = Some(Arc::clone(&claimed) as _);
    let plan = Plan { script, observer, yields: None, members: &["ann"], background: &["cleo"], ..Plan::default() };
    let world = World::new(Plan { every_turns: Some(1), ..plan }).await;
    let to = Recipient::Agent(agent_id("cleo"));
    world.ask(Request::Send { to, text: "the job waits for you".to_owned() }).await.unwrap();
    world.speaking("cleo").await;
    world.send("one").await;
    let job = world.jobs().await.remove(0);
    assert_eq!((job.state, job.run), (JobState::Available, None));
    let _ = claimed.0.set(world.store().clone());
    world.ask(Request::CancelJob { id: job.id.clone() }).await.unwrap();
    let job = world.job(&job.id).await;
    assert_eq!(job.state.as_str(), "cancelled");
    let run = world.store().row::<Run>(job.run.unwrap().as_str()).await.unwrap().unwrap();
    assert!(run.is_finished(), "{run:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_block_is_edited_four_times_in_a_row_is_committed_without_asking_the_model_again() {
    let edits = Meanwhile::new(4, |store, _| Some(edit(store)));
    let script = Script::of([When::agent("ann").step(1).inserts("story", "- from ann")]).otherwise("{agent} speaks");
    let world = edits.world(Plan { script, members: &["ann"], ..Plan::default() }).await;
    world.send("go").await;
    assert!(edits.is_over());
    let block = world.block(&story()).await;
    assert_eq!((block.version, block.value.contains("- from ann")), (6, true), "{}", block.value);
    assert_eq!(world.asked().len(), 2, "one call for each step");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_speech_keeps_its_agent_while_the_program_runs() {
    let script = Script::of([When::agent("ann").step(1).contains("go").call("ask_person", serde_json::json!({}))])
        .otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann"], ..asks() }).await;
    let run = world.post("go").await;
    world.in_state(&run, RunState::Parked).await;
    let to = Recipient::Agent(agent_id("ann"));
    let Reply::Sent { run: direct, .. } = world.ask(Request::Send { to, text: "there?".into() }).await.unwrap() else {
        panic!("it was not sent")
    };
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(world.asked_of("ann").len(), 1, "she is not asked elsewhere");
    let call = world.overview().await.calls.remove(0);
    assert_eq!(call.kind, PendingKind::Approval);
    let (step, ordinal, reason) = (call.step, call.ordinal, String::new());
    world.ask(Request::Decide { step, ordinal, approve: true, for_run: false, reason }).await.unwrap();
    world.finished(&run).await;
    assert_eq!(stop(&world.finished(&direct).await), StopReason::EndTurn);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_went_on_lately_is_resumed_however_long_it_waited_before() {
    let script = Script::of([
        When::agent("ann").step(1).asks("bob", "may we?"),
        When::agent("ann").text("we may").first_delay_ms(60_000),
        When::agent("bob").step(1).call("ask_person", serde_json::json!({})),
    ])
    .otherwise("yes");
    let group = Group { wait_seconds: Some(3_600), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let plan = Plan {
        members: &["ann", "bob"],
        max_turns: Some(1),
        group: Some(group),
        tools: &["ask_person", "send_message_to_agent_and_wait_for_reply"],
        script,
        ..asks()
    };
    let world = World::new(plan).await;
    let run = world.post("go").await;
    let call = world
        .when(async |world| {
            let calls = world.overview().await.calls;
            calls.into_iter().find(|call| call.kind == PendingKind::Approval && call.is_open())
        })
        .await;
    tokio::time::sleep(Duration::from_mins(20)).await;
    let (step, ordinal, reason) = (call.step, call.ordinal, String::new());
    world.ask(Request::Decide { step, ordinal, approve: true, for_run: false, reason }).await.unwrap();
    world.when(async |world| (world.asked_of("ann").len() == 2).then_some(())).await;
    let world = world.restart().await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    assert!(world.transcript().await.contains(&"ann: we may".to_owned()));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_was_acknowledged_holds_over_a_crash() {
    let script = Script::of([When::agent("boss").step(1).delegates(&[("ann", "write it")])])
        .or(When::any().text("a long answer").chunk(1).delay_ms(1_000));
    let plan = Plan {
        script,
        manager_type: ManagerType::Supervisor,
        manager: Some("boss"),
        members: &["ann"],
        yields: None,
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let run = world.post("go").await;
    world.speaking("ann").await;
    assert!(world.cancel().await.0);
    let turn = world.store().row::<Run>(run.as_str()).await.unwrap().unwrap();
    assert!(turn.cancelled && !turn.is_finished(), "its worker has not ended yet: {turn:?}");
    let asked = world.asked().len();
    let world = world.restart().await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    world.at_rest().await;
    assert_eq!(world.asked().len(), asked, "nobody is asked again");
    world.close().await;
}
