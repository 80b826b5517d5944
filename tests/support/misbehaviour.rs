//! The ways of a server that misbehaves, over every protocol: what it sends, what has to become of the words in it, and
//! what is told where it fails.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};
use strum::EnumIter;

use super::wire::{Behaviour, Call, Protocol, Reason, Wire};

/// What has to become of the words of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They stand once: the answer is whole, or it was cut and cannot be had otherwise.
    Stand,
    /// They may be given up for another try, and never stand twice.
    MayStand,
}

/// Words that occur nowhere else, to find an answer again.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Said.
    pub word: String,
    /// Thought.
    pub thought: String,
    /// Written into a block.
    pub note: String,
}

/// One way to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter)]
pub enum Quirk {
    // An answer all the same.
    Well,
    Drip,
    Comments,
    LongSilence,
    Crlf,
    WholeJson,
    HeldLine,
    NoDone,
    NoReason,
    NullFields,
    LoneSurrogate,
    BadUtf8,
    Thinks,
    ThinksInWords,
    ThinksUnpaired,
    CallInPieces,
    CallWhole,
    CallWithoutNumber,
    CallWithObject,
    TwoCallsOneId,
    WrongName,
    LongName,
    NullArguments,
    // No answer, or half of one.
    CutStream,
    CutInCall,
    CutByLimit,
    ThoughtToLimit,
    CallToLimit,
    Refusal,
    Filtered,
    Pause,
    Empty,
    BrokenArguments,
    CallsNone,
    Garbage,
    ErrorIn200,
    ErrorEvent,
    Html,
    PlainText,
    EndlessLine,
    TooMany,
    TooManyWait,
    Overloaded,
    NoSuchModel,
    BadRequest,
    TooLong,
    Stall,
    Silent,
}

impl Quirk {
    /// True for what ends in an answer.
    pub fn is_answer(self) -> bool {
        self < Self::CutStream
    }

    /// What has to become of its words.
    pub fn fate(self) -> Fate {
        if self.is_answer() || self == Self::CutByLimit { Fate::Stand } else { Fate::MayStand }
    }

    /// False where the protocol has no way to do it.
    pub fn concerns(self, protocol: Protocol) -> bool {
        let only = |protocols: &[Protocol]| protocols.contains(&protocol);
        match self {
            Self::CallWithoutNumber | Self::CallWithObject | Self::TwoCallsOneId => only(&[Protocol::OpenAi]),
            Self::Pause => only(&[Protocol::Anthropic]),
            Self::Refusal | Self::CallsNone | Self::NoDone | Self::CallToLimit => {
                only(&[Protocol::OpenAi, Protocol::Anthropic])
            }
            Self::Filtered => only(&[Protocol::OpenAi, Protocol::Gemini]),
            Self::NoReason => protocol != Protocol::Gemini,
            Self::Crlf => protocol != Protocol::Ollama,
            _ => true,
        }
    }

