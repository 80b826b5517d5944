//! Messages: each is stored once, with its change number and its place in the conversation.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::Row;

use super::connection::Sql;
use super::error::Fault;
use super::tables::{json, lossy, parse, signed};
use super::terms::Terms;
use super::transcript::{Authors, TranscriptMessage, Words};
use super::transcript_cache::TranscriptCache;
use super::{ReadLane, Store, StoreError};
use crate::domain::{AgentId, Content, ConversationId, Message, MessageId, NoticeKind, PersonId, RunId, StepId};

/// The columns for [`read`], from `message` and `changes`.
pub(super) const COLUMNS: &str = "message.n, message.id, message.conversation, message.seq, message.run, message.step, \
     message.agent, message.name, message.body, changes.at, message.answers, message.person";

/// The condition for what is no tool call, by the beginning of its body.
const NO_CALL: &str = "substr(message.body, 1, 14) <> '{\"kind\":\"tool\"'";

/// Most rows looked at for one prompt, most of which the reader may not see.
const MOST_ROWS: u64 = 20_000;

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
        let conversation = conversation.clone();
        let query = format!(
            "SELECT {COLUMNS} FROM message JOIN changes USING (n)
             WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
        );
        self.read(move |sql| {
            let params = (conversation.as_str(), signed(from), signed(to));
            sql.list(&query, params, |row| Ok(read(sql, row)))?.into_iter().collect()
        })
        .await
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

    /// The newest messages up to `seq` `upto` whose texts and call arguments fit into `max_bytes`, in order; at least
    /// one.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn messages_tail(
        &self,
        conversation: &ConversationId,
        upto: u64,
        max_bytes: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let conversation = conversation.clone();
        let query = format!(
            "SELECT {COLUMNS} FROM message JOIN changes USING (n)
             WHERE conversation = ?1 AND seq <= ?2 ORDER BY seq DESC"
        );
        self.read(move |sql| {
            let (mut found, mut bytes) = (Vec::new(), 0_usize);
            sql.each(&query, (conversation.as_str(), signed(upto)), |row| {
                let message = read(sql, row)?;
                let arguments = match &message.content {
                    Content::Tool { arguments, .. } => super::tail::json_bytes(arguments),
                    Content::Text { .. } | Content::Notice { .. } => 0,
                };
                bytes = bytes.saturating_add(message.text().len() + arguments);
                let fits = bytes <= max_bytes || found.is_empty();
                if fits {
                    found.push(message);
                }
                Ok(fits)
            })?;
            found.reverse();
            Ok(found)
        })
        .await
    }

    /// The messages with `seq` in `from..=to` that a background agent sees, in order, until their texts and
    /// frames exceed `max_bytes`; at least one. True if messages up to `to` were left out.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn seen_from(
        &self,
        conversation: &ConversationId,
        from: u64,
        to: u64,
        max_bytes: usize,
    ) -> Result<(Vec<Arc<TranscriptMessage>>, bool), StoreError> {
        let conversation = conversation.clone();
        self.read(move |sql| seen_from(sql, &conversation, from, to, max_bytes)).await
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

/// Which messages [`seen_before`] reads.
pub(super) struct Sight<'a> {
    /// The reader.
    pub me: &'a AgentId,
    /// The run whose step reads: a choice is told of its own earlier tries.
    pub run: &'a RunId,
    /// True for the messages of that run only.
    pub own: bool,
    /// The first and the last `seq`.
    pub range: (u64, u64),
    /// The last `seq` of the conversation.
    pub head: u64,
    /// The size of the prompt, in bytes.
    pub max_bytes: usize,
}

/// The newest messages that the reader sees and that fit, in order; at least one. True if older ones were left out.
///
/// What the reader does not see takes no room: others' tool calls, notices for people, and workers' answers that the
/// result of its own delegating call repeats.
pub(super) fn seen_before(
    sql: &Sql,
    cache: &TranscriptCache,
    conversation: &ConversationId,
    sight: &Sight<'_>,
) -> Result<Seen, Fault> {
    let mut own_steps: HashSet<StepId> = HashSet::new();
    let mut last_own: Option<StepId> = None;
    let mut fitting = Fitting::new((sight.max_bytes, sight.max_bytes));
    let mut take = |message: &Arc<TranscriptMessage>| {
        if sight.own && message.run.as_ref() != Some(sight.run) {
            return ControlFlow::Continue(());
        }
        if message.step.is_some() && message.step != last_own && message.is_by(sight.me) {
            last_own.clone_from(&message.step);
            own_steps.extend(message.step.clone());
        }
        let choice = matches!(message.words, Words::Notice { notice: NoticeKind::Choice, .. });
        let tried = choice && message.run.as_ref() == Some(sight.run);
        let seen = tried || message.is_seen_by(Some(sight.me));
        if !seen || message.answers.as_ref().is_some_and(|step| own_steps.contains(step)) {
            return ControlFlow::Continue(());
        }
        fitting.take(message)
    };
    let to = sight.range.1.min(sight.head);
    let from = sight.range.0.max((to + 1).saturating_sub(MOST_ROWS));
    if let Some(left) = cache.newest_first(sql, conversation, sight.head, (from, to), &mut take)? {
        // Rust decides what is seen; the condition only saves loading others' tool calls.
        let query = format!(
            "SELECT {COLUMNS} FROM message JOIN changes USING (n)
             WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3 AND (message.agent IS ?4 OR {NO_CALL}) ORDER BY seq DESC"
        );
        let mut authors = Authors::default();
        sql.each(&query, (conversation.as_str(), signed(from), signed(left), sight.me.as_str()), |row| {
            let message = Arc::new(TranscriptMessage::new(&read(sql, row)?, &mut authors));
            Ok(take(&message).is_continue())
        })?;
    }
    let (mut found, cut) = fitting.done();
    found.reverse();
    Ok((found, cut))
}

