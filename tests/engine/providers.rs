//! What a provider does to us, and what becomes of it: one test a promise, each over every protocol it concerns.
//!
//! The servers are real sockets on this machine, so these tests run in real time.

use std::sync::Arc;
use std::time::Duration;

use crate::support::child;
use crate::support::wire::{Behaviour, Call, Protocol, Request, WireServer};
use futures::StreamExt as _;
use nightdesk::testing::config::{Config, KeySource, Limits, Provider, ProviderKind};
use nightdesk::testing::llm::{
    Delta, Done, ErrorClass, MemoryBlock, ModelError, Models, Prompt, PromptMessage, Stop, ToolCall, ToolSpec, Usage,
};
use serde_json::json;
use strum::IntoEnumIterator as _;

#[path = "providers/quirks.rs"]
mod quirks;

const KEY: &str = "sk-planted-0123456789";

/// What came before the end, and the end.
struct Answer {
    deltas: Vec<Delta>,
    end: Result<Done, ModelError>,
}

impl Answer {
    fn text(&self) -> String {
        self.deltas
            .iter()
            .filter_map(|delta| if let Delta::Text(text) = delta { Some(text.as_str()) } else { None })
            .collect()
    }

    fn error(&self) -> &ModelError {
        self.end.as_ref().unwrap_err()
    }

    fn done(&self) -> &Done {
        self.end.as_ref().unwrap()
    }
}

/// Reads a whole answer and proves the port's promise: one end, and nothing after it.
async fn ask(models: &Models, prompt: Prompt) -> Answer {
    let mut stream = models.get("local/m").unwrap().model.stream(prompt);
    let read = async {
        let mut deltas = Vec::new();
        let end = loop {
            match stream.next().await.expect("an answer ends with Done or an error") {
                Ok(Delta::Done(done)) => break Ok(done),
                Ok(Delta::Alive) => {}
                Ok(delta) => deltas.push(delta),
                Err(error) => break Err(error),
            }
        };
        assert!(stream.next().await.is_none(), "nothing follows the end");
        Answer { deltas, end }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("the answer ends")
}

async fn serve(protocol: Protocol, behaviour: Behaviour) -> (WireServer, Models) {
    let server = WireServer::start(protocol, move |_| behaviour.clone()).await;
    let models = Models::new(server.config("local"), |_| None);
    (server, models)
}

async fn answer(protocol: Protocol, behaviour: Behaviour) -> Answer {
    let (_server, models) = serve(protocol, behaviour).await;
    ask(&models, hello()).await
}

fn said(by: Option<&str>, text: &str) -> PromptMessage {
    PromptMessage::User { by: by.map(str::to_owned), text: text.into() }
}

/// A time for the step that no test reaches.
fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_hours(1)
}

fn hello() -> Prompt {
    Prompt { model: "m".into(), system: "Be kind.".into(), entries: vec![said(None, "Hello")], ..Prompt::default() }
}

fn transient(answer: &Answer, words: &str) {
    assert_eq!(answer.error().class, ErrorClass::Transient, "{}", answer.error());
    assert!(answer.error().text.contains(words), "{}", answer.error());
}

#[tokio::test]
async fn an_answer_comes_piece_by_piece_and_ends_with_what_it_cost() {
    for protocol in Protocol::iter() {
        let chunks = ["Good ", "evening", "."].map(str::to_owned).to_vec();
        let answer = answer(protocol, Behaviour::Text { chunks, delay: Duration::ZERO }).await;
        let pieces = ["Good ", "evening", "."].map(|text| Delta::Text(text.into()));
        assert_eq!(answer.deltas, pieces, "{protocol:?}");
        let usage = Usage { tokens_in: 11, tokens_out: 7, ..Usage::default() };
        assert_eq!(answer.done(), &Done { stop: Stop::End, calls: vec![], usage, kept: None }, "{protocol:?}");
    }
}

#[tokio::test]
async fn reasoning_is_told_apart_from_the_answer() {
    for protocol in Protocol::iter() {
        let answer = answer(protocol, Behaviour::Reasoning { reasoning: "Hm.".into(), text: "Yes.".into() }).await;
        assert_eq!(answer.deltas, [Delta::Reasoning("Hm.".into()), Delta::Text("Yes.".into())], "{protocol:?}");
    }
}

