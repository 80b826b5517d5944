//! Requests are valid whatever the conversation holds, and answers are read alike however they are cut.

use std::collections::BTreeSet;

use futures::stream;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::Reading;
use super::{Fault, Names, Options, Protocol, request};
use crate::domain::Kept;
use crate::llm::{Delta, Done, Entry, MemoryBlock, Prompt, Stop, ToolCall, ToolSpec};

// What each protocol's servers refuse.

const PROVIDER: &str = "here";
const MODEL: &str = "m-1";

fn is_name(name: &Value) -> bool {
    let name = name.as_str().unwrap_or_default();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn has_words(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Messages of `OpenAI`'s protocol, as its strictest servers take them.
fn openai(body: &Value) {
    let messages = list(body, "messages");
    let begin = usize::from(role(&messages[0]) == "system");
    assert!(messages[..begin].iter().all(|system| has_words(&system["content"])));
    let mut ids = BTreeSet::new();
    let mut open: Vec<&Value> = Vec::new();
    let mut before = "system";
    for message in &messages[begin..] {
        match role(message) {
            "user" => {
                assert!(matches!(before, "system" | "assistant"), "user behind {before}");
                assert!(open.is_empty() && has_words(&message["content"]), "{message}");
            }
            "assistant" => {
                assert!(matches!(before, "user" | "tool") && open.is_empty(), "{message}");
                let calls = list(message, "tool_calls");
                assert!(has_words(&message["content"]) || message["content"].is_null() && !calls.is_empty());
                assert!(message.get("tool_calls").is_none() || !calls.is_empty());
                for call in calls {
                    let id = call["id"].as_str().unwrap();
                    assert!(!id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic()));
                    assert!(ids.insert(id), "an id twice");
                    assert!(is_name(&call["function"]["name"]), "{call}");
                    let arguments = call["function"]["arguments"].as_str().unwrap();
                    assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object());
                    open.push(&call["id"]);
                }
            }
            "tool" => {
                assert_eq!(Some(&message["tool_call_id"]), open.first().copied(), "{message}");
                open.remove(0);
                assert!(has_words(&message["content"]));
            }
            other => panic!("a role {other}"),
        }
        before = role(message);
    }
    assert!(open.is_empty() && role(&messages[begin]) == "user" && before != "assistant");
    let calls = messages.iter().filter(|message| message.get("tool_calls").is_some());
    let reasoned: Vec<bool> = calls.map(|message| message.get("reasoning_content").is_some()).collect();
    assert!(reasoned.iter().all(|one| *one == reasoned[0]), "reasoning with all calls or none");
}

fn anthropic(body: &Value) {
    assert!(body["max_tokens"].as_u64().unwrap() > 0);
    assert!(body.get("system").is_none_or(has_words));
    let messages = list(body, "messages");
    let mut ids = BTreeSet::new();
    let mut open: Vec<&Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        assert_eq!(role(message), if at % 2 == 0 { "user" } else { "assistant" });
        let blocks = match &message["content"] {
            Value::String(_) => {
                assert!(has_words(&message["content"]) && open.is_empty());
                continue;
            }
            blocks => blocks.as_array().unwrap(),
        };
        assert!(!blocks.is_empty());
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "text" => {
                    assert!(has_words(&block["text"]) && (role(message) == "assistant" || open.is_empty()));
                    assert_eq!(block["text"].as_str().unwrap().trim_end(), block["text"]);
                }
                "thinking" => assert!(role(message) == "assistant" && has_words(&block["signature"])),
                "tool_use" => {
                    let id = block["id"].as_str().unwrap();
                    assert!(!id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
                    assert!(ids.insert(id), "an id twice: {id}");
                    assert!(is_name(&block["name"]) && block["input"].is_object() && role(message) == "assistant");
                    open.push(&block["id"]);
                }
                "tool_result" => {
                    assert_eq!(Some(&block["tool_use_id"]), open.first().copied());
                    open.remove(0);
                    assert!(has_words(&block["content"]) && role(message) == "user");
                }
                other => panic!("a block {other}"),
            }
        }
        assert!(role(message) == "assistant" || open.is_empty(), "a call without its result");
    }
    assert_eq!(messages.len() % 2, 1, "the last is the user's");
    assert!(body.get("tools").is_some() || ids.is_empty(), "calls without tools");
}

