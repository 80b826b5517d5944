//! Rows of jobs, in the pane and in the detail view: signs, ages, outcomes, sentences.

use jiff::{SignedDuration, Timestamp};

use crate::domain::job::MAX_ATTEMPTS;
use crate::domain::{Job, JobOutcome, JobState};
use crate::tui::glyph::GlyphSet;
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::pane::list::two_ends;
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{fit, width};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Minimum width at which ages and outcomes are spelled out.
const WIDE: usize = 32;
/// Maximum widths of the columns of agents and triggers.
const MAX: (usize, usize) = (12, 10);

/// Returns the sign and role of a job's state.
#[must_use]
pub fn sign(state: &JobState, glyphs: &GlyphSet) -> (&'static str, Role) {
    match state {
        JobState::Available => (glyphs.background, Role::Dim),
        JobState::Retryable { .. } | JobState::Scheduled { .. } => (glyphs.waiting, Role::Warning),
        JobState::Running { .. } => (glyphs.thinking, Role::Accent),
        JobState::Parked => (glyphs.needs_you, Role::Warning),
        JobState::Completed { .. } => (glyphs.done, Role::Success),
        JobState::Failed { .. } => (glyphs.failed, Role::Error),
        JobState::Cancelled { .. } => (glyphs.times, Role::Dim),
    }
}

/// Returns the newest cause of a job and the number of other causes.
#[must_use]
pub fn trigger(job: &Job) -> String {
    let newest = job.causes.last().map(|cause| clean_line(&cause.kind.text()).into_owned()).unwrap_or_default();
    match job.causes.len() {
        0 | 1 => newest,
        more => format!("{newest} +{}", more - 1),
    }
}

/// Returns the outcome of a job in a few words; empty while it runs.
#[must_use]
pub fn outcome(job: &Job) -> String {
    match &job.state {
        JobState::Available => "next".to_owned(),
        JobState::Retryable { .. } => "tries again".to_owned(),
        JobState::Scheduled { .. } => "scheduled".to_owned(),
        JobState::Running { .. } => String::new(),
        JobState::Parked => "waits".to_owned(),
        JobState::Completed { outcome } => match outcome {
            JobOutcome::Changed if job.edits == 1 => "1 edit".to_owned(),
            JobOutcome::Changed => format!("{} edits", job.edits),
            JobOutcome::Unchanged => "nothing to change".to_owned(),
            JobOutcome::NothingToDo => "nothing to do".to_owned(),
            JobOutcome::CareTaken { report } => clean_line(report).into_owned(),
        },
        JobState::Failed { .. } => "failed".to_owned(),
        JobState::Cancelled { .. } => "cancelled".to_owned(),
    }
}

/// Formats a number of tokens in at most five cells: `812`, `1.2 k`, `34 k`.
#[must_use]
pub fn tokens(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..9_950 => format!("{}.{} k", (count + 50) / 1_000, (count + 50) / 100 % 10),
        9_950..999_500 => format!("{} k", (count + 500) / 1_000),
        _ => format!("{} M", (count + 500_000) / 1_000_000),
    }
}

/// Formats the time since `since`: to the second, or to the minute over SSH or without motion.
#[must_use]
pub fn age(since: Timestamp, look: &RenderContext) -> String {
    let seconds = look.now.duration_since(since).as_secs().max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match seconds {
        0..60 if coarse(look) => "under 1 min".to_owned(),
        0..60 => format!("{seconds} s"),
        60..3_600 if coarse(look) => format!("{minutes} min"),
        60..3_600 => format!("{minutes} min {:02} s", seconds % 60),
        _ => format!("{hours} h {:02} min", minutes % 60),
    }
}

