//! The base: the state that a replay of the log starts from.
//!
//! Rules become stricter and rows change their shape, so an old log need not give the present tables. Every migration
//! therefore ends with a copy of all state rows as the new base, in its own transaction, with the number of the last
//! change and the version of the rules. A program with stricter rules does the same when it opens the store. What was
//! logged up to the base is only read, never judged again.

use super::connection::Sql;
use super::error::Fault;
use super::log;
use super::tables::lossy;
use crate::domain::state::{InMemoryRows, Kind, RULES};

/// The state after a change.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The number of the last change in it.
    pub(super) n: u64,
    /// The rows.
    pub(super) rows: InMemoryRows,
}

/// Makes the present state the base, inside the transaction of the caller. Does nothing in a schema without a base.
pub(super) fn write(sql: &Sql) -> Result<(), Fault> {
    if !has_table(sql, "base")? {
        return Ok(());
    }
    sql.run("DELETE FROM base_row", [])?;
    for kind in Kind::ALL {
        let table = kind.table();
        // A kind that a later migration adds has no table yet.
        if has_table(sql, table)? {
            let copy = "INSERT INTO base_row (kind, key, lookup, body) SELECT ?1, key, lookup, body FROM ";
            sql.run(&format!("{copy}{table}"), [table])?;
        }
    }
    let put = "INSERT INTO base (id, n, rules) VALUES (1, ?1, ?2)
               ON CONFLICT (id) DO UPDATE SET n = excluded.n, rules = excluded.rules";
    sql.run(put, (log::last(sql)?, RULES))?;
    Ok(())
}

/// The version of the rules the base was written under; `None` in a schema without a base.
pub(super) fn rules(sql: &Sql) -> Result<Option<u32>, Fault> {
    if !has_table(sql, "base")? {
        return Ok(None);
    }
    Ok(Some(sql.one("SELECT rules FROM base", [], |row| row.get(0))?.unwrap_or_default()))
}

/// Reads the base.
pub(super) fn read(sql: &Sql) -> Result<Base, Fault> {
    let mut base =
        Base { n: sql.one("SELECT n FROM base", [], |row| row.get(0))?.unwrap_or_default(), ..Base::default() };
    for &kind in Kind::ALL {
        sql.each("SELECT key, lookup, body FROM base_row WHERE kind = ?1", [kind.table()], |row| {
            base.rows.restore(kind, lossy(row, 0)?, row.get(1)?, lossy(row, 2)?);
            Ok(true)
        })?;
    }
    Ok(base)
}

fn has_table(sql: &Sql, name: &str) -> Result<bool, Fault> {
    let query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(sql.one(query, [name], |_| Ok(()))?.is_some())
}
