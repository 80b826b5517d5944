//! Layout of a message as rows of the text column, and a bounded cache of laid-out messages.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::domain::message::NoticeKind;
use crate::domain::{Content, Message};
use crate::tui::glyph::GlyphSet;
use crate::tui::pane::list::cut;
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::paged::{Body, Paged};
use crate::tui::text::width::{truncate, width};
use crate::tui::text::wrap::{Mode, Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Minimum cells for showing an argument of a tool call.
const GIVEN_LEAST: usize = 6;
/// Messages that survive an eviction of the cache: the most recently used.
const KEPT: usize = 256;

/// Lines and bytes of a person's message above which it is folded.
const LONG: (usize, usize) = (12, 1_500);
/// Rows that a folded message shows of itself.
const FOLDED: usize = 6;

/// A message laid out at one width.
#[derive(Debug)]
pub struct RenderedMessage {
    head: Vec<Row>,
    body: Body,
    /// Number of rows of `body` that are shown.
    shown: usize,
    foot: Vec<Row>,
    /// Prefix of every row, if the message is part of a delegation.
    bar: Option<Span>,
}

/// Cells of the bar that marks a delegation.
pub const BAR: usize = 2;

/// Returns the bar that marks a delegation.
#[must_use]
pub fn bar(glyphs: &GlyphSet) -> Span {
    Span::new(format!("{} ", glyphs.vertical), Role::Border)
}

/// Returns the row prefixed by the bar.
#[must_use]
pub fn barred(row: Row, bar: Span) -> Row {
    let mut spans = vec![bar];
    spans.extend(row.spans);
    Row { spans, fence: row.fence }
}

impl RenderedMessage {
    /// Lays out a message in `cells` cells. `open` shows its folded parts; `told` replaces the line of a folded,
    /// successful tool call.
    #[must_use]
    pub fn new(message: &Message, told: Option<&str>, open: bool, cells: usize, glyphs: &GlyphSet) -> Self {
        let bar = message.answers.is_some().then(|| bar(glyphs));
        let cells = if bar.is_some() { cells.saturating_sub(BAR) } else { cells };
        let (mut head, mut foot) = (Vec::new(), Vec::new());
        let none = || Body::Rows(Vec::new());
        let body = match &message.content {
            Content::Text { text, reasoning, cancelled } => {
                if !reasoning.is_empty() {
                    head = thought(reasoning, open, cells, glyphs);
                }
                if *cancelled {
                    foot = one("cancelled", Role::Warning);
                }
                Body::markdown(text, cells, glyphs)
            }
            Content::Tool { name, arguments, ok, text, .. } => {
                head.push(match told.filter(|_| *ok && !open) {
                    Some(told) => {
                        cut(vec![Span::new(format!("{} {told}", glyphs.folded), Role::Dim)], cells, glyphs.ellipsis)
                    }
                    None => fold_line(name, arguments, (*ok).then_some(text.as_str()), open, cells, glyphs),
                });
                if open {
                    head.extend(argument_rows(arguments, cells, glyphs));
                    Body::Paged(Paged::new(text, cells, Mode::Words, if *ok { Role::Dim } else { Role::Error }))
                } else if *ok {
                    none()
                } else {
                    Body::Rows(wrap(&[Span::new(clean(text), Role::Error)], &Shape::plain(cells)))
                }
            }
            Content::Notice { notice, text } => {
                let (sign, role) = match notice {
                    NoticeKind::Error => (glyphs.failed, Role::Error),
                    NoticeKind::Stopped | NoticeKind::Incomplete => (glyphs.needs_you, Role::Warning),
                    NoticeKind::Choice | NoticeKind::Delegated => (glyphs.right, Role::Dim),
                    NoticeKind::Pass | NoticeKind::Resumed | NoticeKind::Ended | NoticeKind::Fallback => {
                        (glyphs.dot, Role::Dim)
                    }
                };
                let shape = Shape {
                    first: vec![Span::new(format!("{sign} "), role)],
                    rest: vec![Span::new("  ", role)],
                    ..Shape::plain(cells)
                };
                Body::Rows(wrap(&[Span::new(clean(text), role)], &shape))
            }
        };
        if head.is_empty() && body.is_empty() && foot.is_empty() {
            head = one("said nothing", Role::Dim);
        }
        let mut shown = body.len();
        // Folding one or two rows would save none.
        if !open && is_long(message) && shown > FOLDED + 2 {
            let text = format!("{} {} more lines", glyphs.folded, shown - FOLDED);
            foot.extend(one(&text, Role::Dim));
            shown = FOLDED;
        }
        Self { head, body, shown, foot, bar }
    }

    /// Returns the number of rows; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.shown + self.foot.len()
    }

    /// Returns the rows of a range; omits rows past the end.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Vec<Row> {
        let (head, body) = (self.head.len(), self.shown);
        let part = |from: usize, len: usize| {
            let start = range.start.clamp(from, from + len) - from;
            start..(range.end.clamp(from, from + len) - from).max(start)
        };
        let mut rows = self.head[part(0, head)].to_vec();
        let inside = part(head, body);
        if !inside.is_empty() {
            rows.extend(self.body.rows(inside).iter().cloned());
        }
        rows.extend_from_slice(&self.foot[part(head + body, self.foot.len())]);
        match &self.bar {
            Some(bar) => rows.into_iter().map(|row| barred(row, bar.clone())).collect(),
            None => rows,
        }
    }
}

