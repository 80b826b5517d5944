//! Queries for jobs.

use super::filter;
use super::rows::{RowsWithErrors, readable};
use super::tables::{row_of, signed};
use super::{ReadLane, Store, StoreError};
use crate::domain::job::JobStateName;
use crate::domain::state::Kind;
use crate::domain::{GroupId, Job};

impl<L: ReadLane> Store<L> {
    /// At most `limit` jobs of a group or of all groups, newest first. Damaged rows are listed for every group.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn jobs(&self, group: Option<&GroupId>, limit: usize) -> Result<RowsWithErrors<Job>, StoreError> {
        let group = group.cloned();
        let limit = signed(limit);
        self.read(move |sql| {
            let read = |row: &rusqlite::Row<'_>| Ok(row_of(Kind::Job, row));
            let rows = match group {
                Some(group) => {
                    let query = "SELECT key, body FROM job WHERE group_id = ?1 OR group_id IS NULL AND NOT \
                         CASE WHEN json_valid(body) THEN body ->> '$.care' IS NOT NULL ELSE FALSE END \
                         ORDER BY position DESC LIMIT ?2";
                    sql.list(query, (group.as_str(), limit), read)?
                }
                None => sql.list("SELECT key, body FROM job ORDER BY position DESC LIMIT ?1", [limit], read)?,
            };
            RowsWithErrors::of(rows)
        })
        .await
    }

    /// The newest job of each task of care. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn care_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let query = "SELECT key, body FROM job WHERE position IN (
               SELECT max(position) FROM job WHERE group_id IS NULL AND json_valid(body) AND body ->> '$.care' IS NOT NULL
               GROUP BY body ->> '$.care')";
        self.read(move |sql| Ok(readable(sql.list(query, [], |row| Ok(row_of(Kind::Job, row)))?))).await
    }

    /// The unfinished jobs, in order of creation. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn unfinished_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let open = filter::names(|state: JobStateName| !state.is_final());
        let query = format!("SELECT key, body FROM job WHERE state IN ({open}) ORDER BY position");
        self.read(move |sql| Ok(readable(sql.list(&query, [], |row| Ok(row_of(Kind::Job, row)))?))).await
    }
}
