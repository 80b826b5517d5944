//! Which messages of a conversation an agent sees, as far as they fit.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::connection::Sql;
use super::error::Fault;
use super::messages::{self, COLUMNS};
use super::tables::signed;
use super::transcript::{Authors, TranscriptMessage, Words};
use super::transcript_cache::TranscriptCache;
use super::{ReadLane, Store, StoreError};
use crate::domain::{AgentId, ConversationId, Message, NoticeKind, RunId, StepId};

/// The condition for what is no tool call, by the beginning of its body.
const NO_CALL: &str = "substr(message.body, 1, 14) <> '{\"kind\":\"tool\"'";

/// Most rows looked at for one prompt, most of which the reader may not see.
const MOST_ROWS: u64 = 20_000;

impl<L: ReadLane> Store<L> {
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
            let message = Arc::new(TranscriptMessage::new(&messages::read(sql, row)?, &mut authors));
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
        let message = TranscriptMessage::new(&messages::read(sql, row)?, &mut authors);
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
        found = Some(messages::read(sql, row)?).filter(Message::opens_turn);
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
