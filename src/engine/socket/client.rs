//! One connection, on the side of the program that joins the owner.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::lines::{LineError, Lines};
use super::silence::{self, SECOND, Silent};
use super::wire::{self, AT_ONCE, FromOwner, REPLY_BYTES, REQUEST_BYTES, ToOwner, VERSION};
use crate::engine::connection::Program;
use crate::engine::protocol::{Filter, Progress, Reply, Request, RequestError, Update};

/// Pause between two tries to connect to an owner that accepts no connections yet.
const BETWEEN: std::time::Duration = std::time::Duration::from_millis(20);
/// Tries to follow again before an owner counts as one that cannot be followed.
const REJOINS: u32 = 3;

/// Why an owner cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It does not listen.
    #[error("the program that owned the store has ended; start again")]
    Absent,
    /// It does not answer.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// It refuses, or is another version.
    #[error(transparent)]
    Refused(#[from] RequestError),
}

impl From<JoinError> for RequestError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Refused(fault) => fault,
            JoinError::Absent | JoinError::Silent(_) => Self::new(error.to_string()),
        }
    }
}

fn gone() -> RequestError {
    JoinError::Absent.into()
}

/// Why a connection has ended.
#[derive(Debug, Clone)]
enum Ended {
    /// The other side has left or does not answer.
    Gone(RequestError),
    /// The other side refuses, or is another version.
    Refused(RequestError),
}

impl From<Ended> for RequestError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Gone(why) | Ended::Refused(why) => why,
        }
    }
}

/// Why a request has no reply.
#[derive(Debug)]
pub enum AskError {
    /// The connection ended before the reply.
    Interrupted {
        /// False if the owner has not begun to carry it out, and never will.
        begun: bool,
        /// What became of the owner.
        why: RequestError,
    },
    /// The request failed.
    Failed(RequestError),
}

impl AskError {
    fn ended(begun: bool, ended: Ended) -> Self {
        match ended {
            Ended::Gone(why) => Self::Interrupted { begun, why },
            Ended::Refused(why) => Self::Failed(why),
        }
    }
}

impl From<AskError> for RequestError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Interrupted { why, .. } | AskError::Failed(why) => why,
        }
    }
}

/// A connection to the engine of another program. It is made anew by the next request after it was lost.
pub struct Client {
    path: PathBuf,
    pid: u32,
    program: Program,
    link: tokio::sync::Mutex<Arc<Link>>,
}

impl Client {
    /// Connects to the owner's socket.
    ///
    /// # Errors
    /// [`JoinError`] if the owner does not listen, does not answer, or is another version.
    pub async fn connect(path: &Path) -> Result<Self, JoinError> {
        let (link, program) = Link::open(path).await?;
        Ok(Self { path: path.to_owned(), pid: link.pid, program, link: tokio::sync::Mutex::new(link) })
    }

    /// The process that was connected to, 0 if the system does not tell, and what it is.
    #[must_use]
    pub fn owner(&self) -> (u32, Program) {
        (self.pid, self.program)
    }

    /// Waits until the connection ends.
    pub async fn ended(&self) {
        let closed = self.link.lock().await.closed.clone();
        closed.cancelled().await;
    }

    /// Sends a request and waits for its reply. A request that is dropped before the owner has begun it may still be
    /// carried out, and its reply reaches nobody.
    ///
    /// # Errors
    /// [`RequestError`] if the request fails, the owner does not answer, or the connection is lost.
    pub async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        Ok(self.try_ask(request).await?)
    }

    /// Like [`Client::ask`]; tells whether a request without a reply may have been carried out.
    ///
    /// # Errors
    /// [`AskError`] if the request fails or the connection is lost.
    pub async fn try_ask(&self, request: Request) -> Result<Reply, AskError> {
        let link = {
            let mut link = self.link.lock().await;
            if link.is_closed() {
                *link = match Link::open(&self.path).await {
                    Ok((link, _)) => link,
                    Err(JoinError::Refused(why)) => return Err(AskError::Failed(why)),
                    Err(error) => return Err(AskError::Interrupted { begun: false, why: error.into() }),
                };
            }
            Arc::clone(&link)
        };
        link.ask(request).await
    }

    /// Opens another connection that delivers the updates after change number `after`.
    ///
    /// # Errors
    /// [`RequestError`] if the connection fails.
    pub async fn follow(&self, after: u64, filter: Filter) -> Result<Updates, RequestError> {
        let line = follow(&self.path, after, &filter).await?;
        let (progress, ready) = (Progress::new(after), VecDeque::new());
        Ok(Updates { path: self.path.clone(), progress, filter, line: Some(line), ready, rejoins: 0 })
    }
}

/// What the owner says about a request.
enum Heard {
    Begun,
    Ended(Box<Result<Reply, RequestError>>),
}

