//! How long the owner of a store waits for a client of its socket, on a paused clock.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use nightdesk::testing::config::Config;
use nightdesk::testing::engine::Options;
use nightdesk::testing::engine::session::Session;
use nightdesk::testing::llm::Models;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Says this, waits for an answer to it, and then sends a line without end, one byte every second. Returns the owner's
/// last word and the seconds until then.
async fn drip(store: &Path, said: &str) -> (String, u64) {
    let socket = format!("{}.sock/owner", store.display());
    let (read, mut write) = UnixStream::connect(socket).await.unwrap().into_split();
    let (mut lines, mut last) = (BufReader::new(read).lines(), String::new());
    if !said.is_empty() {
        write.write_all(said.as_bytes()).await.unwrap();
        lines.next_line().await.unwrap().unwrap();
    }
    let begun = Instant::now();
    loop {
        tokio::select! {
            biased;
            line = lines.next_line() => match line.unwrap() {
                Some(line) => last = line,
                None => return (last, begun.elapsed().as_secs()),
            },
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                // The owner may have left between.
                let _ = write.write_all(b"x").await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_has_five_seconds_for_its_hello_and_thirty_for_each_line() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("desk.db");
    let setup = || Ok((Config::default(), Models::new(Config::default(), |_| None)));
    let session = Session::open::<Box<dyn Error + Send + Sync>>(&store, Options::default(), true, setup).await.unwrap();
    tokio::time::pause();
    let (told, after) = drip(&store, "").await;
    assert!(told.contains("did not end within 5 seconds") && after == 5, "{after} s: {told}");
    let (told, after) = drip(&store, "{\"hello\":{\"version\":4}}\n").await;
    // Its first byte comes after a second.
    assert!(told.contains("did not end within 30 seconds") && after == 31, "{after} s: {told}");
    session.close().await;
}
