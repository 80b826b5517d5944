//! What takes room in a store.

use super::{Background, Store, StoreError};

/// What the file of a store holds, in bytes of whole pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSpace {
    /// The size of the file.
    pub file: u64,
    /// Pages that hold nothing.
    pub free: u64,
    /// Tables with their indexes, by name.
    pub tables: Vec<(String, u64)>,
}

/// What is written of one thing, in bytes of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSpace {
    /// The id of the conversation or block.
    pub id: String,
    /// For a conversation, the id of the group, agent or job it belongs to.
    pub owner: Option<String>,
    /// Its messages or versions.
    pub count: u64,
    /// The size of their texts.
    pub bytes: u64,
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl Store<Background> {
    /// The size of the file and of its tables. Reads the whole file.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn file_space(&self) -> Result<FileSpace, StoreError> {
        self.read(|sql| {
            let number = |pragma: &str| sql.one(pragma, [], |row| row.get::<_, i64>(0));
            let page = unsigned(number("PRAGMA page_size")?.unwrap_or_default());
            let pages = unsigned(number("PRAGMA page_count")?.unwrap_or_default());
            let free = unsigned(number("PRAGMA freelist_count")?.unwrap_or_default());
            let tables = sql.list(
                "SELECT coalesce(made.tbl_name, held.name), sum(held.pgsize) FROM dbstat AS held
                 LEFT JOIN sqlite_schema AS made ON made.name = held.name
                 WHERE held.aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC",
                [],
                |row| Ok((row.get(0)?, unsigned(row.get(1)?))),
            )?;
            Ok(FileSpace { file: page * pages, free: page * free, tables })
        })
        .await
    }

    /// The conversations with their messages, largest first.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn conversation_space(&self) -> Result<Vec<PartSpace>, StoreError> {
        self.parts(
            "SELECT message.conversation, talk.lookup, count(*), sum(octet_length(message.body)) AS bytes FROM message
             LEFT JOIN conversation AS talk ON talk.key = message.conversation
             GROUP BY message.conversation ORDER BY bytes DESC",
        )
        .await
    }

    /// The blocks with their versions, largest first.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn block_space(&self) -> Result<Vec<PartSpace>, StoreError> {
        self.parts(
            "SELECT block, NULL, count(*), sum(octet_length(body)) AS bytes FROM revision GROUP BY block ORDER BY bytes DESC",
        )
        .await
    }

    async fn parts(&self, query: &'static str) -> Result<Vec<PartSpace>, StoreError> {
        self.read(move |sql| {
            sql.list(query, [], |row| {
                let (count, bytes) = (unsigned(row.get(2)?), unsigned(row.get(3)?));
                Ok(PartSpace { id: row.get(0)?, owner: row.get(1)?, count, bytes })
            })
        })
        .await
    }
}
