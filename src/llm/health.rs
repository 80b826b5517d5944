//! Pauses calls to a provider that fails repeatedly, then probes it with one call at a time (J7).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The number of consecutive failures that mark a provider as down.
const FAILURES: u32 = 5;
/// The first and the longest pause of a provider that is down.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The health of a provider.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    pause: Duration,
    until: Instant,
    probed: bool,
    why: String,
}

/// Permission for one call. The caller reports the outcome; a dropped ticket counts as neither success nor failure.
#[derive(Debug)]
pub(super) struct Ticket {
    health: Arc<Health>,
    is_probe: bool,
}

/// Why a provider is not called.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The remaining pause, at least 1 s.
    pub wait: Duration,
    /// Its last error.
    pub why: String,
}

impl Health {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a ticket, unless the provider is down and is paused or being probed.
    pub fn enter(self: &Arc<Self>) -> Result<Ticket, Refusal> {
        let is_probe = self.with(|state| match &mut state.down {
            None => Ok(false),
            Some(down) => {
                if let Some(wait) = down.paused_for() {
                    return Err(Refusal { wait, why: down.why.clone() });
                }
                down.probed = true;
                Ok(true)
            }
        })?;
        Ok(Ticket { health: Arc::clone(self), is_probe })
    }

    /// The remaining pause, at least 1 s, while the provider is paused or being probed.
    pub fn paused_for(&self) -> Option<Duration> {
        self.with(|state| state.down.as_ref().and_then(Down::paused_for))
    }

    /// Records that the provider answers; resets its state.
    pub fn well(&self) {
        self.with(|state| *state = State::default());
    }
}

impl Down {
    fn paused_for(&self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        (self.probed || !left.is_zero()).then(|| left.max(Duration::from_secs(1)))
    }
}

impl Ticket {
    /// Records that the provider answered.
    pub fn answered(self) {
        self.health.well();
    }

    /// Records that the provider failed before it sent anything.
    pub fn failed(self, why: &str) {
        self.health.with(|state| {
            state.failures += 1;
            let pause = match &state.down {
                Some(down) if self.is_probe => (down.pause * 2).min(LONGEST_PAUSE),
                None if state.failures >= FAILURES => FIRST_PAUSE,
                // Calls started before it went down add no information.
                Some(_) | None => return,
            };
            state.down = Some(Down { pause, until: Instant::now() + pause, probed: false, why: why.to_owned() });
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_probe {
            self.health.with(|state| {
                if let Some(down) = &mut state.down {
                    down.probed = false;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{FAILURES, FIRST_PAUSE, Health};

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_failed_five_times_in_a_row_is_probed_by_one_call_at_a_time() {
        let health = Arc::new(Health::default());
        for _ in 1..FAILURES {
            health.enter().unwrap().failed("no");
        }
        health.enter().unwrap().answered();
        for _ in 0..FAILURES {
            health.enter().unwrap().failed("it burns");
        }
        let refusal = health.enter().unwrap_err();
        assert_eq!((refusal.wait, refusal.why.as_str()), (FIRST_PAUSE, "it burns"));
        tokio::time::advance(FIRST_PAUSE).await;
        let probe = health.enter().unwrap();
        assert!(health.enter().is_err(), "one at a time");
        drop(probe);
        let probe = health.enter().unwrap();
        probe.failed("it burns");
        assert_eq!(health.enter().unwrap_err().wait, FIRST_PAUSE * 2);
        tokio::time::advance(FIRST_PAUSE * 2).await;
        health.enter().unwrap().answered();
        assert!(health.enter().is_ok() && health.enter().is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}