/// Returns true if a message has parts that can be folded.
#[must_use]
pub fn folds(message: &Message) -> bool {
    match &message.content {
        Content::Text { reasoning, .. } => !reasoning.is_empty() || is_long(message),
        Content::Tool { .. } => true,
        Content::Notice { .. } => false,
    }
}

/// Returns true for a long message of a person: a pasted file, mostly.
#[must_use]
pub fn is_long(message: &Message) -> bool {
    let (lines, bytes) = LONG;
    let Content::Text { text, .. } = &message.content else { return false };
    message.agent.is_none() && (text.len() > bytes || text.lines().nth(lines).is_some())
}

fn one(text: &str, role: Role) -> Vec<Row> {
    let mut row = Row::default();
    row.push(Span::new(text, role));
    vec![row]
}

/// Returns the summary line of a model's reasoning, and if `open` the reasoning below it.
#[must_use]
pub fn thought(reasoning: &str, open: bool, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let sign = if open { glyphs.open } else { glyphs.folded };
    let words = reasoning.split_whitespace().count();
    let mut rows = one(&format!("{sign} thought, {words} words"), Role::Dim);
    if open {
        let indent = vec![Span::new("  ", Role::Dim)];
        let shape = Shape { first: indent.clone(), rest: indent, ..Shape::plain(cells) };
        rows.extend(wrap(&[Span::new(clean(reasoning.trim_end()), Role::Dim)], &shape));
    }
    rows
}

/// Returns `▸ conversation_search "launch"  3 found`: the tool, its first string argument, the first line of its
/// result.
fn fold_line(
    name: &str,
    arguments: &serde_json::Value,
    said: Option<&str>,
    open: bool,
    cells: usize,
    glyphs: &GlyphSet,
) -> Row {
    let mut row = Row::default();
    let sign = match (said, open) {
        (None, _) => glyphs.failed,
        (Some(_), true) => glyphs.open,
        (Some(_), false) => glyphs.folded,
    };
    row.push(Span::new(format!("{sign} "), if said.is_some() { Role::Dim } else { Role::Error }));
    row.push(Span::new(truncate(&clean_line(name), cells.saturating_sub(2), glyphs.ellipsis), Role::Text));
    let said = said.filter(|_| !open).map(|said| clean_line(first_line(said)).into_owned()).unwrap_or_default();
    let left = cells.saturating_sub(row.width());
    let given = arguments.as_object().and_then(|given| given.values().find_map(serde_json::Value::as_str));
    // By available width: both complete; the result complete and the argument cut; only the result; or half each.
    let for_given = left.saturating_sub(width(&said) + 2 + 3);
    let short = width(&said) + 2 <= left && for_given < GIVEN_LEAST;
    let cut = given.is_some_and(|given| width(&clean_line(first_line(given))) > for_given);
    let most_given = match (for_given < GIVEN_LEAST, short) {
        (true, true) if cut => 0,
        (true, false) => (left / 2).saturating_sub(3),
        (true | false, _) => for_given,
    };
    if let Some(given) = given.filter(|_| most_given >= 3) {
        let given = clean_line(first_line(given)).into_owned();
        row.push(Span::new(format!(" \"{}\"", truncate(&given, most_given, glyphs.ellipsis)), Role::Dim));
    }
    let left = cells.saturating_sub(row.width() + 2);
    if !said.is_empty() && left >= 3 {
        row.push(Span::new(format!("  {}", truncate(&said, left, glyphs.ellipsis)), Role::Dim));
    }
    row
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim()
}

fn argument_rows(arguments: &serde_json::Value, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let mut rows = Vec::new();
    for (key, value) in arguments.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
        let head = format!("  {}: ", clean_line(key));
        let rest = vec![Span::new(" ".repeat(width(&head)), Role::Dim)];
        let shape = Shape { first: vec![Span::new(head, Role::Dim)], rest, ..Shape::plain(cells) };
        rows.extend(wrap(&[Span::new(clean(&value), Role::Code)], &shape));
    }
    rows.extend(one(&format!("  {}", glyphs.right), Role::Dim));
    rows
}

/// Cache of laid-out messages by `seq`; evicts the least recently used ones.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<u64, Entry>,
    clock: u64,
    /// Rows laid out since the start.
    pub rows_wrapped: u64,
}

#[derive(Debug)]
struct Entry {
    cells: usize,
    open: bool,
    used: u64,
    laid: RenderedMessage,
}

