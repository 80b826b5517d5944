//! The uncommitted content below the last message: streaming answers, waiting calls, queued turns.
//!
//! The workers of a delegation are shown one below the other in the order of the delegation, each in a fixed number
//! of rows from the delegation until its answer is committed, so that rows do not move while they stream.

use jiff::tz::TimeZone;

use crate::domain::status::Blocker;
use crate::domain::{AgentId, ConversationId, PendingCall, PendingKind, Run, RunId, RunState, StepId};
use crate::engine::protocol::Phase;
use crate::tui::command::{Command, KeyContext};
use crate::tui::glyph::GlyphSet;
use crate::tui::model::{Live, Model};
use crate::tui::pane::PaneId;
use crate::tui::pane::inbox::rows::{caller, what};
use crate::tui::pane::list::{cut, packed};
use crate::tui::render::clock;
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::stream::Stream;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

use super::rendered::{BAR, bar, barred};

/// Rows of each worker, if a delegation has several.
const BESIDE: usize = 3;
/// Rows of each worker, if there are more than [`MANY`].
const BESIDE_MANY: usize = 1;
/// Largest number of workers that get [`BESIDE`] rows each.
const MANY: usize = 5;

/// Maximum number of rows for the sentence about a call that needs approval.
const SENTENCE: usize = 4;

/// What the layout of the tail depends on, beside the model.
#[derive(Debug, Clone)]
pub struct TailLayout {
    /// Width of the text column in cells.
    pub cells: usize,
    /// Glyph set.
    pub glyphs: &'static GlyphSet,
    /// Time zone of the times shown.
    pub zone: TimeZone,
    /// Where keys go: only keys that work there are named.
    pub focus: KeyContext,
}

/// The parts below the last message of one conversation.
#[derive(Debug, Default)]
pub struct LiveTail {
    /// In the order shown.
    pub parts: Vec<Part>,
    streams: Vec<Streaming>,
    waiting: Vec<Waiting>,
}

/// The text of a queued turn, laid out at `cells`.
#[derive(Debug)]
struct Waiting {
    run: RunId,
    cells: usize,
    rows: Vec<Row>,
}

/// One streaming answer, one waiting call, or one queued turn.
#[derive(Debug)]
pub struct Part {
    /// Speaking agent; `None` for the user.
    pub agent: Option<AgentId>,
    /// Name of the speaker.
    pub name: String,
    /// Run it belongs to.
    pub run: RunId,
    /// True for a queued turn.
    pub queued: bool,
    /// True for a statement of the workbench, which has no speaker.
    pub stated: bool,
    /// True for a call that needs approval.
    pub asks_approval: bool,
    /// Manager's step whose delegation it is part of.
    pub within: Option<StepId>,
    /// Fixed number of rows, if set; the last rows of the content are shown.
    fixed: Option<usize>,
    /// Step whose streamed rows are between `head` and `tail`. The rows of a queued turn are there too.
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
    /// Number of rows of the stream at the width `cells`.
    rows: usize,
    cells: usize,
    /// True if the cursor sign needs a row of its own because the last row is full.
    own_row: bool,
}

impl Part {
    fn new(run: RunId, agent: Option<AgentId>, name: impl Into<String>) -> Self {
        Self {
            agent,
            name: name.into(),
            run,
            queued: false,
            stated: false,
            asks_approval: false,
            within: None,
            fixed: None,
            stream: None,
            streamed: 0,
            head: Vec::new(),
            tail: Vec::new(),
        }
    }

    /// Returns the number of rows shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fixed.unwrap_or(self.whole())
    }

    /// Returns the manager's step, if the delegation has several workers.
    #[must_use]
    pub fn beside(&self) -> Option<&StepId> {
        self.within.as_ref().filter(|_| self.fixed.is_some())
    }

    /// Returns true if it is an answer whose text streams.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.stream.is_some() && self.streamed > 0
    }

    fn whole(&self) -> usize {
        self.head.len() + self.streamed + self.tail.len()
    }
}

impl LiveTail {
    /// Updates the parts from the model: appends new text to the streams and removes finished ones. Returns the
    /// number of rows laid out.
    pub fn follow(&mut self, model: &Model, conversation: Option<&ConversationId>, layout: &TailLayout) -> u64 {
        let cells = layout.cells;
        self.parts.clear();
        let Some(conversation) = conversation else {
            self.streams.clear();
            self.waiting.clear();
            return 0;
        };
        let mut made = 0;
        self.streams.retain(|known| model.live.iter().any(|live| live.step == known.step));
        let workers = model.workers_in(conversation);
        for live in model.live_in(conversation).filter(|live| !workers.iter().any(|run| run.id == live.run)) {
            let (part, rows) = self.stream(live, model, cells, layout.glyphs);
            made += rows;
            self.parts.push(part);
        }
        made += self.workers(model, &workers, cells, layout.glyphs);
        let mut first = true;
        for call in model.waiting_in(conversation) {
            self.parts.push(waits(call, std::mem::take(&mut first), model, layout));
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
            let streamed = self.waiting[at].rows.len();
            self.parts.push(Part { queued: true, streamed, ..Part::new(run.id.clone(), None, "you") });
        }
        made
    }

