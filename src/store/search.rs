//! Full-text search in the texts of messages, without tool calls and notices.

use super::connection::Sql;
use super::error::Fault;
use super::messages::{COLUMNS, read};
use super::{Store, StoreError};
use crate::domain::{Content, ConversationId, Message};

impl Store {
    /// At most `limit` messages that contain the query, newest first, in one conversation or in all.
    ///
    /// The words must be in the text, the last one as a prefix; case and accents are ignored. Every text is a valid
    /// query. A query in a script without spaces between words, or of punctuation only, matches any part of a text,
    /// which needs a scan of all messages.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails.
    pub async fn search(
        &self,
        conversation: Option<&ConversationId>,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let conversation = conversation.cloned();
        let terms: Vec<String> = query.split(|c: char| c.is_whitespace() || c == '\0').map(str::to_owned).collect();
        let terms: Vec<String> = terms.into_iter().filter(|term| !term.is_empty()).collect();
        if terms.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        self.read(move |sql| match phrase(&terms) {
            Some(phrase) => by_words(sql, conversation.as_ref(), &phrase, limit),
            None => by_parts(sql, conversation.as_ref(), &terms, limit),
        })
        .await
    }
}

/// The terms as a query of the word index; `None` if the index cannot find them.
fn phrase(terms: &[String]) -> Option<String> {
    if terms.iter().any(|term| term.chars().any(unspaced)) {
        return None;
    }
    // A term without a letter or digit is not a word and would match nothing.
    let words: Vec<String> = terms
        .iter()
        .filter(|term| term.chars().any(char::is_alphanumeric))
        .map(|term| format!("\"{}\"", term.replace('"', "\"\"")))
        .collect();
    (!words.is_empty()).then(|| words.join(" ") + "*")
}

/// True for letters of scripts without spaces between words: Thai to Khmer, Chinese, Japanese, Korean.
fn unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x2E80..=0x30FF | 0x3100..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F
        | 0x20000..=0x3FFFF)
}

fn by_words(
    sql: &Sql,
    conversation: Option<&ConversationId>,
    phrase: &str,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let query = format!(
        "SELECT {COLUMNS} FROM words CROSS JOIN message ON message.n = words.rowid CROSS JOIN changes USING (n)
         WHERE words MATCH ?1 AND (?2 IS NULL OR conversation = ?2) ORDER BY words.rowid DESC LIMIT ?3"
    );
    let conversation = conversation.map(ConversationId::as_str);
    sql.list(&query, (phrase, conversation, limit), |row| Ok(read(row)))?.into_iter().collect()
}

fn by_parts(
    sql: &Sql,
    conversation: Option<&ConversationId>,
    terms: &[String],
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let place = if conversation.is_some() { "WHERE conversation = ?1 ORDER BY seq DESC" } else { "ORDER BY n DESC" };
    let query = format!("SELECT {COLUMNS} FROM message CROSS JOIN changes USING (n) {place}");
    let wanted: Vec<String> = terms.iter().map(|term| term.to_lowercase()).collect();
    let mut found = Vec::new();
    let keep = |row: &rusqlite::Row<'_>| {
        let message = read(row)?;
        if let Content::Text { text, .. } = &message.content {
            let text = text.to_lowercase();
            if wanted.iter().all(|term| text.contains(term)) {
                found.push(message);
            }
        }
        Ok(found.len() < limit)
    };
    match conversation {
        Some(conversation) => sql.each(&query, [conversation.as_str()], keep)?,
        None => sql.each(&query, [], keep)?,
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase_of(query: &str) -> Option<String> {
        phrase(&query.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_term_is_quoted_and_the_last_is_a_prefix() {
        assert_eq!(phrase_of("agent-loop foo\"-bar("), Some("\"agent-loop\" \"foo\"\"-bar(\"*".to_owned()));
        assert_eq!(phrase_of("one - two"), Some("\"one\" \"two\"*".to_owned()), "a dash is no word");
    }

    #[test]
    fn signs_and_scripts_without_spaces_are_no_words() {
        assert_eq!(phrase_of("-->"), None);
        assert_eq!(phrase_of("記憶"), None);
        assert_eq!(phrase_of("memory 記憶"), None);
    }
}
