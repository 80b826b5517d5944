//! The conversation pane: a view of a transcript of any length.
//!
//! Messages are numbered by `seq` without gaps, so a position (a [`Place`]) is a message and a row in it, and all
//! movement goes from a row to its neighbours. Only the messages around the view are loaded ([`window`]), and only
//! visible ones are laid out ([`rendered`]). There is no index of the whole transcript: the cost of a key press does
//! not depend on its length.
//!
//! Streaming answers, waiting calls and queued turns are shown below the last message ([`live_tail`]).
//! [`Pane::prepare`] computes the rows of the next frame and requests missing messages; drawing paints the rows.

mod anchors;
mod draw;
mod greeting;
mod keys;
mod live_tail;
mod rendered;
mod search;
mod window;

pub use anchors::{Anchor, Place};

use std::collections::BTreeSet;

use crossterm::event::{KeyEvent, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Pane, RenderContext};
use crate::domain::{Agent, Change, Content, ConversationId, Message, NoticeKind, StepId};
use crate::engine::protocol::{Reply, Request, RequestError, Update};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::Context;
use crate::tui::glyph::{GlyphSet, UNICODE};
use crate::tui::model::Model;
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

use live_tail::{LiveTail, TailLayout};
use rendered::Cache;
use search::Search;
use window::Window;

/// Messages per read.
const PAGE: u64 = 64;
/// Messages beyond the view that are read in advance.
const MARGIN: u64 = 24;
/// Rows per step of the mouse wheel.
const WHEEL: isize = 3;

/// State of the pane.
#[derive(Debug)]
pub struct Conversation {
    id: Option<ConversationId>,
    /// `seq` of the last message; 0 if there is none.
    head: u64,
    window: Window,
    foot: LiveTail,
    cache: Cache,
    /// Unfolded messages, by `seq`.
    open: BTreeSet<u64>,
    anchor: Anchor,
    /// The top row while the tail is followed and an answer streams; see [`Conversation::fill`].
    held: Option<Place>,
    /// The cursor line; `None` until the user moves it, and while the tail is followed.
    cursor: Option<Place>,
    /// `seq` of the last message when the view left the tail.
    left_at: u64,
    /// Navigation target that is not loaded yet.
    wanted: Option<Wanted>,
    /// Serial number of the pending request for messages.
    loading: Option<u64>,
    /// Reading failed; retried at the next command or commit.
    stuck: bool,
    search: Search,
    /// Width of the text column in cells.
    cells: usize,
    height: usize,
    /// Width of the name column in cells.
    names: usize,
    glyphs: &'static GlyphSet,
    zone: TimeZone,
    /// Where keys go.
    focus: KeyContext,
    shown: Vec<Place>,
    lines: Vec<Line>,
    counters: Counters,
}

/// A navigation target, reached when its messages are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A message.
    Message(u64),
    /// The first matching row of a message.
    Match(u64),
    /// Start of the turn before this message.
    TurnBefore(u64),
    /// Start of the turn after this message.
    TurnAfter(u64),
}

/// Work done since the start, checked by a budget test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows laid out.
    pub rows_wrapped: u64,
    /// Messages read from the engine.
    pub messages_read: u64,
    /// Cells painted.
    pub cells_drawn: u64,
}

/// A row to paint.
#[derive(Debug)]
struct Line {
    place: Place,
    /// Time, mark and name, on the first row of a speech.
    gutter: Option<Gutter>,
    row: Row,
}

#[derive(Debug)]
struct Gutter {
    time: String,
    mark: &'static str,
    name: String,
    role: Role,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            id: None,
            head: 0,
            window: Window::default(),
            foot: LiveTail::default(),
            cache: Cache::default(),
            open: BTreeSet::new(),
            anchor: Anchor::Tail,
            held: None,
            cursor: None,
            left_at: 0,
            wanted: None,
            loading: None,
            stuck: false,
            search: Search::default(),
            cells: 40,
            height: 20,
            names: 8,
            glyphs: &UNICODE,
            zone: TimeZone::UTC,
            focus: KeyContext::COMPOSER,
            shown: Vec::new(),
            lines: Vec::new(),
            counters: Counters::default(),
        }
    }
}

impl Conversation {
    /// Goes to the message with this `seq`, or to the last one if there are fewer; loads it if needed.
    pub fn go_to(&mut self, seq: u64) {
        self.stuck = false;
        // A target beyond the last message would be requested again and again.
        self.wanted = (self.head > 0).then(|| Wanted::Message(seq.clamp(1, self.head)));
    }

