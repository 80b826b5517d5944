//! Requests are valid whatever the conversation holds, and give back what is wanted to whom it came from.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use super::valid::{assert_valid, list};
use crate::domain::Kept;
use crate::llm::protocol::{Names, Options, Protocol, answer_limit, gemini::NO_SIGNATURE, request};
use crate::llm::{MemoryBlock, Prompt, PromptMessage, ToolCall, ToolSpec};

const PROVIDER: &str = "here";
const MODEL: &str = "m-1";

// Conversations that hold anything.

fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        " ",
        "\n\t",
        "Hello.",
        " ends in space \n",
        "né 漢字 👩‍🚀",
        "<note>\n</note>",
        "a: b",
        "\u{0}\u{202e}",
        "[interrupted]",
    ])
    .prop_map(str::to_owned)
}

fn call_id() -> impl Strategy<Value = String> {
    let long = "x".repeat(90);
    prop::sample::select(vec![
        String::new(),
        "call_1".into(),
        "call-1".into(),
        "call#1".into(),
        "#0".into(),
        "#1".into(),
        "漢".into(),
        "functions.look:0".into(),
        long.clone(),
        format!("{long}2"),
        "a b".into(),
        "abcDEF123".into(),
        "call_1-2".into(),
    ])
}

fn tool_name() -> impl Strategy<Value = String> {
    let long = "look".repeat(30);
    prop::sample::select(vec![
        String::new(),
        "look".into(),
        "memory_insert(plan)".into(),
        "看".into(),
        "1st".into(),
        "a.b".into(),
        "a_b".into(),
        long,
        " ".into(),
        "-x".into(),
        "functions::look".into(),
    ])
}

fn arguments() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![json!({}), json!({"a": "é"}), json!(null), json!([1]), json!("{\"half\": "), json!(7)])
}

fn entry() -> impl Strategy<Value = PromptMessage> {
    let call = (call_id(), tool_name(), arguments()).prop_map(|(id, name, arguments)| ToolCall { id, name, arguments });
    prop_oneof![
        (prop::option::of(words()), words()).prop_map(|(by, text)| PromptMessage::User { by, text }),
        words().prop_map(|text| PromptMessage::System { text }),
        (words(), prop::collection::vec(call, 0..4)).prop_map(|(text, calls)| PromptMessage::Assistant { text, calls }),
        (call_id(), tool_name(), any::<bool>(), words()).prop_map(|(call, name, ok, text)| PromptMessage::ToolResult {
            call,
            name,
            ok,
            text
        }),
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
    let of = (prop::sample::select(Protocol::iter().collect::<Vec<_>>()), any::<bool>(), any::<bool>(), value);
    of.prop_map(|(protocol, same_provider, same_model, value)| Kept {
        protocol: <&str>::from(protocol).to_owned(),
        provider: if same_provider { PROVIDER.to_owned() } else { "elsewhere".to_owned() },
        model: if same_model { MODEL.to_owned() } else { "m-2".to_owned() },
        value,
    })
}

fn prompt() -> impl Strategy<Value = Prompt> {
    let tools = prop::collection::vec(tool_name(), 0..4).prop_map(|names| {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
        let tool = |name| Arc::new(ToolSpec { name, description: "Looks.".into(), schema: schema.clone() });
        names.into_iter().map(tool).collect()
    });
    let entries = prop::collection::vec(entry(), 0..9);
    (words(), entries, prop::collection::btree_map(0..9usize, kept(), 0..4), tools)
        .prop_map(|(system, entries, kept, tools)| Prompt { system, entries, kept, tools, ..Prompt::default() })
}

pub(super) fn body_of(protocol: Protocol, prompt: &Prompt, model: &str) -> Value {
    let names = Names::of(&prompt.tools);
    let max_tokens = answer_limit(protocol, prompt, model);
    let options = Options { provider: PROVIDER, model, official: false, num_ctx: Some(8_192), max_tokens, names };
    serde_json::to_value(request(protocol, prompt, &options)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn a_request_is_valid_whatever_the_conversation_holds(prompt in prompt()) {
        for protocol in Protocol::iter() {
            assert_valid(protocol.into(), &body_of(protocol, &prompt, MODEL));
        }
    }
}

// What is given back, and to whom.

fn talk(kept: &Kept) -> Prompt {
    let own = |id: &str| PromptMessage::Assistant {
        text: String::new(),
        calls: vec![ToolCall { id: id.into(), name: "look".into(), arguments: json!({}) }],
    };
    let result =
        |id: &str| PromptMessage::ToolResult { call: id.into(), name: "look".into(), ok: true, text: "blue".into() };
    let tool = ToolSpec { name: "look".into(), description: String::new(), schema: json!({"type": "object"}) };
    Prompt {
        entries: vec![
            PromptMessage::User { by: None, text: "Look.".into() },
            own("foreign!"),
            result("foreign!"),
            own("call_1"),
            result("call_1"),
        ],
        kept: [(3, kept.clone())].into(),
        tools: vec![Arc::new(tool)],
        ..Prompt::default()
    }
}

fn kept_of(protocol: Protocol, value: Value) -> Kept {
    Kept { protocol: <&str>::from(protocol).to_owned(), provider: PROVIDER.into(), model: MODEL.into(), value }
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
    assert_eq!(body["contents"][1]["parts"][0]["thoughtSignature"], NO_SIGNATURE);
    let body = body_of(Protocol::Gemini, &talk(&Kept::default()), "gemini-2.0-flash");
    assert!(!body.to_string().contains("thoughtSignature"), "a model that gives none wants none");
}

#[test]
fn an_invented_tool_name_is_sent_as_one_that_is_accepted_and_a_mapped_one_comes_back() {
    let spec = |name: &str| Arc::new(ToolSpec { name: name.into(), description: String::new(), schema: json!({}) });
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
        entries: vec![PromptMessage::User { by: None, text: "Hi".into() }],
        ..Prompt::default()
    };
    let limit = |protocol, at: &str| body_of(protocol, &prompt, MODEL).pointer(at).cloned();
    assert_eq!(limit(Protocol::OpenAi, "/max_tokens"), Some(json!(99)));
    assert_eq!(limit(Protocol::Anthropic, "/max_tokens"), Some(json!(99)));
    assert_eq!(limit(Protocol::Gemini, "/generationConfig/maxOutputTokens"), Some(json!(99)));
    assert_eq!(limit(Protocol::Ollama, "/options/num_predict"), Some(json!(99)));
    assert_eq!(limit(Protocol::Ollama, "/options/num_ctx"), Some(json!(8_192)));
    let (max_tokens, names) = (prompt.max_tokens, Names::default());
    let options = Options { provider: PROVIDER, model: MODEL, official: true, num_ctx: None, max_tokens, names };
    assert_eq!(request(Protocol::OpenAi, &prompt, &options).rest["max_completion_tokens"], 99);
}
