//! Keeps answers without end from taking the processor: what is read of an answer beyond its first part goes at a pace
//! that all answers share, and gives way to other tasks in between.
//!
//! A server that is always faster than its reader would otherwise keep the reader busy until a limit of the answer ends
//! it. What a model says in earnest is slower by far.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The bytes of one answer that are read as fast as they come.
const FREE_BYTES: usize = 256 << 10;
/// The bytes per second of all answers together beyond that.
const RATE: u32 = 4 << 20;
/// The most bytes that are read between two pauses.
pub(super) const SLICE_BYTES: usize = 16 << 10;

/// The pace that answers share.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// Takes the next place for so many bytes. Returns when it begins.
    fn reserve(&self, bytes: usize) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let begin = next.map_or(now, |next| next.max(now));
        *next = Some(begin + Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(RATE) / RATE);
        begin
    }
}

/// One answer.
pub(super) struct Flow {
    throttle: Arc<Throttle>,
    read: usize,
    /// Bytes since the last pause.
    unpaused: usize,
}

impl Flow {
    /// Begins an answer.
    pub(super) fn new(throttle: &Arc<Throttle>) -> Self {
        Self { throttle: Arc::clone(throttle), read: 0, unpaused: 0 }
    }

    /// Counts bytes that were received. Waits until they may be read.
    pub(super) async fn pass(&mut self, bytes: usize) {
        self.read += bytes;
        self.unpaused += bytes;
        if self.unpaused < SLICE_BYTES {
            return;
        }
        let bytes = std::mem::take(&mut self.unpaused);
        let begin = (self.read > FREE_BYTES).then(|| self.throttle.reserve(bytes)).filter(|at| *at > Instant::now());
        match begin {
            Some(begin) => sleep_until(begin).await,
            None => tokio::task::yield_now().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(throttle: &Arc<Throttle>, bytes: usize, piece: usize) -> Duration {
        let (begun, mut flow) = (Instant::now(), Flow::new(throttle));
        for _ in 0..bytes / piece {
            flow.pass(piece).await;
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_usual_length_is_read_as_fast_as_it_comes() {
        let throttle = Arc::default();
        assert_eq!(read(&throttle, FREE_BYTES, 300).await, Duration::ZERO);
        assert_eq!(read(&throttle, FREE_BYTES, SLICE_BYTES).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_without_end_share_one_pace_however_many_and_in_whatever_pieces() {
        let throttle = Arc::default();
        for piece in [100, SLICE_BYTES] {
            let each = async || read(&throttle, FREE_BYTES + RATE as usize, piece).await;
            let (one, two, three) = tokio::join!(each(), each(), each());
            let last = one.max(two).max(three).as_secs_f64();
            assert!((2.9..3.1).contains(&last), "{last} s, {piece} bytes at once");
        }
    }

    #[tokio::test]
    async fn others_have_their_turn_within_every_slice() {
        let throttle = Arc::default();
        let turns = std::cell::Cell::new(0);
        let others = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = read(&throttle, FREE_BYTES, 1_024) => {}
            () = others => {}
        }
        assert!(turns.get() >= FREE_BYTES / SLICE_BYTES - 1, "{} turns", turns.get());
    }
}
