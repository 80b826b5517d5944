//! One conversation through the real adapters: whatever protocol the models speak, it goes and ends alike.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::engine_harness::{Plan, World, agent_id, story};
use crate::support::wire::{Behaviour, Call, Request, WireServer};
use nightdesk::config::ProviderKind;
use nightdesk::domain::{Editor, JobOutcome, JobState, RunState, StopReason};
use nightdesk::store::Mode;
use serde_json::json;

/// What the newsroom's models answer, told by what they are sent and nothing else.
fn newsroom(request: &Request, refusals: &AtomicU32) -> Behaviour {
    let sent = request.text();
    let pieces = |pieces: &[&str]| Behaviour::Text {
        chunks: pieces.iter().map(|&piece| piece.to_owned()).collect(),
        delay: Duration::from_millis(5),
    };
    let calls = |text: &str, calls: &[(&str, serde_json::Value)]| Behaviour::Calls {
        text: text.to_owned(),
        calls: calls
            .iter()
            .enumerate()
            .map(|(at, (name, arguments))| Call::new(&format!("call-{at}"), name, arguments))
            .collect(),
    };
    if sent.contains("You are cleo, a background agent") {
        return if sent.contains("9 May, kept") {
            calls("", &[("memory_finish_edits", json!({}))])
        } else {
            calls("", &[("memory_replace", json!({"label": "story", "old_str": "9 May", "new_str": "9 May, kept"}))])
        };
    }
    if sent.contains("You are ann.") {
        let insert = ("memory_insert", json!({"label": "story", "new_str": "- Zoë: “naïve” 🌙"}));
        let replace =
            ("memory_replace", json!({"label": "story", "old_str": "some time in spring", "new_str": "9 May"}));
        return match (sent.contains("second question"), sent.contains("naïve")) {
            (true, _) => pieces(&["As I ", "said."]),
            (false, true) => pieces(&["No", "ted: ", "Zoë."]),
            (false, false) => calls("I note that.", &[insert, replace]),
        };
    }
    if sent.contains("You are bob.") {
        if sent.contains("second question") && refusals.fetch_add(1, Ordering::Relaxed) == 0 {
            let headers = vec![("retry-after".to_owned(), "0".to_owned())];
            return Behaviour::Status {
                code: 429,
                headers,
                body: "{\"error\":{\"message\":\"slow down\"}}".to_owned(),
            };
        }
        assert!(sent.contains("ann: "), "bob is told who spoke: {sent}");
        return pieces(&["I agree ", "with ann."]);
    }
    assert!(sent.contains("You are cid."), "{sent}");
    calls("", &[("pass", json!({}))])
}

async fn conversation(protocol: ProviderKind) {
    let refusals = AtomicU32::new(0);
    let server = WireServer::start(protocol, move |request| newsroom(request, &refusals)).await;
    let plan = Plan {
        background: &["cleo"],
        every_turns: Some(2),
        mode: Mode::Threads,
        model: Some("desk/newsroom-1"),
        config: server.config("desk"),
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let run = world.send("a first question").await;
    assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::MaxTurns, error: None });
    world.send("a second question").await;
    let job = world.job_over().await;
    assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed }, "{protocol:?}");

    let expected = [
        "user: a first question",
        "ann: I note that.",
        "ann memory_insert ok: Block story, version 2, now reads:",
        "ann memory_replace ok: Block story, version 2, now reads:",
        "ann: Noted: Zoë.",
        "bob: I agree with ann.",
        "(cid passed)",
        "user: a second question",
        "ann: As I said.",
        "bob: I agree with ann.",
        "(cid passed)",
    ];
    assert_eq!(world.transcript().await, expected, "{protocol:?}");
    let block = world.block(&story()).await;
    assert_eq!(block.value, "The story so far\n- Launch: 9 May, kept\n- Zoë: “naïve” 🌙", "{protocol:?}");
    assert_eq!(block.version, 3);
    assert_eq!(block.editor, Editor::Agent { id: agent_id("cleo"), name: "cleo".to_owned(), job: Some(job.id) });

    let requests = server.requests();
    let asked = requests.len();
    // Two steps of ann, bob, cid; ann, bob twice, cid; two of cleo.
    assert_eq!(asked, 4 + 4 + 2, "{protocol:?}");
    let with_results = &requests[1];
    let sent = with_results.text();
    assert!(sent.contains("now reads"), "the results go back: {sent}");
    let tools = requests[0].tools();
    assert!(tools.contains(&"memory_insert") && tools.contains(&"pass"), "{tools:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_ends_alike_over_openai() {
    conversation(ProviderKind::OpenAi).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_ends_alike_over_anthropic() {
    conversation(ProviderKind::Anthropic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_ends_alike_over_ollama() {
    conversation(ProviderKind::Ollama).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_ends_alike_over_gemini() {
    conversation(ProviderKind::Gemini).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_closes_the_connection_and_keeps_what_came() {
    for protocol in [ProviderKind::OpenAi, ProviderKind::Anthropic, ProviderKind::Ollama] {
        let stall = |_: &Request| Behaviour::Stall { text: "half a thought".to_owned() };
        let server = WireServer::start(protocol, stall).await;
        let plan = Plan {
            mode: Mode::Threads,
            model: Some("desk/newsroom-1"),
            config: server.config("desk"),
            members: &["ann"],
            ..Plan::default()
        };
        let world = World::new(plan).await;
        let run = world.post("go on").await;
        world.speaking("ann").await;
        assert!(world.cancel().await.0);
        let run = world.finished(&run).await;
        assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::Cancelled, error: None });
        server.client_left().await;
        assert_eq!(world.transcript().await, ["user: go on", "ann: half a thought [cancelled]"], "{protocol:?}");
        world.close().await;
    }
}
