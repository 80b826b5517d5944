//! Messages: each is stored once, with its change number and its place in the conversation.

use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::tables::{json, lossy, parse, signed};
use super::terms::Terms;
use super::{ReadLane, Store, StoreError};
use crate::domain::{AgentId, Content, ConversationId, Message, MessageId, NoticeKind, PersonId, RunId, StepId};

/// The columns for [`read`], from `message` and `changes`.
pub(super) const COLUMNS: &str = "message.n, message.id, message.conversation, message.seq, message.run, message.step, \
     message.agent, message.name, message.body, changes.at, message.answers, message.person";

/// The column of the content in [`COLUMNS`].
const BODY: usize = 8;

/// How much of a range of messages is read at once.
#[derive(Debug, Clone, Copy)]
pub struct MessagePage {
    /// From its newest message backwards, not from its oldest forwards.
    pub newest: bool,
    /// The most messages.
    pub messages: u32,
    /// The most bytes of their contents as JSON; one message is read whatever its size.
    pub bytes: usize,
}

impl<L: ReadLane> Store<L> {
    /// The messages with `seq` in `from..=to`, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn messages(
        &self,
        conversation: &ConversationId,
        from: u64,
        to: u64,
    ) -> Result<Vec<Message>, StoreError> {
        let all = MessagePage { newest: false, messages: u32::MAX, bytes: usize::MAX };
        self.messages_page(conversation, (from, to), all).await
    }

    /// The messages of these runs of one conversation, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn messages_of(&self, runs: Vec<RunId>) -> Result<Vec<Message>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM json_each(?1) AS wanted CROSS JOIN message ON message.run = wanted.value
             CROSS JOIN changes USING (n) ORDER BY message.seq"
        );
        self.read(move |sql| sql.list(&query, [json(&runs)?], |row| Ok(read(sql, row)))?.into_iter().collect()).await
    }

    /// The messages with `seq` in `from..=to` that fit into `page`, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn messages_page(
        &self,
        conversation: &ConversationId,
        (from, to): (u64, u64),
        page: MessagePage,
    ) -> Result<Vec<Message>, StoreError> {
        let conversation = conversation.clone();
        let order = if page.newest { "DESC" } else { "ASC" };
        let query = format!(
            "SELECT {COLUMNS} FROM message JOIN changes USING (n)
             WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq {order} LIMIT ?4"
        );
        self.read(move |sql| {
            let (mut found, mut bytes) = (Vec::new(), 0_usize);
            let params = (conversation.as_str(), signed(from), signed(to), page.messages);
            sql.each(&query, params, |row| {
                bytes = bytes.saturating_add(row.get_ref(BODY)?.as_bytes().map_or(0, <[u8]>::len));
                let fits = bytes <= page.bytes || found.is_empty();
                if fits {
                    found.push(read(sql, row)?);
                }
                Ok(fits)
            })?;
            if page.newest {
                found.reverse();
            }
            Ok(found)
        })
        .await
    }
}

/// Inserts a message and its search index entry.
pub(super) fn insert(sql: &Sql, n: u64, message: &Message) -> Result<(), Fault> {
    sql.run(
        "INSERT INTO message (n, id, conversation, seq, run, step, agent, name, body, answers, person)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            n,
            message.id.as_str(),
            message.conversation.as_str(),
            message.seq,
            message.run.as_ref().map(RunId::as_str),
            message.step.as_ref().map(StepId::as_str),
            message.agent.as_ref().map(AgentId::as_str),
            &message.name,
            json(&message.content)?,
            message.answers.as_ref().map(StepId::as_str),
            message.person.as_ref().map(PersonId::as_str),
        ),
    )?;
    if let Content::Text { text, .. } = &message.content {
        let terms = Terms::of(text);
        sql.run(
            "INSERT INTO message_search (rowid, words, pairs, signs, conversation) VALUES (?1, ?2, ?3, ?4, hex(?5))",
            (n, terms.words, terms.pairs, terms.signs, message.conversation.as_str()),
        )?;
    }
    Ok(())
}

/// The message of a change.
pub(super) fn numbered(sql: &Sql, n: u64) -> Result<Option<Message>, Fault> {
    let query = format!("SELECT {COLUMNS} FROM message JOIN changes USING (n) WHERE message.n = ?1");
    sql.one(&query, [n], |row| Ok(read(sql, row)))?.transpose()
}

/// Reads the message from a row of [`COLUMNS`]. Unreadable content becomes an error notice.
pub(super) fn read(sql: &Sql, row: &Row<'_>) -> Result<Message, Fault> {
    let seq: u64 = row.get(3)?;
    sql.counts().message(row.get_ref(BODY)?.as_bytes().map_or(0, <[u8]>::len));
    let content = parse(row, BODY).unwrap_or_else(|why| Content::Notice {
        notice: NoticeKind::Error,
        text: format!("message {seq} cannot be read: {why}"),
    });
    let text = |column: usize| row.get::<_, Option<String>>(column);
    let at = lossy(row, 9)?;
    Ok(Message {
        id: MessageId(lossy(row, 1)?),
        conversation: ConversationId(lossy(row, 2)?),
        seq,
        run: text(4)?.map(RunId),
        step: text(5)?.map(StepId),
        answers: text(10)?.map(StepId),
        agent: text(6)?.map(AgentId),
        person: text(11)?.map(PersonId),
        name: lossy(row, 7)?,
        content,
        at: at.parse().map_err(|error| Fault::Row(format!("the time of message {seq} cannot be read: {error}")))?,
    })
}
