//! A model server on this machine that answers from a script, well or badly, in four protocols.
//!
//! It speaks just enough HTTP/1.1 to be asked by a real client: it reads one request a connection, records it,
//! asks its script what to do and writes a chunked answer. Nothing here waits for a time: a stall lasts until
//! the client leaves, which [`WireServer::client_left`] reports.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nightdesk::testing::config::{Care, Config, KeySource, Limits, Provider, ProviderKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};
use tokio::task::JoinHandle;

/// The protocols are those of the configuration.
pub type Protocol = ProviderKind;

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The JSON body.
    pub body: Value,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The messages, whatever the protocol calls them.
    pub fn messages(&self) -> &[Value] {
        let list = self.body.get("messages").or_else(|| self.body.get("contents"));
        list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The messages' roles in order.
    pub fn roles(&self) -> Vec<&str> {
        self.messages().iter().map(|message| message["role"].as_str().unwrap_or_default()).collect()
    }

    /// Everything that was sent, as text; for looking whether something is in it.
    pub fn text(&self) -> String {
        self.body.to_string()
    }

    /// True when this agent asks: what it is told begins with who it is.
    pub fn is_of(&self, agent: &str) -> bool {
        self.text().contains(&format!("You are {agent}.")) || self.text().contains(&format!("You are {agent}, "))
    }

    /// The names of the tools that were offered.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().map_or(&[][..], Vec::as_slice);
        let inner = tools.iter().flat_map(|tool| match &tool["functionDeclarations"] {
            Value::Array(list) => list.iter().collect(),
            _ => vec![tool],
        });
        inner.filter_map(|tool| tool.pointer("/function/name").or_else(|| tool.get("name"))?.as_str()).collect()
    }
}

/// A tool call the server makes.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id; Ollama and Gemini leave it out.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as they are written, whole JSON or not.
    pub arguments: String,
}

impl Call {
    /// A whole call.
    pub fn new(id: &str, name: &str, arguments: &Value) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.to_string() }
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// A whole answer in these pieces, with a pause before each.
    Text { chunks: Vec<String>, delay: Duration },
    /// A whole answer that thinks aloud first.
    Reasoning { reasoning: String, text: String },
    /// Words, then calls, written in small pieces.
    Calls { text: String, calls: Vec<Call> },
    /// Another status than 200, with these headers and body.
    Status { code: u16, headers: Vec<(String, String)>, body: String },
    /// Thinks aloud until the token limit.
    ThoughtOnly { reasoning: String },
    /// Words and then the token limit.
    Length { text: String },
    /// The token limit in the middle of a call's arguments.
    HalfCall,
    /// A call whose only piece has this number or none; it begins at 0 where all is well (`OpenAI`).
    CallNumbered(Option<u64>),
    /// Says it calls tools and calls none.
    CallsNone,
    /// Words, then the end of the body without the protocol's end.
    NoEnd { text: String },
    /// Half of a call, then the connection is torn down.
    CutInCall,
    /// A whole answer that gives no reason for its end.
    NoReason { text: String },
    /// Words, then a piece that is no JSON, then a proper end.
    Garbage { text: String },
    /// Words with a byte in them that is no UTF-8, then a proper end.
    BadUtf8 { text: String },
    /// These very bytes, as the body of a good answer.
    Raw { kind: &'static str, body: Vec<u8> },
    /// These very bytes, and then nothing more until the client leaves.
    Held { body: Vec<u8> },
    /// These very bytes, each piece after its pause, and then nothing more until the client leaves.
    Paced { pieces: Vec<(Duration, Vec<u8>)> },
    /// The beginning of a good answer, and then this piece again and again, after a pause, until the client leaves.
    Endless { begin: Vec<u8>, piece: Vec<u8>, pause: Duration },
    /// Another status than 200, and a body of this piece again and again until the client leaves; none if it is empty.
    EndlessStatus { code: u16, headers: Vec<(String, String)>, begin: Vec<u8>, piece: Vec<u8> },
    /// A whole answer, sent one byte at a time.
    ByteByByte { text: String },
    /// A whole answer among comments, empty events and pings.
    Comments { text: String },
    /// Words, then an error as the protocol tells it, then a proper end.
    ErrorEvent { text: String, kind: String, message: String },
    /// A whole answer, once everybody of the party is here and waits for it.
    Together { party: Arc<Barrier>, text: String },
    /// Words, then nothing more until the client leaves.
    Stall { text: String },
    /// Answers nothing at all, not even headers, until the client leaves.
    Silent,
}

