//! Mail: the queue of each recipient, and its history.
//!
//! What is asked after every commit costs one statement where nothing waits, and otherwise some per recipient,
//! never per piece of mail.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value;

use super::connection::Sql;
use super::error::Fault;
use super::rows::{Listed, readable};
use super::tables::{get, row_of};
use super::{Store, StoreError};
use crate::domain::state::Kind;
use crate::domain::{Agent, AgentId, Conversation, Group, GroupStatus, Mail, MailStatus, RunId};

/// The most mail that is told to be out of time at once; the rest follows.
const BATCH: usize = 64;

/// Whether mail waits for anybody.
const PENDING: &str = "SELECT 1 FROM mail WHERE status = 'pending' LIMIT 1";
/// Whom mail waits for: a loose scan, one look into the index a recipient, however long their queues are.
const RECIPIENTS: &str = "WITH RECURSIVE waiting (agent) AS (
         SELECT min(recipient) FROM mail WHERE status = 'pending'
         UNION ALL
         SELECT (SELECT min(recipient) FROM mail WHERE status = 'pending' AND recipient > agent)
         FROM waiting WHERE agent IS NOT NULL
     )
     SELECT agent FROM waiting WHERE agent IS NOT NULL";
/// One recipient's mail as it is to go.
const QUEUE: &str = "SELECT key, body FROM mail WHERE status = 'pending' AND recipient = ?1 ORDER BY rank, place";
/// What is out of time before this, in order.
const OVER: &str = "SELECT key, body FROM mail WHERE status = 'pending' AND expires < ?1 ORDER BY expires LIMIT ?2";
/// When the first of the others is out of time.
const NEXT: &str = "SELECT min(expires) FROM mail WHERE status = 'pending' AND expires >= ?1";

/// Mail that can be delivered now.
#[derive(Debug, Clone, PartialEq)]
pub struct DueMail {
    /// The mail: the first of its recipient's queue.
    pub mail: Mail,
    /// The recipient; `None` where it is gone.
    pub to: Option<Agent>,
    /// The recipient's own conversation, once there is one. No turn of it is unfinished.
    pub conversation: Option<Conversation>,
}

/// Mail whose time is over, and when the next one's is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expiring {
    /// Pending mail that is not worth delivering any more; a batch.
    pub over: Vec<Mail>,
    /// When to look again: not after the next piece expires.
    pub next: Option<Timestamp>,
}

impl Store {
    /// True when mail waits for anybody.
    pub async fn has_pending_mail(&self) -> Result<bool, StoreError> {
        self.read(move |sql| Ok(sql.one(PENDING, [], |_| Ok(()))?.is_some())).await
    }

    /// What stands first in the queue of each recipient that can take mail now: its own conversation has no
    /// unfinished turn, its home group is active. With `roots`, only mail these runs led to, and none that would
    /// overtake other mail of the same sender and priority.
    pub async fn due_mail(&self, roots: Option<BTreeSet<RunId>>) -> Result<Vec<DueMail>, StoreError> {
        self.read(move |sql| sql.snapshot(|sql| due(sql, roots.as_ref()))).await
    }

    /// The runs that pending mail goes back to, each once.
    pub async fn pending_mail_roots(&self) -> Result<Vec<RunId>, StoreError> {
        let query = "SELECT DISTINCT body ->> '$.root' FROM mail WHERE status = 'pending'";
        self.read(move |sql| {
            let roots = sql.list(query, [], |row| row.get::<_, Option<String>>(0))?;
            Ok(roots.into_iter().flatten().map(RunId).collect())
        })
        .await
    }

    /// Pending mail that is out of time now, and when there will be more.
    pub async fn expiring_mail(&self, now: Timestamp) -> Result<Expiring, StoreError> {
        self.read(move |sql| sql.snapshot(|sql| expiring(sql, now))).await
    }

    /// Mail to or from an agent, or everybody's, newest first; what can be read of it.
    pub async fn mails(
        &self,
        agent: Option<&AgentId>,
        status: Option<MailStatus>,
        limit: usize,
    ) -> Result<Vec<Mail>, StoreError> {
        Ok(self.list_mail(agent, status, limit).await?.logged())
    }

    /// Mail to or from an agent, or everybody's, newest first. Damaged mail has no status and shows where none is
    /// asked for.
    pub async fn list_mail(
        &self,
        agent: Option<&AgentId>,
        status: Option<MailStatus>,
        limit: usize,
    ) -> Result<Listed<Mail>, StoreError> {
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
        // Any number is a limit; SQLite's are signed.
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let wanted = if wanted.is_empty() { String::new() } else { format!("WHERE {}", wanted.join(" AND ")) };
        let query = format!("SELECT key, body FROM mail {wanted} ORDER BY place DESC LIMIT ?{}", values.len());
        self.read(move |sql| {
            let params = rusqlite::params_from_iter(values);
            Listed::of(sql.list(&query, params, |row| Ok(row_of(Kind::Mail, row)))?)
        })
        .await
    }
}

fn due(sql: &Sql, roots: Option<&BTreeSet<RunId>>) -> Result<Vec<DueMail>, Fault> {
    let mut due = Vec::new();
    for recipient in sql.list(RECIPIENTS, [], |row| row.get::<_, String>(0))? {
        let to: Option<Agent> = get(sql, &recipient)?;
        let home: Option<Group> = to.as_ref().map(|to| get(sql, to.group.as_str())).transpose()?.flatten();
        if home.is_some_and(|home| home.status != GroupStatus::Active) {
            continue;
        }
        let talk = "SELECT key, body FROM conversation WHERE lookup = ?1";
        let talk = sql.one(talk, [&recipient], |row| Ok(row_of::<Conversation>(Kind::Conversation, row)))?;
        let conversation = talk.transpose()?;
        if let Some(conversation) = &conversation {
            let turn = "SELECT 1 FROM run WHERE lookup = ?1 LIMIT 1";
            if sql.one(turn, [conversation.id.as_str()], |_| Ok(()))?.is_some() {
                continue;
            }
        }
        if let Some(mail) = first(sql, &recipient, roots)? {
            due.push(DueMail { mail, to, conversation });
        }
    }
    Ok(due)
}

/// The first of a queue that may go.
fn first(sql: &Sql, recipient: &str, roots: Option<&BTreeSet<RunId>>) -> Result<Option<Mail>, Fault> {
    let mut found = None;
    let mut overtaken = BTreeSet::new();
    sql.each(QUEUE, [recipient], |row| {
        let mail: Mail = match row_of(Kind::Mail, row) {
            Ok(mail) => mail,
            // One damaged row does not hold up the others.
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
    // As text, times are in order by whole seconds only; within one, they are compared as times.
    let second = |at: Timestamp| at.to_string().chars().take("2026-05-01T09:00:00".len()).collect::<String>();
    let after = second(now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX));
    let near: Vec<Mail> = readable(sql.list(OVER, (&after, BATCH), |row| Ok(row_of(Kind::Mail, row)))?);
    let (over, soon): (Vec<Mail>, Vec<Mail>) = near.into_iter().partition(|mail| mail.is_expired(now));
    if let Some(next) = soon.iter().filter_map(|mail| mail.expires_at).min() {
        return Ok(Expiring { over, next: Some(next) });
    }
    let next = sql.one(NEXT, [&after], |row| row.get::<_, Option<String>>(0))?.flatten();
    let next = next.and_then(|text| text.parse::<Timestamp>().ok());
    // The beginning of its second: another of the same second may come before it.
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