    /// Adds the unfinished workers in the order of the delegation. Returns the number of rows laid out.
    fn workers(&mut self, model: &Model, workers: &[&Run], cells: usize, glyphs: &GlyphSet) -> u64 {
        let mut made = 0;
        let cells = cells.saturating_sub(BAR);
        for run in workers.iter().filter(|run| !run.is_finished()) {
            let Some(task) = &run.task else { continue };
            let beside = |other: &&&Run| other.task.as_ref().is_some_and(|other| other.step == task.step);
            let fixed = match workers.iter().filter(beside).count() {
                0 | 1 => None,
                2..=MANY => Some(BESIDE),
                _ => Some(BESIDE_MANY),
            };
            let part = if let Some(live) = model.live.iter().find(|live| live.run == run.id) {
                let (part, rows) = self.stream(live, model, cells, glyphs);
                made += rows;
                part
            } else {
                let agent = run.agent().and_then(|id| model.agent(id));
                let name = agent.map_or("", |agent| agent.name.as_str());
                let mut part = Part::new(run.id.clone(), run.agent().cloned(), name);
                part.tail = resting(run, model, cells, glyphs);
                part
            };
            // A reason to wait is shown in full.
            let fixed = fixed.map(|rows| rows.max(part.tail.len()));
            self.parts.push(Part { within: Some(task.step.clone()), fixed, ..part });
        }
        made
    }

    /// Returns true while the text of an answer streams.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.parts.iter().any(Part::streams)
    }

    /// Returns the part of a streaming step, and the number of rows laid out for it.
    fn stream(&mut self, live: &Live, model: &Model, cells: usize, glyphs: &GlyphSet) -> (Part, u64) {
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
        let part = Part {
            stream: Some(live.step.clone()),
            streamed: known.rows + sign,
            head: if live.reasoning.is_empty() { Vec::new() } else { vec![thinking(live, glyphs)] },
            tail: doing(live, model, cells, glyphs),
            ..Part::new(live.run.clone(), Some(live.agent.clone()), live.name.clone())
        };
        (part, made)
    }

    /// Returns a row of a part; `None` past its end.
    pub fn row(&mut self, part: usize, at: usize, glyphs: &GlyphSet) -> Option<Row> {
        let Self { parts, streams, waiting } = self;
        let part = parts.get(part)?;
        // A part with a fixed number of rows shows its last ones.
        let at = at + part.fixed.map_or(0, |fixed| part.whole().saturating_sub(fixed));
        let row = content(part, streams, waiting, at, glyphs);
        if part.within.is_some() { Some(barred(row.unwrap_or_default(), bar(glyphs))) } else { row }
    }
}

fn content(part: &Part, streams: &mut [Streaming], waiting: &[Waiting], at: usize, glyphs: &GlyphSet) -> Option<Row> {
    if let Some(row) = part.head.get(at) {
        return Some(row.clone());
    }
    let at = at - part.head.len();
    if at >= part.streamed {
        return part.tail.get(at - part.streamed).cloned();
    }
    if part.queued {
        return waiting.iter().find(|known| known.run == part.run)?.rows.get(at).cloned();
    }
    let streaming = streams.iter_mut().find(|known| Some(&known.step) == part.stream.as_ref())?;
    let mut row = streaming.stream.rows(streaming.cells).get(at).cloned().unwrap_or_default();
    if at + 1 == part.streamed {
        let before = if row.spans.is_empty() { "" } else { " " };
        // In the style of the text: another one would be sent with every frame.
        row.push(Span::new(format!("{before}{}", glyphs.cursor), Role::Text));
    }
    Some(row)
}

fn thinking(live: &Live, glyphs: &GlyphSet) -> Row {
    let mut row = Row::default();
    let words = live.reasoning.split_whitespace().count();
    row.push(Span::new(format!("{} thinking, {words} words", glyphs.folded), Role::Dim));
    row
}

/// Returns the phase of an answer, if its text does not show it. A reason to wait is wrapped, never cut.
fn doing(live: &Live, model: &Model, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let (text, role) = match &live.phase {
        Phase::Waiting => (format!("{} {}", glyphs.waiting, queued(live, model)), Role::Dim),
        Phase::Thinking if live.text.is_empty() => {
            (format!("{} thinking {}", glyphs.thinking, glyphs.cursor), Role::Dim)
        }
        Phase::Calling { tool } => (format!("{} {}", glyphs.tool, clean(tool)), Role::Dim),
        Phase::Retrying { text } => (format!("{} {}", glyphs.waiting, clean(text)), Role::Warning),
        Phase::Speaking if live.text.is_empty() && live.reasoning.is_empty() => {
            (glyphs.cursor.to_owned(), Role::Accent)
        }
        Phase::Thinking | Phase::Speaking => return Vec::new(),
    };
    sentence(text, role, cells)
}

