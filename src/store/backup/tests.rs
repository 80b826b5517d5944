use std::os::unix::fs::PermissionsExt as _;

use super::super::{Lane, Store};
use super::*;
use crate::domain::{Actor, Change, Commit};

async fn commit(store: &Store, epoch: u64) {
    store.commit(Lane::Foreground, Commit::new(Actor::Engine, vec![Change::EpochRaised { epoch }])).await.unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

async fn last(path: &Path) -> u64 {
    Store::open_read_only(path, Options::default()).unwrap().last_change().await.unwrap()
}

#[tokio::test]
async fn a_copy_of_a_store_that_is_in_use_is_complete_and_for_its_user_alone_and_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("desk.db"), dir.path().join("copy.db"));
    let store = Store::open(&path, Options::default()).unwrap();
    commit(&store, 1).await;
    assert!(back_up(&path, &copy, &|| true).unwrap() > 0);
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    commit(&store, 2).await;
    let again = back_up(&path, &copy, &|| true).unwrap_err().to_string();
    assert!(again.ends_with("copy.db exists already; give another name"), "{again}");
    drop(store);
    let kept = restore(&path, &copy, "now").unwrap().unwrap();
    assert_eq!(names(dir.path()), ["copy.db", "desk.db", "desk.db.before-now", "desk.db.lock"]);
    assert_eq!((last(&path).await, last(&kept).await), (1, 2), "the copy is there, and the store as it was");
    // What was put back is a store like any other.
    let store = Store::open(&path, Options::default()).unwrap();
    commit(&store, 2).await;
    assert!(store.background().integrity().await.unwrap().is_empty());
    assert!(store.background().verify_replay().await.unwrap().differences.is_empty());
}

#[tokio::test]
async fn what_is_no_backup_is_refused_with_a_sentence_and_the_store_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("desk.db"), dir.path().join("copy.db"));
    commit(&Store::open(&path, Options::default()).unwrap(), 1).await;
    back_up(&path, &copy, &|| true).unwrap();
    let before = std::fs::read(&path).unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let bytes = std::fs::read(&copy).unwrap();
    let mut newer = bytes.clone();
    newer[60..64].copy_from_slice(&900_u32.to_be_bytes());
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    for page in damaged[middle..].chunks_mut(4096) {
        page[..8].fill(0xFF);
    }
    for (from, wanted) in [
        (dir.path().join("none.db"), "there is no file"),
        (dir.path().to_owned(), "it is not a regular file"),
        (at("text.db", b"not a database, but long enough to be looked at"), "it is not a Nightdesk store"),
        (at("empty.db", b""), "it is empty"),
        (at("newer.db", &newer), "it was written by a newer Nightdesk (version 900"),
        (at("damaged.db", &damaged), "damaged"),
        (path.clone(), "is the store itself"),
    ] {
        let refused = restore(&path, &from, "now").unwrap_err().to_string();
        assert!(refused.contains(wanted), "{wanted}: {refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{wanted}");
    }
    let lock = StoreLock::take(&path).unwrap();
    assert!(matches!(restore(&path, &copy, "now"), Err(CopyError::Held(held)) if held.pid == std::process::id()));
    drop(lock);
    let left: Vec<String> = names(dir.path()).into_iter().filter(|name| name.contains("part")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn the_rest_of_an_interrupted_copy_is_no_obstacle_and_two_copies_of_one_name_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("desk.db"), dir.path().join("copy.db"));
    commit(&Store::open(&path, Options::default()).unwrap(), 1).await;
    std::fs::write(dir.path().join("copy.db.part"), "half").unwrap();
    let running = Part::create(&copy).unwrap();
    let refused = back_up(&path, &copy, &|| true).unwrap_err().to_string();
    assert!(refused.contains("another program is writing"), "{refused}");
    drop(running);
    back_up(&path, &copy, &|| true).unwrap();
    assert_eq!(last(&copy).await, 1);
}

#[tokio::test]
async fn a_store_that_is_missing_or_damaged_is_restored_too() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("desk.db"), dir.path().join("copy.db"));
    commit(&Store::open(&path, Options::default()).unwrap(), 1).await;
    back_up(&path, &copy, &|| true).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(restore(&path, &copy, "first").unwrap(), None);
    assert_eq!(last(&path).await, 1);
    std::fs::write(&path, "no store any more").unwrap();
    std::fs::write(dir.path().join("desk.db-wal"), "its log").unwrap();
    let kept = restore(&path, &copy, "second").unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "no store any more");
    assert_eq!(std::fs::read_to_string(sibling(&kept, "-wal")).unwrap(), "its log");
    assert_eq!(last(&path).await, 1);
}
