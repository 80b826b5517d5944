//! Queries for mail: the queue of each recipient, and lists.
//!
//! The queries that run after every commit cost one statement if no mail waits, otherwise a few per recipient, but
//! none per piece of mail.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value;

use super::connection::Sql;
use super::error::Fault;
use super::rows::{RowsWithErrors, readable};
use super::tables::{row_from, row_of, signed};
use super::{ReadLane, Store, StoreError};
use crate::domain::state::Kind;
use crate::domain::{Agent, AgentId, Conversation, Group, GroupStatus, Mail, MailStatus, RunId};

/// The maximum amount of expired mail returned at once.
const BATCH: usize = 64;

/// Whether any mail is pending.
const PENDING: &str = "SELECT 1 FROM mail WHERE status = 'pending' LIMIT 1";
/// The recipients of pending mail whose own conversation has no unfinished turn, each with its row, its home group and
/// that conversation: a loose index scan with a few lookups per recipient, however long the queues are.
const RECIPIENTS: &str = "WITH RECURSIVE waiting (agent) AS (
         SELECT min(recipient) FROM mail WHERE status = 'pending'
         UNION ALL
         SELECT (SELECT min(recipient) FROM mail WHERE status = 'pending' AND recipient > agent)
         FROM waiting WHERE agent IS NOT NULL
     )
     SELECT waiting.agent, recipient.key, recipient.body, home.key, home.body, talk.key, talk.body
     FROM waiting
     LEFT JOIN agent AS recipient ON recipient.key = waiting.agent
     LEFT JOIN groups AS home
         ON home.key = CASE WHEN json_valid(recipient.body) THEN recipient.body ->> '$.group' END
     LEFT JOIN conversation AS talk ON talk.lookup = waiting.agent
     WHERE waiting.agent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM run WHERE run.lookup = talk.key)";
/// The pending mail of one recipient, in order of delivery.
const QUEUE: &str = "SELECT key, body FROM mail WHERE status = 'pending' AND recipient = ?1 ORDER BY rank, position";
/// Pending mail that expires before a time, in order.
const OVER: &str = "SELECT key, body FROM mail WHERE status = 'pending' AND expires < ?1 ORDER BY expires LIMIT ?2";
/// All pending mail that expires.
const EXPIRING: &str = "SELECT key, body FROM mail WHERE status = 'pending' AND expires IS NOT NULL";
/// The earliest expiry time of the other mail.
const NEXT: &str = "SELECT min(expires) FROM mail WHERE status = 'pending' AND expires >= ?1";

/// Mail that can be delivered now.
#[derive(Debug, Clone, PartialEq)]
pub struct DueMail {
    /// The first piece of mail in the recipient's queue.
    pub mail: Mail,
    /// The recipient; `None` if it was deleted.
    pub to: Option<Agent>,
    /// The recipient's own conversation, if it exists. It has no unfinished turn.
    pub conversation: Option<Conversation>,
}

/// Expired mail, and when the next one expires.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expiring {
    /// Pending mail that has expired; at most one batch.
    pub over: Vec<Mail>,
    /// When to check again: not later than the next expiry.
    pub next: Option<Timestamp>,
}

impl<L: ReadLane> Store<L> {
    /// True when any mail is pending.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn has_pending_mail(&self) -> Result<bool, StoreError> {
        self.read(move |sql| Ok(sql.one(PENDING, [], |_| Ok(()))?.is_some())).await
    }

    /// The first piece of mail for each recipient that can take mail now: its own conversation has no unfinished turn,
    /// and its home group is active. With `roots`, only mail caused by these runs, and none that would overtake other
    /// mail of the same sender and priority.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn due_mail(&self, roots: Option<BTreeSet<RunId>>) -> Result<Vec<DueMail>, StoreError> {
        self.read(move |sql| sql.snapshot(|sql| due(sql, roots.as_ref()))).await
    }

    /// The root runs of pending mail, without repetitions.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn pending_mail_roots(&self) -> Result<Vec<RunId>, StoreError> {
        let query = "SELECT DISTINCT body ->> '$.root' FROM mail WHERE status = 'pending' AND json_valid(body)";
        self.read(move |sql| {
            let roots = sql.list(query, [], |row| row.get::<_, Option<String>>(0))?;
            Ok(roots.into_iter().flatten().map(RunId).collect())
        })
        .await
    }

    /// Pending mail that has expired at `now`, and when more will expire.
    ///
    /// # Errors
    /// [`StoreError`] if a query fails.
    pub async fn expiring_mail(&self, now: Timestamp) -> Result<Expiring, StoreError> {
        self.read(move |sql| sql.snapshot(|sql| expiring(sql, now))).await
    }

    /// Pending mail with an expiry time that was sent after `now`. Reads all mail that expires.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn mail_ahead(&self, now: Timestamp) -> Result<Vec<Mail>, StoreError> {
        self.read(move |sql| {
            let mut ahead: Vec<Mail> = readable(sql.list(EXPIRING, [], |row| Ok(row_of(Kind::Mail, row)))?);
            ahead.retain(|mail| mail.created_at > now);
            Ok(ahead)
        })
        .await
    }

    /// At most `limit` pieces of mail to or from an agent, or of all agents, newest first. Unreadable rows are left out
    /// and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn mails(
        &self,
        agent: Option<&AgentId>,
        status: Option<MailStatus>,
        limit: usize,
    ) -> Result<Vec<Mail>, StoreError> {
        Ok(self.list_mail(agent, status, limit).await?.logged())
    }

    /// Like [`Store::mails`], with unreadable rows as faults. A damaged row has no status, agent or recipient, so it is
    /// found only without such a filter.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn list_mail(
        &self,
        agent: Option<&AgentId>,
        status: Option<MailStatus>,
        limit: usize,
    ) -> Result<RowsWithErrors<Mail>, StoreError> {
        let mut wanted = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        if let Some(agent) = agent {
            wanted.push("(recipient = ?1 OR sender = ?1)".to_owned());
            values.push(agent.as_str().to_owned().into());
        }
        if let Some(status) = status {
            values.push(status.as_str().to_owned().into());
            wanted.push(format!("status = ?{}", values.len()));
        }
        values.push(signed(limit).into());
        let wanted = if wanted.is_empty() { String::new() } else { format!("WHERE {}", wanted.join(" AND ")) };
        let query = format!("SELECT key, body FROM mail {wanted} ORDER BY position DESC LIMIT ?{}", values.len());
        self.read(move |sql| {
            let params = rusqlite::params_from_iter(values);
            RowsWithErrors::of(sql.list(&query, params, |row| Ok(row_of(Kind::Mail, row)))?)
        })
        .await
    }
}

