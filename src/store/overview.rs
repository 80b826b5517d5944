//! Queries for the overview of a store: what belongs to the groups and agents there are, and to the turns in progress.

use super::rows::RowsWithErrors;
use super::tables::row_of;
use super::{Background, Store, StoreError, filter};
use crate::domain::state::Kind;
use crate::domain::{Conversation, Run, RunKindName};

impl Store<Background> {
    /// The conversations of the groups and agents that exist, in order of creation. Those of jobs and of deleted groups
    /// and agents stay in the store and are not read.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn owned_conversations(&self) -> Result<RowsWithErrors<Conversation>, StoreError> {
        let query = format!(
            "SELECT talk.key, talk.body FROM (SELECT key FROM {} UNION ALL SELECT key FROM {}) AS owner
             CROSS JOIN {} AS talk ON talk.lookup = owner.key ORDER BY talk.position",
            Kind::Group.table(),
            Kind::Agent.table(),
            Kind::Conversation.table()
        );
        self.read(move |sql| RowsWithErrors::of(sql.list(&query, [], |row| Ok(row_of(Kind::Conversation, row)))?)).await
    }

    /// The unfinished outermost runs and all runs below them, in order of creation. An outermost run with a damaged
    /// state is not found.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn open_run_trees(&self) -> Result<RowsWithErrors<Run>, StoreError> {
        let query = format!(
            "WITH RECURSIVE tree (position, key, body) AS (
                 SELECT position, key, body FROM run WHERE {}
                 UNION ALL
                 SELECT run.position, run.key, run.body FROM tree CROSS JOIN run ON run.lookup = tree.key
             )
             SELECT key, body FROM tree ORDER BY position",
            filter::open_runs(RunKindName::is_outermost)
        );
        self.read(move |sql| RowsWithErrors::of(sql.list(&query, [], |row| Ok(row_of(Kind::Run, row)))?)).await
    }
}
