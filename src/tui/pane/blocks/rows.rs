//! Rows of blocks.

use jiff::Timestamp;

use crate::domain::{Block, Editor};
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::pane::list::{cut, two_ends};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::width::width;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::theme::Role;

/// Above this many rows, a change is shown with [`CONTEXT`] only.
const WHOLE: usize = 24;
/// Unchanged lines shown around a change in a long block.
const CONTEXT: usize = 2;

/// Formats a time: the time of day, with the date if it is not today; of other years only the date.
pub(super) fn moment(at: Timestamp, look: &RenderContext) -> String {
    let (then, now) = (at.to_zoned(look.zone.clone()), look.now.to_zoned(look.zone.clone()));
    if then.date() == now.date() {
        return then.strftime("%H:%M").to_string();
    }
    let day = if then.year() == now.year() { "%-d %b %H:%M" } else { "%-d %b %Y" };
    then.strftime(day).to_string()
}

/// Returns the row moved one cell to the right, so that the signs of a difference are in the column before the text.
pub(super) fn shifted(row: Row) -> Row {
    let mut spans = vec![Span::new(" ", Role::Text)];
    spans.extend(row.spans);
    Row { spans, fence: row.fence }
}

/// Returns the width of the column of sizes for these blocks; constant, so that changing sizes move nothing.
pub(super) fn size_cells<'a>(blocks: impl Iterator<Item = &'a Block>) -> usize {
    blocks.map(|block| 2 * block.limit.to_string().len() + 1).max().unwrap_or(0)
}

/// Returns the first row of a block.
pub(super) fn header(
    block: &Block,
    folded: bool,
    changed: bool,
    sizes: usize,
    cells: usize,
    look: &RenderContext,
) -> Row {
    let glyphs = look.glyphs;
    let sign = if folded { glyphs.folded } else { glyphs.open };
    let mut left = vec![Span::new(format!(" {sign} "), Role::Dim), Span::new(clean_line(&block.label), Role::Strong)];
    if changed {
        left.push(Span::new(format!(" {}", glyphs.changed), Role::Accent));
    }
    let count = block.value.chars().count();
    let role = match count * 10 {
        tenfold if tenfold > block.limit as usize * 10 => Role::Error,
        tenfold if tenfold >= block.limit as usize * 9 => Role::Warning,
        _ => Role::Dim,
    };
    let size = format!("{count}/{}", block.limit);
    let right = vec![
        Span::new(format!("{:>4} ", format!("v{}", block.version)), Role::Dim),
        Span::new(format!("{size:>sizes$}"), role),
    ];
    two_ends(left, right, cells.saturating_sub(1), glyphs.ellipsis)
}

/// Says after what the job of an editor came, if it was a job.
pub(super) fn after(editor: &Editor, model: &Model) -> Option<String> {
    let job = editor.job().and_then(|id| model.job(id))?;
    job.causes.iter().rev().find_map(|cause| cause.kind.after())
}

/// Returns the row with the editor of the value, the cause, and the time.
pub(super) fn editor(block: &Block, cells: usize, look: &RenderContext, model: &Model) -> Row {
    let mut text = format!("   {}", clean_line(block.editor.name()));
    let mut more = after(&block.editor, model).map(|after| format!(", {after}")).into_iter().collect::<Vec<_>>();
    if block.read_only {
        more.push(", read only for agents".to_owned());
    }
    more.push(format!(", {}", moment(block.edited_at, look)));
    let behind = model.seen_versions(&block.id).into_iter().filter(|(_, version)| *version < block.version);
    more.extend(behind.map(|(agent, version)| format!(", {} saw v{version}", clean_line(&agent.name))));
    let room = cells.saturating_sub(1);
    // Parts that do not fit are omitted instead of truncated.
    for part in more {
        if width(&text) + width(&part) <= room {
            text.push_str(&part);
        }
    }
    cut(vec![Span::new(text, Role::Dim)], room, look.glyphs.ellipsis)
}

/// Returns the wrapped value.
pub(super) fn value(block: &Block, cells: usize) -> Vec<Row> {
    let indent = || vec![Span::new("   ", Role::Text)];
    let shape = Shape { first: indent(), rest: indent(), ..Shape::plain(cells.saturating_sub(1)) };
    if block.value.trim().is_empty() {
        let hint =
            vec![Span::new("empty; ", Role::Dim), Span::new("e", Role::Accent), Span::new(" edits it", Role::Dim)];
        return wrap(&hint, &shape);
    }
    wrap(&[Span::new(clean(block.value.trim_end_matches('\n')), Role::Text)], &shape)
}

/// Returns the value as a difference to `before`.
pub(super) fn changed(block: &Block, before: &str, cells: usize, look: &RenderContext) -> Vec<Row> {
    let rows = |context| diff::rows(before, &block.value, context, cells.saturating_sub(2), look.glyphs);
    let whole = rows(usize::from(u16::MAX));
    let shown = if whole.len() > WHOLE { rows(CONTEXT) } else { whole };
    if shown.is_empty() { value(block, cells) } else { shown.into_iter().map(shifted).collect() }
}

/// Returns a heading between blocks.
pub(super) fn heading(text: &str, cells: usize, look: &RenderContext) -> Vec<Row> {
    vec![cut(vec![Span::new(format!(" {text}"), Role::Dim)], cells, look.glyphs.ellipsis), Row::default()]
}

/// Returns the text of an empty list.
pub(super) fn empty(cells: usize, model: &Model) -> Vec<Row> {
    let text = if model.shown_group().is_none() {
        "No group is shown: press 1, then Enter to choose one."
    } else {
        "No shared blocks: n creates one that all agents of the group read and edit. Select an agent in the agents (1) to \
         see its own blocks, or to create one with N."
    };
    let indent = || vec![Span::new(" ", Role::Dim)];
    wrap(&[Span::new(text, Role::Dim)], &Shape { first: indent(), rest: indent(), ..Shape::plain(cells) })
}
