//! HTTP to providers. The only file that names reqwest or rustls.
//!
//! Redirects are not followed (a header with a key would be sent along), a server on this machine is never called
//! through a proxy, nothing is decompressed, and certificates are loaded only for an `https://` address, at its first
//! call and off the drawing threads.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::fault::{Callee, retry_after};
use super::protocol::Fault;
use super::protocol::read::{ERROR_BYTES, Incoming};
use super::secret;
use super::throttle::{Flow, SLICE_BYTES, Throttle};
use super::{ErrorClass, ModelError};
use crate::config::ProviderKind;

/// The time limit for connecting.
const CONNECT: Duration = Duration::from_secs(10);
/// The time limit for a query about a model, and the most bytes read of its answer.
const QUESTION: Duration = Duration::from_secs(5);
const QUESTION_BYTES: usize = 2 << 20;
/// The time limit for the body of an error.
const ERROR_TIME: Duration = Duration::from_secs(10);
/// The most bytes of a request.
const REQUEST_BYTES: usize = 32 << 20;

/// The address of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    local: bool,
    official: bool,
}

impl Address {
    /// Parses `base_url`, or uses the default of this kind. A `base_url` without a path gets the usual one (`/v1/`,
    /// Gemini `/v1beta/`); a trailing `/v1` or `/api` is removed from Ollama's.
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
        Ok(Self { url: url.to_string(), local, official: host == "api.openai.com" })
    }

    /// Returns true for a server on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Returns true for `OpenAI`'s own server.
    #[must_use]
    pub fn is_official(&self) -> bool {
        self.official
    }

    /// Returns the address without its final slash, for display.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Returns the URL of a path below this address.
    #[must_use]
    pub fn below(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// A call without an answer.
pub(super) struct Refusal {
    /// Why.
    pub error: ModelError,
    /// The limit of the answer to ask for instead, in tokens, if the server refused the one it was sent.
    pub lower_limit: Option<u32>,
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self { error, lower_limit: None }
    }
}

/// The HTTP client of one provider, built at its first call.
pub struct Client {
    http: OnceCell<reqwest::Client>,
    throttle: Arc<Throttle>,
}

impl Client {
    /// Creates a client whose answers share this pace with others.
    pub(super) fn new(throttle: &Arc<Throttle>) -> Self {
        Self { http: OnceCell::new(), throttle: Arc::clone(throttle) }
    }

    async fn get(&self, address: &Address) -> Result<&reqwest::Client, ModelError> {
        let local = address.local;
        // An `http://` address needs no certificates, unless a proxy requires them.
        let plain = address.url.starts_with("http://") && (local || !proxy_wants_tls());
        let built = || async move {
            // Loading the root certificates takes tens of milliseconds, too long for a drawing thread.
            if plain { build(local, plain) } else { off_thread(move || build(local, plain)).await }
        };
        self.http.get_or_try_init(built).await
    }

    /// Sends a request, checks that the status is a success, and returns the body as a stream of bytes.
    pub(super) async fn send(
        &self,
        address: &Address,
        url: &str,
        headers: &[(&'static str, String)],
        body: &impl Serialize,
        callee: &Callee,
    ) -> Result<Incoming, Refusal> {
        let body = serde_json::to_vec(body).map_err(|error| callee.unsendable(&error.to_string()))?;
        if body.len() > REQUEST_BYTES {
            let told = "the request has more than 32 MiB, the most that is sent; lower context of the provider, or \
                        shorten the agent's blocks and instructions";
            return Err(callee.unsendable(told).into());
        }
        let mut map = HeaderMap::new();
        map.insert("content-type", HeaderValue::from_static("application/json"));
        map.insert("accept", HeaderValue::from_static("text/event-stream, application/x-ndjson, application/json"));
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|error| callee.unsendable(&error.to_string()))?;
            value.set_sensitive(true);
            map.insert(HeaderName::from_static(name), value);
        }
        let request = self.get(address).await?.post(url).headers(map).body(body);
        let mut response = request.send().await.map_err(|error| network(callee, &error))?;
        let status = response.status();
        if !status.is_success() {
            // A compressed body says nothing, and is not unpacked.
            let body = match coding(&response) {
                Some(_) => String::new(),
                None => String::from_utf8_lossy(&bounded(&mut response, ERROR_BYTES, ERROR_TIME).await).into_owned(),
            };
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
            let wait = retry_after(header, jiff::Timestamp::now());
            let error = callee.status(status.as_u16(), status.canonical_reason().unwrap_or("no reason"), wait, &body);
            return Err(Refusal { error, lower_limit: callee.lower_limit(status.as_u16(), &body) });
        }
        if let Some(coding) = coding(&response) {
            return Err(callee
                .unsendable(&format!("it answers compressed ({coding}), which was not asked for"))
                .into());
        }
        let callee = Arc::new(callee.clone());
        let begun = (Some(response), None, Flow::new(&self.throttle));
        let chunks = stream::unfold(begun, move |(response, rest, mut flow)| {
            let callee = Arc::clone(&callee);
            async move {
                let mut response = response?;
                let mut chunk = match rest {
                    Some(rest) => rest,
                    None => match response.chunk().await {
                        Ok(chunk) => chunk?,
                        Err(error) => return Some((Err(Fault::Broken(deepest(&error, &callee))), (None, None, flow))),
                    },
                };
                let slice = chunk.split_to(chunk.len().min(SLICE_BYTES)).to_vec();
                flow.pass(slice.len()).await;
                let rest = (!chunk.is_empty()).then_some(chunk);
                Some((Ok(slice), (Some(response), rest, flow)))
            }
        });
        Ok(chunks.boxed())
    }

