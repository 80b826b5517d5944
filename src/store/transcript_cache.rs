//! The newest messages of open conversations, in memory: what a step reads of a conversation.
//!
//! A conversation's messages are dense in `seq` and never change, so what is kept is true in every snapshot that has as
//! many. The writer appends what it has committed; what another program committed is read behind the last that is kept.
//! When the file was written by another program, all is forgotten once, whatever it did.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Sql;
use super::error::Fault;
use super::messages;
use super::tables::signed;
use super::transcript::{Authors, TranscriptMessage};
use crate::domain::{Change, ConversationId, LogEntry};

/// The most memory of all conversations, in bytes.
const MOST_BYTES: usize = 8 << 20;
/// The most memory of one conversation, in bytes. What a larger context needs besides is read from the file.
const MOST_OF_ONE: usize = MOST_BYTES / 2;
/// The most messages, and the most bytes of them, that are read from the file at once.
const CHUNK: usize = 512;
const CHUNK_BYTES: usize = 256 * 1024;
/// After so many new messages of a conversation, those are dropped that no step has read since twice as many.
const TRIM_EVERY: u32 = 64;

/// The newest messages of some conversations. Clones share them.
#[derive(Clone, Default)]
pub(super) struct TranscriptCache(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    talks: HashMap<ConversationId, Talk>,
    bytes: usize,
    /// Counts the uses.
    clock: u64,
}

#[derive(Default)]
struct Talk {
    /// Dense in `seq`.
    messages: VecDeque<Arc<TranscriptMessage>>,
    authors: Authors,
    bytes: usize,
    /// When it was last read.
    used: u64,
    /// The lowest `seq` read since the last trim, and between that and the one before.
    lowest: [u64; 2],
    /// Messages since the last trim.
    appended: u32,
}

impl Talk {
    fn first(&self) -> u64 {
        self.messages.front().map_or(0, |message| message.seq)
    }

    fn last(&self) -> u64 {
        self.messages.back().map_or(0, |message| message.seq)
    }

    fn push(&mut self, message: Arc<TranscriptMessage>) {
        self.bytes += message.memory();
        self.messages.push_back(message);
    }

    /// Drops what no step reads any more, after every so many new messages.
    fn trim(&mut self) {
        self.appended += 1;
        if self.appended < TRIM_EVERY {
            return;
        }
        let keep = self.lowest[0].min(self.lowest[1]);
        while self.first() < keep && self.messages.len() > 1 {
            self.drop_oldest();
        }
        self.lowest = [u64::MAX, self.lowest[0]];
        self.appended = 0;
    }

    fn drop_oldest(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.memory();
        }
    }
}

impl State {
    /// Changes what is kept of a conversation, and keeps the whole within its limit.
    fn change<T>(&mut self, id: &ConversationId, change: impl FnOnce(&mut Talk) -> T) -> T {
        self.clock += 1;
        let fresh = || Talk { lowest: [u64::MAX; 2], ..Talk::default() };
        let talk = self.talks.entry(id.clone()).or_insert_with(fresh);
        let before = talk.bytes;
        let changed = change(talk);
        talk.used = self.clock;
        while talk.bytes > MOST_OF_ONE && talk.messages.len() > 1 {
            talk.drop_oldest();
        }
        self.bytes = self.bytes - before + talk.bytes;
        if talk.messages.is_empty() {
            self.talks.remove(id);
        }
        while self.bytes > MOST_BYTES {
            let oldest = self.talks.iter().min_by_key(|(_, talk)| talk.used).map(|(id, _)| id.clone());
            let Some(oldest) = oldest.filter(|oldest| oldest != id) else { break };
            self.forget(&oldest);
        }
        changed
    }

    fn forget(&mut self, id: &ConversationId) {
        if let Some(talk) = self.talks.remove(id) {
            self.bytes -= talk.bytes;
        }
    }
}

impl TranscriptCache {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all conversations.
    pub(super) fn forget_all(&self) {
        let mut state = self.lock();
        state.talks.clear();
        state.bytes = 0;
    }

