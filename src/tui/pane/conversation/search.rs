//! Search in the conversation: each key sends a new query to the engine; replies to older queries are ignored.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation as _;

use super::rendered::is_long;
use super::{Anchor, Conversation, Place, Wanted};
use crate::domain::MessageQuery;
use crate::engine::protocol::{Reply, Request, RequestError};
use crate::tui::effect::Context;
use crate::tui::text::clean::clean_line;
use crate::tui::text::plain::plain_line;
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Maximum number of matches; the newest are kept.
const MATCHES: usize = 500;

/// A search, being typed or confirmed.
#[derive(Debug, Default)]
pub struct Search {
    query: String,
    typing: bool,
    /// Serial number of the latest pending query.
    asked: Option<u64>,
    /// `seq` of the matching messages, newest first.
    hits: Vec<u64>,
    /// Index of the current match.
    at: usize,
    answered: bool,
    /// Position before the search.
    from: Option<(Anchor, Option<Place>)>,
}

impl Search {
    /// Returns true while the query is being typed.
    #[must_use]
    pub fn typing(&self) -> bool {
        self.typing
    }

    /// Returns true if `serial` is the latest query; replies to older ones are ignored.
    #[must_use]
    pub fn waits_for(&self, serial: u64) -> bool {
        self.asked == Some(serial)
    }

    /// Handles a key; true if the query changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let held = key.modifiers.difference(KeyModifiers::SHIFT);
        match (key.code, held) {
            (KeyCode::Char(char), KeyModifiers::NONE) => self.query.push(char),
            (KeyCode::Backspace, _) => {
                let last = self.query.grapheme_indices(true).next_back().map(|(at, _)| at);
                self.query.truncate(last.unwrap_or(0));
                return last.is_some();
            }
            (KeyCode::Char('u' | 'w'), KeyModifiers::CONTROL) => self.query.clear(),
            _ => return false,
        }
        true
    }

    /// Appends pasted text to the query.
    pub fn paste(&mut self, text: &str) {
        self.query.push_str(&plain_line(text));
    }

    /// Returns the query and the number of matches as text; `None` if there is no search.
    #[must_use]
    pub fn line(&self) -> Option<(String, String)> {
        if !self.typing && self.query.is_empty() {
            return None;
        }
        let count = match self.hits.len() {
            _ if self.query.trim().is_empty() => String::new(),
            0 if self.answered => "no match".to_owned(),
            0 => String::new(),
            MATCHES => format!("{} of the newest {MATCHES}", self.at + 1),
            all => format!("{} of {all}", self.at + 1),
        };
        Some((self.query.clone(), count))
    }

    /// Returns the words of the query in lower case, as they are drawn.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        clean_line(&self.query).split_whitespace().map(str::to_lowercase).collect()
    }
}

impl Conversation {
    pub(super) fn open_search(&mut self) {
        let from = Some((self.anchor, self.cursor));
        self.search = Search { typing: true, from, ..Search::default() };
    }

    pub(super) fn keep_search(&mut self) {
        self.search.typing = false;
    }

    /// Ends the search; `back` restores the position before it.
    pub(super) fn end_search(&mut self, back: bool) {
        let search = std::mem::take(&mut self.search);
        if let (true, Some((anchor, cursor))) = (back, search.from) {
            self.anchor = anchor;
            self.cursor = cursor;
            self.wanted = None;
        }
    }

    /// Returns true if there is a query.
    pub(super) fn searching(&self) -> bool {
        !self.search.query.is_empty()
    }

    pub(super) fn ask_search(&mut self, cx: &mut Context<'_>) {
        self.search.hits.clear();
        self.search.answered = false;
        self.search.asked = None;
        let query = self.search.query.trim().to_owned();
        if !query.is_empty() && self.id.is_some() {
            let request = MessageQuery::new(self.id.clone(), query, MATCHES);
            self.search.asked = Some(cx.ask(Request::Search(request)));
        }
    }

    pub(super) fn take_hits(&mut self, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        self.search.asked = None;
        self.search.answered = true;
        match reply {
            Ok(Reply::Found(found)) => {
                if let Some(note) = found.note() {
                    cx.toast(note);
                }
                self.search.hits = found.messages.iter().map(|message| message.seq).collect();
                // Start at the nearest match at or above the position before the search.
                let from = match self.search.from {
                    Some((_, Some(cursor))) => cursor.at,
                    Some((Anchor::Top(top), None)) => top.at + self.shown.len() as u64,
                    Some((Anchor::Tail, None)) | None => self.head,
                };
                let at = self.search.hits.iter().position(|seq| *seq <= from);
                self.search.at = at.unwrap_or_else(|| self.search.hits.len().saturating_sub(1));
                self.go_to_hit();
            }
            Ok(_) => {}
            Err(fault) => cx.fault(fault.text),
        }
    }

