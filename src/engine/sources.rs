//! Sources: files whose new text becomes the input of jobs.
//!
//! A source is looked at when the program starts, when the system tells of a change ([`watch`]), and otherwise from time
//! to time. A [`mod@look`] reads on a thread of its own; the commit that takes what it found moves the marks of the files and
//! makes the jobs, so that a crash before it changes nothing and one after it repeats nothing.
//!
//! What does not fit into a job waits for the next one: as long as a job waits with as much as it may hold, its source is
//! not looked at. All that is kept here is when to look; a new program looks at once.

mod look;
mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::errors::Retries;
use super::timers::Deadlines;
use super::wait::OpenRuns;
use super::{Engine, EngineError, background};
use crate::domain::trigger::held_by;
use crate::domain::{
    Actor, AgentId, CauseKind, Change, Commit, Conversation, Group, Job, Reading, Source, SourceMark, Trigger,
    TriggerId, span,
};
use crate::store::Lane;
use look::{Found, Look, Memory};
use watch::Watch;

/// From a change to the look, so that changes that come together are looked at once.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// From a look that found a line without an end to the next.
const UNFINISHED: Duration = Duration::from_secs(2);
/// The most bytes of new text that a job gets.
const MOST_BYTES: usize = 64 << 10;
/// The fewest bytes for which a look is worth while.
const FEWEST_BYTES: usize = 1 << 10;
/// How long a look reads; then it ends with what it has.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a look is waited for; a file system that does not answer holds it longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// When each source is looked at.
pub(super) struct Sources {
    known: Mutex<HashMap<TriggerId, Known>>,
    watch: Arc<Watch>,
    /// Told when a look has begun or ended.
    changed: tokio::sync::watch::Sender<()>,
    wake: Arc<Notify>,
}

/// A source that is not paused.
struct Known {
    /// When it is looked at if nothing is told of it.
    poll: Timestamp,
    /// When it is looked at because there is something to look at.
    soon: Option<Timestamp>,
    /// Set when the system tells of a change.
    touched: Arc<AtomicBool>,
    /// True while the files are read, whether that is still waited for or not.
    looking: Arc<AtomicBool>,
    /// True until what it finds is committed, or it is no longer waited for.
    awaited: bool,
    memory: Memory,
}

impl Sources {
    pub fn new(wake: Arc<Notify>) -> Self {
        let watch = Arc::new(Watch::new(Arc::clone(&wake)));
        Self { known: Mutex::default(), watch, changed: tokio::sync::watch::Sender::new(()), wake }
    }

