//! Frame scheduling: computes when the next frame is due. Holds instants only, no timer.
//!
//! - User input is drawn immediately. Two such frames may follow each other directly; further ones are limited
//!   to 60 per second.
//! - Engine updates are drawn immediately after a pause, then at most 30 times per second (10 over SSH). Over
//!   SSH they also wait until the link has had time to transmit the last frame, or the terminal has confirmed
//!   it: at most one frame is queued on a slow link, which keeps the delay of the next key short.
//! - What the first frame asks for is drawn like user input: until it is there, the user sees an empty screen.
//! - Streamed text is drawn like other engine updates once a frame of it is worth its cost: every frame costs some
//!   forty bytes beside the text it shows. Fewer bytes of text wait a little for more.
//! - Animation is drawn at most 4 times per second, one frame per request.
//!
//! A frame shows the whole state, so it satisfies every pending request.

use std::time::{Duration, Instant};

/// Bytes of streamed text that are drawn without waiting for more.
const WORTH_A_FRAME: usize = 32;

/// Minimum time between frames, per reason to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameIntervals {
    /// Between frames for user input, after two have followed each other directly.
    pub keys: Duration,
    /// From any frame to one for engine updates.
    pub deltas: Duration,
    /// How long streamed text waits for more, if there is less of it than [`WORTH_A_FRAME`].
    pub text: Duration,
    /// From any frame to one for animation only.
    pub animation: Duration,
    /// Assumed link speed in bytes per second; `None` for a local terminal.
    pub trusted: Option<u32>,
}

impl FrameIntervals {
    /// For a local terminal: 60, 30 and 4 frames per second.
    pub const LOCAL: Self = Self {
        keys: Duration::from_micros(16_667),
        deltas: Duration::from_micros(33_334),
        text: Duration::from_millis(500),
        animation: Duration::from_millis(250),
        trusted: None,
    };
    /// Over SSH: 60, 10 and 4 frames per second, and 3,000 bytes per second, below the slowest usable link.
    pub const OVER_SSH: Self = Self { deltas: Duration::from_millis(100), trusted: Some(3_000), ..Self::LOCAL };
}

/// Schedules frames; see the module documentation.
#[derive(Debug)]
pub struct Pacer {
    gaps: FrameIntervals,
    /// From then on, user input is drawn immediately: when the token bucket of two frames is full again, less one
    /// gap.
    key_free: Option<Instant>,
    drawn: Option<Instant>,
    /// Estimated end of the transmission of all bytes sent.
    busy: Option<Instant>,
    key: Option<Instant>,
    delta: Option<Instant>,
    /// When the first of the streamed text that is not drawn yet arrived, and its bytes.
    text: Option<(Instant, usize)>,
    animation: Option<Instant>,
    /// Answers that the first frame waits for; `None` before it.
    awaited: Option<usize>,
}

impl Pacer {
    /// Creates a pacer without pending requests.
    #[must_use]
    pub fn new(gaps: FrameIntervals) -> Self {
        Self {
            gaps,
            key_free: None,
            drawn: None,
            busy: None,
            key: None,
            delta: None,
            text: None,
            animation: None,
            awaited: None,
        }
    }

    /// Requests a frame for user input: a key, a paste, the mouse, a new size.
    pub fn key(&mut self, now: Instant) {
        self.key.get_or_insert(now);
    }

    /// Requests a frame for an engine update.
    pub fn delta(&mut self, now: Instant) {
        self.delta.get_or_insert(now);
    }

    /// Requests a frame for so many more bytes of streamed text.
    pub fn text(&mut self, bytes: usize, now: Instant) {
        self.text.get_or_insert((now, 0)).1 += bytes;
    }

    /// Records how many answers a frame asked for; those of the first frame are what the user waits for.
    pub fn asked(&mut self, answers: usize) {
        self.awaited.get_or_insert(answers);
    }

    /// Records an answer; one that the first frame waits for is drawn like user input.
    pub fn answered(&mut self, now: Instant) {
        if let Some(left @ 1..) = self.awaited {
            self.awaited = Some(left - 1);
            self.key(now);
        }
    }

    /// Requests one animation frame; must be called again after each frame.
    #[cfg(test)]
    pub fn animate(&mut self, now: Instant) {
        self.animation.get_or_insert(now);
    }

