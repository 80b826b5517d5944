//! The real providers, through genai. The only file that names genai, reqwest or rustls.
//!
//! genai speaks the protocols; what it leaves open is closed here: a stream ends after exactly one
//! [`Delta::Done`] or one error, tool calls are given only whole and only with an object for arguments, an answer
//! that stops without its end is an error worth trying again, keys reach nothing but the request, redirects are
//! not followed (a key in a header would follow them), and a server on this machine is never asked through a proxy.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use genai::adapter::AdapterKind;
use genai::chat::{
    ChatFrameSink, ChatMessage, ChatOptions, ChatRequest, ChatStream, ChatStreamEvent, ContentPart, FrameCtx,
    MessageContent, RawFrameRef, ReasoningEffort, StopReason, StreamEnd, Tool, ToolResponse,
};
use genai::resolver::{AuthData, Endpoint};
use genai::{Headers, ModelIden, ServiceTarget};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::conversation::{Answer, Turn, turns};
use super::fault::{Callee, retry_after};
use super::secret::{self, Env, Key};
use super::{ChatModel, Delta, Done, ErrorClass, ModelError, Prompt, Stop, ToolCall, Usage};
use crate::config::{KeySource, ProviderKind};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// What Anthropic is asked for when the prompt sets no limit: it wants one, and genai's own default is 64,000.
const ANTHROPIC_MAX_TOKENS: u32 = 4096;

/// Where a provider listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    local: bool,
}

impl Address {
    /// The address of a provider of this kind: `base_url`, or the provider's own. A `base_url` without a path gets
    /// the usual one (`/v1/`, Gemini `/v1beta/`); Ollama's may carry `/v1` or `/api`, which are taken off.
    pub fn new(kind: ProviderKind, base_url: Option<&str>) -> Result<Self, ModelError> {
        let text = base_url.unwrap_or(match kind {
            ProviderKind::OpenAi => "https://api.openai.com/v1/",
            ProviderKind::Anthropic => "https://api.anthropic.com/v1/",
            ProviderKind::Gemini => "https://generativelanguage.googleapis.com/v1beta/",
            ProviderKind::Ollama => "http://127.0.0.1:11434/",
        });
        let bad = || ModelError::terminal(format!("{} is no address of a server", secret::clean(text, None)));
        let mut url = reqwest::Url::parse(text).map_err(|_| bad())?;
        let host = url.host_str().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let ip = host.parse::<IpAddr>();
        let local = ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
            || host == "localhost"
            || host.ends_with(".localhost");
        let path = url.path().trim_end_matches('/').to_owned();
        let path = match kind {
            ProviderKind::OpenAi | ProviderKind::Anthropic if path.is_empty() => "/v1".to_owned(),
            ProviderKind::Gemini if path.is_empty() => "/v1beta".to_owned(),
            ProviderKind::Ollama => path.trim_end_matches("/v1").trim_end_matches("/api").to_owned(),
            _ => path,
        };
        url.set_path(&format!("{path}/"));
        Ok(Self { url: url.to_string(), local })
    }

