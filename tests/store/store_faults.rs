//! What goes wrong with a store has a sentence, and stays where it is: F3, F5, F14.

use std::path::{Path, PathBuf};

use crate::support::fixtures::{self, BLOCK, TALK, by_person, edit, newsroom, said};
use crate::support::fold;
use nightdesk::testing::domain::{
    Agent, Block, CauseKind, Content, Conversation, Group, Job, JobId, MessageQuery, NoticeKind,
};
use nightdesk::testing::domain::{Change, Message};
use nightdesk::testing::store::{CommitError, Lane, Options, Store, StoreError, Synchronous};
use tempfile::TempDir;

fn desk(dir: &TempDir) -> PathBuf {
    dir.path().join("desk.db")
}

fn quick() -> Options {
    Options { synchronous: Synchronous::Normal, ..Options::default() }
}

async fn opened(dir: &TempDir) -> Store {
    let store = Store::open(&desk(dir), quick()).unwrap();
    store.commit(Lane::Foreground, newsroom()).await.unwrap();
    store
}

async fn keep(store: &Store, changes: Vec<Change>) -> Result<(), CommitError> {
    store.commit(Lane::Foreground, by_person(changes)).await.map(drop)
}

/// Changes the file behind the store's back, as a damaged disk or another program would.
pub(super) fn by_sql(path: &Path, statement: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statement).unwrap();
}

fn refusal(path: &Path) -> String {
    let before = std::fs::read(path).ok();
    let sentence = Store::open(path, quick()).expect_err("it is refused").to_string();
    assert!(sentence.starts_with("opening the store "), "{sentence}");
    assert_eq!(std::fs::read(path).ok(), before, "what is refused is left as it was");
    sentence
}

#[test]
fn f5_a_place_that_cannot_be_has_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let sentence = refusal(&dir.path().join("file").join("desk.db"));
    assert!(sentence.contains("choose another path"), "{sentence}");
    let sentence = Store::open(dir.path(), quick()).unwrap_err().to_string();
    assert!(sentence.contains("check the path"), "{sentence}");
    // A pipe would be waited for, and a device has no end.
    let pipe = dir.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for path in [pipe.as_path(), Path::new("/dev/zero")] {
        for refused in [Store::open(path, quick()), Store::open_read_only(path, quick())] {
            let sentence = refused.unwrap_err().to_string();
            assert!(sentence.contains("it is not a regular file; check the path"), "{sentence}");
        }
    }
}

#[test]
fn f5_reading_makes_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let sentence = Store::open_read_only(&desk(&dir), quick()).unwrap_err().to_string();
    assert!(sentence.contains("No such file"), "{sentence}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn f5_a_read_only_handle_reads_beside_the_owner_and_refuses_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let reading = Store::open_read_only(&desk(&dir), quick()).unwrap();
    keep(&store, vec![edit(BLOCK, 2, "second")]).await.unwrap();
    assert_eq!(reading.row::<Block>(BLOCK).await.unwrap().unwrap().value, "second");
    let refused = keep(&reading, vec![edit(BLOCK, 3, "third")]).await.unwrap_err();
    assert_eq!(refused, CommitError::Store(StoreError::ReadOnly { path: desk(&dir) }));
    fold::assert_folds(&reading).await;
}

#[tokio::test]
async fn f5_a_vanished_store_is_told_at_the_next_commit_and_no_new_one_appears() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let aside = dir.path().join("aside.db");
    std::fs::rename(desk(&dir), &aside).unwrap();
    let gone = keep(&store, vec![edit(BLOCK, 2, "second")]).await.unwrap_err();
    assert_eq!(gone, CommitError::Store(StoreError::Vanished { path: desk(&dir) }));
    assert!(gone.to_string().contains("put it back"), "{gone}");
    assert!(!desk(&dir).exists());
    assert_eq!(store.row::<Block>(BLOCK).await.unwrap().unwrap().version, 1, "reads go on");

    std::fs::write(desk(&dir), "another file").unwrap();
    assert_eq!(keep(&store, vec![edit(BLOCK, 2, "second")]).await.unwrap_err(), gone, "replaced is not put back");
    std::fs::rename(&aside, desk(&dir)).unwrap();
    keep(&store, vec![edit(BLOCK, 2, "second")]).await.unwrap();
    fold::assert_folds(&store).await;
    std::fs::remove_file(desk(&dir)).unwrap();
    drop(store);
    assert!(!desk(&dir).exists(), "closing makes no new one either");
}

