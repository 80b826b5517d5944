//! The state rows in their tables: reading and parsing them.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::connection::Sql;
use super::error::Fault;
use crate::domain::state::{Kind, Row, RowFault};

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

/// The most rows that one statement inserts: each number of rows is a statement of its own, which is kept prepared.
pub(super) const MOST_ROWS: usize = 8;

/// The places of so many rows in an `INSERT`, each with so many values.
pub(super) fn values(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
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

/// The size of a value as JSON, in bytes.
pub(super) fn json_bytes(value: &impl serde::Serialize) -> usize {
    struct Meter(usize);
    impl std::io::Write for Meter {
        fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
            self.0 += part.len();
            Ok(part.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut meter = Meter(0);
    // A value that is no JSON counts as too large for everything.
    serde_json::to_writer(&mut meter, value).map_or(usize::MAX / 2, |()| meter.0)
}
