//! One conversation through the real adapters: whatever protocol the models speak, it goes and ends alike.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::engine_harness::{Plan, World, agent_id, story};
use crate::support::wire::{Behaviour, Call, Request, WireServer};
use nightdesk::testing::config::ProviderKind;
use nightdesk::testing::domain::{Editor, JobOutcome, JobState, RunState, StopReason};
use nightdesk::testing::store::Mode;
use serde_json::json;
use strum::IntoEnumIterator as _;

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
        assert!(sent.contains("<message from=\\\"ann\\\">"), "bob is told who spoke: {sent}");
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
        "ann memory_insert ok: Block story, version 2, 63 of 20000 characters; lines 1 to 3 now read:",
        "ann memory_replace ok: Block story, version 2, 49 of 20000 characters; lines 1 to 3 now read:",
        "ann: Noted: Zoë.",
        "bob: I agree with ann.",
        "cid pass ok: you passed",
        "(cid passed)",
        "user: a second question",
        "ann: As I said.",
        "bob: I agree with ann.",
        "cid pass ok: you passed",
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
    assert!(sent.contains("now read:"), "the results go back: {sent}");
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

fn alone(server: &WireServer) -> Plan {
    Plan {
        mode: Mode::Threads,
        model: Some("desk/newsroom-1"),
        config: server.config("desk"),
        members: &["ann"],
        ..Plan::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_were_cut_are_marked_and_a_spent_limit_is_no_pass() {
    for protocol in ProviderKind::iter() {
        let server = WireServer::start(protocol, |request: &Request| {
            if request.text().contains("and now?") {
                return Behaviour::ThoughtOnly { reasoning: "Let me think at length".to_owned() };
            }
            Behaviour::Length { text: "First, the price; sec".to_owned() }
        })
        .await;
        let world = World::new(alone(&server)).await;
        let run = world.send("what are the points?").await;
        assert!(
            !matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, .. }),
            "{protocol:?}: {run:?}"
        );
        let run = world.send("and now?").await;
        assert!(
            matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, .. }),
            "{protocol:?}: {run:?}"
        );
        let expected = [
            "user: what are the points?",
            "ann: First, the price; sec",
            "(the answer of ann was cut here by the token limit; raise max_tokens of ann)",
            "user: and now?",
            "(ann could not answer: the token limit of desk was spent before a word was said; raise max_tokens of ann)",
        ];
        assert_eq!(world.transcript().await, expected, "{protocol:?}");
        assert_eq!(server.requests().len(), 2, "{protocol:?}: the same limit is not tried again");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_answer_was_cut_has_failed_and_says_what_to_raise() {
    let server = WireServer::start(ProviderKind::OpenAi, |request: &Request| {
        if request.text().contains("You are cleo") {
            return Behaviour::Length { text: "I will now".to_owned() };
        }
        Behaviour::say("Hello.")
    })
    .await;
    let world = World::new(Plan { background: &["cleo"], every_turns: Some(1), ..alone(&server) }).await;
    world.send("hello").await;
    let job = world.job_over().await;
    let JobState::Failed { error, .. } = job.state else { panic!("{job:?}") };
    assert_eq!(error, "the token limit of desk was spent in the middle of the answer; raise max_tokens of cleo");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_longer_than_the_window_goes_on_with_less_of_it() {
    for (protocol, words) in [
        (ProviderKind::OpenAi, "This model's maximum context length is 8192 tokens."),
        (ProviderKind::Anthropic, "prompt is too long: 9000 tokens > 8192 maximum"),
        (ProviderKind::Gemini, "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        (ProviderKind::Ollama, "input length exceeds the context length"),
    ] {
        let server = WireServer::start(protocol, move |request: &Request| {
            if request.path == "/props" || request.path.ends_with("/models") || request.path == "/api/show" {
                return Behaviour::status(404, "");
            }
            if request.text().len() > 32_768 {
                return Behaviour::status(400, &json!({"error": {"message": words}}).to_string());
            }
            Behaviour::say(&"word ".repeat(2_000))
        })
        .await;
        let world = World::new(alone(&server)).await;
        for turn in 1..=6 {
            let run = world.send(&format!("question {turn}")).await;
            let went = !matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, .. });
            assert!(went, "{protocol:?}, turn {turn}: {run:?}");
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invented_tool_name_is_told_to_the_agent_and_the_conversation_goes_on() {
    for protocol in ProviderKind::iter() {
        let server = WireServer::start(protocol, |request: &Request| {
            if request.messages().len() < 3 {
                return Behaviour::call("memory_insert(story)", &json!({"label": "story", "new_str": "x"}));
            }
            let text = request.text();
            assert!(!text.contains("\"memory_insert(story)\""), "{text}");
            Behaviour::say("I am here.")
        })
        .await;
        let world = World::new(alone(&server)).await;
        world.send("note it").await;
        world.send("are you there?").await;
        let transcript = world.transcript().await;
        assert!(transcript[1].starts_with("ann memory_insert(story) refused: you have no tool"), "{transcript:?}");
        assert_eq!(transcript[2..], ["ann: I am here.", "user: are you there?", "ann: I am here."], "{protocol:?}");
        world.close().await;
    }
}
