//! A store whose program is killed, anywhere: nothing acknowledged is lost, nothing is doubled, nothing is stuck.
//! F1, F2, F8 at the store's own level.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::fixtures::{BLOCK, TALK, by_person, edit, newsroom, said};
use crate::support::{child, fold};
use nightdesk::testing::domain::{Block, Ids, Message};
use nightdesk::testing::store::{Lane, ManualClock, Options, OwnerError, POINTS, Store, StoreLock, VARIABLE};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

const STORE: &str = "NIGHTDESK_TEST_STORE";
const COMMITS: &str = "NIGHTDESK_TEST_COMMITS";

fn desk(dir: &TempDir) -> PathBuf {
    dir.path().join("desk.db")
}

/// The same commits have the same times and ids in every process.
fn options() -> Options {
    Options { clock: Arc::new(ManualClock::default()), ids: Ids::seeded(1), ..Options::default() }
}

/// This program once more, as the one test `role`, on this store.
fn start(role: &str, store: &Path, vars: &[(&str, &str)]) -> (Child, BufReader<ChildStdout>) {
    let mut process = child::command(module_path!(), role)
        .env(STORE, store)
        .env_remove(VARIABLE)
        .envs(vars.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap());
    (process, lines)
}

/// The number of the last acknowledgement among the lines to come, up to one that `enough` accepts.
fn acknowledged(lines: &mut BufReader<ChildStdout>, enough: impl Fn(u64) -> bool) -> Option<u64> {
    let mut last = None;
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let Some(number) = child::heard(&line).and_then(|said| said.strip_prefix("ack ")) {
            let number = number.parse().unwrap();
            last = Some(number);
            if enough(number) {
                break;
            }
        }
        line.clear();
    }
    last
}

/// Not a test of its own: the program that is killed. It goes on where the store stands, and says each number
/// once it is acknowledged.
#[tokio::test]
async fn role_writer() {
    let (Some(path), Ok(commits)) = (std::env::var_os(STORE), std::env::var(COMMITS)) else { return };
    let store = Store::open(Path::new(&path), options()).unwrap();
    if *store.head().borrow() == 0 {
        store.commit(Lane::Foreground, newsroom()).await.unwrap();
    }
    let done = store.row::<Block>(BLOCK).await.unwrap().unwrap().version - 1;
    child::say(&format!("ack {done}"));
    for at in done + 1..=commits.parse().unwrap() {
        let changes = vec![said(TALK, None, &format!("message {at}")), edit(BLOCK, at + 1, &format!("value {at}"))];
        store.commit(Lane::Foreground, by_person(changes)).await.unwrap();
        child::say(&format!("ack {at}"));
    }
}

/// How many of the writer's commits the store has; each wholly, in order, once.
async fn commits(store: &Store) -> u64 {
    let messages = store.messages(&TALK.into(), 1, u64::MAX).await.unwrap();
    let expected: Vec<String> = (1..=messages.len()).map(|at| format!("message {at}")).collect();
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), expected);
    let version = store.row::<Block>(BLOCK).await.unwrap().map_or(1, |block| block.version);
    assert_eq!(version, messages.len() as u64 + 1);
    fold::assert_folds(store).await;
    version - 1
}

#[tokio::test]
async fn f1_killed_at_each_point_of_a_commit_the_state_is_a_prefix_and_the_resumed_run_is_the_unkilled_one() {
    let unkilled = tempfile::tempdir().unwrap();
    let (mut whole, mut lines) = start("role_writer", &desk(&unkilled), &[(COMMITS, "4")]);
    assert_eq!(acknowledged(&mut lines, |_| false), Some(4));
    assert!(whole.wait().unwrap().success());
    let expected = Store::open(&desk(&unkilled), options()).unwrap().log(0, 1_000).await.unwrap();

    for point in POINTS {
        for passage in 1..=4_u64 {
            let dir = tempfile::tempdir().unwrap();
            let probe = format!("{point}:{passage}");
            let (mut killed, mut lines) = start("role_writer", &desk(&dir), &[(COMMITS, "4"), (VARIABLE, &probe)]);
            let said = acknowledged(&mut lines, |_| false);
            assert!(!killed.wait().unwrap().success(), "{probe}: it was not killed");
            // The first passage belongs to the newsroom itself, which is not acknowledged by a line of its own.
            let told = said.map_or(0, |said| said + 1);
            let store = Store::open(&desk(&dir), options()).unwrap();
            let kept = if *store.head().borrow() == 0 { 0 } else { commits(&store).await + 1 };
            let late = u64::from(["after_commit", "before_ack"].contains(&point));
            assert_eq!((told, kept), (passage - 1, passage - 1 + late), "{probe}");
            drop(store);

            let (mut resumed, mut lines) = start("role_writer", &desk(&dir), &[(COMMITS, "4")]);
            assert_eq!(acknowledged(&mut lines, |_| false), Some(4), "{probe}");
            assert!(resumed.wait().unwrap().success());
            let store = Store::open(&desk(&dir), options()).unwrap();
            assert_eq!(store.log(0, 1_000).await.unwrap(), expected, "{probe}");
            fold::assert_folds(&store).await;
        }
    }
}

/// Kills the writer after a random acknowledgement and a random moment more, again and again on one store.
async fn killed_at_random(rounds: u64, seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut chance = StdRng::seed_from_u64(seed);
    let mut done = 0;
    for round in 0..rounds {
        let (mut victim, mut lines) = start("role_writer", &desk(&dir), &[(COMMITS, "1000000")]);
        let after = done + chance.random_range(0..8);
        let told = acknowledged(&mut lines, |number| number >= after).unwrap();
        let spin = Instant::now();
        let more = Duration::from_micros(chance.random_range(0..2_000));
        while spin.elapsed() < more {
            std::hint::spin_loop();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        let told = acknowledged(&mut lines, |_| false).unwrap_or(told);
        let store = Store::open(&desk(&dir), options()).unwrap();
        done = commits(&store).await;
        assert!(done == told || done == told + 1, "seed {seed}, round {round}: told {told}, kept {done}");
    }
    assert!(done > 0);
}

#[tokio::test]
async fn f2_killed_at_random_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    killed_at_random(40, 20).await;
}

#[tokio::test]
#[ignore = "the long campaign"]
async fn f2_killed_at_random_a_thousand_times() {
    // A store of its own every forty rounds: each round looks through all of it.
    for seed in 0..25 {
        killed_at_random(40, seed).await;
    }
}

/// Not a test of its own: the program that owns the store until its input ends.
#[test]
fn role_owner() {
    let (Some(path), Err(_)) = (std::env::var_os(STORE), std::env::var(COMMITS)) else { return };
    let _owner = StoreLock::take(Path::new(&path)).unwrap();
    child::say("ack 1");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn f8_a_second_program_is_told_who_owns_the_store_and_takes_it_once_that_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let (mut owner, mut lines) = start("role_owner", &desk(&dir), &[]);
        assert_eq!(acknowledged(&mut lines, |_| true), Some(1));
        let asked = Instant::now();
        let Err(OwnerError::Held(held)) = StoreLock::take(&desk(&dir)) else { panic!("two owners") };
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert_eq!(held.pid, owner.id());
        assert!(held.to_string().contains(&format!("process {}", owner.id())), "{held}");
        if round == 0 {
            drop(owner.stdin.take());
        } else {
            owner.kill().unwrap();
        }
        owner.wait().unwrap();
        let taken = StoreLock::take(&desk(&dir)).expect("the dead keep nothing");
        drop(taken);
    }
}
