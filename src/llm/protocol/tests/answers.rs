//! Answers are read as what they are, and alike however they are cut.

use std::collections::BTreeSet;

use futures::stream;
use proptest::prelude::*;
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::llm::protocol::read::Reading;
use crate::llm::protocol::{Fault, Names, Protocol};
use crate::llm::{Delta, Done, Stop, ToolSpec, Usage};

/// What bytes in these pieces come to.
fn read(protocol: Protocol, pieces: Vec<Vec<u8>>) -> (String, String, Result<Done, Fault>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let tool = ToolSpec { name: "look".into(), description: String::new(), schema: json!({}) };
        let incoming = stream::iter(pieces.into_iter().map(Ok));
        let mut reading = Reading::new(protocol, Names::of(&[tool.into()]), Box::pin(incoming));
        let (mut text, mut reasoning) = (String::new(), String::new());
        loop {
            let item = reading.next().await.expect("an answer ends with Done or a fault");
            let end = match item {
                Ok(Delta::Text(more)) => {
                    text.push_str(&more);
                    continue;
                }
                Ok(Delta::Reasoning(more)) => {
                    reasoning.push_str(&more);
                    continue;
                }
                Ok(Delta::TextWasReasoning) => {
                    reasoning.push_str(&std::mem::take(&mut text));
                    continue;
                }
                Ok(Delta::Alive | Delta::ToolCallStarted { .. }) => continue,
                Ok(Delta::Done(done)) => Ok(done),
                Err(fault) => Err(fault),
            };
            assert!(reading.next().await.is_none(), "nothing follows the end");
            return (text, reasoning, end);
        }
    })
}

fn whole(protocol: Protocol, body: &str) -> (String, String, Result<Done, Fault>) {
    read(protocol, vec![body.as_bytes().to_vec()])
}

fn events(frames: &[Value]) -> String {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<Vec<_>>().concat()
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

/// One answer in each protocol: thoughts, words with a broken pair, two calls.
fn answers() -> [(Protocol, String); 4] {
    let think = "<think>\\nHm.</think>\\n\\nSo: \\ud83d é漢";
    let openai = format!(
        "\u{feff}: ping\r\n\r\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"{think}\"}}}}]}}\r\n\r\n{}",
        events(&[
            chunk(&json!({"tool_calls": [{"id": "a", "function": {"name": "look", "arguments": {"x": 1}}}]}), None),
            chunk(&json!({"tool_calls": [{"id": "b", "function": {"name": "look", "arguments": "{\"x\""}}]}), None),
            chunk(&json!({"tool_calls": [{"function": {"arguments": ": 2}"}}]}), Some("tool_calls")),
            json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}),
        ])
    );
    let anthropic = format!(
        "event: content_block_start\ndata: {{\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"{think}\"}}}}\n\n{}",
        [
            ("message_start", json!({"message": {"usage": {"input_tokens": 5}}})),
            (
                "content_block_start",
                json!({"index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}}})
            ),
            (
                "content_block_start",
                json!({"index": 2, "content_block": {"type": "tool_use", "id": "b", "name": "look", "input": {}}})
            ),
            (
                "content_block_delta",
                json!({"index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"x\": 2}"}})
            ),
            ("message_delta", json!({"delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 6}})),
        ]
        .map(|(event, data)| format!("event: {event}\ndata: {data}\n\n"))
        .concat()
    );
    let gemini = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{think}\"}}]}}}}]}}\n\n{}",
        events(&[
            json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "look", "args": {"x": 1}}}]}, "finishReason": "STOP"}]}),
            json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "look", "args": {"x": 2}}}]}}],
                "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 6}}),
        ])
    );
    let ollama = format!(
        "{{\"message\":{{\"content\":\"{think}\"}},\"done\":false}}\n{}\n{}",
        json!({"message": {"content": "", "tool_calls": [{"function": {"name": "look", "arguments": {"x": 1}}},
            {"function": {"name": "look", "arguments": {"x": 2}}}]}, "done": false}),
        json!({"message": {"content": ""}, "done": true, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 6}),
    );
    [
        (Protocol::OpenAi, openai),
        (Protocol::Anthropic, anthropic),
        (Protocol::Gemini, gemini),
        (Protocol::Ollama, ollama),
    ]
}