/// The requests without a reply, by id.
#[derive(Default)]
struct Waiting {
    next: u64,
    asks: HashMap<u64, mpsc::UnboundedSender<Heard>>,
    /// Why the connection has ended.
    ended: Option<Ended>,
}

/// A connection that carries requests. Requests are written whole by a task, so that a caller who gives up leaves
/// nothing half written, and replies find their request by its id.
struct Link {
    pid: u32,
    out: mpsc::UnboundedSender<Vec<u8>>,
    at_once: Semaphore,
    waiting: Arc<Mutex<Waiting>>,
    closed: CancellationToken,
    _guard: DropGuard,
}

/// Forgets a request when its caller no longer waits.
struct Ask<'a>(&'a Link, u64);

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        lock(&self.0.waiting).asks.remove(&self.1);
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    async fn open(path: &Path) -> Result<(Arc<Self>, Program), JoinError> {
        let Dialled { mut lines, mut write, pid, program } = dial(path).await?;
        let (out, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
        let (closed, waiting) = (CancellationToken::new(), Arc::<Mutex<Waiting>>::default());
        let (ends, answered) = (closed.clone(), Arc::clone(&waiting));
        tokio::spawn(async move {
            let written = async {
                while let Some(line) = queue.recv().await {
                    write.write_all(&line).await?;
                }
                io::Result::Ok(())
            };
            let read = async {
                loop {
                    match read(&mut lines).await? {
                        FromOwner::Begun { id } => hear(&answered, id, Heard::Begun),
                        FromOwner::Reply { id, reply } => hear(&answered, id, Heard::Ended(Box::new(Ok(reply)))),
                        FromOwner::Refused { id, fault } => hear(&answered, id, Heard::Ended(Box::new(Err(fault)))),
                        FromOwner::Fault(fault) => return Err::<(), _>(Ended::Refused(fault)),
                        FromOwner::Hello { .. } | FromOwner::Update(_) | FromOwner::CutOff { .. } => {}
                    }
                }
            };
            // The owner's last word may be read although nothing more can be written.
            let unwritten = async {
                if written.await.is_ok() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(SECOND).await;
            };
            let ended = tokio::select! {
                ended = read => ended.err(),
                () = unwritten => None,
                () = ends.cancelled() => None,
            };
            let mut waiting = lock(&answered);
            waiting.ended = Some(ended.unwrap_or_else(|| Ended::Gone(gone())));
            waiting.asks.clear();
            ends.cancel();
        });
        let guard = closed.clone().drop_guard();
        let at_once = Semaphore::new(AT_ONCE);
        Ok((Arc::new(Self { pid, out, at_once, waiting, closed, _guard: guard }), program))
    }

    fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    fn ended(&self) -> Ended {
        lock(&self.waiting).ended.clone().unwrap_or_else(|| Ended::Gone(gone()))
    }

    async fn ask(&self, request: Request) -> Result<Reply, AskError> {
        let _place = self.at_once.acquire().await.map_err(|_| AskError::ended(false, self.ended()))?;
        let (sender, mut heard) = mpsc::unbounded_channel();
        let id = {
            let mut waiting = lock(&self.waiting);
            if let Some(ended) = &waiting.ended {
                return Err(AskError::ended(false, ended.clone()));
            }
            waiting.next += 1;
            let id = waiting.next;
            waiting.asks.insert(id, sender);
            id
        };
        let _ask = Ask(self, id);
        let failed = |why: String| AskError::Failed(RequestError::new(why));
        let line = wire::line(&ToOwner::Ask { id, request }).map_err(|error| failed(error.to_string()))?;
        if line.len() > REQUEST_BYTES {
            return Err(failed(format!(
                "the request has {} bytes, and the program that owns the store takes {REQUEST_BYTES}; send less at a time",
                line.len()
            )));
        }
        self.out.send(line).map_err(|_| AskError::ended(false, self.ended()))?;
        let begun = silence::answered(self.pid, heard.recv()).await.map_err(|silent| {
            // What was not begun by now must not be begun later.
            self.closed.cancel();
            AskError::Interrupted { begun: false, why: RequestError::new(silent.to_string()) }
        })?;
        // The owner says so before it begins, and what it said is read even if it has died since.
        let was_begun = begun.is_some();
        let mut next = begun;
        loop {
            match next {
                Some(Heard::Ended(answer)) => return answer.map_err(AskError::Failed),
                Some(Heard::Begun) => next = heard.recv().await,
                None => return Err(AskError::ended(was_begun, self.ended())),
            }
        }
    }
}

fn hear(waiting: &Mutex<Waiting>, id: u64, heard: Heard) {
    // Nobody may wait for it any more.
    if let Some(ask) = lock(waiting).asks.get(&id) {
        let _ = ask.send(heard);
    }
}

