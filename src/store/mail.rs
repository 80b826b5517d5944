//! Mail: the queue of each recipient, and its history.

use rusqlite::types::Value;

use super::rows::readable;
use super::tables::row_of;
use super::{Store, StoreError};
use crate::domain::state::Kind;
use crate::domain::{AgentId, Mail, MailStatus};

impl Store {
    /// Mail to or from an agent, or everybody's, newest first.
    pub async fn mails(
        &self,
        agent: Option<&AgentId>,
        status: Option<MailStatus>,
        limit: usize,
    ) -> Result<Vec<Mail>, StoreError> {
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
            Ok(readable(sql.list(&query, params, |row| Ok(row_of(Kind::Mail, row)))?))
        })
        .await
    }
}
