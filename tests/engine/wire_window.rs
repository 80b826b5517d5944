//! A model's window, over all protocols: what is known of it is respected, a refusal makes it smaller for this model
//! alone, and what worked is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::engine_harness::{Plan, World, agent_id};
use crate::support::wire::{Behaviour, Request, WireServer};
use nightdesk::testing::config::ProviderKind;
use nightdesk::testing::domain::{Agent, Change, JobState, Run, RunState, StopReason};
use nightdesk::testing::store::Mode;
use serde_json::json;
use strum::IntoEnumIterator as _;

/// How a server of this protocol says that a prompt is too long.
fn too_long(protocol: ProviderKind) -> Behaviour {
    let words = match protocol {
        ProviderKind::OpenAi => "This model's maximum context length is 8192 tokens.",
        ProviderKind::Anthropic => "prompt is too long: 9000 tokens > 8192 maximum",
        ProviderKind::Gemini => "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        ProviderKind::Ollama => "input length exceeds the context length",
    };
    Behaviour::status(400, &json!({"error": {"message": words}}).to_string())
}

fn asks_about_the_model(request: &Request) -> bool {
    request.path == "/props" || request.path.ends_with("/models") || request.path == "/api/show"
}

fn plan(server: &WireServer, context: Option<u32>) -> Plan {
    let mut config = server.config("desk");
    config.provider.values_mut().for_each(|provider| provider.limits.context = context);
    Plan { mode: Mode::Threads, model: Some("desk/large"), config, members: &["ann"], ..Plan::default() }
}

fn answered(run: &Run) -> bool {
    !matches!(run.state, RunState::Finished { stop_reason: StopReason::Error, .. })
}

