//! The state rows of a transaction: [`Rows`] for [`domain::state`](crate::domain::state).
//!
//! Changes read and write rows here. Each row that they changed is written to its table once, before the `COMMIT`
//! ([`StagedRows::write`]), and the rows that the writer has read or written are kept for the next transaction
//! ([`KnownRows`]): most commits touch the same few.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::ToSql;

use super::connection::Sql;
use super::error::Fault;
use super::filter;
use super::tables::{MOST_ROWS, json, lossy, values};
use crate::domain::run::RunStateName;
use crate::domain::state::{Kind, Row, RowFault, Rows};
use crate::domain::{AgentId, Run, RunState};

/// The most bytes of rows that the writer keeps between transactions.
const MOST_KNOWN: usize = 2 << 20;

type Place = (Kind, String);

/// The rows that the last transactions of this connection read or wrote, as JSON text.
#[derive(Debug, Default)]
pub(super) struct KnownRows {
    bodies: HashMap<Place, String>,
    /// The rows whose lookup is a run that this connection created: all there are, since no row can have had that lookup
    /// before.
    below: HashMap<String, BTreeSet<Place>>,
    bytes: usize,
}

impl KnownRows {
    fn keep(&mut self, place: Place, body: Option<String>) {
        let size = |body: &String| body.len();
        self.bytes -= self.bodies.get(&place).map_or(0, size);
        let Some(body) = body else {
            self.bodies.remove(&place);
            return;
        };
        self.bytes += body.len();
        self.bodies.insert(place, body);
        if self.bytes > MOST_KNOWN {
            self.forget();
        }
    }

    /// Notes a new run, below which nothing is yet.
    fn begin(&mut self, run: &str) {
        self.bytes += run.len();
        self.below.insert(run.to_owned(), BTreeSet::new());
    }

    /// Notes the lookup of a row.
    fn refer(&mut self, place: &Place, lookup: &str) {
        if let Some(rows) = self.below.get_mut(lookup)
            && rows.insert(place.clone())
        {
            self.bytes += place.1.len();
        }
    }

    /// Forgets all rows: another connection has written.
    pub(super) fn forget(&mut self) {
        self.bodies.clear();
        self.below.clear();
        self.bytes = 0;
    }
}

/// A row that changes have put or deleted.
#[derive(Debug, Clone)]
struct Staged {
    /// Its place among the staged rows, which becomes the order of creation of new rows.
    order: usize,
    /// True if the row of the table is deleted first: what is put after that is a new row.
    deletes: bool,
    put: Option<(Option<String>, String)>,
}

/// The rows inside an open transaction. The changes of a commit are dropped or kept as a whole.
pub(super) struct StagedRows<'a> {
    sql: &'a Sql,
    known: &'a mut KnownRows,
    /// Of the commits that were kept.
    kept: BTreeMap<Place, Staged>,
    /// Of the commit in progress.
    open: BTreeMap<Place, Staged>,
    /// The runs that were looked for, and are not in the table.
    absent: BTreeSet<String>,
    count: usize,
}

impl<'a> StagedRows<'a> {
    pub(super) fn new(sql: &'a Sql, known: &'a mut KnownRows) -> Self {
        Self { sql, known, kept: BTreeMap::new(), open: BTreeMap::new(), absent: BTreeSet::new(), count: 0 }
    }

    /// Ends a commit: keeps what its changes have done, or drops it.
    pub(super) fn end(&mut self, keep: bool) {
        let open = std::mem::take(&mut self.open);
        if keep {
            self.kept.extend(open);
        }
    }

    /// Writes what was kept to the tables.
    pub(super) fn write(&mut self) -> Result<(), Fault> {
        let mut staged: Vec<(&Place, &Staged)> = self.kept.iter().collect();
        staged.sort_by_key(|(_, staged)| staged.order);
        let mut puts: BTreeMap<Kind, Vec<[&dyn ToSql; 3]>> = BTreeMap::new();
        for ((kind, key), staged) in staged {
            if staged.deletes {
                self.sql.run(&format!("DELETE FROM {} WHERE key = ?1", kind.table()), [key])?;
            }
            if let Some((lookup, body)) = &staged.put {
                puts.entry(*kind).or_default().push([key, lookup, body]);
            }
        }
        for (kind, rows) in puts {
            for some in rows.chunks(MOST_ROWS) {
                // An update keeps the place of the row, which is the order of creation.
                let statement = format!(
                    "INSERT INTO {} (key, lookup, body) VALUES {}
                     ON CONFLICT (key) DO UPDATE SET lookup = excluded.lookup, body = excluded.body",
                    kind.table(),
                    values(some.len(), 3)
                );
                self.sql.run(&statement, some.concat().as_slice())?;
            }
        }
        Ok(())
    }

