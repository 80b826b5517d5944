//! When the next frame is due: a pure struct of instants, holding no timer.
//!
//! - What a person does is drawn at once. Two such frames may follow each other directly; held keys are then
//!   drawn at most sixty times a second.
//! - What the engine does is drawn at once after a quiet while, then at most 30 times a second (10 over SSH).
//!   Over SSH it also waits until the link has had time for the last frame, or the terminal has said that it
//!   has it: the backlog of a slow link stays below one frame, so that the next key is not behind more.
//! - Animation is drawn at most 4 times a second, one frame for each time it is asked for.
//!
//! One frame shows all there is, so each frame settles every request.

use std::time::{Duration, Instant};

/// The least time between frames for each of the reasons to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// Between frames for keys, once two have followed each other directly.
    pub keys: Duration,
    /// From any frame to one for what the engine did.
    pub deltas: Duration,
    /// From any frame to one for animation alone.
    pub animation: Duration,
    /// The bytes a second that any link is trusted with, where the terminal is at the other end of one.
    pub trusted: Option<u32>,
}

impl Gaps {
    /// For a terminal on this machine: 60, 30 and 4 frames a second.
    pub const LOCAL: Self = Self {
        keys: Duration::from_micros(16_667),
        deltas: Duration::from_micros(33_334),
        animation: Duration::from_millis(250),
        trusted: None,
    };
    /// Over SSH: 60, 10 and 4 frames a second, and 3,000 bytes a second: less than the slowest link worth it.
    pub const OVER_SSH: Self = Self { deltas: Duration::from_millis(100), trusted: Some(3_000), ..Self::LOCAL };
}

/// Decides when to draw; see the module's header.
#[derive(Debug)]
pub struct Pacer {
    gaps: Gaps,
    /// When the bucket of two key frames would be full again, less one gap: from then on a key draws at once.
    key_free: Option<Instant>,
    drawn: Option<Instant>,
    /// Until when the link is taken to be busy with what was sent.
    busy: Option<Instant>,
    key: Option<Instant>,
    delta: Option<Instant>,
    animation: Option<Instant>,
}

impl Pacer {
    /// A pacer with nothing to draw.
    #[must_use]
    pub fn new(gaps: Gaps) -> Self {
        Self { gaps, key_free: None, drawn: None, busy: None, key: None, delta: None, animation: None }
    }

    /// A person did something that shows: a key, a paste, the mouse, a new size.
    pub fn key(&mut self, now: Instant) {
        self.key.get_or_insert(now);
    }

    /// The engine did something that shows.
    pub fn delta(&mut self, now: Instant) {
        self.delta.get_or_insert(now);
    }

    /// Something on screen moves; asked anew after each frame that shows it.
    pub fn animate(&mut self, now: Instant) {
        self.animation.get_or_insert(now);
    }