fn assert_whole(protocol: Protocol, got: (String, String, Result<Done, Fault>)) {
    let (text, reasoning, end) = got;
    assert_eq!((text.as_str(), reasoning.as_str()), ("So: \u{fffd} é漢", "\nHm."), "{protocol:?}");
    let done = end.unwrap();
    let calls: Vec<&Value> = done.calls.iter().map(|call| &call.arguments["x"]).collect();
    assert_eq!((done.stop, calls), (Stop::Calls, vec![&json!(1), &json!(2)]), "{protocol:?}");
    assert_eq!((done.usage.tokens_in, done.usage.tokens_out), (5, 6), "{protocol:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn an_answer_is_read_alike_however_it_is_cut(cuts in prop::collection::vec(0usize..1_200, 0..40)) {
        for (protocol, body) in answers() {
            let bytes = body.as_bytes();
            let cuts: BTreeSet<usize> = cuts.iter().map(|at| at % bytes.len()).chain([0, bytes.len()]).collect();
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let pieces = cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect();
            assert_whole(protocol, read(protocol, pieces));
        }
    }

    #[test]
    fn whatever_comes_there_is_one_end(pieces in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                "data: ", "\n\n", "{\"choices\": [", "{\"index\": 0, \"delta\": {\"tool_calls\": [{}, null, 3]}}", "]}",
                "event: error\n", "null", "[DONE]", "{\"message\": {\"tool_calls\": 7}, \"done\": true}\n", "<html>",
                "{\"candidates\": [null]}", "{\"type\": \"content_block_start\"}", "{\"error\": null}",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..12))
    {
        for protocol in Protocol::iter() {
            let _ = read(protocol, pieces.clone());
        }
    }
}

#[test]
fn an_answer_ends_by_its_reason_though_no_mark_follows() {
    let openai = events(&[chunk(&json!({"content": "It is settled."}), Some("stop"))]);
    let anthropic = "event: content_block_delta\ndata: {\"index\": 0, \"delta\": {\"text\": \"It is settled.\"}}\n\n\
                     event: message_delta\ndata: {\"delta\": {\"stop_reason\": \"end_turn\"}}\n\n";
    // The last empty line is missing, too.
    for (protocol, body) in [(Protocol::OpenAi, openai.trim_end()), (Protocol::Anthropic, anthropic)] {
        let (text, _, end) = whole(protocol, body);
        assert_eq!((text.as_str(), end.unwrap().stop), ("It is settled.", Stop::End), "{protocol:?}");
    }
    assert_eq!(whole(Protocol::OpenAi, &events(&[chunk(&json!({"content": "It is"}), None)])).2, Err(Fault::Cut));
    assert_eq!(whole(Protocol::OpenAi, "data: {\"choices\": [{\"del").2, Err(Fault::Cut));
}

#[test]
fn a_whole_json_answer_to_a_streaming_request_is_an_answer() {
    for (protocol, answer) in [
        (Protocol::OpenAi, json!({"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})),
        (Protocol::OpenAi, json!({"choices": [{"message": {"content": "Hello."}}]})),
        (
            Protocol::Anthropic,
            json!({"type": "message", "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn"}),
        ),
        (
            Protocol::Gemini,
            json!([{"candidates": [{"content": {"parts": [{"text": "Hello."}]}, "finishReason": "STOP"}]}]),
        ),
        (Protocol::Ollama, json!({"message": {"content": "Hello."}, "done": true, "done_reason": "stop"})),
    ] {
        for body in [answer.to_string(), format!("{answer:#}\n")] {
            let (text, _, end) = whole(protocol, &body);
            assert!(text == "Hello." && end.is_ok(), "{protocol:?}: {text:?} {end:?} of {body}");
        }
    }
}

#[test]
fn an_error_is_found_wherever_it_stands() {
    let told = |protocol, body: &str| match whole(protocol, body).2.unwrap_err() {
        Fault::Told(value) => value.to_string(),
        Fault::Words(words) | Fault::Page(words) | Fault::Blocked(words) => words,
        other => panic!("{other:?} of {body}"),
    };
    for protocol in Protocol::iter() {
        let words = "the model is not loaded";
        let json = json!({"error": {"message": words, "code": 400}});
        for body in [json.to_string(), format!("{json:#}"), format!("<html><body>{words}</body></html>")] {
            assert!(told(protocol, &body).contains(words), "{protocol:?}: {body}");
        }
        if protocol != Protocol::Ollama {
            for body in [
                format!("data: {json}\n\n"),
                format!("event: error\ndata: {{\"message\": \"{words}\"}}\n\n"),
                format!("event: error\ndata: {words}\n\n"),
                format!("data: {{\"object\": \"error\", \"message\": \"{words}\", \"code\": 400}}\n\n"),
                words.to_owned(),
            ] {
                assert!(told(protocol, &body).contains(words), "{protocol:?}: {body}");
            }
        }
    }
    let blocked = events(&[json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})]);
    assert_eq!(told(Protocol::Gemini, &blocked), "PROHIBITED_CONTENT");
}

#[test]
fn the_reason_for_a_stop_is_read_before_the_words() {
    let openai = |delta: Value, reason: &str| (Protocol::OpenAi, events(&[chunk(&delta, Some(reason))]));
    let anthropic = |reason: &str| {
        let delta = json!({"type": "message_delta", "delta": {"stop_reason": reason}});
        (Protocol::Anthropic, events(&[delta]))
    };
    let gemini = |reason: &str| (Protocol::Gemini, events(&[json!({"candidates": [{"finishReason": reason}]})]));
    let ollama = |reason: &str| (Protocol::Ollama, json!({"done": true, "done_reason": reason}).to_string());
    for ((protocol, body), stop) in [
        (openai(json!({"reasoning_content": "Hm."}), "length"), Stop::Length),
        (openai(json!({"refusal": "I cannot."}), "stop"), Stop::Refused),
        (openai(json!({}), "content_filter"), Stop::Filtered),
        (anthropic("max_tokens"), Stop::Length),
        (anthropic("refusal"), Stop::Refused),
        (anthropic("pause_turn"), Stop::Paused),
        (anthropic("model_context_window_exceeded"), Stop::Window),
        (gemini("MAX_TOKENS"), Stop::Length),
        (gemini("SAFETY"), Stop::Filtered),
        (gemini("STOP"), Stop::Empty),
        (ollama("length"), Stop::Length),
    ] {
        assert_eq!(whole(protocol, &body).2.unwrap().stop, stop, "{protocol:?}: {body}");
    }
    let loading = ollama("load");
    assert!(matches!(whole(loading.0, &loading.1).2, Err(Fault::Broken(_))));
}

#[test]
fn what_a_provider_wants_back_is_kept_with_the_call() {
    let call =
        json!({"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}, "extra_content": {"google": 1}});
    let openai = events(&[
        chunk(&json!({"reasoning_content": "H"}), None),
        chunk(&json!({"reasoning_content": "m.", "tool_calls": [call]}), Some("tool_calls")),
    ]);
    let block =
        |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let anthropic = events(&[
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}),
        json!({"type": "content_block_stop", "index": 0}),
        block(1, json!({"type": "tool_use", "id": "c", "name": "look", "input": {}})),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
    ]);
    let part = json!({"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"});
    let gemini = events(&[json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})]);
    for (protocol, body, kept) in [
        (Protocol::OpenAi, openai, json!({"reasoning_content": "Hm.", "calls": {"c": {"google": 1}}})),
        (
            Protocol::Anthropic,
            anthropic,
            json!({"thinking": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]}),
        ),
        (Protocol::Gemini, gemini, json!({"calls": {"#0": "c2ln"}})),
    ] {
        assert_eq!(whole(protocol, &body).2.unwrap().kept.unwrap().value, kept, "{protocol:?}");
    }
}