impl Behaviour {
    /// A whole answer in one piece.
    pub fn say(text: &str) -> Self {
        Self::Text { chunks: vec![text.to_owned()], delay: Duration::ZERO }
    }

    /// One whole call.
    pub fn call(name: &str, arguments: &Value) -> Self {
        Self::Calls { text: String::new(), calls: vec![Call::new("call-1", name, arguments)] }
    }

    /// A bare status.
    pub fn status(code: u16, body: &str) -> Self {
        Self::Status { code, headers: vec![], body: body.to_owned() }
    }
}

/// The server. It ends when it is dropped.
pub struct WireServer {
    protocol: Protocol,
    at: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    left: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

impl Drop for WireServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl WireServer {
    /// Starts a server that does what `script` says to each request.
    pub async fn start(protocol: Protocol, script: impl Fn(&Request) -> Behaviour + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (left_sender, left) = watch::channel(0);
        let script = Arc::new(script);
        let record = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, record, left) = (Arc::clone(&script), Arc::clone(&record), left_sender.clone());
                tokio::spawn(async move {
                    if serve(protocol, socket, &record, &*script).await == Ended::ClientLeft {
                        left.send_modify(|count| *count += 1);
                    }
                });
            }
        });
        Self { protocol, at, requests, left, accepting }
    }

    /// The address as a configuration names it.
    pub fn base_url(&self) -> String {
        let path = match self.protocol {
            Protocol::OpenAi | Protocol::Anthropic => "/v1",
            Protocol::Gemini => "/v1beta",
            Protocol::Ollama => "",
        };
        format!("http://{}{path}", self.at)
    }

    /// A provider entry that leads here.
    pub fn provider(&self, key: KeySource) -> Provider {
        Provider {
            kind: self.protocol,
            base_url: Some(self.base_url()),
            key,
            max_parallel: None,
            limits: Limits::default(),
        }
    }

    /// A configuration whose provider of this name leads here and wants no key.
    pub fn config(&self, name: &str) -> Config {
        let provider = [(name.to_owned(), self.provider(KeySource::None))].into();
        Config { provider, care: Care::off(), ..Config::default() }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns once a client has left before its answer was over.
    pub async fn client_left(&self) {
        self.left.clone().wait_for(|count| *count > 0).await.unwrap();
    }
}

#[derive(PartialEq)]
enum Ended {
    Done,
    ClientLeft,
}

/// What is done with the connection, step by step.
enum Act {
    Send(Vec<u8>),
    Pause(Duration),
    Meet(Arc<Barrier>),
    Repeat(Duration, Vec<u8>),
    Stall,
    TearDown,
}

