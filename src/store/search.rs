//! Full-text search in the texts of messages, without tool calls and notices.

use jiff::SignedDuration;

use super::connection::Sql;
use super::error::Fault;
use super::messages::{COLUMNS, read};
use super::terms::{condition, fold, unspaced};
use super::{Background, Store, StoreError};
use crate::domain::{Content, ConversationId, MessageQuery, SearchResult};

/// The most results of a search.
const RESULTS: usize = 1_000;
/// The most messages that one search reads. It reads more than it returns only to compare parts of texts.
const READS: usize = 10_000;
/// The most terms of a query that count.
const TERMS: usize = 32;

impl Store<Background> {
    /// The messages that the query asks for, at most 1,000, newest first.
    ///
    /// The words must be in the text, the last one as a prefix; case and accents are ignored. A word in a script without
    /// spaces between words matches any part of a text; case and width are ignored. So does a query of signs only;
    /// beside words, signs do not count. Every text is a valid query; its first 32 words count.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn search(&self, wanted: MessageQuery) -> Result<SearchResult, StoreError> {
        let Some(query) = Query::parse(wanted.conversation.as_ref(), &wanted.text) else {
            return Ok(SearchResult::default());
        };
        self.read(move |sql| query.run(sql, &wanted, READS)).await
    }
}

/// A search: a query of the index, and the parts that the texts it finds must contain.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    matches: String,
    /// Folded.
    parts: Vec<String>,
}

impl Query {
    /// `None` if there is nothing to look for.
    fn parse(conversation: Option<&ConversationId>, query: &str) -> Option<Self> {
        let terms = query.split(|c: char| c.is_whitespace() || c == '\0').filter(|term| !term.is_empty());
        let (mut words, mut parts, mut signs) = (Vec::new(), Vec::new(), Vec::new());
        for term in terms.take(TERMS) {
            if term.chars().any(unspaced) {
                parts.push(fold(term));
            } else if term.chars().any(char::is_alphanumeric) {
                words.push(format!("\"{}\"", term.replace('"', "\"\"")));
            } else {
                // A term without a letter or digit is not a word and would match nothing.
                signs.push(fold(term));
            }
        }
        if words.is_empty() && parts.is_empty() {
            parts = signs;
        }
        let mut matches: Vec<String> = parts.iter().filter_map(|part| condition(part)).collect();
        if !words.is_empty() {
            matches.push(format!("words : ({}*)", words.join(" ")));
        }
        if matches.is_empty() {
            return None;
        }
        // The id as one token of the index.
        matches.extend(conversation.map(|id| format!("conversation : \"{}\"", hex(id))));
        Some(Self { matches: matches.join(" AND "), parts })
    }

    fn run(&self, sql: &Sql, wanted: &MessageQuery, reads: usize) -> Result<SearchResult, Fault> {
        // As text, a moment with fractions of a second comes before the same without. So the condition on the time is wider
        // by a second; it only saves reading what `admits` refuses.
        let query = format!(
            "SELECT {COLUMNS} FROM message_search AS found CROSS JOIN message ON message.n = found.rowid
             CROSS JOIN changes USING (n) WHERE message_search MATCH ?1 AND changes.at BETWEEN ?2 AND ?3
             ORDER BY found.rowid DESC"
        );
        let second = SignedDuration::from_secs(1);
        let since = wanted.since.and_then(|since| since.checked_sub(second).ok());
        let since = since.map_or(String::new(), |since| since.to_string());
        let before = wanted.before.and_then(|before| before.checked_add(second).ok());
        let before = before.map_or("~".to_owned(), |before| before.to_string());
        let limit = wanted.limit.min(RESULTS);
        let mut result = SearchResult::default();
        if limit == 0 {
            return Ok(result);
        }
        let mut count = 0;
        sql.each(&query, (&self.matches, since, before), |row| {
            if count == reads {
                result.stopped_after = Some(reads);
                return Ok(false);
            }
            count += 1;
            let message = read(sql, row)?;
            if wanted.admits(&message) && (self.parts.is_empty() || self.is_in(&message.content)) {
                result.messages.push(message);
            }
            Ok(result.messages.len() < limit)
        })?;
        Ok(result)
    }

    fn is_in(&self, content: &Content) -> bool {
        let Content::Text { text, .. } = content else { return false };
        let text = fold(text);
        self.parts.iter().all(|part| text.contains(part))
    }
}

