//! A database connection with the common settings and counters.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension as _, Params, Row};

use super::error::{Fault, sentence};
use super::file::refused;
use super::terms::Terms;
use super::{Options, StoreError, Synchronous};

/// Work done by a store since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Statements run by the writer and the readers.
    pub statements: u64,
    /// Messages read from the file.
    pub messages: u64,
    /// The size of their bodies as JSON text, in bytes.
    pub message_bytes: u64,
    /// Transactions that wrote; with [`Synchronous::Full`], each waits once for the disk.
    pub transactions: u64,
    /// Commits that the writer has not started yet.
    pub waiting: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    statements: AtomicU64,
    messages: AtomicU64,
    message_bytes: AtomicU64,
    transactions: AtomicU64,
}

impl Counts {
    pub(super) fn read(&self, waiting: u64) -> Counters {
        Counters {
            statements: self.statements.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            message_bytes: self.message_bytes.load(Ordering::Relaxed),
            transactions: self.transactions.load(Ordering::Relaxed),
            waiting,
        }
    }

    pub(super) fn message(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.message_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn transaction(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that counts its statements and caches them prepared.
pub(super) struct Sql {
    conn: Connection,
    counts: Arc<Counts>,
}

/// The number of prepared statements cached per connection; the store has about fifty, some of them for several numbers
/// of rows.
const PREPARED: usize = 128;
/// The number of instructions of `SQLite`'s machine between two checks for an interrupt: well below a millisecond.
const BETWEEN_CHECKS: i32 = 10_000;
/// How long to wait for a lock of another program.
const BUSY: Duration = Duration::from_secs(5);

impl Sql {
    /// Opens the writing connection. The file must exist.
    pub(super) fn writing(path: &Path, options: &Options, counts: &Arc<Counts>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let conn = Connection::open_with_flags(path, flags)?;
            common(&conn)?;
            search_functions(&conn)?;
            let level = match options.synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            };
            conn.pragma_update(None, "synchronous", level)?;
            // The writer runs checkpoints itself, when no commit waits.
            conn.pragma_update(None, "wal_autocheckpoint", 0)?;
            if let Some(pages) = options.page_limit {
                conn.query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()))?;
            }
            Ok(conn)
        };
        let conn = open().map_err(|error| refused(path, sentence(&error)))?;
        Ok(Self { conn, counts: Arc::clone(counts) })
    }

    /// Opens a read-only connection.
    pub(super) fn reading(path: &Path, counts: &Arc<Counts>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let conn = Connection::open_with_flags(path, flags)?;
            common(&conn)?;
            Ok(conn)
        };
        let conn = open().map_err(|error| refused(path, sentence(&error)))?;
        Ok(Self { conn, counts: Arc::clone(counts) })
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(super) fn conn_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }

    /// Interrupts each statement that runs while this returns true.
    pub(super) fn interrupt_when(&mut self, stops: impl FnMut() -> bool + Send + 'static) -> rusqlite::Result<()> {
        self.conn.progress_handler(BETWEEN_CHECKS, Some(stops))
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the prepared statement from the cache, and counts it.
    pub(super) fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.counts.statements.fetch_add(1, Ordering::Relaxed);
        self.conn.prepare_cached(sql)
    }

    /// Runs a statement that returns no rows. Returns the number of changed rows.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.statement(sql)?.execute(params)
    }

    /// Returns the first row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.statement(sql)?.query_row(params, read).optional()?)
    }

    /// Returns all rows.
    pub(super) fn list<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Fault> {
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Passes rows to `keep` until it returns false.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut keep: impl FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            if !keep(row)? {
                break;
            }
        }
        Ok(())
    }

    /// Runs several reads in one transaction, so that they see the same state.
    pub(super) fn snapshot<T>(&self, read: impl FnOnce(&Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let transaction = self.conn.unchecked_transaction()?;
        let found = read(self);
        transaction.finish()?;
        found
    }
}

fn common(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(PREPARED);
    // Otherwise a statement with a bound LIMIT is planned again each time it runs.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")
}

/// Adds the functions with which migrations fill the search index.
fn search_functions(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let terms =
        |row: &rusqlite::functions::Context<'_>| -> rusqlite::Result<Terms> { Ok(Terms::of(&row.get::<String>(0)?)) };
    conn.create_scalar_function("search_words", 1, flags, move |row| Ok(terms(row)?.words))?;
    conn.create_scalar_function("search_pairs", 1, flags, move |row| Ok(terms(row)?.pairs))?;
    conn.create_scalar_function("search_signs", 1, flags, move |row| Ok(terms(row)?.signs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_full_unless_asked_otherwise_and_checkpoints_are_the_writers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(crate::store::Store::open(&path, Options::default()).unwrap());
        let pragma = |options: &Options, name: &str| {
            let sql = Sql::writing(&path, options, &Arc::default()).unwrap();
            sql.conn().query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        let full = Options::default();
        let normal = Options { synchronous: Synchronous::Normal, ..Options::default() };
        assert_eq!(pragma(&full, "synchronous"), 2.into());
        assert_eq!(pragma(&normal, "synchronous"), 1.into());
        assert_eq!(pragma(&full, "journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma(&full, "wal_autocheckpoint"), 0.into());
    }
}
