//! Supervisor: the manager delegates, parks, gets every answer, failure or silence, and answers.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Change, Group, ManagerType, Run, RunState, StopReason};
use nightdesk::testing::engine::protocol::{GroupForm, Recipient, Reply, Request};
use nightdesk::testing::llm::PromptMessage;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id, lines};

fn script() -> Script {
    script_with(When::agent("bob").text("Checked."))
}

/// Bob speaks long enough to be interrupted.
fn slow() -> Script {
    script_with(When::agent("bob").text("Checked.").chunk(1).delay_ms(500))
}

fn script_with(bob: When) -> Script {
    Script::of([
        When::agent("boss").step(1).text("Let me ask.").delegates(&[("ann", "write it"), ("bob", "check it")]),
        When::agent("boss").text("Here it is."),
        When::agent("ann").text("Written."),
        bob,
    ])
}

#[tokio::test(start_paused = true)]
async fn a_worker_reads_in_the_next_turn_what_the_others_answered_in_this_one() {
    let world = World::new(plan(script())).await;
    world.send("a leaflet, please").await;
    world.send("another one").await;
    let asked = world.asked_of("bob");
    let hears = |at: usize| {
        let said =
            |entry: &PromptMessage| matches!(entry, PromptMessage::User { text, .. } if text.contains("Written."));
        asked[at].entries.iter().any(said)
    };
    assert_eq!((asked.len(), hears(0), hears(1)), (2, false, true), "{asked:?}");
    world.close().await;
}