#[test]
fn an_answer_without_end_is_bounded() {
    let piece = events(&[chunk(&json!({"content": "round and round ".repeat(4_000)}), None)]).into_bytes();
    let endless = vec![piece; 1_200];
    assert!(matches!(read(Protocol::OpenAi, endless).2, Err(Fault::Endless(_))));
    let line = vec![b"data: ".repeat(200_000); 8];
    assert!(matches!(read(Protocol::OpenAi, line).2, Err(Fault::Endless(_))));
}

#[test]
fn cached_and_reasoning_tokens_are_told_by_whom_counts_them() {
    let openai = events(&[
        chunk(&json!({"content": "Yes."}), Some("stop")),
        json!({"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 30,
            "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens_details": {"reasoning_tokens": 20}}}),
    ]);
    let deepseek = events(&[
        chunk(&json!({"content": "Yes."}), Some("stop")),
        json!({"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 30, "prompt_cache_hit_tokens": 40,
            "prompt_cache_miss_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 20}}}),
    ]);
    let anthropic = [
        (
            "message_start",
            json!({"message": {"usage": {"input_tokens": 4, "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 6}}}),
        ),
        ("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": "Yes."}})),
        ("message_delta", json!({"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}})),
    ]
    .map(|(event, data)| format!("event: {event}\ndata: {data}\n\n"))
    .concat();
    let gemini = events(&[json!({
        "candidates": [{"content": {"parts": [{"text": "Yes."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 50, "candidatesTokenCount": 10, "thoughtsTokenCount": 20,
            "cachedContentTokenCount": 40},
    })]);
    let ollama = json!({"message": {"content": "Yes."}, "done": true, "done_reason": "stop", "prompt_eval_count": 50,
        "eval_count": 30})
    .to_string();
    for (protocol, body, cached, reasoning) in [
        (Protocol::OpenAi, openai, 40, 20),
        (Protocol::OpenAi, deepseek, 40, 20),
        (Protocol::Anthropic, anthropic, 40, 0),
        (Protocol::Gemini, gemini, 40, 20),
        (Protocol::Ollama, ollama, 0, 0),
    ] {
        let done = whole(protocol, &body).2.unwrap();
        assert_eq!(done.usage, Usage { tokens_in: 50, tokens_out: 30, cached, reasoning }, "{protocol:?}");
    }
}
