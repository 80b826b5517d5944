//! Queries for triggers.

use super::rows::readable;
use super::tables::row_of;
use super::{ReadLane, Store, StoreError};
use crate::domain::Trigger;
use crate::domain::state::Kind;

/// The triggers that wait for a time, in the form the index has.
const TIMERS: &str = "SELECT key, body FROM triggers WHERE next_due IS NOT NULL ORDER BY next_due";

impl<L: ReadLane> Store<L> {
    /// The triggers that wait for a time. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn timers(&self) -> Result<Vec<Trigger>, StoreError> {
        self.read(|sql| Ok(readable(sql.list(TIMERS, [], |row| Ok(row_of(Kind::Trigger, row)))?))).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::connection::Sql;
    use super::super::{Options, Store};
    use super::*;

    #[test]
    fn the_triggers_that_wait_for_a_time_are_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::reading(&path, &Arc::default()).unwrap();
        let plan = sql.list(&format!("EXPLAIN QUERY PLAN {TIMERS}"), [], |row| row.get::<_, String>(3)).unwrap();
        assert!(plan[0].contains("USING INDEX triggers_due"), "{plan:?}");
    }
}
