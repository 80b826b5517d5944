//! Queries for state rows of any kind: by key, by lookup, and all.

use super::error::Fault;
use super::tables::{get, get_many, row_of};
use super::{ReadLane, Store, StoreError};
use crate::domain::state::{Row, RowFault};
use crate::domain::{AgentId, Conversation, ConversationOwner, Group};

/// The rows of a query, and the unreadable ones among them (F14).
#[derive(Debug, Clone, PartialEq)]
pub struct RowsWithErrors<T> {
    /// The readable rows, in the order of the query.
    pub rows: Vec<T>,
    /// The unreadable rows.
    pub faults: Vec<RowFault>,
}

impl<T> RowsWithErrors<T> {
    pub(super) fn of(read: Vec<Result<T, Fault>>) -> Result<Self, Fault> {
        let mut listed = Self { rows: Vec::with_capacity(read.len()), faults: Vec::new() };
        for row in read {
            match row {
                Ok(row) => listed.rows.push(row),
                Err(Fault::Damaged(fault)) => listed.faults.push(fault),
                Err(fault) => return Err(fault),
            }
        }
        Ok(listed)
    }

    /// Returns the readable rows and logs the others.
    pub(super) fn logged(self) -> Vec<T> {
        for fault in &self.faults {
            tracing::warn!(%fault, "left out of a list");
        }
        self.rows
    }
}

/// Returns the readable rows and logs the others.
pub(super) fn readable<T>(read: Vec<Result<T, Fault>>) -> Vec<T> {
    let mut rows = Vec::with_capacity(read.len());
    for row in read {
        match row {
            Ok(row) => rows.push(row),
            Err(fault) => tracing::warn!(fault = %fault.reading(), "left out of a list"),
        }
    }
    rows
}

impl<L: ReadLane> Store<L> {
    /// The row with this key, if it exists.
    ///
    /// # Errors
    /// [`StoreError::Row`] if the row is unreadable, another [`StoreError`] if the query fails.
    pub async fn row<T: Row + Send + 'static>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let key = key.to_owned();
        self.read(move |sql| get(sql, &key)).await
    }

    /// The conversation of this owner, if it has one, and whether a turn in it is unfinished.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or the conversation is unreadable.
    pub async fn conversation_of(&self, owner: &ConversationOwner) -> Result<Option<(Conversation, bool)>, StoreError> {
        let owner = owner.key().to_owned();
        // The lookup of an unfinished turn is its conversation.
        let query = "SELECT key, body, EXISTS (SELECT 1 FROM run WHERE run.lookup = conversation.key)
             FROM conversation WHERE lookup = ?1";
        self.read(move |sql| {
            let found = sql.one(query, [owner], |row| Ok((row_of(Conversation::KIND, row), row.get(2)?)))?;
            found.map(|(talk, busy)| Ok((talk?, busy))).transpose()
        })
        .await
    }

    /// The home group of an agent; `None` if either is gone or cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn home_of(&self, agent: &AgentId) -> Result<Option<Group>, StoreError> {
        let agent = agent.clone();
        let query = "SELECT home.key, home.body FROM agent CROSS JOIN groups AS home
             ON home.key = CASE WHEN json_valid(agent.body) THEN agent.body ->> '$.group' END WHERE agent.key = ?1";
        self.read(move |sql| {
            let found = sql.one(query, [agent.as_str()], |row| Ok(row_of(Group::KIND, row)))?;
            Ok(readable(found.into_iter().collect()).pop())
        })
        .await
    }

    /// The existing rows with these keys, in the order of the keys. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn rows<T: Row + Send + 'static>(&self, keys: Vec<String>) -> Result<Vec<T>, StoreError> {
        self.read(move |sql| Ok(readable(get_many(sql, &keys)?))).await
    }

    /// The rows with this lookup, in order of creation. Unreadable rows are left out and logged.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn find<T: Row + Send + 'static>(&self, lookup: &str) -> Result<Vec<T>, StoreError> {
        let lookup = lookup.to_owned();
        let query = format!("SELECT key, body FROM {} WHERE lookup = ?1 ORDER BY position", T::KIND.table());
        self.read(move |sql| Ok(readable(sql.list(&query, [lookup], |row| Ok(row_of(T::KIND, row)))?))).await
    }

    /// All rows of a kind, in order of creation.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn all<T: Row + Send + 'static>(&self) -> Result<RowsWithErrors<T>, StoreError> {
        let query = format!("SELECT key, body FROM {} ORDER BY position", T::KIND.table());
        self.read(move |sql| RowsWithErrors::of(sql.list(&query, [], |row| Ok(row_of(T::KIND, row)))?)).await
    }
}