    /// When the next frame is due, an instant not after `now` meaning at once; none when nothing is to draw.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let after_frame = |asked: Instant, gap| {
            let asked = self.busy.map_or(asked, |busy| asked.max(busy));
            self.drawn.map_or(asked, |drawn: Instant| asked.max(drawn + gap))
        };
        let key = self.key.map(|asked| self.key_free.map_or(asked, |free| asked.max(free)));
        let delta = self.delta.map(|asked| after_frame(asked, self.gaps.deltas));
        let animation = self.animation.map(|asked| after_frame(asked, self.gaps.animation));
        [key, delta, animation].into_iter().flatten().min()
    }

    /// Whether a frame is due at `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        self.next().is_some_and(|due| due <= now)
    }

    /// So many bytes are on their way to the terminal.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        if let Some(rate) = self.gaps.trusted {
            let time = Duration::from_secs(bytes as u64) / rate;
            self.busy = Some(self.busy.map_or(now, |busy| busy.max(now)) + time);
        }
    }

    /// The terminal has all that was sent.
    pub fn arrived(&mut self) {
        self.busy = None;
    }

    /// A frame was drawn at `now`: every request so far is settled.
    pub fn drew(&mut self, now: Instant) {
        if self.key.is_some() {
            let full = self.key_free.map_or(now, |free| now.max(free + self.gaps.keys));
            self.key_free = Some(full);
        }
        self.drawn = Some(now);
        self.key = None;
        self.delta = None;
        self.animation = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Runs `requests` (milliseconds, what) for `until` milliseconds, asking the pacer each millisecond, and
    /// returns when frames were drawn.
    fn frames(gaps: Gaps, until: u32, mut request: impl FnMut(u32, Instant, &mut Pacer)) -> Vec<u32> {
        let start = Instant::now();
        let mut pacer = Pacer::new(gaps);
        let mut drawn = Vec::new();
        for at in 0..until {
            let now = start + MS * at;
            request(at, now, &mut pacer);
            if pacer.due(now) {
                pacer.drew(now);
                drawn.push(at);
            }
        }
        drawn
    }

    #[test]
    fn over_ssh_what_the_engine_does_waits_for_the_link_and_a_key_does_not() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Gaps::OVER_SSH);
        pacer.drew(start);
        pacer.sent(3_000, start);
        pacer.delta(start);
        assert_eq!(pacer.next(), Some(start + MS * 1_000));
        pacer.key(start + MS);
        assert_eq!(pacer.next(), Some(start + MS));
        pacer.drew(start + MS);
        pacer.sent(300, start + MS);
        pacer.delta(start + MS);
        assert_eq!(pacer.next(), Some(start + MS * 1_100), "what was sent adds up");
        pacer.arrived();
        assert_eq!(pacer.next(), Some(start + MS * 101));
    }

    #[test]
    fn nothing_to_draw_is_no_deadline() {
        let now = Instant::now();
        let mut pacer = Pacer::new(Gaps::LOCAL);
        assert_eq!(pacer.next(), None);
        pacer.key(now);
        pacer.delta(now);
        pacer.animate(now);
        assert_eq!(pacer.next(), Some(now));
        pacer.drew(now);
        assert_eq!(pacer.next(), None);
    }

    #[test]
    fn keys_draw_at_once_two_in_a_row_then_sixty_a_second() {
        let spaced = frames(Gaps::LOCAL, 1000, |at, now, pacer| {
            if at % 100 < 2 {
                pacer.key(now);
            }
        });
        assert_eq!(spaced[..4], [0, 1, 100, 101]);
        let flood = frames(Gaps::LOCAL, 1000, |_, now, pacer| pacer.key(now));
        assert_eq!(flood[..2], [0, 1]);
        assert!((60..=61).contains(&flood.len()), "{}", flood.len());
    }

    #[test]
    fn the_engine_draws_at_once_after_quiet_and_then_holds_the_cap() {
        let local = frames(Gaps::LOCAL, 1000, |at, now, pacer| {
            if at >= 500 {
                pacer.delta(now);
            }
        });
        assert_eq!(local[0], 500);
        assert!(local.windows(2).all(|pair| pair[1] - pair[0] >= 33), "{local:?}");
        assert!((14..=15).contains(&local.len()), "{}", local.len());
        let remote = frames(Gaps::OVER_SSH, 1000, |_, now, pacer| pacer.delta(now));
        assert_eq!(remote.len(), 10);
    }

    #[test]
    fn a_key_never_waits_for_the_stream() {
        let mut keys = Vec::new();
        let drawn = frames(Gaps::OVER_SSH, 1000, |at, now, pacer| {
            pacer.delta(now);
            if at % 70 == 35 {
                pacer.key(now);
                keys.push(at);
            }
        });
        assert!(keys.iter().all(|key| drawn.contains(key)));
    }

    #[test]
    fn animation_is_four_a_second_and_only_when_asked_for() {
        let asked = frames(Gaps::LOCAL, 2000, |at, now, pacer| {
            if at < 1000 {
                pacer.animate(now);
            }
        });
        assert_eq!(asked, [0, 250, 500, 750, 1000]);
        let beside = frames(Gaps::LOCAL, 1000, |at, now, pacer| {
            pacer.animate(now);
            if at % 100 == 0 {
                pacer.delta(now);
            }
        });
        assert_eq!(beside.len(), 10, "frames for another reason show the animation too");
    }

    #[test]
    fn a_request_does_not_move_the_deadline_of_an_earlier_one() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Gaps::LOCAL);
        pacer.delta(start);
        pacer.drew(start);
        pacer.delta(start + MS);
        let due = pacer.next();
        pacer.delta(start + MS * 20);
        pacer.animate(start + MS * 20);
        assert_eq!(pacer.next(), due);
        assert_eq!(due, Some(start + Gaps::LOCAL.deltas));
    }
}
