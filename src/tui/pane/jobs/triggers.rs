//! Rows of triggers below the jobs: when each fires, for whom, what comes next, and why not.

use jiff::Timestamp;

use crate::domain::Trigger;
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::pane::list::two_ends;
use crate::tui::text::clean::clean_line;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Returns the name of the only agent of a trigger, or what stands for all.
fn agent(trigger: &Trigger, model: &Model) -> String {
    trigger.spec.agent.as_ref().map_or_else(|| "all".to_owned(), |id| clean_line(model.name_of(id)).into_owned())
}

/// Formats a moment: the time of the day, with the date on another day.
fn moment(at: Timestamp, look: &RenderContext) -> String {
    let zoned = at.to_zoned(look.zone.clone());
    if zoned.date() == look.now.to_zoned(look.zone.clone()).date() {
        return look.clock(at);
    }
    format!("{} {}", zoned.strftime("%-d %b"), look.clock(at))
}

/// Returns the rows of a trigger: one, and why it did not fire when it last should have.
pub(super) fn rows(trigger: &Trigger, look: &RenderContext, model: &Model, cells: usize) -> Vec<Row> {
    let glyphs = look.glyphs;
    let cells = cells.saturating_sub(1);
    let (sign, role) = if trigger.paused {
        (glyphs.times, Role::Dim)
    } else if trigger.why_not.is_some() {
        (glyphs.waiting, Role::Warning)
    } else {
        (glyphs.background, Role::Accent)
    };
    let right = match (trigger.paused, trigger.next_due, trigger.last_fired) {
        (true, ..) => "paused".to_owned(),
        (_, Some(due), _) => format!("next {}", moment(due, look)),
        (_, None, Some(fired)) => format!("fired {}", moment(fired, look)),
        (_, None, None) => String::new(),
    };
    let left = vec![
        Span::new(format!(" {sign} "), role),
        Span::new(clean_line(&trigger.spec.when.schedule()).into_owned(), Role::Text),
        Span::new(format!("  {}", agent(trigger, model)), Role::Dim),
    ];
    let right = if right.is_empty() { Vec::new() } else { vec![Span::new(right, Role::Dim)] };
    let mut rows = vec![two_ends(left, right, cells, glyphs.ellipsis)];
    if let Some(why) = trigger.why_not.as_ref().filter(|_| !trigger.paused) {
        let indent = || vec![Span::new("   ", Role::Dim)];
        let shape = Shape { first: indent(), rest: indent(), ..Shape::plain(cells) };
        rows.extend(wrap(&[Span::new(format!("not since: {}", clean_line(why)), Role::Warning)], &shape));
    }
    rows
}

/// Returns a trigger in one sentence, for copying.
pub(super) fn sentence(trigger: &Trigger, model: &Model) -> String {
    let task = trigger.spec.task.as_ref().map(|task| format!(": {task}")).unwrap_or_default();
    format!("{}, {}{task} ({})", trigger.spec.when.schedule(), agent(trigger, model), trigger.id)
}