#[tokio::test]
async fn calls_are_announced_and_come_whole_and_in_order_with_the_end() {
    for protocol in Protocol::iter() {
        let first = json!({"at": "the 天気", "days": [1, 2]});
        let calls = vec![Call::new("call-1", "look", &first), Call::new("call-2", "look", &json!({}))];
        let answer = answer(protocol, Behaviour::Calls { text: "I look.".into(), calls }).await;
        assert_eq!(answer.text(), "I look.", "{protocol:?}");
        assert!(answer.deltas.contains(&Delta::ToolCallStarted { name: "look".into() }), "{protocol:?}");
        let done = answer.done();
        assert_eq!(done.stop, Stop::Calls, "{protocol:?}");
        let got: Vec<_> = done.calls.iter().map(|call| (call.name.as_str(), call.arguments.clone())).collect();
        assert_eq!(got, [("look", first), ("look", json!({}))], "{protocol:?}");
        assert_ne!(done.calls[0].id, done.calls[1].id, "{protocol:?}: ids are unique within the step");
    }
}

#[tokio::test]
async fn a_long_call_is_heard_of_while_it_is_written() {
    for protocol in [Protocol::OpenAi, Protocol::Anthropic] {
        let answer = answer(protocol, Behaviour::call("write", &json!({"text": "x".repeat(500)}))).await;
        assert!(answer.deltas.len() > 50, "{protocol:?}: {} signs of life", answer.deltas.len());
    }
}

#[tokio::test]
async fn too_many_requests_is_transient_and_says_how_long_to_wait() {
    for protocol in Protocol::iter() {
        let headers = vec![("Retry-After".into(), "12".into())];
        let answer = answer(protocol, Behaviour::Status { code: 429, headers, body: "{}".into() }).await;
        let error = answer.error();
        assert_eq!(error.text, "429 from local: too many requests, it asks to wait 12 s", "{protocol:?}");
        assert_eq!((error.class, error.retry_after), (ErrorClass::Transient, Some(Duration::from_secs(12))));
        assert!(answer.deltas.is_empty());
    }
}

#[tokio::test]
async fn a_wait_until_a_date_is_measured_by_the_servers_clock() {
    let headers = vec![
        ("Date".into(), "Fri, 20 Nov 2026 08:00:10 GMT".into()),
        ("Retry-After".into(), "Fri, 20 Nov 2026 08:00:30 GMT".into()),
    ];
    let answer = answer(Protocol::OpenAi, Behaviour::Status { code: 503, headers, body: String::new() }).await;
    assert_eq!(answer.error().retry_after, Some(Duration::from_secs(20)));
}

#[tokio::test]
async fn a_servers_own_failure_is_transient_and_tells_its_words() {
    for protocol in Protocol::iter() {
        for code in [500, 503, 529] {
            let body = r#"{"error": {"message": "The model\nis resting.\u001b[31m"}}"#;
            let answer = answer(protocol, Behaviour::status(code, body)).await;
            transient(&answer, &format!("{code} from local: The model is resting. [31m"));
        }
    }
}