fn gemini(body: &Value) {
    let contents = list(body, "contents");
    let mut open: Vec<&Value> = Vec::new();
    let mut before = "";
    for content in contents {
        let parts = list(content, "parts");
        assert!(!parts.is_empty());
        for part in parts {
            if let Some(call) = part.get("functionCall") {
                assert!(is_name(&call["name"]) && call["args"].is_object() && role(content) == "model");
                open.push(&call["name"]);
            } else if let Some(response) = part.get("functionResponse") {
                assert_eq!(Some(&response["name"]), open.first().copied());
                open.remove(0);
                assert!(response["response"].is_object() && role(content) == "user");
            } else {
                assert!(has_words(&part["text"]) && (role(content) == "model" || open.is_empty()));
            }
        }
        assert!(role(content) == "model" || open.is_empty(), "a call without its result");
        assert!(role(content) != before || before == "user");
        before = role(content);
    }
    assert!(open.is_empty() && role(&contents[0]) == "user" && before == "user");
    for tool in list(&body["tools"][0], "functionDeclarations") {
        assert!(is_name(&tool["name"]) && !tool.to_string().contains("additionalProperties"));
    }
}

fn ollama(body: &Value) {
    let mut open: Vec<&Value> = Vec::new();
    let mut before = "";
    for message in list(body, "messages") {
        match role(message) {
            "tool" => {
                assert_eq!(Some(&message["tool_name"]), open.first().copied());
                open.remove(0);
                assert!(has_words(&message["content"]));
            }
            "assistant" => {
                assert!(open.is_empty() && before != "assistant");
                assert!(has_words(&message["content"]) || !list(message, "tool_calls").is_empty());
                for call in list(message, "tool_calls") {
                    assert!(is_name(&call["function"]["name"]) && call["function"]["arguments"].is_object());
                    open.push(&call["function"]["name"]);
                }
            }
            _ => assert!(open.is_empty() && has_words(&message["content"])),
        }
        before = role(message);
    }
    assert!(open.is_empty() && before != "assistant");
    assert!(body["options"]["num_ctx"].as_u64().unwrap() > 0);
}

// Conversations that hold anything.

fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "", " ", "\n\t", "Hello.", " ends in space \n", "né 漢字 👩‍🚀", "<note>\n</note>", "a: b", "\u{0}\u{202e}", "[interrupted]",
    ])
    .prop_map(str::to_owned)
}

fn call_id() -> impl Strategy<Value = String> {
    let long = "x".repeat(90);
    prop::sample::select(vec![
        String::new(), "call_1".into(), "call-1".into(), "call#1".into(), "#0".into(), "#1".into(), "漢".into(),
        "functions.look:0".into(), long.clone(), format!("{long}2"), "a b".into(), "abcDEF123".into(), "call_1-2".into(),
    ])
}

fn tool_name() -> impl Strategy<Value = String> {
    let long = "look".repeat(30);
    prop::sample::select(vec![
        String::new(), "look".into(), "memory_insert(plan)".into(), "看".into(), "1st".into(), "a.b".into(), "a_b".into(),
        long, " ".into(), "-x".into(), "functions::look".into(),
    ])
}

fn arguments() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![json!({}), json!({"a": "é"}), json!(null), json!([1]), json!("{\"half\": "), json!(7)])
}

fn entry() -> impl Strategy<Value = Entry> {
    let call = (call_id(), tool_name(), arguments())
        .prop_map(|(id, name, arguments)| ToolCall { id, name, arguments });
    prop_oneof![
        (prop::option::of(words()), words()).prop_map(|(by, text)| Entry::Said { by, text }),
        words().prop_map(|text| Entry::Note { text }),
        (words(), prop::collection::vec(call, 0..4)).prop_map(|(text, calls)| Entry::Own { text, calls }),
        (call_id(), tool_name(), any::<bool>(), words())
            .prop_map(|(call, name, ok, text)| Entry::Result { call, name, ok, text }),
    ]
}

fn kept() -> impl Strategy<Value = Kept> {
    let value = prop::sample::select(vec![
        json!({"reasoning_content": "Hm.", "calls": {"call_1": {"google": 1}}}),
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}),
        json!({"thinking": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]}),
        json!({"calls": {"call_1": "c2ln", "#0": "c2ln"}}),
        json!(null),
    ]);
    let of = (prop::sample::select(Protocol::ALL.to_vec()), any::<bool>(), any::<bool>(), value);
    of.prop_map(|(protocol, same_provider, same_model, value)| Kept {
        protocol: protocol.word().to_owned(),
        provider: if same_provider { PROVIDER.to_owned() } else { "elsewhere".to_owned() },
        model: if same_model { MODEL.to_owned() } else { "m-2".to_owned() },
        value,
    })
}