    /// What was kept: each row's place and its JSON text, `None` for a deleted one.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&Place, Option<&str>)> {
        self.kept.iter().map(|(place, staged)| (place, staged.put.as_ref().map(|(_, body)| body.as_str())))
    }

    /// Remembers what was written, once it is committed.
    pub(super) fn committed(self) {
        let rows = || self.kept.iter().filter_map(|(place, staged)| Some((place, staged.put.as_ref()?)));
        for ((_, key), _) in rows().filter(|((kind, key), _)| *kind == Kind::Run && self.absent.contains(key)) {
            self.known.begin(key);
        }
        for (place, (lookup, _)) in rows() {
            if let Some(lookup) = lookup {
                self.known.refer(place, lookup);
            }
        }
        for (place, staged) in self.kept {
            self.known.keep(place, staged.put.map(|(_, body)| body));
        }
    }

    fn staged(&self, place: &Place) -> Option<&Staged> {
        self.open.get(place).or_else(|| self.kept.get(place))
    }

    fn stage(&mut self, place: Place, put: Option<(Option<String>, String)>) {
        let before = self.staged(&place).cloned();
        let order = match &before {
            Some(before) if before.put.is_some() => before.order,
            _ => {
                self.count += 1;
                self.count
            }
        };
        let deletes = put.is_none() || before.is_some_and(|before| before.deletes);
        self.open.insert(place, Staged { order, deletes, put });
    }

    /// The readable rows of a query for (key, body), in key order, with the staged rows in their place. A damaged row
    /// must not fail every commit that reads its kind.
    fn list<T: Row>(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        fits: impl Fn(&T, Option<&str>) -> bool,
    ) -> Result<Vec<T>, Fault> {
        let stored = self.sql.list(query, params, |row| Ok((lossy(row, 0), lossy(row, 1))))?;
        let mut found: BTreeMap<String, T> = BTreeMap::new();
        for (key, body) in stored {
            let key = key?;
            if self.staged(&(T::KIND, key.clone())).is_none()
                && let Ok(row) = serde_json::from_str(&body?)
            {
                found.insert(key, row);
            }
        }
        Ok(self.with_staged(found, fits))
    }

    /// Puts the staged rows in their place.
    fn with_staged<T: Row>(&self, mut found: BTreeMap<String, T>, fits: impl Fn(&T, Option<&str>) -> bool) -> Vec<T> {
        for rows in [&self.kept, &self.open] {
            let of_kind = rows.range((T::KIND, String::new())..).take_while(|((kind, _), _)| *kind == T::KIND);
            for ((_, key), staged) in of_kind {
                found.remove(key);
                let Some((lookup, body)) = &staged.put else { continue };
                match serde_json::from_str(body) {
                    Ok(row) if fits(&row, lookup.as_deref()) => drop(found.insert(key.clone(), row)),
                    _ => {}
                }
            }
        }
        found.into_values().collect()
    }

    /// The readable rows below a run that this connection created; `None` for any other lookup.
    fn below<T: Row>(&self, lookup: &str) -> Option<BTreeMap<String, T>> {
        let mut found = BTreeMap::new();
        for place in self.known.below.get(lookup)?.iter().filter(|(kind, _)| *kind == T::KIND) {
            let row: Option<T> = serde_json::from_str(self.known.bodies.get(place)?).ok();
            if let Some(row) = row.filter(|row| row.lookup().as_deref() == Some(lookup)) {
                found.insert(place.1.clone(), row);
            }
        }
        Some(found)
    }
}