    /// Queries a server about itself; returns `None` on any failure.
    pub(super) async fn question(
        &self,
        address: &Address,
        url: &str,
        body: Option<&Value>,
        bearer: Option<&str>,
    ) -> Option<Value> {
        let client = self.get(address).await.ok()?;
        let mut request = match body {
            Some(body) => client.post(url).header("content-type", "application/json").body(body.to_string()),
            None => client.get(url),
        };
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let asked = async {
            let mut response = request.send().await.ok().filter(|response| response.status().is_success())?;
            serde_json::from_slice(&bounded(&mut response, QUESTION_BYTES, QUESTION).await).ok()
        };
        tokio::time::timeout(QUESTION, asked).await.ok().flatten()
    }
}

/// Runs blocking work off the drawing threads.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    let ended = |_| Err(ModelError::transient("the program is shutting down"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(ended)
}

fn build(local: bool, plain: bool) -> Result<reqwest::Client, ModelError> {
    static RING: OnceLock<()> = OnceLock::new();
    RING.get_or_init(|| {
        // An error only means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("nightdesk/", env!("CARGO_PKG_VERSION")));
    if local {
        builder = builder.no_proxy();
    }
    if plain {
        let none = rustls::RootCertStore::empty();
        builder = builder.tls_backend_preconfigured(
            rustls::ClientConfig::builder().with_root_certificates(none).with_no_client_auth(),
        );
    }
    let failed =
        |why: String| ModelError::terminal(format!("cannot set up the HTTP client: {}", secret::clean(&why, None)));
    builder.build().map_err(|error| failed(error.to_string()))
}

fn proxy_wants_tls() -> bool {
    let names = ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"];
    names.iter().any(|name| std::env::var(name).is_ok_and(|proxy| proxy.starts_with("https")))
}

/// Returns the compression of a body; `None` if it is plain.
fn coding(response: &reqwest::Response) -> Option<&str> {
    let coding = response.headers().get("content-encoding").filter(|coding| *coding != "identity")?;
    Some(coding.to_str().unwrap_or_default())
}

/// Reads at most `most` bytes of a body, within `time`.
async fn bounded(response: &mut reqwest::Response, most: usize, time: Duration) -> Vec<u8> {
    let until = tokio::time::Instant::now() + time;
    let mut body = Vec::new();
    while let Ok(Ok(Some(bytes))) = tokio::time::timeout_at(until, response.chunk()).await {
        body.extend(bytes.iter().take(most - body.len()));
        if body.len() >= most {
            break;
        }
    }
    body
}

fn causes(error: &reqwest::Error) -> Vec<String> {
    let mut causes = vec![];
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes
}

fn deepest(error: &reqwest::Error, callee: &Callee) -> String {
    callee.clean(&causes(error).pop().unwrap_or_else(|| error.to_string()))
}

fn network(callee: &Callee, error: &reqwest::Error) -> ModelError {
    let mut causes = causes(error);
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
