//! Layout of markdown blocks as rows of a given width.

use pulldown_cmark::Alignment;
use ratatui::style::Modifier;

use super::parse::{Block, Body};
use crate::tui::glyph::GlyphSet;
use crate::tui::text::wrap::{MIN_WIDTH, Mode, Shape, wrap};
use crate::tui::text::{Role, Row, Span, push_joined, width};

/// Appends the rows of `blocks` at `cells` to `out`.
pub(crate) fn layout(blocks: &[Block], cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    for block in blocks {
        if let Some(gap) = &block.gap {
            let mut shape = Shape::plain(cells);
            shape.first.clone_from(gap);
            out.extend(wrap(&[], &shape));
        }
        let from = out.len();
        match &block.body {
            Body::Flow(spans) => out.extend(wrap(spans, &shape(block, cells, Mode::Words))),
            Body::Verbatim { label, code } => verbatim(block, label, code, cells, out),
            Body::Rule => rule(block, cells, glyphs, out),
            Body::Table { columns, rows } => table(block, columns, rows, cells, glyphs, out),
        }
        for row in &mut out[from..] {
            row.fence = block.fence;
        }
    }
}

fn shape(block: &Block, cells: usize, mode: Mode) -> Shape {
    Shape { width: cells, first: block.first.clone(), rest: block.rest.clone(), mode }
}

fn prefix_cells(prefix: &[Span]) -> usize {
    prefix.iter().map(|span| width::width(&span.text)).sum()
}

fn verbatim(block: &Block, label: &str, code: &str, cells: usize, out: &mut Vec<Row>) {
    let mut shape = shape(block, cells, Mode::Exact);
    if !label.is_empty() {
        out.extend(wrap(&[Span::new(label, Role::Dim)], &shape));
        shape.first.clone_from(&block.rest);
    }
    // The code keeps its tabs for copying; cleaning expands them.
    let code = crate::tui::text::clean::clean(code);
    out.extend(wrap(&[Span::new(code, Role::Code)], &shape));
}

fn rule(block: &Block, cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    let room = cells.saturating_sub(prefix_cells(&block.first)).max(MIN_WIDTH);
    let line = Span::new(glyphs.horizontal.repeat(room), Role::Border);
    out.extend(wrap(&[line], &shape(block, cells, Mode::Exact)).into_iter().take(1));
}

/// Lays out a table as a grid if it fits, otherwise as a list of its rows with each cell under its heading.
fn table(
    block: &Block,
    columns: &[Alignment],
    rows: &[Vec<Vec<Span>>],
    cells: usize,
    glyphs: &GlyphSet,
    out: &mut Vec<Row>,
) {
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| rows.iter().map(|row| row.get(column).map_or(0, |cell| prefix_cells(cell))).max().unwrap_or(0))
        .collect();
    let grid = widths.iter().sum::<usize>() + 3 * widths.len().saturating_sub(1);
    let prefix = prefix_cells(&block.first).max(prefix_cells(&block.rest));
    if grid + prefix <= cells && prefix <= cells / 2 {
        lay_grid(block, columns, rows, &widths, glyphs, out);
    } else {
        lay_list(block, rows, cells, glyphs, out);
    }
}

fn lay_grid(
    block: &Block,
    columns: &[Alignment],
    rows: &[Vec<Vec<Span>>],
    widths: &[usize],
    glyphs: &GlyphSet,
    out: &mut Vec<Row>,
) {
    for (index, cells) in rows.iter().enumerate() {
        let mut row = Row { spans: if index == 0 { block.first.clone() } else { block.rest.clone() }, fence: None };
        for (column, room) in widths.iter().enumerate() {
            if column > 0 {
                row.push(Span::new(format!(" {} ", glyphs.vertical), Role::Border));
            }
            let cell = cells.get(column).map_or(&[][..], Vec::as_slice);
            let free = room.saturating_sub(prefix_cells(cell));
            let left = match columns.get(column) {
                Some(Alignment::Right) => free,
                Some(Alignment::Center) => free / 2,
                Some(Alignment::None | Alignment::Left) | None => 0,
            };
            row.push(Span::new(" ".repeat(left), Role::Text));
            for span in cell {
                row.push(if index == 0 { headed(span) } else { span.clone() });
            }
            if column + 1 < widths.len() {
                row.push(Span::new(" ".repeat(free - left), Role::Text));
            }
        }
        out.push(row);
        if index == 0 {
            let bars: Vec<_> = widths.iter().map(|room| glyphs.horizontal.repeat(*room)).collect();
            let joint = format!("{0}{1}{0}", glyphs.horizontal, glyphs.cross);
            let mut row = Row { spans: block.rest.clone(), fence: None };
            row.push(Span::new(bars.join(&joint), Role::Border));
            out.push(row);
        }
    }
}

fn headed(span: &Span) -> Span {
    let role = if span.role == Role::Text { Role::Strong } else { span.role };
    Span { role, ..span.clone() }.with(Modifier::BOLD)
}

fn lay_list(block: &Block, rows: &[Vec<Vec<Span>>], cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    let Some((head, body)) = rows.split_first() else { return };
    let mut first = block.first.clone();
    let only_head = [head.clone()];
    let body = if body.is_empty() { &only_head[..] } else { body };
    for row in body {
        for (column, cell) in row.iter().enumerate() {
            let mut shape = Shape { width: cells, first: first.clone(), rest: block.rest.clone(), mode: Mode::Words };
            let sign = if column == 0 { format!("{} ", glyphs.bullet) } else { "  ".to_owned() };
            push_joined(&mut shape.first, Span::new(sign, Role::Dim));
            push_joined(&mut shape.rest, Span::new("    ", Role::Text));
            let mut spans: Vec<Span> = Vec::new();
            if column > 0 {
                for span in head.get(column).into_iter().flatten() {
                    push_joined(&mut spans, Span { role: Role::Dim, ..span.clone() });
                }
                push_joined(&mut spans, Span::new(": ", Role::Dim));
            }
            for span in cell {
                push_joined(&mut spans, if column == 0 { headed(span) } else { span.clone() });
            }
            out.extend(wrap(&spans, &shape));
            first.clone_from(&block.rest);
        }
    }
}
