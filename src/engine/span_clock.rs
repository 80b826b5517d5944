//! The clock on which the engine measures spans: time-outs, waits, backoff, expiry, rates and time limits.
//!
//! It shows the wall time at which the engine started, plus what has elapsed since. So in one program a span lasts as
//! long as it is meant to, whatever is done to the wall clock, also across a sleep of the machine. A row stores the
//! moments at which its span begins and ends, both on this clock. The next program begins with the wall time again and
//! takes the moments as they are, except that a span that begins after its `now` is over
//! ([`span`](crate::domain::span)): nothing waits longer than it was meant to.
//!
//! What dates something (a message, a revision, the log) has wall time, and no span is computed from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::store::Clock;

/// The clock of one engine.
pub struct SpanClock {
    clock: Arc<dyn Clock>,
    /// The wall time and the elapsed time at the start.
    start: (Timestamp, Duration),
    /// When the spans that rows know by wall time began, on this clock: of turns with a time limit, of triggers.
    begun: Mutex<HashMap<String, Timestamp>>,
}

impl SpanClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let start = (clock.now(), clock.elapsed());
        Self { clock, start, begun: Mutex::default() }
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let (wall, elapsed) = self.start;
        after(wall, self.clock.elapsed().saturating_sub(elapsed))
    }

    /// The moment at which a span that begins now ends.
    #[must_use]
    pub fn after(&self, span: Duration) -> Timestamp {
        after(self.now(), span)
    }

    /// Waits until that moment.
    pub async fn sleep_until(&self, moment: Timestamp) {
        let left = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        self.clock.sleep(left).await;
    }

    /// The time since the span with this name began, at the wall time `at`. For one of an earlier program it includes the
    /// time before this one started, as far as the wall clock shows it.
    #[must_use]
    pub fn since_begin(&self, name: &str, at: Timestamp) -> Duration {
        let now = self.now();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *begun.entry(name.to_owned()).or_insert_with(|| {
            let before = self.clock.now().duration_since(at);
            now.saturating_sub(before.max(jiff::SignedDuration::ZERO)).unwrap_or(now)
        });
        Duration::try_from(now.duration_since(since)).unwrap_or_default()
    }

    /// Forgets the begin of all spans but these.
    pub fn keep(&self, is_open: impl Fn(&str) -> bool) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_open(name));
    }
}

/// `moment + span`, at most the maximum timestamp.
fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment.saturating_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ManualClock;

    #[test]
    fn a_span_that_is_over_is_forgotten_and_one_that_is_open_is_measured_by_what_has_elapsed() {
        let clock = Arc::new(ManualClock::default());
        let spans = SpanClock::new(Arc::clone(&clock) as _);
        let begin = clock.now();
        for name in ["over", "open"] {
            assert_eq!(spans.since_begin(name, begin), Duration::ZERO);
        }
        clock.advance(Duration::from_secs(10));
        spans.keep(|name| name == "open");
        assert_eq!(spans.since_begin("open", begin), Duration::from_secs(10));
        // Another span of this name began just now.
        assert_eq!(spans.since_begin("over", clock.now()), Duration::ZERO);
    }
}
