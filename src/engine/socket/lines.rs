//! Lines with a maximum size, in both directions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The size, in bytes, above which a line needs a place among the large ones.
const LARGE: usize = 64 * 1024;

/// Why no line could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// It is longer than the limit.
    #[error("it is longer than {} MiB", .0 / 1024 / 1024)]
    TooLong(usize),
    /// It began and did not end in time.
    #[error("it did not end within {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a line costs its reader, besides the connection it comes from.
#[derive(Clone)]
pub(super) struct Allowance {
    /// Places for large lines, shared by all connections.
    pub(super) large: Arc<Semaphore>,
    /// How long a line may take from its first byte to its last.
    pub(super) time: Duration,
}

/// Reads lines of at most so many bytes.
pub(super) struct Lines {
    read: BufReader<OwnedReadHalf>,
    most: usize,
    allowance: Option<Allowance>,
    line: Vec<u8>,
    begun: Option<Instant>,
    place: Option<OwnedSemaphorePermit>,
}

/// A line without its end. A large one keeps its place among the large ones.
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Lines {
    pub(super) fn new(read: OwnedReadHalf, most: usize, allowance: Option<Allowance>) -> Self {
        Self { read: BufReader::new(read), most, allowance, line: Vec::new(), begun: None, place: None }
    }

    /// Waits for the next line; `None` when the other side has ended. Cancel-safe.
    ///
    /// # Errors
    /// [`LineError`]; the connection is then of no use any more.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            let piece = match (&self.allowance, self.begun) {
                (Some(Allowance { large, time }), Some(begun)) => {
                    let late = |_| LineError::TooSlow(*time);
                    if self.line.len() > LARGE && self.place.is_none() {
                        let place = timeout_at(begun + *time, Arc::clone(large).acquire_owned()).await.map_err(late)?;
                        self.place = place.ok();
                    }
                    timeout_at(begun + *time, self.read.fill_buf()).await.map_err(late)??
                }
                _ => self.read.fill_buf().await?,
            };
            if piece.is_empty() {
                return Ok(None);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(piece.len());
            if self.line.len() + taken > self.most {
                return Err(LineError::TooLong(self.most));
            }
            self.line.extend_from_slice(&piece[..taken]);
            self.read.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                self.begun = None;
                return Ok(Some(Line { bytes: std::mem::take(&mut self.line), _place: self.place.take() }));
            }
            self.begun.get_or_insert_with(Instant::now);
            // A client that is always faster than its reader must not keep a thread.
            if self.line.len() % LARGE < taken && self.line.len() > LARGE {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Writes `bytes`, as long as the other side takes some of them every `patience`. Returns how many it has taken.
///
/// # Errors
/// [`io::Error`] if the connection fails.
pub(super) async fn write(to: &mut OwnedWriteHalf, bytes: &[u8], patience: Duration) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match tokio::time::timeout(patience, to.write(&bytes[done..])).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written?,
            Err(_) => break,
        }
    }
    Ok(done)
}
