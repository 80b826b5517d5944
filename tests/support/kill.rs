//! Children that play a session and are ended on the way.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nightdesk::testing::config::{Care, Config};
use nightdesk::testing::domain::{Actor, Change, Commit, Group, Ids, PersonId};
use nightdesk::testing::engine::protocol::{Request, Update};
use nightdesk::testing::engine::{Engine, Handle, Options};
use nightdesk::testing::llm::Models;
use nightdesk::testing::store::{self, Lane, Store, StoreLock};

use super::child;
use super::engine_harness::{Plan, group_id, team};
use super::fold::assert_folds;

/// Tells the child where to play.
pub const PLACE: &str = "NIGHTDESK_CRASH_PLACE";
/// Tells the child which session to play, where there are several.
pub const SESSION: &str = "NIGHTDESK_CRASH_SESSION";
/// What the child says when its session is over.
const DONE: &str = "session over";
/// What the child says when its session does not come to its end.
const STUCK: &str = "session stuck";

/// Longer than any session takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A session in the process that plays it.
pub struct Session {
    _owner: StoreLock,
    pub engine: Arc<Engine>,
    pub handle: Handle,
}

impl Session {
    /// Opens the store in `place`, tells the parent every change acknowledged from now on, and makes the team where
    /// there is none yet.
    pub async fn open(place: &Path, plan: &Plan) -> Self {
        let path = place.join("desk.db");
        let owner = StoreLock::take(&path).unwrap();
        let store = Store::open(&path, store::Options::default()).unwrap();
        let script = place.join("script.toml");
        std::fs::write(&script, plan.script.to_toml()).unwrap();
        let config = Config { care: Care::off(), ..Config::default() };
        let models = Models::new(config.clone(), |_| None);
        let known = *store.head().borrow();
        let tools = plan.toolbox.clone();
        let engine = Engine::start(store, &config, models, tools, Options::default()).await.unwrap();
        let handle = Handle::local(engine.clone());
        print_acks(&handle, known).await;
        if engine.store().row::<Group>(group_id().as_str()).await.unwrap().is_none() {
            let changes = team(plan, &script, engine.store().clock().now());
            handle.ask(Request::Apply { changes, read: Vec::new() }).await.unwrap();
        }
        Self { _owner: owner, engine, handle }
    }

    /// Waits until it is over, checks the log and tells the parent.
    pub async fn end(self, over: impl AsyncFnOnce(&Engine, &Handle)) {
        let ended = tokio::time::timeout(PATIENCE, over(&self.engine, &self.handle)).await;
        assert_folds(self.engine.store()).await;
        self.engine.stop().await;
        child::say(if ended.is_ok() { DONE } else { STUCK });
    }
}

async fn print_acks(handle: &Handle, after: u64) {
    let mut following = handle.follow(after).await.unwrap();
    tokio::spawn(async move {
        while let Ok(update) = following.next().await {
            let Update::Committed { changes, .. } = update else { continue };
            for logged in changes {
                let (kind, subject) = (logged.change.kind(), logged.change.subject());
                child::say(&format!("ack {} {kind} {subject}", logged.n));
            }
        }
    });
}

/// Makes the store of a session before its first child plays it, with these rows besides the team.
pub async fn prepare(place: &Path, plan: &Plan, more: Vec<Change>) {
    let options = store::Options { synchronous: store::Synchronous::Normal, ..store::Options::default() };
    let store = Store::open(&place.join("desk.db"), options).unwrap();
    let mut changes = team(plan, &place.join("script.toml"), store.clock().now());
    changes.extend(more);
    for part in changes.chunks(500) {
        let commit = Commit::new(Actor::Person(PersonId::local()), part.to_vec());
        store.commit(Lane::Foreground, commit).await.unwrap();
    }
}