#[tokio::test]
async fn f5_a_removed_log_loses_nothing_and_nothing_more_is_written() {
    for replaced in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(&dir).await;
        keep(&store, vec![edit(BLOCK, 2, "second")]).await.unwrap();
        let wal = dir.path().join("desk.db-wal");
        std::fs::remove_file(&wal).unwrap();
        if replaced {
            std::fs::write(&wal, "").unwrap();
        }
        for _ in 0..2 {
            let gone = keep(&store, vec![edit(BLOCK, 3, "third")]).await.unwrap_err();
            assert_eq!(gone, CommitError::Store(StoreError::Uprooted { path: wal.clone(), kept: true }));
            assert!(gone.to_string().contains("nothing that was saved is lost; start it again"), "{gone}");
        }
        // What a kill would leave is the file alone.
        let copy = dir.path().join("copy.db");
        std::fs::copy(desk(&dir), &copy).unwrap();
        let left = Store::open(&copy, quick()).unwrap();
        assert_eq!(left.row::<Block>(BLOCK).await.unwrap().unwrap().value, "second");
        fold::assert_folds(&left).await;
        drop(store);
        let again = Store::open(&desk(&dir), quick()).unwrap();
        keep(&again, vec![edit(BLOCK, 3, "third")]).await.unwrap();
        fold::assert_folds(&again).await;
    }
}

#[tokio::test]
async fn f5_a_link_in_the_place_of_the_log_is_refused_and_its_target_kept() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(&dir).await);
    std::fs::write(dir.path().join("mine"), "kept").unwrap();
    std::os::unix::fs::symlink(dir.path().join("mine"), dir.path().join("desk.db-wal")).unwrap();
    assert!(refusal(&desk(&dir)).contains("desk.db-wal is a symbolic link; remove it"));
    let reading = Store::open_read_only(&desk(&dir), quick()).unwrap_err().to_string();
    assert!(reading.contains("desk.db-wal is a symbolic link; remove it"), "{reading}");
    assert_eq!(std::fs::read_to_string(dir.path().join("mine")).unwrap(), "kept");
}

#[tokio::test]
async fn files_of_others_and_of_the_future_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("letter.txt");
    std::fs::write(&text, "Dear all,\n".repeat(100)).unwrap();
    assert!(refusal(&text).contains("not a Nightdesk store"));
    let other = dir.path().join("other.db");
    by_sql(&other, "CREATE TABLE theirs (a)");
    assert!(refusal(&other).contains("another program's database"));
    let versioned = dir.path().join("versioned.db");
    by_sql(&versioned, "PRAGMA user_version = 1");
    assert!(refusal(&versioned).contains("another program's database"));
    let unversioned = dir.path().join("unversioned.db");
    by_sql(&unversioned, "PRAGMA application_id = 0x4445534B; CREATE TABLE theirs (a)");
    assert!(refusal(&unversioned).contains("another program's database"));

    drop(opened(&dir).await);
    by_sql(&desk(&dir), "PRAGMA user_version = 99");
    assert!(refusal(&desk(&dir)).contains("update Nightdesk"));
    let sentence = Store::open_read_only(&desk(&dir), quick()).unwrap_err().to_string();
    assert!(sentence.contains("newer Nightdesk (version 99"), "{sentence}");
}

#[tokio::test]
async fn f14_a_damaged_row_shows_its_fault_and_the_lists_still_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let mut changes = vec![Change::BlockCreated(fixtures::block("block-2", "second", "whole"))];
    for agent in ["ann", "ben", "cleo"] {
        let (id, agent) = (JobId(format!("job-{agent}")), fixtures::agent(agent).id);
        changes.push(Change::JobCreated(Job::new(id, agent, fixtures::GROUP.into(), CauseKind::Turn { turn: 1 })));
    }
    changes.extend(["one", "two", "three"].map(|text| said(TALK, None, text)));
    keep(&store, changes).await.unwrap();
    by_sql(
        &desk(&dir),
        "UPDATE block SET body = '{\"id\":' WHERE key = 'block-style';
         UPDATE job SET body = replace(body, '\"available\"', '\"dreaming\"') WHERE key = 'job-ben';
         UPDATE job SET body = 'nothing' WHERE key = 'job-cleo';
         UPDATE agent SET body = CAST(x'7bff' AS TEXT) WHERE key = 'agent-ben';
         UPDATE message SET body = '{\"kind\":\"song\"}' WHERE seq = 2;",
    );

    let blocks = store.all::<Block>().await.unwrap();
    assert_eq!(blocks.rows.iter().map(|block| block.value.as_str()).collect::<Vec<_>>(), ["whole"]);
    assert!(blocks.faults[0].to_string().starts_with("block block-style cannot be read: "), "{:?}", blocks.faults);
    let agents = store.all::<Agent>().await.unwrap();
    assert_eq!((agents.rows.len(), agents.faults.len()), (2, 1));
    for jobs in [store.jobs(None, 10).await.unwrap(), store.jobs(Some(&fixtures::GROUP.into()), 10).await.unwrap()] {
        assert_eq!(jobs.rows.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["job-ann"]);
        assert!(
            jobs.faults.iter().any(|fault| fault.key == "job-ben" && fault.to_string().contains("dreaming")),
            "{jobs:?}"
        );
        assert_eq!(jobs.faults.len(), 2);
    }
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
    let messages = store.messages(&TALK.into(), 1, 3).await.unwrap();
    assert_eq!((messages[0].text(), messages[2].text()), ("one", "three"));
    let Content::Notice { notice: NoticeKind::Error, text } = &messages[1].content else { panic!("{messages:?}") };
    assert!(text.starts_with("message 2 cannot be read: ") && text.contains("song"), "{text}");

    let row = store.row::<Block>(BLOCK).await.unwrap_err().to_string();
    assert!(row.contains("block block-style cannot be read"), "{row}");
    let touching = keep(&store, vec![edit(BLOCK, 2, "second")]).await.unwrap_err().to_string();
    assert!(touching.contains("block block-style cannot be read"), "{touching}");
    keep(&store, vec![edit("block-2", 2, "more"), said(TALK, None, "four")]).await.unwrap();
    let differences = store.background().verify_replay().await.unwrap().differences;
    assert!(differences.iter().any(|sentence| sentence.contains("block-style")), "F16 sees it: {differences:?}");
    assert!(!differences.iter().any(|sentence| sentence.contains("block-2")), "{differences:?}");
}

