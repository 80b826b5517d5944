//! [`Rows`] in memory: the reference to which the tables are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use jiff::Timestamp;

use super::{ApplyError, Kind, Row, Rows, apply};
use crate::domain::{AgentId, Change, Conflict, Run, RunState};

/// The whole state in memory, each row as the JSON text that the store has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InMemoryRows {
    rows: BTreeMap<(Kind, String), (Option<String>, String)>,
    /// The keys of the rows that are [`Row::is_open`].
    open: BTreeSet<(Kind, String)>,
    /// Keys by lookup.
    index: BTreeMap<(Kind, String), BTreeSet<String>>,
}

impl InMemoryRows {
    /// Applies one change. Returns it with the fields that were filled in.
    ///
    /// # Errors
    /// The conflict, if the change is rejected.
    pub fn apply(&mut self, mut change: Change, at: Timestamp) -> Result<Change, Conflict> {
        match apply(self, &mut change, at) {
            Ok(()) => Ok(change),
            Err(ApplyError::Conflict(conflict)) => Err(conflict),
            Err(ApplyError::Fault(never)) => match never {},
        }
    }

    /// All rows as (kind, key, lookup, body), in order.
    pub fn raw(&self) -> impl Iterator<Item = (Kind, &str, Option<&str>, &str)> {
        self.rows.iter().map(|((kind, key), (lookup, body))| (*kind, key.as_str(), lookup.as_deref(), body.as_str()))
    }

    /// Inserts a row as the store has it.
    pub fn restore(&mut self, kind: Kind, key: String, lookup: Option<String>, body: String) {
        let place = (kind, key);
        if kind.is_open(&body) {
            self.open.insert(place.clone());
        }
        self.insert(place, lookup, body);
    }

    fn insert(&mut self, place: (Kind, String), lookup: Option<String>, body: String) {
        let (kind, key) = place.clone();
        if let Some(lookup) = &lookup {
            self.index.entry((kind, lookup.clone())).or_default().insert(key.clone());
        }
        let moved = self.rows.get(&place).and_then(|(before, _)| before.clone()).filter(|b| Some(b) != lookup.as_ref());
        if let Some(before) = moved {
            self.forget(kind, before, &key);
        }
        self.rows.insert(place, (lookup, body));
    }

    fn forget(&mut self, kind: Kind, lookup: String, key: &str) {
        let place = (kind, lookup);
        if let Some(keys) = self.index.get_mut(&place) {
            keys.remove(key);
            if keys.is_empty() {
                self.index.remove(&place);
            }
        }
    }
}

impl Rows for InMemoryRows {
    type Fault = Infallible;

    fn get<T: Row>(&mut self, key: &str) -> Result<Option<T>, Infallible> {
        let row = self.rows.get(&(T::KIND, key.to_owned()));
        Ok(row.and_then(|(_, body)| serde_json::from_str(body).ok()))
    }

    fn find<T: Row>(&mut self, lookup: &str) -> Result<Vec<T>, Infallible> {
        let keys = self.index.get(&(T::KIND, lookup.to_owned())).into_iter().flatten();
        let found = keys.filter_map(|key| self.rows.get(&(T::KIND, key.clone())));
        Ok(found.filter_map(|(_, body)| serde_json::from_str(body).ok()).collect())
    }

    fn all<T: Row>(&mut self) -> Result<Vec<T>, Infallible> {
        let all = self.rows.range((T::KIND, String::new())..).take_while(|((kind, _), _)| *kind == T::KIND);
        Ok(all.filter_map(|(_, (_, body))| serde_json::from_str(body).ok()).collect())
    }

    fn open<T: Row>(&mut self) -> Result<Vec<T>, Infallible> {
        let keys = self.open.range((T::KIND, String::new())..).take_while(|(kind, _)| *kind == T::KIND);
        let found = keys.filter_map(|place| self.rows.get(place));
        Ok(found.filter_map(|(_, body)| serde_json::from_str(body).ok()).collect())
    }

    fn parked(&mut self, agent: &AgentId) -> Result<Vec<Run>, Infallible> {
        let runs = self.open::<Run>()?.into_iter();
        Ok(runs.filter(|run| run.state == RunState::Parked && run.agent() == Some(agent)).collect())
    }

    fn delete<T: Row>(&mut self, key: &str) -> Result<(), Infallible> {
        self.open.remove(&(T::KIND, key.to_owned()));
        if let Some((Some(lookup), _)) = self.rows.remove(&(T::KIND, key.to_owned())) {
            self.forget(T::KIND, lookup, key);
        }
        Ok(())
    }

    fn put<T: Row>(&mut self, row: &T) -> Result<(), Infallible> {
        // Rows are plain records: writing one as JSON cannot fail.
        let body = serde_json::to_string(row).unwrap_or_default();
        let place = (T::KIND, row.key());
        if row.is_open() {
            self.open.insert(place.clone());
        } else {
            self.open.remove(&place);
        }
        self.insert(place, row.lookup(), body);
        Ok(())
    }
}
