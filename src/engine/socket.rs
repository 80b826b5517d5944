//! The owner's socket: carries the handle's values, one JSON object per line. Only this user may connect (0600).
//!
//! A connection either sends requests, which are answered in order, or follows updates from a cursor. Nothing is
//! buffered for a stalled follower: it reads the log and the live text when it is ready.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::Engine;
use super::protocol::{Reply, Request, RequestError, Update};

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Call {
    Follow { follow: u64 },
    Ask(Request),
}

/// What a client receives for a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Reply),
    Fault(RequestError),
}

/// Spawns a task that listens at `path` until the engine stops. Removes the socket file of a dead owner first.
///
/// The caller holds the owner lock, so no other program listens there.
///
/// # Errors
/// [`RequestError`] if the socket cannot be created.
pub fn listen(engine: &Arc<Engine>, path: PathBuf) -> Result<(), RequestError> {
    let failed = |error: std::io::Error| {
        RequestError::new(format!(
            "opening the socket {}: {error}; other programs cannot join this one",
            path.display()
        ))
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let task = Arc::clone(engine);
    engine.spawn(async move {
        let _leave = Leave(path);
        loop {
            tokio::select! {
                () = task.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let engine = Arc::clone(&task);
                        task.spawn(async move {
                            if let Err(error) = serve(&engine, stream).await {
                                tracing::debug!("a client connection ended: {error}");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::error!("accepting on the socket failed; no other program can join any more: {error}");
                        return;
                    }
                },
            }
        }
    });
    Ok(())
}

/// Removes the socket file when the listener ends.
struct Leave(PathBuf);

impl Drop for Leave {
    fn drop(&mut self) {
        // On failure the next owner removes it.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn serve(engine: &Arc<Engine>, stream: UnixStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str::<Call>(&line) {
            Ok(Call::Follow { follow }) => return relay(engine, follow, lines, write).await,
            Ok(Call::Ask(request)) => match engine.handle(request).await {
                Ok(reply) => Answer::Ok(reply),
                Err(fault) => Answer::Fault(fault),
            },
            Err(error) => Answer::Fault(RequestError::new(format!("the request cannot be read: {error}"))),
        };
        send(&mut write, &answer).await?;
    }
    Ok(())
}

/// Sends updates until the client disconnects.
async fn relay(
    engine: &Arc<Engine>,
    after: u64,
    mut lines: Lines<BufReader<OwnedReadHalf>>,
    mut write: OwnedWriteHalf,
) -> std::io::Result<()> {
    let mut follower = engine.follow(after);
    loop {
        tokio::select! {
            left = lines.next_line() => {
                if left?.is_none() {
                    return Ok(());
                }
            }
            update = follower.next() => match update {
                Ok(update) => send(&mut write, &update).await?,
                Err(fault) => return send(&mut write, &Update::Trouble { text: fault.text }).await,
            },
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// A connection to the engine of another program.
pub struct Client {
    path: PathBuf,
    line: Mutex<Line>,
}

struct Line {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Client {
    /// Connects to the owner's socket.
    ///
    /// # Errors
    /// [`RequestError`] if the connection fails.
    pub async fn connect(path: &Path) -> Result<Self, RequestError> {
        Ok(Self { path: path.to_owned(), line: Mutex::new(dial(path).await?) })
    }

    /// Sends a request and waits for its reply. Not cancel-safe: run it in a task of its own.
    ///
    /// # Errors
    /// [`RequestError`] if the request fails or the connection is lost.
    pub async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        let mut line = self.line.lock().await;
        send(&mut line.write, &Call::Ask(request)).await.map_err(|_| gone())?;
        match next::<Answer>(&mut line.lines).await? {
            Answer::Ok(reply) => Ok(reply),
            Answer::Fault(fault) => Err(fault),
        }
    }

    /// Opens another connection that delivers the updates after change number `after`.
    ///
    /// # Errors
    /// [`RequestError`] if the connection fails.
    pub async fn follow(&self, after: u64) -> Result<Updates, RequestError> {
        let mut line = dial(&self.path).await?;
        send(&mut line.write, &Call::Follow { follow: after }).await.map_err(|_| gone())?;
        Ok(Updates(line))
    }
}

/// Updates from another program's engine.
pub struct Updates(Line);

impl Updates {
    /// Waits for the next update. Cancel-safe.
    ///
    /// # Errors
    /// [`RequestError`] if the connection is lost or the line is not a known update.
    pub async fn next(&mut self) -> Result<Update, RequestError> {
        next(&mut self.0.lines).await
    }
}

async fn dial(path: &Path) -> Result<Line, RequestError> {
    let stream = UnixStream::connect(path).await.map_err(|error| {
        RequestError::new(format!("reaching the program that owns the store at {}: {error}", path.display()))
    })?;
    let (read, write) = stream.into_split();
    Ok(Line { lines: BufReader::new(read).lines(), write })
}

async fn next<T: for<'de> Deserialize<'de>>(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Result<T, RequestError> {
    let line = lines.next_line().await.map_err(|_| gone())?.ok_or_else(gone)?;
    serde_json::from_str(&line).map_err(|error| {
        RequestError::new(format!("the program that owns the store uses another protocol version: {error}"))
    })
}

fn gone() -> RequestError {
    RequestError::new("the program that owned the store has ended; start again")
}