fn prompt() -> impl Strategy<Value = Prompt> {
    let tools = prop::collection::vec(tool_name(), 0..4).prop_map(|names| {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
        let tool = |name| ToolSpec { name, description: "Looks.".into(), schema: schema.clone() };
        names.into_iter().map(tool).collect()
    });
    let entries = prop::collection::vec(entry(), 0..9);
    (words(), entries, prop::collection::btree_map(0..9usize, kept(), 0..4), tools).prop_map(
        |(system, entries, kept, tools)| Prompt { system, entries, kept, tools, ..Prompt::default() },
    )
}

fn body_of(protocol: Protocol, prompt: &Prompt, model: &str) -> Value {
    let names = Names::of(&prompt.tools);
    let options = Options { provider: PROVIDER, model, official: false, num_ctx: Some(8_192), names };
    request(protocol, prompt, &options)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn a_request_is_valid_whatever_the_conversation_holds(prompt in prompt()) {
        openai(&body_of(Protocol::OpenAi, &prompt, MODEL));
        anthropic(&body_of(Protocol::Anthropic, &prompt, MODEL));
        gemini(&body_of(Protocol::Gemini, &prompt, MODEL));
        ollama(&body_of(Protocol::Ollama, &prompt, MODEL));
    }
}

// What is given back, and to whom.

fn talk(kept: &Kept) -> Prompt {
    let own = |id: &str| Entry::Own {
        text: String::new(),
        calls: vec![ToolCall { id: id.into(), name: "look".into(), arguments: json!({}) }],
    };
    let result = |id: &str| Entry::Result { call: id.into(), name: "look".into(), ok: true, text: "blue".into() };
    let tool = ToolSpec { name: "look".into(), description: String::new(), schema: json!({"type": "object"}) };
    Prompt {
        entries: vec![
            Entry::Said { by: None, text: "Look.".into() },
            own("foreign!"),
            result("foreign!"),
            own("call_1"),
            result("call_1"),
        ],
        kept: [(3, kept.clone())].into(),
        tools: vec![tool],
        ..Prompt::default()
    }
}

fn kept_of(protocol: Protocol, value: Value) -> Kept {
    Kept { protocol: protocol.word().into(), provider: PROVIDER.into(), model: MODEL.into(), value }
}

#[test]
fn reasoning_goes_back_to_the_provider_it_came_from_and_to_no_other() {
    let kept = kept_of(
        Protocol::OpenAi,
        json!({"reasoning_content": "Hm.", "reasoning_details": [{"id": 1}], "calls": {"call_1": {"google": "s"}}}),
    );
    let body = body_of(Protocol::OpenAi, &talk(&kept), MODEL);
    let messages = list(&body, "messages");
    assert_eq!(messages[1]["reasoning_content"], "", "a call from elsewhere has none, and the field is wanted");
    assert_eq!(messages[3]["reasoning_content"], "Hm.");
    assert_eq!(messages[3]["reasoning_details"], json!([{"id": 1}]));
    assert_eq!(messages[3]["tool_calls"][0]["extra_content"], json!({"google": "s"}));
    assert_eq!(messages[3]["tool_calls"][0]["id"], "call_1", "its own id");
    assert_eq!(messages[1]["tool_calls"][0]["id"].as_str().unwrap().len(), 9, "an id that everybody takes");
    for protocol in [Protocol::Anthropic, Protocol::Gemini, Protocol::Ollama] {
        assert!(!body_of(protocol, &talk(&kept), MODEL).to_string().contains("Hm."), "{protocol:?}");
    }
    let elsewhere = Kept { provider: "elsewhere".into(), ..kept };
    let body = body_of(Protocol::OpenAi, &talk(&elsewhere), MODEL).to_string();
    assert!(!body.contains("reasoning") && !body.contains("extra_content"), "{body}");
}

