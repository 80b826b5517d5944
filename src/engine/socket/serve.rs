//! One connection, on the owner's side.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::lines::{self, Allowance, LineError, Lines};
use super::wire::{self, AT_ONCE, FromOwner, REQUEST_BYTES, ToOwner, VERSION};
use crate::engine::Engine;
use crate::engine::protocol::{Filter, Request, RequestError, Update};

/// How long a client may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// How long a line of a client may take.
const LINE: Duration = Duration::from_secs(30);
/// How long a client may take nothing of what is sent to it, before its connection is cut off.
const STALL: Duration = Duration::from_secs(5);
/// How long a follower that was cut off may take to hear of it.
const LAST_WORD: Duration = Duration::from_secs(10);
/// The maximum size of the rest of a line that waits that long, in bytes.
const LAST_LINE_BYTES: usize = 256 * 1024;
/// Lines of clients above 64 KiB that are read at the same time.
const LARGE_LINES: usize = 2;
/// What all clients together may leave unread in this program, in KiB.
const UNREAD_KIB: u32 = 32 * 1024;
/// What one line counts at the most, in KiB: a large one does not have to wait until there is nothing else.
const LINE_KIB: u32 = UNREAD_KIB / 2;
/// Replies with rows of the store that are made at the same time, besides what is unread.
const READS: usize = 2;
/// Pages of followers that are in memory at the same time, besides what is unread.
const PAGES: usize = 4;

/// What all connections share, so that many cost no more than a few.
pub(super) struct Shared {
    large: Arc<Semaphore>,
    unread: Semaphore,
    reads: Semaphore,
    pages: Arc<Semaphore>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            large: Arc::new(Semaphore::new(LARGE_LINES)),
            unread: Semaphore::new(UNREAD_KIB as usize),
            reads: Semaphore::new(READS),
            pages: Arc::new(Semaphore::new(PAGES)),
        }
    }
}

/// The sending half. Clients that do not read are cut off.
struct Outbox {
    write: Mutex<OwnedWriteHalf>,
    shared: Arc<Shared>,
    /// Cancelled when the connection is of no use any more.
    gone: CancellationToken,
}

/// Why a line was not sent.
enum Unsent {
    /// The client takes nothing; the rest of the line.
    Stalled(Vec<u8>),
    /// The client has left.
    Left,
}

impl Outbox {
    async fn send(&self, value: &FromOwner) -> Result<(), Unsent> {
        let line = wire::line(value).map_err(|_| Unsent::Left)?;
        self.send_line(line, || {}).await
    }

    /// Sends a line. `admitted` is called when it counts as unread.
    async fn send_line(&self, mut line: Vec<u8>, admitted: impl FnOnce()) -> Result<(), Unsent> {
        let kib = u32::try_from(line.len() / 1024 + 1).unwrap_or(LINE_KIB).min(LINE_KIB);
        let _unread = self.shared.unread.acquire_many(kib).await.map_err(|_| Unsent::Left)?;
        admitted();
        let mut write = self.write.lock().await;
        match lines::write(&mut write, &line, STALL).await {
            Ok(sent) if sent == line.len() => Ok(()),
            Ok(sent) => Err(Unsent::Stalled(line.split_off(sent))),
            Err(_) => Err(Unsent::Left),
        }
    }

    /// Sends a reply; a client that does not take it loses its connection.
    async fn reply(&self, value: &FromOwner) -> bool {
        self.or_gone(self.send(value).await.is_ok())
    }

    fn or_gone(&self, sent: bool) -> bool {
        if !sent {
            self.gone.cancel();
        }
        sent
    }

    /// Tells a follower that it is cut off, after the rest of the line it had begun to read.
    async fn cut_off(&self, mut rest: Vec<u8>) {
        // A page fits, a single large message may not: then the end of the connection has to do.
        if rest.len() > LAST_LINE_BYTES {
            return;
        }
        let text =
            format!("cut off: nothing was read for {} seconds; follow again after the last update", STALL.as_secs());
        rest.extend(wire::line(&FromOwner::CutOff { text }).unwrap_or_default());
        let mut write = self.write.lock().await;
        // It may hear of it by the end of the connection only.
        let _ = lines::write(&mut write, &rest, LAST_WORD).await;
    }
}

/// Tells a client why it is not served, unless it does not read.
pub(super) async fn refuse(stream: UnixStream, why: RequestError) {
    let (_, mut write) = stream.into_split();
    if let Ok(line) = wire::line(&FromOwner::Fault(why)) {
        let _ = lines::write(&mut write, &line, HELLO).await;
    }
}

