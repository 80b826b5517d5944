//! Spans: how long something waits, stored as the two moments at which it begins and ends.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

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

/// Reads a time such as `5m` or `1h 30m`, at least a second.
///
/// # Errors
/// The end of a sentence that says what to write.
pub fn seconds(text: &str) -> Result<u32, String> {
    let read = text.trim().parse::<SignedDuration>().ok().map(|span| span.as_secs());
    let whole = read.and_then(|seconds| u32::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    whole.ok_or_else(|| "is a time such as 5m or 1h 30m, at least 1s".to_owned())
}

/// Reads a time such as `7d`, or one as [`seconds`] reads it.
///
/// # Errors
/// The end of a sentence that says what to write.
pub fn days(text: &str) -> Result<u32, String> {
    let days = text.trim().strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    let whole = days.and_then(|days| days.checked_mul(24 * 3_600)).filter(|seconds| *seconds > 0);
    whole.map_or_else(|| seconds(text).map_err(|_| "is a time such as 7d or 36h, at least 1s".to_owned()), Ok)
}

/// A time as [`seconds`] reads it.
#[must_use]
pub fn written(seconds: u32) -> String {
    format!("{:#}", SignedDuration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for (text, count) in [("5m", 300), ("1h 30m", 5_400), ("1s", 1), ("36h", 129_600)] {
            assert_eq!((seconds(text), written(count).as_str()), (Ok(count), text));
        }
        for text in ["", "0s", "-5m", "5", "soon", "500ms", "999999999h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_may_be_days() {
        for (text, count) in [("7d", Ok(604_800)), ("1 d", Ok(86_400)), ("36h", Ok(129_600))] {
            assert_eq!(days(text), count, "{text}");
        }
        for text in ["0d", "d", "-1d", "1.5d", "99999999d"] {
            assert!(days(text).is_err(), "{text}");
        }
    }

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