    /// Returns the position of the view, to be restored after a restart.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// Restores the position of the view.
    pub fn restore(&mut self, anchor: Anchor) {
        self.anchor = anchor;
        self.left_at = self.head;
    }

    /// Sets where keys go, for the keys that the pane names.
    pub fn set_focus(&mut self, focus: KeyContext) {
        self.focus = focus;
    }

    /// Returns true if the call that has waited longest for approval is on the screen.
    #[must_use]
    pub fn shows_approval(&self) -> bool {
        let part = self.foot.parts.iter().position(|part| part.asks_approval);
        part.is_some_and(|part| self.shown.iter().any(|place| place.at == self.head + 1 + part as u64))
    }

    /// Returns true if the view follows new messages.
    #[must_use]
    pub fn at_tail(&self) -> bool {
        self.anchor == Anchor::Tail
    }

    /// Returns the work done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { rows_wrapped: self.counters.rows_wrapped + self.cache.rows_wrapped, ..self.counters }
    }

    /// Returns the number of rows of a message or part, including the empty row before it; `None` if not loaded.
    fn rows_of(&mut self, at: u64) -> Option<usize> {
        let lead = usize::from(self.has_gap_before(at));
        if at > self.head {
            let part = usize::try_from(at - self.head - 1).ok()?;
            return self.foot.parts.get(part).map(|part| part.len().max(1) + lead);
        }
        let message = self.window.get(at)?;
        let told = self.window.gathered(message);
        let laid = self.cache.get(message, told.as_deref(), self.open.contains(&at), self.cells, self.glyphs);
        Some(laid.len() + lead)
    }

    /// Returns true if an empty row precedes it: at the start of a speech.
    fn has_gap_before(&self, at: u64) -> bool {
        at > 1 && !self.continues(at) && !self.belongs_to_before(at)
    }

    /// Returns true if it follows its predecessor without an empty row: after a manager's choice or delegation, or
    /// between answers that stream in parallel.
    fn belongs_to_before(&self, at: u64) -> bool {
        let Some(before) = at.checked_sub(1) else { return false };
        if before > self.head {
            let part = |at: u64| self.foot.parts.get(usize::try_from(at - self.head - 1).ok()?);
            return part(at).zip(part(before)).is_some_and(|(part, before)| {
                let beside = part.beside().is_some() && part.beside() == before.beside();
                beside || (part.stated && before.stated)
            });
        }
        let by_user = |message: &Message| message.agent.is_none() && matches!(message.content, Content::Text { .. });
        if self.window.get(at).is_some_and(by_user) {
            // The user's next message, after the choice that ended the turn.
            return false;
        }
        let given_out = |message: &Message| {
            let notice =
                matches!(message.content, Content::Notice { notice: NoticeKind::Choice | NoticeKind::Delegated, .. });
            notice && message.answers.is_none()
        };
        self.window.get(before).is_some_and(given_out)
    }

    /// Returns the manager's step whose delegation it is part of.
    fn within(&self, at: u64) -> Option<&StepId> {
        if at > self.head {
            return self.foot.parts.get(usize::try_from(at - self.head - 1).ok()?)?.within.as_ref();
        }
        self.window.get(at)?.answers.as_ref()
    }

    /// Returns true if it continues the speech before it.
    fn continues(&self, at: u64) -> bool {
        let Some(before) = at.checked_sub(1) else { return false };
        let speech = |at: u64| -> Option<(&crate::domain::AgentId, &crate::domain::RunId)> {
            if at > self.head {
                let part = self.foot.parts.get(usize::try_from(at - self.head - 1).ok()?)?;
                return Some((part.agent.as_ref()?, &part.run));
            }
            let message = self.window.get(at)?;
            Some((message.agent.as_ref()?, message.run.as_ref()?))
        };
        speech(at).is_some_and(|now| speech(before) == Some(now))
    }

    /// Returns the message at the cursor, else the last one.
    fn selected(&self) -> Option<&Message> {
        let at = self.cursor.map_or(self.head, |cursor| cursor.at);
        self.window.get(at.min(self.head))
    }

    fn follow_model(&mut self, model: &Model) {
        let conversation = model.shown_conversation();
        self.head = conversation.map_or(0, |conversation| conversation.head);
        let id = conversation.map(|conversation| &conversation.id);
        let layout = TailLayout { cells: self.cells, glyphs: self.glyphs, zone: self.zone.clone(), focus: self.focus };
        self.counters.rows_wrapped += self.foot.follow(model, id, &layout);
    }

    /// Resets the pane to another conversation, at its tail.
    fn begin(&mut self, id: Option<ConversationId>) {
        *self = Self {
            id,
            cells: self.cells,
            height: self.height,
            names: self.names,
            glyphs: self.glyphs,
            zone: self.zone.clone(),
            focus: self.focus,
            counters: self.counters(),
            ..Self::default()
        };
    }

    fn measure(&mut self, area: Rect, look: &RenderContext, model: &Model) {
        let group = model.shown_group();
        let agents = group.map(|group| model.agents_of(group)).unwrap_or_default();
        let cells = |agent: &&Agent| crate::tui::text::width::width(&agent.name);
        let longest = agents.iter().map(cells).max().unwrap_or(0);
        // On a narrow pane only the names of agents that speak here may widen the column.
        let speaks = |agent: &&&Agent| !group.is_some_and(|group| group.in_background(&agent.id));
        let spoken = agents.iter().filter(speaks).map(cells).max().unwrap_or(0);
        let most = if area.width < 60 { spoken.clamp(8, 10) } else { 14 };
        self.names = longest.clamp(6, most);
        let cells = usize::from(area.width).saturating_sub(draw::text_column(self.names) + 1).max(8);
        if cells != self.cells {
            self.keep_place(cells);
        }
        self.glyphs = look.glyphs;
        self.zone.clone_from(&look.zone);
        let typing = usize::from(self.search.line().is_some());
        let height = usize::from(area.height).saturating_sub(typing).max(1);
        if height != self.height {
            self.held = None;
        }
        self.height = height;
    }

    /// Sets another width; the top row and the cursor stay in the same message, at about the same part of it.
    fn keep_place(&mut self, cells: usize) {
        let tops = [self.cursor, if let Anchor::Top(top) = self.anchor { Some(top) } else { None }];
        let before = tops.map(|place| place.and_then(|place| self.rows_of(place.at)));
        self.held = None;
        self.cells = cells;
        let after = tops.map(|place| place.and_then(|place| self.rows_of(place.at)));
        let moved = |at: usize| match (tops[at], before[at], after[at]) {
            (Some(place), Some(before), Some(after)) => {
                Some(Place { row: (place.row * after / before.max(1)).min(after - 1), ..place })
            }
            (place, ..) => place,
        };
        self.cursor = moved(0);
        if let Some(top) = moved(1) {
            self.anchor = Anchor::Top(top);
        }
    }

    /// Goes to the navigation target if it is loaded.
    fn arrive(&mut self) {
        let Some(wanted) = self.wanted else { return };
        let found = match wanted {
            Wanted::Message(seq) => {
                self.window.get(seq).map(|_| Place { at: seq, row: usize::from(self.has_gap_before(seq)) })
            }
            Wanted::Match(seq) => self.match_in(seq),
            Wanted::TurnBefore(seq) => self.turn_before(seq),
            Wanted::TurnAfter(seq) => self.turn_after(seq),
        };
        if let Some(place) = found {
            self.wanted = None;
            self.leave_tail();
            self.jump(place);
        }
    }

    fn leave_tail(&mut self) {
        if self.anchor == Anchor::Tail {
            self.left_at = self.head;
        }
    }

    /// Returns the messages to load for the view or the navigation target, `from..=to`, and whether the newest of them
    /// come first; `None` if all are loaded.
    fn missing(&self) -> Option<(u64, u64, bool)> {
        if self.head == 0 {
            return None;
        }
        let (first, last) = (self.window.first(), self.window.last());
        let page = |from: u64| (from, (from + PAGE - 1).min(self.head), false);
        // Goes on where the last read ended: large messages come a few at a time.
        let page_with = |seq: u64, before: u64| {
            let from = seq.saturating_sub(before).max(1);
            page(if (first..=last + 1).contains(&from) { last + 1 } else { from })
        };
        match self.wanted {
            Some(Wanted::Message(seq) | Wanted::Match(seq)) if self.window.get(seq).is_none() => {
                return Some(page_with(seq.min(self.head), PAGE / 2));
            }
            Some(Wanted::TurnBefore(_)) if first > 1 => return Some(page_before(first)),
            Some(Wanted::TurnAfter(_)) if last < self.head => return Some(page(last + 1)),
            Some(_) | None => {}
        }
        let (top, bottom) = match (self.anchor, self.shown.first(), self.shown.last()) {
            (_, Some(top), Some(bottom)) => (top.at.min(self.head), bottom.at.min(self.head)),
            (Anchor::Top(top), ..) => (top.at.min(self.head), top.at.min(self.head)),
            (Anchor::Tail, ..) => (self.head, self.head),
        };
        if self.window.get(bottom).is_none() && self.window.get(top).is_none() {
            let tail = self.anchor == Anchor::Tail;
            return Some(if tail { page_before(self.head + 1) } else { page_with(top, MARGIN) });
        }
        if first > 1 && top < first + MARGIN {
            return Some(page_before(first));
        }
        (last < self.head && bottom + MARGIN > last).then(|| page(last + 1))
    }

    fn read_missing(&mut self, cx: &mut Context<'_>) {
        if self.loading.is_some() || self.stuck {
            return;
        }
        if let (Some(conversation), Some((from, to, newest))) = (self.id.clone(), self.missing()) {
            self.loading = Some(cx.ask(Request::Messages { conversation, from, to, newest }));
        }
    }

    fn take_messages(&mut self, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        self.loading = None;
        match reply {
            Ok(Reply::Messages { messages }) if !messages.is_empty() => {
                self.counters.messages_read += messages.len() as u64;
                let top = self.top();
                self.window.insert(messages);
                if self.wanted.is_none() {
                    let from = top.map_or(self.head, |top| top.at);
                    self.window.trim(from.min(self.head), self.shown.last().map_or(self.head, |last| last.at));
                }
            }
            Ok(_) => self.stuck = true,
            Err(fault) => {
                self.stuck = true;
                cx.fault(fault.text);
            }
        }
    }
}

