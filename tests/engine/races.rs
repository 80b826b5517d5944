//! Decisions that are made while what they rest on changes: none is lost, none is done twice, none is stuck. The order
//! of tasks around every store call follows from seeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::support::engine_harness::{Plan, World, agent_id, group_id};
use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    Basis, Change, Commit, Conflict, Content, Group, JobState, Mail, MailStatus, ManagerType, Message, Rule, Run,
    RunId, RunState, StopReason,
};
use nightdesk::testing::engine::protocol::{GroupForm, Recipient, Reply, Request};
use nightdesk::testing::store::{Lane, Observer};

use crate::stop;

/// How long the model takes.
const ANSWER: Duration = Duration::from_millis(15);

async fn let_others_run(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// The texts of a run's conversation that belong to it or to the runs below it.
async fn texts(world: &World, run: &RunId) -> Vec<Message> {
    let talk = world.conversation().await;
    let below: Vec<RunId> = world.store().runs_of(run).await.unwrap().into_iter().map(|run| run.id).collect();
    let mut said = world.messages(&talk.id).await;
    said.retain(|message| message.run.as_ref().is_some_and(|of| of == run || below.contains(of)));
    said.retain(|message| matches!(message.content, Content::Text { .. }));
    said
}

/// Cancels as one turn ends and the next begins. Returns how often the next had begun.
async fn cancels(rounds: u32) -> u32 {
    let script = Script::of([]).or(When::any().text("answer").first_delay_ms(15));
    let plan = Plan { script, members: &["ann"], yields: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    let mut rng = StdRng::seed_from_u64(1);
    let mut begun = 0;
    for round in 0..rounds {
        let first = world.post("one").await;
        let next = world.post("two").await;
        tokio::time::sleep(ANSWER).await;
        let_others_run(rng.random_range(0..120)).await;
        let (_, taken_back) = world.cancel().await;
        world.at_rest().await;
        let (first, next) = (world.finished(&first).await, world.finished(&next).await);
        let said = texts(&world, &next.id).await;
        if taken_back.is_empty() {
            begun += 1;
            assert_eq!(said.first().map(Message::text), Some("two"), "round {round}: it is lost");
        } else {
            assert_eq!(taken_back, ["two"], "round {round}");
            assert_eq!(said, [], "round {round}: it is in the composer and in the conversation");
            assert_eq!(stop(&next), StopReason::Cancelled, "round {round}");
        }
        let answers = texts(&world, &first.id).await.iter().filter(|message| message.agent.is_some()).count();
        assert!(answers <= 1, "round {round}: it is answered {answers} times");
    }
    world.close().await;
    begun
}

/// A supervisor whose worker asks a colleague as its time ends.
fn late() -> Plan {
    let script = Script::of([
        When::agent("boss").step(1).contains("go").delegates(&[("ann", "find out")]),
        When::agent("ann").contains("find out").step(1).asks("bob", "what?").first_delay_ms(1_000),
        When::agent("bob").contains("what?").text("late").first_delay_ms(60_000),
    ])
    .otherwise("{agent} speaks");
    let group = Group { wait_seconds: Some(1), ..Group::new(group_id(), "test", ManagerType::Supervisor) };
    Plan {
        script,
        manager_type: ManagerType::Supervisor,
        manager: Some("boss"),
        members: &["ann", "bob"],
        group: Some(group),
        tools: &["send_message_to_agent_and_wait_for_reply"],
        ..Plan::default()
    }
}

/// Lets the turn end, and then asks its worker, which is free.
async fn ends_and_ann_is_free(world: &World, round: u32) {
    let run = world.send("go").await;
    assert_eq!(stop(&run), StopReason::EndTurn, "round {round}");
    world.at_rest().await;
    assert_eq!(world.engine.held().kept, [], "round {round}: an agent is kept for nothing");
    let to = Recipient::Agent(agent_id("ann"));
    let Reply::Sent { run: direct, .. } = world.ask(Request::Send { to, text: "there?".into() }).await.unwrap() else {
        panic!("it was not sent")
    };
    assert_eq!(stop(&world.finished(&direct).await), StopReason::EndTurn, "round {round}: ann is stuck");
}

/// Times a worker out as it parks. Returns how often its mail had been sent.
async fn time_outs(rounds: u32) -> u32 {
    let mut sent = 0;
    for round in 0..rounds {
        let world = World::new(Plan { yields: Some(u64::from(round)), ..late() }).await;
        ends_and_ann_is_free(&world, round).await;
        let mails = world.store().all::<Mail>().await.unwrap().rows;
        assert!(mails.iter().all(|mail| mail.status != MailStatus::Pending), "round {round}: {mails:?}");
        let runs = world.store().all::<Run>().await.unwrap().rows;
        assert!(runs.iter().all(|run| matches!(run.state, RunState::Finished { .. })), "round {round}: {runs:?}");
        sent += u32::from(!mails.is_empty());
        world.close().await;
    }
    sent
}

/// Lets others run for long after the commit with which a speech parks on mail.
#[derive(Default)]
struct SlowToPark(AtomicBool);

impl Observer for SlowToPark {
    fn commit(&self, _: Lane, commit: &Commit) {
        if commit.changes.iter().any(|change| matches!(change, Change::MailSent(mail) if mail.waited_for)) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn yields(&self) -> u32 {
        if self.0.swap(false, Ordering::Relaxed) { 2_000 } else { 0 }
    }
}

/// Changes a group through a form and through a file at the same time. Returns how often the file's change was stale.
async fn stale_applies(rounds: u32) -> u32 {
    let world = World::new(Plan { yields: Some(1), ..Plan::default() }).await;
    let mut stale = 0;
    for round in 1..=rounds {
        let description = format!("as of round {round}");
        let by_file = async {
            loop {
                let read = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
                let change = Change::GroupPut(Group { description: description.clone(), ..read.clone() });
                let request = Request::Apply { changes: vec![change], read: vec![Basis::Group(read)] };
                match world.ask(request).await {
                    Ok(_) => return,
                    Err(fault) => {
                        assert!(matches!(fault.conflict.as_deref(), Some(Conflict::Changed { .. })), "{fault:?}");
                    }
                }
                stale += 1;
            }
        };
        let by_form = async {
            let read = world.store().row::<Group>(group_id().as_str()).await.unwrap();
            let form = GroupForm { read: read.map(Box::new), ..GroupForm::default() }.set("max_turns", round);
            world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.unwrap();
        };
        tokio::join!(by_file, by_form);
        let group = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
        assert_eq!((group.max_turns, &group.description), (Some(round), &description), "round {round}");
    }
    let log = world.store().log(0, usize::MAX >> 1).await.unwrap();
    let puts = log.iter().filter(|logged| matches!(logged.change, Change::GroupPut(_))).count();
    assert_eq!(puts, 1 + 2 * rounds as usize, "each once");
    world.close().await;
    stale
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_text_is_in_the_composer_or_in_the_conversation_and_never_in_both() {
    let begun = cancels(60).await;
    assert!((1..60).contains(&begun), "{begun}: it is no race");
}

#[tokio::test(start_paused = true)]
async fn the_texts_that_are_taken_back_come_in_the_order_in_which_they_were_sent() {
    for seed in 0..5 {
        let script = Script::of([]).or(When::any().text("answer").first_delay_ms(1_000));
        let world = World::new(Plan { script, yields: Some(seed), ..Plan::default() }).await;
        for text in ["one", "two", "three", "four", "five"] {
            world.post(text).await;
        }
        assert_eq!(world.cancel().await, (true, ["two", "three", "four", "five"].map(str::to_owned).to_vec()));
        world.at_rest().await;
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_out_as_the_worker_parks_leaves_no_call_open_no_mail_pending_and_no_agent_kept() {
    let sent = time_outs(20).await;
    assert!((1..20).contains(&sent), "{sent}: it is no race");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_ended_between_its_commit_and_its_rest_gives_its_agent_back() {
    let world = World::new(Plan { observer: Some(Arc::new(SlowToPark::default())), yields: None, ..late() }).await;
    let edits = async {
        // The scheduler looks again while the worker is answered, so that its deadline is after the answer.
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.edit(|value| format!("{value}.")).await;
    };
    tokio::join!(ends_and_ann_is_free(&world, 0), edits);
    assert_eq!(world.store().all::<Mail>().await.unwrap().rows.len(), 1, "it had parked");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_parks_is_taken_up_when_its_call_has_its_answer_and_not_before() {
    for seed in 0..20 {
        let script = Script::of([When::in_job().step(1).rethinks("story", "All of it anew.").finishes()])
            .otherwise("{agent} speaks");
        let rules = vec![Rule::RequiresApproval { tool_name: "memory_rethink".to_owned() }];
        let (members, background, every_turns) = (&["ann"], &["cleo"], Some(1));
        let plan = Plan { script, rules, members, background, every_turns, yields: Some(seed), ..Plan::default() };
        let world = World::new(plan).await;
        world.send("hello").await;
        let calls = async |world: &World| {
            let open = world.store().waiting_calls().await.unwrap();
            (!open.is_empty()).then_some(open)
        };
        let call = world.when(calls).await.remove(0);
        world.idle().await;
        let job = world.jobs().await.remove(0);
        assert_eq!((&job.state, job.fence), (&JobState::Parked, 1), "seed {seed}");
        let yes = Request::Decide {
            step: call.step,
            ordinal: call.ordinal,
            approve: true,
            for_run: false,
            reason: String::new(),
        };
        world.ask(yes).await.unwrap();
        assert!(matches!(world.job_over().await.state, JobState::Completed { .. }), "seed {seed}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_rests_on_an_old_row_is_refused_and_loses_nothing() {
    assert!(stale_applies(30).await > 0, "it is no race");
}

#[tokio::test(start_paused = true)]
#[ignore = "a campaign"]
async fn four_hundred_cancels_at_the_end_of_a_turn() {
    println!("{} of 400 came after the next turn had begun", cancels(400).await);
}

#[tokio::test(start_paused = true)]
#[ignore = "a campaign"]
async fn two_hundred_time_outs_as_a_worker_parks() {
    println!("{} of 200 came after it had parked", time_outs(200).await);
}

#[tokio::test(start_paused = true)]
#[ignore = "a campaign"]
async fn two_hundred_stale_applies() {
    println!("{} changes of 200 files were stale", stale_applies(200).await);
}
