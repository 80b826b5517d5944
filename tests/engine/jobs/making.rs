//! What makes a job, and that it is there exactly when its cause is (J1, J3, J9).

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{CauseKind, Change, JobOutcome, JobState, Rule, RunState};
use nightdesk::testing::engine::protocol::{Recipient, Request};
use nightdesk::testing::llm::PromptMessage;
use serde_json::json;

use super::{desk, job_over_after, kinds, run_now, runs, turns, until};
use crate::support::engine_harness::{Plan, World, agent_id, story};

fn quick() -> Script {
    Script::of([When::in_job().finishes()]).otherwise("{agent} speaks")
}

#[tokio::test(start_paused = true)]
async fn every_turns_fires_on_the_nth_and_its_multiples_for_each_background_agent() {
    let plan = Plan { background: &["cleo", "dan"], every_turns: Some(2), ..desk(quick()) };
    let world = World::new(plan).await;
    for turn in 1..=5 {
        world.send(&format!("turn {turn}")).await;
        world.idle().await;
    }
    let jobs = world.jobs_over(4).await;
    let made: Vec<_> = jobs.iter().map(|job| (job.agent().unwrap().as_str(), turns(job))).collect();
    let expected = [("agent-cleo", vec![2]), ("agent-dan", vec![2]), ("agent-cleo", vec![4]), ("agent-dan", vec![4])];
    assert_eq!(made, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn without_any_trigger_a_policy_fires_every_fifth_turn() {
    let world = World::new(Plan { every_turns: None, ..desk(quick()) }).await;
    for turn in 1..=11 {
        world.send(&format!("turn {turn}")).await;
        world.idle().await;
    }
    let made: Vec<_> = world.jobs_over(2).await.iter().flat_map(turns).collect();
    assert_eq!(made, [5, 10]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_logged_with_its_cause_in_one_commit_and_never_without() {
    let world = World::new(desk(quick())).await;
    for turn in 1..=3 {
        world.send(&format!("turn {turn}")).await;
        world.jobs_over(turn).await;
    }
    let log = world.store().log(0, 10_000).await.unwrap();
    let mut made = 0;
    for (at, logged) in log.iter().enumerate() {
        let ends = matches!(&logged.change, Change::RunMoved { id, to: RunState::Finished { .. } }
            if log.iter().any(|other| matches!(&other.change, Change::RunCreated(run)
                if run.id == *id && run.parent.is_none() && run.agent().is_none())));
        let fired = log.get(at + 1).filter(|next| matches!(next.change, Change::TriggerFired { .. }));
        assert_eq!(ends, fired.is_some(), "{logged:?}");
        if let Some(fired) = fired {
            let job = &log[at + 2];
            assert!(matches!(job.change, Change::JobCreated(_) | Change::JobCaused { .. }), "{job:?}");
            assert_eq!((fired.cause, fired.at), (Some(logged.n), logged.at));
            assert_eq!((job.cause, job.at), (Some(fired.n), logged.at));
            made += 1;
        }
    }
    assert_eq!(made, 3);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_without_a_committed_step_counts_for_nothing() {
    let script = Script::of([When::any().turn(1).status(401)]).otherwise("fine");
    let world = World::new(desk(script)).await;
    world.send("one").await;
    world.idle().await;
    assert!(world.jobs().await.is_empty());
    world.send("two").await;
    assert_eq!(world.jobs_over(1).await.iter().flat_map(turns).collect::<Vec<_>>(), [1]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn causes_that_come_while_a_job_waits_join_it() {
    let script = Script::of([When::in_job().first_delay_ms(100_000).finishes()]).otherwise("{agent} speaks");
    let world = World::new(desk(script)).await;
    world.send("turn 1").await;
    world.live(|live| live.name == "cleo").await;
    for turn in 2..=3 {
        world.send(&format!("turn {turn}")).await;
    }
    let job = run_now(&world, "cleo", Some("look at the dates")).await.unwrap();
    let jobs = world.jobs_over(2).await;
    assert_eq!(jobs.len(), 2, "one runs, one waits");
    assert_eq!(turns(&jobs[0]), [1]);
    let person = CauseKind::Person { instruction: Some("look at the dates".to_owned()) };
    assert_eq!(kinds(&jobs[1]), [CauseKind::Turn { turn: 2 }, CauseKind::Turn { turn: 3 }, person]);
    assert_eq!(job.id, jobs[1].id);
    assert_eq!((jobs[0].window, jobs[1].window), (Some((0, 2)), Some((2, 6))));
    let told = world.asked_of("cleo").pop().unwrap();
    assert!(
        told.entries
            .iter()
            .any(|entry| matches!(entry, PromptMessage::System { text } if text.contains("look at the dates"))),
        "{:?}",
        told.entries
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_with_nothing_new_asks_no_model() {
    let script = Script::of([
        When::agent("ann").step(1).text("I look.").call("conversation_search", json!({ "query": "x" })),
        When::agent("ann").hang_after(0),
        When::in_job().finishes(),
    ]);
    let world = World::new(desk(script)).await;
    let run = world.post("one").await;
    world.when(async |world| (world.asked_of("ann").len() == 2).then_some(())).await;
    let first = run_now(&world, "cleo", None).await.unwrap();
    until(&world, &first.id, super::is_over).await;
    world.cancel().await;
    world.finished(&run).await;
    let jobs = world.jobs_over(2).await;
    assert_eq!(jobs[1].state, JobState::Completed { outcome: JobOutcome::NothingToDo });
    assert_eq!((jobs[1].tokens, jobs[1].window), (0, Some((3, 4))), "a notice for people is no news");
    assert_eq!(world.asked_of("cleo").len(), 1);
    let run =
        world.store().row::<nightdesk::testing::domain::Run>(jobs[1].run.clone().unwrap().as_str()).await.unwrap();
    assert!(run.unwrap().is_finished());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn only_background_agents_of_a_group_that_has_spoken_can_be_made_to_work() {
    let world = World::new(desk(quick())).await;
    let fault = run_now(&world, "cleo", None).await.unwrap_err();
    assert!(fault.text.contains("said nothing yet"), "{fault}");
    let fault = run_now(&world, "ann", None).await.unwrap_err();
    assert!(fault.text.contains("does not work in the background"), "{fault}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_edits_a_block_the_next_speaker_sees_and_its_own_notes_stay_out_of_the_conversation() {
    let script =
        Script::of([When::in_job().step(1).text("I keep it.").inserts("story", "- kept"), When::in_job().finishes()])
            .otherwise("{agent} speaks");
    let world = World::new(desk(script)).await;
    let job = job_over_after(&world, "one").await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!(job.edits, 1);
    assert_eq!(world.transcript().await, ["user: one", "ann: ann speaks"]);
    let read = &world.asked_of("cleo")[0];
    assert!(read.place.background && read.tools.iter().any(|tool| tool.name == "memory_rethink"));
    assert!(read.tools.iter().all(|tool| tool.name != "pass"));
    world.send("two").await;
    let told = &world.asked_of("ann")[1].memory[0];
    assert!(told.value.ends_with("- kept"), "{}", told.value);
    assert_eq!(told.changed_by.as_deref(), Some("cleo"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_needs_a_person_parks_without_its_agent_and_goes_on_over_a_restart() {
    let script = Script::of([When::in_job().step(1).rethinks("story", "All of it anew.").finishes()])
        .otherwise("{agent} speaks");
    let rules = vec![Rule::RequiresApproval { tool_name: "memory_rethink".to_owned() }];
    let world = World::new(Plan { rules, ..desk(script) }).await;
    world.send("one").await;
    let parked = async |world: &World| {
        let job = world.overview().await.jobs.into_iter().next()?;
        (job.state == JobState::Parked).then_some(job)
    };
    let job = world.when(parked).await;
    assert_eq!((job.state.shown(), job.attempt), ("running", 1));
    world.idle().await;
    let to = Recipient::Agent(agent_id("cleo"));
    world.ask(Request::Send { to, text: "are you free?".to_owned() }).await.unwrap();
    world.when(async |world| (world.asked_of("cleo").len() == 2).then_some(())).await;
    let world = world.restart_after(std::time::Duration::from_hours(20)).await;
    let job = world.when(parked).await;
    assert_eq!(job.attempt, 1, "a wait is no attempt");
    let calls = world.store().calls(job.run.as_ref().unwrap()).await.unwrap();
    let call = calls.into_iter().find(|call| call.name == "memory_rethink").unwrap();
    let (step, ordinal) = (call.step, call.ordinal);
    let yes = Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() };
    world.ask(yes).await.unwrap();
    let job = world.job_over().await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed });
    assert_eq!((job.attempt, job.edits), (1, 1));
    assert_eq!(world.block(&story()).await.value, "All of it anew.");
    assert!(!runs(&job));
    world.close().await;
}
