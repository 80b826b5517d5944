use super::super::Store;
use super::*;

/// A clock at which, once, a file is removed when the writer looks at it inside its transaction.
#[derive(Default)]
struct Removing(Mutex<Option<PathBuf>>);

impl Clock for Removing {
    fn now(&self) -> jiff::Timestamp {
        if let Some(path) = self.0.lock().unwrap().take() {
            std::fs::remove_file(path).unwrap();
        }
        jiff::Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// A store, with a reader of its first state if it is wanted, and its clock. Its writer waits for no reader.
fn opened(path: &Path, read: bool) -> (Store, Option<Sql>, Arc<Removing>) {
    let clock = Arc::new(Removing::default());
    let options = Options { mode: Mode::Inline, clock: Arc::clone(&clock) as _, ..Options::default() };
    let store = Store::open(path, options).unwrap();
    let Some(Lanes::Inline(writer)) = &store.0.lanes else { panic!("it has no thread") };
    writer.lock().unwrap().sql.conn().busy_timeout(Duration::ZERO).unwrap();
    let reader = read.then(|| {
        let reader = Sql::reading(path, &Arc::default()).unwrap();
        reader.conn().execute_batch("BEGIN; SELECT count(*) FROM changes").unwrap();
        reader
    });
    (store, reader, clock)
}

async fn raise(store: &Store, epoch: u64) -> Result<(), CommitError> {
    let raised = Commit::new(Actor::Engine, vec![Change::EpochRaised { epoch }]);
    store.commit(Lane::Foreground, raised).await.map(drop)
}

#[tokio::test]
async fn a_log_that_is_removed_while_a_reader_holds_it_up_is_told_to_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (path, wal) = (dir.path().join("desk.db"), dir.path().join("desk.db-wal"));
    for read in [false, true] {
        let (store, _reader, _) = opened(&path, read);
        let epoch = store.last_change().await.unwrap() + 1;
        raise(&store, epoch).await.unwrap();
        std::fs::remove_file(&wal).unwrap();
        let gone = StoreError::Uprooted { path: wal.clone(), kept: !read };
        assert_eq!(raise(&store, epoch + 1).await, Err(gone.into()));
    }
}

#[tokio::test]
async fn a_commit_is_not_acknowledged_if_it_may_be_lost_with_a_log_that_was_removed_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    for read in [false, true] {
        let path = dir.path().join(format!("{read}.db"));
        let wal = dir.path().join(format!("{read}.db-wal"));
        let (store, _reader, clock) = opened(&path, read);
        *clock.0.lock().unwrap() = Some(wal.clone());
        let gone = StoreError::Uprooted { path: wal, kept: !read };
        let made = raise(&store, 1).await;
        if read {
            assert_eq!(made, Err(gone.clone().into()));
        } else {
            made.unwrap();
            let copy = dir.path().join("copy.db");
            std::fs::copy(&path, &copy).unwrap();
            let left = Store::open(&copy, Options::default()).unwrap();
            assert_eq!(left.last_change().await.unwrap(), 1, "it is in the file");
        }
        assert_eq!(raise(&store, 2).await, Err(gone.into()));
    }
}