fn due(sql: &Sql, roots: Option<&BTreeSet<RunId>>) -> Result<Vec<DueMail>, Fault> {
    let mut due = Vec::new();
    let recipients = sql.list(RECIPIENTS, [], |row| Ok((row.get::<_, String>(0)?, recipient(row))))?;
    for (id, found) in recipients {
        let (to, conversation) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            // A damaged row must not hold up the mail of others.
            Err(fault) if fault.is_of_a_row() => {
                tracing::warn!("{}; the mail for it waits", fault.reading());
                continue;
            }
            Err(other) => return Err(other),
        };
        if let Some(mail) = first(sql, &id, roots)? {
            due.push(DueMail { mail, to, conversation });
        }
    }
    Ok(due)
}

/// A recipient that was not deleted, and its own conversation, if it exists.
type Recipient = (Option<Agent>, Option<Conversation>);

/// Reads a recipient from a row of [`RECIPIENTS`]; `None` if its home group is not active.
fn recipient(row: &rusqlite::Row<'_>) -> Result<Option<Recipient>, Fault> {
    let home: Option<Group> = joined(Kind::Group, row, 3)?;
    if home.is_some_and(|home| home.status != GroupStatus::Active) {
        return Ok(None);
    }
    Ok(Some((joined(Kind::Agent, row, 1)?, joined(Kind::Conversation, row, 5)?)))
}

/// A row of an outer join, whose key is in the column `at`; `None` if there is none.
fn joined<T: serde::de::DeserializeOwned>(kind: Kind, row: &rusqlite::Row<'_>, at: usize) -> Result<Option<T>, Fault> {
    match row.get_ref(at)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => row_from(kind, row, at).map(Some),
    }
}

/// The first piece of mail of a queue that may be delivered.
fn first(sql: &Sql, recipient: &str, roots: Option<&BTreeSet<RunId>>) -> Result<Option<Mail>, Fault> {
    let mut found = None;
    let mut overtaken = BTreeSet::new();
    sql.each(QUEUE, [recipient], |row| {
        let mail: Mail = match row_of(Kind::Mail, row) {
            Ok(mail) => mail,
            // A damaged row must not block the others.
            Err(fault) if fault.is_of_a_row() => {
                tracing::warn!("{}; the mail behind it goes on", fault.reading());
                return Ok(true);
            }
            Err(other) => return Err(other),
        };
        let ours = roots.is_none_or(|roots| mail.root.as_ref().is_some_and(|root| roots.contains(root)));
        let lane = (mail.from.clone(), mail.priority);
        if ours && !overtaken.contains(&lane) {
            found = Some(mail);
            return Ok(false);
        }
        overtaken.insert(lane);
        Ok(true)
    })?;
    Ok(found)
}

fn expiring(sql: &Sql, now: Timestamp) -> Result<Expiring, Fault> {
    // Text order of times is right only for whole seconds; within a second they are compared as times.
    let second = |at: Timestamp| at.to_string().chars().take("2026-05-01T09:00:00".len()).collect::<String>();
    let after = second(now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX));
    let near: Vec<Mail> = readable(sql.list(OVER, (&after, BATCH), |row| Ok(row_of(Kind::Mail, row)))?);
    let (over, soon): (Vec<Mail>, Vec<Mail>) = near.into_iter().partition(|mail| mail.is_expired(now));
    if let Some(next) = soon.iter().filter_map(|mail| mail.expires_at).min() {
        return Ok(Expiring { over, next: Some(next) });
    }
    let next = sql.one(NEXT, [&after], |row| row.get::<_, Option<String>>(0))?.flatten();
    let next = next.and_then(|text| text.parse::<Timestamp>().ok());
    // The start of its second, because other mail may expire earlier in the same second.
    let next = next.and_then(|at| Timestamp::from_second(at.as_second()).ok());
    Ok(Expiring { over, next })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Options;
    use super::*;

    #[test]
    fn what_is_asked_after_every_commit_is_looked_up_and_never_sorted_or_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::reading(&path, &Arc::default()).unwrap();
        for query in [PENDING, RECIPIENTS, QUEUE, OVER, NEXT] {
            let mut plan = sql.conn().prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let bound = vec!["1"; plan.parameter_count()];
            let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(3);
            let steps: Vec<String> =
                plan.query_map(rusqlite::params_from_iter(bound), read).unwrap().map(Result::unwrap).collect();
            let of_mail: Vec<&String> = steps.iter().filter(|step| step.contains(" mail")).collect();
            assert!(!of_mail.is_empty(), "{steps:?}");
            for step in of_mail {
                assert!(step.starts_with("SEARCH mail USING") && step.contains("(status=?"), "{query}: {steps:?}");
            }
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{query}: {steps:?}");
        }
    }
}