/// The id as one token of the index, as `SQLite`'s `hex` writes it.
fn hex(id: &ConversationId) -> String {
    use std::fmt::Write as _;
    id.as_str().bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::super::{Options, log};
    use super::*;
    use crate::domain::{Actor, Change, LogEntry, Message, MessageId, Run, RunKind, RunState};

    fn matches(query: &str) -> Option<String> {
        Query::parse(None, query).map(|query| query.matches)
    }

    #[test]
    fn every_word_is_quoted_and_the_last_is_a_prefix() {
        let expected = "words : (\"agent-loop\" \"foo\"\"-bar(\"*)";
        assert_eq!(matches("agent-loop foo\"-bar("), Some(expected.to_owned()));
        assert_eq!(matches("one - two"), Some("words : (\"one\" \"two\"*)".to_owned()), "a dash is no word");
    }

    #[test]
    fn signs_and_scripts_without_spaces_are_looked_up_by_their_pairs() {
        assert_eq!(matches("-->"), Some("pairs : \"00002d00002d 00002d00003e\"".to_owned()));
        assert_eq!(matches("memory 記憶"), Some("pairs : \"008a180061b6\" AND words : (\"memory\"*)".to_owned()));
        assert_eq!(matches(" \0 "), None);
    }

    /// A store with these messages, each in a conversation.
    fn store(messages: &[(&str, &str)]) -> (tempfile::TempDir, Sql) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let sql = Sql::writing(&path, &Options::default(), &Arc::default()).unwrap();
        for (at, (talk, text)) in messages.iter().enumerate() {
            let n = at as u64 + 1;
            let run =
                Run::new("run".into(), (*talk).into(), RunKind::Turn { group: None, only: None }, RunState::Running);
            let said =
                Message::new(MessageId(format!("message-{n}")), &run, Content::said(*text), Timestamp::UNIX_EPOCH);
            let change = Change::MessageAppended(Message { seq: n, ..said });
            let entry = LogEntry { n, change, by: Actor::Engine, at: Timestamp::UNIX_EPOCH, cause: None };
            log::insert(&sql, &[&entry]).unwrap();
        }
        (dir, sql)
    }

    /// The places of what is found, and after how many messages the search stopped.
    fn found(sql: &Sql, talk: Option<&str>, query: &str, reads: usize) -> (Vec<u64>, Option<usize>) {
        let query = Query::parse(talk.map(ConversationId::from).as_ref(), query).unwrap();
        let found = query.run(sql, &MessageQuery::new(None, "", 100), reads).unwrap();
        (found.messages.iter().map(|message| message.seq).collect(), found.stopped_after)
    }

    #[test]
    fn a_search_in_one_conversation_reads_only_what_it_finds_there() {
        let mut said = vec![("talk-1", "the launch 記憶")];
        said.extend([("talk-2", "another launch 記憶"); 50]);
        let (_dir, sql) = store(&said);
        for query in ["launch", "laun", "記憶", "記", "launch 記憶"] {
            assert_eq!(found(&sql, Some("talk-1"), query, 1), (vec![1], None), "{query}");
            assert_eq!(found(&sql, None, query, 100).0.len(), 51, "{query}");
        }
    }

    #[test]
    fn a_search_that_reads_too_much_stops_and_says_so() {
        // The pairs of the query are in these texts next to each other, the query is not.
        let mut said = vec![("talk-1", "長い記憶")];
        said.extend([("talk-1", "い記 記憶"); 5]);
        let (_dir, sql) = store(&said);
        assert_eq!(found(&sql, None, "い記憶", 6), (vec![1], None));
        assert_eq!(found(&sql, None, "い記憶", 5), (vec![], Some(5)));
        let note = SearchResult { messages: Vec::new(), stopped_after: Some(5) }.note().unwrap();
        assert!(note.starts_with("the search stopped after reading 5 messages"), "{note}");
    }

    #[test]
    fn any_part_of_a_text_without_spaces_is_found_and_words_beside_it_are_words() {
        let (_dir, sql) = store(&[
            ("talk", "私の記憶は長い。GPTを使う"),
            ("talk", "ภาษาไทยไม่มีช่องว่าง"),
            ("talk", "한국어는 붙여 쓴다"),
            ("talk", "a party 🎉 and x->y"),
            ("talk", "ｶﾞｲﾄﾞ"),
        ]);
        let places = |query: &str| found(&sql, Some("talk"), query, 100).0;
        for (query, expected) in [
            ("長", vec![1]),
            ("憶は", vec![1]),
            ("私の記憶は長い。", vec![1]),
            ("gpt", vec![1]),
            ("gpt 記憶", vec![1]),
            ("GPTを", vec![1]),
            ("Tを使", vec![1]),
            ("憶長", vec![]),
            ("ไทย", vec![2]),
            ("ไม่มี", vec![2]),
            ("국어", vec![3]),
            ("🎉", vec![4]),
            ("->", vec![4]),
            ("ガイド", vec![5]),
        ] {
            assert_eq!(places(query), expected, "{query}");
        }
    }

    #[test]
    fn a_conversation_is_one_token() {
        let query = Query::parse(Some(&ConversationId::from("talk-1")), "a").unwrap();
        assert_eq!(query.matches, "words : (\"a\"*) AND conversation : \"74616C6B2D31\"");
    }
}