async fn serve(
    protocol: Protocol,
    mut socket: TcpStream,
    record: &Mutex<Vec<Request>>,
    script: &(impl Fn(&Request) -> Behaviour + Sync),
) -> Ended {
    let Some(request) = read_request(&mut socket).await else { return Ended::ClientLeft };
    let behaviour = script(&request);
    record.lock().unwrap().push(request);
    if let Behaviour::EndlessStatus { code, headers, begin, piece } = behaviour {
        let mut head = format!("HTTP/1.1 {code} Reason\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.extend([&name, ": ", &value, "\r\n"]);
        }
        let mut sent = socket.write_all(&[head.as_bytes(), b"\r\n", &begin].concat()).await;
        if piece.is_empty() {
            let _ = socket.read(&mut [0; 64]).await;
            return Ended::ClientLeft;
        }
        while sent.is_ok() {
            sent = socket.write_all(&piece).await;
            tokio::task::yield_now().await;
        }
        return Ended::ClientLeft;
    }
    if let Behaviour::Status { code, headers, body } = behaviour {
        let mut head = format!("HTTP/1.1 {code} Reason\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.extend([&name, ": ", &value, "\r\n"]);
        }
        return written(&socket.write_all(format!("{head}\r\n{body}").as_bytes()).await);
    }
    let (mut from, mut to) = socket.into_split();
    if !matches!(behaviour, Behaviour::Silent) {
        let kind = match behaviour {
            Behaviour::Raw { kind, .. } => kind,
            _ if protocol == Protocol::Ollama => "application/x-ndjson",
            _ => "text/event-stream",
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        if to.write_all(head.as_bytes()).await.is_err() {
            return Ended::ClientLeft;
        }
    }
    let answer = async {
        for act in acts(protocol, behaviour) {
            match act {
                Act::Send(bytes) => {
                    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                    chunk.extend_from_slice(&bytes);
                    chunk.extend_from_slice(b"\r\n");
                    if to.write_all(&chunk).await.is_err() {
                        return Ended::ClientLeft;
                    }
                }
                Act::Pause(time) => tokio::time::sleep(time).await,
                Act::Meet(party) => {
                    party.wait().await;
                }
                Act::Repeat(pause, piece) => {
                    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                    chunk.extend(piece);
                    chunk.extend(b"\r\n");
                    while to.write_all(&chunk).await.is_ok() {
                        if pause.is_zero() {
                            tokio::task::yield_now().await;
                        } else {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    return Ended::ClientLeft;
                }
                Act::Stall => std::future::pending().await,
                Act::TearDown => return Ended::Done,
            }
        }
        written(&to.write_all(b"0\r\n\r\n").await)
    };
    let mut rest = [0; 64];
    tokio::select! {
        biased;
        ended = answer => ended,
        // The request is read to its end, so whatever happens on this side is the client's going.
        _ = from.read(&mut rest) => Ended::ClientLeft,
    }
}

fn written(result: &std::io::Result<()>) -> Ended {
    if result.is_ok() { Ended::Done } else { Ended::ClientLeft }
}

async fn read_request(socket: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Some(0), |(_, length)| length.parse::<usize>().ok())?;
    while bytes.len() < head_end + 4 + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = &bytes[head_end + 4..];
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).ok()? };
    Some(Request { path, headers, body })
}

fn acts(protocol: Protocol, behaviour: Behaviour) -> Vec<Act> {
    let wire = Wire(protocol);
    let mut acts = vec![Act::Send(wire.start())];
    let mut send = |frames: Vec<Vec<u8>>| acts.extend(frames.into_iter().map(Act::Send));
    match behaviour {
        Behaviour::Text { chunks, delay } => {
            for chunk in chunks {
                acts.extend([Act::Pause(delay), Act::Send(wire.text(&chunk))]);
            }
            acts.push(Act::Send(wire.end(Some(Reason::End))));
        }
        Behaviour::Reasoning { reasoning, text } => {
            send(vec![wire.reasoning(&reasoning), wire.text(&text), wire.end(Some(Reason::End))]);
        }
        Behaviour::Calls { text, calls } => {
            if !text.is_empty() {
                send(vec![wire.text(&text)]);
            }
            for (index, call) in calls.iter().enumerate() {
                send(wire.call(index, call, true));
            }
            send(vec![wire.end(Some(Reason::Calls))]);
        }
        Behaviour::ThoughtOnly { reasoning } => send(vec![wire.reasoning(&reasoning), wire.end(Some(Reason::Length))]),
        Behaviour::Length { text } => send(vec![wire.text(&text), wire.end(Some(Reason::Length))]),
        Behaviour::HalfCall => {
            send(wire.call(0, &half_call(), false));
            send(vec![wire.end(Some(Reason::Length))]);
        }
        Behaviour::CallNumbered(index) => {
            let mut call = json!({"id": "call-1", "function": {"name": "look", "arguments": "{}"}});
            if let Some(index) = index {
                call["index"] = json!(index);
            }
            // The reason for the end does not give the call away.
            send(vec![wire.delta(&json!({"tool_calls": [call]})), wire.end(Some(Reason::End))]);
        }
        Behaviour::CallsNone => send(vec![wire.end(Some(Reason::Calls))]),
        Behaviour::NoEnd { text } => send(vec![wire.text(&text)]),
        Behaviour::CutInCall => {
            send(wire.call(0, &half_call(), false));
            acts.push(Act::TearDown);
        }
        Behaviour::NoReason { text } => send(vec![wire.text(&text), wire.end(None)]),
        Behaviour::Garbage { text } => {
            send(vec![wire.text(&text), wire.raw("content_block_delta", b"{\"half\": "), wire.end(Some(Reason::End))]);
        }
        Behaviour::BadUtf8 { text } => {
            // An escape gives its place to a byte that begins no letter.
            let mut words = wire.text(&format!("{text}\u{1}"));
            let escaped = br"\u0001";
            let at = words.windows(6).position(|six| six == escaped).unwrap();
            words.splice(at..at + 6, [0xff]);
            send(vec![words, wire.end(Some(Reason::End))]);
        }
        Behaviour::ByteByByte { text } => {
            let whole = [wire.text(&text), wire.end(Some(Reason::End))].concat();
            send(whole.into_iter().map(|byte| vec![byte]).collect());
        }
        Behaviour::Comments { text } => {
            let noise = || wire.noise();
            send(vec![noise(), wire.text(&text), noise(), wire.end(Some(Reason::End)), noise()]);
        }
        Behaviour::ErrorEvent { text, kind, message } => {
            send(vec![wire.text(&text), wire.error(&kind, &message), wire.end(Some(Reason::End))]);
        }
        Behaviour::Together { party, text } => {
            acts.push(Act::Meet(party));
            acts.extend([wire.text(&text), wire.end(Some(Reason::End))].map(Act::Send));
        }
        Behaviour::Stall { text } => {
            send(vec![wire.text(&text)]);
            acts.push(Act::Stall);
        }
        Behaviour::Raw { body, .. } => acts = vec![Act::Send(body)],
        Behaviour::Held { body } => acts = vec![Act::Send(body), Act::Stall],
        Behaviour::Paced { pieces } => {
            acts.extend(pieces.into_iter().flat_map(|(pause, bytes)| [Act::Pause(pause), Act::Send(bytes)]));
            acts.push(Act::Stall);
        }
        Behaviour::Endless { begin, piece, pause } => acts.extend([Act::Send(begin), Act::Repeat(pause, piece)]),
        Behaviour::Silent => acts = vec![Act::Stall],
        Behaviour::Status { .. } | Behaviour::EndlessStatus { .. } => unreachable!("answered without a stream"),
    }
    acts.retain(|act| !matches!(act, Act::Send(bytes) if bytes.is_empty()));
    acts
}