impl Rows for StagedRows<'_> {
    type Fault = Fault;

    fn get<T: Row>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        let place = (T::KIND, key.to_owned());
        let damaged = |why: serde_json::Error| {
            Fault::Damaged(RowFault { kind: T::KIND, key: key.to_owned(), why: why.to_string() })
        };
        if let Some(staged) = self.staged(&place) {
            let body = staged.put.as_ref().map(|(_, body)| serde_json::from_str(body));
            return body.transpose().map_err(damaged);
        }
        if let Some(body) = self.known.bodies.get(&place) {
            return serde_json::from_str(body).map(Some).map_err(damaged);
        }
        let query = format!("SELECT body FROM {} WHERE key = ?1", T::KIND.table());
        let Some(body) = self.sql.one(&query, [key], |row| Ok(lossy(row, 0)))?.transpose()? else {
            if T::KIND == Kind::Run {
                self.absent.insert(key.to_owned());
            }
            return Ok(None);
        };
        let row = serde_json::from_str(&body).map_err(damaged)?;
        self.known.keep(place, Some(body));
        Ok(Some(row))
    }

    fn readable<T: Row>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        match self.get(key) {
            Err(fault) if fault.is_of_a_row() => Ok(None),
            other => other,
        }
    }

    fn find<T: Row>(&mut self, lookup: &str) -> Result<Vec<T>, Fault> {
        let fits = |_: &T, own: Option<&str>| own == Some(lookup);
        let created = self.kept.contains_key(&(Kind::Run, lookup.to_owned()))
            || self.open.contains_key(&(Kind::Run, lookup.to_owned()));
        let below = if created && self.absent.contains(lookup) { Some(BTreeMap::new()) } else { self.below(lookup) };
        if let Some(below) = below {
            return Ok(self.with_staged(below, fits));
        }
        let query = format!("SELECT key, body FROM {} WHERE lookup = ?1", T::KIND.table());
        self.list(&query, [lookup], fits)
    }

    fn all<T: Row>(&mut self) -> Result<Vec<T>, Fault> {
        self.list(&format!("SELECT key, body FROM {}", T::KIND.table()), [], |_, _| true)
    }

    fn open<T: Row>(&mut self) -> Result<Vec<T>, Fault> {
        if T::KIND != Kind::Run {
            return Ok(self.all::<T>()?.into_iter().filter(T::is_open).collect());
        }
        // There are many runs, most of them finished, so this uses the index of the open ones.
        let open = format!("SELECT key, body FROM run WHERE {}", filter::open_runs(|_| true));
        self.list(&open, [], |row: &T, _| row.is_open())
    }

    fn parked(&mut self, agent: &AgentId) -> Result<Vec<Run>, Fault> {
        let parked = |run: &Run, _: Option<&str>| run.state == RunState::Parked && run.agent() == Some(agent);
        self.list(&parked_runs(), [agent.as_str()], parked)
    }

    fn delete<T: Row>(&mut self, key: &str) -> Result<(), Fault> {
        self.stage((T::KIND, key.to_owned()), None);
        Ok(())
    }

    fn put<T: Row>(&mut self, row: &T) -> Result<(), Fault> {
        let body = json(row)?;
        self.stage((T::KIND, row.key()), Some((row.lookup(), body)));
        Ok(())
    }
}

/// The query for the parked runs of an agent, in the form the index has.
fn parked_runs() -> String {
    let parked = <&str>::from(RunStateName::Parked);
    format!("SELECT key, body FROM run WHERE agent = ?1 AND state = '{parked}'")
}