/// Like [`age`], in at most six cells.
fn short_age(since: Timestamp, look: &RenderContext) -> String {
    let seconds = look.now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 if coarse(look) => "<1 min".to_owned(),
        0..100 if !coarse(look) => format!("{seconds} s"),
        0..6_000 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn coarse(look: &RenderContext) -> bool {
    look.over_ssh || !look.motion
}

/// Returns when the rows of a job change without an event: an age, a countdown.
#[must_use]
pub fn changes_at(job: &Job, look: &RenderContext) -> Option<Timestamp> {
    let step = if coarse(look) { 60 } else { 1 };
    match &job.state {
        JobState::Running { .. } => {
            let since = job.started_at?;
            let passed = look.now.duration_since(since).as_secs().max(0);
            let step = if passed >= 3_600 { 60 } else { step };
            Some(since + SignedDuration::from_secs((passed / step + 1) * step))
        }
        JobState::Retryable { run_at, .. } if !coarse(look) && *run_at > look.now => {
            let left = run_at.duration_since(look.now);
            // The shown seconds are rounded up, so they change at whole seconds before the retry.
            let whole = (left.as_millis() - 1).max(0) / 1_000;
            Some(*run_at - SignedDuration::from_secs(i64::try_from(whole).unwrap_or(0)))
        }
        _ => None,
    }
}

/// Formats the time of the next attempt.
fn next_try(run_at: Timestamp, look: &RenderContext) -> String {
    if run_at <= look.now {
        return "next try now".to_owned();
    }
    if coarse(look) {
        return format!("next try at {}", look.clock(run_at));
    }
    let seconds = (run_at.duration_since(look.now).as_millis() + 999) / 1_000;
    if seconds < 100 { format!("next try in {seconds} s") } else { format!("next try at {}", look.clock(run_at)) }
}

/// Returns the error of a job, or the budget it waits for, and what follows, without a full stop; `None` if it has neither.
#[must_use]
pub fn fault(job: &Job, look: &RenderContext) -> Option<String> {
    if let JobState::Scheduled { run_at, why } = &job.state {
        return Some(format!("{}, goes on at {}", clean_line(why), look.clock(*run_at)));
    }
    let error = clean_line(job.state.error()?).trim_end_matches('.').to_owned();
    Some(match &job.state {
        JobState::Retryable { run_at, .. } => {
            format!("{error}, {} ({} of {MAX_ATTEMPTS})", next_try(*run_at, look), (job.attempt + 1).min(MAX_ATTEMPTS))
        }
        _ if job.attempt > 1 => format!("{error} (given up after {} tries)", job.attempt),
        _ => error,
    })
}

/// Returns a job in one sentence, for copying.
#[must_use]
pub fn sentence(job: &Job, model: &Model) -> String {
    let name = model.worker_of(job);
    let what = job.state.error().map_or_else(|| outcome(job), ToOwned::to_owned);
    format!("{name}, {}: {} {what} ({})", trigger(job), job.state.shown(), job.id)
}

/// Column widths of a list of jobs.
pub(super) struct Columns {
    agents: usize,
    triggers: usize,
    cells: usize,
}

impl Columns {
    /// Computes the columns for all jobs in `cells`.
    pub(super) fn over(here: &[&Job], elsewhere: &[&Job], cells: usize, model: &Model) -> Self {
        let all = || here.iter().chain(elsewhere);
        let name = |job: &&&Job| width(&clean_line(model.worker_of(job)));
        let cells = cells.saturating_sub(1);
        Self {
            agents: all().map(|job| name(&job)).max().unwrap_or(0).min(MAX.0),
            triggers: all().map(|job| width(&trigger(job))).max().unwrap_or(0).min(MAX.1),
            cells,
        }
    }

    /// Returns the rows of a job: one, and after an error its text and the available keys.
    pub(super) fn job(&self, job: &Job, look: &RenderContext, model: &Model) -> Vec<Row> {
        let glyphs = look.glyphs;
        let (sign, role) = sign(&job.state, glyphs);
        let name = clean_line(model.worker_of(job));
        let head =
            vec![Span::new(format!(" {sign} "), role), Span::new(fit(&name, self.agents, glyphs.ellipsis), Role::Text)];
        let cause = format!("  {}", fit(&trigger(job), self.triggers, glyphs.ellipsis));
        let (outcome, spent) = self.right(job, look);
        let right_role = if matches!(job.state, JobState::Running { .. }) { Role::Accent } else { Role::Dim };
        // Parts that do not fit are omitted, the least important first.
        let fixed = 3 + self.agents + 1;
        let whole = fixed + width(&cause) + width(&outcome) + width(&spent) <= self.cells;
        let caused = fixed + width(&cause) + width(&outcome) <= self.cells;
        let mut left = head;
        if caused {
            left.push(Span::new(cause, Role::Dim));
        }
        let right = if whole { format!("{outcome}{spent}") } else { outcome };
        let right = if right.is_empty() { Vec::new() } else { vec![Span::new(right, right_role)] };
        let mut rows = vec![two_ends(left, right, self.cells, glyphs.ellipsis)];
        if let Some(text) = fault(job, look) {
            let role = if job.state.is_final() { Role::Error } else { Role::Warning };
            rows.extend(wrap(&[Span::new(text, role)], &self.indented()));
            let retries = !matches!(job.state, JobState::Scheduled { .. });
            let mut can = if retries {
                vec![Span::new("r", Role::Accent), Span::new(" retry   ", Role::Dim)]
            } else {
                Vec::new()
            };
            if !job.state.is_final() {
                can.extend([Span::new("x", Role::Accent), Span::new(" cancel", Role::Dim)]);
            }
            rows.extend(wrap(&can, &self.indented()));
        }
        rows
    }

    /// Returns the outcome or the running time, and the tokens used.
    fn right(&self, job: &Job, look: &RenderContext) -> (String, String) {
        let wide = self.cells >= WIDE;
        let outcome = match (&job.state, job.started_at) {
            (JobState::Running { .. }, Some(since)) if wide => age(since, look),
            (JobState::Running { .. }, Some(since)) => short_age(since, look),
            // The error text below has it.
            (JobState::Retryable { .. } | JobState::Scheduled { .. } | JobState::Failed { .. }, _) if !wide => {
                String::new()
            }
            (JobState::Completed { outcome: JobOutcome::Unchanged }, _) => "no change".to_owned(),
            // The opened job says what.
            (JobState::Completed { outcome: JobOutcome::CareTaken { .. } }, _) => "done".to_owned(),
            _ => outcome(job),
        };
        let spent =
            if job.tokens > 0 && job.state.is_final() { format!("  {:>5}", tokens(job.tokens)) } else { String::new() };
        (outcome, spent)
    }

    fn indented(&self) -> Shape {
        let indent = || vec![Span::new("   ", Role::Dim)];
        Shape { first: indent(), rest: indent(), ..Shape::plain(self.cells) }
    }
}

/// Returns a heading between jobs, with an empty row above.
pub(super) fn heading(text: &str, cells: usize) -> Vec<Row> {
    let row = wrap(&[Span::new(format!(" {text}"), Role::Dim)], &Shape::plain(cells));
    std::iter::once(Row::default()).chain(row).collect()
}

/// Returns the text of an empty list.
pub(super) fn empty(cells: usize, model: &Model) -> Vec<Row> {
    let policy = model.shown_group().and_then(|group| group.sleeptime.as_ref());
    let text = match policy {
        Some(policy) => format!("No jobs yet. One starts after {}; R starts one now.", policy.schedule()),
        None => "No background agents here. e on the group, in the agents, adds some.".to_owned(),
    };
    let indent = || vec![Span::new(" ", Role::Dim)];
    wrap(&[Span::new(text, Role::Dim)], &Shape { first: indent(), rest: indent(), ..Shape::plain(cells) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_take_at_most_five_cells() {
        let shown = [0, 999, 1_000, 1_249, 1_250, 9_949, 9_950, 34_400, 999_499, 999_500, 12_000_000].map(tokens);
        let wanted = ["0", "999", "1.0 k", "1.2 k", "1.3 k", "9.9 k", "10 k", "34 k", "999 k", "1 M", "12 M"];
        assert_eq!(shown, wanted);
    }
}
