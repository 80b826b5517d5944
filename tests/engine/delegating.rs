//! Supervisor: the manager delegates, parks, gets every answer, failure or silence, and answers.

use std::time::Duration;

use nightdesk::domain::{Group, ManagerType, RunState, StopReason};
use nightdesk::llm::Entry;

use crate::stop;
use crate::world::{Plan, World, agent_id, group_id};

const SCRIPT: &str = r#"
[[reply]]
agent = "boss"
step = 1
text = "Let me ask."
[[reply.call]]
name = "delegate"
arguments = { tasks = [{ agent = "ann", task = "write it" }, { agent = "bob", task = "check it" }] }
[[reply]]
agent = "boss"
text = "Here it is."
[[reply]]
agent = "ann"
text = "Written."
[[reply]]
agent = "bob"
text = "Checked."
"#;

fn plan(script: &'static str) -> Plan {
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
    let world = World::new(plan(SCRIPT)).await;
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
    let Some(Entry::Result { text, ok: true, .. }) = asked[1].entries.last() else { panic!("{:?}", asked[1]) };
    assert_eq!(text, "ann answered: Written.\n\nbob answered: Checked.");
    let heard = |entry: &&Entry| matches!(entry, Entry::Said { by: Some(by), .. } if by != "boss");
    assert_eq!(asked[1].entries.iter().filter(heard).count(), 0, "answers are not told twice");
    let ann = &world.asked_of("ann")[0].entries;
    assert_eq!(ann.last(), Some(&Entry::Said { by: Some("boss".to_owned()), text: "write it".to_owned() }));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn killed_while_the_workers_speak_it_ends_as_it_would_have() {
    let script: &'static str = Box::leak(format!("{SCRIPT}chunk = 1\ndelay_ms = 500\n").into_boxed_str());
    let world = World::new(plan(script)).await;
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
    let script = r#"
[[reply]]
agent = "boss"
step = 1
[[reply.call]]
name = "delegate"
arguments = { tasks = [{ agent = "ann", task = "a" }, { agent = "bob", task = "b" }, { agent = "cid", task = "c" }, { agent = "dan", task = "d" }] }
[[reply]]
agent = "boss"
text = "So be it."
[[reply]]
agent = "ann"
fault = { kind = "status", status = 400 }
[[reply]]
agent = "bob"
first_delay_ms = 100000000
text = "never"
[[reply]]
agent = "cid"
[[reply.call]]
name = "pass"
[[reply]]
agent = "dan"
text = "Done."
"#;
    let group = Group { wait_seconds: Some(60), ..Group::new(group_id(), "test", ManagerType::Supervisor) };
    let members = &["ann", "bob", "cid", "dan"];
    let world = World::new(Plan { members, group: Some(group), ..plan(script) }).await;
    let run = world.send("go").await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    let Some(Entry::Result { text, ok: true, .. }) = world.asked_of("boss")[1].entries.last().cloned() else {
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
    let script: &'static str = Box::leak(format!("{SCRIPT}chunk = 1\ndelay_ms = 500\n").into_boxed_str());
    let world = World::new(plan(script)).await;
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
    let script = r#"
[[reply]]
agent = "boss"
step = 3
text = "Enough."
[[reply]]
agent = "boss"
[[reply.call]]
name = "delegate"
arguments = { tasks = [{ agent = "ann", task = "again" }] }
[default]
text = "{agent} again"
"#;
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
    let tasks: Vec<String> = names.iter().map(|name| format!("{{ agent = \"{name}\", task = \"go\" }}")).collect();
    let script = format!(
        r#"
[[reply]]
agent = "boss"
step = 1
[[reply.call]]
name = "delegate"
arguments = {{ tasks = [{}] }}
[[reply]]
agent = "boss"
text = "All there."
[[reply]]
agent = "w7"
fault = {{ kind = "status", status = 400 }}
[default]
text = "{{agent}} answers"
first_delay_ms = 1000
tokens_in = 10
tokens_out = 5
"#,
        tasks.join(", ")
    );
    let world = World::new(Plan { members: names, ..plan(Box::leak(script.into_boxed_str())) }).await;
    let before = tokio::time::Instant::now();
    let run = world.send("go").await;
    assert!(before.elapsed() < Duration::from_secs(2), "side by side: {:?}", before.elapsed());
    let Some(Entry::Result { text, .. }) = world.asked_of("boss")[1].entries.last().cloned() else { panic!() };
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
    let script = r#"
[[reply]]
agent = "boss"
step = 1
[[reply.call]]
name = "delegate"
arguments = { tasks = [{ agent = "ann", task = "first" }, { agent = "ann", task = "second" }] }
[[reply]]
agent = "boss"
text = "Both done."
[default]
text = "done"
first_delay_ms = 1000
"#;
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