/// The store of a session that is over, whose log folds, and how many of the acknowledged changes it has not in their
/// place.
pub async fn store_of(place: &Path, acks: &[String]) -> (Store, u64) {
    let options = store::Options { ids: Ids::random(), ..store::Options::default() };
    let store = Store::open(&place.join("desk.db"), options).unwrap();
    assert_folds(&store).await;
    let log = store.log(0, usize::MAX >> 1).await.unwrap();
    let logged: HashSet<String> =
        log.iter().map(|logged| format!("{} {} {}", logged.n, logged.change.kind(), logged.change.subject())).collect();
    let lost = acks.iter().filter(|ack| !logged.contains(*ack)).inspect(|ack| println!("acknowledged and lost: {ack}"));
    let lost = lost.count() as u64;
    (store, lost)
}

/// What came of kills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Programs that were ended before the end of their session.
    pub kills: u64,
    /// Changes that were acknowledged.
    pub acknowledged: u64,
    /// Of these, those that are not there in the end.
    pub lost: u64,
    /// What is there more often than without a kill.
    pub doubled: u64,
    /// Sessions that never came to their end.
    pub stuck: u64,
}

impl Tally {
    /// Adds what a child printed.
    pub fn add(&mut self, heard: &Heard) {
        self.kills += u64::from(heard.killed);
        self.acknowledged += heard.acks.len() as u64;
        self.stuck += u64::from(heard.stuck);
    }

    /// Panics if anything was lost, doubled or stuck.
    pub fn assert_sound(&self) {
        assert_eq!((self.lost, self.doubled, self.stuck), (0, 0, 0), "{self}");
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.stuck += other.stuck;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kills, acknowledged, lost, doubled, stuck } = self;
        write!(f, "{kills} kills, {acknowledged} acknowledged, {lost} lost, {doubled} doubled, {stuck} stuck")
    }
}

/// How many lines there are beyond those that there should be.
pub fn surplus(lines: &[String], expected: &[String]) -> u64 {
    let mut left = expected.to_vec();
    let found = |line: &&String| match left.iter().position(|other| other == *line) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    };
    lines.iter().filter(found).count() as u64
}

/// How a child is ended.
#[derive(Debug, Clone)]
pub enum End {
    /// It is not.
    Never,
    /// At this passage of this point of a commit.
    Probe(&'static str, u64),
    /// Killed after this many lines and so many turns of a spin.
    Kill(u64, u64),
    /// It ends itself by what it does.
    Itself,
}

/// What a child printed: its acknowledged changes, and how it ended.
#[derive(Default)]
pub struct Heard {
    pub acks: Vec<String>,
    /// Its session came to its end.
    pub done: bool,
    /// Its session would never have come to its end.
    pub stuck: bool,
    /// It was ended on the way.
    pub killed: bool,
}

/// Plays the session in this place as far as the end lets it: the test `child` of this module.
pub fn play(module: &str, place: &Path, session: &str, end: &End) -> Heard {
    let mut command = child::command(module, "child");
    command.env(PLACE, place).env(SESSION, session);
    command.env_remove(store::VARIABLE).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let End::Probe(point, count) = end {
        command.env(store::VARIABLE, format!("{point}:{count}"));
    }
    let mut process = command.spawn().unwrap();
    let mut heard = Heard::default();
    let mut killed = false;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let said = child::heard(&line);
        heard.done |= said == Some(DONE);
        heard.stuck |= said == Some(STUCK);
        heard.acks.extend(said.and_then(|said| said.strip_prefix("ack ")).map(str::to_owned));
        if let End::Kill(after, spin) = end
            && !killed
            && heard.acks.len() as u64 >= *after
        {
            for turn in 0..*spin {
                std::hint::black_box(turn);
            }
            process.kill().unwrap();
            killed = true;
        }
    }
    let ended = process.wait_with_output().unwrap();
    let is_over = heard.done || heard.stuck;
    heard.killed = !ended.status.success() && !matches!(end, End::Never) && !is_over;
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(is_over || heard.killed, "the child failed: {errors}");
    assert!(!errors.contains("panicked"), "the child panicked: {errors}");
    heard
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Plays rounds on two threads until they are spent; each round is told its number.
pub fn rounds(count: u64, round: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    round(number);
                }
            });
        }
    });
}
