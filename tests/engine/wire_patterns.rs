//! Supervisor and dynamic through the real adapters: whatever protocol the models speak, a turn goes and ends alike,
//! and what is sent is what the protocol wants.

use std::sync::Arc;
use std::time::Duration;

use crate::support::engine_harness::{Plan, World, story};
use crate::support::order::{Who, assert_in_order, messages};
use crate::support::wire::{Behaviour, Call, Request, WireServer};
use nightdesk::testing::config::ProviderKind;
use nightdesk::testing::domain::{Content, ManagerType, Run, RunState, StopReason};
use nightdesk::testing::store::Mode;
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// Far more than a turn takes: what hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn pieces(pieces: &[&str]) -> Behaviour {
    Behaviour::Text { chunks: pieces.iter().map(|&piece| piece.to_owned()).collect(), delay: Duration::from_millis(2) }
}

fn calls(text: &str, calls: &[(&str, Value)]) -> Behaviour {
    let call = |(at, (name, arguments)): (usize, &(&str, Value))| Call::new(&format!("call-{at}"), name, arguments);
    Behaviour::Calls { text: text.to_owned(), calls: calls.iter().enumerate().map(call).collect() }
}

async fn desk(server: &WireServer, manager_type: ManagerType, manager: &'static str) -> World {
    let mut config = server.config("desk");
    // A server on this machine is asked one thing at a time, unless its entry says otherwise.
    config.provider.values_mut().for_each(|provider| provider.max_parallel = Some(8));
    World::new(Plan {
        manager_type,
        manager: Some(manager),
        mode: Mode::Threads,
        model: Some("desk/newsroom-1"),
        config,
        tools: &[],
        max_turns: (manager_type == ManagerType::Dynamic).then_some(9),
        ..Plan::default()
    })
    .await
}

async fn say(world: &World, text: &str) -> Run {
    tokio::time::timeout(PATIENCE, world.send(text)).await.expect("the turn does not end")
}

/// The whole conversation: who, what kind of thing, every word.
async fn whole(world: &World) -> Vec<String> {
    let messages = world.messages(&world.conversation().await.id).await;
    let lines = messages.iter().map(|message| {
        let name = if message.agent.is_some() { message.name.as_str() } else { "user" };
        match &message.content {
            Content::Text { text, cancelled: false, .. } => format!("{name}: {text}"),
            Content::Text { text, .. } => format!("{name}, cancelled: {text}"),
            Content::Tool { name: tool, ok, text, .. } => format!("{name} {tool} {ok}: {text}"),
            Content::Notice { notice, text } => format!("{name} {notice:?}: {text}"),
        }
    });
    lines.collect()
}

fn over(stop_reason: StopReason) -> RunState {
    RunState::Finished { stop_reason, error: None }
}

/// The words of the last message of others.
fn last_words(protocol: ProviderKind, request: &Request) -> String {
    let last = messages(protocol, request).pop().unwrap();
    assert_eq!(last.who, Who::Others);
    last.words
}

/// A speech as a prompt has it.
fn said(by: &str, text: &str) -> String {
    format!("<message from=\"{by}\">\n{text}\n</message>")
}

/// The names a call may give, wherever the protocol keeps the schema.
fn choices(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Object(map) => match map.get("enum").and_then(Value::as_array) {
            Some(names) => Some(names.iter().filter_map(Value::as_str).collect()),
            None => map.values().find_map(choices),
        },
        Value::Array(list) => list.iter().find_map(choices),
        _ => None,
    }
}

const TASKS: [(&str, &str); 2] = [("ann", "write the leaflet"), ("bob", "check the leaflet: “naïve” 🌙")];

/// What the models of a supervisor's desk answer, told by what they are sent and nothing else.
fn leaflet(request: &Request, party: &Arc<Barrier>) -> Behaviour {
    let sent = request.text();
    let together = |text: &str| Behaviour::Together { party: Arc::clone(party), text: text.to_owned() };
    if request.is_of("boss") {
        let note = |text: &str| ("memory_insert", json!({"label": "story", "new_str": text}));
        let tasks: Vec<Value> = TASKS.iter().map(|(agent, task)| json!({"agent": agent, "task": task})).collect();
        return match (sent.contains("and now?"), sent.contains("ann answered")) {
            (true, _) => pieces(&["As ", "I said."]),
            (false, true) => pieces(&["Here ", "it is."]),
            (false, false) => {
                calls("Let me ask.", &[note("- asked"), ("delegate", json!({"tasks": tasks})), note("- answered")])
            }
        };
    }
    if request.is_of("ann") {
        return if sent.contains("thank you") { pieces(&["You are ", "welcome."]) } else { together("Written: Zoë.") };
    }
    assert!(request.is_of("bob"), "{sent}");
    together("Checked.")
}

