//! Calls: each is stored once, with its change number.

use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::tables::lossy;
use crate::domain::{AgentId, Call, GroupId, RunId, StepId};

pub(super) fn insert(sql: &Sql, n: u64, call: &Call) -> Result<(), Fault> {
    sql.run(
        "INSERT INTO call (n, run, step, ordinal, agent, group_id, tool, ok) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            n,
            call.run.as_str(),
            call.step.as_str(),
            call.ordinal,
            call.agent.as_str(),
            call.group.as_ref().map(GroupId::as_str),
            &call.tool,
            call.ok,
        ),
    )?;
    Ok(())
}

/// The call of a change.
pub(super) fn numbered(sql: &Sql, n: u64) -> Result<Option<Call>, Fault> {
    let query =
        "SELECT run, step, ordinal, agent, group_id, tool, ok, at FROM call JOIN changes USING (n) WHERE n = ?1";
    sql.one(query, [n], |row| Ok(read(n, row)))?.transpose()
}

fn read(n: u64, row: &Row<'_>) -> Result<Call, Fault> {
    let at = lossy(row, 7)?.parse();
    Ok(Call {
        run: RunId(lossy(row, 0)?),
        step: StepId(lossy(row, 1)?),
        ordinal: row.get(2)?,
        agent: AgentId(lossy(row, 3)?),
        group: row.get::<_, Option<String>>(4)?.map(GroupId),
        tool: lossy(row, 5)?,
        ok: row.get(6)?,
        at: at.map_err(|error| Fault::Row(format!("the time of call {n} cannot be read: {error}")))?,
    })
}
