//! Who runs a commit of the foreground, and what is left to the thread.

use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use nightdesk::testing::domain::{Change, MessageQuery};
use nightdesk::testing::store::{CommitError, Lane, Options, Store, StoreError, Synchronous};
use tokio::time::timeout;

use super::store_faults::by_sql;
use super::{desk, manual, opened};
use crate::support::fixtures::{TALK, by_person, said};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn commits_of_tasks_that_are_ready_share_one_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    let before = store.counters().transactions;
    let commits = (0..5).map(|at| store.commit(Lane::Foreground, by_person(vec![said(TALK, None, &at.to_string())])));
    for made in join_all(commits).await {
        made.unwrap();
    }
    assert_eq!(store.counters().transactions - before, 1);
}

#[tokio::test]
async fn a_fault_of_the_database_fails_only_the_commit_of_a_batch_that_meets_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    by_sql(&desk(&dir), "DROP TABLE triggers");
    let removed = Change::TriggerRemoved { id: "trigger-1".into() };
    let changes = [said(TALK, None, "one"), removed, said(TALK, None, "two")];
    let commits = changes.map(|change| store.commit(Lane::Foreground, by_person(vec![change])));
    let [one, removed, two] = join_all(commits).await.try_into().unwrap();
    assert!(matches!(removed, Err(CommitError::Store(StoreError::Save { .. }))), "{removed:?}");
    assert_eq!(two.unwrap()[0].n, one.unwrap()[0].n + 1);
}

#[tokio::test]
async fn a_commit_whose_caller_has_gone_is_made_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    let mut head = store.head();
    let before = *head.borrow_and_update();
    let mut commit = Box::pin(store.commit(Lane::Foreground, by_person(vec![said(TALK, None, "gone")])));
    assert!(poll!(&mut commit).is_pending());
    drop(commit);
    let made = timeout(PATIENCE, head.wait_for(|now| *now > before)).await.expect("nobody makes it");
    assert_eq!(*made.unwrap(), before + 1);
}

#[tokio::test]
async fn a_long_log_is_folded_in_though_only_callers_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, Options { synchronous: Synchronous::Normal, ..manual() }).await;
    let length = || std::fs::metadata(desk(&dir)).unwrap().len();
    let before = length();
    let text = "x".repeat(500_000);
    store.commit(Lane::Foreground, by_person(vec![said(TALK, None, &text); 10])).await.unwrap();
    let folded = async {
        while length() < before + 4_000_000 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, folded).await.expect("the log is not folded in");
}

#[tokio::test]
async fn the_upkeep_of_the_index_is_done_in_parts_behind_commits_and_changes_nothing_that_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    for at in 0..200 {
        let text = format!("the launch number {at}");
        store.commit(Lane::Foreground, by_person(vec![said(TALK, None, &text)])).await.unwrap();
    }
    let head = *store.head().borrow();
    let found =
        async || store.background().search(MessageQuery::new(None, "launch", 500)).await.unwrap().messages.len();
    let (before, mut parts) = (found().await, 0);
    while timeout(PATIENCE, store.upkeep()).await.unwrap().unwrap() {
        parts += 1;
        // A commit comes in between.
        store.commit(Lane::Foreground, by_person(vec![said(TALK, None, "meanwhile")])).await.unwrap();
        assert!(parts < 100, "it comes to an end");
    }
    assert_eq!((before, found().await), (200, 200));
    assert_eq!(*store.head().borrow(), head + parts, "it is in no log");
    assert_eq!(store.background().integrity().await.unwrap(), [] as [String; 0]);
    let reading = Store::open_read_only(&desk(&dir), Options::default()).unwrap();
    assert!(matches!(reading.upkeep().await, Err(StoreError::ReadOnly { .. })));
}
