//! What jobs that ended long ago left: finding it, and removing it with the change that says so.
//!
//! A message or step that goes leaves in the log what a replay needs ([`RemovedRecord`]), so that numbers stay without gaps
//! and the log still gives the tables.
//!
//! [`RemovedRecord`]: crate::domain::RemovedRecord

use jiff::Timestamp;

use super::connection::Sql;
use super::error::Fault;
use super::tables::{json, signed};
use super::{Background, Store, StoreError};
use crate::domain::{ConversationId, JobId, MailId, ReadingId, RunId};

/// Stands in the log for the text of mail that was removed.
const REMOVED: &str = "(removed)";

/// The jobs that ended before these moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Of completed jobs; `None` for none of them.
    pub completed: Option<Timestamp>,
    /// Of failed and cancelled ones; `None` for none of them.
    pub others: Option<Timestamp>,
}

/// A job whose run, steps and notes can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredJob {
    /// The job.
    pub id: JobId,
    /// Its messages and steps.
    pub records: u64,
    /// The size of their texts and of its row, in bytes.
    pub bytes: u64,
}

/// The jobs that ended before two moments, without those that are removed already and the newest of each agent in a group
/// and of each task of care, which tells what became of it last.
const EXPIRED: &str = "WITH known AS (
      SELECT key, state, body ->> '$.run' AS run, body ->> '$.conversation' AS notes, octet_length(body) AS bytes,
             body ->> '$.ended_at' AS ended, body ->> '$.expired_at' AS gone,
             position = max(position) OVER (
               PARTITION BY coalesce(body ->> '$.care', body ->> '$.agent' || '/' || (body ->> '$.group'))) AS newest
      FROM job WHERE json_valid(body)),
    expired AS (
      SELECT key, run, notes, bytes, ended FROM known
      WHERE gone IS NULL AND NOT newest
        AND (state = 'completed' AND ended < ?1 OR state IN ('failed', 'cancelled') AND ended < ?2))
    SELECT key,
      (SELECT count(*) FROM message WHERE conversation = notes) + (SELECT count(*) FROM step WHERE step.run = expired.run),
      bytes + (SELECT coalesce(sum(octet_length(body)), 0) FROM message WHERE conversation = notes)
            + (SELECT coalesce(sum(octet_length(body)), 0) FROM step WHERE step.run = expired.run)
    FROM expired ORDER BY ended";

impl Store<Background> {
    /// The jobs that can go, those that ended first before the others.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn expired_jobs(&self, expiry: Expiry) -> Result<Vec<ExpiredJob>, StoreError> {
        // No time sorts before the empty text.
        let before = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string()).unwrap_or_default();
        let moments = (before(expiry.completed), before(expiry.others));
        self.read(move |sql| {
            sql.list(EXPIRED, moments, |row| {
                Ok(ExpiredJob { id: JobId(row.get(0)?), records: row.get(1)?, bytes: row.get(2)? })
            })
        })
        .await
    }

    /// The mail between agents that was sent before this moment and is over, each with the number of the change that sent
    /// it.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn old_mail(&self, before: Timestamp) -> Result<Vec<(MailId, u64)>, StoreError> {
        let before = before.to_string();
        self.read(move |sql| {
            let old: Vec<String> = sql.list(
                "SELECT key FROM mail WHERE status IN ('read', 'expired', 'failed') AND sender IS NOT NULL
                   AND recipient IS NOT NULL AND body ->> '$.created_at' < ?1",
                [before],
                |row| row.get(0),
            )?;
            if old.is_empty() {
                return Ok(Vec::new());
            }
            let sent = "SELECT body ->> '$.id', n FROM changes WHERE kind = 'mail_sent' AND json_valid(body)
                   AND body ->> '$.id' IN (SELECT value FROM json_each(?1))";
            sql.list(sent, [json(&old)?], |row| Ok((MailId(row.get(0)?), row.get(1)?)))
        })
        .await
    }

    /// What sources read and no job needs any more, each with the number of the change that brought it.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn unneeded_readings(&self) -> Result<Vec<(ReadingId, u64)>, StoreError> {
        self.read(|sql| {
            let unneeded: Vec<String> = sql.list(
                "SELECT key FROM reading WHERE key NOT IN (
                   SELECT cause.value ->> '$.reading' FROM job, json_each(job.body, '$.causes') AS cause
                   WHERE json_valid(job.body) AND job.body ->> '$.expired_at' IS NULL
                     AND cause.value ->> '$.reading' IS NOT NULL)",
                [],
                |row| row.get(0),
            )?;
            if unneeded.is_empty() {
                return Ok(Vec::new());
            }
            let brought =
                "SELECT body ->> '$.reading.id', n FROM changes WHERE kind = 'source_read' AND json_valid(body)
                   AND body ->> '$.reading.id' IN (SELECT value FROM json_each(?1))";
            sql.list(brought, [json(&unneeded)?], |row| Ok((ReadingId(row.get(0)?), row.get(1)?)))
        })
        .await
    }
}

/// Removes the messages of a conversation and the steps of some runs.
pub(super) fn remove_records(sql: &Sql, runs: &[RunId], notes: Option<&ConversationId>) -> Result<(), Fault> {
    if let Some(notes) = notes {
        sql.run(
            "UPDATE changes SET kind = 'record_removed',
               body = json_object('record', 'message', 'conversation', message.conversation, 'seq', message.seq)
             FROM message WHERE message.n = changes.n AND message.conversation = ?1",
            [notes.as_str()],
        )?;
        let texts = "DELETE FROM message_search WHERE rowid IN (SELECT n FROM message WHERE conversation = ?1)";
        sql.run(texts, [notes.as_str()])?;
        sql.run("DELETE FROM message WHERE conversation = ?1", [notes.as_str()])?;
    }
    for run in runs {
        sql.run(
            "UPDATE changes SET kind = 'record_removed',
               body = json_object('record', 'step', 'run', step.run, 'index', step.number,
                 'tokens', (step.body ->> '$.tokens_in') + (step.body ->> '$.tokens_out'),
                 'asked', (step.body ->> '$.retries') + 1)
             FROM step WHERE step.n = changes.n AND step.run = ?1 AND json_valid(step.body)",
            [run.as_str()],
        )?;
        // One that cannot be read stays: nobody could say what a replay needs of it.
        sql.run("DELETE FROM step WHERE run = ?1 AND json_valid(body)", [run.as_str()])?;
    }
    Ok(())
}

/// Takes the text out of the change that sent it. Some text has to be there, as the rules of mail say.
pub(super) fn blank_mail(sql: &Sql, id: &MailId, sent: u64) -> Result<(), Fault> {
    sql.run(
        "UPDATE changes SET body = json_set(body, '$.text', ?3)
         WHERE n = ?1 AND kind = 'mail_sent' AND json_valid(body) AND body ->> '$.id' = ?2",
        (signed(sent), id.as_str(), REMOVED),
    )?;
    Ok(())
}

/// Takes the text out of the change that brought it.
pub(super) fn blank_reading(sql: &Sql, id: &ReadingId, brought: u64) -> Result<(), Fault> {
    sql.run(
        "UPDATE changes SET body = json_set(body, '$.reading.pieces', json('[]'))
         WHERE n = ?1 AND kind = 'source_read' AND json_valid(body) AND body ->> '$.reading.id' = ?2",
        (signed(brought), id.as_str()),
    )?;
    Ok(())
}