#[tokio::test]
async fn a_refused_request_is_terminal() {
    for protocol in Protocol::iter() {
        for code in [400, 403, 404, 413, 422] {
            let answer = answer(protocol, Behaviour::status(code, r#"{"error": "no such thing"}"#)).await;
            assert_eq!(answer.error().class, ErrorClass::Terminal, "{protocol:?} {code}");
            assert!(answer.error().text.contains("no such thing"), "{}", answer.error());
        }
    }
}

#[tokio::test]
async fn an_answer_without_its_end_is_cut_short_and_transient() {
    for protocol in Protocol::iter() {
        let answer = answer(protocol, Behaviour::NoEnd { text: "Half a".into() }).await;
        assert_eq!(answer.text(), "Half a", "{protocol:?}");
        transient(&answer, "was cut short");
    }
}

#[tokio::test]
async fn a_connection_torn_down_in_a_call_gives_no_call() {
    for protocol in Protocol::iter() {
        transient(&answer(protocol, Behaviour::CutInCall).await, "was cut short");
    }
}

#[tokio::test]
async fn half_a_call_at_the_token_limit_is_an_error_and_no_call() {
    for protocol in Protocol::iter() {
        let answer = answer(protocol, Behaviour::HalfCall).await;
        let error = answer.error();
        assert_eq!(error.class, ErrorClass::Terminal, "{protocol:?}: the same limit would end it again");
        let told =
            "the answer of local was cut short: the token limit ended it inside a call of look; raise max_tokens";
        assert!(error.text.starts_with(told), "{protocol:?}: {error}");
    }
}

#[tokio::test]
async fn arguments_that_are_no_object_are_malformed_and_transient() {
    for protocol in Protocol::iter() {
        for arguments in [r#"{"at": "#, "[1, 2]", "7"] {
            let call = Call { id: "call-1".into(), name: "look".into(), arguments: arguments.into() };
            let answer = answer(protocol, Behaviour::Calls { text: String::new(), calls: vec![call] }).await;
            transient(&answer, "malformed arguments for look");
        }
    }
}

#[tokio::test]
async fn an_object_wrapped_in_a_string_and_no_arguments_at_all_are_understood() {
    for (written, meant) in [(r#""{\"at\": 1}""#, json!({"at": 1})), ("", json!({})), ("null", json!({}))] {
        let call = Call { id: "call-1".into(), name: "look".into(), arguments: written.into() };
        let answer = answer(Protocol::OpenAi, Behaviour::Calls { text: String::new(), calls: vec![call] }).await;
        assert_eq!(answer.done().calls[0].arguments, meant, "{written}");
    }
}

#[tokio::test]
async fn a_call_is_whole_whatever_number_it_has_and_one_that_never_came_fails_loudly() {
    for number in [Some(0), None, Some(1)] {
        assert_eq!(answer(Protocol::OpenAi, Behaviour::CallNumbered(number)).await.done().calls.len(), 1, "{number:?}");
    }
    for protocol in [Protocol::OpenAi, Protocol::Anthropic] {
        transient(&answer(protocol, Behaviour::CallsNone).await, "it says it calls a tool and names none");
    }
}

#[tokio::test]
async fn an_end_without_a_reason_keeps_the_text() {
    for protocol in [Protocol::OpenAi, Protocol::Anthropic, Protocol::Ollama] {
        let answer = answer(protocol, Behaviour::NoReason { text: "All of it.".into() }).await;
        assert_eq!((answer.text().as_str(), answer.done().stop), ("All of it.", Stop::Unknown), "{protocol:?}");
    }
}

#[tokio::test]
async fn the_token_limit_is_told_as_such() {
    for protocol in Protocol::iter() {
        let answer = answer(protocol, Behaviour::Length { text: "And then".into() }).await;
        assert_eq!((answer.text().as_str(), answer.done().stop), ("And then", Stop::Length), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_piece_that_cannot_be_read_ends_the_answer_though_the_server_goes_on() {
    for protocol in Protocol::iter() {
        transient(&answer(protocol, Behaviour::Garbage { text: "Good".into() }).await, "is no JSON");
    }
}

#[tokio::test]
async fn a_byte_that_is_no_letter_costs_one_character() {
    for protocol in Protocol::iter() {
        let torn = answer(protocol, Behaviour::BadUtf8 { text: "Good".into() }).await;
        assert_eq!((torn.text().as_str(), torn.done().stop), ("Good\u{fffd}", Stop::End), "{protocol:?}");
    }
}

#[tokio::test]
async fn letters_cut_anywhere_arrive_whole() {
    for protocol in Protocol::iter() {
        let text = "né 漢字 👩‍🚀 \"quoted\"\n";
        let answer = answer(protocol, Behaviour::ByteByByte { text: text.into() }).await;
        assert_eq!((answer.text().as_str(), answer.done().stop), (text, Stop::End), "{protocol:?}");
    }
}

#[tokio::test]
async fn comments_and_pings_are_no_part_of_the_answer() {
    for protocol in Protocol::iter() {
        let answer = answer(protocol, Behaviour::Comments { text: "Only this.".into() }).await;
        assert_eq!(answer.deltas, [Delta::Text("Only this.".into())], "{protocol:?}");
        assert_eq!(answer.done().stop, Stop::End, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_huge_piece_arrives_whole() {
    for protocol in Protocol::iter() {
        let text = "all work and no play ".repeat(50_000);
        assert_eq!(answer(protocol, Behaviour::say(&text)).await.text(), text, "{protocol:?}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_an_answer_is_told_with_its_class() {
    let event =
        |kind: &str| Behaviour::ErrorEvent { text: "So".into(), kind: kind.into(), message: "Overloaded.".into() };
    for protocol in Protocol::iter() {
        let answer = answer(protocol, event("overloaded_error")).await;
        transient(&answer, "local broke off its answer: Overloaded");
        assert_eq!(answer.text(), "So", "{protocol:?}");
    }
    // Ollama names no kind, so its errors are all worth trying again.
    for protocol in [Protocol::OpenAi, Protocol::Anthropic, Protocol::Gemini] {
        let answer = answer(protocol, event("invalid_request_error")).await;
        assert_eq!(answer.error().class, ErrorClass::Terminal, "{protocol:?}");
    }
}

#[tokio::test]
async fn dropping_the_stream_is_seen_by_the_server() {
    for protocol in Protocol::iter() {
        let (server, models) = serve(protocol, Behaviour::Stall { text: "Wait".into() }).await;
        let mut stream = models.get("local/m").unwrap().model.stream(hello());
        while stream.next().await.unwrap().unwrap() != Delta::Text("Wait".into()) {}
        drop(stream);
        tokio::time::timeout(Duration::from_secs(10), server.client_left()).await.expect("the server sees it");
    }
}

#[tokio::test]
async fn a_call_that_was_not_answered_yet_is_cancelled_by_dropping_too() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let signal = Arc::clone(&asked);
    let server = WireServer::start(Protocol::OpenAi, move |_| {
        signal.notify_one();
        Behaviour::Silent
    })
    .await;
    let models = Models::new(server.config("local"), |_| None);
    let mut stream = models.get("local/m").unwrap().model.stream(hello());
    tokio::select! {
        answer = stream.next() => panic!("nothing was answered: {answer:?}"),
        () = asked.notified() => {}
    }
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), server.client_left()).await.expect("the server sees it");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for kind in Protocol::iter() {
        let base_url = Some(format!("http://127.0.0.1:{port}/v1"));
        let provider = Provider { kind, base_url, key: KeySource::None, max_parallel: None, limits: Limits::default() };
        let config = Config { provider: [("local".to_owned(), provider)].into(), ..Config::default() };
        let answer = ask(&Models::new(config, |_| None), hello()).await;
        transient(&answer, &format!("could not reach http://127.0.0.1:{port}"));
        transient(&answer, "connection refused; is the server running?");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_because_the_key_would_go_with_it() {
    let elsewhere = WireServer::start(Protocol::Anthropic, |_| Behaviour::say("I have your key.")).await;
    let headers = vec![("Location".into(), format!("{}/messages", elsewhere.base_url()))];
    let answer = answer(Protocol::Anthropic, Behaviour::Status { code: 307, headers, body: String::new() }).await;
    assert_eq!(answer.error().class, ErrorClass::Terminal);
    assert!(answer.error().text.contains("sends us elsewhere"), "{}", answer.error());
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn fifty_answers_at_once_all_arrive() {
    let chunks: Vec<String> = (0..50).map(|number| format!("{number} ")).collect();
    let whole = chunks.concat();
    let (_server, models) = serve(Protocol::OpenAi, Behaviour::Text { chunks, delay: Duration::ZERO }).await;
    let answers = futures::future::join_all((0..50).map(|_| ask(&models, hello()))).await;
    assert!(answers.iter().all(|answer| answer.text() == whole && answer.done().stop == Stop::End));
}

// What is sent.

async fn sent(protocol: Protocol, prompt: Prompt) -> Request {
    let (server, models) = serve(protocol, Behaviour::say("ok")).await;
    assert!(ask(&models, prompt).await.end.is_ok());
    server.requests().remove(0)
}

fn rich() -> Prompt {
    let call = |id: &str| ToolCall { id: id.into(), name: "look".into(), arguments: json!({"at": "sky"}) };
    let result = |id: &str, text: &str| PromptMessage::ToolResult {
        call: id.into(),
        name: "look".into(),
        ok: true,
        text: text.into(),
    };
    let memory = MemoryBlock { label: "mood".into(), value: "calm seas".into(), ..MemoryBlock::default() };
    Prompt {
        memory: vec![memory],
        entries: vec![
            PromptMessage::Assistant { text: "Earlier words.".into(), calls: vec![] },
            said(None, "What is up?"),
            said(Some("ada"), "I wonder too."),
            PromptMessage::Assistant { text: "I look.".into(), calls: vec![call("call#1"), call("call#2")] },
            said(None, "Hurry!"),
            result("call#1", "it is blue"),
            result("call#2", "it is high"),
            PromptMessage::System { text: "Be brief.".into() },
        ],
        tools: vec![Arc::new(ToolSpec {
            name: "look".into(),
            description: "Looks.".into(),
            schema: json!({"type": "object", "properties": {"at": {"type": "string"}}}),
        })],
        temperature: Some(0.5),
        ..hello()
    }
}

#[tokio::test]
async fn the_conversation_is_sent_in_the_roles_the_protocol_wants() {
    for (protocol, roles) in [
        (Protocol::OpenAi, "system user assistant user assistant tool tool assistant user"),
        (Protocol::Ollama, "system user assistant user assistant tool tool user"),
        (Protocol::Anthropic, "user assistant user assistant user"),
        (Protocol::Gemini, "user model user model user user"),
    ] {
        let request = sent(protocol, rich()).await;
        assert_eq!(request.roles().join(" "), roles, "{protocol:?}");
        assert_eq!(request.tools(), ["look"], "{protocol:?}");
        let text = request.text();
        for part in [
            "Be kind.",
            "calm seas",
            "from=\\\"ada\\\">\\nI wonder too.",
            "it is blue",
            "it is high",
            "Hurry!",
            "<note>",
            "sky",
        ] {
            assert!(text.contains(part), "{protocol:?} lacks {part}: {text}");
        }
        assert!(text.contains("0.5"), "{protocol:?}: the temperature");
    }
}

#[tokio::test]
async fn anthropic_gets_results_first_in_a_turn_ids_it_accepts_and_a_token_limit() {
    let request = sent(Protocol::Anthropic, rich()).await;
    let last = request.messages().last().unwrap()["content"].as_array().unwrap();
    let kinds: Vec<_> = last.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"]);
    assert_eq!(last[0]["tool_use_id"], json!("call_1"));
    assert_eq!(request.body["max_tokens"], json!(16384));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    let limited = sent(Protocol::Anthropic, Prompt { max_tokens: Some(99), ..hello() }).await;
    assert_eq!(limited.body["max_tokens"], json!(99));
}

#[tokio::test]
async fn a_models_name_is_sent_as_it_is_written() {
    for name in ["qwen3-max", "gemini-3-pro-high", "a::b", "m-none", "org/model:free"] {
        for protocol in Protocol::iter() {
            let request = sent(protocol, Prompt { model: name.into(), ..hello() }).await;
            if protocol == Protocol::Gemini {
                assert_eq!(request.path, format!("/v1beta/models/{name}:streamGenerateContent?alt=sse"));
            } else {
                assert_eq!(request.body["model"], json!(name), "{protocol:?}");
            }
            for asked in ["reasoning_effort", "thinking", "reasoning", "think"] {
                assert_eq!(request.body.get(asked), None, "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_no_key_is_sent_none() {
    for protocol in Protocol::iter() {
        let request = sent(protocol, hello()).await;
        for header in ["authorization", "x-api-key", "x-goog-api-key"] {
            assert_eq!(request.header(header), None, "{protocol:?}");
        }
    }
}

async fn with_key(protocol: Protocol, behaviour: Behaviour) -> (WireServer, Models) {
    let server = WireServer::start(protocol, move |_| behaviour.clone()).await;
    let provider = server.provider(KeySource::Env("PLANTED".into()));
    let config = Config { provider: [("local".to_owned(), provider)].into(), ..Config::default() };
    (server, Models::new(config, |name| (name == "PLANTED").then(|| KEY.to_owned())))
}

#[tokio::test]
async fn the_key_is_sent_in_the_header_of_the_protocol_and_nowhere_else() {
    let bearer = format!("Bearer {KEY}");
    for (protocol, header, value) in [
        (Protocol::OpenAi, "authorization", bearer.as_str()),
        (Protocol::Ollama, "authorization", bearer.as_str()),
        (Protocol::Anthropic, "x-api-key", KEY),
        (Protocol::Gemini, "x-goog-api-key", KEY),
    ] {
        let (server, models) = with_key(protocol, Behaviour::say("ok")).await;
        assert!(ask(&models, hello()).await.end.is_ok());
        let request = server.requests().remove(0);
        assert_eq!(request.header(header), Some(value), "{protocol:?}");
        assert!(!request.path.contains(KEY) && !request.text().contains(KEY), "{protocol:?}");
    }
}

#[tokio::test]
async fn no_error_repeats_the_key_whatever_the_server_echoes() {
    let echo = format!("the key '{KEY}' or {KEY}, header Bearer {KEY}");
    let body = json!({"error": {"message": echo}}).to_string();
    for protocol in Protocol::iter() {
        let event = Behaviour::ErrorEvent { text: String::new(), kind: "x".into(), message: echo.clone() };
        let codes = [400, 401, 403, 404, 429, 500].map(|code| Behaviour::status(code, &body));
        let plain = Behaviour::status(500, &echo);
        for behaviour in codes.into_iter().chain([event, plain]) {
            let (_server, models) = with_key(protocol, behaviour).await;
            let answer = ask(&models, hello()).await;
            let said = format!("{} {:?} {:?}", answer.error(), answer.error(), models.get("local/m").unwrap());
            assert!(!said.contains(KEY) && !said.contains("planted"), "{protocol:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_named_by_its_variable() {
    for protocol in Protocol::iter() {
        let (_server, models) = with_key(protocol, Behaviour::status(401, "no")).await;
        let answer = ask(&models, hello()).await;
        assert_eq!(answer.error().text, "local refused the key in PLANTED (401)", "{protocol:?}");
        assert_eq!(answer.error().class, ErrorClass::Terminal);
        let (_server, models) = serve(protocol, Behaviour::status(401, "no")).await;
        let wanted = "local wants a key (401); name one with key_env in [provider.local]";
        assert_eq!(ask(&models, hello()).await.error().text, wanted, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_key_file_is_read_at_every_call() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let server = WireServer::start(Protocol::OpenAi, |_| Behaviour::say("ok")).await;
    let provider = server.provider(KeySource::File(file.clone()));
    let config = Config { provider: [("local".to_owned(), provider)].into(), ..Config::default() };
    let models = Models::new(config, |_| None);
    let missing = ask(&models, hello()).await;
    assert_eq!(missing.error().class, ErrorClass::Terminal);
    assert!(missing.error().text.contains("cannot read the key file"), "{}", missing.error());
    for key in ["first-key", "second-key"] {
        std::fs::write(&file, format!("{key}\nnotes\n")).unwrap();
        assert!(ask(&models, hello()).await.end.is_ok());
    }
    let sent: Vec<_> =
        server.requests().iter().map(|request| request.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent, ["Bearer first-key", "Bearer second-key"]);
}

/// Runs one test of this file in a child with its own environment, which is read once a process. True in the child.
async fn in_child(test: &str, proxy: Option<&str>) -> bool {
    const CHILD: &str = "NIGHTDESK_TEST_CHILD";
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        return true;
    }
    let mut alone = tokio::process::Command::from(child::command(module_path!(), test));
    alone.env(CHILD, test);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        for name in [name.to_owned(), name.to_lowercase()] {
            match proxy {
                Some(proxy) if !name.eq_ignore_ascii_case("NO_PROXY") => alone.env(name, proxy),
                _ => alone.env_remove(name),
            };
        }
    }
    child::assert_passed(&alone.output().await.unwrap());
    false
}

#[tokio::test]
async fn a_proxy_in_the_environment_does_not_catch_a_server_on_this_machine() {
    let name = "a_proxy_in_the_environment_does_not_catch_a_server_on_this_machine";
    if in_child(name, Some("http://127.0.0.1:9")).await {
        assert_eq!(answer(ProviderKind::Ollama, Behaviour::say("direct")).await.text(), "direct");
    }
}

fn leading_to(base_url: &str) -> Models {
    let base_url = Some(base_url.to_owned());
    let provider = Provider {
        kind: ProviderKind::OpenAi,
        base_url,
        key: KeySource::None,
        max_parallel: None,
        limits: Limits::default(),
    };
    Models::new(Config { provider: [("local".to_owned(), provider)].into(), ..Config::default() }, |_| None)
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_used_for_the_rest_of_the_world() {
    let proxy = WireServer::start(Protocol::OpenAi, |_| Behaviour::say("by the proxy")).await;
    let name = "a_proxy_in_the_environment_is_used_for_the_rest_of_the_world";
    let at = proxy.base_url().replace("/v1", "");
    if in_child(name, Some(&at)).await {
        assert_eq!(ask(&leading_to("http://models.invalid/v1"), hello()).await.text(), "by the proxy");
    } else {
        assert_eq!(proxy.requests()[0].path, "http://models.invalid/v1/chat/completions");
    }
}

#[tokio::test]
async fn a_host_nobody_knows_is_named() {
    if in_child("a_host_nobody_knows_is_named", None).await {
        let answer = ask(&leading_to("https://models.invalid"), hello()).await;
        transient(&answer, "could not reach https://models.invalid/v1: no such host is known here; is the network up?");
    }
}

#[tokio::test]
async fn openai_is_asked_to_count_the_tokens() {
    let request = sent(Protocol::OpenAi, hello()).await;
    assert_eq!(request.body["stream_options"], json!({"include_usage": true}));
}
