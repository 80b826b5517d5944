//! Approvals: what a rule guards is made only after a person's yes, whenever that comes.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{ManagerType, PendingCall, PendingKind, Rule, RunState, StopReason};
use nightdesk::testing::engine::protocol::Request;
use nightdesk::testing::llm::PromptMessage;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, story};

fn rethinks() -> Script {
    Script::of([
        When::any().step(1).rethinks("story", "one"),
        When::any().step(2).rethinks("story", "two").rethinks("story", "three"),
    ])
    .otherwise("done")
}

fn plan() -> Plan {
    let rules = vec![Rule::RequiresApproval { tool_name: "memory_rethink".to_owned() }];
    Plan { script: rethinks(), members: &["ann"], tools: &["memory_rethink"], rules, ..Plan::default() }
}

async fn waiting(world: &World) -> PendingCall {
    let open = async |world: &World| {
        let calls = world.overview().await.calls;
        calls.into_iter().find(|call| call.is_open() && call.kind == PendingKind::Approval)
    };
    world.when(open).await
}

async fn decide(world: &World, call: &PendingCall, approve: bool, for_run: bool, reason: &str) {
    let (step, ordinal) = (call.step.clone(), call.ordinal);
    let reason = reason.to_owned();
    world.ask(Request::Decide { step, ordinal, approve, for_run, reason }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_waits_says_exactly_what_would_run_and_nothing_of_it_has_happened() {
    let world = World::new(plan()).await;
    let run = world.post("go").await;
    let call = waiting(&world).await;
    assert_eq!(call.name, "memory_rethink");
    assert_eq!(call.arguments, serde_json::json!({"label": "story", "new_memory": "one"}));
    assert!(call.inbox_id().starts_with("approval-"), "{}", call.inbox_id());
    assert_eq!(world.block(&story()).await.version, 1);
    let world = world.restart_after(Duration::from_hours(200)).await;
    world.in_state(&run, RunState::Parked).await;
    assert_eq!(waiting(&world).await.inbox_id(), call.inbox_id(), "it waits for a person as long as it takes");
    world.close().await;
}

fn worker_and_job() -> Script {
    Script::of([
        When::agent("boss").step(1).delegates(&[("ann", "write it")]),
        When::agent("boss").text("Here it is."),
        When::any().step(1).rethinks("story", "all anew"),
    ])
    .otherwise("done")
}

#[tokio::test(start_paused = true)]
async fn who_joins_later_knows_whose_call_waits_a_workers_and_a_jobs_too() {
    let plan = Plan {
        script: worker_and_job(),
        manager_type: ManagerType::Supervisor,
        manager: Some("boss"),
        background: &["zoe"],
        every_turns: Some(1),
        ..plan()
    };
    let world = World::new(plan).await;
    let first = world.post("go").await;
    let call = waiting(&world).await;
    let whose = async |world: &World, call: &PendingCall| {
        let run = world.overview().await.runs.into_iter().find(|run| run.id == call.run);
        run.and_then(|run| run.agent().cloned())
    };
    assert_eq!(whose(&world, &call).await, Some(agent_id("ann")));
    decide(&world, &call, false, false, "").await;
    world.finished(&first).await;
    let call = waiting(&world).await;
    assert_eq!(whose(&world, &call).await, Some(agent_id("zoe")));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_yes_for_the_run_holds_for_the_run_over_a_restart_and_not_for_the_next() {
    let world = World::new(plan()).await;
    let run = world.post("go").await;
    let call = waiting(&world).await;
    let world = world.restart().await;
    decide(&world, &call, true, true, "").await;
    world.finished(&run).await;
    assert_eq!(world.block(&story()).await.value, "three");
    let again = world.post("again").await;
    waiting(&world).await;
    world.in_state(&again, RunState::Parked).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn each_call_of_a_step_is_decided_on_its_own_and_a_no_says_why() {
    let world = World::new(plan()).await;
    let run = world.post("go").await;
    for (approve, reason) in [(true, ""), (false, "too bold"), (true, "")] {
        let call = waiting(&world).await;
        decide(&world, &call, approve, false, reason).await;
        let gone = async |world: &World| {
            let calls = world.store().calls(&call.run).await.unwrap();
            let same =
                |other: &PendingCall| other.step == call.step && other.ordinal == call.ordinal && other.is_open();
            (!calls.iter().any(same)).then_some(())
        };
        world.when(gone).await;
    }
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    assert_eq!(world.block(&story()).await.value, "three");
    let told = world.asked_of("ann").pop().unwrap();
    let results: Vec<(bool, String)> = told
        .entries
        .iter()
        .filter_map(|entry| match entry {
            PromptMessage::ToolResult { ok, text, .. } => {
                Some((*ok, text.lines().next().unwrap_or_default().to_owned()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(results.iter().map(|(ok, _)| *ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(results[1].1, "not called: the user said no: too bold");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_rethink_of_a_block_that_was_changed_meanwhile_overwrites_nothing() {
    let world = World::new(plan()).await;
    let run = world.post("go").await;
    let call = waiting(&world).await;
    let edit = Request::EditBlock { id: story(), base: 1, value: "mine".to_owned(), merge: false };
    world.ask(edit).await.unwrap();
    decide(&world, &call, true, true, "").await;
    world.finished(&run).await;
    let revisions = world.store().revisions(&story(), None, 10).await.unwrap();
    let mut values: Vec<_> = revisions.into_iter().map(|(_, _, revision)| revision.value).collect();
    values.reverse();
    assert_eq!(values[1..], ["mine", "three"], "`one` was refused; the later step saw `mine`");
    let refused = world.transcript().await.into_iter().find(|line| line.starts_with("ann memory_rethink refused"));
    assert!(refused.is_some());
    world.close().await;
}