    /// What it sends.
    #[expect(clippy::too_many_lines, reason = "one arm for each")]
    pub fn behaviour(self, protocol: Protocol, marks: &Marks, dice: &mut StdRng) -> Behaviour {
        let wire = Wire(protocol);
        let text = format!("I say {}.", marks.word);
        let end = || wire.end(Some(Reason::End));
        let raw = |frames: &[Vec<u8>]| stream(protocol, [&[wire.start()], frames].concat().concat());
        let note = json!({"label": "story", "new_str": format!("- {}", marks.note)});
        let id = format!("call-{}", marks.note);
        let call = |name: &str, arguments: String| Call { id: id.clone(), name: name.into(), arguments };
        let whole = |call: Call| Behaviour::Calls { text: text.clone(), calls: vec![call] };
        let words = || text.chars().collect::<Vec<_>>().chunks(4).map(|four| four.iter().collect()).collect();
        let error = json!({"error": {"message": "the model is not loaded", "type": "server_error"}});
        match self {
            Self::Well => Behaviour::Text { chunks: words(), delay: Duration::ZERO },
            Self::Drip => Behaviour::ByteByByte { text },
            Self::Comments => Behaviour::Comments { text },
            Self::LongSilence => {
                let mut pieces = vec![(Duration::ZERO, wire.start())];
                pieces.extend(vec![(Duration::from_secs(10), wire.noise()); 5]);
                pieces.extend([(Duration::from_secs(10), wire.text(&text)), (Duration::from_secs(10), end())]);
                Behaviour::Paced { pieces }
            }
            Self::Crlf => {
                let body = String::from_utf8([wire.start(), wire.text(&text), end()].concat()).unwrap();
                stream(protocol, body.replace('\n', "\r\n").into_bytes())
            }
            Self::WholeJson => Behaviour::Raw {
                kind: "application/json",
                body: whole_answer(protocol, &text).to_string().into_bytes(),
            },
            Self::HeldLine => Behaviour::Held { body: [wire.start(), wire.text(&text), end()].concat() },
            Self::NoDone => {
                let mut body = end();
                let last: &[u8] = if protocol == Protocol::OpenAi { b"data: [DONE]" } else { b"event: message_stop" };
                let at = body.windows(last.len()).position(|window| window == last).unwrap();
                body.truncate(at);
                raw(&[wire.text(&text), body])
            }
            Self::NoReason => Behaviour::NoReason { text },
            Self::NullFields => raw(&[nulls(&wire, &text), end()]),
            Self::LoneSurrogate => {
                let words = String::from_utf8(wire.text(&format!("{text}\u{1}"))).unwrap();
                raw(&[words.replace("\\u0001", "\\ud83d").into_bytes(), end()])
            }
            Self::BadUtf8 => Behaviour::BadUtf8 { text },
            Self::Thinks => Behaviour::Reasoning { reasoning: format!("Hm {}.", marks.thought), text },
            Self::ThinksInWords => {
                let tag = *["think", "thinking", "thought"].choose(dice).unwrap();
                let chunks = vec![format!("<{tag}>\nHm {}", marks.thought), format!(".\n</{tag}>\n\n{text}")];
                Behaviour::Text { chunks, delay: Duration::ZERO }
            }
            Self::ThinksUnpaired => {
                let chunks = vec![format!("Hm {}", marks.thought), format!(".\n</think>\n\n{text}")];
                Behaviour::Text { chunks, delay: Duration::ZERO }
            }
            Self::CallInPieces => whole(call("memory_insert", note.to_string())),
            Self::CallWhole => {
                let mut one = Vec::new();
                for frame in wire.call(0, &call("memory_insert", note.to_string()), true) {
                    one.extend(frame);
                }
                raw(&[wire.text(&text), one, wire.end(Some(Reason::Calls))])
            }
            Self::CallWithoutNumber | Self::CallWithObject => {
                let arguments = if self == Self::CallWithObject { note } else { Value::String(note.to_string()) };
                let call = json!({"id": id, "type": "function",
                    "function": {"name": "memory_insert", "arguments": arguments}});
                let delta = wire.delta(&json!({"tool_calls": [call]}));
                raw(&[wire.text(&text), delta, wire.end(Some(Reason::Calls))])
            }
            Self::TwoCallsOneId => {
                let search = call("conversation_search", json!({"query": "nothing"}).to_string());
                let calls = vec![call("memory_insert", note.to_string()), search];
                Behaviour::Calls { text, calls }
            }
            Self::WrongName => {
                let name = *["no_such_tool", "memory_insert(story)", "看 it", "functions.look:0"].choose(dice).unwrap();
                whole(call(name, "{}".to_owned()))
            }
            Self::LongName => whole(call(&"look".repeat(50), "{}".to_owned())),
            Self::NullArguments => {
                let arguments = json!({"query": "nothing", "limit": null, "roles": null});
                whole(call("conversation_search", arguments.to_string()))
            }
            Self::CutStream => Behaviour::NoEnd { text },
            Self::CutInCall => Behaviour::CutInCall,
            Self::CutByLimit => Behaviour::Length { text },
            Self::ThoughtToLimit => Behaviour::ThoughtOnly { reasoning: format!("Hm {}", marks.thought) },
            Self::CallToLimit => Behaviour::HalfCall,
            Self::Refusal => match protocol {
                Protocol::OpenAi => raw(&[wire.delta(&json!({"content": null, "refusal": text})), end()]),
                _ => raw(&[wire.text(&text), ended(&wire, "refusal")]),
            },
            Self::Filtered => {
                let word = if protocol == Protocol::Gemini { "SAFETY" } else { "content_filter" };
                raw(&[wire.text(&text), ended(&wire, word)])
            }
            Self::Pause => raw(&[wire.text(&text), ended(&wire, "pause_turn")]),
            Self::Empty => raw(&[end()]),
            Self::BrokenArguments => {
                let broken = ["{\"label\": ", "[1, 2]", "7", "label=story"].choose(dice).unwrap();
                whole(call("memory_insert", (*broken).to_owned()))
            }
            Self::CallsNone => Behaviour::CallsNone,
            Self::Garbage => Behaviour::Garbage { text },
            Self::ErrorIn200 => {
                let body = if dice.random_bool(0.5) { error } else { json!([error]) };
                Behaviour::Raw { kind: "application/json", body: body.to_string().into_bytes() }
            }
            Self::ErrorEvent => Behaviour::ErrorEvent {
                text,
                kind: "overloaded_error".to_owned(),
                message: "the model is not loaded".to_owned(),
            },
            Self::Html => {
                let page = "<!doctype html><html><title>Sign in</title><body>to go on</body></html>";
                Behaviour::Raw { kind: "text/html", body: page.into() }
            }
            Self::PlainText => Behaviour::Raw { kind: "text/plain", body: "no healthy upstream".into() },
            Self::EndlessLine => {
                let mut body = wire.text(&text);
                body.extend(b"data: {\"choices\": \"");
                body.resize(9 << 20, b'x');
                stream(protocol, body)
            }
            Self::TooMany => Behaviour::status(429, "{}"),
            Self::TooManyWait => {
                let headers = vec![("Retry-After".to_owned(), dice.random_range(1..9).to_string())];
                Behaviour::Status { code: 429, headers, body: String::new() }
            }
            Self::Overloaded => {
                let code = *[500, 502, 503, 529].choose(dice).unwrap();
                let body =
                    *["", "<html><body>Bad gateway</body></html>", r#"{"error": "it burns"}"#].choose(dice).unwrap();
                Behaviour::status(code, body)
            }
            Self::NoSuchModel => Behaviour::status(404, r#"{"error": {"message": "no such model"}}"#),
            Self::BadRequest => Behaviour::status(400, r#"{"error": {"message": "tools are not supported"}}"#),
            Self::TooLong => Behaviour::status(
                400,
                r#"{"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            ),
            Self::Stall => Behaviour::Stall { text },
            Self::Silent => Behaviour::Silent,
        }
    }

    /// What a sentence about it says, one of these.
    pub fn told(self) -> &'static [&'static str] {
        match self {
            Self::CutStream | Self::CutInCall => &["was cut short"],
            Self::ThoughtToLimit | Self::CallToLimit => &["raise max_tokens"],
            Self::Refusal => &["refus"],
            Self::Filtered => &["filter"],
            Self::Pause => &["paused"],
            Self::Empty => &["nothing", "no words", "empty"],
            Self::BrokenArguments | Self::CallsNone => &["malformed", "names none", "function call"],
            Self::Garbage => &["is no JSON"],
            Self::ErrorIn200 | Self::ErrorEvent => &["the model is not loaded"],
            Self::Html => &["a web page (HTML)"],
            Self::PlainText => &["no healthy upstream"],
            Self::EndlessLine => &["does not end"],
            Self::TooMany | Self::TooManyWait => &["too many requests"],
            Self::Overloaded => &["500 from desk", "502 from desk", "503 from desk", "529 from desk"],
            Self::NoSuchModel => &["knows no model"],
            Self::BadRequest => &["tools are not supported"],
            Self::TooLong => &["context = N"],
            Self::Stall | Self::Silent => &["sent nothing for"],
            _ => &[],
        }
    }
}

fn stream(protocol: Protocol, body: Vec<u8>) -> Behaviour {
    let kind = if protocol == Protocol::Ollama { "application/x-ndjson" } else { "text/event-stream" };
    Behaviour::Raw { kind, body }
}

/// The end of an answer with this reason.
fn ended(wire: &Wire, word: &str) -> Vec<u8> {
    match wire.0 {
        Protocol::OpenAi => wire.frame("", &json!({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]})),
        Protocol::Anthropic => {
            let stop = wire.frame("message_stop", &json!({"type": "message_stop"}));
            [wire.frame("message_delta", &json!({"delta": {"stop_reason": word}})), stop].concat()
        }
        Protocol::Gemini => wire.frame("", &json!({"candidates": [{"finishReason": word}]})),
        Protocol::Ollama => wire.frame("", &json!({"done": true, "done_reason": word})),
    }
}

/// Words among fields that are there and hold nothing.
fn nulls(wire: &Wire, text: &str) -> Vec<u8> {
    let delta = match wire.0 {
        Protocol::OpenAi | Protocol::Ollama => json!({"role": null, "content": text, "tool_calls": null,
            "reasoning_content": null, "thinking": null, "refusal": null, "function_call": null}),
        Protocol::Gemini => json!({"text": text, "functionCall": null, "thought": null, "thoughtSignature": null}),
        Protocol::Anthropic => json!({"type": "text_delta", "text": text, "citations": null}),
    };
    wire.delta(&delta)
}

/// The answer to a request that did not ask for a stream.
fn whole_answer(protocol: Protocol, text: &str) -> Value {
    match protocol {
        Protocol::OpenAi => json!({"object": "chat.completion", "choices": [{"index": 0,
            "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}),
        Protocol::Anthropic => json!({"type": "message", "role": "assistant",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 11, "output_tokens": 7}}),
        Protocol::Gemini => json!([{"candidates": [{"content": {"role": "model", "parts": [{"text": text}]},
            "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7}}]),
        Protocol::Ollama => json!({"message": {"role": "assistant", "content": text}, "done": true,
            "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}),
    }
}