#[test]
fn thinking_blocks_go_back_first_and_signatures_beside_their_calls() {
    let block = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    let kept = kept_of(Protocol::Anthropic, json!({"thinking": [block]}));
    let body = body_of(Protocol::Anthropic, &talk(&kept), MODEL);
    assert_eq!(body["messages"][3]["content"][0], block);
    assert!(!body_of(Protocol::Anthropic, &talk(&kept), "m-2").to_string().contains("Hm."), "another model's");

    let kept = kept_of(Protocol::Gemini, json!({"calls": {"call_1": "c2ln"}}));
    let body = body_of(Protocol::Gemini, &talk(&kept), MODEL);
    assert_eq!(body["contents"][3]["parts"][0]["thoughtSignature"], "c2ln");
    assert_eq!(body["contents"][1]["parts"][0]["thoughtSignature"], super::gemini::NO_SIGNATURE);
    let body = body_of(Protocol::Gemini, &talk(&Kept::default()), "gemini-2.0-flash");
    assert!(!body.to_string().contains("thoughtSignature"), "a model that gives none wants none");
}

#[test]
fn an_invented_tool_name_is_sent_as_one_that_is_accepted_and_a_mapped_one_comes_back() {
    let spec = |name: &str| ToolSpec { name: name.into(), description: String::new(), schema: json!({}) };
    let names = Names::of(&[spec("files.read"), spec("files_read"), spec("看")]);
    assert_eq!(names.sent(), ["files_read", "files_read_2", "_"]);
    assert_eq!(names.original("files_read_2"), "files_read");
    assert_eq!((names.original("_"), names.original("other")), ("看".to_owned(), "other".to_owned()));
    assert_eq!(names.sent_for("memory_insert(plan)"), "memory_insert_plan_");
}

#[test]
fn a_request_carries_the_limits_in_the_words_of_its_protocol() {
    let prompt = Prompt {
        max_tokens: Some(99),
        memory: vec![MemoryBlock::default()],
        entries: vec![Entry::Said { by: None, text: "Hi".into() }],
        ..Prompt::default()
    };
    let limit = |protocol, at: &str| body_of(protocol, &prompt, MODEL).pointer(at).cloned();
    assert_eq!(limit(Protocol::OpenAi, "/max_tokens"), Some(json!(99)));
    assert_eq!(limit(Protocol::Anthropic, "/max_tokens"), Some(json!(99)));
    assert_eq!(limit(Protocol::Gemini, "/generationConfig/maxOutputTokens"), Some(json!(99)));
    assert_eq!(limit(Protocol::Ollama, "/options/num_predict"), Some(json!(99)));
    assert_eq!(limit(Protocol::Ollama, "/options/num_ctx"), Some(json!(8_192)));
    let options =
        Options { provider: PROVIDER, model: MODEL, official: true, num_ctx: None, names: Names::default() };
    assert_eq!(request(Protocol::OpenAi, &prompt, &options)["max_completion_tokens"], 99);
}

// How an answer is read.

/// What bytes in these pieces come to.
fn read(protocol: Protocol, pieces: Vec<Vec<u8>>) -> (String, String, Result<Done, Fault>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let tool = ToolSpec { name: "look".into(), description: String::new(), schema: json!({}) };
        let incoming = stream::iter(pieces.into_iter().map(Ok));
        let mut reading = Reading::new(protocol, Names::of(&[tool]), Box::pin(incoming));
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
                Ok(Delta::Alive | Delta::Draft { .. }) => continue,
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
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect()
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
            ("content_block_start", json!({"index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}}})),
            ("content_block_start", json!({"index": 2, "content_block": {"type": "tool_use", "id": "b", "name": "look", "input": {}}})),
            ("content_block_delta", json!({"index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"x\": 2}"}})),
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
        for protocol in Protocol::ALL {
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
        (Protocol::Anthropic, json!({"type": "message", "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn"})),
        (Protocol::Gemini, json!([{"candidates": [{"content": {"parts": [{"text": "Hello."}]}, "finishReason": "STOP"}]}])),
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
    for protocol in Protocol::ALL {
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
    let call = json!({"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}, "extra_content": {"google": 1}});
    let openai = events(&[
        chunk(&json!({"reasoning_content": "H"}), None),
        chunk(&json!({"reasoning_content": "m.", "tool_calls": [call]}), Some("tool_calls")),
    ]);
    let block = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
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
        (Protocol::Anthropic, anthropic, json!({"thinking": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]})),
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
