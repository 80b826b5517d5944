//! The replay check: replaying the log from the base must give the contents of the tables (F16).

use std::collections::BTreeMap;

use super::connection::Sql;
use super::error::Fault;
use super::tables::lossy;
use super::{Background, Store, StoreError, base, log};
use crate::domain::state::{InMemoryRows, Kind};

/// The result of a replay check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayReport {
    /// The number of changes in the log.
    pub changes: u64,
    /// The number of compared rows.
    pub rows: usize,
    /// The differences, one sentence each; empty when log and tables agree.
    pub differences: Vec<String>,
}

/// Changes read at a time.
const PAGE: usize = 1_000;

impl Store<Background> {
    /// Reads the whole log, replays it from the base, and compares the result with all rows of the state tables, in one
    /// snapshot.
    ///
    /// # Errors
    /// [`StoreError`] if the log or a table cannot be read.
    pub async fn verify_replay(&self) -> Result<ReplayReport, StoreError> {
        self.read(|sql| sql.snapshot(check)).await
    }
}

/// Replays the log of an open connection; see [`Store::verify_replay`].
pub(super) fn check(sql: &Sql) -> Result<ReplayReport, Fault> {
    let mut differences = Vec::new();
    let base = base::read(sql)?;
    let mut folded = base.rows;
    let mut changes = 0;
    loop {
        let page = log::since(sql, changes, PAGE)?;
        if page.is_empty() {
            break;
        }
        for logged in page {
            changes += 1;
            let n = logged.n;
            if n != changes {
                differences.push(format!("change {changes} is missing from the log"));
                changes = n;
            }
            if n <= base.n {
                continue;
            }
            match folded.apply(logged.change.clone(), logged.at) {
                Ok(applied) if applied == logged.change => {}
                Ok(_) => differences.push(format!("change {n} gives another result than was logged")),
                Err(conflict) => differences.push(format!("change {n} does not apply: {conflict}")),
            }
        }
    }
    let rows = compare(sql, &folded, &mut differences)?;
    dense(sql, &mut differences)?;
    Ok(ReplayReport { changes, rows, differences })
}

/// A row to compare: its lookup and its body.
type Pair = (Option<String>, String);

fn compare(sql: &Sql, folded: &InMemoryRows, differences: &mut Vec<String>) -> Result<usize, Fault> {
    let mut compared = 0;
    for &kind in Kind::ALL {
        let mut expected: BTreeMap<&str, (Option<&str>, &str)> =
            folded.raw().filter(|(of, ..)| *of == kind).map(|(_, key, lookup, body)| (key, (lookup, body))).collect();
        let query = format!("SELECT key, lookup, body FROM {} ORDER BY key", kind.table());
        let stored: Vec<(String, Pair)> = sql.list(&query, [], |row| {
            let text = |column| lossy(row, column).map_err(|_| rusqlite::Error::InvalidQuery);
            Ok((text(0)?, (row.get::<_, Option<String>>(1)?, text(2)?)))
        })?;
        let name = kind.noun();
        for (key, (lookup, body)) in &stored {
            compared += 1;
            match expected.remove(key.as_str()) {
                None => differences.push(format!("{name} {key} is in its table and not in the log")),
                Some((_, other)) if other != body => {
                    differences.push(format!("{name} {key} is {body} in its table and {other} by the log"));
                }
                Some((other, _)) if other != lookup.as_deref() => {
                    differences.push(format!("{name} {key} is found by {lookup:?} and not by {other:?}"));
                }
                Some(_) => {}
            }
        }
        differences.extend(expected.keys().map(|key| format!("{name} {key} is in the log and not in its table")));
    }
    Ok(compared)
}

/// Checks that messages are numbered without gaps in a conversation, and versions in a block.
fn dense(sql: &Sql, differences: &mut Vec<String>) -> Result<(), Fault> {
    for (query, noun) in [
        ("SELECT conversation, count(*), max(seq) FROM message GROUP BY conversation", "messages of"),
        ("SELECT block, count(*), max(version) FROM revision GROUP BY block", "versions of"),
    ] {
        let counts =
            sql.list(query, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?)))?;
        let gaps = counts.into_iter().filter(|(_, count, last)| count != last);
        differences.extend(gaps.map(|(of, count, last)| format!("{noun} {of}: {count} of {last} exist")));
    }
    Ok(())
}