#[tokio::test]
async fn f14_a_change_nobody_understands_names_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    by_sql(&desk(&dir), "UPDATE changes SET body = '{\"change\":\"moon_raised\"}' WHERE n = 3");
    let fault = store.log(0, 100).await.unwrap_err().to_string();
    assert!(fault.starts_with("change 3 (agent_put) cannot be read: "), "{fault}");
    assert_eq!(store.log(3, 100).await.unwrap().len(), 4, "what comes after it can be followed");
}

#[tokio::test]
async fn f16_the_fold_finds_a_row_that_was_changed_added_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    fold::assert_folds(&store).await;
    by_sql(
        &desk(&dir),
        "UPDATE block SET body = replace(body, 'first', 'First');
         UPDATE groups SET lookup = 'other';
         INSERT INTO store_meta (key, body) VALUES ('desk', '{\"epoch\":3}');
         DELETE FROM agent WHERE key = 'agent-ben';",
    );
    let report = store.background().verify_replay().await.unwrap();
    assert_eq!((report.changes, report.differences.len()), (7, 4), "{:?}", report.differences);
}

/// Every page of the write-ahead log has a header of 24 bytes, behind one of 32 for the whole.
const FRAME: usize = 24 + 4096;

/// Opens a copy of the store with this as its write-ahead log, and says how many messages it has; it is sound.
async fn copied(at: &Path, wal: &[u8]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(at, desk(&dir)).unwrap();
    std::fs::write(dir.path().join("desk.db-wal"), wal).unwrap();
    let store = Store::open(&desk(&dir), quick()).unwrap();
    let messages = store.messages(&TALK.into(), 1, 100).await.unwrap();
    let count = messages.len();
    let expected: Vec<String> = (1..=count).map(|at| format!("message {at}")).collect();
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), expected, "a prefix of what was committed");
    let block = store.row::<Block>(BLOCK).await.unwrap().unwrap();
    assert_eq!(block.version, count as u64 + 1, "commits are there wholly or not at all");
    fold::assert_folds(&store).await;
    keep(&store, vec![said(TALK, None, "goes on")]).await.unwrap();
    count
}

#[tokio::test]
async fn f3_a_torn_or_flipped_log_opens_as_the_state_after_some_commit() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(&dir).await);
    let store = Store::open(&desk(&dir), quick()).unwrap();
    let commits = 12;
    for at in 1..=commits {
        let (text, value) = (format!("message {at}"), format!("value {at}"));
        keep(&store, vec![said(TALK, None, &text), edit(BLOCK, at + 1, &value)]).await.unwrap();
    }
    let wal = std::fs::read(dir.path().join("desk.db-wal")).unwrap();
    let frames = (wal.len() - 32) / FRAME;
    assert!(frames > 24, "{frames} frames");
    assert_eq!(copied(&desk(&dir), &wal).await as u64, commits);
    let mut counts = Vec::new();
    for frame in (0..frames).step_by(3) {
        let boundary = 32 + frame * FRAME;
        let cut = copied(&desk(&dir), &wal[..boundary]).await;
        let torn = copied(&desk(&dir), &wal[..boundary + FRAME / 2]).await;
        let mut flipped = wal.clone();
        flipped[boundary + 1_000] ^= 0x40;
        let flipped = copied(&desk(&dir), &flipped).await;
        assert_eq!([torn, flipped], [cut, cut], "frame {frame}: what is damaged ends the log there");
        counts.push(cut);
    }
    assert!(counts.is_sorted() && counts[0] == 0 && *counts.last().unwrap() > 8, "{counts:?}");
    // The rows of other kinds are untouched by all this.
    assert_eq!(store.all::<Group>().await.unwrap().rows.len(), 1);
    assert_eq!(store.all::<Conversation>().await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_sound_file_is_called_sound_however_much_was_written_since_the_last_search() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    for number in 1..=40 {
        keep(&store, vec![said(TALK, None, &format!("message {number}"))]).await.unwrap();
        assert_eq!(store.background().integrity().await.unwrap(), [""; 0], "message {number}");
        store.background().search(MessageQuery::new(None, "message", 10)).await.unwrap();
    }
}