impl Cache {
    /// Returns the laid-out message, from the cache if the width and the folding match.
    pub fn get(
        &mut self,
        message: &Message,
        told: Option<&str>,
        open: bool,
        cells: usize,
        glyphs: &GlyphSet,
    ) -> &RenderedMessage {
        self.clock += 1;
        if self.entries.len() >= 2 * KEPT {
            self.forget();
        }
        let clock = self.clock;
        let fresh = |entry: &Entry| entry.cells == cells && entry.open == open;
        if !self.entries.get(&message.seq).is_some_and(fresh) {
            let laid = RenderedMessage::new(message, told, open, cells, glyphs);
            self.rows_wrapped += laid.len() as u64;
            self.entries.insert(message.seq, Entry { cells, open, used: clock, laid });
        }
        let entry = self.entries.entry(message.seq).or_insert_with(|| Entry {
            cells,
            open,
            used: clock,
            laid: RenderedMessage::new(message, told, open, cells, glyphs),
        });
        entry.used = clock;
        &entry.laid
    }

    fn forget(&mut self) {
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        used.sort_unstable();
        let oldest = used[used.len().saturating_sub(KEPT)];
        self.entries.retain(|_, entry| entry.used >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ConversationId, MessageId};
    use crate::tui::glyph::UNICODE;

    fn message(seq: u64, content: Content) -> Message {
        let (id, talk) = (MessageId(format!("message-{seq}")), ConversationId::from("conversation-1"));
        Message { seq, ..Message::without_run(id, talk, content, jiff::Timestamp::UNIX_EPOCH) }
    }

    fn lines(content: Content, open: bool, cells: usize) -> Vec<String> {
        let laid = RenderedMessage::new(&message(1, content), None, open, cells, &UNICODE);
        let rows = laid.rows(0..laid.len());
        let single: Vec<_> = (0..laid.len()).flat_map(|at| laid.rows(at..at + 1)).collect();
        assert_eq!(rows, single, "a page is a slice of all rows");
        rows.iter().map(Row::text).collect()
    }

    fn search(ok: bool, text: &str) -> Content {
        let arguments = serde_json::json!({ "query": "launch", "limit": 3 });
        Content::Tool { call: "1".into(), name: "conversation_search".into(), arguments, ok, text: text.into() }
    }

    #[test]
    fn a_tool_call_is_one_line_that_opens() {
        assert_eq!(lines(search(true, "3 found\nrest"), false, 60), ["▸ conversation_search \"launch\"  3 found"]);
        let opened = lines(search(true, "3 found\nrest"), true, 60);
        assert_eq!(opened[0], "▾ conversation_search \"launch\"");
        assert_eq!(opened[1..], ["  query: launch", "  limit: 3", "  →", "3 found", "rest"]);
    }

    #[test]
    fn a_failed_tool_call_shows_its_sentence_unopened() {
        let failed = lines(search(false, "query is empty; say what to search for"), false, 60);
        assert_eq!(failed[0], "✗ conversation_search \"launch\"");
        assert_eq!(failed[1], "query is empty; say what to search for");
    }

    #[test]
    fn a_fold_line_never_exceeds_its_width() {
        for cells in 2..90 {
            let said = "found 3 messages about the launch of the third of May and more";
            assert!(lines(search(true, said), false, cells).iter().all(|line| width(line) <= cells), "{cells}");
        }
    }

    #[test]
    fn reasoning_is_folded_above_what_was_said() {
        let content =
            || Content::Text { text: "Yes.".into(), reasoning: "I weigh\nboth sides".into(), cancelled: true };
        assert_eq!(lines(content(), false, 40), ["▸ thought, 4 words", "Yes.", "cancelled"]);
        assert_eq!(lines(content(), true, 40)[1..3], ["  I weigh", "  both sides"]);
    }

    #[test]
    fn a_long_message_of_a_person_is_folded_and_opens() {
        let text = (1..=40).map(|at| format!("line {at}\n")).collect::<Vec<_>>().concat();
        let content = || Content::Text { text: text.clone(), reasoning: String::new(), cancelled: false };
        let folded = lines(content(), false, 40);
        assert_eq!((folded.len(), folded[0].as_str(), folded[6].as_str()), (7, "line 1", "▸ 34 more lines"));
        assert_eq!(lines(content(), true, 40).len(), 40);
        let by_agent = Message { agent: Some("agent-1".into()), ..message(1, content()) };
        assert_eq!(RenderedMessage::new(&by_agent, None, false, 40, &UNICODE).len(), 40);
    }

    #[test]
    fn the_cache_is_bounded_and_lays_out_once() {
        let mut cache = Cache::default();
        let text = |seq| message(seq, Content::Notice { notice: NoticeKind::Pass, text: "passed".into() });
        for seq in 0..5_000 {
            cache.get(&text(seq), None, false, 40, &UNICODE);
        }
        assert_eq!(cache.rows_wrapped, 5_000);
        assert!(cache.entries.len() <= 2 * KEPT);
        cache.get(&text(4_999), None, false, 40, &UNICODE);
        assert_eq!(cache.rows_wrapped, 5_000);
        cache.get(&text(4_999), None, false, 41, &UNICODE);
        assert_eq!(cache.rows_wrapped, 5_001);
    }
}
