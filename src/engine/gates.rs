//! Who may work now: one run an agent at a time, so many calls a provider at a time.
//!
//! The foreground never waits for the background (promise 3): where it wants what a job holds, the job is told
//! to give way at once. Waiting is first come, first served, foreground before background.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Which kind of work asks.
#[derive(Debug, Clone)]
pub enum Side {
    /// Somebody waits for it.
    Foreground,
    /// Nobody does; cancelled when the foreground wants its place.
    Background(CancellationToken),
}

impl Side {
    fn is_foreground(&self) -> bool {
        matches!(self, Self::Foreground)
    }
}

/// How many may work at once, and how many of them in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// All together.
    pub all: usize,
    /// In the background.
    pub background: usize,
}

impl Room {
    /// An agent has one run at a time.
    pub const ONE: Self = Self { all: 1, background: 1 };

    /// A provider's slots: the background uses at most 4, and the last only where there is no other.
    #[must_use]
    pub fn of_provider(max_parallel: u32) -> Self {
        let all = (max_parallel as usize).max(1);
        Self { all, background: all.saturating_sub(1).clamp(1, 4) }
    }
}

/// Gates by key: agents by id, providers by name.
#[derive(Debug)]
pub struct Gates<K: Eq + Hash + Clone>(Doors<K>);

/// The gates as their places know them.
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
    side: Side,
    /// A whole place is sent, so that one who stops waiting in that very moment gives it back.
    call: oneshot::Sender<Place<K>>,
}

/// How a holder is counted.
#[derive(Debug, Clone, Copy)]
enum Ticket {
    Foreground,
    Background(u64),
}

/// A place held; dropping it lets the next one in.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    gates: Doors<K>,
    key: K,
    /// How it is counted; `None` once it is given back.
    ticket: Option<Ticket>,
}