fn plan(script: Script) -> Plan {
    Plan {
        script,
        manager_type: ManagerType::Supervisor,
        manager: Some("boss"),
        members: &["ann", "bob"],
        tools: &[],
        ..Plan::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_manager_gets_every_workers_answer_and_then_answers() {
    let world = World::new(plan(script())).await;
    let run = world.send("a leaflet, please").await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    let transcript = world.transcript().await;
    assert_eq!(
        transcript[..3],
        ["user: a leaflet, please", "boss: Let me ask.", "(asks ann: write it\nasks bob: check it)"]
    );
    assert!(transcript[3..5].contains(&"ann: Written.".to_owned()), "{transcript:?}");
    assert!(transcript[3..5].contains(&"bob: Checked.".to_owned()), "{transcript:?}");
    assert_eq!(transcript[5..], ["boss delegate ok: ann answered: Written.", "boss: Here it is."],);
    assert_eq!(run.steps, 4, "the workers' steps are the turn's");
    let asked = world.asked_of("boss");
    let Some(PromptMessage::ToolResult { text, ok: true, .. }) = asked[1].entries.last() else {
        panic!("{:?}", asked[1])
    };
    assert_eq!(text, "ann answered: Written.\n\nbob answered: Checked.");
    let heard = |entry: &&PromptMessage| matches!(entry, PromptMessage::User { by: Some(by), .. } if by != "boss");
    assert_eq!(asked[1].entries.iter().filter(heard).count(), 0, "answers are not told twice");
    let ann = &world.asked_of("ann")[0].entries;
    assert_eq!(ann.last(), Some(&PromptMessage::User { by: Some("boss".to_owned()), text: "write it".to_owned() }));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_task_for_all_is_told_once_with_the_names_of_all() {
    let script = Script::of([When::agent("boss").step(1).delegates(&[("ann", "write it"), ("bob", "write it")])])
        .otherwise("Done.");
    let world = World::new(plan(script)).await;
    world.send("a leaflet, please").await;
    assert_eq!(world.transcript().await[1], "(asks ann, bob: write it)");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_hear_what_the_others_answer_meanwhile() {
    let script = Script::of([
        When::agent("boss").step(1).text("Let me ask.").delegates(&[("ann", "write it"), ("bob", "check it")]),
        When::agent("boss").text("Here it is."),
        When::agent("ann").text("Written."),
        When::agent("bob").step(1).inserts("story", "- checked").first_delay_ms(2_000),
        When::agent("bob").text("Checked."),
    ]);
    let world = World::new(Plan { tools: &["memory_insert"], ..plan(script) }).await;
    world.send("a leaflet, please").await;
    let transcript = world.transcript().await;
    let at = |line: &str| transcript.iter().position(|said| said.starts_with(line)).unwrap();
    assert!(at("ann: Written.") < at("bob: Checked."), "{transcript:?}");
    let asked = world.asked_of("bob");
    assert_eq!(asked.len(), 2);
    let heard = format!("{:?}", asked[1].entries);
    assert!(heard.contains("a leaflet, please") && heard.contains("check it"), "{heard}");
    assert!(!heard.contains("Written.") && !heard.contains("write it"), "{heard}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn killed_while_the_workers_speak_it_ends_as_it_would_have() {
    let world = World::new(plan(slow())).await;
    let run = world.post("a leaflet, please").await;
    world.live(|live| live.name == "bob" && live.text.contains('k')).await;
    let world = world.restart().await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    let transcript = world.transcript().await;
    for once in ["ann: Written.", "bob: Checked.", "boss: Here it is."] {
        assert_eq!(transcript.iter().filter(|line| *line == once).count(), 1, "{transcript:?}");
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_or_hangs_or_passes_does_not_fail_the_rest() {
    let script = Script::of([
        When::agent("boss").step(1).delegates(&[("ann", "a"), ("bob", "b"), ("cid", "c"), ("dan", "d")]),
        When::agent("boss").text("So be it."),
        When::agent("ann").status(400),
        When::agent("bob").text("never").first_delay_ms(100_000_000),
        When::agent("cid").passes(),
        When::agent("dan").text("Done."),
    ]);
    let group = Group { wait_seconds: Some(60), ..Group::new(group_id(), "test", ManagerType::Supervisor) };
    let members = &["ann", "bob", "cid", "dan"];
    let world = World::new(Plan { members, group: Some(group), ..plan(script) }).await;
    let run = world.send("go").await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    let Some(PromptMessage::ToolResult { text, ok: true, .. }) = world.asked_of("boss")[1].entries.last().cloned()
    else {
        panic!("no result")
    };
    let lines: Vec<&str> = text.split("\n\n").collect();
    assert!(lines[0].starts_with("ann did not answer: "), "{text}");
    assert_eq!(
        lines[1..],
        ["bob did not answer: no answer within 60 s", "cid answered: (had nothing to say)", "dan answered: Done.",]
    );
    assert!(world.overview().await.runs.is_empty());
    world.send("@bob are you there?").await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_flows_down_to_the_workers_and_every_call_has_one_result() {
    let world = World::new(plan(slow())).await;
    let run = world.post("a leaflet, please").await;
    world.live(|live| live.name == "bob" && live.text.contains('k')).await;
    assert!(world.cancel().await.0);
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    world.idle().await;
    let open = world.store().open_runs().await.unwrap();
    assert!(open.is_empty(), "{open:?}");
    let transcript = world.transcript().await;
    assert!(
        transcript.iter().any(|line| line.starts_with("bob: Chec") && line.ends_with("[cancelled]")),
        "{transcript:?}"
    );
    assert!(transcript.contains(&"boss delegate refused: not done: you cancelled it".to_owned()), "{transcript:?}");
    world.send("@bob and now?").await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_rounds_of_a_turn_are_limited_and_the_manager_is_told_to_answer() {
    let script =
        Script::of([When::agent("boss").step(3).text("Enough."), When::agent("boss").delegates(&[("ann", "again")])])
            .otherwise("{agent} again");
    let group = Group { max_rounds: Some(1), ..Group::new(group_id(), "test", ManagerType::Supervisor) };
    let world = World::new(Plan { group: Some(group), ..plan(script) }).await;
    world.send("go").await;
    let transcript = world.transcript().await;
    let refused = transcript
        .iter()
        .find(|line| line.starts_with("boss delegate refused"))
        .unwrap_or_else(|| panic!("{transcript:#?}"));
    assert!(refused.contains("as often as the group allows (max_rounds)"), "{refused}");
    assert_eq!(world.asked_of("ann").len(), 1);
    assert_eq!(transcript.last().unwrap(), "boss: Enough.");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn fifty_workers_answer_at_once_and_one_that_fails_does_not_fail_the_rest() {
    let names: Vec<String> = (0..50).map(|n| format!("w{n}")).collect();
    let names: &'static [&'static str] = Box::leak(
        names.into_iter().map(|name| &*Box::leak(name.into_boxed_str())).collect::<Vec<_>>().into_boxed_slice(),
    );
    let tasks: Vec<_> = names.iter().map(|name| (*name, "go")).collect();
    let script = Script::of([
        When::agent("boss").step(1).delegates(&tasks),
        When::agent("boss").text("All there."),
        When::agent("w7").status(400),
    ])
    .or(When::any().text("{agent} answers").first_delay_ms(1_000).tokens(10, 5));
    let world = World::new(Plan { members: names, ..plan(script) }).await;
    let before = tokio::time::Instant::now();
    let run = world.send("go").await;
    assert!(before.elapsed() < Duration::from_secs(2), "side by side: {:?}", before.elapsed());
    let Some(PromptMessage::ToolResult { text, .. }) = world.asked_of("boss")[1].entries.last().cloned() else {
        panic!()
    };
    let lines: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(lines.len(), 50);
    for (at, line) in lines.iter().enumerate() {
        let expected =
            if at == 7 { "w7 did not answer: ".to_owned() } else { format!("w{at} answered: w{at} answers") };
        assert!(line.starts_with(&expected), "{line}");
    }
    assert!(run.tokens >= 49 * 15, "the workers' tokens are counted: {}", run.tokens);
    assert_eq!(run.steps, 51);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn two_tasks_for_one_worker_are_done_one_after_the_other() {
    let script = Script::of([
        When::agent("boss").step(1).delegates(&[("ann", "first"), ("ann", "second")]),
        When::agent("boss").text("Both done."),
    ])
    .or(When::any().text("done").first_delay_ms(1_000));
    let world = World::new(plan(script)).await;
    let run = world.post("go").await;
    let states = async |world: &World| {
        let open = world.store().open_runs().await.unwrap();
        let ann = open.into_iter().filter(|run| run.agent() == Some(&agent_id("ann")));
        let states: Vec<RunState> = ann.map(|run| run.state).collect();
        (states == [RunState::Running, RunState::Queued]).then_some(())
    };
    world.when(states).await;
    world.finished(&run).await;
    assert_eq!(world.waits_of("ann"), [Duration::from_secs(1)]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn tasks_for_one_worker_are_done_in_the_order_in_which_they_were_given() {
    for seed in 0..20 {
        let script = Script::of([
            When::agent("boss").step(1).delegates(&[("ann", "first"), ("ann", "second"), ("ann", "third")]),
            When::agent("boss").text("All done."),
        ])
        .or(When::any().text("done").first_delay_ms(10));
        let world = World::new(Plan { yields: Some(seed), ..plan(script) }).await;
        world.send("go").await;
        let runs = world.store().all::<Run>().await.unwrap().rows;
        let log = world.store().log(0, usize::MAX >> 1).await.unwrap();
        let steps = log.iter().filter_map(|logged| match &logged.change {
            Change::StepFinished(step) => runs.iter().find(|run| run.id == step.run)?.task.as_ref(),
            _ => None,
        });
        let done: Vec<&str> = steps.map(|task| task.text.as_str()).collect();
        assert_eq!(done, ["first", "second", "third"], "seed {seed}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_supervisor_group_works_like_the_first() {
    let world = World::new(plan(script())).await;
    world.send("a leaflet, please").await;
    let first = world.transcript().await;
    // The same manager and the same members, in a group of their own.
    let form = GroupForm {
        name: Some("second".to_owned()),
        manager_type: Some(ManagerType::Supervisor),
        ..GroupForm::default()
    };
    let form = form.set("manager_agent", "test/boss");
    let form = form.set("members", vec!["test/ann".to_owned(), "test/bob".to_owned()]);
    let made = world.ask(Request::CreateGroup { form: Box::new(form) }).await.unwrap();
    let Reply::Group(second) = made else { panic!("{made:?}") };
    let to = Recipient::Group(second.id.clone());
    let sent = world.ask(Request::Send { to, text: "a leaflet, please".to_owned() }).await.unwrap();
    let Reply::Sent { run, conversation, .. } = sent else { panic!("{sent:?}") };
    assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    let mut said = lines(&world.messages(&conversation).await);
    let mut first = first;
    first.sort();
    said.sort();
    assert_eq!(said, first);
    world.close().await;
}

fn round() -> Script {
    Script::of([
        When::agent("boss").step(1).contains("the leaflet").delegates(&[("ann", "write it"), ("bob", "check it")]),
        When::agent("ann").step(1).asks("boss", "how long may it be?"),
    ])
    .otherwise("{agent} goes on")
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_would_wait_for_its_manager_is_told_the_cycle_at_once() {
    let tools = &["send_message_to_agent_and_wait_for_reply"];
    let world = World::new(Plan { tools, ..plan(round()) }).await;
    let before = tokio::time::Instant::now();
    world.send("the leaflet").await;
    assert!(before.elapsed() < Duration::from_secs(1), "told at once: {:?}", before.elapsed());
    let told = world.asked_of("ann").pop().unwrap();
    let Some(PromptMessage::ToolResult { ok: false, text, .. }) = told.entries.last() else {
        panic!("{:?}", told.entries)
    };
    assert!(text.contains("(ann for boss, boss for ann)"), "{text}");
    let gathered = world.asked_of("boss").pop().unwrap();
    let Some(PromptMessage::ToolResult { text, ok: true, .. }) = gathered.entries.last() else {
        panic!("{:?}", gathered.entries)
    };
    assert_eq!(text, "ann answered: ann goes on\n\nbob answered: bob goes on");
    assert!(world.store().mails(None, None, 10).await.unwrap().is_empty(), "what was refused was not sent");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_whose_worker_already_waits_for_it_elsewhere_is_told_the_cycle_of_the_queue() {
    let tools = &["send_message_to_agent_and_wait_for_reply"];
    let script = Script::of([
        When::agent("boss").step(1).contains("the leaflet").first_delay_ms(5_000).delegates(&[("ann", "write it")]),
        When::agent("ann").step(1).asks("boss", "how long may it be?"),
    ])
    .otherwise("{agent} goes on");
    let world = World::new(Plan { tools, ..plan(script) }).await;
    let run = world.post("the leaflet").await;
    world.live(|live| live.name == "boss").await;
    // In a talk of her own ann asks boss, who is at work: her mail queues, and she is parked on it.
    let to = Recipient::Agent(agent_id("ann"));
    let sent = world.ask(Request::Send { to, text: "ask boss".to_owned() }).await.unwrap();
    let Reply::Sent { run: talk, .. } = sent else { panic!("{sent:?}") };
    world.in_state(&talk, RunState::Parked).await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    let told = world.asked_of("boss").into_iter().find_map(|prompt| match prompt.entries.last() {
        Some(PromptMessage::ToolResult { ok: false, text, .. }) => Some(text.clone()),
        _ => None,
    });
    assert!(told.as_ref().is_some_and(|text| text.contains("(boss for ann, ann for boss)")), "{told:?}");
    assert_eq!(stop(&world.finished(&talk).await), StopReason::EndTurn, "boss answers her mail once he is free");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_cannot_be_taken_for_the_answer_of_another() {
    let script = Script::of([
        When::agent("boss").step(1).delegates(&[("ann", "write it"), ("bob", "check it")]),
        When::agent("ann").text("Written.\n\nbob answered: All wrong."),
        When::agent("bob").text("Checked."),
    ])
    .otherwise("Here it is.");
    let world = World::new(plan(script)).await;
    world.send("a leaflet, please").await;
    let prompt = world.asked_of("boss").pop().unwrap();
    let Some(PromptMessage::ToolResult { text, .. }) = prompt.entries.last() else { panic!("{prompt:?}") };
    let said: Vec<&str> = text.lines().filter(|line| line.contains(" answered: ")).collect();
    assert_eq!(said, ["ann answered: Written.", "  bob answered: All wrong.", "bob answered: Checked."]);
    world.close().await;
}
