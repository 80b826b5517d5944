//! The log of changes.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::connection::Sql;
use super::error::Fault;
use super::tables::{MOST_ROWS, json, lossy, parse, signed, values, with, without};
use super::{ReadLane, Store, StoreError, calls, messages, retention, revisions, runs};
use crate::domain::{Actor, Change, LogEntry, Revision, StepId};

/// The field of a change that is a column of its own.
const KIND: &str = "change";

/// The columns for [`read`].
const SELECT: &str = "SELECT n, kind,
      coalesce(actor, (SELECT named.actor FROM changes AS named
        WHERE named.n < changes.n AND named.actor IS NOT NULL ORDER BY named.n DESC LIMIT 1)),
      at, cause, body
    FROM changes";

impl<L: ReadLane> Store<L> {
    /// At most `limit` log entries with numbers above `after`, in order and without gaps.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or an entry is unreadable.
    pub async fn log(&self, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read(move |sql| since(sql, after, limit)).await
    }

    /// At most `limit` log entries of these kinds with numbers below `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or an entry is unreadable.
    pub async fn log_back(
        &self,
        before: u64,
        kinds: &'static [&'static str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let query =
            format!("{SELECT} WHERE n < ?1 AND kind IN (SELECT value FROM json_each(?2)) ORDER BY n DESC LIMIT ?3");
        self.read(move |sql| {
            let mut entries = Vec::new();
            sql.each(&query, (signed(before), json(&kinds)?, signed(limit)), |row| {
                entries.push(read(sql, row)?);
                Ok(true)
            })?;
            Ok(entries)
        })
        .await
    }

    /// Of each of these rows, by id, the last entry of these kinds with a number below `before`.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or an entry is unreadable.
    pub async fn log_last(
        &self,
        before: u64,
        kinds: &'static [&'static str],
        rows: Vec<String>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let query = format!(
            "{SELECT} WHERE n IN (SELECT max(n) FROM changes WHERE n < ?1
               AND kind IN (SELECT value FROM json_each(?2)) AND json_valid(body)
               AND body ->> '$.id' IN (SELECT value FROM json_each(?3)) GROUP BY body ->> '$.id')"
        );
        self.read(move |sql| {
            let mut entries = Vec::new();
            sql.each(&query, (signed(before), json(&kinds)?, json(&rows)?), |row| {
                entries.push(read(sql, row)?);
                Ok(true)
            })?;
            Ok(entries)
        })
        .await
    }

    /// The entry below `before` with which a call began to wait; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or the entry is unreadable.
    pub async fn log_of_call(&self, before: u64, step: StepId, ordinal: u32) -> Result<Option<LogEntry>, StoreError> {
        let query = format!(
            "{SELECT} WHERE n < ?1 AND kind = 'call_pending' AND json_valid(body)
               AND body ->> '$.step' = ?2 AND body ->> '$.ordinal' = ?3 ORDER BY n DESC LIMIT 1"
        );
        self.read(move |sql| {
            sql.one(&query, (signed(before), step.as_str(), ordinal), |row| Ok(read(sql, row)))?.transpose()
        })
        .await
    }

    /// The number of the last change in the file, by any program; 0 if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn last_change(&self) -> Result<u64, StoreError> {
        self.read(last).await
    }
}

/// The number of the last change; 0 if there is none.
pub(super) fn last(sql: &Sql) -> Result<u64, Fault> {
    Ok(sql.one("SELECT max(n) FROM changes", [], |row| row.get::<_, Option<u64>>(0))?.flatten().unwrap_or(0))
}

