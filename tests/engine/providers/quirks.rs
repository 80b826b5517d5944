//! What servers do beside the letter of their protocols, and how long they may be silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nightdesk::testing::llm::{Delta, ErrorClass, Models, Prompt, PromptMessage, Stop};
use serde_json::{Value, json};

use super::{Answer, answer, ask, far, hello, said, transient};
use crate::support::wire::{Behaviour, Protocol, Wire, WireServer};
use strum::IntoEnumIterator as _;

async fn raw(protocol: Protocol, kind: &'static str, body: &str) -> Answer {
    answer(protocol, Behaviour::Raw { kind, body: body.as_bytes().to_vec() }).await
}

fn openai_frames(deltas: &[Value], finish: &str) -> String {
    let frame = |delta: &Value, finish: Option<&str>| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    deltas.iter().map(|delta| frame(delta, None)).chain([frame(&json!({}), Some(finish))]).collect()
}

#[tokio::test]
async fn an_answer_is_whole_by_its_finish_reason_even_where_the_server_holds_the_line() {
    // The connection stays open: nobody waits for more than the counts of tokens that may follow.
    let body = openai_frames(&[json!({"content": "It is settled."})], "stop");
    let answer = answer(Protocol::OpenAi, Behaviour::Held { body: body.into_bytes() }).await;
    assert_eq!((answer.text().as_str(), answer.done().stop), ("It is settled.", Stop::End));
}

#[tokio::test]
async fn an_error_in_a_good_status_is_told_in_the_servers_words_and_with_its_class() {
    let words = "the model is not loaded";
    let object = json!({"error": {"message": words, "code": 400}}).to_string();
    for protocol in Protocol::iter() {
        let answer = raw(protocol, "application/json", &object).await;
        assert_eq!(answer.error().text, format!("local broke off its answer: {words}"), "{protocol:?}");
        assert_eq!(answer.error().class, ErrorClass::Terminal, "{protocol:?}");
        let page = raw(protocol, "text/html", "<html><title>Sign in</title><body>to go on</body></html>").await;
        transient(&page, "local answered with a web page (HTML) and not with words of a model: Sign in");
    }
    let event = format!("event: error\ndata: {{\"message\": \"{words}\"}}\n\n");
    transient(&raw(Protocol::OpenAi, "text/event-stream", &event).await, words);
    let plain = raw(Protocol::OpenAi, "text/plain", "no healthy upstream").await;
    transient(&plain, "local did not answer but said: no healthy upstream");
    let blocked = "data: {\"promptFeedback\": {\"blockReason\": \"PROHIBITED_CONTENT\"}}\n\n";
    let blocked = raw(Protocol::Gemini, "text/event-stream", blocked).await;
    assert_eq!(blocked.error().class, ErrorClass::Terminal);
    assert!(blocked.error().text.contains("prohibited_content") || blocked.error().text.contains("PROHIBITED_CONTENT"));
}

#[tokio::test]
async fn thoughts_inside_the_words_are_reasoning_over_every_protocol() {
    for protocol in Protocol::iter() {
        let chunks = ["<thi", "nk>\nNot DONE! yet.\n</th", "ink>\n\nNine francs."].map(str::to_owned).to_vec();
        let paired = answer(protocol, Behaviour::Text { chunks, delay: Duration::ZERO }).await;
        assert_eq!(paired.text(), "Nine francs.", "{protocol:?}");
        let chunks = ["Not DONE! yet.", "\n</think>", "\nNine francs."].map(str::to_owned).to_vec();
        let unpaired = answer(protocol, Behaviour::Text { chunks, delay: Duration::ZERO }).await;
        let turned = unpaired.deltas.iter().position(|delta| *delta == Delta::TextWasReasoning).unwrap();
        assert_eq!(unpaired.deltas[turned + 1..], [Delta::Text("Nine francs.".into())], "{protocol:?}");
    }
}

