//! F16, at the end of every integration test: the log, folded from nothing, equals the tables.

use nightdesk::testing::store::Store;

/// Fails with every difference between the log and the tables, and with what is wrong with the file.
pub async fn assert_folds(store: &Store) {
    let report = store.background().verify_replay().await.expect("the fold runs");
    assert!(report.differences.is_empty(), "log and tables differ:\n{}", report.differences.join("\n"));
    let damage = store.background().integrity().await.expect("the check runs");
    assert!(damage.is_empty(), "{}", damage.join("\n"));
}