/// Says why a step has not called its model yet.
fn queued(live: &Live, model: &Model) -> String {
    let name = model.agent(&live.agent).map(|agent| clean_line(model.model_of(agent)));
    match name.as_deref().and_then(|name| name.split_once('/')) {
        Some((provider, _)) => {
            format!(
                "queued: {provider} has as many calls as it may have at once (max_parallel); the next free place is taken"
            )
        }
        None => "queued for the model".to_owned(),
    }
}

/// Wraps a sentence that begins with a sign; further rows are indented below its words.
fn sentence(text: String, role: Role, cells: usize) -> Vec<Row> {
    let rest = vec![Span::new("  ", Role::Dim)];
    wrap(&[Span::new(text, role)], &Shape { rest, ..Shape::plain(cells) })
}

/// Returns the state of a worker without a running step.
fn resting(run: &Run, model: &Model, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let blockers = model.work().blockers(run);
    let (sign, text) = match (blockers.first(), &run.state) {
        _ if blockers.iter().any(|blocker| matches!(blocker, Blocker::Approval(_))) => {
            (glyphs.needs_you, "waits for you")
        }
        (Some(Blocker::Agent(_)), _) => (glyphs.waiting, "queued: busy elsewhere"),
        (Some(_), _) => (glyphs.waiting, "waits for an answer"),
        (None, RunState::Queued | RunState::Parked) => (glyphs.waiting, "queued"),
        (None, RunState::Running | RunState::Finished { .. }) => (glyphs.thinking, "working"),
    };
    sentence(format!("{sign} {text}"), Role::Dim, cells)
}

/// Returns the part of a waiting call: the keys if it waits for the user, otherwise whom it waits for and until when.
fn waits(call: &PendingCall, first: bool, model: &Model, layout: &TailLayout) -> Part {
    let (cells, glyphs) = (layout.cells, layout.glyphs);
    let name = caller(call, model);
    let mut part = Part::new(call.run.clone(), None, "");
    part.stated = true;
    part.asks_approval = call.kind == PendingKind::Approval;
    if part.asks_approval {
        let mut spans = vec![
            Span::new(format!("{} {name}", glyphs.needs_you), Role::Warning),
            Span::new(" wants to call ", Role::Text),
        ];
        spans.extend(what(call));
        let indent = vec![Span::new("  ", Role::Dim)];
        let mut rows = wrap(&spans, &Shape { rest: indent, ..Shape::plain(cells) });
        // The inbox shows the whole call.
        if rows.len() > SENTENCE {
            rows.truncate(SENTENCE);
            if let Some(last) = rows.last_mut() {
                let mut spans = std::mem::take(&mut last.spans);
                spans.push(Span::new(format!(" {}", glyphs.ellipsis), Role::Dim));
                *last = cut(spans, cells, glyphs.ellipsis);
            }
        }
        part.head = rows;
        if first {
            part.tail = keys(cells, layout.focus);
        }
    } else {
        let names: Vec<String> = model
            .work()
            .missing(call)
            .into_iter()
            .filter_map(|id| model.agent(id))
            .map(|agent| clean_line(&agent.name).into_owned())
            .collect();
        let whom = if names.is_empty() { "an answer".to_owned() } else { names.join(", ") };
        let until = call.until.map(|at| format!(", until {} at the latest", clock(at, &layout.zone)));
        let text = format!("{} {name} waits for {whom}{}", glyphs.waiting, until.unwrap_or_default());
        part.head = sentence(text, Role::Dim, cells);
    }
    part
}

/// Returns the keys that decide the call or lead to where it can be decided; only keys that work in `focus`.
fn keys(cells: usize, focus: KeyContext) -> Vec<Row> {
    let can = [
        (Command::ApproveWaiting, "approve"),
        (Command::Approve, "approve"),
        (Command::ApproveRun, "for this run"),
        (Command::Deny, "deny"),
        (Command::Focus(PaneId::Inbox), "look"),
    ];
    let elsewhere = [(Command::Focus(PaneId::Conversation), "decide here"), (Command::Focus(PaneId::Inbox), "look")];
    let here = KeyContext::COMPOSER.or(KeyContext::CONVERSATION).has(focus);
    let one = |(command, what): &(Command, &str)| {
        let key = command.key_text(focus)?;
        Some((Span::new(key, Role::Accent), Span::new(format!(" {what}"), Role::Dim)))
    };
    packed(if here { &can[..] } else { &elsewhere[..] }.iter().filter_map(one), 2, cells)
}