/// Serves a client until it leaves.
pub(super) async fn serve(engine: &Arc<Engine>, shared: &Arc<Shared>, stream: UnixStream) -> io::Result<()> {
    let (read, write) = stream.into_split();
    let allowance = Allowance { large: Arc::clone(&shared.large), time: LINE };
    let mut lines = Lines::new(read, REQUEST_BYTES, Some(allowance));
    let (gone, at_once) = (CancellationToken::new(), Arc::new(Semaphore::new(AT_ONCE)));
    let outbox = Arc::new(Outbox { write: Mutex::new(write), shared: Arc::clone(shared), gone: gone.clone() });
    let _left = gone.clone().drop_guard();
    let mut greeted = false;
    loop {
        let next = async {
            if greeted {
                return lines.next().await;
            }
            tokio::time::timeout(HELLO, lines.next()).await.unwrap_or(Err(LineError::TooSlow(HELLO)))
        };
        let read = tokio::select! {
            read = next => read,
            () = gone.cancelled() => return Ok(()),
        };
        let line = match read {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(LineError::Io(error)) => return Err(error),
            Err(error) => {
                let text = format!("a request cannot be read: {error}; send less at a time");
                let _ = outbox.reply(&FromOwner::Fault(RequestError::new(text))).await;
                return Ok(());
            }
        };
        let said = serde_json::from_slice::<ToOwner>(&line.bytes);
        drop(line);
        match said {
            Ok(ToOwner::Hello { version: VERSION }) if !greeted => {
                greeted = true;
                let hello = FromOwner::Hello { version: VERSION, program: engine.options.program };
                if !outbox.reply(&hello).await {
                    return Ok(());
                }
            }
            Ok(ToOwner::Hello { version }) => {
                let _ = outbox.reply(&FromOwner::Fault(wire::other_version(Some(version)))).await;
                return Ok(());
            }
            Ok(_) | Err(_) if !greeted => {
                let _ = outbox.reply(&FromOwner::Fault(wire::other_version(None))).await;
                return Ok(());
            }
            Ok(ToOwner::Ask { id, request }) => {
                let place = Arc::clone(&at_once).acquire_owned().await.map_err(io::Error::other)?;
                // This cannot be sent to a client that has left: what it gave up is not begun.
                if !outbox.reply(&FromOwner::Begun { id }).await {
                    return Ok(());
                }
                let (task, outbox) = (Arc::clone(engine), Arc::clone(&outbox));
                engine.spawn(async move {
                    carry_out(&task, &outbox, id, request).await;
                    drop(place);
                });
            }
            Ok(ToOwner::Follow { after, filter }) => return relay(engine, after, filter, lines, &outbox).await,
            Err(error) => {
                let text = format!("the request cannot be read: {error}");
                let _ = outbox.reply(&FromOwner::Fault(RequestError::new(text))).await;
                return Ok(());
            }
        }
    }
}

/// Carries out a request and sends the reply. A read ends early when the client leaves.
async fn carry_out(engine: &Arc<Engine>, outbox: &Outbox, id: u64, request: Request) {
    // If the request panics, the client must not wait for ever.
    let unanswered = outbox.gone.clone().drop_guard();
    let reads = request.only_reads();
    let is_large = reads && !matches!(request, Request::CheckStore { .. } | Request::Due);
    let answer = async {
        let place = if is_large { outbox.shared.reads.acquire().await.ok() } else { None };
        (Box::pin(engine.handle(request)).await, place)
    };
    let (answer, place) = tokio::select! {
        answer = answer => answer,
        () = outbox.gone.cancelled(), if reads => return,
    };
    let line = wire::line(&match answer {
        Ok(reply) => FromOwner::Reply { id, reply },
        Err(fault) => FromOwner::Refused { id, fault },
    });
    let Ok(line) = line else { return };
    if outbox.or_gone(outbox.send_line(line, || drop(place)).await.is_ok()) {
        unanswered.disarm();
    }
}

/// Sends updates until the client leaves or is cut off.
async fn relay(engine: &Arc<Engine>, after: u64, filter: Filter, mut lines: Lines, outbox: &Outbox) -> io::Result<()> {
    let mut follower = engine.follow(after, filter).with_pages(Arc::clone(&outbox.shared.pages));
    loop {
        let update = tokio::select! {
            left = lines.next() => match left {
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => return Ok(()),
            },
            update = follower.next() => update,
        };
        let (update, last) = match update {
            Ok(update) => (update, false),
            Err(fault) => (Update::Trouble { text: fault.text }, true),
        };
        let line = wire::line(&FromOwner::Update(update))?;
        match outbox.send_line(line, || follower.release_page()).await {
            Ok(()) if !last => {}
            Err(Unsent::Stalled(rest)) => {
                drop(follower);
                tracing::debug!("a follower was cut off");
                outbox.cut_off(rest).await;
                return Ok(());
            }
            Ok(()) | Err(Unsent::Left) => return Ok(()),
        }
    }
}
