//! The standing work: all that the scheduler decides on, by one statement, because it looks after every commit.

use std::sync::LazyLock;

use super::connection::Sql;
use super::error::Fault;
use super::filter;
use super::rows::{RowsWithErrors, readable};
use super::runs::{parked, standing, waited_for};
use super::tables::row_from;
use super::{ReadLane, Store, StoreError};
use crate::domain::job::JobStateName;
use crate::domain::state::Kind;
use crate::domain::{Job, Mail, PendingCall, Run, Source, Trigger};

/// The rows that say what is due. Unreadable rows are left out and logged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StandingWork {
    /// The unfinished runs, in order of creation, without queued turns behind another turn of their conversation, so
    /// that a long queue is not read after every commit.
    pub runs: Vec<Run>,
    /// The open calls of the parked runs, in order of creation.
    pub calls: Vec<PendingCall>,
    /// The mail whose reply these calls wait for.
    pub mails: Vec<Mail>,
    /// The unfinished jobs, in order of creation.
    pub jobs: Vec<Job>,
    /// The triggers that wait for a time, the earliest first.
    pub timers: Vec<Trigger>,
    /// The triggers that read files, in order of creation.
    pub sources: Vec<Trigger>,
    /// True when any mail is pending.
    pub has_pending_mail: bool,
}

/// The table of each row as a number, its place there, its key and its body.
static QUERY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT 0, position, key, body FROM run AS open WHERE {}
         UNION ALL SELECT 1, position, key, body FROM pending_call WHERE lookup IN (SELECT key FROM run WHERE {})
         UNION ALL SELECT 2, position, key, body FROM job WHERE state IN ({})
         UNION ALL SELECT 3, position, key, body FROM triggers WHERE next_due IS NOT NULL
         UNION ALL SELECT 4, position, key, body FROM triggers WHERE lookup = '{}'
         UNION ALL SELECT 5, 0, '', '' WHERE EXISTS (SELECT 1 FROM mail WHERE status = 'pending')",
        standing(),
        parked(),
        filter::names(|state: JobStateName| !state.is_final()),
        Source::KEY,
    )
});

impl<L: ReadLane> Store<L> {
    /// The standing work, from one snapshot.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn standing_work(&self) -> Result<StandingWork, StoreError> {
        self.read(|sql| sql.snapshot(read)).await
    }
}

/// Rows of one table with their places.
type Placed<T> = Vec<(i64, Result<T, Fault>)>;

fn read(sql: &Sql) -> Result<StandingWork, Fault> {
    let (mut runs, mut calls, mut jobs) = (Placed::new(), Placed::new(), Placed::new());
    let (mut timers, mut sources) = (Placed::new(), Placed::new());
    let mut has_pending_mail = false;
    sql.each(&QUERY, [], |row| {
        let at = row.get(1)?;
        match row.get(0)? {
            0 => runs.push((at, row_from(Kind::Run, row, 2))),
            1 => calls.push((at, row_from(Kind::Call, row, 2))),
            2 => jobs.push((at, row_from(Kind::Job, row, 2))),
            3 => timers.push((at, row_from(Kind::Trigger, row, 2))),
            4 => sources.push((at, row_from(Kind::Trigger, row, 2))),
            _ => has_pending_mail = true,
        }
        Ok(true)
    })?;
    let mut calls = RowsWithErrors::<PendingCall>::of(in_order(calls))?.logged();
    calls.retain(PendingCall::is_open);
    let mut timers: Vec<Trigger> = readable(in_order(timers));
    timers.sort_by_key(|timer| timer.next_due);
    let mails = waited_for(sql, &calls)?;
    Ok(StandingWork {
        runs: readable(in_order(runs)),
        calls,
        mails,
        jobs: readable(in_order(jobs)),
        timers,
        sources: readable(in_order(sources)),
        has_pending_mail,
    })
}

fn in_order<T>(mut rows: Placed<T>) -> Vec<Result<T, Fault>> {
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Options, Store};
    use super::*;

    #[test]
    fn each_part_of_the_standing_work_is_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::reading(&path, &Arc::default()).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {}", *QUERY);
        let plan = sql.list(&plan, [], |row| row.get::<_, String>(3)).unwrap();
        let scans = plan.iter().filter(|step| step.starts_with("SCAN") && !step.contains("INDEX"));
        let scans: Vec<&String> = scans.filter(|step| !step.contains("CONSTANT")).collect();
        assert!(scans.is_empty(), "{plan:?}");
        for index in ["run_state", "pending_call_lookup", "job_state", "triggers_due", "triggers_lookup", "mail_"] {
            assert!(plan.iter().any(|step| step.contains(index)), "{index}: {plan:?}");
        }
    }
}
