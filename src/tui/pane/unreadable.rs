//! List items for unreadable rows of the store.

use super::RenderContext;
use super::list::Item;
use crate::domain::state::{Kind, RowFault};
use crate::tui::model::Model;
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::theme::Role;

/// Returns an item for each unreadable row of these kinds, with the error and advice.
#[must_use]
pub fn items<K>(kinds: &[Kind], cells: usize, look: &RenderContext, model: &Model) -> Vec<Item<K>> {
    let cells = cells.saturating_sub(1);
    let item = |fault: &RowFault| {
        let indent = || vec![Span::new("   ", Role::Text)];
        let first = vec![Span::new(format!(" {} ", look.glyphs.failed), Role::Error)];
        let mut rows = wrap(
            &[Span::new(clean_line(&fault.to_string()), Role::Error)],
            &Shape { first, rest: indent(), ..Shape::plain(cells) },
        );
        let shape = Shape { first: indent(), rest: indent(), ..Shape::plain(cells) };
        rows.extend(wrap(&[Span::new(RowFault::ADVICE, Role::Dim)], &shape));
        Item::rest(rows)
    };
    model.faults.iter().filter(|fault| kinds.contains(&fault.kind)).map(item).collect()
}
