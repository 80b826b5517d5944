//! Rows in maps: the reference the tables are compared to.

use std::collections::BTreeMap;
use std::convert::Infallible;

use jiff::Timestamp;

use super::{Halt, Kind, Row, Rows, apply};
use crate::domain::{Change, Conflict, Logged};

/// The whole state in memory, each row as the JSON text the store keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    rows: BTreeMap<(Kind, String), (Option<String>, String)>,
}

impl Memory {
    /// The state after these logged changes, on top of this one. Fails on the first that does not apply.
    pub fn fold(mut self, log: impl IntoIterator<Item = Logged>) -> Result<Self, (u64, Conflict)> {
        for logged in log {
            let n = logged.n;
            self.apply(logged.change, logged.at).map_err(|conflict| (n, conflict))?;
        }
        Ok(self)
    }

    /// Applies one change and gives it back with what was filled in.
    pub fn apply(&mut self, mut change: Change, at: Timestamp) -> Result<Change, Conflict> {
        match apply(self, &mut change, at) {
            Ok(()) => Ok(change),
            Err(Halt::Conflict(conflict)) => Err(conflict),
            Err(Halt::Fault(never)) => match never {},
        }
    }

    /// Every row as (kind, key, body), in order.
    pub fn rows(&self) -> impl Iterator<Item = (Kind, &str, &str)> {
        self.rows.iter().map(|((kind, key), (_, body))| (*kind, key.as_str(), body.as_str()))
    }

    /// Every row as (kind, key, lookup, body), in order.
    pub fn raw(&self) -> impl Iterator<Item = (Kind, &str, Option<&str>, &str)> {
        self.rows.iter().map(|((kind, key), (lookup, body))| (*kind, key.as_str(), lookup.as_deref(), body.as_str()))
    }

    /// Puts a row as it was stored.
    pub fn put_raw(&mut self, kind: Kind, key: String, lookup: Option<String>, body: String) {
        self.rows.insert((kind, key), (lookup, body));
    }
}

impl Rows for Memory {
    type Fault = Infallible;

    fn get<T: Row>(&mut self, key: &str) -> Result<Option<T>, Infallible> {
        let row = self.rows.get(&(T::KIND, key.to_owned()));
        Ok(row.and_then(|(_, body)| serde_json::from_str(body).ok()))
    }

    fn find<T: Row>(&mut self, lookup: &str) -> Result<Vec<T>, Infallible> {
        let found = self.rows.iter().filter(|((kind, _), (own, _))| *kind == T::KIND && own.as_deref() == Some(lookup));
        Ok(found.filter_map(|(_, (_, body))| serde_json::from_str(body).ok()).collect())
    }

    fn all<T: Row>(&mut self) -> Result<Vec<T>, Infallible> {
        let all = self.rows.iter().filter(|((kind, _), _)| *kind == T::KIND);
        Ok(all.filter_map(|(_, (_, body))| serde_json::from_str(body).ok()).collect())
    }

    fn put<T: Row>(&mut self, row: &T) -> Result<(), Infallible> {
        // Rows are plain records: writing one as JSON cannot fail.
        let body = serde_json::to_string(row).unwrap_or_default();
        self.rows.insert((T::KIND, row.key()), (row.lookup(), body));
        Ok(())
    }
}