    /// True for a server on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The address without its last slash, to be read by people.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}

/// The HTTP clients, built at the first call and shared by all providers: one for this machine, one for the rest.
#[derive(Default)]
pub struct Clients {
    local: OnceCell<genai::Client>,
    outside: OnceCell<genai::Client>,
}

impl Clients {
    async fn get(&self, local: bool) -> Result<&genai::Client, ModelError> {
        let cell = if local { &self.local } else { &self.outside };
        // Loading the root certificates takes tens of milliseconds: not on a thread that also draws.
        cell.get_or_try_init(|| off_thread(move || http(local))).await
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    let ended = |_| Err(ModelError::transient("the program is shutting down"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(ended)
}

fn http(local: bool) -> Result<genai::Client, ModelError> {
    static RING: OnceLock<()> = OnceLock::new();
    RING.get_or_init(|| {
        // An error says that one is installed already, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("nightdesk/", env!("CARGO_PKG_VERSION")));
    if local {
        builder = builder.no_proxy();
    }
    let failed =
        |why: String| ModelError::terminal(format!("cannot set up the HTTP client: {}", secret::clean(&why, None)));
    let client = builder.build().map_err(|error| failed(error.to_string()))?;
    genai::Client::builder().with_reqwest(client).build().map_err(|error| failed(error.to_string()))
}

/// A model behind a provider.
#[derive(Clone)]
pub struct Remote {
    /// The provider's name, as sentences call it.
    pub provider: String,
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// Where it listens.
    pub address: Address,
    /// Where its key lies; read at every call.
    pub key: KeySource,
    /// The model asked when the prompt names none.
    pub model: String,
    /// The environment the key is read from.
    pub env: Env,
    /// The HTTP clients.
    pub clients: Arc<Clients>,
}

impl ChatModel for Remote {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        stream::unfold(Step::Ask(Box::new((self.clone(), prompt))), advance).boxed()
    }
}

/// Where a call stands. After `Over` nothing is given, whatever genai still says.
enum Step {
    Ask(Box<(Remote, Prompt)>),
    Read(Box<Reading>),
    Over,
}

async fn advance(step: Step) -> Option<(Result<Delta, ModelError>, Step)> {
    let mut reading = match step {
        Step::Ask(asked) => match asked.0.open(&asked.1).await {
            Ok(reading) => Box::new(reading),
            Err(error) => return Some((Err(error), Step::Over)),
        },
        Step::Read(reading) => reading,
        Step::Over => return None,
    };
    let item = reading.next().await;
    let over = matches!(item, Ok(Delta::Done(_)) | Err(_));
    Some((item, if over { Step::Over } else { Step::Read(reading) }))
}

impl Remote {
    async fn open(&self, prompt: &Prompt) -> Result<Reading, ModelError> {
        let (source, env) = (self.key.clone(), Arc::clone(&self.env));
        let key = off_thread(move || secret::read(&source, &env)).await?;
        let model = if prompt.model.is_empty() { &self.model } else { &prompt.model };
        let callee = Callee {
            provider: self.provider.clone(),
            model: model.clone(),
            address: self.address.shown().to_owned(),
            key_place: key.as_ref().map(|_| secret::place(&self.key)),
            key,
        };
        let watch = Arc::new(Watch::new(self.kind));
        let client = self.clients.get(self.address.local).await?;
        let target = self.target(model, callee.key.as_ref());
        let options = self.options(prompt, callee.key.as_ref()).with_raw_frame_sink_arc(Arc::clone(&watch) as _);
        let opened = client.exec_chat_stream(target, request(self.kind, prompt), Some(&options)).await;
        let stream = opened.map_err(|error| sentence(&callee, error))?.stream;
        Ok(Reading { kind: self.kind, stream, watch, callee })
    }

    fn target(&self, model: &str, key: Option<&Key>) -> ServiceTarget {
        let adapter = match self.kind {
            ProviderKind::OpenAi => AdapterKind::OpenAI,
            ProviderKind::Anthropic => AdapterKind::Anthropic,
            ProviderKind::Gemini => AdapterKind::Gemini,
            ProviderKind::Ollama => AdapterKind::Ollama,
        };
        let base = &self.address.url;
        let auth = match (key, self.kind) {
            (Some(key), _) => AuthData::from_single(key.expose()),
            (None, ProviderKind::Ollama) => AuthData::None,
            // genai insists on a key; without one its header would be there and empty, so both are written here.
            (None, kind) => AuthData::RequestOverride {
                url: match kind {
                    ProviderKind::Anthropic => format!("{base}messages"),
                    ProviderKind::Gemini => format!("{base}models/{model}:streamGenerateContent?alt=sse"),
                    ProviderKind::OpenAi | ProviderKind::Ollama => format!("{base}chat/completions"),
                },
                headers: match kind {
                    ProviderKind::Anthropic => Headers::from(("anthropic-version", "2023-06-01")),
                    _ => Headers::default(),
                },
            },
        };
        let model = ModelIden::new(adapter, model.to_owned());
        ServiceTarget { endpoint: Endpoint::from_owned(base.clone()), auth, model }
    }

    fn options(&self, prompt: &Prompt, key: Option<&Key>) -> ChatOptions {
        let mut options = ChatOptions::default().with_capture_usage(true).with_capture_tool_calls(true);
        options.temperature = prompt.temperature;
        options.max_tokens = prompt.max_tokens;
        match (self.kind, key) {
            (ProviderKind::Anthropic, _) => options.max_tokens = prompt.max_tokens.or(Some(ANTHROPIC_MAX_TOKENS)),
            // Without an effort genai takes a name's ending (`qwen-max`) for one and asks for another model (`qwen`);
            // a budget is an effort this protocol has no word for, so nothing is sent.
            (ProviderKind::OpenAi, _) => options.reasoning_effort = Some(ReasoningEffort::Budget(0)),
            (ProviderKind::Ollama, Some(key)) => {
                options.extra_headers = Some(Headers::from(("authorization", format!("Bearer {}", key.expose()))));
            }
            _ => {}
        }
        options
    }
}

fn request(kind: ProviderKind, prompt: &Prompt) -> ChatRequest {
    let messages = turns(&prompt.entries).into_iter().flat_map(|turn| messages(kind, turn)).collect();
    let mut request = ChatRequest::new(messages);
    let system = prompt.system_text();
    if !system.trim().is_empty() {
        request = request.with_system(system);
    }
    if prompt.tools.is_empty() {
        return request;
    }
    request.with_tools(prompt.tools.iter().map(|tool| {
        Tool::new(tool.name.as_str()).with_description(tool.description.as_str()).with_schema(tool.schema.clone())
    }))
}

fn messages(kind: ProviderKind, turn: Turn) -> Vec<ChatMessage> {
    match turn {
        Turn::Own { text, calls } => {
            let words = (!text.is_empty()).then(|| ContentPart::Text(text));
            let calls = calls.into_iter().map(|call| {
                ContentPart::ToolCall(genai::chat::ToolCall {
                    call_id: call_id(kind, &call.id),
                    fn_name: call.name,
                    fn_arguments: call.arguments,
                    thought_signatures: None,
                })
            });
            vec![ChatMessage::assistant(words.into_iter().chain(calls).collect::<MessageContent>())]
        }
        Turn::Others { results, text } => {
            let words = (!text.is_empty()).then(|| ContentPart::Text(text));
            let answers = results.into_iter().map(|answer| response(kind, answer));
            // Anthropic takes results and words as parts of one turn and refuses two turns of one role in a row;
            // the others have a role for results, and Ollama's holds one result a message.
            if kind == ProviderKind::Anthropic {
                let parts = answers.map(ContentPart::ToolResponse).chain(words).collect::<MessageContent>();
                return vec![ChatMessage::user(parts)];
            }
            let words = words.map(|part| ChatMessage::user(MessageContent::from_parts(vec![part])));
            answers.map(ChatMessage::from).chain(words).collect()
        }
    }
}

fn response(kind: ProviderKind, answer: Answer) -> ToolResponse {
    ToolResponse::new(call_id(kind, &answer.call), answer.text).with_fn_name(answer.name)
}

/// An id may come from another provider than the one that reads it now; Anthropic refuses most punctuation.
fn call_id(kind: ProviderKind, id: &str) -> String {
    if kind == ProviderKind::Anthropic {
        return id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    }
    id.to_owned()
}

/// Looks at the frames genai decodes, for the two things it drops in silence.
struct Watch {
    kind: ProviderKind,
    lost_call: AtomicBool,
    told_error: Mutex<Option<Value>>,
}

impl Watch {
    fn new(kind: ProviderKind) -> Self {
        Self { kind, lost_call: AtomicBool::new(false), told_error: Mutex::new(None) }
    }
}

impl ChatFrameSink for Watch {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        // A call's fragment without a number cannot be put together, and genai leaves it out.
        if self.kind == ProviderKind::OpenAi && frame.data.contains("\"tool_calls\"") {
            let calls = frame.json().and_then(|frame| frame.pointer("/choices/0/delta/tool_calls").cloned());
            let lost = |call: &Value| call.get("index").and_then(Value::as_u64).is_none();
            if calls.as_ref().and_then(Value::as_array).is_some_and(|calls| calls.iter().any(lost)) {
                self.lost_call.store(true, Ordering::Relaxed);
            }
        }
        // Ollama tells of an error in a line of the answer.
        if self.kind == ProviderKind::Ollama
            && frame.data.contains("\"error\"")
            && let Some(line) = frame.json().filter(|line| line.get("error").is_some())
        {
            *self.told_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        }
    }
}

/// An answer that is being read.
struct Reading {
    kind: ProviderKind,
    stream: ChatStream,
    watch: Arc<Watch>,
    callee: Callee,
}

impl Reading {
    async fn next(&mut self) -> Result<Delta, ModelError> {
        loop {
            let event = match self.stream.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Err(sentence(&self.callee, error)),
                None => return Err(self.callee.cut_short()),
            };
            match event {
                ChatStreamEvent::Chunk(chunk) if !chunk.content.is_empty() => return Ok(Delta::Text(chunk.content)),
                ChatStreamEvent::ReasoningChunk(chunk) if !chunk.content.is_empty() => {
                    return Ok(Delta::Reasoning(chunk.content));
                }
                ChatStreamEvent::ToolCallChunk(chunk) if !chunk.tool_call.fn_name.is_empty() => {
                    return Ok(Delta::Draft { name: chunk.tool_call.fn_name });
                }
                ChatStreamEvent::End(end) => return self.done(end).map(Delta::Done),
                _ => {}
            }
        }
    }

    fn told_error(&self) -> Option<ModelError> {
        let told = self.watch.told_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        told.map(|error| self.callee.event(&error))
    }

    fn done(&self, end: StreamEnd) -> Result<Done, ModelError> {
        if let Some(error) = self.told_error() {
            return Err(error);
        }
        // For these two genai makes up an end when the connection closes: Ollama's real one has counts, Gemini's a reason.
        let made_up = match self.kind {
            ProviderKind::Ollama => end.captured_usage.is_none(),
            ProviderKind::Gemini => end.captured_stop_reason.is_none(),
            ProviderKind::OpenAi | ProviderKind::Anthropic => false,
        };
        if made_up {
            return Err(self.callee.cut_short());
        }
        if self.watch.lost_call.load(Ordering::Relaxed) {
            return Err(self.callee.malformed("a piece of it has no index"));
        }
        let usage = end.captured_usage.clone().unwrap_or_default();
        let count = |tokens: Option<i32>| u64::try_from(tokens.unwrap_or(0)).unwrap_or(0);
        let usage = Usage { tokens_in: count(usage.prompt_tokens), tokens_out: count(usage.completion_tokens) };
        let mut stop = self.stop(end.captured_stop_reason.as_ref())?;
        let calls = self.calls(stop, end.captured_into_tool_calls().unwrap_or_default())?;
        if stop == Stop::Calls && calls.is_empty() {
            return Err(self.callee.malformed("it says it calls a tool and names none"));
        }
        if !calls.is_empty() && matches!(stop, Stop::End | Stop::Unknown) {
            stop = Stop::Calls;
        }
        Ok(Done { stop, calls, usage })
    }

    fn stop(&self, reason: Option<&StopReason>) -> Result<Stop, ModelError> {
        Ok(match reason {
            Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => Stop::End,
            Some(StopReason::MaxTokens(_)) => Stop::Length,
            Some(StopReason::ToolCall(_)) => Stop::Calls,
            Some(StopReason::ContentFilter(_)) => Stop::Refused,
            Some(StopReason::Other(word)) if word.contains("FUNCTION_CALL") || word.contains("TOOL_CALL") => {
                return Err(self.callee.malformed(&word.to_lowercase().replace('_', " ")));
            }
            Some(StopReason::Other(word)) if word == "error" => return Err(self.callee.broken("it reports an error")),
            Some(StopReason::Other(_)) | None => Stop::Unknown,
        })
    }

    fn calls(&self, stop: Stop, captured: Vec<genai::chat::ToolCall>) -> Result<Vec<ToolCall>, ModelError> {
        let mut calls: Vec<ToolCall> = Vec::with_capacity(captured.len());
        for call in captured {
            let name = call.fn_name;
            if name.is_empty() {
                return Err(self.callee.malformed("it names no tool"));
            }
            let Some(arguments) = object(call.fn_arguments) else {
                return Err(if stop == Stop::Length {
                    self.callee.broken(&format!("the token limit ended it inside a call of {name}"))
                } else {
                    self.callee.malformed(&format!("malformed arguments for {name}, which must be a JSON object"))
                });
            };
            let taken = |id: &str| calls.iter().any(|call| call.id == id);
            let id = match call.call_id {
                // Two calls of one id are one call genai has doubled to fill a gap in the numbers.
                id if self.kind == ProviderKind::OpenAi && !id.is_empty() && taken(&id) => {
                    return Err(self.callee.malformed("its pieces are numbered with gaps"));
                }
                id if id.is_empty() || taken(&id) => format!("{id}#{}", calls.len()),
                id => id,
            };
            calls.push(ToolCall { id, name, arguments });
        }
        Ok(calls)
    }
}

/// The arguments as an object: none at all are an empty one, and some servers wrap the object in a string.
fn object(arguments: Value) -> Option<Value> {
    match arguments {
        Value::Object(_) => Some(arguments),
        Value::Null => Some(Value::Object(serde_json::Map::new())),
        Value::String(text) if text.trim().is_empty() => Some(Value::Object(serde_json::Map::new())),
        Value::String(text) => serde_json::from_str(&text).ok().filter(Value::is_object),
        _ => None,
    }
}

/// What genai reports, in words.
fn sentence(callee: &Callee, error: genai::Error) -> ModelError {
    match error {
        genai::Error::WebStream { error, cause, .. } => match error.downcast::<genai::Error>() {
            Ok(inner) => sentence(callee, *inner),
            Err(other) => match other.downcast_ref::<reqwest::Error>() {
                Some(error) => network(callee, error),
                None if cause.contains("utf-8") => callee.broken("it is no valid UTF-8"),
                None => callee.broken(&cause),
            },
        },
        genai::Error::HttpError { status, canonical_reason, body, headers } => {
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            callee.status(status.as_u16(), &canonical_reason, retry_after(header, jiff::Timestamp::now()), &body)
        }
        genai::Error::ChatResponse { body, .. } => callee.event(&body),
        genai::Error::StreamParse { serde_error, .. } => {
            callee.broken(&format!("a piece of it is no JSON ({serde_error})"))
        }
        genai::Error::JsonValueExt(error) => callee.broken(&format!("a piece of it lacks something ({error})")),
        other => callee.unsendable(&other.to_string()),
    }
}

fn network(callee: &Callee, error: &reqwest::Error) -> ModelError {
    let mut causes = vec![];
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let refused = causes.iter().any(|text| text.contains("onnection refused"));
    let deepest = causes.pop().unwrap_or_default();
    if error.is_builder() {
        return ModelError { class: ErrorClass::Terminal, ..callee.unsendable(&deepest) };
    }
    if !error.is_connect() {
        return callee.broken(&deepest);
    }
    if refused {
        return callee.unreachable("connection refused; is the server running?");
    }
    if error.is_timeout() {
        return callee.unreachable(&format!("no connection within {} s", CONNECT.as_secs()));
    }
    if deepest.contains("lookup address") || deepest.contains("not known") {
        return callee.unreachable("no such host is known here; is the network up?");
    }
    callee.unreachable(&deepest)
}
