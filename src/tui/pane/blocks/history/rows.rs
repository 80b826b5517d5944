//! Rows of the history: the versions, who has seen which, the difference, and who wrote each line.

use super::{History, Lines};
use crate::domain::{Block, Revision};
use crate::engine::protocol::Blame;
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::pane::blocks::rows::{after, moment, shifted};
use crate::tui::pane::list::{cut, two_ends};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::width::{fit, width};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::theme::Role;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;
/// Most rows of the list of versions.
const VERSIONS: u16 = 7;
/// Fewest cells for two versions side by side.
const SIDES: usize = 110;
/// Most cells of the name of an author beside a line.
const NAME: usize = 12;

/// Returns the rows above the text: the versions around the shown one, and what is shown of it.
pub(super) fn head(
    history: &History,
    block: &Block,
    (cells, height): (usize, u16),
    look: &RenderContext,
    model: &Model,
) -> Vec<Row> {
    let Some(all) = &history.revisions else { return Vec::new() };
    let room = usize::from((height / 4).clamp(1, VERSIONS));
    let first = history.at.saturating_sub(room / 2).min(all.len().saturating_sub(room));
    let mut rows = Vec::new();
    for (at, dated) in all.iter().enumerate().skip(first).take(room) {
        let revision = &dated.what;
        let (mark, role) = match at == history.at {
            true => (look.glyphs.prompt, Role::Accent),
            false if history.against == Some(revision.version) => ("=", Role::Accent),
            false => (" ", Role::Dim),
        };
        let who = clean_line(revision.editor.name()).into_owned();
        let mut left = vec![Span::new(format!("{mark}{:>4}  ", format!("v{}", revision.version)), role)];
        left.push(Span::new(who, if at == history.at { Role::Strong } else { Role::Dim }));
        let why = after(&revision.editor, model).unwrap_or_default();
        let reason = clean_line(&revision.reason);
        for part in [why.as_str(), &reason].into_iter().filter(|part| !part.is_empty()) {
            left.push(Span::new(format!(", {part}"), Role::Dim));
        }
        let right = vec![Span::new(moment(dated.at, look), Role::Dim)];
        rows.push(two_ends(left, right, cells, look.glyphs.ellipsis));
    }
    let told = match (&history.lines, history.pair()) {
        (Lines::Off, Some(pair)) => compared(pair, history.sides && cells < SIDES),
        (Lines::Off, None) => "the first version".to_owned(),
        (Lines::Asked(..), _) => "looking up who wrote each line".to_owned(),
        (Lines::Known(blame), _) => match blame.older_than {
            Some(version) => format!("who wrote each line; those without a version are older than v{version}"),
            None => "who wrote each line".to_owned(),
        },
    };
    if height >= 9 {
        rows.extend(seen(block, cells, look, model));
        rows.push(Row { spans: vec![Span::new(look.glyphs.horizontal.repeat(cells), Role::Border)], fence: None });
    }
    rows.push(cut(vec![Span::new(format!(" {told}"), Role::Dim)], cells, look.glyphs.ellipsis));
    rows
}

/// Says what is compared and how much differs.
fn compared((old, new): (&Revision, &Revision), too_narrow: bool) -> String {
    let lines = diff::lines(&old.value, &new.value, 0);
    let count = |sign| lines.iter().filter(|line| line.sign == sign).count();
    let narrow = if too_narrow { "; side by side needs 120 columns" } else { "" };
    match (count(diff::Sign::Added), count(diff::Sign::Removed)) {
        (0, 0) => format!("v{} and v{} have the same text{narrow}", old.version, new.version),
        (added, removed) => format!("from v{} to v{}: +{added} -{removed} lines{narrow}", old.version, new.version),
    }
}

/// Says which version each agent has seen that has the block.
fn seen(block: &Block, cells: usize, look: &RenderContext, model: &Model) -> Option<Row> {
    let told: Vec<String> = model
        .seen_versions(&block.id)
        .into_iter()
        .map(|(agent, version)| format!("{} v{version}", clean_line(&agent.name)))
        .collect();
    if told.is_empty() {
        return None;
    }
    let text = format!(" seen: {}", told.join(", "));
    Some(cut(vec![Span::new(text, Role::Dim)], cells, look.glyphs.ellipsis))
}

/// Returns the rows of the text.
pub(super) fn body(history: &History, cells: usize, look: &RenderContext) -> Vec<Row> {
    let Some(shown) = history.shown().map(|dated| &dated.what) else { return Vec::new() };
    if let Lines::Known(blame) = &history.lines {
        return blamed(blame, cells, look);
    }
    let pair = history.pair();
    let (old, new) = pair.map_or(("", shown.value.as_str()), |(old, new)| (&old.value, &new.value));
    if pair.is_none() && new.is_empty() {
        return vec![Row { spans: vec![Span::new("   empty at first", Role::Dim)], fence: None }];
    }
    if history.sides && cells >= SIDES {
        return diff::sides(old, new, CONTEXT, cells, look.glyphs);
    }
    let rows = diff::rows(old, new, CONTEXT, cells.saturating_sub(1), look.glyphs);
    if !rows.is_empty() {
        return rows.into_iter().map(shifted).collect();
    }
    let indent = || vec![Span::new("   ", Role::Text)];
    let shape = Shape { first: indent(), rest: indent(), ..Shape::plain(cells) };
    wrap(&[Span::new(clean(shown.value.trim_end_matches('\n')), Role::Text)], &shape)
}

/// Returns the lines with who wrote each, and in which version; said once for neighbours.
fn blamed(blame: &Blame, cells: usize, look: &RenderContext) -> Vec<Row> {
    let writer = |version| blame.writers.iter().find(|writer| writer.version == version);
    let name =
        |version| writer(version).map(|writer| clean_line(writer.editor.name()).into_owned()).unwrap_or_default();
    let names = blame.writers.iter().map(|writer| width(&clean_line(writer.editor.name()))).max().unwrap_or(0);
    // The time only where the text keeps most of the room.
    let wide = cells >= 60;
    let names = names.min(if wide { NAME } else { NAME - 4 });
    let mut rows = Vec::new();
    let mut last = None;
    for line in &blame.lines {
        let who = match line.version {
            Some(version) if last != Some(line.version) => {
                let time = writer(version).map(|writer| moment(writer.at, look)).filter(|_| wide);
                let time = time.map(|time| format!(" {time:>12}")).unwrap_or_default();
                format!("{:>5} {}{time}", format!("v{version}"), fit(&name(version), names, look.glyphs.ellipsis))
            }
            None if last != Some(None) => fit("    ?", names + 6, ""),
            _ => String::new(),
        };
        last = Some(line.version);
        let cells_of_who = names + 6 + if wide { 13 } else { 0 };
        let bar = format!(" {} ", look.glyphs.vertical);
        let prefix =
            |text: &str| vec![Span::new(fit(text, cells_of_who, ""), Role::Dim), Span::new(bar.clone(), Role::Border)];
        let shape = Shape { first: prefix(&who), rest: prefix(""), ..Shape::plain(cells) };
        rows.extend(wrap(&[Span::new(clean_line(&line.text), Role::Text)], &shape));
    }
    rows
}