/// Updates from another program's engine. A follower that was cut off comes back by its cursor.
pub struct Updates {
    path: PathBuf,
    progress: Progress,
    filter: Filter,
    line: Option<Dialled>,
    ready: VecDeque<Update>,
    rejoins: u32,
}

impl Updates {
    /// Waits for the next update. Cancel-safe.
    ///
    /// # Errors
    /// [`RequestError`] if the owner has ended, does not answer, or is another version.
    pub async fn next(&mut self) -> Result<Update, RequestError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            let Some(joined) = &mut self.line else {
                self.rejoin().await?;
                continue;
            };
            match read(&mut joined.lines).await {
                Ok(FromOwner::Update(update)) => {
                    self.rejoins = 0;
                    self.progress.note(&update);
                    return Ok(update);
                }
                Ok(FromOwner::CutOff { text }) => {
                    tracing::info!("{text}");
                    self.line = None;
                }
                Ok(FromOwner::Fault(fault)) => return Err(fault),
                Ok(_) => {}
                Err(ended) if self.rejoins >= REJOINS => return Err(ended.into()),
                Err(_) => self.line = None,
            }
        }
    }

    /// Follows again from the last update. The owner tells the live text anew, so what was shown of it goes.
    async fn rejoin(&mut self) -> Result<(), RequestError> {
        self.rejoins += 1;
        let line = follow(&self.path, self.progress.cursor(), &self.filter).await?;
        self.ready.extend(self.progress.interrupt());
        self.line = Some(line);
        Ok(())
    }
}

/// An open connection after the hello.
struct Dialled {
    lines: Lines,
    write: OwnedWriteHalf,
    /// The owner's process; 0 if the system does not tell.
    pid: u32,
    program: Program,
}

/// Opens a connection that follows.
async fn follow(path: &Path, after: u64, filter: &Filter) -> Result<Dialled, RequestError> {
    let mut line = dial(path).await?;
    let follow = wire::line(&ToOwner::Follow { after, filter: filter.clone() }).map_err(|_| gone())?;
    line.write.write_all(&follow).await.map_err(|_| gone())?;
    Ok(line)
}

/// Connects and exchanges hellos.
async fn dial(path: &Path) -> Result<Dialled, JoinError> {
    let stream = connect(path).await?;
    let peer = stream.peer_cred().map_err(|error| unreachable(path, &error))?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        let text = format!("the program at {} is of the user {}; it is not joined", path.display(), peer.uid());
        return Err(RequestError::new(text).into());
    }
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    let (read_half, mut write) = stream.into_split();
    let mut lines = Lines::new(read_half, REPLY_BYTES, None);
    let hello = wire::line(&ToOwner::Hello { version: VERSION }).map_err(|error| unreachable(path, &error))?;
    let said = silence::answered(pid, async {
        // It may have said why it does not listen, and closed.
        let _ = write.write_all(&hello).await;
        lines.next().await
    });
    let line = match said.await? {
        Ok(Some(line)) => line,
        Ok(None) | Err(LineError::Io(_)) => return Err(JoinError::Absent),
        Err(_) => return Err(wire::other_version(None).into()),
    };
    match serde_json::from_slice(&line.bytes) {
        Ok(FromOwner::Hello { version: VERSION, program }) => Ok(Dialled { lines, write, pid, program }),
        Ok(FromOwner::Hello { version, .. }) => Err(wire::other_version(Some(version)).into()),
        Ok(FromOwner::Fault(fault)) if fault.text.starts_with("the request cannot be read") => {
            Err(wire::other_version(None).into())
        }
        Ok(FromOwner::Fault(fault)) => Err(fault.into()),
        Ok(_) | Err(_) => Err(wire::other_version(None).into()),
    }
}

async fn connect(path: &Path) -> Result<UnixStream, JoinError> {
    let until = tokio::time::Instant::now() + SECOND;
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Err(JoinError::Absent);
            }
            // It has not accepted those before.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if tokio::time::Instant::now() >= until {
                    return Err(Silent::of(0).into());
                }
                tokio::time::sleep(BETWEEN).await;
            }
            Err(error) => return Err(unreachable(path, &error).into()),
        }
    }
}

fn unreachable(path: &Path, error: &io::Error) -> RequestError {
    RequestError::new(format!("reaching the program that owns the store at {}: {error}", path.display()))
}

/// Waits for the next line. Cancel-safe.
async fn read(lines: &mut Lines) -> Result<FromOwner, Ended> {
    let left = || Ended::Gone(gone());
    let line = lines.next().await.map_err(|_| left())?.ok_or_else(left)?;
    serde_json::from_slice(&line.bytes).map_err(|error| {
        tracing::error!(%error, "a line of the owner cannot be read");
        Ended::Refused(wire::other_version(None))
    })
}
