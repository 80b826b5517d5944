//! Rows of the job dialog.

use crate::domain::message::Content;
use crate::domain::{Job, JobState, Message, Step};
use crate::engine::protocol::{JobDetail, JobEdit};
use crate::tui::pane::RenderContext;
use crate::tui::pane::jobs::rows::{age, fault, outcome, sign, tokens};
use crate::tui::pane::list::cut;
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::diff;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Indentation of step details, in cells.
const INDENT: usize = 9;
/// Number of unchanged lines shown around a change.
const CONTEXT: usize = 1;
/// Maximum number of rows of an agent's note.
const MAX_NOTE: usize = 4;

/// Returns all rows of the dialog except the key hints.
pub(super) fn rows(
    job: Option<&Job>,
    detail: Option<&Result<Box<JobDetail>, String>>,
    cells: usize,
    look: &RenderContext,
) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(job) = job {
        rows.extend(wrap(&facts(job, look), &Shape::plain(cells)));
        if let Some((after, to)) = job.window {
            let (from, range) = (after + 1, look.glyphs.range);
            let window = if to > after { format!("messages {from}{range}{to}") } else { "no messages".to_owned() };
            rows.extend(told(&format!("  window: {window}"), Role::Dim, cells));
        }
        if let Some(text) = fault(job, look) {
            rows.extend(wrap(&[Span::new(text, Role::Error)], &Shape::plain(cells)));
        }
        rows.push(Row::default());
    }
    match detail {
        None => rows.extend(told("Loading the steps", Role::Dim, cells)),
        Some(Err(text)) => rows.extend(told(text, Role::Error, cells)),
        Some(Ok(detail)) if detail.steps.is_empty() && detail.notes.is_empty() => {
            let text = match detail.job.state {
                JobState::Available => "The job waits for a free slot; it has not started yet.",
                JobState::Running { .. } => "The job is running; no step has finished yet.",
                _ => "The job has no steps.",
            };
            rows.extend(told(text, Role::Dim, cells));
        }
        Some(Ok(detail)) => steps(detail, cells, look, &mut rows),
    }
    rows
}

fn told(text: &str, role: Role, cells: usize) -> Vec<Row> {
    wrap(&[Span::new(clean(text), role)], &Shape::plain(cells))
}

/// Returns the summary line: state, attempt, tokens, duration, preemptions.
fn facts(job: &Job, look: &RenderContext) -> Vec<Span> {
    let glyphs = look.glyphs;
    let (sign, role) = sign(&job.state, glyphs);
    let word = match &job.state {
        JobState::Running { .. } => "running".to_owned(),
        JobState::Completed { .. } => format!("completed, {}", outcome(job)),
        _ => outcome(job),
    };
    let mut facts = vec![format!("attempt {}", job.attempt.max(1))];
    if job.tokens > 0 {
        facts.push(format!("{} tokens", tokens(job.tokens)));
    }
    match (job.started_at, job.ended_at) {
        (Some(start), Some(end)) => facts.push(duration(end.duration_since(start))),
        (Some(start), None) if matches!(job.state, JobState::Running { .. }) => facts.push(age(start, look)),
        _ => {}
    }
    if job.yields > 0 {
        facts.push(format!("preempted {}{}", job.yields, glyphs.times));
    }
    vec![Span::new(format!("{sign} {word}"), role), Span::new(format!("   {}", facts.join("   ")), Role::Dim)]
}

/// Formats a duration: `0.4 s`, `2.1 s`, `84 s`, `12 min`.
fn duration(took: jiff::SignedDuration) -> String {
    let tenths = took.as_millis().max(0) / 100;
    match tenths {
        0..100 => format!("{}.{} s", tenths / 10, tenths % 10),
        100..1_200 => format!("{} s", tenths / 10),
        _ => format!("{} min", tenths / 600),
    }
}

fn steps(detail: &JobDetail, cells: usize, look: &RenderContext, rows: &mut Vec<Row>) {
    let mut left: Vec<&JobEdit> = detail.edits.iter().collect();
    for step in &detail.steps {
        let notes = detail.notes.iter().filter(|note| note.step.as_ref() == Some(&step.id));
        let here = left.extract_if(.., |edit| edit.revision.step.as_ref() == Some(&step.id)).collect();
        one_step(step, notes, here, cells, look, rows);
    }
    for edit in left {
        rows.extend(change(edit, cells, look));
    }
}

fn one_step<'a>(
    step: &Step,
    notes: impl Iterator<Item = &'a Message>,
    mut edits: Vec<&JobEdit>,
    cells: usize,
    look: &RenderContext,
    rows: &mut Vec<Row>,
) {
    let mut head = Some(format!("step {:<w$}", step.index, w = INDENT - 5));
    let mut line = |spans: Vec<Span>, rows: &mut Vec<Row>| {
        let first = head.take().unwrap_or_else(|| " ".repeat(INDENT));
        let mut all = vec![Span::new(first, Role::Dim)];
        all.extend(spans);
        rows.push(cut(all, cells, look.glyphs.ellipsis));
    };
    for note in notes {
        match &note.content {
            Content::Tool { name, arguments, ok, text, .. } => {
                let what = subject(arguments);
                let mut spans = vec![Span::new(clean_line(name), Role::Strong)];
                if !what.is_empty() {
                    spans.push(Span::new(format!("  {what}"), Role::Text));
                }
                line(spans, rows);
                let label = arguments.get("label").and_then(|label| label.as_str()).unwrap_or_default();
                if !ok {
                    rows.extend(note_rows(text, Role::Error, cells));
                } else if let Some(at) = edits.iter().position(|edit| edit.label == label) {
                    rows.extend(change(edits.remove(at), cells, look));
                }
            }
            Content::Text { text, .. } if !text.trim().is_empty() => {
                line(vec![Span::new("noted", Role::Dim)], rows);
                rows.extend(note_rows(text, Role::Text, cells).into_iter().take(MAX_NOTE));
            }
            Content::Notice { text, .. } => line(vec![Span::new(clean_line(text), Role::Dim)], rows),
            Content::Text { .. } => {}
        }
    }
    for edit in edits {
        line(
            vec![Span::new("changed", Role::Strong), Span::new(format!("  {}", clean_line(&edit.label)), Role::Text)],
            rows,
        );
        rows.extend(change(edit, cells, look));
    }
}

/// Returns the subject of a call: the block's label, else the first text argument.
fn subject(arguments: &serde_json::Value) -> String {
    if let Some(label) = arguments.get("label").and_then(|label| label.as_str()) {
        return clean_line(label).into_owned();
    }
    let words = arguments.as_object().and_then(|all| all.values().find_map(|value| value.as_str()));
    words.map(|text| format!("\"{}\"", clean_line(text))).unwrap_or_default()
}

fn note_rows(text: &str, role: Role, cells: usize) -> Vec<Row> {
    let indent = || vec![Span::new(" ".repeat(INDENT), role)];
    wrap(&[Span::new(clean(text.trim()), role)], &Shape { first: indent(), rest: indent(), ..Shape::plain(cells) })
}

fn change(edit: &JobEdit, cells: usize, look: &RenderContext) -> Vec<Row> {
    let rows = diff::rows(&edit.before, &edit.revision.value, CONTEXT, cells.saturating_sub(INDENT), look.glyphs);
    let indented = |row: Row| {
        let mut spans = vec![Span::new(" ".repeat(INDENT), Role::Text)];
        spans.extend(row.spans);
        Row { spans, fence: None }
    };
    rows.into_iter().map(indented).collect()
}