#[tokio::test]
async fn what_came_with_a_call_comes_back_with_it() {
    let call = json!({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}}}]});
    let body = openai_frames(&[json!({"reasoning_content": "I look."}), call], "tool_calls");
    let server = WireServer::start(Protocol::OpenAi, move |_| Behaviour::Raw {
        kind: "text/event-stream",
        body: body.clone().into_bytes(),
    })
    .await;
    let models = Models::new(server.config("local"), |_| None);
    let first = ask(&models, hello()).await;
    let done = first.done().clone();
    let mut prompt = hello();
    prompt.entries.push(PromptMessage::Assistant { text: String::new(), calls: done.calls });
    prompt.entries.push(PromptMessage::ToolResult {
        call: "call_1".into(),
        name: "look".into(),
        ok: true,
        text: "blue".into(),
    });
    prompt.kept.insert(1, done.kept.unwrap());
    assert!(ask(&models, prompt).await.end.is_ok());
    let request = server.requests().pop().unwrap();
    let own = request.messages().iter().find(|message| message["role"] == "assistant").unwrap();
    assert_eq!(own["reasoning_content"], "I look.");
    assert_eq!(own["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "c2ln");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_has_a_class_of_its_own_in_every_protocol() {
    for (protocol, words) in [
        (Protocol::OpenAi, "This model's maximum context length is 8192 tokens."),
        (Protocol::OpenAi, "the request exceeds the available context size, try increasing it"),
        (Protocol::Anthropic, "prompt is too long: 210000 tokens > 200000 maximum"),
        (Protocol::Gemini, "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        (Protocol::Ollama, "input length exceeds the context length"),
    ] {
        let body = json!({"error": {"message": words}}).to_string();
        let answer = answer(protocol, Behaviour::status(400, &body)).await;
        assert_eq!(answer.error().class, ErrorClass::TooLong, "{protocol:?}: {words}");
        assert!(answer.error().text.contains("context = N"), "{}", answer.error());
    }
}

#[tokio::test]
async fn ollama_is_asked_to_hold_the_whole_prompt_up_to_what_the_model_can() {
    let server = WireServer::start(Protocol::Ollama, |request| {
        if request.path == "/api/show" {
            let body = json!({"model_info": {"qwen3.context_length": 20_000}}).to_string();
            return Behaviour::Raw { kind: "application/json", body: body.into_bytes() };
        }
        Behaviour::say("ok")
    })
    .await;
    let models = Models::new(server.config("local"), |_| None);
    let asked = async |bytes: usize| {
        let prompt = Prompt { entries: vec![said(None, &"x".repeat(bytes))], ..hello() };
        assert!(ask(&models, prompt).await.end.is_ok());
        server.requests().pop().unwrap().body["options"]["num_ctx"].clone()
    };
    assert_eq!(asked(30).await, json!(8192), "a small prompt asks nobody");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(asked(30_000).await, json!(16384));
    assert_eq!(asked(90_000).await, json!(20_000), "no more than the model can");
    assert_eq!(asked(30).await, json!(20_000), "a smaller one would make it load the model anew");
    assert_eq!(server.requests().iter().filter(|request| request.path == "/api/show").count(), 1);
    let mut config = server.config("local");
    config.provider.get_mut("local").unwrap().limits.context = Some(12_288);
    models.replace(config);
    assert_eq!(asked(30).await, json!(12_288));
}

#[tokio::test]
async fn a_refused_limit_of_the_answer_is_lowered_asked_once_more_and_kept() {
    let limit = |request: &crate::support::wire::Request| {
        let places = ["/max_tokens", "/options/num_predict", "/generationConfig/maxOutputTokens"];
        places.iter().find_map(|place| request.body.pointer(place)).and_then(serde_json::Value::as_u64)
    };
    for (protocol, words, asked) in [
        (
            Protocol::Anthropic,
            "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens",
            vec![16_384, 8_192, 8_192],
        ),
        (Protocol::Anthropic, "max_tokens is not valid for this model", vec![16_384, 8_192, 8_192]),
        (
            Protocol::OpenAi,
            "max_tokens is too large: 20000. This model supports at most 8192 completion tokens.",
            vec![20_000, 8_192, 8_192],
        ),
        (
            Protocol::Gemini,
            "max_output_tokens: the range is from 1 (inclusive) to 8193 (exclusive)",
            vec![20_000, 8_192, 8_192],
        ),
    ] {
        let server = WireServer::start(protocol, move |request| {
            if limit(request).unwrap() > 8_192 {
                return Behaviour::status(400, &json!({"error": {"message": words}}).to_string());
            }
            Behaviour::say("ok")
        })
        .await;
        let models = Models::new(server.config("local"), |_| None);
        let max_tokens = (protocol != Protocol::Anthropic).then_some(20_000);
        for _ in 0..2 {
            let answer = ask(&models, Prompt { max_tokens, ..hello() }).await;
            assert!(answer.end.is_ok(), "{protocol:?}: {}", answer.error());
        }
        let limits: Vec<u64> = server.requests().iter().filter_map(limit).collect();
        assert_eq!(limits, asked, "{protocol:?}: {words}");
    }
}

// Time.

/// What whoever waits is told, with comments every so often and then nothing.
#[tokio::test]
async fn a_comment_is_a_sign_of_life_and_silence_has_the_length_that_is_set() {
    for protocol in Protocol::iter() {
        let server = WireServer::start(protocol, move |_| {
            let wire = Wire(protocol);
            let mut pieces = vec![(Duration::from_millis(250), wire.noise()); 12];
            pieces.push((Duration::ZERO, wire.text("At last.")));
            Behaviour::Paced { pieces }
        })
        .await;
        let mut config = server.config("local");
        let limits = &mut config.provider.get_mut("local").unwrap().limits;
        (limits.first_token_timeout, limits.idle_timeout) = (Some(1), Some(1));
        let models = Models::new(config, |_| None);
        let mut asking = models.get("local/m").unwrap().ask(hello(), far());
        let mut said = String::new();
        let error = loop {
            match asking.next().await {
                Ok(Delta::Text(more)) => said.push_str(&more),
                Ok(Delta::Done(_)) => panic!("it never ends"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(said, "At last.", "{protocol:?}: three seconds of comments are waited for");
        let told = "local sent nothing for 1 s; idle_timeout in [provider.local] says how long it may";
        assert_eq!((error.class, error.text.as_str()), (ErrorClass::Transient, told));
    }
}

#[tokio::test]
async fn a_provider_that_failed_five_times_in_a_row_is_left_alone_until_it_answers() {
    let burns = Arc::new(AtomicBool::new(true));
    let fire = Arc::clone(&burns);
    let server = WireServer::start(Protocol::OpenAi, move |_| {
        if fire.load(Ordering::Relaxed) { Behaviour::status(500, "it burns") } else { Behaviour::say("ok") }
    })
    .await;
    let models = Models::new(server.config("local"), |_| None);
    for _ in 0..5 {
        assert_eq!(
            models.get("local/m").unwrap().ask(hello(), far()).next().await.unwrap_err().class,
            ErrorClass::Transient
        );
    }
    let error = models.get("local/m").unwrap().ask(hello(), far()).next().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Down);
    assert!(error.text.contains("it burns") && error.retry_after.is_some(), "{error}");
    assert_eq!(server.requests().len(), 5, "it was not asked");
    burns.store(false, Ordering::Relaxed);
    models.probe("local/m").await.unwrap();
    assert!(models.get("local/m").unwrap().ask(hello(), far()).next().await.is_ok(), "a person's probe found it well");
}
