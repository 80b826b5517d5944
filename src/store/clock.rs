//! Time as a parameter of the store and of everything above it.
//!
//! There are two times. The wall clock dates what happens, and people set it. Elapsed time measures how long something
//! takes or waits: no setting of the wall clock changes it, and it goes on while the machine sleeps.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A source of wall time and of elapsed time.
pub trait Clock: Send + Sync {
    /// The current wall time.
    fn now(&self) -> Timestamp;

    /// The time since a fixed moment in the past, also while the machine slept.
    fn elapsed(&self) -> Duration;

    /// The time zone whose midnight begins a day.
    fn zone(&self) -> TimeZone {
        TimeZone::system()
    }

    /// Waits until this much time has elapsed.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }

    /// Waits until the wall clock shows this moment. It may end earlier, for example when the clock is set: whoever waits
    /// looks at the clock again.
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        self.sleep(Duration::try_from(moment.duration_since(self.now())).unwrap_or_default())
    }
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The clock that goes on while the machine sleeps. Elsewhere than on Linux, the monotonic clock does.
#[cfg(target_os = "linux")]
const ELAPSED: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const ELAPSED: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        let time = rustix::time::clock_gettime(ELAPSED);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
    }

    #[cfg(target_os = "linux")]
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // The runtime's own timers stop while the machine sleeps.
            if let Err(error) = timer(span).await {
                tracing::warn!(%error, "no timer that goes on while the machine sleeps");
                tokio::time::sleep(span).await;
            }
        })
    }

    #[cfg(target_os = "linux")]
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let left = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        Box::pin(async move {
            if let Err(error) = alarm(moment).await {
                tracing::warn!(%error, "no timer that rings when the clock is set");
                tokio::time::sleep(left).await;
            }
        })
    }
}

/// Waits on a timer of the kernel that counts the time in which the machine sleeps.
#[cfg(target_os = "linux")]
async fn timer(span: Duration) -> std::io::Result<()> {
    ring(rustix::time::TimerfdClockId::Boottime, rustix::time::TimerfdTimerFlags::empty(), span).await
}

/// Waits on a timer of the kernel that rings at this time of the wall clock, and when the clock is set.
#[cfg(target_os = "linux")]
async fn alarm(moment: Timestamp) -> std::io::Result<()> {
    use rustix::time::TimerfdTimerFlags;

    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    let since_epoch = Duration::try_from(moment.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
    ring(rustix::time::TimerfdClockId::Realtime, flags, since_epoch).await
}

/// Waits on a timer of the kernel.
#[cfg(target_os = "linux")]
async fn ring(
    clock: rustix::time::TimerfdClockId,
    flags: rustix::time::TimerfdTimerFlags,
    span: Duration,
) -> std::io::Result<()> {
    use rustix::time::{Itimerspec, TimerfdFlags, Timespec};

    // A timer set to zero never rings.
    let span = span.max(Duration::from_nanos(1));
    let timer = rustix::time::timerfd_create(clock, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let after = Timespec {
        // Some thousand years, so that the kernel's arithmetic does not overflow.
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX).min(1 << 37),
        tv_nsec: span.subsec_nanos().into(),
    };
    let spec = Itimerspec { it_interval: once, it_value: after };
    rustix::time::timerfd_settime(&timer, flags, &spec)?;
    // A pipe's reading end is the runtime's safe type for a descriptor that becomes readable once.
    tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(timer)?.readable().await
}

/// A clock that changes only when it is set, for tests.
pub struct ManualClock(Mutex<(Timestamp, Duration)>);

impl ManualClock {
    /// A clock set to this time.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(Mutex::new((at, Duration::ZERO)))
    }

    /// Lets time elapse. The wall time advances at most to the maximum timestamp.
    pub fn advance(&self, by: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *times = (times.0.saturating_add(by).unwrap_or(Timestamp::MAX), times.1.saturating_add(by));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::UNIX_EPOCH)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_lasts_as_long_as_it_is_told_and_none_lasts_for_ever() {
        let begun = SystemClock.elapsed();
        SystemClock.sleep(Duration::ZERO).await;
        SystemClock.sleep(Duration::from_millis(20)).await;
        assert!(SystemClock.elapsed() >= begun + Duration::from_millis(20));
        let moment = SystemClock.now() + Duration::from_millis(20);
        SystemClock.sleep_until(moment).await;
        assert!(SystemClock.now() >= moment);
        SystemClock.sleep_until(Timestamp::UNIX_EPOCH).await;
        let far = SystemClock.sleep_until(Timestamp::MAX);
        tokio::pin!(far);
        assert!(futures::poll!(far).is_pending());
        let long = SystemClock.sleep(Duration::MAX);
        tokio::pin!(long);
        assert!(futures::poll!(long).is_pending());
    }
}