    /// Makes the engine look at a source now, if it is known.
    pub fn look_now(&self, id: &TriggerId) {
        if let Some(known) = self.lock().get(id) {
            known.touched.store(true, Ordering::SeqCst);
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TriggerId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all sources but these. Returns those that are no longer watched.
    fn keep(&self, sources: &[&Trigger]) -> Vec<TriggerId> {
        let is_gone = |id: &TriggerId| !sources.iter().any(|source| source.id == *id);
        self.lock().retain(|id, known| !is_gone(id) || known.awaited || known.looking.load(Ordering::SeqCst));
        self.watch.known().into_iter().filter(is_gone).collect()
    }
}

/// Begins the looks that are due. Returns when the next one is.
pub(super) async fn tend(engine: &Arc<Engine>, sources: &[Trigger], jobs: &[Job]) -> Result<Deadlines, EngineError> {
    let active: Vec<&Trigger> = sources.iter().filter(|source| !source.paused).collect();
    let left = engine.sources.keep(&active);
    if !left.is_empty() {
        let watch = Arc::clone(&engine.sources.watch);
        // It talks with the system.
        engine.spawn(async move {
            let leave = move || left.iter().for_each(|id| watch.leave(id));
            drop(tokio::task::spawn_blocking(leave).await);
        });
    }
    let mut next = Deadlines::default();
    for trigger in active {
        let Some(source) = trigger.spec.source() else { continue };
        let Some(at) = due(engine, trigger, source) else { continue };
        let (now, wall) = (engine.spans.now(), engine.store.clock().now());
        if at > now {
            next.span = Some(next.span.map_or(at, |next| next.min(at)));
            continue;
        }
        let opening = source.opening(wall);
        if opening > wall {
            next.wall = Some(next.wall.map_or(opening, |next| next.min(opening)));
            continue;
        }
        if let Some(why) = held(engine, trigger).await? {
            tell(engine, trigger, Some(why)).await?;
            continue;
        }
        let room = room(engine, trigger, jobs).await?;
        if room < FEWEST_BYTES {
            // The commit that claims the job wakes the driver.
            continue;
        }
        begin(engine, trigger, source, room);
    }
    engine.sources.changed.send_replace(());
    Ok(next)
}

/// When the source is looked at next; `None` while it is.
fn due(engine: &Engine, trigger: &Trigger, source: &Source) -> Option<Timestamp> {
    let now = engine.spans.now();
    let mut sources = engine.sources.lock();
    let known = sources.entry(trigger.id.clone()).or_insert_with(|| {
        // One that looks every day does not do so at each start of the program.
        let left = source.every.zip(trigger.last_fired).map_or(Duration::ZERO, |(every, fired)| {
            let since = engine.store.clock().now().duration_since(fired);
            let every = SignedDuration::from_secs(every.into());
            Duration::try_from(every.saturating_sub(since).min(every)).unwrap_or_default()
        });
        Known {
            poll: engine.spans.after(left),
            soon: None,
            touched: Arc::default(),
            looking: Arc::default(),
            awaited: false,
            memory: Memory::default(),
        }
    });
    if known.looking.load(Ordering::SeqCst) || known.awaited {
        return None;
    }
    if known.touched.swap(false, Ordering::SeqCst) {
        let soon = now.saturating_add(DEBOUNCE).unwrap_or(Timestamp::MAX);
        known.soon = Some(known.soon.map_or(soon, |known| known.min(soon)));
    }
    Some(known.soon.map_or(known.poll, |soon| soon.min(known.poll)))
}

/// Why the trigger would not fire, if so.
async fn held(engine: &Engine, trigger: &Trigger) -> Result<Option<String>, EngineError> {
    let silent = engine.store.find::<Conversation>(trigger.group.as_str()).await?.is_empty();
    let group: Option<Group> = engine.readable(trigger.group.as_str()).await?;
    Ok(group.and_then(|group| held_by(&group, silent)))
}

/// How many bytes of new text the next job of the source may get, beside what already waits for its agents: a part of
/// what the models of all of them hold.
async fn room(engine: &Engine, trigger: &Trigger, jobs: &[Job]) -> Result<usize, EngineError> {
    let mut least = MOST_BYTES;
    for agent in agents(engine, trigger).await? {
        // No text has less than two bytes a token in the estimate.
        let holds = background::room(engine, &agent, &trigger.group).await? / 2;
        least = least.min(holds.max(FEWEST_BYTES).saturating_sub(waiting(trigger, &agent, jobs)));
    }
    Ok(least)
}

async fn agents(engine: &Engine, trigger: &Trigger) -> Result<Vec<AgentId>, EngineError> {
    let group: Option<Group> = engine.readable(trigger.group.as_str()).await?;
    let all = group.and_then(|group| group.sleeptime).map(|policy| policy.agents).unwrap_or_default();
    Ok(all.into_iter().filter(|agent| trigger.spec.agent.as_ref().is_none_or(|only| only == agent)).collect())
}

/// The size of what waits for the agent in a job that takes further causes.
fn waiting(trigger: &Trigger, agent: &AgentId, jobs: &[Job]) -> usize {
    let own = |job: &Job| job.agent() == Some(agent) && job.group() == Some(&trigger.group);
    let open = |job: &&Job| own(job) && job.state.waits() && job.window.is_none();
    let bytes = |kind: &CauseKind| if let CauseKind::Source { bytes, .. } = kind { *bytes as usize } else { 0 };
    jobs.iter().filter(open).flat_map(|job| &job.causes).map(|cause| bytes(&cause.kind)).sum()
}

/// Starts a look.
fn begin(engine: &Arc<Engine>, trigger: &Trigger, source: &Source, room: usize) {
    let every = Duration::from_secs(source.every.unwrap_or(Source::FALLBACK).into());
    {
        let mut sources = engine.sources.lock();
        let Some(known) = sources.get_mut(&trigger.id) else { return };
        known.awaited = true;
        known.soon = None;
        known.poll = engine.spans.after(every);
    }
    let (task, trigger) = (Arc::clone(engine), trigger.clone());
    engine.spawn(async move {
        let mut retries = Retries::new(&task);
        loop {
            match look(&task, &trigger, room).await {
                Ok(()) => break,
                Err(trouble) if trouble.is_final() => {
                    task.report(&trouble);
                    break;
                }
                Err(trouble) if trouble.is_temporary() => retries.pause(&trouble).await,
                Err(trouble) => {
                    task.report_of(trigger.id.as_str(), &trouble);
                    break;
                }
            }
        }
        if let Some(known) = task.sources.lock().get_mut(&trigger.id) {
            known.awaited = false;
        }
        task.sources.changed.send_replace(());
        task.wake.notify_one();
    });
}

/// Looks at the files, and commits what is new in them.
async fn look(engine: &Arc<Engine>, trigger: &Trigger, room: usize) -> Result<(), EngineError> {
    let (Some(source), Some(reader)) = (trigger.spec.source(), trigger.reader()) else { return Ok(()) };
    let marks = engine.store.find::<SourceMark>(&reader).await?;
    let (memory, looking, touched) = {
        let mut sources = engine.sources.lock();
        let Some(known) = sources.get_mut(&trigger.id) else { return Ok(()) };
        (std::mem::take(&mut known.memory), Arc::clone(&known.looking), Arc::clone(&known.touched))
    };
    looking.store(true, Ordering::SeqCst);
    let (until, stop) = (Instant::now() + LONGEST, engine.stop.clone());
    let look = Look { source: source.clone(), reader, marks, room, memory, until, stop };
    let (watch, id, source) = (Arc::clone(&engine.sources.watch), trigger.id.clone(), source.clone());
    let mut reads = tokio::task::spawn_blocking(move || {
        // Before the look, so that no change after it is missed.
        let watched = if source.every.is_none() { watch.follow(&id, &source, &touched) } else { Ok(()) };
        (watched, look.run())
    });
    let read = tokio::select! {
        read = &mut reads => Some(read),
        () = engine.store.clock().sleep(PATIENCE) => None,
    };
    let Some(read) = read else {
        let task = Arc::clone(engine);
        engine.spawn(async move {
            drop(reads.await);
            looking.store(false, Ordering::SeqCst);
            task.wake.notify_one();
        });
        let why = format!("its folder did not answer within {} s", PATIENCE.as_secs());
        return tell(engine, trigger, Some(why)).await;
    };
    looking.store(false, Ordering::SeqCst);
    match read {
        Ok((watched, found)) => take(engine, trigger, watched, found).await,
        Err(error) => {
            tracing::error!(trigger = %trigger.id, %error, "a look at its files ended");
            tell(engine, trigger, Some("a fault inside Nightdesk ended the look; the log says where".to_owned())).await
        }
    }
}

/// Commits what a look found, and says when the next one is.
async fn take(
    engine: &Engine,
    trigger: &Trigger,
    watched: Result<(), String>,
    found: Found,
) -> Result<(), EngineError> {
    let Found { pieces, moves, forgotten, more, unfinished, fault, memory } = found;
    let reading = (!pieces.is_empty()).then(|| Reading::new(engine.store.ids(), pieces));
    let mut soon = match (more, unfinished) {
        (true, _) => Some(Duration::ZERO),
        (false, true) => Some(UNFINISHED),
        (false, false) => None,
    };
    if !moves.is_empty() || !forgotten.is_empty() {
        let read = Change::SourceRead { id: trigger.id.clone(), moves, forgotten, reading };
        match engine.commit(Lane::Background, Commit::new(Actor::Engine, vec![read])).await {
            Ok(_) => {}
            // It was changed, paused or removed meanwhile: nothing has moved, and the next look sees the same.
            Err(EngineError::Refused(why)) => {
                tracing::info!(trigger = %trigger.id, why, "what is new is not taken");
                soon = Some(UNFINISHED);
            }
            Err(other) => return Err(other),
        }
    }
    if let Some(known) = engine.sources.lock().get_mut(&trigger.id) {
        known.memory = memory;
        known.soon = soon.map(|wait| engine.spans.after(wait));
    }
    let lost = watched.err().map(|why| {
        let every = span::written(Source::FALLBACK);
        format!("the system does not tell of changes ({why}), so it is looked at every {every}")
    });
    tell(engine, trigger, fault.or(lost)).await
}

/// Writes into the row of the trigger what keeps it from firing, unless it says so already.
async fn tell(engine: &Engine, trigger: &Trigger, why: Option<String>) -> Result<(), EngineError> {
    let now: Option<Trigger> = engine.readable(trigger.id.as_str()).await?;
    if now.is_none_or(|now| now.paused || now.why_not == why) {
        return Ok(());
    }
    let held = Change::TriggerHeld { id: trigger.id.clone(), why };
    match engine.commit(Lane::Background, Commit::new(Actor::Engine, vec![held])).await {
        // It was removed meanwhile.
        Ok(_) | Err(EngineError::Refused(_)) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Waits until no look is under way and none is due.
pub(super) async fn settled(engine: &Engine) -> Result<(), EngineError> {
    if !engine.options.jobs {
        return Ok(());
    }
    let mut changed = engine.sources.changed.subscribe();
    loop {
        changed.borrow_and_update();
        let standing = OpenRuns::read(&engine.store).await?;
        let mut waits = false;
        for trigger in standing.sources.iter().filter(|source| !source.paused) {
            waits |= is_wanted(engine, trigger)
                && held(engine, trigger).await?.is_none()
                && room(engine, trigger, &standing.jobs).await? >= FEWEST_BYTES;
        }
        if !waits {
            return Ok(());
        }
        tokio::select! {
            told = changed.changed() => if told.is_err() { return Ok(()) },
            () = engine.stop.cancelled() => return Ok(()),
        }
    }
}

/// Whether a look is under way or due.
fn is_wanted(engine: &Engine, trigger: &Trigger) -> bool {
    let wall = engine.store.clock().now();
    if trigger.spec.source().is_none_or(|source| source.opening(wall) > wall) {
        return false;
    }
    engine.sources.lock().get(&trigger.id).is_none_or(|known| {
        let is_stuck = known.looking.load(Ordering::SeqCst) && !known.awaited;
        let is_due = known.soon.is_some() || known.poll <= engine.spans.now();
        !is_stuck && (known.awaited || known.touched.load(Ordering::SeqCst) || is_due)
    })
}
