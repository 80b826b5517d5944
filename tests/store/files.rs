//! The files of a store, and what it costs at rest.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{manual, opened, say};
use crate::support::child;
use crate::support::fixtures::newsroom;
use nightdesk::testing::store::{Lane, Mode, Options, Store, Synchronous};

#[tokio::test]
async fn files_are_for_their_owner_alone_and_the_log_is_folded_in_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a").join("b").join("desk.db");
    let store = Store::open(&path, Options { synchronous: Synchronous::Normal, ..Options::default() }).unwrap();
    store.commit(Lane::Foreground, newsroom()).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    assert_eq!([mode(&dir.path().join("a")), mode(path.parent().unwrap())], [0o700, 0o700]);
    assert_eq!([mode(&path), mode(&beside("-wal")), mode(&beside("-shm"))], [0o600, 0o600, 0o600]);
    drop(store);
    assert!(!beside("-wal").exists(), "the last handle folds the write-ahead log in");
}

#[tokio::test]
async fn the_write_ahead_log_is_folded_in_while_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    // Inline, each commit is followed by rest.
    let options = Options { mode: Mode::Inline, synchronous: Synchronous::Normal, ..manual() };
    let store = opened(&dir, options).await;
    let text = "x".repeat(500_000);
    let mut longest = 0;
    for _ in 0..48 {
        say(&store, &text).await;
        longest = longest.max(std::fs::metadata(dir.path().join("desk.db-wal")).unwrap().len());
    }
    assert!(longest < 12_000_000, "24 MB were written, and the log grew to {longest} bytes");
    assert!(longest > 4_000_000, "a checkpoint comes when it is worth its cost, not at {longest} bytes");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn at_rest_no_thread_of_the_store_wakes() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, Options::default()).await;
    store.background().integrity().await.unwrap();
    let wakes = || -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let own = tasks.filter(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("store-"))
        });
        let status =
            own.filter_map(|task| Some((task.file_name(), std::fs::read_to_string(task.path().join("status")).ok()?)));
        status
            .flat_map(|(id, text)| {
                let lines = text.lines().filter(|line| line.contains("ctxt_switches")).map(str::to_owned);
                lines.map(|line| format!("{} {line}", id.display())).collect::<Vec<_>>()
            })
            .collect()
    };
    // Other tests of this program have stores of their own, so this one runs in a process of its own.
    if std::env::var_os("NIGHTDESK_TEST_ALONE").is_none() {
        let mut alone = child::command(module_path!(), "at_rest_no_thread_of_the_store_wakes");
        child::assert_passed(&alone.env("NIGHTDESK_TEST_ALONE", "1").output().unwrap());
        return;
    }
    // The threads are on their way to rest; once nothing moved for a while nothing may move any more.
    let mut before = wakes();
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let now = wakes();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before.len() >= 4, "a writer and a reader: {before:?}");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(wakes(), before);
}