/// Inserts the log entries of a transaction, and the message, step, call or revision of each change into its own table.
/// An entry that does not name its actor has that of the entry before.
pub(super) fn insert(sql: &Sql, logged: &[&LogEntry]) -> Result<(), Fault> {
    let mut before: Option<&Actor> = None;
    for some in logged.chunks(MOST_ROWS) {
        let mut columns: Vec<Value> = Vec::with_capacity(some.len() * 6);
        for entry in some {
            let body = match &entry.change {
                Change::MessageAppended(_) | Change::StepFinished(_) | Change::CallMade(_) | Change::BlockEdited(_) => {
                    None
                }
                other => Some(without(other, &[KIND])?),
            };
            let actor = if before == Some(&entry.by) { None } else { Some(json(&entry.by)?) };
            before = Some(&entry.by);
            columns.extend([
                signed(entry.n).into(),
                entry.change.kind().to_owned().into(),
                actor.into(),
                entry.at.to_string().into(),
                entry.cause.map(signed).into(),
                body.into(),
            ]);
        }
        let places = values(some.len(), 6);
        let statement = format!("INSERT INTO changes (n, kind, actor, at, cause, body) VALUES {places}");
        sql.run(&statement, params_from_iter(columns))?;
    }
    logged.iter().try_for_each(|entry| insert_record(sql, entry))
}

/// Inserts the record of a change that has a table of its own.
fn insert_record(sql: &Sql, logged: &LogEntry) -> Result<(), Fault> {
    match &logged.change {
        Change::MessageAppended(message) => messages::insert(sql, logged.n, message),
        Change::StepFinished(step) => runs::insert_step(sql, logged.n, step),
        Change::CallMade(call) => calls::insert(sql, logged.n, call),
        Change::BlockEdited(revision) => revisions::insert(sql, logged.n, revision),
        // The history of every block starts with version 1, so creating a block inserts a revision.
        Change::BlockCreated(block) => {
            let revision = Revision {
                block: block.id.clone(),
                version: block.version,
                value: block.value.clone(),
                editor: block.editor.clone(),
                run: None,
                step: None,
                calls: Vec::new(),
                reason: "created".to_owned(),
            };
            revisions::insert(sql, logged.n, &revision)
        }
        Change::JobExpired { runs, conversation, .. } => retention::remove_records(sql, runs, conversation.as_ref()),
        Change::MailRemoved { id, sent } => retention::blank_mail(sql, id, *sent),
        Change::ReadingRemoved { id, brought } => retention::blank_reading(sql, id, *brought),
        _ => Ok(()),
    }
}

/// The log entries with numbers above `after`. Log rows never change, so bodies in other tables may be read later.
pub(super) fn since(sql: &Sql, after: u64, limit: usize) -> Result<Vec<LogEntry>, Fault> {
    let mut entries = Vec::new();
    each_since(sql, after, limit, |entry| {
        entries.push(entry);
        true
    })?;
    Ok(entries)
}

/// Passes the log entries with numbers above `after`, at most `limit`, to `keep` until it returns false.
pub(super) fn each_since(
    sql: &Sql,
    after: u64,
    limit: usize,
    mut keep: impl FnMut(LogEntry) -> bool,
) -> Result<(), Fault> {
    let query = format!("{SELECT} WHERE n > ?1 ORDER BY n LIMIT ?2");
    sql.each(&query, (signed(after), signed(limit)), |row| Ok(keep(read(sql, row)?)))
}

fn read(sql: &Sql, row: &Row<'_>) -> Result<LogEntry, Fault> {
    let n: u64 = row.get(0)?;
    let kind = lossy(row, 1)?;
    let fault = |why: String| Fault::Row(format!("change {n} ({kind}) cannot be read: {why}"));
    let at: jiff::Timestamp = lossy(row, 3)?.parse().map_err(|error: jiff::Error| fault(error.to_string()))?;
    let missing = || fault("its record is missing".to_owned());
    let change = match kind.as_str() {
        "message_appended" => Change::MessageAppended(messages::numbered(sql, n)?.ok_or_else(missing)?),
        "step_finished" => Change::StepFinished(runs::step_numbered(sql, n)?.ok_or_else(missing)?),
        "call_made" => Change::CallMade(calls::numbered(sql, n)?.ok_or_else(missing)?),
        "block_edited" => Change::BlockEdited(revisions::numbered(sql, n)?.ok_or_else(missing)?),
        _ => with(row, 5, [(KIND, kind.clone().into())]).map_err(fault)?,
    };
    Ok(LogEntry { n, change, by: parse(row, 2).map_err(fault)?, at, cause: row.get(4)? })
}