    /// Goes to the next older or newer match, with wrap-around.
    pub(super) fn next_hit(&mut self, older: bool) {
        let all = self.search.hits.len();
        if all > 0 {
            self.search.at = if older { (self.search.at + 1) % all } else { (self.search.at + all - 1) % all };
            self.go_to_hit();
        }
    }

    fn go_to_hit(&mut self) {
        self.wanted = self.search.hits.get(self.search.at).map(|seq| Wanted::Match(*seq));
    }

    /// Returns the first row of a message that contains a word of the query, else its first row; `None` if the
    /// message is not loaded.
    pub(super) fn match_in(&mut self, seq: u64) -> Option<Place> {
        let lead = usize::from(self.has_gap_before(seq));
        let long = is_long(self.window.get(seq)?);
        let mut found = self.row_with_match(seq);
        if found.is_none() && long && self.open.insert(seq) {
            // It is in the folded part.
            found = self.row_with_match(seq);
        }
        Some(Place { at: seq, row: lead + found.unwrap_or(0) })
    }

    /// Returns the first shown row of a loaded message that contains a word of the query.
    fn row_with_match(&mut self, seq: u64) -> Option<usize> {
        let words = self.search.words();
        let message = self.window.get(seq)?;
        let told = self.window.gathered(message);
        let laid = self.cache.get(message, told.as_deref(), self.open.contains(&seq), self.cells, self.glyphs);
        laid.rows(0..laid.len()).iter().position(|row| {
            let text = row.text().to_lowercase();
            words.iter().any(|word| text.contains(word.as_str()))
        })
    }
}

/// Returns the row with the matched words in [`Role::Match`].
#[must_use]
pub fn marked(row: &Row, words: &[String]) -> Row {
    let mut out = Row { spans: Vec::new(), fence: row.fence };
    for span in &row.spans {
        let lower = span.text.to_lowercase();
        // If lower case has another length, its positions do not apply to the text: leave the span unmarked.
        if words.is_empty() || lower.len() != span.text.len() {
            out.push(span.clone());
            continue;
        }
        let mut from = 0;
        while let Some((at, word)) = first_match(&lower, from, words) {
            let (start, end) = (at, at + word.len());
            if !span.text.is_char_boundary(start) || !span.text.is_char_boundary(end) {
                break;
            }
            out.push(Span { text: span.text[from..start].to_owned(), ..span.clone() });
            out.push(Span { text: span.text[start..end].to_owned(), role: Role::Match, ..span.clone() });
            from = end;
        }
        out.push(Span { text: span.text[from..].to_owned(), ..span.clone() });
    }
    out
}

fn first_match<'a>(lower: &str, from: usize, words: &'a [String]) -> Option<(usize, &'a str)> {
    let found = words.iter().filter_map(|word| Some((from + lower.get(from..)?.find(word.as_str())?, word.as_str())));
    found.min_by_key(|(at, word)| (*at, std::cmp::Reverse(word.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_what_does_not_show_and_loses_a_whole_grapheme() {
        let mut search = Search::default();
        search.paste("می\u{200c}خواهم\n👩\u{200d}🚀");
        assert_eq!(search.query, "می\u{200c}خواهم 👩\u{200d}🚀");
        assert_eq!(search.words(), ["میخواهم", "👩🚀"], "found in what is drawn");
        assert!(search.key(KeyEvent::from(KeyCode::Backspace)));
        assert_eq!(search.query, "می\u{200c}خواهم ");
    }

    #[test]
    fn every_match_is_marked_and_the_text_stays_the_same() {
        let mut row = Row::default();
        row.push(Span::new("Launch the launcher, relaunch", Role::Text));
        let found = marked(&row, &["launch".to_owned(), "the".to_owned()]);
        assert_eq!(found.text(), row.text());
        let matches: Vec<_> = found.spans.iter().filter(|span| span.role == Role::Match).collect();
        assert_eq!(matches.len(), 4, "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn marking_never_changes_the_text(text in "[aAßİ新é ]{0,30}", word in "[aß新é]{1,2}") {
            let mut row = Row::default();
            row.push(Span::new(text, Role::Text));
            proptest::prop_assert_eq!(marked(&row, &[word]).text(), row.text());
        }
    }
}