fn half_call() -> Call {
    Call { id: "call-1".into(), name: "look".into(), arguments: r#"{"at": "the wea"#.into() }
}

#[derive(Clone, Copy)]
pub enum Reason {
    End,
    Calls,
    Length,
}

/// How a protocol writes things.
pub struct Wire(pub Protocol);

impl Wire {
    fn raw(&self, event: &str, data: &[u8]) -> Vec<u8> {
        match self.0 {
            Protocol::Ollama => [data, b"\n"].concat(),
            Protocol::Anthropic => [b"event: ", event.as_bytes(), b"\ndata: ", data, b"\n\n"].concat(),
            Protocol::OpenAi | Protocol::Gemini => [b"data: ", data, b"\n\n"].concat(),
        }
    }

    pub fn frame(&self, event: &str, data: &Value) -> Vec<u8> {
        self.raw(event, data.to_string().as_bytes())
    }

    pub fn start(&self) -> Vec<u8> {
        match self.0 {
            Protocol::Anthropic => {
                let usage = json!({"input_tokens": 11, "output_tokens": 1});
                self.frame("message_start", &json!({"type": "message_start", "message": {"usage": usage}}))
            }
            _ => vec![],
        }
    }

    pub fn delta(&self, delta: &Value) -> Vec<u8> {
        match self.0 {
            Protocol::OpenAi => {
                self.frame("", &json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
            }
            Protocol::Ollama => self.frame("", &json!({"message": delta, "done": false})),
            Protocol::Gemini => {
                self.frame("", &json!({"candidates": [{"content": {"role": "model", "parts": [delta]}}]}))
            }
            Protocol::Anthropic => self.frame("content_block_delta", &json!({"index": 0, "delta": delta})),
        }
    }

    fn block(&self, start: &Value, deltas: impl IntoIterator<Item = Value>) -> Vec<Vec<u8>> {
        let mut frames = vec![self.frame("content_block_start", &json!({"index": 0, "content_block": start}))];
        frames.extend(deltas.into_iter().map(|delta| self.delta(&delta)));
        frames
    }

    fn block_stop(&self) -> Vec<u8> {
        self.frame("content_block_stop", &json!({"type": "content_block_stop", "index": 0}))
    }

    pub fn text(&self, text: &str) -> Vec<u8> {
        match self.0 {
            Protocol::OpenAi | Protocol::Ollama => self.delta(&json!({"role": "assistant", "content": text})),
            Protocol::Gemini => self.delta(&json!({"text": text})),
            Protocol::Anthropic => {
                let deltas = [json!({"type": "text_delta", "text": text})];
                [self.block(&json!({"type": "text", "text": ""}), deltas).concat(), self.block_stop()].concat()
            }
        }
    }

    pub fn reasoning(&self, text: &str) -> Vec<u8> {
        match self.0 {
            Protocol::OpenAi => self.delta(&json!({"reasoning_content": text})),
            Protocol::Ollama => self.delta(&json!({"role": "assistant", "content": "", "thinking": text})),
            Protocol::Gemini => self.delta(&json!({"text": text, "thought": true})),
            Protocol::Anthropic => {
                let deltas = [json!({"type": "thinking_delta", "thinking": text})];
                [self.block(&json!({"type": "thinking", "thinking": ""}), deltas).concat(), self.block_stop()].concat()
            }
        }
    }

    /// A call in small pieces; without its end when it is not `whole`.
    pub fn call(&self, index: usize, call: &Call, whole: bool) -> Vec<Vec<u8>> {
        let pieces: Vec<String> =
            call.arguments.chars().collect::<Vec<_>>().chunks(5).map(|piece| piece.iter().collect()).collect();
        match self.0 {
            Protocol::OpenAi => {
                let first = json!({"tool_calls": [{"index": index, "id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": ""}}]});
                let rest = pieces
                    .iter()
                    .map(|piece| json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}));
                std::iter::once(first).chain(rest).map(|delta| self.delta(&delta)).collect()
            }
            Protocol::Anthropic => {
                let start = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
                let deltas = pieces.iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
                let mut frames = self.block(&start, deltas);
                if whole {
                    frames.push(self.block_stop());
                }
                frames
            }
            // These two send a call in one piece: half a call is half a line, or arguments that are no object.
            Protocol::Ollama | Protocol::Gemini => {
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments));
                let delta = match self.0 {
                    Protocol::Ollama => {
                        json!({"content": "", "tool_calls": [{"function": {"name": call.name, "arguments": arguments}}]})
                    }
                    _ => json!({"functionCall": {"name": call.name, "args": arguments}}),
                };
                vec![self.delta(&delta)]
            }
        }
    }

    pub fn end(&self, reason: Option<Reason>) -> Vec<u8> {
        let word = |words: [&'static str; 3]| reason.map(|reason| words[reason as usize]);
        match self.0 {
            Protocol::OpenAi => {
                let finish = word(["stop", "tool_calls", "length"]);
                let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]});
                let usage =
                    json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}});
                [self.frame("", &last), self.frame("", &usage), self.raw("", b"[DONE]")].concat()
            }
            Protocol::Anthropic => {
                let stop = word(["end_turn", "tool_use", "max_tokens"]);
                let delta = json!({"delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}});
                let stop = self.frame("message_stop", &json!({"type": "message_stop"}));
                [self.frame("message_delta", &delta), stop].concat()
            }
            Protocol::Ollama => {
                let mut last = json!({"message": {"role": "assistant", "content": ""}, "done": true,
                    "prompt_eval_count": 11, "eval_count": 7});
                if let Some(reason) = word(["stop", "stop", "length"]) {
                    last["done_reason"] = json!(reason);
                }
                self.frame("", &last)
            }
            Protocol::Gemini => {
                let reason = word(["STOP", "STOP", "MAX_TOKENS"]);
                self.frame(
                    "",
                    &json!({"candidates": [{"content": {"parts": []}, "finishReason": reason}],
                    "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}}),
                )
            }
        }
    }

    fn error(&self, kind: &str, message: &str) -> Vec<u8> {
        match self.0 {
            Protocol::Ollama => self.frame("", &json!({"error": message})),
            _ => self.frame("error", &json!({"type": "error", "error": {"type": kind, "message": message}})),
        }
    }

    pub fn noise(&self) -> Vec<u8> {
        match self.0 {
            Protocol::Ollama => b"\n\n".to_vec(),
            Protocol::Anthropic => {
                [&b": keep-alive\n\n\r\n\r\n"[..], &self.frame("ping", &json!({"type": "ping"}))].concat()
            }
            Protocol::OpenAi | Protocol::Gemini => b": keep-alive\n\n\r\n\r\nevent: nothing\n\n".to_vec(),
        }
    }
}
