//! Children that play a session and are ended on the way.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use nightdesk::engine::Handle;
use nightdesk::engine::wire::Update;
use nightdesk::store;

use super::child;

/// Tells the child where to play.
pub const PLACE: &str = "NIGHTDESK_CRASH_PLACE";
/// Tells the child which session to play, where there are several.
pub const SESSION: &str = "NIGHTDESK_CRASH_SESSION";
/// What the child says when its session is over.
const DONE: &str = "session over";

/// Prints a line for every change that is acknowledged after this one.
pub async fn print_acks(handle: &Handle, after: u64) {
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

/// Says that the session is over.
pub fn print_done() {
    child::say(DONE);
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
}

/// What a child printed: its acknowledged changes, and whether it came to its end.
pub struct Heard {
    pub acks: Vec<String>,
    pub done: bool,
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
    let mut heard = Heard { acks: Vec::new(), done: false };
    let mut killed = false;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let said = child::heard(&line);
        heard.done |= said == Some(DONE);
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
    let hit = !ended.status.success();
    let meant = hit && !matches!(end, End::Never) && !heard.done;
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(heard.done || meant, "the child failed: {errors}");
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