fn page_before(first: u64) -> (u64, u64, bool) {
    (first.saturating_sub(PAGE).max(1), first - 1, true)
}

impl Pane for Conversation {
    fn context(&self) -> KeyContext {
        if self.search.typing() { KeyContext::SEARCH } else { KeyContext::CONVERSATION }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        self.stuck = false;
        self.do_command(command, cx);
    }

    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) {
        if self.search.typing() && self.search.key(key) {
            self.ask_search(cx);
        }
    }

    fn paste(&mut self, text: &str, cx: &mut Context<'_>) {
        self.search.paste(text);
        self.ask_search(cx);
    }

    fn mouse(&mut self, event: MouseEvent, area: Rect, _cx: &mut Context<'_>) {
        match event.kind {
            MouseEventKind::ScrollUp => {
                self.leave_tail();
                self.scroll(-WHEEL);
            }
            MouseEventKind::ScrollDown => self.scroll(WHEEL),
            MouseEventKind::Down(_) => {
                let clicked = event.row.checked_sub(area.y).and_then(|row| self.shown.get(usize::from(row)));
                self.cursor = clicked.copied().or(self.cursor);
            }
            _ => {}
        }
    }

    fn updated(&mut self, update: &Update, cx: &mut Context<'_>) {
        let shown = cx.model.shown_conversation().map(|conversation| conversation.id.clone());
        if shown != self.id {
            self.begin(shown);
        }
        // Streamed text is processed once per frame, not per delta.
        if let Update::Live(_) = update {
            return;
        }
        if let Update::Committed { changes, .. } = update {
            self.stuck = false;
            for logged in changes {
                if let Change::MessageAppended(message) = &logged.change
                    && Some(&message.conversation) == self.id.as_ref()
                {
                    self.window.append(message);
                }
            }
        }
        self.follow_model(cx.model);
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        let shown = cx.model.shown_conversation().map(|conversation| conversation.id.clone());
        if shown != self.id {
            self.begin(shown);
        }
        self.follow_model(cx.model);
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        if self.loading == Some(serial) {
            self.take_messages(reply, cx);
        } else if self.search.waits_for(serial) {
            self.take_hits(reply, cx);
        } else if let Err(fault) = reply {
            cx.fault(fault.text);
        }
    }

    fn prepare(&mut self, area: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        self.measure(area, look, cx.model);
        self.follow_model(cx.model);
        self.arrive();
        self.shown = self.fill(self.height);
        if let (Some(cursor), Some(first), Some(last)) = (self.cursor, self.shown.first(), self.shown.last()) {
            self.cursor = Some(cursor.clamp(*first, *last));
        }
        self.paint_lines(look, cx.model);
        self.read_missing(cx);
    }

    fn note(&self, _look: &RenderContext, _model: &Model) -> Vec<Span> {
        match (self.anchor, self.shown.first()) {
            (Anchor::Top(_), Some(top)) => {
                vec![Span::new(format!("{} of {}", top.at.min(self.head), self.head), Role::Dim)]
            }
            _ => Vec::new(),
        }
    }

    fn badge(&self, look: &RenderContext, model: &Model) -> Option<Span> {
        let unread = model.shown_conversation().map_or(0, |conversation| model.unread(conversation));
        (unread > 0).then(|| Span::new(format!("{}{unread}", look.glyphs.changed), Role::Accent))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, model: &Model, focused: bool) {
        self.draw_into(frame, area, look, model, focused);
    }
}
