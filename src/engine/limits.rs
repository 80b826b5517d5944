//! Concurrency limits: one run per agent, and a maximum number of calls per provider.
//!
//! The foreground never waits for the background: when it needs a place that a job holds, that job is cancelled and
//! retried later. Waiters are served in order of arrival, foreground before background.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The priority of the work that needs a place.
#[derive(Debug, Clone)]
pub enum Priority {
    /// A person or another agent waits for the result.
    Foreground,
    /// Nobody waits; the token is cancelled when the foreground needs the place.
    Background(CancellationToken),
}

impl Priority {
    fn is_foreground(&self) -> bool {
        matches!(self, Self::Foreground)
    }
}

/// How many places a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Places in total.
    pub all: usize,
    /// Places that the background may hold at once.
    pub background: usize,
}

impl Capacity {
    /// The places of an agent: one run at a time.
    pub const ONE: Self = Self { all: 1, background: 1 };

    /// The places of a provider. The background gets at most 4, and leaves one free if there are several.
    #[must_use]
    pub fn of_provider(max_parallel: u32) -> Self {
        let all = (max_parallel as usize).max(1);
        Self { all, background: all.saturating_sub(1).clamp(1, 4) }
    }
}

/// Places by key: agents by id, or providers by name.
#[derive(Debug)]
pub struct KeyedSemaphore<K: Eq + Hash + Clone>(Doors<K>);

/// The shared state; each [`Permit`] holds a reference to it.
type Doors<K> = Arc<Mutex<HashMap<K, Gate<K>>>>;

#[derive(Debug)]
struct Gate<K: Eq + Hash + Clone> {
    room: usize,
    background_room: usize,
    foreground: usize,
    background: Vec<(u64, CancellationToken)>,
    queue: VecDeque<Waiter<K>>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiter<K: Eq + Hash + Clone> {
    side: Priority,
    /// Receives a whole place, so that a waiter dropped at that moment releases it again.
    call: oneshot::Sender<Permit<K>>,
}

/// How the holder of a place is counted.
#[derive(Debug, Clone, Copy)]
enum Ticket {
    Foreground,
    Background(u64),
}

/// A held place. Dropping it releases the place to the next waiter.
#[derive(Debug)]
pub struct Permit<K: Eq + Hash + Clone> {
    gates: Doors<K>,
    key: K,
    /// `None` once the place is released.
    ticket: Option<Ticket>,
}

fn lock<K: Eq + Hash + Clone>(gates: &Mutex<HashMap<K, Gate<K>>>) -> MutexGuard<'_, HashMap<K, Gate<K>>> {
    // Counts are never left half updated, so a poisoned lock is safe to use.
    gates.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash + Clone> Default for KeyedSemaphore<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(HashMap::new())))
    }
}

impl<K: Eq + Hash + Clone> Default for Gate<K> {
    fn default() -> Self {
        let (background, queue) = (Vec::new(), VecDeque::new());
        Self { room: 0, background_room: 0, foreground: 0, background, queue, tickets: 0 }
    }
}

impl<K: Eq + Hash + Clone> KeyedSemaphore<K> {
    /// Takes a place if one is free now. The background also gets `None` while others wait.
    #[must_use]
    pub fn try_enter(&self, key: &K, room: Capacity, side: &Priority) -> Option<Permit<K>> {
        let mut gates = lock(&self.0);
        let gate = gates.entry(key.clone()).or_default();
        gate.resize(room);
        if !gate.queue.is_empty() && !side.is_foreground() {
            return None;
        }
        let ticket = gate.try_acquire(side)?;
        Some(self.place(key, ticket))
    }

    fn place(&self, key: &K, ticket: Ticket) -> Permit<K> {
        Permit { gates: Arc::clone(&self.0), key: key.clone(), ticket: Some(ticket) }
    }

    /// Waits for a place; foreground work preempts a background holder. Dropping the future leaves the queue.
    pub async fn acquire(&self, key: &K, room: Capacity, side: Priority) -> Permit<K> {
        loop {
            let call = {
                let mut gates = lock(&self.0);
                let gate = gates.entry(key.clone()).or_default();
                gate.resize(room);
                let first = gate.queue.iter().all(|other| side.is_foreground() && !other.side.is_foreground());
                if first && let Some(ticket) = gate.try_acquire(&side) {
                    return self.place(key, ticket);
                }
                if side.is_foreground() {
                    gate.ask_to_give_way();
                }
                let (call, called) = oneshot::channel();
                gate.queue.push_back(Waiter { side: side.clone(), call });
                called
            };
            if let Ok(place) = call.await {
                return place;
            }
        }
    }

    /// The number of places that are held or waited for.
    #[must_use]
    pub fn held(&self) -> usize {
        lock(&self.0).values().map(|gate| gate.foreground + gate.background.len() + gate.queue.len()).sum()
    }

    /// True when no place of this key is held and nothing waits for one.
    #[must_use]
    #[cfg(test)]
    pub fn is_quiet(&self, key: &K) -> bool {
        lock(&self.0)
            .get(key)
            .is_none_or(|gate| gate.foreground == 0 && gate.background.is_empty() && gate.queue.is_empty())
    }
}