async fn supervisor(protocol: ProviderKind) {
    let party = Arc::new(Barrier::new(TASKS.len()));
    let server = WireServer::start(protocol, move |request| leaflet(request, &party)).await;
    let world = desk(&server, ManagerType::Supervisor, "boss").await;
    let first = say(&world, "a leaflet, please").await;
    let again = say(&world, "and now?").await;
    let thanks = say(&world, "@ann thank you").await;

    let mut lines = whole(&world).await;
    // They answer at once: who is heard first is open.
    lines[4..6].sort();
    let inserted = |line: &str, version: u32| {
        let (size, last, so_far) = if line == "- asked" { (54, 3, "- asked") } else { (65, 4, "- asked\n- answered") };
        format!(
            "boss memory_insert true: Block story, version {version}, {size} of 20000 characters; lines 1 to {last} now \
             read:\n\
             The story so far\n- Launch: some time in spring\n{so_far}"
        )
    };
    let expected = [
        "user: a leaflet, please".to_owned(),
        "boss: Let me ask.".to_owned(),
        inserted("- asked", 2),
        "boss Delegated: asks ann: write the leaflet\nasks bob: check the leaflet: “naïve” 🌙".to_owned(),
        "ann: Written: Zoë.".to_owned(),
        "bob: Checked.".to_owned(),
        "boss delegate true: ann answered: Written: Zoë.\n\nbob answered: Checked.".to_owned(),
        inserted("- answered", 3),
        "boss: Here it is.".to_owned(),
        "user: and now?".to_owned(),
        "boss: As I said.".to_owned(),
        "user: @ann thank you".to_owned(),
        "ann: You are welcome.".to_owned(),
    ];
    assert_eq!(lines, expected, "{protocol:?}");
    assert_eq!([&first, &again, &thanks].map(|run| run.state.clone()), [(); 3].map(|()| over(StopReason::EndTurn)));
    // Each step is 11 tokens in and 7 out.
    assert_eq!([&first, &again, &thanks].map(|run| (run.steps, run.tokens)), [(4, 72), (1, 18), (1, 18)]);
    assert!(world.block(&story()).await.value.ends_with("- asked\n- answered"), "{protocol:?}");

    let requests = server.requests();
    assert_eq!(requests.len(), 4 + 1 + 1, "{protocol:?}");
    for request in &requests {
        assert_in_order(protocol, request);
    }
    let of = |agent: &str| requests.iter().filter(|request| request.is_of(agent)).collect::<Vec<_>>();
    for (agent, task) in TASKS {
        assert!(last_words(protocol, of(agent)[0]).ends_with(&said("boss", task)), "{protocol:?}");
    }
    let boss = of("boss");
    let told = messages(protocol, boss[1]);
    let own = told.iter().position(|message| message.who == Who::Own).unwrap();
    assert_eq!((told[own].words.as_str(), told[own].calls.len()), ("Let me ask.", 3), "{protocol:?}");
    let results: Vec<&String> =
        told[own + 1..].iter().flat_map(|message| &message.results).map(|(_, text)| text).collect();
    assert_eq!(results.len(), 3, "{protocol:?}: {told:?}");
    assert!(results[1].contains("ann answered: Written: Zoë.") && results[1].contains("bob answered: Checked."));
    assert!(told[own + 1..].iter().all(|message| message.words.is_empty()), "answers are told once: {told:?}");
    assert!(boss[0].tools().contains(&"delegate") && !of("ann")[0].tools().contains(&"delegate"));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisors_turn_ends_alike_over_openai() {
    supervisor(ProviderKind::OpenAi).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisors_turn_ends_alike_over_anthropic() {
    supervisor(ProviderKind::Anthropic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisors_turn_ends_alike_over_ollama() {
    supervisor(ProviderKind::Ollama).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisors_turn_ends_alike_over_gemini() {
    supervisor(ProviderKind::Gemini).await;
}

/// Ann notes something and answers, bob is cut off in the second round; all number their calls anew in every step.
fn rounds(request: &Request) -> Behaviour {
    let sent = request.text();
    let delegate = |agent: &str| calls("", &[("delegate", json!({"tasks": [{"agent": agent, "task": "look it up"}]}))]);
    if request.is_of("boss") {
        return match (sent.contains("do without"), sent.contains("ann answered")) {
            (true, _) => pieces(&["Without ", "bob, then."]),
            (false, true) => delegate("bob"),
            (false, false) => delegate("ann"),
        };
    }
    if request.is_of("bob") {
        return Behaviour::Stall { text: "half a thought".to_owned() };
    }
    assert!(request.is_of("ann"), "{sent}");
    let note = json!({"label": "story", "new_str": "- seen"});
    if sent.contains("- seen") {
        pieces(&["Seen ", "and noted."])
    } else {
        calls("I look.", &[("memory_insert", note)])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_has_its_one_result_over_rounds_and_after_a_cancel_in_every_protocol() {
    for protocol in <ProviderKind as strum::IntoEnumIterator>::iter() {
        let server = WireServer::start(protocol, rounds).await;
        let world = desk(&server, ManagerType::Supervisor, "boss").await;
        let run = world.post("look it up").await;
        tokio::time::timeout(PATIENCE, world.speaking("bob")).await.expect("bob is never asked");
        assert!(world.cancel().await.0);
        assert_eq!(world.finished(&run).await.state, over(StopReason::Cancelled), "{protocol:?}");
        assert_eq!(say(&world, "do without").await.state, over(StopReason::EndTurn), "{protocol:?}");

        let requests = server.requests();
        for request in &requests {
            assert_in_order(protocol, request);
        }
        let of = |agent: &str| requests.iter().filter(|request| request.is_of(agent)).collect::<Vec<_>>();
        let [first, second] = of("ann")[..] else { panic!("{protocol:?}: {requests:?}") };
        assert!(last_words(protocol, first).ends_with(&said("boss", "look it up")), "{protocol:?}");
        let told = messages(protocol, second);
        let results: Vec<&String> = told.last().unwrap().results.iter().map(|(_, text)| text).collect();
        assert!(matches!(results[..], [result] if result.contains("- seen")), "{protocol:?}: {told:?}");
        let last = messages(protocol, of("boss").last().unwrap());
        let results: Vec<&String> = last.iter().flat_map(|message| &message.results).map(|(_, text)| text).collect();
        let [answered, cancelled] = results[..] else { panic!("{protocol:?}: {last:?}") };
        assert!(answered.contains("ann answered: Seen and noted."), "{protocol:?}: {answered}");
        assert!(cancelled.contains("Failed: not done: you cancelled it"), "{protocol:?}: {cancelled}");
        assert!(last.last().unwrap().words.ends_with(&said("user", "do without")), "{protocol:?}: {last:?}");
        world.close().await;
    }
}

/// What the models of a dynamic desk answer: in the first turn the chair calls, in the second it cannot.
fn talk(request: &Request) -> Behaviour {
    let sent = request.text();
    let choose = |agent: &str| calls("", &[("choose_next_speaker", json!({"agent": agent, "reason": "so be it"}))]);
    if request.is_of("chair") {
        return match sent.contains("second question") {
            false if sent.contains("bob speaks") => choose("done"),
            false if sent.contains("ann speaks") => choose("bob"),
            false if sent.contains("marketing") => choose("ann"),
            false => choose("marketing"),
            true if sent.contains("cid speaks") => pieces(&["Do", "ne."]),
            true => pieces(&["I think that **C", "id** should", " go on."]),
        };
    }
    let name = ["ann", "bob", "cid"].into_iter().find(|name| request.is_of(name)).unwrap();
    pieces(&[name, " spe", "aks"])
}

async fn dynamic(protocol: ProviderKind) {
    let server = WireServer::start(protocol, talk).await;
    let world = desk(&server, ManagerType::Dynamic, "chair").await;
    let first = say(&world, "a first question").await;
    let second = say(&world, "a second question").await;
    let expected = [
        "user: a first question",
        "chair Choice: the choice cannot be used: \"marketing\" is nobody here; asked again",
        "chair Choice: chose ann: so be it",
        "ann: ann speaks",
        "chair Choice: chose bob: so be it",
        "bob: bob speaks",
        "chair Choice: chose to end the turn: so be it",
        "user: a second question",
        "chair: I think that **Cid** should go on.",
        "chair Choice: chose cid (read from its words)",
        "cid: cid speaks",
        "chair: Done.",
        "chair Choice: chose to end the turn (read from its words)",
    ];
    assert_eq!(whole(&world).await, expected, "{protocol:?}");
    assert_eq!([&first, &second].map(|run| run.state.clone()), [(); 2].map(|()| over(StopReason::EndTurn)));
    assert_eq!([&first, &second].map(|run| (run.steps, run.tokens)), [(6, 6 * 18), (3, 3 * 18)], "{protocol:?}");

    let requests = server.requests();
    assert_eq!(requests.len(), 6 + 3, "{protocol:?}");
    for request in &requests {
        assert_in_order(protocol, request);
    }
    let (chair, members): (Vec<&Request>, Vec<&Request>) = requests.iter().partition(|request| request.is_of("chair"));
    let offered: Vec<Vec<&str>> = chair
        .iter()
        .map(|request| {
            assert_eq!(request.tools(), ["choose_next_speaker"], "{protocol:?}");
            choices(&request.body["tools"]).unwrap()
        })
        .collect();
    let all = || vec!["ann", "bob", "cid"];
    let expected =
        [all(), all(), vec!["bob", "cid", "done"], vec!["ann", "cid", "done"], all(), vec!["ann", "bob", "done"]];
    assert_eq!(offered, expected, "{protocol:?}");
    for request in members {
        assert!(!request.tools().contains(&"choose_next_speaker"), "{protocol:?}");
    }
    assert!(last_words(protocol, chair[1]).contains("\"marketing\" is nobody here"), "{protocol:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_turn_ends_alike_over_openai() {
    dynamic(ProviderKind::OpenAi).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_turn_ends_alike_over_anthropic() {
    dynamic(ProviderKind::Anthropic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_turn_ends_alike_over_ollama() {
    dynamic(ProviderKind::Ollama).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_turn_ends_alike_over_gemini() {
    dynamic(ProviderKind::Gemini).await;
}