/// The prompts of this agent, as they were sent.
fn sent(server: &WireServer, agent: &str) -> Vec<String> {
    server.requests().iter().filter(|request| request.is_of(agent)).map(Request::text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refusal_of_one_model_makes_no_other_models_window_smaller() {
    for protocol in ProviderKind::iter() {
        let refused = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refused);
        let server = WireServer::start(protocol, move |request: &Request| {
            if asks_about_the_model(request) {
                return Behaviour::status(404, "");
            }
            let small = request.body["model"] == "small" || request.path.contains("models/small");
            if small && request.text().len() > 24_000 {
                count.fetch_add(1, Ordering::Relaxed);
                return too_long(protocol);
            }
            if request.is_of("cleo") {
                return Behaviour::call("memory_finish_edits", &json!({}));
            }
            Behaviour::say(&"word ".repeat(600))
        })
        .await;
        let members = &["ann", "bob", "cid"];
        let plan = Plan { members, background: &["cleo"], every_turns: Some(1), ..plan(&server, None) };
        let world = World::new(plan).await;
        let bob: Agent = world.store().row(agent_id("bob").as_str()).await.unwrap().unwrap();
        let bob = Agent { model: Some("desk/small".to_owned()), ..bob };
        world.apply(vec![Change::AgentPut(bob)]).await.unwrap();
        for turn in 1..=6 {
            let run = world.send(&format!("question {turn}")).await;
            assert!(answered(&run), "{protocol:?}, turn {turn}: {run:?}");
            let job = world.jobs_over(turn).await.pop().unwrap();
            assert!(matches!(job.state, JobState::Completed { .. }), "{protocol:?}: {job:?}");
        }
        let transcript = world.transcript().await;
        assert!(!transcript.iter().any(|line| line.contains("could not answer")), "{protocol:?}: {transcript:?}");
        let refused = refused.load(Ordering::Relaxed);
        assert!((1..=2).contains(&refused), "{protocol:?}: what worked is kept, yet it was refused {refused} times");
        assert!(sent(&server, "cid").pop().unwrap().contains("question 1"), "{protocol:?}: cid's model holds it all");
        let bob = sent(&server, "bob").pop().unwrap();
        assert!(bob.contains("question 6") && !bob.contains("question 1"), "{protocol:?}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_sent_than_the_server_says_its_model_holds() {
    for protocol in [ProviderKind::Ollama, ProviderKind::OpenAi] {
        let server = WireServer::start(protocol, |request: &Request| {
            let told = match request.path.as_str() {
                "/api/show" => json!({"model_info": {"qwen3.context_length": 8_192}}),
                "/props" => json!({"default_generation_settings": {"n_ctx": 8_192}}),
                _ => return Behaviour::say("Good."),
            };
            Behaviour::Raw { kind: "application/json", body: told.to_string().into_bytes() }
        })
        .await;
        let world = World::new(plan(&server, None)).await;
        // The very first prompt is too long: nothing was known of the model before.
        let question = format!("READ THIS {} AND SAY", "word ".repeat(20_000));
        assert!(answered(&world.send(&question).await), "{protocol:?}");
        for turn in 0..12 {
            world.send(&format!("next {turn} {}", "word ".repeat(600))).await;
        }
        let prompts = sent(&server, "ann");
        assert!(prompts[0].contains("READ THIS") && prompts[0].contains("AND SAY"), "{protocol:?}: head and tail");
        for (turn, prompt) in prompts.iter().enumerate() {
            // English has some four bytes a token.
            assert!(prompt.len() < 4 * 8_192, "{protocol:?}: {} bytes in turn {turn}", prompt.len());
        }
        if protocol == ProviderKind::Ollama {
            let contexts = server.requests().into_iter().filter(|request| request.path == "/api/chat");
            assert!(contexts.map(|request| request.body["options"]["num_ctx"].clone()).all(|n| n == 8_192));
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_window_holds_blocks_tools_and_question_for_every_member() {
    for protocol in ProviderKind::iter() {
        let server = WireServer::start(protocol, |request: &Request| {
            if request.is_of("cleo") {
                return Behaviour::call("memory_finish_edits", &json!({}));
            }
            Behaviour::say(&"word ".repeat(900))
        })
        .await;
        let plan = Plan { background: &["cleo"], every_turns: Some(2), ..plan(&server, Some(8_192)) };
        let world = World::new(Plan { members: &["ann", "bob"], ..plan }).await;
        world.edit(|_| "fact ".repeat(1_200)).await;
        for turn in 1..=6 {
            world.send(&format!("question {turn}")).await;
        }
        world.when(async |world| world.jobs().await.iter().all(|job| job.state.is_final()).then_some(())).await;
        for request in server.requests() {
            assert!(request.text().len() < 4 * 8_192, "{protocol:?}: {} bytes", request.text().len());
        }
        for agent in ["ann", "bob"] {
            let last = sent(&server, agent).pop().unwrap();
            assert!(last.contains("question 6") && last.contains("fact fact"), "{protocol:?}: {agent}");
        }
        let read: String = sent(&server, "cleo").concat();
        assert!((1..=6).all(|turn| read.contains(&format!("question {turn}"))), "{protocol:?}: jobs miss no turn");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_reads_as_much_at_once_as_a_large_model_holds() {
    let server = WireServer::start(ProviderKind::OpenAi, |request: &Request| {
        if request.is_of("cleo") {
            return Behaviour::call("memory_finish_edits", &json!({}));
        }
        Behaviour::say("I see.")
    })
    .await;
    let plan = Plan { background: &["cleo"], every_turns: Some(6), ..plan(&server, Some(400_000)) };
    let world = World::new(plan).await;
    for turn in 1..=6 {
        assert!(answered(&world.send(&format!("mark-{turn} {}", "x".repeat(40_000))).await));
    }
    let job = world.jobs_over(1).await.remove(0);
    assert_eq!((job.window, job.cut), (Some((0, 12)), false), "{job:?}");
    let read = sent(&server, "cleo").remove(0);
    assert!(read.len() > 240_000 && (1..=6).all(|turn| read.contains(&format!("mark-{turn} "))), "{}", read.len());
    world.close().await;
}
