//! Layout of markdown blocks as rows of a given width.

use pulldown_cmark::Alignment;
use ratatui::style::Modifier;

use super::parse::{Block, Body, CODE_INDENT};
use crate::tui::glyph::GlyphSet;
use crate::tui::text::wrap::{MIN_WIDTH, Mode, Shape, wrap};
use crate::tui::text::{Role, Row, Span, push_joined, width};

/// Minimum width in cells of a table's column that is narrower than its contents.
const NARROW: usize = 12;
/// Minimum width in cells of the columns of a table that still grows.
const NARROWEST: usize = 4;

/// Appends the rows of `blocks` at `cells` to `out`.
pub(crate) fn layout(blocks: &[Block], cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    lay_out(blocks, None, cells, glyphs, out);
}

/// Like [`layout`]; more text of the last block may follow. The columns of a table have equal widths until its end,
/// so that no row moves when another comes.
pub(crate) fn layout_growing(blocks: &[Block], cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    lay_out(blocks, blocks.len().checked_sub(1), cells, glyphs, out);
}

fn lay_out(blocks: &[Block], growing: Option<usize>, cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    for (at, block) in blocks.iter().enumerate() {
        if let Some(gap) = &block.gap {
            let mut shape = Shape::plain(cells);
            shape.first.clone_from(gap);
            out.extend(wrap(&[], &shape));
        }
        let from = out.len();
        match &block.body {
            Body::Flow(spans) => out.extend(wrap(spans, &shape(block, cells, Mode::Words))),
            Body::Verbatim { label, code } => verbatim(block, label, code, cells, glyphs, out),
            Body::Rule => rule(block, cells, glyphs, out),
            Body::Table { columns, rows } => match table_widths(block, columns, rows, cells, growing == Some(at)) {
                Some(widths) => lay_grid(block, columns, rows, &widths, glyphs, out),
                None => lay_list(block, rows, cells, glyphs, out),
            },
        }
        for row in &mut out[from..] {
            row.fence = block.fence;
        }
    }
}

fn shape(block: &Block, cells: usize, mode: Mode) -> Shape {
    Shape { first: block.first.clone(), rest: block.rest.clone(), mode, ..Shape::plain(cells) }
}

fn prefix_cells(prefix: &[Span]) -> usize {
    prefix.iter().map(|span| width::width(&span.text)).sum()
}

fn verbatim(block: &Block, label: &str, code: &str, cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    let mut shape = shape(block, cells, Mode::Exact);
    shape.continued = Some(marked(&block.rest, glyphs));
    if !label.is_empty() {
        out.extend(wrap(&[Span::new(label, Role::Dim)], &shape));
        shape.first.clone_from(&block.rest);
    }
    // The code keeps its tabs for copying; cleaning expands them.
    let code = crate::tui::text::clean::clean(code);
    out.extend(wrap(&[Span::new(code, Role::Code)], &shape));
}

/// Returns the indent of code with its last two cells replaced by the mark of a wrapped line.
fn marked(indent: &[Span], glyphs: &GlyphSet) -> Vec<Span> {
    let mut marked = indent.to_vec();
    if let Some(last) = marked.last_mut()
        && let Some(kept) = last.text.strip_suffix(CODE_INDENT).map(str::len)
    {
        last.text.truncate(kept);
    }
    push_joined(&mut marked, Span::new(format!("{} ", glyphs.wrapped), Role::Dim));
    marked
}

fn rule(block: &Block, cells: usize, glyphs: &GlyphSet, out: &mut Vec<Row>) {
    let room = cells.saturating_sub(prefix_cells(&block.first)).max(MIN_WIDTH);
    let line = Span::new(glyphs.horizontal.repeat(room), Role::Border);
    out.extend(wrap(&[line], &shape(block, cells, Mode::Exact)).into_iter().take(1));
}

/// Returns the widths of a table's columns in a grid; `None` if it is better read as a list. Columns that do not fit
/// share the room and wrap their cells.
fn table_widths(
    block: &Block,
    columns: &[Alignment],
    rows: &[Vec<Vec<Span>>],
    cells: usize,
    growing: bool,
) -> Option<Vec<usize>> {
    let natural: Vec<usize> = (0..columns.len())
        .map(|column| rows.iter().map(|row| row.get(column).map_or(0, |cell| prefix_cells(cell))).max().unwrap_or(0))
        .collect();
    let prefix = prefix_cells(&block.first).max(prefix_cells(&block.rest));
    let room = cells.checked_sub(prefix + 3 * natural.len().saturating_sub(1)).filter(|_| prefix <= cells / 2)?;
    let fits = natural.iter().sum::<usize>() <= room;
    let share = room / natural.len().max(1);
    if growing && (share >= NARROW || fits && share >= NARROWEST) {
        return Some(vec![share; natural.len()]);
    }
    if fits {
        return Some(natural);
    }
    if share < NARROW {
        return None;
    }
    // Columns below the share leave the rest of it to the others.
    let (mut left, mut wide) = (room, natural.len());
    let mut order: Vec<usize> = (0..natural.len()).collect();
    order.sort_by_key(|column| natural[*column]);
    let mut widths = natural.clone();
    for column in order {
        widths[column] = natural[column].min(left / wide);
        left -= widths[column];
        wide -= 1;
    }
    Some(widths)
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
        let cell = |column: usize| cells.get(column).map_or(&[][..], Vec::as_slice);
        let lines: Vec<Vec<Row>> = widths.iter().enumerate().map(|(at, room)| cell_rows(cell(at), *room)).collect();
        for line in 0..lines.iter().map(Vec::len).max().unwrap_or(1) {
            let first = index == 0 && line == 0;
            let mut row = Row { spans: if first { block.first.clone() } else { block.rest.clone() }, fence: None };
            for (column, room) in widths.iter().enumerate() {
                if column > 0 {
                    row.push(Span::new(format!(" {} ", glyphs.vertical), Role::Border));
                }
                let spans = lines[column].get(line).map_or(&[][..], |row| row.spans.as_slice());
                let free = room.saturating_sub(prefix_cells(spans));
                let left = match columns.get(column) {
                    Some(Alignment::Right) => free,
                    Some(Alignment::Center) => free / 2,
                    Some(Alignment::None | Alignment::Left) | None => 0,
                };
                row.push(Span::new(" ".repeat(left), Role::Text));
                for span in spans {
                    row.push(if index == 0 { headed(span) } else { span.clone() });
                }
                if column + 1 < widths.len() {
                    row.push(Span::new(" ".repeat(free - left), Role::Text));
                }
            }
            out.push(row);
        }
        if index == 0 {
            let bars: Vec<_> = widths.iter().map(|room| glyphs.horizontal.repeat(*room)).collect();
            let joint = format!("{0}{1}{0}", glyphs.horizontal, glyphs.cross);
            let mut row = Row { spans: block.rest.clone(), fence: None };
            row.push(Span::new(bars.join(&joint), Role::Border));
            out.push(row);
        }
    }
}

fn cell_rows(cell: &[Span], room: usize) -> Vec<Row> {
    if prefix_cells(cell) <= room {
        return vec![Row { spans: cell.to_vec(), fence: None }];
    }
    wrap(cell, &Shape::plain(room))
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
            let mut shape = Shape { first: first.clone(), rest: block.rest.clone(), ..Shape::plain(cells) };
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
