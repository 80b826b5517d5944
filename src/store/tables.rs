//! The state rows in their tables: [`Rows`] for [`domain::state`](crate::domain::state) inside a transaction.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::connection::Sql;
use super::error::Fault;
use super::filter;
use crate::domain::run::RunStateName;
use crate::domain::state::{Kind, Row, RowFault, Rows};
use crate::domain::{AgentId, Run};

/// The tables, inside the open transaction of this connection.
pub(super) struct Tables<'a>(pub(super) &'a Sql);

impl Rows for Tables<'_> {
    type Fault = Fault;

    fn get<T: Row>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        get(self.0, key)
    }

    fn readable<T: Row>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        match get(self.0, key) {
            Err(fault) if fault.is_of_a_row() => Ok(None),
            other => other,
        }
    }

    fn find<T: Row>(&mut self, lookup: &str) -> Result<Vec<T>, Fault> {
        let table = T::KIND.table();
        list(self.0, &format!("SELECT key, body FROM {table} WHERE lookup = ?1 ORDER BY key"), [lookup])
    }

    fn all<T: Row>(&mut self) -> Result<Vec<T>, Fault> {
        list(self.0, &format!("SELECT key, body FROM {} ORDER BY key", T::KIND.table()), [])
    }

    fn open<T: Row>(&mut self) -> Result<Vec<T>, Fault> {
        if T::KIND != Kind::Run {
            return Ok(self.all::<T>()?.into_iter().filter(T::is_open).collect());
        }
        // There are many runs, most of them finished, so this uses the index of the open ones.
        let open = format!("SELECT key, body FROM run WHERE {} ORDER BY key", filter::open_runs(|_| true));
        list(self.0, &open, [])
    }

    fn parked(&mut self, agent: &AgentId) -> Result<Vec<Run>, Fault> {
        list(self.0, &parked(), [agent.as_str()])
    }

    fn delete<T: Row>(&mut self, key: &str) -> Result<(), Fault> {
        self.0.run(&format!("DELETE FROM {} WHERE key = ?1", T::KIND.table()), [key])?;
        Ok(())
    }

    fn put<T: Row>(&mut self, row: &T) -> Result<(), Fault> {
        let body = json(row)?;
        // An update keeps the place of the row, which is the order of creation.
        let statement = format!(
            "INSERT INTO {} (key, lookup, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET lookup = excluded.lookup, body = excluded.body",
            T::KIND.table()
        );
        self.0.run(&statement, (row.key(), row.lookup(), body))?;
        Ok(())
    }
}

/// The readable rows of a query: a damaged row must not fail every commit that reads its kind.
fn list<T: Row>(sql: &Sql, query: &str, params: impl rusqlite::Params) -> Result<Vec<T>, Fault> {
    let rows = sql.list(query, params, |row| Ok(row_of(T::KIND, row)))?;
    rows.into_iter().filter(|row| !row.as_ref().is_err_and(Fault::is_of_a_row)).collect()
}

/// The query for the parked runs of an agent, in the form the index has.
fn parked() -> String {
    let parked = <&str>::from(RunStateName::Parked);
    format!("SELECT key, body FROM run WHERE agent = ?1 AND state = '{parked}' ORDER BY key")
}

/// The row with this key.
pub(super) fn get<T: Row>(sql: &Sql, key: &str) -> Result<Option<T>, Fault> {
    let query = format!("SELECT key, body FROM {} WHERE key = ?1", T::KIND.table());
    sql.one(&query, [key], |row| Ok(row_of(T::KIND, row)))?.transpose()
}

/// The existing rows with these keys, in the order of the keys, by one statement.
pub(super) fn get_many<T: Row>(sql: &Sql, keys: &[String]) -> Result<Vec<Result<T, Fault>>, Fault> {
    let query = format!(
        "SELECT {table}.key, body FROM json_each(?1) AS wanted CROSS JOIN {table} ON {table}.key = wanted.value
         ORDER BY wanted.id",
        table = T::KIND.table()
    );
    sql.list(&query, [json(&keys)?], |row| Ok(row_of(T::KIND, row)))
}

/// Parses a row from the columns (key, body).
pub(super) fn row_of<T: DeserializeOwned>(kind: Kind, row: &rusqlite::Row<'_>) -> Result<T, Fault> {
    row_from(kind, row, 0)
}

/// Parses a row whose key is in the column `at`, and whose body is in the next one.
pub(super) fn row_from<T: DeserializeOwned>(kind: Kind, row: &rusqlite::Row<'_>, at: usize) -> Result<T, Fault> {
    let key = lossy(row, at)?;
    parse(row, at + 1).map_err(|why| Fault::Damaged(RowFault { kind, key, why }))
}

/// Parses a column of JSON text.
pub(super) fn parse<T: DeserializeOwned>(row: &rusqlite::Row<'_>, column: usize) -> Result<T, String> {
    let text = row.get_ref(column).map_err(|error| error.to_string())?;
    let bytes = text.as_bytes().map_err(|error| error.to_string())?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// A text column for people; invalid UTF-8 is replaced, and other types are empty.
pub(super) fn lossy(row: &rusqlite::Row<'_>, column: usize) -> Result<String, Fault> {
    Ok(row.get_ref(column)?.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default())
}

/// A number as `SQLite` has it, signed: any larger one is a limit that nothing reaches.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Serializes a record as JSON text.
pub(super) fn json(record: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(record).map_err(|error| Fault::Row(format!("a record cannot be written: {error}")))
}

/// Serializes `record`, leaving out the fields stored as columns.
pub(super) fn without(record: &impl serde::Serialize, columns: &[&str]) -> Result<String, Fault> {
    let mut value =
        serde_json::to_value(record).map_err(|error| Fault::Row(format!("a record cannot be written: {error}")))?;
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !columns.contains(&name.as_str()));
    }
    json(&value)
}

/// Parses the record whose JSON text is in `column`, adding the fields stored as columns.
pub(super) fn with<T: DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: usize,
    columns: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<T, String> {
    let mut fields: Map<String, Value> = parse(row, column)?;
    fields.extend(columns.into_iter().map(|(name, value)| (name.to_owned(), value)));
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Options, Store};
    use super::*;

    #[test]
    fn the_parked_runs_of_an_agent_are_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::reading(&path, &Arc::default()).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {}", parked());
        let steps = sql.list(&plan, ["agent-ann"], |row| row.get::<_, String>(3)).unwrap();
        assert!(steps[0].contains("USING INDEX run_parked (agent=?)"), "{steps:?}");
    }
}
