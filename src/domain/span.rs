//! Spans: how long something waits, stored as the two moments at which it begins and ends.

use std::time::Duration;

use jiff::Timestamp;

/// How far a span may begin in the future: small corrections of a clock do not end it.
const TOLERANCE: Duration = Duration::from_secs(10);

/// The moment at which a span is over, seen at `now`. It is never farther ahead than the span is long.
///
/// A span that begins after `now` was stored before the clock was set back; how much of it has passed is unknown, so it
/// is over.
#[must_use]
pub fn over_at(since: Timestamp, until: Timestamp, now: Timestamp) -> Timestamp {
    let ahead = Duration::try_from(since.duration_since(now)).unwrap_or_default();
    if ahead > TOLERANCE {
        return now.min(until);
    }
    let length = Duration::try_from(until.duration_since(since)).unwrap_or_default();
    now.saturating_add(length).map_or(until, |latest| latest.min(until))
}

/// True if a span is over at `now`; see [`over_at`].
#[must_use]
pub fn is_over(since: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    over_at(since, until, now) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_after_its_length_and_one_that_lies_farther_ahead_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(over_at(at(100), at(160), at(120)), at(160));
        assert!(!is_over(at(100), at(160), at(159)));
        assert!(is_over(at(100), at(160), at(160)));
        assert_eq!(over_at(at(100), at(160), at(95)), at(155), "a small step back costs nothing");
        assert!(is_over(at(4_000), at(4_060), at(400)), "the clock was set back by an hour");
        assert!(is_over(at(4_000), at(4_000_000), at(400)));
        assert_eq!(over_at(at(100), Timestamp::MAX, at(100)), Timestamp::MAX);
    }
}