impl<K: Eq + Hash + Clone> Gate<K> {
    fn resize(&mut self, room: Capacity) {
        self.room = room.all;
        self.background_room = room.background;
    }

    /// Takes a place if one is free.
    fn try_acquire(&mut self, side: &Priority) -> Option<Ticket> {
        if self.foreground + self.background.len() >= self.room {
            return None;
        }
        match side {
            Priority::Foreground => {
                self.foreground += 1;
                Some(Ticket::Foreground)
            }
            Priority::Background(give_way) => {
                if self.background.len() >= self.background_room {
                    return None;
                }
                self.tickets += 1;
                self.background.push((self.tickets, give_way.clone()));
                Some(Ticket::Background(self.tickets))
            }
        }
    }

    /// Cancels the newest background holder that is not cancelled yet.
    fn ask_to_give_way(&mut self) {
        if let Some((_, give_way)) = self.background.iter().rev().find(|(_, give_way)| !give_way.is_cancelled()) {
            give_way.cancel();
        }
    }

    fn grant_next(&mut self, gates: &Doors<K>, key: &K) {
        loop {
            self.queue.retain(|waiter| !waiter.call.is_closed());
            let next = self
                .queue
                .iter()
                .position(|waiter| waiter.side.is_foreground())
                .or_else(|| (!self.queue.is_empty()).then_some(0));
            let Some(at) = next else { return };
            let side = self.queue[at].side.clone();
            let Some(ticket) = self.try_acquire(&side) else { return };
            let Some(waiter) = self.queue.remove(at) else { return };
            let place = Permit { gates: Arc::clone(gates), key: key.clone(), ticket: Some(ticket) };
            if let Err(mut place) = waiter.call.send(place) {
                // Released here because the map is locked; without a ticket the drop does nothing.
                place.ticket = None;
                self.release(ticket);
            }
        }
    }

    fn release(&mut self, ticket: Ticket) {
        match ticket {
            Ticket::Foreground => self.foreground = self.foreground.saturating_sub(1),
            Ticket::Background(ticket) => self.background.retain(|(own, _)| *own != ticket),
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Permit<K> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get_mut(&self.key) {
            gate.release(ticket);
            gate.grant_next(&self.gates, &self.key);
            if gate.foreground == 0 && gate.background.is_empty() && gate.queue.is_empty() {
                gates.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_foreground_makes_a_job_give_way_and_goes_first() {
        let gates: KeyedSemaphore<&str> = KeyedSemaphore::default();
        let give_way = CancellationToken::new();
        let job = gates.acquire(&"agent", Capacity::ONE, Priority::Background(give_way.clone())).await;
        let other_job = gates.acquire(&"agent", Capacity::ONE, Priority::Background(CancellationToken::new()));
        let speech = gates.acquire(&"agent", Capacity::ONE, Priority::Foreground);
        tokio::pin!(other_job, speech);
        assert!(futures::poll!(other_job.as_mut()).is_pending());
        assert!(futures::poll!(speech.as_mut()).is_pending());
        assert!(give_way.is_cancelled());
        drop(job);
        let speech = speech.await;
        assert!(futures::poll!(other_job.as_mut()).is_pending());
        drop(speech);
        drop(other_job.await);
        assert!(gates.is_quiet(&"agent"));
    }

    #[tokio::test]
    async fn the_background_never_takes_the_last_of_several_places() {
        let gates: KeyedSemaphore<&str> = KeyedSemaphore::default();
        let room = Capacity::of_provider(3);
        let side = || Priority::Background(CancellationToken::new());
        let held: Vec<_> = (0..3).filter_map(|_| gates.try_enter(&"provider", room, &side())).collect();
        assert_eq!(held.len(), 2);
        assert!(gates.try_enter(&"provider", room, &Priority::Foreground).is_some());
        assert_eq!(Capacity::of_provider(1), Capacity { all: 1, background: 1 });
        assert_eq!(Capacity::of_provider(50).background, 4);
    }

    #[tokio::test]
    async fn one_who_stops_waiting_as_the_place_comes_gives_it_back() {
        let gates: KeyedSemaphore<&str> = KeyedSemaphore::default();
        let first = gates.acquire(&"agent", Capacity::ONE, Priority::Foreground).await;
        {
            let gone = gates.acquire(&"agent", Capacity::ONE, Priority::Foreground);
            tokio::pin!(gone);
            assert!(futures::poll!(gone.as_mut()).is_pending());
            drop(first);
        }
        assert!(gates.try_enter(&"agent", Capacity::ONE, &Priority::Foreground).is_some());
    }

    #[tokio::test]
    async fn one_who_stops_waiting_leaves_no_hole() {
        let gates: KeyedSemaphore<&str> = KeyedSemaphore::default();
        let first = gates.acquire(&"agent", Capacity::ONE, Priority::Foreground).await;
        {
            let gone = gates.acquire(&"agent", Capacity::ONE, Priority::Foreground);
            tokio::pin!(gone);
            assert!(futures::poll!(gone.as_mut()).is_pending());
        }
        drop(first);
        assert!(gates.try_enter(&"agent", Capacity::ONE, &Priority::Foreground).is_some());
    }
}