    /// Returns when the next frame is due; an instant in the past means immediately. `None` if no frame is
    /// requested.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let after_frame = |asked: Instant, gap| {
            let asked = self.busy.map_or(asked, |busy| asked.max(busy));
            self.drawn.map_or(asked, |drawn: Instant| asked.max(drawn + gap))
        };
        let key = self.key.map(|asked| self.key_free.map_or(asked, |free| asked.max(free)));
        let delta = self.delta.map(|asked| after_frame(asked, self.gaps.deltas));
        let text = self.text.map(|(asked, bytes)| {
            let wait = if bytes < WORTH_A_FRAME { self.gaps.text } else { Duration::ZERO };
            after_frame(asked + wait, self.gaps.deltas)
        });
        let animation = self.animation.map(|asked| after_frame(asked, self.gaps.animation));
        [key, delta, text, animation].into_iter().flatten().min()
    }

    /// Returns true if a frame is due at `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        self.next().is_some_and(|due| due <= now)
    }

    /// Records that `bytes` bytes were sent to the terminal.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        if let Some(rate) = self.gaps.trusted {
            let time = Duration::from_secs(bytes as u64) / rate;
            self.busy = Some(self.busy.map_or(now, |busy| busy.max(now)) + time);
        }
    }

    /// Records that the terminal has received all bytes sent.
    pub fn arrived(&mut self) {
        self.busy = None;
    }

    /// Records a frame drawn at `now` and clears all requests.
    pub fn drew(&mut self, now: Instant) {
        if self.key.is_some() {
            let full = self.key_free.map_or(now, |free| now.max(free + self.gaps.keys));
            self.key_free = Some(full);
        }
        self.drawn = Some(now);
        self.key = None;
        self.delta = None;
        self.text = None;
        self.animation = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Calls `request` and polls the pacer once per millisecond for `until` milliseconds. Returns the
    /// milliseconds at which frames were drawn.
    fn frames(gaps: FrameIntervals, until: u32, mut request: impl FnMut(u32, Instant, &mut Pacer)) -> Vec<u32> {
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
        let mut pacer = Pacer::new(FrameIntervals::OVER_SSH);
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
    fn what_the_first_frame_asks_for_is_drawn_at_once_and_what_follows_keeps_the_pace() {
        let start = Instant::now();
        let mut pacer = Pacer::new(FrameIntervals::LOCAL);
        pacer.key(start);
        pacer.drew(start);
        pacer.asked(1);
        for (answered, due) in [(1, MS), (2, MS + FrameIntervals::LOCAL.deltas)] {
            let now = start + MS * answered;
            pacer.answered(now);
            pacer.delta(now);
            assert_eq!(pacer.next(), Some(start + due));
            pacer.drew(start + due);
            pacer.asked(1);
        }
    }

    #[test]
    fn nothing_to_draw_is_no_deadline() {
        let now = Instant::now();
        let mut pacer = Pacer::new(FrameIntervals::LOCAL);
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
        let spaced = frames(FrameIntervals::LOCAL, 1000, |at, now, pacer| {
            if at % 100 < 2 {
                pacer.key(now);
            }
        });
        assert_eq!(spaced[..4], [0, 1, 100, 101]);
        let flood = frames(FrameIntervals::LOCAL, 1000, |_, now, pacer| pacer.key(now));
        assert_eq!(flood[..2], [0, 1]);
        assert!((60..=61).contains(&flood.len()), "{}", flood.len());
    }

    #[test]
    fn the_engine_draws_at_once_after_quiet_and_then_holds_the_cap() {
        let local = frames(FrameIntervals::LOCAL, 1000, |at, now, pacer| {
            if at >= 500 {
                pacer.delta(now);
            }
        });
        assert_eq!(local[0], 500);
        assert!(local.windows(2).all(|pair| pair[1] - pair[0] >= 33), "{local:?}");
        assert!((14..=15).contains(&local.len()), "{}", local.len());
        let remote = frames(FrameIntervals::OVER_SSH, 1000, |_, now, pacer| pacer.delta(now));
        assert_eq!(remote.len(), 10);
    }

    #[test]
    fn a_key_never_waits_for_the_stream() {
        let mut keys = Vec::new();
        let drawn = frames(FrameIntervals::OVER_SSH, 1000, |at, now, pacer| {
            pacer.delta(now);
            if at % 70 == 35 {
                pacer.key(now);
                keys.push(at);
            }
        });
        assert!(keys.iter().all(|key| drawn.contains(key)));
    }

    #[test]
    fn streamed_text_waits_until_it_is_worth_a_frame_and_never_for_long() {
        let fast = frames(FrameIntervals::LOCAL, 2000, |at, now, pacer| {
            if at % 25 == 0 {
                pacer.text(8, now);
            }
        });
        assert!(fast.windows(2).all(|pair| pair[1] - pair[0] == 100), "32 bytes each: {fast:?}");
        let slow = frames(FrameIntervals::LOCAL, 2000, |at, now, pacer| {
            if at % 1000 == 0 {
                pacer.text(4, now);
            }
        });
        assert_eq!(slow, [500, 1500]);
        let with_a_key = frames(FrameIntervals::LOCAL, 400, |at, now, pacer| {
            if at == 0 {
                pacer.text(4, now);
            }
            if at == 10 {
                pacer.key(now);
            }
        });
        assert_eq!(with_a_key, [10], "a frame for a key shows the text too");
    }

    #[test]
    fn animation_is_four_a_second_and_only_when_asked_for() {
        let asked = frames(FrameIntervals::LOCAL, 2000, |at, now, pacer| {
            if at < 1000 {
                pacer.animate(now);
            }
        });
        assert_eq!(asked, [0, 250, 500, 750, 1000]);
        let beside = frames(FrameIntervals::LOCAL, 1000, |at, now, pacer| {
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
        let mut pacer = Pacer::new(FrameIntervals::LOCAL);
        pacer.delta(start);
        pacer.drew(start);
        pacer.delta(start + MS);
        let due = pacer.next();
        pacer.delta(start + MS * 20);
        pacer.animate(start + MS * 20);
        assert_eq!(pacer.next(), due);
        assert_eq!(due, Some(start + FrameIntervals::LOCAL.deltas));
    }
}