/// The messages from a place on that a background agent sees and that fit, in order; at least one. True if messages up
/// to `to` were left out.
pub(super) fn seen_from(
    sql: &Sql,
    conversation: &ConversationId,
    from: u64,
    to: u64,
    max_bytes: usize,
) -> Result<Seen, Fault> {
    let query = format!(
        "SELECT {COLUMNS} FROM message JOIN changes USING (n)
         WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3
           AND {NO_CALL} ORDER BY seq"
    );
    let mut fitting = Fitting::new((max_bytes, usize::MAX));
    let mut authors = Authors::default();
    sql.each(&query, (conversation.as_str(), signed(from), signed(to)), |row| {
        let message = TranscriptMessage::new(&read(sql, row)?, &mut authors);
        Ok(!message.is_seen_by(None) || fitting.take(&Arc::new(message)).is_continue())
    })?;
    Ok(fitting.done())
}

/// The message that the turn at this place answers: the last one up to it that opened a turn.
pub(super) fn input(
    sql: &Sql,
    conversation: &ConversationId,
    upto: u64,
) -> Result<Option<Arc<TranscriptMessage>>, Fault> {
    let query = format!(
        "SELECT {COLUMNS} FROM message JOIN changes USING (n)
         WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3 AND step IS NULL ORDER BY seq DESC"
    );
    let mut found = None;
    let params = (conversation.as_str(), signed(upto.saturating_sub(MOST_ROWS)), signed(upto));
    sql.each(&query, params, |row| {
        found = Some(read(sql, row)?).filter(Message::opens_turn);
        Ok(found.is_none())
    })?;
    Ok(found.map(|message| Arc::new(TranscriptMessage::of(&message))))
}

/// Messages, and whether there were more that did not fit.
type Seen = (Vec<Arc<TranscriptMessage>>, bool);

/// Messages until one does not fit; the first always does. They have at most `max_bytes`, where texts are counted as a
/// prompt of `shown` bytes cuts them.
struct Fitting {
    found: Vec<Arc<TranscriptMessage>>,
    bytes: usize,
    cut: bool,
    max_bytes: usize,
    shown: usize,
}

impl Fitting {
    fn new((max_bytes, shown): (usize, usize)) -> Self {
        Self { found: Vec::new(), bytes: 0, cut: false, max_bytes, shown }
    }

    /// Takes the next one, or breaks.
    fn take(&mut self, message: &Arc<TranscriptMessage>) -> ControlFlow<()> {
        self.bytes = self.bytes.saturating_add(message.size(self.shown));
        self.cut = self.bytes > self.max_bytes && !self.found.is_empty();
        if self.cut {
            return ControlFlow::Break(());
        }
        self.found.push(Arc::clone(message));
        ControlFlow::Continue(())
    }

    fn done(self) -> Seen {
        (self.found, self.cut)
    }
}

/// Reads the message from a row of [`COLUMNS`]. Unreadable content becomes an error notice.
pub(super) fn read(sql: &Sql, row: &Row<'_>) -> Result<Message, Fault> {
    let seq: u64 = row.get(3)?;
    sql.counts().message(row.get_ref(8)?.as_bytes().map_or(0, <[u8]>::len));
    let content = parse(row, 8).unwrap_or_else(|why| Content::Notice {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Options, Store};
    use super::*;

    #[test]
    fn a_prompt_is_read_from_a_bounded_number_of_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::writing(&path, &Options::default(), &Arc::default()).unwrap();
        sql.conn()
            .execute_batch(&format!(
                r#"CREATE TEMP TABLE row AS WITH RECURSIVE row (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n <= {MOST_ROWS})
                   SELECT n, iif(n = 1, '{{"kind":"text","text":"seen"}}', '{{"kind":"notice","notice":"resumed","text":""}}') AS body
                   FROM row;
                   INSERT INTO changes (n, kind, actor, at)
                     SELECT n, 'message_appended', '"engine"', '2026-05-01T09:00:00Z' FROM row;
                   INSERT INTO message (n, id, conversation, seq, name, body) SELECT n, n, 'talk', n, '', body FROM row"#
            ))
            .unwrap();
        let (me, run, talk) = ("agent-ann".into(), "run-1".into(), "talk".into());
        let seen = |to| {
            let sight = Sight { me: &me, run: &run, own: false, range: (1, to), head: MOST_ROWS + 1, max_bytes: 1_000 };
            seen_before(&sql, &TranscriptCache::default(), &talk, &sight).unwrap().0.len()
        };
        assert_eq!([seen(MOST_ROWS), seen(MOST_ROWS + 1)], [1, 0]);
    }
}
