//! Revisions: all versions of all blocks.

use jiff::Timestamp;
use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::rows::readable;
use super::tables::{lossy, signed, with, without};
use super::{ReadLane, Store, StoreError};
use crate::domain::{BlockId, JobId, Revision};

impl<L: ReadLane> Store<L> {
    /// At most `limit` revisions of a block, newest first, each with its change number and commit time; with `before`,
    /// only versions below it. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn revisions(
        &self,
        block: &BlockId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Timestamp, Revision)>, StoreError> {
        let block = block.clone();
        let (before, limit) = (before.map_or(i64::MAX, signed), signed(limit));
        let query = "SELECT block, version, revision.body, n, at FROM revision JOIN changes USING (n) \
             WHERE block = ?1 AND version < ?2 ORDER BY version DESC LIMIT ?3";
        self.read(move |sql| Ok(readable(sql.list(query, (block.as_str(), before, limit), |row| Ok(dated(row)))?)))
            .await
    }

    /// One version of a block, if it exists.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or the row is unreadable.
    pub async fn revision(&self, block: &BlockId, version: u64) -> Result<Option<Revision>, StoreError> {
        let block = block.clone();
        self.read(move |sql| at_version(sql, &block, version)).await
    }

    /// The revisions committed by a job, in order. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn job_revisions(&self, job: &JobId) -> Result<Vec<Revision>, StoreError> {
        let job = job.clone();
        let query = "SELECT block, version, body FROM revision WHERE job = ?1 ORDER BY n";
        self.read(move |sql| Ok(readable(sql.list(query, [job.as_str()], |row| Ok(read(row)))?))).await
    }
}

pub(super) fn insert(sql: &Sql, n: u64, revision: &Revision) -> Result<(), Fault> {
    let body = without(revision, &["block", "version"])?;
    let job = revision.editor.job().map(JobId::as_str);
    sql.run(
        "INSERT INTO revision (n, block, version, job, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        (n, revision.block.as_str(), revision.version, job, body),
    )?;
    Ok(())
}

/// One version of a block, if it exists.
pub(super) fn at_version(sql: &Sql, block: &BlockId, version: u64) -> Result<Option<Revision>, Fault> {
    let query = "SELECT block, version, body FROM revision WHERE block = ?1 AND version = ?2";
    sql.one(query, (block.as_str(), version), |row| Ok(read(row)))?.transpose()
}

/// The revision of a change.
pub(super) fn numbered(sql: &Sql, n: u64) -> Result<Option<Revision>, Fault> {
    sql.one("SELECT block, version, body FROM revision WHERE n = ?1", [n], |row| Ok(read(row)))?.transpose()
}

fn dated(row: &Row<'_>) -> Result<(u64, Timestamp, Revision), Fault> {
    let at = lossy(row, 4)?.parse();
    let at = at.map_err(|error| Fault::Row(format!("the time of a revision cannot be read: {error}")))?;
    Ok((row.get(3)?, at, read(row)?))
}

fn read(row: &Row<'_>) -> Result<Revision, Fault> {
    let block = lossy(row, 0)?;
    let version: u64 = row.get(1)?;
    with(row, 2, [("block", block.clone().into()), ("version", version.into())])
        .map_err(|why| Fault::Row(format!("version {version} of block {block} cannot be read: {why}")))
}