fn lock<K: Eq + Hash + Clone>(gates: &Mutex<HashMap<K, Gate<K>>>) -> MutexGuard<'_, HashMap<K, Gate<K>>> {
    // A gate's counts are changed in one go; a panic elsewhere leaves them whole.
    gates.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash + Clone> Default for Gates<K> {
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

impl<K: Eq + Hash + Clone> Gates<K> {
    /// A place at once, or none.
    #[must_use]
    pub fn try_enter(&self, key: &K, room: Room, side: &Side) -> Option<Place<K>> {
        let mut gates = lock(&self.0);
        let gate = gates.entry(key.clone()).or_default();
        gate.resize(room);
        if !gate.queue.is_empty() && !side.is_foreground() {
            return None;
        }
        let ticket = gate.admit(side)?;
        Some(self.place(key, ticket))
    }

    fn place(&self, key: &K, ticket: Ticket) -> Place<K> {
        Place { gates: Arc::clone(&self.0), key: key.clone(), ticket: Some(ticket) }
    }

    /// Waits for a place. Dropped before it is ready, it leaves the queue.
    pub async fn enter(&self, key: &K, room: Room, side: Side) -> Place<K> {
        loop {
            let call = {
                let mut gates = lock(&self.0);
                let gate = gates.entry(key.clone()).or_default();
                gate.resize(room);
                let first = gate.queue.iter().all(|other| side.is_foreground() && !other.side.is_foreground());
                if first && let Some(ticket) = gate.admit(&side) {
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

    /// True when nobody is in and nobody waits.
    #[must_use]
    pub fn is_quiet(&self, key: &K) -> bool {
        lock(&self.0)
            .get(key)
            .is_none_or(|gate| gate.foreground == 0 && gate.background.is_empty() && gate.queue.is_empty())
    }
}

impl<K: Eq + Hash + Clone> Gate<K> {
    fn resize(&mut self, room: Room) {
        self.room = room.all;
        self.background_room = room.background;
    }

    /// Counts one in, if there is room.
    fn admit(&mut self, side: &Side) -> Option<Ticket> {
        if self.foreground + self.background.len() >= self.room {
            return None;
        }
        match side {
            Side::Foreground => {
                self.foreground += 1;
                Some(Ticket::Foreground)
            }
            Side::Background(give_way) => {
                if self.background.len() >= self.background_room {
                    return None;
                }
                self.tickets += 1;
                self.background.push((self.tickets, give_way.clone()));
                Some(Ticket::Background(self.tickets))
            }
        }
    }

    /// Tells the youngest background holder that has not been told yet.
    fn ask_to_give_way(&mut self) {
        if let Some((_, give_way)) = self.background.iter().rev().find(|(_, give_way)| !give_way.is_cancelled()) {
            give_way.cancel();
        }
    }

    fn let_in(&mut self, gates: &Doors<K>, key: &K) {
        loop {
            self.queue.retain(|waiter| !waiter.call.is_closed());
            let next = self
                .queue
                .iter()
                .position(|waiter| waiter.side.is_foreground())
                .or_else(|| (!self.queue.is_empty()).then_some(0));
            let Some(at) = next else { return };
            let side = self.queue[at].side.clone();
            let Some(ticket) = self.admit(&side) else { return };
            let Some(waiter) = self.queue.remove(at) else { return };
            let place = Place { gates: Arc::clone(gates), key: key.clone(), ticket: Some(ticket) };
            if let Err(mut place) = waiter.call.send(place) {
                // Taken back here, because the gates are locked; its drop finds nothing to do.
                place.ticket = None;
                self.leave(ticket);
            }
        }
    }

    fn leave(&mut self, ticket: Ticket) {
        match ticket {
            Ticket::Foreground => self.foreground = self.foreground.saturating_sub(1),
            Ticket::Background(ticket) => self.background.retain(|(own, _)| *own != ticket),
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get_mut(&self.key) {
            gate.leave(ticket);
            gate.let_in(&self.gates, &self.key);
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
        let gates: Gates<&str> = Gates::default();
        let give_way = CancellationToken::new();
        let job = gates.enter(&"agent", Room::ONE, Side::Background(give_way.clone())).await;
        let other_job = gates.enter(&"agent", Room::ONE, Side::Background(CancellationToken::new()));
        let speech = gates.enter(&"agent", Room::ONE, Side::Foreground);
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
        let gates: Gates<&str> = Gates::default();
        let room = Room::of_provider(3);
        let side = || Side::Background(CancellationToken::new());
        let held: Vec<_> = (0..3).filter_map(|_| gates.try_enter(&"provider", room, &side())).collect();
        assert_eq!(held.len(), 2);
        assert!(gates.try_enter(&"provider", room, &Side::Foreground).is_some());
        assert_eq!(Room::of_provider(1), Room { all: 1, background: 1 });
        assert_eq!(Room::of_provider(50).background, 4);
    }

    #[tokio::test]
    async fn one_who_stops_waiting_as_the_place_comes_gives_it_back() {
        let gates: Gates<&str> = Gates::default();
        let first = gates.enter(&"agent", Room::ONE, Side::Foreground).await;
        {
            let gone = gates.enter(&"agent", Room::ONE, Side::Foreground);
            tokio::pin!(gone);
            assert!(futures::poll!(gone.as_mut()).is_pending());
            drop(first);
        }
        assert!(gates.try_enter(&"agent", Room::ONE, &Side::Foreground).is_some());
    }

    #[tokio::test]
    async fn one_who_stops_waiting_leaves_no_hole() {
        let gates: Gates<&str> = Gates::default();
        let first = gates.enter(&"agent", Room::ONE, Side::Foreground).await;
        {
            let gone = gates.enter(&"agent", Room::ONE, Side::Foreground);
            tokio::pin!(gone);
            assert!(futures::poll!(gone.as_mut()).is_pending());
        }
        drop(first);
        assert!(gates.try_enter(&"agent", Room::ONE, &Side::Foreground).is_some());
    }
}
