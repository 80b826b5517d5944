//! A model without a delay: a server of `OpenAI`'s protocol that keeps its connections and answers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nightdesk::testing::config::{Config, KeySource, Limits, Provider, ProviderKind};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::wire::{Call, Reason, Wire};

/// The provider and the model.
pub const MODEL: &str = "bench/m";
/// Calls of it at once; more than there are agents.
const MAX_PARALLEL: u32 = 2_000;

/// How often it was connected to, and asked.
#[derive(Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub requests: AtomicU64,
}

/// Starts the server; it ends with the runtime. Returns a configuration that leads to it.
pub async fn start() -> (Config, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = Some(format!("http://{}/v1", listener.local_addr().unwrap()));
    let counts = Arc::<Counts>::default();
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(socket, Arc::clone(&counted)));
        }
    });
    let (kind, key) = (ProviderKind::OpenAi, KeySource::None);
    let provider = Provider { kind, base_url, key, max_parallel: Some(MAX_PARALLEL), limits: Limits::default() };
    (Config { provider: [("bench".to_owned(), provider)].into(), ..Config::default() }, counts)
}

async fn serve(mut socket: TcpStream, counts: Arc<Counts>) {
    let _ = socket.set_nodelay(true);
    let mut bytes = Vec::new();
    while let Some(body) = request(&mut socket, &mut bytes).await {
        let answer = match body {
            Some(body) => {
                counts.requests.fetch_add(1, Ordering::Relaxed);
                answer(&body)
            }
            // It tells nothing about itself.
            None => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
        };
        if socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The body of the next request; the inner `None` for one that asks no model, the outer when the client has left.
async fn request(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Option<String>> {
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while bytes.len() < end + length {
        if socket.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[end..end + length]).into_owned();
    bytes.drain(..end + length);
    Some(head.starts_with("post").then_some(body))
}

/// Chooses the first who is offered, asks all workers once, and says a word otherwise. What it is told is searched and
/// not parsed: its time is not what is measured.
fn answer(body: &str) -> Vec<u8> {
    let wire = Wire(ProviderKind::OpenAi);
    let offers = |tool: &str| body.contains(&format!("\"name\":\"{tool}\""));
    let result_is_last = body.rfind("\"role\":\"").is_some_and(|at| body[at..].starts_with("\"role\":\"tool\""));
    let call = if offers("choose_next_speaker") {
        let name = body.split_once("\"enum\":[\"").and_then(|(_, names)| names.split('"').next()).unwrap_or_default();
        Some(("choose_next_speaker", json!({"agent": name, "reason": "it knows"})))
    } else if offers("send_message_to_all_agents_in_group") && !result_is_last {
        Some(("send_message_to_all_agents_in_group", json!({"message": "all hands"})))
    } else {
        None
    };
    let frames = match call {
        Some((name, arguments)) => {
            let mut frames = wire.call(0, &Call::new("call-1", name, &arguments), true).concat();
            frames.extend(wire.end(Some(Reason::Calls)));
            frames
        }
        None => [wire.text("hello world"), wire.end(Some(Reason::End))].concat(),
    };
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    answer.extend(format!("{:x}\r\n", frames.len()).bytes());
    answer.extend(frames);
    answer.extend(b"\r\n0\r\n\r\n");
    answer
}