/// Puts a row outside of any transaction.
#[cfg(test)]
pub(super) fn put(sql: &Sql, row: &impl Row) {
    let mut known = KnownRows::default();
    let mut rows = StagedRows::new(sql, &mut known);
    rows.put(row)
        .and_then(|()| {
            rows.end(true);
            rows.write()
        })
        .unwrap_or_else(|fault| panic!("{}", fault.saving()));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Options, Store};
    use super::*;
    use crate::domain::{Group, GroupId, ManagerType, RunId, RunKind};

    fn group(id: &str, name: &str) -> Group {
        Group::new(GroupId::from(id), name, ManagerType::RoundRobin)
    }

    fn names(rows: &mut StagedRows<'_>) -> Vec<String> {
        rows.all::<Group>().unwrap().into_iter().map(|group| group.name).collect()
    }

    #[test]
    fn the_parked_runs_of_an_agent_are_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::reading(&path, &Arc::default()).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {}", parked_runs());
        let steps = sql.list(&plan, ["agent-ann"], |row| row.get::<_, String>(3)).unwrap();
        assert!(steps[0].contains("USING INDEX run_parked (agent=?)"), "{steps:?}");
    }

    #[test]
    fn what_is_below_a_run_that_is_created_here_is_known_without_a_query() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let counts = Arc::default();
        let sql = Sql::writing(&path, &Options::default(), &counts).unwrap();
        let run = |id: &str, kind| Run::new(RunId::from(id), "conversation-1".into(), kind, RunState::Running);
        let turn = run("turn", RunKind::Turn { group: None, only: None });
        let part = |id: &str| Run { parent: Some(turn.id.clone()), ..run(id, RunKind::Sample { agent: "a".into() }) };
        let (mut known, mut made) = (KnownRows::default(), Vec::new());
        let count = || counts.read(0).statements;
        for id in ["turn", "one", "two"] {
            let mut rows = StagedRows::new(&sql, &mut known);
            assert_eq!(rows.get::<Run>(id).unwrap(), None);
            if id == "turn" {
                rows.put(&turn).unwrap();
            } else {
                made.push(part(id));
                rows.put(made.last().unwrap()).unwrap();
            }
            let before = count();
            assert_eq!(rows.find::<Run>("turn").unwrap(), made, "after {id}");
            assert_eq!(count(), before, "{id}");
            rows.end(true);
            rows.write().unwrap();
            rows.committed();
        }
        let mut rows = StagedRows::new(&sql, &mut known);
        rows.put(&part("three")).unwrap();
        rows.end(false);
        assert_eq!(rows.find::<Run>("turn").unwrap(), made, "what was dropped is not below it");
        let before = count();
        assert!(rows.find::<Run>("another").unwrap().is_empty());
        assert_eq!(count(), before + 1, "what is below others is asked for");
        drop(rows);
        known.forget();
        let mut rows = StagedRows::new(&sql, &mut known);
        assert_eq!(rows.find::<Run>("turn").unwrap(), made, "another program may have written");
        assert_eq!(count(), before + 2);
    }

    #[test]
    fn what_a_dropped_commit_did_is_in_no_list_and_in_no_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::writing(&path, &Options::default(), &Arc::default()).unwrap();
        let mut known = KnownRows::default();
        let mut rows = StagedRows::new(&sql, &mut known);
        for (id, name) in [("c", "cats"), ("a", "ants"), ("b", "bees")] {
            rows.put(&group(id, name)).unwrap();
        }
        rows.put(&group("c", "cats")).unwrap();
        rows.end(true);
        rows.put(&group("a", "apes")).unwrap();
        rows.delete::<Group>("b").unwrap();
        assert_eq!(names(&mut rows), ["apes", "cats"]);
        assert_eq!(rows.find::<Group>("apes").unwrap().len(), 1);
        assert!(rows.find::<Group>("ants").unwrap().is_empty() && rows.get::<Group>("b").unwrap().is_none());
        rows.end(false);
        assert_eq!(names(&mut rows), ["ants", "bees", "cats"]);
        rows.write().unwrap();
        rows.committed();
        let order = |sql: &Sql| sql.list("SELECT key FROM groups ORDER BY position", [], |row| row.get::<_, String>(0));
        assert_eq!(order(&sql).unwrap(), ["c", "a", "b"], "rows are created in the order in which they were put");

        let mut rows = StagedRows::new(&sql, &mut known);
        rows.delete::<Group>("c").unwrap();
        rows.put(&group("d", "dogs")).unwrap();
        rows.put(&group("c", "cows")).unwrap();
        rows.put(&group("a", "apes")).unwrap();
        rows.end(true);
        rows.write().unwrap();
        rows.committed();
        assert_eq!(order(&sql).unwrap(), ["a", "b", "d", "c"], "a row that is deleted and put again is a new one");
        let mut rows = StagedRows::new(&sql, &mut known);
        assert_eq!(rows.get::<Group>("a").unwrap().unwrap().name, "apes");
        assert_eq!(names(&mut rows), ["apes", "bees", "cows", "dogs"]);
    }
}
