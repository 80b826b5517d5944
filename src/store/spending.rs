//! The tokens of the day, by group and agent: summed from the steps once, and then from those that were added.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::tables::lossy;
use super::{Store, StoreError};
use crate::domain::budget::{Day, Spending};

/// Steps that cannot be read are left out. A step in an agent's own conversation counts for its home group.
const STEPS: &str = "SELECT step.n, changes.at, step.agent,
    coalesce(run.body ->> '$.kind.group', agent.body ->> '$.group'),
    coalesce(step.body ->> '$.tokens_in', 0) + coalesce(step.body ->> '$.tokens_out', 0)
  FROM step CROSS JOIN changes ON changes.n = step.n
  LEFT JOIN run ON run.key = step.run AND json_valid(run.body)
  LEFT JOIN agent ON agent.key = step.agent AND json_valid(agent.body)
  WHERE json_valid(step.body) AND step.n > ?1 ORDER BY step.n";
/// How far back in the log a step of the day is looked for behind one from before it: the clock may have been set back.
const SET_BACK: SignedDuration = SignedDuration::from_hours(24);

/// The sums of one day, as far as they are counted. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Option<Counted>>>);

struct Counted {
    spending: Arc<Spending>,
    /// The number of the last change that is counted.
    upto: u64,
}

/// A step of the log.
struct Counting {
    n: u64,
    at: Option<Timestamp>,
    agent: String,
    group: Option<String>,
    tokens: u64,
}

impl Store {
    /// The tokens of today, in the zone of the clock. Reads the steps that were committed since it was last asked, and
    /// those of the day for the first time.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn spending(&self) -> Result<Arc<Spending>, StoreError> {
        let day = Day::of(self.clock().now(), &self.clock().zone());
        let tally = self.0.tally.clone();
        self.read(move |sql| tally.of(sql, day)).await
    }
}

impl Tally {
    fn of(&self, sql: &Sql, day: Day) -> Result<Arc<Spending>, Fault> {
        // Held during the query, so that no step is counted twice.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.take().filter(|counted| counted.spending.day == day);
        let mut counted = match known {
            Some(counted) => counted,
            None => Counted { spending: Arc::new(Spending::new(day)), upto: before(sql, day)? },
        };
        let steps = sql.list(STEPS, [counted.upto], |row| Ok(read(row)))?.into_iter().collect::<Result<Vec<_>, _>>()?;
        if !steps.is_empty() {
            let spending = Arc::make_mut(&mut counted.spending);
            for step in steps {
                counted.upto = step.n;
                if !step.at.is_some_and(|at| day.has(at)) {
                    continue;
                }
                *spending.agents.entry(step.agent.as_str().into()).or_default() += step.tokens;
                if let Some(group) = step.group {
                    *spending.groups.entry(group.as_str().into()).or_default() += step.tokens;
                }
            }
        }
        let spending = Arc::clone(&counted.spending);
        *state = Some(counted);
        Ok(spending)
    }
}

/// The number of a change before all steps of the day.
fn before(sql: &Sql, day: Day) -> Result<u64, Fault> {
    let limit = day.from.saturating_sub(SET_BACK).unwrap_or(Timestamp::MIN);
    let mut found = 0;
    let query = "SELECT step.n, changes.at FROM step CROSS JOIN changes ON changes.n = step.n ORDER BY step.n DESC";
    sql.each(query, [], |row| {
        let is_older = time(row, 1)?.is_some_and(|at| at < limit);
        if is_older {
            found = row.get(0)?;
        }
        Ok(!is_older)
    })?;
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Counting, Fault> {
    let group = row.get_ref(3)?.as_str_or_null().unwrap_or_default().map(str::to_owned);
    let tokens = row.get_ref(4)?.as_i64().ok().and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or_default();
    Ok(Counting { n: row.get(0)?, at: time(row, 1)?, agent: lossy(row, 2)?, group, tokens })
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(lossy(row, column)?.parse().ok())
}