    /// Adds what was committed to the conversations that are kept.
    pub(super) fn append<'a>(&self, entries: impl Iterator<Item = &'a LogEntry>) {
        let appended = entries.filter_map(|entry| match &entry.change {
            Change::MessageAppended(message) => Some(message),
            _ => None,
        });
        for message in appended {
            let mut state = self.lock();
            let Some(last) = state.talks.get(&message.conversation).map(Talk::last) else { continue };
            // Behind a gap it is left out: the next step reads from the file what is missing.
            if last + 1 == message.seq {
                state.change(&message.conversation, |talk| {
                    let message = TranscriptMessage::new(message, &mut talk.authors);
                    talk.push(Arc::new(message));
                    talk.trim();
                });
            }
        }
    }

    /// Passes the messages with `seq` in `range`, newest first, to `take` until it breaks. `head` is the last `seq` in
    /// the snapshot of `sql`. Returns the `seq` from which on downwards the caller has to read the file itself, because
    /// there is no room for more of this conversation.
    pub(super) fn newest_first(
        &self,
        sql: &Sql,
        id: &ConversationId,
        head: u64,
        range: (u64, u64),
        mut take: impl FnMut(&Arc<TranscriptMessage>) -> ControlFlow<()>,
    ) -> Result<Option<u64>, Fault> {
        self.catch_up(sql, id, head)?;
        let (from, mut next) = (range.0.max(1), range.1.min(head));
        while next >= from {
            match self.lock().walk(id, from, next, &mut take) {
                ControlFlow::Break(()) => return Ok(None),
                ControlFlow::Continue(left) => next = left,
            }
            if next < from {
                break;
            }
            let older = read(sql, id, (from, next), "DESC")?;
            let Some(last) = older.last() else { break };
            let below = last.seq - 1;
            if !self.prepend(id, &older) {
                return Ok(Some(next));
            }
            for message in &older {
                if take(message).is_break() {
                    return Ok(None);
                }
            }
            next = below;
        }
        Ok(None)
    }

    /// Reads what is missing up to `head`: what lies behind the last message that is kept or, if that is much or nothing
    /// is kept, the newest.
    fn catch_up(&self, sql: &Sql, id: &ConversationId, head: u64) -> Result<(), Fault> {
        let last = self.lock().talks.get(id).map_or(0, Talk::last);
        if last >= head {
            return Ok(());
        }
        let mut newer = if last > 0 { read(sql, id, (last + 1, head), "ASC")? } else { Vec::new() };
        if newer.last().is_none_or(|message| message.seq < head) {
            self.lock().forget(id);
            newer = read(sql, id, (1, head), "DESC")?;
            newer.reverse();
        }
        self.lock().change(id, |talk| {
            for message in newer {
                if talk.messages.is_empty() || message.seq == talk.last() + 1 {
                    talk.push(message);
                }
            }
        });
        Ok(())
    }

    /// Keeps older messages, newest first. False if there is no room for them.
    fn prepend(&self, id: &ConversationId, older: &[Arc<TranscriptMessage>]) -> bool {
        let more: usize = older.iter().map(|message| message.memory()).sum();
        self.lock().change(id, |talk| {
            let fits = talk.bytes + more <= MOST_OF_ONE;
            for message in older.iter().filter(|_| fits) {
                if message.seq + 1 == talk.first() {
                    talk.bytes += message.memory();
                    talk.messages.push_front(Arc::clone(message));
                }
            }
            fits
        })
    }
}

impl State {
    /// Passes what is kept from `next` down to `from`. Returns the next that is not kept.
    fn walk(
        &mut self,
        id: &ConversationId,
        from: u64,
        next: u64,
        take: &mut impl FnMut(&Arc<TranscriptMessage>) -> ControlFlow<()>,
    ) -> ControlFlow<(), u64> {
        self.clock += 1;
        let clock = self.clock;
        let Some(talk) = self.talks.get_mut(id).filter(|talk| talk.first() <= next && next <= talk.last()) else {
            return ControlFlow::Continue(next);
        };
        talk.used = clock;
        let (first, mut at) = (talk.first(), next);
        while at >= first.max(from) {
            let place = usize::try_from(at - first).unwrap_or(usize::MAX);
            let Some(message) = talk.messages.get(place) else { break };
            talk.lowest[0] = talk.lowest[0].min(at);
            take(message)?;
            at -= 1;
        }
        ControlFlow::Continue(at)
    }
}

/// Reads messages in this order, until there are many.
fn read(
    sql: &Sql,
    id: &ConversationId,
    (from, to): (u64, u64),
    order: &str,
) -> Result<Vec<Arc<TranscriptMessage>>, Fault> {
    let query = format!(
        "SELECT {} FROM message JOIN changes USING (n)
         WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq {order}",
        messages::COLUMNS
    );
    let (mut found, mut bytes, mut authors) = (Vec::new(), 0, Authors::default());
    sql.each(&query, (id.as_str(), signed(from), signed(to)), |row| {
        let message = TranscriptMessage::new(&messages::read(sql, row)?, &mut authors);
        bytes += message.memory();
        found.push(Arc::new(message));
        Ok(found.len() < CHUNK && bytes < CHUNK_BYTES)
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Content, Message, MessageId};

    #[test]
    fn what_no_step_has_read_for_long_is_dropped_after_so_many_new_messages() {
        let cache = TranscriptCache::default();
        let talk = ConversationId::from("talk");
        let put = |talk: &mut Talk, seq: u64| {
            let id = MessageId(format!("message-{seq}"));
            let said = Content::said("hello".to_owned());
            let message =
                Message { seq, ..Message::without_run(id, ConversationId::from("talk"), said, Timestamp::UNIX_EPOCH) };
            let message = TranscriptMessage::new(&message, &mut talk.authors);
            talk.push(Arc::new(message));
        };
        let mut next = 1;
        let mut read_and_add = |lowest: u64, count: u32| {
            cache.lock().change(&talk, |talk| {
                talk.lowest[0] = lowest;
                for _ in 0..count {
                    put(talk, next);
                    next += 1;
                    talk.trim();
                }
                talk.first()
            })
        };
        assert_eq!(read_and_add(40, TRIM_EVERY - 1), 1, "a step reads from 40 on, but nothing is dropped one by one");
        assert_eq!(read_and_add(40, 1), 40);
        assert_eq!(read_and_add(60, TRIM_EVERY), 40, "what was read before the last time stays");
        assert_eq!(read_and_add(70, TRIM_EVERY), 60);
    }
}
