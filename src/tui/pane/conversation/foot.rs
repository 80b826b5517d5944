//! What stands below the last message and is not committed as one yet: answers that stream, turns that wait.

use crate::domain::{AgentId, ConversationId, RunId, StepId};
use crate::engine::wire::Phase;
use crate::tui::glyph::GlyphSet;
use crate::tui::model::{Live, Model};
use crate::tui::text::clean::clean;
use crate::tui::text::stream::Stream;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// The rows at the foot of one conversation.
#[derive(Debug, Default)]
pub struct Foot {
    /// In the order shown.
    pub parts: Vec<Part>,
    streams: Vec<Streaming>,
    waiting: Vec<Waiting>,
}

/// The words of a turn that waits, laid out once.
#[derive(Debug)]
struct Waiting {
    run: RunId,
    cells: usize,
    rows: Vec<Row>,
}

/// One answer or one waiting turn.
#[derive(Debug)]
pub struct Part {
    /// Who; `None` is the person.
    pub agent: Option<AgentId>,
    /// The short name.
    pub name: String,
    /// The speech it is part of.
    pub run: RunId,
    /// True for a turn that waits.
    pub queued: bool,
    /// The step whose stream stands between `head` and `tail`; what waits stands there too.
    stream: Option<StepId>,
    streamed: usize,
    head: Vec<Row>,
    tail: Vec<Row>,
}

#[derive(Debug)]
struct Streaming {
    step: StepId,
    stream: Stream,
    received: usize,
    /// Rows of the stream, and the width they were made for.
    rows: usize,
    cells: usize,
    /// The sign that says it goes on has a row of its own, because the last one is full.
    own_row: bool,
}

impl Part {
    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.streamed + self.tail.len()
    }
}

impl Foot {
    /// Follows the model: new text goes into the streams, what is over goes away. Returns the rows made anew.
    pub fn follow(
        &mut self,
        model: &Model,
        conversation: Option<&ConversationId>,
        cells: usize,
        glyphs: &GlyphSet,
    ) -> u64 {
        self.parts.clear();
        let Some(conversation) = conversation else {
            self.streams.clear();
            self.waiting.clear();
            return 0;
        };
        let mut made = 0;
        self.streams.retain(|known| model.live.iter().any(|live| live.step == known.step));
        for live in model.live_in(conversation) {
            made += self.stream(live, cells, glyphs);
        }
        self.waiting.retain(|known| model.queued(conversation).any(|(run, _)| run.id == known.run));
        for (run, text) in model.queued(conversation) {
            let known = self.waiting.iter().position(|known| known.run == run.id && known.cells == cells);
            let at = known.unwrap_or_else(|| {
                let rows = wrap(&[Span::new(clean(text), Role::Dim)], &Shape::plain(cells));
                made += rows.len() as u64;
                self.waiting.retain(|known| known.run != run.id);
                self.waiting.push(Waiting { run: run.id.clone(), cells, rows });
                self.waiting.len() - 1
            });
            self.parts.push(Part {
                agent: None,
                name: "you".to_owned(),
                run: run.id.clone(),
                queued: true,
                stream: None,
                streamed: self.waiting[at].rows.len(),
                head: Vec::new(),
                tail: Vec::new(),
            });
        }
        made
    }

    fn stream(&mut self, live: &Live, cells: usize, glyphs: &GlyphSet) -> u64 {
        let at = self.streams.iter().position(|known| known.step == live.step).unwrap_or_else(|| {
            let stream = Stream::new(glyphs);
            let step = live.step.clone();
            self.streams.push(Streaming { step, stream, received: 0, rows: 0, cells, own_row: false });
            self.streams.len() - 1
        });
        let known = &mut self.streams[at];
        let mut made = 0;
        if known.received < live.text.len() || known.cells != cells {
            known.stream.push(&live.text[known.received..]);
            known.received = live.text.len();
            let before = if known.cells == cells { known.rows } else { 0 };
            known.cells = cells;
            let rows = known.stream.rows(cells);
            known.rows = rows.len();
            known.own_row = rows.last().is_none_or(|last| last.width() + 2 > cells);
            made = (known.rows.saturating_sub(before) + 1) as u64;
        }
        let sign = usize::from(known.own_row && !live.text.is_empty());
        self.parts.push(Part {
            agent: Some(live.agent.clone()),
            name: live.name.clone(),
            run: live.run.clone(),
            queued: false,
            stream: Some(live.step.clone()),
            streamed: known.rows + sign,
            head: if live.reasoning.is_empty() { Vec::new() } else { vec![thinking(live, glyphs)] },
            tail: doing(live, glyphs).into_iter().collect(),
        });
        made
    }

    /// One row of one part.
    pub fn row(&mut self, part: usize, at: usize, glyphs: &GlyphSet) -> Option<Row> {
        let part = self.parts.get(part)?;
        if let Some(row) = part.head.get(at) {
            return Some(row.clone());
        }
        let at = at - part.head.len();
        if at >= part.streamed {
            return part.tail.get(at - part.streamed).cloned();
        }
        if part.queued {
            let waiting = self.waiting.iter().find(|known| known.run == part.run)?;
            return waiting.rows.get(at).cloned();
        }
        let streaming = self.streams.iter_mut().find(|known| Some(&known.step) == part.stream.as_ref())?;
        let mut row = streaming.stream.rows(streaming.cells).get(at).cloned().unwrap_or_default();
        if at + 1 == part.streamed {
            let before = if row.spans.is_empty() { "" } else { " " };
            row.push(Span::new(format!("{before}{}", glyphs.cursor), Role::Accent));
        }
        Some(row)
    }
}

fn thinking(live: &Live, glyphs: &GlyphSet) -> Row {
    let mut row = Row::default();
    let words = live.reasoning.split_whitespace().count();
    row.push(Span::new(format!("{} thinking, {words} words", glyphs.folded), Role::Dim));
    row
}

/// What an answer is at where no text says it.
fn doing(live: &Live, glyphs: &GlyphSet) -> Option<Row> {
    let (text, role) = match &live.phase {
        Phase::Waiting => (format!("{} waits for its turn at the model", glyphs.waiting), Role::Dim),
        Phase::Thinking if live.text.is_empty() => (format!("{} thinks {}", glyphs.thinking, glyphs.cursor), Role::Dim),
        Phase::Calling { tool } => (format!("{} {}", glyphs.tool, clean(tool)), Role::Dim),
        Phase::Retrying { text } => (format!("{} {}", glyphs.waiting, clean(text)), Role::Warning),
        Phase::Speaking if live.text.is_empty() && live.reasoning.is_empty() => {
            (glyphs.cursor.to_owned(), Role::Accent)
        }
        Phase::Thinking | Phase::Speaking => return None,
    };
    let mut row = Row::default();
    row.push(Span::new(text, role));
    Some(row)
}
