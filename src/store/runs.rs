//! Queries for runs, their steps, and their pending calls.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::filter;
use super::rows::{RowsWithErrors, readable};
use super::tables::{json, lossy, parse, row_of, with, without};
use super::{ReadLane, Store, StoreError};
use crate::domain::run::RunStateName;
use crate::domain::state::Kind;
use crate::domain::{AgentId, BlockId, Kept, Mail, PendingCall, PendingKind, Run, RunId, RunKindName, Step, StepId};

/// The mail these steps sent.
const SENT: &str = "SELECT mail.key, body FROM json_each(?1) AS step CROSS JOIN mail ON mail.lookup = step.value \
     ORDER BY step.id, position";

impl<L: ReadLane> Store<L> {
    /// The unfinished turns of all conversations, in order of creation. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn turn_runs(&self) -> Result<Vec<Run>, StoreError> {
        let open = filter::open_runs(|kind| kind == RunKindName::Turn);
        let query = format!("SELECT key, body FROM run WHERE {open} ORDER BY position");
        self.read(move |sql| Ok(readable(sql.list(&query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The unfinished runs of all kinds, in order of creation. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn open_runs(&self) -> Result<Vec<Run>, StoreError> {
        let query = format!("SELECT key, body FROM run WHERE {} ORDER BY position", filter::open_runs(|_| true));
        self.read(move |sql| Ok(readable(sql.list(&query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The unfinished runs, in order of creation, without queued turns behind another turn of their conversation, so
    /// that a long queue is not read after every commit.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn standing_runs(&self) -> Result<Vec<Run>, StoreError> {
        let query = format!("SELECT key, body FROM run AS open WHERE {} ORDER BY position", standing());
        self.read(move |sql| Ok(readable(sql.list(&query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// The turn that the last message of each conversation belongs to, if it has finished. Unreadable rows are left out
    /// and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn last_turns(&self) -> Result<Vec<Run>, StoreError> {
        // A message belongs to a speech of the turn, to one of a worker, or to the turn itself.
        let query = format!(
            "WITH RECURSIVE above (conversation, key, steps) AS (
               SELECT message.conversation, message.run, 0 FROM conversation CROSS JOIN message
                 ON message.conversation = conversation.key AND message.seq = conversation.body ->> '$.head'
                 WHERE json_valid(conversation.body)
               UNION ALL
               SELECT above.conversation, run.body ->> '$.parent', steps + 1 FROM above CROSS JOIN run
                 ON run.key = above.key WHERE kind != '{turn}' AND steps < 8)
             SELECT run.key, body FROM above CROSS JOIN run ON run.key = above.key
               WHERE {} AND body ->> '$.conversation' = above.conversation ORDER BY position",
            filter::runs(|kind| kind == RunKindName::Turn, RunStateName::is_finished),
            turn = <&str>::from(RunKindName::Turn),
        );
        self.read(move |sql| Ok(readable(sql.list(&query, [], |row| Ok(row_of(Kind::Run, row)))?))).await
    }

    /// A run and its child runs, in order of creation; `None` if there is no such run. Unreadable children are left out
    /// and logged.
    ///
    /// # Errors
    /// [`StoreError::Row`] if the run is unreadable, another [`StoreError`] if the query fails.
    pub async fn run_and_children(&self, id: &RunId) -> Result<Option<(Run, Vec<Run>)>, StoreError> {
        let id = id.clone();
        let query = "SELECT key, body FROM run WHERE key = ?1 OR lookup = ?1 ORDER BY position";
        self.read(move |sql| {
            let (mut own, mut children) = (None, Vec::new());
            for (key, run) in sql.list(query, [id.as_str()], |row| Ok((lossy(row, 0), row_of(Kind::Run, row))))? {
                if key? == id.as_str() { own = Some(run) } else { children.push(run) }
            }
            Ok(own.transpose()?.map(|run| (run, readable(children))))
        })
        .await
    }

    /// The child runs of a run, in order of creation.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn runs_of(&self, parent: &RunId) -> Result<Vec<Run>, StoreError> {
        self.find(parent.as_str()).await
    }

    /// All pending calls of a run, answered or not, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn calls(&self, run: &RunId) -> Result<Vec<PendingCall>, StoreError> {
        self.find(run.as_str()).await
    }

    /// Like [`Store::calls`], with unreadable rows as faults.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn list_calls(&self, run: &RunId) -> Result<RowsWithErrors<PendingCall>, StoreError> {
        let run = run.clone();
        let query = "SELECT key, body FROM pending_call WHERE lookup = ?1 ORDER BY position";
        self.read(move |sql| RowsWithErrors::of(sql.list(query, [run.as_str()], |row| Ok(row_of(Kind::Call, row)))?))
            .await
    }

    /// The open calls of all parked runs, in order of creation. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn waiting_calls(&self) -> Result<Vec<PendingCall>, StoreError> {
        Ok(self.list_waiting_calls().await?.logged())
    }

    /// Like [`Store::waiting_calls`], with unreadable rows as faults.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn list_waiting_calls(&self) -> Result<RowsWithErrors<PendingCall>, StoreError> {
        self.read(waiting).await
    }

    /// The mail whose reply these calls wait for.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn mail_waited_for(&self, calls: &[PendingCall]) -> Result<Vec<Mail>, StoreError> {
        let calls = calls.to_vec();
        self.read(move |sql| waited_for(sql, &calls)).await
    }

    /// The steps of a run, in order. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn steps(&self, run: &RunId) -> Result<Vec<Step>, StoreError> {
        let run = run.clone();
        let query = "SELECT id, run, agent, number, body FROM step WHERE run = ?1 ORDER BY number";
        self.read(move |sql| Ok(readable(sql.list(query, [run.as_str()], |row| Ok(read(row)))?))).await
    }

    /// The blocks, with their versions, in the last prompt of each agent that has had one. An unreadable step counts as
    /// none.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn last_seen(&self, agents: Vec<AgentId>) -> Result<Vec<SeenVersions>, StoreError> {
        // One statement, however many agents there are; each finds its step by its index.
        let query = "SELECT step.id, step.run, step.agent, step.number, step.body
               FROM json_each(?1) AS wanted CROSS JOIN step
               ON step.n = (SELECT max(last.n) FROM step AS last WHERE last.agent = wanted.value)";
        self.read(move |sql| {
            let steps: Vec<Result<Step, Fault>> = sql.list(query, [json(&agents)?], |row| Ok(read(row)))?;
            Ok(steps.into_iter().flatten().map(|step| (step.agent, step.saw)).collect())
        })
        .await
    }
}

/// An agent, and the blocks with their versions that it saw.
pub type SeenVersions = (AgentId, Vec<(BlockId, u64)>);

/// The condition for the rows of `run AS open` that [`Store::standing_runs`] lists.
pub(super) fn standing() -> String {
    // The lookup of an unfinished turn is its conversation, so the first one is the first in that index. The `+`
    // keeps SQLite from using another index.
    format!(
        "{} AND (kind != '{turn}' OR state != '{queued}' \
         OR position = (SELECT min(position) FROM run WHERE lookup = open.lookup AND +kind = '{turn}'))",
        filter::open_runs(|_| true),
        turn = <&str>::from(RunKindName::Turn),
        queued = <&str>::from(RunStateName::Queued),
    )
}

/// The condition for parked runs.
pub(super) fn parked() -> String {
    filter::runs(|_| true, |state| state == RunStateName::Parked)
}

/// The open calls of the parked runs.
fn waiting(sql: &Sql) -> Result<RowsWithErrors<PendingCall>, Fault> {
    let query = format!(
        "SELECT key, body FROM pending_call WHERE lookup IN (SELECT key FROM run WHERE {}) ORDER BY position",
        parked()
    );
    let mut calls: RowsWithErrors<PendingCall> =
        RowsWithErrors::of(sql.list(&query, [], |row| Ok(row_of(Kind::Call, row)))?)?;
    calls.rows.retain(PendingCall::is_open);
    Ok(calls)
}

pub(super) fn waited_for(sql: &Sql, calls: &[PendingCall]) -> Result<Vec<Mail>, Fault> {
    let sends = calls.iter().filter(|call| call.kind == PendingKind::Reply);
    let steps: BTreeSet<&str> = sends.map(|call| call.step.as_str()).collect();
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    Ok(readable(sql.list(SENT, [json(&steps)?], |row| Ok(row_of(Kind::Mail, row)))?))
}

pub(super) fn insert_step(sql: &Sql, n: u64, step: &Step) -> Result<(), Fault> {
    let body = without(step, &["id", "run", "agent", "index"])?;
    sql.run(
        "INSERT INTO step (n, id, run, agent, number, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (n, step.id.as_str(), step.run.as_str(), step.agent.as_str(), step.index, body),
    )?;
    Ok(())
}

/// The step of a change.
pub(super) fn step_numbered(sql: &Sql, n: u64) -> Result<Option<Step>, Fault> {
    sql.one("SELECT id, run, agent, number, body FROM step WHERE n = ?1", [n], |row| Ok(read(row)))?.transpose()
}

/// What providers want back with the steps of these runs. One that cannot be read costs what it kept, and nothing
/// else.
pub(super) fn kept(sql: &Sql, runs: &[String]) -> Result<BTreeMap<StepId, Kept>, Fault> {
    let query = "SELECT step.id, body ->> '$.kept' FROM json_each(?1) AS wanted
                 CROSS JOIN step ON step.run = wanted.value WHERE json_valid(body) AND body ->> '$.kept' IS NOT NULL";
    let rows = sql.list(query, [json(&runs)?], |row| Ok((row.get::<_, String>(0)?, parse::<Kept>(row, 1).ok())))?;
    Ok(rows.into_iter().filter_map(|(id, kept)| Some((StepId(id), kept?))).collect())
}

/// The last step of an agent, in any run.
pub(super) fn last_step(sql: &Sql, agent: &AgentId) -> Result<Option<Step>, Fault> {
    let query = "SELECT id, run, agent, number, body FROM step WHERE agent = ?1 ORDER BY n DESC LIMIT 1";
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Options;
    use super::super::staged::{KnownRows, StagedRows, put};
    use super::*;
    use crate::domain::state::Rows as _;
    use crate::domain::{ConversationId, RunKind, RunState};

    #[tokio::test]
    async fn a_run_kind_that_is_added_is_in_every_list_of_open_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        let store = Store::open(&path, Options::default()).unwrap();
        let kind = RunKind::Sample { agent: AgentId::from("agent-1") };
        let run = Run::new(RunId::from("run-1"), ConversationId::from("conversation-1"), kind, RunState::Parked);
        let sql = Sql::writing(&path, &Options::default(), &Arc::default()).unwrap();
        put(&sql, &run);
        let mut known = KnownRows::default();
        let mut rows = StagedRows::new(&sql, &mut known);
        let runs = [run];
        assert_eq!(store.open_runs().await.unwrap(), runs);
        assert_eq!(store.standing_runs().await.unwrap(), runs);
        assert_eq!(rows.open::<Run>().unwrap(), runs);
        assert!(store.turn_runs().await.unwrap().is_empty(), "it is no turn");
    }
}
