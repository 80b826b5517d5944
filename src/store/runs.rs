//! Runs, their steps, and the calls they are parked on.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::log::{with, without};
use super::rows::readable;
use super::tables::{json, lossy, parse, row_of};
use super::{Store, StoreError};
use crate::domain::state::Kind;
use crate::domain::{AgentId, Kept, PendingCall, Run, RunId, Step, StepId};

/// An unfinished turn is found by its conversation, so the first of them is the first in that index; the plus keeps
/// to it. A damaged one has no kind and holds nobody up.
const STANDING: &str = "SELECT key, body FROM run AS open WHERE kind IN ('turn', 'speech', 'choice', 'job') \
     AND state IN ('queued', 'running', 'parked') AND (kind != 'turn' OR state != 'queued' \
     OR place = (SELECT min(place) FROM run WHERE lookup = open.lookup AND +kind = 'turn')) ORDER BY place";

impl Store {
    /// The turns that are not over, in order of creation: all conversations.
    pub async fn turn_runs(&self) -> Result<Vec<Run>, StoreError> {
        let query = "SELECT key, body FROM run WHERE kind = 'turn' AND state IN ('queued', 'running', 'parked') \
             ORDER BY place";
        self.read(move |sql| Ok(readable(sql.list(query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The runs that are not over, of every kind, in order of creation.
    pub async fn open_runs(&self) -> Result<Vec<Run>, StoreError> {
        let query = "SELECT key, body FROM run WHERE kind IN ('turn', 'speech', 'choice', 'job') \
             AND state IN ('queued', 'running', 'parked') ORDER BY place";
        self.read(move |sql| Ok(readable(sql.list(query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The runs that are not over, in order of creation, without the turns that wait for another one of their
    /// conversation: a long queue is not read again after every commit.
    pub async fn standing_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read(move |sql| Ok(readable(sql.list(STANDING, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The runs of agents that are not over, in order of creation: no turns.
    pub async fn working_runs(&self) -> Result<Vec<Run>, StoreError> {
        let query = "SELECT key, body FROM run WHERE kind IN ('speech', 'choice', 'job') \
             AND state IN ('queued', 'running', 'parked') ORDER BY place";
        self.read(move |sql| Ok(readable(sql.list(query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The runs this one made, in order of creation.
    pub async fn runs_of(&self, parent: &RunId) -> Result<Vec<Run>, StoreError> {
        self.find(parent.as_str()).await
    }

    /// The calls a run was ever parked on, answered or not, in order.
    pub async fn calls(&self, run: &RunId) -> Result<Vec<PendingCall>, StoreError> {
        self.find(run.as_str()).await
    }

    /// The calls runs wait for now, of every run that is parked, in the order they were made.
    pub async fn waiting_calls(&self) -> Result<Vec<PendingCall>, StoreError> {
        let query = "SELECT key, body FROM pending_call WHERE lookup IN \
             (SELECT key FROM run WHERE kind IN ('turn', 'speech', 'choice', 'job') AND state = 'parked') ORDER BY place";
        let mut calls: Vec<PendingCall> =
            self.read(move |sql| Ok(readable(sql.list(query, [], |row| Ok(row_of(Kind::Call, row)))?))).await?;
        calls.retain(PendingCall::is_open);
        Ok(calls)
    }

    /// The steps of a run, in order.
    pub async fn steps(&self, run: &RunId) -> Result<Vec<Step>, StoreError> {
        let run = run.clone();
        let query = "SELECT id, run, agent, place, body FROM step WHERE run = ?1 ORDER BY place";
        self.read(move |sql| Ok(readable(sql.list(query, [run.as_str()], |row| Ok(read(row)))?))).await
    }
}

pub(super) fn insert_step(sql: &Sql, n: u64, step: &Step) -> Result<(), Fault> {
    let body = without(step, &["id", "run", "agent", "index"])?;
    sql.run(
        "INSERT INTO step (n, id, run, agent, place, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (n, step.id.as_str(), step.run.as_str(), step.agent.as_str(), step.index, body),
    )?;
    Ok(())
}

/// The step a change brought.
pub(super) fn step_numbered(sql: &Sql, n: u64) -> Result<Option<Step>, Fault> {
    sql.one("SELECT id, run, agent, place, body FROM step WHERE n = ?1", [n], |row| Ok(read(row)))?.transpose()
}

/// What providers want back with the steps of these runs. One that cannot be read costs what it kept, and nothing
/// else.
pub(super) fn kept(sql: &Sql, runs: &[String]) -> Result<BTreeMap<StepId, Kept>, Fault> {
    let query = "SELECT step.id, body ->> '$.kept' FROM json_each(?1) AS wanted
                 CROSS JOIN step ON step.run = wanted.value WHERE json_valid(body) AND body ->> '$.kept' IS NOT NULL";
    let rows = sql.list(query, [json(&runs)?], |row| Ok((row.get::<_, String>(0)?, parse::<Kept>(row, 1).ok())))?;
    Ok(rows.into_iter().filter_map(|(id, kept)| Some((StepId(id), kept?))).collect())
}

/// The last step of an agent, whatever the run.
pub(super) fn last_step(sql: &Sql, agent: &AgentId) -> Result<Option<Step>, Fault> {
    let query = "SELECT id, run, agent, place, body FROM step WHERE agent = ?1 ORDER BY n DESC LIMIT 1";
    sql.one(query, [agent.as_str()], |row| Ok(read(row)))?.transpose()
}

fn read(row: &Row<'_>) -> Result<Step, Fault> {
    let id = lossy(row, 0)?;
    let index: u32 = row.get(3)?;
    let columns = [
        ("id", id.clone().into()),
        ("run", lossy(row, 1)?.into()),
        ("agent", lossy(row, 2)?.into()),
        ("index", index.into()),
    ];
    with(row, 4, columns).map_err(|why| Fault::Row(format!("step {id} cannot be read: {why}")))
}
